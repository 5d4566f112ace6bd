"""Read YOLO label files: many at once, as one text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from smalti.errors import DataError, EmptySourceError
from smalti.formats import class_folders, label_rows
from smalti.formats.protocol import Part, PartRead, Plan, Reader
from smalti.formats.yolo import text_rows
from smalti.formats.yolo.layout import Layout, all_text, find_items
from smalti.formats.yolo.members import member_arrays
from smalti.formats.yolo.options import YoloOptions
from smalti.formats.yolo.tasks import RowShape, find_shape, refuse_odd, refuse_wrong, text_shape
from smalti.formats.yolo.yaml_file import DataYaml, read_names, read_yaml
from smalti.schema import features
from smalti.schema.build import list_column
from smalti.schema.schema import Schema
from smalti.storage.media import ImageHeader, read_headers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalti.formats.label_rows import Rows
    from smalti.formats.yolo.layout import Item
    from smalti.schema.categories import Categories
    from smalti.storage.location import Location

PART = 2_000  # images
LOOKED_AT = 2_000  # label files looked at to find the task
YAML_NAMES = ("data.yaml", "dataset.yaml", "data.yml", "dataset.yml")
CLASS_LISTS = ("classes.txt", "labels/classes.txt", "obj.names")


def find_yaml(root: Location) -> Location | None:
    """The data.yaml of a source: the source itself, or the one in the folder."""
    if root.isfile():
        return root
    names = [name for name, is_folder in root.iterdir() if not is_folder]
    wanted = [n for n in YAML_NAMES if n in names] or [n for n in names if n.endswith((".yaml", ".yml"))]
    return root / wanted[0] if wanted else None


def describe(root: Location) -> tuple[Location, DataYaml]:
    """A dataset's root and what its data.yaml says; without one, what its folders say."""
    place = find_yaml(root)
    if place is not None:
        return place.parent, read_yaml(place)
    for name in CLASS_LISTS:
        if (root / name).isfile():
            return root, DataYaml(read_names(root / name), _folders(root), file=name)
    raise EmptySourceError(
        f"{root.url}: found no {YAML_NAMES[0]} and no {CLASS_LISTS[0]}: one of them names the classes"
    )


def _folders(root: Location) -> dict[str, list[str]]:
    """The splits of a dataset without data.yaml: the folders below ``images``, or ``images`` itself."""
    below = (
        [n for n, is_folder in (root / "images").iterdir() if is_folder] if (root / "images").isdir() else []
    )
    known = [name for name in below if name in {"train", "val", "valid", "test"}]
    if known:
        return {name: [f"images/{name}"] for name in known}
    return {"train": ["images"], "val": ["images"]}  # one place under several keys: no split


@dataclass(frozen=True, slots=True)
class _Key:
    """What a part is: its images, and the labels that belong to them."""

    items: tuple[Item, ...]


