"""The base of formats whose files list samples, each with any number of label fields beside each other.

Planning reads every record once to see what fields, classes and kinds of values there are, and keeps none of them; a part
is read again when its columns are built. So a source is as large as its text, and no more than a part of it is objects.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from smalti.errors import DataError, at
from smalti.formats import record_columns
from smalti.formats.losses import part_read
from smalti.formats.protocol import Options, Part, PartRead, Plan, Reader
from smalti.formats.record_columns import Survey
from smalti.formats.report import merged
from smalti.schema import features, values
from smalti.schema.schema import Schema
from smalti.storage.media import ImageHeader, read_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from smalti.formats.report import Loss
    from smalti.schema.categories import Categories
    from smalti.storage.location import Location

OptionsT = TypeVar("OptionsT", bound=Options)
CHUNK = 512  # records that become columns at once


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFile:
    """A file and its records.

    Attributes:
        place: The file.
        where: Where in it the records are, for positions in errors: ``$.items``.
        items: The records, still text.
        split: The split of all of them; null where records say it, or there is none.
        folder: What of the images' paths only says their split, ``train/``: ids are without it.
        context: What the format needs of the file to read its records.
    """

    place: Location
    where: str
    items: Sequence[Any]
    split: str | None = None
    folder: str = ""
    context: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a source consists of.

    Attributes:
        files: In the order of the samples.
        media: Where image paths are relative to.
        categories: The class tables that files list, by field; null: of every field that has none of its own.
        splits: The splits in their order, as far as files say it.
        extra: What the format keeps of the source as a whole.
        repairs: What finding mended.
    """

    files: Sequence[RecordFile]
    media: Location
    categories: dict[str | None, Categories] = field(default_factory=dict)
    splits: tuple[str, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)
    repairs: tuple[Loss, ...] = ()


@dataclass(slots=True, kw_only=True)
class Record:
    """What a record says, as plain values, by column.

    Attributes:
        image: The image's path below the media root, or its URL.
        id: The sample's id; null: the image's path.
        split: The split; null where there is none.
        width: Pixels; null where it does not say.
        height: Pixels.
        objects: Fields of objects: a mapping each, as `smalti.schema.values.member` takes members; null: nobody has looked.
        classes: Classes and their scores.
        captions: Sentences with their ids.
        masks: Label images: a path below the media root, or the bytes of a PNG.
        plain: Single values, JSON ones too.
        faults: Objects that were left out.
        repairs: What reading mended.
    """

    image: str
    id: str | None = None
    split: str | None = None
    width: int | None = None
    height: int | None = None
    objects: dict[str, list[dict[str, Any]] | None] = field(default_factory=dict)
    classes: dict[str, list[tuple[str, float | None]]] = field(default_factory=dict)
    captions: dict[str, list[tuple[int | None, str]]] = field(default_factory=dict)
    masks: dict[str, dict[str, Any]] = field(default_factory=dict)
    plain: dict[str, Any] = field(default_factory=dict)
    faults: list[DataError] = field(default_factory=list)
    repairs: list[Loss] = field(default_factory=list)


@dataclass(slots=True)
class _Planned:
    """What planning found: all that a worker needs beside the files."""

    schema: Schema
    parts: list[Part] = field(default_factory=list)
    errors: list[DataError] = field(default_factory=list)
    repairs: list[Loss] = field(default_factory=list)
    samples_skipped: int = 0
    skipped: set[tuple[int, int]] = field(default_factory=set)
    sizes: dict[str, tuple[int, int] | None] = field(default_factory=dict)


