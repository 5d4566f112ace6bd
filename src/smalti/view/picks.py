"""Which samples are worth a look: some of each class, those with the rarest classes, the densest.

They are found in one pass over Arrow columns, like the counts of plots, and are the same every time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.dataset.build import to_samples
from smalti.view.plots.classes import ClassColumn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from smalti.dataset.dataset import Dataset
    from smalti.schema.sample import Sample
    from smalti.schema.schema import Schema
    from smalti.view.plots.counting import Ints

KEPT = 8  # samples of each class, and of the densest, that are kept


class Picks:
    """Samples of each class, and the densest; a count like those of plots.

    Attributes:
        column: Where the classes are.
        samples: int64 ``(classes,)``: the samples that have each class.
    """

    def __init__(self, schema: Schema, field: str | None = None) -> None:
        self.column = ClassColumn(schema, field)
        self.fields = ("id", *self.column.fields)
        self.samples = np.zeros(len(self.column.categories), np.int64)
        self._seen = 0
        self._classes = _Best()
        self._densest = _Best()

    def add(self, batch: pa.RecordBatch) -> None:
        """Look at one batch more."""
        rows, codes = self.column.codes(batch)
        width = len(self.samples)
        pairs = np.unique(rows[codes >= 0] * width + codes[codes >= 0])
        row, code = pairs // width, pairs % width
        self.samples += np.bincount(code, minlength=width)
        ids = batch.column("id")
        self._classes.add(code, _mixed((self._seen + row) * width + code), row, ids)
        if self.column.unit == "objects":
            many = np.bincount(rows, minlength=len(batch))
            there = np.flatnonzero(many)
            self._densest.add(np.zeros_like(there), -many[there], there, ids)
        self._seen += len(batch)

    def of_class(self, code: int, count: int) -> list[str]:
        """Ids of samples with a class, spread at random over the dataset."""
        return self._classes.of(code)[:count]

    def rarest(self, count: int) -> list[tuple[str, int]]:
        """Ids of the samples that have the rarest classes, and the class that is rare, the rarest first."""
        found: dict[str, int] = {}
        for code in np.argsort(self.samples, kind="stable"):
            for one in self._classes.of(int(code)):
                found.setdefault(one, int(code))
            if len(found) >= count:
                break
        return list(found.items())[:count]

    def densest(self, count: int) -> list[str]:
        """Ids of the samples with most objects."""
        return self._densest.of(0)[:count]


class _Best:
    """The ids that rank lowest in each group, so many of each."""

    def __init__(self) -> None:
        self.group: Ints = np.zeros(0, np.int64)
        self.rank: NDArray[Any] = np.zeros(0, np.int64)
        self.ids: NDArray[Any] = np.zeros(0, object)

    def add(self, group: Ints, rank: NDArray[Any], rows: Ints, ids: pa.Array) -> None:
        """Take more: the group and the rank of each, and its row in a column of ids."""
        best = _lowest(group, rank)
        names = pc.take(ids, pa.array(rows[best])).to_numpy(zero_copy_only=False)
        group = np.concatenate([self.group, group[best]])
        rank = np.concatenate([self.rank, rank[best]])
        names = np.concatenate([self.ids, names])
        best = _lowest(group, rank)
        self.group, self.rank, self.ids = group[best], rank[best], names[best]

    def of(self, group: int) -> list[str]:
        """The ids of a group, by rank."""
        low, high = np.searchsorted(self.group, (group, group + 1))
        return list(self.ids[low:high])


def _lowest(group: Ints, rank: NDArray[Any]) -> Ints:
    """Where the lowest ranks of each group are, by group and rank; of equal ones the first."""
    order = np.lexsort((rank, group))
    ordered = group[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    lengths = np.diff(np.append(starts, len(ordered)))
    return order[np.arange(len(ordered)) - np.repeat(starts, lengths) < KEPT]


def _mixed(numbers: Ints) -> Ints:
    """A number for each that looks like chance and is always the same (splitmix64, Steele and others 2014)."""
    mixed = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (mixed >> np.uint64(1)).astype(np.int64)


def fetch(dataset: Dataset, ids: Iterable[str]) -> dict[str, Sample]:
    """The samples of those ids, wherever they are in the dataset."""
    wanted = pa.array(set(ids), pa.string())
    some = dataset.filter(pc.field("id").isin(wanted))
    return {sample.id: sample for batch in some.to_batches() for sample in to_samples(batch, some.schema)}
