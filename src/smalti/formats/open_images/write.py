"""Write Open Images: every part leaves its rows, and the end joins them to one CSV a split and kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import DataError, OptionError, UnsafePathError
from smalti.formats import part_files
from smalti.formats.class_table import class_losses
from smalti.formats.document_writer import object_field
from smalti.formats.free_names import FreeNames
from smalti.formats.losses import dropped
from smalti.formats.open_images import classes
from smalti.formats.open_images.images import HEAD, OF_SPLITS
from smalti.formats.open_images.layout import split_of, split_word
from smalti.formats.open_images.options import (
    ATTRIBUTES,
    CLICKS,
    HIERARCHY,
    IMAGE_COLUMNS,
    KINDS,
    POINTS,
    RELATIONSHIPS,
    SIZES,
    TYPES,
    OpenImagesOptions,
    label_columns,
)
from smalti.formats.open_images.written import FILES, WrittenPart
from smalti.formats.protocol import Cursor, PartResult, Writer
from smalti.formats.report import Loss
from smalti.schema import features
from smalti.schema.categories import Categories, Category
from smalti.storage.paths import safe_path, unsafe_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target

FOLDER = "annotations/"
DESCRIPTIONS = "oidv7-class-descriptions"
MEMBERS = frozenset({"category", "bbox", "iscrowd", "score"})
PIXELS = frozenset({"mask", "polygons"})
HELD = {
    **{name: features.Value(type=TYPES[cell.kind]) for name, cell in IMAGE_COLUMNS.items()},
    "relationships": RELATIONSHIPS,
    "points": POINTS,
}
REASONS = {
    "id": "rows have no ids",
    "area": "rows have no areas; they are computed from boxes and masks",
    "label": "image labels are a list of classes, each with a confidence",
}


class OpenImagesWriter(Writer[OpenImagesOptions]):
    """Writes the folders that Datumaro and CVAT read: annotations, images and masks."""

    def __init__(self, schema: Schema, options: OpenImagesOptions, single_file: str | None = None) -> None:
        super().__init__(schema, options, single_file)
        self.names = FreeNames()
        self.masks: set[str] = set()  # names of files that there are
        self.field = object_field(schema)
        self.feature = features.Objects() if self.field is None else schema.objects(self.field)
        self.members = [
            n for n in self.feature.members if n in MEMBERS | (PIXELS if options.masks else set())
        ]
        self.attributes = [n for n, f in self.feature.attributes.items() if ATTRIBUTES.get(n) == f]
        self.labels = _label_sources(schema)
        self.others = [name for name, feature in schema.columns.items() if HELD.get(name) == feature]
        # Image labels have more classes than boxes, whose own are listed apart.
        tables = [schema.columns[name].categories for name in self.labels]  # type: ignore[union-attr]
        tables += [self.feature.categories] if self.field else []
        self.classes = classes.united(tables)
        self._check_splits()

    def _check_splits(self) -> None:
        words: dict[str, str] = {}
        for split in self.schema.splits:
            other = words.setdefault(split_word(split), split)
            if other != split:
                raise OptionError(
                    f"the splits {other!r} and {split!r} are both called {split_word(split)!r} in Open Images"
                )

    def wants(self) -> Schema:
        fields = {"id", "image", "split", *self.labels, *self.others}
        if self.field is not None:
            fields |= {self.field, *(f"{self.field}.{name}" for name in (*self.members, *self.attributes))}
        return self.schema.project(fields)

    def losses(self) -> list[Loss]:
        reasons = REASONS | (
            {} if self.options.masks else dict.fromkeys(PIXELS, "masks=False leaves out what is no box")
        )
        found = [loss for loss in class_losses(_table(self.classes), "detect", f"{DESCRIPTIONS}.csv")
                 if loss.code not in {"category.supercategory", "category.id"}]  # fmt: skip
        numbered = [c for c in self.classes.values() if isinstance(c.id, int)]
        if numbered:
            why = "classes are called by their names, or by ids that are text"
            found.append(Loss(code="category.id", field="categories", count=len(numbered), reason=why,
                              example=f"{numbered[0].name}: {numbered[0].id}"))  # fmt: skip
        found += dropped(self.schema, self.wants(), "Open Images", reasons)
        for name in self.labels:
            if self.schema.columns[name].categories.values != _table(self.classes).values:  # type: ignore[union-attr]
                why = "one file describes the classes of all image labels"
                found.append(Loss(code="categories.united", field=name, kind="change", reason=why))
        for split in self.schema.splits:
            if split_of(split_word(split)) != split:
                why = f"it is called {split_word(split)!r}, which is read as another"
                found.append(
                    Loss(
                        code="split.renamed", field="split", kind="change", count=1, reason=why, example=split
                    )
                )
        return found

    def faults(self, batch: pa.RecordBatch) -> list[DataError]:
        ids = batch.column("id").to_pylist()
        found: dict[int, DataError] = {row: _refusal(ids[row]) for row in unsafe_paths(ids)}
        for row, key in enumerate(ids):
            if "\n" in key or "\r" in key:
                found.setdefault(
                    row, DataError("the path has a line break", sample=key, hint="rename the image")
                )
        image = batch.column("image")
        sized = pc.and_kleene(
            pc.greater(pc.struct_field(image, "width"), 0), pc.greater(pc.struct_field(image, "height"), 0)
        )
        names = [name for name in (self.field, "relationships", "points") if name in batch.schema.names]
        for name in names:
            some = pc.greater(pc.fill_null(pc.list_value_length(batch.column(name)), 0), 0)
            bad = pc.and_(some, pc.invert(pc.fill_null(sized, fill_value=False)))
            for row in pc.indices_nonzero(bad).to_pylist():
                error = DataError(
                    "the image's width and height are not known, and coordinates of Open Images are fractions of them",
                    sample=ids[row],
                    hint="read the dataset with media= so that they can be taken from the images",
                )
                found.setdefault(row, error)
        return [found[row] for row in sorted(found)]

    def write(self, batch: pa.RecordBatch, target: Target, cursor: Cursor) -> PartResult:
        part = WrittenPart(self, batch, target)
        part.images()
        part.objects()
        part.other()
        for (kind, split), body in part.bodies.items():
            target.write(part_files.piece_name(f"{kind}/{split_word(split)}", cursor.index), body)
        return PartResult(
            samples=len(batch),
            objects=part.written,
            losses=part.losses(),
            media=part.media,
            files=part.files,
            payload=(cursor.index, set(part.bodies), part.empty, part.splits),
        )

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        target.last = f"{FOLDER}{DESCRIPTIONS}.csv"
        pieces: dict[tuple[str, str | None], list[int]] = {}
        splits: dict[str | None, None] = dict.fromkeys(self.schema.splits)
        empty: set[str | None] = set()
        for result in results:
            index, keys, some, seen = result.payload
            splits |= dict.fromkeys(seen)
            empty |= some
            for key in keys:
                pieces.setdefault(key, []).append(index)
        files = 0
        for kind, name in FILES.items():
            for split in splits:
                found = pieces.get((kind, split), [])
                if kind == "boxable":
                    found = found if split in empty else []
                if found or kind == "images":
                    self._join(target, kind, split, f"{FOLDER}{split_word(split)}-{name}.csv", found)
                    files += 1
        with target.open(f"{FOLDER}{SIZES}") as file:
            file.write((OF_SPLITS if self.schema.id_has_split else HEAD).encode())
            for split in splits:
                part_files.append(target, file, _names("sizes", split, pieces.get(("sizes", split), [])))
        part_files.remove(target)
        return files + 1 + self._class_files(target)

    def _join(self, target: Target, kind: str, split: str | None, name: str, found: list[int]) -> None:
        with target.open(name) as file:
            file.write(f"{','.join(self._header(kind))}\n".encode())
            part_files.append(target, file, _names(kind, split, found))

    def _header(self, kind: str) -> list[str]:
        if kind == "boxable":
            return ["ImageID", "Subset"]
        columns = list(KINDS["labels" if kind == "machine" else kind])
        clicked = "extreme_points" in self.attributes
        return [name for name in columns if kind != "boxes" or clicked or name not in CLICKS]

    def _class_files(self, target: Target) -> int:
        """Class descriptions, those of boxes apart where image labels have others, and the hierarchy."""
        bodies = {f"{DESCRIPTIONS}.csv": classes.descriptions(self.classes)}
        own = classes.united([self.feature.categories])
        if self.field is not None and list(own) != list(self.classes):
            bodies[f"{DESCRIPTIONS}-boxable.csv"] = classes.descriptions(own)
        known = self.schema.extra.get("open_images", {}).get("hierarchy")
        if (tree := classes.hierarchy(self.classes, known)) is not None:
            bodies[HIERARCHY] = tree
        for name, body in bodies.items():
            target.write(f"{FOLDER}{name}", body)
        return len(bodies)


def _names(kind: str, split: str | None, indices: list[int]) -> list[str]:
    return [part_files.piece_name(f"{kind}/{split_word(split)}", index) for index in indices]


def _table(found: dict[str, Category]) -> Categories:
    return Categories(tuple(found.values()))


def _label_sources(schema: Schema) -> dict[str, str | None]:
    """What is written as the source of the image labels of each column; columns that would be read as another are left out."""
    wanted = {
        name: feature.source or (None if name == "labels" else name)
        for name, feature in schema.columns.items()
        if isinstance(feature, features.Classification) and feature.multi
    }
    read = label_columns(wanted.values())
    for name in [name for name, source in wanted.items() if read[source] != name]:
        wanted[name] = None if name == "labels" else name
    read = label_columns(wanted.values())
    return {name: source for name, source in wanted.items() if read[source] == name}


def _refusal(path: str) -> DataError:
    try:
        safe_path(path)
    except UnsafePathError as error:
        return UnsafePathError(error.reason, sample=path, hint=error.hint)
    return UnsafePathError(f"the path {path!r} is unsafe", sample=path)
