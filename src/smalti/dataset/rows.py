"""Verbs on rows: filter, sort, shuffle, take, concat."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.dataset.expressions import mask
from smalti.errors import SchemaError, listed
from smalti.schema.unify import conform, united

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smalti.dataset.dataset import Dataset


def keep_rows(expression: pc.Expression) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    """A step that keeps the rows for which a condition holds."""
    return partial(_kept, expression=expression)


def _kept(batch: pa.RecordBatch, expression: pc.Expression) -> pa.RecordBatch:
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    return batch.filter(mask(expression, columns))


def sort_order(table: pa.Table, by: Sequence[str], descending: bool) -> np.ndarray:
    """The order of rows by columns, int64 ``(n,)``; nulls last, equal rows as they were."""
    order = "descending" if descending else "ascending"
    keys = {}
    for name in by:
        if name not in table.column_names:
            raise SchemaError(
                f"there is no column {name!r} to sort by; there are {listed(table.column_names)}"
            )
        column = table.column(name)
        keys[name] = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
    found = pc.sort_indices(pa.table(keys), sort_keys=[(name, order) for name in by])
    return found.to_numpy()


def shuffled(count: int, seed: int) -> np.ndarray:
    """A random order, int64 ``(n,)``: the same for the same count and seed everywhere."""
    return np.random.Generator(np.random.PCG64(seed)).permutation(count)


def take_rows(table: pa.Table, indices: Any) -> pa.Table:
    """Rows by position; negative ones count from the end.

    Raises:
        SchemaError: A position is not in the dataset.
    """
    wanted = np.asarray(indices, np.int64)
    count = table.num_rows
    if len(wanted) and (wanted.min() < -count or wanted.max() >= count):
        raise SchemaError(f"row {wanted[(wanted < -count) | (wanted >= count)][0]} of {count} samples")
    return table.take(pa.array(np.where(wanted < 0, wanted + count, wanted)))


def concat(datasets: Sequence[Dataset]) -> Dataset:
    """One dataset after the other.

    Class tables are united: a category is the same where name and source id are the same, or where the
    name is the same and one of the two has no id. Columns and object members that a dataset lacks are
    null for its samples.

    Raises:
        SchemaError: Two datasets share a sample id, or have one column with different types.
    """
    if not datasets:
        raise SchemaError("concat needs at least one dataset")
    schema = united([dataset.schema for dataset in datasets])
    tables = [conform(dataset.to_arrow(), dataset.schema, schema) for dataset in datasets]
    table = pa.concat_tables(tables)
    ids = table.column("id")
    if len(unique := pc.value_counts(ids)) < len(ids):
        twice = unique.filter(pc.greater(unique.field("counts"), 1)).field("values")
        raise SchemaError(f"the datasets share sample ids: {listed(twice.to_pylist())}; rename one side")
    return type(datasets[0]).from_arrow(table, schema=schema)
