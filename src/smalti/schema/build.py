"""Arrow arrays from Python values, with errors that name the object and the member."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from smalti.errors import DataError
from smalti.schema import features
from smalti.schema.categories import Categories

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


def _numbers(value: Any, what: str) -> list[float]:
    try:
        flat = np.asarray(value, np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise DataError(f"found {value!r}, expected {what}") from error
    if not np.isfinite(flat).all():
        raise DataError(f"found {value!r}, expected finite numbers")
    return flat.tolist()


def _bbox(value: Any) -> dict[str, float]:
    if isinstance(value, dict):
        value = [value.get(side) for side in "xywh"]
    flat = _numbers(value, "a box of x, y, w, h")
    if len(flat) != 4:
        raise DataError(f"found {len(flat)} numbers, expected a box of x, y, w, h")
    return dict(zip("xywh", flat, strict=True))


def _polygons(value: Any) -> list[list[float]]:
    rings = [_numbers(ring, "a ring of x0, y0, x1, y1, …") for ring in value]
    for ring in rings:
        if len(ring) % 2:
            raise DataError(f"found a ring of {len(ring)} numbers, expected x and y of each point")
    return rings


def _keypoints(value: Any) -> list[dict[str, Any]]:
    points = []
    for point in value:
        if isinstance(point, dict):
            points.append(point)
            continue
        numbers = [*point, None][:3]
        _numbers(numbers[:2], "x, y, visibility")
        seen = None if numbers[2] is None or np.isnan(numbers[2]) else int(numbers[2])
        points.append({"x": float(numbers[0]), "y": float(numbers[1]), "visibility": seen})
    return points


def _quad(value: Any) -> list[float]:
    flat = _numbers(value, "the four corners x0, y0 … x3, y3")
    if len(flat) != 8:
        raise DataError(f"found {len(flat)} numbers, expected the four corners x0, y0 … x3, y3")
    return flat


def _score(value: Any) -> float:
    return _numbers(value, "a number")[0]


_BORDER: dict[str, Callable[[Any], Any]] = {
    "bbox": _bbox,
    "polygons": _polygons,
    "keypoints": _keypoints,
    "quad": _quad,
    "polyline": lambda value: _numbers(value, "points x0, y0, x1, y1, …"),
    "score": _score,
    "area": _score,
    "angle": _score,
}


def objects_feature(
    objects: Iterable[Mapping[str, Any]], known: features.Objects | None = None
) -> features.Objects:
    """The feature that objects given as mappings need, on top of a known one."""
    names: dict[str, None] = {}
    classes: dict[str, None] = {}
    attributes: dict[str, list[Any]] = {}
    ids: list[Any] = []
    for item in objects:
        for name, value in item.items():
            names[name] = None
            if name == "category" and value is not None:
                classes[str(value)] = None
            elif name in {"id", "track_id"}:
                ids.append(value)
            elif name not in features.OBJECT_MEMBERS:
                attributes.setdefault(name, []).append(value)
    members = tuple(name for name in names if name in features.OBJECT_MEMBERS)
    categories = known.categories if known else Categories()
    new = [name for name in classes if name not in categories.codes]
    if new:
        categories = Categories((*categories, *Categories.of(new)))
    typed = {name: features.Value(type=_type_of(name, values)) for name, values in attributes.items()}
    return features.Objects(
        categories=categories,
        members=(*(known.members if known else ()), *members),
        attributes={**typed, **(known.attributes if known else {})},
        id_type="string"
        if any(isinstance(value, str) for value in ids)
        else known.id_type
        if known
        else "int64",
    )


def _type_of(name: str, values: list[Any]) -> pa.DataType:
    try:
        found = pa.array(values).type
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"attribute {name!r} has values of different kinds: {error}") from error
    return pa.string() if pa.types.is_null(found) else found


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


def _member(objects: Sequence[Mapping[str, Any]], name: str, feature: features.Objects) -> pa.Array:
    border = _BORDER.get(name)
    values = []
    for position, item in enumerate(objects):
        value = item.get(name)
        if value is not None and border is not None:
            try:
                value = border(value)
            except DataError as error:
                error.position = f"objects[{position}].{name}"
                raise
        values.append(value)
    if name == "category":
        codes = [None if value is None else feature.categories.codes[str(value)] for value in values]
        return feature.categories.encode(codes)
    try:
        return pa.array(values, feature.member_type(name))
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        wrong = _first_wrong(values, feature.member_type(name))
        raise DataError(
            f"found {values[wrong]!r}, expected {feature.member_type(name)}",
            position=f"objects[{wrong}].{name}",
        ) from error


def _first_wrong(values: list[Any], kind: pa.DataType) -> int:
    """The first value that is not of the type, known to be among them."""
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            pa.array(values[low:middle], kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            high = middle
        else:
            low = middle
    return low


def objects_column(
    samples: Sequence[Sequence[Mapping[str, Any]] | None], feature: features.Objects | None = None
) -> tuple[pa.ListArray, features.Objects]:
    """A list column from the objects of each sample; null where nobody has annotated the sample."""
    array, built = objects_array(list(chain.from_iterable(rows or () for rows in samples)), feature)
    lengths = np.array([len(rows or ()) for rows in samples], np.int64)
    return list_column(array, lengths, np.array([rows is None for rows in samples], bool)), built


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
