"""The dataset that a table is: rows gathered to samples, cells decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats.spreadsheet.own import keys
from smalti.formats.spreadsheet.own.decode import Decoder, Wrong
from smalti.formats.spreadsheet.own.table import blank_rows
from smalti.schema.build import list_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from smalti.formats.spreadsheet.own.columns import Column
    from smalti.formats.spreadsheet.own.table import Table


EQUAL: Final = "make them equal"


@dataclass(frozen=True)
class Gathered:
    """Rows as samples.

    Attributes:
        batch: The samples, in the order in which the rows name them.
        wrong: Faulty cells.
    """

    batch: pa.RecordBatch
    wrong: list[Wrong]


def gather(table: Table) -> Gathered:
    """Make samples of all rows of a table; values of faulty cells are null."""
    field = table.about.field
    decoder = Decoder(table.schema, table.columns, table.cells)
    named = pc.dictionary_encode(table.ids)
    codes = named.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    first = order[np.searchsorted(codes[order], np.arange(len(named.dictionary)))]
    of_samples = [c for c in table.columns if not (field and c.field.startswith(f"{field}."))]
    first = _said_first(table, codes, first)
    decoder.wrong += _torn(table, of_samples, codes, first)
    arrays = []
    for name, feature in table.schema.columns.items():
        if name == "id":
            arrays.append(named.dictionary)
        elif name == field:
            arrays.append(_objects(table, decoder, order, codes, len(named.dictionary)))
        else:
            leaf = decoder.leaf(name)
            leaf = pa.nulls(len(table), feature.arrow) if leaf is None else leaf
            arrays.append(leaf.take(pa.array(first)))
    batch = pa.RecordBatch.from_arrays(arrays, schema=table.schema.arrow)
    return Gathered(batch, decoder.wrong)


def has_object(table: Table) -> NDArray[np.bool_]:
    """Which rows are objects: those that were, unless all their cells were cleared, and others with such cells."""
    field = table.about.field
    own = [column.header for column in table.columns if field and column.field.startswith(f"{field}.")]
    blank = blank_rows(table, own)
    held = np.array([key is not None and isinstance(key.number, int) for key in table.keys], bool)
    for row in np.flatnonzero(held & blank).tolist():
        held[row] = digest(table, row) == table.keys[row].digest
    return held | ~blank


def digest(table: Table, row: int) -> str:
    """A row's digest as its cells are now."""
    rows = len(table)
    cells = [
        table.cells.get(column.header, pa.nulls(rows, pa.string())).slice(row, 1) for column in table.columns
    ]
    return keys.digests(cells)[0]


def _objects(
    table: Table, decoder: Decoder, order: NDArray[np.int64], codes: NDArray[np.int32], count: int
) -> pa.Array:
    field = table.about.field or ""
    feature = table.schema.objects(field)
    held = has_object(table)
    rows = order[held[order]]
    leaves = []
    for name in feature.names:
        leaf = decoder.leaf(f"{field}.{name}")
        leaf = pa.nulls(len(table), feature.member_type(name)) if leaf is None else leaf
        leaves.append(leaf.take(pa.array(rows)))
    struct = (
        pa.StructArray.from_arrays(leaves, fields=list(feature.struct))
        if leaves
        else pa.array([{}] * len(rows), feature.struct)
    )
    lengths = np.bincount(codes[held], minlength=count)
    looked_at = np.zeros(count, bool)
    said = np.array([key is not None and key.number is not None for key in table.keys], bool)
    looked_at[codes[said | held]] = True
    return list_column(struct, lengths, ~looked_at)


def _said_first(table: Table, codes: NDArray[np.int32], first: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each sample the row that speaks for it: the first that was handed out, else its first."""
    found = first.copy()
    mine = np.flatnonzero([key is not None for key in table.keys])
    found[codes[mine[::-1]]] = mine[::-1]
    return found


def _torn(
    table: Table, columns: Sequence[Column], codes: NDArray[np.int32], first: NDArray[np.int64]
) -> list[Wrong]:
    """Cells that say something else of a sample than its first row."""
    found = []
    speaker = pa.array(first[codes])
    added = pa.array([key is None for key in table.keys], pa.bool_())
    for column in columns:
        cells = table.cells.get(column.header)
        if cells is None:
            continue
        theirs = cells.take(speaker)
        same = pc.equal(cells, theirs).fill_null(False)
        blank = pc.and_(cells.is_null(), pc.or_(theirs.is_null(), added))
        torn = pc.indices_nonzero(pc.invert(pc.or_(same, blank))).to_pylist()
        found += [
            Wrong(row, column.header, _both(table, column.header, row, int(first[codes[row]])), EQUAL)
            for row in torn
        ]
    return found


def _both(table: Table, header: str, row: int, other: int) -> str:
    cells = table.cells[header]
    return (
        f'found "{cells[row]}", and "{cells[other]}" at {table.position(other, header)} for the same sample;'
        " expected one value"
    )
