"""Where a YOLO dataset keeps its images and labels: which files belong to which split.

The label of an image lies at the image's path with the last ``/images/`` replaced by ``/labels/`` and
``.txt`` for the suffix (``img2label_paths`` of Ultralytics); ``labelTxt`` stands for ``labels`` in
Roboflow's exports of oriented boxes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from smalti.errors import DataError, EmptySourceError, UnsafePathError
from smalti.formats.report import Loss
from smalti.storage.media import IMAGE_SUFFIXES
from smalti.storage.paths import safe_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from smalti.formats.yolo.yaml_file import DataYaml
    from smalti.storage.location import Location


TEXT = "labelTxt"
ALIKE = {"val": "valid", "valid": "val"}  # folders that exports confuse with what data.yaml says


@dataclass(frozen=True, slots=True)
class Item:
    """One image and its label.

    Attributes:
        id: The path below the images folder of its split.
        image: The path below the media root.
        label: The path below the dataset's root; null: the image has no label file.
        split: Null where the dataset has none.
    """

    id: str
    image: str
    label: str | None
    split: str | None


@dataclass(frozen=True, slots=True)
class Layout:
    """All images of a dataset, in the order of splits and names."""

    items: list[Item]
    splits: tuple[str, ...]
    id_has_split: bool
    repairs: list[Loss]


def label_of(image: str, folder: str = "labels") -> str:
    """The path of an image's label file."""
    head, mark, tail = f"/{image}".rpartition("/images/")
    path = f"{head}/{folder}/{tail}" if mark else f"/{image}"
    return f"{path.rpartition('.')[0]}.txt"[1:]


def all_text(root: Location, labels: Sequence[str]) -> bool:
    """Whether the labels are of the text dialect.

    Raises:
        DataError: Some are and some are not.
    """
    text = [f"/{TEXT}/" in f"/{label}" for label in labels]
    if any(text) and not all(text):
        reason = f"some labels lie below labels/ and some below {TEXT}/, where rows mean something else"
        raise DataError(reason, file=(root / labels[text.index(True)]).url, hint="remove one of them")
    return any(text)


def _starts(folder: str) -> tuple[str, ...]:
    """What the paths of all labels of a folder of images begin with."""
    if folder == ".":
        return ("labels/", f"{TEXT}/")
    return tuple({label_of(f"{folder}/x.x", name).removesuffix("x.txt") for name in ("labels", TEXT)})


def find_items(root: Location, media: Location | None, yaml: DataYaml) -> Layout:
    """Find every image and its label.

    Raises:
        EmptySourceError: There is neither an image nor a label; the message says where was looked.
        DataError: A label has no image, or a list file names what is not there.
    """
    images = root.find(IMAGE_SUFFIXES)
    labels = frozenset(root.find((".txt",)))
    repairs: list[Loss] = []
    found: list[Item] = []
    folders: list[str] = []
    for split, places in _named(yaml.splits).items():
        for place in places:
            folder = _resolve(root, yaml, place, repairs)
            folders.append(folder or ".")
            if not (root / folder if folder else root).exists():
                repairs += [] if media else [_missing(split, place)]
            elif folder.endswith(".txt"):
                found += find_listed(root, folder, split, images, labels)
            else:
                found += _below(folder, split, images, labels)
    if media is not None:
        found = _from_media(root, media, found, labels, folders, list(_named(yaml.splits)))
    if not found:
        raise EmptySourceError(
            f"{root.url}: found no image in {', '.join(folders) or 'any split'}; looked for files ending"
            f" in {', '.join(IMAGE_SUFFIXES[:6])}, …; name the images' folder with media= if they lie elsewhere"
        )
    _orphans(root, found, labels, folders, media)
    splits = tuple(dict.fromkeys(item.split for item in found if item.split is not None))
    shared = len({item.id for item in found}) < len(found)
    if shared:
        found = [Item(f"{i.split}/{i.id}" if i.split else i.id, i.image, i.label, i.split) for i in found]
    return Layout(found, splits, shared, repairs)


def _named(splits: dict[str, list[str]]) -> dict[str | None, list[str]]:
    """Splits by name, those that are one and the same place under one name alone.

    A place that several keys name is called after its folder, where a key has that name; the bare
    images folder is no split.
    """
    named: dict[str | None, list[str]] = {}
    for key, places in splits.items():
        same = [other for other, those in splits.items() if those == places]
        name: str | None = key
        if len(same) > 1:
            base = places[0].rstrip("/").rpartition("/")[2]
            name = base if base in same else None if base in {"images", "."} else same[0]
        named.setdefault(name, places)
    return named


