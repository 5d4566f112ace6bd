"""Verbs on columns: select, drop, rename, with_column."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from smalti.dataset.expressions import evaluate
from smalti.errors import SchemaError, listed
from smalti.schema import features

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from smalti.schema.features import AnyFeature
    from smalti.schema.schema import Schema


def known(schema: Schema, names: Iterable[str]) -> list[str]:
    """Those names, all of which have to be columns.

    Raises:
        SchemaError: One is not; the message names those there are.
    """
    wanted = list(names)
    if missing := [name for name in wanted if name not in schema.columns]:
        raise SchemaError(f"there is no column {missing[0]!r}; there are {listed(schema.columns, 20)}")
    return wanted


def selected(schema: Schema, names: Iterable[str]) -> Schema:
    """The schema with only those columns, in that order; ``id`` always comes along, in front."""
    wanted = known(schema, names)
    order = wanted if "id" in wanted else ["id", *wanted]
    return schema.with_columns({name: schema.columns[name] for name in order})


def renamed(schema: Schema, names: Mapping[str, str]) -> Schema:
    """The schema with columns renamed.

    Raises:
        SchemaError: ``id`` cannot be renamed, and no two columns can share a name.
    """
    known(schema, names)
    order = [names.get(name, name) for name in schema.columns]
    if "id" in names or len(set(order)) < len(order):
        raise SchemaError(f"cannot rename {dict(names)}: id stays, and every column has a name of its own")
    return schema.with_columns(dict(zip(order, schema.columns.values(), strict=True)))


def set_names(schema: Schema) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    """A step that gives the columns the names of a schema."""
    return partial(_named, schema=schema)


def _named(batch: pa.RecordBatch, schema: Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(batch.columns, schema=schema.arrow)


def column_of(values: Any, batch: pa.RecordBatch) -> pa.Array:
    """The values of a new column for one batch: from an expression, or from a function of the batch."""
    if isinstance(values, pc.Expression):
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        found = evaluate(values, columns)
        return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found
    made = values(batch)
    return made if isinstance(made, pa.Array) else pa.array(made)


def set_column(name: str, values: Any, schema: Schema) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    """A step that adds a column, or replaces it, from an expression or a function of the batch."""
    return partial(_with_column, name=name, values=values, schema=schema)


def _with_column(batch: pa.RecordBatch, name: str, values: Any, schema: Schema) -> pa.RecordBatch:
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    columns[name] = column_of(values, batch)
    if len(columns[name]) != len(batch):
        raise SchemaError(f"column {name!r} has {len(columns[name])} values for {len(batch)} samples")
    arrays = [_typed(columns[key], feature, key) for key, feature in schema.columns.items()]
    return pa.RecordBatch.from_arrays(arrays, schema=schema.arrow)


def _typed(array: pa.Array, feature: AnyFeature, name: str) -> pa.Array:
    if array.type == feature.arrow:
        return array
    try:
        if pa.types.is_dictionary(feature.arrow) and pa.types.is_string(array.type):
            return array.dictionary_encode().cast(feature.arrow)
        return array.cast(feature.arrow)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SchemaError(f"column {name!r} is {array.type}, its feature wants {feature.arrow}") from error


def plain(kind: pa.DataType, name: str) -> AnyFeature:
    """The feature of a new column of that type."""
    if name == "split":
        return features.Split()
    if pa.types.is_dictionary(kind):
        return features.Value(type=pa.string())
    return features.Value(type=kind)
