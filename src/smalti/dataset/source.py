"""Where a dataset's batches come from: a table in memory, or Parquet files scanned part by part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow.compute as pc

    Step = Callable[[pa.RecordBatch], pa.RecordBatch]

SCAN_ROWS = 16_384  # rows of a batch of a scan


@dataclass(frozen=True, slots=True)
class Origin:
    """The version of a store that rows were read from.

    Attributes:
        url: The store.
        version: Its number.
        digest: The digest of all of it.
        rows: Its samples.
        nonce: What no other version has, not even one of a store that was made anew at the same place.
    """

    url: str
    version: int
    digest: str
    rows: int
    nonce: str


@dataclass(frozen=True, slots=True)
class Source:
    """Batches, from a table or from files.

    Attributes:
        table: The rows, when they are in memory.
        files: A `pyarrow.dataset.Dataset`, when they are scanned.
        columns: The columns that a scan reads; null: all.
        fix: What every batch of a scan needs, whichever of its columns are read.
        steps: What is done with each batch of a scan; like `fix` they can be sent to other processes.
        where: Which rows a scan reads: files and row groups without any are left out unread.
        origin: The version of a store that they are of; null for others.
    """

    table: pa.Table | None = None
    files: Any = None
    columns: tuple[str, ...] | None = None
    fix: Step | None = None
    steps: tuple[Step, ...] = ()
    where: pc.Expression | None = None
    origin: Origin | None = None

    @property
    def whole(self) -> bool:
        """Whether these are all rows and columns of a version of a store, as they are in its files."""
        untouched = not self.steps and self.where is None and self.columns is None
        return self.origin is not None and self.lazy and untouched

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
            filter=self.where,
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
        files = self.files.get_fragments(filter=self.where)
        groups = (group for file in files for group in file.split_by_row_group(self.where, self.files.schema))
        return [replace(self, files=group, origin=None) for group in groups]

    def apply(self, step: Step) -> Source:
        """The same rows with a step done to every batch: now for a table, later for files."""
        if self.table is None:
            return replace(self, steps=(*self.steps, step))
        batches = [step(batch) for batch in self.table.to_batches()] or [step(_empty(self.table.schema))]
        return self.holding(pa.Table.from_batches(batches, schema=batches[0].schema))

    def holding(self, table: pa.Table) -> Source:
        """Rows in memory that were made of these."""
        return Source(table=table, origin=self.origin)

    def filter(self, expression: pc.Expression, step: Step) -> Source:
        """The rows for which a condition holds: read with it where Arrow can, else kept by the step."""
        if self.table is not None or self.steps:
            return self.apply(step)
        where = expression if self.where is None else self.where & expression
        try:
            self.files.scanner(filter=where)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
            return self.apply(step)  # text functions of words, which lie in files as dictionaries
        return replace(self, where=where)

    def only(self, columns: list[str]) -> Source:
        """The same rows with fewer columns; files are not even read for the others."""
        if self.table is not None:
            return self.holding(self.table.select(columns))
        if self.steps:
            return self.apply(partial(_only, columns=columns))
        return replace(self, columns=tuple(columns))

    def rows(self) -> int:
        """The number of rows; a scan with steps has to run for it."""
        if self.table is not None:
            return self.table.num_rows
        if self.where is not None and not self.steps:
            counted = self.files.to_batches(columns=[], filter=self.where, batch_readahead=2)
            return sum(batch.num_rows for batch in counted)
        if not self.steps and self.origin is not None:
            return self.origin.rows
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
