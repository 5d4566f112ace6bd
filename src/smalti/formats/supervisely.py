"""Supervisely: a JSON an image below the folder of its dataset, classes in a file for the project.

Specification: https://developer.supervisely.com/getting-started/supervisely-annotation-format

    meta.json                  the classes with their colours, and the tags
    train/ann/a.jpg.json       the objects of train/img/a.jpg
    train/img/a.jpg
    train/datasets/north/      a dataset inside of another, for images in folders: img and ann have none
"""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import numpy as np

from smalti.errors import DataError, EmptySourceError, at
from smalti.formats import json_files, mask_png
from smalti.formats.document_writer import DocumentWriter, one_loss
from smalti.formats.documents import Document, DocumentReader, Found, Parsed, used_splits
from smalti.formats.protocol import Format, FormatInfo, Grade, Match, Options
from smalti.formats.splits import KNOWN
from smalti.geometry import raster, rle
from smalti.schema import features
from smalti.schema.categories import Categories, Category
from smalti.storage.media import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalti.formats.probe import Probe
    from smalti.formats.protocol import PartResult
    from smalti.formats.report import Loss
    from smalti.storage.folder import Target

META = "meta.json"
UNSPLIT = ("ds0", "ds", "dataset")  # what a project's only dataset is called
INSIDE = "/datasets/"  # between a dataset and those inside of it
LARGEST = 1 << 28  # bytes of an unpacked bitmap
OBJECT_KEYS = frozenset({"classTitle", "classId", "geometryType", "points", "bitmap"})
GEOMETRY = ("mask", "polygons", "polyline", "keypoints", "bbox")  # the first that an object has is its figure


class SuperviselyOptions(Options):
    """Supervisely has no options."""


class SuperviselyReader(DocumentReader[SuperviselyOptions]):
    """Reads a project."""

    attributes: ClassVar = {"supervisely": features.Json()}
    columns: ClassVar = {"supervisely": features.Json()}

    def find(self) -> Found:
        media = self.media or self.root
        paths = [path for path in self.root.find((".json",)) if _folder(path) is not None]
        if not paths:
            raise EmptySourceError(f"{self.root.url}: looked for <dataset>/ann/*.json, and found none")
        images = set(media.find(IMAGE_SUFFIXES)) if media.exists() else set()
        documents = []
        for path in paths:
            folder = str(_folder(path))
            beside = f"{folder}img/"
            image = beside + path[len(folder) + len("ann/") :].removesuffix(".json")
            images.discard(image)
            documents.append(_document(path, image, beside))
        folders = {document.folder for document in documents}
        for image in sorted(images):
            own = next((folder for folder in folders if image.startswith(folder)), None)
            if own is not None:
                documents.append(_document(None, image, own))
        splits = used_splits(documents)
        return Found(documents=documents, media=media, categories=self._classes(), splits=splits)

    def _classes(self) -> Categories:
        place = self.root / META
        if not place.isfile():
            return Categories()
        with at(file=place.url):
            whole = json_files.parse(place.read_bytes(), dict)
            found = []
            for number, item in enumerate(json_files.of(whole.get("classes"), list, "classes")):
                with at(position=f"$.classes[{number}]"):
                    found.append(_category(json_files.of(item, dict, "the class")))
            return Categories(tuple(found))

    def parse(self, body: bytes, document: Document) -> Parsed:
        whole = json_files.parse(body, dict)
        size = json_files.of(whole.get("size"), dict, "size")
        height, width = (json_files.pixels(size.get(side), f"size.{side}") for side in ("height", "width"))
        items = json_files.of(whole.get("objects"), list, "objects")
        objects, faults = self.each(items, lambda item: _object(item, width, height), "$.objects")
        rest = {
            key: value
            for key, value in whole.items()
            if key not in {"size", "objects"} and value not in ("", [], None)
        }
        return Parsed(
            image=str(document.image),
            width=width,
            height=height,
            objects=objects,
            columns={"supervisely": json_files.text(rest)} if rest else {},
            faults=faults,
        )


