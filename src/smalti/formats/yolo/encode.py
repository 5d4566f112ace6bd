"""Objects as rows: classes, boxes, corners and keypoints as normalised numbers.

Columns: https://docs.ultralytics.com/datasets/, as in `smalti.formats.yolo.tasks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats import label_rows
from smalti.formats.yolo.encoder import NOISE
from smalti.geometry import boxes, keypoints, polygons, quads, rle
from smalti.schema.types import list_of

if TYPE_CHECKING:
    from smalti.formats.yolo.encoder import Encoder

# Of a side: how far a box at the border seems to leave the image where it was read from six digits. It is written
# as it was; trainers look at its centre and size alone.
PRINTED = 2e-6


def classes(encoder: Encoder) -> np.ndarray:
    """The class of each object ``(n,)``; those without one, and crowds, are left out."""
    if not encoder.has("category"):
        encoder.drop(encoder.keep.copy(), "category.missing", "", "a row begins with a class")
        return np.zeros(len(encoder.keep), np.int32)
    codes = encoder.member("category").indices.fill_null(-1).to_numpy(zero_copy_only=False)
    encoder.drop(codes < 0, "category.missing", "", "a row begins with a class")
    if encoder.has("iscrowd") and encoder.options.crowds == "skip":
        crowd = encoder.member("iscrowd").fill_null(False).to_numpy(zero_copy_only=False)
        reason = "a crowd would be trained on as one object; keep it with crowds='keep'"
        encoder.drop(crowd, "crowd.skipped", "", reason)
    return codes


def box_values(encoder: Encoder) -> np.ndarray:
    """Normalised centre, width and height ``(n, 4)``."""
    xywh = _boxes(encoder)
    width, height = encoder.size.T
    if encoder.options.outside != "keep":
        slack = PRINTED * encoder.size
        ends = xywh[:, :2] + xywh[:, 2:]
        out = ((xywh[:, :2] < -slack) | (ends > encoder.size + slack)).any(axis=1)
        at = np.flatnonzero(out)
        cut = boxes.clip(xywh[at], width[at], height[at])
        if encoder.options.outside == "clip":
            gone = np.zeros(len(out), bool)
            gone[at] = (cut[:, 2:] <= 0).any(axis=1)
            encoder.drop(gone, "box.empty", "bbox", "nothing of the box lies in the image")
        encoder.outside(out, "bbox", "box")
        xywh[at] = cut
    return encoder.finish(boxes.normalize(boxes.xywh_to_cxcywh(xywh), width, height), "bbox")


def _boxes(encoder: Encoder) -> np.ndarray:
    """Boxes in pixels ``(n, 4)``; made of other geometry where there is none."""
    have = encoder.valid("bbox")
    out = _xywh(encoder)
    for member, make in _ENCLOSING.items():
        if not encoder.has(member):
            continue
        need = np.flatnonzero(~have & encoder.keep & encoder.valid(member))
        made = np.zeros(len(have), bool)
        if len(need):
            out[need], found = make(encoder.member(member).take(pa.array(need)))
            made[need[found]] = True
        encoder.use(member, made)
        encoder.change(made, "box.enclosing", member, "the object has no box; the one around this is written")
        have |= made
    encoder.drop(~have, "geometry.missing", "", "the object has no box, nor anything to take one from")
    return out


def _xywh(encoder: Encoder) -> np.ndarray:
    """The boxes as they are ``(n, 4)``, zeros where there is none."""
    if not encoder.has("bbox"):
        return np.zeros((len(encoder.keep), 4))
    sides = [pc.fill_null(pc.struct_field(encoder.member("bbox"), [side]), 0) for side in range(4)]
    return np.stack([side.to_numpy(zero_copy_only=False) for side in sides], axis=1)


def _around_polygons(values: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    coords, ring_offsets, offsets = flat_polygons(values)
    found = polygons.boxes(coords, ring_offsets, offsets)
    return found, ring_offsets[offsets[1:]] > ring_offsets[offsets[:-1]]


def _around_masks(values: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    runs, offsets = rle.decode_counts(values.field("counts").to_pylist())
    found = rle.boxes(runs, offsets, values.field("height").to_numpy())
    return found, found[:, 2] > 0


def _around_quads(values: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    return quads.quads_to_xywh(values.flatten().to_numpy()), np.ones(len(values), bool)


def _around_keypoints(values: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    found = np.zeros((len(values), 4))
    some = np.zeros(len(values), bool)
    for index, points in enumerate(values.to_pylist()):
        x, y, v = ([[p[k] if p[k] is not None else 2 for p in points]] for k in ("x", "y", "visibility"))
        found[index] = keypoints.keypoint_boxes(x, y, v)[0]
        some[index] = bool(np.any(np.asarray(v) > 0))
    return found, some


_ENCLOSING = {
    "polygons": _around_polygons,
    "mask": _around_masks,
    "quad": _around_quads,
    "keypoints": _around_keypoints,
}


def flat_polygons(values: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates, ring offsets and object offsets of a polygons array; null counts as no ring."""
    objects = np.asarray(pc.fill_null(pc.list_value_length(values), 0), np.int64)
    inner = values.flatten()
    lengths = np.asarray(pc.list_value_length(inner), np.int64)
    coords = inner.flatten().to_numpy(zero_copy_only=False)
    return coords, np.concatenate([[0], np.cumsum(lengths)]), np.concatenate([[0], np.cumsum(objects)])


