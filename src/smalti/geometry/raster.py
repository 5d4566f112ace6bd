"""Polygons to run lengths, bit for bit as pycocotools does it.

There the boundary is walked on a grid five times as fine, edge by edge, and the mask changes where a step
crosses the middle of a pixel column
(https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c, rleFrPoly). Here those steps alone
are computed, with the same arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from smalti.errors import DataError
from smalti.geometry.polygons import require_pairs
from smalti.geometry.rle import merge_many, toggles_to_runs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Ints = NDArray[np.int64]

FINE = 5  # steps a pixel
CROSSINGS_AT_ONCE = 100_000  # held in memory; portions of this size stay in the processor's cache
COORDINATE_MOST = 1e8  # pixels: beyond it the fine grid leaves the 32 bits that pycocotools has
PIXELS_MOST = 2**32 - 1  # of one image: what a run of pycocotools holds


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
        ring_offsets: ``(r + 1,)`` into the coordinates.
        object_offsets: ``(o + 1,)`` into the rings; an object without rings gives an empty mask.
        heights: ``(o,)``, or one number: of the image.
        widths: ``(o,)``, or one number.

    Returns:
        Runs and offsets of the objects' masks.

    Raises:
        DataError: A coordinate is no number or further away than `COORDINATE_MOST`, a ring has an odd
            number of coordinates, or an image has a negative size or more than `PIXELS_MOST` pixels.
    """
    rings, objects = np.asarray(ring_offsets, np.int64), np.asarray(object_offsets, np.int64)
    count = len(objects) - 1
    height = np.broadcast_to(np.asarray(heights, np.int64), count)
    width = np.broadcast_to(np.asarray(widths, np.int64), count)
    inner = rings[objects[0] : objects[-1] + 1]
    _require_sound(coords, inner, height, width)
    owner = np.repeat(np.arange(count), np.diff(objects))
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


