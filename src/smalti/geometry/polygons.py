"""Ragged polygons, in the layout of an Arrow ``list<list<double>>``.

``coords`` float64 ``(c,)``: x0, y0, x1, y1, … of all rings one after the other. ``ring_offsets`` int
``(r + 1,)``: where each ring starts in ``coords``, counted in numbers. ``object_offsets`` int ``(o + 1,)``:
where each object starts in the rings. The rings of one object are its parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smalti.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Offsets = NDArray[np.int64] | NDArray[np.int32]


def segment_sums(values: NDArray[np.float64], offsets: Offsets) -> NDArray[np.float64]:
    """Sums of runs of values; an empty run gives 0.

    Args:
        values: ``(n,)``.
        offsets: ``(k + 1,)`` into the values.
    """
    total = np.concatenate([[0.0], np.cumsum(values)])
    out = total[offsets[1:]] - total[offsets[:-1]]
    if len(values):
        # A difference of running totals loses digits; add up each run by itself where there is one.
        full = np.flatnonzero(np.diff(offsets) > 0)
        if len(full):
            out[full] = np.add.reduceat(values[: offsets[-1]], np.asarray(offsets, np.int64)[:-1][full])
    return out


def require_pairs(ring_offsets: Offsets) -> None:
    """Refuse rings that have an x without its y.

    Raises:
        DataError: A ring has an odd number of coordinates; the message gives its position.
    """
    odd = odd_rings(ring_offsets)
    if len(odd):
        numbers = ring_offsets[odd[0] + 1] - ring_offsets[odd[0]]
        raise DataError(f"ring {odd[0]} has {numbers} numbers; expected pairs of x and y")


def ring_areas(coords: NDArray[np.float64], ring_offsets: Offsets) -> NDArray[np.float64]:
    """The area of each ring ``(r,)`` by the shoelace formula, without sign; rings close by themselves.

    Raises:
        DataError: A ring has an odd number of coordinates.
    """
    require_pairs(ring_offsets)
    points = coords[ring_offsets[0] : ring_offsets[-1]].reshape(-1, 2)
    if not len(points):
        return np.zeros(len(ring_offsets) - 1)
    starts = (np.asarray(ring_offsets, np.int64) - ring_offsets[0]) // 2
    after = np.arange(1, len(points) + 1)
    full = np.flatnonzero(np.diff(starts) > 0)
    after[starts[1:][full] - 1] = starts[:-1][full]
    # Relative to the ring's first point, so that far from the origin no digits are lost.
    origin = np.repeat(points[starts[:-1][full]], np.diff(starts)[full], axis=0)
    near = points - origin
    then = points[after] - origin
    return np.abs(segment_sums(near[:, 0] * then[:, 1] - then[:, 0] * near[:, 1], starts)) / 2


def areas(coords: NDArray[np.float64], ring_offsets: Offsets, object_offsets: Offsets) -> NDArray[np.float64]:
    """The area of each object ``(o,)``: the sum of its parts, overlaps counted twice.

    Raises:
        DataError: A ring has an odd number of coordinates.
    """
    return segment_sums(ring_areas(coords, ring_offsets), object_offsets)


def boxes(coords: NDArray[np.float64], ring_offsets: Offsets, object_offsets: Offsets) -> NDArray[np.float64]:
    """The enclosing box of each object, xywh ``(o, 4)``; zeros for an object without coordinates.

    Raises:
        DataError: A ring has an odd number of coordinates.
    """
    require_pairs(ring_offsets)
    bounds = np.asarray(ring_offsets, np.int64)[np.asarray(object_offsets, np.int64)]
    points = coords[bounds[0] : bounds[-1]].reshape(-1, 2)
    starts = (bounds - bounds[0]) // 2
    out = np.zeros((len(starts) - 1, 4))
    full = np.flatnonzero(np.diff(starts) > 0)
    if len(full):
        low = np.minimum.reduceat(points, starts[:-1][full], axis=0)
        high = np.maximum.reduceat(points, starts[:-1][full], axis=0)
        out[full] = np.concatenate([low, high - low], axis=1)
    return out


def odd_rings(ring_offsets: Offsets) -> NDArray[np.int64]:
    """Positions of rings with an odd number of coordinates."""
    return np.flatnonzero(np.diff(ring_offsets) % 2)


def short_rings(ring_offsets: Offsets) -> NDArray[np.int64]:
    """Positions of rings with fewer than three points."""
    return np.flatnonzero(np.diff(ring_offsets) < 6)


def not_finite_rings(coords: NDArray[np.float64], ring_offsets: Offsets) -> NDArray[np.int64]:
    """Positions of rings with a coordinate that is infinite or no number."""
    bad = np.flatnonzero(~np.isfinite(coords))
    return np.unique(np.searchsorted(ring_offsets, bad, side="right") - 1)
