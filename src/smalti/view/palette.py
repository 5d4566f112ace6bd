"""Colours of classes: stable by position in the class table, told apart by colour-blind eyes.

The first seven are the palette of Okabe and Ito (https://jfly.uni-koeln.de/color/), without black, in an order that
keeps neighbours apart. Each of the next thirteen is the one that is farthest from those before it, for eyes of all
kinds as Machado and others simulate them (https://doi.org/10.1109/TVCG.2009.113), and from grey. Further ones walk
round the hues by the golden angle in steps of lightness.
"""

from __future__ import annotations

import colorsys

Colour = tuple[int, int, int]

OKABE_ITO: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (213, 94, 0),
    (204, 121, 167),
    (0, 114, 178),
    (240, 228, 66),
)
FARTHEST: tuple[Colour, ...] = (
    (128, 0, 224),
    (128, 32, 32),
    (0, 255, 160),
    (192, 96, 255),
    (128, 64, 96),
    (128, 192, 96),
    (32, 64, 160),
    (160, 32, 0),
    (192, 224, 96),
    (96, 128, 64),
    (96, 64, 128),
    (255, 192, 224),
    (0, 0, 255),
)
TABLE = OKABE_ITO + FARTHEST
_GOLDEN = 0.381966


def colour(index: int) -> Colour:
    """The colour of the class at that position, as red, green and blue from 0 to 255."""
    if 0 <= index < len(TABLE):
        return TABLE[index]
    step = index - len(TABLE)
    red, green, blue = colorsys.hls_to_rgb((step * _GOLDEN) % 1, (0.62, 0.42, 0.74)[step % 3], 0.75)
    return round(red * 255), round(green * 255), round(blue * 255)


def ink(background: Colour) -> Colour:
    """Black or white, whichever reads better on a colour."""
    red, green, blue = background
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else (255, 255, 255)
