"""DOTA: a text file an image, a row an object with the four corners of its oriented box.

Specification: https://captain-whu.github.io/DOTA/dataset.html

    train/labelTxt/P0001.txt    imagesource:GoogleEarth
                                gsd:0.146
                                x1 y1 x2 y2 x3 y3 x4 y4 class difficult
    train/images/P0001.png
    labels.txt                  the classes in their order; read where it is there
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from smalti.errors import DataError, EmptySourceError, OptionError, at
from smalti.formats import label_rows
from smalti.formats.document_writer import CLASSES, DocumentWriter, listed_classes, one_loss
from smalti.formats.documents import Document, DocumentReader, Found, Parsed, used_splits
from smalti.formats.free_names import stem_of
from smalti.formats.protocol import Format, FormatInfo, Grade, Match, Options
from smalti.formats.splits import KNOWN
from smalti.geometry import quads
from smalti.schema import features
from smalti.schema.categories import Categories
from smalti.storage.location import BOM
from smalti.storage.media import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalti.formats.probe import Probe
    from smalti.formats.protocol import PartResult
    from smalti.formats.report import Loss
    from smalti.storage.folder import Target

FOLDERS = ("labelTxt", "annotations")  # of labels; their images are in ``images`` beside
HEADS = ("imagesource", "gsd")
ATTRIBUTES: dict[str, Any] = {"difficult": features.Value(type=pa.int64())}
COLUMNS: dict[str, Any] = {name: features.Value(type=pa.string()) for name in HEADS}


class DotaOptions(Options):
    """Options of DOTA."""

    version: str | None = Field(
        None,
        description="Which of the folders version1.0, version1.5 … is read where there are several; null: the newest.",
        json_schema_extra={"side": "read"},
    )
    difficult: int | None = Field(
        None,
        ge=0,
        le=2,
        description="What is written for objects that do not say it, which MMRotate and Datumaro ask for; null: nothing.",
        json_schema_extra={"side": "write"},
    )


class DotaReader(DocumentReader[DotaOptions]):
    """Reads the folders of labels and images below a root."""

    attributes: ClassVar = ATTRIBUTES
    columns: ClassVar = COLUMNS
    _listed: Categories = Categories()

    def find(self) -> Found:
        media = self.media or self.root
        images = media.find(IMAGE_SUFFIXES) if media.exists() else []
        texts = [path for path in self.root.find((".txt",)) if _split(path) is not None]
        if not texts:
            raise EmptySourceError(f"{self.root.url}: looked for labelTxt/*.txt, and found none")
        documents: list[Document] = []
        for folder in _versions(list(dict.fromkeys(_folder(path) for path in texts)), self.options.version):
            documents += _paired(folder, [path for path in texts if _folder(path) == folder], images)
        classes = self.root / CLASSES
        self._listed = listed_classes(classes.read_text()) if classes.isfile() else Categories()
        return Found(
            documents=documents,
            media=media,
            categories=self._listed,
            splits=used_splits(documents),
        )

    def parse(self, body: bytes, document: Document) -> Parsed:
        objects: list[dict[str, Any]] = []
        faults: list[DataError] = []
        columns: dict[str, Any] = {}
        for number, line in enumerate(body.removeprefix(BOM).split(b"\n"), 1):
            try:
                with at(position=f"line {number}"):
                    words = label_rows.decoded(line).strip()
                    name, colon, value = words.partition(":")
                    if colon and name in HEADS and not objects:
                        columns[name] = value.strip() or None
                    elif words:
                        objects.append(self._known(_object(words.split())))
            except DataError as error:
                if self.on_error == "raise":
                    raise
                faults.append(error)
        return Parsed(image=str(document.image), objects=objects, columns=columns, faults=faults)

    def _known(self, item: dict[str, Any]) -> dict[str, Any]:
        if self._listed and item["category"] not in self._listed.codes:
            raise DataError(f"found the class {item['category']!r}, which {CLASSES} does not list")
        return item


def _object(words: list[str]) -> dict[str, Any]:
    if len(words) < 9:
        raise DataError(
            f"found {len(words)} values, expected eight corners, a class and whether it is difficult"
        )
    corners = []
    for word in words[:8]:
        value = label_rows.number(word)
        if value is None:
            raise DataError(f"found {word!r}, expected a number")
        corners.append(value)
    if len(words) == 9:  # the difficulty is missing in some files of version 1
        return {"category": words[8], "quad": corners}
    if not words[-1].lstrip("-").isdecimal() or len(words[-1]) > 9:
        raise DataError(f"found {words[-1]!r}, expected whether it is difficult: 0, 1 or 2")
    return {"category": " ".join(words[8:-1]), "quad": corners, "difficult": int(words[-1])}


def _split(path: str) -> str | None:
    """What stands before the folder of labels, with its slash; null where a file is below none."""
    parts = path.split("/")[:-1]
    place = next((n for n, part in enumerate(parts) if part in FOLDERS), None)
    return None if place is None else "".join(f"{part}/" for part in parts[:place])


def _folder(path: str) -> str:
    """The folder of labels, with those of versions below it: ``train/annotations/version1.0/``."""
    before = str(_split(path))
    parts = path[len(before) :].split("/")
    versioned = len(parts) > 2 and parts[1].startswith("version")
    return before + "".join(f"{part}/" for part in parts[: 2 if versioned else 1])


def _versions(folders: list[str], wanted: str | None) -> list[str]:
    """The folders of labels without those of other versions.

    Raises:
        OptionError: There is no folder of the version.
    """
    known = {folder: folder.rstrip("/").rpartition("/")[2].removeprefix("version") for folder in folders}
    versions = {folder: version for folder, version in known.items() if version[:1].isdecimal()}
    if wanted is None and versions:
        wanted = max(
            versions.values(), key=lambda version: [int(n) for n in version.split(".") if n.isdecimal()]
        )
    if wanted is not None and wanted not in versions.values():
        raise OptionError(
            f"version={wanted!r}: there are {', '.join(sorted(set(versions.values()))) or 'no versions'}"
        )
    return [folder for folder in folders if versions.get(folder, wanted) == wanted]


def _paired(folder: str, texts: list[str], images: list[str]) -> list[Document]:
    """The documents of a folder with their images, and its images that have none."""
    before = str(_split(f"{folder}x"))
    beside = f"{before}images/"
    name = before.rstrip("/")
    split = KNOWN.get(name, name) or None
    by_stem = {stem_of(i)[len(beside) :]: i for i in reversed(images) if i.startswith(beside)}
    found = []
    for path in texts:
        stem = stem_of(path)[len(folder) :]
        image = by_stem.pop(stem, f"{beside}{stem}.png")
        found.append(Document(path=path, image=image, split=split, folder=beside))
    rest = sorted(by_stem.values())
    return found + [Document(path=None, image=image, split=split, folder=beside) for image in rest]


class DotaWriter(DocumentWriter[DotaOptions]):
    """Writes a folder of labels and one of images for each split."""

    title: ClassVar = "DOTA"
    split_folders: ClassVar = True
    members: ClassVar = frozenset({"category", "quad", "bbox"})
    held_attributes: ClassVar = ATTRIBUTES
    held_columns: ClassVar = COLUMNS
    needed: ClassVar = (frozenset({"category"}), frozenset({"quad", "bbox"}))
    reasons: ClassVar = {
        "id": "rows have no ids",
        "angle": "rows have corners, which say how a box is turned",
    }

    def places(self, image: str) -> tuple[str, str]:
        first, slash, rest = image.partition("/")
        if slash and first in self.schema.splits:
            return f"{first}/images/{rest}", f"{first}/labelTxt/{stem_of(rest)}.txt"
        return f"images/{image}", f"labelTxt/{stem_of(image)}.txt"

    def document(
        self, row: dict[str, Any], objects: list[dict[str, Any]], image: str, losses: list[Loss]
    ) -> bytes:
        del image
        heads = [f"{name}:{row[name]}" for name in HEADS if row.get(name) is not None]
        return "".join(
            f"{line}\n" for line in [*heads, *(self._row(item, row["id"], losses) for item in objects)]
        ).encode()

    def _row(self, item: dict[str, Any], sample: str, losses: list[Loss]) -> str:
        corners = item.get("quad")
        if corners is None:
            why = "an object has a plain box alone; its four corners are written"
            losses.append(one_loss("box.as_quad", f"{self.field}.bbox", "change", why, sample))
            corners = quads.xywh_to_quads(np.array([list(item["bbox"].values())])).ravel().tolist()
        elif item.get("bbox") is not None:
            why = "a row is one box; the oriented one is written"
            losses.append(one_loss("bbox.dropped", f"{self.field}.bbox", "value", why, sample))
        difficult = item.get("difficult")
        difficult = self.options.difficult if difficult is None else difficult
        last = [] if difficult is None and " " not in item["category"] else [str(difficult or 0)]
        return " ".join([*map(label_rows.text, corners), item["category"], *last])

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        for split in self.schema.splits or ("",):
            for folder in ("images", "labelTxt"):
                target.mkdir(f"{split}/{folder}" if split else folder)
        return super().finish(target, results)


def sniff(probe: Probe) -> Match | None:
    """Rows of eight numbers and a class below labelTxt, without the data.yaml of YOLO's dialect."""
    if any(path.endswith((".yaml", ".yml")) for path in probe.files):
        return None
    for path in [path for path in probe.files if path.endswith(".txt") and _split(path) is not None][:8]:
        for line in probe.head(path).decode(errors="replace").splitlines():
            words = line.split()
            if line.partition(":")[0] in HEADS:
                return Match(Grade.CERTAIN, f"{path} has the heads of DOTA")
            if words:
                try:
                    _object(words)
                except DataError:
                    return None
                return Match(Grade.CERTAIN, f"{path} has rows of four corners and a class")
    return None


FORMAT = Format(
    info=FormatInfo(
        name="dota",
        title="DOTA",
        spec="https://captain-whu.github.io/DOTA/dataset.html",
        layout=("<split>/labelTxt/*.txt", "<split>/images/*.png", "labels.txt"),
        keeps=frozenset({"split", "objects.category", "objects.quad"}),
    ),
    sniff=sniff,
    reader=DotaReader,
    writer=DotaWriter,
    options=DotaOptions,
)
