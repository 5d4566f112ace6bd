"""From shape elements to object members.

A shape is one geometry: https://docs.cvat.ai/docs/other/xml_format. Coordinates are pixels
from the outer top left corner, rotations degrees clockwise about the centre.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa

from smalti.errors import DataError
from smalti.formats.cvat import masks
from smalti.formats.cvat.labels import FIGURES, member_name
from smalti.formats.cvat.scan import is_turned
from smalti.formats.label_rows import snap
from smalti.geometry import quads, rle
from smalti.schema.types import BBOX, MASK, list_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from xml.etree.ElementTree import Element

    from smalti.schema.features import Json, Objects, Value

    Row = dict[str, Any]

CORNERS = ("xtl", "ytl", "xbr", "ybr")
CROP = ("left", "top", "width", "height")
DECIMALS = 8  # digits of a pixel coordinate that count as short
FLAGS = {"0": False, "1": True, "false": False, "true": True}


@dataclass(frozen=True, slots=True)
class Image:
    """What a shape is read against.

    Attributes:
        size: Width and height in pixels; null while unknown.
        codes: Positions of classes by label.
        points: Positions of a skeleton's points by name, by label.
        attributes: The features of attributes, by member name.
    """

    size: tuple[int, int] | None
    codes: Mapping[str, int]
    points: Mapping[str, Mapping[str, int]]
    attributes: Mapping[str, Value | Json]


def parse_shape(element: Element, image: Image) -> Row:
    """An object's members as plain values.

    A box stands as its corners, a turned one with its rotation behind them, a mask as where it changes.

    Raises:
        DataError: The element is no such shape.
    """
    row: Row = {"category": code(element, image.codes)}
    row |= _PARSERS[element.tag](element, image)
    row["occluded"] = flag(element, "occluded")
    for name in ("z_order", "group_id"):
        if element.get(name) is not None:
            row[name] = whole(element, name)
    if (source := element.get("source")) is not None:
        row["source"] = source
    for child in element.findall("attribute"):
        name = member_name(child.get("name", ""))
        row[name] = attribute_value(child.text or "", image.attributes[name])
    return row


def attribute_value(text: str, feature: Value | Json) -> Any:
    """An attribute's value; that it fits the feature was seen before."""
    if pa.types.is_boolean(feature.arrow):
        return text.strip().lower() == "true"
    if pa.types.is_integer(feature.arrow):
        return int(text)
    return float(text) if pa.types.is_floating(feature.arrow) else text


def code(element: Element, codes: Mapping[str, int]) -> int | None:
    """The position of an element's class; null where its label is empty.

    Raises:
        DataError: The table has no such label.
    """
    label = element.get("label", "")
    if label not in codes and label:
        raise DataError(
            f"found the label {label[:80]!r}, expected one of the {len(codes)} in meta", hint="add it there"
        )
    return codes.get(label)


def number(element: Element, name: str) -> float:
    """A number of an element.

    Raises:
        DataError: It is missing, or no finite number.
    """
    text = element.get(name)
    try:
        value = math.nan if text is None else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        found = "nothing" if text is None else repr(text[:40])
        raise DataError(f"{name}: found {found}, expected a number")
    return value


def whole(element: Element, name: str) -> int:
    """A whole number of an element.

    Raises:
        DataError: It is missing, or no whole number of 64 bits.
    """
    value = number(element, name)
    if value != int(value) or abs(value) >= 2**63:
        raise DataError(f"{name}: found {str(element.get(name))[:40]!r}, expected a whole number")
    return int(value)


def flag(element: Element, name: str, default: str = "0") -> bool:
    """A flag of an element.

    Raises:
        DataError: It is neither 0 nor 1.
    """
    text = element.get(name, default)
    if text.lower() not in FLAGS:
        raise DataError(f"{name}: found {text[:40]!r}, expected 0 or 1")
    return FLAGS[text.lower()]


def _pairs(element: Element) -> list[float]:
    """The coordinates of ``points``: ``x,y;x,y``."""
    text = element.get("points")
    if text is None:
        raise DataError("found no points")
    pairs = [pair.split(",") for pair in text.split(";")] if text.strip() else []
    try:
        flat = [float(word) for pair in pairs for word in pair]
    except ValueError as error:
        raise DataError(f"points: {error}; expected x,y;x,y;…") from error
    if any(len(pair) != 2 for pair in pairs) or not all(map(math.isfinite, flat)):
        raise DataError(f"points: found {text[:80]!r}, expected finite numbers x,y;x,y;…")
    return flat


def _line(element: Element) -> list[float]:
    flat = _pairs(element)
    if not flat:
        raise DataError("points: found none")
    return flat


def _box(element: Element, image: Image) -> Row:
    del image
    corners = tuple(number(element, name) for name in CORNERS)
    if is_turned(element.attrib):
        return {"quad": (*corners, number(element, "rotation"))}
    return {"bbox": corners}


