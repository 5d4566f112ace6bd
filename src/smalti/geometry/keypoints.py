"""Keypoints in COCO's flat layout: x, y, v for each, k of them an object.

Visibility: 0 not labelled (x and y are 0 then), 1 labelled but hidden, 2 labelled and visible
(https://cocodataset.org/#format-data).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def split_flat(flat: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int8]]:
    """COCO's flat ``(n, 3 k)`` to x, y and visibility, each ``(n, k)``."""
    values = np.asarray(flat, np.float64)
    triples = values.reshape(len(values), -1, 3)
    return triples[..., 0], triples[..., 1], triples[..., 2].astype(np.int8)


def join_flat(x: ArrayLike, y: ArrayLike, visibility: ArrayLike) -> NDArray[np.float64]:
    """The reverse of `split_flat`."""
    triples = np.stack([np.asarray(v, np.float64) for v in (x, y, visibility)], axis=-1)
    return triples.reshape(len(triples), -1)


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