def quad_values(encoder: Encoder) -> np.ndarray:
    """Normalised corners ``(n, 8)``; the corners of the box where there is no oriented one."""
    out = np.zeros((len(encoder.keep), 8))
    have = _lengths(encoder, "quad") == 8
    if have.any():
        corners = encoder.member("quad").filter(pa.array(have)).flatten()
        out[have] = corners.to_numpy(zero_copy_only=False).reshape(-1, 8)
    plain = ~have & encoder.valid("bbox")
    out[plain] = quads.xywh_to_quads(_xywh(encoder)[plain])
    encoder.use("bbox", plain)
    encoder.change(plain, "box.as_quad", "bbox", "the box is written as its four corners")
    encoder.drop(~have & ~plain, "geometry.missing", "", "the object has no oriented box, nor a plain one")
    encoder.use("quad", have)
    out = _cut(encoder, out, np.tile(encoder.size, 4), "quad")
    return encoder.finish(out / np.tile(encoder.size, 4), "quad")


def keypoint_values(encoder: Encoder, count: int) -> np.ndarray:
    """Normalised x, y and visibility of each keypoint ``(n, 3 count)``."""
    have = encoder.valid("keypoints") & (_lengths(encoder, "keypoints") == count)
    encoder.use("keypoints", have)
    encoder.drop(~have, "geometry.missing", "", f"the object has no {count} keypoints")
    out = np.zeros((len(have), count, 3))
    fits = np.flatnonzero(have)
    if len(fits):
        points = encoder.member("keypoints").take(pa.array(fits)).flatten()
        seen = points.field("visibility")
        for index, values in enumerate((points.field("x"), points.field("y"), pc.fill_null(seen, 2))):
            out[fits, :, index] = values.to_numpy(zero_copy_only=False).reshape(len(fits), count)
        unknown = np.zeros(len(have), bool)
        unknown[fits] = seen.is_null().to_numpy(zero_copy_only=False).reshape(len(fits), count).any(axis=1)
        reason = "unknown visibility is written as visible"
        encoder.change(unknown, "visibility.assumed", "keypoints", reason)
    size = np.repeat(encoder.size[:, None, :], count, axis=1)
    out[..., :2] = encoder.finish(_cut(encoder, out[..., :2], size, "keypoints") / size, "keypoints")
    return out.reshape(len(have), count * 3)


def _lengths(encoder: Encoder, member: str) -> np.ndarray:
    """The length of every object's list; 0 for null."""
    if not encoder.has(member):
        return np.zeros(len(encoder.keep), np.int64)
    return np.asarray(pc.fill_null(pc.list_value_length(encoder.member(member)), 0), np.int64)


def _cut(
    encoder: Encoder, values: np.ndarray, limit: np.ndarray, member: Literal["quad", "keypoints"]
) -> np.ndarray:
    """Points ``(n, …)`` moved onto the image's border where they lie outside, with the account of it."""
    if encoder.options.outside == "keep":
        return values
    cut = np.clip(values, 0, limit)
    off = (np.abs(cut - values) > NOISE).reshape(len(values), values[:1].size)
    encoder.outside(np.asarray(off.any(axis=1)), member, member)
    return cut


def row_text(codes: np.ndarray, values: np.ndarray, lengths: np.ndarray | None = None) -> pa.Array:
    """Rows as text.

    Args:
        codes: ``(n,)`` classes.
        values: ``(n, k)``, or flat where rows differ in length.
        lengths: ``(n,)`` numbers of each row, where they differ.
    """
    first = pc.cast(pa.array(codes), pa.string())
    if lengths is None:
        columns = [label_rows.texts(np.ascontiguousarray(values[:, i])) for i in range(values.shape[1])]
        return pc.binary_join_element_wise(first, *columns, " ") if columns else first
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    numbers = pa.ListArray.from_arrays(offsets, label_rows.texts(values), type=list_of(pa.string()))
    return pc.binary_join_element_wise(first, pc.binary_join(numbers, " "), " ")
