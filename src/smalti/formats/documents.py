"""The base of formats that have one document an image: XML, JSON.

A document is parsed as plain values, and a few hundred documents at a time become columns. What the schema is, only all
documents together tell, so planning reads them; their labels stay in memory as Arrow, without images.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import DataError, at
from smalti.formats.losses import Tally
from smalti.formats.protocol import Options, Part, PartRead, Plan, Reader
from smalti.formats.report import Loss
from smalti.schema import features
from smalti.schema.build import list_column, objects_array
from smalti.schema.categories import Categories
from smalti.schema.project import project
from smalti.schema.schema import Schema
from smalti.schema.unify import conform, united
from smalti.storage.media import ImageHeader, read_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from smalti.schema.features import AnyFeature
    from smalti.storage.location import Location

OptionsT = TypeVar("OptionsT", bound=Options)
CHUNK = 512  # documents that become columns at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """An image and what labels it.

    Attributes:
        path: Of the document, below the root; null: nobody has annotated the image.
        image: Of the image, below the media root; null: the document says it.
        split: The split; null where there is none.
        folder: What of the image's path only says its split, ``train/``: ids are without it.
        name: The sample's id, where it is not the image's path without that folder.
        payload: What one file for all has to say of this image; then there is no document to be read.
    """

    path: str | None
    image: str | None
    split: str | None = None
    folder: str = ""
    name: str | None = None
    payload: Any = None


@dataclass(slots=True, kw_only=True)
class Parsed:
    """What a document says, as plain values.

    Attributes:
        image: The image's path below the media root; it names the sample.
        width: Pixels; null where it does not say.
        height: Pixels.
        objects: Its objects, as `smalti.schema.build.objects_array` takes them; null: nobody has looked.
        columns: Values of further columns.
        faults: Objects that were left out.
    """

    image: str
    width: int | None = None
    height: int | None = None
    objects: list[dict[str, Any]] | None = None
    columns: dict[str, Any] = field(default_factory=dict)
    faults: list[DataError] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a source consists of.

    Attributes:
        documents: In the order of the samples.
        media: Where image paths are relative to.
        categories: The class table, where a file lists it.
        splits: The splits in their order.
        columns: Features of further columns, where the source tells them.
        attributes: As `columns`, of attributes of objects.
    """

    documents: Sequence[Document]
    media: Location
    categories: Categories = field(default_factory=Categories)
    splits: tuple[str, ...] = ()
    columns: Mapping[str, AnyFeature] = field(default_factory=dict)
    attributes: Mapping[str, features.Value | features.Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Chunk:
    table: pa.Table
    schema: Schema
    errors: list[DataError]
    samples_skipped: int
    others: list[str]  # files that are none of this format's


class DocumentReader(Reader[OptionsT]):
    """Reads a source of documents; a format says where they are (`find`) and what one says (`parse`).

    Attributes:
        columns: Features of the further columns that samples may have; others are text.
        attributes: Features of the attributes that objects may have; others are what they look like.
    """

    columns: ClassVar[dict[str, AnyFeature]] = {}
    attributes: ClassVar[dict[str, features.Value | features.Json]] = {}

    _chunks: list[_Chunk] | None = None

    @abstractmethod
    def find(self) -> Found:
        """Find the documents and images.

        Raises:
            EmptySourceError: There are none.
        """

    @abstractmethod
    def parse(self, body: bytes, document: Document) -> Parsed | None:
        """Parse one document; null: it is something else, and none of this format's.

        Raises:
            DataError: It is faulty.
        """

    def __getstate__(self) -> dict[str, Any]:
        """Without what was read: a worker reads its own."""
        return {**self.__dict__, "_chunks": None}

    def plan(self) -> Plan:
        chunks = self._load()
        schema = united([chunk.schema for chunk in chunks])
        errors = [error for chunk in chunks for error in chunk.errors]
        skipped = sum(chunk.samples_skipped for chunk in chunks)
        return Plan(
            schema=schema,
            parts=[Part(key=n, samples=chunk.table.num_rows) for n, chunk in enumerate(chunks)],
            repairs=_ignored([path for chunk in chunks for path in chunk.others]),
            errors=errors,
            objects_skipped=len(errors) - skipped,
            samples_skipped=skipped,
        )

    def read(self, part: Part, schema: Schema) -> PartRead:
        chunks = self._load()
        whole = united([chunk.schema for chunk in chunks])
        chunk = chunks[part.key]
        table = conform(chunk.table, chunk.schema, whole).combine_chunks()
        batch = table.to_batches()[0] if len(table) else _empty(whole)
        tally = Tally(
            {*whole.fields(), *whole.of_kind(features.Objects)} - {*schema.fields(), *schema.columns}
        )
        tally.add(PartRead(batch=batch))
        return PartRead(batch=project(batch, schema), counts=tally.counts, examples=tally.examples)

    def _load(self) -> list[_Chunk]:
        if self._chunks is None:
            found = self.find()
            seen: dict[str, str] = {}
            starts = range(0, max(len(found.documents), 1), CHUNK)
            chunks = [self._chunk(found, found.documents[n : n + CHUNK], seen) for n in starts]
            ids = [key for chunk in chunks for key in chunk.table.column("id").to_pylist()]
            self._chunks = chunks if len(set(ids)) == len(ids) else [_with_split(chunk) for chunk in chunks]
        return self._chunks

    def _chunk(self, found: Found, documents: Sequence[Document], seen: dict[str, str]) -> _Chunk:
        rows: list[tuple[Document, Parsed]] = []
        errors: list[DataError] = []
        others: list[str] = []
        skipped = 0
        for document in documents:
            try:
                parsed = self._one(document)
                if parsed is None:
                    others.append(str(document.path))
                    continue
                _once(parsed, document, seen, self.root)
                rows.append((document, parsed))
                errors += parsed.faults
            except DataError as error:
                if self.on_error == "raise":
                    raise
                errors.append(error)
                skipped += 1
        _sized([parsed for _, parsed in rows], found.media)
        table, schema = self._table(found, rows)
        return _Chunk(table, schema, errors, skipped, others)

    def _one(self, document: Document) -> Parsed | None:
        if document.path is None:
            return Parsed(image=str(document.image))
        if document.payload is not None:
            with at(file=(self.root if self.root.isfile() else self.root / document.path).url):
                return self.parse(b"", document)
        place = self.root if self.root.isfile() else self.root / document.path
        with at(file=place.url):
            return self.parse(place.read_bytes(), document)

    def each(
        self, items: Iterable[Any], convert: Callable[[Any], dict[str, Any]], where: str
    ) -> tuple[list[dict[str, Any]], list[DataError]]:
        """Convert the objects of a document; faulty ones are left out where that is wished.

        Args:
            items: What the document has.
            convert: Gives an object's members.
            where: What the document calls them, for the position in errors: ``object[3]``.

        Raises:
            DataError: One is faulty.
        """
        objects, faults = [], []
        for number, item in enumerate(items):
            try:
                with at(position=f"{where}[{number}]"):
                    objects.append(convert(item))
            except DataError as error:
                if self.on_error == "raise":
                    raise
                faults.append(error)
        return objects, faults

    def _table(self, found: Found, rows: list[tuple[Document, Parsed]]) -> tuple[pa.Table, Schema]:
        paths = pa.array([parsed.image for _, parsed in rows], pa.string())
        ids = pa.array([d.name or p.image.removeprefix(d.folder) for d, p in rows], pa.string())
        sides = [pa.array([getattr(p, side) for _, p in rows], pa.int32()) for side in ("width", "height")]
        image = pa.StructArray.from_arrays([paths, *sides], fields=list(features.Image().arrow))
        columns: dict[str, AnyFeature] = {"id": features.Value(type=pa.string()), "image": features.Image()}
        arrays = [ids, image]
        if found.splits:
            columns["split"] = features.Split()
            words = pa.array([document.split for document, _ in rows], pa.string())
            arrays.append(words.dictionary_encode().cast(features.Split().arrow))
        columns["objects"], objects = self._objects(found, [parsed for _, parsed in rows])
        arrays.append(objects)
        for name in dict.fromkeys(name for _, parsed in rows for name in parsed.columns):
            known = found.columns.get(name) or self.columns.get(name)
            columns[name] = known or features.Value(type=pa.string())
            arrays.append(_column([p.columns.get(name) for _, p in rows], columns[name]))
        schema = Schema(columns=columns, splits=found.splits, media_root=found.media.url)
        return pa.Table.from_arrays(arrays, schema=schema.arrow), schema

    def _objects(self, found: Found, rows: list[Parsed]) -> tuple[features.Objects, pa.ListArray]:
        flat = [item for parsed in rows for item in parsed.objects or ()]
        used = dict.fromkeys(name for item in flat for name in item)
        known = features.Objects(
            categories=found.categories,
            members=("category", "bbox"),
            attributes={n: f for n, f in {**self.attributes, **found.attributes}.items() if n in used},
        )
        array, feature = objects_array(flat, known)
        lengths = np.array([len(parsed.objects or ()) for parsed in rows], np.int64)
        return feature, list_column(
            array, lengths, np.array([parsed.objects is None for parsed in rows], bool)
        )


def _column(values: list[Any], feature: AnyFeature) -> pa.Array:
    if isinstance(feature, features.Classification) and not feature.multi:
        codes = feature.categories.codes
        return feature.categories.encode(pa.array([codes.get(value) for value in values], pa.int32()))
    return pa.array(values, feature.arrow)


def _ignored(others: list[str]) -> list[Loss]:
    if not others:
        return []
    why = "the file has the suffix of this format's documents, and is something else"
    return [
        Loss(code="file.ignored", field="id", kind="change", count=len(others), reason=why, example=others[0])
    ]


def _with_split(chunk: _Chunk) -> _Chunk:
    """The same samples, their splits in front of their ids: two splits have one path."""
    words = chunk.table.column("split").cast(pa.string())
    ids = pc.binary_join_element_wise(pc.fill_null(words, ""), chunk.table.column("id"), "/")
    schema = chunk.schema.model_copy(update={"id_has_split": True})
    table = chunk.table.set_column(0, "id", ids).replace_schema_metadata(schema.metadata)
    return replace(chunk, table=table, schema=schema)


def _once(parsed: Parsed, document: Document, seen: dict[str, str], root: Location) -> None:
    """Refuse a second document for an image."""
    if (other := seen.get(parsed.image)) is not None:
        raise DataError(
            f"{parsed.image!r} is labelled here and in {other}; expected one document an image",
            file=root.url if root.isfile() else f"{root.url}/{document.path}",
        )
    seen[parsed.image] = document.path or ""


def _sized(rows: Sequence[Parsed], media: Location) -> None:
    """Give samples of unknown size that of their image, where it is there."""
    unknown = [parsed for parsed in rows if not parsed.width or not parsed.height]
    for parsed, header in zip(unknown, read_headers(media, [p.image for p in unknown]), strict=True):
        parsed.width, parsed.height = header.upright if isinstance(header, ImageHeader) else (None, None)


def _empty(schema: Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.array([], field.type) for field in schema.arrow], schema=schema.arrow
    )
