"""Samples as a FiftyOneDataset.

Specification: https://docs.voxel51.com/user_guide/export_datasets.html#fiftyonedataset
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import DataError
from smalti.formats.fiftyone import fields
from smalti.formats.fiftyone.encode import Encoder, sections_of
from smalti.formats.fiftyone.labels import KEYS, LINK, LISTS, REST
from smalti.formats.fiftyone.read import INTERNAL, MAIN, OURS, OWN, SAMPLE_KEYS, FiftyOneOptions
from smalti.formats.fiftyone.values import binary, id_of, pixels_of
from smalti.formats.record_writer import RecordWriter, is_plain, plain_values
from smalti.schema import features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalti.formats.protocol import Cursor, PartResult
    from smalti.formats.report import Loss
    from smalti.schema.categories import Categories, Category
    from smalti.schema.features import AnyFeature
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target

NAME = "samples.json"
TIMES = frozenset({"created_at", "last_modified_at"})


class FiftyOneWriter(RecordWriter[FiftyOneOptions]):
    """Writes ``samples.json`` and ``metadata.json``."""

    title: ClassVar = "FiftyOne"

    def __init__(self, schema: Schema, options: FiftyOneOptions, single_file: str | None = None) -> None:
        super().__init__(schema, options, single_file)
        self.own = schema.extra.get(REST, {})
        self.kinds: dict[str, str] = self.own.get("fields", {})
        source = schema.columns["objects"].source if "objects" in schema.columns else None
        self.main = source or ("objects" if MAIN in schema.columns else MAIN)
        self.named = {name: self.main if name == "objects" else name for name in self.fields}
        self.sections = {
            _field(self.named[name], cls, 1): self.named[name]
            for name, feature in self.fields.items()
            for cls in sections_of(feature)[1:]
        }
        taken = {*self.named.values(), *self.sections}
        self.columns = {n: f for n, f in schema.columns.items() if n not in taken and self._is_field(n, f)}

    def _is_field(self, name: str, feature: AnyFeature) -> bool:
        if name in OWN | SAMPLE_KEYS | INTERNAL | TIMES or not _is_name(name):
            return False
        return isinstance(feature, features.Classification | features.Mask) or is_plain(feature)

    def holds(self, name: str, feature: AnyFeature) -> bool:
        if isinstance(feature, features.Objects):
            return name == "objects" or (_is_name(name) and name not in OWN | SAMPLE_KEYS)
        own = name in {REST, "tags"} and isinstance(feature, features.Json)
        return own or name in self.columns

    def holds_attribute(self, name: str, feature: features.Value | features.Json) -> bool:
        if name in {REST, "tags"}:
            return isinstance(feature, features.Json)
        return is_plain(feature) and name not in KEYS and name != LINK and _is_name(name)

    def holds_member(self, name: str) -> bool:
        del name
        return True

    def faults(self, batch: pa.RecordBatch) -> list[DataError]:
        """Samples with objects whose picture's size is not known, or whose ids FiftyOne cannot hold."""
        image = batch.column("image")
        known = pc.and_(
            *(pc.greater(pc.fill_null(pc.struct_field(image, s), 0), 0) for s in ("width", "height"))
        )
        some = pa.array(np.zeros(len(batch), bool))
        for name in self.fields:
            if name in batch.schema.names:
                some = pc.or_(some, pc.greater(pc.fill_null(pc.list_value_length(batch.column(name)), 0), 0))
        hint = "read the dataset with media= so that sizes can be taken from the images"
        why = "shares of the picture need its size, which is not known"
        ids = batch.column("id").filter(pc.and_(some, pc.invert(known))).to_pylist()
        return [DataError(why, sample=sample, hint=hint) for sample in ids]

    def image(self, row: dict[str, Any]) -> str:
        return "/".join(part for part in ("data", row.get("split"), self.name(row)) if part)

    def write(self, batch: pa.RecordBatch, target: Target, cursor: Cursor) -> PartResult:
        done = super().write(batch, target, cursor)
        masks = [n for n, f in self.columns.items() if isinstance(f, features.Mask)]
        paths = {pair["path"] for n in masks for pair in batch.column(n).to_pylist() if pair and pair["path"]}
        return replace(done, media=[*done.media, *((path, _mask_path(path)) for path in sorted(paths))])

    def record(self, row: dict[str, Any], number: int, image: str, losses: list[Loss]) -> tuple[bytes, int]:
        rest = msgspec.json.decode(row[REST]) if row.get(REST) else {}
        rest = rest if isinstance(rest, dict) else {}
        tags = msgspec.json.decode(row["tags"]) if row.get("tags") else []
        path = row["image"]["path"] or ""
        sides = {side: row["image"][side] for side in ("width", "height")}
        sample: dict[str, Any] = {
            "filepath": path if "://" in path else image,
            "tags": [
                *([row["split"]] if row.get("split") else []),
                *(tags if isinstance(tags, list) else [tags]),
            ],
            "metadata": {"_cls": "ImageMetadata", **rest.pop("metadata", {}), **sides},
            "_media_type": "image",
            "_rand": zlib.crc32(str(row["id"]).encode()) / 2**32,
        }
        encoder = Encoder(row, number, losses)
        for field, feature in self.fields.items():
            if row.get(field) is not None:
                sample |= self._labels(self.named[field], encoder.labels(field, feature))
        values = {n: f for n, f in self.columns.items() if is_plain(f)}
        sample |= {n: self._value(n, v, encoder) for n, v in plain_values(row, values).items()}
        for name, kind in self.columns.items():
            if row.get(name) is not None and isinstance(kind, features.Classification):
                sample[name] = self._classes(name, row[name], encoder, multi=kind.multi)
            elif row.get(name) is not None and isinstance(kind, features.Mask):
                sample[name] = self._mask(row[name], encoder)
        return msgspec.json.encode({**sample, **rest}), encoder.count

    def _labels(self, name: str, found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
        """The fields that an object field becomes, a list each."""
        return {
            _field(name, cls, place): {"_cls": cls, LISTS[cls]: of}
            for place, (cls, of) in enumerate(found.items())
        }

    def _value(self, name: str, value: Any, encoder: Encoder) -> Any:
        if self.kinds.get(name) != "Regression":
            return value
        return {"_id": id_of(None, encoder.nameless()), "_cls": "Regression", "tags": [], "value": value}

    def _classes(self, name: str, value: Any, encoder: Encoder, *, multi: bool) -> dict[str, Any] | None:
        given = value if multi else [{"category": value, "score": None}]
        made = [
            {
                "_id": id_of(None, encoder.nameless()),
                "_cls": "Classification",
                "tags": [],
                "label": one["category"],
                "confidence": one["score"],
            }
            for one in given
        ]
        one = self.kinds.get(name, "Classifications" if multi else "Classification") == "Classification"
        if one and len(made) < 2:
            return made[0] if made else None
        return {"_cls": "Classifications", "classifications": made}

    def _mask(self, value: dict[str, Any], encoder: Encoder) -> dict[str, Any]:
        found: dict[str, Any] = {"_id": id_of(None, encoder.nameless()), "_cls": "Segmentation", "tags": []}
        if value["bytes"] is None:
            return {**found, "mask_path": None if value["path"] is None else _mask_path(value["path"])}
        pixels = pixels_of(value["bytes"])
        return {**found, "mask": None if pixels is None else binary(pixels)}

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        self.join(target, NAME, None, results, (b'{"samples":[\n', b"\n]}\n"))
        target.write("metadata.json", msgspec.json.encode(self._metadata()) + b"\n")
        target.mkdir("data")
        return 2

    def _metadata(self) -> dict[str, Any]:
        """What FiftyOne knows of a dataset."""
        labels = {
            _field(self.named[n], cls, place): cls
            for n, f in self.fields.items()
            for place, cls in enumerate(sections_of(f))
        }
        tables = {self.named[n]: f.categories for n, f in self.fields.items()}
        tables |= {n: f.categories for n, f in self.columns.items() if isinstance(f, features.Classification)}
        masks = {n: f.categories for n, f in self.columns.items() if isinstance(f, features.Mask)}
        targets = {
            n: {str(n if c.id is None else c.id): c.name for n, c in enumerate(t)}
            for n, t in masks.items()
            if len(t)
        }
        kept = {key: value for key, value in self.own.items() if key != "fields"}
        return {
            "version": fields.VERSION,
            "media_type": "image",
            "sample_fields": fields.declared(labels, self.columns, self.kinds),
            "frame_fields": [],
            "default_classes": [],
            **kept,
            "info": {**kept.get("info", {}), OURS: self._ours(tables)},
            "classes": {name: list(table.values) for name, table in tables.items() if len(table)},
            "mask_targets": {**kept.get("mask_targets", {}), **targets},
            "skeletons": {**kept.get("skeletons", {}), **self._skeletons()},
        }

    def _ours(self, tables: dict[str, Categories]) -> dict[str, Any]:
        """What FiftyOne has no place for: it stands under a key of ``info``."""
        details = {n: [_rest(v, c) for v, c in zip(t.values, t, strict=True)] for n, t in tables.items()}
        return {
            "main": self.main,
            "sections": self.sections,
            "splits": list(self.schema.splits),
            "classes": {name: found for name, found in details.items() if any(found)},
        }

    def _skeletons(self) -> dict[str, Any]:
        found = {
            _field(self.named[n], "Keypoints", sections_of(f).index("Keypoints")): _skeleton(
                f.categories.root
            )
            for n, f in self.fields.items()
            if "keypoints" in f.members
        }
        return {name: one for name, one in found.items() if one}


def _field(name: str, cls: str, place: int) -> str:
    """What the field of some of an object field's labels is called: the first kind has its name."""
    return f"{name}_{cls.lower()}" if place else name


def _is_name(name: str) -> bool:
    """Whether FiftyOne takes it for the name of a field."""
    return bool(name) and name[0] not in "_$" and "." not in name and "\0" not in name


def _mask_path(path: str) -> str:
    return path if path.startswith("fields/") else f"fields/{path}"


def _rest(value: str, category: Category) -> dict[str, Any]:
    """What of a class FiftyOne has no place for."""
    found = category.model_dump(mode="json", exclude_defaults=True)
    if found["name"] == value:
        del found["name"]
    return found


def _skeleton(table: Sequence[Category]) -> dict[str, Any] | None:
    """The skeleton of a field: that of its first class with points."""
    first = next((category for category in table if category.keypoints), None)
    if first is None:
        return None
    return {"labels": list(first.keypoints or ()), "edges": [list(pair) for pair in first.skeleton or ()]}
