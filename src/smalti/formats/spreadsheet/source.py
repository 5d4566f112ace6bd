"""The sheets of a source: a file, or a folder of them, with their splits and their class table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from smalti.errors import EmptySourceError
from smalti.formats.splits import KNOWN
from smalti.formats.spreadsheet import values
from smalti.formats.spreadsheet.cells import SUFFIXES, open_book
from smalti.formats.spreadsheet.guess import Columns, guess
from smalti.formats.spreadsheet.header import key, roles
from smalti.formats.spreadsheet.images import Images
from smalti.formats.spreadsheet.layout import Parsed, no_image, parse
from smalti.formats.spreadsheet.mapping import Mapping
from smalti.formats.spreadsheet.options import SpreadsheetOptions
from smalti.formats.spreadsheet.own.table import SCHEMA, SCHEMA_TITLES
from smalti.schema.categories import Categories, Category
from smalti.storage.location import Location

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from smalti.formats.spreadsheet.cells import Book, Sheet

DEPTH: Final = 2  # folders: one a split, as Roboflow exports
_OF_CLASSES: Final = (
    "categories",
    "category",
    "classes",
    "class names",
    "Klassen",
    "Kategorien",
    "catégories",
)
TABLES: Final = frozenset(map(key, (*_OF_CLASSES, "labels")))  # names of sheets
FILES: Final = frozenset(map(key, (*_OF_CLASSES, "class map", "class mapping", "class list", "label map")))
_IDS: Final = frozenset({"id", "classid", "categoryid", "labelid", "index"})


@dataclass(frozen=True, slots=True)
class Source:
    """A file of sheets.

    Attributes:
        place: The file.
        folder: Its folder below the root; empty where it is the root.
        split: The split that its folder or its name says.
        book: The file, opened, where it is the source itself.
    """

    place: Location
    folder: str
    split: str | None
    book: Book | None = None


def sources(root: Location) -> list[Source]:
    """The files of a source.

    Raises:
        EmptySourceError: There are none.
    """
    if root.isfile():
        return [Source(root, "", KNOWN.get(root.stem.casefold()), open_book(root))]
    found = []
    for path in root.find(SUFFIXES, maxdepth=DEPTH):
        folder, _, name = path.rpartition("/")
        if not name.startswith(("~$", ".")):  # a lock of Excel, a hidden file
            split = KNOWN.get(folder.casefold()) or KNOWN.get(name.partition(".")[0].casefold())
            found.append(Source(root / path, folder, split))
    if not found:
        raise EmptySourceError(f"{root.url}: found no {', '.join(SUFFIXES)} in the folder")
    return found


def sheets(source: Source, wanted: tuple[str, ...] | None) -> Iterator[Sheet]:
    """The sheets of a file that hold something.

    Raises:
        DataError: The file cannot be read, or has no sheet of that name.
    """
    book = source.book or open_book(source.place)
    for name in book.sheets if wanted is None else wanted:
        if name == SCHEMA and tuple(book.sheet(name, header=0).header) == SCHEMA_TITLES:
            continue  # it says what the columns of others are
        sheet = book.sheet(name, typed=True)
        if len(sheet) or sheet.has_header:
            yield sheet


@dataclass(frozen=True, slots=True)
class Read:
    """What a source holds: the parsed sheets with their splits, those passed over, the class table."""

    parsed: list[Parsed]
    splits: list[str | None]
    ignored: list[Sheet]
    categories: Categories | None


def read(files: Sequence[Source], images: Images, options: SpreadsheetOptions) -> Read:
    """Read and parse all sheets of a source.

    Raises:
        DataError: No sheet names images, or a file cannot be read.
        OptionError: The mapping does not fit.
    """
    mapping = Mapping.parse(options.mapping)
    ready: list[tuple[Source, Sheet, Columns]] = []
    ignored: list[Sheet] = []
    names = options.categories or mapping.categories
    table = None if names is None else Categories.of(names)
    for source in files:
        for sheet in sheets(source, options.sheets):
            found = None if table else class_table(sheet, alone=len(files) == 1)
            if found is not None:
                table = found
                continue
            columns = guess(sheet, mapping, options.preset)
            if "image" in columns.at:
                ready.append((source, sheet, columns))
            else:
                ignored.append(sheet)
    if not ready:
        if ignored:
            raise no_image(ignored[0])
        raise EmptySourceError(f"{files[0].place.url}: the sheets hold nothing")
    parsed, splits = [], []
    for source, sheet, columns in ready:
        parsed.append(parse(sheet, _with_table(columns, table), images, source.folder))
        splits.append(KNOWN.get(sheet.name.casefold()) or source.split)
    return Read(parsed, splits, ignored, table)


def class_table(sheet: Sheet, *, alone: bool) -> Categories | None:
    """The classes of a sheet, or of a file beside others, that is their table: it is called so, and names no images."""
    stem = PurePosixPath(sheet.file).stem
    called = key(sheet.name) in TABLES or (not sheet.name and not alone and key(stem) in FILES)
    if not called or not sheet.columns:
        return None
    found = roles(sheet.header) if sheet.has_header else {}
    if "image" in found:
        return None
    titles = {key(name): c for c, name in enumerate(sheet.header)} if sheet.has_header else {}
    column = titles.get("name", found.get("category", 0))
    ids = next((c for title, c in titles.items() if title in _IDS and c != column), None)
    ids = 1 if not titles and len(sheet.columns) > 1 else ids  # RetinaNet's: a class and its number
    parts = [None if c is None else sheet.columns[c] for c in (column, ids, titles.get("supercategory"))]
    blank = [None] * len(sheet)
    cells = [blank if part is None else values.words(part).to_pylist() for part in parts]
    told = {name: Category(name=name, id=_number(code), supercategory=over)
            for name, code, over in reversed(list(zip(*cells, strict=True))) if name is not None}  # fmt: skip
    return Categories(tuple(told.values())[::-1]) if told else None


def _number(code: str | None) -> int | str | None:
    return int(code) if code is not None and code.isascii() and code.isdigit() else code


def _with_table(columns: Columns, table: Categories | None) -> Columns:
    if table is None:
        return columns
    mapping = columns.mapping.model_copy(update={"categories": table.values})
    return replace(columns, mapping=mapping)


def guess_mapping(place: str | os.PathLike[str], **options: Any) -> Mapping:
    """What the columns of a source's first sheet of images are taken for, to be saved and mended.

    Args:
        place: A file, or a folder of files.
        **options: Options of the format.

    Raises:
        DataError: No sheet names images.
    """
    root = Location.parse(place)
    images = Images(root.parent if root.isfile() else root)
    return read(sources(root), images, SpreadsheetOptions(**options)).parsed[0].mapping
