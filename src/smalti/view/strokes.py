"""Lines and areas on a picture, in place, with Pillow: smooth, and seen on any ground.

Pillow draws without smoothing, on pixels whose middles have whole coordinates. So lines are drawn larger and
shrunk, within the rectangle that they need, and coordinates (pixels, the origin at the outer corner) are shifted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from PIL.Image import Image

    from smalti.view.palette import Colour

    Points = NDArray[np.float64]  # (k, 2)

FILL = 90  # opacity of a filled area, of 255
CASING = 110  # opacity of the dark edge of lines
SMALL, LARGE = 300_000, 4_000_000  # pixels of a rectangle: beyond them lines are smoothed less
FEW = 16  # points of a line whose corners are rounded, which takes time
DASH = 4.0  # widths of a line that a dash is long


def stroke(image: Image, paths: Sequence[Points], rgb: Colour, width: float, *, dashed: bool = False) -> None:
    """Draw lines of a colour with a thin dark edge.

    Args:
        image: In RGB; it is changed.
        paths: The points of each line.
        rgb: The colour.
        width: Pixels.
        dashed: Whether the lines are broken.
    """
    edge = max(0.6, 0.28 * width)
    lines = [path for path in paths if len(path) > 1]
    if dashed:
        lines = [dash for path in lines for dash in dashes(path, DASH * width)]
    _paint(image, lines, [((0, 0, 0), CASING, width + 2 * edge), (rgb, 255, width)])


def _paint(image: Image, lines: Sequence[Points], coats: Sequence[tuple[Colour, int, float]]) -> None:
    """Draw the same lines in coats of colour, opacity and width."""
    from PIL import Image as PilImage
    from PIL import ImageDraw

    if not lines or (room := _room(lines, coats[0][2], image.size)) is None:
        return
    left, top, right, bottom = room
    size = (right - left, bottom - top)
    pixels = size[0] * size[1]
    fine = 3 if pixels < SMALL else 2 if pixels < LARGE else 1
    placed = [(line - (left, top)) * fine - 0.5 for line in lines]
    for rgb, opacity, width in coats:
        layer = PilImage.new("L", (size[0] * fine, size[1] * fine))
        pen = ImageDraw.Draw(layer)
        for line in placed:
            joint = "curve" if len(line) <= FEW else None
            pen.line(line.ravel().tolist(), fill=opacity, width=max(1, round(width * fine)), joint=joint)
        image.paste(rgb, room, layer.reduce(fine) if fine > 1 else layer)


def _room(lines: Sequence[Points], width: float, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """The rectangle of the picture that lines touch; null where they do not."""
    points = np.concatenate(lines)
    margin = width / 2 + 1
    low = np.clip(np.floor(points.min(axis=0) - margin), 0, size).astype(int).tolist()
    high = np.clip(np.ceil(points.max(axis=0) + margin), 0, size).astype(int).tolist()
    return None if low[0] >= high[0] or low[1] >= high[1] else (*low, *high)


def dashes(path: Points, length: float) -> Iterator[Points]:
    """The pieces of a line that are drawn: as long as they are apart, corners kept."""
    steps = np.hypot(*np.diff(path, axis=0).T)
    way = np.concatenate([[0.0], np.cumsum(steps)])
    if way[-1] <= 0:
        return
    # As many dashes as gives both ends one: an odd number of pieces.
    pieces = min(2 * max(1, round(way[-1] / length / 2)) + 1, 2001)
    cuts = np.linspace(0, way[-1], pieces + 1)
    ends = np.stack([np.interp(cuts, way, path[:, axis]) for axis in (0, 1)], axis=1)
    for piece in range(0, pieces, 2):
        within = (way > cuts[piece]) & (way < cuts[piece + 1])
        yield np.concatenate([ends[piece : piece + 1], path[within], ends[piece + 1 : piece + 2]])


def closed(ring: Points) -> Points:
    """A ring whose first point is its last one too."""
    return np.concatenate([ring, ring[:1]])


def fill(image: Image, rings: Sequence[Points], rgb: Colour, opacity: int = FILL) -> None:
    """Fill rings by the even-odd rule: a ring inside of a ring is a hole."""
    from PIL import Image as PilImage
    from PIL import ImageChops, ImageDraw

    areas = [ring for ring in rings if len(ring) > 2]
    if not areas or (room := _room(areas, 0, image.size)) is None:
        return
    if len(areas) == 1:
        ImageDraw.Draw(image, "RGBA").polygon((areas[0] - 0.5).ravel().tolist(), fill=(*rgb, opacity))
        return
    size = (room[2] - room[0], room[3] - room[1])
    inside = PilImage.new("1", size)
    for ring in areas:
        one = PilImage.new("1", size)
        ImageDraw.Draw(one).polygon((ring - room[:2] - 0.5).ravel().tolist(), fill=1)
        inside = ImageChops.logical_xor(inside, one)
    image.paste(rgb, room, inside.convert("L").point([0] * 255 + [opacity]))


def stain(image: Image, mask: NDArray[np.bool_], rgb: Colour, rim: int, opacity: int = FILL) -> None:
    """Colour exactly the pixels of a mask, its rim in full within a thin dark edge.

    Args:
        image: In RGB; it is changed.
        mask: ``(height, width)`` of the picture.
        rgb: The colour.
        rim: Pixels inwards from the edge that are opaque.
        opacity: Of the other pixels, of 255.
    """
    from PIL import Image as PilImage

    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return
    left, top, right, bottom = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    part = mask[top:bottom, left:right]
    core = inner = _eroded(part)
    for _ in range(rim):
        inner = _eroded(inner)
    room = (int(left), int(top), int(right), int(bottom))
    coat = np.where(inner, opacity, 255).astype(np.uint8) * part
    image.paste(rgb, room, PilImage.fromarray(coat))
    # What has nothing within keeps its colour: lines of a pixel or two would be all edge.
    near = ~_eroded(np.pad(~core, 1, constant_values=True))[1:-1, 1:-1]
    edge = part & ~core & near
    image.paste((0, 0, 0), room, PilImage.fromarray(edge.astype(np.uint8) * CASING))


def _eroded(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of a mask whose four neighbours are in it too; beyond its border nothing is."""
    out = mask.copy()
    out[1:] &= mask[:-1]
    out[:-1] &= mask[1:]
    out[:, 1:] &= mask[:, :-1]
    out[:, :-1] &= mask[:, 1:]
    out[[0, -1]] = False
    out[:, [0, -1]] = False
    return out


