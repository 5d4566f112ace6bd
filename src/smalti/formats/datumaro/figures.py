"""Datumaro's annotations as objects: those of one group and label are one object of several geometries.

Source of truth: https://github.com/open-edge-platform/datumaro/blob/develop/src/datumaro/components/annotation.py
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from smalti.errors import DataError
from smalti.formats import json_files
from smalti.formats.shares import rounded
from smalti.geometry import quads, rle
from smalti.schema import features

if TYPE_CHECKING:
    from collections.abc import Sequence

REST = "datumaro"  # the attribute, and the column, of what nothing else holds
LARGEST = 2**63
KEYS = frozenset({"id", "type", "attributes", "group", "object_id", "label_id", "points", "bbox", "rle", "z_order",
                  "visibility", "position", "rotation", "scale"})  # fmt: skip
SHAPES = frozenset(
    {"bbox", "polygon", "polyline", "points", "mask", "ellipse", "cuboid_2d", "cuboid_3d", "rotated_bbox"}
)
FIGURES = ("ellipse", "cuboid_2d", "cuboid_3d")  # attributes: the numbers of shapes that no member is
FLAGS = {"is_crowd": "iscrowd", "iscrowd": "iscrowd"}
NUMBERS = frozenset({"score", "area"})


def figure(item: dict[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    """The members of the object that one annotation is.

    Args:
        item: The annotation.
        labels: The names of the labels by their numbers.

    Raises:
        DataError: It is faulty.
    """
    kind = item["type"]
    found: dict[str, Any] = {"id": whole(item.get("id"), "id") or None, "category": label(item, labels)}
    found |= _geometry(kind, item)
    found["track_id"] = track if (track := whole(item.get("object_id", -1), "object_id")) >= 0 else None
    found["group"] = whole(item.get("group"), "group") or None
    found["z_order"] = whole(item.get("z_order"), "z_order") or None
    rest: dict[str, Any] = {
        key: value for key, value in item.items() if key not in KEYS and value is not None
    }
    for key, value in json_files.of(item.get("attributes") or {}, dict, "attributes").items():
        _attribute(key, value, found, rest)
    if rest:
        found[REST] = rest
    return {key: value for key, value in found.items() if value is not None}


def _attribute(key: str, value: Any, found: dict[str, Any], rest: dict[str, Any]) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if key in FLAGS and isinstance(value, bool) and FLAGS[key] not in found:
        found[FLAGS[key]] = value
    elif key in NUMBERS and number:
        found[key] = json_files.number(value, key)
    elif (
        key == "track_id"
        and isinstance(value, int | str)
        and not isinstance(value, bool)
        and found[key] is None
    ):
        found[key] = value if isinstance(value, str) else whole(value, key)
    elif key in features.OBJECT_MEMBERS or key in found or key in {REST, *FIGURES, *FLAGS}:
        rest.setdefault("attributes", {})[key] = value
    elif value is not None:
        found[key] = value


def label(item: dict[str, Any], labels: Sequence[str]) -> str | None:
    """The class of an annotation; null where it has none.

    Raises:
        DataError: No label has that number.
    """
    number = item.get("label_id")
    if number is None:
        return None
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(labels):
        raise DataError(f"label_id: found {number!r}, expected the number of one of {len(labels)} labels")
    return labels[number]


def whole(value: Any, name: str) -> int:
    """A whole number of 64 bits; 0 for null.

    Raises:
        DataError: It is none.
    """
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not -LARGEST <= value < LARGEST:
        raise DataError(f"{name}: found {value!r}, expected a whole number")
    return value


def _geometry(kind: str, item: dict[str, Any]) -> dict[str, Any]:
    if kind == "bbox":
        return {"bbox": _numbers(item, "bbox", 4)}
    if kind == "polygon":
        flat = _numbers(item, "points")
        if len(flat) < 6:
            raise DataError(f"points: found {len(flat)} numbers, expected 6 at least")
        return {"polygons": [flat]}
    if kind == "polyline":
        return {"polyline": _numbers(item, "points")}
    if kind == "points":
        return {"keypoints": _points(item)}
    if kind == "mask":
        return {"mask": _mask(json_files.of(item.get("rle"), dict, "rle"))}
    if kind == "ellipse":
        x0, y0, x1, y1 = _numbers(item, "points", 4)
        return {"bbox": rounded([x0, y0, x1 - x0, y1 - y0]).tolist(), "ellipse": [x0, y0, x1, y1]}
    if kind == "rotated_bbox":
        cx, cy, w, h, turn = _numbers(item, "points", 5)
        return {"quad": quads.rotated_to_quads([cx, cy, w, h, math.radians(turn)])[0], "angle": turn}
    if kind == "cuboid_2d":
        corners = json_files.of(item.get("points"), list, "points")
        return {"bbox": _around(corners), "cuboid_2d": corners}
    return {"cuboid_3d": {key: _numbers(item, key) for key in ("position", "rotation", "scale")}}


def _numbers(item: dict[str, Any], key: str, count: int | None = None) -> list[float]:
    given = json_files.of(item.get(key), list, key)
    if count is not None and len(given) != count:
        raise DataError(f"{key}: found {len(given)} numbers, expected {count}")
    return [json_files.number(value, key) for value in given]


def _points(item: dict[str, Any]) -> list[dict[str, Any]]:
    flat = _numbers(item, "points")
    seen = item.get("visibility")
    given: Sequence[Any] = (
        [None] * (len(flat) // 2) if seen is None else json_files.of(seen, list, "visibility")
    )
    if len(flat) != 2 * len(given):
        raise DataError(f"visibility: found {len(given)} values for {len(flat)} coordinates")
    return [{"x": x, "y": y, "visibility": v} for x, y, v in zip(flat[::2], flat[1::2], given, strict=True)]


def _mask(value: dict[str, Any]) -> dict[str, Any]:
    height, width = (int(side) for side in _numbers(value, "size", 2))
    counts = value.get("counts")
    if not isinstance(counts, str):
        return {"size": [height, width], "counts": json_files.of(counts, list, "counts")}
    body = counts.encode()
    if not len(rle.bad_counts([body])):
        runs, offsets = rle.decode_counts([body])
        if not len(rle.check_runs(runs, offsets, [height], [width])):
            return {"height": height, "width": width, "counts": body}
    raise DataError(f"rle: the counts are no run lengths of {width} x {height} pixels")


def _around(corners: list[Any]) -> list[float]:
    """The box around the corners of a cuboid, pairs of numbers."""
    pairs = [
        [json_files.number(s, "points") for s in json_files.of(pair, list, "points")] for pair in corners
    ]
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise DataError("points: expected pairs of x and y")
    found = np.array(pairs)
    low, high = found.min(axis=0), found.max(axis=0)
    return rounded([*low, *(high - low)]).tolist()


def grouped(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Objects with what belongs together in one: the same group and label, and no two shapes of a kind but polygons."""
    found: list[dict[str, Any]] = []
    first: dict[tuple[int, Any], list[dict[str, Any]]] = {}
    sizes: dict[int, int] = {}
    for item in objects:
        key = (item.get("group", 0), item.get("category"))
        other = next((one for one in first.get(key, ()) if key[0] and _fits(item, one)), None)
        if other is None:
            found.append(item)
            first.setdefault(key, []).append(item)
            sizes[key[0]] = sizes.get(key[0], 0) + 1
        else:
            rings = [*other.get("polygons", ()), *item.get("polygons", ())]
            other |= item | ({"polygons": rings} if rings else {})
    for item in found:  # a group of one says nothing more
        if sizes[item.get("group", 0)] == 1:
            item.pop("group", None)
    return found


def _fits(item: dict[str, Any], other: dict[str, Any]) -> bool:
    both = (set(item) & set(other)) - {"polygons"}
    return not both & {*features.GEOMETRY, *FIGURES} and all(item[key] == other[key] for key in both)
