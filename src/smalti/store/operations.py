"""What a commit can do to a version: append, replace, update, delete, restore, compact."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.dataset.expressions import mask
from smalti.errors import DataError, OptionError, SchemaError, listed
from smalti.schema.unify import conform, united
from smalti.store.commit import Draft, remove_files
from smalti.store.files import FILE_ROWS, read_table, write_files
from smalti.store.manifest import Changes, DataFile
from smalti.store.scan import holding
from smalti.store.touched import between

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from smalti.schema.schema import Schema
    from smalti.store.history import History, Snapshot

SMALL = FILE_ROWS // 2  # samples
_NONE = pa.array([], pa.string())


class _Operation:
    """What operations share: the store, and the files that were written so far."""

    name = ""

    def __init__(self, history: History) -> None:
        self.history = history
        self.made: tuple[DataFile, ...] = ()

    def drop(self) -> None:
        remove_files(self.history.root, self.made)
        self.made = ()

    def write(self, schema: Schema, batches: Iterable[pa.RecordBatch]) -> tuple[DataFile, ...]:
        """Write batches to new files."""
        before = len(self.made)
        for one in write_files(self.history.root, schema, batches):
            self.history.keep(one.file, one.ids, one.hashes)
            self.made = (*self.made, one.file)  # now: where a later one fails, this one is removed as well
        return self.made[before:]

    def ids(self, files: Iterable[DataFile]) -> pa.Array:
        """The ids of the samples of files."""
        return pa.concat_arrays([_NONE, *self.history.each(self.history.ids, files)])


class Append(_Operation):
    """Add samples at the end."""

    name = "append"

    def __init__(self, history: History, schema: Schema, batches: Iterable[pa.RecordBatch]) -> None:
        super().__init__(history)
        self.schema = schema
        self.batches = batches
        self._own: pa.Array | None = None

    def draft(self, base: Snapshot | None) -> Draft:
        if self._own is None:
            self.write(self.schema, self.batches)
            self._own = _unique(self.ids(self.made))
        if base is None:
            changes = Changes(added=len(self._own))
            return Draft(self.schema, self.made, changes, self.made, self._own)
        there = _known(self.history, base, self._own)
        if len(there):
            self.drop()
            raise DataError(
                f"samples with these ids are there already: {listed(there.to_pylist())}",
                file=base.root.url,
                hint="update them with mode='update', or give other ids",
            )
        schema = _united(base.manifest.schema, self.schema)
        _refuse_new_words(self.schema, schema, base.root.url)
        return Draft(schema, (*base.files, *self.made), Changes(added=len(self._own)), self.made, self._own)


class Replace(_Operation):
    """Make the dataset the whole content."""

    name = "replace"

    def __init__(self, history: History, schema: Schema, batches: Iterable[pa.RecordBatch]) -> None:
        super().__init__(history)
        self.schema = schema
        self.batches = batches
        self._written = False

    def draft(self, base: Snapshot | None) -> Draft:
        if not self._written:
            self.write(self.schema, self.batches)
            _unique(self.ids(self.made))
            self._written = True
        changes = _counted(self.history, base, self.made)
        return Draft(self.schema, self.made, changes, self.made)


class Restore(_Operation):
    """Make an earlier version the whole content."""

    name = "restore"

    def __init__(self, history: History, version: Snapshot) -> None:
        super().__init__(history)
        self.version = version

    def draft(self, base: Snapshot | None) -> Draft:
        return Draft(
            self.version.manifest.schema,
            self.version.files,
            _counted(self.history, base, self.version.files),
        )


class Delete(_Operation):
    """Remove the samples for which a condition holds; only files that have some are written anew."""

    name = "delete"

    def __init__(self, history: History, condition: pc.Expression) -> None:
        super().__init__(history)
        self.condition = condition

    def draft(self, base: Snapshot | None) -> Draft:
        base = _existing(self.history, base)
        self.drop()
        schema = base.manifest.schema
        files: list[DataFile] = []
        gone = [_NONE]
        some = holding(base, self.condition)
        for file in base.files:
            if file.path not in some:
                files.append(file)
                continue
            batch = _batch(self.history, file, schema)
            drop = mask(self.condition, dict(zip(batch.schema.names, batch.columns, strict=True)))
            if not pc.any(drop).as_py():
                files.append(file)
                continue
            gone.append(batch.column("id").filter(drop))
            rest = batch.filter(pc.invert(drop))
            files += self.write(schema, [rest]) if len(rest) else ()
        ids = pa.concat_arrays(gone)
        return Draft(schema, tuple(files), Changes(removed=len(ids)), self.made, ids)


class Update(_Operation):
    """Give samples, found by their ids, the values of some columns; only files that change are written anew.

    Args:
        history: The store.
        schema: Of the new values: ``id`` and the columns that change; those not there yet are added.
        table: The new values.
        upsert: Whether ids that are not there are added as new samples; else they are an error.
        remove: Ids of samples that go with it.
    """

    name = "update"

    def __init__(
        self,
        history: History,
        schema: Schema,
        table: pa.Table,
        *,
        upsert: bool = False,
        remove: Iterable[str] = (),
    ) -> None:
        super().__init__(history)
        self.remove = pa.array(remove, pa.string())
        self.schema = schema
        self.table = table
        self.upsert = upsert

    def draft(self, base: Snapshot | None) -> Draft:
        base = _existing(self.history, base)
        self.drop()
        own = _unique(self.table.column("id").combine_chunks())
        schema = _united(base.manifest.schema, self.schema)
        _refuse_new_words(base.manifest.schema, schema, base.root.url)
        new = conform(self.table, self.schema, schema)
        names = [name for name in self.schema.columns if name != "id"]
        files: list[DataFile] = []
        met, changed, gone = _NONE, [_NONE], [_NONE]
        for file in base.files:
            theirs = self.history.ids(file)
            places, drop = pc.index_in(theirs, own), pc.is_in(theirs, self.remove)
            if places.null_count == len(places) and not pc.any(drop).as_py():
                files.append(file)
                continue
            met = pa.concat_arrays([met, own.take(places.drop_null())])
            gone.append(theirs.filter(drop))
            batch = _merged(_batch(self.history, file, schema), new, places, names).filter(pc.invert(drop))
            made = self.write(schema, [batch]) if len(batch) else ()
            if len(gone[-1]):
                files += made
                changed.append(_differing(self.history, file, made))
                continue
            differ = _differing(self.history, file, made)
            if len(differ):
                files += made
                changed.append(differ)
            else:
                files.append(file)
        added = self._added(own, met, new, base)
        files += self.write(schema, added) if added else ()
        count = sum(len(batch) for batch in added)
        removed = pa.concat_arrays(gone)
        ids = pa.concat_arrays([*changed, *(batch.column("id") for batch in added), removed])
        changes = Changes(added=count, changed=len(ids) - count - len(removed), removed=len(removed))
        return Draft(schema, tuple(files), changes, self.made, ids)

    def _added(self, own: pa.Array, met: pa.Array, new: pa.Table, base: Snapshot) -> list[pa.RecordBatch]:
        absent = pc.invert(pc.is_in(own, met))
        if not pc.any(absent).as_py():
            return []
        if not self.upsert:
            raise DataError(
                f"there are no samples with these ids: {listed(own.filter(absent).to_pylist())}",
                file=base.root.url,
                hint="pass upsert=True to add them as new samples",
            )
        return new.filter(absent).combine_chunks().to_batches()


class Compact(_Operation):
    """Write files of less than so many samples together; samples and their order stay."""

    name = "compact"

    def __init__(self, history: History, rows: int = SMALL) -> None:
        super().__init__(history)
        self.rows = rows

    def needed(self, base: Snapshot) -> bool:
        """Whether two small files follow each other."""
        small = [file.rows < self.rows for file in base.files]
        return any(a and b for a, b in pairwise(small))

    def draft(self, base: Snapshot | None) -> Draft:
        base = _existing(self.history, base)
        self.drop()
        files: list[DataFile] = []
        run: list[DataFile] = []
        for file in (*base.files, None):
            if file is not None and file.rows < self.rows:
                run.append(file)
                continue
            files += self._joined(run, base.manifest.schema) if len(run) > 1 else run
            run = []
            files += [file] if file is not None else []
        return Draft(base.manifest.schema, tuple(files), Changes(), self.made, _NONE)

    def _joined(self, run: list[DataFile], schema: Schema) -> tuple[DataFile, ...]:
        batches: Iterator[pa.RecordBatch] = (_batch(self.history, file, schema) for file in run)
        return self.write(schema, batches)


def _existing(history: History, base: Snapshot | None) -> Snapshot:
    return base if base is not None else history.newest()


def _united(old: Schema, new: Schema) -> Schema:
    """The schema of both; the images of both lie below one root."""
    roots = {schema.media_root for schema in (old, new) if "image" in schema.columns}
    if len(roots) > 1:
        raise SchemaError(
            f"the store's images lie below {old.media_root}, and these below {new.media_root}; a dataset has one"
            " media root: bring them into the store with media='files'"
        )
    return united([old, new]).model_copy(update={"media_root": old.media_root})


def _refuse_new_words(before: Schema, after: Schema, url: str) -> None:
    """Files keep the words of their classes: a class may not get another one by what comes to it."""
    for name, feature in before.columns.items():
        words: Any = getattr(feature, "categories", None)
        if words is None:
            continue
        table: Any = after.columns[name]
        known = {(category.name, category.id): value for category, value in _valued(table.categories)}
        for category, value in _valued(words):
            if known.get((category.name, category.id), value) != value:
                raise SchemaError(
                    f"{url}: class {category.name!r} of {name!r} has another id in the store than here;"
                    " rename one of them, or write the whole with mode='replace'"
                )


def _valued(categories: Any) -> Iterable[tuple[Any, str]]:
    return zip(categories, categories.values, strict=True)


def _unique(ids: pa.Array) -> pa.Array:
    if len(pc.unique(ids)) < len(ids):
        counts = pc.value_counts(ids)
        twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
        raise DataError(
            f"ids have to be unique, and these are not: {listed(twice.to_pylist())}", hint="give other ids"
        )
    return ids


def _known(history: History, base: Snapshot, ids: pa.Array) -> pa.Array:
    """Which of these ids a version has; files whose ids all lie elsewhere are not looked at."""
    found = [_NONE]
    bounds = pc.min_max(ids).as_py()
    for file in base.files:
        low, high, _ = file.statistics.get("id", (None, None, 0))
        if len(ids) and low is not None and (high < bounds["min"] or low > bounds["max"]):
            continue
        theirs = history.ids(file)
        found.append(theirs.filter(pc.is_in(theirs, ids)))
    return pa.concat_arrays(found)


def _counted(history: History, base: Snapshot | None, files: tuple[DataFile, ...]) -> Changes:
    told = between(history, base.files if base else (), files)
    return Changes(added=len(told.added), changed=len(told.changed), removed=len(told.removed))


def _differing(history: History, old: DataFile, new: tuple[DataFile, ...]) -> pa.Array:
    return between(history, (old,), new).changed


def _batch(history: History, file: DataFile, schema: Schema) -> pa.RecordBatch:
    """A file's samples as a version's schema has them."""
    table = read_table(history.root, file)
    own = schema.with_columns({name: schema.columns[name] for name in table.column_names})
    return conform(table, own, schema).combine_chunks().to_batches()[0]


def _merged(batch: pa.RecordBatch, new: pa.Table, places: pa.Array, names: list[str]) -> pa.RecordBatch:
    """The samples with the new values where there are some."""
    rows = np.arange(len(batch))
    found = places.fill_null(-1).to_numpy(zero_copy_only=False)
    order = pa.array(np.where(found >= 0, found + len(batch), rows))
    columns = []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if field.name in names:
            both = pa.chunked_array([column, *new.column(field.name).chunks], field.type)
            columns.append(both.combine_chunks().take(order))
        else:
            columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def without_bare_images(table: pa.Table, schema: Schema) -> tuple[pa.Table, Schema]:
    """New values without their images, where nothing is known of these but a path that is the sample's id."""
    if "image" not in schema.columns:
        return table, schema
    for member in table.select(["image"]).flatten().columns:
        if member.null_count < len(member) and not member.equals(table.column("id")):
            return table, schema
    kept = {name: feature for name, feature in schema.columns.items() if name != "image"}
    return table.drop_columns("image"), schema.model_copy(update={"columns": kept, "media_root": None})


def refuse_unknown(mode: str) -> None:
    """Refuse a way of writing that there is not.

    Raises:
        OptionError: There is none of that name.
    """
    if mode not in {"replace", "append", "update"}:
        raise OptionError(f"found mode={mode!r}; expected replace, append or update")
