"""Samples as Datumaro's items.

Source of truth: https://github.com/open-edge-platform/datumaro/blob/develop/src/datumaro/plugins/data_formats/datumaro/exporter.py
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from smalti.formats.datumaro.figures import FIGURES, REST
from smalti.formats.datumaro.read import CAPTIONS, LABEL, NO_SUBSET, OURS, OWN_ID, RESERVED, DatumaroOptions
from smalti.formats.free_names import stem_of
from smalti.formats.record_writer import RecordWriter, is_plain, object_field, one_loss, plain_values
from smalti.formats.shares import rounded
from smalti.schema import features
from smalti.schema.categories import Categories, Category

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from smalti.formats.protocol import PartResult
    from smalti.formats.report import Loss
    from smalti.schema.features import AnyFeature
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target

VERSION = "1.0"
IMAGES = 2  # the number of the media type
COLOR = re.compile(r"#[0-9a-f]{6}")
TYPES = {
    "bbox": "bbox",
    "polygons": "polygon",
    "polyline": "polyline",
    "keypoints": "points",
    "mask": "mask",
    "quad": "polygon",
}
SAME = 1e-9  # pixels that the box around a figure may be off


class DatumaroWriter(RecordWriter[DatumaroOptions]):
    """Writes ``annotations/<split>.json``; an object of several geometries is a group of annotations."""

    title: ClassVar = "Datumaro"
    reasons: ClassVar = {
        "angle": "the corners of an oriented box are written",
        "box3d": "Datumaro's cuboids have positions and rotations in space",
        "id": "Datumaro's ids are numbers",
    }

    def __init__(self, schema: Schema, options: DatumaroOptions, single_file: str | None = None) -> None:
        super().__init__(schema, options, single_file)
        self.main = object_field(schema)
        self.feature = schema.objects(self.main) if self.main else features.Objects()
        self.kept = {"angle", "box3d", *(() if self.feature.id_type == "int64" else ("id",))}
        label = schema.columns.get(LABEL)
        known = isinstance(label, features.Classification) and self._fits(label.categories)
        self.label = label if known and isinstance(label, features.Classification) else None
        self.table = self.feature.categories or (self.label.categories if self.label else Categories())
        self.plain = {
            n: f
            for n, f in schema.columns.items()
            if n not in RESERVED and is_plain(f) and not isinstance(f, features.Image)
        }
        self.taken: set[tuple[str | None, str]] = set()

    def _fits(self, table: Categories) -> bool:
        """Whether classes of the whole picture are among those of objects; there is one table."""
        return not len(self.feature.categories) or set(table.values) <= set(self.feature.categories.values)

    def holds(self, name: str, feature: AnyFeature) -> bool:
        if isinstance(feature, features.Objects):
            return name == self.main
        if name == LABEL:
            return self.label is not None
        if name == CAPTIONS:
            return isinstance(feature, features.Captions) and not feature.attributes
        own = name == OWN_ID and feature == features.Value(type=features.Text().arrow)
        return own or (name == REST and isinstance(feature, features.Json)) or name in self.plain

    def holds_member(self, name: str) -> bool:
        return name not in self.kept

    def file_of(self, row: dict[str, Any]) -> str | None:
        return row.get("split")

    def image(self, row: dict[str, Any]) -> str:
        return f"images/{row.get('split') or NO_SUBSET}/{self.name(row)}"

    def record(self, row: dict[str, Any], number: int, image: str, losses: list[Loss]) -> tuple[bytes, int]:
        del number, image
        name = self.name(row)
        rest = msgspec.json.decode(row[REST]) if row.get(REST) else {}
        rest = rest if isinstance(rest, dict) else {}
        objects = row.get(self.main) if self.main else None
        more = [*self._labels(row), *self._captions(row), *rest.pop("annotations", [])]
        if objects is None and more and self.main:
            why = "what has labels of the whole picture reads as having no objects"
            losses.append(one_loss("unannotated.merged", self.main, "change", why, row["id"]))
        made = [list(found) for found in self._objects(objects or [], row, losses)]
        item: dict[str, Any] = {"id": self._item_id(row, name)}
        if objects is not None or more:
            item["annotations"] = [*(one for found in made for one in found), *more]
        size = [row["image"]["height"], row["image"]["width"]]
        item["image"] = {"path": name, **({} if None in size else {"size": size})}
        attributes = {**rest.pop("attr", {}), **plain_values(row, self.plain)}
        return msgspec.json.encode({**item, **({"attr": attributes} if attributes else {}), **rest}), sum(
            map(bool, made)
        )

    def _item_id(self, row: dict[str, Any], name: str) -> str:
        """The item's id, which Datumaro wants once in a subset: the image's name without its suffix, if that is free."""
        split = row.get("split")
        for key in (row.get(OWN_ID), stem_of(name), name):
            if key is not None and (split, key) not in self.taken:
                self.taken.add((split, key))
                return str(key)
        return name

    def _labels(self, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        value = row.get(LABEL) if self.label else None
        given = (
            value
            if isinstance(value, list)
            else []
            if value is None
            else [{"category": value, "score": None}]
        )
        for number, one in enumerate(given):
            attributes = {} if one["score"] is None else {"score": one["score"]}
            code = self.table.codes[one["category"]]
            yield {"id": number, "type": "label", "attributes": attributes, "group": 0, "label_id": code}

    def _captions(self, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for one in row.get(CAPTIONS) or ():
            yield {
                "id": one["id"] or 0,
                "type": "caption",
                "attributes": {},
                "group": 0,
                "caption": one["caption"],
            }

    def _objects(
        self, objects: list[dict[str, Any]], row: dict[str, Any], losses: list[Loss]
    ) -> Iterator[Iterator[dict[str, Any]]]:
        free = max((o["group"] for o in objects if isinstance(o.get("group"), int)), default=0)
        for item in objects:
            shapes = [name for name in TYPES if item.get(name) is not None and item[name] != []]
            figures = [name for name in FIGURES if item.get(name) is not None]
            boxed = [name for name in figures if name != FIGURES[-1]]
            if boxed and "bbox" in shapes and _is_around(boxed[0], item):
                shapes.remove("bbox")
            if not shapes and not figures:
                why = "an object needs a box, polygons, a mask, a polyline or keypoints"
                losses.append(one_loss("geometry.missing", str(self.main), "object", why, row["id"]))
                continue
            parts = len(shapes) + len(figures) + max(len(item.get("polygons") or ()) - 1, 0)
            free += parts > 1 and not item.get("group")
            group = item.get("group") or (free if parts > 1 else 0)
            yield self._annotations(item, shapes, figures, group, row, losses)

    def _annotations(
        self,
        item: dict[str, Any],
        shapes: list[str],
        figures: list[str],
        group: int,
        row: dict[str, Any],
        losses: list[Loss],
    ) -> Iterator[dict[str, Any]]:
        rest = msgspec.json.decode(item[REST]) if item.get(REST) else {}
        attributes = {**self._attributes(item), **rest.pop("attributes", {})}
        track = item.get("track_id")
        tracked = isinstance(track, int) and track >= 0
        if track is not None and not tracked:
            attributes["track_id"] = track
        head = {"id": item.get("id") or 0, "attributes": attributes, "group": group}
        tail = {"label_id": None if item.get("category") is None else self.table.codes[item["category"]]}
        tail |= {"object_id": track} if tracked else {}
        tail |= {"z_order": item.get("z_order") or 0, **rest}
        for name in figures:
            value = msgspec.json.decode(item[name])
            yield {**head, "type": name, **tail, **(value if name == FIGURES[-1] else {"points": value})}
        for name in shapes:
            for values in self._values(name, item[name], row, losses):
                yield {**head, "type": TYPES[name], **tail, **values}

    def _attributes(self, item: dict[str, Any]) -> dict[str, Any]:
        others = {
            n: f for n, f in self.feature.attributes.items() if n not in {REST, "group", "z_order", *FIGURES}
        }
        found = plain_values(item, others)
        if item.get("iscrowd") is not None:
            found["is_crowd"] = item["iscrowd"]
        return found | {name: item[name] for name in ("score", "area") if item.get(name) is not None}

    def _values(self, name: str, value: Any, row: dict[str, Any], losses: list[Loss]) -> list[dict[str, Any]]:
        if name == "bbox":
            return [{"bbox": [value[side] for side in "xywh"]}]
        if name == "polygons":
            return [{"points": ring} for ring in value]
        if name == "mask":
            return [{"rle": {"counts": value["counts"].decode(), "size": [value["height"], value["width"]]}}]
        if name == "keypoints":
            if any(point["visibility"] is None for point in value):
                why = "Datumaro's points are visible where nothing else is said"
                losses.append(
                    one_loss("visibility.assumed", f"{self.main}.keypoints", "change", why, row["id"])
                )
            seen = [2 if point["visibility"] is None else point["visibility"] for point in value]
            return [{"points": [p[side] for p in value for side in "xy"], "visibility": seen}]
        if name == "quad":
            why = "Datumaro's JSON has no oriented boxes; the corners are a polygon"
            losses.append(one_loss("quad.as_polygon", f"{self.main}.quad", "change", why, row["id"]))
        return [{"points": value}]

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        splits: list[str | None] = list(self.schema.splits)
        if not splits or any(key is None for result in results for key, _ in result.payload):
            splits.append(None)
        for split in splits:
            self.join(
                target, f"annotations/{split or NO_SUBSET}.json", split, results, (self._head(), b"\n]}\n")
            )
        target.mkdir("images")
        return len(splits)

    def _head(self) -> bytes:
        own = self.schema.extra.get(REST, {})
        rest = [_rest(v, c) for v, c in zip(self.table.values, self.table, strict=True)]
        infos = {**own.get("infos", {}), **({OURS: {"categories": rest}} if any(rest) else {})}
        whole = {"dm_format_version": VERSION, "media_type": IMAGES, **own, "infos": infos}
        groups = {"label_groups": own.get("label_groups", []), "attributes": own.get("attributes", [])}
        whole["categories"] = {**own.get("categories", {}), **_categories(self.table, groups)}
        for key in groups:
            whole.pop(key, None)
        return msgspec.json.encode(whole)[:-1] + b',"items":[\n'


def _is_around(name: str, item: dict[str, Any]) -> bool:
    """Whether an object's box is still that of the figure that it was read from."""
    value = msgspec.json.decode(item[name])
    flat = value if name == "ellipse" else [side for pair in value for side in pair]
    xs, ys = flat[::2], flat[1::2]
    box = rounded([min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)])
    return bool(max(abs(box - [item["bbox"][side] for side in "xywh"])) < SAME)


