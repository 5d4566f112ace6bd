"""VGG Image Annotator: one JSON for a folder of images, regions with attributes of the user's own naming.

Specification: https://www.robots.ox.ac.uk/~vgg/software/via/ (VIA 2 and 3; the code is the reference)

    train/via_project.json    {"_via_img_metadata": {"a.jpg4711": {"filename", "size", "regions", "file_attributes"}}, …}
    train/a.jpg

Annotations that VIA 2 exports are the inner object alone. VIA 3's projects are read.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from pydantic import Field

from smalti.errors import DataError, OptionError
from smalti.formats import json_files, rings, via3
from smalti.formats.document_writer import DocumentWriter, one_loss
from smalti.formats.documents import Document, Found, Parsed, used_splits
from smalti.formats.entries import EntryReader
from smalti.formats.protocol import Format, FormatInfo, Grade, Match, Options
from smalti.schema import features
from smalti.schema.categories import Categories
from smalti.schema.types import type_from_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from smalti.formats.probe import Probe
    from smalti.formats.protocol import PartResult
    from smalti.formats.report import Loss
    from smalti.storage.folder import Target

NAME = "via_project.json"
INNER = "_via_img_metadata"
CLASSES = (
    "label",
    "class",
    "class_name",
    "category",
    "name",
    "type",
    "object",
)  # what users call it, by and large
GEOMETRY = ("polygons", "mask", "polyline", "keypoints", "bbox")  # the first that an object has is its region
TEXT = features.Value(type=type_from_json("string"))


class ViaOptions(Options):
    """Options of VIA."""

    class_attribute: str | None = Field(
        None,
        description="The region attribute that is the class; null: label, class, name …, or the only one; written: label.",
    )


class ViaReader(EntryReader[ViaOptions]):
    """Reads the JSON files below a folder, or one."""

    attributes: ClassVar = {"via": features.Json()}
    columns: ClassVar = {"via": features.Json()}

    wanted: ClassVar = "regions of images"

    _listed: dict[str, dict[str, None]]

    def find(self) -> Found:
        self._listed = {}
        documents, media = self.images()
        self._class = _class_attribute(self.options.class_attribute, documents, self._listed)
        return Found(
            documents=documents,
            media=media,
            categories=Categories.of(self._listed.get(self._class or "", ())),
            splits=used_splits(documents),
        )

    def entries(self, body: bytes, name: str) -> Iterable[tuple[str, Any]]:
        marked = b'"regions"' in body or INNER.encode() in body or b'"fid_list"' in body
        whole = json_files.parse(body, dict if marked or name == NAME else object)
        if not marked and name != NAME:
            return ()
        if "fid_list" in json_files.text(whole.get("view") or ""):
            whole = via3.as_via2(whole)
        for attribute, options in _listed(whole).items():
            self._listed.setdefault(attribute, {}).update(dict.fromkeys(options))
        entries: dict[str, Any] = json_files.of(whole.get(INNER, whole), dict, INNER)
        return entries.items()

    def name_of(self, entry: Any) -> str:
        json_files.of(entry, dict, "the entry")
        return str(json_files.of(entry.get("filename"), str, "filename"))

    def parse_entry(self, entry: Any, where: str, document: Document) -> Parsed:
        regions = entry.get("regions")
        given = (
            list(regions.values()) if isinstance(regions, dict) else json_files.of(regions, list, "regions")
        )
        objects, faults = self.each(given, self._object, f"{where}.regions")
        rest = {
            name: value
            for name, value in entry.items()
            if name not in {"filename", "regions", "size"} and value
        }
        return Parsed(
            image=str(document.image),
            objects=objects,
            columns={"via": json_files.text(rest)} if rest else {},
            faults=faults,
        )

    def _object(self, region: Any) -> dict[str, Any]:
        json_files.of(region, dict, "the region")
        shape = json_files.of(region.get("shape_attributes"), dict, "shape_attributes")
        words = json_files.of(region.get("region_attributes") or {}, dict, "region_attributes")
        found = _geometry(shape)
        rest: dict[str, Any] = {}
        for name, value in words.items():
            if name == self._class:
                found["category"] = str(json_files.of(value, str, name)) or None
            elif isinstance(value, str) and name not in features.OBJECT_MEMBERS and name != "via":
                found[name] = value
            else:
                rest.setdefault("region_attributes", {})[name] = value
        if shape.get("name") in {"circle", "ellipse"}:
            rest["shape_attributes"] = shape
        if rest:
            found["via"] = json_files.text(rest)
        return found


def _listed(whole: dict[str, Any]) -> dict[str, list[str]]:
    """The options of each region attribute, as the project lists them."""
    attributes = whole.get("_via_attributes")
    region = attributes.get("region") if isinstance(attributes, dict) else None
    if not isinstance(region, dict):
        return {}
    options = {name: of.get("options") for name, of in region.items() if isinstance(of, dict)}
    return {name: list(words) for name, words in options.items() if isinstance(words, dict)}


def _class_attribute(
    wanted: str | None, documents: Sequence[Document], classes: dict[str, dict[str, None]]
) -> str | None:
    names = dict.fromkeys(classes)
    for _, entry in (document.payload for document in documents if document.payload):
        regions = entry.get("regions") if isinstance(entry, dict) else None
        for region in regions.values() if isinstance(regions, dict) else regions or ():
            words = region.get("region_attributes") if isinstance(region, dict) else None
            names.update(dict.fromkeys(words if isinstance(words, dict) else ()))
    if wanted is not None:
        if names and wanted not in names:
            raise OptionError(f"class_attribute={wanted!r}: regions have the attributes {', '.join(names)}")
        return wanted
    usual = [name for name in CLASSES if name in names]
    if usual or len(names) <= 1:
        return usual[0] if usual else next(iter(names), None)
    raise OptionError(f"which attribute is the class? Regions have {', '.join(names)}; pass class_attribute=")


def _geometry(shape: dict[str, Any]) -> dict[str, Any]:
    name = shape.get("name")
    if name in {"polygon", "polyline"}:
        flat = _points(shape)
        if name == "polygon" and len(flat) < 6:
            raise DataError(f"all_points_x: found {len(flat) // 2} points, expected 3 at least")
        return {"polygons": [flat]} if name == "polygon" else {"polyline": flat}
    keys = {
        "rect": ("x", "y", "width", "height"),
        "circle": ("cx", "cy", "r"),
        "ellipse": ("cx", "cy", "rx", "ry"),
        "point": ("cx", "cy"),
    }
    if name not in keys:
        raise DataError(
            f"shape_attributes.name: found {name!r}, expected rect, polygon, polyline, point, circle or ellipse"
        )
    values = [json_files.number(shape.get(key), f"shape_attributes.{key}") for key in keys[name]]
    if name == "rect":
        return {"bbox": values}
    if name == "point":
        return {"keypoints": [[*values, None]]}
    x, y, rx, ry = (*values, values[-1])[:4]
    turn = json_files.number(shape.get("theta", 0), "shape_attributes.theta")
    half = (
        math.hypot(rx * math.cos(turn), ry * math.sin(turn)),
        math.hypot(rx * math.sin(turn), ry * math.cos(turn)),
    )
    return {"bbox": [x - half[0], y - half[1], 2 * half[0], 2 * half[1]]}


def _points(shape: dict[str, Any]) -> list[float]:
    xs, ys = (json_files.of(shape.get(key), list, key) for key in ("all_points_x", "all_points_y"))
    if len(xs) != len(ys):
        raise DataError(f"all_points_x: found {len(xs)} numbers, and {len(ys)} in all_points_y")
    both = zip(xs, ys, strict=True)
    return [json_files.number(value, "all_points_x, all_points_y") for pair in both for value in pair]


class ViaWriter(DocumentWriter[ViaOptions]):
    """Writes a project of VIA 2 for each split; the class table is the list of options of its attribute."""

    title: ClassVar = "VIA"
    split_folders: ClassVar = True
    one_file: ClassVar = True
    members: ClassVar = frozenset({"category", *GEOMETRY})
    held_columns: ClassVar = {"via": features.Json()}
    needed: ClassVar = (frozenset(GEOMETRY),)
    reasons: ClassVar = {"id": "regions have no ids"}

    def holds(self, name: str, feature: Any) -> bool:
        if name == "via":
            return feature == features.Json()
        return feature == TEXT and name != self._class

    @property
    def _class(self) -> str:
        return self.options.class_attribute or "label"

    def places(self, image: str) -> tuple[str, str]:
        return image, image

    def document(
        self, row: dict[str, Any], objects: list[dict[str, Any]], image: str, losses: list[Loss]
    ) -> bytes:
        folder = f"{row['split']}/" if row.get("split") else ""
        name = image.removeprefix(folder)
        made = [self._region(item, row, losses) for item in objects]
        regions = [region for region in made if region is not None]
        rest = msgspec.json.decode(row["via"]) if row.get("via") else {}
        # VIA finds a picture's entry by its name and size; -1 is a size that it does not know.
        entry = {"filename": name, "size": -1, "regions": regions, "file_attributes": {}, **rest}
        return json_files.text(f"{name}-1").encode() + b":" + msgspec.json.encode(entry)

    def _region(self, item: dict[str, Any], row: dict[str, Any], losses: list[Loss]) -> dict[str, Any] | None:
        rest = msgspec.json.decode(item["via"]) if item.get("via") else {}
        held = {n: item[n] for n, f in self.feature.attributes.items() if n != "via" and self.holds(n, f)}
        words = {name: value for name, value in held.items() if value is not None}
        if item.get("category") is not None:
            words[self._class] = item["category"]
        words |= rest.get("region_attributes", {})
        shape = self._shape(item, row, losses)
        if shape is None:
            why = "an object needs polygons, a mask, a polyline, one keypoint or a box"
            losses.append(one_loss("geometry.missing", str(self.field), "object", why, row["id"]))
            return None
        if "shape_attributes" in rest and shape["name"] == "rect":
            shape = rest["shape_attributes"]
        return {"shape_attributes": shape, "region_attributes": words}

    def _shape(self, item: dict[str, Any], row: dict[str, Any], losses: list[Loss]) -> dict[str, Any] | None:
        """The region of the first geometry that can be one; what others there are is reported."""
        found = None
        for member in GEOMETRY:
            if item.get(member) is None:
                continue
            made = None if found else self._made(member, item[member], row, losses)
            if made is None:
                why = "a region is one thing; the object's other geometry is written"
                losses.append(
                    one_loss(f"{member}.dropped", f"{self.field}.{member}", "value", why, row["id"])
                )
            found = found or made
        return found

    def _made(
        self, member: str, value: Any, row: dict[str, Any], losses: list[Loss]
    ) -> dict[str, Any] | None:
        if member == "bbox":
            return {"name": "rect", **dict(zip(("x", "y", "width", "height"), value.values(), strict=True))}
        if member == "polyline":
            return {"name": "polyline", "all_points_x": value[::2], "all_points_y": value[1::2]}
        if member == "keypoints":
            one = value[0] if len(value) == 1 and value[0]["visibility"] is None else None
            return None if one is None else {"name": "point", "cx": one["x"], "cy": one["y"]}
        flat = value[0] if member == "polygons" and len(value) == 1 else None
        if flat is None:
            joined = rings.from_mask(value) if member == "mask" else _joined(value, row["image"])
            if joined is None:
                return None
            code = "mask.outlined" if member == "mask" else "polygon.joined"
            why = "a region is one ring; parts and holes are joined by bridges of no width"
            loss = one_loss(code, f"{self.field}.{member}", "change", why, row["id"])
            losses.append(replace(loss, iou=joined.iou))
            flat = joined.ring.ravel().tolist()
        return {"name": "polygon", "all_points_x": flat[::2], "all_points_y": flat[1::2]}

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        lists = self.bodies(results)
        options = dict.fromkeys(self.feature.categories.values, "")
        attribute = {"type": "dropdown", "description": "", "options": options, "default_options": {}}
        head = {"_via_settings": {"core": {"default_filepath": ""}}, "_via_data_format_version": "2.0.10",
                "_via_attributes": {"region": {self._class: attribute}, "file": {}}}  # fmt: skip
        for split, bodies in lists.items():
            inner = b",\n".join(bodies)
            body = msgspec.json.encode(head)[:-1] + f',"{INNER}":{{\n'.encode() + inner + b"\n}}\n"
            target.write(f"{split}/{NAME}" if split else NAME, body)
        return len(lists)


def _joined(value: list[list[float]], image: dict[str, Any]) -> rings.Joined | None:
    flat = [side for ring in value for side in ring]
    if not flat:
        return None
    width, height = image["width"] or max(flat[::2]), image["height"] or max(flat[1::2])
    return rings.from_polygons(value, math.ceil(height), math.ceil(width))


def sniff(probe: Probe) -> Match | None:
    """A JSON with regions and their shape attributes, or a project of VIA 3."""
    for path in probe.matching("*.json")[:8]:
        head = probe.head(path)
        if b'"_via_' in head or (b'"regions"' in head and b'"filename"' in head):
            return Match(Grade.CERTAIN, f"{path} has regions of images")
        if b'"fid_list"' in head or (b'"vid_list"' in head and b'"project"' in head):
            return Match(Grade.CERTAIN, f"{path} is a project of VIA 3")
    return None


FORMAT = Format(
    info=FormatInfo(
        name="via",
        title="VGG Image Annotator",
        spec="https://www.robots.ox.ac.uk/~vgg/software/via/",
        layout=("<split>/via_project.json", "<split>/*.jpg"),
        keeps=frozenset(
            {"split", "objects.category", "objects.bbox", "objects.polygons", "objects.polyline"}
        ),
    ),
    sniff=sniff,
    reader=ViaReader,
    writer=ViaWriter,
    options=ViaOptions,
)
