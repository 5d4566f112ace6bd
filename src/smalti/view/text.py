"""Words on pictures: the font, what of a text can be shown, and plates that keep out of each other's way."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smalti.view.palette import Colour, ink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

FONTS = ("DejaVuSans.ttf", "Arial.ttf", "Helvetica.ttc", "LiberationSans-Regular.ttf", "NotoSans-Regular.ttf")
LONGEST_LABEL = 40  # characters of a label on a picture
RIM: Colour = (20, 20, 20)

Rect = tuple[int, int, int, int]  # left, top, right, bottom


@cache
def font(size: float) -> FreeTypeFont | Any:
    """The font of labels, at a size in pixels: one that has many letters, of the system or of matplotlib, else Pillow's."""
    from PIL import ImageFont

    for name in (*FONTS[:1], *_plots_font(), *FONTS[1:]):
        with suppress(OSError):
            return ImageFont.truetype(name, round(max(8.0, size)))
    return ImageFont.load_default(max(8.0, size))


def _plots_font() -> list[str]:
    """The font that matplotlib brings, where it is installed: labels look the same on any machine then."""
    spec = find_spec("matplotlib")
    homes = spec.submodule_search_locations if spec is not None else None
    return [str(Path(home, "mpl-data", "fonts", "ttf", FONTS[0])) for home in homes or ()]


def readable(text: str, face: FreeTypeFont | Any) -> str:
    """The text in letters that the font has: Pillow's own has no accents."""
    if text.isascii() or face.getname()[0] != "Aileron":
        return text
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return plain.encode("ascii", "ignore").decode() or "?"


def one_line(text: str, longest: int = LONGEST_LABEL) -> str:
    """A text without line breaks and control characters, cut in its middle where it is too long."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text[: 10 * longest]).split())
    if len(shown) <= longest:
        return shown
    head = longest * 2 // 3
    return f"{shown[:head]}…{shown[head + 1 - longest :]}"


def fitted(text: str, width: float, face: FreeTypeFont | Any) -> str:
    """A text cut at its end so that it is not wider than that many pixels."""
    if face.getlength(text) <= width:
        return text
    least, most = 0, len(text)
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if face.getlength(f"{text[:middle]}…") <= width else (least, middle - 1)
    return f"{text[:least].rstrip()}…"


def wrapped(text: str, width: float, face: FreeTypeFont | Any, lines: int) -> list[str]:
    """A text in lines no wider than that many pixels; the last of them is cut."""
    found: list[str] = []
    words = text.split(" ")
    while words and len(found) < lines - 1:
        taken = 1
        while taken < len(words) and face.getlength(" ".join(words[: taken + 1])) <= width:
            taken += 1
        found.append(fitted(" ".join(words[:taken]), width, face))
        words = words[taken:]
    return [*found, fitted(" ".join(words), width, face)] if words else found


@lru_cache(maxsize=512)
def plate(text: str, rgb: Colour, size: int) -> Image:
    """A text on a plate of a colour, in RGBA, with a thin rim that stands out from any ground."""
    from PIL import Image as PilImage
    from PIL import ImageDraw

    face = font(size)
    text = readable(text, face)
    ascent, descent = face.getmetrics()
    pad = max(2, round(size * 0.28))
    width = round(face.getlength(text)) + 2 * pad
    # Ascenders rise higher than any letter of a label: a part of that room is left out.
    trim = round(ascent * 0.14)
    made = PilImage.new("RGBA", (width, ascent - trim + descent + 2), (*rgb, 240))
    pen = ImageDraw.Draw(made)
    pen.rectangle((0, 0, made.width - 1, made.height - 1), outline=(*RIM, 90))
    pen.text((pad, 1 - trim), text, fill=ink(rgb), font=face)
    return made


class Plates:
    """Where plates go on one picture: near to their object, inside of the picture, off each other."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.taken: list[Rect] = []

    def place(self, box: tuple[float, float, float, float], width: int, height: int) -> tuple[int, int]:
        """The top left corner for a plate at an object's box (left, top, right, bottom)."""
        best, least = (0, 0), -1
        for spot in self._spots(box, width, height):
            hidden = self._hidden((*spot, spot[0] + width, spot[1] + height))
            if least < 0 or hidden < least:
                best, least = spot, hidden
            if not hidden:
                break
        self.taken.append((*best, best[0] + width, best[1] + height))
        return best

    def _spots(
        self, box: tuple[float, float, float, float], width: int, height: int
    ) -> Iterator[tuple[int, int]]:
        left, top, right, bottom = (round(side) for side in box)
        for x, y in (
            (left, top - height),
            (left, top),
            (right - width, top - height),
            (left, bottom),
            (right - width, bottom - height),
            (left, bottom - height),
            (right, top),
            (left - width, top),
        ):
            inside_x = min(max(x, 0), max(self.size[0] - width, 0))
            yield inside_x, min(max(y, 0), max(self.size[1] - height, 0))

    def _hidden(self, rect: Rect) -> int:
        left, top, right, bottom = rect
        hidden = 0
        for l0, t0, r0, b0 in self.taken:
            if l0 < right and r0 > left and t0 < bottom and b0 > top:
                hidden += (min(right, r0) - max(left, l0)) * (min(bottom, b0) - max(top, t0))
        return hidden
