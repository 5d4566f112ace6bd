"""One side of a merge: a dataset as the rows of a table, found by sample and object."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats.spreadsheet.own.decode import truth
from smalti.formats.spreadsheet.own.encode import encode
from smalti.formats.spreadsheet.own.keys import Key, digests
from smalti.schema.project import project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from smalti.dataset.dataset import Dataset
    from smalti.formats.spreadsheet.own.columns import Column
    from smalti.formats.spreadsheet.own.table import Table

Place = tuple[
    str, "int | None"
]  # a sample's id and an object's number in it; null: its row without an object


@dataclass(frozen=True)
class Side:
    """Some samples of a dataset, as rows.

    Attributes:
        batch: The samples, with all of their columns.
        keys: Of the rows.
        cells: string arrays by header.
        objects: int64 ``(rows,)``, null where there is none: the row's object among all of the batch.
    """

    batch: pa.RecordBatch
    keys: list[Key]
    cells: dict[str, pa.Array]
    objects: pa.Array

    @cached_property
    def rows(self) -> dict[Place, int]:
        """The row of every object, and of every sample without objects."""
        return {place(key): row for row, key in enumerate(self.keys)}

    @cached_property
    def of_sample(self) -> dict[str, list[int]]:
        """The rows of every sample."""
        found: dict[str, list[int]] = {}
        for row, key in enumerate(self.keys):
            found.setdefault(key.sample, []).append(row)
        return found


def place(key: Key) -> Place:
    """Which object a key names."""
    return key.sample, key.number if isinstance(key.number, int) else None


def side(dataset: Dataset, table: Table, ids: pa.Array | None) -> Side:
    """A dataset's samples as the rows that a table would have of them.

    Args:
        dataset: The dataset.
        table: The table that came back.
        ids: The samples; null: all.
    """
    whole = dataset.to_arrow()
    if ids is not None:
        whole = whole.filter(pc.is_in(whole.column("id"), ids))
    batches = whole.combine_chunks().to_batches()
    batch = batches[0] if batches else pa.RecordBatch.from_pylist([], schema=whole.schema)
    known = dataset.schema.project([*table.schema.fields(), *table.schema.columns])
    columns = [column for column in table.columns if _has(known.fields(), column)]
    field = table.about.field
    rows = encode(project(batch, known), columns, field if field in known.columns else None)
    decoder = msgspec.json.Decoder(Key)
    keys = [decoder.decode(key) for key in rows.keys.to_pylist()]
    cells = {column.header: array for column, array in zip(columns, rows.cells, strict=True)}
    return Side(batch, keys, cells, rows.objects)


def _has(fields: Sequence[str], column: Column) -> bool:
    return column.field in fields


def is_what_was_handed_out(table: Table, base: Side) -> bool:
    """Whether every row that came back was handed out by that side, as the digests of its cells say."""
    for key in table.keys:
        if key is not None:
            row = base.rows.get(place(key))
            if row is None or base.keys[row].digest != key.digest:
                return False
    return True


def twins(now: Side, base: Side, headers: list[str], id_header: str | None) -> dict[Place, int | None]:
    """For every row of the base the row of the same object now; null where it is gone, absent where it cannot be told.

    Objects are the same by their ids, where a sample's objects have them and no two the same; else where all of
    their cells are the same.

    Args:
        now: What is there now.
        base: What was handed out.
        headers: The columns of objects.
        id_header: That of their ids; null: they have none.
    """
    found: dict[Place, int | None] = {}
    contents = [contents_of(one, headers) for one in (base, now)]
    for sample, rows in base.of_sample.items():
        theirs = now.of_sample.get(sample, [])
        names = [_names(one, lines, id_header) for one, lines in ((base, rows), (now, theirs))]
        if names[0] is not None and names[1] is not None:
            by_name = dict(zip(names[1], theirs, strict=True))
            found |= {
                place(base.keys[row]): by_name.get(name) for name, row in zip(names[0], rows, strict=True)
            }
            continue
        left: dict[str, list[int]] = {}
        for row in theirs:
            left.setdefault(contents[1][row], []).append(row)
        for row in rows:
            same = left.get(contents[0][row])
            if same or not theirs:
                found[place(base.keys[row])] = same.pop(0) if same else None
    return found


def contents_of(one: Side | Table, headers: list[str]) -> list[str]:
    """What the cells of some columns hold, one text a row."""
    rows = len(one.keys)
    return (
        digests([one.cells.get(header, pa.nulls(rows, pa.string())) for header in headers])
        if headers
        else [""] * rows
    )


def _names(one: Side, rows: list[int], id_header: str | None) -> list[str] | None:
    """The ids of a sample's objects, where all have one and no two the same."""
    if id_header is None or id_header not in one.cells:
        return None
    names = [one.cells[id_header][row].as_py() for row in rows]
    unique = all(names) and max(Counter(names).values(), default=0) == 1
    return names if unique and one.objects.take(pa.array(rows, pa.int64())).null_count == 0 else None


def differs(ours: pa.Array, theirs: pa.Array, kind: str) -> NDArray[np.bool_]:
    """Which cells say something else: bool ``(n,)``.

    Spreadsheets keep fifteen digits of a number, and their own line ends: that is no edit.
    """
    if kind == "text":
        ours, theirs = (pc.replace_substring_regex(cells, r"\r\n?", "\n") for cells in (ours, theirs))
    same = pc.equal(ours, theirs)
    blank = pc.and_(ours.is_null(), theirs.is_null())
    found: NDArray[np.bool_] = ~pc.or_(same.fill_null(False), blank).to_numpy(zero_copy_only=False)
    alike = _alike_flags if kind == "flag" else _alike
    if kind in {"number", "integer", "flag"}:
        for row in np.flatnonzero(found).tolist():
            found[row] = not alike(ours[row].as_py(), theirs[row].as_py())
    return found


def _alike(one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return False
    try:
        return bool(np.isclose(float(one), float(other), rtol=1e-13, atol=0.0, equal_nan=True))
    except ValueError:
        return one.strip().casefold() == other.strip().casefold()


def _alike_flags(one: str | None, other: str | None) -> bool:
    """Whether two texts say the same truth: ODS has 0 and 1 for it."""
    told = [truth("" if text is None else text) for text in (one, other)]
    return told[0] is not None and told[0] == told[1]
