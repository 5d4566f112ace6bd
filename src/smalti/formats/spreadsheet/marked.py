"""A copy of a workbook with its faults: faulty cells coloured and commented, and a sheet that lists them.

The copy of an XLSX keeps formats, formulas, column widths and other sheets, as far as openpyxl does
(https://openpyxl.readthedocs.io/). Of other files, and of very large ones, it has the values, written by XlsxWriter
(https://xlsxwriter.readthedocs.io/).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from smalti._extras import require
from smalti.errors import DataError, OptionError
from smalti.formats.spreadsheet.cells import EXTRA, cell_text, open_book
from smalti.storage.location import Location

if TYPE_CHECKING:
    import os

    from smalti.formats.spreadsheet.cells import Book, Sheet
    from smalti.formats.spreadsheet.faults import Fault

SUMMARY: Final = "smalti check"
ROWS_MOST: Final = 1_048_576  # of a sheet of Excel
COMMENTS_MOST: Final = 5000  # a sheet; Excel becomes slow with more
KEPT_MOST: Final = 500_000  # cells of a workbook whose formats are kept: they are all held in memory
_NAME_MOST: Final = 31
RED, YELLOW = "F8B4B4", "FFF2A8"
WIDTHS: Final = (20, 10, 18, 10, 70, 50)  # of the summary's columns

Marks = dict[tuple[int, int], "list[Fault]"]


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the summary: its texts, whether they are a heading, its fault."""

    texts: tuple[str | int, ...] = ()
    is_head: bool = False
    fault: Fault | None = None


def write_marked(source: str, target: str | os.PathLike[str], faults: list[Fault]) -> None:
    """Write the copy.

    Args:
        source: The workbook or CSV.
        target: The copy, ``*.xlsx``; it must not be the source.
        faults: The faults of that file.

    Raises:
        DataError: A sheet has more rows than a sheet of Excel.
        OptionError: The target is no ``*.xlsx``, the source itself, or another file that is there already.
        MissingExtraError: It needs XlsxWriter or openpyxl.
    """
    place, copy = Location.parse(source), Location.parse(target)
    if copy.suffix.lower() != ".xlsx":
        raise OptionError(f"found {copy.name}; the marked copy is a workbook, *.xlsx")
    if copy.url == place.url:
        raise OptionError(f"the marked copy would replace {place.url} itself; expected another file")
    if copy.isfile() and SUMMARY not in open_book(copy).sheets:
        raise OptionError(f"{copy.url} is there already, and is no marked copy; choose another name")
    book = open_book(place)
    if place.suffix.lower() in {".xlsx", ".xlsm"} and place.is_local and _size(book) <= KEPT_MOST:
        from smalti.formats.spreadsheet.marked_book import write_kept

        write_kept(place.local, str(target), faults)
    else:
        _write_values(book, str(target), faults)


def summary(faults: list[Fault]) -> list[Line]:
    """What the summary's sheet says: counts by code, then every fault."""
    errors = sum(one.grave for one in faults)
    lines = [Line((f"{errors:,} errors, {len(faults) - errors:,} warnings",), is_head=True), Line()]
    if not faults:
        return lines
    lines.append(Line(("what", "kind", "count"), is_head=True))
    counts = Counter((one.code, one.grave) for one in faults)
    lines += [Line((code, _kind(grave), count)) for (code, grave), count in counts.most_common()]
    lines += [Line(), Line(("what", "kind", "sheet", "cell", "found", "hint"), is_head=True)]
    lines += [
        Line((one.code, _kind(one.grave), one.sheet, one.cell, one.reason, one.hint or ""), fault=one)
        for one in faults
    ]
    return lines


def link(one: Fault, sheet: str) -> str | None:
    """The address of a fault's cell in the copy; null: it is of the whole sheet."""
    if not one.cell:
        return None
    cell = one.cell if one.column is not None else f"A{one.cell}"
    quoted = sheet.replace("'", "''")
    return f"'{quoted}'!{cell}"


def said(faults: list[Fault]) -> str:
    """What the comment of a cell says."""
    return "\n".join(f"{one.reason}; {one.hint}" if one.hint else one.reason for one in faults)