def _document(path: str | None, image: str, folder: str) -> Document:
    """An image of a dataset; those that are inside of another are folders of its images."""
    outer, *inner = folder.removesuffix("img/").rstrip("/").split(INSIDE)
    split = None if not outer or outer in UNSPLIT else KNOWN.get(outer, outer)
    name = "/".join([*inner, image[len(folder) :]]) if inner else None
    return Document(path=path, image=image, split=split, folder=folder, name=name)


def _folder(path: str) -> str | None:
    """The folder of the dataset whose annotation a file is, with its slash; null where it is none."""
    before, found, _ = f"/{path}".rpartition("/ann/")
    return f"{before}/"[1:] if found else None


def _category(item: dict[str, Any]) -> Category:
    number, color = item.get("id"), item.get("color")
    rest = {key: value for key, value in item.items() if key not in {"title", "id", "color"}}
    return Category(
        name=json_files.of(item.get("title"), str, "title"),
        id=None if number is None else int(json_files.number(number, "id")),
        color=None if color is None else json_files.of(color, str, "color"),
        attributes=rest,
    )


def _object(item: Any, width: int | None, height: int | None) -> dict[str, Any]:
    json_files.of(item, dict, "the object")
    kind = json_files.of(item.get("geometryType"), str, "geometryType")
    found: dict[str, Any] = {"category": json_files.of(item.get("classTitle"), str, "classTitle")}
    rest = {key: value for key, value in item.items() if key not in OBJECT_KEYS and value not in ([], None)}
    if kind == "bitmap":
        found["mask"] = _bitmap(json_files.of(item.get("bitmap"), dict, "bitmap"), width, height)
    elif kind in {"rectangle", "polygon", "line", "point"}:
        points = json_files.of(item.get("points"), dict, "points")
        exterior = _points(points.get("exterior"), "points.exterior")
        holes = json_files.of(points.get("interior") or [], list, "points.interior")
        found |= _figure(kind, exterior)
        if kind == "polygon" and holes:
            rings = [exterior, *(_points(hole, "points.interior") for hole in holes)]
            found = {"category": found["category"], "mask": _filled(rings, width, height)}
            rest |= {"geometryType": kind, "points": points}
    else:  # graphs, cuboids: kept as they are
        rest |= {key: item[key] for key in item if key not in {"classTitle", "classId"}}
    if rest:
        found["supervisely"] = json_files.text(rest)
    return found


def _figure(kind: str, points: np.ndarray) -> dict[str, Any]:
    least = {"rectangle": 2, "polygon": 3, "line": 1, "point": 1}[kind]
    if len(points) < least:
        raise DataError(f"points.exterior: found {len(points)} points, expected {least} at least")
    if kind == "rectangle":
        low, high = points.min(axis=0), points.max(axis=0)
        return {"bbox": [*low.tolist(), *(high - low).tolist()]}
    if kind == "polygon":
        return {"polygons": [points.ravel().tolist()]}
    if kind == "line":
        return {"polyline": points.ravel().tolist()}
    return {"keypoints": [[*points[0].tolist(), None]]}


def _points(value: Any, name: str) -> np.ndarray:
    """Float64 ``(n, 2)``."""
    flat = []
    for place, point in enumerate(json_files.of(value, list, name)):
        if len(json_files.of(point, list, f"{name}[{place}]")) != 2:
            raise DataError(f"{name}[{place}]: found {len(point)} numbers, expected x and y")
        flat += [json_files.number(side, f"{name}[{place}]") for side in point]
    return np.array(flat, np.float64).reshape(-1, 2)


def _filled(rings: list[np.ndarray], width: int | None, height: int | None) -> np.ndarray:
    """The pixels of a ring without those of its holes."""
    if not width or not height:
        raise DataError("holes need the size of the picture, which is not there")
    whole = np.zeros((height, width), bool)
    for number, ring in enumerate(rings):
        if len(ring) < 3:
            continue
        runs, _ = raster.polygons_to_runs(
            ring.ravel(), np.array([0, ring.size]), np.array([0, 1]), np.array([height]), np.array([width])
        )
        pixels = rle.decode_mask(runs, height, width).astype(bool)
        whole = whole & ~pixels if number else whole | pixels
    return whole.astype(np.uint8)


