"""Sheets as columns of Arrow arrays, with the address that each cell has in Excel.

Workbooks are read by python-calamine (https://github.com/dimastbk/python-calamine), which gives numbers
as floats, blanks as empty text and dates as datetime; CSV by pyarrow.csv, every column as text.
"""

from __future__ import annotations

import datetime as dt
import gc
import io
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti._extras import require
from smalti.errors import DataError, listed
from smalti.formats.spreadsheet import text_file
from smalti.formats.spreadsheet.header import header_row, joined_names
from smalti.formats.spreadsheet.limits import looked_into

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from smalti.formats.spreadsheet.open_xml import Odd
    from smalti.storage.location import Location

BOOK_SUFFIXES: Final = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
ZIPPED: Final = (".xlsx", ".xlsm", ".ods")
TEXT_SUFFIXES: Final = (".csv", ".tsv")
SUFFIXES: Final = (*BOOK_SUFFIXES, *TEXT_SUFFIXES)
EXTRA: Final = "excel"
HEAD: Final = 20  # rows among which the header is looked for

BLANK, NUMBER, TEXT, DATE, FLAG = range(5)  # kinds of cells
_KINDS: Final = {
    type(None): BLANK,
    float: NUMBER,
    int: NUMBER,
    str: TEXT,
    dt.datetime: DATE,
    dt.date: DATE,
    dt.time: DATE,
    dt.timedelta: DATE,
    bool: FLAG,
}


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One sheet below its header.

    Attributes:
        file: The file's path or URL.
        name: The sheet's name; empty for CSV.
        header: A name a column, as it stands there; the column's letters where there is none.
        has_header: Whether a header row was found.
        columns: One array a column, all of one length; null is a blank cell. Of a workbook: string,
            float64, bool, or timestamp[us]; string where the kinds are mixed. Of CSV: string, or float64.
        first: The number that Excel shows at the first row of the columns, from 1.
        kinds: For columns of mixed kinds: uint8 ``(n,)``, the kind of each cell.
        merged: Merged cells as ``(top, left, bottom, right)``, from 0, inclusive, in the whole sheet.
        errors: What formulas give that is no value, ``#N/A``, by the cell's row and column; the cells are blank.
        overlong: Rows of a CSV (positions in the columns) with more cells than the header has.
        repaired: What was wrong with the file as a whole, and is mended.
    """

    file: str
    name: str
    header: list[str]
    has_header: bool
    columns: list[pa.Array]
    first: int
    kinds: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    merged: tuple[tuple[int, int, int, int], ...] = ()
    errors: dict[tuple[int, int], str] = field(default_factory=dict)
    overlong: tuple[int, ...] = ()
    repaired: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def cell(self, row: int, column: int) -> str:
        """The address of a cell: ``F217``. `row` and `column` are positions in `columns`."""
        return f"{letters(column)}{self.first + row}"

    def place(self, row: int, column: int) -> str:
        """A cell for a message: ``sheet "batch 3", cell F217``."""
        sheet = f'sheet "{self.name}", ' if self.name else ""
        return f"{sheet}cell {self.cell(row, column)}"

    def text(self, row: int, column: int) -> str:
        """What stands in a cell, as text; blank: empty."""
        value = self.columns[column][row].as_py()
        return "" if value is None else cell_text(value)


@dataclass(frozen=True, kw_only=True)
class Book:
    """A file of sheets; a CSV has one without a name.

    Attributes:
        location: The file.
        sheets: Names of the sheets that are seen in Excel, in their order.
        hidden: Names of the hidden ones.
    """

    location: Location
    sheets: list[str]
    hidden: list[str] = field(default_factory=list)
    _book: Any = None
    _odd: dict[str, Odd] = field(default_factory=dict)

    def sheet(self, name: str = "", header: int | None = -1, *, typed: bool = False) -> Sheet:
        """Read a sheet.

        Args:
            name: One of `sheets` or `hidden`.
            header: The header's row, from 0; -1: it is looked for; null: there is none.
            typed: Of CSV: columns that are coordinates by their names become float64, where they are numbers.

        Raises:
            DataError: There is no such sheet, or it cannot be read.
        """
        if self._book is None:
            return _text_sheet(self.location, header, typed=typed)
        if name not in {*self.sheets, *self.hidden}:
            raise DataError(f"no sheet {name!r}; there are {listed(self.sheets)}", file=self.location.url)
        sheet = _book_sheet(self._book, name, self.location, header)
        return _with_odd(sheet, self._odd[name]) if name in self._odd else sheet


def open_book(location: Location) -> Book:
    """Open a workbook, or a file of separated values.

    Raises:
        DataError: It is damaged, or locked by a password.
        MissingExtraError: A workbook needs python-calamine.
    """
    if location.suffix.lower() in TEXT_SUFFIXES:
        return Book(location=location, sheets=[""])
    calamine = require("python_calamine", EXTRA)
    source = location.local if location.is_local else io.BytesIO(location.read_bytes())
    odd = looked_into(source, location.url) if location.suffix.lower() in ZIPPED else {}
    if not isinstance(source, str):
        source.seek(0)
    try:
        book = calamine.CalamineWorkbook.from_object(source)
    except calamine.PasswordError as error:
        raise DataError(
            "the workbook is locked by a password", file=location.url, hint="save it without one"
        ) from error
    except (calamine.CalamineError, OSError) as error:
        raise DataError(f"no workbook, or a damaged one: {error}", file=location.url) from error
    seen: list[str] = []
    hidden: list[str] = []
    for sheet in book.sheets_metadata:
        if sheet.typ == calamine.SheetTypeEnum.WorkSheet:
            is_seen = sheet.visible == calamine.SheetVisibleEnum.Visible
            (seen if is_seen else hidden).append(sheet.name)
    return Book(location=location, sheets=seen, hidden=hidden, _book=book, _odd=odd)


def letters(column: int) -> str:
    """A column's letters, from its position: 0 is A, 26 is AA."""
    text = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        text = chr(65 + rest) + text
    return text


