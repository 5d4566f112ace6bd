"""Batches with some columns and some members of objects; files are not read for the others.

Arrow's scanner reads an object field with all of its members. Parquet keeps each member by itself
(https://parquet.apache.org/docs/file-format/nestedencoding/), so those that are wanted can be read alone: counting
classes takes a tenth of the time when no polygon is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smalti.dataset.scan import conformed
from smalti.schema import features
from smalti.schema.project import project
from smalti.storage.parquet_file import leaf_paths, open_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from smalti.dataset.source import Source
    from smalti.schema.schema import Schema


def batches(source: Source, wanted: Schema, rows: int | None = None) -> Iterator[pa.RecordBatch]:
    """The rows with the columns and members of a projection.

    Args:
        source: Where the rows come from.
        wanted: A projection of their schema, as `Schema.project` gives it.
        rows: How many a batch has at the most; null: as many as come.
    """
    hollow = any(not wanted.objects(name).names for name in wanted.of_kind(features.Objects))
    untouched = source.lazy and not source.steps and source.where is None
    if untouched and not hollow and hasattr(source.files, "get_fragments"):
        for fragment in source.files.get_fragments():
            yield from _of_file(fragment, source, wanted, rows)
        return
    for batch in source.only(list(wanted.columns)).batches(rows):
        yield project(batch, wanted)


def _of_file(fragment: Any, source: Source, wanted: Schema, rows: int | None) -> Iterator[pa.RecordBatch]:
    paths = leaf_paths(wanted.arrow)
    with fragment.open() as raw:
        file = open_file(raw)
        known = {file.schema.column(index).path for index in range(len(file.schema))}
        if known.issuperset(paths):
            for group in range(file.num_row_groups):
                for batch in file.read_row_group(group, columns=paths).to_batches(max_chunksize=rows):
                    yield project(conformed(batch, wanted), wanted)
            return
    # Another engine wrote it, and calls the elements of lists by another name.
    columns = list(wanted.columns)
    for batch in fragment.to_batches(schema=source.files.schema, columns=columns):
        yield project(source.fix(batch) if source.fix else batch, wanted)