class RecordReader(Reader[OptionsT]):
    """Reads records; a format says where they are (`find`), of what image one is (`start`), and what labels it (`label`).

    Attributes:
        attributes: Features of attributes that objects may have; others are what they look like.
        columns: Features of further columns that samples may have; others are what they look like.
        field: The field of objects that is there even where no record has one.
    """

    attributes: ClassVar[dict[str, features.Value | features.Json]] = {}
    columns: ClassVar[dict[str, features.Value | features.Json]] = {}
    field: ClassVar[str] = "objects"

    _found: Found | None = None
    _planned: _Planned | None = None

    @abstractmethod
    def find(self) -> Found:
        """Find the records.

        Raises:
            EmptySourceError: There are none.
        """

    @abstractmethod
    def start(self, item: Any, file: RecordFile) -> tuple[Record, Any]:
        """A record's image, split and size, and the parsed record.

        Raises:
            DataError: It is faulty.
        """

    @abstractmethod
    def label(self, record: Record, item: Any, file: RecordFile, where: str) -> None:
        """Fill in the labels; the record's size is there if it can be known at all.

        Raises:
            DataError: The record is faulty; single objects that are go to `Record.faults` by `each`.
        """

    def each(
        self, record: Record, items: Iterable[Any], convert: Callable[[Any], dict[str, Any]], where: str
    ) -> list[dict[str, Any]]:
        """Convert objects; faulty ones are left out where that is wished.

        Args:
            record: Where faults go.
            items: What the record has.
            convert: Gives an object's members.
            where: What the record calls them, for positions in errors.

        Raises:
            DataError: One is faulty.
        """
        found = []
        for number, item in enumerate(items):
            try:
                with at(position=f"{where}[{number}]"):
                    found.append(_sound(convert(item)))
            except DataError as error:
                if self.on_error == "raise":
                    raise
                record.faults.append(error)
        return found

    def finish(self, schema: Schema) -> Schema:
        """The schema as it is used: a format may add to it."""
        return schema

    def __getstate__(self) -> dict[str, Any]:
        """Without what was read: a worker reads its own."""
        return {**self.__dict__, "_found": None}

    def plan(self) -> Plan:
        done = self._done()
        return Plan(
            schema=done.schema,
            parts=done.parts,
            repairs=done.repairs,
            errors=done.errors,
            objects_skipped=len(done.errors) - done.samples_skipped,
            samples_skipped=done.samples_skipped,
        )

    def read(self, part: Part, schema: Schema) -> PartRead:
        done = self._done()
        number, first, last = part.key
        records = [record for _, record in self._records(number, first, last, done)]
        batch = record_columns.batch(records, done.schema)
        return part_read(batch, done.schema, schema)

    @property
    def _source(self) -> Found:
        if self._found is None:
            self._found = self.find()
        return self._found

    def _done(self) -> _Planned:
        if self._planned is None:
            self._planned = self._survey(self._source)
        return self._planned

    def _survey(self, found: Found) -> _Planned:
        done = _Planned(schema=Schema(columns={}), repairs=list(found.repairs))
        survey = Survey(self.attributes, self.columns)
        seen: dict[tuple[str | None, str], str] = {}
        splits = dict.fromkeys(found.splits)
        for number, file in enumerate(found.files):
            for first in range(0, max(len(file.items), 1), CHUNK):
                count = 0
                for place, record in self._records(number, first, first + CHUNK, done, seen):
                    with at(file=file.place.url, position=place, sample=record.image):
                        survey.add(record)
                    splits.update({} if record.split is None else {record.split: None})
                    done.errors += record.faults
                    done.repairs = merged([*done.repairs, *record.repairs])
                    count += 1
                done.parts.append(Part(key=(number, first, first + CHUNK), samples=count))
        paths = Counter(path for _, path in seen)
        shared = any(count > 1 for count in paths.values())
        schema = survey.schema(found.categories, tuple(splits), found.media.url, self.field)
        done.schema = self.finish(schema.model_copy(update={"id_has_split": shared, "extra": found.extra}))
        return done

    def _records(
        self,
        number: int,
        first: int,
        last: int,
        done: _Planned,
        seen: dict[tuple[str | None, str], str] | None = None,
    ) -> Iterator[tuple[str, Record]]:
        """The sound records of a part with their places; with `seen`, for the first time, when faults are noted."""
        file = self._source.files[number]
        started = []
        for place in range(first, min(last, len(file.items))):
            if (number, place) in done.skipped:
                continue
            where = f"{file.where}[{place}]"
            try:
                with at(file=file.place.url, position=where):
                    record, item = self.start(file.items[place], file)
                    started.append((place, where, record, item))
            except DataError as error:
                self._skip(error, (number, place), done)
        self._size([record for _, _, record, _ in started], done)
        for place, where, record, item in started:
            try:
                with at(file=file.place.url, position=where, sample=record.image):
                    self.label(record, item, file, where)
                    record.id = (record.id or record.image).removeprefix(file.folder)
                    if seen is not None:
                        _once(record, seen, where)
            except DataError as error:
                self._skip(error, (number, place), done)
                continue
            for fault in record.faults:
                fault.file, fault.sample = fault.file or file.place.url, fault.sample or record.image
            yield where, record

    def _skip(self, error: DataError, key: tuple[int, int], done: _Planned) -> None:
        if self.on_error == "raise":
            raise error
        done.errors.append(error)
        done.samples_skipped += 1
        done.skipped.add(key)

    def _size(self, records: Sequence[Record], done: _Planned) -> None:
        """Give records of unknown size that of their image, where it is there."""
        unknown = [record for record in records if not record.width or not record.height]
        new = [record.image for record in unknown if record.image not in done.sizes]
        here = [path for path in new if "://" not in path]
        done.sizes.update(dict.fromkeys(new))
        for path, header in zip(here, read_headers(self._source.media, here), strict=True):
            done.sizes[path] = header.upright if isinstance(header, ImageHeader) else None
        for record in unknown:
            record.width, record.height = done.sizes[record.image] or (None, None)


def _once(record: Record, seen: dict[tuple[str | None, str], str], where: str) -> None:
    """Refuse a second record of an image."""
    key = (record.split, str(record.id))
    if key in seen:
        raise DataError(f"{record.image!r} is labelled here and at {seen[key]}; expected one record an image")
    seen[key] = where


def _sound(item: dict[str, Any]) -> dict[str, Any]:
    """The members of an object as their Arrow types take them."""
    found = {}
    for name, value in item.items():
        if value is None:
            continue
        try:
            found[name] = values.member(name, value)
        except DataError as error:
            error.reason = f"{name}: {error.reason}"
            raise
    return found


def sized(record: Record) -> np.ndarray:
    """Width and height of a record's image.

    Raises:
        DataError: They are not known.
    """
    if not record.width or not record.height:
        raise DataError(
            "shares of the picture need its size, which is not there",
            hint="pass media=, the folder of the pictures",
        )
    return np.array([record.width, record.height], np.float64)
