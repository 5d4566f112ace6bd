"""One ring for an object of several parts or with holes: rings joined by bridges of no width.

Trainers fill a ring by the even-odd rule (``cv2.fillPoly``), under which a bridge that is walked twice
encloses nothing and a hole stays a hole.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from smalti.geometry import outline, raster, rle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Joined:
    """One ring and how well it stands for its object.

    Attributes:
        ring: ``(k, 2)``.
        iou: Overlap of the ring's pixels with the object's.
    """

    ring: NDArray[np.float64]
    iou: float


def join(rings: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """One ring through all the points of several, each entered and left at the nearest pair of points."""
    whole = np.asarray(rings[0], np.float64).reshape(-1, 2)
    for part in rings[1:]:
        ring = np.asarray(part, np.float64).reshape(-1, 2)
        distance = ((whole[:, None, :] - ring[None, :, :]) ** 2).sum(axis=2)
        here, there = np.unravel_index(int(distance.argmin()), distance.shape)
        around = np.concatenate([ring[there:], ring[: there + 1]])
        whole = np.concatenate([whole[: here + 1], around, whole[here:]])
    return whole


def from_polygons(rings: Sequence[Any], height: int, width: int) -> Joined | None:
    """One ring for the parts of an object; null where no part has three points."""
    parts = [np.asarray(ring, np.float64) for ring in rings if len(ring) >= 6]
    if not parts:
        return None
    ring = join([part.reshape(-1, 2) for part in parts])
    bounds = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    runs, _ = raster.polygons_to_runs(np.concatenate(parts), bounds, [0, len(parts)], height, width)
    return Joined(ring, _overlap(ring, runs, height, width))


def from_mask(mask: dict[str, Any]) -> Joined | None:
    """One ring around the pixels of a mask; null for a mask without any."""
    height, width = mask["height"], mask["width"]
    runs, _ = rle.decode_counts([mask["counts"]])
    coords, bounds, _ = outline.runs_to_polygons(runs, height, width)
    if not len(coords):
        return None
    ring = join([coords[a:b].reshape(-1, 2) for a, b in pairwise(bounds.tolist())])
    return Joined(ring, _overlap(ring, runs, height, width))


def _overlap(ring: NDArray[np.float64], runs: NDArray[np.int64], height: int, width: int) -> float:
    made, _ = raster.polygons_to_runs(ring.ravel(), [0, ring.size], [0, 1], height, width)
    return 1.0 if np.array_equal(made, runs) else rle.iou(made, runs)
