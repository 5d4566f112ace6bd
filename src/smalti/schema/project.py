"""Cut a batch down to a projection of its schema, without copying a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from smalti.schema import features

if TYPE_CHECKING:
    from smalti.schema.schema import Schema


def project(batch: pa.RecordBatch, schema: Schema) -> pa.RecordBatch:
    """The batch with exactly the columns, and the object members, of a projected schema.

    Args:
        batch: A batch whose schema contains the projection's columns and members.
        schema: A projection of the batch's schema, as `Schema.project` gives it.
    """
    columns = [
        _members(batch.column(name), feature) if isinstance(feature, features.Objects) else batch.column(name)
        for name, feature in schema.columns.items()
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema.arrow)


def _members(column: pa.ListArray, feature: features.Objects) -> pa.ListArray:
    objects = column.values
    if objects.type.equals(feature.struct):
        return column
    # Built from buffers: only so can a struct without members have a length, a sliced list its offset.
    struct = pa.Array.from_buffers(
        feature.struct, len(objects), [None], children=[objects.field(name) for name in feature.names]
    )
    return pa.ListArray.from_buffers(
        feature.arrow, len(column), column.buffers()[:2], offset=column.offset, children=[struct]
    )
