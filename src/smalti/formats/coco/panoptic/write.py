"""Write COCO panoptic: PNGs one at a time, and a JSON a split that is put together at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from smalti.errors import DataError, OptionError
from smalti.formats import label_images, part_files
from smalti.formats.coco import classes, encode
from smalti.formats.coco.files import (
    FileKey,
    Piece,
    assemble,
    check_ids,
    image_folder,
    own_paths,
    part_name,
    refused,
)
from smalti.formats.coco.losses import plain_columns
from smalti.formats.coco.panoptic.labels import Labels, from_objects, stored
from smalti.formats.coco.panoptic.load import COLUMN
from smalti.formats.coco.panoptic.options import PanopticOptions
from smalti.formats.coco.panoptic.pixels import HIGHEST, VOID
from smalti.formats.coco.part import image_texts
from smalti.formats.document_writer import object_field
from smalti.formats.free_names import stem_of
from smalti.formats.losses import dropped
from smalti.formats.protocol import PartResult, Writer
from smalti.formats.report import Loss, merged
from smalti.schema import features
from smalti.storage.location import Location

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalti.formats.protocol import Cursor
    from smalti.schema.categories import Category
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target

MEMBERS = ("category", "bbox", "polygons", "mask", "area", "iscrowd")  # of objects that are painted
REASONS = {
    "id": "a segment's id is the value of its pixels",
    "score": "segments have no scores",
    "file_name": "file_name is the path of the image",
}
KEYS = {"category": "category_id"}  # of segments, where they differ from the member's name


class PanopticWriter(Writer[PanopticOptions]):
    """Writes panoptic JSON files with their PNGs; see `smalti.formats.coco.panoptic`.

    Attributes:
        field: The column that is written; null: there is none.
        table: The class table of its segments.
        things: Of each class, whether it is a thing.
        colours: Of each class, the id of its colour.
        attributes: Further keys of segments.
        labels: Those of the part that is being written.
    """

    labels: Labels

    def __init__(self, schema: Schema, options: PanopticOptions, single_file: str | None = None) -> None:
        super().__init__(schema, options, single_file)
        self.field = _field(schema, options.field)
        feature = schema.columns.get(self.field)
        self.feature = (
            feature if isinstance(feature, features.Objects | features.Panoptic) else features.Objects()
        )
        self.dense = isinstance(feature, features.Panoptic)
        self.table = self.feature.categories
        if unknown := set(options.stuff) - set(self.table.values):
            raise OptionError(f"stuff={min(unknown)!r} is no class; there are {', '.join(self.table.values)}")
        self.things = [self._is_thing(c, name) for c, name in zip(self.table, self.table.values, strict=True)]
        self.rgb = label_images.colours_of(self.table, apart=False)
        self.colours = [r + 256 * g + 65_536 * b for r, g, b in self.rgb]
        self.attributes = {n: f for n, f in self.feature.attributes.items() if encode.holdable(f.arrow)}
        self.extra: dict[str, Any] = schema.extra.get("coco_panoptic", {})
        self.keys = [name for name in self.extra.get("keys", []) if name in schema.columns]
        self._taken: set[tuple[str, str]] = set()

    def _is_thing(self, category: Category, name: str) -> bool:
        said = category.attributes.get("isthing")
        return name not in self.options.stuff if said is None else bool(said)

    def wants(self) -> Schema:
        fields = {"id", "image", "split", *plain_columns(self.schema, frozenset({"file_name"}))}
        if self.dense:
            fields.add(self.field)
        elif self.field:
            fields |= {self.field, *(f"{self.field}.{m}" for m in MEMBERS), f"{self.field}.segment_id"}
            fields |= {f"{self.field}.{name}" for name in self.attributes}
        return self.schema.project(fields)

    def losses(self) -> list[Loss]:
        found = dropped(self.schema, self.wants(), "COCO panoptic", REASONS)
        unsaid = [category.name for category in self.table if "isthing" not in category.attributes]
        if unsaid:
            assumed = Loss(
                code="thing.assumed",
                field="categories",
                kind="change",
                reason="nothing tells whether a class is a thing or stuff; it is a thing, unless stuff= names it",
                count=len(unsaid),
                example=unsaid[0],
            )
            found.append(assumed)
        return [loss for loss in found if loss.field != "split"]

    def details(self) -> dict[str, Any]:
        ids = classes.export_ids(self.table)
        pairs = list(zip(self.table.values, self.things, strict=True))
        return {
            "field": self.field,
            "category_ids": dict(zip(self.table.values, ids, strict=True)),
            "things": [name for name, thing in pairs if thing],
            "stuff": [name for name, thing in pairs if not thing],
        }

    def faults(self, batch: pa.RecordBatch) -> list[DataError]:
        ids = batch.column("id").to_pylist()
        names, _ = own_paths(batch, self.schema, splits=True)
        found = refused(names, ids)
        for name in batch.schema.names:
            for row in encode.not_finite(batch.column(name)).tolist():
                reason = f"{name} holds a number that is infinite or none; JSON has no such numbers"
                found.setdefault(row, DataError(reason, sample=ids[row]))
        if self.field:
            for row, reason in self._unwritable(batch):
                found.setdefault(row, DataError(reason, sample=ids[row]))
        return [found[row] for row in sorted(found)]

    def _unwritable(self, batch: pa.RecordBatch) -> list[tuple[int, str]]:
        """Samples whose label cannot be written, and why."""
        column = batch.column(self.field)
        there = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False)).tolist()
        if not self.dense:
            width, height = (
                batch.column("image").field(side).fill_null(0).to_pylist() for side in ("width", "height")
            )
            why = "the size of the image is not known, and a label image is as large as it"
            return [(row, why) for row in there if not (width[row] and height[row])]
        paths, bodies, lists = column.flatten()
        found = [
            (row, f"the label image {paths[row].as_py()!r} is not there")
            for row in there
            if not bodies[row].is_valid and not self._is_there(paths[row].as_py())
        ]
        lengths, segments = encode.unnest(lists)
        owner = np.repeat(np.arange(len(batch)), lengths)
        ids = segments.field("id").fill_null(0).to_numpy(zero_copy_only=False)
        bad = (ids <= VOID) | (ids > HIGHEST) | np.asarray(segments.field("category").is_null())
        bad[
            np.setdiff1d(np.arange(len(ids)), np.unique(owner * (HIGHEST + 1) + ids, return_index=True)[1])
        ] = True
        why = f"a segment needs a class, and an id of its own from 1 to {HIGHEST:,}"
        return found + [(int(row), why) for row in np.unique(owner[bad])]

    def _is_there(self, path: str | None) -> bool:
        root = self.schema.media_root
        return root is not None and path is not None and (Location.parse(root) / path).isfile()

    def write(self, batch: pa.RecordBatch, target: Target, cursor: Cursor) -> PartResult:
        names, splits = own_paths(batch, self.schema, splits=True)
        pngs: list[str | None] = [None] * len(batch)
        self.labels = Labels(np.zeros(len(batch), np.int64), np.ones(len(batch), np.bool_))
        if self.field:
            for row, body in (stored if self.dense else from_objects)(self, batch):
                pngs[row] = self._png(batch, row, names[row], splits[row])
                target.write(f"{_stem(splits[row])}/{pngs[row]}", body)
        labels = self.labels
        ids = self._image_ids(batch, cursor)
        images, notes = self._image_texts(batch, names, ids), self._note_texts(batch, pngs, ids)
        pieces = {}
        for split in dict.fromkeys(splits):
            key = FileKey(COLUMN, split)
            rows = np.array([word == split for word in splits], np.bool_)
            annotated = rows & ~labels.missing
            some = ids.filter(pa.array(rows))
            pieces[key] = Piece(
                images=int(rows.sum()),
                annotations=int(annotated.sum()),
                image_ids=some.drop_null().to_numpy(zero_copy_only=False),
                nameless=some.null_count,
            )
            for section, texts, mine in (("images", images, rows), ("annotations", notes, annotated)):
                if mine.any():
                    with target.open(part_name(key, cursor.index, section)) as file:
                        file.write(encode.body(texts.filter(pa.array(mine))))
        paths = batch.column("image").field("path").to_pylist() if "image" in batch.schema.names else []
        return PartResult(
            samples=len(batch),
            objects=0 if self.dense else int(labels.lengths.sum()),
            losses=merged(labels.losses),
            media=[
                (path, image_folder(split, "folders") + name)
                for path, name, split in zip(paths, names, splits, strict=True)
                if path and "://" not in path
            ],
            files=sum(png is not None for png in pngs),
            payload=(cursor.index, pieces),
        )

    def _png(self, batch: pa.RecordBatch, row: int, name: str, split: str | None) -> str:
        """The path of a sample's PNG below the folder of its split: what it was, else the image's."""
        known = None
        if self.dense:
            path = batch.column(self.field).field("path")[row].as_py() or ""
            prefix = next((p for p in self.extra.get("folders", []) if path.startswith(p)), None)
            known = path[len(prefix) :] if prefix and path.lower().endswith(".png") else None
        found = known or f"{stem_of(name)}.png"
        if (split or "", found.lower()) in self._taken:
            found = f"{name}.png"
        self._taken.add((split or "", found.lower()))
        return found

    def _image_ids(self, batch: pa.RecordBatch, cursor: Cursor) -> pa.Array:
        """The JSON text of image ids."""
        if "image_id" in batch.schema.names and self.options.ids == "keep":
            is_json = isinstance(self.schema.columns["image_id"], features.Json)
            column = batch.column("image_id")
            return encode.raw_json(column, "image_id") if is_json else encode.text(column)
        first = cursor.samples + 1
        return pa.array(np.arange(first, first + len(batch))).cast(pa.string())

    def _image_texts(self, batch: pa.RecordBatch, names: list[str], ids: pa.Array) -> pa.Array:
        own = {"file_name": encode.strings(pa.array(names, pa.string()))}
        kept = {name: feature for name, feature in self.wants().columns.items() if name not in self.keys}
        nulls = self.extra.get("nulls", [])
        return image_texts(batch, self.schema.with_columns(kept), own, ids, nulls)

    def _note_texts(self, batch: pa.RecordBatch, pngs: list[str | None], ids: pa.Array) -> pa.Array:
        """The text of every sample's annotation, with a comma and a line break in front."""
        labels = self.labels
        lists = encode.joined(self._segment_texts(labels.columns), labels.lengths)
        parts: list[object] = [",\n{"]
        for name in self.keys:
            feature, column = self.schema.columns[name], batch.column(name)
            texts = encode.raw_json(column, name) if feature.kind == "json" else encode.text(column)
            parts += encode.keyed(feature.source or name, texts, null=False)
        files = encode.strings(pa.array([png or "" for png in pngs], pa.string()))
        return encode.join(
            *parts,
            '"segments_info":[',
            lists,
            '],"file_name":',
            files,
            ',"image_id":',
            ids.fill_null("null"),
            "}",
        )

    def _segment_texts(self, columns: dict[str, pa.Array]) -> pa.Array:
        if not columns:
            return pa.array([], pa.string())
        texts = {
            "area": encode.text(columns["area"]),
            "category_id": encode.take_text(classes.export_ids(self.table), columns["category"].indices),
            "iscrowd": columns["iscrowd"].cast(pa.int8()).cast(pa.string()),
            "bbox": encode.join(
                "[",
                pa.compute.binary_join_element_wise(*map(encode.text, columns["bbox"].flatten()), ","),
                "]",
            ),
        }
        for name, feature in self.attributes.items():
            if name in columns and name != "segment_id":
                is_json = feature.kind == "json"
                texts[feature.source or name] = (
                    encode.raw_json(columns[name], name) if is_json else encode.text(columns[name])
                )
        parts: list[object] = ["{"]
        for key, values in texts.items():
            parts += encode.keyed(key, values, null=False)
        return encode.join(*parts, '"id":', encode.text(columns["id"]), "}")

    def finish(self, target: Target, results: Sequence[Any]) -> int:
        files: dict[FileKey, list[tuple[int, Piece]]] = {}
        for result in results:
            index, pieces = result.payload
            for key, piece in pieces.items():
                files.setdefault(key, []).append((index, piece))
        for key, parts in files.items():
            name = f"{_stem(key.split)}.json"
            check_ids(key, [piece for _, piece in parts], name)
            target.last = target.last or name
            head = self.extra.get("heads", {}).get(key.split or "", {})
            assemble(target, key, name, head, parts, self._categories())
            target.mkdir(_stem(key.split))
        part_files.remove(target)
        return len(files)

    def _categories(self) -> list[dict[str, Any]]:
        rows = classes.to_json(self.table, classes.export_ids(self.table), 1)
        for row, thing, rgb, category in zip(rows, self.things, self.rgb, self.table, strict=True):
            row.setdefault("isthing", int(thing))
            if category.color is None or label_images.from_hex(category.color) is not None:
                row.setdefault("color", list(rgb))
                row["color"] = list(rgb) if category.color is not None else row["color"]
        return rows


def _stem(split: str | None) -> str:
    return f"annotations/panoptic_{split}" if split else "annotations/panoptic"


def _field(schema: Schema, wanted: str | None) -> str:
    """The column that is written; empty where there is none.

    Raises:
        OptionError: There are several and none is named, or none of that name.
    """
    labels, objects = schema.of_kind(features.Panoptic), schema.of_kind(features.Objects)
    if wanted is not None:
        if wanted not in {*labels, *objects}:
            there = ", ".join([*labels, *objects]) or "none"
            raise OptionError(
                f"field={wanted!r} is no column of panoptic labels or objects; there are {there}"
            )
        return wanted
    if len(labels) > 1:
        raise OptionError(
            f"which panoptic labels to write? There are {', '.join(labels)}; name one with field="
        )
    return labels[0] if labels else object_field(schema) or ""
