"""Arrow arrays from Python values, with errors that name the object and the member."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from smalti.errors import DataError
from smalti.schema import features, values
from smalti.schema.categories import Categories
from smalti.schema.types import BBOX

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def objects_feature(
    objects: Iterable[Mapping[str, Any]], known: features.Objects | None = None
) -> features.Objects:
    """The feature that objects given as mappings need, on top of a known one."""
    names: dict[str, None] = {}
    classes: dict[str, None] = {}
    attributes: dict[str, list[Any]] = {}
    ids: list[Any] = []
    for position, item in enumerate(objects):
        if not isinstance(item, Mapping):
            raise DataError(
                f"found {item!r}, expected a mapping of members to values", position=f"objects[{position}]"
            )
        for name, value in item.items():
            names[name] = None
            if name == "category" and value is not None:
                classes[str(value)] = None
            elif name in {"id", "track_id"}:
                ids.append(value)
            elif name not in features.OBJECT_MEMBERS:
                attributes.setdefault(name, []).append(value)
    base = known or features.Objects(members=())
    new = [name for name in classes if name not in base.categories.codes]
    typed = {
        name: features.Value(type=_type_of(name, given))
        for name, given in attributes.items()
        if name not in base.attributes
    }
    words = base.id_type == "int64" and any(isinstance(value, str) for value in ids)
    return features.Objects(
        categories=Categories((*base.categories, *Categories.of(new))) if new else base.categories,
        members=(*base.members, *(name for name in names if name in features.OBJECT_MEMBERS)),
        attributes={**base.attributes, **typed},
        id_type="string" if words else base.id_type,
    )


def _type_of(name: str, found: list[Any]) -> pa.DataType:
    try:
        kind = pa.array(found).type
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise DataError(f"attribute {name!r} has values of different kinds: {error}") from error
    return pa.string() if pa.types.is_null(kind) else kind


def objects_array(
    objects: Sequence[Mapping[str, Any]], feature: features.Objects | None = None
) -> tuple[pa.StructArray, features.Objects]:
    """One struct an object.

    Args:
        objects: Mappings from member or attribute to value; what is absent is null.
        feature: What is known beforehand; null: it is found from the values.

    Raises:
        DataError: A value is not what its member holds; the position is ``objects[2].bbox``.
    """
    built = objects_feature(objects, feature)
    columns = [_member(objects, name, built) for name in built.names]
    if not columns:
        return pa.array([{}] * len(objects), built.struct), built
    return pa.StructArray.from_arrays(columns, fields=list(built.struct)), built


def objects_columns(
    columns: Mapping[str, pa.Array], known: features.Objects
) -> tuple[pa.StructArray, features.Objects]:
    """One struct an object, as `objects_array` makes them, from whole columns.

    Args:
        columns: Values by member or attribute, ``category`` as text; what has no value for any object is left out.
        known: What is known beforehand; attributes that are no columns are left out.
    """
    words = columns["category"].dictionary_encode()
    used = words.dictionary.to_pylist()
    new = [word for word in used if word not in known.categories.codes]
    built = features.Objects(
        categories=Categories((*known.categories, *Categories.of(new))) if new else known.categories,
        members=(*known.members, *(name for name in columns if name in features.OBJECT_MEMBERS)),
        attributes={name: feature for name, feature in known.attributes.items() if name in columns},
        id_type=known.id_type,
    )
    places = pa.array([built.categories.codes[word] for word in used], pa.int32())
    arrays = {**columns, "category": built.categories.encode(places.take(words.indices))}
    missing = [name for name in built.names if name not in arrays]
    arrays |= {name: pa.nulls(len(words), built.member_type(name)) for name in missing}
    return pa.StructArray.from_arrays([arrays[n] for n in built.names], fields=list(built.struct)), built


def boxes_column(sides: np.ndarray, missing: np.ndarray | None = None) -> pa.StructArray:
    """Boxes from their sides.

    Args:
        sides: float64 ``(n, 4)``: x, y, w, h.
        missing: ``(n,)``, which are null.
    """
    columns = [pa.array(np.ascontiguousarray(side), mask=missing) for side in sides.T]
    mask = None if missing is None else pa.array(missing)
    return pa.StructArray.from_arrays(columns, fields=list(BBOX), mask=mask)


def _member(objects: Sequence[Mapping[str, Any]], name: str, feature: features.Objects) -> pa.Array:
    given = [item.get(name) for item in objects]
    if name == "bbox" and (boxes := _boxes(given)) is not None:
        return boxes
    found = _checked(given, name) if values.has_border(name) else given
    if name == "category":
        codes = [None if value is None else feature.categories.codes[str(value)] for value in found]
        return feature.categories.encode(codes)
    try:
        return pa.array(found, feature.member_type(name))
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        wrong = _first_wrong(found, feature.member_type(name))
        raise DataError(
            f"found {found[wrong]!r}, expected {feature.member_type(name)}",
            position=f"objects[{wrong}].{name}",
        ) from error


def _checked(given: list[Any], name: str) -> list[Any]:
    """Each value as the member's type takes it."""
    found = []
    for position, value in enumerate(given):
        try:
            found.append(None if value is None else values.member(name, value))
        except DataError as error:
            error.position = f"objects[{position}].{name}"
            raise
    return found


def _boxes(given: list[Any]) -> pa.StructArray | None:
    """Boxes that are lists of four finite numbers, all at once; null: some are not."""
    missing = np.array([value is None for value in given], bool)
    present = [value for value in given if value is not None]
    if not all(type(value) in {list, tuple} and len(value) == 4 for value in present):
        return None
    sides = np.zeros((len(given), 4))
    try:
        sides[~missing] = np.array(present, np.float64).reshape(-1, 4)
    except (TypeError, ValueError):
        return None
    if not np.isfinite(sides).all():
        return None
    return boxes_column(sides, missing)


def _first_wrong(found: list[Any], kind: pa.DataType) -> int:
    """The first value that is not of the type, known to be among them."""
    low, high = 0, len(found)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            pa.array(found[low:middle], kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            high = middle
        else:
            low = middle
    return low


def list_column(values: pa.Array, lengths: np.ndarray, missing: np.ndarray | None = None) -> pa.ListArray:
    """A list array whose child is named ``element``.

    Args:
        values: The children, one after the other.
        lengths: ``(n,)``, 0 where null.
        missing: ``(n,)``, which lists are null.
    """
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    kind = pa.list_(pa.field("element", values.type))
    mask = pa.array(missing) if missing is not None and missing.any() else None
    return pa.ListArray.from_arrays(offsets, values, type=kind, mask=mask)
