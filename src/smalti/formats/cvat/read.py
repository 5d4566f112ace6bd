"""Read CVAT for images: one look at each file, then its images part by part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa

from smalti.errors import DataError, EmptySourceError, at
from smalti.formats.cvat.labels import parse_labels
from smalti.formats.cvat.scan import SHAPES, elements, scan
from smalti.formats.cvat.shapes import Image, attribute_value, code, parse_shape, struct
from smalti.formats.cvat.survey import (
    NUMBERS,
    Source,
    find_items,
    make_schema,
    repairs_of,
    shared_names,
)
from smalti.formats.losses import Tally
from smalti.formats.protocol import Options, Part, PartRead, Plan, Reader
from smalti.schema import features
from smalti.schema.build import list_column
from smalti.schema.project import project
from smalti.storage.location import Location
from smalti.storage.media import IMAGE_SUFFIXES, ImageHeader, read_headers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from xml.etree.ElementTree import Element

    from smalti.formats.cvat.labels import Labels
    from smalti.formats.cvat.scan import Scan
    from smalti.formats.cvat.survey import Item
    from smalti.schema.schema import Schema

PART = 500  # images
NAME = "annotations.xml"


@dataclass(frozen=True, slots=True)
class _Key:
    file: Location
    items: tuple[Item, ...]


class CvatReader(Reader[Options]):
    """Reads one file, or a folder of them with its images."""

    def plan(self) -> Plan:
        sources = self._sources()
        media = self._media(sources[0].file.parent)
        shared = shared_names(sources)
        there = set(media.find(IMAGE_SUFFIXES)) if media.exists() else set()
        errors = find_items(sources, there, self.on_error, shared=shared)
        self._schema = make_schema(sources, media, shared=shared)
        parts = [
            Part(
                key=_Key(source.file, tuple(source.items[n : n + PART])),
                samples=len(source.items[n : n + PART]),
            )
            for source in sources
            for n in range(0, len(source.items), PART)
        ]
        return Plan(
            schema=self._schema,
            parts=parts,
            errors=errors,
            samples_skipped=len(errors),
            repairs=repairs_of(sources),
        )

    def _sources(self) -> list[Source]:
        files = self._files()
        scans = [scan(file) for file in files]
        for file, found in zip(files, scans, strict=True):
            if found.tracks:
                raise DataError(
                    f"found {found.tracks} tracks, expected images",
                    file=file.url,
                    hint="export the task as CVAT for images, which has an object a frame",
                )
        if not any(found.images for found in scans):
            raise EmptySourceError(
                f"{self.root.url}: looked for image elements in {files[0].name}, found none"
            )
        several = len(files) > 1
        return [
            Source(file, found, _labels(file, found), file.stem if several else None)
            for file, found in zip(files, scans, strict=True)
        ]

    def _files(self) -> list[Location]:
        if self.root.isfile():
            return [self.root]
        names = self.root.find((".xml",), maxdepth=1)
        if not names:
            raise EmptySourceError(f"{self.root.url}: looked for {NAME} or other *.xml files, and found none")
        return [self.root / NAME] if NAME in names else [self.root / name for name in names]

    def _media(self, folder: Location) -> Location:
        if self.media is not None:
            return self.media
        return folder / "images" if (folder / "images").isdir() else folder

    def read(self, part: Part, schema: Schema) -> PartRead:
        whole = self._schema
        reading = _Reading(part.key.file, whole, self.on_error)
        batch = reading.batch(_sized(part.key.items, whole))
        tally = Tally({*whole.fields(), "objects"} - {*schema.fields(), *schema.columns})
        tally.add(PartRead(batch=batch))
        return PartRead(
            batch=project(batch, schema),
            counts=tally.counts,
            examples=tally.examples,
            errors=reading.errors,
            objects_skipped=len(reading.errors),
        )


def _labels(file: Location, found: Scan) -> Labels | None:
    with at(file=file.url):
        return parse_labels(found.meta)


class _Reading:
    """The reading of one part."""

    def __init__(self, file: Location, schema: Schema, on_error: str) -> None:
        self.file = file
        self.schema = schema
        self.feature = schema.objects()
        self.on_error = on_error
        self.errors: list[DataError] = []
        tags = schema.columns.get("tags")
        self.tags = tags.categories.codes if isinstance(tags, features.Classification) else {}
        self.points = {
            value: {name: at for at, name in enumerate(category.keypoints or ())}
            for value, category in zip(self.feature.categories.values, self.feature.categories, strict=True)
        }

    def batch(self, items: Sequence[Item]) -> pa.RecordBatch:
        with at(file=self.file.url):
            roots = elements(self.file, [item.span for item in items]).findall("image")
        objects: list[list[dict[str, Any]]] = []
        tags: list[list[Element]] = []
        for item, root in zip(items, roots, strict=True):
            objects.append(self._objects(item, root))
            tags.append(self._tags(item, root))
        arrays = {**_columns(items, self.schema), **self._tag_columns(tags)}
        flat = [row for rows in objects for row in rows]
        lengths = np.array([len(rows) for rows in objects], np.int64)
        arrays["objects"] = list_column(struct(flat, self.feature), lengths)
        return pa.RecordBatch.from_arrays(
            [arrays[name] for name in self.schema.columns], schema=self.schema.arrow
        )

    def _objects(self, item: Item, root: Element) -> list[dict[str, Any]]:
        width, height = item.size
        size = None if width is None or height is None else (width, height)
        image = Image(size, self.feature.categories.codes, self.points, self.feature.attributes)
        rows = []
        for number, element in enumerate(root):
            if element.tag not in SHAPES:
                continue
            try:
                with self._at(item, number, element):
                    rows.append(parse_shape(element, image))
            except DataError as error:
                self._fail(error)
        return rows

    def _at(self, item: Item, number: int, element: Element) -> Any:
        place = f"image[{item.number}].{element.tag}[{number}]"
        return at(file=self.file.url, position=place, sample=item.id)

    def _fail(self, error: DataError) -> None:
        if self.on_error == "raise":
            raise error
        self.errors.append(error)

    def _tags(self, item: Item, root: Element) -> list[Element]:
        found = []
        for number, element in enumerate(root):
            if element.tag != "tag":
                continue
            try:
                with self._at(item, number, element):
                    code(element, self.tags)
                    found.append(element)
            except DataError as error:
                self._fail(error)
        return found

    def _tag_columns(self, tags: list[list[Element]]) -> dict[str, pa.Array]:
        feature = self.schema.columns.get("tags")
        if not isinstance(feature, features.Classification):
            return {}
        codes = pa.array([self.tags.get(tag.get("label", "")) for some in tags for tag in some], pa.int32())
        scores = pa.nulls(len(codes), pa.float64())
        inner = pa.StructArray.from_arrays(
            [feature.categories.encode(codes), scores], fields=list(feature.arrow.value_type)
        )
        lengths = np.array([len(some) for some in tags], np.int64)
        details = [_details(some) for some in tags]
        return {
            "tags": list_column(inner, lengths),
            "tag_details": pa.array(details, pa.string()),
        }


def _details(tags: list[Element]) -> str | None:
    """What tags have beside their labels, one object a tag; null where they have nothing."""
    found = [_detail(tag) for tag in tags]
    return msgspec.json.encode(found).decode() if any(found) else None


def _detail(tag: Element) -> dict[str, Any]:
    found: dict[str, Any] = {name: value for name, value in tag.attrib.items() if name != "label"}
    if found.get("source") == "manual":
        del found["source"]
    text = features.Value(type=pa.string())
    inner = {c.get("name", ""): attribute_value(c.text or "", text) for c in tag.findall("attribute")}
    return {**found, **({"attributes": inner} if inner else {})}


def _sized(items: Sequence[Item], schema: Schema) -> list[Item]:
    """The items; those of unknown size get that of their image, where it is there."""
    unknown = [item.path for item in items if None in item.size]
    if not unknown or schema.media_root is None:
        return list(items)
    headers = iter(read_headers(Location.parse(schema.media_root), unknown))
    found = []
    for item in items:
        header = next(headers) if None in item.size else None
        found.append(replace(item, size=header.upright) if isinstance(header, ImageHeader) else item)
    return found


def _columns(items: Sequence[Item], schema: Schema) -> dict[str, pa.Array]:
    sides = [pa.array([item.size[side] for item in items], pa.int32()) for side in (0, 1)]
    paths = pa.array([item.path for item in items], pa.string())
    numbers = {
        name: pa.array([item.numbers[at] for item in items], pa.int64()) for at, name in enumerate(NUMBERS)
    }
    words = pa.array([item.split for item in items], pa.string())
    return {
        "id": pa.array([item.id for item in items], pa.string()),
        "image": pa.StructArray.from_arrays([paths, *sides], fields=list(schema.columns["image"].arrow)),
        "split": words.dictionary_encode().cast(features.Split().arrow),
        **numbers,
    }
