"""The base of formats that have one document an image: XML, JSON.

Many documents at a time become columns: at once where all of them are regular (`DocumentReader.regular`), else one by
one as plain values, which finds the place of what is wrong. What the schema is, only all documents together tell, so
planning reads them; their labels stay in memory as Arrow, without images.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import DataError, at
from smalti.formats.losses import part_read
from smalti.formats.protocol import Options, Part, PartRead, Plan, Reader
from smalti.formats.report import Loss
from smalti.schema import features
from smalti.schema.build import list_column, objects_array
from smalti.schema.categories import Categories
from smalti.schema.schema import Schema
from smalti.schema.unify import conform, united
from smalti.storage.media import ImageHeader, read_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from smalti.schema.features import AnyFeature
    from smalti.storage.location import Location

OptionsT = TypeVar("OptionsT", bound=Options)
CHUNK = 2048  # documents that become columns at once
FEWEST = 256  # documents that are not tried in halves any more when one of them is not regular
AT_ONCE = 16  # documents that are read together
HELD = 1 << 25  # bytes of documents that are held, and not much more: some have images inside


@dataclass(slots=True, kw_only=True)
class Document:
    """An image and what labels it; not frozen, since there is one for every image, and those take thrice as long.

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


@dataclass(slots=True, kw_only=True)
class Block:
    """What some documents say, as columns.

    Attributes:
        images: As `Parsed.image`, of each.
        sizes: int64 ``(n, 2)``, width and height in pixels of each; 0 where it does not say.
        objects: The objects of all, with the feature that they need.
        lengths: ``(n,)``, how many are of each.
        unseen: ``(n,)``, whether nobody has looked.
        columns: Values of further columns, by name.
    """

    images: list[str]
    sizes: NDArray[np.int64]
    objects: tuple[pa.StructArray, features.Objects]
    lengths: NDArray[np.int64]
    unseen: NDArray[np.bool_] | None = None
    columns: dict[str, list[Any]] = field(default_factory=dict)


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
    _whole: Schema

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

    def regular(
        self, bodies: Sequence[bytes], documents: Sequence[Document], known: features.Objects
    ) -> Block | None:
        """Read many documents at once; null: they are not all as plain as that needs, and are parsed one by one.

        Both ways give the same. Nothing is raised here: what is wrong is not regular.

        Args:
            bodies: The documents.
            documents: What is known of each.
            known: What is known of the objects; `smalti.schema.build.objects_columns` takes it.
        """
        del bodies, documents, known
        return None

    def __getstate__(self) -> dict[str, Any]:
        """Without what was read: a worker reads its own."""
        return {**self.__dict__, "_chunks": None}

    def plan(self) -> Plan:
        chunks = self._load()
        schema = self._whole
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
        whole = self._whole
        chunk = chunks[part.key]
        table = conform(chunk.table, chunk.schema, whole).combine_chunks()
        batch = table.to_batches()[0] if len(table) else pa.RecordBatch.from_pylist([], whole.arrow)
        return part_read(batch, whole, schema)

    def _load(self) -> list[_Chunk]:
        if self._chunks is None:
            found = self.find()
            seen: dict[str, str] = {}
            chunks: list[_Chunk] = []
            start = 0
            while start < len(found.documents) or not chunks:
                bodies = self._bodies(found.documents[start : start + CHUNK])
                documents = found.documents[start : start + len(bodies)]
                chunks += self._read(found, documents, bodies, seen)
                start += len(bodies)
            ids = pa.chunked_array([chunk.table.column("id").combine_chunks() for chunk in chunks])
            if pc.count_distinct(ids).as_py() < len(ids):
                chunks = [_with_split(chunk) for chunk in chunks]
            self._chunks, self._whole = chunks, united([chunk.schema for chunk in chunks])
        return self._chunks

    def _bodies(self, documents: Sequence[Document]) -> list[bytes | None]:
        """The contents of the first documents, as many as fit into memory; null of what is no file of its own."""
        found: list[bytes | None] = []
        held = 0
        while len(found) < len(documents) and held < HELD:
            some = documents[len(found) : len(found) + AT_ONCE]
            own = [document.path for document in some if document.path and document.payload is None]
            bodies = iter([self.root.read_bytes()] if self.root.isfile() else self.root.read_many(own))
            found += [next(bodies) if d.path and d.payload is None else None for d in some]
            held += sum(len(body) for body in found[-len(some) :] if body)
        return found

    def _read(
        self, found: Found, documents: Sequence[Document], bodies: list[bytes | None], seen: dict[str, str]
    ) -> list[_Chunk]:
        """Documents as chunks: one, or more where some of them are not regular."""
        known = _known(found, self.attributes)
        files = [body for body in bodies if body is not None]
        block = self.regular(files, documents, known) if files and len(files) == len(bodies) else None
        if block is not None and len(seen.keys() | block.images) == len(seen) + len(documents):
            seen |= zip(block.images, (str(document.path) for document in documents), strict=True)
            return [_Chunk(*self._table(found, documents, block), [], 0, [])]
        if len(files) > FEWEST:
            half = len(bodies) // 2
            first = self._read(found, documents[:half], bodies[:half], seen)
            return first + self._read(found, documents[half:], bodies[half:], seen)
        return [self._chunk(found, documents, bodies, seen)]

    def _chunk(
        self,
        found: Found,
        documents: Sequence[Document],
        bodies: Sequence[bytes | None],
        seen: dict[str, str],
    ) -> _Chunk:
        rows: list[tuple[Document, Parsed]] = []
        errors: list[DataError] = []
        others: list[str] = []
        skipped = 0
        for document, body in zip(documents, bodies, strict=True):
            try:
                parsed = self._one(document, body)
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
        block = _block([parsed for _, parsed in rows], _known(found, self.attributes))
        table, schema = self._table(found, [document for document, _ in rows], block)
        return _Chunk(table, schema, errors, skipped, others)

    def _one(self, document: Document, body: bytes | None) -> Parsed | None:
        if document.path is None:
            return Parsed(image=str(document.image))
        with at(file=(self.root if self.root.isfile() else self.root / document.path).url):
            return self.parse(b"" if body is None else body, document)

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

    def _table(self, found: Found, documents: Sequence[Document], block: Block) -> tuple[pa.Table, Schema]:
        names = zip(documents, block.images, strict=True)
        ids = pa.array([d.name or image.removeprefix(d.folder) for d, image in names], pa.string())
        columns: dict[str, AnyFeature] = {"id": features.Value(type=pa.string()), "image": features.Image()}
        arrays = [ids, _images(block, found.media)]
        if found.splits:
            columns["split"] = features.Split()
            words = pa.array([document.split for document in documents], pa.string())
            arrays.append(words.dictionary_encode().cast(features.Split().arrow))
        array, columns["objects"] = block.objects
        arrays.append(list_column(array, block.lengths, block.unseen))
        for name, values in block.columns.items():
            known = found.columns.get(name) or self.columns.get(name)
            columns[name] = known or features.Value(type=pa.string())
            arrays.append(_column(values, columns[name]))
        schema = Schema(columns=columns, splits=found.splits, media_root=found.media.url)
        return pa.Table.from_arrays(arrays, schema=schema.arrow), schema


