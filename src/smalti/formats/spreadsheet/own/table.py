"""A table that smalti wrote, read back: its cells, its keys, and the dataset that it is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import DataError, listed
from smalti.formats.spreadsheet.cells import TEXT_SUFFIXES, filled
from smalti.formats.spreadsheet.own import keys
from smalti.formats.spreadsheet.own.columns import KEY, Column, columns_of, kept
from smalti.formats.spreadsheet.own.decode import unescaped, unescaped_text
from smalti.formats.spreadsheet.own.text import GUARDED
from smalti.schema.categories import Categories
from smalti.schema.schema import Schema

if TYPE_CHECKING:
    from smalti.formats.spreadsheet.cells import Book, Sheet
    from smalti.formats.spreadsheet.own.decode import Wrong
    from smalti.formats.spreadsheet.own.keys import About, Key

ABOUT: Final = "smalti"  # the hidden sheet of what the table says of itself
CATEGORIES: Final = "categories"  # the sheet of the classes
SCHEMA: Final = "schema"  # the sheet that says what the columns are
SCHEMA_TITLES: Final = ("column", "field", "cells")


@dataclass(frozen=True)
class Table:
    """A table as it stands in its file.

    Attributes:
        file: The file's path or URL.
        about: What it says of itself.
        schema: Of what it holds, with the classes that were added to its sheet of categories.
        sheets: Its sheets of rows.
        columns: Its columns, those that are gone too.
        keys: Which object each row is; null for rows that somebody added.
        cells: string arrays of all rows of all sheets, by header.
        ignored: Headers that somebody added.
        new_words: Classes that somebody added.
    """

    file: str
    about: About
    schema: Schema
    sheets: list[Sheet]
    columns: list[Column]
    keys: list[Key | None]
    cells: dict[str, pa.Array]
    ignored: list[str] = field(default_factory=list)
    new_words: tuple[str, ...] = ()

    @property
    def labels(self) -> str | None:
        """The column whose classes the sheet of categories has."""
        return _labels(self.schema, self.about.field)

    def __len__(self) -> int:
        return len(self.keys)

    def where(self, row: int) -> tuple[Sheet, int]:
        """The sheet of a row, and its position there."""
        for sheet in self.sheets:
            if row < len(sheet):
                break
            row -= len(sheet)
        return sheet, row

    def position(self, row: int, header: str | None = None) -> str:
        """Where a cell, or a row, stands: ``sheet "train", cell F217``."""
        sheet, row = self.where(row)
        if header is not None and header in sheet.header:
            return sheet.place(row, sheet.header.index(header))
        place = f"row {sheet.first + row}"
        return f'sheet "{sheet.name}", {place}' if sheet.name else place

    def error(self, wrong: Wrong) -> DataError:
        """A faulty cell as an error."""
        return DataError(
            wrong.reason, file=self.file, position=self.position(wrong.row, wrong.header), hint=wrong.hint
        )

    @cached_property
    def ids(self) -> pa.Array:
        """Each row's sample: its key's; of an added row what its cells say, by ``id`` or by the image.

        Raises:
            DataError: A row says neither.
        """
        own = [None if key is None else key.sample for key in self.keys]
        named = self.texts("id")
        images = self.texts("image")
        by_image = {image: sample for image, sample in zip(images, own, strict=True) if image and sample}
        found = []
        for row, sample in enumerate(own):
            told = sample or named[row] or by_image.get(images[row] or "") or images[row]
            if not told:
                raise DataError(
                    "found a row that names no image; expected its id, or its image",
                    file=self.file,
                    position=self.position(row),
                    hint="fill in the column, or remove the row",
                )
            found.append(told)
        return pa.array(found, pa.string())

    def texts(self, field_: str) -> list[str | None]:
        """The texts of ``id``, or of the image's path, one a row; null where it is blank, or the column is gone."""
        header = next((c.header for c in self.columns if c.field == field_ and c.part in {"", "path"}), None)
        if header is None or header not in self.cells:
            return [None] * len(self)
        return [text or None for text in unescaped(self.cells[header]).to_pylist()]


def read_table(book: Book, known: Schema | None = None) -> Table | None:
    """A table that smalti wrote; null for others.

    Args:
        book: The file.
        known: The schema of what was handed out, for a file that has none of its own. Where it is null, a look at
            the names of the sheets, or at the head of a text, says whether the rest is read.

    Raises:
        DataError: It is one, and damaged.
        SchemaError: It is of another release.
    """
    if known is None and not _seems_own(book):
        return None
    pages = [sheet for sheet in _pages(book) if keys.key_column(sheet.header) is not None]
    about = _about(book) or next(filter(None, (keys.about_of(sheet.header) for sheet in pages)), None)
    if about is None or not pages:
        return None
    file = book.location.url
    if about.version > keys.VERSION:
        raise DataError(
            f"found a table of version {about.version}, expected {keys.VERSION}",
            file=file,
            hint="update smalti",
        )
    if about.schema:
        schema = Schema.from_json(about.schema)
    elif known is not None:
        schema = kept(known, about.field, shapes=True)
    else:
        return None  # the schema was too large for a header: the columns have to be recognised
    new_words = _new_words(schema, about.field, book)
    schema = with_words(schema, _labels(schema, about.field), new_words)
    columns = columns_of(schema, about.field)
    cells, found, ignored = _joined(pages, columns, about, file)
    table = Table(file, about, schema, pages, columns, [], cells, ignored, new_words)
    return replace(table, keys=keys.parsed(found, lambda row: (file, table.position(row))))


