"""Where raw values stand in their files: no object each, and gathered only when a part is read."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from msgspec import UNSET

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from smalti.formats.coco.decode import Section

NOTHING = ord("n")  # what a null begins with


@dataclass(slots=True)
class Texts:
    """Raw JSON values of n objects, as places in their files.

    Attributes:
        buffers: The files' bytes, mapped.
        file: int16 ``(n,)``, the buffer of each.
        start: int64 ``(n,)``, its first byte; -1 where the key is missing.
        length: int64 ``(n,)``, bytes.
    """

    buffers: list[pa.Buffer]
    file: NDArray[np.int16]
    start: NDArray[np.int64]
    length: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)

    def firsts(self) -> NDArray[np.uint8]:
        """The first byte of each, that of a null where the key is missing: uint8 ``(n,)``."""
        found = np.full(len(self), NOTHING, np.uint8)
        for number, buffer in enumerate(self.buffers):
            rows = np.flatnonzero((self.file == number) & (self.start >= 0))
            found[rows] = np.frombuffer(buffer, np.uint8)[self.start[rows]]
        return found

    def take(self, rows: NDArray[np.int64]) -> Texts:
        """Those of some rows."""
        return Texts(self.buffers, self.file[rows], self.start[rows], self.length[rows])

    def joined(self) -> bytes:
        """All of them, none of which may be missing, with a comma behind each."""
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


def texts_of(sections: Iterable[Section], key: str) -> Texts:
    """The places of a key's raw values over sections, in the files' order."""
    buffers, files, starts, lengths = [], [], [], []
    for number, section in enumerate(sections):
        count = len(section.objects)
        start, length = np.full(count, -1, np.int64), np.zeros(count, np.int64)
        if attribute := section.keys.get(key):
            values: list[Any] = list(map(attrgetter(attribute), section.objects))
            there = np.arange(count)
            if key in section.optional:
                there = np.fromiter((v is not UNSET for v in values), np.bool_, count).nonzero()[0]
                values = [value for value in values if value is not UNSET]
            # Raw values are views into the file, and their addresses tell where.
            addresses = map(attrgetter("address"), map(pa.py_buffer, values))
            start[there] = np.fromiter(addresses, np.int64, len(values)) - section.buffer.address
            length[there] = np.fromiter(map(len, values), np.int64, len(values))
        buffers.append(section.buffer)
        files.append(np.full(count, number, np.int16))
        starts.append(start)
        lengths.append(length)
    return Texts(
        buffers,
        np.concatenate([np.zeros(0, np.int16), *files]),
        np.concatenate([np.zeros(0, np.int64), *starts]),
        np.concatenate([np.zeros(0, np.int64), *lengths]),
    )
