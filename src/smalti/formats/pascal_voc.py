"""Pascal VOC: an XML file an image, boxes by their corners.

Specification: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/index.html (the development kit)

    Annotations/a.xml            the objects of JPEGImages/a.jpg
    JPEGImages/a.jpg
    ImageSets/Main/train.txt     the images of a split, without their suffix
    labels.txt                   the classes in their order; read where it is there, as is labelmap.txt

labelImg, CVAT and Roboflow put the XML beside the images, in one folder or one a split: that is read as well.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import pyarrow as pa
from pydantic import Field

from smalti.errors import DataError, EmptySourceError
from smalti.formats import xml_files
from smalti.formats.document_writer import DocumentWriter, listed_classes
from smalti.formats.documents import Document, DocumentReader, Found, Parsed
from smalti.formats.free_names import stem_of
from smalti.formats.protocol import Format, FormatInfo, Grade, Match, Options
from smalti.schema import features
from smalti.schema.categories import Categories
from smalti.storage.media import IMAGE_SUFFIXES
from smalti.storage.paths import safe_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from xml.etree.ElementTree import Element

    from smalti.formats.probe import Probe
    from smalti.formats.protocol import PartResult
    from smalti.formats.report import Loss
    from smalti.storage.folder import Target

SETS = "ImageSets/Main"
ROOT = re.compile(rb"<annotation[\s>]")
CORNERS = ("xmin", "ymin", "xmax", "ymax")
FLAGS = ("truncated", "occluded", "difficult")
SPLITS = ("train", "val", "valid", "test")  # folders of Roboflow's layout
TRUE = {"1": True, "0": False, "true": True, "false": False, "yes": True, "no": False}
ATTRIBUTES: dict[str, Any] = {
    "pose": features.Value(type=pa.string()),
    **{name: features.Value(type=pa.bool_()) for name in FLAGS},
    "parts": features.Json(),
    "actions": features.Json(),
    "voc": features.Json(),
}


class VocOptions(Options):
    """Options of Pascal VOC."""

    pixel_offset: bool = Field(
        False,  # pydantic's own way
        description="Corners are numbers of pixels from 1, as in the development kit; most tools write edges from 0.",
    )


class VocReader(DocumentReader[VocOptions]):
    """Reads folders of XML files."""

    attributes: ClassVar = ATTRIBUTES
    columns: ClassVar = {"voc": features.Json()}

    def find(self) -> Found:
        if self.root.isfile():
            return Found(
                documents=[Document(path=self.root.name, image=None)], media=self.media or self.root.parent
            )
        files = self.root.find((".xml",))
        kit = (self.root / "Annotations").isdir()
        folder = "Annotations/" if kit else ""
        paths = [path for path in files if path.startswith(folder)]
        media = self.media or (self.root / "JPEGImages" if kit else self.root)
        images = media.find(IMAGE_SUFFIXES) if media.exists() else []
        splits = self._lists() if kit else _folders(paths)
        documents = _paired(paths, folder, images, splits, listed=kit)
        if not documents:
            raise EmptySourceError(
                f"{self.root.url}: looked for *.xml in it and in Annotations/, and found none"
            )
        used = dict.fromkeys(splits.values())
        return Found(documents=documents, media=media, categories=self._classes(), splits=tuple(used))

    def _lists(self) -> dict[str, str]:
        """The split of each image, by its path without suffix. ``trainval`` is what two others are together."""
        sets = self.root / SETS
        names = sets.find((".txt",), maxdepth=1) if sets.isdir() else []
        order = sorted(names, key=lambda name: (stem_of(name) == "trainval", name != "train.txt", name))
        found: dict[str, str] = {}
        for name in order:
            lines = [line for line in (sets / name).read_text().splitlines() if line.strip()]
            marked = [line.rpartition(" ")[2] in {"-1", "0", "1"} and " " in line.strip() for line in lines]
            if lines and all(marked):
                continue  # cat_train.txt: whether each image of train has a cat
            for line in lines:
                found.setdefault(line, stem_of(name))
        return found

    def _classes(self) -> Categories:
        if (self.root / "labels.txt").isfile():
            return listed_classes((self.root / "labels.txt").read_text())
        if not (self.root / "labelmap.txt").isfile():
            return Categories()
        lines = (self.root / "labelmap.txt").read_text().splitlines()
        names = [line.partition(":")[0] for line in lines if line.strip() and not line.startswith("#")]
        return Categories.of(name for name in dict.fromkeys(names) if name != "background")

    def parse(self, body: bytes, document: Document) -> Parsed:
        root = xml_files.parse(body, "annotation")
        size = root.find("size")
        sides = [_pixels(None if size is None else size.find(side), side) for side in ("width", "height")]
        objects, faults = self.each(root.findall("object"), self._object, "object")
        rest = {key: value for key, value in _rest(root).items() if key not in {"object", "filename"}}
        return Parsed(
            image=_image(root, document),
            width=sides[0],
            height=sides[1],
            objects=objects,
            columns={"voc": _json(rest)} if rest else {},
            faults=faults,
        )

    def _object(self, item: Element) -> dict[str, Any]:
        name = xml_files.text(item.find("name"))
        if name is None:
            raise DataError("found an object without a name")
        found: dict[str, Any] = {"category": name, "bbox": self._box(item)}
        if pose := xml_files.text(item.find("pose")):
            found["pose"] = pose
        for flag in FLAGS:
            if (value := xml_files.text(item.find(flag))) is not None:
                if value.lower() not in TRUE:
                    raise DataError(f"{flag}: found {value!r}, expected 0 or 1")
                found[flag] = TRUE[value.lower()]
        if parts := item.findall("part"):
            found["parts"] = _json(
                [{"name": xml_files.text(p.find("name")), "bbox": self._box(p)} for p in parts]
            )
        if (actions := item.find("actions")) is not None:
            found["actions"] = _json({a.tag: TRUE.get(xml_files.text(a) or "0") for a in actions})
        known = {"name", "bndbox", "pose", *FLAGS, "part", "actions"}
        if rest := {key: value for key, value in _plain(item).items() if key not in known}:
            found["voc"] = _json(rest)
        return found

    def _box(self, item: Element) -> list[float]:
        box = item.find("bndbox")
        if box is None:
            raise DataError("found no bndbox")
        left, top, right, bottom = (_number(box.find(corner), corner) for corner in CORNERS)
        if self.options.pixel_offset:
            left, top = left - 1, top - 1
        return [left, top, right - left, bottom - top]


class VocWriter(DocumentWriter[VocOptions]):
    """Writes the layout of the development kit."""

    title: ClassVar = "Pascal VOC"
    members: ClassVar = frozenset({"category", "bbox"})
    held_attributes: ClassVar = ATTRIBUTES
    held_columns: ClassVar = {"voc": features.Json()}
    reasons: ClassVar = {
        "id": "VOC objects have no ids",
        "iscrowd": "VOC has no crowds; difficult objects are something else",
        "score": "VOC's annotations have no scores",
    }

    def places(self, image: str) -> tuple[str, str]:
        return f"JPEGImages/{image}", f"Annotations/{stem_of(image)}.xml"

    def document(
        self, row: dict[str, Any], objects: list[dict[str, Any]], image: str, losses: list[Loss]
    ) -> bytes:
        del losses  # the schema alone tells what is lost
        rest = msgspec.json.decode(row["voc"]) if row.get("voc") else {}
        width, height = row["image"]["width"], row["image"]["height"]
        size = {
            **({} if width is None else {"width": width}),
            **({} if height is None else {"height": height}),
            **rest.pop("size", {}),
        }
        head = {"filename": image.rpartition("/")[2], **rest, **({"size": size} if size else {})}
        attributes = {key: value for key, value in head.items() if key.startswith("@")}
        others = {key: value for key, value in head.items() if key not in attributes}
        inner = {**attributes, **others, "object": [self._object(item) for item in objects]}
        return xml_files.element("annotation", inner).encode()

    def _object(self, item: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"name": item["category"]}
        if item.get("pose") is not None:
            found["pose"] = item["pose"]
        found |= {flag: int(item[flag]) for flag in FLAGS if item.get(flag) is not None}
        found["bndbox"] = self._box([item["bbox"][side] for side in "xywh"])
        if item.get("parts"):
            parts = msgspec.json.decode(item["parts"])
            found["part"] = [{"name": part["name"], "bndbox": self._box(part["bbox"])} for part in parts]
        if item.get("actions"):
            found["actions"] = {
                name: int(bool(on)) for name, on in msgspec.json.decode(item["actions"]).items()
            }
        if item.get("voc"):
            found |= msgspec.json.decode(item["voc"])
        return found

    def _box(self, box: Sequence[float]) -> dict[str, str]:
        x, y, w, h = box
        shift = 1 if self.options.pixel_offset else 0
        corners = (x + shift, y + shift, x + w, y + h)
        return {name: xml_files.number(value) for name, value in zip(CORNERS, corners, strict=True)}

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        files = super().finish(target, results)
        files += self.write_lists(target, SETS, results)
        target.mkdir("JPEGImages")
        return files


def sniff(probe: Probe) -> Match | None:
    """XML files whose root is an annotation with a size or objects."""
    for path in probe.matching("*.xml")[:3]:
        head = probe.head(path)
        if ROOT.search(head[:400]) and (b"<bndbox>" in head or b"<size>" in head or b"<filename>" in head):
            return Match(Grade.CERTAIN, f"{path} is an annotation of an image")
    return None


def _paired(
    paths: list[str], folder: str, images: list[str], splits: dict[str, str], *, listed: bool
) -> list[Document]:
    """Documents with their images by their names, and the images that have none."""
    by_stem: dict[str, str] = {}
    for image in images:
        by_stem.setdefault(stem_of(image), image)
    found = []
    for path in paths:
        stem = stem_of(path)[len(folder) :]
        picture = by_stem.pop(stem, None)
        found.append(Document(path=path, image=picture, split=splits.get(stem if listed else path)))
    rest = [Document(path=None, image=image, split=splits.get(stem)) for stem, image in by_stem.items()]
    return found + rest


def _folders(paths: list[str]) -> dict[str, str]:
    """The splits of documents whose first folder is called like one."""
    first = {path: path.partition("/")[0] for path in paths if "/" in path}
    named = {path: split for path, split in first.items() if split in SPLITS}
    return {path: "val" if split == "valid" else split for path, split in named.items()}


def _image(root: Element, document: Document) -> str:
    """The image's path: its file has the document's name, whatever the document says."""
    if document.image is not None:
        return document.image
    stem = stem_of(str(document.path)).removeprefix("Annotations/")
    name = (xml_files.text(root.find("filename")) or "").replace("\\", "/").rpartition("/")[2]
    suffix = name[len(stem_of(name)) :] or ".jpg"
    return safe_path(f"{stem}{suffix}")


def _rest(root: Element) -> dict[str, Any]:
    """What else a document says, without the size in pixels."""
    found = _plain(root)
    size = found.pop("size", {})
    more = {k: v for k, v in size.items() if k not in {"width", "height"}} if isinstance(size, dict) else {}
    return {**found, **({"size": more} if more else {})}


def _plain(item: Element) -> dict[str, Any]:
    found = xml_files.plain(item)
    return found if isinstance(found, dict) else {}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _number(item: Element | None, name: str) -> float:
    words = xml_files.text(item)
    try:
        value = float(words or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{name}: found {words!r}, expected a number")
    return value


def _pixels(item: Element | None, name: str) -> int | None:
    """A side of the picture; null where it does not say, or says 0."""
    if item is None or xml_files.text(item) is None:
        return None
    value = _number(item, name)
    if value < 0 or value >= 2**31 or value != int(value):
        raise DataError(f"{name}: found {xml_files.text(item)!r}, expected a whole number of pixels")
    return int(value) or None


FORMAT = Format(
    info=FormatInfo(
        name="pascal_voc",
        title="Pascal VOC",
        spec="https://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/index.html",
        layout=("Annotations/*.xml", "JPEGImages/*", "ImageSets/Main/<split>.txt"),
        keeps=frozenset({"image", "split", "objects.category", "objects.bbox"}),
    ),
    sniff=sniff,
    reader=VocReader,
    writer=VocWriter,
    options=VocOptions,
)
