"""YOLO Darknet: the layout of Darknet itself and of the tools that export for it.

    obj.data                       classes, names, train, valid, backup
    obj.names                      a class a line; the line's number is the class
    train.txt  valid.txt           an image a line, as the training tool sees it: data/obj_train_data/…
    obj_train_data/<path>.jpg      the images, and beside each its label
    obj_train_data/<path>.txt      rows of class cx cy w h, as fractions of the image

Specification: https://github.com/AlexeyAB/darknet#how-to-train-to-detect-your-custom-objects.
Codes of losses are those of ``yolo``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from smalti.errors import DataError, EmptySourceError, OptionError
from smalti.formats.protocol import Format, FormatInfo, Grade, Match
from smalti.formats.yolo.layout import Item, Layout, find_listed
from smalti.formats.yolo.options import YoloOptions
from smalti.formats.yolo.read import YoloReader
from smalti.formats.yolo.write import YoloWriter
from smalti.formats.yolo.yaml_file import DataYaml, read_names
from smalti.storage.media import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from smalti.formats.probe import Probe
    from smalti.formats.protocol import Cursor, OnError, PartResult
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target
    from smalti.storage.location import Location

DATA = "obj.data"
NAMES = "obj.names"
KEYS = {"train": "train", "valid": "val", "test": "test"}  # of obj.data, and the splits they are


def sniff(probe: Probe) -> Match | None:
    """An obj.data or an obj.names, which no other format has."""
    for name in (DATA, NAMES):
        if any(path.rpartition("/")[2] == name for path in probe.files):
            return Match(Grade.CERTAIN, f"found {name}")
    return None


def _detect(options: YoloOptions) -> YoloOptions:
    if options.task not in {None, "detect"}:
        raise OptionError(f"task={options.task!r}: Darknet's rows are boxes; use format 'yolo'")
    return options.model_copy(update={"task": "detect"})


class DarknetReader(YoloReader):
    """Reads what obj.data and its list files name."""

    def __init__(
        self, root: Location, media: Location | None, options: YoloOptions, on_error: OnError
    ) -> None:
        super().__init__(root, media, _detect(options), on_error)

    def _look(self) -> tuple[Location, DataYaml, Layout]:
        base = self.root.parent if self.root.isfile() else self.root
        settings = self._settings(base)
        names = settings.get("names", NAMES).rpartition("/")[2]
        if not (base / names).isfile():
            raise EmptySourceError(f"{base.url}: found no {names}, which names the classes")
        splits = {
            split: settings.get(key, f"{key}.txt").rpartition("/")[2]
            for key, split in KEYS.items()
            if (base / settings.get(key, f"{key}.txt").rpartition("/")[2]).isfile()
        }
        if not splits:
            raise EmptySourceError(
                f"{base.url}: found no list of images: {', '.join(f'{k}.txt' for k in KEYS)}"
            )
        places = {split: [name] for split, name in splits.items()}
        yaml = DataYaml(read_names(base / names), places, file=names)
        return base, yaml, self._items(base, splits)

    def _settings(self, base: Location) -> dict[str, str]:
        place = self.root if self.root.isfile() and self.root.name != NAMES else base / DATA
        if not place.isfile():
            return {}
        settings = {}
        for number, line in enumerate(place.read_text().splitlines(), 1):
            key, mark, value = line.partition("=")
            if line.strip() and not mark:
                raise DataError(
                    f"found {line.strip()!r}, expected key = value", file=place.url, position=f"line {number}"
                )
            settings[key.strip()] = value.strip().replace("\\", "/")
        return settings

    def _items(self, base: Location, splits: dict[str, str]) -> Layout:
        images = (self.media or base).find(IMAGE_SUFFIXES)
        labels = frozenset(base.find((".txt",)))
        items = [
            Item(_id(item.image), item.image, _label(item, labels), split)
            for split, name in splits.items()
            for item in find_listed(base, name, split, images, labels)
        ]
        if not items:
            raise EmptySourceError(f"{base.url}: the lists {', '.join(splits.values())} name no image")
        shared = len({item.id for item in items}) < len(items)
        if shared:
            items = [Item(f"{i.split}/{i.id}", i.image, i.label, i.split) for i in items]
        return Layout(items, tuple(splits), shared, [])


def _label(item: Item, labels: frozenset[str]) -> str | None:
    """The file beside the image, or else the one where Darknet looks for COCO's layout."""
    beside = f"{item.image.rpartition('.')[0]}.txt"
    return beside if beside in labels else item.label


def _id(path: str) -> str:
    """The path below the folder of its split."""
    first, mark, rest = path.partition("/")
    return rest if mark and first.startswith("obj_") else path


class DarknetWriter(YoloWriter):
    """Writes labels beside the images, and the lists of both."""

    classes = NAMES

    def __init__(self, schema: Schema, options: YoloOptions, single_file: str | None = None) -> None:
        super().__init__(schema, _detect(options), single_file)
        for name in self.feature.categories.values:
            if [name] != name.strip().splitlines():
                raise OptionError(f"the class name {name!r} is no line of {NAMES}; rename the class first")

    def folder(self, split: str) -> str:
        return f"obj_{split or 'train'}_data/"

    def write(self, batch: pa.RecordBatch, target: Target, cursor: Cursor) -> PartResult:
        done = super().write(batch, target, cursor)
        return replace(done, payload=(done.payload, [image for _, image in done.media]))

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        used = sorted(set().union(*(splits for splits, _ in (result.payload for result in results))))
        keys = {split: key for key, split in KEYS.items()}
        lists: dict[str, list[str]] = {}
        for result in results:
            for image in result.payload[1]:
                lists.setdefault(image.partition("/")[0], []).append(f"data/{image}\n")
        settings = [f"classes = {len(self.feature.categories)}\n"]
        for split in used or [""]:
            key = keys.get(split, split or "train")
            target.write(f"{key}.txt", "".join(lists.get(self.folder(split)[:-1], [])).encode())
            settings.append(f"{key} = data/{key}.txt\n")
        settings += [f"names = data/{NAMES}\n", "backup = backup/\n"]
        target.write(NAMES, "".join(f"{value}\n" for value in self.feature.categories.values).encode())
        target.last = DATA
        target.write(DATA, "".join(settings).encode())
        return len(used or [""]) + 2


FORMAT = Format(
    info=FormatInfo(
        name="darknet",
        title="YOLO Darknet",
        spec="https://github.com/AlexeyAB/darknet#how-to-train-to-detect-your-custom-objects",
        layout=("obj.data", "obj.names", "train.txt", "obj_train_data/*.jpg", "obj_train_data/*.txt"),
        keeps=frozenset({"split", "objects.category", "objects.bbox", "objects.score", "objects.track_id"}),
    ),
    sniff=sniff,
    reader=DarknetReader,
    writer=DarknetWriter,
    options=YoloOptions,
)
