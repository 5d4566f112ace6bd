"""The regions of an annotation's result as objects.

Specification: https://labelstud.io/guide/task_format and the tags' pages, https://labelstud.io/tags/rectanglelabels

Coordinates are percent of the picture; a rectangle's rotation is in degrees, clockwise, about its upper left corner.
Items of one id are one region: what it is, its labels, and answers to questions about it.
"""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from smalti.errors import DataError
from smalti.formats import json_files, mask_png
from smalti.formats.label_studio import brush
from smalti.formats.shares import rounded, to_pixels
from smalti.schema import features

if TYPE_CHECKING:
    from collections.abc import Sequence

PERCENT = 100.0
SHAPES = ("rectangle", "polygon", "brush", "keypoint", "ellipse", "bitmask", "vector")
ITEM_KEYS = frozenset(
    {"id", "type", "value", "original_width", "original_height", "score", "meta", "parentID", "format"}
)
BOX = ("x", "y", "width", "height")
ELLIPSE = ("x", "y", "radiusX", "radiusY")
VALUE_KEYS = frozenset({*BOX, "rotation", "points", "closed", "rle", "format", "imageDataURL", "ellipse"})
SELF, PARENT, HANGING = (
    "region id",
    "region parent",
    "region points",
)  # of objects, until children are merged with their parents
NAMELESS = "region-"  # what ids begin with that stand for none: Label Studio wants one of every region
REST = "label_studio"  # the attribute, and the column, of what nothing else holds


def shape_of(item: dict[str, Any]) -> str | None:
    """What kind of region an item is; null for an answer to a question."""
    value = item.get("value")
    kind = str(item.get("type")).removesuffix("labels")
    if kind in SHAPES:
        return kind
    if kind or not isinstance(value, dict):  # "labels" alone says it beside a rectangle, and repeats that
        return None
    return (
        "polygon"
        if "points" in value
        else "ellipse"
        if "radiusX" in value
        else "rectangle"
        if "width" in value
        else None
    )


