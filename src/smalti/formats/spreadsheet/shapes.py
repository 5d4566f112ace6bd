"""Geometry from cells beyond boxes: keypoints in many columns, polygons as text, VIA's shapes in JSON."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from smalti.formats.spreadsheet import values
from smalti.schema.build import list_column
from smalti.schema.types import KEYPOINTS, POLYGONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

VIA_CLASSES: Final = ("class", "label", "name", "type", "category", "object")


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


def via(
    shapes: Sequence[str | None], attributes: Sequence[str | None]
) -> tuple[dict[str, list[Any]], list[int], list[int]]:
    """VIA's regions: a member's values by its name, the rows that are objects, the rows that are wrong."""
    members: dict[str, list[Any]] = {
        "category": [],
        "bbox": [],
        "polygons": [],
        "polyline": [],
        "keypoints": [],
    }
    rows, wrong = [], []
    for row, (shape, words) in enumerate(zip(shapes, attributes, strict=True)):
        try:
            region = json.loads(shape or "{}")
            made = {**_region(region), "category": _class(json.loads(words or "{}"))} if region else None
        except (ValueError, TypeError, KeyError, RecursionError, AttributeError):
            wrong.append(row)
            continue
        if made is None:
            continue
        rows.append(row)
        for name, column in members.items():
            column.append(made.get(name))
    return members, rows, wrong


def _class(named: dict[str, Any]) -> str | None:
    for name in (*VIA_CLASSES, *named):
        value = named.get(name)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, dict) and value:  # a checkbox: its options, each with true
            return str(next(iter(value)))
    return None


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
    return {"bbox": [x - rx, y - ry, 2 * rx, 2 * ry]}
