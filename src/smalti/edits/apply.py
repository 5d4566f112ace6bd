"""Samples with the edits of a table in them: what nobody touched keeps its exact values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats.spreadsheet.own.decode import Decoder
from smalti.formats.spreadsheet.own.table import with_words
from smalti.schema.build import list_column
from smalti.schema.unify import fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from smalti.edits.merge import Comparison, Merge
    from smalti.formats.spreadsheet.own.columns import Column
    from smalti.schema.schema import Schema

Rows = list[tuple[int, int]]  # a row of what is there now, and one of the table; -1: none


class Application:
    """Makes the samples that a merge changes and adds.

    Attributes:
        schema: Of the samples: what is there now, with the classes that the table adds.
        samples: The ids of the samples that change, and of the new ones, in this order.
    """

    def __init__(self, comparison: Comparison, merge: Merge, schema: Schema) -> None:
        self._one = comparison
        self._merge = merge
        self._table, self._now = comparison.table, comparison.now
        self.schema = with_words(schema, self._table.labels, self._table.new_words)
        added = [comparison.ids[row] for row in merge.added]
        touched = [*(e.sample for e in merge.edits), *(sample for sample, _ in merge.removed), *added]
        self.samples = list(dict.fromkeys(touched))
        self._columns = [self._with_words(column) for column in self._table.columns]

    def batch(self) -> pa.RecordBatch:
        """The samples, with all columns.

        Raises:
            DataError: A cell that was edited does not hold what its column holds; it names the cell.
        """
        first, rows = self._sample_rows()
        decoder = self._decoder(first, self._one.of_samples)
        field = self._table.about.field
        at = pa.array([row if row >= 0 else None for row in rows], pa.int64())
        arrays = []
        for name, feature in self.schema.columns.items():
            there = fit(self._now.batch.column(name), feature.arrow) if len(self._now.batch) else None
            there = pa.nulls(0, feature.arrow) if there is None else there
            if name == "id":
                arrays.append(pa.array(self.samples, pa.string()))
            elif name == field:
                arrays.append(self._objects(there, at))
            else:
                leaf = decoder.leaf(name) if any(c.field == name for c in self._columns) else None
                edited = self._edited_rows(first, name)
                arrays.append(_chosen(there, at, leaf, edited))
        self._raise(decoder, first)
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema.arrow)

    def _with_words(self, column: Column) -> Column:
        """The column with the classes that there are now."""
        feature: Any = self.schema.columns.get(column.field.partition(".")[0])
        if column.words is None or feature is None:
            return column
        return replace(column, words=feature.categories.values)

    def _sample_rows(self) -> tuple[Rows, list[int]]:
        """For each sample the rows that speak for it, and its position in what is there now; -1: it is new."""
        first_of = {self._one.ids[row]: row for row in reversed(self._merge.added)}
        position = {sample: row for row, sample in enumerate(self._now.batch.column("id").to_pylist())}
        rows: Rows = []
        for sample in self.samples:
            theirs = self._now.of_sample.get(sample)
            rows.append((theirs[0], -1) if theirs else (-1, first_of[sample]))
        return rows, [position.get(sample, -1) for sample in self.samples]

    def _decoder(self, rows: Rows, columns: Sequence[Column]) -> Decoder:
        """The cells of some rows, edits in their places."""
        edited = self._edited()
        count = len(self._now.keys)
        cells: dict[str, pa.Array] = {}
        wanted = {column.header for column in columns}
        own = [column for column in self._columns if column.header in wanted]
        for column in own:
            if column.header not in self._table.cells:
                continue
            theirs = self._now.cells.get(column.header, pa.nulls(count, pa.string()))
            both = pa.concat_arrays([theirs, self._table.cells[column.header]])
            at = [edited.get((row, column.header), row if row >= 0 else count + new) for row, new in rows]
            cells[column.header] = both.take(pa.array(at, pa.int64()))
        return Decoder(self.schema, own, cells)

    def _edited(self) -> dict[tuple[int, str], int]:
        """Of each edited cell of what is there now the row of the table, counted behind all rows there."""
        count = len(self._now.keys)
        found = {}
        for edit in self._merge.edits:
            row = self._row(edit.sample, edit.number)
            if row is not None:
                found[row, edit.header] = count + edit.row
        return found

    def _row(self, sample: str, number: int | None) -> int | None:
        if number is not None:
            return self._one.twin((sample, number))
        rows = self._now.of_sample.get(sample)
        return rows[0] if rows else None

    def _edited_rows(self, rows: Rows, name: str) -> NDArray[np.bool_]:
        """Which rows take a leaf from the table: those where one of its cells was edited, and new ones."""
        headers = {column.header for column in self._columns if column.field == name}
        edited = {row for row, header in self._edited() if header in headers}
        return np.array([row < 0 or row in edited for row, _ in rows], bool)

    def _objects(self, there: pa.ListArray, at: pa.Array) -> pa.ListArray:
        """The objects of the samples: those there now, edited, without the removed ones, then the added ones."""
        rows, lengths = self._object_rows()
        field = self._table.about.field or ""
        feature = self.schema.objects(field)
        decoder = self._decoder(rows, self._one.of_objects)
        flat = there.flatten()
        places = self._now.objects.take(pa.array([row if row >= 0 else None for row, _ in rows], pa.int64()))
        leaves = []
        for name in feature.names:
            path = f"{field}.{name}"
            leaf = decoder.leaf(path) if any(c.field == path for c in self._columns) else None
            leaves.append(_chosen(flat.field(name), places, leaf, self._edited_rows(rows, path)))
        self._raise(decoder, rows)
        fields = list(feature.struct)
        struct = (
            pa.StructArray.from_arrays(leaves, fields=fields)
            if leaves
            else pa.array([{}] * len(rows), feature.struct)
        )
        blank = there.take(at).is_null().to_numpy(zero_copy_only=False) & (lengths == 0)
        return list_column(struct, lengths, blank)

    def _object_rows(self) -> tuple[Rows, NDArray[np.int64]]:
        gone = {self._one.twin(which) for which in self._merge.removed}
        held = self._one.held
        added: dict[str, Rows] = {}
        for row in self._merge.added:
            if held[row]:
                added.setdefault(self._one.ids[row], []).append((-1, row))
        rows: Rows = []
        lengths = []
        for sample in self.samples:
            theirs = [
                row
                for row in self._now.of_sample.get(sample, [])
                if isinstance(self._now.keys[row].number, int)
            ]
            own: Rows = [(row, -1) for row in theirs if row not in gone] + added.get(sample, [])
            rows += own
            lengths.append(len(own))
        return rows, np.array(lengths, np.int64)

    def _raise(self, decoder: Decoder, rows: Rows) -> None:
        """Raise the first faulty cell of the table."""
        edited = self._edited()
        count = len(self._now.keys)
        for wrong in decoder.wrong:
            row, new = rows[wrong.row]
            of_table = edited[row, wrong.header] - count if (row, wrong.header) in edited else new
            if of_table >= 0:
                raise self._table.error(replace(wrong, row=of_table))


def _chosen(there: pa.Array, at: pa.Array, leaf: pa.Array | None, edited: NDArray[np.bool_]) -> pa.Array:
    """Values of what is there now, and those of the table where it was edited.

    Args:
        there: The values there.
        at: For each row its place in them; null: it is new.
        leaf: The table's value for each row; null: the table does not have the leaf.
        edited: Which rows take the table's.
    """
    if leaf is None or not edited.any():
        return there.take(at)
    both = (
        pa.concat_arrays([there, leaf.cast(there.type)])
        if not pa.types.is_dictionary(there.type)
        else _words(there, leaf)
    )
    rows = np.where(
        edited, len(there) + np.arange(len(leaf)), pc.fill_null(at, -1).to_numpy(zero_copy_only=False)
    )
    return both.take(pa.array(rows, mask=rows < 0))


def _words(there: pa.DictionaryArray, leaf: pa.DictionaryArray) -> pa.DictionaryArray:
    """Both, with one dictionary: that of the class table, or the words of either."""
    if there.dictionary.equals(leaf.dictionary):
        codes = pa.concat_arrays([there.indices, leaf.indices.cast(there.indices.type)])
        return pa.DictionaryArray.from_arrays(codes, there.dictionary)
    chunks = pa.chunked_array([there.cast(pa.string()), leaf.cast(pa.string())])
    return chunks.combine_chunks().dictionary_encode().cast(there.type)
