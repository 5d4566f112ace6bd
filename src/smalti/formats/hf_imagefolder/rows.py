"""Tables of metadata as rows of plain values: JSON lines, CSV, Parquet.

https://huggingface.co/docs/datasets/image_dataset#imagefolder
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import csv
from pyarrow import parquet as pq

from smalti.errors import DataError, SchemaError, at
from smalti.formats import json_files
from smalti.formats.free_columns import PLAIN, Kinds
from smalti.schema import features
from smalti.schema.types import canonical, type_to_json
from smalti.storage.location import BOM

if TYPE_CHECKING:
    from smalti.storage.location import Location

    Row = dict[str, Any]
    Typed = dict[str, features.Value | features.Json]


def rows_of(place: Location) -> tuple[list[tuple[int, Row | DataError]], Typed | None]:
    """The rows of a file with their numbers, and the types of columns where the file knows them.

    Raises:
        DataError: The file is broken as a whole.
    """
    with at(file=place.url):
        if place.suffix == ".jsonl":
            return _json_rows(place.read_bytes()), None
        table = (
            _csv_table(place.read_bytes()) if place.suffix == ".csv" else _parquet_table(place.read_bytes())
        )
        typed: Typed = {}
        for field in table.schema:
            kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
            typed[field.name] = features.Value(type=_known(kind, field.name))
        first = 2 if place.suffix == ".csv" else 1
        return list(enumerate(table.to_pylist(), first)), typed


def _known(kind: pa.DataType, name: str) -> pa.DataType:
    try:
        type_to_json(canonical(kind))
    except SchemaError as error:
        raise DataError(f"column {name!r}: {error}") from error
    return canonical(kind)


def _json_rows(body: bytes) -> list[tuple[int, Row | DataError]]:
    found: list[tuple[int, Row | DataError]] = []
    for number, line in enumerate(body.removeprefix(BOM).split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            found.append((number, json_files.parse(line, dict)))
        except DataError as error:
            found.append((number, error))
    return found


def _csv_table(body: bytes) -> pa.Table:
    """The cells as `pandas` would take them for: numbers and flags where all of a column are."""
    reading = csv.ReadOptions(block_size=max(1 << 20, len(body) + 1))
    parsing = csv.ParseOptions(newlines_in_values=True)
    options: dict[str, Any] = {"strings_can_be_null": True, "null_values": [""]}
    try:
        table = csv.read_csv(io.BytesIO(body), reading, parsing, csv.ConvertOptions(**options))
        odd = {f.name: pa.string() for f in table.schema if not any(is_(f.type) for is_ in PLAIN)}
        odd |= {"file_name": pa.string()}
        return csv.read_csv(
            io.BytesIO(body), reading, parsing, csv.ConvertOptions(column_types=odd, **options)
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeDecodeError) as error:
        raise DataError(f"no CSV: {error}") from error


def _parquet_table(body: bytes) -> pa.Table:
    try:
        return pq.read_table(io.BytesIO(body))
    except (OSError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"no Parquet file, or a damaged one: {error}") from error


def typed(rows: list[Row]) -> Typed:
    """The types of the columns of rows that only say their values."""
    kinds = Kinds()
    for row in rows:
        kinds.add(row)
    return kinds.features()
