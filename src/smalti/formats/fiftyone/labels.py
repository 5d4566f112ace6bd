"""FiftyOne's labels as objects.

Specification: https://docs.voxel51.com/user_guide/using_datasets.html#labels; coordinates are shares of the picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from smalti.errors import DataError
from smalti.formats import json_files
from smalti.formats.fiftyone.values import array, number_of, oid, plain
from smalti.formats.shares import to_pixels
from smalti.schema import features

if TYPE_CHECKING:
    from numpy.typing import NDArray

REST = "fiftyone"  # the attribute, and the column, of what nothing else holds
LISTS = {"Detections": "detections", "Polylines": "polylines", "Keypoints": "keypoints"}
ONE = {"Detection": "Detections", "Polyline": "Polylines", "Keypoint": "Keypoints"}
ORDER, OFFSET, TURNED, SEEN = "smalti_order", "mask_offset", "oriented", "visibility"  # keys of our own
BOXED = "smalti_box"  # the box of an object whose mask leaves it; empty where it has none
CROP = "smalti crop"  # the mask of a label that is in a file of its own, once it was read
LINK = "smalti link"  # of objects, until those of one instance are one
KEYS = frozenset({"_id", "_cls", "label", "bounding_box", "mask", "mask_path", "confidence", "index", "points", "closed",
                  "filled", "tags", "attributes", "instance", ORDER, OFFSET, TURNED, SEEN, CROP, BOXED})  # fmt: skip
MEMBERS = frozenset({"area", "iscrowd", "angle", "track_id", "box3d"})  # members that are keys of our own
LARGEST = 2**63


def figure(item: Any, cls: str, size: NDArray[np.float64]) -> dict[str, Any]:
    """The members of the object that one label is.

    Args:
        item: The label.
        cls: ``Detection``, ``Polyline`` or ``Keypoint``.
        size: Width and height of the picture.

    Raises:
        DataError: It is faulty.
    """
    json_files.of(item, dict, "the label")
    found: dict[str, Any] = {"id": number_of(oid(item.get("_id")))}
    name = item.get("label")
    found["category"] = None if name is None else json_files.of(name, str, "label")
    rest: dict[str, Any] = {}
    found |= _SHAPES[cls](item, size, rest)
    if isinstance(item.get("confidence"), list):
        rest["confidence"] = item["confidence"]
    elif item.get("confidence") is not None:
        found["score"] = json_files.number(plain(item["confidence"]), "confidence")
    index = plain(item.get("index"))
    if isinstance(index, int) and -LARGEST <= index < LARGEST:
        found["track_id"] = index
    attributes = json_files.of(item.get("attributes") or {}, dict, "attributes")
    named = {
        key: one.get("value") if isinstance(one, dict) and "_cls" in one else one
        for key, one in attributes.items()
    }
    for key, value in {**named, **{k: v for k, v in item.items() if k not in KEYS}}.items():
        _attribute(key, plain(value), found, rest)
    for key in ("tags",) if item.get("tags") else ():
        found[key] = item[key]
    link = oid(item["instance"].get("_id")) if isinstance(item.get("instance"), dict) else None
    if rest:
        found[REST] = rest
    found = {key: value for key, value in found.items() if value is not None}
    return found | {LINK: (link, item.get(ORDER), item.get("instance"))}


def _attribute(key: str, value: Any, found: dict[str, Any], rest: dict[str, Any]) -> None:
    if key in MEMBERS and value is not None:
        found[key] = value
    elif key in features.OBJECT_MEMBERS or key in {REST, LINK, "tags"} or key in found:
        rest.setdefault("keys", {})[key] = value
    elif value is not None:
        found[key] = value


def _detection(item: dict[str, Any], size: NDArray[np.float64], rest: dict[str, Any]) -> dict[str, Any]:
    shares = _numbers(item.get("bounding_box"), "bounding_box")
    if len(shares) != 4:
        raise DataError(f"bounding_box: found {len(shares)} numbers, expected 4")
    box = to_pixels(shares, np.tile(size, 2), 1)
    own: dict[str, Any] = {"bbox": box}
    if item.get(BOXED) is not None:  # the box is that of the mask
        true = _numbers(item[BOXED], BOXED)
        own = {"bbox": to_pixels(true, np.tile(size, 2), 1)} if len(true) == 4 else {}
    if item.get("mask_path") is not None and CROP not in item:
        rest["mask_path"] = item["mask_path"]
    if item.get("mask") is None and CROP not in item:
        return own
    crop = item[CROP] if CROP in item else array(item["mask"], "mask", max(int(size.prod()), 1 << 20))
    if crop.ndim != 2 or not crop.size:
        raise DataError(f"mask: found an array of {crop.shape}, expected rows and columns")
    return own | {"mask": placed(crop > 0, box, item.get(OFFSET), size)}


def placed(
    crop: NDArray[np.bool_], box: NDArray[np.float64], offset: Any, size: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """The mask of the whole picture, from that of the box.

    Args:
        crop: The mask of the box, of any size: it is stretched to the box.
        box: Pixels.
        offset: Where its corner is, if it is not to be stretched; else null.
        size: Width and height of the picture.
    """
    width, height = (int(side) for side in size)
    left, top, right, bottom = corners(box)
    if isinstance(offset, list) and len(offset) == 2 and all(isinstance(v, int) for v in offset):
        left, top = offset
    elif crop.shape != (bottom - top, right - left):
        rows, columns = (np.arange(max(n, 1)) + 0.5 for n in (bottom - top, right - left))
        picked = (
            (rows * crop.shape[0] / len(rows)).astype(int),
            (columns * crop.shape[1] / len(columns)).astype(int),
        )
        crop = crop[np.ix_(*picked)]
    found = np.zeros((height, width), np.uint8)
    y0, x0 = max(top, 0), max(left, 0)
    inside = crop[max(-top, 0) : max(height - top, 0), max(-left, 0) : max(width - left, 0)]
    found[y0 : y0 + inside.shape[0], x0 : x0 + inside.shape[1]] = inside
    return found


def corners(box: NDArray[np.float64]) -> tuple[int, int, int, int]:
    """The pixels that a mask's box covers: left, top, right, bottom."""
    x, y, w, h = box.tolist()
    left, top = round(x), round(y)
    return left, top, max(round(x + w), left + 1), max(round(y + h), top + 1)


