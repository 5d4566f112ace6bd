"""Where a dataset's batches come from: a table in memory, or Parquet files scanned part by part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Step = Callable[[pa.RecordBatch], pa.RecordBatch]

SCAN_ROWS = 16_384  # rows of a batch of a scan


@dataclass(frozen=True, slots=True)
class Source:
    """Batches, from a table or from files.

    Attributes:
        table: The rows, when they are in memory.
        files: A `pyarrow.dataset.Dataset`, when they are scanned.
        columns: The columns that a scan reads; null: all.
        fix: What every batch of a scan needs, whichever of its columns are read.
        steps: What is done with each batch of a scan; like `fix` they can be sent to other processes.
    """

    table: pa.Table | None = None
    files: Any = None
    columns: tuple[str, ...] | None = None
    fix: Step | None = None
    steps: tuple[Step, ...] = ()

    @property
    def lazy(self) -> bool:
        """Whether rows are read only when they are asked for."""
        return self.table is None

    def batches(self, rows: int | None = None) -> Iterator[pa.RecordBatch]:
        """The rows, in batches of at most so many."""
        if self.table is not None:
            yield from self.table.to_batches(max_chunksize=rows)
            return
        scan = self.files.to_batches(
            columns=None if self.columns is None else list(self.columns),
            batch_size=SCAN_ROWS if rows is None else rows,
            # Batches wait for whoever takes them: few at a time keep memory flat.
            batch_readahead=2,
            fragment_readahead=1,
        )
        for scanned in scan:
            batch = self.fix(scanned) if self.fix else scanned
            for step in self.steps:
                batch = step(batch)
            if len(batch):
                yield batch

    def parts(self, rows: int) -> list[Source]:
        """The same rows in pieces that can be read by themselves: row groups of files, or so many of a table."""
        if self.table is not None:
            starts = range(0, self.table.num_rows, rows)
            return [Source(table=self.table.slice(start, rows)) for start in starts]
        groups = (group for file in self.files.get_fragments() for group in file.split_by_row_group())
        return [replace(self, files=group) for group in groups]

    def apply(self, step: Step) -> Source:
        """The same rows with a step done to every batch: now for a table, later for files."""
        if self.table is None:
            return replace(self, steps=(*self.steps, step))
        batches = [step(batch) for batch in self.table.to_batches()] or [step(_empty(self.table.schema))]
        return Source(table=pa.Table.from_batches(batches, schema=batches[0].schema))

    def only(self, columns: list[str]) -> Source:
        """The same rows with fewer columns; files are not even read for the others."""
        if self.table is not None:
            return Source(table=self.table.select(columns))
        if self.steps:
            return self.apply(partial(_only, columns=columns))
        return replace(self, columns=tuple(columns))

    def rows(self) -> int:
        """The number of rows; a scan with steps has to run for it."""
        if self.table is not None:
            return self.table.num_rows
        if not self.steps:
            # Arrow counts the whole file for a piece of it that is some of its row groups.
            groups = getattr(self.files, "row_groups", None)
            return sum(group.num_rows for group in groups) if groups else self.files.count_rows()
        return sum(len(batch) for batch in self.batches())

    def read(self, schema: pa.Schema) -> pa.Table:
        """All rows in memory."""
        if self.table is not None:
            return self.table
        return pa.Table.from_batches(self.batches(), schema=schema)


def _only(batch: pa.RecordBatch, columns: list[str]) -> pa.RecordBatch:
    return batch.select(columns)


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)
