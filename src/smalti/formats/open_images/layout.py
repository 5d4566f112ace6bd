"""Which files an Open Images source consists of, what their names tell, and where images and masks lie.

Names: https://storage.googleapis.com/openimages/web/download_v7.html; the folders of FiftyOne
(https://docs.voxel51.com/user_guide/import_datasets.html#openimagesv7dataset) and of Datumaro and CVAT
(https://docs.cvat.ai/docs/dataset_management/formats/format-openimages).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from smalti.errors import DataError, EmptySourceError
from smalti.formats.open_images.options import KINDS, MARKS, NO_SPLIT, SPLIT_WORDS
from smalti.formats.open_images.rows import Sheet, open_sheet
from smalti.formats.splits import KNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from smalti.storage.location import Location

Layout = Literal["annotations", "fiftyone", "flat"]
DEPTH = 4  # folders deep that CSVs are looked for
_OFFICIAL = {
    "annotations-bbox": "boxes",
    "detection-bbox": "boxes",
    "annotations-human-imagelabels": "labels",
    "annotations-human-imagelabels-boxable": "labels",
    "detection-human-imagelabels": "labels",
    "annotations-machine-imagelabels": "labels",
    "annotations-object-segmentation": "masks",
    "segmentation-masks": "masks",
    "annotations-vrd": "relationships",
    "vrd": "relationships",
    "annotations-point-labels": "points",
    "images": "images",
    "images-boxable": "images",
    "images-with-rotation": "images",
    "images-boxable-with-rotation": "images",
    "images-with-labels-with-rotation": "images",
    "image_ids_and_rotation": "images",
}
_NAME = re.compile(
    rf"(?:oidv(?P<version>\d+)-|challenge-(?P<year>\d{{4}})-)?(?:(?P<split>.+?)-)?(?P<kind>{'|'.join(_OFFICIAL)})\.csv"
)
_FIFTYONE = {
    "labels/detections.csv": "boxes",
    "labels/classifications.csv": "labels",
    "labels/segmentations.csv": "masks",
    "labels/relationships.csv": "relationships",
    "labels/points.csv": "points",
    "metadata/image_ids.csv": "images",
}
_ARCHIVE = re.compile(
    r"(train|validation|test)(?:_[0-9a-f])?"
)  # folders that the benchmark's archives unpack to
_MASKS = re.compile(r"(?:^|/)(?:[\w-]+-)?masks(?:-[0-9a-fA-F])?/")
CLASSES = re.compile(r"(?:oidv\d+-)?class-descriptions\.csv|(?:.*/)?metadata/classes\.csv")
BOXABLE_CLASSES = re.compile(
    r"(?:oidv\d+-)?class-descriptions-boxable\.csv|challenge-\d{4}-class(?:es)?-description.*\.csv"
)
HIERARCHIES = re.compile(r".*hierarchy\.json")
UNREAD = re.compile(r".*(?:localized_narratives|_captions).*\.jsonl")


@dataclass(frozen=True, slots=True)
class Named:
    """What the path of a CSV tells.

    Attributes:
        path: Relative to the root.
        kind: What it holds; null where the name is none of the benchmark's.
        split: The split as it is called here; null where nothing tells it.
        word: What the benchmark calls the file, without its version and split.
        version: Of the benchmark; 0 where it is not said.
    """

    path: str
    kind: str | None = None
    split: str | None = None
    word: str = ""
    version: int = 0


def named(path: str) -> Named:
    """What the path of a CSV tells."""
    folder, _, name = path.rpartition("/")
    for tail, kind in _FIFTYONE.items():
        if f"/{path}".endswith(f"/{tail}"):
            above = path.removesuffix(tail).rstrip("/").rpartition("/")[2]
            return Named(path, kind, KNOWN.get(above), "fiftyone")
    found = _NAME.fullmatch(name)
    if found is None:
        return Named(path, split=KNOWN.get(folder.rpartition("/")[2]))
    version = int(found["version"] or 0) or (-1 if found["year"] else 0)
    return Named(path, _OFFICIAL[found["kind"]], split_of(found["split"]), found["kind"], version)


def split_of(word: str | None) -> str | None:
    """A split as it is called here, from the benchmark's word; null for the word that says there is none."""
    return None if word in {None, "", NO_SPLIT} else KNOWN.get(word, word)


def split_word(split: str | None) -> str:
    """The benchmark's word for a split."""
    return NO_SPLIT if split is None else SPLIT_WORDS.get(split, split)


def kind_of(header: Sequence[str]) -> str | None:
    """What a CSV holds, by the names of its columns."""
    names = set(header)
    found = next((kind for kind, marks in MARKS.items() if marks <= names), None)
    return None if found == "images" and not names & {"Subset", "OriginalURL", "Rotation"} else found