def _require_sound(coords: NDArray[np.float64], rings: Ints, height: Ints, width: Ints) -> None:
    require_pairs(rings)
    used = coords[rings[0] : rings[-1]]
    far = np.flatnonzero(~(np.abs(used) <= COORDINATE_MOST))
    if len(far):
        ring = np.searchsorted(rings, far[0] + rings[0], side="right") - 1
        raise DataError(f"ring {ring} has the coordinate {used[far[0]]}; expected pixels")
    wrong = np.flatnonzero((height < 0) | (width < 0) | (width > PIXELS_MOST // np.maximum(height, 1)))
    if len(wrong):
        size = f"{height[wrong[0]]} x {width[wrong[0]]}"
        raise DataError(f"object {wrong[0]} lies in an image of {size} pixels; a mask holds {PIXELS_MOST}")


@dataclass(frozen=True, slots=True)
class _Edges:
    """Edges on the fine grid, those that are rather flat from left to right, the steep ones downwards.

    Attributes:
        flat: It is wider than high.
        x: Of its first end.
        y: Of its first end.
        slope: Of y over x where it is flat, else of x over y.
        column: The first pixel column whose middle it crosses.
        count: How many columns it crosses inside of the image.
    """

    flat: NDArray[np.bool_]
    x: Ints
    y: Ints
    slope: NDArray[np.float64]
    column: Ints
    count: Ints


def _edges(begin: Ints, end: Ints, width: Ints) -> _Edges:
    dx, dy = np.abs(end - begin).T
    flat = dx >= dy
    flip = np.where(flat, begin[:, 0] > end[:, 0], begin[:, 1] > end[:, 1])
    x, y = np.where(flip[:, None], end, begin).T
    x1, y1 = np.where(flip[:, None], begin, end).T
    slope = np.where(flat, y1 - y, x1 - x) / np.maximum(np.where(flat, dx, dy), 1)
    # The middle of column k lies between the fine columns 5 k + 2 and 5 k + 3.
    column = np.maximum(-((2 - np.minimum(x, x1)) // FINE), 0)
    last = np.minimum((np.maximum(x, x1) - 3) // FINE, width - 1)
    return _Edges(flat, x, y, slope, column, np.maximum(last - column + 1, 0))


def _ring_runs(coords: NDArray[np.float64], rings: Ints, height: Ints, width: Ints) -> tuple[Ints, Ints]:
    """The mask of each ring, in portions of bounded size."""
    points = coords[rings[0] : rings[-1]].reshape(-1, 2)
    starts = (rings - rings[0]) // 2
    grid = (FINE * points + 0.5).astype(np.int64)  # to zero, as C casts
    after = np.arange(1, len(points) + 1)
    full = np.flatnonzero(np.diff(starts) > 0)
    after[starts[1:][full] - 1] = starts[:-1][full]
    owner = np.repeat(np.arange(len(height)), np.diff(starts))
    edges = _edges(grid, grid[after], width[owner])
    done = np.concatenate([[0], np.cumsum(edges.count)])[starts]
    runs, lengths = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    ring = 0
    while ring < len(height):
        stop = int(np.searchsorted(done, done[ring] + CROSSINGS_AT_ONCE, side="right")) - 1
        stop = max(stop, ring + 1)
        at = np.repeat(np.arange(starts[ring], starts[stop]), edges.count[starts[ring] : starts[stop]])
        column, row = _crossings(edges, at, height[owner[at]])
        some, offsets = _changes(column, row, owner[at] - ring, height[ring:stop], width[ring:stop])
        runs.append(some)
        lengths.append(np.diff(offsets))
        ring = stop
    return np.concatenate(runs), np.concatenate([[0], np.cumsum(np.concatenate(lengths))])


def _crossings(edges: _Edges, at: Ints, height: Ints) -> tuple[Ints, Ints]:
    """The pixels (column and row) where edges cross the middles of columns; `at` repeats each edge."""
    first = np.flatnonzero(np.diff(at, prepend=-1))
    nth = np.arange(len(at)) - np.repeat(first, np.diff(first, append=len(at)))
    column = edges.column[at] + nth
    line = FINE * column + 2
    fine = np.empty(len(at), np.int64)
    for kind, rows in ((edges.flat[at], _rows_of_flat), (~edges.flat[at], _rows_of_steep)):
        of = np.flatnonzero(kind)
        edge = at[of]
        fine[of] = rows(line[of], edges.x[edge], edges.y[edge], edges.slope[edge])
    row = np.clip((fine + 0.5) / FINE - 0.5, 0, height)
    return column, np.ceil(row).astype(np.int64)


def _rows_of_flat(line: Ints, x: Ints, y: Ints, slope: NDArray[np.float64]) -> Ints:
    """The upper of the two fine rows beside the line."""
    step = line - x
    return np.minimum(
        (y + slope * step + 0.5).astype(np.int64), (y + slope * (step + 1) + 0.5).astype(np.int64)
    )


def _rows_of_steep(line: Ints, x: Ints, y: Ints, slope: NDArray[np.float64]) -> Ints:
    """The fine row before the first step beyond the line."""
    step = np.ceil((line + 0.5 - x) / slope).astype(np.int64) - 1
    for _ in range(2):
        # The division may be a step off, so the walk's own arithmetic decides among three.
        column = (x + slope * step + 0.5).astype(np.int64)
        step += np.where(slope > 0, column <= line, column > line)
    return y + step - 1


def _changes(column: Ints, row: Ints, owner: Ints, height: Ints, width: Ints) -> tuple[Ints, Ints]:
    """Runs from the pixels where each ring's mask changes; one that is marked twice does not."""
    size = height * width
    base = np.cumsum(size + 1) - (size + 1)
    key, count = np.unique(base[owner] + column * height[owner] + row, return_counts=True)
    key = key[count % 2 == 1]
    who = np.searchsorted(base, key, side="right") - 1
    inside = key - base[who] < size[who]
    return toggles_to_runs((key - base[who])[inside], who[inside], size)
