"""Read Open Images: one look through the files for the whole, then the rows of some images at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from smalti.errors import EmptySourceError, listed
from smalti.formats.losses import part_read
from smalti.formats.open_images import classes, layout
from smalti.formats.open_images.images import Images, Sizes, pictures
from smalti.formats.open_images.options import (
    ATTRIBUTES,
    IMAGE_COLUMNS,
    POINTS,
    RELATIONSHIPS,
    SIZES,
    TYPES,
    OpenImagesOptions,
    label_columns,
)
from smalti.formats.open_images.part import PartReading
from smalti.formats.open_images.survey import Survey, renumber
from smalti.formats.protocol import Part, PartRead, Plan, Reader
from smalti.formats.report import Loss
from smalti.formats.splits import KNOWN
from smalti.schema import features
from smalti.schema.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalti.formats.open_images.rows import Sheet
    from smalti.schema.categories import Categories
    from smalti.storage.location import Location

PART = 2_000  # images
ORDER = ("train", "val", "test")


class OpenImagesReader(Reader[OpenImagesOptions]):
    """Reads the CSVs below a folder, or one of them."""

    sheets: list[Sheet]
    images: Images
    media_root: Location
    schema: Schema
    tables: dict[str, tuple[Categories, dict[str, int]]]
    boxable: np.ndarray

    def plan(self) -> Plan:
        self.base = self.root.parent if self.root.isfile() else self.root
        self.media_root = self.media or self.base
        self.sheets, over = layout.find_sheets(self.root)
        survey = Survey(skip=self.on_error == "skip")
        for sheet in sorted(self.sheets, key=lambda sheet: (sheet.kind != "images", _rank(sheet.split))):
            survey.add(sheet)
        repairs = [_passed_over(over)] if over else []
        repairs += self._number(survey)
        if not len(self.images):
            raise EmptySourceError(f"{self.root.url}: {_NOTHING}")
        repairs += self._describe(survey)
        parts = [
            Part(key=(low, min(low + PART, len(self.images))), samples=min(PART, len(self.images) - low))
            for low in range(0, len(self.images), PART)
        ]
        return Plan(
            schema=self.schema,
            parts=parts,
            repairs=repairs,
            errors=survey.errors or (),
            objects_skipped=survey.skipped["boxes"] + survey.skipped["masks"],
            samples_skipped=survey.skipped["images"],
        )

    def _beside(self) -> list[str]:
        """Files that are no CSVs of rows: class descriptions, hierarchies, sizes."""
        depth = 1 if self.root.isfile() else layout.DEPTH
        return self.base.find((".csv", ".json", ".jsonl", ".meta"), maxdepth=depth)

    def _number(self, survey: Survey) -> list[Loss]:
        """Which images are samples, in which order, and where their files are."""
        how = layout.layout_of(self.base, self.sheets)
        sizes = Sizes()
        for path in self._beside():
            if path.rpartition("/")[2] == SIZES:
                sizes.read(self.base / path)
        numbers = survey.numbers
        named = len(numbers)
        more = self.media is None and not self.root.isfile()
        files = numbers.files(pictures(self.media_root, how), _folders(survey.splits, how), more=more)
        ranks = {split: n for n, split in enumerate(sorted({*survey.splits, *numbers.splits}, key=_rank))}
        order = np.argsort([ranks[split] for split in numbers.splits], kind="stable").astype(np.int64)
        present = self.options.images == "present" or (self.options.images is None and how == "fiftyone")
        gone = [n for n in range(named) if n not in files] if present else []
        order = order[~np.isin(order, gone)]
        position = np.full(len(numbers), -1, np.int64)
        position[order] = np.arange(len(order))
        renumber(self.sheets, position)
        self.images = Images(numbers, order, files, sizes, how)
        self.boxable = np.zeros(len(order), bool)
        for found in survey.boxable:
            kept = position[found]
            self.boxable[kept[kept >= 0]] = True
        if not gone:
            return []
        why = "the files name images that are not there; read with images='all' to have them all the same"
        return [Loss(code="image.absent", field="image", kind="sample", count=len(gone), reason=why,
                     example=numbers.names[gone[0]])]  # fmt: skip

    def _describe(self, survey: Survey) -> list[Loss]:
        """The schema, and what was mended on the way to it."""
        files = self._beside()
        described = classes.read(self.base, files)
        self.tables, unknown = {}, []
        for what in ("objects", "labels"):
            table, codes, new = described.table(survey.used[what], boxable=what == "objects")
            self.tables[what] = (table, codes)
            unknown += new
        splits = [
            s
            for s in sorted({*survey.splits, *self.images.splits.dictionary.to_pylist()}, key=_rank)
            if s is not None
        ]
        extra = {} if described.tree is None else {"open_images": {"hierarchy": described.tree}}
        self.schema = Schema(
            columns=self._columns(survey, has_splits=bool(splits)),
            splits=tuple(splits),
            media_root=self.media_root.url,
            id_has_split=self.images.shared,
            extra=extra,
        )
        repairs = []
        if unknown:
            repairs.append(
                Loss(code="class.undescribed", field="categories", kind="change", count=len(set(unknown)),
                     reason="no file of class descriptions names it; it is called as in the rows", example=unknown[0])
            )  # fmt: skip
        if unread := [path for path in files if layout.UNREAD.fullmatch(path)]:
            repairs.append(
                Loss(code="file.ignored", field="captions", kind="change", count=len(unread),
                     reason="narratives and their captions are not read", example=unread[0])
            )  # fmt: skip
        return repairs

    def _columns(self, survey: Survey, *, has_splits: bool) -> dict[str, Any]:
        kinds = {sheet.kind for sheet in self.sheets}
        columns: dict[str, Any] = {"id": features.Value(type=pa.string()), "image": features.Image()}
        if has_splits:
            columns["split"] = features.Split()
        for name, cell in IMAGE_COLUMNS.items():
            if name in survey.held:
                columns[name] = features.Value(type=TYPES[cell.kind])
        if kinds & {"boxes", "masks"} or self.boxable.any():
            held = [name for name in ("score", "iscrowd") if name in survey.held]
            pixels = ["mask"] if "masks" in kinds and self.options.masks else []
            columns["objects"] = features.Objects(
                categories=self.tables["objects"][0],
                members=("category", "bbox", *pixels, *held),
                attributes={name: feature for name, feature in ATTRIBUTES.items() if name in survey.held},
            )
        sources = survey.sources
        if "objects" not in columns and not sources and len(self.tables["labels"][0]):
            sources = {None: None}  # classes are described, and nobody has used them yet
        for source, name in label_columns(sources).items():
            columns[name] = features.Classification(
                categories=self.tables["labels"][0], multi=True, source=source
            )
        columns |= {
            name: f for name, f in (("relationships", RELATIONSHIPS), ("points", POINTS)) if name in kinds
        }
        return columns

    def read(self, part: Part, schema: Schema) -> PartRead:
        reading = PartReading(self, *part.key)
        batch = reading.batch(pixels="objects.mask" in schema.fields())
        whole = self.schema
        return part_read(
            batch,
            whole,
            schema,
            repairs=reading.repairs,
            errors=reading.errors or (),
            objects_skipped=reading.objects_skipped,
            samples_skipped=reading.samples_skipped,
        )


_NOTHING = "the files name images, and none of them is there; pass media=, or images='all' to read what is said of them"


def _passed_over(paths: Sequence[str]) -> Loss:
    why = "another file of a later version, or of all classes, has the same rows"
    return Loss(code="file.superseded", field="objects", kind="change", count=len(paths), reason=why,
                example=listed(paths, 3))  # fmt: skip


def _rank(split: str | None) -> tuple[int, str]:
    """Splits in the usual order, others by their names, images without one at the end."""
    if split is None:
        return len(ORDER) + 1, ""
    return (ORDER.index(split), "") if split in ORDER else (len(ORDER), split)


def _folders(splits: dict[str | None, None], how: layout.Layout) -> dict[str, str | None]:
    """The splits by what their folders are called."""
    found: dict[str, str | None] = dict(KNOWN)
    for split in splits:
        if split is not None:
            found |= {split: split, layout.split_word(split): split}
    return {**found, layout.split_word(None): None} if how == "annotations" else found