def _rest(value: str, category: Category) -> dict[str, Any]:
    """What of a class Datumaro has no place for."""
    left = {"supercategory", "keypoints", "skeleton", "attributes"}
    found = category.model_dump(mode="json", exclude_defaults=True, exclude=left)
    if found.pop("name") != value:
        found["name"] = category.name
    if COLOR.fullmatch(found.get("color") or ""):
        del found["color"]
    more = {k: v for k, v in category.attributes.items() if k not in {"attributes", "positions"}}
    return found | ({"attributes": more} if more else {})


def _categories(table: Categories, groups: dict[str, Any]) -> dict[str, Any]:
    labels = [
        {"name": value, "parent": c.supercategory or "", "attributes": c.attributes.get("attributes", [])}
        for value, c in zip(table.values, table, strict=True)
    ]
    found: dict[str, Any] = {"label": {"labels": labels, **groups}}
    rgb = {n: bytes.fromhex(c.color[1:]) for n, c in enumerate(table) if c.color and COLOR.fullmatch(c.color)}
    if rgb:
        found["mask"] = {
            "colormap": [{"label_id": n, **dict(zip("rgb", of, strict=True))} for n, of in rgb.items()]
        }
    points = [_named_points(n, c) for n, c in enumerate(table) if c.keypoints is not None]
    return found | ({"points": {"items": points}} if points else {})


def _named_points(number: int, category: Category) -> dict[str, Any]:
    return {
        "label_id": number,
        "labels": list(category.keypoints or ()),
        "joints": [[a + 1, b + 1] for a, b in category.skeleton or ()],
        "positions": category.attributes.get("positions", []),
    }
