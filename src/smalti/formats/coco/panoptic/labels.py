"""The label images of a part with their segments: as they are stored, or painted from objects."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from smalti.errors import at
from smalti.formats import label_images
from smalti.formats.coco import encode
from smalti.formats.coco.panoptic import pixels
from smalti.formats.coco.panoptic.paint import Painted, painted
from smalti.formats.document_writer import one_loss
from smalti.schema.types import BBOX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from smalti.formats.coco.panoptic.write import PanopticWriter
    from smalti.formats.report import Loss, LossKind

MEASURED = {
    "bbox": ("bbox.measured", "the box of a segment is that of its pixels"),
    "area": ("area.measured", "the area of a segment is the number of its pixels"),
}
STUFF, CROWD, THING = range(3)  # what lies over what, the lowest first


@dataclass(slots=True)
class Labels:
    """The labels of a part, label images aside; n segments.

    Attributes:
        lengths: int64 ``(samples,)``.
        missing: bool ``(samples,)``: nobody has annotated it.
        columns: Arrow arrays by member or attribute: ``id``, ``category``, ``area``, ``iscrowd``, ``bbox``, …
        losses: What could not be written, or is changed.
    """

    lengths: NDArray[np.int64]
    missing: NDArray[np.bool_]
    columns: dict[str, pa.Array] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)


def stored(writer: PanopticWriter, batch: pa.RecordBatch) -> Iterator[tuple[int, bytes]]:
    """The label image of every sample that has one, and its row; `writer.labels` are complete at the end."""
    label = batch.column(writer.field)
    paths, bodies, lists = label.flatten()
    lengths, segments = encode.unnest(lists)
    columns = dict(zip([member.name for member in segments.type], segments.flatten(), strict=True))
    ids = columns["id"].fill_null(0).to_numpy(zero_copy_only=False)
    keep = np.ones(len(ids), np.bool_)
    labels = Labels(lengths, np.asarray(label.is_null().to_numpy(zero_copy_only=False)))
    writer.labels = labels
    stops = np.cumsum(lengths)
    for row in np.flatnonzero(~labels.missing).tolist():
        sample = batch.column("id")[row].as_py()
        value = {"path": paths[row].as_py(), "bytes": bodies[row].as_py()}
        rows = slice(int(stops[row] - lengths[row]), int(stops[row]))
        with at(file=value["path"], sample=sample):
            body = label_images.stored(value, writer.schema.media_root)
            if writer.options.check == "pixels" or label_images.png_type(body) not in label_images.COLOURED:
                body, keep[rows] = _matched(body, ids[rows], labels, writer.field, sample)
        yield row, body
    if not keep.all():
        owner = np.repeat(np.arange(len(lengths)), lengths)
        labels.lengths = lengths - np.bincount(owner[~keep], minlength=len(lengths))
        columns = {name: values.filter(pa.array(keep)) for name, values in columns.items()}
    labels.columns = columns


def _matched(
    body: bytes, ids: NDArray[np.int64], labels: Labels, name: str, sample: str
) -> tuple[bytes, NDArray[np.bool_]]:
    """The label image without ids that no segment has, and which segments have a pixel."""
    values = pixels.ids(body)
    there = pixels.measured(values).ids
    unknown = there[~np.isin(there, ids)]
    known = np.isin(ids, there)
    why = "no segment has these pixels any more; they are void"
    labels.losses += (
        [_loss("segment.voided", name, "change", why, sample, len(unknown))] if len(unknown) else []
    )
    lost = int(np.count_nonzero(~known))
    why = "a segment has no pixel in the label image, which COCO's tools refuse"
    labels.losses += [_loss("segment.empty", name, "value", why, sample, lost)] if lost else []
    if len(unknown):
        values = np.where(np.isin(values, unknown), np.uint32(pixels.VOID), values)
    if len(unknown) or label_images.png_type(body) not in label_images.COLOURED:
        body = pixels.png(values)
    return body, known


def from_objects(writer: PanopticWriter, batch: pa.RecordBatch) -> Iterator[tuple[int, bytes]]:
    """As `stored`, painted from objects."""
    column = batch.column(writer.field)
    lengths, objects = encode.unnest(column)
    missing = np.asarray(column.is_null().to_numpy(zero_copy_only=False))
    labels = writer.labels = Labels(np.zeros(len(batch), np.int64), missing)
    stops = np.cumsum(lengths)
    sizes = batch.column("image")
    made: list[_Made] = []
    for row in np.flatnonzero(~missing).tolist():
        first = int(stops[row] - lengths[row])
        items = objects.slice(first, int(lengths[row])).to_pylist()
        sample = batch.column("id")[row].as_py()
        width, height = (sizes.field(side)[row].as_py() for side in ("width", "height"))
        canvas = _Canvas(writer, labels, sample, height, width)
        values, rows, painting = canvas.paint(items)
        labels.lengths[row] = len(rows)
        made.append(_Made(sample, rows + first, painting))  # without its pixels: a part has thousands
        yield row, pixels.png(values)
    _columns(writer, labels, objects, made)


@dataclass(frozen=True, slots=True)
class _Made:
    """A painted sample: its id, the rows of its objects that are left, and what they are."""

    sample: str
    rows: NDArray[np.int64]
    painting: Painted


def _columns(writer: PanopticWriter, labels: Labels, objects: pa.StructArray, made: list[_Made]) -> None:
    """The segments' columns: what pixels say of them, and what the objects have beside."""
    given = dict(zip([member.name for member in objects.type], objects.flatten(), strict=True))
    rows = pa.array(np.concatenate([np.zeros(0, np.int64), *(one.rows for one in made)]))
    boxes = np.concatenate([np.zeros((0, 4)), *(one.painting.boxes for one in made)])
    sides = [pa.array(np.ascontiguousarray(boxes[:, axis])) for axis in range(4)]
    areas = np.concatenate([np.zeros(0, np.int64), *(one.painting.areas for one in made)])
    labels.columns = {
        "id": pa.array(np.concatenate([np.zeros(0, np.int64), *(one.painting.ids for one in made)])),
        "area": pa.array(areas.astype(np.float64)),
        "bbox": pa.StructArray.from_arrays(sides, fields=list(BBOX)),
        "iscrowd": given["iscrowd"].take(rows).fill_null(False)
        if "iscrowd" in given
        else pa.array(np.zeros(len(rows), np.bool_)),
        "category": given["category"].take(rows)
        if "category" in given
        else writer.table.encode(pa.nulls(len(rows), pa.int32())),
        **{name: given[name].take(rows) for name in writer.attributes if name in given},
    }
    for name in ("bbox", "area"):
        if name in given:
            before = given[name].take(rows)
            same = before.is_null().to_numpy(zero_copy_only=False) | _equal(before, labels.columns[name])
            if count := int(np.count_nonzero(~same)):
                owner = np.repeat(np.arange(len(made)), [len(one.rows) for one in made])
                sample = made[int(owner[int((~same).argmax())])].sample
                code, why = MEASURED[name]
                labels.losses.append(_loss(code, f"{writer.field}.{name}", "change", why, sample, count))


