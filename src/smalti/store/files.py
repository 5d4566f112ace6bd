"""Write samples to data files, and know of each what a manifest says: size, hash, statistics."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from smalti.dataset.digest import HASH, row_hashes
from smalti.errors import DataError
from smalti.storage import parquet_file
from smalti.storage.durable import new_file, remove, write_new
from smalti.store.manifest import CHECK, DATA, DataFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from smalti.schema.schema import Schema
    from smalti.storage.location import Location
    from smalti.store.manifest import Bound

FILE_ROWS = 100_000  # samples of a data file: small enough to write anew, large enough to scan
LONGEST_BOUND = 64  # characters of a text that is a bound in the statistics


@dataclass(frozen=True, slots=True)
class Written:
    """A data file that was just written.

    Attributes:
        file: What a manifest says of it.
        ids: Of its samples, text ``(rows,)``.
        hashes: Of its samples, ``S32`` of shape ``(rows,)``.
    """

    file: DataFile
    ids: pa.Array
    hashes: NDArray[np.bytes_]


def write_files(root: Location, schema: Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[Written]:
    """Write samples to new data files, one after the other; nothing names them yet.

    Args:
        root: The store's folder.
        schema: What the batches hold.
        batches: The samples, in their order.

    Raises:
        OSError: A file cannot be written.
    """
    groups = parquet_file.gathered(batches)
    more = FILE_ROWS // parquet_file.ROW_GROUP - 1
    for first in groups:
        yield _write(root, schema, chain([first], islice(groups, more)))


def _write(root: Location, schema: Schema, groups: Iterable[list[pa.RecordBatch]]) -> Written:
    path = f"{DATA}/{secrets.token_hex(16)}.parquet"
    arrow = schema.arrow
    ids, hashes = [], []
    with new_file(root / path) as sink:
        writer = parquet_file.writer(pa.PythonFile(sink, mode="w"), arrow)
        for group in groups:
            writer.write_table(
                pa.Table.from_batches(group, schema=arrow), row_group_size=parquet_file.ROW_GROUP
            )
            ids += [batch.column("id") for batch in group]
            hashes += [row_hashes(batch, schema) for batch in group]
        writer.close()
        footer = writer.writer.metadata
    found = np.concatenate(hashes)
    file = DataFile(path, sink.size, sink.sha256, len(found), _statistics(footer))
    try:
        write_new(root / file.hashes, found.tobytes())
    except BaseException:
        with suppress(OSError):  # of two files nothing stays where one could not be written
            remove(root / path)
        raise
    return Written(file, pa.concat_arrays(ids), found)


def _statistics(footer: Any) -> dict[str, tuple[Bound, Bound, int]]:
    """Least, greatest and nulls of each leaf outside of lists, over all row groups."""
    found: dict[str, tuple[Bound, Bound, int]] = {}
    for number in range(len(footer.schema)):
        leaf = footer.schema.column(number)
        if leaf.max_repetition_level:
            continue
        groups = [footer.row_group(group).column(number).statistics for group in range(footer.num_row_groups)]
        if any(one is None or one.null_count is None for one in groups):
            continue
        bounds = [(one.min, one.max) for one in groups if one.has_min_max]
        lows, highs = [low for low, _ in bounds], [high for _, high in bounds]
        valid = sum(one.num_values for one in groups)
        if not all(map(_plain, [*lows, *highs])) or (valid and not bounds):
            continue
        nulls = sum(one.null_count for one in groups)
        found[leaf.path] = (min(lows, default=None), max(highs, default=None), nulls)
    return found


def _plain(bound: Any) -> bool:
    """Whether a bound can stand in JSON and bounds all values: those of floats say nothing of NaN."""
    return len(bound) <= LONGEST_BOUND if isinstance(bound, str) else isinstance(bound, (bool, int))


def read_hashes(root: Location, file: DataFile) -> NDArray[np.bytes_]:
    """The hashes of a file's samples, ``S32`` of shape ``(rows,)``.

    Raises:
        DataError: There are more or fewer than samples.
    """
    place = root / file.hashes
    body = place.read_bytes()
    if len(body) != file.rows * HASH.itemsize:
        raise DataError(
            f"found {len(body)} bytes, expected {file.rows * HASH.itemsize}: 32 a sample",
            file=place.url,
            hint=CHECK,
        )
    return np.frombuffer(body, HASH)


def read_ids(root: Location, file: DataFile) -> pa.Array:
    """The ids of a file's samples."""
    return read_table(root, file, ["id"]).column("id").combine_chunks()


def read_table(root: Location, file: DataFile, columns: list[str] | None = None) -> pa.Table:
    """A data file in memory, as it was written.

    Raises:
        DataError: It is missing or damaged.
    """
    place = root / file.path
    try:
        with place.open("rb") as opened:
            return parquet_file.open_file(opened).read(columns=columns)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"cannot be read: {error}", file=place.url, hint=CHECK) from error
