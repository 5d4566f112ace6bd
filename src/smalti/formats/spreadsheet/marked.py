"""A copy of a workbook with its faults: faulty cells coloured and commented, and a sheet that lists them.

Written by XlsxWriter (https://xlsxwriter.readthedocs.io/). The copy has the values of the original, not its
formats and formulas: it is for looking, and for mending by hand.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from smalti._extras import require
from smalti.errors import DataError
from smalti.formats.spreadsheet.cells import EXTRA, open_book
from smalti.storage.location import Location

if TYPE_CHECKING:
    import os

    from smalti.formats.spreadsheet.cells import Sheet
    from smalti.formats.spreadsheet.faults import Fault

SUMMARY: Final = "smalti check"
ROWS_MOST: Final = 1_048_576  # of a sheet of Excel
COMMENTS_MOST: Final = 5000  # a sheet; Excel becomes slow with more
_NAME_MOST: Final = 31
_RED, _YELLOW = "#F8B4B4", "#FFF2A8"


def write_marked(source: str, target: str | os.PathLike[str], faults: list[Fault]) -> None:
    """Write the copy.

    Args:
        source: The workbook or CSV.
        target: The copy, ``*.xlsx``.
        faults: The faults of that file.

    Raises:
        DataError: A sheet has more rows than a sheet of Excel.
        MissingExtraError: It needs XlsxWriter.
    """
    xlsxwriter = require("xlsxwriter", EXTRA)
    book = open_book(Location.parse(source))
    options = {"strings_to_formulas": False, "strings_to_urls": False, "default_date_format": "yyyy-mm-dd"}
    with xlsxwriter.Workbook(str(target), options) as out:
        formats = {
            True: out.add_format({"bg_color": _RED}),
            False: out.add_format({"bg_color": _YELLOW}),
            "head": out.add_format({"bold": True}),
        }
        summary = out.add_worksheet(SUMMARY)
        names = {}
        for name in book.sheets:
            sheet = book.sheet(name)
            names[name] = (name or Location.parse(source).stem)[:_NAME_MOST]
            _copy(out.add_worksheet(names[name]), sheet, [f for f in faults if f.sheet == name], formats)
        _summary(summary, faults, names, formats)


def _copy(page: Any, sheet: Sheet, faults: list[Fault], formats: dict[Any, Any]) -> None:
    top = sheet.first - 1
    if top + len(sheet) > ROWS_MOST:
        raise DataError(f"{len(sheet):,} rows; a sheet of Excel has {ROWS_MOST:,}", file=sheet.file)
    if sheet.has_header and top:
        page.write_row(top - 1, 0, sheet.header, formats["head"])
        page.freeze_panes(top, 0)
    found: dict[tuple[int, int], list[Fault]] = {}
    for one in faults:
        if one.row is not None:
            found.setdefault((one.row, one.column or 0), []).append(one)
    for column, cells in enumerate(sheet.columns):
        for row, value in enumerate(cells.to_pylist()):
            here = found.get((row, column))
            style = formats[any(one.grave for one in here)] if here else None
            _cell(page, top + row, column, value, style)
    for (row, column), here in list(found.items())[:COMMENTS_MOST]:
        page.write_comment(top + row, column, "\n".join(_said(one) for one in here), {"x_scale": 2})


def _cell(page: Any, row: int, column: int, value: Any, style: Any) -> None:
    if value is None:
        page.write_blank(row, column, None, style)
    elif isinstance(value, bool):
        page.write_boolean(row, column, value, style)
    elif isinstance(value, dt.date):
        page.write_datetime(row, column, value, style)
    elif isinstance(value, float):
        page.write_number(row, column, value, style)
    else:
        page.write_string(row, column, str(value), style)


def _said(one: Fault) -> str:
    return f"{one.reason}; {one.hint}" if one.hint else one.reason


def _summary(page: Any, faults: list[Fault], names: dict[str, str], formats: dict[Any, Any]) -> None:
    """Counts by code, then every fault with a link to its cell."""
    errors = sum(one.grave for one in faults)
    page.write_string(0, 0, f"{errors} errors, {len(faults) - errors} warnings", formats["head"])
    page.write_row(2, 0, ("what", "kind", "count"), formats["head"])
    counts = Counter((one.code, one.grave) for one in faults)
    row = 3
    for (code, grave), count in counts.most_common():
        page.write_row(row, 0, (code, "error" if grave else "warning", count))
        row += 1
    row += 1
    page.write_row(row, 0, ("what", "kind", "sheet", "cell", "found", "hint"), formats["head"])
    for one in faults:
        row += 1
        name = names.get(one.sheet, one.sheet)
        page.write_string(row, 0, one.code, formats[one.grave])
        page.write_string(row, 1, "error" if one.grave else "warning")
        page.write_string(row, 2, name)
        if one.cell:
            cell = one.cell if one.column is not None else f"A{one.cell}"
            quoted = name.replace("'", "''")
            page.write_url(row, 3, f"internal:'{quoted}'!{cell}", string=one.cell)
        page.write_string(row, 4, one.reason)
        page.write_string(row, 5, one.hint or "")
    page.set_column(0, 3, 16)
    page.set_column(4, 5, 60)