def _equal(one: pa.Array, other: pa.Array) -> NDArray[np.bool_]:
    if pa.types.is_struct(one.type):
        return np.logical_and.reduce(
            [_equal(a, b) for a, b in zip(one.flatten(), other.flatten(), strict=True)]
        )
    values = [array.fill_null(np.nan).to_numpy(zero_copy_only=False) for array in (one, other)]
    return np.asarray(values[0] == values[1], np.bool_)


class _Canvas:
    """One sample's objects on their way to a label image."""

    def __init__(self, writer: PanopticWriter, labels: Labels, sample: str, height: int, width: int) -> None:
        self.writer, self.labels, self.sample = writer, labels, sample
        self.height, self.width = height, width

    def paint(self, items: list[dict[str, Any]]) -> tuple[NDArray[np.uint32], NDArray[np.int64], Painted]:
        """Paint what can be painted: the pixels, the rows of the objects that have some left, and what they are."""
        rows, areas = [], []
        for row, item in enumerate(items):
            where = label_images.set_pixels(item, self.height, self.width)
            if item.get("category") is None:
                self._left_out("category.missing", "a segment needs a class")
            elif where is None or not len(where):
                self._left_out("geometry.missing", "a segment needs pixels in the image: a mask or polygons")
            else:
                self._changed(item)
                rows.append(row)
                areas.append(where)
        codes = [self.writer.table.codes[items[row]["category"]] for row in rows]
        ranks = [
            (CROWD if items[row].get("iscrowd") else THING) if self.writer.things[code] else STUFF
            for row, code in zip(rows, codes, strict=True)
        ]
        colours = [self.writer.colours[code] for code in codes]
        values, found = painted([items[row] for row in rows], areas, ranks, colours, self.height, self.width)
        self._account(found, len(rows))
        return values, np.array(rows, np.int64)[found.kept], found

    def _account(self, found: Painted, count: int) -> None:
        for _ in range(count - len(found.kept)):
            self._left_out("object.covered", "other segments cover all of its pixels")
        covered = found.left[found.left < 1]
        if len(covered):
            why = "a pixel is of one segment: things cover crowds, these stuff, and later ones earlier ones"
            loss = self._loss("mask.covered", "mask", "change", why, len(covered))
            self.labels.losses.append(replace(loss, iou=float(covered.min())))
        if found.renumbered:
            why = "two segments of an image have one id, or no pixel can hold it; the later one gets another"
            loss = self._loss("segment.renumbered", "segment_id", "change", why, found.renumbered)
            self.labels.losses.append(loss)

    def _changed(self, item: dict[str, Any]) -> None:
        mask = item.get("mask")
        if mask is not None and (mask["height"], mask["width"]) != (self.height, self.width):
            why = "a mask smaller than its image is read back as one of the image's size"
            self.labels.losses.append(self._loss("mask.padded", "mask", "change", why))
        if item.get("polygons"):
            why = "label images are pixels; polygons are filled, or given up for the object's mask"
            self.labels.losses.append(self._loss("polygon.as_mask", "polygons", "change", why))

    def _left_out(self, code: str, why: str) -> None:
        self.labels.losses.append(one_loss(code, self.writer.field, "object", why, self.sample))

    def _loss(self, code: str, member: str, kind: LossKind, why: str, count: int = 1) -> Loss:
        return _loss(code, f"{self.writer.field}.{member}", kind, why, self.sample, count)


def _loss(code: str, name: str, kind: LossKind, why: str, sample: str, count: int) -> Loss:
    return replace(one_loss(code, name, kind, why, sample), count=count)
