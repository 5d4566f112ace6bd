"""Draw labels on a picture, and pictures on a sheet, with Pillow.

Coordinates are absolute pixels of the upright picture, as everywhere in smalti.
"""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from smalti.view.palette import Colour, colour, ink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

FINE = 3  # lines are drawn so many times as large and shrunk, which smooths them
FILL = 90  # opacity of a filled polygon, of 255
FONTS = ("DejaVuSans.ttf", "Arial.ttf", "Helvetica.ttc", "LiberationSans-Regular.ttf", "NotoSans-Regular.ttf")
PAPER: Colour = (250, 250, 248)
TEXT: Colour = (40, 40, 40)


def upright(image: Image) -> Image:
    """The picture as its EXIF wants it to be seen, in RGB."""
    from PIL import ImageOps

    return ImageOps.exif_transpose(image).convert("RGB")


@cache
def font(size: float) -> FreeTypeFont | Any:
    """The font of labels, at a size in pixels: one of the system's that has many letters, else Pillow's."""
    from PIL import ImageFont

    for name in FONTS:
        with suppress(OSError):
            return ImageFont.truetype(name, round(max(8.0, size)))
    return ImageFont.load_default(max(8.0, size))


def readable(text: str, face: FreeTypeFont | Any) -> str:
    """The text in letters that the font has: Pillow's own has no accents."""
    if text.isascii() or face.getname()[0] != "Aileron":
        return text
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return plain.encode("ascii", "ignore").decode() or "?"


def draw_objects(
    image: Image,
    *,
    codes: Sequence[int],
    names: Sequence[str | None],
    boxes: NDArray[np.float64] | None = None,
    outlines: Sequence[Sequence[NDArray[np.float64]] | None] | None = None,
    keypoints: Sequence[NDArray[np.float64] | None] | None = None,
    skeletons: Sequence[Sequence[tuple[int, int]]] | None = None,
) -> Image:
    """A copy of a picture with its objects drawn on it.

    Args:
        image: The upright picture.
        codes: The position of each object's class in the class table; it gives the colour.
        names: The text at each object; null for none.
        boxes: ``(n, 4)`` xywh, a row of NaN for an object without a box.
        outlines: For each object its rings ``(k, 2)``; holes are rings inside rings.
        keypoints: For each object ``(k, 3)`` x, y, visibility; those of visibility 0 are not drawn.
        skeletons: For each object pairs of keypoints that a line joins.
    """
    from PIL import Image as PilImage
    from PIL import ImageDraw

    scale = max(1.0, min(image.size) / 320)
    large = (image.width * FINE, image.height * FINE)
    layer = PilImage.new("RGBA", large)
    for index, code in enumerate(codes):
        rgb = colour(code)
        if outlines is not None and (rings := outlines[index]):
            layer.alpha_composite(_filled(large, rings, rgb, scale))
        pen = ImageDraw.Draw(layer)
        if boxes is not None and np.isfinite(boxes[index]).all():
            _box(pen, boxes[index], rgb, scale, image.size)
        points = keypoints[index] if keypoints is not None else None
        if points is not None:
            _points(pen, points, (skeletons or [()] * len(codes))[index], rgb, scale)
    out = image.convert("RGBA")
    out.alpha_composite(layer.resize(image.size, PilImage.Resampling.LANCZOS))
    pen = ImageDraw.Draw(out)
    for index, name in enumerate(names):
        corner = _corner(index, boxes, outlines)
        if name and corner is not None:
            _plate(pen, corner, name, colour(codes[index]), scale, image.size)
    return out.convert("RGB")


def _filled(size: tuple[int, int], rings: Sequence[Any], rgb: Colour, scale: float) -> Image:
    """One object's rings, filled by the even-odd rule, with their lines."""
    from PIL import Image as PilImage
    from PIL import ImageChops, ImageDraw

    inside = PilImage.new("1", size)
    layer = PilImage.new("RGBA", size)
    lines = ImageDraw.Draw(layer)
    points = [[(float(x) * FINE, float(y) * FINE) for x, y in ring] for ring in rings if len(ring) > 2]
    for ring in points:
        one = PilImage.new("1", size)
        ImageDraw.Draw(one).polygon(ring, fill=1)
        inside = ImageChops.logical_xor(inside, one)
    layer.paste((*rgb, FILL), mask=inside)
    for ring in points:
        lines.line([*ring, ring[0]], fill=(*rgb, 255), width=round(1.4 * scale * FINE), joint="curve")
    return layer


