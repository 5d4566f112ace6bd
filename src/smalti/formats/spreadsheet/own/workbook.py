"""Workbooks that people can work in: drop-down lists, filters, pictures, and what the columns mean.

Written row by row by XlsxWriter (https://xlsxwriter.readthedocs.io/) in bounded memory. Numbers keep all of their
digits. Specification: https://learn.microsoft.com/openspecs/office_standards/ms-xlsx
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from smalti._extras import require
from smalti.formats.spreadsheet.cells import EXTRA, letters
from smalti.formats.spreadsheet.own.columns import KEY
from smalti.formats.spreadsheet.own.decode import unescaped
from smalti.formats.spreadsheet.own.encode import escaped
from smalti.formats.spreadsheet.own.table import ABOUT, CATEGORIES, SCHEMA, SCHEMA_TITLES
from smalti.formats.spreadsheet.own.thumbnails import Thumbnails

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Self

    from smalti.formats.spreadsheet.options import SpreadsheetOptions
    from smalti.formats.spreadsheet.own.columns import Column
    from smalti.formats.spreadsheet.own.keys import About
    from smalti.schema.schema import Schema

ROWS_MOST: Final = 1_048_576  # of a sheet, its header among them
COLUMNS_MOST: Final = 16_384  # of a sheet
PICTURE: Final = "picture"
ONE: Final = "labels"  # the sheet where there is one for all
NO_SPLIT: Final = "no split"
_NAME_MOST: Final = 31
_CHUNK: Final = 30_000  # characters of a cell
EMPTY: Final = '""'  # a text that is empty, as it stands in a cell
_EXACT_MOST: Final = 2**53
CREATED: Final = dt.datetime(1980, 1, 1)  # noqa: DTZ001  # XlsxWriter wants none; the same data is the same file
_WIDE: Final = {"text": 18, "labels": 24, "json": 24, "polygons": 24, "mask": 24, "point": 16}


class Exact(float):
    """A number whose digits are all written; XlsxWriter writes sixteen."""

    def __format__(self, spec: str) -> str:
        return repr(float(self))


class Workbook:
    """One workbook; rows are added in parts, and it is whole when it is closed.

    Attributes:
        rows: How many rows each sheet got.
        first: The sheets that are no continuation of others.
    """

    def __init__(
        self, path: str, about: About, schema: Schema, columns: Sequence[Column], options: SpreadsheetOptions
    ) -> None:
        xlsxwriter = require("xlsxwriter", EXTRA)
        settings = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        self._book = xlsxwriter.Workbook(path, settings)
        self._book.set_properties({"created": CREATED})
        self._bold = self._book.add_format({"bold": True, "bottom": 1})
        self._top = self._book.add_format({"valign": "top"})
        self._pages: dict[str, Any] = {}
        self._full: dict[str, str] = {}  # which sheet a split's rows go to now
        self._splits: dict[str, None] = {}
        self._about = about
        self._schema = schema
        self._columns = columns
        self._options = options
        self._thumbnails = Thumbnails(schema, columns, options)
        self.rows: dict[str, int] = {}
        self.first: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._close()
        self._book.close()

    def add(self, table: pa.Table) -> None:
        """Add rows: a string column for each of the table's columns, and the keys."""
        splits = self._pages_of(table)
        for split in pc.unique(splits).to_pylist():
            own = pc.equal(splits, split) if split is not None else pc.is_null(splits)
            rows = table.filter(own)
            while len(rows):
                page, room = self._page(split)
                self._write(page, rows.slice(0, room))
                rows = rows.slice(room)

    def _pages_of(self, table: pa.Table) -> pa.Array:
        """Which sheet each row goes to: its split's, or the one for all."""
        named = [column.header for column in self._columns if column.field == "split"]
        if not named:
            return pa.array([ONE] * len(table))
        splits = table.column(named[0]).combine_chunks()
        self._splits |= dict.fromkeys(unescaped(pc.unique(splits.drop_null())).to_pylist())
        return pa.array([ONE] * len(table)) if self._options.layout == "one" else splits

    def _page(self, split: str | None) -> tuple[Any, int]:
        """The sheet for a split's next rows, and how many it has room for."""
        base = split if split is not None else NO_SPLIT
        most = self._options.rows_a_sheet
        name = self._full.get(base)
        if name is None or self.rows[name] >= most:
            is_first = base not in self._full
            name = self._full[base] = self._free_name(base)
            self.first |= {name} if is_first else set()
            self._pages[name] = self._begin(name)
            self.rows[name] = 0
        return self._pages[name], most - self.rows[name]

    def _free_name(self, wanted: str) -> str:
        plain = re.sub(r"[\[\]:*?/\\\x00-\x1f]", "_", wanted).strip("' ")[:_NAME_MOST] or "_"
        taken = {name.casefold() for name in self._pages} | {ABOUT, CATEGORIES, SCHEMA, "history"}
        name, number = plain, 2
        while name.casefold() in taken:
            tail = f" ({number})"
            name, number = plain[: _NAME_MOST - len(tail)] + tail, number + 1
        return name

    def _begin(self, name: str) -> Any:
        page = self._book.add_worksheet(name)
        first = 1 if self._thumbnails.wanted else 0
        titles = [*([PICTURE] if first else []), *(column.header for column in self._columns), KEY]
        for place, title in enumerate(titles):
            page.write_string(0, place, title, self._bold)
        if first:
            page.set_column(0, 0, self._options.thumbnail_size / 7 + 1)
        for place, column in enumerate(self._columns, first):
            page.set_column(
                place, place, max(_WIDE.get(column.kind, 10), min(len(column.header) + 3, 40)), self._top
            )
        page.set_column(len(titles) - 1, len(titles) - 1, None, None, {"hidden": True})
        known = {("id", ""), ("image", "path")}
        frozen = [p for p, column in enumerate(self._columns, first) if (column.field, column.part) in known]
        page.freeze_panes(1, max(frozen, default=-1) + 1 if len(frozen) < len(titles) else 0)
        return page

    def _write(self, page: Any, rows: pa.Table) -> None:
        first = 1 if self._thumbnails.wanted else 0
        cells = [_values(rows.column(column.header), column) for column in self._columns]
        cells.append(rows.column(len(self._columns)).to_pylist())
        puts = [_put(page, column.kind) for column in self._columns] + [page.write_string]
        start = self.rows[page.get_name()] + 1
        pictures = self._thumbnails.of(rows)
        for number, row in enumerate(zip(*cells, strict=True), start):
            picture = pictures.get(number - start)
            if picture is not None:
                page.set_row_pixels(number, picture.height + 4)
                page.insert_image(number, 0, picture.name, picture.placed)
            for place, (value, put) in enumerate(zip(row, puts, strict=True), first):
                if value is not None:
                    put(number, place, value)
        self.rows[page.get_name()] += len(rows)

    def _close(self) -> None:
        if not self._pages:
            self._page(ONE)
        lists = self._categories()
        self._meaning()
        about = self._book.add_worksheet(ABOUT)
        about.hide()
        text = msgspec.json.encode(self._about).decode()
        chunks = [text[at : at + _CHUNK] for at in range(0, len(text), _CHUNK)]
        tables = {c.field: c.words for c in self._columns if c.words and c.field not in lists}
        tables |= {"split": tuple(self._splits)} if self._splits else {}
        columns = [chunks, *map(_words, tables.values())]
        for place, (field, told) in enumerate(tables.items(), 1):
            end = letters(place)
            lists[field] = f"='{ABOUT}'!${end}$1:${end}${len(told)}"
        for number in range(max(map(len, columns))):
            for place, words in enumerate(columns):
                if number < len(words):
                    about.write_string(number, place, words[number])
        for name, page in self._pages.items():
            self._comfort(page, self.rows[name], lists)

    def _comfort(self, page: Any, rows: int, lists: dict[str, str]) -> None:
        """Filters, and drop-down lists for words that are known."""
        first = 1 if self._thumbnails.wanted else 0
        page.autofilter(0, 0, max(rows, 1), first + len(self._columns) - 1)
        for place, column in enumerate(self._columns, first):
            source: Any = lists.get(column.field) if column.kind == "text" else None
            if column.kind == "flag":
                source = ["TRUE", "FALSE"]
            if source:
                rule = {"validate": "list", "source": source, "error_type": "warning"}
                rule["error_message"] = "This word is not known yet."
                page.data_validation(1, place, max(rows, 1), place, rule)

    def _categories(self) -> dict[str, str]:
        """The sheet of the class table; gives the drop-down list of its column."""
        named = [column for column in self._columns if column.words is not None]
        named.sort(key=lambda column: "." not in column.field)  # the objects' first
        if not named:
            return {}
        feature = self._schema.columns[named[0].field.partition(".")[0]]
        table: Any = feature.categories  # type: ignore[union-attr]  # a column with words has a table
        page = self._book.add_worksheet(CATEGORIES)
        for place, title in enumerate(("name", "id", "supercategory", "keypoints")):
            page.write_string(0, place, title, self._bold)
        for number, (word, one) in enumerate(zip(_words(table.values), table, strict=True), 1):
            points = ", ".join(one.keypoints or ())[:_CHUNK]
            rest = ["" if v is None else str(v) for v in (one.id, one.supercategory)]
            told = [word, *_words([*rest, points])]
            for place, text in enumerate(told):
                if text != EMPTY:
                    page.write_string(number, place, text[:_CHUNK])
        page.set_column(0, 2, 20)
        page.freeze_panes(1, 0)
        return {named[0].field: f"='{CATEGORIES}'!$A$2:$A${len(table) + 1}"} if len(table) else {}

    def _meaning(self) -> None:
        """A sheet that says what each column is."""
        page = self._book.add_worksheet(SCHEMA)
        for place, title in enumerate(SCHEMA_TITLES):
            page.write_string(0, place, title, self._bold)
        for number, column in enumerate(self._columns, 1):
            field = f"{column.field}.{column.part}" if column.part else column.field
            for place, text in enumerate((column.header, field, CELLS[column.kind])):
                page.write_string(number, place, text[:_CHUNK])
        page.set_column(0, 2, 28)
        page.freeze_panes(1, 0)


