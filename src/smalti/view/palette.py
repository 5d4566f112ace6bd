"""Colours of classes: stable by position in the class table, told apart by colour-blind eyes.

The first eight are the palette of Okabe and Ito (https://jfly.uni-koeln.de/color/), without black, in an
order that keeps neighbours apart; further ones walk round the hues by the golden angle in steps of lightness.
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
_GOLDEN = 0.381966


def colour(index: int) -> Colour:
    """The colour of the class at that position, as red, green and blue from 0 to 255."""
    if 0 <= index < len(OKABE_ITO):
        return OKABE_ITO[index]
    step = index - len(OKABE_ITO)
    red, green, blue = colorsys.hls_to_rgb((step * _GOLDEN) % 1, (0.62, 0.42, 0.74)[step % 3], 0.75)
    return round(red * 255), round(green * 255), round(blue * 255)


def ink(background: Colour) -> Colour:
    """Black or white, whichever reads better on a colour."""
    red, green, blue = background
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else (255, 255, 255)
