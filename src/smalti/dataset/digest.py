"""The digest of a dataset: SHA-256 of its logical content.

The canonical form is written down in docs/design/digest.md: every row becomes a run of 64-bit words and has a
SHA-256 of its own; the sorted hashes of the rows and the class tables make the digest. So rows may come in any
order and in parts, and a version of a store that adds rows costs the hashing of those rows alone.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.schema import features

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from smalti.schema.schema import Schema

ROWS = 4096  # hashed at once
BYTES = 64 << 20  # of rows that are hashed at once, as far as rows can be parted
HASH = np.dtype("S32")
PLACES = frozenset({"path", "offset", "size", "bytes", "exif_orientation", "sha256"})
VERSION = b"smalti digest 2\n"
WORD = 8  # bytes


def digest(batches: Iterable[pa.RecordBatch], schema: Schema) -> str:
    """The digest as 64 hexadecimal digits.

    The same for the same content: whatever the order of rows, columns and members, the chunks, the
    file format and the width of numbers. Where pictures lie is no content, nor is what a file says of
    itself beside width and height.

    Args:
        batches: The rows.
        schema: What they mean.
    """
    return digest_of([row_hashes(batch, schema) for batch in batches], schema)


def digest_of(hashes: list[NDArray[np.bytes_]], schema: Schema) -> str:
    """The digest of rows of which the hashes are known, in any order."""
    every = np.sort(np.concatenate([np.empty(0, HASH), *hashes]))
    whole = hashlib.sha256(VERSION)
    whole.update(f"{len(every)}\n".encode())
    whole.update(every.view(np.uint8).data)
    for name in sorted(schema.columns):
        categories = getattr(schema.columns[name], "categories", None)
        if categories:
            rows = [[category.name, category.id] for category in categories]
            whole.update(json.dumps([name, rows], ensure_ascii=False).encode())
    return whole.hexdigest()


def row_hashes(batch: pa.RecordBatch, schema: Schema) -> NDArray[np.bytes_]:
    """The SHA-256 of every row's content, 32 bytes each: ``S32`` of shape ``(rows,)``."""
    parts = [
        b"".join(_hashed(part, schema))
        for start in range(0, len(batch), ROWS)
        for part in _parted(batch.slice(start, ROWS))
    ]
    return np.frombuffer(b"".join(parts), HASH) if parts else np.empty(0, HASH)