class YoloReader(Reader[YoloOptions]):
    """Reads a YOLO dataset of any task."""

    def plan(self) -> Plan:
        if self.options.task == "classify":
            return class_folders.plan(self.media or self.root, self.on_error)
        base, yaml, layout = self._look()
        labels = [item.label for item in layout.items if item.label is not None]
        step = max(1, len(labels) // LOOKED_AT)
        if text := all_text(base, labels):
            shape = text_shape(self.options)
        else:
            shape = find_shape(self.options, yaml, lambda: self._sample(base, labels[::step]))
        self._context = _Context(base, yaml.categories, yaml.file, shape, text)
        items = layout.items
        parts = [
            Part(key=_Key(tuple(items[start : start + PART])), samples=len(items[start : start + PART]))
            for start in range(0, len(items), PART)
        ]
        schema = _schema(base, self.media, yaml, layout, shape)
        return Plan(schema=schema, parts=parts, repairs=layout.repairs)

    def _look(self) -> tuple[Location, DataYaml, Layout]:
        """The dataset's root, its classes and splits, and all its images."""
        base, yaml = describe(self.root)
        return base, yaml, find_items(base, self.media, yaml)

    def _sample(self, base: Location, labels: Sequence[str]) -> list[Rows]:
        """The rows of some label files; what is faulty is said when it is read for good."""
        try:
            return [label_rows.parse(base.read_many(labels))]
        except DataError:
            middle = len(labels) // 2
            return (
                []
                if not middle
                else self._sample(base, labels[:middle]) + self._sample(base, labels[middle:])
            )

    def read(self, part: Part, schema: Schema) -> PartRead:
        if self.options.task == "classify":
            return class_folders.read(part, schema, self.media or self.root, self.on_error)
        context = self._context
        reading = _Reading(context, self.media or context.base, self.on_error)
        return reading.run(part.key.items, schema)


@dataclass(frozen=True, slots=True)
class _Context:
    base: Location
    categories: Categories
    classes: str  # the file that lists them
    shape: RowShape
    text: bool  # whether rows are of the text dialect

    def parse(self, bodies: Sequence[bytes]) -> Rows:
        """The rows of many files."""
        if not self.text:
            return label_rows.parse(bodies)
        numbers = {c.name: n if c.id is None else int(c.id) for n, c in enumerate(self.categories)}
        return text_rows.parse(bodies, numbers)


def _schema(
    base: Location, media: Location | None, yaml: DataYaml, layout: Layout, shape: RowShape
) -> Schema:
    columns: dict[str, Any] = {
        "id": features.Value(type=pa.string()),
        "image": features.Image(members=("path", "width", "height", "exif_orientation")),
    }
    if layout.splits:
        columns["split"] = features.Split()
    columns["objects"] = features.Objects(
        categories=yaml.categories, members=shape.members, attributes=dict(shape.attributes)
    )
    extra: dict[str, Any] = dict(yaml.rest)
    if shape.kpt_shape:
        extra["kpt_shape"] = list(shape.kpt_shape)
    return Schema(
        columns=columns,
        splits=layout.splits,
        media_root=(media or base).url,
        id_has_split=layout.id_has_split,
        extra={"yolo": extra} if extra else {},
    )


class _Reading:
    """The reading of one part."""

    def __init__(self, context: _Context, media: Location, on_error: str) -> None:
        self.context = context
        self.media = media
        self.on_error = on_error
        self.errors: list[DataError] = []
        self.objects_skipped = 0

    def run(self, items: Sequence[Item], schema: Schema) -> PartRead:
        headers = self._headers(items)
        sound = [(item, header) for item, header in zip(items, headers, strict=True) if header is not None]
        items = [item for item, _ in sound]
        sizes = np.array([header.upright for _, header in sound], np.float64).reshape(-1, 2)
        rows, missing = self._rows(items)
        rows = self._sound(rows, items)
        codes = self._codes(rows, items)
        rows, codes = rows.only(codes >= 0), codes[codes >= 0]
        arrays = {
            "id": pa.array([item.id for item in items], pa.string()),
            "image": _images(items, [header for _, header in sound], schema),
            "split": pa.array([item.split for item in items], pa.string())
            .dictionary_encode()
            .cast(features.Split().arrow),
        }
        if "objects" in schema.columns:
            feature = schema.objects()
            members = member_arrays(self.context.shape, rows, codes, sizes, feature)
            lengths = np.bincount(rows.file, minlength=len(items))
            struct = pa.Array.from_buffers(feature.struct, len(rows), [None], children=members)
            arrays["objects"] = list_column(struct, lengths, missing)
        counts, examples = _tally(self.context.shape, rows, items)
        return PartRead(
            batch=pa.RecordBatch.from_arrays([arrays[name] for name in schema.columns], schema=schema.arrow),
            counts=counts,
            examples=examples,
            errors=self.errors,
            objects_skipped=self.objects_skipped,
            samples_skipped=len(headers) - len(sound),
        )

    def _fail(self, errors: Sequence[DataError]) -> None:
        if errors and self.on_error == "raise":
            raise errors[0]
        self.errors += errors

    def _headers(self, items: Sequence[Item]) -> list[ImageHeader | None]:
        found = read_headers(self.media, [item.image for item in items])
        self._fail([header for header in found if isinstance(header, DataError)])
        return [header if isinstance(header, ImageHeader) else None for header in found]

    def _rows(self, items: Sequence[Item]) -> tuple[Rows, np.ndarray]:
        """The rows of the items' labels, and which items have none."""
        base = self.context.base
        found = iter(base.read_many([item.label for item in items if item.label is not None]))
        bodies = [b"" if item.label is None else next(found) for item in items]
        missing = np.array([item.label is None for item in items], bool)
        try:
            return self.context.parse(bodies), missing
        except DataError:
            return self._line_by_line(items, bodies), missing

    def _line_by_line(self, items: Sequence[Item], bodies: Sequence[bytes]) -> Rows:
        """Some line is no row of numbers: find each, leave it out or raise it."""
        clean = []
        for item, body in zip(items, bodies, strict=True):
            lines = body.split(b"\n")
            for number, line in enumerate(lines):
                if (error := label_rows.fault(line, self.context.parse)) is not None:
                    self._fail([replace_place(error, self._url(item), f"line {number + 1}")])
                    self.objects_skipped += 1
                    lines[number] = b""
            clean.append(b"\n".join(lines))
        return self.context.parse(clean)

    def _url(self, item: Item) -> str:
        return (self.context.base / item.label).url if item.label else self.context.base.url

    def _sound(self, rows: Rows, items: Sequence[Item]) -> Rows:
        """The rows whose columns fit the task, in their number and in what they hold."""
        shape = self.context.shape
        for find, refuse in ((shape.wrong, refuse_wrong), (shape.odd, refuse_odd)):
            if not len(wrong := find(rows)):
                continue
            self._fail(refuse(shape, rows, [self._url(item) for item in items]))
            self.objects_skipped += len(wrong)
            keep = np.ones(len(rows), bool)
            keep[wrong] = False
            rows = rows.only(keep)
        return rows

    def _codes(self, rows: Rows, items: Sequence[Item]) -> np.ndarray:
        """The class of each row as a position in the class table, -1 where it has none."""
        numbers = rows.column(0) if len(rows) else np.empty(0)
        table = enumerate(self.context.categories)
        ids = np.array([i if category.id is None else category.id for i, category in table], np.float64)
        order = np.argsort(ids)
        at = np.searchsorted(ids, numbers, sorter=order)
        codes = order[np.minimum(at, len(ids) - 1)] if len(ids) else np.zeros(len(rows), np.int64)
        unknown = ids[codes] != numbers if len(ids) else np.ones(len(rows), bool)
        self._fail(
            [
                DataError(
                    f"found the class {numbers[row]:g}, expected one of the {len(ids)} classes of"
                    f" {self.context.classes}",
                    file=self._url(items[rows.file[row]]),
                    position=f"line {rows.line[row]}",
                    hint="add it there",
                )
                for row in np.flatnonzero(unknown)
            ]
        )
        self.objects_skipped += int(unknown.sum())
        return np.where(unknown, -1, codes)


def _tally(shape: RowShape, rows: Rows, items: Sequence[Item]) -> tuple[dict[str, int], dict[str, str]]:
    """How many values each field has, and a sample that has one: what is not asked for is counted, too."""
    split = np.array([item.split is not None for item in items], bool)
    counts, examples = {"split": int(split.sum())}, {}
    if split.any():
        examples["split"] = items[int(split.argmax())].id
    have = {f"objects.{name}": shape.holds(name, rows) for name in shape.names}
    for field, which in {"objects": np.ones(len(rows), bool), **have}.items():
        counts[field] = int(which.sum())
        if which.any():
            examples[field] = items[int(rows.file[which.argmax()])].id
    return counts, examples


def replace_place(error: DataError, file: str, position: str) -> DataError:
    """The same error at another place."""
    return DataError(error.reason, file=file, position=position, sample=error.sample, hint=error.hint)


def _images(items: Sequence[Item], headers: Sequence[ImageHeader], schema: Schema) -> pa.Array:
    feature = schema.columns.get("image", features.Image(members=("exif_orientation",)))
    sizes = [header.upright for header in headers]
    columns = {
        "path": pa.array([item.image for item in items], pa.string()),
        "width": pa.array([size[0] for size in sizes], pa.int32()),
        "height": pa.array([size[1] for size in sizes], pa.int32()),
        "exif_orientation": pa.array([header.orientation for header in headers], pa.int8()),
    }
    kind = feature.arrow
    return pa.StructArray.from_arrays([columns[field.name] for field in kind], fields=list(kind))
