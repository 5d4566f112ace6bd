"""update_from: take the edits of a table that was handed out, as one change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.dataset.dataset import Dataset
from smalti.edits.apply import Application
from smalti.edits.merge import Comparison, Conflict, Edit, Merge
from smalti.edits.side import Side, is_what_was_handed_out, side
from smalti.errors import ConflictError, DataError, OptionError, listed
from smalti.formats.spreadsheet.cells import open_book
from smalti.formats.spreadsheet.own.table import Table, read_table
from smalti.schema.unify import conform
from smalti.storage.location import Location
from smalti.store.store import Store

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from smalti.store.manifest import Manifest

SHOWN = 20  # lines of a kind


@dataclass(frozen=True, slots=True)
class Merged:
    """What a table changed.

    Attributes:
        edits: Cells that were changed.
        objects_added: How many objects are new.
        objects_removed: How many went.
        samples_added: Ids of new samples.
        samples_removed: Ids of samples that went.
        conflicts: What both sides changed; nothing is applied where there are any.
        ignored: Columns that somebody added to the table.
        dataset: The dataset with the changes; of a store the new version; null for a dry run and with conflicts.
        version: The version of the store; null for others.
    """

    edits: list[Edit]
    objects_added: int
    objects_removed: int
    samples_added: list[str]
    samples_removed: list[str]
    conflicts: list[Conflict]
    ignored: list[str]
    dataset: Dataset | None = None
    version: Manifest | None = None

    def __bool__(self) -> bool:
        return bool(
            self.edits
            or self.objects_added
            or self.objects_removed
            or self.samples_added
            or self.samples_removed
        )

    def __str__(self) -> str:
        counts = {
            "cells changed": len(self.edits),
            "objects added": self.objects_added,
            "objects removed": self.objects_removed,
            "samples added": len(self.samples_added),
            "samples removed": len(self.samples_removed),
        }
        lines = [", ".join(f"{count:,} {what}" for what, count in counts.items())]
        if self.version is not None:
            lines[0] += f": version {self.version.version}"
        lines += _first("  ", self.edits)
        lines += [f"  samples added: {listed(self.samples_added)}"] if self.samples_added else []
        lines += [f"  samples removed: {listed(self.samples_removed)}"] if self.samples_removed else []
        lines += [f"  columns left out: {listed(self.ignored)}"] if self.ignored else []
        if self.conflicts:
            lines += [f"{len(self.conflicts):,} conflicts:", *_first("  ", self.conflicts)]
        return "\n".join(lines)


def update_from(
    dataset: Dataset,
    table: str | os.PathLike[str],
    *,
    base: Dataset | None = None,
    dry_run: bool = False,
    message: str = "",
    author: str | None = None,
) -> Merged:
    """Take the edits of a table that `smalti.write` made of a dataset, and that somebody worked in.

    Rows are known by their keys: they may be sorted, filtered, moved and copied, columns moved and added. A cell, an
    object or a sample that only the table changed is changed; what both sides changed is a conflict, and then
    nothing is applied at all. A sample is removed with its last row.

    Args:
        dataset: What is there now. Of a store: the version it is of, and the changes become the next one.
        table: The workbook, or the file of separated values.
        base: What was handed out; null: the dataset, or the version of its store that the table names.
        dry_run: Find out what would change, and change nothing.
        message: What for, for the log of the store; null: the table's name.
        author: Who edited it, for the log.

    Raises:
        ConflictError: Both sides changed the same; the message lists what. Not with `dry_run`.
        DataError: A cell does not hold what its column holds, or the table is none that smalti wrote.
        OptionError: What was handed out cannot be found.
    """
    place = Location.parse(table)
    found = read_table(open_book(place), dataset.schema)
    if found is None:
        raise DataError(
            "the table has no keys: smalti did not write it", file=place.url, hint="read it with smalti.read"
        )
    if dataset.origin is not None:  # verbs may have changed it since; the changes are the store's
        dataset = Store(dataset.origin.url).read(dataset.origin.version)
    before, ids = _handed_out(dataset, found, base)
    now = side(dataset, found, ids)
    comparison = Comparison(found, before, now)
    merge = comparison.merge()
    application = Application(comparison, merge, dataset.schema)
    told = _told(comparison, merge, found)
    if merge.conflicts and not dry_run:
        lines = "\n".join(_first("  ", merge.conflicts))
        raise ConflictError(
            f"{place.url}: both sides changed {len(merge.conflicts):,} things, and nothing was applied:\n{lines}",
            {one.sample for one in merge.conflicts},
        )
    batch = application.batch()  # also for a dry run: faulty cells are found
    if dry_run:
        return told
    if dataset.origin is None:
        return _replaced(told, _in_memory(dataset, batch, application, merge))
    if not told:
        return _replaced(told, dataset)
    about = {"message": message or f"edits of {place.name}", "author": author, "lineage": _lineage(place)}
    return _committed(told, Store(dataset.origin.url), dataset, application, batch, about)


def _lineage(place: Location) -> dict[str, str]:
    return {"source": place.url, "source_format": "spreadsheet"}


def _committed(
    told: Merged,
    store: Store,
    dataset: Dataset,
    application: Application,
    batch: pa.RecordBatch,
    about: dict[str, Any],
) -> Merged:
    """The merge as the next version of a store."""
    made = store.write_batches(
        application.schema,
        [batch],
        mode="update",
        upsert=True,
        remove=told.samples_removed,
        base=store.base(dataset),
        **about,
    )
    return _replaced(told, store.read(made.version), made)


def _handed_out(dataset: Dataset, table: Table, base: Dataset | None) -> tuple[Side, pa.Array]:
    """What was handed out, as rows, and the ids of its samples and of those that the table names."""
    named = pc.unique(table.ids)
    for candidate in _candidates(dataset, table, base):
        ids = _ids(candidate, table, named)
        found = side(candidate, table, ids)
        if is_what_was_handed_out(table, found):
            return found, pc.unique(pa.concat_arrays([ids, named]))
    origin = table.about.origin
    which = (
        f"version {origin['version']} of {origin['store']}"
        if "version" in origin
        else f"digest {origin.get('digest')}"
    )
    raise OptionError(
        f"{table.file}: what was handed out ({which}) is not what this dataset is, nor a version of its store that is"
        " still there; pass it as base"
    )


def _candidates(dataset: Dataset, table: Table, base: Dataset | None) -> Iterator[Dataset]:
    if base is not None:
        yield base
        return
    if dataset.origin is not None:
        store = Store(dataset.origin.url)
        wanted = table.about.origin
        for one in reversed(store.versions()):
            if one.digest == wanted.get("digest") or one.version == wanted.get("version"):
                yield store.read(one.version)
    # Last: rows that others changed may be gone from the table, and those that are left look the same in both.
    yield dataset


def _ids(candidate: Dataset, table: Table, named: pa.Array) -> pa.Array:
    """The samples that were handed out: what the table says, else all of a dataset of that digest, else those named."""
    if table.about.samples is not None:
        return pa.array(table.about.samples, pa.string())
    if candidate.digest() == table.about.origin.get("digest"):
        return candidate.to_arrow().column("id").combine_chunks()
    return named


def _told(comparison: Comparison, merge: Merge, table: Table) -> Merged:
    new = dict.fromkeys(
        comparison.ids[row] for row in merge.added if comparison.ids[row] not in comparison.now.of_sample
    )
    held = comparison.held
    return Merged(
        edits=merge.edits,
        objects_added=int(np.count_nonzero(held[merge.added])) if merge.added else 0,
        objects_removed=len(merge.removed),
        samples_added=list(new),
        samples_removed=merge.samples_removed,
        conflicts=merge.conflicts,
        ignored=table.ignored,
    )


def _replaced(told: Merged, dataset: Dataset, version: Manifest | None = None) -> Merged:
    fields: dict[str, Any] = {name: getattr(told, name) for name in told.__slots__}
    return Merged(**{**fields, "dataset": dataset, "version": version})


def _in_memory(dataset: Dataset, batch: pa.RecordBatch, application: Application, merge: Merge) -> Dataset:
    """The dataset with changed samples in their places, new ones at the end, removed ones gone."""
    whole = conform(dataset.to_arrow(), dataset.schema, application.schema)
    changed = pa.Table.from_batches([batch], schema=application.schema.arrow)
    ids = whole.column("id").combine_chunks()
    places = pc.index_in(ids, batch.column("id")).fill_null(-1).to_numpy(zero_copy_only=False)
    order = np.where(places >= 0, len(whole) + places, np.arange(len(whole)))
    order = order[~pc.is_in(ids, pa.array(merge.samples_removed, pa.string())).to_numpy(zero_copy_only=False)]
    new = np.flatnonzero(~pc.is_in(batch.column("id"), ids).to_numpy(zero_copy_only=False)) + len(whole)
    table = pa.concat_tables([whole.select(changed.column_names), changed])
    return Dataset.from_arrow(
        table.combine_chunks().take(pa.array(np.concatenate([order, new]))), application.schema
    )


def _first(indent: str, items: list[Any]) -> list[str]:
    more = [f"{indent}and {len(items) - SHOWN:,} more"] if len(items) > SHOWN else []
    return [f"{indent}{one}" for one in items[:SHOWN]] + more