def _seems_own(book: Book) -> bool:
    if book.location.suffix.lower() not in TEXT_SUFFIXES:
        return ABOUT in {*book.hidden, *book.sheets}
    with book.location.open("rb") as file:
        head = file.read(2 * keys.HEADER_MOST)
    return KEY.encode() in head.replace(b"\0", b"")  # Excel saves text as UTF-16, too


def _pages(book: Book) -> list[Sheet]:
    """The sheets that are seen; the header is in the first row, unless somebody put something above it."""
    pages = []
    for name in book.sheets:
        page = book.sheet(name, header=0)
        if keys.key_column(page.header) is None:
            page = book.sheet(name)
        pages.append(page)
    return pages


def _about(book: Book) -> About | None:
    """What a workbook says of itself, on its hidden sheet."""
    if ABOUT not in {*book.hidden, *book.sheets}:
        return None
    page = book.sheet(ABOUT, header=None)
    text = "".join(cell or "" for cell in page.columns[0].to_pylist()) if page.columns else ""
    try:
        return msgspec.json.decode(text, type=keys.About)
    except msgspec.MsgspecError:
        return None


def with_words(schema: Schema, name: str | None, words: tuple[str, ...]) -> Schema:
    """A schema with more classes in the table of a column."""
    if not words or name is None:
        return schema
    feature: Any = schema.columns[name]
    both = Categories((*feature.categories, *Categories.of(words)))
    return schema.with_columns({**schema.columns, name: feature.model_copy(update={"categories": both})})


def _labels(schema: Schema, field_: str | None) -> str | None:
    named = [name for name, feature in schema.columns.items() if hasattr(feature, "categories")]
    return field_ if field_ in named else next(iter(named), None)


def _new_words(schema: Schema, field_: str | None, book: Book) -> tuple[str, ...]:
    """The classes that somebody wrote below the others on the sheet of categories."""
    name = _labels(schema, field_)
    if CATEGORIES not in book.sheets or name is None:
        return ()
    page = book.sheet(CATEGORIES, header=0)
    if not page.columns or not pa.types.is_string(page.columns[0].type):
        return ()
    feature: Any = schema.columns[name]
    known = feature.categories.codes
    words = unescaped(pc.unique(page.columns[0].drop_null())).to_pylist()
    return tuple(
        word.strip() for word in words if word.strip() and word not in known and word.strip() not in known
    )


def _joined(
    pages: list[Sheet], columns: list[Column], about: About, file: str
) -> tuple[dict[str, pa.Array], pa.Array, list[str]]:
    """The cells of all sheets by header, their keys, and the headers that are not the table's."""
    cells: dict[str, list[pa.Array]] = {}
    found: list[pa.Array] = []
    ignored: dict[str, None] = {}
    mine = {column.header for column in columns}
    for page in pages:
        key = keys.key_column(page.header)
        for place, shown in enumerate(page.header):
            title = _title(shown, mine) if about.guarded else shown
            if place == key:
                found.append(_texts(page, place, guarded=about.guarded))
            elif title in mine and title not in page.header[:place]:
                cells.setdefault(title, []).append(_texts(page, place, guarded=about.guarded))
            elif filled(page.columns[place]).any():
                ignored[title or page.cell(0, place)] = None
    torn = [title for title, arrays in cells.items() if len(arrays) < len(pages)]
    if torn:
        raise DataError(
            f"some sheets have the columns {listed(torn)}, and some do not",
            file=file,
            hint="remove them everywhere",
        )
    return (
        {title: pa.concat_arrays(arrays) for title, arrays in cells.items()},
        pa.concat_arrays(found),
        [*ignored],
    )


def _title(shown: str, mine: set[str]) -> str:
    """A header without what keeps it from being a formula."""
    bare = shown[1:] if GUARDED.match(shown) else shown
    return bare if bare in mine else unescaped_text(bare)


def _texts(page: Sheet, column: int, *, guarded: bool) -> pa.Array:
    """A column as exact texts; null where it is blank."""
    array = page.columns[column]
    if pa.types.is_boolean(array.type):
        return pc.if_else(array, "TRUE", "FALSE")
    if not pa.types.is_string(array.type):
        return array.cast(pa.string())
    if guarded:
        marked = pc.match_substring_regex(array, f"^{GUARDED.pattern}").fill_null(False)
        array = pc.if_else(marked, pc.utf8_slice_codeunits(array, 1), array)
    return pc.if_else(pc.equal(array, ""), None, array)


def blank_rows(table: Table, headers: list[str]) -> np.ndarray:
    """Which rows have nothing in any of some columns: bool ``(n,)``."""
    blank = np.ones(len(table), bool)
    for header in headers:
        if header in table.cells:
            blank &= ~filled(table.cells[header])
    return blank
