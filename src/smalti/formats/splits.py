"""Splits that are folders: what tools call them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

KNOWN = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "trainval": "trainval",
}


def split_folders(path: str) -> tuple[str | None, str]:
    """The split that a path's first folder names, and that folder with its slash; null and nothing where it is none."""
    first, slash, _ = path.partition("/")
    if not slash or first not in KNOWN:
        return None, ""
    return KNOWN[first], f"{first}/"


def splits_of(batch: pa.RecordBatch) -> Sequence[str | None]:
    """The split of each sample; null for all where the dataset has none."""
    if "split" not in batch.schema.names:
        return [None] * len(batch)
    # As words first: from a dictionary pyarrow makes each value by a way of its own, some fifty times as long.
    found: list[str | None] = batch.column("split").cast(pa.string()).to_pylist()
    return found
