"""Shapes that formats keep as attributes of objects, as JSON of their numbers: ellipses and cuboids on the picture.

CVAT's (https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/) say their numbers by name, Datumaro's are
lists. What is not understood is not drawn.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from smalti.view.strokes import closed

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Points = NDArray[np.float64]  # (k, 2)

ROUND = 64  # points of an ellipse
CVAT_CORNERS = tuple(f"{corner}{face}" for face in (1, 2) for corner in ("tl", "bl", "tr", "br"))


def ellipse(value: Any) -> list[Points]:
    """The outline of an ellipse; empty for what is none."""
    if isinstance(value, dict):
        numbers = _floats([value.get(name) for name in ("cx", "cy", "rx", "ry")], 4)
        turn = _floats([value.get("rotation", 0.0)], 1)  # degrees, clockwise
    else:
        numbers, turn = _floats(value, 4), np.zeros(1)
        if numbers is not None:  # corners of the box around it
            numbers = np.concatenate([(numbers[:2] + numbers[2:]) / 2, (numbers[2:] - numbers[:2]) / 2])
    if numbers is None or turn is None:
        return []
    round_ = np.linspace(0, 2 * np.pi, ROUND, endpoint=False)
    along = np.stack([numbers[2] * np.cos(round_), numbers[3] * np.sin(round_)], axis=1)
    cos, sin = np.cos(np.radians(turn[0])), np.sin(np.radians(turn[0]))
    return [along @ np.array([[cos, sin], [-sin, cos]]) + numbers[:2]]


def cuboid(value: Any) -> list[Points]:
    """The edges of a cuboid: two faces, and the lines between them; empty for what is none."""
    if isinstance(value, dict):
        named = [value.get(f"{axis}{corner}") for corner in CVAT_CORNERS for axis in "xy"]
        corners = _floats(named, 16)
        order = [0, 1, 3, 2, 4, 5, 7, 6]  # round each face
    else:
        flat = (
            [side for pair in value if isinstance(pair, list) for side in pair]
            if isinstance(value, list)
            else []
        )
        corners, order = _floats(flat, 16), list(range(8))
    if corners is None:
        return []
    one, other = corners.reshape(8, 2)[order].reshape(2, 4, 2)
    # CVAT mirrors the farther face, others do not: its corners belong to the nearer one's closest ones.
    mirrored = other[[3, 2, 1, 0]]
    if np.hypot(*(one - mirrored).T).sum() < np.hypot(*(one - other).T).sum():
        other = mirrored
    return [closed(one), closed(other), *np.stack([one, other], axis=1)]


def _floats(values: Any, count: int) -> NDArray[np.float64] | None:
    numbers = isinstance(values, list) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )
    found = np.array(values, np.float64) if numbers else np.zeros(0)
    return found if len(found) == count and np.isfinite(found).all() else None


AREAS: dict[str, Callable[[Any], list[Points]]] = {"ellipse": ellipse}
LINES: dict[str, Callable[[Any], list[Points]]] = {"cuboid": cuboid, "cuboid_2d": cuboid}


def of(make: Callable[[Any], list[Points]], text: str | None) -> list[Points]:
    """The lines of an attribute's value."""
    try:
        value = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return []
    return [] if value is None else make(value)
