"""Encode one label column as an attribute of lines, with its metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from smalti.formats import free_columns
from smalti.formats.report import Loss
from smalti.formats.sagemaker.line import COLORS
from smalti.formats.sagemaker.options import (
    BOX_KEYS,
    BOXES,
    CLASS,
    CLASSES,
    CONFIDENCE,
    MASK,
    METADATA,
    OBJECT_METADATA,
    OWN,
    REF,
    UNKNOWN,
)
from smalti.schema import features

if TYPE_CHECKING:
    from smalti.schema.categories import Categories
    from smalti.schema.schema import Schema

    LabelFeature = features.Objects | features.Classification | features.Mask
    Row = dict[str, Any]

DEPTH = 3  # channels, which the schema does not know
GRADES = ("bbox", "category", "score")


class Encoder:
    """Writes one label column.

    Args:
        name: The column.
        key: The attribute's name; a mask's gets the ending that it must have.
        feature: Of the column.
        schema: Of the dataset.
        front: What stands in front of the paths of masks.
        confidence: What labels without a confidence get; null: nothing.
    """

    def __init__(
        self, name: str, key: str, feature: LabelFeature, schema: Schema, front: str, confidence: float | None
    ) -> None:
        self.name = name
        self.feature = feature
        self.front = front
        self.confidence = confidence
        self.kind = _kind(feature)
        self.key = f"{key}{REF}" if self.kind == MASK and not key.endswith(REF) else key
        self.numbers = _numbers(feature.categories)
        rest, score = schema.columns.get(f"{name}{METADATA}"), schema.columns.get(f"{name}{CONFIDENCE}")
        self.rest = f"{name}{METADATA}" if isinstance(rest, features.Json) else None
        held = isinstance(score, features.Value) and self.kind == CLASS
        self.score = f"{name}{CONFIDENCE}" if held else None
        self.attributes: dict[str, features.Value | features.Json] = {}
        if isinstance(feature, features.Objects):
            ours = {OBJECT_METADATA} if "sagemaker" in schema.extra else set()
            self.attributes = {
                n: f
                for n, f in feature.attributes.items()
                if free_columns.is_plain(f) and n not in {*BOX_KEYS, OBJECT_METADATA} - ours
            }

    @property
    def fields(self) -> set[str]:
        """What it takes, as dotted names."""
        found = {self.name, *(name for name in (self.rest, self.score) if name)}
        if isinstance(self.feature, features.Objects):
            members = {*GRADES, *self.attributes} & set(self.feature.names)
            found |= {f"{self.name}.{member}" for member in members}
        return found

    def losses(self) -> list[Loss]:
        """Class ids that a map has no place for."""
        odd = [
            c
            for c, n in zip(self.feature.categories, self.numbers.values(), strict=True)
            if c.id not in {None, n}
        ]
        why = "a class-map numbers classes"
        example = f"{odd[0].name}: {odd[0].id}" if odd else None
        found = Loss(code="category.id", field="categories", count=len(odd), reason=why, example=example)
        return [found] if odd else []

    def class_map(self) -> dict[str, str]:
        """All names by number."""
        table = zip(self.feature.categories, self.numbers.values(), strict=True)
        return {str(number): category.name for category, number in table}

    def add(self, entry: Row, row: Row, losses: list[Loss]) -> int:
        """Put a sample's label into its line; gives the number of objects."""
        value = row[self.name]
        rest = msgspec.json.decode(row[self.rest]) if self.rest and row[self.rest] else {}
        rest = rest if isinstance(rest, dict) else {}
        if value is None and not rest:
            return 0
        metadata = {"type": self.kind, **(rest or UNKNOWN)}
        written = 0
        if value is not None:
            if self.kind == BOXES:
                items = self._kept(value, row, losses)
                written = len(items)
                entry[self.key] = self._boxes(items, row["image"])
                metadata = {"objects": [self._about(item) for item in items], **self._used(items), **metadata}
            elif self.kind == CLASSES:
                metadata = {**self._classes(entry, value, row, losses), **metadata}
            elif self.kind == CLASS:
                metadata = {**self._class(entry, value, row), **metadata}
            else:
                reference = self._reference(value, row)
                entry |= {self.key: reference} if reference is not None else {}
        if self.kind == MASK:
            metadata[COLORS] = self._colors(metadata.get(COLORS, {}))
        entry[f"{self.key}{METADATA}"] = metadata
        return written

    def name_all(self, entry: Row) -> None:
        """Make a line name all classes, with a label or without one."""
        key = f"{self.key}{METADATA}"
        metadata = dict(entry.get(key) or {"type": self.kind, **UNKNOWN})
        if self.kind == MASK:
            metadata.setdefault(COLORS, self._colors({}))
        else:
            metadata["class-map"] = self.class_map()
        entry[key] = metadata

    def _kept(self, value: list[Row], row: Row, losses: list[Loss]) -> list[Row]:
        kept = []
        for item in value:
            lacking = next((m for m in ("category", "bbox") if item.get(m) is None), None)
            if lacking is None:
                kept.append(item)
                continue
            code = "category.missing" if lacking == "category" else "geometry.missing"
            why = f"an annotation needs a {'class' if lacking == 'category' else 'box'}"
            losses.append(
                Loss(code=code, field=self.name, kind="object", count=1, reason=why, example=row["id"])
            )
        for name, feature in self.attributes.items():
            if isinstance(feature, features.Json) and name != OBJECT_METADATA:
                values = ((row["id"], free_columns.value(item[name], feature)) for item in kept)
                losses += free_columns.retyped(values, f"{self.name}.{name}")
        return kept

    def _boxes(self, items: list[Row], image: Row) -> Row:
        size = {"width": image["width"], "height": image["height"], "depth": DEPTH}
        annotations = []
        for item in items:
            box = item["bbox"]
            found: Row = {"class_id": self.numbers[item["category"]], "left": box["x"], "top": box["y"]}
            found |= {"width": box["w"], "height": box["h"]}
            for name, feature in self.attributes.items():
                if item[name] is not None and name != OBJECT_METADATA:
                    found[name.removeprefix(OWN)] = free_columns.value(item[name], feature)
            annotations.append(found)
        return {"image_size": [] if None in size.values() else [size], "annotations": annotations}

    def _about(self, item: Row) -> Row:
        """A box's metadata."""
        score = item.get("score")
        score = self.confidence if score is None else score
        more = item.get(OBJECT_METADATA) if OBJECT_METADATA in self.attributes else None
        found = {} if score is None else {"confidence": score}
        return {**found, **(msgspec.json.decode(more) if more else {})}

    def _used(self, items: list[Row]) -> Row:
        """The class-map of what a line has, in the order of the table."""
        used = {item["category"] for item in items}
        names = zip(self.feature.categories, self.numbers.items(), strict=True)
        return {"class-map": {str(number): c.name for c, (value, number) in names if value in used}}

    def _class(self, entry: Row, value: str, row: Row) -> Row:
        entry[self.key] = self.numbers[value]
        score = row[self.score] if self.score else None
        score = self.confidence if score is None else score
        name = self.class_map()[str(self.numbers[value])]
        return {"class-name": name, **({} if score is None else {"confidence": score})}

    def _classes(self, entry: Row, given: list[Row], row: Row, losses: list[Loss]) -> Row:
        value = [item for item in given if item["category"] is not None]
        if len(value) < len(given):
            count, why = len(given) - len(value), "a label needs a class"
            losses.append(
                Loss(code="category.missing", field=self.name, count=count, reason=why, example=row["id"])
            )
        entry[self.key] = [self.numbers[item["category"]] for item in value]
        scores = {
            str(self.numbers[item["category"]]): self.confidence if item["score"] is None else item["score"]
            for item in value
        }
        return {**self._used(value), "confidence-map": {k: v for k, v in scores.items() if v is not None}}

    def _colors(self, more: Row) -> Row:
        found: Row = {}
        for category, number in zip(self.feature.categories, self.numbers.values(), strict=True):
            color = {} if category.color is None else {"hex-color": category.color}
            found[str(number)] = {"class-name": category.name, **color, **more.get(str(number), {})}
        return found

    def _reference(self, value: Row, row: Row) -> str | None:
        if value["path"] is not None:
            return f"{self.front}{value['path']}"
        return None if value["bytes"] is None else f"{self.front}{self._place(row['id'])}"

    def _place(self, key: str) -> str:
        return f"masks/{self.name}/{key}.png"

    def media(self, row: Row) -> list[tuple[str, str]]:
        """The file of a mask, which goes where the reference says."""
        value = row[self.name] if self.kind == MASK else None
        return [] if value is None or value["path"] is None else [(value["path"], value["path"])]

    def files(self, row: Row) -> dict[str, bytes]:
        """The file of a mask that the dataset itself holds."""
        value = row[self.name] if self.kind == MASK else None
        if value is None or value["path"] is not None or value["bytes"] is None:
            return {}
        return {self._place(row["id"]): value["bytes"]}


def _kind(feature: LabelFeature) -> str:
    if isinstance(feature, features.Objects):
        return BOXES
    if isinstance(feature, features.Mask):
        return MASK
    return CLASSES if feature.multi else CLASS


def _numbers(categories: Categories) -> dict[str, int]:
    """The number of each class: its id, or the next free one where that is none."""
    taken = {category.id for category in categories if type(category.id) is int}
    if len(taken) < sum(type(category.id) is int for category in categories):
        taken = set()  # two classes have one id
    found, free = {}, 0
    for value, category in zip(categories.values, categories, strict=True):
        if taken and type(category.id) is int:
            found[value] = category.id
            continue
        while free in taken:
            free += 1
        found[value] = free
        free += 1
    return found