CELLS: Final = {
    "text": "text",
    "integer": "a whole number",
    "number": "a number; coordinates are pixels from the top left corner",
    "flag": "TRUE or FALSE",
    "cast": "a date or time in ISO 8601, or a decimal number",
    "json": "JSON",
    "labels": "classes, divided by semicolons",
    "polygons": "rings as JSON: [[x, y, x, y, …]]",
    "mask": "COCO's compressed run-length encoding as JSON",
    "point": "x y visibility (0 not labelled, 1 hidden, 2 visible)",
}


def _values(cells: pa.ChunkedArray, column: Column) -> list[Any]:
    """Cells as Python values of the kind that the file shall have."""
    texts = cells.to_pylist()
    if column.kind == "flag":
        return [None if text is None else text == "TRUE" for text in texts]
    if column.kind in {"integer", "number"}:
        return [None if text is None else _number(text) for text in texts]
    return texts


def _number(text: str) -> float | str:
    """A number, or a text where a cell cannot hold it: infinite ones, and whole ones beyond 2**53."""
    value = float(text)
    if value - value != 0.0 or (abs(value) >= _EXACT_MOST and text.lstrip("-").isdigit()):
        return text
    return value if f"{value:.16G}" == repr(value) or float(f"{value:.16G}") == value else Exact(value)


def _words(words: Sequence[str]) -> list[str]:
    """Words as they stand in cells."""
    return escaped(pa.array(words, pa.string())).to_pylist()


def _put(page: Any, kind: str) -> Callable[[int, int, Any], object]:
    if kind == "flag":
        return page.write_boolean
    if kind not in {"integer", "number"}:
        return page.write_string

    def number(row: int, column: int, value: float | str) -> object:
        return (
            page.write_string(row, column, value)
            if isinstance(value, str)
            else page.write_number(row, column, value)
        )

    return number
