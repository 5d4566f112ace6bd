"""Text files of rows of numbers, many files at once: the kernel of the YOLO family.

A row is a line of numbers divided by blanks. Many files are parsed as one text and formatted as one;
only when that fails is the faulty line looked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from smalti.errors import DataError
from smalti.storage.location import BOM

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

NEWLINE = 10
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


def parse(bodies: Sequence[bytes]) -> Rows:
    """Parse the rows of many files.

    Raises:
        DataError: A word is no finite number; `position` is ``file 3, line 7`` with the file's position.
    """
    text = b"\n".join(body.removeprefix(BOM) for body in bodies) + b"\n"
    codes = np.frombuffer(text, np.uint8)
    blank = _BLANKS[codes]
    starts = np.flatnonzero(~blank & np.concatenate([[True], blank[:-1]]))
    breaks = np.flatnonzero(codes == NEWLINE)
    line = np.searchsorted(breaks, starts)
    first = np.concatenate([[True], np.diff(line) != 0]) if len(line) else np.empty(0, bool)
    offsets = np.concatenate([np.flatnonzero(first), [len(starts)]])
    row_line = line[first]
    # Every file ends with one break of its own, so the lines before it are the breaks before it.
    sizes = np.fromiter((len(body.removeprefix(BOM)) + 1 for body in bodies), np.int64, len(bodies))
    begin = np.cumsum(sizes) - sizes
    lines_before = np.searchsorted(breaks, begin)
    file = np.searchsorted(begin, starts[first], side="right") - 1
    rows = Rows(np.empty(0), offsets, file, row_line - lines_before[file] + 1 if len(file) else row_line)
    values = _numbers(text, len(starts))
    if values is None:
        raise _faulty(text, starts, rows)
    return Rows(values, rows.offsets, rows.file, rows.line)


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


def _faulty(text: bytes, starts: NDArray[np.int64], rows: Rows) -> DataError:
    for row, (begin, end) in enumerate(zip(rows.offsets[:-1], rows.offsets[1:], strict=True)):
        for start in starts[begin:end]:
            word = text[start : start + 64].split(None, 1)[0]
            value = _numbers(word + b"\n", 1)
            if value is None:
                return DataError(
                    f"found {word.decode(errors='replace')!r}, expected a finite number",
                    position=f"file {rows.file[row]}, line {rows.line[row]}",
                )
    return DataError("found text that is no row of numbers", position="file 0, line 1")


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
    """Numbers as the shortest decimal that reads back the same."""
    return pc.cast(pa.array(values), pa.string())


def bodies(lines: pa.Array, lengths: NDArray[np.int64]) -> list[bytes]:
    """The contents of files from their lines.

    Args:
        lines: Text, all files' lines one after the other.
        lengths: ``(f,)``, lines of each file; a file without one is empty.
    """
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    ended = pc.binary_join_element_wise(lines, "", "\n") if len(lines) else lines
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, ended), "")
    return joined.cast(pa.binary()).to_pylist()


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
