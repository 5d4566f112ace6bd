"""A chunk of objects as COCO annotations: geometry to text, missing boxes and areas computed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats.coco import encode
from smalti.geometry import polygons as rings
from smalti.geometry import rle
from smalti.geometry.quads import quad_areas, quads_to_xywh
from smalti.schema.types import BBOX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from smalti.schema import features

# In the order in which COCO's own files have their keys.
_ORDER = ("segmentation", "area", "iscrowd", "image_id", "bbox", "category_id", "keypoints")
HELD = frozenset(
    {
        "id",
        "category",
        "bbox",
        "polygons",
        "mask",
        "quad",
        "keypoints",
        "area",
        "iscrowd",
        "score",
        "track_id",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How one label field is written.

    Attributes:
        feature: The field, as far as COCO takes it.
        category_ids: The id that each category is written with.
        nulls: Source keys whose null is written as null.
        uncompressed: Which masks are written as numbers: ``all``, ``crowd``, or ids; null for none.
        results: As detections, without what only the ground truth has.
        count_keypoints: Write ``num_keypoints``, which evaluators need and the field lacks.
        crowds: The format has crowds: ``iscrowd`` is written of a field that lacks it.
    """

    feature: features.Objects
    category_ids: Sequence[int | str]
    nulls: frozenset[str] = frozenset()
    uncompressed: str | tuple[int, ...] | None = None
    results: bool = False
    count_keypoints: bool = False
    crowds: bool = True


@dataclass(slots=True)
class Tallies:
    """How often something was computed or left out, by loss code and field, with an example each.

    Attributes:
        column: The label field that is being written.
        owners: The id of each object's sample.
        found: Counts and examples by code and dotted name.
    """

    column: str = ""
    owners: Sequence[str] | pa.Array = ()
    found: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)

    def add(self, code: str, member: str, happened: Any) -> None:
        """Count the objects to which something happened: bool ``(m,)``."""
        mask = np.asarray(happened, np.bool_)
        if count := int(np.count_nonzero(mask)):
            before, example = self.found.get((code, f"{self.column}.{member}"), (0, ""))
            example = example or str(self.owners[int(mask.argmax())])
            self.found[code, f"{self.column}.{member}"] = before + count, example


def annotation_texts(
    objects: pa.StructArray, image_ids: pa.Array, ids: pa.Array | None, style: Style, tallies: Tallies
) -> pa.Array:
    """The text of every annotation, with a comma and a line break in front.

    Args:
        objects: Objects of the field's type.
        image_ids: The JSON text of each object's image id.
        ids: The JSON text of each object's id; null: written without.
        style: How the field is written.
        tallies: Counts what is computed.
    """
    columns = dict(zip(style.feature.names, objects.flatten(), strict=True))
    texts: dict[str, pa.Array] = {"image_id": image_ids}
    _geometry(columns, style, texts, tallies)
    if "category" in columns:
        texts["category_id"] = encode.take_text(style.category_ids, columns["category"].indices)
    for name in ("score", "track_id"):
        if name in columns:
            texts[name] = _plain(columns[name], style.feature.id_type if name == "track_id" else "", name)
    for name, feature in style.feature.attributes.items():
        key = feature.source or name
        texts[key] = (
            encode.raw_json(columns[name], name) if feature.kind == "json" else encode.text(columns[name])
        )
    # The last key is one that every object has, so that no comma is left over.
    last, values = ("id", ids) if ids is not None else ("image_id", texts.pop("image_id"))
    order = [*(key for key in _ORDER if key in texts), *(key for key in texts if key not in _ORDER)]
    parts: list[object] = [",\n{"]
    for key in order:
        parts += encode.keyed(key, texts[key], null=key in style.nulls)
    return encode.join(*parts, f'"{last}":', values, "}")


def _plain(column: pa.Array, id_type: str, name: str) -> pa.Array:
    return encode.raw_json(column, name) if id_type == "json" else encode.text(column)


def _geometry(
    columns: dict[str, pa.Array], style: Style, texts: dict[str, pa.Array], tallies: Tallies
) -> None:
    polygons, mask, quad = (columns.get(name) for name in ("polygons", "mask", "quad"))
    shapes = []
    if polygons is not None:
        shapes.append(_polygons_text(polygons))
    if mask is not None:
        shapes.append(_mask_text(mask, columns, style))
        if polygons is not None:
            tallies.add("mask.dropped", "mask", pc.and_(polygons.is_valid(), mask.is_valid()))
    if quad is not None:
        corners = _quad_text(quad)
        missing = [shape.is_null() for shape in shapes]
        free = missing[0] if missing else pa.array(np.ones(len(quad), np.bool_))
        for other in missing[1:]:
            free = pc.and_(free, other)
        tallies.add("quad.as_polygon", "quad", pc.and_(free, quad.is_valid()))
        tallies.add("quad.dropped", "quad", pc.and_(pc.invert(free), quad.is_valid()))
        shapes.append(corners)
    if shapes:
        texts["segmentation"] = pc.coalesce(*shapes) if len(shapes) > 1 else shapes[0]
    if "keypoints" in columns:
        texts["keypoints"], assumed = _keypoints_text(columns["keypoints"])
        tallies.add("visibility.assumed", "keypoints", assumed)
        if style.count_keypoints:
            texts["num_keypoints"] = _labelled(columns["keypoints"]).cast(pa.string())
    if "bbox" in columns or not style.results:
        texts |= _boxes_text(columns, style, tallies)
    if not style.results or "area" in columns:
        texts["area"] = encode.text(_areas(columns, style, tallies))
    if "iscrowd" in columns or (style.crowds and not style.results):
        texts["iscrowd"] = _crowd_text(columns, style, tallies)


