"""From the numbers of rows to object members in pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from smalti.formats.label_rows import snap
from smalti.geometry.boxes import cxcywh_to_xywh
from smalti.schema.types import BBOX, KEYPOINTS, POLYGONS, list_of

if TYPE_CHECKING:
    from smalti.formats.label_rows import Rows
    from smalti.formats.yolo.tasks import RowShape
    from smalti.schema.features import Objects

DECIMALS = 8  # digits of a pixel coordinate that count as short


def member_arrays(
    shape: RowShape, rows: Rows, codes: np.ndarray, sizes: np.ndarray, feature: Objects
) -> list[pa.Array]:
    """The members that the feature asks for, in its order.

    Args:
        shape: What the columns are.
        rows: The rows; all fit the shape.
        codes: ``(r,)`` positions in the class table.
        sizes: ``(f, 2)`` width and height of each file's image, upright.
        feature: Which members are wanted.
    """
    size = np.ones((len(rows), 2)) if shape.pixels else sizes[rows.file]
    last = rows.column(-1) if len(rows) else np.empty(0)
    makers = {
        "category": lambda: feature.categories.encode(codes.astype(np.int32)),
        "bbox": lambda: _boxes(rows, size, shape.holds("bbox", rows)),
        "polygons": lambda: _polygons(rows, size, shape),
        "keypoints": lambda: _keypoints(rows, size, shape),
        "quad": lambda: _quads(rows, size),
        "score": lambda: pa.array(last, pa.float64()),
        "track_id": lambda: pa.array(last.astype(np.int64)),
        "difficulty": lambda: pa.array(last.astype(np.int64)),
    }
    return [makers[name]() for name in feature.names]


def _block(rows: Rows, first: int, count: int) -> np.ndarray:
    """Some columns of every row, ``(r, count)``."""
    at = rows.offsets[:-1, None] + np.arange(first, first + count)
    return rows.values[at] if len(rows) else np.empty((0, count))


def _boxes(rows: Rows, size: np.ndarray, have: np.ndarray) -> pa.Array:
    """The box of each row; null for a row that is a polygon."""
    scale = np.concatenate([size, size], axis=1)
    xywh = snap(cxcywh_to_xywh(_block(rows, 1, 4) * scale), DECIMALS, scale)
    null = None if have.all() else pa.array(~have)
    return pa.StructArray.from_arrays([pa.array(xywh[:, i]) for i in range(4)], fields=list(BBOX), mask=null)


def _polygons(rows: Rows, size: np.ndarray, shape: RowShape) -> pa.Array:
    """One ring a row; null for a row that is a box."""
    box = shape.is_box(rows)
    lengths = np.where(box, 0, rows.lengths - 1 - (shape.extra is not None))
    first = rows.offsets[:-1] + 1
    owner = np.repeat(np.arange(len(rows)), lengths)
    step = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    scale = np.where(step % 2, size[owner, 1], size[owner, 0]) if len(owner) else np.empty(0)
    coords = snap(rows.values[first[owner] + step] * scale, DECIMALS, scale)
    ring_offsets = np.concatenate([[0], np.cumsum(lengths[~box])]).astype(np.int32)
    rings = pa.ListArray.from_arrays(pa.array(ring_offsets), pa.array(coords), type=list_of(pa.float64()))
    offsets = np.concatenate([[0], np.cumsum(~box)]).astype(np.int32)
    mask = pa.array(box) if box.any() else None
    return pa.ListArray.from_arrays(pa.array(offsets), rings, type=POLYGONS, mask=mask)


def _quads(rows: Rows, size: np.ndarray) -> pa.Array:
    scale = np.tile(size, 4)
    corners = snap(_block(rows, 1, 8) * scale, DECIMALS, scale)
    offsets = pa.array((np.arange(len(rows) + 1) * 8).astype(np.int32))
    return pa.ListArray.from_arrays(offsets, pa.array(corners.ravel()), type=list_of(pa.float64()))


def _keypoints(rows: Rows, size: np.ndarray, shape: RowShape) -> pa.Array:
    count, each = shape.kpt_shape or (0, 2)
    points = _block(rows, 5, count * each).reshape(-1, count, each)
    scale = size[:, None, :]
    xy = snap(points[..., :2] * scale, DECIMALS, scale)
    flat = xy.reshape(-1, 2)
    seen = pa.array(points[..., 2].ravel().astype(np.int8)) if each == 3 else pa.nulls(len(flat), pa.int8())
    children = [pa.array(flat[:, 0]), pa.array(flat[:, 1]), seen]
    struct = pa.StructArray.from_arrays(children, fields=list(KEYPOINTS.value_type))
    offsets = pa.array((np.arange(len(rows) + 1) * count).astype(np.int32))
    return pa.ListArray.from_arrays(offsets, struct, type=KEYPOINTS)
