"""Axis-aligned boxes: float64 ``(n, 4)``, absolute pixels, in one of three layouts.

Layouts: ``xywh`` (left, top, width, height), ``xyxy`` (left, top, right, bottom), ``cxcywh`` (centre,
width, height). Pascal VOC's pixels are those of its development kit, 1-based and inclusive
(http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Layout = Literal["xywh", "xyxy", "cxcywh"]


def _boxes(boxes: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(boxes, np.float64).reshape(-1, 4)


def xywh_to_xyxy(boxes: ArrayLike) -> NDArray[np.float64]:
    """Left, top, width, height to left, top, right, bottom."""
    out = _boxes(boxes).copy()
    out[:, 2:] += out[:, :2]
    return out


def xyxy_to_xywh(boxes: ArrayLike) -> NDArray[np.float64]:
    """Left, top, right, bottom to left, top, width, height."""
    out = _boxes(boxes).copy()
    out[:, 2:] -= out[:, :2]
    return out


def xywh_to_cxcywh(boxes: ArrayLike) -> NDArray[np.float64]:
    """Left, top, width, height to centre, width, height."""
    out = _boxes(boxes).copy()
    out[:, :2] += out[:, 2:] / 2
    return out


def cxcywh_to_xywh(boxes: ArrayLike) -> NDArray[np.float64]:
    """Centre, width, height to left, top, width, height."""
    out = _boxes(boxes).copy()
    out[:, :2] -= out[:, 2:] / 2
    return out


def convert(boxes: ArrayLike, source: Layout, target: Layout) -> NDArray[np.float64]:
    """Change the layout of boxes ``(n, 4)``; the same layout gives a copy."""
    into = {"xywh": lambda b: b, "xyxy": xyxy_to_xywh, "cxcywh": cxcywh_to_xywh}
    out_of = {"xywh": lambda b: b, "xyxy": xywh_to_xyxy, "cxcywh": xywh_to_cxcywh}
    if source == target:
        return _boxes(boxes).copy()
    return np.array(out_of[target](into[source](_boxes(boxes))), copy=True)


def normalize(boxes: ArrayLike, width: ArrayLike, height: ArrayLike) -> NDArray[np.float64]:
    """Pixels to fractions of the image, in any layout.

    Args:
        boxes: ``(n, 4)``; columns 0 and 2 are divided by the width, 1 and 3 by the height.
        width: Pixels, ``(n,)`` or one number.
        height: Pixels, ``(n,)`` or one number.
    """
    return np.divide(_boxes(boxes), _scale(width, height))


def denormalize(boxes: ArrayLike, width: ArrayLike, height: ArrayLike) -> NDArray[np.float64]:
    """Fractions of the image to pixels; arguments as for `normalize`."""
    return np.multiply(_boxes(boxes), _scale(width, height))


def _scale(width: ArrayLike, height: ArrayLike) -> NDArray[np.float64]:
    x, y = np.broadcast_arrays(np.asarray(width, np.float64), np.asarray(height, np.float64))
    return np.stack([x, y, x, y], axis=-1)


def voc_to_xywh(boxes: ArrayLike, pixel_offset: bool) -> NDArray[np.float64]:
    """Pascal VOC's xmin, ymin, xmax, ymax to left, top, width, height.

    `xywh_to_voc` gives back the same numbers wherever they are whole or few-digit binary fractions. Of
    other fractions one in thirty comes back a last bit apart, since no double is the width that adds up;
    written with 15 digits it is the same number again.

    Args:
        boxes: ``(n, 4)``.
        pixel_offset: They are 1-based and inclusive, as the development kit has it: the pixel 1 is
            ours from 0 to 1. Without it they are edges already, as most tools write them.
    """
    out = _boxes(boxes).copy()
    if pixel_offset:
        out[:, :2] -= 1
    return xyxy_to_xywh(out)


def xywh_to_voc(boxes: ArrayLike, pixel_offset: bool) -> NDArray[np.float64]:
    """The reverse of `voc_to_xywh`."""
    out = xywh_to_xyxy(boxes)
    if pixel_offset:
        out[:, :2] += 1
    return out


def clip(boxes: ArrayLike, width: ArrayLike, height: ArrayLike) -> NDArray[np.float64]:
    """Cut boxes at the borders of their images.

    Args:
        boxes: ``(n, 4)``, xywh. A box that lies outside gets a width or height of 0 at the border.
        width: Pixels, ``(n,)`` or one number.
        height: Pixels, ``(n,)`` or one number.

    Returns:
        xywh ``(n, 4)``. Boxes that were inside come back bit for bit.
    """
    before = _boxes(boxes)
    edges = xywh_to_xyxy(before)
    limit = np.broadcast_to(_scale(width, height), edges.shape)
    cut = np.clip(edges, 0, limit)
    inside = (cut == edges).all(axis=1, keepdims=True)
    return np.where(inside, before, xyxy_to_xywh(cut))


def iou(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union of boxes, row by row.

    Args:
        a: ``(n, 4)``, xywh.
        b: ``(n, 4)``, xywh.

    Returns:
        ``(n,)``; 0 where both are empty.
    """
    one, two = xywh_to_xyxy(a), xywh_to_xyxy(b)
    size = np.clip(np.minimum(one[:, 2:], two[:, 2:]) - np.maximum(one[:, :2], two[:, :2]), 0, None)
    both = size[:, 0] * size[:, 1]
    union = _boxes(a)[:, 2] * _boxes(a)[:, 3] + _boxes(b)[:, 2] * _boxes(b)[:, 3] - both
    return np.divide(both, union, out=np.zeros_like(both), where=union > 0)
