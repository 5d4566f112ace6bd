"""A CSV whose rows belong to images: where the rows of each are in the file, and those of some images as a table.

A file is looked through once, in blocks, for what the whole has to know of it; what is kept is a few bytes for every
run of rows of one image. The rows of any images are read from their places in the file, whatever order it is in.
Specification: https://www.rfc-editor.org/rfc/rfc4180
"""

from __future__ import annotations

import csv as plain_csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from smalti.errors import DataError, UnsafePathError
from smalti.formats import label_rows
from smalti.formats.open_images.options import TYPES, Cell
from smalti.storage.location import BOM
from smalti.storage.paths import safe_path, unsafe_paths

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from smalti.storage.location import Location

    Ints = NDArray[np.int64]

BLOCK = 16 << 20  # bytes of a file that are looked at at once
LONGEST = 64 << 20  # bytes of a row
NEWLINE, RETURN, QUOTE = 10, 13, 34
WHOLE_MOST = 2**63 - 1


@dataclass(slots=True)
class Sheet:
    """A CSV.

    Attributes:
        place: The file.
        kind: What it holds, of `options.KINDS`.
        split: The split that its name tells; null where it tells none.
        header: The names of its columns.
        start: Where its first row begins, in bytes.
        boxable: It lists the images that have been annotated with boxes.
        image: int32 ``(k,)`` rising, the images of its runs of rows.
        begin: int64 ``(k,)``, where each run begins in the file.
        end: int64 ``(k,)``, where it ends.
    """

    place: Location
    kind: str
    split: str | None
    header: tuple[str, ...]
    start: int
    boxable: bool = False
    image: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    begin: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    end: Ints = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of a file.

    Attributes:
        table: The columns that were asked for.
        begin: int64 ``(r,)``, where each row begins in the file.
        end: int64 ``(r,)``, where it ends.
    """

    table: pa.Table
    begin: Ints
    end: Ints


def open_sheet(place: Location) -> tuple[tuple[str, ...], int]:
    """The names of a CSV's columns, and where its rows begin; no names where it is no text."""
    with place.open("rb") as file:
        line = file.readline(1 << 16)
    return header_of(line), len(line)


def header_of(line: bytes) -> tuple[str, ...]:
    """The names of columns in a line; none where it is no text."""
    try:
        text = line.removeprefix(BOM).decode().rstrip("\r\n")
        return tuple(next(plain_csv.reader([text]), ()))
    except (UnicodeDecodeError, plain_csv.Error):
        return ()


def rows_in(codes: NDArray[np.uint8], *, last: bool) -> tuple[Ints, Ints, int]:
    """Where rows begin and end in a piece of text, blank ones left out, and how much of it whole rows take.

    Args:
        codes: uint8, the text; it begins with a row.
        last: The file ends with it.
    """
    breaks = np.flatnonzero(codes == NEWLINE)
    quotes = np.flatnonzero(codes == QUOTE)
    if len(quotes):  # a break inside of quotes ends no row
        breaks = breaks[np.searchsorted(quotes, breaks) % 2 == 0]
    end = breaks + 1
    if last and len(codes) > (end[-1] if len(end) else 0):
        end = np.append(end, len(codes))
    if not len(end):
        return end, end, 0
    begin = np.concatenate([[0], end[:-1]])
    held = ~((end - begin <= 2) & np.isin(codes[begin], (NEWLINE, RETURN)))
    return begin[held], end[held], int(end[-1])


def blocks(sheet: Sheet, cells: Mapping[str, Cell], *, skip: list[DataError] | None) -> Iterator[Block]:
    """All rows of a file, in blocks.

    Args:
        sheet: The file.
        cells: The columns that are read; those that are taken out of it are not read from the next block on.
        skip: Where errors of faulty rows go, which are left out; null: the first is raised.

    Raises:
        DataError: A row is faulty.
    """
    at, rest = sheet.start, b""
    with sheet.place.open("rb") as file:
        file.seek(at)
        while True:
            piece = file.read(BLOCK)
            body = rest + piece
            begin, end, used = rows_in(np.frombuffer(body, np.uint8), last=not piece)
            if not used and len(body) > LONGEST:
                raise DataError("found a row of more than 64 MB", file=sheet.place.url)
            if len(begin):
                yield _checked(sheet, body[:used], (begin, end), at + begin, cells, skip)
            if not piece:
                return
            at, rest = at + used, body[used:]


def rows_of(
    sheet: Sheet, low: int, high: int, cells: Mapping[str, Cell], skip: list[DataError] | None
) -> tuple[pa.Table, Ints]:
    """The rows of some images, in the order of the images and then of the file, and the image of each.

    Args:
        sheet: The file.
        low: The first image.
        high: The image after the last.
        cells: The columns that are read, where the file has them.
        skip: As for `blocks`.

    Raises:
        DataError: A row is faulty.
    """
    first, last = np.searchsorted(sheet.image, [low, high])
    begin, end = sheet.begin[first:last], sheet.end[first:last]
    body, places = _gathered(sheet.place, begin, end)
    starts, stops, _ = rows_in(np.frombuffer(body, np.uint8), last=True)
    run = np.searchsorted(places, starts, side="right") - 1
    block = _checked(sheet, body, (starts, stops), begin[run] + starts - places[run], cells, skip)
    if len(block.begin) < len(starts):  # of faulty rows nothing is left
        run = run[np.isin(begin[run] + starts - places[run], block.begin)]
    return block.table, sheet.image[first:last][run].astype(np.int64)