def _polyline(item: dict[str, Any], size: NDArray[np.float64], rest: dict[str, Any]) -> dict[str, Any]:
    given = json_files.of(item.get("points"), list, "points")
    shapes = [_pairs(shape, size) for shape in given]
    if not shapes:
        raise DataError("points: found no shape, expected lists of points")
    if item.get("closed") is not True:
        if len(shapes) > 1:
            rest["points"] = given
        if item.get("filled"):
            rest["filled"] = True
        return {"polyline": shapes[0]}
    if item.get(TURNED) is True and len(shapes) == 1 and len(shapes[0]) == 8:
        return {"quad": shapes[0]}
    if item.get("filled") is not True:
        rest["filled"] = False
    if short := next((shape for shape in shapes if len(shape) < 6), None):
        raise DataError(f"points: found {len(short) // 2} of a closed shape, expected 3 at least")
    return {"polygons": shapes}


def _keypoint(item: dict[str, Any], size: NDArray[np.float64], rest: dict[str, Any]) -> dict[str, Any]:
    del rest
    given = [_nan(pair) for pair in json_files.of(item.get("points"), list, "points")]
    flat = _pairs([[0, 0] if pair is None else pair for pair in given], size)
    seen = item.get(SEEN)
    if not (isinstance(seen, list) and len(seen) == len(given)):
        seen = [None] * len(given)
    known = [0 if pair is None else v for pair, v in zip(given, seen, strict=True)]
    return {
        "keypoints": [
            {"x": x, "y": y, "visibility": v} for x, y, v in zip(flat[::2], flat[1::2], known, strict=True)
        ]
    }


def _nan(pair: Any) -> Any:
    """A point, or null where its numbers say that it is not there."""
    numbers = plain(pair)
    missing = isinstance(numbers, list) and len(numbers) == 2 and numbers != pair and None in numbers
    return None if missing or (isinstance(numbers, list) and numbers == [None, None]) else numbers


def _numbers(value: Any, name: str) -> list[float]:
    return [json_files.number(one, name) for one in json_files.of(plain(value), list, name)]


def _pairs(value: Any, size: NDArray[np.float64]) -> list[float]:
    flat: list[float] = []
    for place, pair in enumerate(json_files.of(value, list, "points")):
        numbers = _numbers(pair, f"points[{place}]")
        if len(numbers) != 2:
            raise DataError(f"points[{place}]: found {len(numbers)} numbers, expected x and y")
        flat += numbers
    return to_pixels(np.array(flat, np.float64).reshape(-1, 2), size, 1).ravel().tolist()


_SHAPES = {"Detection": _detection, "Polyline": _polyline, "Keypoint": _keypoint}


def joined(sections: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The objects of a field: labels that were written as several geometries of one are one.

    Args:
        sections: As `figure` gives them, of each field that the geometries stand in, the main one first.
    """
    found: list[tuple[int, dict[str, Any]]] = []
    known: dict[tuple[str, int], dict[str, Any]] = {}
    for item in (item for section in sections for item in section):
        link, order, whole = item.pop(LINK)
        ours = isinstance(order, int)
        if ours and (link, order) in known:
            known[link, order].update(
                {key: value for key, value in item.items() if key not in known[link, order]}
            )
            continue
        if ours and link is not None:
            known[link, order] = item
        elif whole is not None:
            item.setdefault(REST, {})["instance"] = whole
        found.append((order if ours else len(found), item))
    return [item for _, item in sorted(found, key=lambda pair: pair[0])]
