"""The bytes of a file: mapped, and read a piece at a time."""

from __future__ import annotations

import mmap as mapping
from contextlib import contextmanager
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from smalti.errors import DataError
from smalti.storage.location import BOM

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator
    from io import RawIOBase

    from smalti.storage.location import Location

PIECE = 1 << 18  # bytes, some: with its objects it stays in the processor's cache
WIDEST = 16 * PIECE  # in which the end of an object must be found


@dataclass(frozen=True, slots=True)
class Piece:
    """Some objects of an array, as the text of a list of their own.

    Attributes:
        first: Where the first of them begins.
        cut: The end of the last, with the comma behind it; null: the text goes on without an end.
        text: The list. It is gone when the next piece is read.
    """

    first: int
    cut: re.Match[bytes] | None
    text: memoryview


@dataclass(slots=True)
class Body:
    """The bytes of a file.

    Attributes:
        view: Without a byte order mark.
        start: Where they begin in the file.
        mapped: The file's mapping; null where it is no local one.
        file: The file itself; likewise.
        buffer: The same bytes as `view`.
    """

    view: memoryview
    start: int
    mapped: mmap | None
    file: RawIOBase | None
    buffer: pa.Buffer

    def release(self, first: int, last: int) -> None:
        """Give the mapped pages of some bytes back to the system; they come again when they are read."""
        first, last = ((at + self.start) // mapping.PAGESIZE * mapping.PAGESIZE for at in (first, last))
        if last > first:
            give_back(self.mapped, first, last - first)

    def piece(self, first: int, cut: re.Match[bytes] | None, copy: bytearray | None = None) -> Piece:
        """Read a piece: from the file, since its mapping would come page by page.

        Args:
            first: Where it begins.
            cut: Its end; null: the widest.
            copy: Takes the text if there is room, or null.
        """
        last, end = (cut.start() + 1, b"]") if cut else (min(first + WIDEST, len(self.view)), b"")
        size = last - first + 1
        if copy is None or len(copy) < size + len(end):
            copy = bytearray(size + len(end))
        text = memoryview(copy)[: size + len(end)]
        text[:1], text[size:] = b"[", end
        if self.file is None:
            text[1:size] = self.view[first:last]
        else:
            self.file.seek(self.start + first)
            if self.file.readinto(text[1:size]) != size - 1:
                raise DataError("the file became shorter while it was read", hint="read it again")
        return Piece(first, cut, text)

    def pieces(self, first: int, border: re.Pattern[bytes]) -> Iterator[Piece]:
        """The pieces from an object on. Not read ahead by a thread, which would wait for the interpreter at every one."""
        copy = bytearray(PIECE + PIECE // 8)
        while True:
            piece = self.piece(first, self.cut(first, border), copy)
            yield piece
            if piece.cut is None:
                return
            first = piece.cut.end()

    def cut(self, first: int, border: re.Pattern[bytes], beyond: int = 0) -> re.Match[bytes] | None:
        """The end of a piece: of a usual one, or behind a place; null where there is none near."""
        return border.search(self.view, beyond or first + PIECE, first + WIDEST)


def give_back(mapped: mmap | None, *span: int) -> None:
    """Give mapped pages back to the system: all, or those from a place on, so many bytes; they come again when read."""
    if mapped is not None and hasattr(mapped, "madvise"):
        mapped.madvise(mapping.MADV_DONTNEED, *span)


@contextmanager
def opened(place: Location) -> Iterator[Body]:
    """The bytes of a file, which may be used on after it is closed, but not read in pieces."""
    with place.mmap() as view:
        start = len(BOM) if view[:3] == BOM else 0
        rest = view[start:]
        mapped = view.obj if isinstance(view.obj, mmap) else None
        buffer = pa.py_buffer(rest)
        if mapped is None:
            yield Body(rest, start, None, None, buffer)
            return
        with Path(place.local).open("rb", buffering=0) as file:
            yield Body(rest, start, mapped, file, buffer)
