"""Draw marks on a picture with Pillow: areas first, then lines, then points, then names.

Coordinates are absolute pixels of the upright picture, as everywhere in smalti. Sizes of lines and letters fit the
picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smalti.view.strokes import closed, dots, fill, frame, stain, stroke
from smalti.view.text import Plates, plate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image

    from smalti.view.marks import Mark

TAIL_PIECES = 5  # of growing width


def unit(size: tuple[int, int]) -> float:
    """What lines and letters are measured in: 1 on a picture whose shorter side has some 400 pixels."""
    return min(max((size[0] * size[1]) ** 0.5 / 480, 0.5), 12.0)


def text_size(size: tuple[int, int]) -> int:
    """The height of letters on a picture of that size, in pixels."""
    return max(10, round(12.5 * unit(size)))


def draw_marks(image: Image, marks: Sequence[Mark]) -> Image:
    """A copy of a picture with marks on it.

    Args:
        image: The upright picture, in RGB.
        marks: Large ones are drawn first, so that they hide nothing.
    """
    out = image.copy()
    measure = unit(image.size)
    width = max(2.0, 2.2 * measure)
    ordered = sorted(marks, key=lambda mark: -mark.area)
    for mark in ordered:
        _area(out, mark, width)
    for mark in ordered:
        _lines(out, mark, width)
    for mark in ordered:
        if mark.points is not None and mark.hollow is not None:
            dots(out, mark.points, mark.hollow, mark.rgb, max(1.8, 3.0 * measure))
    places = Plates(image.size)
    size = text_size(image.size)
    for mark in reversed(ordered):
        if mark.label and (bounds := mark.bounds) is not None and _inside(bounds, image.size):
            made = plate(mark.label, mark.rgb, size)
            out.paste(made, places.place(bounds, made.width, made.height), made)
    return out


def _inside(bounds: tuple[float, float, float, float], size: tuple[int, int]) -> bool:
    return bounds[0] < size[0] and bounds[1] < size[1] and bounds[2] > 0 and bounds[3] > 0


def _area(image: Image, mark: Mark, width: float) -> None:
    if mark.mask is not None:
        stain(image, mark.mask, mark.rgb, max(1, round(width * 0.75)), 0 if mark.second else 90)
    elif mark.rings and not mark.second:
        fill(image, mark.rings, mark.rgb)


def _lines(image: Image, mark: Mark, width: float) -> None:
    if mark.tail is not None:
        _tail(image, mark, width)
    if mark.rings:
        stroke(image, [closed(ring) for ring in mark.rings], mark.rgb, width * 0.8, dashed=mark.second)
    if mark.lines:
        stroke(image, mark.lines, mark.rgb, width, dashed=mark.second)
    if mark.box is not None:
        if mark.second:
            left, top, right, bottom = within(mark.box, image.size, width)
            ring = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
            stroke(image, [closed(ring)], mark.rgb, width, dashed=True)
        else:
            frame(image, mark.box, mark.rgb, width)
    if mark.bones:
        stroke(image, mark.bones, mark.rgb, width)


def within(
    box: tuple[float, float, float, float], size: tuple[int, int], width: float
) -> tuple[float, float, float, float]:
    """A box whose lines of that width lie inside of the picture where it touches the border or leaves it."""
    half = width / 2
    left, top, right, bottom = box
    return (
        max(left, half),
        max(top, half),
        min(right, size[0] - half),
        min(bottom, size[1] - half),
    )


def _tail(image: Image, mark: Mark, width: float) -> None:
    """The way of a track up to where it is now: the older the thinner."""
    way = mark.tail
    if way is None or len(way) < 2:
        return
    steps = len(way) - 1
    pieces = min(TAIL_PIECES, steps)
    cuts = [round(piece * steps / pieces) for piece in range(pieces + 1)]
    for piece in range(pieces):
        part = way[cuts[piece] : cuts[piece + 1] + 1]
        stroke(image, [part], mark.rgb, width * (0.4 + 0.6 * (piece + 1) / pieces))
