"""Polygons to run lengths, bit for bit as pycocotools does it.

The boundary is walked on a grid five times as fine, edge by edge, and each step into another column
marks where the mask changes
(https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c, rleFrPoly).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smalti.errors import DataError
from smalti.geometry.rle import merge_many, toggles_to_runs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Ints = NDArray[np.int64]

FINE = 5  # steps a pixel
POINTS_AT_ONCE = 4_000_000  # boundary points held in memory
COORDINATE_MOST = 1e6  # pixels: beyond it the walk along an edge would not end


def polygons_to_runs(
    coords: NDArray[np.float64],
    ring_offsets: ArrayLike,
    object_offsets: ArrayLike,
    heights: ArrayLike,
    widths: ArrayLike,
) -> tuple[Ints, Ints]:
    """Rasterise objects; the rings of one object are united.

    Args:
        coords: float64, x0, y0, x1, y1, … of all rings (see `smalti.geometry.polygons`).
        ring_offsets: ``(r + 1,)`` into the coordinates; every ring has a whole number of points.
        object_offsets: ``(o + 1,)`` into the rings; an object without rings gives an empty mask.
        heights: ``(o,)``, or one number: of the image.
        widths: ``(o,)``, or one number.

    Returns:
        Runs and offsets of the objects' masks.

    Raises:
        DataError: A coordinate is no number or more than a million pixels away.
    """
    rings, objects = np.asarray(ring_offsets, np.int64), np.asarray(object_offsets, np.int64)
    count = len(objects) - 1
    height = np.broadcast_to(np.asarray(heights, np.int64), count)
    width = np.broadcast_to(np.asarray(widths, np.int64), count)
    used = coords[rings[0] : rings[-1]]
    if not (np.abs(used) <= COORDINATE_MOST).all():
        raise DataError(
            f"a polygon has the coordinate {used[~(np.abs(used) <= COORDINATE_MOST)][0]}; expected pixels"
        )
    owner = np.repeat(np.arange(count), np.diff(objects))
    inner = rings[objects[0] : objects[-1] + 1]
    runs, offsets = _ring_runs(coords, inner, height[owner], width[owner])
    if (np.diff(objects) == 1).all():
        return runs, offsets
    return _united(runs, offsets, objects - objects[0], height * width)


def _united(runs: Ints, offsets: Ints, objects: Ints, totals: Ints) -> tuple[Ints, Ints]:
    """Unite the rings of each object; one without rings is all zeros."""
    some = np.flatnonzero(np.diff(objects) > 0)
    bounds = np.concatenate([objects[:-1][some], objects[-1:]])
    merged, at = merge_many(runs, offsets, bounds) if len(some) else (runs, np.zeros(1, np.int64))
    lengths = np.ones(len(totals), np.int64)
    lengths[some] = np.diff(at)
    out_offsets = np.concatenate([[0], np.cumsum(lengths)])
    out = np.empty(out_offsets[-1], np.int64)
    empty = np.setdiff1d(np.arange(len(totals)), some)
    filled = np.ones(len(out), bool)
    filled[out_offsets[:-1][empty]] = False
    out[filled], out[~filled] = merged, totals[empty]
    return out, out_offsets


def _ring_runs(coords: NDArray[np.float64], rings: Ints, height: Ints, width: Ints) -> tuple[Ints, Ints]:
    """The mask of each ring, in portions of bounded size."""
    starts = rings // 2
    points = coords[: rings[-1]].reshape(-1, 2) if len(rings) else np.empty((0, 2))
    grid = (FINE * points + 0.5).astype(np.int64)  # to zero, as C casts
    after = np.arange(1, len(points) + 1)
    full = np.flatnonzero(np.diff(starts) > 0)
    after[starts[1:][full] - 1] = starts[:-1][full]
    steps = np.abs(grid[after[starts[0] :]] - grid[starts[0] :]).max(axis=1, initial=0) + 1
    total = np.concatenate([[0], np.cumsum(steps)])
    bounds = total[starts - starts[0]]
    pieces: list[tuple[Ints, Ints]] = []
    ring = 0
    while ring < len(height):
        stop = int(np.searchsorted(bounds, bounds[ring] + POINTS_AT_ONCE, side="right")) - 1
        stop = min(max(stop, ring + 1), len(height))
        edges = slice(starts[ring], starts[stop])
        size = steps[starts[ring] - starts[0] : starts[stop] - starts[0]]
        owner = np.repeat(np.arange(stop - ring), bounds[ring + 1 : stop + 1] - bounds[ring:stop])
        u, v = _walk(grid[edges], grid[after[edges]], size)
        pieces.append(_changes(u, v, owner, height[ring:stop], width[ring:stop]))
        ring = stop
    lengths = [np.diff(offsets) for _, offsets in pieces]
    runs = np.concatenate([runs for runs, _ in pieces] or [np.empty(0, np.int64)])
    return runs, np.concatenate([[0], np.cumsum(np.concatenate(lengths or [np.empty(0, np.int64)]))])


def _walk(begin: Ints, end: Ints, size: Ints) -> tuple[Ints, Ints]:
    """Every grid point along every edge, both ends included: `size` points an edge."""
    dx, dy = np.abs(end - begin).T
    flat = dx >= dy
    flip = np.where(flat, begin[:, 0] > end[:, 0], begin[:, 1] > end[:, 1])
    low, high = np.where(flip[:, None], end, begin), np.where(flip[:, None], begin, end)
    rise = np.where(flat, high[:, 1] - low[:, 1], high[:, 0] - low[:, 0])
    slope = rise / np.maximum(np.where(flat, dx, dy), 1)
    edge = np.repeat(np.arange(len(size)), size)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(size) - size, size)
    step = np.where(flip[edge], size[edge] - 1 - step, step)
    along = np.where(flat, low[:, 0], low[:, 1])[edge] + step
    across = (np.where(flat, low[:, 1], low[:, 0])[edge] + slope[edge] * step + 0.5).astype(np.int64)
    return np.where(flat[edge], along, across), np.where(flat[edge], across, along)


def _changes(u: Ints, v: Ints, owner: Ints, height: Ints, width: Ints) -> tuple[Ints, Ints]:
    """The pixels where each ring's mask changes, from the steps into another column."""
    moved = np.flatnonzero((u[1:] != u[:-1]) & (owner[1:] == owner[:-1])) + 1
    who = owner[moved]
    column = (np.where(u[moved] < u[moved - 1], u[moved], u[moved] - 1) + 0.5) / FINE - 0.5
    keep = (np.floor(column) == column) & (column >= 0) & (column <= width[who] - 1)
    moved, who, column = moved[keep], who[keep], column[keep]
    row = np.clip((np.minimum(v[moved], v[moved - 1]) + 0.5) / FINE - 0.5, 0, height[who])
    position = column.astype(np.int64) * height[who] + np.ceil(row).astype(np.int64)
    # A pixel that is marked twice does not change.
    size = height * width
    key = who * (size.max(initial=0) + 1) + position
    unique, count = np.unique(key, return_counts=True)
    odd = unique[count % 2 == 1]
    who, position = np.divmod(odd, size.max(initial=0) + 1)
    inside = position < size[who]
    return toggles_to_runs(position[inside], who[inside], size)
