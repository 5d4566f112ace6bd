"""What differs between two versions: samples, then their fields, then the objects in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.dataset.digest import row_hashes
from smalti.schema import features
from smalti.schema.schema import Schema
from smalti.schema.unify import conform, united
from smalti.store.files import read_table
from smalti.store.touched import between, binary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalti.store.history import History, Snapshot
    from smalti.store.manifest import DataFile

CONTENT = "content"
SHOWN = 8  # ids in the text before the rest is counted


@dataclass(frozen=True, slots=True)
class ObjectDiff:
    """What happened to the objects of one field in the samples that changed.

    Objects are told apart by their ids where all have one; without ids an object that changed counts as one
    removed and one added.

    Attributes:
        added: Objects that only the later version has.
        changed: Objects whose content differs.
        removed: Objects that only the earlier version has.
        members: How many objects differ in which member.
    """

    added: int = 0
    changed: int = 0
    removed: int = 0
    members: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Diff:
    """What differs between two versions.

    Attributes:
        before: The number of the earlier version.
        after: The number of the later one.
        added: Ids of samples that only the later has, sorted.
        changed: Ids of samples whose content differs, sorted.
        removed: Ids of samples that only the earlier has, sorted.
        fields: In how many of the changed samples a column differs.
        objects: The objects of each object field, in the changed samples.
        schema: What differs in columns and class tables, a line each.
    """

    before: int
    after: int
    added: list[str]
    changed: list[str]
    removed: list[str]
    fields: dict[str, int]
    objects: dict[str, ObjectDiff]
    schema: list[str]

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.added or self.changed or self.removed or self.schema)

    def __str__(self) -> str:
        lines = [f"version {self.before} to {self.after}", *(f"  {line}" for line in self.schema)]
        for what in ("added", "changed", "removed"):
            ids: list[str] = getattr(self, what)
            more = f" and {len(ids) - SHOWN:,} more" if len(ids) > SHOWN else ""
            lines.append(f"  {len(ids):,} samples {what}{': ' if ids else ''}{', '.join(ids[:SHOWN])}{more}")
        for name, count in self.fields.items():
            told = self.objects.get(name)
            detail = ""
            if told:
                members = "".join(f", {member} of {n:,}" for member, n in told.members.items())
                detail = f": {told.added:,} objects added, {told.changed:,} changed, {told.removed:,} removed{members}"
            lines.append(f"  {name} differs in {count:,} samples{detail}")
        return "\n".join(lines)


def diff(history: History, before: Snapshot, after: Snapshot) -> Diff:
    """Compare two versions; only files that one of them alone has are read."""
    told = between(history, before.files, after.files)
    schema = united([before.schema, after.schema])
    old = _rows(history, before, after.files, told.changed, schema)
    new = _rows(history, after, before.files, told.changed, schema)
    fields, objects = {}, {}
    for name, feature in schema.columns.items():
        differ = _hashes(old, name, schema) != _hashes(new, name, schema)
        if not differ.any():
            continue
        fields[name] = int(differ.sum())
        if isinstance(feature, features.Objects):
            rows = pa.array(differ)
            objects[name] = _objects(old.filter(rows), new.filter(rows), name, feature)
    return Diff(
        before=before.number,
        after=after.number,
        added=sorted(told.added.to_pylist()),
        changed=sorted(told.changed.to_pylist()),
        removed=sorted(told.removed.to_pylist()),
        fields=fields,
        objects=objects,
        schema=_schema_lines(before.manifest.schema, after.manifest.schema),
    )


def _rows(
    history: History, snapshot: Snapshot, others: Sequence[DataFile], ids: pa.Array, schema: Schema
) -> pa.RecordBatch:
    """The samples with those ids, by ascending id."""
    known = {file.path for file in others}
    tables = []
    for file in snapshot.files:
        if file.path not in known and pc.any(pc.is_in(history.ids(file), ids)).as_py():
            table = read_table(history.root, file)
            own = snapshot.schema.with_columns({n: snapshot.schema.columns[n] for n in table.column_names})
            tables.append(conform(table.filter(pc.is_in(table.column("id"), ids)), own, schema))
    whole: pa.Table = pa.concat_tables(tables) if tables else schema.arrow.empty_table()
    batches = whole.sort_by("id").combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=schema.arrow)


def _hashes(rows: pa.RecordBatch, name: str, schema: Schema) -> np.ndarray:
    return row_hashes(rows.select([name]), schema)


def _objects(old: pa.RecordBatch, new: pa.RecordBatch, name: str, feature: features.Objects) -> ObjectDiff:
    before, after = (_flat(rows, name, feature) for rows in (old, new))
    keys = ["sample", "id"]
    if any(table.column("id").null_count or _twice(table, keys) for table in (before, after)):
        keys = ["sample", "whole", "turn"]  # without ids an object is its content
        before, after = _numbered(before), _numbered(after)
    joined = before.join(after, keys, join_type="full outer", left_suffix=".old", right_suffix=".new")
    old_there, new_there = (joined.column(f"{CONTENT}.{side}").is_valid() for side in ("old", "new"))
    both = joined.filter(pc.and_(old_there, new_there))
    differ = {name: _different(both, name) for name in (CONTENT, *(f"={member}" for member in feature.names))}
    return ObjectDiff(
        added=pc.sum(pc.invert(old_there)).as_py() or 0,
        changed=differ.pop(CONTENT),
        removed=pc.sum(pc.invert(new_there)).as_py() or 0,
        members={name[1:]: count for name, count in differ.items() if count},
    )


def _flat(rows: pa.RecordBatch, name: str, feature: features.Objects) -> pa.Table:
    """One row an object: its sample, its id as text, the hash of the whole and of each member."""
    lists = rows.column(name)
    parents = pc.list_parent_indices(lists)
    flat = lists.flatten()
    whole = _object_hashes(flat, name)
    columns = {
        "sample": rows.column("id").take(parents),
        "id": pa.nulls(len(flat), pa.string()),
        "whole": whole,
        CONTENT: whole,  # once as a key, once as what is compared
    }
    if "id" in feature.members:
        columns["id"] = flat.field("id").cast(pa.string())
    for member, child in zip(feature.names, flat.flatten(), strict=True):
        columns[f"={member}"] = _object_hashes(child, member)
    return pa.table(columns)


def _different(both: pa.Table, name: str) -> int:
    return pc.sum(pc.not_equal(both.column(f"{name}.old"), both.column(f"{name}.new"))).as_py() or 0


def _object_hashes(values: pa.Array, name: str) -> pa.Array:
    batch = pa.RecordBatch.from_arrays([values], [name])
    schema = Schema(columns={name: features.Value(type=values.type)})
    return binary(row_hashes(batch, schema))


def _twice(table: pa.Table, keys: list[str]) -> bool:
    return len(table.group_by(keys).aggregate([])) < len(table)


def _numbered(table: pa.Table) -> pa.Table:
    """Equal objects of a sample, numbered: two of them are not one."""
    order = pc.sort_indices(table, sort_keys=[("sample", "ascending"), ("whole", "ascending")])
    sorted_ = table.take(order)
    words = pc.binary_join_element_wise(
        sorted_.column("sample").cast(pa.binary()), sorted_.column("whole"), b"\0"
    )
    codes = np.asarray(words.combine_chunks().dictionary_encode().indices)
    first = np.concatenate([[True], codes[1:] != codes[:-1]]) if len(codes) else np.empty(0, bool)
    starts = np.maximum.accumulate(np.where(first, np.arange(len(codes)), 0))
    return sorted_.append_column("turn", pa.array(np.arange(len(codes)) - starts))


def _schema_lines(before: Schema, after: Schema) -> list[str]:
    lines = [f"column {name} added" for name in after.columns if name not in before.columns]
    lines += [f"column {name} removed" for name in before.columns if name not in after.columns]
    for name in before.columns:
        old = getattr(before.columns[name], "categories", None)
        new = getattr(after.columns.get(name), "categories", None)
        if old is not None and new is not None and old != new:
            gone = [category.name for category in old if category not in new.root]
            come = [category.name for category in new if category not in old.root]
            lines.append(
                f"classes of {name}: added {', '.join(come) or 'none'}; removed {', '.join(gone) or 'none'}"
            )
    return lines