def _crowd_text(columns: dict[str, pa.Array], style: Style, tallies: Tallies) -> pa.Array:
    crowd = columns.get("iscrowd")
    if crowd is None:
        return pa.array(["0"]).take(pa.array(np.zeros(_size(columns), np.int8)))
    if not style.crowds:
        tallies.add("crowd.ignored", "iscrowd", crowd.fill_null(False))
    keep = "iscrowd" in style.nulls or not style.crowds
    numbers = crowd.cast(pa.int8())
    return (numbers if keep else numbers.fill_null(0)).cast(pa.string())


def _size(columns: dict[str, pa.Array]) -> int:
    return len(next(iter(columns.values())))


def _polygons_text(polygons: pa.ListArray) -> pa.Array:
    counts, parts = encode.unnest(polygons)
    lengths, values = encode.unnest(parts)
    ring = encode.joined(encode.text(values), lengths)
    whole = encode.join("[[", encode.joined(ring, counts, polygons.is_null(), "],["), "]]")
    empty = pa.array(counts == 0)
    if pc.any(empty).as_py():
        whole = pc.if_else(pc.and_(empty, polygons.is_valid()), "[]", whole)
    return whole


def _mask_text(mask: pa.StructArray, columns: dict[str, pa.Array], style: Style) -> pa.Array:
    height, width, counts = mask.flatten()
    packed = encode.join('"', pc.replace_substring(counts.cast(pa.string()), "\\", "\\\\"), '"')
    plain = _as_numbers(mask, columns, style)
    at = np.flatnonzero(plain)
    if len(at):
        runs, offsets = rle.decode_counts(counts.take(pa.array(at)).to_pylist())
        lists = encode.join("[", encode.joined(encode.text(pa.array(runs)), np.diff(offsets)), "]")
        packed = pc.replace_with_mask(packed, pa.array(plain), lists)
    return encode.join(
        '{"size":[', height.cast(pa.string()), ",", width.cast(pa.string()), '],"counts":', packed, "}"
    )


def _as_numbers(mask: pa.StructArray, columns: dict[str, pa.Array], style: Style) -> NDArray[np.bool_]:
    """The masks whose runs are written as numbers."""
    valid = mask.is_valid()
    if style.uncompressed is None:
        return np.zeros(len(mask), np.bool_)
    if style.uncompressed == "crowd" and "iscrowd" in columns:
        valid = pc.and_(valid, columns["iscrowd"].fill_null(False))
    elif isinstance(style.uncompressed, tuple) and "id" in columns:
        valid = pc.and_(valid, pc.is_in(columns["id"], pa.array(style.uncompressed, pa.int64())))
    elif style.uncompressed != "all":
        return np.zeros(len(mask), np.bool_)
    return np.asarray(valid.to_numpy(zero_copy_only=False), np.bool_)


def _quad_text(quad: pa.ListArray) -> pa.Array:
    lengths, values = encode.unnest(quad)
    return encode.join("[[", encode.joined(encode.text(values), lengths, quad.is_null()), "]]")


def _keypoints_text(keypoints: pa.ListArray) -> tuple[pa.Array, NDArray[np.bool_]]:
    """x, y, v for each; an unknown visibility is written as 2, or as 0 where the point is the origin."""
    lengths, points = encode.unnest(keypoints)
    x, y, seen = points.flatten()
    assumed = np.zeros(len(keypoints), np.bool_)
    if seen.null_count:
        assumed[np.repeat(np.arange(len(keypoints)), lengths)[np.asarray(seen.is_null())]] = True
        origin = pc.and_(pc.equal(x, 0.0), pc.equal(y, 0.0))
        seen = pc.coalesce(seen, pc.if_else(origin, pa.scalar(0, pa.int8()), pa.scalar(2, pa.int8())))
    each = pc.binary_join_element_wise(encode.text(x), encode.text(y), encode.text(seen), ",")
    return encode.join("[", encode.joined(each, lengths, keypoints.is_null()), "]"), assumed


def _labelled(keypoints: pa.ListArray) -> pa.Array:
    lengths, points = encode.unnest(keypoints)
    seen = pc.not_equal(points.field("visibility"), 0).fill_null(True).to_numpy(zero_copy_only=False)
    total = np.concatenate([[0], np.cumsum(seen)])
    ends = np.cumsum(lengths)
    return pa.array(total[ends] - total[ends - lengths], mask=np.asarray(keypoints.is_null()))


