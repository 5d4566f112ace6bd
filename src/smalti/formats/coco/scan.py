"""Columns straight from a file's bytes: where all values stand, found in C, and what they are, a column at once.

The other way, `smalti.formats.coco.pieces`, makes an object of everything. It serves where C was not compiled, and it
tells what is wrong: here an array that is not just what its keys promise is no more than that.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import UNSET, Raw

from smalti.formats.coco.body import WIDEST
from smalti.formats.coco.keys import BOX
from smalti.formats.coco.sections import DTYPES, NOTHING, Gathering, Places
from smalti.formats.coco.texts import gathered
from smalti.native import json

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from smalti.formats.coco.body import Body
    from smalti.formats.coco.keys import Key, Spec

PIECE = 1 << 20  # bytes, some, whose columns are made at once
ROUND = 32  # pieces that are read before it is known whether the array goes on
WORKERS_MOST = 4
PLACES_MOST = 1 << 23  # of values, in a piece
_LEAST = len('"":0,')  # a key takes so many bytes more than its name

Scanned = tuple[
    list[Any], int, int, bool
]  # columns, how many objects, where they end, whether the array ends there


def scan(body: Body, at: int, border: re.Pattern[bytes], spec: Spec) -> tuple[Gathering, int] | None:
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
    found = Gathering(spec)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, WORKERS_MOST), "smalti") as pool:
        spans, size = (
            _spans(body, at, border),
            1,
        )  # the first piece alone: it tells most of what is not as it should be
        while pieces := list(islice(spans, size)):
            read = partial(_piece, body, found.fields)
            for scanned in pool.map(read, pieces) if size > 1 else map(read, pieces):
                if scanned is None:
                    return None
                columns, count, end, closed = scanned
                found.append(columns, count)
                if closed:
                    return found, end
            size = ROUND
    return None


def _spans(body: Body, at: int, border: re.Pattern[bytes]) -> Iterator[tuple[int, int]]:
    """Where pieces of an array seem to begin and to end."""
    while cut := border.search(body.view, at + PIECE, at + PIECE + WIDEST):
        yield at, cut.start() + 1
        at = cut.end()
    yield at, min(at + PIECE + WIDEST, len(body.view))


def _piece(body: Body, fields: list[tuple[str, Key]], span: tuple[int, int]) -> Scanned | None:
    """The objects of a piece; null where it is none."""
    start, stop = span
    names = tuple(name.encode() for name, _ in fields)
    least = len("{}") + sum(_LEAST + len(name.encode()) for name, key in fields if key.required)
    room = min((stop - start) // least + 1, PLACES_MOST // len(names))
    spans = np.empty((room, len(names), 2), np.uint32)
    walked = json.objects(body.view, start, stop, names, spans)
    if walked is None:
        return None
    count, end, closed = walked
    columns = _columns(body, start, spans[:count], fields)
    body.release(start, end)
    return None if columns is None or not (closed or end == stop) else (columns, count, end, closed)


def _columns(
    body: Body, base: int, spans: NDArray[np.uint32], fields: list[tuple[str, Key]]
) -> list[Any] | None:
    """A column for each key, as `Section` has them; null where a value is not of its type."""
    columns = []
    for place, (_, key) in enumerate(fields):
        length = spans[:, place, 1].astype(np.int64)
        column = _column(body, key, spans[:, place, 0] + np.int64(base), length)
        if column is None:
            return None
        columns.append(column)
    return columns


def _column(body: Body, key: Key, start: NDArray[np.int64], length: NDArray[np.int64]) -> Any:
    there = length > 0
    if key.type is Raw:
        start[~there] = -1
        first = np.frombuffer(body.buffer, np.uint8)[start]
        first[~there] = NOTHING
        return Places(start, length, first) if not key.required or there.all() else None
    if not key.required:
        found = _decoded(body, key.type, start[there], length[there])
        if found is None:
            return None
        values = np.full(len(there), UNSET, object)
        values[there] = np.fromiter(found, object, len(found))
        return values.tolist()
    if not there.all():
        return None
    if key.type is BOX:
        return _boxes(body, start, length)
    if key.type in DTYPES:
        numbers: NDArray[Any] = np.empty(len(start), DTYPES[key.type])
        return numbers if json.numbers(body.view, start, length, key.type is int, numbers) else None
    found = _decoded(body, key.type, start, length)
    return pa.array(found, pa.string()) if key.type is str and found is not None else found


def _decoded(body: Body, kind: Any, start: NDArray[np.int64], length: NDArray[np.int64]) -> list[Any] | None:
    """Values of any type; null where one is of another."""
    try:
        return msgspec.json.decode(b"[" + gathered(body.buffer, start, length)[:-1] + b"]", type=list[kind])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _boxes(body: Body, start: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.float64] | None:
    room = int(length.sum()) // 2
    values, rings = np.empty(room), np.empty(room, np.int64)
    counts, flat = np.empty(len(start), np.int64), np.empty(len(start), np.bool_)
    found = json.lists(body.view, start, length, values, rings, counts, flat)
    if found is None or not flat.all() or (rings[: len(start)] != 4).any():
        return None
    return values[: found[0]].reshape(-1, 4).copy()
