"""tinyboxes: boxes as lines of comma-separated values, one file for all images.

Specification: https://example.org/tinyboxes

    tinyboxes 1                          the marker and its version
    cat,dog                              the classes
    a/1.png,640,480,cat,10,20.5,30,40    image, its width and height, class, x, y, w, h in pixels
    b/1.png,640,480                      an image without objects
"""

from __future__ import annotations

import csv
import math
from io import StringIO
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
from pydantic import Field

from smalti.errors import DataError, EmptySourceError, at
from smalti.formats.losses import Tally, dropped
from smalti.formats.protocol import (
    Format,
    FormatInfo,
    Grade,
    Match,
    Options,
    Part,
    PartRead,
    PartResult,
    Plan,
    Reader,
    Writer,
)
from smalti.formats.report import Loss
from smalti.schema import features
from smalti.schema.categories import Categories
from smalti.schema.project import project
from smalti.schema.schema import Schema
from smalti.storage.paths import safe_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalti.formats.probe import Probe
    from smalti.formats.protocol import Cursor
    from smalti.formats.report import LossKind
    from smalti.storage.folder import Target
    from smalti.storage.location import Location

MARKER = "tinyboxes 1"
SUFFIX = ".tinyboxes"
SIDES = ("x", "y", "w", "h")


class TinyOptions(Options):
    """Options of tinyboxes."""

    delimiter: Literal[",", ";"] = Field(",", description="What stands between two values.")


class TinyReader(Reader[TinyOptions]):
    """Reads one file; the whole of it is one part."""

    def plan(self) -> Plan:
        file = self._file()
        classes, _ = self._lines(file)
        return Plan(schema=self._schema(file, classes), parts=[Part(key=file)])

    def read(self, part: Part, schema: Schema) -> PartRead:
        classes, lines = self._lines(part.key)
        whole = self._schema(part.key, classes)
        images: dict[str, Any] = {}
        objects: dict[str, list[Any]] = {}
        errors: list[DataError] = []
        for number, cells in lines:
            try:
                with at(file=part.key.url, position=f"line {number}"):
                    image, box = _parsed(cells, classes)
            except DataError as error:
                if self.on_error == "raise":
                    raise
                errors.append(error)
                continue
            images.setdefault(image["path"], image)
            objects.setdefault(image["path"], []).extend(box)
        batch = _batch(whole, images, objects)
        tally = Tally({*whole.fields(), "objects"} - {*schema.fields(), *schema.columns})
        tally.add(PartRead(batch=batch))
        return PartRead(
            batch=project(batch, schema),
            counts=tally.counts,
            examples=tally.examples,
            errors=errors,
            objects_skipped=len(errors),
        )

    def _schema(self, file: Location, classes: list[str]) -> Schema:
        columns = {
            "id": features.Value(type=pa.string()),
            "image": features.Image(),
            "objects": features.Objects(categories=Categories.of(classes)),
        }
        return Schema(columns=columns, media_root=(self.media or file.parent).url)

    def _file(self) -> Location:
        if self.root.isfile():
            return self.root
        found = self.root.find([SUFFIX], maxdepth=1)
        if len(found) != 1:
            raise EmptySourceError(f"{self.root.url}: looked for one *{SUFFIX} file, found {len(found)}")
        return self.root / found[0]

    def _lines(self, file: Location) -> tuple[list[str], list[tuple[int, list[str]]]]:
        """The classes, and the lines below them with their numbers."""
        marker, _, body = file.read_text().partition("\n")
        if marker.strip() != MARKER:
            raise DataError(f"found {marker[:40]!r}, expected {MARKER!r}", file=file.url, position="line 1")
        rows = csv.reader(StringIO(body, newline=""), delimiter=self.options.delimiter)
        try:
            classes = next(rows, [])
            return classes, [(rows.line_num + 1, cells) for cells in rows if cells]
        except csv.Error as error:
            place = f"line {rows.line_num + 1}"
            raise DataError(f"no line of values: {error}", file=file.url, position=place) from error


