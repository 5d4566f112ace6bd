"""Scan Parquet files: a dataset whose rows are read when they are asked for."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from smalti.dataset.source import Source
from smalti.errors import DataError, EmptySourceError, SchemaError, at
from smalti.schema.schema import Schema
from smalti.schema.unify import conform
from smalti.storage.location import Location
from smalti.storage.parquet_file import open_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    Place = str | os.PathLike[str] | Location

SUFFIX = ".parquet"


def scan(paths: Place | Iterable[Place]) -> tuple[Source, Schema]:
    """The source and the schema of Parquet files.

    Args:
        paths: A file, a folder of files, or several of them, as paths or fsspec URLs of one file system.

    Raises:
        EmptySourceError: There is no Parquet file.
        DataError: A file is no Parquet file, or a damaged one.
        SchemaError: The files' schemas differ, or there is no column ``id``.
    """
    from pyarrow import dataset as arrow_dataset

    one = isinstance(paths, (str, os.PathLike, Location))
    several: list[Any] = [paths] if one else list(paths)  # type: ignore[arg-type]  # narrowed by `one`
    files = [file for place in several for file in _files(Location.parse(place))]
    if not files:
        raise EmptySourceError(
            f"found no file *{SUFFIX} in {', '.join(map(str, several)) or 'no place at all'}"
        )
    schemas = [_schema(file) for file in files]
    for file, other in zip(files, schemas, strict=True):
        if not other.equals(schemas[0], check_metadata=True):
            raise SchemaError(
                f"{file.url} has another schema than {files[0].url}; read them with smalti.read, which unites them"
            )
    schema = Schema.from_arrow(schemas[0])
    if "id" not in schema.columns:
        raise SchemaError(
            f"{files[0].url}: a dataset needs a column 'id'; there are {', '.join(schema.columns)}"
        )
    local = files[0].is_local
    scanned = arrow_dataset.dataset(
        [file.local if local else file.path for file in files],
        format="parquet",
        schema=schemas[0].remove_metadata(),
        filesystem=None if local else files[0].fs,
    )
    return Source(files=scanned, fix=partial(conformed, schema=schema)), schema


def _files(place: Location) -> list[Location]:
    if place.isfile():
        return [place]
    return [place / name for name in place.find((SUFFIX,))]


def _schema(place: Location) -> pa.Schema:
    with place.open("rb") as file, at(file=place.url):
        try:
            return open_file(file).schema_arrow
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(f"no Parquet file, or a damaged one: {error}") from error


def conformed(batch: pa.RecordBatch, schema: Schema) -> pa.RecordBatch:
    """A batch with the schema's own words: engines write dictionaries in the order of use.

    Columns that it has not stay absent.
    """
    own = schema.with_columns({name: schema.columns[name] for name in batch.schema.names})
    table: Any = conform(pa.Table.from_batches([batch]), own, own)
    return table.combine_chunks().to_batches()[0] if len(batch) else batch
