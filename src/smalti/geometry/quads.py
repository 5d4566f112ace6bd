"""Oriented boxes as four corners: float64 ``(n, 8)``, x0, y0 … x3, y3 in absolute pixels.

Tools disagree about angles, so corners are what is stored. Where an angle is needed it is in radians,
clockwise as seen on the screen (y points down), from the x axis to the edge from corner 0 to corner 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def _quads(quads: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(quads, np.float64).reshape(-1, 8)


def quads_to_xywh(quads: ArrayLike) -> NDArray[np.float64]:
    """The enclosing axis-aligned boxes, xywh ``(n, 4)``."""
    points = _quads(quads).reshape(-1, 4, 2)
    low = points.min(axis=1)
    return np.concatenate([low, points.max(axis=1) - low], axis=1)


def xywh_to_quads(boxes: ArrayLike) -> NDArray[np.float64]:
    """The corners of axis-aligned boxes xywh ``(n, 4)``, clockwise from the top left."""
    x, y, w, h = np.asarray(boxes, np.float64).reshape(-1, 4).T
    return np.stack([x, y, x + w, y, x + w, y + h, x, y + h], axis=1)


def rotated_to_quads(rotated: ArrayLike) -> NDArray[np.float64]:
    """Corners from centre x, centre y, width, height, angle ``(n, 5)``; corner 0 is the unturned top left."""
    cx, cy, w, h, angle = np.asarray(rotated, np.float64).reshape(-1, 5).T
    along = np.stack([np.cos(angle) * w / 2, np.sin(angle) * w / 2], axis=1)
    across = np.stack([-np.sin(angle) * h / 2, np.cos(angle) * h / 2], axis=1)
    centre = np.stack([cx, cy], axis=1)
    corners = (-along - across, along - across, along + across, -along + across)
    return np.concatenate([centre + corner for corner in corners], axis=1)


def quads_to_rotated(quads: ArrayLike) -> NDArray[np.float64]:
    """Centre x, centre y, width, height, angle ``(n, 5)`` of corners that form rectangles.

    The width is the length of the edge from corner 0 to corner 1, the height of that from 1 to 2.
    """
    points = _quads(quads).reshape(-1, 4, 2)
    edge = points[:, 1] - points[:, 0]
    size = np.linalg.norm(np.stack([edge, points[:, 2] - points[:, 1]], axis=1), axis=2)
    angle = np.arctan2(edge[:, 1], edge[:, 0])
    return np.concatenate([points.mean(axis=1), size, angle[:, None]], axis=1)


def quad_areas(quads: ArrayLike) -> NDArray[np.float64]:
    """Areas ``(n,)`` in square pixels, by the shoelace formula."""
    points = _quads(quads).reshape(-1, 4, 2)
    after = np.roll(points, -1, axis=1)
    cross = points[..., 0] * after[..., 1] - after[..., 0] * points[..., 1]
    return np.abs(cross.sum(axis=1)) / 2