def _parted(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if len(batch) > 1 and batch.nbytes > BYTES:
        half = len(batch) // 2
        yield from _parted(batch.slice(0, half))
        yield from _parted(batch.slice(half))
    else:
        yield batch


@dataclass(frozen=True, slots=True)
class _Leaf:
    """One leaf of all rows: each row's values lie side by side.

    Attributes:
        path: ``objects[].bbox.x``.
        tag: 64 bits of the hash of kind and path.
        valid: bool ``(values,)``.
        rows: int64 ``(rows + 1,)``: where each row's values begin.
        sections: Words with the bounds of each row's words in them.
    """

    path: str
    tag: int
    valid: NDArray[np.bool_]
    rows: NDArray[np.int64]
    sections: tuple[tuple[NDArray[np.uint64], NDArray[np.int64]], ...]


def _hashed(batch: pa.RecordBatch, schema: Schema) -> list[bytes]:
    rows = np.arange(len(batch) + 1)
    leaves: list[_Leaf] = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        skip = PLACES if isinstance(schema.columns[name], features.Image) else frozenset()
        leaves += _leaves(name, column, rows, skip)
    words, bounds = _woven(sorted(leaves, key=lambda leaf: leaf.path), len(batch))
    view = words.view(np.uint8).data
    return [hashlib.sha256(view[start:end]).digest() for start, end in pairwise((bounds * WORD).tolist())]


def _woven(leaves: list[_Leaf], count: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The words of all rows, one row after the other, and where each begins."""
    lengths = np.zeros(count, np.int64)
    plans: list[tuple[_Leaf, NDArray[np.bool_], NDArray[np.uint64], list[Any]]] = []
    for leaf in leaves:
        held = np.diff(np.concatenate([[0], np.cumsum(leaf.valid)])[leaf.rows])
        values = np.diff(leaf.rows)
        there = held > 0  # a leaf without a value counts as absent
        gaps = there & (held < values)
        sections = [(leaf.valid.astype(np.uint64), leaf.rows, gaps)] if gaps.any() else []
        sections += [(words, bounds, there) for words, bounds in leaf.sections]
        plans.append((leaf, there, (values * 2 + gaps).astype(np.uint64), sections))
        lengths += there * 2
        for _, bounds, where in sections:
            lengths += np.where(where, np.diff(bounds), 0)
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    out = np.zeros(bounds[-1], np.uint64)
    at = bounds[:-1].copy()
    for leaf, there, sizes, sections in plans:
        heads = at[there]
        out[heads] = np.uint64(leaf.tag)
        out[heads + 1] = sizes[there]
        at += there * 2
        for words, inner, where in sections:
            at += _place(out, at, words, inner, where)
    return out, bounds


def _place(
    out: NDArray[np.uint64],
    at: NDArray[np.int64],
    words: NDArray[np.uint64],
    bounds: NDArray[np.int64],
    where: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Put each row's words where the row stands; gives how many of each there were."""
    counts = np.where(where, np.diff(bounds), 0)
    before = np.cumsum(counts) - counts
    run = np.arange(counts.sum())
    source = (
        words[bounds[0] : bounds[-1]] if where.all() else words[np.repeat(bounds[:-1] - before, counts) + run]
    )
    out[np.repeat(at - before, counts) + run] = source
    return counts


def _leaves(path: str, array: pa.Array, rows: NDArray[np.int64], skip: frozenset[str]) -> Iterator[_Leaf]:
    kind = array.type
    if pa.types.is_dictionary(kind):
        yield from _leaves(path, array.dictionary_decode(), rows, skip)
    elif pa.types.is_null(kind):
        return
    elif pa.types.is_struct(kind):
        yield _leaf(path, "struct", array, rows)
        for field, child in zip(kind, array.flatten(), strict=True):
            if field.name not in skip:
                yield from _leaves(f"{path}.{field.name}", child, rows, frozenset())
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        lengths = np.asarray(pc.fill_null(pc.list_value_length(array), 0)).astype(np.int64)
        yield _leaf(path, "list", array, rows, (lengths.view(np.uint64), rows))
        bounds = np.concatenate([[0], np.cumsum(lengths)])
        yield from _leaves(f"{path}[]", array.flatten(), bounds[rows], skip)
    else:
        yield _scalar(path, array, rows)


def _leaf(
    path: str,
    kind: str,
    array: pa.Array,
    rows: NDArray[np.int64],
    *sections: tuple[NDArray[np.uint64], NDArray[np.int64]],
) -> _Leaf:
    tag = int.from_bytes(hashlib.sha256(f"{kind} {path}".encode()).digest()[:WORD], "little")
    return _Leaf(path, tag, array.is_valid().to_numpy(zero_copy_only=False), rows, sections)


def _scalar(path: str, array: pa.Array, rows: NDArray[np.int64]) -> _Leaf:
    kind = array.type
    if pa.types.is_floating(kind):
        values = pc.fill_null(array.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False) + 0.0  # one zero
        values = np.where(np.isnan(values), np.nan, values)  # and one NaN
        return _leaf(path, "float", array, rows, (values.view(np.uint64), rows))
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        signed = pa.uint64() if kind == pa.uint64() else pa.int64()
        return _leaf(path, "integer", array, rows, (_words(pc.fill_null(array.cast(signed), 0)), rows))
    if pa.types.is_temporal(kind):
        return _leaf(path, str(kind), array, rows, (_words(pc.fill_null(_ticks(array), 0)), rows))
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    text = array if binary else array.cast(pa.large_string())
    plain = pc.fill_null(text.cast(pa.large_binary()), b"")
    lengths = _words(pc.binary_length(plain).cast(pa.int64()))
    return _leaf(path, "binary" if binary else "text", array, rows, (lengths, rows), _bytes(plain, rows))


def _words(array: pa.Array) -> NDArray[np.uint64]:
    return np.ascontiguousarray(array.to_numpy(zero_copy_only=False)).view(np.uint64)


def _ticks(array: pa.Array) -> pa.Array:
    if pa.types.is_time32(array.type) or pa.types.is_date32(array.type):
        return array.cast(pa.int32()).cast(pa.int64())
    return array.cast(pa.int64())


def _bytes(array: pa.Array, rows: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The bytes of each row's values, one after the other, filled up to whole words; and their bounds."""
    _, offsets, data = array.buffers()
    if data is None or not len(array):
        return np.empty(0, np.uint64), np.zeros(len(rows), np.int64)
    bounds = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1][rows]
    counts = np.diff(bounds)
    ends = np.concatenate([[0], np.cumsum(-(-counts // WORD))])
    padded = np.zeros(ends[-1] * WORD, np.uint8)
    before = np.cumsum(counts) - counts
    places = np.repeat(ends[:-1] * WORD - before, counts) + np.arange(counts.sum())
    padded[places] = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]]
    return padded.view(np.uint64), ends
