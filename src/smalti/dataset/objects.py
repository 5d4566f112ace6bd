"""Verbs on objects: the flat table, filter_objects, map_categories."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.dataset.expressions import mask
from smalti.errors import SchemaError, listed
from smalti.schema.build import list_column
from smalti.schema.categories import Categories, Category

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from smalti.schema import features
    from smalti.schema.schema import Schema


def flat(batches: Iterable[pa.RecordBatch], schema: Schema, field: str, columns: Sequence[str]) -> pa.Table:
    """One row an object: its sample's id as ``sample_id``, sample columns on demand, then its members.

    A sample column whose name a member has is called ``sample_<name>``.
    """
    feature = schema.objects(field)
    names = {name: f"sample_{name}" if name in feature.names else name for name in columns}
    kinds = [("sample_id", pa.string())]
    kinds += [(names[name], schema.columns[name].arrow) for name in columns]
    kinds += [(name, feature.member_type(name)) for name in feature.names]
    target = pa.schema(kinds)
    tables = []
    for batch in batches:
        column = batch.column(field)
        parents = pc.list_parent_indices(column)
        objects = column.flatten()
        arrays = [pc.take(batch.column("id"), parents)]
        arrays += [pc.take(batch.column(name), parents) for name in columns]
        arrays += [objects.field(name) for name in feature.names]
        tables.append(pa.Table.from_arrays(arrays, schema=target))
    return pa.concat_tables(tables) if tables else target.empty_table()


def keep_objects(
    expression: pc.Expression, field: str, feature: features.Objects
) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    """A step that keeps the objects for which a condition holds.

    Members go by their names, and sample columns where no member has the name. Null objects stay
    null; where none is left the list is empty.
    """
    return partial(_having, expression=expression, field=field, names=feature.names)


def _having(
    batch: pa.RecordBatch, expression: pc.Expression, field: str, names: tuple[str, ...]
) -> pa.RecordBatch:
    column = batch.column(field)
    objects = column.flatten()
    columns = {name: objects.field(name) for name in names}
    parents = pc.list_parent_indices(column)
    text = str(expression)
    for name, values in zip(batch.schema.names, batch.columns, strict=True):
        if name not in columns and name != field and name in text:
            columns[name] = pc.take(values, parents)
    if not columns:
        raise SchemaError(f"{field!r} has no members to filter by")
    return _kept(batch, field, mask(expression, columns))


def _kept(batch: pa.RecordBatch, field: str, keep: pa.Array) -> pa.RecordBatch:
    """The batch with those objects only."""
    column = batch.column(field)
    rows = np.bincount(
        pc.list_parent_indices(column).to_numpy()[keep.to_numpy(zero_copy_only=False)], minlength=len(batch)
    )
    missing = column.is_null().to_numpy(zero_copy_only=False)
    kept = list_column(column.flatten().filter(keep), rows, missing)
    return batch.set_column(batch.schema.get_field_index(field), batch.schema.field(field), kept)


def mapped(categories: Categories, names: Mapping[str, str | None]) -> tuple[Categories, np.ndarray]:
    """A class table with classes renamed, merged (two names become one) or taken out (null).

    Returns:
        The new table, and for each old class its new position, -1 where it is taken out.

    Raises:
        SchemaError: A name is no class; the message names those there are.
    """
    if unknown := [name for name in names if name not in categories.codes]:
        raise SchemaError(f"there is no category {unknown[0]!r}; there are {listed(categories.values, 20)}")
    found: dict[str, int] = {}
    rows: list[Category] = []
    codes = np.full(len(categories), -1, np.int32)
    for code, (value, category) in enumerate(zip(categories.values, categories, strict=True)):
        into = names.get(value, value)
        if into is None:
            continue
        if into not in found:
            found[into] = len(rows)
            # A class that only gets another name keeps its id; one that others merge into, its own.
            own = categories.codes.get(into, code)
            source = categories[own] if names.get(into, into) == into else category
            rows.append(source if into == value else source.model_copy(update={"name": into}))
        codes[code] = found[into]
    return Categories(tuple(rows)), codes


def recode(
    field: str, categories: Categories, codes: np.ndarray, schema: Schema
) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    """A step that gives objects their new classes; those whose class is taken out go."""
    return partial(_recoded, field=field, categories=categories, codes=codes, schema=schema)


def _recoded(
    batch: pa.RecordBatch, field: str, categories: Categories, codes: np.ndarray, schema: Schema
) -> pa.RecordBatch:
    feature = schema.objects(field)
    column = batch.column(field)
    objects = column.flatten()
    new = pc.take(pa.array(codes, pa.int32()), objects.field("category").indices)
    keep = pc.fill_null(pc.not_equal(new, -1), fill_value=True)
    children = [
        categories.encode(new.filter(keep)) if name == "category" else objects.field(name).filter(keep)
        for name in feature.names
    ]
    slim = _kept(batch, field, keep)
    lengths = np.asarray(pc.fill_null(pc.list_value_length(slim.column(field)), 0))
    missing = column.is_null().to_numpy(zero_copy_only=False)
    values = pa.StructArray.from_arrays(children, fields=list(feature.struct))
    arrays = [
        list_column(values, lengths, missing) if name == field else slim.column(name)
        for name in schema.columns
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema.arrow)