def _gathered(place: Location, begin: Ints, end: Ints) -> tuple[bytes, Ints]:
    """Pieces of a file one after the other, and where each begins among them; each ends with its line."""
    joined = np.flatnonzero(np.concatenate([[True], begin[1:] != end[:-1]])) if len(begin) else begin
    starts, stops = begin[joined], end[np.append(joined[1:], len(begin)) - 1] if len(begin) else end
    pieces = []
    with place.open("rb") as file:
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            file.seek(start)
            pieces.append(file.read(stop - start))
    pieces = [piece if piece.endswith(b"\n") else piece + b"\n" for piece in pieces]
    sizes = np.fromiter(map(len, pieces), np.int64, len(pieces))
    base = np.cumsum(sizes) - sizes
    owner = np.searchsorted(joined, np.arange(len(begin)), side="right") - 1
    return b"".join(pieces), base[owner] + begin - starts[owner]


def _checked(
    sheet: Sheet,
    body: bytes,
    rows: tuple[Ints, Ints],
    places: Ints,
    cells: Mapping[str, Cell],
    skip: list[DataError] | None,
) -> Block:
    """The rows of a text as a table, faulty ones left out."""
    asked = {name: cell for name, cell in cells.items() if name in sheet.header}
    begin, end = rows
    table = _table(body, sheet.header, asked)
    if table is not None and len(table) == len(begin) and _sound(table, asked):
        return Block(table, places, places + end - begin)
    keep = np.ones(len(begin), bool)
    for row, (start, stop) in enumerate(zip(begin.tolist(), end.tolist(), strict=True)):
        if (error := _fault(body[start:stop], sheet.header, asked)) is None:
            continue
        error.file, error.position = sheet.place.url, f"line {_line(sheet.place, int(places[row]))}"
        if skip is None:
            raise error
        skip.append(error)
        keep[row] = False
    kept = b"".join(body[a:b] for a, b in zip(begin[keep].tolist(), end[keep].tolist(), strict=True))
    table = _table(kept, sheet.header, asked)
    if table is None or len(table) != keep.sum() or not _sound(table, asked):
        raise DataError("found rows that are no CSV", file=sheet.place.url)
    return Block(table, places[keep], (places + end - begin)[keep])


def _table(body: bytes, header: Sequence[str], cells: Mapping[str, Cell]) -> pa.Table | None:
    """A text as a table; null where it is none."""
    types = {name: TYPES[cell.kind] for name, cell in cells.items()}
    if not body:
        return pa.table({name: pa.array([], kind) for name, kind in types.items()})
    try:
        return csv.read_csv(
            pa.BufferReader(body),
            read_options=csv.ReadOptions(column_names=list(header), block_size=len(body) + 1),
            parse_options=csv.ParseOptions(newlines_in_values=b'"' in body),
            convert_options=csv.ConvertOptions(
                column_types=types,
                include_columns=list(types),
                null_values=[""],
                strings_can_be_null=True,
            ),
        ).combine_chunks()
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return None


def _sound(table: pa.Table, cells: Mapping[str, Cell]) -> bool:
    """Whether every cell is what its column holds; that it is of the column's type is known."""
    for name, cell in cells.items():
        column = table.column(name)
        if cell.needed and column.null_count:
            return False
        if cell.kind == "number" and not pc.all(pc.is_finite(column), min_count=0).as_py():
            return False
        if cell.kind == "flag" and len(column):
            bounds = pc.min_max(column)
            if bounds["min"].is_valid and not -1 <= bounds["min"].as_py() <= bounds["max"].as_py() <= 1:
                return False
        if cell.kind == "id" and unsafe_paths(pc.unique(column).to_pylist()):
            return False
    return True


def _fault(row: bytes, header: Sequence[str], cells: Mapping[str, Cell]) -> DataError | None:
    """What is wrong with one row; null where nothing is."""
    try:
        words = next(plain_csv.reader(io.StringIO(row.decode(), newline="")), [])
    except (UnicodeDecodeError, plain_csv.Error) as error:
        return DataError(f"found no row of text: {error}")
    if len(words) != len(header):
        return DataError(f"found {len(words)} values, expected the {len(header)} of {','.join(header[:4])}…")
    for name, cell in cells.items():
        word = words[header.index(name)]
        if not word:
            if cell.needed:
                return DataError(f"found no {name}")
        elif cell.kind == "id":
            try:
                safe_path(word)
            except UnsafePathError as error:
                return UnsafePathError(error.reason, hint=error.hint)
        elif (expected := _EXPECTED[cell.kind](word)) is not None:
            return DataError(f"found {word[:40]!r} for {name}, expected {expected}")
    return None


def _is_whole(word: str) -> bool:
    digits = word.removeprefix("-")
    return digits.isascii() and digits.isdecimal() and len(digits) < 20 and abs(int(word)) <= WHOLE_MOST


_EXPECTED: dict[str, Any] = {
    "text": lambda _: None,
    "number": lambda word: None if label_rows.number(word) is not None else "a finite number",
    "flag": lambda word: None if word in {"-1", "0", "1"} else "1, 0 or -1",
    "whole": lambda word: None if _is_whole(word) else "a whole number",
}


def _line(place: Location, offset: int) -> int:
    """The line that a byte of a file is on."""
    number = 1
    with place.open("rb") as file:
        while offset > 0 and (piece := file.read(min(offset, BLOCK))):
            number += piece.count(b"\n")
            offset -= len(piece)
    return number
