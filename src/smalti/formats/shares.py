"""Coordinates as shares of the picture, as some tools print them: percent, or fractions of 1.

Pixels have 15 digits here, so that what was a short number of pixels is one again, and shares are chosen such that
they give back just the pixels that they were made of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

DIGITS = 15


def to_pixels(shares: ArrayLike, sides: ArrayLike, whole: float) -> NDArray[np.float64]:
    """Shares to pixels.

    Args:
        shares: Any shape.
        sides: Pixels of the picture's side that each is a share of; broadcast.
        whole: What the whole side is: 100 for percent, else 1.
    """
    return rounded(np.asarray(shares, np.float64) * np.asarray(sides, np.float64) / whole)


def to_shares(pixels: ArrayLike, sides: ArrayLike, whole: float) -> NDArray[np.float64]:
    """Pixels to shares that `to_pixels` makes the same pixels of, short ones where there are some; arguments as there."""
    given = np.asarray(pixels, np.float64)
    guess = given * whole / np.asarray(sides, np.float64)
    up, down = np.nextafter(guess, np.inf), np.nextafter(guess, -np.inf)
    found = guess
    for other in (
        np.nextafter(down, -np.inf),
        np.nextafter(up, np.inf),
        down,
        up,
        guess,
        np.round(guess, 10),
    ):
        found = np.where(to_pixels(other, sides, whole) == given, other, found)  # the last that fits is taken
    return found


def rounded(values: ArrayLike, digits: int = DIGITS) -> NDArray[np.float64]:
    """Numbers with so many digits; what is 0 within 22 places after the point becomes it."""
    given = np.asarray(values, np.float64)
    with np.errstate(divide="ignore"):
        size = np.where(given == 0, 0, np.floor(np.log10(np.abs(given))))
    scale = 10.0 ** np.clip(digits - 1 - size, 0, 22)
    with np.errstate(over="ignore", invalid="ignore"):
        found = np.rint(given * scale) / scale + 0.0
    return np.where(np.isfinite(found), found, given)
