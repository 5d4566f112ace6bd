"""The PNGs of COCO panoptic: a pixel's colour is the id of its segment, red + 256 green + 65,536 blue; 0 is void.

https://github.com/cocodataset/panopticapi, ``panopticapi/utils.py`` (``rgb2id``, ``id2rgb``).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from smalti.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

VOID, HIGHEST = 0, 2**24 - 1
NUMBERS = {"1", "L", "I", "I;16", "I;16B"}  # modes of pictures whose pixels are ids as they are


@dataclass(frozen=True, slots=True)
class Measured:
    """What ids a label image has, void aside.

    Attributes:
        ids: int64 ``(n,)``, rising.
        areas: int64 ``(n,)``, pixels.
        firsts: int64 ``(n,)``, the first pixel of each, row by row.
    """

    ids: NDArray[np.int64]
    areas: NDArray[np.int64]
    firsts: NDArray[np.int64]


def ids(body: bytes) -> NDArray[np.uint32]:
    """The ids of a label image's pixels, uint32 ``(height, width)``. A palette stands for its colours.

    Raises:
        DataError: It is no picture.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(body)) as picture:
            if picture.mode in NUMBERS:
                return np.array(picture).astype(np.uint32)
            colours = np.array(picture.convert("RGBA"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"found no label image: {error}") from error
    return colours.view("<u4")[..., 0] & np.uint32(HIGHEST)


def png(values: NDArray[np.uint32]) -> bytes:
    """A label image of ids ``(height, width)`` as a PNG."""
    from PIL import Image

    height, width = values.shape
    colours = np.ascontiguousarray(values.astype("<u4")).view(np.uint8).reshape(height, width, 4)[..., :3]
    sink = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(colours)).save(sink, "PNG")
    return sink.getvalue()


def measured(values: NDArray[np.uint32]) -> Measured:
    """The ids of a label image ``(height, width)``, from its runs."""
    flat = values.ravel()
    starts = np.flatnonzero(np.concatenate([[flat.size > 0], flat[1:] != flat[:-1]]))
    lengths = np.diff(np.append(starts, flat.size))
    found, first, owner = np.unique(flat[starts], return_index=True, return_inverse=True)
    areas = np.bincount(owner, weights=lengths, minlength=len(found)).astype(np.int64)
    there = found != VOID
    return Measured(found[there].astype(np.int64), areas[there], starts[first][there])
