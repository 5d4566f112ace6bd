"""The samples of one part of an Open Images source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import DataError, at
from smalti.formats import label_images
from smalti.formats.open_images import columns, layout
from smalti.formats.open_images.columns import Found
from smalti.formats.open_images.options import IMAGE_COLUMNS, KINDS, TYPES, Cell
from smalti.formats.open_images.rows import rows_of
from smalti.formats.report import Loss
from smalti.geometry import rle
from smalti.schema import features
from smalti.schema.build import list_column
from smalti.schema.types import MASK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from smalti.formats.open_images.read import OpenImagesReader

GEOMETRY = ("boxes", "masks", "relationships", "points")
_UNSIZED = "the size of the image is not known, and coordinates are fractions of it"
_HINT = "pass media=, the folder of the images, or size=(width, height); or list sizes in images.meta"


class PartReading:
    """The reading of the images from one number to another.

    Attributes:
        repairs: What was mended.
        errors: What is left out; null: the first error is raised.
        objects_skipped: Objects that are left out.
        samples_skipped: Samples that are left out.
    """

    def __init__(self, reader: OpenImagesReader, low: int, high: int) -> None:
        self.reader, self.low, self.high = reader, low, high
        self.repairs: list[Loss] = []
        self.errors: list[DataError] | None = [] if reader.on_error == "skip" else None
        self.objects_skipped = 0
        self.samples_skipped = 0
        self.sizes, self.faults = reader.images.measured(low, high, reader.media_root, reader.options.size)
        before = 0
        self.rows: dict[str, Found] = {}
        for kind in KINDS:
            self.rows[kind] = self._rows(kind)
            if kind in {"boxes", "masks"}:
                self.objects_skipped += len(self.errors or ()) - before
            before = len(self.errors or ())
        self.out = self._unsized()

    def batch(self, *, pixels: bool) -> pa.RecordBatch:
        """The samples, with all columns of the source.

        Args:
            pixels: Whether the pixels of masks are asked for; else something stands in their places.
        """
        schema = self.reader.schema
        size = self.high - self.low
        images = self.reader.images
        found: dict[str, pa.Array] = {
            "id": images.ids[self.low : self.high],
            "image": self._images(),
            "split": images.splits[self.low : self.high].cast(features.Split().arrow),
        }
        for name, feature in schema.columns.items():
            if isinstance(feature, features.Objects):
                found[name] = self._objects(feature, pixels=pixels)
            elif isinstance(feature, features.Classification):
                found[name] = self._labels(feature)
            elif name in IMAGE_COLUMNS:
                found[name] = self._of_image(name)
        sizes = np.maximum(self.sizes, 1)  # samples without one are left out
        if "relationships" in schema.columns:
            found["relationships"] = columns.relationships(self.rows["relationships"], sizes, size)
        if "points" in schema.columns:
            found["points"] = columns.points(self.rows["points"], sizes, size)
        batch = pa.RecordBatch.from_arrays([found[name] for name in schema.columns], schema=schema.arrow)
        return batch.filter(pa.array(~self.out)) if self.out.any() else batch

    def _rows(self, kind: str) -> Found:
        """The rows of all files of a kind."""
        parts, images = [], []
        cells = {name: cell for name, cell in KINDS[kind].items() if name != "Subset"}
        empty = {name: pa.nulls(0, TYPES[cell.kind]) for name, cell in cells.items()}
        for sheet in self.reader.sheets:
            if sheet.kind == kind:
                table, image = rows_of(sheet, self.low, self.high, cells, self.errors)
                parts.append(_whole(table, cells))
                images.append(image - self.low)
        if not parts or (kind == "images" and not set(IMAGE_COLUMNS) & set(self.reader.schema.columns)):
            return Found(pa.table(empty), np.empty(0, np.int64))
        return Found(pa.concat_tables(parts).combine_chunks(), np.concatenate(images))

    def _unsized(self) -> NDArray[np.bool_]:
        """The samples whose size coordinates need, and nobody knows.

        Raises:
            DataError: There is one, and faulty samples are not left out.
        """
        unknown = self.sizes[:, 0] == 0
        needed = np.zeros(len(unknown), bool)
        for kind in GEOMETRY:
            needed[self.rows[kind].image] = True
        out = unknown & needed
        for n in np.flatnonzero(out).tolist():
            kind = next(kind for kind in GEOMETRY if (self.rows[kind].image == n).any())
            place = next(sheet.place for sheet in self.reader.sheets if sheet.kind == kind)
            error = DataError(_UNSIZED, file=place.url, sample=self._sample(n), hint=_HINT)
            error = self.faults.get(n, error)
            if self.errors is None:
                raise error
            self.errors.append(error)
            self.samples_skipped += 1
            self.objects_skipped += int((self.rows["boxes"].image == n).sum())
        return out

    def _sample(self, n: int) -> str:
        return str(self.reader.images.ids[self.low + n].as_py())

    def _images(self) -> pa.Array:
        unknown = self.sizes[:, 0] == 0
        width, height = (
            pa.array(self.sizes[:, n].astype(np.int32), pa.int32(), mask=unknown) for n in (1, 0)
        )
        paths = self.reader.images.paths[self.low : self.high]
        return pa.StructArray.from_arrays([paths, width, height], fields=list(features.Image().arrow))

    def _of_image(self, name: str) -> pa.Array:
        """A column of the lists of images; where several list an image, the first that says something counts."""
        rows = self.rows["images"]
        column = rows.table.column(name).combine_chunks()
        some = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
        at_ = np.full(self.high - self.low, -1, np.int64)
        at_[rows.image[some[::-1]]] = some[::-1]
        return (
            column.take(pa.array(np.maximum(at_, 0), mask=at_ < 0))
            if len(some)
            else pa.nulls(len(at_), column.type)
        )

    def _codes(self, kind: str, what: str) -> NDArray[np.int64]:
        """The class of each row, as a position in the table."""
        codes = self.reader.tables[what][1]
        words = self.rows[kind].table.column("LabelName").combine_chunks().dictionary_encode()
        known = np.array([codes[word] for word in words.dictionary.to_pylist()], np.int64)
        return known[words.indices.to_numpy()]

    def _objects(self, feature: features.Objects, *, pixels: bool) -> pa.ListArray:
        box, mask = self.rows["boxes"], self.rows["masks"]
        classes = self._codes("boxes", "objects"), self._codes("masks", "objects")
        masks = self._masks() if pixels else _stand_ins(len(mask.image))
        sizes = np.maximum(self.sizes, 1)
        struct, image = columns.objects(box, mask, classes, sizes, masks, feature)
        lengths = np.bincount(image, minlength=self.high - self.low)
        missing = (lengths == 0) & ~self.reader.boxable[self.low : self.high]
        return list_column(struct, lengths, missing)

    def _masks(self) -> pa.Array:
        """The pixels of each row of masks, at the size of its image."""
        rows = self.rows["masks"]
        found: list[dict[str, Any] | None] = []
        for path, n in zip(rows.table.column("MaskPath").to_pylist(), rows.image.tolist(), strict=True):
            mask = None
            if not self.out[n]:
                try:
                    mask = self._mask(path, n)
                except DataError as error:
                    if self.errors is None:
                        raise
                    self.errors.append(error)
            found.append(mask)
        return pa.array(found, MASK)

    def _mask(self, path: str, n: int) -> dict[str, Any]:
        images = self.reader.images
        name, split = images.names[self.low + n].as_py(), images.splits[self.low + n].as_py()
        sample = self._sample(n)
        base = self.reader.base
        homes = layout.mask_homes(split, name)
        place = next((place for home in homes if (place := base / f"{home}{path}").isfile()), None)
        if place is None:
            raise DataError(
                f"found no mask {path!r} in {', '.join(homes[:4])}…", file=base.url, sample=sample,
                hint="unpack the archives of masks there, or read with masks=False",
            )  # fmt: skip
        with at(file=place.url, sample=sample):
            values = label_images.pixels(place.read_bytes())
        set_ = np.asarray(values.any(axis=2) if values.ndim == 3 else values != 0, np.bool_)
        height, width = self.sizes[n].tolist()
        if set_.shape != (height, width):
            rows, across = (
                np.arange(side) * have // side for side, have in zip((height, width), set_.shape, strict=True)
            )
            set_ = set_[rows][:, across]
            self.repairs.append(
                Loss(code="mask.resized", field="objects.mask", kind="change", count=1,
                     reason="a mask has another size than its image; its nearest pixels are taken", example=sample)
            )  # fmt: skip
        runs = rle.encode_mask(set_)
        (counts,) = rle.encode_counts(runs, np.array([0, len(runs)]))
        return label_images.mask_of(counts, (height, width))

    def _labels(self, feature: features.Classification) -> pa.ListArray:
        rows = self.rows["labels"]
        source = rows.table.column("Source").combine_chunks()
        own = (
            source.is_null() if feature.source is None else pc.equal(source, feature.source).fill_null(False)
        )
        keep = own.to_numpy(zero_copy_only=False)
        code = self._codes("labels", "labels")[keep]
        return columns.labels(rows.only(keep), code, self.high - self.low, feature.categories)


def _whole(table: pa.Table, cells: dict[str, Cell]) -> pa.Table:
    """The table with all columns of its kind; those that a file has not are null."""
    have = set(table.column_names)
    return pa.table(
        {
            name: table.column(name) if name in have else pa.nulls(len(table), TYPES[cell.kind])
            for name, cell in cells.items()
        }
    )


def _stand_ins(count: int) -> pa.Array:
    """Masks that are there and hold nothing, for those who do not ask for their pixels."""
    one = pa.scalar({"height": 0, "width": 0, "counts": b""}, MASK)
    return pa.array([one] * count, MASK) if count else pa.nulls(0, MASK)
