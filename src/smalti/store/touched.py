"""Which samples two versions differ in, told by the hashes of the files that only one of them has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalti.store.history import History
    from smalti.store.manifest import DataFile


@dataclass(frozen=True, slots=True)
class Touched:
    """Ids of samples, each a `pyarrow.Array` of text in no special order."""

    added: pa.Array
    changed: pa.Array
    removed: pa.Array

    @property
    def every(self) -> pa.Array:
        """All of them."""
        return pa.concat_arrays([self.added, self.changed, self.removed])


def between(history: History, before: Sequence[DataFile], after: Sequence[DataFile]) -> Touched:
    """What happened to samples from one version to another.

    Args:
        history: The store.
        before: The data files of the version to start from.
        after: Those of the version to compare it with.
    """
    old = _told(history, before, {file.path for file in after})
    new = _told(history, after, {file.path for file in before})
    joined = old.join(new, "id", join_type="full outer", left_suffix=".old", right_suffix=".new")
    was, is_ = joined.column("hash.old"), joined.column("hash.new")
    differ = pc.fill_null(pc.not_equal(was, is_), fill_value=False)
    return Touched(
        added=_ids(joined, pc.is_null(was)),
        changed=_ids(joined, differ),
        removed=_ids(joined, pc.is_null(is_)),
    )


def _ids(table: pa.Table, where: pa.Array) -> pa.Array:
    return table.filter(where).column("id").combine_chunks()


def _told(history: History, files: Sequence[DataFile], known: set[str]) -> pa.Table:
    """Ids and hashes of the samples of the files that are not known."""
    ids, hashes = [pa.array([], pa.string())], [pa.array([], pa.binary())]
    for file in files:
        if file.path not in known:
            ids.append(history.ids(file))
            hashes.append(binary(history.hashes(file)))
    return pa.table({"id": pa.concat_arrays(ids), "hash": pa.concat_arrays(hashes)})


def binary(hashes: np.ndarray) -> pa.Array:
    """Hashes as Arrow's bytes, without a copy."""
    offsets = np.arange(len(hashes) + 1, dtype=np.int32) * hashes.itemsize
    return pa.BinaryArray.from_buffers(
        pa.binary(), len(hashes), [None, pa.py_buffer(offsets), pa.py_buffer(hashes)]
    )
