"""The labels of a dataset as a few flat arrays: what a training item is cut from.

Python objects, one for each sample, would be copied into every worker as soon as their counts of
references are touched (https://github.com/pytorch/pytorch/issues/13246); flat arrays are shared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import SchemaError, listed
from smalti.geometry import boxes as kernels
from smalti.geometry import raster, rle
from smalti.training.shared import Shared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from smalti.schema import features


class Texts(Shared):
    """Texts one after the other: uint8 bytes, and int64 offsets ``(n + 1,)``.

    Args:
        array: Texts or bytes; null is empty.
    """

    def __init__(self, array: pa.Array) -> None:
        plain = pc.fill_null(array, "" if pa.types.is_string(array.type) else b"").cast(pa.large_binary())
        _, offsets, data = plain.buffers()
        bounds = np.zeros(1, np.int64)
        if len(plain):
            bounds = np.frombuffer(offsets, np.int64)[plain.offset : plain.offset + len(plain) + 1]
        body = np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
        self.data = body[bounds[0] : bounds[-1]].copy()
        self.offsets = bounds - bounds[0]

    def __getitem__(self, row: int) -> bytes:
        return self.data[self.offsets[row] : self.offsets[row + 1]].tobytes()


def one_array(table: pa.Table, name: str) -> pa.Array:
    """A column of a table whose chunks are combined."""
    column = table.column(name)
    return column.chunk(0) if column.num_chunks == 1 else pa.array([], column.type)


def label_codes(
    feature: features.Objects | features.Classification | features.Mask, wanted: Sequence[str] | None
) -> NDArray[np.int64]:
    """The label of each class of the table, and -1 at the end for an object without one.

    Args:
        feature: The label field.
        wanted: The classes in the order of their labels; null: those of the table in its order.
    """
    values = feature.categories.values
    order = {name: label for label, name in enumerate(values if wanted is None else wanted)}
    return np.array([*(order.get(value, -1) for value in values), -1], np.int64)


class ObjectColumns(Shared):
    """The objects of all samples, flat.

    Attributes:
        offsets: int64 ``(samples + 1,)``, where each sample's objects begin.
        boxes: float32 ``(objects, 4)`` in the layout that was asked for; null without boxes.
        labels: int64 ``(objects,)``.
        area: float32 ``(objects,)``.
        iscrowd: int64 ``(objects,)``, 0 or 1.
        keypoints: float32 ``(objects, points, 3)``; null without keypoints.
    """

    def __init__(
        self,
        column: pa.ListArray,
        feature: features.Objects,
        *,
        layout: kernels.Layout,
        classes: Sequence[str] | None,
        first_label: int,
        masks: bool,
    ) -> None:
        self.offsets = offsets_of(column)
        objects = column.flatten()
        members = feature.names
        self.labels = _labels(objects, feature, classes) + first_label
        self.boxes = _boxes(objects, layout) if "bbox" in members else None
        self.area = _area(objects, members)
        crowd = objects.field("iscrowd").fill_null(False) if "iscrowd" in members else None  # Arrow's own
        self.iscrowd = (
            np.zeros(len(objects), np.int64) if crowd is None else np.asarray(crowd).astype(np.int64)
        )
        points = max((len(category.keypoints or ()) for category in feature.categories), default=0)
        self.keypoints = _keypoints(objects.field("keypoints"), points) if "keypoints" in members else None
        self.masks = MaskColumns(objects, members) if masks else None

    def __len__(self) -> int:
        return len(self.offsets) - 1


def _labels(
    objects: pa.StructArray, feature: features.Objects, classes: Sequence[str] | None
) -> NDArray[np.int64]:
    if "category" not in feature.members:
        return np.zeros(len(objects), np.int64)
    codes = objects.field("category").indices.fill_null(-1).to_numpy(zero_copy_only=False)
    labels = label_codes(feature, classes)[codes]
    if (labels < 0).any():
        outside = sorted(
            {feature.categories.values[code] for code in np.unique(codes[labels < 0]) if code >= 0}
        )
        if outside:
            raise SchemaError(
                f"objects of {listed(outside)} have no label in target_categories; take them out with"
                " map_categories, or add the classes"
            )
        raise SchemaError(
            "an object has no class; take it out with filter_objects(col('category').is_valid())"
        )
    return labels


def _boxes(objects: pa.StructArray, layout: kernels.Layout) -> NDArray[np.float32]:
    column = objects.field("bbox")
    sides = [pc.struct_field(column, [side]).fill_null(np.nan) for side in range(4)]
    xywh = np.stack([side.to_numpy(zero_copy_only=False) for side in sides], axis=1)
    return kernels.convert(xywh, "xywh", layout).astype(np.float32)


def _area(objects: pa.StructArray, members: Sequence[str]) -> NDArray[np.float32]:
    """The areas as the source has them, those of the boxes where it has none."""
    found = np.full(len(objects), np.nan)
    if "area" in members:
        found = np.array(objects.field("area").fill_null(np.nan), np.float64)
    if "bbox" in members:
        box = objects.field("bbox")
        size = pc.multiply(pc.struct_field(box, "w"), pc.struct_field(box, "h"))
        found = np.where(np.isnan(found), np.asarray(size.fill_null(np.nan)), found)
    return found.astype(np.float32)


def _keypoints(column: pa.ListArray, least: int) -> NDArray[np.float32]:
    """x, y, visibility of each point, of at least so many; zeros where an object has none, or fewer."""
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0))
    points = column.flatten()
    out = np.zeros((len(column), int(lengths.max(initial=least)), 3), np.float32)
    row = np.repeat(np.arange(len(column)), lengths)
    place = np.arange(len(points)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    for axis, name in enumerate(("x", "y", "visibility")):
        out[row, place, axis] = np.asarray(
            points.field(name).cast(pa.float64()).fill_null(2 if axis == 2 else 0)
        )
    return out


class MaskColumns(Shared):
    """Polygons and run lengths of all objects, for decoding a sample's masks when they are asked for."""

    def __init__(self, objects: pa.StructArray, members: Sequence[str]) -> None:
        self.rings = Rings(objects.field("polygons")) if "polygons" in members else None
        mask = objects.field("mask") if "mask" in members else None
        self.counts = Texts(
            pa.nulls(len(objects), pa.binary()) if mask is None else pc.struct_field(mask, "counts")
        )

    def decode(self, start: int, stop: int, height: int, width: int) -> NDArray[np.uint8]:
        """The masks of some objects: uint8 ``(n, height, width)``, 0 and 1."""
        out = np.zeros((stop - start, height, width), np.uint8)
        for place, row in enumerate(range(start, stop)):
            if packed := self.counts[row]:
                runs, _ = rle.decode_counts([packed])
                out[place] = rle.decode_mask(runs, height, width)
            elif self.rings is not None and self.rings.objects[row] < self.rings.objects[row + 1]:
                coords, bounds = self.rings.of(row)
                runs, _ = raster.polygons_to_runs(
                    coords, bounds, np.array([0, len(bounds) - 1]), np.array([height]), np.array([width])
                )
                out[place] = rle.decode_mask(runs, height, width)
        return out


class Rings(Shared):
    """The rings of objects: coordinates, where each ring begins, where each object's rings begin."""

    def __init__(self, polygons: pa.ListArray) -> None:
        parts = polygons.flatten()
        self.coords = np.array(parts.flatten(), np.float64)
        self.rings = offsets_of(parts)
        self.objects = offsets_of(polygons)

    def of(self, row: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """One object's coordinates, and the bounds of its rings in them."""
        bounds = self.rings[self.objects[row] : self.objects[row + 1] + 1]
        return self.coords[bounds[0] : bounds[-1]], bounds - bounds[0]


def offsets_of(column: pa.ListArray) -> NDArray[np.int64]:
    """Where the values of each list begin in those of all: int64 ``(n + 1,)``; a null list has none."""
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0))
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