def _bitmap(bitmap: dict[str, Any], width: int | None, height: int | None) -> np.ndarray:
    """The whole picture's mask: a bitmap is a packed PNG at an origin."""
    words = json_files.of(bitmap.get("data"), str, "bitmap.data")
    try:
        packed = base64.b64decode(words, validate=True)
        body = zlib.decompressobj().decompress(packed, LARGEST)
    except (ValueError, zlib.error) as error:  # not ASCII, no base64, not packed
        raise DataError(f"bitmap.data: no packed PNG in base64: {error}") from error
    left, top = _points([bitmap.get("origin")], "bitmap.origin")[0].astype(int).tolist()
    return mask_png.placed(body, (left, top), width, height, "bitmap")


class SuperviselyWriter(DocumentWriter[SuperviselyOptions]):
    """Writes a project; splits are its datasets."""

    title: ClassVar = "Supervisely"
    split_folders: ClassVar = True
    held_of_classes: ClassVar = frozenset({"id", "color", "attributes"})
    members: ClassVar = frozenset({"category", *GEOMETRY})
    held_attributes: ClassVar = {"supervisely": features.Json()}
    held_columns: ClassVar = {"supervisely": features.Json()}
    needed: ClassVar = (frozenset({"category"}), frozenset({*GEOMETRY, "supervisely"}))
    reasons: ClassVar = {"id": "ids of objects are Supervisely's own", "score": "figures have no scores"}

    def places(self, image: str) -> tuple[str, str]:
        first, slash, rest = image.partition("/")
        folder, name = (first, rest) if slash and first in self.schema.splits else (UNSPLIT[0], image)
        *folders, name = name.split("/")
        place = INSIDE.join([folder, *folders])
        return f"{place}/img/{name}", f"{place}/ann/{name}.json"

    def document(
        self, row: dict[str, Any], objects: list[dict[str, Any]], image: str, losses: list[Loss]
    ) -> bytes:
        del image
        rest = msgspec.json.decode(row["supervisely"]) if row.get("supervisely") else {}
        size = {side: row["image"][side] for side in ("height", "width")}
        made = [self._figure(item, size, row["id"], losses) for item in objects]
        figures = [figure for figure in made if figure is not None]
        return json_files.text(
            {"description": "", "tags": [], **rest, "size": size, "objects": figures}
        ).encode()

    def _figure(
        self, item: dict[str, Any], size: dict[str, Any], sample: str, losses: list[Loss]
    ) -> dict[str, Any] | None:
        rest = msgspec.json.decode(item["supervisely"]) if item.get("supervisely") else {}
        category = self.feature.categories[self.feature.categories.codes[item["category"]]]
        found = {
            "classTitle": item["category"],
            **({} if category.id is None else {"classId": category.id}),
            "tags": [],
        }
        if "geometryType" in rest:  # what the schema has no word for
            return {**found, **rest}
        there = [name for name in GEOMETRY if item.get(name) is not None]
        if not there:
            why = "an object needs a mask, polygons, a polyline, a keypoint or a box"
            losses.append(one_loss("geometry.missing", str(self.field), "object", why, sample))
            return None
        for name in there[1:]:
            why = f"a figure is one thing; the object's {there[0]} is written"
            losses.append(one_loss(f"{name}.dropped", f"{self.field}.{name}", "value", why, sample))
        return {**found, **self._made(there[0], item[there[0]], size, sample, losses), **rest}

    def _made(
        self, member: str, value: Any, size: dict[str, Any], sample: str, losses: list[Loss]
    ) -> dict[str, Any]:
        where = f"{self.field}.{member}"
        if member == "mask":
            if {side: value[side] for side in size} != size:
                why = "a mask smaller than its image is read back as one of the image's size"
                losses.append(one_loss("mask.padded", where, "change", why, sample))
            return _png(mask_png.decoded(value))
        if member == "polygons":
            if len(value) > 1:
                why = "a figure is one ring; the parts are written as a bitmap"
                losses.append(one_loss("polygon.as_mask", where, "change", why, sample))
                return self._parts(value, size)
            return {
                "geometryType": "polygon",
                "points": {"exterior": _pairs(value[0] if value else []), "interior": []},
            }
        if member == "polyline":
            return {"geometryType": "line", "points": {"exterior": _pairs(value), "interior": []}}
        if member == "keypoints":
            if len(value) != 1 or value[0]["visibility"] is not None:
                why = "a figure is one point; the first is written"
                losses.append(one_loss("keypoints.dropped", where, "value", why, sample))
            points = [[point["x"], point["y"]] for point in value[:1]] or [[0, 0]]
            return {"geometryType": "point", "points": {"exterior": points, "interior": []}}
        x, y, w, h = (value[side] for side in "xywh")
        corners = [[x, y], [json_files.short(x + w), json_files.short(y + h)]]
        return {"geometryType": "rectangle", "points": {"exterior": corners, "interior": []}}

    def _parts(self, rings: list[list[float]], size: dict[str, Any]) -> dict[str, Any]:
        """Several rings as a bitmap of the pixels that any of them covers."""
        flat = [side for ring in rings for side in ring]
        height, width = size["height"] or int(max(flat[1::2])) + 1, size["width"] or int(max(flat[::2])) + 1
        bounds = np.cumsum([0, *map(len, rings)])
        runs, _ = raster.polygons_to_runs(
            np.array(flat), bounds, np.array([0, len(rings)]), np.array([height]), np.array([width])
        )
        return _png(rle.decode_mask(runs, height, width))

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        del results
        classes = []
        for category in self.feature.categories:
            known = {"title": category.name, "shape": "any", "color": category.color or "#0F6E8C"}
            number = {} if category.id is None else {"id": category.id}
            classes.append({**known, **number, **category.attributes})
        target.last = META
        target.write(
            META, json_files.text({"classes": classes, "tags": [], "projectType": "images"}).encode()
        )
        for split in self.schema.splits or UNSPLIT[:1]:
            target.mkdir(f"{split}/img")
            target.mkdir(f"{split}/ann")
        return 1


