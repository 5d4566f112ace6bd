"""Write YOLO label files: whole columns at once, one text an image."""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import DataError, OptionError
from smalti.formats import class_folders, label_rows
from smalti.formats.class_table import class_losses
from smalti.formats.free_names import FreeNames
from smalti.formats.losses import dropped
from smalti.formats.protocol import PartResult, Writer
from smalti.formats.yolo import encode
from smalti.formats.yolo.encoder import Encoder
from smalti.formats.yolo.options import YoloOptions
from smalti.formats.yolo.segments import segment_values
from smalti.formats.yolo.yaml_file import SPLITS, write_yaml
from smalti.schema import features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalti.formats.protocol import Cursor
    from smalti.formats.report import Loss
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target

USED = {
    "detect": ("bbox",),
    "segment": ("polygons", "mask", "quad", "bbox"),
    "pose": ("bbox", "keypoints"),
    "obb": ("quad", "bbox"),
}
INSTEAD = ("polygons", "mask", "quad", "keypoints")  # what a box can be taken from where there is none
REASONS = {
    "id": "YOLO rows have no ids",
    "image_id": "YOLO has no image ids; images go by their paths",
    "area": "YOLO rows have no area",
    "iscrowd": "YOLO rows have no crowd flag",
    "polygons": "these rows hold no polygons; write task='segment'",
    "mask": "these rows hold no masks; write task='segment' for their outlines",
    "keypoints": "these rows hold no keypoints; write task='pose'",
    "quad": "these rows hold no oriented boxes; write task='obb'",
    "bbox": "these rows hold no box beside the geometry of their task",
    "score": "labels have no scores; add a column with extra_column='score'",
    "track_id": "labels have no track ids; add a column with extra_column='track_id'",
}


