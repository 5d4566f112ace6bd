"""Masks as tools keep them: a PNG of the box of their pixels, and where its corner lies in the picture."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from smalti.errors import DataError
from smalti.geometry import rle

if TYPE_CHECKING:
    from numpy.typing import NDArray


def placed(
    body: bytes, corner: tuple[int, int], width: int | None, height: int | None, name: str
) -> NDArray[np.uint8]:
    """The mask of the whole picture, uint8 ``(height, width)``, 0 and 1.

    Args:
        body: The PNG; a pixel counts whose last channel is not 0.
        corner: Left and top of it in the picture, pixels.
        width: Of the picture.
        height: Of the picture.
        name: What the document calls the mask, for errors.

    Raises:
        DataError: It is no picture, leaves the picture, or the picture's size is not known.
    """
    from PIL import Image

    if not width or not height:
        raise DataError(f"{name}: a mask needs the size of the picture, which is not there")
    try:
        with Image.open(io.BytesIO(body)) as picture:
            values = np.array(picture)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{name}: no PNG: {error}") from error
    crop = values[..., -1] > 0 if values.ndim == 3 else values > 0
    left, top = corner
    rows, columns = crop.shape
    if left < 0 or top < 0 or left + columns > width or top + rows > height:
        raise DataError(
            f"{name}: found {columns} x {rows} pixels at {left}, {top}, expected them inside of the picture"
        )
    found = np.zeros((height, width), np.uint8)
    found[top : top + rows, left : left + columns] = crop
    return found


def cropped(pixels: NDArray[Any]) -> tuple[bytes, tuple[int, int, int, int]]:
    """The PNG of the box of a mask's pixels, and the box: left, top, right and bottom, both inclusive."""
    from PIL import Image

    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    top, left, bottom, right = (rows[0], columns[0], rows[-1], columns[-1]) if len(rows) else (0, 0, 0, 0)
    sink = io.BytesIO()
    Image.fromarray(pixels[top : bottom + 1, left : right + 1] > 0).save(sink, "PNG")
    return sink.getvalue(), (int(left), int(top), int(right), int(bottom))


def decoded(mask: dict[str, Any]) -> NDArray[np.uint8]:
    """The pixels of a mask of the schema, uint8 ``(height, width)``."""
    runs, _ = rle.decode_counts([mask["counts"]])
    return rle.decode_mask(runs, mask["height"], mask["width"])
