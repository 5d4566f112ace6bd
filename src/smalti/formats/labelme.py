"""LabelMe: a JSON file beside each image, shapes by their points (the tool of wkentaro, not MIT's XML).

Specification: https://github.com/wkentaro/labelme/blob/main/labelme/_label_file.py

    train/a.jpg
    train/a.json     {"version", "flags", "shapes": [{"label", "points", "shape_type", "group_id", …}], "imagePath",
                      "imageData", "imageHeight", "imageWidth"}
    labels.txt       the classes in their order, as for ``labelme --labels``
"""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import DataError, EmptySourceError, UnsafePathError
from smalti.formats import json_files, mask_png
from smalti.formats.document_writer import CLASSES, DocumentWriter, listed_classes, one_loss
from smalti.formats.documents import Block, Document, DocumentReader, Found, Parsed, used_splits
from smalti.formats.free_names import stem_of
from smalti.formats.labelme_columns import rectangles, shapes
from smalti.formats.protocol import Format, FormatInfo, Grade, Match, Options
from smalti.formats.splits import split_folders
from smalti.schema import features
from smalti.schema.build import objects_columns
from smalti.schema.categories import Categories
from smalti.storage.media import IMAGE_SUFFIXES
from smalti.storage.paths import safe_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalti.formats.probe import Probe
    from smalti.formats.report import Loss

BACK = "\\"
SHAPE_KEYS = frozenset({"label", "points", "shape_type", "group_id", "flags", "description", "mask"})
FILE_KEYS = frozenset({"shapes", "imagePath", "imageData", "imageHeight", "imageWidth"})
LEAST = {"polygon": 3, "rectangle": 2, "line": 2, "linestrip": 1, "point": 1, "points": 1, "circle": 2, "mask": 2,
         "oriented_rectangle": 4}  # fmt: skip
GEOMETRY = (
    "mask",
    "polygons",
    "quad",
    "polyline",
    "keypoints",
    "bbox",
)  # the first that an object has is its shape
ATTRIBUTES: dict[str, Any] = {
    "group_id": features.Value(type=pa.int64()),
    "description": features.Value(type=pa.string()),
    "flags": features.Json(),
    "labelme": features.Json(),
}


class LabelMeOptions(Options):
    """LabelMe has no options."""


class LabelMeReader(DocumentReader[LabelMeOptions]):
    """Reads JSON files below a folder."""

    attributes: ClassVar = ATTRIBUTES
    columns: ClassVar = {"labelme": features.Json()}

    def find(self) -> Found:
        if self.root.isfile():
            one = Document(path=self.root.name, image=None)
            return Found(documents=[one], media=self.media or self.root.parent)
        paths = self.root.find((".json",))
        if not paths:
            raise EmptySourceError(f"{self.root.url}: looked for *.json, and found none")
        media = self.media or self.root
        images = {stem_of(path): path for path in reversed(media.find(IMAGE_SUFFIXES))}
        found = []
        for path in paths:
            image = images.pop(stem_of(path), None)
            split, folder = split_folders(path)
            found.append(Document(path=path, image=image, split=split, folder=folder))
        for image in sorted(images.values()):
            split, folder = split_folders(image)
            found.append(Document(path=None, image=image, split=split, folder=folder))
        classes = self.root / CLASSES
        return Found(
            documents=found,
            media=media,
            categories=listed_classes(classes.read_text()) if classes.isfile() else Categories(),
            splits=used_splits(found),
        )

    def regular(
        self, bodies: Sequence[bytes], documents: Sequence[Document], known: features.Objects
    ) -> Block | None:
        found = shapes(bodies)
        if found is None:
            return None
        try:
            images = [_image(said, document) for said, document in zip(found.said, documents, strict=True)]
        except DataError:
            return None
        return Block(
            images=images,
            sizes=found.sizes,
            objects=objects_columns(found.members, known),
            lengths=found.lengths,
            columns={"labelme": found.rest} if any(found.rest) else {},
        )

    def parse(self, body: bytes, document: Document) -> Parsed | None:
        whole = json_files.parse(body, dict)
        if not {"shapes", "imagePath"} & whole.keys():
            return None
        width, height = (json_files.pixels(whole.get(key), key) for key in ("imageWidth", "imageHeight"))
        shapes = json_files.of(whole.get("shapes"), list, "shapes")
        objects, faults = self.each(shapes, lambda shape: _object(shape, width, height), "$.shapes")
        rest = {
            key: value for key, value in whole.items() if key not in FILE_KEYS and value not in (None, {})
        }
        return Parsed(
            image=_image(whole.get("imagePath"), document),
            width=width,
            height=height,
            objects=_grouped(objects),
            columns={"labelme": json_files.text(rest)} if rest else {},
            faults=faults,
        )


