"""Keypoints in COCO's flat layout: x, y, v for each, k of them an object.

Visibility: 0 not labelled (x and y are 0 then), 1 labelled but hidden, 2 labelled and visible
(https://cocodataset.org/#format-data).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smalti.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def split_flat(flat: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int8]]:
    """COCO's flat ``(n, 3 k)`` to x, y and visibility, each ``(n, k)``.

    Raises:
        DataError: The rows are not whole triples.
    """
    values = np.asarray(flat, np.float64)
    if values.ndim != 2 or values.shape[1] % 3:
        raise DataError(f"keypoints have the shape {values.shape}; expected rows of x, y, v")
    triples = values.reshape(len(values), values.shape[1] // 3, 3)
    return triples[..., 0], triples[..., 1], triples[..., 2].astype(np.int8)


def join_flat(x: ArrayLike, y: ArrayLike, visibility: ArrayLike) -> NDArray[np.float64]:
    """The reverse of `split_flat`."""
    triples = np.stack([np.asarray(v, np.float64) for v in (x, y, visibility)], axis=-1)
    return triples.reshape(len(triples), 3 * triples.shape[1])


def labelled(visibility: ArrayLike) -> NDArray[np.int64]:
    """How many keypoints of each object are labelled ``(n,)``: COCO's ``num_keypoints``."""
    counts: NDArray[np.int64] = np.count_nonzero(np.asarray(visibility) > 0, axis=-1)
    return np.asarray(counts, np.int64)


def keypoint_boxes(x: ArrayLike, y: ArrayLike, visibility: ArrayLike) -> NDArray[np.float64]:
    """The box around the labelled keypoints of each object, xywh ``(n, 4)``; zeros where there are none."""
    px, py = np.asarray(x, np.float64), np.asarray(y, np.float64)
    seen = np.asarray(visibility) > 0
    some = seen.any(axis=1)
    out = np.zeros((len(seen), 4))
    for column, values in ((0, px), (1, py)):
        low = np.where(seen, values, np.inf).min(axis=1, initial=np.inf)
        high = np.where(seen, values, -np.inf).max(axis=1, initial=-np.inf)
        out[some, column] = low[some]
        out[some, column + 2] = (high - low)[some]
    return out


def normalize(
    x: ArrayLike, y: ArrayLike, width: ArrayLike, height: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixels to fractions of the image, whatever the visibility.

    Args:
        x: ``(n, k)``.
        y: ``(n, k)``.
        width: Pixels, ``(n,)`` or one number.
        height: Pixels, ``(n,)`` or one number.
    """
    return np.divide(x, _column(width)), np.divide(y, _column(height))


def denormalize(
    x: ArrayLike, y: ArrayLike, width: ArrayLike, height: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fractions of the image to pixels; arguments as for `normalize`."""
    return np.multiply(x, _column(width)), np.multiply(y, _column(height))


def _column(size: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(size, np.float64)[..., None]
