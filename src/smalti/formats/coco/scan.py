"""Columns straight from a file's bytes: where all values stand, found in C, and what they are, a column at once.

The other way, `smalti.formats.coco.pieces`, makes an object of everything. It serves where C was not compiled, and it
tells what is wrong: here an array that is not just what its keys promise is no more than that.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import UNSET, Raw

from smalti.formats.coco.body import WIDEST
from smalti.formats.coco.keys import BOX
from smalti.formats.coco.sections import Places, joined, section_of
from smalti.formats.coco.texts import gathered
from smalti.native import json

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from smalti.formats.coco.body import Body
    from smalti.formats.coco.keys import Key, Spec
    from smalti.formats.coco.sections import Section

PIECE = 1 << 21  # bytes, some, whose columns are made at once
ROUND = 16  # pieces that are read before it is known whether the array goes on
WORKERS_MOST = 4
CELLS_MOST = 1 << 23  # values of a piece
SPARE = 1.1  # objects that there is room for, in those that a file of its size seems to have
_LEAST = len('"":0,')  # a key takes so many bytes more than its name


def scan(body: Body, at: int, border: re.Pattern[bytes], spec: Spec) -> tuple[Columns, int] | None:
    """The objects of an array.

    Args:
        body: The file.
        at: Where the first begins.
        border: Finds what looks like the end of an object and the start of the next.
        spec: Their keys and types.

    Returns:
        Them, and where the array ends; null where they have other keys, values of other types, or are no JSON.
    """
    if json is None:
        return None
    found = Columns(spec)
    read = partial(_piece, body, found.fields)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, WORKERS_MOST), "smalti") as pool:
        spans = _spans(body, at, border)
        size = 1  # the first piece goes alone: it tells most of what is not as it should be
        while some := list(islice(spans, size)):
            for piece in pool.map(read, some) if size > 1 else map(read, some):
                if piece is None:
                    return None
                found.add(piece, len(body.view))
                if piece.closed:
                    return found, piece.end
            size = ROUND
    return None


def _spans(body: Body, at: int, border: re.Pattern[bytes]) -> Iterator[tuple[int, int]]:
    """Where pieces of an array seem to begin and to end."""
    while cut := border.search(body.view, at + PIECE, at + PIECE + WIDEST):
        yield at, cut.start() + 1
        at = cut.end()
    yield at, min(at + PIECE + WIDEST, len(body.view))


class _Piece(NamedTuple):
    """Some objects.

    Attributes:
        columns: Their values by key, as `Section` has them.
        objects: How many there are.
        start: Where the first begins.
        end: Where the last ends, or the array.
        closed: Whether it is the array.
    """

    columns: list[Any]
    objects: int
    start: int
    end: int
    closed: bool


def _piece(body: Body, fields: list[tuple[str, Key]], span: tuple[int, int]) -> _Piece | None:
    """The objects of a piece; null where it is none."""
    start, stop = span
    names = tuple(name.encode() for name, _ in fields)
    kinds = [_kind(key) for _, key in fields]
    first_cells = np.cumsum([0, *(4 if kind == "b" else 1 for kind in kinds)]).tolist()
    least = len("{}") + sum(_LEAST + len(name.encode()) for name, key in fields if key.required)
    room = min((stop - start) // least + 1, CELLS_MOST // first_cells[-1])
    cells = np.empty((room, first_cells[-1]), np.int64)
    walked = json.objects(body.view, start, stop, names, "".join(kinds).encode(), cells)
    if walked is None:
        return None
    count, end, closed = walked
    columns = []
    for (_, key), kind, cell in zip(fields, kinds, first_cells[:-1], strict=True):
        if kind == "s":
            spans = cells[:count, cell].copy().view(np.uint32).reshape(-1, 2)
            column = _spread(body, key, spans[:, 0] + np.int64(start), spans[:, 1].astype(np.int64))
        else:
            column = cells if kind == "i" else cells.view(np.float64)
            column = column[:count, cell : cell + 4] if kind == "b" else column[:count, cell]
        if column is None:
            return None
        columns.append(column)
    body.release(start, end)
    return _Piece(columns, count, start, end, closed) if closed or end == stop else None


def _kind(key: Key) -> str:
    """What a key's values are to the kernel."""
    return {BOX: "b", int: "i", float: "f"}.get(key.type, "s") if key.required else "s"


def _spread(body: Body, key: Key, start: NDArray[np.int64], length: NDArray[np.int64]) -> Any:
    """Values that stand at some places, 0 long where there is none; null where one is not of its type."""
    there = length > 0
    if key.required and not there.all():
        return None
    if key.type is Raw:
        return Places.at(body.view, start, length)
    try:
        text = b"[" + gathered(body.buffer, start[there], length[there])[:-1] + b"]"
        found = msgspec.json.decode(text, type=list[key.type])  # type: ignore[name-defined]  # made for the file
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if key.required:
        return pa.array(found, pa.string()) if key.type is str else found
    values = np.full(len(there), UNSET, object)
    values[there] = np.fromiter(found, object, len(found))
    return values.tolist()


class Columns:
    """Columns in the making; numbers go where they stay, so that nothing is held twice.

    Args:
        spec: The keys that the objects have.
    """

    def __init__(self, spec: Spec) -> None:
        self.size = 0
        self.fields = spec.fields()
        self._order = list(spec.keys)
        self._room = 0
        self._arrays: dict[str, tuple[NDArray[Any], ...]] = {}
        self._lists: dict[str, list[Any]] = {}

    def add(self, piece: _Piece, stop: int) -> None:
        """Take the next objects; `stop` is where the file ends."""
        before, self.size = self.size, self.size + piece.objects
        grows = self.size > self._room
        if grows:  # as many as a file of its size seems to have: what is not used costs no memory
            rest = SPARE * piece.objects * (stop - piece.end) / (piece.end - piece.start)
            self._room = self.size + int(rest)
        for (name, _), column in zip(self.fields, piece.columns, strict=True):
            if isinstance(column, list | pa.Array):
                self._lists.setdefault(name, []).append(column)
                continue
            parts = column if isinstance(column, Places) else (column,)
            if grows:
                old = self._arrays.get(name, parts)
                self._arrays[name] = tuple(
                    np.empty((self._room, *part.shape[1:]), part.dtype) for part in parts
                )
                for array, grown in zip(old, self._arrays[name], strict=True):
                    grown[:before] = array[:before]
            for array, part in zip(self._arrays[name], parts, strict=True):
                array[before : self.size] = part

    def section(self) -> Section:
        """All that was taken; without the optional keys that no object has."""
        columns: dict[str, Any] = {name: joined(made) for name, made in self._lists.items()}
        for name, key in self.fields:
            if name in self._arrays:
                for array in self._arrays[name]:  # nobody else knows them
                    array.resize((self.size, *array.shape[1:]), refcheck=False)
                arrays = self._arrays[name]
                columns[name] = Places(*arrays) if key.type is Raw else arrays[0]
        return section_of(self.size, {name: columns[name] for name in self._order}, self.fields)
