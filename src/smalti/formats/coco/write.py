"""Write COCO: every part leaves its texts, and the end puts them together to one JSON a split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from smalti.errors import DataError
from smalti.formats import part_files
from smalti.formats.coco import classes, encode
from smalti.formats.coco.files import (
    FileKey,
    Piece,
    assemble,
    assemble_results,
    check_ids,
    file_name,
    image_folder,
    own_paths,
    refused,
)
from smalti.formats.coco.layout import IMAGE_INFO
from smalti.formats.coco.losses import changes, declared, taken
from smalti.formats.coco.objects import Style
from smalti.formats.coco.options import CocoOptions, FamilyOptions
from smalti.formats.coco.part import WrittenPart
from smalti.formats.protocol import Cursor, PartResult, Writer
from smalti.schema import features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalti.formats.report import Loss
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target

_OWN_KEYS = ("category_ids", "categories")  # of a remembered head, which are no keys of the file


class CocoWriter(Writer[FamilyOptions]):
    """Writes COCO files; see `smalti.formats.coco`.

    Attributes:
        title: The format's title, for the reasons of losses.
        crowds: Whether ``iscrowd`` is written of a field that lacks it: COCO's tools fail without.
        told: Keys of images that no column tells.
    """

    title: ClassVar[str] = "COCO"
    crowds: ClassVar[bool] = True
    told: ClassVar[frozenset[str]] = frozenset({"file_name"})

    def __init__(self, schema: Schema, options: FamilyOptions, single_file: str | None = None) -> None:
        super().__init__(schema, options, single_file)
        self.layout = options.layout if isinstance(options, CocoOptions) else "folders"
        self.one_field = single_file is not None or self.layout != "folders"
        self.one_file = single_file is not None or self.layout == "fiftyone"
        self.wanted = taken(schema, self.told, one_field=self.one_field)
        self.extra: dict[str, Any] = schema.extra.get("coco", {})
        results = self.extra.get("results", [])
        self.results = [name for name in self.wanted.of_kind(features.Objects) if name in results]
        self.fields = [
            name
            for name, feature in self.wanted.columns.items()
            if isinstance(feature, features.Objects | features.Captions) and name not in self.results
        ]
        self.styles = {name: self._style(name) for name in self.wanted.of_kind(features.Objects)}

    def _style(self, name: str) -> Style:
        feature = self.wanted.objects(name)
        forms = self.extra.get("uncompressed", {}).get(name)
        return Style(
            feature=feature,
            category_ids=classes.export_ids(feature.categories),
            nulls=frozenset(self.extra.get("nulls", {}).get(name, ())),
            uncompressed=tuple(forms) if isinstance(forms, list) else forms,
            results=name in self.results,
            crowds=self.crowds,
            count_keypoints="keypoints" in feature.members
            and "num_keypoints" not in feature.attributes
            and not self.extra,
        )

    def wants(self) -> Schema:
        return self.wanted

    def losses(self) -> list[Loss]:
        return declared(self.schema, self.wanted, self.title, single=self.one_file)

    def details(self) -> dict[str, Any]:
        return {
            "category_ids": {
                name: dict(zip(style.feature.categories.values, style.category_ids, strict=True))
                for name, style in self.styles.items()
            }
        }

    def faults(self, batch: pa.RecordBatch) -> list[DataError]:
        ids = batch.column("id").to_pylist()
        names, _ = own_paths(batch, self.schema, splits=not self.one_file)
        found = refused(names, ids)
        for name in batch.schema.names:
            for row in encode.not_finite(batch.column(name)).tolist():
                reason = f"{name} holds a number that is infinite or none; JSON has no such numbers"
                found.setdefault(
                    row, DataError(reason, sample=ids[row], hint="replace it, or leave the sample out")
                )
        return [found[row] for row in sorted(found)]

    def write(self, batch: pa.RecordBatch, target: Target, cursor: Cursor) -> PartResult:
        names, splits = own_paths(batch, self.schema, splits=not self.one_file)
        part = WrittenPart(self, batch, names, splits, cursor, target)
        with part.files:
            part.images()
            objects = part.labels()
        paths = batch.column("image").field("path").to_pylist() if "image" in batch.schema.names else []
        return PartResult(
            samples=len(batch),
            objects=objects,
            losses=[*changes(part.tallies), *part.merged()],
            media=[
                (path, place)
                for path, place in zip(paths, self.image_places(batch, names, splits), strict=True)
                if path and place and "://" not in path
            ]
            if self.single_file is None
            else [],
            payload=(cursor.index, part.pieces),
        )

    def image_texts(
        self, batch: pa.RecordBatch, names: list[str], splits: list[str | None]
    ) -> dict[str, pa.Array]:
        """The JSON text, by key, of what tells where images are; null where the key is left out."""
        del batch, splits
        return {"file_name": encode.strings(pa.array(names, pa.string()))}

    def image_places(
        self, batch: pa.RecordBatch, names: list[str], splits: list[str | None]
    ) -> list[str | None]:
        """Where the images go in the target; null: the image is there already."""
        del batch
        folders = {split: image_folder(split, self.layout) for split in set(splits)}
        return [folders[split] + name for name, split in zip(names, splits, strict=True)]

    def file_name(self, key: FileKey) -> str:
        """The path of a file in the target."""
        return file_name(key, self.layout)

    def finish(self, target: Target, results: Sequence[Any]) -> int:
        files: dict[FileKey, list[tuple[int, Piece]]] = {}
        for result in results:
            index, pieces = result.payload
            for key, piece in pieces.items():
                files.setdefault(key, []).append((index, piece))
        for key, pieces in files.items():
            name = self.single_file or self.file_name(key)
            check_ids(key, [piece for _, piece in pieces], name)
            if key.field in self.results:
                assemble_results(target, key, name, pieces)
                continue
            target.last = target.last or name
            assemble(target, key, name, self._head(key), pieces, self._categories(key))
        part_files.remove(target)
        return len(files)

    def _head(self, key: FileKey) -> dict[str, Any]:
        """The file's ``info``, ``licenses`` and other keys at the top, where the source had them."""
        heads = self.extra.get("heads", {})
        split = key.split or ""
        if self.one_field and key.split is None and len(self.schema.splits) == 1:
            split = self.schema.splits[0]  # the file of the only split
        for field in (key.field, *self.fields, IMAGE_INFO):
            found = heads.get(field, {})
            if (head := found.get(split)) is not None:
                return {name: value for name, value in head.items() if name not in _OWN_KEYS}
        return {}

    def _categories(self, key: FileKey) -> list[dict[str, Any]] | None:
        heads = self.extra.get("heads", {})
        head = heads.get(key.field, {}).get(key.split or "", {})
        if "categories" in head:
            return list(head["categories"])
        name = key.field if key.field in self.styles else next(iter(self.styles), None)
        if name is None or key.field not in {name, IMAGE_INFO}:
            return None
        style = self.styles[name]
        base = 0 if name in self.extra.get("zero_based", []) else 1
        rows = classes.to_json(style.feature.categories, list(style.category_ids), base)
        if "category_ids" in head:
            by_id = {row["id"]: row for row in rows}
            known = [by_id.pop(number) for number in head["category_ids"] if number in by_id]
            used = [row for row in by_id.values() if not self._from_source(name, row["id"])]
            return known + used
        return rows

    def _from_source(self, name: str, number: object) -> bool:
        """Whether another file of the source brought a category, which this file did not have."""
        heads = self.extra.get("heads", {}).get(name, {})
        return any("category_ids" not in head or number in head["category_ids"] for head in heads.values())
