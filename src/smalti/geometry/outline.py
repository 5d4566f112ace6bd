"""The exact outline of a mask: rings along pixel edges, outer ones and holes.

Neighbours that touch at a corner alone are apart (4-connected). Rasterising the outer rings without the
holes gives back the mask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smalti.geometry.rle import decode_mask

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Directions clockwise on the screen: right, down, left, up.
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))


def runs_to_rings(
    runs: ArrayLike, height: int, width: int
) -> tuple[list[NDArray[np.float64]], NDArray[np.bool_]]:
    """The rings of one mask.

    Args:
        runs: The mask's runs (see `smalti.geometry.rle`).
        height: Pixels.
        width: Pixels.

    Returns:
        Rings as float64 ``(k, 2)`` of corner points, outer rings clockwise on the screen and holes
        counter-clockwise, without points between collinear ones; and which rings are holes ``(r,)``.

    Raises:
        DataError: The runs do not add up to height times width.
    """
    leaving = _leaving(decode_mask(runs, height, width))
    rings: list[NDArray[np.float64]] = []
    while leaving:
        vertex, directions = next(iter(leaving.items()))
        rings.append(_follow(leaving, vertex, directions[0]))
    holes = np.array([_signed_area(ring) < 0 for ring in rings], bool)
    return rings, holes


def _leaving(mask: NDArray[np.uint8]) -> dict[tuple[int, int], list[int]]:
    """For each corner the directions of the pixel edges that leave it, the mask on their right hand."""
    padded = np.pad(mask, 1)
    inside = padded[1:-1, 1:-1] == 1
    open_sides = (
        (inside & (padded[:-2, 1:-1] == 0), 0, 0, 0),  # top edge, walked to the right
        (inside & (padded[1:-1, 2:] == 0), 1, 1, 0),  # right edge, down
        (inside & (padded[2:, 1:-1] == 0), 2, 1, 1),  # bottom edge, to the left
        (inside & (padded[1:-1, :-2] == 0), 3, 0, 1),  # left edge, up
    )
    found: dict[tuple[int, int], list[int]] = {}
    for side, direction, dx, dy in open_sides:
        rows, columns = np.nonzero(side)
        for x, y in zip((columns + dx).tolist(), (rows + dy).tolist(), strict=True):
            found.setdefault((x, y), []).append(direction)
    return found


def _follow(
    leaving: dict[tuple[int, int], list[int]], start: tuple[int, int], direction: int
) -> NDArray[np.float64]:
    corners: list[tuple[int, int]] = []
    vertex, heading = start, direction
    while True:
        options = leaving[vertex]
        options.remove(heading)
        if not options:
            del leaving[vertex]
        vertex = (vertex[0] + _STEPS[heading][0], vertex[1] + _STEPS[heading][1])
        if vertex == start and direction not in leaving.get(vertex, ()):
            following = direction
        else:
            # Turning right first keeps pixels apart that touch at a corner alone.
            following = next(
                d for d in ((heading + 1) % 4, heading, (heading + 3) % 4) if d in leaving[vertex]
            )
        if following != heading:
            corners.append(vertex)
        if vertex == start and following == direction and direction not in leaving.get(vertex, ()):
            return np.array(corners, np.float64)
        heading = following


def _signed_area(ring: NDArray[np.float64]) -> float:
    after = np.roll(ring, -1, axis=0)
    return float((ring[:, 0] * after[:, 1] - after[:, 0] * ring[:, 1]).sum())
