"""Plots of datasets: each counts in one pass over Arrow columns, then draws with matplotlib."""

from __future__ import annotations