def fits(kind: str, header: Sequence[str]) -> bool:
    """Whether a CSV of that name has the columns that it should have."""
    return MARKS[kind] <= set(header) and (kind == "images" or kind_of(header) == kind)


def find_sheets(root: Location) -> tuple[list[Sheet], list[str]]:
    """The CSVs of a source, and those that others of the same content supersede.

    Raises:
        DataError: One with a name of the benchmark has other columns.
        EmptySourceError: There is none.
    """
    single = root.isfile()
    paths = [root.name] if single else root.find((".csv",), maxdepth=DEPTH)
    found: list[tuple[Named, Sheet]] = []
    for path in paths:
        name = named(path)
        place = root if single else root / path
        header, start = open_sheet(place)
        kind = name.kind or kind_of(header)
        if kind is None or (name.kind is None and _is_classes(path)):
            continue
        if not fits(kind, header):
            expected = ",".join(list(KINDS[kind])[:4])
            raise DataError(
                f"found the columns {','.join(header)[:80]!r}, expected {expected},…",
                file=place.url,
                position="line 1",
            )
        boxable = name.kind == "images" and "boxable" in name.word
        found.append((replace(name, kind=kind), Sheet(place, kind, name.split, header, start, boxable)))
    if not found:
        raise EmptySourceError(
            f"{root.url}: looked for <split>-annotations-bbox.csv, labels/detections.csv and the like, and found none"
        )
    over = superseded([name for name, _ in found])
    return [sheet for name, sheet in found if name.path not in over], over


def _is_classes(path: str) -> bool:
    name = path.rpartition("/")[2]
    return bool(CLASSES.fullmatch(path) or CLASSES.fullmatch(name) or BOXABLE_CLASSES.fullmatch(name))


def superseded(names: Iterable[Named]) -> list[str]:
    """Files whose rows another file has, too: an older version, or the labels of boxable classes alone."""
    best: dict[tuple[str, str | None, str], Named] = {}
    over = []
    for name in names:
        if name.kind in {None, "images"} or not name.word:
            continue
        base = name.word.removesuffix("-boxable")
        key = (str(name.kind), name.split, "machine" if "machine" in base else "")
        other = best.get(key)
        if other is None:
            best[key] = name
            continue
        best[key], worse = (name, other) if _newer(name) > _newer(other) else (other, name)
        over.append(worse.path)
    return over


def _newer(name: Named) -> tuple[int, bool]:
    return name.version, not name.word.endswith("-boxable")


def layout_of(root: Location, sheets: Sequence[Sheet]) -> Layout:
    """How the files are laid out."""
    base = f"{root.url.rstrip('/')}/"
    paths = [sheet.place.url.removeprefix(base) for sheet in sheets]
    if any(named(path).word == "fiftyone" for path in paths):
        return "fiftyone"
    return "annotations" if any(path.startswith("annotations/") for path in paths) else "flat"


def image_home(split: str | None, layout: Layout) -> str:
    """The folder where the images of a split belong, with its slash."""
    word = split_word(split)
    if layout == "annotations":
        return f"images/{word}/"
    if layout == "fiftyone":
        return f"{word}/data/" if split else "data/"
    return f"{word}/" if split else ""


def mask_homes(split: str | None, image: str) -> list[str]:
    """Folders where the mask of an image may lie, with their slashes."""
    word, first = split_word(split), image[:1]
    words = dict.fromkeys([word, *([split] if split else [])])
    found = [f"masks/{word}/" for word in words]
    found += ["masks/", f"labels/masks/{first.upper()}/", f"{word}/labels/masks/{first.upper()}/"]
    found += [f"{word}-masks/", f"{word}-masks-{first}/", f"{word}-masks/{word}-masks-{first}/", ""]
    return found


def placed(path: str, splits: dict[str, str | None]) -> tuple[str | None, bool, str]:
    """An image's split by its folder, whether the folder tells one, and its path below.

    Args:
        path: Below the root of the images.
        splits: The splits by what their folders are called.
    """
    first, _, rest = path.partition("/")
    second, _, below = rest.partition("/")
    archive = _ARCHIVE.fullmatch(first)
    if first in {"images", "data"} and rest:
        told = first == "images" and below != "" and second in splits
        return (splits[second], True, below) if told else (None, False, rest)
    word = archive[1] if archive else first
    if rest and word in splits:
        inner = second == "data" and below != ""
        return splits[word], True, below if inner else rest
    return None, False, path


def is_image(path: str, layout: Layout) -> bool:
    """Whether a picture below the root is an image, and not a mask or something else."""
    if _MASKS.search(path):
        return False
    return layout != "fiftyone" or path.startswith("data/") or "/data/" in path