def _resolve(root: Location, yaml: DataYaml, place: str, repairs: list[Loss]) -> str:
    """A split's place as a path below the root, the way Ultralytics and the tools' exports mean it."""
    tries = _tries(yaml, place)
    for number, tried in enumerate(tries):
        path = _inside(tried)
        if path is not None and (root / path if path else root).exists():
            if tried != place and (place.startswith(("/", "../")) or number >= len(tries) // 2):
                reason = "a path that is not there was looked for elsewhere inside the dataset"
                repairs.append(_repair("path.relocated", reason, f"{place} -> {path}"))
            return path
    return next(path for tried in (place, _tail(place, 2), "images") if (path := _inside(tried)) is not None)


def _tries(yaml: DataYaml, place: str) -> list[str]:
    """Where a place may be meant to lie; the second half are the same with ``val`` for ``valid``."""
    tries = [place]
    stripped = place
    while stripped.startswith(("../", "./")):
        stripped = stripped.partition("/")[2]
    if yaml.path and not yaml.path.startswith(("/", "..")):
        tries.insert(0, f"{yaml.path}/{place}")
    tries += [stripped, *(_tail(place, keep) for keep in (3, 2))]
    last = _tail(place, 1)
    # The images of all splits lie below "images": it is none of them, but where all are one place.
    if last != "images" or len(yaml.splits) == 1 or len(set(map(tuple, yaml.splits.values()))) == 1:
        tries.append(last)
    return tries + ["/".join(ALIKE.get(part, part) for part in tried.split("/")) for tried in tries]


def _inside(place: str) -> str | None:
    """The place as a clean path, empty for the root itself; null where it leaves the root."""
    if place in {".", "./"}:
        return ""
    try:
        return safe_path(place)
    except UnsafePathError:
        return None


def _missing(split: str | None, place: str) -> Loss:
    return _repair("split.missing", "nothing is at the place that is named for a split", f"{split}: {place}")


def _repair(code: str, reason: str, example: str) -> Loss:
    return Loss(code=code, field="split", kind="change", count=1, reason=reason, example=example)


def _tail(place: str, keep: int) -> str:
    return "/".join([part for part in place.replace("\\", "/").split("/") if part not in {"", ".."}][-keep:])


def _below(folder: str, split: str | None, images: Sequence[str], labels: frozenset[str]) -> list[Item]:
    start = f"{folder}/" if folder else ""
    mine = [path for path in images if path.startswith(start)]
    # "train" may stand for train/images: an id starts below the images folder.
    own = "images" in folder.split("/")
    if mine and not own and all(path[len(start) :].startswith("images/") for path in mine):
        start += "images/"
    return [Item(path[len(start) :], path, _label(path, labels), split) for path in mine]


def _label(image: str, labels: frozenset[str]) -> str | None:
    return next((path for name in ("labels", TEXT) if (path := label_of(image, name)) in labels), None)


def find_listed(
    root: Location, file: str, split: str | None, images: Sequence[str], labels: frozenset[str]
) -> list[Item]:
    """The images that a list file names, by the longest end of each path that is there."""
    known = set(images)
    folder = file.rpartition("/")[0]
    items = []
    for number, raw in enumerate((root / file).read_text().splitlines(), 1):
        line = raw.strip().replace("\\", "/")
        if not line:
            continue
        path = _match(line, folder, known)
        if path is None:
            raise DataError(
                f"found {line!r}, and no such image below {root.url}",
                file=(root / file).url,
                position=f"line {number}",
                hint="remove the line, or put the image where it says",
            )
        items.append(Item(_id_of(path), path, _label(path, labels), split))
    return items


def _match(line: str, folder: str, known: set[str]) -> str | None:
    parts = [part for part in line.split("/") if part not in {"", ".", ".."}]
    for start in range(len(parts)):
        tail = "/".join(parts[start:])
        for path in (f"{folder}/{tail}" if folder else tail, tail):
            if path in known:
                return path
    return None


def _id_of(path: str) -> str:
    return f"/{path}".rpartition("/images/")[2].lstrip("/")


def _from_media(
    root: Location,
    media: Location,
    found: list[Item],
    labels: frozenset[str],
    folders: Sequence[str],
    splits: list[str | None],
) -> list[Item]:
    """The same items with their images in another folder; labels without an image here get theirs there."""
    there = media.find(IMAGE_SUFFIXES)
    by_stem = {path.rpartition(".")[0]: path for path in there}
    items = [
        Item(item.id, path, item.label, item.split)
        for item in found
        if (path := _in_media(item.id.rpartition(".")[0], item.split, by_stem)) is not None
    ]
    have = {item.label for item in items}
    taken = {item.image for item in items}
    for split, folder in zip(splits, folders, strict=False):
        for label in sorted(labels):
            start = next((start for start in _starts(folder) if label.startswith(start)), None)
            if label in have or start is None:
                continue
            stem = label[len(start) :].removesuffix(".txt")
            image = _in_media(stem, split, by_stem)
            if image is None:
                raise DataError(
                    f"no image has the name {stem!r} below {media.url}", file=(root / label).url, sample=stem
                )
            items.append(Item(f"{stem}.{image.rpartition('.')[2]}", image, label, split))
            taken.add(image)
    items += _unlabelled(there, taken, splits)
    order = {split: index for index, split in enumerate(splits)}
    return sorted(items, key=lambda item: (order.get(item.split, 0), item.id))


def _unlabelled(there: Sequence[str], taken: set[str], splits: list[str | None]) -> list[Item]:
    """Images that nothing is said of: of the only split, or of the split that their folder is named after."""
    rest = [path for path in there if path not in taken]
    if len(splits) == 1:
        split = splits[0]
        return [Item(path.removeprefix(f"{split}/"), path, None, split) for path in rest]
    return [
        Item(path.partition("/")[2], path, None, path.partition("/")[0])
        for path in rest
        if path.partition("/")[0] in splits
    ]


def _in_media(stem: str, split: str | None, by_stem: dict[str, str]) -> str | None:
    tries: Iterable[str] = (
        f"{split}/{stem}",
        f"images/{split}/{stem}",
        f"{split}/images/{stem}",
        stem,
        f"images/{stem}",
    )
    return next((by_stem[name] for name in tries if name in by_stem), None)


def _orphans(
    root: Location, found: list[Item], labels: frozenset[str], folders: Sequence[str], media: Location | None
) -> None:
    """Refuse labels that have no image: their objects would be gone without a word."""
    have = {item.label for item in found}
    starts = tuple(start for folder in folders if not folder.endswith(".txt") for start in _starts(folder))
    lost = sorted(label for label in labels - have if label.startswith(starts)) if starts else []
    if lost:
        raise DataError(
            f"no image belongs to this label file, nor to {len(lost) - 1} others; looked for the same name with"
            f" an image's suffix in {(media or root).url}",
            file=(root / lost[0]).url,
            hint="name the images' folder with media=",
        )
