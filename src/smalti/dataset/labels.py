"""One label column from the objects of each sample: members, attributes and classes brought together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from smalti.errors import DataError, listed
from smalti.schema import features
from smalti.schema.build import list_column
from smalti.schema.unify import fit, positions, united_categories

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalti.schema.categories import Categories
    from smalti.schema.objects import Objects

    Recode = dict[str, int | None]


def objects_column(
    ids: Sequence[str], given: Sequence[Objects | None], name: str, table: Categories | None = None
) -> tuple[features.Objects, pa.ListArray]:
    """A label column and its feature; null where nobody has annotated the sample.

    Args:
        ids: The samples' ids, for errors.
        given: Their objects.
        name: The column's name, for errors.
        table: The classes there may be; null: those of the objects, in order of appearance.

    Raises:
        DataError: A class is not in the table, or an attribute has values of different kinds.
    """
    labels = [(sample, objects) for sample, objects in zip(ids, given, strict=True) if objects is not None]
    distinct = {id(objects.feature): objects.feature for _, objects in labels}  # views share their dataset's
    merged = features.Objects(
        categories=united_categories(f.categories for f in distinct.values()) if table is None else table,
        members=tuple(member for f in distinct.values() for member in f.members),
        attributes=_attributes(labels, name),
        id_type=_id_type(labels, name),
    )
    recodes = {key: _recode(f.categories, merged.categories, table) for key, f in distinct.items()}
    parts = []
    for sample, objects in labels:
        recode = recodes[id(objects.feature)]
        if table is not None:
            _check(sample, objects, recode, name, table)
        parts.append(fit(objects.array, merged.struct, (recode, merged.categories)))
    lengths = np.array([0 if objects is None else len(objects) for objects in given], np.int64)
    missing = np.array([objects is None for objects in given], bool)
    whole = pa.concat_arrays(parts) if parts else pa.array([], merged.struct)
    return merged, list_column(whole, lengths, missing)


def _recode(own: Categories, merged: Categories, table: Categories | None) -> Recode:
    """The position of each word of some objects in the common table; in a given one words decide."""
    if table is not None:
        return {word: table.codes.get(word) for word in own.values}
    return dict(zip(own.values, positions(own, merged.root), strict=True))


def _check(sample: str, objects: Objects, recode: Recode, name: str, table: Categories) -> None:
    if None not in recode.values():
        return
    for position, word in enumerate(objects.names):
        if word is not None and recode[word] is None:
            raise DataError(
                f"found the category {word!r}, which is not in the class table: {listed(table.values)}",
                position=f"{name}[{position}].category",
                sample=sample,
            )


def _attributes(
    labels: Sequence[tuple[str, Objects]], name: str
) -> dict[str, features.Value | features.Json]:
    """The feature of each attribute: numbers of different widths share the wider, nulls go with all."""
    found: dict[str, features.Value | features.Json] = {}
    first: dict[str, str] = {}  # the sample that has the attribute's first value
    for sample, objects in labels:
        for attribute, feature in objects.feature.attributes.items():
            known = found.setdefault(attribute, feature)
            values = objects.arrow(attribute)
            if values.null_count == len(values):
                continue
            if attribute not in first:
                found[attribute], first[attribute] = feature, sample
            elif feature != known:
                wider = _wider(known, feature)
                if wider is None:
                    raise DataError(
                        f"found {feature.arrow}, but {known.arrow} in sample {first[attribute]!r}:"
                        " values of different kinds",
                        position=f"{name}[].{attribute}",
                        sample=sample,
                    )
                found[attribute] = wider
    return found


def _wider(
    one: features.Value | features.Json, other: features.Value | features.Json
) -> features.Value | None:
    if not (isinstance(one, features.Value) and isinstance(other, features.Value)):
        return None
    try:
        both = pa.unify_schemas(
            [pa.schema([("", f.arrow)]) for f in (one, other)], promote_options="permissive"
        )
    except pa.ArrowTypeError:
        return None
    return features.Value(type=both.field(0).type)


def _id_type(labels: Sequence[tuple[str, Objects]], name: str) -> str:
    kinds: dict[str, str] = {}
    for sample, objects in labels:
        for member in {"id", "track_id"} & set(objects.feature.members):
            values = objects.arrow(member)
            if values.null_count < len(values):
                kinds.setdefault(objects.feature.id_type, sample)
    if len(kinds) > 1:
        (one, here), (other, there) = list(kinds.items())[:2]
        raise DataError(f"found ids of {other}, but of {one} in sample {here!r}", position=name, sample=there)
    return next(iter(kinds), "int64")
