"""One part of an Open Images export on its way to rows: its images, its objects, its labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats import label_rows
from smalti.formats.document_writer import one_loss
from smalti.formats.free_names import stem_of
from smalti.formats.open_images import classes, encode, pixels
from smalti.formats.open_images.encode import Rows
from smalti.formats.open_images.images import size_line
from smalti.formats.open_images.layout import image_home, split_word
from smalti.formats.open_images.options import IMAGE_COLUMNS, MACHINE, OF_MASKS
from smalti.formats.report import Loss, merged
from smalti.formats.splits import splits_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from smalti.formats.open_images.write import OpenImagesWriter
    from smalti.formats.report import LossKind
    from smalti.storage.folder import Target

    Bools = NDArray[np.bool_]

FILES = {  # the files of each split
    "images": "images-with-rotation",
    "boxable": "images-boxable-with-rotation",
    "boxes": "annotations-bbox",
    "masks": "annotations-object-segmentation",
    "labels": "annotations-human-imagelabels",
    "machine": "annotations-machine-imagelabels",
    "relationships": "annotations-vrd",
    "points": "annotations-point-labels",
}
_BLANK = "an empty text is read back as none"


class WrittenPart:
    """One part on its way to rows.

    Attributes:
        bodies: The rows of each kind and split.
        media: Pairs of an image's path in the source and in the target.
        written: Objects that are written.
        files: Masks that are written.
        empty: Splits with a sample that is annotated and has no object.
        splits: The splits of the part's samples.
    """

    def __init__(self, writer: OpenImagesWriter, batch: pa.RecordBatch, target: Target) -> None:
        self.writer, self.batch, self.target = writer, batch, target
        self.ids = batch.column("id").to_pylist()
        self._losses: list[Loss] = []
        self.splits = splits_of(batch)
        names = [self._name(key, split) for key, split in zip(self.ids, self.splits, strict=True)]
        self.stems = [stem_of(name) for name in names]
        self.suffixes = [name[len(stem) :] for name, stem in zip(names, self.stems, strict=True)]
        self.names = encode.quoted(pa.array(self.stems, pa.string()))
        image = batch.column("image")
        sides = [
            pc.fill_null(image.field(side), 0).to_numpy().astype(np.int64) for side in ("height", "width")
        ]
        self.sizes = np.stack(sides, axis=1)
        self.bodies: dict[tuple[str, str | None], bytes] = {}
        paths = image.field("path").to_pylist()
        self.media = [
            (path, f"{image_home(split, 'annotations')}{name}")
            for path, split, name in zip(paths, self.splits, names, strict=True)
            if path and "://" not in path
        ]
        self.written = self.files = 0
        self.empty: set[str | None] = set()

    def _name(self, key: str, split: str | None) -> str:
        """The image's path below the folder of its split; no two of a split differ by their suffix alone."""
        own = key.partition("/")[2] if self.writer.schema.id_has_split and split else key
        folder = f"{split_word(split)}/"
        return self.writer.names.one(f"{folder}{own}", self._losses).removeprefix(folder)

    def _lose(self, code: str, field: str, kind: LossKind, why: str, samples: list[str]) -> None:
        self._losses += [one_loss(code, field, kind, why, sample) for sample in samples[:1]]
        if len(samples) > 1:
            self._losses.append(Loss(code=code, field=field, kind=kind, reason=why, count=len(samples) - 1))

    def losses(self) -> list[Loss]:
        """What is lost or changed."""
        return merged(self._losses)

    def _put(self, kind: str, rows: Rows) -> None:
        """Add rows to the files of their splits."""
        every = {split: n for n, split in enumerate(dict.fromkeys(self.splits))}
        code = np.array([every[split] for split in self.splits], np.int64)[rows.sample]
        order = np.argsort(code, kind="stable")
        lengths = np.bincount(code, minlength=len(every))
        bodies = label_rows.bodies(rows.text.take(pa.array(order)), lengths)
        for split, body in zip(every, bodies, strict=True):
            if body:
                self.bodies[kind, split] = self.bodies.get((kind, split), b"") + body

    def images(self) -> None:
        """The lists of images, and their sizes."""
        sample = np.arange(len(self.ids))
        words = encode.quoted(pa.array([split_word(split) for split in self.splits], pa.string()))
        more = []
        for name in IMAGE_COLUMNS:
            if name not in self.writer.others:
                more.append(pa.nulls(len(self.ids), pa.string()))
                continue
            column = self.batch.column(name)
            more.append(
                self._text(column, name) if pa.types.is_string(column.type) else encode.numbers(column)
            )
        self._put("images", encode.rows([self.names, words, *more], sample))
        field = self.writer.field
        if field is not None:
            column = self.batch.column(field)
            there = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
            self._put("boxable", encode.rows([self.names.take(there), words.take(there)], there))
            none = pc.equal(pc.list_value_length(column), 0)
            self.empty = {
                self.splits[row] for row in pc.indices_nonzero(pc.fill_null(none, False)).to_pylist()
            }
        sized = np.flatnonzero((self.sizes > 0).all(axis=1))
        self._put("sizes", Rows(pa.array(map(self._size_line, sized.tolist()), pa.string()), sized))

    def _size_line(self, row: int) -> str:
        front = f"{split_word(self.splits[row])}/" if self.writer.schema.id_has_split else ""
        height, width = self.sizes[row].tolist()
        return size_line(f"{front}{self.stems[row]}", height, width, self.suffixes[row])

    def _text(self, column: pa.Array, field: str, samples: NDArray[np.int64] | None = None) -> pa.Array:
        """A column of texts; empty ones are no texts in a CSV."""
        blank = pc.indices_nonzero(pc.fill_null(pc.equal(column, ""), False)).to_pylist()
        whose = [self.ids[row if samples is None else samples[row]] for row in blank]
        self._lose("text.blank", field, "change", _BLANK, whose)
        return encode.quoted(column)

    def objects(self) -> None:
        """The rows of boxes and masks, and the pixels of these."""
        field, feature = self.writer.field, self.writer.feature
        if field is None:
            return
        column = self.batch.column(field)
        sample = pc.list_parent_indices(column).to_numpy().astype(np.int64)
        flat = column.flatten()
        self._number = np.arange(len(sample)) - np.searchsorted(sample, sample)  # among those of its sample
        flat, sample = self._only(
            flat, sample, _valid(flat, "category"), "category.missing", "an object needs a class"
        )
        whose = [self.ids[n] for n in sample.tolist()]
        drawn = pixels.draw(flat, self.sizes[sample], whose, field, self._losses)
        box = encode.box_values(flat.field("bbox")) if _has(flat, "bbox") else np.full((len(flat), 4), np.nan)
        bare = np.isnan(box[:, 0])
        box[drawn.rows] = np.where(bare[drawn.rows, None], drawn.boxes, box[drawn.rows])
        self._lose("bbox.computed", f"{field}.bbox", "change", "a mask has a box; the one around its pixels is written",
                   [whose[row] for row in drawn.rows if bare[row]])  # fmt: skip
        sound = ~np.isnan(box[:, 0])
        masked = np.zeros(len(flat), bool)
        masked[drawn.rows] = True
        flat, sample = self._only(flat, sample, sound, "geometry.missing", "an object needs a box or a mask")
        self.written = len(flat)
        box, masked = box[sound], masked[sound]
        words = encode.quoted(pa.array(classes.labels_of(feature.categories), pa.string()))
        head = [self.names.take(pa.array(sample)), words.take(pa.array(_codes(flat)))]
        sides = encode.sides_of(box, self.sizes[sample])
        self._boxes(flat, head, sides, sample)
        self._masks(flat, head, sides, sample, masked, drawn)

    def _only(
        self, flat: pa.StructArray, sample: NDArray[np.int64], keep: Bools, code: str, why: str
    ) -> tuple[pa.StructArray, NDArray[np.int64]]:
        """The objects that can be written; others are reported."""
        gone = np.flatnonzero(~keep)
        self._lose(code, str(self.writer.field), "object", why, [self.ids[sample[row]] for row in gone])
        self._number = self._number[keep]
        return flat.filter(pa.array(keep)), sample[keep]

    def _members(self, flat: pa.StructArray, sample: NDArray[np.int64]) -> dict[str, pa.Array]:
        found = {name: flat.field(name) for name in self.writer.feature.names if _has(flat, name)}
        field = self.writer.field
        if "score" in found:
            missing = np.flatnonzero(~_valid(flat, "score"))
            why = "a row has a confidence; 1 is written"
            self._lose(
                "score.filled", f"{field}.score", "change", why, [self.ids[sample[n]] for n in missing]
            )
        for name in ("source", *OF_MASKS):
            if name in found and pa.types.is_string(found[name].type):
                found[name] = self._text(found[name], f"{field}.{name}", sample)
        return found

    def _boxes(
        self, flat: pa.StructArray, head: list[pa.Array], sides: list[pa.Array], sample: NDArray[np.int64]
    ) -> None:
        self.members = self._members(flat, sample)
        more: list[pa.Array] = []
        if "extreme_points" in self.members:
            more, odd = encode.clicks(self.members["extreme_points"], self.sizes[sample])
            why = "a box is made of four clicks"
            name = f"{self.writer.field}.extreme_points"
            self._lose("clicks.dropped", name, "value", why, [self.ids[sample[n]] for n in odd])
        self._put("boxes", encode.box_rows(self.members, head, sides, more, sample))

    def _masks(
        self,
        flat: pa.StructArray,
        head: list[pa.Array],
        sides: list[pa.Array],
        sample: NDArray[np.int64],
        masked: Bools,
        drawn: pixels.Drawn,
    ) -> None:
        self._unmasked(masked, sample)
        rows = np.flatnonzero(masked)
        boxes = self._box_ids(rows, sample)
        words = classes.labels_of(self.writer.feature.categories)
        codes = _codes(flat)[rows].tolist()
        names, files = [], []
        for n, code, box in zip(sample[rows].tolist(), codes, boxes, strict=True):
            names.append(pixels.file_name(self.stems[n], words[code], box, self.writer.masks))
            files.append(f"masks/{split_word(self.splits[n])}/{names[-1]}")
        self.target.write_many(files, drawn.files)
        self.files = len(files)
        more: list[Any] = [
            self.members[name].take(rows) if name in self.members else pa.nulls(len(rows), pa.string())
            for name in ("predicted_iou", "clicks")
        ]
        more[0] = encode.numbers(more[0])
        ids = encode.quoted(pa.array(boxes, pa.string()))
        columns = [encode.quoted(pa.array(names, pa.string())), *(h.take(rows) for h in head), ids]
        self._put("masks", encode.rows([*columns, *(side.take(rows) for side in sides), *more], sample[rows]))

    def _unmasked(self, masked: Bools, sample: NDArray[np.int64]) -> None:
        """Report what only the row of a mask has a place for, of objects without one."""
        why = "it stands in the row of a mask, and the object has none"
        for name in OF_MASKS:
            if name in self.members:
                there = self.members[name].is_valid().to_numpy(zero_copy_only=False)
                whose = [self.ids[sample[row]] for row in np.flatnonzero(there & ~masked)]
                self._lose("attribute.unmasked", f"{self.writer.field}.{name}", "value", why, whose)

    def _box_ids(self, rows: NDArray[np.int64], sample: NDArray[np.int64]) -> list[str]:
        """The id of each mask's box; one is made of the object's number in its sample where it has none."""
        made = [f"{number:08x}" for number in self._number[rows].tolist()]
        if "box_id" not in self.members:
            return made
        given = self.members["box_id"].take(rows).to_pylist()
        missing = [self.ids[sample[row]] for row, one in zip(rows.tolist(), given, strict=True) if not one]
        why = "a mask's row has the id of a box; one is made"
        self._lose("mask.numbered", f"{self.writer.field}.box_id", "change", why, missing)
        return [one or new for one, new in zip(given, made, strict=True)]

    def other(self) -> None:
        """The rows of image labels, relationships and points."""
        for name, source in self.writer.labels.items():
            column, feature = self.batch.column(name), self.writer.schema.columns[name]
            words = encode.quoted(pa.array(classes.labels_of(feature.categories), pa.string()))  # type: ignore[union-attr]
            self._labels_lost(name, column)
            rows = encode.label_rows_of(column, self.names, words, source)
            self._put("machine" if source == MACHINE else "labels", rows)
        for name, made in (("relationships", encode.relationship_rows), ("points", encode.point_rows)):
            if name in self.writer.others:
                self._put(name, made(self.batch.column(name), self.names, self.sizes))
                self._none_for_empty(name)

    def _labels_lost(self, name: str, column: pa.ListArray) -> None:
        self._none_for_empty(name)
        parents = pc.list_parent_indices(column).to_numpy()
        lacking: tuple[tuple[str, str, LossKind, str], ...] = (
            ("score", "score.filled", "change", "a row has a confidence; 1 is written"),
            ("category", "category.missing", "value", "a label needs a class"),
        )
        for member, code, kind, why in lacking:
            missing = np.flatnonzero(column.flatten().field(member).is_null().to_numpy(zero_copy_only=False))
            self._lose(code, name, kind, why, [self.ids[parents[row]] for row in missing])

    def _none_for_empty(self, name: str) -> None:
        none = pc.fill_null(pc.equal(pc.list_value_length(self.batch.column(name)), 0), False)
        why = "an image without rows reads as one that nobody has looked at"
        self._lose(
            "empty.as_null",
            name,
            "change",
            why,
            [self.ids[row] for row in pc.indices_nonzero(none).to_pylist()],
        )


def _has(flat: pa.StructArray, name: str) -> bool:
    return bool(flat.type.get_field_index(name) >= 0)


def _valid(flat: pa.StructArray, name: str) -> Bools:
    if not _has(flat, name):
        return np.zeros(len(flat), bool)
    return np.asarray(flat.field(name).is_valid().to_numpy(zero_copy_only=False), bool)


def _codes(flat: pa.StructArray) -> NDArray[np.int32]:
    """The class of each object, as a position in the table; objects without classes are none."""
    if not _has(flat, "category"):
        return np.zeros(len(flat), np.int32)
    return np.asarray(flat.field("category").indices.to_numpy(zero_copy_only=False), np.int32)
