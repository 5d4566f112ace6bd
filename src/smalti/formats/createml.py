"""CreateML: one JSON list a folder, boxes by their centres.

Specification: https://developer.apple.com/documentation/createml/building-an-object-detector-data-source

    train/_annotations.createml.json    [{"image": "a.jpg", "annotations": [{"label": "cat",
                                          "coordinates": {"x": 12, "y": 8, "width": 4, "height": 6}}]}]
    train/a.jpg
    labels.txt                          the classes in their order; read where it is there
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec
from pydantic import Field

from smalti.errors import DataError
from smalti.formats import json_files
from smalti.formats.document_writer import CLASSES, DocumentWriter, class_list, listed_classes
from smalti.formats.documents import Document, Found, Parsed, used_splits
from smalti.formats.entries import EntryReader
from smalti.formats.protocol import Format, FormatInfo, Grade, Match, Options
from smalti.schema import features
from smalti.schema.categories import Categories
from smalti.storage.media import ImageHeader, read_headers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from smalti.formats.probe import Probe
    from smalti.formats.protocol import PartResult
    from smalti.formats.report import Loss
    from smalti.storage.folder import Target

NAME = "_annotations.createml.json"  # Roboflow's; Apple names none
ITEM_KEYS = frozenset({"label", "coordinates"})
ENTRY_KEYS = frozenset({"image", "imagefilename", "annotations", "annotation"})


class CreateMLOptions(Options):
    """Options of CreateML: what `MLObjectDetector.AnnotationType.boundingBox` asks for, too."""

    units: Literal["pixel", "normalized"] = Field(
        "pixel",
        description="Whether coordinates are pixels, or fractions of the image's size.",
        json_schema_extra={"side": "read"},
    )
    anchor: Literal["center", "topLeft"] = Field(
        "center", description="Which point of a box x and y are.", json_schema_extra={"side": "read"}
    )


class CreateMLReader(EntryReader[CreateMLOptions]):
    """Reads the lists below a folder, or one file."""

    attributes: ClassVar = {"createml": features.Json()}
    columns: ClassVar = {"createml": features.Json()}

    wanted: ClassVar = "a list of images"

    def find(self) -> Found:
        documents, media = self.images()
        classes = (self.root.parent if self.root.isfile() else self.root) / CLASSES
        return Found(
            documents=documents,
            media=media,
            categories=listed_classes(classes.read_text()) if classes.isfile() else Categories(),
            splits=used_splits(documents),
        )

    def entries(self, body: bytes, name: str) -> Iterable[tuple[int, Any]]:
        if body.lstrip()[:1] not in {b"[", b"\xef"} and name != NAME:
            return ()
        return enumerate(json_files.parse(body, list))

    def name_of(self, entry: Any) -> str:
        entry = json_files.of(entry, dict, "the entry")
        return str(json_files.of(entry.get("image", entry.get("imagefilename")), str, "image"))

    def parse_entry(self, entry: Any, where: str, document: Document) -> Parsed:
        single = entry.get("annotation")
        given = [{"label": single}] if isinstance(single, str) else entry.get("annotations", single)
        if given is None:
            raise DataError("found no annotations, expected a list")
        width, height = self._size(str(document.image))
        items = json_files.of(given, list, "annotations")
        objects, faults = self.each(
            items, lambda item: self._object(item, width, height), f"{where}.annotations"
        )
        rest = {key: value for key, value in entry.items() if key not in ENTRY_KEYS}
        return Parsed(
            image=str(document.image),
            width=width,
            height=height,
            objects=objects,
            columns={"createml": json_files.text(rest)} if rest else {},
            faults=faults,
        )

    def _size(self, image: str) -> tuple[int | None, int | None]:
        """Width and height where fractions need them; the base finds out those of the others."""
        if self.options.units == "pixel":
            return None, None
        media = self.media or (self.root.parent if self.root.isfile() else self.root)
        (header,) = read_headers(media, [image])
        if not isinstance(header, ImageHeader):
            raise DataError(f"fractions need the size of the image, which cannot be read: {header}")
        return header.upright

    def _object(self, item: Any, width: int | None, height: int | None) -> dict[str, Any]:
        label = json_files.of(json_files.of(item, dict, "the annotation").get("label"), str, "label")
        if not label:
            raise DataError("label: found no text, expected the name of a class")
        found: dict[str, Any] = {"category": label}
        box = item.get("coordinates")
        if box is not None:
            sides = json_files.of(box, dict, "coordinates")
            x, y, w, h = (
                json_files.number(sides.get(key), f"coordinates.{key}")
                for key in ("x", "y", "width", "height")
            )
            if self.options.anchor == "center":
                x, y = x - w / 2, y - h / 2
            if self.options.units == "normalized":
                x, y, w, h = x * (width or 1), y * (height or 1), w * (width or 1), h * (height or 1)
            found["bbox"] = [x, y, w, h]
        if rest := {key: value for key, value in item.items() if key not in ITEM_KEYS}:
            found["createml"] = json_files.text(rest)
        return found


class CreateMLWriter(DocumentWriter[CreateMLOptions]):
    """Writes a list a split, in pixels, boxes by their centres."""

    title: ClassVar = "CreateML"
    split_folders: ClassVar = True
    one_file: ClassVar = True
    members: ClassVar = frozenset({"category", "bbox"})
    held_attributes: ClassVar = {"createml": features.Json()}
    held_columns: ClassVar = {"createml": features.Json()}
    needed: ClassVar = (frozenset({"category"}),)
    reasons: ClassVar = {"id": "annotations have no ids", "score": "annotations have no scores"}

    def places(self, image: str) -> tuple[str, str]:
        return image, image

    def document(
        self, row: dict[str, Any], objects: list[dict[str, Any]], image: str, losses: list[Loss]
    ) -> bytes:
        del losses  # the schema alone tells what is lost
        folder = f"{row['split']}/" if row.get("split") else ""
        rest = msgspec.json.decode(row["createml"]) if row.get("createml") else {}
        annotations = [self._annotation(item) for item in objects]
        return msgspec.json.encode({"image": image.removeprefix(folder), "annotations": annotations, **rest})

    def _annotation(self, item: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"label": item["category"]}
        if item.get("bbox") is not None:
            x, y, w, h = (item["bbox"][side] for side in "xywh")
            centre = {"x": json_files.short(x + w / 2), "y": json_files.short(y + h / 2)}
            found["coordinates"] = {**centre, "width": w, "height": h}
        return {**found, **(msgspec.json.decode(item["createml"]) if item.get("createml") else {})}

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        lists = self.bodies(results)
        for split, bodies in lists.items():
            body = b"[\n" + b",\n".join(bodies) + b"\n]\n"
            target.write(f"{split}/{NAME}" if split else NAME, body)
        target.write(CLASSES, class_list(self.feature.categories))
        return len(lists) + 1


def sniff(probe: Probe) -> Match | None:
    """A JSON list of images with annotations."""
    for path in probe.matching("*.json")[:8]:
        head = probe.head(path).lstrip()
        if (
            head.startswith(b"[")
            and b'"annotations"' in head
            and b'"image"' in head
            and b'"id"' not in head[:200]
            and not re.search(rb'"data"\s*:\s*\{', head)  # tasks of Label Studio
        ):
            return Match(Grade.CERTAIN, f"{path} is a list of images with annotations")
    return None


FORMAT = Format(
    info=FormatInfo(
        name="createml",
        title="CreateML",
        spec="https://developer.apple.com/documentation/createml/building-an-object-detector-data-source",
        layout=("<split>/_annotations.createml.json", "<split>/*.jpg", "labels.txt"),
        keeps=frozenset({"image", "split", "objects.category", "objects.bbox"}),
    ),
    sniff=sniff,
    reader=CreateMLReader,
    writer=CreateMLWriter,
    options=CreateMLOptions,
)