def grouped(items: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The items of each region, the one that says its shape first; answers about the whole picture are left out."""
    by_id: dict[str, list[dict[str, Any]]] = {}
    alone: list[list[dict[str, Any]]] = []
    for item in items:
        if isinstance(item.get("id"), str):
            by_id.setdefault(item["id"], []).append(item)
        else:
            alone.append([item])
    found = [sorted(group, key=lambda item: shape_of(item) is None) for group in (*by_id.values(), *alone)]
    return [group for group in found if shape_of(group[0]) is not None]


def region(group: Sequence[dict[str, Any]], size: tuple[int | None, int | None]) -> dict[str, Any]:
    """The members of the object that one region is.

    Args:
        group: Its items.
        size: Width and height of the picture, where items do not say it.

    Raises:
        DataError: It is faulty.
    """
    item = group[0]
    value = json_files.of(item.get("value"), dict, "value")
    stated = tuple(
        json_files.pixels(item.get(f"original_{side}"), f"original_{side}") for side in ("width", "height")
    )
    width, height = (one or other for one, other in zip(stated, size, strict=True))
    found: dict[str, Any] = {"id": region_id(item.get("id"))}
    labels = labels_of(group)
    found["category"] = labels[0] if labels else None
    if width is None or height is None:
        raise DataError("a region's size is a share of the picture's, which is not known", hint="pass media=")
    found |= _geometry(str(shape_of(item)), value, width, height)
    if item.get("score") is not None:
        found["score"] = json_files.number(item["score"], "score")
    rest = {key: what for key, what in item.items() if key not in ITEM_KEYS and what not in (None, 0)}
    inner = {key: what for key, what in value.items() if key not in VALUE_KEYS and not key.endswith("labels")}
    if shape_of(item) in {"ellipse", "keypoint"}:
        inner = {
            key: what
            for key, what in value.items()
            if not key.endswith("labels") and (key not in "xy" or "radiusX" in value)
        }
    rest |= {"value": inner} if inner else {}
    rest |= {"labels": labels} if len(labels) > 1 else {}
    _meta(item.get("meta"), found, rest)
    if rest:
        found[REST] = rest
    if "keypoints" in found:
        found["keypoints"][0]["visibility"] = found.pop("visibility", None)
    found |= {SELF: item.get("id"), PARENT: item.get("parentID")}
    return {key: what for key, what in found.items() if what is not None}


def merged(objects: list[dict[str, Any]], points: dict[str, dict[str, None]]) -> list[dict[str, Any]]:
    """Objects with the regions that hang on them: points of a box, other shapes of the same label.

    Args:
        objects: As `region` gives them.
        points: The names of the points of each class; new ones are entered.
    """
    known = {item[SELF]: item for item in objects if SELF in item}
    found = []
    for item in objects:
        item.pop(SELF, None)
        key = item.pop(PARENT, None)
        parent = known.get(key)
        if parent is None or parent is item or not _joins(item, parent):
            found.append(item)
            if key is not None:
                item.setdefault(REST, {})["parentID"] = key
        elif "keypoints" in item:
            if (width := item.get(REST, {}).get("value", {}).get("width")) is not None:
                parent.setdefault(REST, {})["point_width"] = width
            parent.setdefault(HANGING, []).append((item.get("category"), item["keypoints"][0]))
        else:
            (shape,) = (name for name in item if name in features.GEOMETRY)
            parent[shape] = [*parent.get(shape, ()), *item[shape]] if shape == "polygons" else item[shape]
            parent |= {"angle": item["angle"]} if "angle" in item else {}
    for item in found:
        if HANGING in item:
            item["keypoints"] = _in_order(item.pop(HANGING), item.get("category"), points)
    return found


def _joins(item: dict[str, Any], parent: dict[str, Any]) -> bool:
    """Whether a region is a part of the object of its parent, and no object of its own."""
    shape = next(name for name in features.GEOMETRY if name in item)
    if shape == "keypoints":
        return "keypoints" not in parent
    more = set(item) - {shape, "angle", "id", "category", REST}
    return (
        item.get("category") == parent.get("category")
        and not more
        and (shape == "polygons" or shape not in parent)
    )


def _in_order(
    hanging: list[tuple[str | None, dict[str, Any]]], category: str | None, points: dict[str, dict[str, None]]
) -> list[dict[str, Any]]:
    """The points of an object in the order of its class's; those that are not there are not labelled."""
    if all(name == category for name, _ in hanging):
        return [point for _, point in hanging]
    names = points.setdefault(str(category), {})
    names.update(dict.fromkeys(str(name) for name, _ in hanging))
    given = dict(hanging)
    return [given.get(name, {"x": 0.0, "y": 0.0, "visibility": 0}) for name in names]


def labels_of(group: Sequence[dict[str, Any]]) -> list[str]:
    """The labels of a region."""
    found: dict[str, None] = {}
    for item in group:
        value = item.get("value")
        for key, words in (value if isinstance(value, dict) else {}).items():
            if key.endswith("labels") and words is not None:
                found.update(
                    dict.fromkeys(json_files.of(w, str, key) for w in json_files.of(words, list, key))
                )
    return list(found)


def region_id(value: Any) -> int | str | None:
    """An id as a number where it is one; null where it only stands for one."""
    if value is None:
        return None
    text = str(json_files.of(value, str, "id"))
    if text.startswith(NAMELESS):
        return None
    return (
        int(text)
        if text.isdecimal() and text.isascii() and len(text) < 19 and str(int(text)) == text
        else text
    )


def _meta(meta: Any, found: dict[str, Any], rest: dict[str, Any]) -> None:
    """What tools write beside a region: attributes, and members that Label Studio has no place for."""
    if not isinstance(meta, dict):
        return
    for key, value in meta.items():
        if key in features.OBJECT_MEMBERS:
            if key not in found or key == "angle":
                found[key] = value
        elif key == REST:
            rest.setdefault("meta", {})[key] = value
        elif value is not None:
            found[key] = value


def _numbers(value: dict[str, Any], keys: Sequence[str]) -> list[float]:
    return [json_files.number(value.get(key), f"value.{key}") for key in keys]


def _geometry(kind: str, value: dict[str, Any], width: int, height: int) -> dict[str, Any]:
    sides = np.array([width, height, width, height], np.float64)
    if kind == "rectangle":
        box = to_pixels(_numbers(value, BOX), sides, PERCENT)
        turn = json_files.number(value.get("rotation") or 0, "rotation")
        return {"quad": turned(box, turn), "angle": turn} if turn else {"bbox": box}
    if kind in {"polygon", "vector"}:
        flat = to_pixels(
            _pairs(value, "points" if "points" in value else "vertices"), sides[:2], PERCENT
        ).ravel()
        closed = value.get("closed", kind == "polygon") is not False
        if closed and len(flat) < 6:
            raise DataError(f"value.points: found {len(flat) // 2}, expected 3 at least")
        return {"polygons": [flat]} if closed else {"polyline": flat}
    if kind == "keypoint":
        x, y = to_pixels(_numbers(value, "xy"), sides[:2], PERCENT).tolist()
        return {"keypoints": [{"x": x, "y": y, "visibility": None}]}
    if kind == "ellipse":
        return {"bbox": around_ellipse(_numbers(value, ELLIPSE), value.get("rotation") or 0, sides)}
    if kind == "bitmask":
        return {"mask": _picture(value.get("imageDataURL"), width, height)}
    return {"mask": brush.decode(json_files.of(value.get("rle"), list, "rle"), height, width)}


def turned(box: np.ndarray, degrees: float) -> list[float]:
    """The corners of a box that is turned clockwise about its upper left one."""
    x, y, w, h = box.tolist()
    turn = math.radians(degrees)
    cos, sin = math.cos(turn), math.sin(turn)
    if degrees % 90 == 0:
        cos, sin = round(cos), round(sin)
    along, across = (w * cos, w * sin), (-h * sin, h * cos)
    return [
        x,
        y,
        x + along[0],
        y + along[1],
        x + along[0] + across[0],
        y + along[1] + across[1],
        x + across[0],
        y + across[1],
    ]


def around_ellipse(numbers: Sequence[float], rotation: Any, sides: np.ndarray) -> np.ndarray:
    """The box around an ellipse of percent: its centre, two radii and a rotation in degrees."""
    x, y, rx, ry = (np.array(numbers) * sides / PERCENT).tolist()
    turn = math.radians(json_files.number(rotation, "rotation"))
    half = (
        math.hypot(rx * math.cos(turn), ry * math.sin(turn)),
        math.hypot(rx * math.sin(turn), ry * math.cos(turn)),
    )
    return rounded([x - half[0], y - half[1], 2 * half[0], 2 * half[1]])


def _pairs(value: dict[str, Any], key: str) -> np.ndarray:
    """Float64 ``(n, 2)``; a point is a pair, or says x and y."""
    flat = []
    for place, point in enumerate(json_files.of(value.get(key), list, f"value.{key}")):
        name = f"value.{key}[{place}]"
        pair = (
            [point.get("x"), point.get("y")] if isinstance(point, dict) else json_files.of(point, list, name)
        )
        if len(pair) != 2:
            raise DataError(f"{name}: found {len(pair)} numbers, expected x and y")
        flat += [json_files.number(side, name) for side in pair]
    return np.array(flat, np.float64).reshape(-1, 2)


def _picture(url: Any, width: int, height: int) -> np.ndarray:
    """The mask that a PNG in a data URL is."""
    text = json_files.of(url, str, "imageDataURL")
    try:
        body = base64.b64decode(text.partition("base64,")[2], validate=True)
    except ValueError as error:
        raise DataError(f"value.imageDataURL: no PNG in base64: {error}") from error
    return mask_png.placed(body, (0, 0), width, height, "imageDataURL")
