"""Spreadsheets: labels in CSV, TSV, XLSX and ODS, in columns that their authors named.

    labels.xlsx               sheets with a header; a sheet may be a split, one may be the class table
    train/_annotations.csv    or a folder of files, one a split

A row is an object or an image; columns are recognised by their names in several languages and by their
values, and what was found is said in the report (`columns.guessed`). A mapping settles it:
`smalti.formats.spreadsheet.mapping`. Known dialects: `smalti.formats.spreadsheet.presets`.

Specification: https://learn.microsoft.com/openspecs/office_standards/ms-xlsx and
https://www.rfc-editor.org/rfc/rfc4180
"""

from __future__ import annotations

from smalti.formats.protocol import Format, FormatInfo
from smalti.formats.spreadsheet.options import SpreadsheetOptions
from smalti.formats.spreadsheet.own.writer import SpreadsheetWriter
from smalti.formats.spreadsheet.reader import SpreadsheetReader
from smalti.formats.spreadsheet.recognise import sniff

FORMAT = Format(
    info=FormatInfo(
        name="spreadsheet",
        title="Spreadsheet (CSV, TSV, XLSX, ODS)",
        spec="https://www.rfc-editor.org/rfc/rfc4180",
        layout=("*.csv", "*.tsv", "*.xlsx", "*.ods"),
        keeps=frozenset({"id", "split", "label", "image", "captions", "objects.*"}),
        file_suffixes=(".csv", ".tsv", ".xlsx", ".ods"),
        extra="excel",
    ),
    sniff=sniff,
    reader=SpreadsheetReader,
    writer=SpreadsheetWriter,
    options=SpreadsheetOptions,
)
