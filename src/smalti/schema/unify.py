"""Bring schemas, and tables of them, together: class tables united, missing columns and members null."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import SchemaError, listed
from smalti.schema import features
from smalti.schema.categories import Categories, Category
from smalti.schema.types import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from smalti.schema.features import AnyFeature
    from smalti.schema.schema import Schema


def united_categories(tables: Iterable[Categories]) -> Categories:
    """One class table of several: the first one's order, then what the others add.

    A category is the same where name and id are the same, or the name is and one has no id. Two of one
    table never are the same.
    """
    found: list[Category] = []
    for table in tables:
        for category, at in zip(table, positions(table, found), strict=True):
            if at is None:
                found.append(category)
            elif found[at].id is None:
                found[at] = category
    return Categories(tuple(found))


def positions(table: Categories, among: Sequence[Category]) -> list[int | None]:
    """Where each category of one table stands in another; null where it does not."""
    named: dict[str, list[int]] = {}
    for at, other in enumerate(among):
        named.setdefault(other.name, []).append(at)
    where: list[int | None] = []
    for category in table:
        free = named.get(category.name, [])
        # Its own id first: one without an id may not take the place of one that has it.
        same = [at for at in free if among[at].id == category.id]
        same += [at for at in free if among[at].id is None or category.id is None]
        where.append(same[0] if same else None)
        if same:
            free.remove(same[0])
    return where


def united(schemas: Sequence[Schema]) -> Schema:
    """The schema that holds the rows of all.

    Raises:
        SchemaError: Two have one column with different features.
    """
    columns: dict[str, AnyFeature] = {}
    for schema in schemas:
        for name, feature in schema.columns.items():
            columns[name] = _both(name, columns[name], feature) if name in columns else feature
    splits = tuple(dict.fromkeys(split for schema in schemas for split in schema.splits))
    roots = {schema.media_root for schema in schemas}
    return schemas[0].model_copy(
        update={
            "columns": columns,
            "splits": splits,
            "media_root": roots.pop() if len(roots) == 1 else None,
            "extra": {name: extra for schema in reversed(schemas) for name, extra in schema.extra.items()},
        }
    )


def _same_attributes(
    name: str, a: features.Objects | features.Panoptic, b: features.Objects | features.Panoptic
) -> None:
    for attribute in set(a.attributes) & set(b.attributes):
        if a.attributes[attribute].arrow != b.attributes[attribute].arrow:
            raise SchemaError(
                f"{name}.{attribute} is {a.attributes[attribute].arrow} in one dataset and"
                f" {b.attributes[attribute].arrow} in another"
            )


def _both(name: str, a: AnyFeature, b: AnyFeature) -> AnyFeature:
    if isinstance(a, features.Panoptic) and isinstance(b, features.Panoptic):
        _same_attributes(name, a, b)
        return a.model_copy(
            update={
                "categories": united_categories([a.categories, b.categories]),
                "attributes": {**a.attributes, **b.attributes},
            }
        )
    if isinstance(a, features.Objects) and isinstance(b, features.Objects):
        _same_attributes(name, a, b)
        if a.id_type != b.id_type:
            raise SchemaError(
                f"the ids of {name!r} are {a.id_type} in one dataset and {b.id_type} in another"
            )
        return a.model_copy(
            update={
                "categories": united_categories([a.categories, b.categories]),
                "members": tuple(m for m in features.OBJECT_MEMBERS if m in {*a.members, *b.members}),
                "attributes": {**a.attributes, **b.attributes},
            }
        )
    if isinstance(a, features.Image) and isinstance(b, features.Image):
        return features.Image(members=(*a.members, *b.members))
    if (
        isinstance(a, features.Classification)
        and isinstance(b, features.Classification)
        and a.multi == b.multi
    ):
        return a.model_copy(update={"categories": united_categories([a.categories, b.categories])})
    if a.arrow != b.arrow:
        raise SchemaError(f"column {name!r} is {a.arrow} in one dataset and {b.arrow} in another")
    return a


def conform(table: pa.Table, schema: Schema, target: Schema) -> pa.Table:
    """A table of one schema as a table of the united one."""
    columns = []
    for name, feature in target.columns.items():
        if name not in schema.columns:
            columns.append(pa.nulls(table.num_rows, feature.arrow))
            continue
        recode = _codes(schema.columns[name], feature)
        chunks = [fit(chunk, feature.arrow, recode) for chunk in table.column(name).chunks]
        columns.append(pa.chunked_array(chunks, feature.arrow))
    return pa.Table.from_arrays(columns, schema=target.arrow)


def storable(batch: pa.RecordBatch, schema: Schema) -> pa.RecordBatch:
    """A batch of a schema as one of its storable form."""
    if schema.storable is schema:
        return batch
    table = conform(pa.Table.from_batches([batch]), schema, schema.storable)
    return table.combine_chunks().to_batches()[0] if len(batch) else table.to_batches()[0]


def _codes(source: AnyFeature, target: AnyFeature) -> tuple[dict[str, int | None], Categories] | None:
    """For each old word its new position, and the new class table."""
    before: Categories | None = getattr(source, "categories", None)
    after: Categories | None = getattr(target, "categories", None)
    if before is None or after is None:
        return None
    if before == after:  # names may be there twice; positions tell them apart
        return dict(before.codes), after
    return dict(zip(before.values, positions(before, after.root), strict=True)), after


def fit(
    array: pa.Array, kind: pa.DataType, recode: tuple[dict[str, int | None], Categories] | None = None
) -> pa.Array:
    """An array as another type of the same shape: absent struct members null, classes recoded.

    What needs no change is given back as it is, without a copy.

    Raises:
        SchemaError: A word is no class of its table.
    """
    if kind == WORDS and recode is not None:
        codes, categories = recode
        words = array.dictionary.to_pylist()  # engines leave out unused words, so codes mean nothing here
        if unknown := set(words) - set(codes):
            raise SchemaError(f"{min(unknown)!r} is no class of the schema; there are {listed(codes)}")
        places = [codes[word] for word in words]
        if array.type == kind and places == list(range(len(categories))):
            return array
        return categories.encode(pc.take(pa.array(places, pa.int32()), array.indices))
    if array.type == kind and recode is None:
        return array
    if pa.types.is_struct(kind):
        before = [
            _child(array, field.name)
            if array.type.get_field_index(field.name) >= 0
            else pa.nulls(len(array), field.type)
            for field in kind
        ]
        after = [
            # An attribute may be a dictionary of its own, which is no class table's.
            fit(child, field.type, recode if field.type != WORDS or field.name == "category" else None)
            for child, field in zip(before, kind, strict=True)
        ]
        if array.type == kind and all(one is other for one, other in zip(before, after, strict=True)):
            return array
        return pa.StructArray.from_arrays(after, fields=list(kind), mask=array.is_null())
    if pa.types.is_list(kind):
        flat = array.flatten()
        values = fit(flat, kind.value_type, recode)
        if array.type == kind and values is flat and not _hides(array, flat):
            return array
        lengths = np.asarray(pc.fill_null(pc.list_value_length(array), 0))
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
        return pa.ListArray.from_arrays(
            offsets, values, type=kind, mask=array.is_null() if array.null_count else None
        )
    return array if array.type == kind else array.cast(kind)


def _hides(array: pa.ListArray, flat: pa.Array) -> bool:
    """Whether null lists have values all the same: engines that mask rows leave them there."""
    return bool(array.null_count) and array.offsets[-1].as_py() - array.offsets[0].as_py() != len(flat)


def _child(array: pa.StructArray, name: str) -> pa.Array:
    # By position: a name with a dot or a slash would be taken for a path.
    return pc.struct_field(array, [array.type.get_field_index(name)])