def _points(element: Element, image: Image) -> Row:
    del image
    flat = _pairs(element)
    return {"keypoints": [{"x": x, "y": y} for x, y in zip(flat[::2], flat[1::2], strict=True)]}


def _skeleton(element: Element, image: Image) -> Row:
    names = image.points.get(element.get("label", ""), {})
    found = []
    for position, child in enumerate(element.findall("points")):
        name = child.get("label", "")
        if names and name not in names:
            raise DataError(f"found the point {name[:80]!r}, expected one of the skeleton's {len(names)}")
        flat = _pairs(child)
        if len(flat) != 2:
            raise DataError(f"point {name[:80]!r}: found {len(flat) // 2} points, expected one")
        seen = 0 if flag(child, "outside") else 1 if flag(child, "occluded") else 2
        found.append((names.get(name, position), {"x": flat[0], "y": flat[1], "visibility": seen}))
    points = [{"x": 0.0, "y": 0.0, "visibility": 0} for _ in range(max(len(names), len(found)))]
    for position, point in found:
        points[position] = point
    return {"keypoints": points}


def _mask(element: Element, image: Image) -> Row:
    if image.size is None:
        raise DataError("found a mask in an image without width and height", hint="add them to the image")
    left, top, width, height = (whole(element, name) for name in CROP)
    return {
        "mask": (masks.toggles(element.get("rle", ""), (left, top, width, height), image.size), image.size)
    }


def _figure(element: Element, image: Image) -> Row:
    del image
    values = {name: number(element, name) for name in FIGURES[element.tag]}
    if is_turned(element.attrib):
        values["rotation"] = number(element, "rotation")
    return {element.tag: msgspec.json.encode(values).decode()}


_PARSERS: dict[str, Callable[[Element, Image], Row]] = {
    "box": _box,
    "polygon": lambda element, _: {"polygons": [_line(element)]},
    "polyline": lambda element, _: {"polyline": _line(element)},
    "points": _points,
    "skeleton": _skeleton,
    "mask": _mask,
    "ellipse": _figure,
    "cuboid": _figure,
}


def struct(rows: list[Row], feature: Objects) -> pa.StructArray:
    """One struct an object, with the members that the feature has."""
    children = [_column(name, [row.get(name) for row in rows], rows, feature) for name in feature.names]
    return pa.Array.from_buffers(feature.struct, len(rows), [None], children=children)


def _column(name: str, values: list[Any], rows: list[Row], feature: Objects) -> pa.Array:
    if name == "category":
        return feature.categories.encode(pa.array(values, pa.int32()))
    if name == "bbox":
        return _boxes(values)
    if name == "mask":
        return _masks(values)
    if name == "quad":
        return _quads(values)
    if name == "angle":
        turned = [row.get("quad") for row in rows]
        return pa.array([None if value is None else value[4] for value in turned], pa.float64())
    return pa.array(values, feature.member_type(name))


def _boxes(values: list[Any]) -> pa.Array:
    missing = np.array([value is None for value in values], bool)
    corners = np.array([value or (0, 0, 0, 0) for value in values], np.float64).reshape(-1, 4)
    sides = snap(corners[:, 2:] - corners[:, :2], DECIMALS, np.abs(corners).max(axis=1, initial=0)[:, None])
    columns = [corners[:, 0], corners[:, 1], sides[:, 0], sides[:, 1]]
    mask = pa.array(missing) if missing.any() else None
    return pa.StructArray.from_arrays(
        [pa.array(np.ascontiguousarray(column)) for column in columns], fields=list(BBOX), mask=mask
    )


def _quads(values: list[Any]) -> pa.Array:
    have = np.array([value is not None for value in values], bool)
    given = np.array([value for value in values if value is not None], np.float64).reshape(-1, 5)
    low, high, angle = given[:, :2], given[:, 2:4], np.radians(given[:, 4:])
    corners = quads.rotated_to_quads(np.concatenate([(low + high) / 2, high - low, angle], axis=1))
    offsets = np.concatenate([[0], np.cumsum(8 * have)]).astype(np.int32)
    mask = None if have.all() else pa.array(~have)
    return pa.ListArray.from_arrays(
        pa.array(offsets), pa.array(corners.ravel()), type=list_of(pa.float64()), mask=mask
    )


def _masks(values: list[Any]) -> pa.Array:
    given = [value for value in values if value is not None]
    sizes = np.array([size for _, size in given], np.int64).reshape(-1, 2)
    owner = np.repeat(np.arange(len(given)), [len(where) for where, _ in given])
    where = np.concatenate([np.empty(0, np.int64), *(where for where, _ in given)])
    runs, offsets = rle.toggles_to_runs(where, owner.astype(np.int64), sizes.prod(axis=1))
    texts = iter(zip(sizes.tolist(), rle.encode_counts(runs, offsets), strict=True))
    found: list[dict[str, Any] | None] = []
    for value in values:
        if value is None:
            found.append(None)
            continue
        (width, height), counts = next(texts)
        found.append({"height": height, "width": width, "counts": counts})
    return pa.array(found, MASK)