def marks(faults: list[Fault]) -> Marks:
    """The faults of each cell, by row and column from 0 in the whole sheet; of a row, at its first cell."""
    found: Marks = {}
    for one in faults:
        if one.cell:
            number = int(one.cell.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
            found.setdefault((number - 1, one.column or 0), []).append(one)
    return found


def _kind(grave: bool) -> str:  # one of two words
    return "error" if grave else "warning"


def _size(book: Book) -> int:
    sheets = [book.sheet(name, header=None) for name in (*book.sheets, *book.hidden)]
    return sum(len(sheet) * len(sheet.columns) for sheet in sheets)


def _write_values(book: Book, target: str, faults: list[Fault]) -> None:
    xlsxwriter = require("xlsxwriter", EXTRA)
    options = {
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "default_date_format": "yyyy-mm-dd",
        "constant_memory": True,
    }
    with xlsxwriter.Workbook(target, options) as out:
        formats = {
            True: out.add_format({"bg_color": f"#{RED}"}),
            False: out.add_format({"bg_color": f"#{YELLOW}"}),
            "head": out.add_format({"bold": True}),
            "plain": None,
        }
        names = {name: (name or book.location.stem)[:_NAME_MOST] for name in book.sheets}
        _write_summary(out.add_worksheet(SUMMARY), faults, names, formats)
        for name in book.sheets:
            page = out.add_worksheet(names[name])
            _copy(
                page,
                book.sheet(name),
                book.sheet(name, header=None),
                marks([f for f in faults if f.sheet == name]),
                formats,
            )


def _copy(page: Any, sheet: Sheet, whole: Sheet, found: Marks, formats: dict[Any, Any]) -> None:
    """All rows of a sheet, those above the header too."""
    top = whole.first - 1
    if top + len(whole) > ROWS_MOST:
        raise DataError(f"{len(whole):,} rows; a sheet of Excel has {ROWS_MOST:,}", file=sheet.file)
    head = sheet.first - 2 if sheet.has_header else -1
    if head >= 0:
        page.freeze_panes(head + 1, 0)
    for column, cells in enumerate(whole.columns):
        texts = [cell_text(value) for value in cells.slice(0, 200).to_pylist() if value is not None]
        page.set_column(column, column, min(max((len(text) for text in texts), default=8) + 2, 40))
    rows_at_fault = {
        row: any(one.grave for one in here) for (row, _), here in found.items() if here[0].column is None
    }
    for row, values in enumerate(zip(*(cells.to_pylist() for cells in whole.columns), strict=True), top):
        for column, value in enumerate(values):
            here = found.get((row, column))
            key = (
                any(one.grave for one in here)
                if here
                else rows_at_fault.get(row, "head" if row == head else "plain")
            )
            _cell(page, row, column, value, formats[key])
    for (row, column), here in list(found.items())[:COMMENTS_MOST]:
        page.write_comment(row, column, said(here), {"x_scale": 2})


def _cell(page: Any, row: int, column: int, value: Any, style: Any) -> None:
    if value is None:
        page.write_blank(row, column, None, style)
    elif isinstance(value, bool):
        page.write_boolean(row, column, value, style)
    elif isinstance(value, float):
        page.write_number(row, column, value, style)
    elif isinstance(value, str):
        page.write_string(row, column, value, style)
    else:
        page.write_datetime(row, column, value, style)


def _write_summary(page: Any, faults: list[Fault], names: dict[str, str], formats: dict[Any, Any]) -> None:
    for column, width in enumerate(WIDTHS):
        page.set_column(column, column, width)
    for row, line in enumerate(summary(faults)):
        for column, text in enumerate(line.texts):
            style = formats["head"] if line.is_head else None
            if isinstance(text, int):
                page.write_number(row, column, text, style)
                continue
            if line.fault is not None and column == 0:
                style = formats[line.fault.grave]
            name = "" if line.fault is None else names.get(line.fault.sheet, line.fault.sheet)
            address = link(line.fault, name) if line.fault is not None and column == 3 else None
            if address is not None:
                page.write_url(row, column, f"internal:{address}", string=text)
            else:
                page.write_string(
                    row, column, name if line.fault is not None and column == 2 else text, style
                )
