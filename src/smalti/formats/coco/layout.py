"""Which files a COCO source consists of, what their names tell, and where their images lie.

Layouts: https://cocodataset.org/#download (``annotations/<kind>_<split><year>.json`` with ``<split><year>/``),
the same with ``images/<split>/``, Roboflow's ``<split>/_annotations.coco.json``
(https://roboflow.com/formats/coco-json) and FiftyOne's ``labels.json`` with ``data/``
(https://docs.voxel51.com/user_guide/import_datasets.html#cocodetectiondataset).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from smalti.errors import EmptySourceError, listed
from smalti.formats.coco.recognise import Content, content_of
from smalti.storage.paths import safe_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalti.formats.coco.options import SourceOptions
    from smalti.storage.location import Location

IMAGE_INFO = "image_info"
PREFIXES = ("instances", "person_keypoints", "keypoints", "captions", "stuff", IMAGE_INFO, "images_info")
ROBOFLOW = "_annotations.coco.json"
FIFTYONE = "labels.json"
_NAME = re.compile(rf"({'|'.join(PREFIXES)})(?:[_-](.+))?")
_PANOPTIC = re.compile("(panoptic)(?:[_-](.+))?")
_LVIS = re.compile(r"lvis_v\d+(?:\.\d+)?_(image_info_)?(.+)")
_WORD = re.compile(
    r"(?:(?P<prefix>.*)[_-])?((?:train|val|valid|validation|test|dev|trainval|minival)(?:-dev)?)((?:19|20)\d\d)?"
)
_YEAR = re.compile(r"([A-Za-z][A-Za-z-]*?)((?:19|20)\d\d)((?:_.*)?)")
DEPTH = 3  # folders deep that annotation files are looked for


@dataclass(frozen=True, slots=True)
class Source:
    """One annotation file.

    Attributes:
        path: Relative to the root; empty where the root is the file.
        kind: What its name says that it holds: one of `PREFIXES`, or empty.
        split: The split, without its year; null where the name tells none.
        year: The year that the split's name ends in, or empty.
        results: The field that a flat array of detections becomes; null for any other file.
        prefix: What stands in front of the split where that is none of `PREFIXES`, or empty.
    """

    path: str
    kind: str
    split: str | None
    year: str = ""
    results: str | None = None
    prefix: str = ""

    @property
    def folder(self) -> str:
        """The folder that it lies in, relative to the root."""
        return self.path.rpartition("/")[0]


def sources(root: Location, options: SourceOptions) -> list[Source]:
    """Find the annotation files, those of one split together, in a stable order.

    Raises:
        EmptySourceError: There are none; the message says what was looked for.
    """
    split = options.split
    if root.isfile():
        content = content_of(root)
        found = _named(root.name, root.parent.name, options)
        results = "predictions" if content is Content.RESULTS else None
        return [replace(found, path="", split=split or found.split, results=results)]
    candidates = [path for path in root.find([".json"], maxdepth=DEPTH) if not path.startswith(".")]
    contents = {path: content_of(root / path) for path in candidates}
    usable = [path for path in candidates if _usable(path, contents[path], options)]
    takes = [kind for kind in options.takes if kind is not Content.RESULTS]
    kind = next((kind for kind in takes if kind in contents.values()), None)
    others = set(takes) - {kind}  # files of a relative's lie beside COCO's in its folder
    usable = [path for path in usable if contents[path] not in others]
    if not any(contents[path] is not Content.RESULTS for path in usable):
        raise _nothing(root, candidates, usable, options)
    found_all = [_named_in(root, path, contents[path], options) for path in usable]
    ground = [source for source in found_all if source.results is None]
    if len(ground) == 1 and split:
        ground = [replace(ground[0], split=split)]
    ground = _told_apart(ground)
    splits = list(dict.fromkeys(source.split for source in ground))
    joined = [source for source in found_all if source.results and source.split in splits]
    return sorted(ground + joined, key=lambda s: (splits.index(s.split), s.results is not None, _rank(s)))


def _usable(path: str, content: Content, options: SourceOptions) -> bool:
    """Whether a file is taken. One with the name of an annotation file is, to fail with its fault."""
    if content is not Content.OTHER:
        return content in options.takes
    name = path.rpartition("/")[2]
    stem = name.removesuffix(".json")
    if Content.PANOPTIC in options.takes:
        return _PANOPTIC.fullmatch(stem) is not None
    return name == ROBOFLOW or _NAME.fullmatch(stem) is not None or _LVIS.fullmatch(stem) is not None


def _nothing(
    root: Location, candidates: list[str], usable: list[str], options: SourceOptions
) -> EmptySourceError:
    looked = f"looked for a JSON file with {options.sought}"
    if usable:
        hint = "results files hold detections only: read their ground truth, and pass them as results="
        return EmptySourceError(f"{root.url}: found {listed(usable, 3)} alone, {looked}; {hint}")
    there = f"; none of {listed(candidates, 3)} is one" if candidates else "; there is no JSON file"
    return EmptySourceError(f"{root.url}: {looked}{there}")


def _named_in(root: Location, path: str, content: Content, options: SourceOptions) -> Source:
    folder, _, name = path.rpartition("/")
    source = _named(name, folder.rpartition("/")[2] if folder else root.name, options)
    results = None
    if content is Content.RESULTS:
        results = re.split(r"[_-]", name.removesuffix(".json"))[0] or "predictions"
    return replace(source, path=path, results=results)


def _named(name: str, folder: str, options: SourceOptions) -> Source:
    """What a file's name, and that of its folder, tell."""
    if name in {ROBOFLOW, FIFTYONE, "annotations.json"}:
        word = _WORD.fullmatch(folder)
        return Source(name, "", word[2] if word else None, (word[3] or "") if word else "")
    stem = name[:-5] if name.lower().endswith(".json") else name
    if lvis := _LVIS.fullmatch(stem):
        return Source(name, IMAGE_INFO if lvis[1] else PREFIXES[0], lvis[2])
    known = (_PANOPTIC if Content.PANOPTIC in options.takes else _NAME).fullmatch(stem)
    kind, rest = (known[1], known[2]) if known else ("", stem)
    if rest is None:
        return Source(name, kind, None)
    if dated := _YEAR.fullmatch(rest) if known else None:
        return Source(name, kind, dated[1] + dated[3], dated[2])
    word = _WORD.fullmatch(rest)
    if word:
        return Source(name, kind, word[2], word[3] or "", prefix=word[1] or "" if not kind else "")
    return Source(name, kind, rest if known else None)


