"""What is in a dataset, in numbers: samples by split, objects by class and split, size, digest.

Data in memory are counted as a whole. Of a large store on this machine some files are counted, evenly over it; of
other scans nothing is, because that would read them. Asked for everything, all of it is read, batch by batch.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.dataset import leaves
from smalti.dataset.digest import digest
from smalti.errors import DataError
from smalti.schema import features

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from smalti.dataset.source import Source
    from smalti.schema.schema import Schema

COUNTED = 200_000  # samples of a store that are counted for a glance
HASHED = 4_000_000  # bytes of a table in memory whose digest is made for a glance
FILES = 2000  # of a store whose sizes are looked up for a glance
Splits = dict[str | None, int]
# Label images are not counted: their column may hold the pictures themselves.
LABELS = (features.Objects, features.Classification, features.Captions, features.Conversation)


@dataclass(slots=True)
class Labels:
    """One label field in numbers, of the samples that were counted.

    Attributes:
        total: Objects, captions, turns of dialogues, classes of samples.
        classes: For each class of the table, in its order, how many there are in each split; null without classes.
        unnamed: How many have no class.
        empty: Samples that are annotated, and there is nothing.
        missing: Samples that nobody has annotated.
    """

    total: int = 0
    classes: dict[str, Splits] | None = None
    unnamed: int = 0
    empty: int = 0
    missing: int = 0

    def by_class(self) -> dict[str, int]:
        """How many there are of each class, in the class table's order."""
        return {name: sum(splits.values()) for name, splits in (self.classes or {}).items()}


@dataclass(slots=True)
class Summary:
    """A dataset in numbers.

    Attributes:
        samples: How many there are; null where only reading would tell.
        counted: Of how many of them the other numbers are.
        splits: Samples by split, those without one under null, in order of appearance.
        labels: Each label field.
        size: Bytes in memory, or of the files; null where it is not known.
        digest: Of the content; null where it would take a while.
    """

    samples: int | None = None
    counted: int = 0
    splits: Splits = field(default_factory=dict)
    labels: dict[str, Labels] = field(default_factory=dict)
    size: int | None = None
    digest: str | None = None

    @property
    def complete(self) -> bool:
        """Whether all samples were counted."""
        return self.counted == self.samples


def summarize(source: Source, schema: Schema, *, complete: bool = False) -> Summary:
    """The numbers of a dataset; see the module for what is counted."""
    if complete:
        return _of_all(source, schema)
    if source.table is not None:
        found = _count(iter(source.table.to_batches()), schema)
        found.samples, found.size = source.table.num_rows, source.table.nbytes
        if found.size <= HASHED:
            found.digest = digest(source.batches(), schema)
        return found
    found = Summary(samples=source.origin.rows if source.origin and source.whole else None)
    found.digest = source.origin.digest if source.origin and source.whole else None
    if source.steps or source.where is not None or not _local(source):
        return found
    try:
        return _of_files(source, schema, found)
    except (OSError, pa.ArrowException, DataError):
        return found  # whoever reads it is told what is wrong; looking at a dataset does not fail


def _of_all(source: Source, schema: Schema) -> Summary:
    wanted = schema.project({"split", *_fields(schema)})
    found = _count(leaves.batches(source, wanted), wanted)
    found.samples = found.counted
    if source.table is not None:
        found.size = source.table.nbytes
    elif not source.steps and source.where is None and _local(source):
        found.size = _bytes(source.files.files)
    whole = source.origin is not None and source.whole
    found.digest = source.origin.digest if whole and source.origin else digest(source.batches(), schema)
    return found


def _bytes(paths: list[str]) -> int:
    return sum(os.stat(path).st_size for path in paths)  # noqa: PTH116  # many of them


def _of_files(source: Source, schema: Schema, known: Summary) -> Summary:
    paths = source.files.files
    rows = source.rows()
    wanted = schema.project({"split", *_fields(schema)})
    counted = _count(_some(leaves.batches(_spread(source, rows), wanted), COUNTED), wanted)
    size = _bytes(paths) if len(paths) <= FILES else None
    return replace(counted, samples=rows, digest=known.digest, size=size)


def _local(source: Source) -> bool:
    from pyarrow import fs

    return isinstance(getattr(source.files, "filesystem", None), fs.LocalFileSystem) and hasattr(
        source.files, "get_fragments"
    )


