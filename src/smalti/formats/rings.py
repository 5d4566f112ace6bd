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

    Masks = tuple[NDArray[np.int64], NDArray[np.int64]]  # runs, and where each mask's begin

AT_ONCE = 256  # objects whose pixels are compared at once


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
    return many_from_polygons([rings], [height], [width])[0]


def many_from_polygons(
    objects: Sequence[Sequence[Any]], heights: Sequence[int], widths: Sequence[int]
) -> list[Joined | None]:
    """One ring for the parts of each object; null where none of its parts has three points.

    Args:
        objects: The rings of each object, x0, y0, x1, y1, … in pixels.
        heights: ``(n,)`` of each object's image.
        widths: ``(n,)`` likewise.
    """
    found: list[Joined | None] = []
    for start in range(0, len(objects), AT_ONCE):
        stop = start + AT_ONCE
        found += _some_from_polygons(objects[start:stop], heights[start:stop], widths[start:stop])
    return found


def _some_from_polygons(
    objects: Sequence[Sequence[Any]], heights: Sequence[int], widths: Sequence[int]
) -> list[Joined | None]:
    found: list[Joined | None] = [None] * len(objects)
    kept = [[np.asarray(ring, np.float64) for ring in rings if len(ring) >= 6] for rings in objects]
    some = [index for index, parts in enumerate(kept) if parts]
    if not some:
        return found
    made = [join(kept[index]) for index in some]
    size = [heights[index] for index in some], [widths[index] for index in some]
    overlap = _ious(_runs([kept[index] for index in some], *size), _runs([[ring] for ring in made], *size))
    for index, ring, iou in zip(some, made, overlap.tolist(), strict=True):
        found[index] = Joined(ring, iou)
    return found


def from_mask(mask: dict[str, Any]) -> Joined | None:
    """One ring around the pixels of a mask; null for a mask without any."""
    height, width = mask["height"], mask["width"]
    runs, offsets = rle.decode_counts([mask["counts"]])
    coords, bounds, _ = outline.runs_to_polygons(runs, height, width)
    if not len(coords):
        return None
    ring = join([coords[a:b] for a, b in pairwise(bounds.tolist())])
    return Joined(ring, float(_ious((runs, offsets), _runs([[ring]], [height], [width]))[0]))


def _runs(
    objects: Sequence[Sequence[NDArray[np.float64]]], heights: Sequence[int], widths: Sequence[int]
) -> Masks:
    """The pixels of each object's rings."""
    every = [ring.ravel() for rings in objects for ring in rings]
    ring_offsets = np.concatenate([[0], np.cumsum([ring.size for ring in every])])
    offsets = np.concatenate([[0], np.cumsum([len(rings) for rings in objects])])
    return raster.polygons_to_runs(np.concatenate(every), ring_offsets, offsets, heights, widths)


def _ious(before: Masks, after: Masks) -> NDArray[np.float64]:
    """The overlap of each mask with its partner ``(n,)``; 1 where both are empty."""
    shared, together = rle.overlaps(before, after)
    return np.where(together > 0, shared / np.maximum(together, 1), 1.0)
