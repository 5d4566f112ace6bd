"""Objects as rows: normalised numbers, cut at the borders, and what could not be said."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats import label_rows
from smalti.formats.report import Loss
from smalti.formats.yolo import rings
from smalti.geometry import boxes, keypoints, polygons, quads, rle
from smalti.schema.types import list_of

if TYPE_CHECKING:
    from smalti.formats.yolo.options import YoloOptions

DECIMALS = 12  # digits of a normalised coordinate that count as short


@dataclass(slots=True)
class Encoder:
    """The objects of one batch on their way to rows.

    Attributes:
        objects: One struct an object.
        owner: ``(n,)`` the sample of each.
        ids: The samples' ids, for examples.
        size: ``(n, 2)`` width and height of each object's image.
        options: The writer's options.
        keep: ``(n,)`` which objects are written.
        losses: What is not written as it was.
    """

    objects: pa.StructArray
    owner: np.ndarray
    ids: pa.Array
    size: np.ndarray
    options: YoloOptions
    keep: np.ndarray = field(init=False)
    losses: list[Loss] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keep = np.ones(len(self.objects), bool)

    def has(self, name: str) -> bool:
        """Whether the objects have that member."""
        return self.objects.type.get_field_index(name) >= 0

    def member(self, name: str) -> pa.Array:
        """A member of all objects."""
        return self.objects.field(name)

    def valid(self, name: str) -> np.ndarray:
        """Which objects have a value there."""
        if not self.has(name):
            return np.zeros(len(self.objects), bool)
        return self.member(name).is_valid().to_numpy(zero_copy_only=False)

    def drop(self, which: np.ndarray, code: str, name: str, reason: str) -> None:
        """Leave out objects, with their loss."""
        self._tell(which & self.keep, code, name, reason, "object")
        self.keep &= ~which

    def change(self, which: np.ndarray, code: str, name: str, reason: str, iou: float | None = None) -> None:
        """Tell of objects that are written but not as they were."""
        self._tell(which & self.keep, code, name, reason, "change", iou)

    def _tell(
        self, which: np.ndarray, code: str, name: str, reason: str, kind: Any, iou: float | None = None
    ) -> None:
        where = np.flatnonzero(which)
        if len(where):
            example = self.ids[int(self.owner[where[0]])].as_py()
            self.losses.append(
                Loss(
                    code=code,
                    field=name,
                    reason=reason,
                    kind=kind,
                    count=len(where),
                    example=example,
                    iou=iou,
                )
            )


def classes(encoder: Encoder, name: str) -> np.ndarray:
    """The class of each object ``(n,)``; those without one, and crowds, are left out."""
    if not encoder.has("category"):
        encoder.drop(encoder.keep.copy(), "category.missing", name, "a row begins with a class")
        return np.zeros(len(encoder.keep), np.int32)
    codes = encoder.member("category").indices.fill_null(-1).to_numpy(zero_copy_only=False)
    encoder.drop(codes < 0, "category.missing", name, "a row begins with a class")
    if encoder.has("iscrowd") and encoder.options.crowds == "skip":
        crowd = encoder.member("iscrowd").fill_null(False).to_numpy(zero_copy_only=False)
        encoder.drop(
            crowd, "crowd.skipped", name, "a crowd would be trained on as one object; keep with crowds='keep'"
        )
    return codes


def box_values(encoder: Encoder, name: str) -> np.ndarray:
    """Normalised centre, width and height ``(n, 4)``."""
    xywh = _boxes(encoder, name)
    width, height = encoder.size.T
    if encoder.options.outside != "keep":
        cut = boxes.clip(xywh, width, height)
        out = (cut != xywh).any(axis=1) & encoder.keep
        if encoder.options.outside == "drop":
            encoder.drop(out, "box.outside", f"{name}.bbox", "the box leaves the image")
        else:
            gone = out & ((cut[:, 2] <= 0) | (cut[:, 3] <= 0))
            encoder.drop(gone, "box.empty", f"{name}.bbox", "nothing of the box lies in the image")
            encoder.change(
                out, "box.clipped", f"{name}.bbox", "the box leaves the image and was cut at its border"
            )
            xywh = cut
    return finish(encoder, boxes.normalize(boxes.xywh_to_cxcywh(xywh), width, height))


def _boxes(encoder: Encoder, name: str) -> np.ndarray:
    """Boxes in pixels ``(n, 4)``; made of other geometry where there is none."""
    out = np.zeros((len(encoder.keep), 4))
    have = encoder.valid("bbox")
    if encoder.has("bbox"):
        bbox = encoder.member("bbox")
        for column in range(4):
            out[:, column] = pc.fill_null(pc.struct_field(bbox, [column]), 0).to_numpy(zero_copy_only=False)
    for other, make in _ENCLOSING.items():
        need = np.flatnonzero(~have & encoder.keep & encoder.valid(other))
        if len(need):
            out[need], found = make(encoder.member(other).take(pa.array(need)))
            have[need[found]] = True
    encoder.drop(~have, "geometry.missing", name, "the object has no box, nor anything to take one from")
    return out


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


def quad_values(encoder: Encoder, name: str) -> np.ndarray:
    """Normalised corners ``(n, 8)``; the corners of the box where there is no oriented one."""
    out = np.zeros((len(encoder.keep), 8))
    have = encoder.valid("quad")
    if have.any():
        out[have] = encoder.member("quad").flatten().to_numpy(zero_copy_only=False).reshape(-1, 8)
    plain = ~have & encoder.valid("bbox")
    if plain.any():
        side = [pc.fill_null(pc.struct_field(encoder.member("bbox"), [i]), 0) for i in range(4)]
        xywh = np.stack([np.asarray(values) for values in side], axis=1)
        out[plain] = quads.xywh_to_quads(xywh[plain])
        encoder.change(plain, "box.as_quad", f"{name}.bbox", "the box is written as its four corners")
    encoder.drop(~have & ~plain, "geometry.missing", name, "the object has no oriented box, nor a plain one")
    return finish(encoder, clamp(encoder, out, name, "quad") / np.tile(encoder.size, 4))


def keypoint_values(encoder: Encoder, name: str, count: int) -> np.ndarray:
    """Normalised x, y and visibility of each keypoint ``(n, 3 count)``."""
    have = encoder.valid("keypoints")
    column = encoder.member("keypoints") if encoder.has("keypoints") else None
    lengths = np.zeros(len(have), np.int64)
    if column is not None:
        lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0), np.int64)
    encoder.drop(~have | (lengths != count), "geometry.missing", name, f"the object has no {count} keypoints")
    out = np.zeros((len(have), count, 3))
    fits = np.flatnonzero(have & (lengths == count))
    if column is not None and len(fits):
        points = column.take(pa.array(fits)).flatten()
        seen = points.field("visibility")
        for index, values in enumerate((points.field("x"), points.field("y"), pc.fill_null(seen, 2))):
            out[fits, :, index] = values.to_numpy(zero_copy_only=False).reshape(len(fits), count)
        unknown = np.zeros(len(have), bool)
        unknown[fits] = seen.is_null().to_numpy(zero_copy_only=False).reshape(len(fits), count).any(axis=1)
        encoder.change(
            unknown, "visibility.assumed", f"{name}.keypoints", "unknown visibility is written as visible"
        )
    out[..., :2] /= encoder.size[:, None, :]
    out[..., :2] = finish(encoder, out[..., :2])
    return out.reshape(len(have), count * 3)


def clamp(encoder: Encoder, values: np.ndarray, name: str, member: str) -> np.ndarray:
    """Points ``(n, 2 k)`` moved onto the image's border where they lie outside."""
    if encoder.options.outside == "keep":
        return values
    limit = np.tile(encoder.size, values.shape[1] // 2)
    cut = np.clip(values, 0, limit)
    out = (cut != values).any(axis=1)
    if encoder.options.outside == "drop":
        encoder.drop(out, f"{member}.outside", f"{name}.{member}", "the object leaves the image")
    else:
        encoder.change(
            out,
            f"{member}.clipped",
            f"{name}.{member}",
            "points outside of the image were moved to its border",
        )
    return cut


def finish(encoder: Encoder, values: np.ndarray) -> np.ndarray:
    """Normalised numbers as they are printed."""
    if encoder.options.precision is not None:
        return np.round(values, encoder.options.precision)
    return label_rows.snap(values, DECIMALS, 1.0)


def segment_values(encoder: Encoder, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Normalised points of one ring an object, flat, and how many numbers each has ``(n,)``."""
    coords, ring_offsets, offsets = _polygons_of(encoder)
    count = np.diff(offsets)
    simple = (count == 1) & encoder.keep
    simple[simple] = (ring_offsets[offsets[:-1][simple] + 1] - ring_offsets[offsets[:-1][simple]]) >= 6
    rings_of = dict(_hard_rings(encoder, name, simple, coords, ring_offsets, offsets))
    lengths = np.zeros(len(count), np.int64)
    lengths[simple] = (ring_offsets[offsets[1:]] - ring_offsets[offsets[:-1]])[simple]
    for index, ring in rings_of.items():
        lengths[index] = ring.size
    begin = np.cumsum(lengths) - lengths
    flat = np.empty(int(lengths.sum()))
    plain = np.flatnonzero(simple)
    reach = np.repeat(ring_offsets[offsets[:-1][plain]] - begin[plain], lengths[plain])
    place = _ranges(begin[plain], lengths[plain])
    flat[place] = coords[place + reach]
    for index, ring in rings_of.items():
        flat[begin[index] : begin[index] + ring.size] = ring.ravel()
    return _inside(encoder, name, flat, lengths), lengths


def _ranges(begin: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The positions of several runs, one after the other."""
    step = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(begin, lengths) + step


def _polygons_of(encoder: Encoder) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if encoder.has("polygons"):
        return flat_polygons(encoder.member("polygons"))
    return np.empty(0), np.zeros(1, np.int64), np.zeros(len(encoder.keep) + 1, np.int64)


def _hard_rings(
    encoder: Encoder,
    name: str,
    simple: np.ndarray,
    coords: np.ndarray,
    ring_offsets: np.ndarray,
    offsets: np.ndarray,
) -> list[tuple[int, np.ndarray]]:
    """The ring of every object that is not one ring already, and the account of what it took."""
    masked, quad, boxed = encoder.valid("mask"), encoder.valid("quad"), encoder.valid("bbox")
    found: list[tuple[int, np.ndarray]] = []
    ways: dict[str, list[tuple[int, float]]] = {"polygon": [], "mask": [], "quad": [], "bbox": []}
    for index in np.flatnonzero(encoder.keep & ~simple).tolist():
        width, height = encoder.size[index].astype(int).tolist()
        bounds = ring_offsets[offsets[index] : offsets[index + 1] + 1]
        parts = [coords[a:b] for a, b in pairwise(bounds)]
        joined, way = rings.from_polygons(parts, height, width), "polygon"
        if joined is None and masked[index]:
            joined, way = rings.from_mask(encoder.member("mask")[index].as_py()), "mask"
        if joined is not None:
            found.append((index, joined.ring))
            ways[way].append((index, joined.iou))
        elif quad[index]:
            found.append((index, np.asarray(encoder.member("quad")[index].as_py()).reshape(4, 2)))
            ways["quad"].append((index, 1.0))
        elif boxed[index]:
            box = list(encoder.member("bbox")[index].as_py().values())
            found.append((index, quads.xywh_to_quads([box]).reshape(4, 2)))
            ways["bbox"].append((index, 1.0))
    _tell_ways(encoder, name, ways)
    have = simple.copy()
    have[[index for index, _ in found]] = True
    encoder.drop(~have, "geometry.missing", name, "the object has no outline, mask or box")
    return found


_WAYS = {
    "polygon": ("polygon.joined", "polygons", "parts are joined to one ring by bridges of no width"),
    "mask": (
        "mask.outlined",
        "mask",
        "the mask is written as its outline, holes joined by bridges of no width",
    ),
    "quad": ("quad.as_polygon", "quad", "the oriented box is written as a polygon of its corners"),
    "bbox": ("box.as_polygon", "bbox", "the object has a box alone, written as a polygon of its corners"),
}


def _tell_ways(encoder: Encoder, name: str, ways: dict[str, list[tuple[int, float]]]) -> None:
    for way, objects in ways.items():
        if objects:
            which = np.zeros(len(encoder.keep), bool)
            which[[index for index, _ in objects]] = True
            code, member, reason = _WAYS[way]
            worst = min(iou for _, iou in objects)
            encoder.change(
                which, code, f"{name}.{member}", reason, worst if way in {"polygon", "mask"} else None
            )


def _inside(encoder: Encoder, name: str, flat: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Points moved into the image, normalised."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    begin = np.cumsum(lengths) - lengths
    odd = (np.arange(len(flat)) - begin[owner]) % 2 == 1
    limit = np.where(odd, encoder.size[owner, 1], encoder.size[owner, 0])
    if encoder.options.outside != "keep":
        cut = np.clip(flat, 0, limit)
        out = np.zeros(len(lengths), bool)
        out[owner[cut != flat]] = True
        if encoder.options.outside == "drop":
            encoder.drop(out, "polygon.outside", f"{name}.polygons", "the object leaves the image")
        else:
            encoder.change(
                out,
                "polygon.clipped",
                f"{name}.polygons",
                "points outside of the image were moved to its border",
            )
        flat = cut
    return finish(encoder, flat / limit)


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
