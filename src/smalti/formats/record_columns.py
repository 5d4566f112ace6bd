"""Columns from records: what features they need, and their Arrow arrays; see `smalti.formats.records`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from smalti.errors import DataError
from smalti.formats import json_files
from smalti.schema import features
from smalti.schema.build import list_column
from smalti.schema.categories import Categories
from smalti.schema.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from smalti.formats.records import Record
    from smalti.schema.features import AnyFeature

Plain = features.Value | features.Json
TYPES = {
    frozenset({"bool"}): pa.bool_(),
    frozenset({"int"}): pa.int64(),
    frozenset({"int", "float"}): pa.float64(),
    frozenset({"float"}): pa.float64(),
    frozenset({"str"}): pa.string(),
}
LARGEST = 2**63
WORDS = ("objects", "classes", "captions", "masks", "plain")  # kinds of columns, as `Record` calls them


@dataclass(slots=True)
class _Field:
    """What was seen of a field of objects."""

    names: dict[str, None] = field(default_factory=dict)
    classes: dict[str, None] = field(default_factory=dict)
    kinds: dict[str, set[str]] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)


class Survey:
    """What records hold: fields, classes, members, kinds of values.

    Args:
        attributes: Features of attributes that are known beforehand.
        columns: Features of columns that are known beforehand.
    """

    def __init__(self, attributes: Mapping[str, Plain], columns: Mapping[str, Plain]) -> None:
        self.attributes = attributes
        self.columns = columns
        self.kinds: dict[str, str] = {}
        self.fields: dict[str, _Field] = {}
        self.classes: dict[str, dict[str, None]] = {}
        self.multi: set[str] = set()
        self.plain: dict[str, set[str]] = {}

    def add(self, record: Record) -> None:
        """Look at one record.

        Raises:
            DataError: A column is one thing here and another elsewhere.
        """
        for kind in WORDS:
            for name in getattr(record, kind):
                if (before := self.kinds.setdefault(name, kind)) != kind:
                    raise DataError(f"{name!r}: found {kind} here and {before} before, expected the same")
        for name, objects in record.objects.items():
            self._objects(self.fields.setdefault(name, _Field()), objects or ())
        for name, found in record.classes.items():
            self.classes.setdefault(name, {}).update(dict.fromkeys(word for word, _ in found))
            if len(found) > 1 or any(score is not None for _, score in found):
                self.multi.add(name)
        for name, value in record.plain.items():
            self.plain.setdefault(name, set()).update(kind_of(value))

    def _objects(self, seen: _Field, objects: Iterable[Mapping[str, Any]]) -> None:
        for item in objects:
            for name, value in item.items():
                seen.names[name] = None
                if name == "category":
                    seen.classes[value] = None
                elif name in {"id", "track_id"}:
                    seen.ids.add(type(value).__name__)
                elif name not in features.OBJECT_MEMBERS:
                    seen.kinds.setdefault(name, set()).update(kind_of(value))

    def schema(
        self, tables: Mapping[str | None, Categories], splits: tuple[str, ...], media: str, main: str
    ) -> Schema:
        """The schema of all records.

        Args:
            tables: Class tables that the source lists, by field; null: of the others.
            splits: The splits in their order.
            media: Where images are.
            main: The field of objects that is there in any case.
        """
        columns: dict[str, AnyFeature] = {"id": features.Value(type=pa.string()), "image": features.Image()}
        if splits:
            columns["split"] = features.Split()
        for name in sorted({main, *self.fields}, key=lambda one: one != main):
            seen = self.fields.get(name) or _Field()
            columns[name] = self._feature(seen, _table(tables.get(name, tables.get(None)), seen.classes))
        for name, words in self.classes.items():
            table = _table(tables.get(name), words)
            columns[name] = features.Classification(categories=table, multi=name in self.multi)
        masks = [name for name, kind in self.kinds.items() if kind == "masks"]
        columns |= {name: features.Mask(categories=tables.get(name) or Categories()) for name in masks}
        columns |= {name: features.Captions() for name, kind in self.kinds.items() if kind == "captions"}
        columns |= {name: self.columns.get(name) or plain_feature(k) for name, k in self.plain.items()}
        return Schema(columns=columns, splits=splits, media_root=media)

    def _feature(self, seen: _Field, table: Categories) -> features.Objects:
        members = [name for name in seen.names if name in features.OBJECT_MEMBERS]
        some = set(members) & set(features.GEOMETRY)
        return features.Objects(
            categories=table,
            members=("category", *members, *(() if some else ("bbox",))),
            attributes={n: self.attributes.get(n) or plain_feature(k) for n, k in seen.kinds.items()},
            id_type="int64" if seen.ids <= {"int"} else "string",
        )


def _table(known: Categories | None, used: Iterable[str]) -> Categories:
    """A class table with what is used besides at its end."""
    table = known or Categories()
    more = [word for word in used if word not in table.codes]
    return Categories((*table, *Categories.of(more))) if more else table


def kind_of(value: Any) -> set[str]:
    """The kind of a plain value, for `plain_feature`; of null none."""
    if value is None:
        return set()
    name = type(value).__name__
    if name == "int" and not -LARGEST <= value < LARGEST:
        return {"json"}
    return {name} if name in {"bool", "int", "float", "str"} else {"json"}


def plain_feature(kinds: set[str]) -> Plain:
    """The feature that holds values of those kinds, JSON where no one Arrow type does."""
    found = TYPES.get(frozenset(kinds), None if kinds else pa.string())
    return features.Json() if found is None else features.Value(type=found)


def plain_array(found: Sequence[Any], feature: Plain) -> pa.Array:
    """A column of plain values."""
    if isinstance(feature, features.Json):
        return pa.array([None if v is None else json_files.text(v) for v in found], pa.string())
    if pa.types.is_floating(feature.type):
        return pa.array([None if v is None else float(v) for v in found], feature.type)
    return pa.array(found, feature.type)


def batch(records: Sequence[Record], schema: Schema) -> pa.RecordBatch:
    """The records as a batch of the schema that their survey gave."""
    columns = [_column(name, feature, records, schema) for name, feature in schema.columns.items()]
    return pa.RecordBatch.from_arrays(columns, schema=schema.arrow)


def _column(name: str, feature: AnyFeature, records: Sequence[Record], schema: Schema) -> pa.Array:
    if name == "id":
        front = [f"{r.split or ''}/" if schema.id_has_split else "" for r in records]
        return pa.array([a + str(r.id) for a, r in zip(front, records, strict=True)], pa.string())
    if isinstance(feature, features.Image):
        paths = pa.array([record.image for record in records], pa.string())
        sides = [pa.array([getattr(r, side) for r in records], pa.int32()) for side in ("width", "height")]
        return pa.StructArray.from_arrays([paths, *sides], fields=list(feature.arrow))
    if isinstance(feature, features.Split):
        codes = [None if r.split is None else schema.splits.index(r.split) for r in records]
        return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(schema.splits))
    if isinstance(feature, features.Objects):
        return _objects(feature, [record.objects.get(name) for record in records])
    if isinstance(feature, features.Classification):
        return _classes(feature, [record.classes.get(name) for record in records])
    if isinstance(feature, features.Mask):
        return pa.array([record.masks.get(name) for record in records], feature.arrow)
    if isinstance(feature, features.Captions):
        made = [
            None
            if (given := record.captions.get(name)) is None
            else [{"id": n, "caption": t} for n, t in given]
            for record in records
        ]
        return pa.array(made, feature.arrow)
    return plain_array([record.plain.get(name) for record in records], feature)  # type: ignore[arg-type]  # what is left


def _objects(feature: features.Objects, rows: Sequence[list[dict[str, Any]] | None]) -> pa.ListArray:
    flat = [item for objects in rows for item in objects or ()]
    children = [_member(name, feature, [item.get(name) for item in flat]) for name in feature.names]
    struct = pa.Array.from_buffers(feature.struct, len(flat), [None], children=children)
    lengths = np.array([len(objects or ()) for objects in rows], np.int64)
    return list_column(struct, lengths, np.array([objects is None for objects in rows], bool))


def _member(name: str, feature: features.Objects, found: list[Any]) -> pa.Array:
    if name == "category":
        codes = feature.categories.codes
        return feature.categories.encode([None if word is None else codes[word] for word in found])
    if name in feature.attributes:
        return plain_array(found, feature.attributes[name])
    kind = feature.member_type(name)
    if name in {"id", "track_id"} and pa.types.is_string(kind):
        found = [None if value is None else str(value) for value in found]
    return pa.array(found, kind)


def _classes(
    feature: features.Classification, rows: Sequence[list[tuple[str, float | None]] | None]
) -> pa.Array:
    codes = feature.categories.codes
    if not feature.multi:
        return feature.categories.encode([codes[given[0][0]] if given else None for given in rows])
    flat = [pair for given in rows for pair in given or ()]
    words = feature.categories.encode([codes[word] for word, _ in flat])
    scores = pa.array([score for _, score in flat], pa.float64())
    struct = pa.StructArray.from_arrays([words, scores], fields=list(feature.arrow.value_type))
    lengths = np.array([len(given or ()) for given in rows], np.int64)
    return list_column(struct, lengths, np.array([given is None for given in rows], bool))