def used_splits(documents: Iterable[Document]) -> tuple[str, ...]:
    """The splits of some documents, in their order."""
    return tuple(dict.fromkeys(document.split for document in documents if document.split))


def _known(found: Found, attributes: Mapping[str, Any]) -> features.Objects:
    """What is known of objects before they are read; attributes that none has are not in the schema."""
    every = {**attributes, **found.attributes}
    return features.Objects(categories=found.categories, members=("category", "bbox"), attributes=every)


def _block(rows: Sequence[Parsed], known: features.Objects) -> Block:
    """What documents say one by one, as columns."""
    flat = [item for parsed in rows for item in parsed.objects or ()]
    used = dict.fromkeys(name for item in flat for name in item)
    own = {name: feature for name, feature in known.attributes.items() if name in used}
    names = dict.fromkeys(name for parsed in rows for name in parsed.columns)
    return Block(
        images=[parsed.image for parsed in rows],
        sizes=np.array([(p.width or 0, p.height or 0) for p in rows], np.int64).reshape(-1, 2),
        objects=objects_array(flat, known.model_copy(update={"attributes": own})),
        lengths=np.array([len(parsed.objects or ()) for parsed in rows], np.int64),
        unseen=np.array([parsed.objects is None for parsed in rows], bool),
        columns={name: [parsed.columns.get(name) for parsed in rows] for name in names},
    )


def _images(block: Block, media: Location) -> pa.Array:
    """The images; those of unknown size have that of their file, where it is there."""
    sizes = block.sizes
    unknown = np.flatnonzero((sizes == 0).any(axis=1)).tolist()
    found = read_headers(media, [block.images[n] for n in unknown])
    for n, header in zip(unknown, found, strict=True):
        sizes[n] = header.upright if isinstance(header, ImageHeader) else (0, 0)
    sides = [pa.array(side.astype(np.int32), mask=side == 0) for side in sizes.T]
    paths = pa.array(block.images, pa.string())
    return pa.StructArray.from_arrays([paths, *sides], fields=list(features.Image().arrow))


def _column(values: list[Any], feature: AnyFeature) -> pa.Array:
    if isinstance(feature, features.Classification) and not feature.multi:
        codes = feature.categories.codes
        return feature.categories.encode(pa.array([codes.get(value) for value in values], pa.int32()))
    return pa.array(values, feature.arrow)


def _ignored(others: list[str]) -> list[Loss]:
    why = "the file has the suffix of this format's documents, and is something else"
    loss = Loss(code="file.ignored", field="id", kind="change", count=len(others), reason=why)
    return [replace(loss, example=others[0])] if others else []


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
