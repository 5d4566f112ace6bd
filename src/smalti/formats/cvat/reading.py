"""The images of a part become columns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa

from smalti.errors import DataError, at
from smalti.formats import xml_files
from smalti.formats.cvat import columns, video
from smalti.formats.cvat.scan import LAST_FRAME, ROOT, SHAPES, document, elements
from smalti.formats.cvat.shapes import Image, attribute_value, code, flag, parse_shape, struct
from smalti.formats.cvat.survey import NUMBERS
from smalti.schema import features
from smalti.schema.build import list_column
from smalti.storage.location import Location
from smalti.storage.media import ImageHeader, read_headers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from xml.etree.ElementTree import Element

    from smalti.formats.cvat.scan import TrackSpan
    from smalti.formats.cvat.survey import Item
    from smalti.formats.cvat.video import Tracks
    from smalti.schema.schema import Schema


class Reading:
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

    def images(self, items: Sequence[Item]) -> pa.RecordBatch:
        """Images with their objects."""
        items = sized(items, self.schema)
        body = document(self.file, [item.span for item in items])
        if (found := columns.objects(body, len(items), self.feature)) is not None:
            none: list[list[Element]] = [[] for _ in items]
            return self._table({**_columns(items, self.schema), **self._tag_columns(none)}, *found)
        with at(file=self.file.url):
            roots = xml_files.parse(body, ROOT).findall("image")
        objects: list[list[dict[str, Any]]] = []
        tags: list[list[Element]] = []
        for item, root in zip(items, roots, strict=True):
            objects.append(self._objects(item, root))
            tags.append(self._tags(item, root))
        return self._batch({**_columns(items, self.schema), **self._tag_columns(tags)}, objects)

    def frames(self, items: Sequence[Item], tracks: Tracks) -> pa.RecordBatch:
        """Frames of a video with what tracks are in them."""
        items = sized(items, self.schema)
        numbers = tracks.numbers
        place = {item.number: at for at, item in enumerate(items)}
        objects: list[list[dict[str, Any]]] = [[] for _ in items]
        some = range(items[0].number, items[-1].number + 1, numbers.step)
        near = range(
            0 if some.start == numbers.start else some.start,
            LAST_FRAME + 1 if some[-1] == numbers[-1] else some[-1] + numbers.step,
        )
        image = self._image(items[0])
        for span, track in zip(tracks.spans, self._tracks(tracks), strict=True):
            own: dict[str, Any] = {"track_id": track_id(span)}
            keyframes = self._keyframes(span, track, image, near)
            for frame, row, key in video.spread(keyframes, numbers, some, self.feature.attributes):
                if frame in place:
                    more = {"keyframe": key} if tracks.keyframes else {}
                    objects[place[frame]].append({**row, **own, **more})
        arrays = _columns(items, self.schema)
        arrays["video"] = pa.array([tracks.video] * len(items), pa.string())
        arrays["frame"] = pa.array([item.number for item in items], pa.int64())
        empty: list[list[Element]] = [[] for _ in items]
        return self._batch({**arrays, **self._tag_columns(empty)}, objects)

    def _tracks(self, tracks: Tracks) -> Iterator[Element]:
        if tracks.spans:
            with at(file=self.file.url):
                found = elements(self.file, [(span.start, span.stop) for span in tracks.spans])
            yield from found.findall("track")

    def _keyframes(self, span: TrackSpan, track: Element, image: Image, near: range) -> list[video.Keyframe]:
        """The shapes of a track; faulty ones are told by the part that they are near to."""
        found = []
        for number, element in enumerate(track):
            if element.tag not in SHAPES:
                continue
            for name in ("label", "source", "group_id"):
                if name in track.attrib:
                    element.attrib.setdefault(name, track.attrib[name])
            frame = int(element.get("frame", ""))
            try:
                with at(file=self.file.url, position=f"track[{span.number}].{element.tag}[{number}]"):
                    found.append(_keyframe(element, image, frame))
            except DataError as error:
                if self.on_error == "raise":
                    raise
                self.errors += [error] if frame in near else []
        return sorted(found, key=lambda keyframe: keyframe.frame)

    def _batch(self, arrays: dict[str, pa.Array], objects: list[list[dict[str, Any]]]) -> pa.RecordBatch:
        flat = [row for rows in objects for row in rows]
        lengths = np.array([len(rows) for rows in objects], np.int64)
        return self._table(arrays, struct(flat, self.feature), lengths)

    def _table(
        self, arrays: dict[str, pa.Array], objects: pa.StructArray, lengths: np.ndarray
    ) -> pa.RecordBatch:
        arrays["objects"] = list_column(objects, lengths)
        return pa.RecordBatch.from_arrays(
            [arrays[name] for name in self.schema.columns], schema=self.schema.arrow
        )

    def _image(self, item: Item) -> Image:
        width, height = item.size
        size = None if width is None or height is None else (width, height)
        return Image(size, self.feature.categories.codes, self.points, self.feature.attributes)

    def _objects(self, item: Item, root: Element) -> list[dict[str, Any]]:
        image = self._image(item)
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


def track_id(span: TrackSpan) -> int:
    """A track's own number, or its place."""
    text = span.attributes.get("id", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else span.number


def _keyframe(element: Element, image: Image, frame: int) -> video.Keyframe:
    row = parse_shape(element, image)
    seen = [point["visibility"] for point in row.get("keypoints", ()) if "visibility" in point]
    outside = flag(element, "outside") or (bool(seen) and not any(seen))
    return video.Keyframe(frame, row, outside, key=flag(element, "keyframe", default="1"))


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


def sized(items: Sequence[Item], schema: Schema) -> list[Item]:
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
