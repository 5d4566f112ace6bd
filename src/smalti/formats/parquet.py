"""Parquet: a dataset as plain files that any engine reads, with nothing lost.

    birds.parquet            one file, or
    birds/part-00000.parquet a folder of files, read in the order of their names

The schema stands in the file's Arrow metadata (`smalti.schema.schema`). A file of other tools is read
where it has a text column ``id``. Specification: https://parquet.apache.org/docs/file-format/
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa

from smalti.errors import DataError, EmptySourceError, SchemaError
from smalti.formats.losses import Tally
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
from smalti.schema import features
from smalti.schema.project import project
from smalti.schema.schema import METADATA_KEY, Schema
from smalti.schema.unify import conform, fit, storable, united
from smalti.storage.parquet_file import leaf_paths, open_file, write_batches

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from smalti.formats.probe import Probe
    from smalti.formats.protocol import Cursor
    from smalti.formats.report import Loss
    from smalti.storage.folder import Target
    from smalti.storage.location import Location

MAGIC = b"PAR1"
SUFFIX = ".parquet"


def sniff(probe: Probe) -> Match | None:
    """Parquet files, and nothing else that could be a format's own table."""
    files = probe.matching(f"*{SUFFIX}")
    if not files or probe.head(files[0])[:4] != MAGIC:
        return None
    if probe.is_file:
        return Match(Grade.CERTAIN, "a Parquet file")
    return Match(Grade.LIKELY, "Parquet files") if len(files) == len(probe.files) else None


class ParquetReader(Reader[Options]):
    """Reads row group by row group, and only the leaves that are asked for."""

    def _files(self) -> list[Location]:
        if self.root.isfile():
            return [self.root]
        found = [self.root / name for name in self.root.find((SUFFIX,))]
        if not found:
            raise EmptySourceError(f"{self.root.url}: found no file *{SUFFIX} in the folder")
        return found

    def plan(self) -> Plan:
        schemas, parts = [], []
        for place in self._files():
            with place.open("rb") as file:
                opened = _opened(file, place)
                schemas.append(_schema(opened.schema_arrow, place))
                for group in range(opened.num_row_groups):
                    rows = opened.metadata.row_group(group).num_rows
                    parts.append(Part(key=(place, group), samples=rows))
        if not sum(part.samples for part in parts):
            raise EmptySourceError(f"{self.root.url}: the Parquet file holds no row")
        schema = united(schemas)
        if self.media is not None:
            schema = schema.model_copy(update={"media_root": self.media.url})
        return Plan(schema=schema, parts=parts)

    def read(self, part: Part, schema: Schema) -> PartRead:
        place, group = part.key
        with place.open("rb") as file:
            opened = _opened(file, place)
            own = _schema(opened.schema_arrow, place)
            # An object field of which no member is wanted still has lists: one leaf tells their lengths.
            hollow = [f"{name}.{own.objects(name).names[0]}" for name in _hollow(own, schema)]
            reading = own.project([*schema.fields(), *hollow])
            try:
                table = opened.read_row_group(group, columns=leaf_paths(reading.arrow))
            except (OSError, pa.ArrowInvalid) as error:
                raise DataError(
                    f"cannot be read: {error}", file=place.url, position=f"row group {group}"
                ) from error
            shared = own.project([*schema.fields(), *schema.columns])
            unread = _unread(opened, group, own, shared)
        arrays = [fit(table.column(n).combine_chunks(), f.arrow) for n, f in reading.columns.items()]
        batch = project(pa.RecordBatch.from_arrays(arrays, schema=reading.arrow), shared)
        whole = conform(pa.Table.from_batches([batch]), shared, schema)
        batch = whole.combine_chunks().to_batches()[0]
        return PartRead(batch=batch, counts=unread.counts, examples=unread.examples)


def _hollow(own: Schema, wanted: Schema) -> list[str]:
    fields = [name for name in wanted.of_kind(features.Objects) if name in own.columns]
    return [name for name in fields if not wanted.objects(name).names and own.objects(name).names]


def _unread(opened: Any, group: int, own: Schema, shared: Schema) -> Tally:
    """How many values the fields hold that are not wanted.

    A file's statistics count the numbers of a polygon, not the polygons: so they are read, and let go.
    """
    skipped = {*own.fields(), *own.columns} - {*shared.fields(), *shared.columns}
    tally = Tally(sorted(skipped))
    if skipped:
        unread = own.project(skipped)
        table = opened.read_row_group(group, columns=leaf_paths(unread.arrow))
        tally.add(PartRead(batch=table.combine_chunks().to_batches()[0]))
    return tally


def _opened(file: IO[bytes], place: Location) -> Any:
    try:
        return open_file(file)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"no Parquet file, or a damaged one: {error}", file=place.url) from error


def _schema(arrow: pa.Schema, place: Location) -> Schema:
    try:
        schema = Schema.from_arrow(arrow)
    except SchemaError as error:
        raise DataError(str(error), file=place.url, position="schema") from error
    feature = schema.columns.get("id")
    if feature is None or feature.arrow != pa.string():
        found = "no column 'id'" if feature is None else f"a column 'id' of {feature.arrow}"
        raise DataError(
            f"found {found}, expected unique text",
            file=place.url,
            hint="add one with the engine that wrote the file",
        )
    if METADATA_KEY not in (arrow.metadata or {}):
        return schema.model_copy(update={"media_root": None})
    return schema


class ParquetWriter(Writer[Options]):
    """Writes a file a part; one-file targets are joined from them at the end."""

    def wants(self) -> Schema:
        return self.schema

    def losses(self) -> list[Loss]:
        return []

    def write(self, batch: pa.RecordBatch, target: Target, cursor: Cursor) -> PartResult:
        name = f"part-{cursor.index:05}{SUFFIX}"
        with target.open(name) as file:
            write_batches(file, self.schema.storable.arrow, [storable(batch, self.schema)])
        fields = self.schema.of_kind(features.Objects)
        objects = sum(len(batch.column(field).flatten()) for field in fields)
        return PartResult(samples=len(batch), objects=objects, files=1, payload=name)

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        if self.single_file is None or target.dry:
            return 0
        names = [result.payload for result in results]
        with target.open(self.single_file) as file:
            write_batches(file, self.schema.storable.arrow, self._joined(target, names))
        for name in names:
            (target.location / name).fs.rm_file((target.location / name).path)
        return 1 - len(names)

    def _joined(self, target: Target, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for name in names:
            with (target.location / name).open("rb") as file:
                opened = open_file(file)
                for group in range(opened.num_row_groups):
                    table = opened.read_row_group(group)
                    yield from table.cast(self.schema.storable.arrow).combine_chunks().to_batches()


FORMAT = Format(
    info=FormatInfo(
        name="parquet",
        title="Parquet",
        spec="https://parquet.apache.org/docs/file-format/",
        layout=("*.parquet",),
        keeps=frozenset({"*"}),
        file_suffixes=(SUFFIX,),
    ),
    sniff=sniff,
    reader=ParquetReader,
    writer=ParquetWriter,
)
