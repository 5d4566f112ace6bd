"""The marked copy of an XLSX: the workbook itself, with colours, comments and a summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smalti._extras import require
from smalti.errors import DataError
from smalti.formats.spreadsheet.cells import EXTRA
from smalti.formats.spreadsheet.marked import (
    COMMENTS_MOST,
    RED,
    SUMMARY,
    WIDTHS,
    YELLOW,
    link,
    marks,
    said,
    summary,
)

if TYPE_CHECKING:
    from smalti.formats.spreadsheet.faults import Fault

AUTHOR = "smalti"


def write_kept(source: str, target: str, faults: list[Fault]) -> None:
    """Write the copy of a workbook, with all of its formats and formulas.

    Raises:
        DataError: openpyxl cannot read the workbook.
        MissingExtraError: openpyxl is not installed.
    """
    openpyxl = require("openpyxl", EXTRA)
    try:
        book = openpyxl.load_workbook(source)
    except (
        ValueError,
        KeyError,
        TypeError,
        OSError,
    ) as error:  # what it does not know of the format raises these
        raise DataError(f"cannot be copied: {error}", file=source) from error
    fills = {
        grave: openpyxl.styles.PatternFill("solid", fgColor=colour)
        for grave, colour in ((True, RED), (False, YELLOW))
    }
    for page in book.worksheets:
        _mark(openpyxl, page, [one for one in faults if one.sheet == page.title], fills)
    name = SUMMARY
    while name in book.sheetnames:
        name += "_"
    page = book.create_sheet(name, 0)
    _write_summary(openpyxl, page, faults, fills)
    book.active = 0
    for other in book.worksheets:
        other.sheet_view.tabSelected = other is page
    book.save(target)


def _mark(openpyxl: Any, page: Any, faults: list[Fault], fills: dict[bool, Any]) -> None:
    covered: dict[tuple[int, int], tuple[int, int]] = {}
    for area in page.merged_cells.ranges:
        covered |= dict.fromkeys(area.cells, (area.min_row, area.min_col))
    for number, ((row, column), here) in enumerate(marks(faults).items()):
        place = covered.get((row + 1, column + 1), (row + 1, column + 1))
        fill = fills[any(one.grave for one in here)]
        whole = here[0].column is None
        for cell in page[place[0]] if whole else (page.cell(*place),):
            cell.fill = fill
        if number < COMMENTS_MOST:
            cell = page.cell(*place)
            before = f"{cell.comment.text}\n" if cell.comment is not None else ""
            text = before + said(here)
            cell.comment = openpyxl.comments.Comment(
                text, AUTHOR, height=40 + 18 * (len(text) // 45 + 1), width=320
            )


def _write_summary(openpyxl: Any, page: Any, faults: list[Fault], fills: dict[bool, Any]) -> None:
    bold = openpyxl.styles.Font(bold=True)
    blue = openpyxl.styles.Font(color="0563C1", underline="single")
    for row, line in enumerate(summary(faults), 1):
        for column, text in enumerate(line.texts, 1):
            cell = page.cell(row, column)
            cell.value = text
            if isinstance(text, str):
                cell.data_type = "s"  # a text, whatever it begins with
            if line.is_head:
                cell.font = bold
            if line.fault is not None and column == 1:
                cell.fill = fills[line.fault.grave]
            address = link(line.fault, line.fault.sheet) if line.fault is not None and column == 4 else None
            if address is not None:
                cell.hyperlink = openpyxl.worksheet.hyperlink.Hyperlink(ref=cell.coordinate, location=address)
                cell.font = blue
    for column, width in enumerate(WIDTHS, 1):
        page.column_dimensions[openpyxl.utils.get_column_letter(column)].width = width
