"""Pictures on paper: words below and above them, several in a row, contact sheets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.view.draw import text_size
from smalti.view.text import fitted, font, one_line, readable, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image

    from smalti.view.palette import Colour

PAPER: Colour = (250, 250, 248)
TEXT: Colour = (40, 40, 40)
LINES = 4  # of one text
TEXTS = 12  # below one picture
NARROWEST = 160  # pixels of a picture with words below it


def below(image: Image, texts: Sequence[str], size: int) -> Image:
    """A picture with texts below it, each wrapped; a narrow picture gets a wider paper."""
    from PIL import Image as PilImage
    from PIL import ImageDraw

    face = font(size)
    width = max(image.width, NARROWEST)
    pad = max(4, size // 2)
    shown = [readable(text, face) for text in texts[:TEXTS]]
    if more := len(texts) - len(shown):
        shown.append(f"and {more} more")
    found = [line for text in shown for line in wrapped(text, width - 2 * pad, face, LINES)]
    step = round(size * 1.35)
    paper = PilImage.new("RGB", (width, image.height + len(found) * step + 2 * pad), PAPER)
    paper.paste(image, ((width - image.width) // 2, 0))
    pen = ImageDraw.Draw(paper)
    for place, line in enumerate(found):
        pen.text((pad, image.height + pad + place * step), line, fill=TEXT, font=face)
    return paper


def heading(image: Image, title: str) -> Image:
    """A picture with a title above it."""
    from PIL import Image as PilImage
    from PIL import ImageDraw

    size = text_size(image.size)
    face = font(size)
    height = round(size * 1.7)
    paper = PilImage.new("RGB", (image.width, image.height + height), PAPER)
    paper.paste(image, (0, height))
    words = fitted(readable(one_line(title), face), image.width - size // 2, face)
    ImageDraw.Draw(paper).text((size // 4, round(size * 0.25)), words, fill=TEXT, font=face)
    return paper


def row(images: Sequence[Image]) -> Image:
    """Pictures side by side."""
    from PIL import Image as PilImage

    gap = max(4, text_size(images[0].size) // 2)
    width = sum(image.width for image in images) + gap * (len(images) - 1)
    paper = PilImage.new("RGB", (width, max(image.height for image in images)), PAPER)
    left = 0
    for image in images:
        paper.paste(image, (left, 0))
        left += image.width + gap
    return paper


def contact_sheet(
    images: Sequence[Image], captions: Sequence[str], columns: int = 4, cell: tuple[int, int] = (320, 240)
) -> Image:
    """Pictures on a grid, each with a caption below it.

    Args:
        images: Each is shrunk to its cell where it is larger.
        captions: One each.
        columns: Pictures in a row.
        cell: Width and height of a cell in pixels.
    """
    from PIL import Image as PilImage
    from PIL import ImageDraw, ImageOps

    columns = min(columns, len(images)) or 1
    gap, foot = 14, 24
    rows = -(-len(images) // columns)
    width = columns * (cell[0] + gap) + gap
    sheet = PilImage.new("RGB", (width, rows * (cell[1] + foot + gap) + gap), PAPER)
    pen = ImageDraw.Draw(sheet)
    face = font(12)
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        line, column = divmod(index, columns)
        x, y = gap + column * (cell[0] + gap), gap + line * (cell[1] + foot + gap)
        large = image.width > cell[0] or image.height > cell[1]
        shown = ImageOps.contain(image, cell) if large else image
        sheet.paste(shown, (x, y + cell[1] - shown.height))
        words = _tail(readable(one_line(caption, 200), face), cell[0], font(12))
        pen.text((x, y + cell[1] + 5), words, fill=TEXT, font=face)
    return sheet


def _tail(text: str, width: float, face: object) -> str:
    """The end of a text that is too wide: a path's last part says most."""
    turned = fitted(text[::-1], width, face)
    return turned[::-1]