def cell_text(value: Any) -> str:
    """A cell's value as Excel would show it, dates as ISO 8601."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value.date().isoformat()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value)


def _book_sheet(book: Any, name: str, location: Location, header: int | None) -> Sheet:
    calamine = require("python_calamine", EXTRA)
    try:
        sheet = book.get_sheet_by_name(name)
    except calamine.CalamineError as error:
        raise DataError(f"cannot be read: {error}", file=location.url, position=f'sheet "{name}"') from error
    with _no_collection():
        rows = sheet.to_python(skip_empty_area=False)
        while rows and not any(cell != "" for cell in rows[-1]):
            rows.pop()
        found = header_row(rows[:HEAD]) if header == -1 else header
        titles, begin = _titles(rows, found)
        below = zip(*rows[begin:], strict=True) if len(rows) > begin else [()] * len(titles)
        made = [_column(cells) for cells in below]
    columns = [array for array, _ in made]
    kinds = {position: mixed for position, (_, mixed) in enumerate(made) if mixed is not None}
    merged = tuple((*top_left, *bottom_right) for top_left, bottom_right in sheet.merged_cell_ranges or ())
    return Sheet(
        file=location.url,
        name=name,
        header=titles,
        has_header=found is not None,
        columns=columns,
        first=begin + 1,
        kinds=kinds,
        merged=merged,
    )


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the collection of cycles, which would look at a hundred thousand rows again and again, and find none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _with_odd(sheet: Sheet, odd: Odd) -> Sheet:
    """A sheet with what the file says besides; places are of the whole sheet, from 0."""
    top = sheet.first - 1
    errors = {(row - top, column): text for (row, column), text in odd.errors.items() if row >= top}
    return replace(sheet, errors=errors, merged=sheet.merged if odd.merged is None else odd.merged)


def _titles(rows: Sequence[Sequence[Any]], found: int | None) -> tuple[list[str], int]:
    """The header, and the position of the first row below it."""
    width = len(rows[0]) if rows else 0
    if found is not None and rows:
        texts = [[cell_text(cell) for cell in row] for row in rows[: found + 1]]
        return joined_names(texts, found), found + 1
    begin = next((i for i, row in enumerate(rows) if any(cell != "" for cell in row)), 0)
    return [letters(column) for column in range(width)], begin


def _column(cells: Sequence[Any]) -> tuple[pa.Array, NDArray[np.uint8] | None]:
    """Cells as an array, and their kinds where they are mixed."""
    met = set(map(type, cells))
    if met == {float}:
        return pa.array(np.fromiter(cells, np.float64, len(cells))), None
    values: Sequence[Any] = cells
    if str in met and "" in cells:
        values = [None if cell == "" else cell for cell in cells]
        met = set(map(type, values))
    kinds = {_KINDS.get(kind, TEXT) for kind in met} - {BLANK}
    if kinds == {NUMBER}:
        return pa.array(values, pa.float64()), None
    if kinds == {FLAG}:
        return pa.array(values, pa.bool_()), None
    if kinds <= {TEXT}:
        return pa.array(values, pa.string()), None
    if kinds == {DATE} and not met & {dt.time, dt.timedelta}:
        return pa.array(list(map(_midnight, values)), pa.timestamp("us")), None
    texts = pa.array([None if value is None else cell_text(value) for value in values], pa.string())
    return texts, np.array([_KINDS.get(type(value), TEXT) for value in values], np.uint8)


def _midnight(value: dt.date | None) -> dt.datetime | None:
    """A date as a time; of times and dates in one column Arrow makes neither."""
    if value is None or isinstance(value, dt.datetime):
        return value
    return dt.datetime.combine(value, dt.time())


def _text_sheet(location: Location, header: int | None, *, typed: bool) -> Sheet:
    found = text_file.read(location, header, HEAD, typed=typed)
    width = len(found.columns)
    names = [name.strip() for name in found.header or ()]
    titles = [*names, *("" for _ in range(width - len(names)))]
    if found.header is None:
        titles = [letters(column) for column in range(width)]
    return Sheet(
        file=location.url,
        name="",
        header=titles,
        has_header=found.header is not None,
        columns=found.columns,
        first=found.first,
        overlong=found.overlong,
        repaired=found.repaired,
    )


def filled(array: pa.Array) -> NDArray[np.bool_]:
    """Which cells hold something other than blanks."""
    held = array.is_valid()
    if pa.types.is_string(array.type):
        held = pc.and_(held, pc.not_equal(pc.utf8_trim_whitespace(array.fill_null("")), ""))
    return held.to_numpy(zero_copy_only=False)
