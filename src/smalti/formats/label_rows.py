"""Text files of rows of numbers, many files at once: the kernel of the YOLO family.

A row is a line of numbers divided by blanks. Many files are parsed as one text and formatted as one;
only when that fails is the faulty line looked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from smalti.errors import DataError
from smalti.storage.location import BOM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

NEWLINE = 10
TABLED = 1 << 17  # hundredths that there is a table of their texts for,
REPEATED = 16  # and how many of them may come to one number that is looked up
_BLANKS = np.zeros(256, bool)
_BLANKS[[9, 10, 11, 12, 13, 32]] = True
_LINES = bytes.maketrans(b"\t\x0b\x0c\r ", b"\n\n\n\n\n")
EPS = 16 * np.finfo(np.float64).eps  # what a few operations on a double leave behind


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of many files.

    Attributes:
        values: float64, the numbers of all rows one after the other.
        offsets: int64 ``(r + 1,)`` into the values.
        file: int64 ``(r,)``, the position of each row's file.
        line: int64 ``(r,)``, the row's line in its file, from 1.
    """

    values: NDArray[np.float64]
    offsets: NDArray[np.int64]
    file: NDArray[np.int64]
    line: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.file)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many numbers each row has."""
        return np.diff(self.offsets)

    def column(self, index: int) -> NDArray[np.float64]:
        """One number of every row; -1 is the last."""
        return self.values[(self.offsets[:-1] if index >= 0 else self.offsets[1:]) + index]

    def only(self, keep: NDArray[np.bool_]) -> Rows:
        """Some of the rows."""
        lengths = self.lengths
        kept = np.concatenate([[0], np.cumsum(lengths[keep])])
        return Rows(self.values[np.repeat(keep, lengths)], kept, self.file[keep], self.line[keep])


@dataclass(frozen=True, slots=True)
class Words:
    """The words of many files, which blanks divide.

    Attributes:
        text: The files, one after the other, each with a line's end behind it.
        starts: int64 ``(w,)``, where each word begins.
        ends: int64 ``(w,)``, where it ends.
        rows: int64 ``(r + 1,)``, the first word of each line that has any.
        file: int64 ``(r,)``, the position of each such line's file.
        line: int64 ``(r,)``, its number in that file, from 1.
    """

    text: bytes
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    rows: NDArray[np.int64]
    file: NDArray[np.int64]
    line: NDArray[np.int64]

    def spans(self, first: NDArray[np.int64], stop: NDArray[np.int64]) -> pa.Array:
        """Words with what stands between them: from the word `first` to the one before `stop`, in rising order."""
        edges = np.empty(2 * len(first) + 1, np.int32)
        edges[0:-1:2], edges[1::2], edges[-1] = self.starts[first], self.ends[stop - 1], len(self.text)
        buffers = [None, pa.py_buffer(edges), pa.py_buffer(self.text)]
        spans = pa.Array.from_buffers(pa.binary(), 2 * len(first), buffers)
        return spans.take(pa.array(np.arange(0, 2 * len(first), 2)))


def words(bodies: Sequence[bytes]) -> Words:
    """The words of many files."""
    text = b"\n".join(bodies) + b"\n"
    codes = np.frombuffer(text, np.uint8)
    blank = _BLANKS[codes]
    # A word begins and ends where blanks do; the text ends with one.
    edges = np.flatnonzero(np.diff(blank, prepend=True))
    starts, ends = edges[::2], edges[1::2]
    breaks = np.flatnonzero(codes == NEWLINE)
    line = np.searchsorted(breaks, starts)
    first = np.concatenate([[True], np.diff(line) != 0]) if len(line) else np.empty(0, bool)
    rows = np.concatenate([np.flatnonzero(first), [len(starts)]])
    row_line = line[first]
    # Every file ends with one break of its own, so the lines before it are the breaks before it.
    sizes = np.fromiter((len(body) + 1 for body in bodies), np.int64, len(bodies))
    begin = np.cumsum(sizes) - sizes
    file = np.searchsorted(begin, starts[first], side="right") - 1
    before = np.searchsorted(breaks, begin)
    return Words(text, starts, ends, rows, file, row_line - before[file] + 1 if len(file) else row_line)


def parse(bodies: Sequence[bytes]) -> Rows:
    """Parse the rows of many files.

    Raises:
        DataError: A word is no finite number; `position` is ``file 3, line 7`` with the file's position.
    """
    found = words([body.removeprefix(BOM) for body in bodies])
    values = _numbers(found.text, len(found.starts))
    if values is None:
        raise _faulty(found)
    return Rows(values, found.rows, found.file, found.line)


def fault(line: bytes, parse: Callable[[Sequence[bytes]], Rows] = parse) -> DataError | None:
    """What is wrong with one line; null where it is a row, or empty."""
    try:
        parse([line])
    except DataError as error:
        return error
    return None


def _numbers(text: bytes, count: int) -> NDArray[np.float64] | None:
    """The numbers of a text; null where one of its words is none."""
    if not count:
        return np.empty(0)
    options = csv.ReadOptions(column_names=["v"], block_size=max(1 << 20, len(text) // 2 + 1))
    parsing = csv.ParseOptions(delimiter="\x01", quote_char=False, double_quote=False)
    converting = csv.ConvertOptions(column_types={"v": pa.float64()}, null_values=[])
    try:
        table = csv.read_csv(
            pa.BufferReader(text.translate(_LINES)),
            read_options=options,
            parse_options=parsing,
            convert_options=converting,
        )
    except pa.ArrowInvalid:
        return None
    values = table.column("v").to_numpy()
    return values if len(values) == count and np.isfinite(values).all() else None


def _faulty(found: Words) -> DataError:
    for row, (begin, end) in enumerate(zip(found.rows[:-1], found.rows[1:], strict=True)):
        for start in found.starts[begin:end]:
            word = found.text[start : start + 64].split(None, 1)[0]
            value = _numbers(word + b"\n", 1)
            if value is None:
                return DataError(
                    f"found {word.decode(errors='replace')!r}, expected a finite number",
                    position=f"file {found.file[row]}, line {found.line[row]}",
                )
    return DataError("found text that is no row of numbers", position="file 0, line 1")


def finite(given: pa.Array) -> NDArray[np.float64] | None:
    """Words as numbers; null where one is no finite number."""
    try:
        found = given.cast(pa.string()).cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        return None
    return found if np.isfinite(found).all() else None


def snap(
    values: NDArray[np.float64], decimals: int, scale: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    """Take away the noise of floating point: what is a few steps off a short decimal becomes it.

    Args:
        values: Any shape.
        decimals: Digits after the point that count as short.
        scale: The size of the numbers that went into the values; a broadcastable array.
    """
    short = np.round(values, decimals)
    return np.where(np.abs(values - short) <= EPS * np.maximum(scale, np.abs(values)), short, values)


def texts(values: NDArray[np.float64]) -> pa.Array:
    """Numbers as the shortest decimal that reads back the same.

    Many numbers that are hundredths, as coordinates in pixels often are, are looked up: a tenth of the time.
    """
    most = min(TABLED, REPEATED * len(values)) / 100
    if len(values) and values.max() < most and not np.signbit(values).any():
        hundredths = np.rint(values * 100)
        if np.array_equal(hundredths / 100, values):
            bits = int(hundredths.max()).bit_length()
            return _hundredths(bits).take(pa.array(hundredths.astype(np.int32)))
    return pc.cast(pa.array(values), pa.string())


@lru_cache(2)
def _hundredths(bits: int) -> pa.Array:
    """The hundredths of that many bits, as text."""
    return pc.cast(pa.array(np.arange(1 << bits) / 100), pa.string())


def joined(words: Iterable[pa.Array | str], between: str) -> pa.Array:
    """Columns of text as one; what is the same in all rows and stands side by side is put together beforehand."""
    found: list[pa.Array | str] = []
    for constant, run in groupby(words, lambda word: isinstance(word, str)):
        side_by_side = list(run)
        found += [between.join(side_by_side)] if constant else side_by_side
    return pc.binary_join_element_wise(*found, between)


def bodies(lines: pa.Array, lengths: NDArray[np.int64]) -> list[bytes]:
    """The contents of files from their lines.

    Args:
        lines: Text, all files' lines one after the other.
        lengths: ``(f,)``, lines of each file; a file without one is empty.
    """
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    found = ended(pc.binary_join(pa.ListArray.from_arrays(offsets, lines), "\n"))
    return found.cast(pa.binary()).to_pylist()


def ended(lines: pa.Array) -> pa.Array:
    """Lines of files, joined, with the end of the last; files without any stay empty."""
    return pc.binary_join_element_wise(lines, pc.if_else(pc.equal(lines, ""), "", "\n"), "")


def decoded(line: bytes) -> str:
    """A line as text.

    Raises:
        DataError: It is not UTF-8.
    """
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"found the byte 0x{line[error.start]:02x}; expected text in UTF-8") from error


def number(word: str) -> float | None:
    """A word as a finite number; null where it is none."""
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in word else None


def text(value: float) -> str:
    """A number as the shortest text that reads back the same, whole ones without a point."""
    return str(int(value)) if value == int(value) else repr(float(value))
