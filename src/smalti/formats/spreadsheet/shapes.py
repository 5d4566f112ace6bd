"""Geometry from cells beyond boxes: keypoints in many columns, polygons as text, VIA's shapes in JSON."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from smalti.formats.spreadsheet import values
from smalti.schema.build import list_column
from smalti.schema.types import KEYPOINTS, POLYGONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

VIA_CLASSES: Final = ("class", "label", "class_name", "name", "type", "category", "object")
VIA_SHAPE: Final = "region_shape_attributes"  # kept of shapes that are no box, polygon, line or point


def keypoints(x: NDArray[np.float64], y: NDArray[np.float64], seen: NDArray[np.float64]) -> pa.Array:
    """Keypoints from columns.

    Args:
        x: ``(n, k)`` in pixels; NaN where the point is not labelled.
        y: ``(n, k)``.
        seen: ``(n, k)``, 0, 1 or 2; NaN where unknown.

    Returns:
        A list an object, null where it has no point at all; a point that is not labelled is at the
        origin with visibility 0.
    """
    count = x.shape[1]
    there = np.isfinite(x) & np.isfinite(y)
    has = np.any(there, axis=1).reshape(-1)
    held = there[has].ravel()
    visibility = np.where(held, seen[has].ravel(), 0)
    unknown = np.isnan(visibility)
    flat = pa.StructArray.from_arrays(
        [
            pa.array(np.where(held, x[has].ravel(), 0.0)),
            pa.array(np.where(held, y[has].ravel(), 0.0)),
            pa.array(np.where(unknown, 0, visibility).astype(np.int8), mask=unknown),
        ],
        fields=list(KEYPOINTS.value_type),
    )
    return list_column(flat, np.where(has, count, 0), ~has)


def polygons(cells: pa.Array) -> tuple[pa.Array, list[int]]:
    """Polygons from text: JSON of points or rings, or plain numbers ``x0 y0 x1 y1 …``.

    Returns:
        Rings in the units of the cells, null where blank; and the rows whose cell holds no polygon.
    """
    found: list[list[list[float]] | None] = []
    wrong = []
    for row, cell in enumerate(values.words(cells).to_pylist()):
        rings = None if cell is None or cell.lower() in values.NONE_WORDS else rings_of(cell)
        if rings is not None and any(len(ring) < 6 or len(ring) % 2 for ring in rings):
            wrong.append(row)
            rings = None
        found.append(rings)
    return pa.array(found, POLYGONS), wrong


def rings_of(cell: str) -> list[list[float]]:
    """The rings of one cell; a ring of nothing where it holds something else."""
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        return [values.number_list(cell) or []]
    if isinstance(value, list) and value and all(_depth(ring) == 2 for ring in value):
        return [_flat(ring) for ring in value]  # rings of points
    if isinstance(value, list) and len(value) and all(_depth(r) == 1 and len(r) >= 6 for r in value):
        return [_flat(ring) for ring in value]  # rings of numbers, as COCO has them
    return [_flat(value)]


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1
    return 1 + _depth(value[0]) if isinstance(value, list) and value else 0


def _flat(value: Any) -> list[float]:
    if isinstance(value, dict):
        return _flat([value.get("x"), value.get("y")])
    if isinstance(value, list):
        return [number for item in value for number in _flat(item)]
    return [float(value)] if isinstance(value, int | float) else [math.nan]


@dataclass(frozen=True, slots=True)
class Regions:
    """VIA's regions.

    Attributes:
        members: The values of each member, by its name.
        words: What the regions' authors noted beside the class, by its name, as text.
        rows: The rows that are objects.
        wrong: The rows that hold no region.
    """

    members: dict[str, list[Any]]
    words: dict[str, list[str | None]]
    rows: list[int]
    wrong: list[int]


def via(shapes: Sequence[str | None], attributes: Sequence[str | None]) -> Regions:
    """The regions of VIA's cells: their shapes, and what was noted of them; both are JSON."""
    names = ("category", "bbox", "polygons", "polyline", "keypoints", VIA_SHAPE)
    members: dict[str, list[Any]] = {name: [] for name in names}
    noted: list[dict[str, str]] = []
    rows, wrong = [], []
    for row, (shape, words) in enumerate(zip(shapes, attributes, strict=True)):
        try:
            region, said = json.loads(shape or "{}"), json.loads(words or "{}")
            made = _region(region) if region else None
            name = _class_name(said)
            rest = {key: _noted(value) for key, value in said.items() if key != name}
        except (ValueError, TypeError, KeyError, RecursionError, AttributeError):
            wrong.append(row)
            continue
        if made is None:
            continue
        rows.append(row)
        noted.append(rest)
        made["category"] = None if name is None else _option(said[name])
        if region["name"] in {"circle", "ellipse"}:
            made[VIA_SHAPE] = shape  # its box says less
        for member, column in members.items():
            column.append(made.get(member))
    keys = dict.fromkeys(key for one in noted for key in one)
    return Regions(members, {key: [one.get(key) for one in noted] for key in keys}, rows, wrong)


def _class_name(named: dict[str, Any]) -> str | None:
    """The attribute that is the class: called so, or the first that is a word or a choice."""
    return next((name for name in (*VIA_CLASSES, *named) if _option(named.get(name))), None)


def _option(value: Any) -> str | None:
    """A word, or the first option that is chosen of several."""
    if isinstance(value, dict):
        return next((str(key) for key, chosen in value.items() if chosen), None)
    return value if isinstance(value, str) and value else None


def _noted(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _region(shape: dict[str, Any]) -> dict[str, Any]:
    name = shape["name"]
    if name == "rect":
        return {"bbox": [float(shape[side]) for side in ("x", "y", "width", "height")]}
    if name in {"polygon", "polyline"}:
        pairs = zip(shape["all_points_x"], shape["all_points_y"], strict=True)
        flat = [float(number) for pair in pairs for number in pair]
        return {"polygons": [flat]} if name == "polygon" else {"polyline": flat}
    x, y = float(shape["cx"]), float(shape["cy"])
    if name == "point":
        return {"keypoints": [{"x": x, "y": y, "visibility": None}]}
    rx = float(shape["r"] if name == "circle" else shape["rx"])
    ry = float(shape["r"] if name == "circle" else shape["ry"])
    turn = math.radians(float(shape.get("theta", 0)))
    half_width = math.hypot(rx * math.cos(turn), ry * math.sin(turn))
    half_height = math.hypot(rx * math.sin(turn), ry * math.cos(turn))
    return {"bbox": [x - half_width, y - half_height, 2 * half_width, 2 * half_height]}