def frame(image: Image, box: tuple[float, float, float, float], rgb: Colour, width: float) -> None:
    """Draw a box (left, top, right, bottom) on whole pixels; its lines are inside of the picture, so that they show.

    A box whose sides are all outside of the picture is not drawn.
    """
    from PIL import ImageDraw

    limit_x, limit_y = image.size
    if box[0] >= limit_x or box[1] >= limit_y or box[2] <= 0 or box[3] <= 0:
        return
    left, top = max(0, round(box[0])), max(0, round(box[1]))
    right, bottom = min(limit_x, round(box[2])), min(limit_y, round(box[3]))
    left, top = min(left, limit_x - 1), min(top, limit_y - 1)
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    pen = ImageDraw.Draw(image, "RGBA")
    line = max(1, min(round(width), (right - left + 1) // 2, (bottom - top + 1) // 2))
    for grown, colour, thick in (
        (1, (0, 0, 0, CASING), 1),
        (0, (*rgb, 255), line),
        (-line, (0, 0, 0, CASING), 1),
    ):
        corners = (left - grown, top - grown, right + grown - 1, bottom + grown - 1)
        if (corners[2] > corners[0] and corners[3] > corners[1]) or grown == 0:
            pen.rectangle(corners, outline=colour, width=thick)


def dots(image: Image, points: Points, hollow: NDArray[np.bool_], rgb: Colour, radius: float) -> None:
    """Draw points as discs with a dark edge; hollow ones are white inside."""
    from PIL import Image as PilImage
    from PIL import ImageDraw

    fine = 4
    reach = int(np.ceil(radius + 1))
    for (x, y), empty in zip(points, hollow, strict=True):
        left, top = int(np.floor(x)) - reach, int(np.floor(y)) - reach
        middle = (x - left) * fine, (y - top) * fine
        for colour, size in (
            ((0, 0, 0), radius + 0.8),
            (rgb, radius),
            ((255, 255, 255), radius * 0.6 if empty else 0),
        ):
            if not size:
                continue
            layer = PilImage.new("L", ((2 * reach + 1) * fine,) * 2)
            round_ = size * fine
            ImageDraw.Draw(layer).ellipse(
                (middle[0] - round_, middle[1] - round_, middle[0] + round_ - 1, middle[1] + round_ - 1), 255
            )
            image.paste(colour, (left, top), layer.reduce(fine))
