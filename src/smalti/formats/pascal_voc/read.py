"""Read Pascal VOC: an XML file an image, and label images where they are there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import pyarrow as pa

from smalti.errors import DataError, EmptySourceError, at
from smalti.formats import label_images, xml_files
from smalti.formats.document_writer import listed_classes
from smalti.formats.documents import Block, Document, DocumentReader, Found, Parsed
from smalti.formats.free_names import stem_of
from smalti.formats.pascal_voc import masks
from smalti.formats.pascal_voc.columns import parse_many
from smalti.formats.pascal_voc.options import (
    ATTRIBUTES,
    CLASSES,
    CORNERS,
    FLAGS,
    IMAGES,
    MAIN,
    OBJECTS,
    SEGMENTED,
    TRUE,
    VocOptions,
)
from smalti.schema import features
from smalti.schema.build import objects_columns
from smalti.schema.categories import Categories
from smalti.storage.media import IMAGE_SUFFIXES
from smalti.storage.paths import safe_path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from xml.etree.ElementTree import Element

SPLITS = ("train", "val", "valid", "test")  # folders of Roboflow's layout
KNOWN = frozenset({"name", "bndbox", "pose", *FLAGS, "part", "actions"})  # of an object


@dataclass(frozen=True, slots=True)
class Files:
    """What labels an image, as paths below the root; null where there is none.

    Attributes:
        xml: The annotation.
        classes: The label image of classes.
        objects: The label image of objects.
    """

    xml: str | None
    classes: str | None
    objects: str | None


class VocReader(DocumentReader[VocOptions]):
    """Reads folders of XML files."""

    attributes: ClassVar = ATTRIBUTES
    columns: ClassVar = {"voc": features.Json()}

    _dense: Categories = Categories()

    def find(self) -> Found:
        if self.root.isfile():
            return Found(
                documents=[Document(path=self.root.name, image=None)], media=self.media or self.root.parent
            )
        pixels = (
            self.root.find((".png",))
            if (self.root / CLASSES).isdir() or (self.root / OBJECTS).isdir()
            else []
        )
        segmented = any(path.startswith((CLASSES, OBJECTS)) for path in pixels)
        kit = segmented or (self.root / "Annotations").isdir()
        folder = "Annotations/" if kit else ""
        paths = [folder + path for path in (self.root / folder if kit else self.root).find((".xml",))]
        listed = self._classes()
        splits = self._lists() if kit else _folders(paths)
        if segmented:
            # Label images lie beside the images' folder, so that the root of both is above.
            media, start = self.media or self.root, "" if self.media else IMAGES
            images = [path for path in media.find(IMAGE_SUFFIXES) if path.startswith(start)]
            documents = _segmented(paths, pixels, images, start, splits)
            self._dense = masks.table(self.root, listed)
            columns = {"mask": features.Mask(categories=self._dense)}
        else:
            media = self.media or (self.root / IMAGES[:-1] if kit else self.root)
            images = media.find(IMAGE_SUFFIXES) if media.exists() else []
            documents, columns = _paired(paths, folder, images, splits, listed=kit), {}
        if not documents:
            raise EmptySourceError(
                f"{self.root.url}: looked for *.xml in it and in Annotations/, and found none"
            )
        used = tuple(dict.fromkeys(splits.values()))
        return Found(documents=documents, media=media, categories=listed, splits=used, columns=columns)

    def _lists(self) -> dict[str, str]:
        """The split of each image, by its path without suffix. ``trainval`` is what two others are together."""
        found: dict[str, str] = {}
        folders = (MAIN, SEGMENTED) if self.options.sets == "Main" else (SEGMENTED, MAIN)
        for folder in folders:
            sets = self.root / folder
            names = sets.find((".txt",), maxdepth=1) if sets.isdir() else []
            order = sorted(names, key=lambda name: (stem_of(name) == "trainval", name != "train.txt", name))
            for name in order:
                lines = [line for line in (sets / name).read_text().splitlines() if line.strip()]
                marked = (
                    line.rpartition(" ")[2] in {"-1", "0", "1"} and " " in line.strip() for line in lines
                )
                if lines and all(marked):
                    continue  # cat_train.txt: whether each image of train has a cat
                for line in lines:
                    found.setdefault(line, stem_of(name))
        return found

    def _classes(self) -> Categories:
        if (self.root / "labels.txt").isfile():
            return listed_classes((self.root / "labels.txt").read_text())
        if not (self.root / masks.LABEL_MAP).isfile():
            return Categories()
        lines = (self.root / masks.LABEL_MAP).read_text().splitlines()
        names = [line.partition(":")[0] for line in lines if line.strip() and not line.startswith("#")]
        return Categories.of(name for name in dict.fromkeys(names) if name != "background")

    def regular(
        self, bodies: Sequence[bytes], documents: Sequence[Document], known: features.Objects
    ) -> Block | None:
        found = parse_many(bodies, int(self.options.pixel_offset))
        if found is None:
            return None
        try:
            rest = {body: _rest(xml_files.parse(body, "annotation")) for body in set(found.rest) if body}
            more = {place: self._object(xml_files.parse(body, "object")) for place, body in found.more}
            images = [_image(name, document) for name, document in zip(found.names, documents, strict=True)]
        except DataError:
            return None
        members = dict(found.members)
        for name in ("parts", "actions", "voc"):
            if any(name in item for item in more.values()):
                values = [more[n].get(name) if n in more else None for n in range(len(members["category"]))]
                members[name] = pa.array(values, pa.string())
        said = [_json(rest[body]) if body and rest[body] else None for body in found.rest]
        return Block(
            images=images,
            sizes=found.sizes,
            objects=objects_columns(members, known),
            lengths=found.lengths,
            columns={"voc": said} if any(said) else {},
        )

    def parse(self, body: bytes, document: Document) -> Parsed:
        if document.payload is None:
            return self._annotation(body, document)
        files: Files = document.payload
        found = Parsed(image=str(document.image))
        if files.xml is not None:
            place = self.root / files.xml
            with at(file=place.url):
                found = self._annotation(place.read_bytes(), document)
        self._segment(found, files)
        return found

    def _segment(self, found: Parsed, files: Files) -> None:
        """Add what the label images of a sample say."""
        classes = None
        if files.classes is not None:
            place = self.root / files.classes
            with at(file=place.url):
                body = place.read_bytes()
                coloured = label_images.png_type(body) in label_images.COLOURED
                if coloured or files.objects is not None:
                    classes = masks.class_numbers(body, self._dense)
                if coloured and classes is not None:
                    body = label_images.png(classes)
                inline = coloured or self.media is not None
                path = None if coloured else files.classes
            if (size := label_images.png_size(body)) is not None and not (found.width and found.height):
                found.width, found.height = size
            found.columns["mask"] = {"path": path or files.classes, "bytes": body if inline else None}
        if files.objects is not None:
            place = self.root / files.objects
            with at(file=place.url):
                pixels = masks.object_numbers(place.read_bytes())
                found.objects = [] if found.objects is None else found.objects
                masks.add_masks(found.objects, pixels, classes, self._dense)
            if not (found.width and found.height):
                found.height, found.width = pixels.shape

    def _annotation(self, body: bytes, document: Document) -> Parsed:
        root = xml_files.parse(body, "annotation")
        size = root.find("size")
        sides = [_pixels(None if size is None else size.find(side), side) for side in ("width", "height")]
        objects, faults = self.each(root.findall("object"), self._object, "object")
        rest = _rest(root)
        return Parsed(
            image=_image(xml_files.text(root.find("filename")), document),
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
        if rest := _plain(item, KNOWN):
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


def _segmented(
    paths: list[str], pixels: Iterable[str], images: list[str], start: str, splits: dict[str, str]
) -> list[Document]:
    """A document for each image, annotation and label image, by their names."""
    found: dict[str, dict[str, str]] = {}
    for image in images:
        found.setdefault(stem_of(image)[len(start) :], {}).setdefault("image", image)
    for kind, folder, files in (
        ("xml", "Annotations/", paths),
        ("classes", CLASSES, pixels),
        ("objects", OBJECTS, pixels),
    ):
        for path in files:
            if path.startswith(folder):
                found.setdefault(stem_of(path)[len(folder) :], {})[kind] = path
    documents = []
    for stem, files_ in sorted(found.items()):
        own = Files(files_.get("xml"), files_.get("classes"), files_.get("objects"))
        first = own.xml or own.objects or own.classes
        documents.append(
            Document(
                path=first,
                image=files_.get("image") or (None if own.xml else f"{start}{stem}.jpg"),
                split=splits.get(stem),
                folder=start,
                payload=own if first else None,
            )
        )
    return documents


def _folders(paths: list[str]) -> dict[str, str]:
    """The splits of documents whose first folder is called like one."""
    first = {path: path.partition("/")[0] for path in paths if "/" in path}
    named = {path: split for path, split in first.items() if split in SPLITS}
    return {path: "val" if split == "valid" else split for path, split in named.items()}


def _image(filename: str | None, document: Document) -> str:
    """The image's path: its file has the document's name, whatever the document says."""
    if document.image is not None:
        return document.image
    stem = stem_of(str(document.path)).removeprefix("Annotations/")
    name = (filename or "").replace("\\", "/").rpartition("/")[2]
    suffix = name[len(stem_of(name)) :] or ".jpg"
    return safe_path(f"{document.folder}{stem}{suffix}")


def _rest(root: Element) -> dict[str, Any]:
    """What else a document says, without the size in pixels."""
    found = _plain(root, ("object", "filename"))
    size = found.pop("size", {})
    more = {k: v for k, v in size.items() if k not in {"width", "height"}} if isinstance(size, dict) else {}
    return {**found, **({"size": more} if more else {})}


def _plain(item: Element, without: Collection[str]) -> dict[str, Any]:
    found = xml_files.plain(item, without=without)
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