def _box(pen: Any, box: NDArray[np.float64], rgb: Colour, scale: float, size: tuple[int, int]) -> None:
    """A box's frame, drawn inwards so that it shows at the picture's border too."""
    width = max(FINE, round(1.6 * scale * FINE))
    x0, y0 = max(0.0, box[0]) * FINE, max(0.0, box[1]) * FINE
    x1 = min(size[0], box[0] + box[2]) * FINE - 1
    y1 = min(size[1], box[1] + box[3]) * FINE - 1
    if x1 > x0 and y1 > y0:
        pen.rectangle((x0, y0, x1, y1), outline=(*rgb, 255), width=width)


def _points(
    pen: Any, points: NDArray[np.float64], bones: Sequence[tuple[int, int]], rgb: Colour, scale: float
) -> None:
    shown = points[:, 2] != 0
    place = points[:, :2] * FINE
    for a, b in bones:
        if shown[a] and shown[b]:
            ends = [tuple(place[a]), tuple(place[b])]
            pen.line(ends, fill=(*rgb, 255), width=round(1.6 * scale * FINE))
    radius = 2.4 * scale * FINE
    for (x, y), visibility in zip(place[shown], points[shown, 2], strict=True):
        fill = (255, 255, 255, 255) if visibility == 1 else (*rgb, 255)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill, (0, 0, 0, 255), round(0.6 * FINE))


def _corner(
    index: int, boxes: NDArray[np.float64] | None, outlines: Sequence[Any] | None
) -> tuple[float, float] | None:
    """Where an object's label hangs: the top left of its box, or of its outline."""
    if boxes is not None and np.isfinite(boxes[index]).all():
        return float(boxes[index][0]), float(boxes[index][1])
    if outlines is not None and outlines[index]:
        low = np.concatenate(outlines[index]).min(axis=0)
        return float(low[0]), float(low[1])
    return None


def _plate(
    pen: Any, corner: tuple[float, float], name: str, rgb: Colour, scale: float, size: tuple[int, int]
) -> None:
    """A label on a plate, above its object where there is room, and always inside of the picture."""
    face = font(9 * scale)
    name = readable(name, face)
    left, top, right, bottom = pen.textbbox((0, 0), name, font=face)
    pad = 2 * scale
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    x = min(max(0.0, corner[0]), max(0.0, size[0] - width))
    y = corner[1] - height if corner[1] >= height else corner[1]
    y = min(max(0.0, y), max(0.0, size[1] - height))
    pen.rectangle((x, y, x + width - 1, y + height - 1), fill=(*rgb, 235))
    pen.text((x + pad - left, y + pad - top), name, fill=ink(rgb), font=face)


def contact_sheet(
    images: Sequence[Image], captions: Sequence[str], columns: int = 4, cell: tuple[int, int] = (320, 240)
) -> Image:
    """Pictures on a grid, each with a caption below it.

    Args:
        images: Each is shrunk to fit its cell.
        captions: One each.
        columns: Pictures in a row.
        cell: Width and height of a cell in pixels.
    """
    from PIL import Image as PilImage
    from PIL import ImageDraw, ImageOps

    columns = min(columns, len(images)) or 1
    gap, below = 14, 24
    rows = -(-len(images) // columns)
    width = columns * (cell[0] + gap) + gap
    sheet = PilImage.new("RGB", (width, rows * (cell[1] + below + gap) + gap), PAPER)
    pen = ImageDraw.Draw(sheet)
    face = font(12)
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(index, columns)
        x, y = gap + column * (cell[0] + gap), gap + row * (cell[1] + below + gap)
        shown = ImageOps.contain(image, cell)
        sheet.paste(shown, (x + (cell[0] - shown.width) // 2, y + (cell[1] - shown.height) // 2))
        text = readable(caption, face)
        while len(text) > 4 and pen.textlength(text, font=face) > cell[0]:
            text = f"…{text[2:]}"
        pen.text((x, y + cell[1] + 5), text, fill=TEXT, font=face)
    return sheet
