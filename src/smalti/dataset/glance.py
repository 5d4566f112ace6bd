"""Some samples of a dataset, evenly over it, for a look: of files only what they lie in is read."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from smalti.dataset.build import to_samples
from smalti.storage.parquet_file import open_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smalti.dataset.source import Source
    from smalti.schema.sample import Sample
    from smalti.schema.schema import Schema

STEP = 64  # rows of a scan that are read at once


def some(source: Source, schema: Schema, count: int) -> list[Sample]:
    """At most so many samples, evenly over the rows; of a scan with conditions or changes the first ones."""
    if source.table is not None:
        table = source.table
        places = np.linspace(0, table.num_rows - 1, min(count, table.num_rows)).round().astype(int)
        pieces = [table.slice(int(place), 1) for place in places]
        return _samples(pa.concat_tables(pieces), schema) if pieces else []
    if not source.steps and source.where is None and hasattr(source.files, "get_fragments"):
        found: list[Sample] = []
        for file, groups in _spread(list(source.files.get_fragments()), count):
            found += _heads(source, schema, file, groups)
        return found[:count]
    batches = (batch.slice(0, count) for batch in source.batches(STEP))
    return list(islice((s for batch in batches for s in to_samples(batch, schema)), count))


def _samples(table: pa.Table, schema: Schema) -> list[Sample]:
    return [sample for batch in table.to_batches() for sample in to_samples(batch, schema)]


def _spread(files: list[Any], count: int) -> Iterator[tuple[Any, int]]:
    """Files evenly over all of them, and how many rows are wanted of each."""
    if not files:
        return
    chosen = np.linspace(0, len(files) - 1, count).astype(int)
    for place, wanted in zip(*np.unique(chosen, return_counts=True), strict=True):
        yield files[place], int(wanted)


def _heads(source: Source, schema: Schema, fragment: Any, wanted: int) -> list[Sample]:
    """The first rows of row groups, evenly over a file."""
    columns = list(schema.columns)
    found: list[Sample] = []
    with fragment.open() as raw:
        file = open_file(raw)
        sizes = [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)]
        groups = [index for index, size in enumerate(sizes) if size]
        for place, rows in _spread(groups, wanted):
            head = next(file.iter_batches(batch_size=rows, row_groups=[place], columns=columns), None)
            if head is not None:
                found += to_samples(source.fix(head) if source.fix else head, schema)
    return found
