"""Files of separated values: their encoding and delimiter found, their columns as text.

Specification: https://www.rfc-editor.org/rfc/rfc4180, and what Excel writes besides: semicolons where the
comma is decimal, tabs in UTF-16, a first line ``sep=;``, the Windows code page.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from io import StringIO
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import csv as arrow_csv

from smalti.errors import DataError
from smalti.formats.spreadsheet.header import header_row, joined_names, numeric

if TYPE_CHECKING:
    from smalti.storage.location import Location

BOM: Final = b"\xef\xbb\xbf"
DELIMITERS: Final = (",", ";", "\t", "|")
_HEAD_BYTES: Final = 1 << 16
_LONGEST_CELL: Final = 1 << 24


@dataclass(frozen=True, slots=True)
class TextSheet:
    """What a file of separated values holds.

    Attributes:
        header: Its names; null where there are none.
        columns: string arrays, or float64 where that was asked for; null is a blank cell.
        first: The number of the first row, from 1, blank lines counted, as Excel numbers them.
        overlong: Rows with more cells than the header has.
        repaired: What was mended: ``encoding.guessed``.
    """

    header: list[str] | None
    columns: list[pa.Array]
    first: int
    overlong: tuple[int, ...]
    repaired: tuple[str, ...]


def read(location: Location, header: int | None, looked_at: int, *, typed: bool) -> TextSheet:
    """Read a file.

    Args:
        location: The file.
        header: The header's row, from 0; -1: it is looked for; null: there is none.
        looked_at: Rows among which the header is looked for.
        typed: Columns whose names say that they hold coordinates become float64 where all of them are numbers.

    Raises:
        DataError: It is no text.
    """
    data, repaired = decoded(location.read_bytes(), location.url)
    data, mark, skipped = marked(data)
    delimiter = mark or sniff_delimiter(data[:_HEAD_BYTES], location.suffix.lower())
    rows = head(data, delimiter, looked_at)
    found = header_row(rows) if header == -1 else header
    titles = joined_names(rows, found) if found is not None and rows else None
    begin = 0 if found is None else found + 1
    columns = None
    data = _ended(data)
    if not any("\n" in cell for row in rows[:begin] for cell in row):
        width = len(titles or rows[0]) if rows else 0
        sides = numeric(titles) if typed and titles else frozenset()
        columns = _fast(data, delimiter, begin, width, sides) or _fast(data, delimiter, begin, width)
    overlong: tuple[int, ...] = ()
    if columns is None:
        columns, overlong = _slow(data, delimiter, begin, len(titles or ()), location.url)
    return TextSheet(titles, columns, begin + 1 + skipped, overlong, repaired)


def decoded(data: bytes, file: str) -> tuple[bytes, tuple[str, ...]]:
    """A file's bytes as UTF-8 without a byte order mark, and what had to be guessed.

    Raises:
        DataError: It is no text.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16").encode(), ()
        except UnicodeDecodeError as error:
            raise DataError(f"no text in UTF-16: {error.reason}", file=file) from error
    if b"\0" in data[:_HEAD_BYTES]:
        raise DataError("no file of separated values: it holds NUL bytes", file=file)
    try:
        if not data.isascii():
            data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace").encode(), ("encoding.guessed",)
    return data.removeprefix(BOM), ()


def sniff_delimiter(data: bytes, suffix: str = ".csv") -> str:
    """The delimiter that divides the first lines, outside of quotes, most evenly."""
    lines = [line for line in data.decode(errors="replace").splitlines()[:HEAD_LINES] if line.strip()]
    order = ("\t", *DELIMITERS) if suffix == ".tsv" else DELIMITERS
    best, score = order[0], (0, 0)
    for delimiter in dict.fromkeys(order):
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
        most = max(widths, default=1)
        agreed = sum(width == most for width in widths) if most > 1 else 0
        # A title line has no delimiter, and a comma may stand in numbers: most lines agreed wins, then width.
        if (agreed, most) > score:
            best, score = delimiter, (agreed, most)
    return best


HEAD_LINES: Final = 12


def head(data: bytes, delimiter: str, count: int) -> list[list[str]]:
    """The first rows, blank ones too."""
    text = data[:_HEAD_BYTES].decode(errors="replace")
    if len(data) > _HEAD_BYTES:
        text = text.rpartition("\n")[0] or text
    return list(islice(csv.reader(StringIO(text, newline=""), delimiter=delimiter), count))


def marked(data: bytes) -> tuple[bytes, str | None, int]:
    """The data without Excel's line ``sep=;``, its delimiter, and how many lines went."""
    line, _, rest = data.partition(b"\n") if data[:4].lower() == b"sep=" else (b"", b"", data)
    mark = line[4:].decode().strip(" \r")[:1] if line else ""
    return (rest, mark, 1) if mark else (data, None, 0)


def _ended(data: bytes) -> bytes:
    """The data without blank lines at its end."""
    return data.rstrip(b"\r\n") + b"\n" if data.endswith((b"\n\n", b"\n\r\n")) else data


def _fast(
    data: bytes, delimiter: str, begin: int, width: int, sides: frozenset[int] = frozenset()
) -> list[pa.Array] | None:
    names = [str(column) for column in range(width)]
    quoted = b'"' in data
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(data),
            read_options=arrow_csv.ReadOptions(skip_rows=begin, column_names=names, block_size=1 << 22),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter,
                quote_char='"' if quoted else False,
                newlines_in_values=quoted,
                ignore_empty_lines=False,  # rows keep their numbers: a blank line among cells is an error
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types={n: pa.float64() if c in sides else pa.string() for c, n in enumerate(names)},
                null_values=[""],
                strings_can_be_null=True,
                check_utf8=False,  # checked when it was decoded
            ),
        )
    except pa.ArrowInvalid:  # rows of other lengths, words among numbers: looked at one by one
        return None
    return [_one(column) for column in table.columns]


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks else pa.array([], column.type)


def _slow(
    data: bytes, delimiter: str, begin: int, width: int, file: str
) -> tuple[list[pa.Array], tuple[int, ...]]:
    """Columns of rows that have any length; the longest says how many there are."""
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(StringIO(data.decode(), newline=""), delimiter=delimiter)
    try:
        rows = list(islice(reader, begin, None))
    except csv.Error as error:
        raise DataError(f"no row: {error}", file=file, position=f"line {reader.line_num}") from error
    while rows and not any(rows[-1]):
        rows.pop()
    overlong = tuple(i for i, row in enumerate(rows) if any(row[width:])) if width else ()
    if not overlong and width:
        rows = [row[:width] for row in rows]
    missing = [""] * width
    columns = list(zip_longest(*rows, missing, fillvalue=""))
    return [pa.array([cell or None for cell in cells[:-1]], pa.string()) for cells in columns], overlong
