"""Spreadsheets: labels in CSV, TSV, XLSX and ODS, in columns that their authors named."""