class YoloWriter(Writer[YoloOptions]):
    """Writes a dataset as label files of one task.

    Attributes:
        classes: The file that lists the classes, for reasons of losses.
    """

    classes: ClassVar[str] = "data.yaml"

    def __init__(self, schema: Schema, options: YoloOptions, single_file: str | None = None) -> None:
        super().__init__(schema, options, single_file)
        self.names = FreeNames()
        if options.task == "classify":
            self.task, self.name = "classify", class_folders.label_field(schema, options.field)
            self.needs_images = True
            return
        self.name = _object_field(schema, options.field)
        self.feature = schema.objects(self.name)
        self.task = options.task or _only_task(self.feature)
        self.keypoints = _keypoint_count(schema, self.feature) if self.task == "pose" else 0
        _refuse_extra(self.feature, options.extra_column)

    def _members(self) -> set[str]:
        used = set(USED[self.task])
        if self.task == "detect" and "bbox" not in self.feature.members:
            used |= set(INSTEAD)
        extra = {self.options.extra_column} if self.options.extra_column else set()
        crowds = {"iscrowd"} if self.options.crowds == "skip" else set()
        return {"category", *used, *extra, *crowds}

    def wants(self) -> Schema:
        if self.task == "classify":
            return class_folders.wants(self.schema, self.name)
        fields = {"id", "image", "split", self.name}
        fields |= {f"{self.name}.{m}" for m in self._members() if m in self.feature.names}
        return self.schema.project(fields)

    def losses(self) -> list[Loss]:
        if self.task == "classify":
            return class_folders.losses(self.schema, self.name)
        found = dropped(self.schema, self.wants(), "YOLO", REASONS)
        return [*class_losses(self.feature.categories, self.task, self.classes), *found]

    def faults(self, batch: pa.RecordBatch) -> list[DataError]:
        if self.task == "classify":
            return []
        image = batch.column("image")
        sized = pc.and_kleene(
            pc.greater(pc.struct_field(image, "width"), 0), pc.greater(pc.struct_field(image, "height"), 0)
        )
        some = pc.greater(pc.fill_null(pc.list_value_length(batch.column(self.name)), 0), 0)
        bad = batch.column("id").filter(pc.and_(some, pc.invert(pc.fill_null(sized, fill_value=False))))
        return [
            DataError(
                "the image's width and height are not known, and YOLO's coordinates are fractions of them",
                sample=sample,
                hint="read the dataset with media= so that they can be taken from the images",
            )
            for sample in bad.to_pylist()
        ]

    def write(self, batch: pa.RecordBatch, target: Target, cursor: Cursor) -> PartResult:
        del cursor
        if self.task == "classify":
            return class_folders.write(batch, self.schema, self.name, self.names.taken)
        column = batch.column(self.name)
        encoder = self._encoder(batch, column)
        lines = self._lines(encoder)
        lengths = np.bincount(encoder.owner[encoder.keep], minlength=len(batch))
        texts = label_rows.bodies(lines, lengths)
        splits = self._splits(batch)
        labels, images, renamed = self._names(batch, splits)
        annotated = column.is_valid().to_numpy(zero_copy_only=False).tolist()
        labels, texts = list(compress(labels, annotated)), list(compress(texts, annotated))
        target.write_many(labels, texts)
        return PartResult(
            samples=len(batch),
            objects=int(encoder.keep.sum()),
            losses=[*encoder.losses(), *renamed],
            media=list(zip(batch.column("image").field("path").to_pylist(), images, strict=True)),
            files=len(labels),
            payload=set(pc.unique(splits).to_pylist()),
        )

    def _encoder(self, batch: pa.RecordBatch, column: pa.ListArray) -> Encoder:
        image = batch.column("image")
        size = [pc.fill_null(pc.struct_field(image, side), 0) for side in ("width", "height")]
        sizes = np.stack([np.asarray(values, np.float64) for values in size], axis=1)
        owner = pc.list_parent_indices(column).to_numpy()
        return Encoder(column.flatten(), owner, batch.column("id"), sizes[owner], self.options, self.name)

    def _lines(self, encoder: Encoder) -> pa.Array:
        """The rows of the objects that are written, as text."""
        codes = encode.classes(encoder)
        lengths = None
        if self.task == "segment":
            values, lengths = segment_values(encoder)
        elif self.task == "obb":
            values = encode.quad_values(encoder)
        else:
            values = encode.box_values(encoder)
            if self.task == "pose":
                points = encode.keypoint_values(encoder, self.keypoints)
                values = np.concatenate([values, points], axis=1)
        keep = encoder.keep
        if lengths is None:
            lines = encode.row_text(codes[keep], values[keep])
        else:
            lines = encode.row_text(codes[keep], values[np.repeat(keep, lengths)], lengths[keep])
        return self._with_extra(encoder, lines)

    def _with_extra(self, encoder: Encoder, lines: pa.Array) -> pa.Array:
        """The rows with their last column, where the options ask for one."""
        if (member := self.options.extra_column) is None:
            return lines
        unknown = ~encoder.valid(member)
        encoder.change(unknown, "extra.assumed", member, f"an object without {member} is written with 0")
        values = encoder.member(member).filter(pa.array(encoder.keep))
        return pc.binary_join_element_wise(lines, pc.fill_null(values.cast(pa.string()), "0"), " ")

    def _splits(self, batch: pa.RecordBatch) -> pa.Array:
        """The split of each sample as text; empty where the dataset has none."""
        if "split" not in batch.schema.names:
            return pa.array([""] * len(batch), pa.string())
        fallback = "train" if self.schema.splits else ""
        return pc.fill_null(batch.column("split").dictionary_decode(), fallback)

    def _names(self, batch: pa.RecordBatch, splits: pa.Array) -> tuple[list[str], list[str], list[Loss]]:
        """For each sample the paths of its label and its image.

        Images that differ in their suffix alone would share a label file: the later one gets another
        name, made from its own.
        """
        ids = batch.column("id")
        if self.schema.id_has_split:
            ids = pc.replace_substring_regex(ids, "^[^/]*/", "")
        used = {split: self.folder(split) for split in pc.unique(splits).to_pylist()}
        which = pc.index_in(splits, pa.array(list(used), pa.string()))
        folders = pa.array(list(used.values()), pa.string()).take(which)
        images = pc.binary_join_element_wise(folders, ids, "")
        losses: list[Loss] = []
        names = self.names.many(images, losses)
        stems = pc.replace_substring_regex(pa.array(names, pa.string()), r"\.[^./]*$", "")
        labels = pc.binary_join_element_wise(stems, ".txt", "")
        if all(folder.startswith("images/") for folder in used.values()):
            # The last one, as readers do: an image's own folders may be called images, too.
            if pc.any(pc.greater(pc.count_substring(labels, "images/"), 1)).as_py():
                labels = pc.replace_substring_regex(labels, "^((?:.*/)?)images/", r"\1labels/")
            else:
                labels = pc.replace_substring(labels, "images/", "labels/", max_replacements=1)
        return labels.to_pylist(), names, losses

    def folder(self, split: str) -> str:
        """Where the images of a split lie."""
        return f"images/{split}/" if split else "images/"

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        if self.task == "classify":
            class_folders.finish(target, class_folders.table(self.schema, self.name), results)
            return 0
        used = set().union(*(result.payload for result in results)) if results else set()
        for split in sorted(used):
            target.mkdir(f"images/{split}" if split else "images")
        shape = (self.keypoints, 3) if self.task == "pose" else None
        rest = {k: v for k, v in self.schema.extra.get("yolo", {}).items() if k != "kpt_shape"}
        target.last = "data.yaml"
        target.write("data.yaml", write_yaml(self.feature.categories, _places(used), shape, rest))
        return 1

    def details(self) -> dict[str, Any]:
        if self.task == "classify":
            found = class_folders.details(class_folders.table(self.schema, self.name), self.name)
            return {"task": self.task, **found}
        table = zip(self.feature.categories.values, self.feature.categories, strict=True)
        classes = {str(i): {"name": value, "source_id": c.id} for i, (value, c) in enumerate(table)}
        return {"task": self.task, "classes": classes}


