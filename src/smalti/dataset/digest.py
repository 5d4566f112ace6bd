"""The digest of a dataset: SHA-256 of its logical content.

The canonical form is written down in docs/design/digest.md: rows in the order of their ids; for every
leaf of every column one running hash of validity, lengths and values; the leaves' hashes, by path, and
the class tables make the digest.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.schema import features

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smalti.schema.schema import Schema

ROWS = 16_384  # rows hashed at once
PLACES = frozenset({"path", "offset", "size", "bytes", "exif_orientation", "sha256"})
VERSION = b"smalti digest 1\n"


class _Leaf:
    __slots__ = ("hash", "used")

    def __init__(self, kind: str) -> None:
        self.hash = hashlib.sha256(kind.encode())
        self.used = False  # whether any value is there: a leaf of nulls counts as absent


def digest(table: pa.Table, schema: Schema) -> str:
    """The digest as 64 hexadecimal digits.

    The same for the same content: whatever the order of rows, columns and members, the chunks, the
    file format and the width of numbers. Where pictures lie is no content, nor is what a file says of
    itself beside width and height.

    Args:
        table: The rows.
        schema: What they mean.
    """
    leaves: dict[str, _Leaf] = {}
    for batch in _ordered(table):
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            skip = PLACES if isinstance(schema.columns[name], features.Image) else frozenset()
            _add(leaves, name, column, skip)
    whole = hashlib.sha256(VERSION)
    whole.update(f"{table.num_rows}\n".encode())
    for path in sorted(leaves):
        if leaves[path].used:
            whole.update(f"{json.dumps(path)} {leaves[path].hash.hexdigest()}\n".encode())
    for name in sorted(schema.columns):
        categories = getattr(schema.columns[name], "categories", None)
        if categories:
            rows = [[category.name, category.id] for category in categories]
            whole.update(json.dumps([name, rows], ensure_ascii=False).encode())
    return whole.hexdigest()


def _ordered(table: pa.Table) -> Iterator[pa.RecordBatch]:
    """The rows by ascending id, a bounded number at once."""
    order = pc.sort_indices(table.column("id")).to_numpy()
    sorted_ = bool((np.diff(order.astype(np.int64)) == 1).all())
    for start in range(0, len(order), ROWS):
        rows = table.slice(start, ROWS) if sorted_ else table.take(pa.array(order[start : start + ROWS]))
        yield from rows.combine_chunks().to_batches()  # one batch: the hash may not see how it was chunked


def _add(leaves: dict[str, _Leaf], path: str, array: pa.Array, skip: frozenset[str]) -> None:
    kind = array.type
    if pa.types.is_dictionary(kind):
        _add(leaves, path, array.dictionary_decode(), skip)
    elif pa.types.is_null(kind):
        return
    elif pa.types.is_struct(kind):
        _update(leaves, path, "struct", array)
        for field, child in zip(kind, array.flatten(), strict=True):
            if field.name not in skip:
                _add(leaves, f"{path}.{field.name}", child, frozenset())
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        lengths = pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64())
        _update(leaves, path, "list", array, lengths)
        _add(leaves, f"{path}[]", array.flatten(), skip)
    else:
        _scalar(leaves, path, array)


def _scalar(leaves: dict[str, _Leaf], path: str, array: pa.Array) -> None:
    kind = array.type
    if pa.types.is_floating(kind):
        values = pc.fill_null(array.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False) + 0.0
        _update(leaves, path, "float", array, np.where(np.isnan(values), np.nan, values))
    elif pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        signed = pa.uint64() if kind == pa.uint64() else pa.int64()
        _update(leaves, path, "integer", array, pc.fill_null(array.cast(signed), 0))
    elif pa.types.is_temporal(kind):
        _update(leaves, path, str(kind), array, pc.fill_null(_ticks(array), 0))
    else:
        data = "binary" if _is_binary(kind) else "text"
        text = array if _is_binary(kind) else array.cast(pa.large_string())
        plain = pc.fill_null(text.cast(pa.large_binary()), b"")
        lengths = pc.binary_length(plain).cast(pa.int64())
        _update(leaves, path, data, array, lengths, _bytes(plain))


def _is_binary(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)


def _ticks(array: pa.Array) -> pa.Array:
    if pa.types.is_time32(array.type) or pa.types.is_date32(array.type):
        return array.cast(pa.int32()).cast(pa.int64())
    return array.cast(pa.int64())


def _bytes(array: pa.Array) -> memoryview:
    """The bytes of a large_binary array's values, one after the other."""
    _, offsets, data = array.buffers()
    if data is None or not len(array):
        return memoryview(b"")
    bounds = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    return memoryview(data)[int(bounds[0]) : int(bounds[-1])]


def _update(leaves: dict[str, _Leaf], path: str, kind: str, array: pa.Array, *parts: object) -> None:
    leaf = leaves.setdefault(path, _Leaf(kind))
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    leaf.used = leaf.used or bool(valid.any())
    leaf.hash.update(valid.astype(np.uint8).data)
    for part in parts:
        if isinstance(part, memoryview):
            leaf.hash.update(part)
        else:
            values = part if isinstance(part, np.ndarray) else part.to_numpy(zero_copy_only=False)  # type: ignore[attr-defined]
            leaf.hash.update(np.ascontiguousarray(values).data)