def _told_apart(found: list[Source]) -> list[Source]:
    """Splits that only their years tell apart keep them; files that nothing tells apart keep their names."""
    years: dict[str | None, set[str]] = {}
    for source in found:
        years.setdefault(source.split, set()).add(source.year)
    found = [
        replace(s, split=f"{s.split}{s.year}") if len(years[s.split]) > 1 and s.split else s for s in found
    ]
    same = Counter((_rank(source)[0], source.split) for source in found)
    return [
        replace(s, split=s.path.rpartition("/")[2].removesuffix(".json"))
        if same[_rank(s)[0], s.split] > 1
        else s
        for s in found
    ]


def _rank(source: Source) -> tuple[int, str]:
    kind = PREFIXES.index(source.kind) if source.kind in PREFIXES else len(PREFIXES)
    return kind, source.path


def dataset_root(root: Location) -> Location:
    """The folder that image paths are relative to, where nothing else is asked for."""
    folder = root.parent if root.isfile() else root
    return folder.parent if folder.name == "annotations" else folder


def media_folder(source: Source, root: Location, media: Location, names: Iterable[str]) -> str:
    """The folder of a file's images below the media root, as a prefix: ``"val2017/"``, or empty.

    Args:
        source: The file.
        root: Where it was found.
        media: The media root.
        names: Some of its ``file_name`` values.
    """
    probes = [name for name in (_safe(name) for name in names) if name]
    candidates = _candidates(source, root, media)
    for folder in candidates:
        place = media / folder if folder else media
        if any((place / name).isfile() for name in probes):
            return f"{folder}/" if folder else ""
    for folder in candidates:
        if folder and (media / folder).isdir():
            return f"{folder}/"
    return ""


def is_there(media: Location, folder: str, names: Iterable[str]) -> bool:
    """Whether one of some images is in a folder, given as a prefix, of the media root."""
    return any((media / f"{folder}{name}").isfile() for name in map(_safe, names) if name)


def _safe(name: str) -> str | None:
    try:
        return safe_path(name)
    except ValueError:
        return None


def _candidates(source: Source, root: Location, media: Location) -> list[str]:
    """Folders below the media root that may hold a file's images, the likeliest first."""
    here = source.folder
    if root.isfile() and root.parent.url != media.url and root.parent.name != "annotations":
        here = ""
    words: list[str] = []
    if source.split:
        words = list(dict.fromkeys([f"{source.split}{source.year}", source.split]))
        plain = re.match(r"[A-Za-z]+", source.split)
        if plain and plain[0] != source.split:
            words += [f"{plain[0]}{source.year}", plain[0]]
    base = "" if here.rpartition("/")[2] == "annotations" else here
    if here.endswith("/annotations"):
        base = here.removesuffix("/annotations")
    up = f"{base}/" if base else ""
    found = [f"{up}{word}" for word in words]
    found += [f"{up}images/{word}" for word in words]
    found += [f"{up}{word}/images" for word in words]
    found += [f"{up}data", f"{up}images", base, here]
    return list(dict.fromkeys(found))
