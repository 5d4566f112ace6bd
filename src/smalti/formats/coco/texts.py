"""Where raw values stand in their files: no object each, and gathered only when a part is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from smalti.formats.coco.sections import Places

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from smalti.formats.coco.sections import Section


@dataclass(slots=True)
class Texts:
    """Raw JSON values of n objects, as places in their files.

    Attributes:
        buffers: The files' bytes, mapped.
        file: int16 ``(n,)``, the buffer of each.
        start: int64 ``(n,)``, its first byte; -1 where the key is missing.
        length: int64 ``(n,)``, bytes.
        first: uint8 ``(n,)``, the first byte itself; that of null where the key is missing.
    """

    buffers: list[pa.Buffer]
    file: NDArray[np.int16]
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    first: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: NDArray[np.int64]) -> Texts:
        """Those of some rows."""
        return Texts(self.buffers, self.file[rows], self.start[rows], self.length[rows], self.first[rows])

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


def texts_of(sections: Sequence[Section], key: str) -> Texts:
    """The places of a key's raw values over sections, in the files' order."""
    places = [section.values.get(key) or Places.nothing(section.size) for section in sections]
    sizes = [section.size for section in sections]
    start, length, first = map(np.concatenate, zip(*[Places.nothing(0), *places], strict=True))
    file = np.repeat(np.arange(len(sizes), dtype=np.int16), sizes)
    return Texts([section.buffer for section in sections], file, start, length, first)