def _boxes_text(columns: dict[str, pa.Array], style: Style, tallies: Tallies) -> dict[str, pa.Array]:
    boxes = columns.get("bbox")
    if boxes is None:
        boxes = pa.nulls(_size(columns), BBOX)
    if boxes.null_count and "bbox" not in style.nulls:
        made = _computed_boxes(columns, np.asarray(boxes.is_null().to_numpy(zero_copy_only=False)))
        tallies.add("bbox.computed", "bbox", made.is_valid())
        boxes = pc.if_else(boxes.is_null(), made, boxes)
    if boxes.null_count == len(boxes) and "bbox" not in style.nulls:
        return {}
    return {
        "bbox": encode.join(
            "[", pc.binary_join_element_wise(*(encode.text(side) for side in boxes.flatten()), ","), "]"
        )
    }


def _ragged(polygons: pa.ListArray, at: NDArray[np.int64]) -> tuple[Any, Any, Any]:
    """Coordinates, ring offsets and object offsets of some polygons."""
    counts, parts = encode.unnest(polygons.take(pa.array(at)))
    lengths, values = encode.unnest(parts)
    return (
        values.to_numpy(zero_copy_only=False),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.concatenate([[0], np.cumsum(counts)]),
    )


def _filled(column: pa.Array | None, at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of some rows in which a geometry stands."""
    if column is None:
        return at[:0]
    there = column.is_valid()
    if pa.types.is_list(column.type):
        there = pc.and_(there, pc.greater(pc.list_value_length(column), 0).fill_null(False))
    return at[np.asarray(there.to_numpy(zero_copy_only=False), np.bool_)[at]]


def _runs(mask: pa.StructArray, at: NDArray[np.int64]) -> tuple[Any, Any]:
    return rle.decode_counts(mask.field("counts").take(pa.array(at)).to_pylist())


def _computed_boxes(columns: dict[str, pa.Array], missing: NDArray[np.bool_]) -> pa.Array:
    """The boxes around polygons, masks, corners or keypoints, in that order; null where there are none."""
    boxes = np.zeros((len(missing), 4))
    left = missing.copy()
    for name in ("polygons", "mask", "quad", "keypoints"):
        at = _filled(columns.get(name), np.flatnonzero(left))
        if not len(at):
            continue
        column = columns[name]
        if name == "polygons":
            boxes[at] = rings.boxes(*_ragged(column, at))
        elif name == "mask":
            heights = column.field("height").take(pa.array(at)).to_numpy()
            boxes[at] = rle.boxes(*_runs(column, at), heights)
        elif name == "quad":
            boxes[at] = quads_to_xywh(column.take(pa.array(at)).flatten().to_numpy())
        else:
            at = at[_around(column, at, boxes)]
        left[at] = False
    sides = [pa.array(np.ascontiguousarray(boxes[:, axis])) for axis in range(4)]
    return pa.StructArray.from_arrays(sides, fields=list(BBOX), mask=pa.array(left | ~missing))


def _around(keypoints: pa.ListArray, at: NDArray[np.int64], boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Fill in the boxes around labelled keypoints; tells which objects have one."""
    lengths, points = encode.unnest(keypoints.take(pa.array(at)))
    seen = pc.not_equal(points.field("visibility"), 0).fill_null(True).to_numpy(zero_copy_only=False)
    owner = np.repeat(np.arange(len(at)), lengths)[seen]
    low, high = np.full((len(at), 2), np.inf), np.full((len(at), 2), -np.inf)
    for axis, name in enumerate("xy"):
        values = points.field(name).to_numpy(zero_copy_only=False)[seen]
        np.minimum.at(low[:, axis], owner, values)
        np.maximum.at(high[:, axis], owner, values)
    found = np.isfinite(low).all(axis=1)
    boxes[at[found]] = np.concatenate([low[found], high[found] - low[found]], axis=1)
    return found


def _areas(columns: dict[str, pa.Array], style: Style, tallies: Tallies) -> pa.Array:
    """The areas, those that are missing computed from polygons, masks, corners or boxes; else 0."""
    area = columns.get("area")
    if area is not None and (not area.null_count or "area" in style.nulls):
        return area
    values = (
        np.zeros(_size(columns))
        if area is None
        else area.fill_null(0.0).to_numpy(zero_copy_only=False).copy()
    )
    left = (
        np.ones(len(values), np.bool_)
        if area is None
        else area.is_null().to_numpy(zero_copy_only=False).copy()
    )
    tallies.add("area.computed", "area", left)
    for name in ("polygons", "mask", "quad", "bbox"):
        at = _filled(columns.get(name), np.flatnonzero(left))
        if not len(at):
            continue
        column = columns[name]
        if name == "polygons":
            values[at] = rings.areas(*_ragged(column, at))
        elif name == "mask":
            values[at] = rle.areas(*_runs(column, at))
        elif name == "quad":
            values[at] = quad_areas(column.take(pa.array(at)).flatten().to_numpy())
        else:
            width, height = (column.field(side).take(pa.array(at)).to_numpy() for side in ("w", "h"))
            values[at] = width * height
        left[at] = False
    return pa.array(values)
