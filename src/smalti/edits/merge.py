"""The three-way comparison: which cells, objects and samples the table changes, and where others changed them too."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from smalti.edits.side import Place, contents_of, differs, place, twins
from smalti.errors import DataError
from smalti.formats.spreadsheet.own.dataset import digest, has_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from smalti.edits.side import Side
    from smalti.formats.spreadsheet.own.columns import Column
    from smalti.formats.spreadsheet.own.table import Table


@dataclass(frozen=True, slots=True)
class Edit:
    """A cell that was changed in the table.

    Attributes:
        sample: The sample's id.
        number: The object's number in it as it was handed out; null: the cell is about the sample.
        header: The column.
        before: What was handed out; null: blank.
        after: What came back.
        row: The row of the table.
    """

    sample: str
    number: int | None
    header: str
    before: str | None
    after: str | None
    row: int

    def __str__(self) -> str:
        which = self.sample if self.number is None else f"{self.sample}, object {self.number}"
        return f"{which}: {self.header}: {_shown(self.before)} to {_shown(self.after)}"


@dataclass(frozen=True, slots=True)
class Conflict:
    """What both sides changed.

    Attributes:
        sample: The sample's id.
        position: Where it stands in the table; empty for what was deleted there.
        reason: What both did.
    """

    sample: str
    position: str
    reason: str

    def __str__(self) -> str:
        where = f" ({self.position})" if self.position else ""
        return f"{self.sample}{where}: {self.reason}"


@dataclass(slots=True)
class Merge:
    """What a table changes.

    Attributes:
        edits: Changed cells.
        added: Rows of new objects, and of new samples.
        removed: Objects whose rows are gone or cleared, as sample and number.
        samples_removed: Samples of which all rows are gone.
        conflicts: What both sides changed; nothing is applied while there are any.
    """

    edits: list[Edit] = field(default_factory=list)
    added: list[int] = field(default_factory=list)
    removed: list[Place] = field(default_factory=list)
    samples_removed: list[str] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.edits or self.added or self.removed or self.samples_removed)


class Comparison:
    """Compares a table with what was handed out, and that with what is there now.

    Attributes:
        table: What came back.
        base: What was handed out.
        now: What is there.
        claims: int64 ``(rows,)``: the base's row of each row of the table; -1: it was added.
        ids: Each row's sample.
        held: bool ``(rows,)``: which rows of the table are objects.
    """

    def __init__(self, table: Table, base: Side, now: Side) -> None:
        self.table, self.base, self.now = table, base, now
        self.claims = _claims(table, base)
        self.ids = self._ids()
        own = f"{table.about.field}." if table.about.field else None
        self.of_objects = [c for c in table.columns if own and c.field.startswith(own)]
        self.of_samples = [c for c in table.columns if c not in self.of_objects]
        ids = [c.header for c in self.of_objects if c.field == f"{table.about.field}.id"]
        self._headers = [column.header for column in self.of_objects]
        self._twins = twins(now, base, self._headers, ids[0] if ids else None)
        self.held = has_object(table) if table.about.field else np.zeros(len(table), bool)

    def twin(self, which: Place) -> int | None:
        """The row of what is there now of an object that was handed out; null where it is gone."""
        return self._twins.get(which)

    def merge(self) -> Merge:
        """Everything that the table changes.

        Raises:
            DataError: An id was changed.
        """
        found = Merge()
        for edit in self._object_edits():
            self._three_way(found, edit)
        for edit in self._sample_edits(found):
            self._three_way(found, edit)
        self._removals(found)
        self._additions(found)
        return found

    def _ids(self) -> list[str]:
        """Each row's sample; a copied row is of the sample that its cell names."""
        found: list[str] = self.table.ids.to_pylist()
        named = self.table.texts("id")
        for row in np.flatnonzero(self.claims < 0).tolist():
            found[row] = named[row] or found[row]
        return found

    def _changed(self, column: Column, rows: NDArray[np.int64]) -> Iterator[Edit]:
        """The cells of a column that are not as they were handed out."""
        if column.header not in self.table.cells or column.header not in self.base.cells or not len(rows):
            return
        after = self.table.cells[column.header].take(pa.array(rows))
        before = self.base.cells[column.header].take(pa.array(self.claims[rows]))
        of_object = column in self.of_objects
        for at in np.flatnonzero(differs(after, before, column.kind)).tolist():
            row = int(rows[at])
            sample, number = place(self.base.keys[self.claims[row]])
            yield Edit(
                sample,
                number if of_object else None,
                column.header,
                before[at].as_py(),
                after[at].as_py(),
                row,
            )

    def _object_edits(self) -> Iterator[Edit]:
        were = np.array([isinstance(key.number, int) for key in self.base.keys] + [False], bool)
        rows = np.flatnonzero(self.held & (self.claims >= 0) & were[self.claims])
        for column in self.of_objects:
            yield from self._changed(column, rows)

    def _sample_edits(self, found: Merge) -> Iterator[Edit]:
        """Changed cells about samples, each sample's once: its rows have to agree."""
        rows = np.flatnonzero(self.claims >= 0)
        for column in self.of_samples:
            met: dict[str, Edit] = {}
            for edit in self._changed(column, rows):
                if column.field == "id":
                    raise DataError(
                        f'found the id "{edit.after}", expected "{edit.before}": a table cannot rename samples',
                        file=self.table.file,
                        position=self.table.position(edit.row, column.header),
                        hint="restore it; for a new sample clear the key of its rows",
                    )
                first = met.setdefault(edit.sample, edit)
                if first.after != edit.after:
                    reason = f"{column.header} is {_shown(first.after)} in one row and {_shown(edit.after)} in another"
                    self._conflict(found, edit, reason)
            yield from met.values()

    def _three_way(self, found: Merge, edit: Edit) -> None:
        """An edit is applied where nobody else changed the cell, or changed it to the same."""
        if edit.number is None:
            rows = self.now.of_sample.get(edit.sample, [])
            row = rows[0] if rows else None
        elif (edit.sample, edit.number) not in self._twins:
            self._conflict(
                found, edit, "its objects are others now, and without ids none can be told from another"
            )
            return
        else:
            row = self._twins[edit.sample, edit.number]
        if row is None:
            self._conflict(found, edit, f"{edit.header} was edited, and others removed it meanwhile")
            return
        cells = self.now.cells.get(edit.header)
        if cells is None:
            self._conflict(found, edit, f"there is no {edit.header} any more")
            return
        there = cells[row].as_py()
        kind = next(c.kind for c in self.table.columns if c.header == edit.header)
        if not _same(there, edit.before, kind) and not _same(there, edit.after, kind):
            self._conflict(
                found,
                edit,
                f"{edit.header} was {_shown(edit.before)}, is {_shown(edit.after)} here and {_shown(there)} there",
            )
        elif not _same(there, edit.after, kind):
            found.edits.append(edit)

    def _conflict(self, found: Merge, edit: Edit, reason: str) -> None:
        found.conflicts.append(Conflict(edit.sample, self.table.position(edit.row, edit.header), reason))

    def _removals(self, found: Merge) -> None:
        """Objects and samples that were handed out and did not come back."""
        kept = {
            place(self.base.keys[claim]) for claim in self.claims[self.held & (self.claims >= 0)].tolist()
        }
        seen = set(self.ids)
        for sample, rows in self.base.of_sample.items():
            if sample not in seen:
                self._remove_sample(found, sample, rows)
                continue
            for row in rows:
                which = place(self.base.keys[row])
                if which[1] is not None and which not in kept:
                    self._remove_object(found, which, row)

    def _remove_sample(self, found: Merge, sample: str, rows: list[int]) -> None:
        theirs = self.now.of_sample.get(sample)
        if theirs is None:
            return
        if [self.base.keys[row].digest for row in rows] == [self.now.keys[row].digest for row in theirs]:
            found.samples_removed.append(sample)
        else:
            found.conflicts.append(
                Conflict(sample, "", "all of its rows are removed, and others changed it meanwhile")
            )

    def _remove_object(self, found: Merge, which: Place, row: int) -> None:
        if which not in self._twins:
            reason = f"object {which[1]} is removed, and without ids it cannot be told which that is now"
            found.conflicts.append(Conflict(which[0], "", reason))
            return
        theirs = self._twins[which]
        if theirs is None:
            return
        for column in self.of_objects:
            if column.header in self.base.cells and column.header in self.now.cells:
                was, there = (
                    self.base.cells[column.header][row].as_py(),
                    self.now.cells[column.header][theirs].as_py(),
                )
                if not _same(was, there, column.kind):
                    reason = f"object {which[1]} is removed, and others changed its {column.header} meanwhile"
                    found.conflicts.append(Conflict(which[0], "", reason))
                    return
        found.removed.append(which)

    def _additions(self, found: Merge) -> None:
        """Rows without a key, copied rows, and objects written into the row of a sample that had none."""
        there = self._new_there()
        contents = contents_of(self.table, self._headers)
        for row, claim in enumerate(self.claims.tolist()):
            sample = self.ids[row]
            was_object = claim >= 0 and isinstance(self.base.keys[claim].number, int)
            known = sample in self.base.of_sample
            if was_object or (known and not self.held[row]):
                continue
            if there[sample, contents[row]]:  # the same table was merged before
                there[sample, contents[row]] -= 1
                continue
            if known and sample not in self.now.of_sample:
                reason = "an object is added, and others removed the sample meanwhile"
            elif not known and sample in self.now.of_sample:
                reason = "the sample is added, and is there meanwhile"
            elif claim < 0 and known and (text := self._other(row, sample)):
                reason = text
            else:
                found.added.append(row)
                continue
            found.conflicts.append(Conflict(sample, self.table.position(row), reason))

    def _new_there(self) -> Counter[tuple[str, str]]:
        """The objects that came since the table was handed out, by sample and content."""
        counts = [
            Counter(
                (key.sample, text)
                for key, text in zip(one.keys, contents_of(one, self._headers), strict=True)
            )
            for one in (self.now, self.base)
        ]
        return counts[0] - counts[1]

    def _other(self, row: int, sample: str) -> str:
        """What an added row says of its sample that is not so."""
        first = self.base.of_sample[sample][0]
        for column in self.of_samples:
            if column.header in self.table.cells and column.header in self.base.cells:
                said, was = (
                    self.table.cells[column.header][row].as_py(),
                    self.base.cells[column.header][first].as_py(),
                )
                if said is not None and not _same(said, was, column.kind):
                    return (
                        f"the added row says {column.header} {_shown(said)}, and its sample has {_shown(was)}"
                    )
        return ""


def _claims(table: Table, base: Side) -> NDArray[np.int64]:
    """The base's row of each row of the table. Of copied rows one is the original: that which nobody edited."""
    claimed: dict[int, int] = {}
    found = np.full(len(table), -1)
    for row, key in enumerate(table.keys):
        if key is None:
            continue
        claim = base.rows.get(place(key))
        if claim is None:
            continue
        other = claimed.get(claim)
        if other is not None:
            if digest(table, other) == key.digest or digest(table, row) != key.digest:
                continue
            found[other] = -1
        claimed[claim] = row
        found[row] = claim
    return found


def _same(one: str | None, other: str | None, kind: str) -> bool:
    ours, theirs = (pa.array([text], pa.string()) for text in (one, other))
    return not differs(ours, theirs, kind)[0]


def _shown(text: str | None) -> str:
    return "blank" if text is None else f'"{text}"' if len(text) <= 40 else f'"{text[:40]}…"'