def _pairs(flat: list[float]) -> list[list[float]]:
    return [list(pair) for pair in zip(flat[::2], flat[1::2], strict=True)]


def _png(pixels: np.ndarray) -> dict[str, Any]:
    """A mask as the packed PNG of the box of its pixels."""
    body, (left, top, _, _) = mask_png.cropped(pixels)
    data = base64.b64encode(zlib.compress(body)).decode()
    return {"geometryType": "bitmap", "bitmap": {"data": data, "origin": [left, top]}}


def sniff(probe: Probe) -> Match | None:
    """A meta.json with classes beside folders of annotations, or annotations with geometry types."""
    ann = [path for path in probe.files if _folder(path) is not None and path.endswith(".json")]
    if META in probe.files and b'"classes"' in probe.head(META) and (ann or b'"tags"' in probe.head(META)):
        return Match(Grade.CERTAIN, f"{META} has classes and tags")
    for path in ann[:3]:
        if b'"geometryType"' in probe.head(path):
            return Match(Grade.CERTAIN, f"{path} has figures with geometry types")
    return None


FORMAT = Format(
    info=FormatInfo(
        name="supervisely",
        title="Supervisely",
        spec="https://developer.supervisely.com/getting-started/supervisely-annotation-format",
        layout=("meta.json", "<split>/ann/*.json", "<split>/img/*"),
        keeps=frozenset(
            {"image", "split", "objects.category", "objects.bbox", "objects.mask", "objects.polyline"}
        ),
    ),
    sniff=sniff,
    reader=SuperviselyReader,
    writer=SuperviselyWriter,
    options=SuperviselyOptions,
)
