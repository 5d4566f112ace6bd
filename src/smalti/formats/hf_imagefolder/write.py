"""Write folders of images with a table of metadata for each split."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq

from smalti.formats import free_columns
from smalti.formats.class_table import class_losses
from smalti.formats.document_writer import CLASSES, DocumentWriter, class_list
from smalti.formats.hf_imagefolder.options import (
    CLASS_KEYS,
    FILE,
    LISTS,
    MEMBERS,
    OBJECTS,
    SIZES,
    HfImageFolderOptions,
    are_numbers,
)
from smalti.formats.report import Loss, merged
from smalti.schema import features
from smalti.schema.types import list_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalti.formats.protocol import Cursor, PartResult
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target

    Row = dict[str, Any]

BOX = list_of(list_of(pa.float64()))
READS_AS_OTHER = r"^$|^\s*[-+]?(\d|\.\d|inf|nan)|^(true|false|True|False|TRUE|FALSE)$"


class HfImageFolderWriter(DocumentWriter[HfImageFolderOptions]):
    """Writes a table a split, boxes as x, y, width and height in pixels."""

    title: ClassVar = "Hugging Face's ImageFolder"
    split_folders: ClassVar = True
    one_file: ClassVar = True
    members: ClassVar = frozenset({"category", "bbox", *MEMBERS})
    needed: ClassVar = ()

    def __init__(self, schema: Schema, options: HfImageFolderOptions, single_file: str | None = None) -> None:
        super().__init__(schema, options, single_file)
        self.kind = options.metadata or "jsonl"
        if self.kind == "csv":
            self.field = None
            self.feature = features.Objects()
        table = self.feature.categories
        self.numbered = are_numbers(table.values) and all(c.id in {None, int(c.name)} for c in table)
        self.others: dict[str, Any] = {}
        for name, feature in schema.columns.items():
            key = self._key(name)
            taken = {FILE, OBJECTS, *SIZES, *(self._key(n) for n in self.others)}
            if name not in {"id", "image", "split"} and key not in taken and self._held(feature):
                self.others[name] = feature

    def _key(self, name: str) -> str:
        """The column's name in the table: in tables that were read, what it was."""
        feature = self.schema.columns[name]
        ours = isinstance(feature, features.Captions) or name == f"{feature.source}_"
        return (feature.source if ours else None) or name

    def _held(self, feature: Any) -> bool:
        if isinstance(feature, features.Captions):
            return not feature.attributes and (self.kind != "csv" or feature.source is not None)
        single = isinstance(feature, features.Classification) and not feature.multi
        return single or free_columns.is_plain(feature)

    def holds(self, name: str, feature: Any) -> bool:
        """Whether an attribute can be written."""
        return free_columns.is_plain(feature) and name not in {*CLASS_KEYS, "bbox"}

    def wants(self) -> Schema:
        fields = {*super().wants().fields(), *self.others}
        return self.schema.project(fields | ({self.field} if self.field else set()))

    def losses(self) -> list[Loss]:
        found = [loss for loss in super().losses() if not (self.numbered and loss.code == "category.id")]
        for name, feature in self.others.items():
            if isinstance(feature, features.Classification):
                found += class_losses(feature.categories, "detect", f"{name}{LISTS}")
        return merged(found)

    def places(self, image: str) -> tuple[str, str]:
        return image, image

    def write(self, batch: pa.RecordBatch, target: Target, cursor: Cursor) -> PartResult:
        result = super().write(batch, target, cursor)
        found = list(result.losses)
        for name, feature in self.others.items():
            column = batch.column(name)
            if isinstance(feature, features.Json):
                pairs = zip(batch.column("id").to_pylist(), column.to_pylist(), strict=True)
                given = [(key, free_columns.value(value, feature)) for key, value in pairs]
                found += self._json_losses(given, name)
            elif isinstance(feature, features.Captions):
                found += self._caption_losses(batch, name, feature)
            elif self.kind == "csv" and pa.types.is_string(column.type):
                found += _text_losses(batch, name)
        return replace(result, losses=merged(found))

    def _json_losses(self, given: list[tuple[str, Any]], field: str) -> list[Loss]:
        if self.kind == "jsonl":
            return free_columns.retyped(given, field)
        some = [key for key, value in given if value is not None]
        why = "a table has no JSON; it is written as text"
        return (
            [
                Loss(
                    code="json.as_text",
                    field=field,
                    kind="change",
                    count=len(some),
                    reason=why,
                    example=some[0],
                )
            ]
            if some
            else []
        )

    def _caption_losses(self, batch: pa.RecordBatch, name: str, feature: features.Captions) -> list[Loss]:
        found = []
        for key, given in zip(batch.column("id").to_pylist(), batch.column(name).to_pylist(), strict=True):
            if any(item["id"] is not None for item in given or ()):
                found.append(
                    Loss(
                        code="caption.id",
                        field=name,
                        kind="change",
                        count=1,
                        reason="captions have no ids",
                        example=key,
                    )
                )
            if feature.source is not None and given is not None and len(given) != 1:
                why = f"the column {feature.source} has one text a sample"
                found.append(Loss(code="caption.dropped", field=name, count=1, reason=why, example=key))
        return found

    def document(self, row: Row, objects: list[Row], image: str, losses: list[Loss]) -> bytes:
        folder = f"{row['split']}/" if row.get("split") else ""
        found: Row = {FILE: image.removeprefix(folder)}
        found |= {side: row["image"][side] for side in SIZES}
        if self.field is not None:
            found[OBJECTS] = None if row[self.field] is None else self._lists(objects, row["id"], losses)
        for name, feature in self.others.items():
            found[self._key(name)] = self._value(row[name], feature)
        return msgspec.json.encode(found)

    def _objects(self, row: Row, losses: list[Loss]) -> list[Row]:
        del losses  # null is null, and an object may have no class or no box
        return (row[self.field] or []) if self.field is not None else []

    def _lists(self, objects: list[Row], sample: str, losses: list[Loss]) -> Row:
        codes = self.feature.categories.codes
        found: Row = {"bbox": [_sides(item.get("bbox")) for item in objects]}
        words = [item.get("category") for item in objects]
        if self.options.categories == "numbers" and not self.numbered:
            words = [None if word is None else codes[word] for word in words]
        elif self.numbered:
            words = [None if word is None else int(word) for word in words]
        found["categories"] = words
        for name in self.names_of_objects():
            feature = self.feature.attributes.get(name)
            values = [item[name] for item in objects]
            if isinstance(feature, features.Json):
                decoded = [free_columns.value(value, feature) for value in values]
                losses += self._json_losses([(sample, value) for value in decoded], f"{self.field}.{name}")
                values = decoded if self.kind == "jsonl" else values
            found[name] = values
        return found

    def names_of_objects(self) -> list[str]:
        """The members and attributes of objects that are written, beside box and class."""
        held = [name for name in self.feature.members if name in MEMBERS]
        return [*held, *(name for name, f in self.feature.attributes.items() if self.holds(name, f))]

    def _value(self, value: Any, feature: Any) -> Any:
        if isinstance(feature, features.Captions) and value is not None:
            texts = [item["caption"] for item in value]
            return texts if feature.source is None else (texts or [None])[0]
        return free_columns.value(value, feature) if self.kind == "jsonl" else value

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        tables = self.bodies(results)
        kind = self.kind
        if self.options.metadata is None and any(self._untyped(bodies) for bodies in tables.values()):
            kind = "parquet"  # `datasets` refuses splits whose types differ
        for split, bodies in tables.items():
            name = f"metadata.{kind}"
            target.write(f"{split}/{name}" if split else name, self._table(bodies, kind))
        lists = {CLASSES: self.feature.categories} if self.field is not None else {}
        for name, feature in self.others.items():
            if isinstance(feature, features.Classification):
                lists[f"{self._key(name)}{LISTS}"] = feature.categories
        for name, categories in lists.items():
            target.write(name, class_list(categories))
        return len(tables) + len(lists)

    def _untyped(self, bodies: list[bytes]) -> bool:
        """Whether a column of a table has no value, and a Parquet file can take all of them."""
        attributes = self.feature.attributes.values() if self.field is not None else ()
        if any(isinstance(feature, features.Json) for feature in (*self.others.values(), *attributes)):
            return False
        seen: set[str] = set()
        for body in bodies:
            for name, value in msgspec.json.decode(body).items():
                lists = value if name == OBJECTS and value is not None else {}
                seen |= {
                    f"{name}.{member}" for member, items in lists.items() if any(i is not None for i in items)
                }
                seen |= {name} if value not in (None, []) else set()
        fields = [f.name for f in self._arrow()]
        inner = self._arrow().field(OBJECTS).type if OBJECTS in fields else ()
        return not {*fields, *(f"{OBJECTS}.{f.name}" for f in inner)} <= seen

    def _table(self, bodies: list[bytes], kind: str) -> bytes:
        if kind == "jsonl":
            return b"".join(body + b"\n" for body in bodies)
        rows = [msgspec.json.decode(body) for body in bodies]
        if kind == "parquet":
            sink = io.BytesIO()
            pq.write_table(pa.Table.from_pylist(rows, self._arrow()), sink)
            return sink.getvalue()
        text = io.StringIO()
        writer = csv.DictWriter(text, self._arrow().names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue().encode()

    def _arrow(self) -> pa.Schema:
        fields: list[tuple[str, pa.DataType]] = [(FILE, pa.string()), *((side, pa.int32()) for side in SIZES)]
        if self.field is not None:
            words = self.options.categories == "names" and not self.numbered
            word = pa.string() if words else pa.int64()
            inner = [("bbox", BOX), ("categories", list_of(word))]
            inner += [(name, list_of(self.feature.member_type(name))) for name in self.names_of_objects()]
            fields.append((OBJECTS, pa.struct(inner)))
        for name, feature in self.others.items():
            kind = feature.arrow
            if isinstance(feature, features.Captions):
                kind = list_of(pa.string()) if feature.source is None else pa.string()
            elif isinstance(feature, features.Classification):
                kind = pa.string()
            fields.append((self._key(name), kind))
        return pa.schema(fields)


def _sides(box: Row | None) -> list[float] | None:
    return None if box is None else [box[side] for side in "xywh"]


def _text_losses(batch: pa.RecordBatch, name: str) -> list[Loss]:
    """Texts that a reader of CSV takes for something else."""
    odd = pc.fill_null(pc.match_substring_regex(batch.column(name), READS_AS_OTHER), fill_value=False)
    keys = batch.column("id").filter(odd).to_pylist()
    why = "a CSV does not tell texts from numbers, flags and nothing; write metadata='jsonl'"
    return (
        [Loss(code="text.as_value", field=name, kind="change", count=len(keys), reason=why, example=keys[0])]
        if keys
        else []
    )