class TinyWriter(Writer[TinyOptions]):
    """Writes one file: parts give their lines, `finish` puts them together."""

    def wants(self) -> Schema:
        return self.schema.project({"image", "objects.category", "objects.bbox"})

    def losses(self) -> list[Loss]:
        lost = dropped(self.schema, self.wants(), FORMAT.info.title)
        bare = Categories.of(self._classes().values)
        more = sum(one != other for one, other in zip(bare, self._classes(), strict=True))
        why = "a class has a name and nothing more"
        return [
            *lost,
            Loss(code="categories.dropped", field="categories", kind="change", count=more, reason=why),
        ]

    def write(self, batch: pa.RecordBatch, target: Target, cursor: Cursor) -> PartResult:
        del target, cursor  # lines are small, and wait for `finish`
        lines: list[list[Any]] = []
        held = 0
        unlabelled: list[str] = []
        incomplete: list[str] = []
        for row in batch.to_pylist():
            head = [row["id"], row["image"]["width"], row["image"]["height"]]
            objects = row.get("objects")
            boxes = [obj for obj in objects or () if obj.get("bbox") and obj.get("category") is not None]
            lines += [[*head, obj["category"], *obj["bbox"].values()] for obj in boxes] or [head]
            held += len(boxes)
            unlabelled += [row["id"]] if objects is None else []
            incomplete += [row["id"]] * (len(objects or ()) - len(boxes))
        return PartResult(
            samples=len(batch),
            objects=held,
            losses=[
                *_lost("unlabelled.empty", "change", unlabelled, "no labels read as no objects"),
                *_lost("object.incomplete", "object", incomplete, "an object needs a class and a box"),
            ],
            media=[(row["image"]["path"], row["id"]) for row in batch.to_pylist()],
            payload=lines,
        )

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        file = StringIO()
        file.write(f"{MARKER}\n")
        rows = csv.writer(file, delimiter=self.options.delimiter, lineterminator="\n")
        rows.writerow(self._classes().values)
        for result in results:
            rows.writerows(result.payload)
        target.write(self.single_file or f"boxes{SUFFIX}", file.getvalue().encode())
        return 1

    def _classes(self) -> Categories:
        feature = self.schema.columns.get("objects")
        return feature.categories if isinstance(feature, features.Objects) else Categories()


def sniff(probe: Probe) -> Match | None:
    """A file that begins with the marker."""
    for path in probe.matching(f"*{SUFFIX}"):
        if probe.head(path).startswith(MARKER.encode()):
            return Match(Grade.CERTAIN, f"{path} begins with {MARKER!r}")
    return None


def _lost(code: str, kind: LossKind, samples: list[str], reason: str) -> list[Loss]:
    if not samples:
        return []
    return [
        Loss(code=code, field="objects", kind=kind, count=len(samples), reason=reason, example=samples[0])
    ]


def _parsed(cells: list[str], classes: list[str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A line's image, and its object if it has one."""
    if len(cells) not in {3, 8}:
        raise DataError(f"found {len(cells)} values, expected 3 or 8")
    width, height = (_pixels(cell) if cell else None for cell in cells[1:3])
    image = {"path": safe_path(cells[0]), "width": width, "height": height}
    if len(cells) == 3:
        return image, []
    if cells[3] not in classes:
        raise DataError(f"found the class {cells[3][:40]!r}, expected one of line 2")
    box = dict(zip(SIDES, map(_number, cells[4:]), strict=True))
    return image, [{"category": classes.index(cells[3]), "bbox": box}]


def _pixels(cell: str) -> int:
    if not cell.isdecimal() or len(cell) > 9:
        raise DataError(f"found {cell[:40]!r}, expected a whole number of pixels")
    return int(cell)


def _number(cell: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"found {cell[:40]!r}, expected a number")
    return number


def _batch(schema: Schema, images: dict[str, Any], objects: dict[str, list[Any]]) -> pa.RecordBatch:
    feature = schema.objects()
    flat = [obj for found in objects.values() for obj in found]
    members = [
        feature.categories.encode(pa.array([obj["category"] for obj in flat], pa.int32())),
        pa.array([obj["bbox"] for obj in flat], feature.member_type("bbox")),
    ]
    ends = [0]
    for found in objects.values():
        ends.append(ends[-1] + len(found))
    struct = pa.StructArray.from_arrays(members, fields=list(feature.struct))
    columns = [
        pa.array(images, pa.string()),
        pa.array(images.values(), schema.columns["image"].arrow),
        pa.ListArray.from_arrays(pa.array(ends, pa.int32()), struct, type=feature.arrow),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema.arrow)


FORMAT = Format(
    info=FormatInfo(
        name="tinyboxes",
        title="tinyboxes",
        spec="https://example.org/tinyboxes",
        layout=(f"*{SUFFIX}",),
        keeps=frozenset({"id", "image", "objects.category", "objects.bbox"}),
        file_suffixes=(SUFFIX,),
    ),
    sniff=sniff,
    reader=TinyReader,
    writer=TinyWriter,
    options=TinyOptions,
)
