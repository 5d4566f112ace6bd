"""LVIS: COCO's JSON with a large vocabulary, of which each image was searched for a part alone.

    annotations/lvis_v1_train.json    images, annotations and categories, as in COCO
    train2017/000000391895.jpg        an image's path is what its coco_url says below the host

Specification: https://www.lvisdataset.org/dataset, and its API, https://github.com/lvis-dataset/lvis-api. What it has
beyond COCO: of images ``neg_category_ids`` (verified as absent) and ``not_exhaustive_category_ids`` (some of them not
annotated), of categories ``frequency`` (r, c, f), ``synset``, ``synonyms``, ``def``, ``image_count`` and
``instance_count``. It has no crowds, and images have no ``file_name``. Codes of losses are those of ``coco``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats.coco import encode, lvis_images
from smalti.formats.coco.files import FileKey, file_name
from smalti.formats.coco.layout import IMAGE_INFO
from smalti.formats.coco.lvis_images import NEGATIVE, PARTIAL
from smalti.formats.coco.objects import HELD
from smalti.formats.coco.options import LvisOptions
from smalti.formats.coco.read import CocoReader
from smalti.formats.coco.recognise import Content, contents
from smalti.formats.coco.write import CocoWriter
from smalti.formats.protocol import Format, FormatInfo, Grade, Match
from smalti.formats.report import Loss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from smalti.formats.probe import Probe
    from smalti.formats.protocol import Cursor, PartResult
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target

RATED = ("frequency", "image_count", "instance_count")
RARE, COMMON = 10, 100  # images of a class, at most: https://arxiv.org/abs/1908.03195, section 3.3
COUNTED = "train"  # the split whose images make a class rare


def sniff(probe: Probe) -> Match | None:
    """Whether a source is LVIS: its keys, which COCO has not."""
    found, where = contents(probe)
    if Content.LVIS in found:
        return Match(Grade.LIKELY, f"{where}: COCO's keys with those of LVIS")
    return None


class LvisReader(CocoReader):
    """Reads LVIS files."""


class LvisWriter(CocoWriter):
    """Writes LVIS files: what its evaluator asks for is counted where it is not known."""

    title: ClassVar = "LVIS"
    crowds: ClassVar = False
    told: ClassVar = frozenset()

    def __init__(self, schema: Schema, options: LvisOptions, single_file: str | None = None) -> None:
        super().__init__(schema, options, single_file)
        self.version, self.negatives = options.version, options.negatives
        self._placed: set[str] = set()
        self._counts: dict[str, dict[int | str, tuple[int, ...]]] = {}

    def file_name(self, key: FileKey) -> str:
        stems = {"objects": f"lvis_{self.version}", IMAGE_INFO: f"lvis_{self.version}_{IMAGE_INFO}"}
        return file_name(key, self.layout, stems)

    def _by_url(self, batch: pa.RecordBatch, names: list[str]) -> NDArray[np.bool_]:
        """The samples whose URL tells their path."""
        if "coco_url" not in batch.schema.names:
            return np.zeros(len(names), np.bool_)
        links = batch.column("coco_url").to_pylist()
        return np.array(
            [
                isinstance(link, str) and lvis_images.tail(link) == name
                for link, name in zip(links, names, strict=True)
            ],
            np.bool_,
        )

    def image_texts(
        self, batch: pa.RecordBatch, names: list[str], splits: list[str | None]
    ) -> dict[str, pa.Array]:
        known = pa.array(self._by_url(batch, names))
        made = pa.array(
            [lvis_images.made(name, split) for name, split in zip(names, splits, strict=True)], pa.string()
        )
        texts = {
            "file_name": pc.if_else(known, None, encode.strings(pa.array(names, pa.string()))),
            "coco_url": encode.strings(made),
        }
        for key, before in texts.items():
            if key in batch.schema.names and pa.types.is_string(batch.column(key).type):
                texts[key] = pc.coalesce(encode.strings(batch.column(key)), before)
        return texts | {key: self._lists(batch, key) for key in (NEGATIVE, PARTIAL)}

    def _lists(self, batch: pa.RecordBatch, key: str) -> pa.Array:
        """What one of LVIS' two lists says of each image."""
        given = pa.nulls(len(batch), pa.string())
        if key in batch.schema.names:
            column = batch.column(key)
            is_json = self.wanted.columns[key].kind == "json"
            given = encode.raw_json(column, key) if is_json else encode.text(column)
        if key == NEGATIVE and self.negatives == "all" and self.fields and given.null_count:
            given = pc.coalesce(given, self._absent(batch, self.fields[0]))
        return given.fill_null("[]")

    def _present(self, batch: pa.RecordBatch, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The sample and the class of every object of a field that has one."""
        lengths, objects = encode.unnest(batch.column(name))
        owner = np.repeat(np.arange(len(batch)), lengths)
        codes = objects.field("category").indices
        there = np.asarray(codes.is_valid())
        return owner[there], codes.drop_null().to_numpy().astype(np.int64)

    def _absent(self, batch: pa.RecordBatch, name: str) -> pa.Array:
        """The ids of the classes that have no object in each image; null where nobody has looked."""
        style = self.styles.get(name)
        if style is None or "category" not in style.feature.members:
            return pa.nulls(len(batch), pa.string())
        left = np.ones((len(batch), len(style.category_ids)), np.bool_)
        left[self._present(batch, name)] = False
        ids = encode.take_text(style.category_ids, pa.array(np.nonzero(left)[1]))
        return encode.join("[", encode.joined(ids, left.sum(axis=1), batch.column(name).is_null()), "]")

    def image_places(
        self, batch: pa.RecordBatch, names: list[str], splits: list[str | None]
    ) -> list[str | None]:
        places = super().image_places(batch, names, splits)
        for row in np.flatnonzero(self._by_url(batch, names)).tolist():
            place = f"images/{names[row]}"  # which two splits may share
            places[row] = None if place in self._placed else place
            self._placed.add(place)
        return places

    def write(self, batch: pa.RecordBatch, target: Target, cursor: Cursor) -> PartResult:
        result = super().write(batch, target, cursor)
        counts = {
            name: self._counted(batch, name)
            for name, style in self.styles.items()
            if "category" in style.feature.members
        }
        return replace(
            result, losses=[*result.losses, *self._unverified(batch)], payload=(*result.payload, counts)
        )

    def _counted(self, batch: pa.RecordBatch, name: str) -> NDArray[np.int64]:
        """Images and objects of each class, of all splits and of the one that counts: ``(2, 2, classes)``."""
        classes = len(self.styles[name].category_ids)
        owner, codes = self._present(batch, name)
        counted = np.ones(len(batch), np.bool_)
        if "split" in batch.schema.names:
            counted = np.asarray(pc.equal(batch.column("split").cast(pa.string()), COUNTED).fill_null(False))
        pairs = np.unique(owner * max(classes, 1) + codes)
        found = np.zeros((2, 2, classes), np.int64)
        for row, (rows, some) in enumerate(
            ((pairs // max(classes, 1), pairs % max(classes, 1)), (owner, codes))
        ):
            found[0, row] = np.bincount(some, minlength=classes)
            found[1, row] = np.bincount(some[counted[rows]], minlength=classes)
        return found

    def _unverified(self, batch: pa.RecordBatch) -> list[Loss]:
        """Images of which it is not known which classes were looked for."""
        if self.negatives == "all" or not self.fields:
            return []
        unknown = batch.column(self.fields[0]).is_valid()
        if NEGATIVE in batch.schema.names:
            unknown = pc.and_(unknown, batch.column(NEGATIVE).is_null())
        count = pc.sum(unknown).as_py() or 0
        if not count:
            return []
        first = batch.column("id")[pc.index(unknown, pa.scalar(True)).as_py()].as_py()
        return [
            Loss(
                code="negatives.unknown",
                field=self.fields[0],
                kind="change",
                reason="LVIS counts a false detection only of classes that neg_category_ids names, and nothing tells"
                " which were looked for; write negatives='all' where all of them were",
                count=count,
                example=first,
            )
        ]

    def losses(self) -> list[Loss]:
        lacking = [
            category.name
            for name, style in self.styles.items()
            if name in self.fields
            for category in style.feature.categories
            if not category.attributes.keys() >= set(RATED)
        ]
        if not lacking:
            return super().losses()
        counted = Loss(
            code="category.counted",
            field="categories",
            kind="change",
            reason="LVIS' evaluator groups classes by frequency; it and the counts are those of this export",
            count=len(lacking),
            example=lacking[0],
        )
        return [*super().losses(), counted]

    def finish(self, target: Target, results: Sequence[Any]) -> int:
        for name in self.styles:
            every = [result.payload[2][name] for result in results if name in result.payload[2]]
            if every:
                counts = np.sum(every, axis=0)[1 if COUNTED in self.schema.splits else 0]
                ids = self.styles[name].category_ids
                self._counts[name] = dict(zip(ids, map(tuple, counts.T.tolist()), strict=True))
        return super().finish(target, [replace(r, payload=r.payload[:2]) for r in results])

    def _categories(self, key: FileKey) -> list[dict[str, Any]] | None:
        rows = super()._categories(key)
        counts = self._counts.get(key.field, next(iter(self._counts.values()), None))
        if rows is None or counts is None:
            return rows
        return [_rated(row, *counts.get(row["id"], (0, 0))) for row in rows]


def _rated(row: dict[str, Any], images: int, objects: int) -> dict[str, Any]:
    """A category with what the evaluator groups it by; what it says itself stays."""
    known = row.get("image_count")
    number = known if isinstance(known, int) else images
    rarity = "r" if number <= RARE else "c" if number <= COMMON else "f"
    return dict(zip(RATED, (rarity, images, objects), strict=True)) | row


FORMAT = Format(
    info=FormatInfo(
        name="lvis",
        title="LVIS",
        spec="https://www.lvisdataset.org/dataset",
        layout=("annotations/lvis_v1_<split>.json", "images/<folder>/*"),
        keeps=frozenset(
            {"id", "image", "split", NEGATIVE, PARTIAL, *(f"objects.{m}" for m in HELD if m != "iscrowd")}
        ),
    ),
    sniff=sniff,
    reader=LvisReader,
    writer=LvisWriter,
    options=LvisOptions,
)
