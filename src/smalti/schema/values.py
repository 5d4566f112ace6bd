"""What a user gives for a member of an object, as the member's Arrow type takes it.

Masks become COCO's compressed run lengths
(https://github.com/cocodataset/cocoapi/blob/master/PythonAPI/pycocotools/mask.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from smalti.errors import DataError
from smalti.geometry import rle
from smalti.schema.types import BOX3D

if TYPE_CHECKING:
    from collections.abc import Callable

RING = "a ring of x0, y0, x1, y1, …"
CORNERS = "the four corners x0, y0 … x3, y3"
POINT = "x, y and visibility of each point"


def member(name: str, value: Any) -> Any:
    """A value of one of `smalti.schema.features.OBJECT_MEMBERS`; others are given back as they are.

    Args:
        name: The member.
        value: Not null.

    Raises:
        DataError: The value is not what the member holds.
    """
    border = _BORDER.get(name)
    return value if border is None else border(value)


def has_border(name: str) -> bool:
    """Whether values of that member are looked at, and not given back as they are."""
    return name in _BORDER


def _numbers(value: Any, what: str, count: int | None = None) -> list[float]:
    try:
        flat = np.asarray(value, np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise DataError(f"found {_shown(value)}, expected {what}") from error
    if not np.isfinite(flat).all():
        raise DataError(f"found {_shown(value)}, expected finite numbers")
    if count is not None and len(flat) != count:
        raise DataError(f"found {len(flat)} numbers, expected {what}")
    return flat.tolist()


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _each(value: Any, what: str) -> list[Any]:
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        return list(value)
    raise DataError(f"found {_shown(value)}, expected {what}")


def _keyed(value: Mapping[str, Any], names: Iterable[str], what: str) -> list[Any]:
    """The values of a mapping that has those keys and no others."""
    wanted = list(names)
    if set(value) != set(wanted):
        raise DataError(f"found the keys {', '.join(map(str, value)) or 'none'}, expected {what}")
    return [value[name] for name in wanted]


def _bbox(value: Any) -> dict[str, float]:
    what = "a box of x, y, w, h"
    sides = _keyed(value, "xywh", what) if isinstance(value, Mapping) else value
    return dict(zip("xywh", _numbers(sides, what, 4), strict=True))


def _polygons(value: Any) -> list[list[float]]:
    rings = _each(value, f"a list of rings, each {RING}")
    if rings and np.ndim(rings[0]) == 0:
        raise DataError(f"found {_shown(rings[0])} for a ring, expected a list of rings, each {RING}")
    return [_points(ring, RING) for ring in rings]


def _points(value: Any, what: str) -> list[float]:
    flat = _numbers(value, what)
    if len(flat) % 2:
        raise DataError(f"found {len(flat)} numbers, expected {what}: x and y of each point")
    return flat


def _keypoints(value: Any) -> list[dict[str, Any]]:
    return [_keypoint(point) for point in _each(value, f"a list of points: {POINT}")]


def _keypoint(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        point = _keyed({"visibility": None, **value}, ("x", "y", "visibility"), POINT)
    else:
        point = _each(value, POINT)
    x, y = _numbers(point[:2], POINT, 2)
    seen = point[2] if len(point) == 3 else None
    if len(point) > 3 or (seen is not None and not _is_code(seen)):
        raise DataError(f"found {_shown(value)}, expected {POINT}: 0, 1, 2 or null")
    return {"x": x, "y": y, "visibility": None if seen is None or np.isnan(seen) else int(seen)}


def _is_code(value: Any) -> bool:
    """Whether it is a whole number, or NaN, as arrays of points write what is unknown."""
    return isinstance(value, int | float | np.number) and (bool(np.isnan(value)) or value == int(value))


def _mask(value: Any) -> dict[str, Any]:
    what = "pixels (height, width), or run lengths with height, width and counts"
    if not isinstance(value, Mapping):
        pixels = np.asarray(value)
        if pixels.ndim != 2 or pixels.dtype.kind not in "biuf":
            raise DataError(f"found {_shown(value)}, expected {what}")
        return _runs(rle.encode_mask(pixels), *pixels.shape)
    keys = ("size", "counts") if "size" in value else ("height", "width", "counts")
    *sides, counts = _keyed(value, keys, what)
    height, width = map(int, _numbers(sides, what, 2))
    if isinstance(counts, str | bytes):
        counts = counts.encode() if isinstance(counts, str) else counts
        return {"height": height, "width": width, "counts": counts}
    lengths = np.array(_numbers(counts, what)).astype(np.int64)
    if lengths.sum() != height * width or (lengths < 0).any():
        raise DataError(f"found runs of {lengths.sum()} pixels in all, expected {height} x {width}")
    return _runs(lengths, height, width)


def _runs(lengths: np.ndarray, height: int, width: int) -> dict[str, Any]:
    (counts,) = rle.encode_counts(lengths, np.array([0, len(lengths)]))
    return {"height": height, "width": width, "counts": counts}


def _box3d(value: Any) -> dict[str, float]:
    names = [field.name for field in BOX3D]
    what = f"a box of {', '.join(names)}"
    sides = _keyed(value, names, what) if isinstance(value, Mapping) else value
    return dict(zip(names, _numbers(sides, what, len(names)), strict=True))


def _number(value: Any) -> float:
    return _numbers(value, "a number", 1)[0]


def _flag(value: Any) -> bool:
    if isinstance(value, bool | int | float | np.bool_ | np.number) and value in {0, 1}:
        return bool(value)  # COCO writes 0 and 1
    raise DataError(f"found {_shown(value)}, expected true or false")


_BORDER: dict[str, Callable[[Any], Any]] = {
    "bbox": _bbox,
    "polygons": _polygons,
    "mask": _mask,
    "quad": lambda value: _numbers(value, CORNERS, 8),
    "keypoints": _keypoints,
    "polyline": lambda value: _points(value, "points x0, y0, x1, y1, …"),
    "box3d": _box3d,
    "score": _number,
    "area": _number,
    "angle": _number,
    "iscrowd": _flag,
}
