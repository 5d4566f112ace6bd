"""Read CVAT for images and for video: one look at each file, then its images part by part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from smalti.errors import DataError, EmptySourceError, at
from smalti.formats.cvat import survey_columns, video
from smalti.formats.cvat.labels import parse_labels
from smalti.formats.cvat.reading import Reading
from smalti.formats.cvat.scan import scan
from smalti.formats.cvat.survey import Source, find_items, make_schema, repairs_of, shared_names
from smalti.formats.losses import part_read
from smalti.formats.protocol import Options, Part, PartRead, Plan, Reader
from smalti.storage.media import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from smalti.formats.cvat.survey import Item
    from smalti.formats.cvat.video import Tracks
    from smalti.schema.schema import Schema
    from smalti.storage.location import Location

PART = 1000  # images
NAME = "annotations.xml"


@dataclass(frozen=True, slots=True)
class _Key:
    file: Location
    items: tuple[Item, ...]
    tracks: Tracks | None


class CvatReader(Reader[Options]):
    """Reads one file, or a folder of them with its images."""

    def plan(self) -> Plan:
        sources = self._sources()
        media = self._media(sources[0].file.parent)
        there = set(media.find(IMAGE_SUFFIXES)) if media.exists() else set()
        faults = [error for source in sources for error in self._find_frames(source, there)]
        shared = shared_names(sources)
        errors = find_items(sources, there, self.on_error, shared=shared)
        self._schema = make_schema(sources, media, shared=shared)
        parts = [
            Part(key=_key(source, source.items[n : n + PART]), samples=len(source.items[n : n + PART]))
            for source in sources
            for n in range(0, len(source.items), PART)
        ]
        return Plan(
            schema=self._schema,
            parts=parts,
            errors=[*faults, *errors],
            objects_skipped=len(faults),
            samples_skipped=len(errors),
            repairs=repairs_of(sources),
        )

    def _sources(self) -> list[Source]:
        files = self._files()
        sources = []
        for file in files:
            found = survey_columns.scan(file) or scan(file)
            with at(file=file.url):
                split = file.stem if len(files) > 1 else None
                sources.append(Source(file, found, parse_labels(found.meta), split))
        seen = (s.scan.images or s.scan.tracks or video.is_empty(s.scan) for s in sources)
        if not any(seen):
            raise EmptySourceError(
                f"{self.root.url}: looked for images and tracks in {files[0].name}, and found none"
            )
        return sources

    def _find_frames(self, source: Source, there: set[str]) -> list[DataError]:
        """Make a file of tracks one of frames; gives the errors of tracks that are left out."""
        found = source.scan
        if not found.tracks and not video.is_empty(found):
            return []
        errors, tracks = [], []
        with at(file=source.file.url):
            if found.images:
                raise DataError(f"found images beside {len(found.tracks)} tracks, expected one kind")
            numbers, size, name = video.frames(found, source.file.stem)
            for span in found.tracks:
                try:
                    with at(file=source.file.url):
                        video.check(span, numbers)
                        tracks.append(span)
                except DataError as error:
                    if self.on_error == "raise":
                        raise
                    errors.append(error)
        found.images = video.frame_images(numbers, size, sorted(there))
        keyframes = "keyframe" not in found.kinds  # an attribute of that name is another thing
        source.tracks = video.Tracks(tuple(tracks), name, numbers, keyframes)
        return errors

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
        key = part.key
        reading = Reading(key.file, whole, self.on_error)
        batch = reading.images(key.items) if key.tracks is None else reading.frames(key.items, key.tracks)
        return part_read(batch, whole, schema, errors=reading.errors, objects_skipped=len(reading.errors))


def _key(source: Source, items: list[Item]) -> _Key:
    """A part with the tracks that touch it."""
    tracks = source.tracks
    if tracks is not None:
        first, last = items[0].number, items[-1].number
        spans = tuple(
            span for span in tracks.spans if span.first <= last and (span.goes_on or span.last >= first)
        )
        tracks = replace(tracks, spans=spans)
    return _Key(source.file, tuple(items), tracks)
