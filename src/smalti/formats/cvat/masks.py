"""CVAT's masks: run lengths along the rows of a crop, where COCO's go down the columns of the image.

https://docs.cvat.ai/docs/other/xml_format: ``rle``, ``left``, ``top``, ``width``,
``height``; the first run is of zeros.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smalti.errors import DataError
from smalti.geometry import rle

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

EMPTY = ("1", 0, 0, 1, 1)  # a mask without pixels: a crop of one pixel that is not set


def toggles(text: str, crop: tuple[int, int, int, int], size: tuple[int, int]) -> Ints:
    """Where a mask changes, counted down the columns of the image.

    Args:
        text: Run lengths, divided by commas.
        crop: Left, top, width, height.
        size: Width and height of the image.

    Raises:
        DataError: The crop leaves the image, or the runs do not fill it.
    """
    left, top, width, height = crop
    if min(crop) < 0 or left + width > size[0] or top + height > size[1]:
        raise DataError(
            f"found a mask of {width} x {height} at {left}, {top}; expected one inside of the image's"
            f" {size[0]} x {size[1]} pixels"
        )
    runs = _runs(text)
    if runs is None or (runs < 0).any() or runs.sum() != width * height:
        raise DataError(f"rle: found {text[:40]!r}, expected runs of {width * height} pixels in all")
    flat = np.repeat((np.arange(len(runs)) % 2).astype(np.int8), runs)
    columns = np.zeros((width, height + 2), np.int8)
    columns[:, 1:-1] = flat.reshape(height, width).T
    column, edge = np.nonzero(np.diff(columns, axis=1))
    where = (left + column) * size[1] + top + edge
    # A run that ends at the bottom of a column goes on at the top of the next: no change between them.
    twice = np.flatnonzero(where[1:] == where[:-1])
    where = np.delete(where, np.concatenate([twice, twice + 1]))
    return where[where < size[0] * size[1]]


def _runs(text: str) -> Ints | None:
    try:
        return np.array(text.split(","), np.int64) if text.strip() else np.empty(0, np.int64)
    except (ValueError, OverflowError):
        return None


def crop(runs: Ints, height: int, width: int) -> tuple[str, int, int, int, int]:
    """The text and left, top, width, height of one mask.

    Args:
        runs: COCO's run lengths.
        height: Of the image.
        width: As `height`.
    """
    x, y, w, h = rle.boxes(runs, np.array([0, len(runs)]), height)[0].astype(np.int64).tolist()
    if not w * h:
        return EMPTY
    flat = rle.decode_mask(runs, height, width)[y : y + h, x : x + w].ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lead = [0] if flat[0] else []
    lengths = np.diff(np.concatenate([[0], lead, edges, [len(flat)]])).astype(np.int64)
    return ", ".join(map(str, lengths.tolist())), x, y, w, h