def _image(said: Any, document: Document) -> str:
    """The image's path: its file has the document's name, or is where the document says, as far as that is inside."""
    if document.image is not None:
        return document.image
    folder, slash, _ = str(document.path).rpartition("/")
    if not isinstance(said, str) or not said:
        return safe_path(f"{stem_of(str(document.path))}.jpg")
    try:
        return safe_path(f"{folder}{slash}{said}")
    except UnsafePathError:  # the path of another machine, or one outside of the folder
        return safe_path(f"{folder}{slash}{said.replace(BACK, '/').rpartition('/')[2]}")


def _object(shape: Any, width: int | None, height: int | None) -> dict[str, Any]:
    json_files.of(shape, dict, "the shape")
    kind = shape.get("shape_type") or "polygon"
    if kind not in LEAST:
        raise DataError(f"shape_type: found {kind!r}, expected one of {', '.join(LEAST)}")
    points = _points(shape.get("points"), LEAST[kind])
    found: dict[str, Any] = {"category": json_files.of(shape.get("label"), str, "label")}
    if not found["category"]:
        raise DataError("label: found no text, expected the name of a class")
    found |= _geometry(kind, points, shape, width, height)
    if shape.get("group_id") is not None:
        found["group_id"] = int(json_files.number(shape["group_id"], "group_id"))
    if shape.get("description"):
        found["description"] = json_files.of(shape["description"], str, "description")
    if shape.get("flags"):
        found["flags"] = json_files.text(json_files.of(shape["flags"], dict, "flags"))
    rest = {key: value for key, value in shape.items() if key not in SHAPE_KEYS}
    if kind == "circle":
        rest |= {"shape_type": kind, "points": shape["points"]}
    if rest:
        found["labelme"] = json_files.text(rest)
    return found


def _geometry(
    kind: str, points: np.ndarray, shape: dict[str, Any], width: int | None, height: int | None
) -> dict[str, Any]:
    if kind == "rectangle":
        return {"bbox": _box(points)}
    if kind == "circle":  # a centre and a point of the rim
        radius = float(np.hypot(*(points[1] - points[0])))
        return {"bbox": _box(np.stack([points[0] - radius, points[0] + radius]))}
    if kind == "mask":
        return {"mask": _mask(points, shape.get("mask"), width, height)}
    if kind == "polygon":
        return {"polygons": [points.ravel().tolist()]}
    if kind == "oriented_rectangle":
        return {"quad": points[:4].ravel().tolist()}
    if kind in {"point", "points"}:
        return {"keypoints": [[x, y, None] for x, y in points.tolist()]}
    return {"polyline": points.ravel().tolist()}


def _points(value: Any, least: int) -> np.ndarray:
    """Float64 ``(n, 2)``."""
    given = json_files.of(value, list, "points")
    if len(given) < least:
        raise DataError(f"points: found {len(given)}, expected {least} at least")
    flat = []
    for place, point in enumerate(given):
        if len(json_files.of(point, list, f"points[{place}]")) != 2:
            raise DataError(f"points[{place}]: found {len(point)} numbers, expected x and y")
        flat += [json_files.number(side, f"points[{place}]") for side in point]
    return np.array(flat).reshape(-1, 2)


