"""KITTI: a text file an image, a row an object with its box in the picture and in space.

Specification: https://github.com/bostondiditeam/kitti/blob/master/resources/devkit_object/readme.txt (the development kit)

    training/label_2/000001.txt    type truncated occluded alpha left top right bottom height width length x y z rotation_y
    training/image_2/000001.png
    testing/image_2/000001.png     pictures that nobody has annotated
    ImageSets/train.txt            the images of a split, without their suffix, as 3-D detectors keep them
    labels.txt                     the classes in their order; read where it is there
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from smalti.errors import DataError, EmptySourceError, at
from smalti.formats import label_rows
from smalti.formats.document_writer import CLASSES, DocumentWriter, listed_classes
from smalti.formats.documents import Block, Document, DocumentReader, Found, Parsed, used_splits
from smalti.formats.free_names import stem_of
from smalti.formats.kitti.columns import members, row_text
from smalti.formats.kitti.options import ATTRIBUTES, IGNORED, NOWHERE, NUMBERS, SPACE, UNKNOWN
from smalti.formats.protocol import Format, FormatInfo, Grade, Match, Options
from smalti.schema.build import objects_columns
from smalti.schema.categories import Categories
from smalti.storage.location import BOM
from smalti.storage.media import IMAGE_SUFFIXES
from smalti.storage.paths import safe_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from smalti.formats.probe import Probe
    from smalti.formats.protocol import PartResult
    from smalti.schema import features
    from smalti.storage.folder import Target

LABELS = {"label_2": "image_2", "labels": "images"}  # folders of labels, and of their images beside


class KittiOptions(Options):
    """KITTI has no options."""


class KittiReader(DocumentReader[KittiOptions]):
    """Reads the folders of labels and images below a root."""

    attributes: ClassVar = ATTRIBUTES
    _classes: Categories | None = None

    def find(self) -> Found:
        found: list[Document] = []
        media = self.media or self.root
        images = media.find(IMAGE_SUFFIXES) if media.exists() else []
        lists = self._lists()
        texts: dict[str, list[str]] = {}
        for path in self.root.find((".txt",)):
            texts.setdefault(_label_folder(path), []).append(path)
        texts.pop("", None)
        for folder, paths in texts.items():
            found += _paired(folder, paths, images, lists)
        if not found:
            raise EmptySourceError(
                f"{self.root.url}: looked for label_2/*.txt and labels/*.txt, and found none"
            )
        rest = [image for image in images if image.startswith("testing/image_2/")]
        found += [Document(path=None, image=i, split="test", folder="testing/image_2/") for i in rest]
        splits = used_splits(found)
        return Found(documents=found, media=media, categories=self._listed(), splits=splits)

    def _listed(self) -> Categories:
        if self._classes is None:
            place = self.root / CLASSES
            self._classes = listed_classes(place.read_text()) if place.isfile() else Categories()
        return self._classes

    def _lists(self) -> dict[str, str]:
        """The split of each image, by its path without suffix."""
        sets = self.root / "ImageSets"
        found: dict[str, str] = {}
        for name in sets.find((".txt",), maxdepth=1) if sets.isdir() else ():
            if stem_of(name) != "trainval":  # what two others are together
                for line in (sets / name).read_text().splitlines():
                    found.setdefault(line, stem_of(name))
        return found

    def regular(
        self, bodies: Sequence[bytes], documents: Sequence[Document], known: features.Objects
    ) -> Block | None:
        found = members(bodies, self._listed())
        if found is None:
            return None
        return Block(
            images=[str(document.image) for document in documents],
            sizes=np.zeros((len(documents), 2), np.int64),
            objects=objects_columns(found[0], known),
            lengths=found[1],
        )

    def parse(self, body: bytes, document: Document) -> Parsed:
        objects, faults = [], []
        for number, line in enumerate(body.removeprefix(BOM).split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                with at(position=f"line {number}"):
                    objects.append(self._object(label_rows.decoded(line)))
            except DataError as error:
                if self.on_error == "raise":
                    raise
                faults.append(error)
        return Parsed(image=str(document.image), objects=objects, faults=faults)

    def _object(self, line: str) -> dict[str, Any]:
        name, numbers = self._split(line)
        truncated, occluded, alpha, *rest = numbers
        found: dict[str, Any] = {"dontcare": True} if name == IGNORED else {"category": name}
        said = {"truncated": truncated, "occluded": occluded, "alpha": alpha}
        found |= {key: value for key, value in said.items() if value != UNKNOWN[key]}
        if "occluded" in found:
            if occluded != int(occluded):
                raise DataError(f"found {occluded} for occluded, expected 0, 1, 2 or 3")
            found["occluded"] = int(occluded)
        left, top, right, bottom = rest[:4]
        if (left, top, right, bottom) != (-1, -1, -1, -1):
            found["bbox"] = [left, top, right - left, bottom - top]
        space = dict(zip(SPACE, rest[4:11], strict=True))
        if any(space[side] != -1 for side in ("height", "width", "length")):
            found["box3d"] = space
        if len(rest) > 11:
            found["score"] = rest[11]
        return found

    def _split(self, line: str) -> tuple[str, list[float]]:
        """The type, which may have blanks, and the numbers behind it."""
        words = line.split()
        table = self._listed()
        unlisted = None
        for count in (NUMBERS, NUMBERS + 1):
            name, numbers = " ".join(words[:-count]), [label_rows.number(word) for word in words[-count:]]
            if not name or None in numbers:
                continue
            # A type may end with a number: the class table tells, and without one the word before the numbers.
            if (
                name in table.codes
                or name == IGNORED
                or (not table and label_rows.number(words[-count - 1]) is None)
            ):
                return name, [number for number in numbers if number is not None]
            unlisted = name
        if table and unlisted is not None:
            raise DataError(f"found the class {unlisted!r}, which {CLASSES} does not list")
        expected = f"expected a type and {NUMBERS} numbers, or one more for a score"
        wrong = next((word for word in words[1:] if label_rows.number(word) is None), None)
        found = f"{len(words)} values" if wrong is None or len(words) <= NUMBERS else repr(wrong)
        raise DataError(f"found {found}, {expected}")


def _label_folder(path: str) -> str:
    """The folder of labels that a text file is below, with its slash; nothing where it is below none."""
    parts = path.split("/")[:-1]
    place = next((n for n, part in enumerate(parts) if part in LABELS), None)
    return "" if place is None else "".join(f"{part}/" for part in parts[: place + 1])


def _paired(folder: str, texts: list[str], images: list[str], lists: dict[str, str]) -> list[Document]:
    """The documents of a folder with their images, and its images that have none."""
    above, name = folder[:-1].rpartition("/")[::2]
    beside = f"{above}/{LABELS[name]}/" if above else f"{LABELS[name]}/"
    own = [image for image in images if image.startswith(beside)]
    by_stem = {stem_of(image)[len(beside) :]: image for image in reversed(own)}
    by_name: dict[str, list[str]] = {}
    for stem in by_stem:
        by_name.setdefault(stem.rpartition("/")[2], []).append(stem)
    found = []
    for path in texts:
        stem = stem_of(path)[len(folder) :]
        same = by_name.get(stem.rpartition("/")[2], [])
        key = (
            stem if stem in by_stem else same[0] if len(same) == 1 else stem
        )  # images may be in folders below
        image = by_stem.pop(key, None) or safe_path(f"{beside}{stem}.png")
        found.append(Document(path=path, image=image, split=lists.get(stem), folder=beside))
    return found + [
        Document(path=None, image=image, split=lists.get(stem), folder=beside)
        for stem, image in sorted(by_stem.items())
    ]


class KittiWriter(DocumentWriter[KittiOptions]):
    """Writes the folders of the development kit's training set."""

    title: ClassVar = "KITTI"
    members: ClassVar = frozenset({"category", "bbox", "box3d", "score"})
    held_attributes: ClassVar = ATTRIBUTES
    between: ClassVar = "\n"
    needed: ClassVar = (frozenset({"category", "dontcare"}), frozenset({"bbox", "box3d"}))
    reasons: ClassVar = {"id": "rows have no ids", "track_id": "object labels have no tracks"}

    def places(self, image: str) -> tuple[str, str]:
        return f"training/image_2/{image}", f"training/label_2/{stem_of(image)}.txt"

    def fragments(self, objects: pa.StructArray) -> pa.Array:
        return row_text(objects, [], NOWHERE)

    def framed(self, batch: pa.RecordBatch, names: list[str], inner: pa.Array) -> pa.Array:
        del batch, names
        return label_rows.ended(inner)

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        files = super().finish(target, results)
        files += self.write_lists(target, "ImageSets", results)
        target.mkdir("training/image_2")
        target.mkdir("training/label_2")
        return files


