"""The exact outline of a mask: rings along pixel edges, outer ones and holes.

Neighbours that touch at a corner alone are apart (4-connected). Rasterising the outer rings without the
holes gives back the mask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smalti.geometry.rle import boxes, decode_mask

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Ints = NDArray[np.int64]


def runs_to_polygons(
    runs: ArrayLike, height: int, width: int
) -> tuple[NDArray[np.float64], Ints, NDArray[np.bool_]]:
    """The rings of one mask.

    Args:
        runs: The mask's runs (see `smalti.geometry.rle`).
        height: Pixels.
        width: Pixels.

    Returns:
        Coordinates and ring offsets as in `smalti.geometry.polygons`, outer rings clockwise on the screen
        and holes counter-clockwise, without points between collinear ones; and which rings are holes
        ``(r,)``. An empty mask has no rings.

    Raises:
        DataError: The runs do not add up to height times width.
    """
    mask = decode_mask(runs, height, width)
    lengths = np.asarray(runs, np.int64)
    x, y, w, h = boxes(lengths, np.array([0, len(lengths)]), height)[0].astype(np.int64).tolist()
    corner, heading, following = _edges(mask[y : y + h, x : x + w] == 1)
    order, bounds = _cycles(following)
    corner, heading = corner[order], heading[order]
    before = np.arange(len(order)) - 1
    before[bounds[:-1]] = bounds[1:] - 1
    turns = heading != heading[before]
    rows, columns = np.divmod(corner, w + 1)
    coords = np.stack([columns + x, rows + y], axis=1)[turns].astype(np.float64).ravel()
    ring_offsets = 2 * np.concatenate([[0], np.cumsum(turns)])[bounds]
    # The integral of x dy along the ring: on a hole, edges down lie left of those up.
    swept = np.concatenate([[0], np.cumsum(columns * ((heading == 1) * 1 - (heading == 3)))])[bounds]
    return coords, ring_offsets, np.diff(swept) < 0


def _edges(inside: NDArray[np.bool_]) -> tuple[Ints, Ints, Ints]:
    """The pixel edges of the outline, the mask on their right hand.

    Returns:
        The corner that each leaves (row-major among the corners), its heading (0 right, 1 down, 2 left,
        3 up), and the edge that follows.
    """
    rows, columns = inside.shape
    around = np.pad(inside, 1)
    leaves = np.zeros((rows + 1, columns + 1, 4), bool)
    leaves[:-1, :-1, 0] = inside & ~around[:-2, 1:-1]  # along the top of a pixel
    leaves[:-1, 1:, 1] = inside & ~around[1:-1, 2:]  # its right side
    leaves[1:, 1:, 2] = inside & ~around[2:, 1:-1]  # its bottom
    leaves[1:, :-1, 3] = inside & ~around[1:-1, :-2]  # its left side
    edge = np.flatnonzero(leaves)
    corner, heading = np.divmod(edge, 4)
    arrives = corner + np.array([1, columns + 1, -1, -columns - 1])[heading]
    at = leaves.reshape(-1, 4)[arrives]
    each = np.arange(len(edge))
    right = (heading + 1) % 4
    # Turning right first keeps pixels apart that touch at a corner alone.
    turned = np.where(at[each, right], right, np.where(at[each, heading], heading, (heading + 3) % 4))
    return corner, heading, np.searchsorted(edge, arrives * 4 + turned)


def _cycles(following: Ints) -> tuple[Ints, Ints]:
    """The edges ring by ring, and where each ring starts among them."""
    after, seen = following.tolist(), bytearray(len(following))
    order: list[int] = []
    bounds = [0]
    for first in range(len(after)):
        edge = first
        while not seen[edge]:
            seen[edge] = 1
            order.append(edge)
            edge = after[edge]
        if len(order) > bounds[-1]:
            bounds.append(len(order))
    return np.array(order, np.int64), np.array(bounds, np.int64)
