"""How Parquet files are written here, whoever writes them.

Row groups of ten thousand samples, zstd, checksums on pages, byte streams split for coordinates
(https://parquet.apache.org/docs/file-format/data-pages/encodings/#BYTESTREAMSPLIT).
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow.parquet as pq  # when it is used: it takes a tenth of the time that starting a command takes

ROW_GROUP = 10_000  # samples


def writer(sink: IO[bytes], schema: pa.Schema) -> pq.ParquetWriter:
    """A writer with the house's settings."""
    import pyarrow.parquet as pq

    leaves = list(_leaves(schema))
    split = {path: "BYTE_STREAM_SPLIT" for path, kind in leaves if pa.types.is_floating(kind)}
    return pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        column_encoding=split or None,
        # Coordinates hardly repeat; words, ids and paths do.
        use_dictionary=[path for path, _ in leaves if path not in split],
        write_page_checksum=True,
        write_page_index=True,
        store_schema=True,
    )


def _leaves(schema: pa.Schema) -> Iterator[tuple[str, pa.DataType]]:
    for field in schema:
        yield from _below(field.name, field.type)


def _below(path: str, kind: pa.DataType) -> Iterator[tuple[str, pa.DataType]]:
    if pa.types.is_struct(kind):
        for field in kind:
            yield from _below(f"{path}.{field.name}", field.type)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from _below(f"{path}.list.element", kind.value_type)
    elif pa.types.is_dictionary(kind):
        yield path, kind.value_type
    else:
        yield path, kind


def write_batches(sink: IO[bytes], schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """Write batches to one file, gathered into row groups; gives the number of rows."""
    rows = 0
    with writer(sink, schema) as file:
        for group in gathered(batches):
            file.write_table(pa.Table.from_batches(group, schema=schema), row_group_size=ROW_GROUP)
            rows += sum(len(batch) for batch in group)
    return rows


def gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Batches in groups of as many rows as a row group has; the last may have fewer."""
    group: list[pa.RecordBatch] = []
    held = 0
    for whole in batches:
        rest = whole
        while held + len(rest) >= ROW_GROUP:
            cut = ROW_GROUP - held
            yield [*group, rest.slice(0, cut)]
            rest, group, held = rest.slice(cut), [], 0
        if len(rest):
            group.append(rest)
            held += len(rest)
    if group:
        yield group


def leaf_paths(schema: pa.Schema) -> list[str]:
    """The paths of a schema's leaves, as Parquet names them: for reading some of them."""
    return [path for path, _ in _leaves(schema)]


def open_file(file: Any) -> pq.ParquetFile:
    """A reader over an open binary file; checksums are verified."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(file, page_checksum_verification=True)