def sniff(probe: Probe) -> Match | None:
    """Rows of a word and fourteen numbers below label_2 or labels."""
    texts = [path for path in probe.files if path.endswith(".txt") and _label_folder(path)]
    for path in texts[:8]:
        words = probe.head(path).split(b"\n")[0].decode(errors="replace").split()
        if not words:
            continue
        enough = len(words) > NUMBERS and all(
            label_rows.number(word) is not None for word in words[-NUMBERS:]
        )
        return (
            Match(Grade.CERTAIN, f"{path} has rows of a type and numbers")
            if enough and label_rows.number(words[0]) is None
            else None
        )
    below = [path for path in texts if "label_2/" in path]
    return Match(Grade.LIKELY, "label files below label_2/, all of them empty") if below else None


FORMAT = Format(
    info=FormatInfo(
        name="kitti",
        title="KITTI",
        spec="https://github.com/bostondiditeam/kitti/blob/master/resources/devkit_object/readme.txt",
        layout=("training/label_2/*.txt", "training/image_2/*.png", "ImageSets/<split>.txt", "labels.txt"),
        keeps=frozenset({"split", "objects.category", "objects.bbox", "objects.box3d", "objects.score"}),
    ),
    sniff=sniff,
    reader=KittiReader,
    writer=KittiWriter,
    options=KittiOptions,
)