def _box(points: np.ndarray) -> list[float]:
    low, high = points.min(axis=0), points.max(axis=0)
    return [*low.tolist(), *(high - low).tolist()]


def _mask(points: np.ndarray, text: Any, width: int | None, height: int | None) -> np.ndarray:
    """The whole picture's mask: the shape has that of the box of its points, as a PNG."""
    words = json_files.of(text, str, "mask")
    try:
        body = base64.b64decode(words, validate=True)
    except ValueError as error:  # not ASCII, or no base64
        raise DataError(f"mask: no PNG in base64: {error}") from error
    left, top = np.floor(points.min(axis=0)).astype(int).tolist()
    return mask_png.placed(body, (left, top), width, height, "mask")


def _grouped(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Polygons of one class and group are one object, as LabelMe's own converters take them."""
    found: list[dict[str, Any]] = []
    first: dict[tuple[str, int], dict[str, Any]] = {}
    for item in objects:
        key = (item["category"], item.get("group_id", -1))
        if "polygons" not in item or "group_id" not in item:
            found.append(item)
        elif key in first:
            first[key]["polygons"] += item["polygons"]
        else:
            first[key] = item
            found.append(item)
    return found


class LabelMeWriter(DocumentWriter[LabelMeOptions]):
    """Writes a JSON beside each image; splits are folders."""

    title: ClassVar = "LabelMe"
    split_folders: ClassVar = True
    between: ClassVar = ","
    members: ClassVar = frozenset({"category", *GEOMETRY})
    held_attributes: ClassVar = ATTRIBUTES
    held_columns: ClassVar = {"labelme": features.Json()}
    needed: ClassVar = (frozenset({"category"}), frozenset(GEOMETRY))
    reasons: ClassVar = {
        "id": "shapes have no ids",
        "area": "shapes have no area",
        "iscrowd": "LabelMe has no crowds",
        "score": "LabelMe's shapes have no scores",
    }

    def places(self, image: str) -> tuple[str, str]:
        return image, f"{stem_of(image)}.json"

    def fragments(self, objects: pa.StructArray) -> pa.Array | None:
        return rectangles(objects, [*(name for name in GEOMETRY if name != "bbox"), "labelme"])

    def framed(self, batch: pa.RecordBatch, names: list[str], inner: pa.Array) -> pa.Array:
        said = batch.column("labelme").to_pylist() if "labelme" in batch.schema.names else [None] * len(batch)
        image = batch.column("image")
        sides = (image.field(side).to_pylist() for side in ("height", "width"))
        frames = [_frame(rest, name, *size) for rest, name, *size in zip(said, names, *sides, strict=True)]
        heads, tails = (pa.array([frame[n] for frame in frames], pa.string()) for n in (0, 1))
        return pc.binary_join_element_wise(heads, inner, tails, "")

    def document(
        self, row: dict[str, Any], objects: list[dict[str, Any]], image: str, losses: list[Loss]
    ) -> bytes:
        taken = [item["group_id"] for item in objects if item.get("group_id") is not None]
        free = max(taken, default=-1) + 1
        shapes: list[dict[str, Any]] = []
        size = [row["image"]["height"], row["image"]["width"]]
        for item in objects:
            made = self._shapes(item, size, row["id"], losses)
            if len(made) > 1 and item.get("group_id") is None:  # the parts of one object
                for shape in made:
                    shape["group_id"] = free
                free += 1
            shapes += made
        head, tail = _frame(row.get("labelme"), image, *size)
        inner = json_files.text(shapes)[1:-1]
        return f"{head}{inner}{tail}".encode()

    def _shapes(
        self, item: dict[str, Any], size: list[int | None], sample: str, losses: list[Loss]
    ) -> list[dict[str, Any]]:
        rest = json_files.parse(item["labelme"].encode(), dict) if item.get("labelme") else {}
        shape = {
            "label": item["category"],
            "group_id": item.get("group_id"),
            "description": item.get("description") or "",
            "flags": json_files.parse(item["flags"].encode(), dict) if item.get("flags") else {},
        }
        there = [name for name in GEOMETRY if item.get(name) is not None]
        for name in there[1:]:
            why = f"a shape is one thing; the object's {there[0]} is written"
            losses.append(one_loss(f"{name}.dropped", f"{self.field}.{name}", "value", why, sample))
        if "shape_type" in rest and there[0] == "bbox":
            return [{**shape, **rest}]
        if there[0] == "keypoints" and any(point["visibility"] is not None for point in item["keypoints"]):
            why = "LabelMe's points have no visibility"
            losses.append(one_loss("visibility.dropped", f"{self.field}.keypoints", "change", why, sample))
        if there[0] == "mask" and [item["mask"][side] for side in ("height", "width")] != size:
            why = "the mask is of another size than its picture; it is written from the top left"
            losses.append(one_loss("mask.padded", f"{self.field}.mask", "change", why, sample))
        return [{**shape, **made, **rest} for made in _written(there[0], item[there[0]])]


def _frame(said: str | None, image: str, height: int | None, width: int | None) -> tuple[str, str]:
    """What stands before and behind the shapes of a document."""
    size = {
        "imagePath": image.rpartition("/")[2],
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    return f'{_head(said)[:-1]},"shapes":[', f"],{json_files.text(size)[1:]}"


@lru_cache(64)
def _head(said: str | None) -> str:
    rest = json_files.parse(said.encode(), dict) if said else {}
    return json_files.text({"version": "5.5.0", "flags": {}, **rest})


def _written(member: str, value: Any) -> list[dict[str, Any]]:
    """The type and points of the shapes that one geometry becomes."""
    if member == "bbox":
        x, y, w, h = (value[side] for side in "xywh")
        corners = [[x, y], [json_files.short(x + w), json_files.short(y + h)]]
        return [{"shape_type": "rectangle", "points": corners}]
    if member == "polygons":
        return [{"shape_type": "polygon", "points": _pairs(ring)} for ring in value]
    if member == "quad":
        return [{"shape_type": "oriented_rectangle", "points": _pairs(value)}]
    if member == "polyline":
        return [{"shape_type": "linestrip", "points": _pairs(value)}]
    if member == "keypoints":
        return [{"shape_type": "points", "points": [[point["x"], point["y"]] for point in value]}]
    return [_written_mask(value)]


def _pairs(flat: list[float]) -> list[list[float]]:
    return [list(pair) for pair in zip(flat[::2], flat[1::2], strict=True)]


def _written_mask(value: dict[str, Any]) -> dict[str, Any]:
    """A mask as the box of its pixels, and a PNG of what is in it."""
    body, (left, top, right, bottom) = mask_png.cropped(mask_png.decoded(value))
    return {
        "shape_type": "mask",
        "points": [[float(left), float(top)], [float(right), float(bottom)]],
        "mask": base64.b64encode(body).decode(),
    }


def sniff(probe: Probe) -> Match | None:
    """JSON files with shapes and the path of an image."""
    for path in probe.matching("*.json")[:3]:
        head = probe.head(path)
        if b'"shapes"' in head and (b'"imagePath"' in head or b'"shape_type"' in head):
            return Match(Grade.CERTAIN, f"{path} has shapes and an image's path")
    return None


FORMAT = Format(
    info=FormatInfo(
        name="labelme",
        title="LabelMe",
        spec="https://github.com/wkentaro/labelme/blob/main/labelme/_label_file.py",
        layout=("<split>/*.json", "<split>/*.jpg", "labels.txt"),
        keeps=frozenset({"image", "split", "objects.category", *(f"objects.{name}" for name in GEOMETRY)}),
    ),
    sniff=sniff,
    reader=LabelMeReader,
    writer=LabelMeWriter,
    options=LabelMeOptions,
)
