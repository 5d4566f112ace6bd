"""Datasets from plain Python values, column by column; the layout is that of `smalti.schema.features`.

This is for tests: small, exact, and without the checks that building data for real goes through, so
that a test can also make what those checks would refuse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from smalti.dataset.dataset import Dataset
from smalti.schema import features

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from smalti.schema.features import Feature
    from smalti.schema.schema import Schema


def build(schema: Schema, rows: Sequence[Mapping[str, Any]]) -> Dataset:
    """Make a dataset of rows.

    Args:
        schema: The schema.
        rows: Values by column name; what is missing is null. Objects are dicts by member name, their
            ``category`` is the position in the class table.
    """
    columns = [
        column(feature, [row.get(name) for row in rows], schema) for name, feature in schema.columns.items()
    ]
    return Dataset.from_arrow(pa.Table.from_arrays(columns, schema=schema.arrow), schema=schema)


def column(feature: Feature, values: Sequence[Any], schema: Schema) -> pa.Array:
    """Make one column of a feature from Python values, as `build` takes them."""
    if isinstance(feature, features.Split):
        codes = pa.array([None if v is None else schema.splits.index(v) for v in values], pa.int32())
        return pa.DictionaryArray.from_arrays(codes, pa.array(schema.splits, pa.string()))
    if isinstance(feature, features.Objects):
        return _objects(feature, values)
    if isinstance(feature, features.Classification) and not feature.multi:
        return feature.categories.encode(pa.array(values, pa.int32()))
    return pa.array(values, feature.arrow)


def _objects(feature: features.Objects, values: Sequence[Sequence[Mapping[str, Any]] | None]) -> pa.ListArray:
    flat = [dict(obj) for objects in values for obj in objects or ()]
    children = []
    for name in feature.names:
        inner = [obj.get(name) for obj in flat]
        if name == "category":
            children.append(feature.categories.encode(pa.array(inner, pa.int32())))
        else:
            children.append(pa.array(inner, feature.member_type(name)))
    struct = pa.Array.from_buffers(feature.struct, len(flat), [None], children=children)
    ends = np.cumsum([0] + [len(objects or ()) for objects in values])
    mask = pa.array([objects is None for objects in values], pa.bool_())
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), struct, type=feature.arrow, mask=mask)
