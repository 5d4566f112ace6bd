"""Where raw values stand in their files: no object each, and gathered only when a part is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from smalti.formats.coco.sections import Places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from smalti.formats.coco.sections import Section

COMMA = ord(",")


@dataclass(slots=True)
class Texts:
    """Raw JSON values of n objects, as places in their files.

    Attributes:
        buffers: The files' bytes, mapped.
        file: int16 ``(n,)``, the buffer of each.
        start: int64 ``(n,)``, its first byte; -1 where the key is missing.
        length: int64 ``(n,)``, bytes.
        first: uint8 ``(n,)``, the first byte itself; that of null where the key is missing.
        form: uint8 ``(n,)``, what an object's run lengths begin with; 0 where that is not known.
    """

    buffers: list[pa.Buffer]
    file: NDArray[np.int16]
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    first: NDArray[np.uint8]
    form: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: NDArray[np.int64]) -> Texts:
        """Those of some rows."""
        places = Places(self.start, self.length, self.first, self.form).take(rows)
        return Texts(self.buffers, self.file[rows], *places)

    def joined(self) -> bytes:
        """All of them, none of which may be missing, with a comma behind each."""
        if len(self) and (self.file == self.file[0]).all():
            return gathered(self.buffers[int(self.file[0])], self.start, self.length)
        views = [memoryview(buffer) for buffer in self.buffers]
        places = zip(
            self.file.tolist(), self.start.tolist(), (self.start + self.length).tolist(), strict=True
        )
        return b",".join([*(views[file][start:stop] for file, start, stop in places), b""])

    def one(self, row: int) -> bytes:
        """One of them."""
        start, length = int(self.start[row]), int(self.length[row])
        return bytes(memoryview(self.buffers[int(self.file[row])])[start : start + length])

    def every(self) -> list[bytes]:
        """Each by itself."""
        return [self.one(row) for row in range(len(self))]


def texts_of(sections: Sequence[Section], key: str) -> Texts:
    """The places of a key's raw values over sections, in the files' order."""
    places = [section.values.get(key) or Places.nothing(section.size) for section in sections]
    sizes = [section.size for section in sections]
    found = (
        places[0]
        if len(places) == 1
        else map(np.concatenate, zip(*[Places.nothing(0), *places], strict=True))
    )
    file = np.repeat(np.arange(len(sizes), dtype=np.int16), sizes)
    return Texts([section.buffer for section in sections], file, *found)


def gathered(buffer: pa.Buffer, start: NDArray[np.int64], length: NDArray[np.int64]) -> bytes:
    """Texts of one file with a comma behind each, by Arrow: others run while it waits for the file's pages."""
    if not len(start):
        return b""
    # Arrow takes some of a row of texts: here those with the byte behind each, which becomes the comma, and what
    # lies between them. No two share a byte, since more than one stands between two values of a file.
    order = np.argsort(start)
    places = np.empty(2 * len(order), np.int64)
    places[::2] = start[order]
    places[1::2] = places[::2] + length[order] + 1
    every = pa.Array.from_buffers(
        pa.large_binary(), 2 * len(order) - 1, [None, pa.py_buffer(places), buffer], null_count=0
    )
    which = np.empty(len(order), np.int64)
    which[order] = np.arange(0, 2 * len(order), 2)
    _, offsets, body = every.take(pa.array(which)).buffers()
    ends = np.frombuffer(offsets, np.int64)[1 : len(order) + 1]
    np.frombuffer(body, np.uint8)[ends - 1] = COMMA  # nobody else knows it yet
    return memoryview(body)[: ends[-1]].tobytes()