def _fields(schema: Schema) -> set[str]:
    """What has to be read of label fields."""
    found = set()
    for name, feature in schema.columns.items():
        if isinstance(feature, features.Objects) and feature.names:
            found.add(f"{name}.{'category' if 'category' in feature.members else feature.names[0]}")
        elif isinstance(feature, LABELS):
            found.add(name)
    return found


def _spread(source: Source, rows: int) -> Source:
    """The files of a scan, or so many of them, evenly, as have enough rows."""
    from pyarrow import dataset as arrow_dataset

    if rows <= COUNTED:
        return source
    files = list(source.files.get_fragments())
    each = max(1, rows // len(files))
    chosen = np.unique(np.linspace(0, len(files) - 1, max(1, -(-COUNTED // each))).astype(int))
    some = arrow_dataset.FileSystemDataset(
        [files[place] for place in chosen], source.files.schema, source.files.format, source.files.filesystem
    )
    return replace(source, files=some)


def _some(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    taken = 0
    for batch in batches:
        yield batch.slice(0, rows - taken)
        taken += len(batch)
        if taken >= rows:
            return


def _count(batches: Iterator[pa.RecordBatch], schema: Schema) -> Summary:
    found = Summary(labels={n: Labels() for n, f in schema.columns.items() if isinstance(f, LABELS)})
    tables: dict[str, dict[int, NDArray[np.int64]]] = {name: {} for name in found.labels}
    words: dict[str | None, int] = {}
    by_split: dict[int, int] = {}
    for batch in batches:
        found.counted += len(batch)
        codes = _split_codes(batch, words)
        for code, count in enumerate(np.bincount(codes, minlength=1).tolist()):
            by_split[code] = by_split.get(code, 0) + count
        for name, labels in found.labels.items():
            _add(labels, tables[name], batch.column(name), schema.columns[name], codes)
    names = {code: word for word, code in words.items()}
    found.splits = {names[code]: count for code, count in sorted(by_split.items()) if count}
    for name, labels in found.labels.items():
        feature: Any = schema.columns[name]
        if _has_classes(feature):
            none = np.zeros(len(feature.categories) + 1, np.int64)
            table = {split: tables[name].get(code, none) for code, split in names.items()}
            labels.unnamed = int(sum(counts[0] for counts in table.values()))
            labels.classes = {
                value: {split: int(counts[place + 1]) for split, counts in table.items()}
                for place, value in enumerate(feature.categories.values)
            }
    return found


def _has_classes(feature: Any) -> bool:
    return isinstance(feature, features.Classification) or (
        isinstance(feature, features.Objects) and "category" in feature.members
    )


def _split_codes(batch: pa.RecordBatch, words: dict[str | None, int]) -> NDArray[np.int64]:
    """The split of each row, as a number that grows by appearance."""
    if "split" not in batch.schema.names:
        return np.full(len(batch), words.setdefault(None, len(words)), np.int64)
    column = batch.column("split")
    own = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    dictionary = [*column.dictionary.to_pylist(), None]
    used = np.unique(own)
    codes = np.zeros(len(dictionary), np.int64)
    for place in used.tolist():
        codes[place] = words.setdefault(dictionary[place], len(words))
    return codes[own]


def _add(
    labels: Labels,
    table: dict[int, NDArray[np.int64]],
    column: pa.Array,
    feature: Any,
    splits: NDArray[np.int64],
) -> None:
    """Count a batch's column."""
    labels.missing += column.null_count
    if not pa.types.is_list(column.type):
        labels.total += len(column) - column.null_count
        if not isinstance(feature, features.Classification):
            return
        codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        known = codes >= 0
        codes, splits = codes[known], splits[known]
    else:
        lengths = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
        labels.total += int(lengths.sum())
        labels.empty += int((lengths == 0).sum()) - column.null_count
        if not _has_classes(feature):
            return
        flat = column.flatten().field("category").indices
        codes = flat.fill_null(-1).to_numpy(zero_copy_only=False)
        splits = np.repeat(splits, lengths)
    width = len(feature.categories) + 1
    counts = np.bincount(splits * width + codes + 1)
    rows = np.zeros(-(-len(counts) // width) * width, np.int64)
    rows[: len(counts)] = counts
    for code, one in enumerate(rows.reshape(-1, width)):
        table[code] = table.get(code, 0) + one