def _places(used: set[str]) -> dict[str, str]:
    """The folders of the splits by key; ``train`` and ``val`` are always there, since trainers ask for both."""
    if used <= {""}:
        return {"train": "images", "val": "images"}
    order = [s for s in SPLITS if s in used] + sorted(used - set(SPLITS))
    places = {split: f"images/{split}" for split in order}
    for key, others in (("train", ("val", "test")), ("val", ("valid", "validation", "test", "train"))):
        if key not in places:
            instead = next((other for other in others if other in places), order[0])
            places[key] = places[instead]
    return dict(sorted(places.items(), key=lambda item: (*SPLITS, item[0]).index(item[0])))


def _object_field(schema: Schema, wanted: str | None) -> str:
    names = schema.of_kind(features.Objects)
    if wanted is not None and wanted not in names:
        raise OptionError(f"field={wanted!r} is no label field; there are {', '.join(names) or 'none'}")
    name = wanted or ("objects" if "objects" in names else names[0] if len(names) == 1 else None)
    if name is None:
        raise OptionError(f"which label field to write? There are {', '.join(names) or 'none'}; pass field=")
    return name


def _only_task(feature: features.Objects) -> str:
    """The task where the objects leave one answer: they have one kind of geometry.

    Boxes beside something else may be wanted as boxes.
    """
    kinds = {"bbox": "detect", "polygons": "segment", "mask": "segment", "keypoints": "pose", "quad": "obb"}
    tasks = {kinds[member] for member in feature.members if member in kinds}
    if len(tasks) == 1:
        return tasks.pop()
    if tasks == {"detect", "pose"}:
        return "pose"
    raise OptionError(
        f"the objects have {', '.join(m for m in feature.members if m in kinds) or 'no geometry'}; say what to"
        f" write with task={' or task='.join(repr(t) for t in sorted(tasks or {'detect'}))}"
    )


def _keypoint_count(schema: Schema, feature: features.Objects) -> int:
    counts = {len(category.keypoints) for category in feature.categories if category.keypoints}
    if not counts and (shape := schema.extra.get("yolo", {}).get("kpt_shape")):
        counts = {int(shape[0])}
    if len(counts) != 1:
        raise OptionError(
            f"task='pose' needs one number of keypoints for all classes; the class table has"
            f" {', '.join(map(str, sorted(counts))) or 'none'}"
        )
    return counts.pop()


def _refuse_extra(feature: features.Objects, extra: str | None) -> None:
    if extra is None:
        return
    if extra not in feature.members:
        raise OptionError(f"extra_column={extra!r}: the objects have no {extra}; leave the option out")
    if extra == "track_id" and feature.id_type != "int64":
        raise OptionError("extra_column='track_id': the track ids are text, and rows hold numbers alone")
