"""The balance of classes by split, and which classes appear together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from smalti.errors import SchemaError
from smalti.schema import features
from smalti.view.plots import counting, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from smalti.schema.categories import Categories
    from smalti.schema.schema import Schema
    from smalti.view.plots.counting import Ints

DENSE = 256  # classes whose pairs are all counted; of more, the most frequent ones
PAIRS = 4_000_000  # that are counted at once


class ClassColumn:
    """Where a dataset has its classes: in objects, or one or several a sample.

    Attributes:
        name: The column.
        categories: Its class table.
        fields: What is read for it.
        unit: What has a class: ``objects`` or ``samples``.
    """

    def __init__(self, schema: Schema, field: str | None) -> None:
        labels = schema.of_kind(features.Classification)
        if field is None and not schema.of_kind(features.Objects) and labels:
            field = labels[0]
        feature = schema.columns.get(field or "")
        if isinstance(feature, features.Classification):
            self.name, self.fields, self.unit = str(field), (str(field),), "samples"
            self._multi = feature.multi
        else:
            self.name, feature = counting.object_field(schema, field)
            member = counting.need(feature, self.name, ("category",), "classes")
            self.fields, self.unit, self._multi = (f"{self.name}.{member}",), "objects", True
        self.categories: Categories = feature.categories
        if not len(self.categories):
            raise SchemaError(f"{self.name!r} has an empty class table")

    def codes(self, batch: pa.RecordBatch) -> tuple[Ints, Ints]:
        """The row of each thing that may have a class, and its class; -1 where it has none."""
        column = batch.column(self.name)
        if not self._multi:
            return np.arange(len(column)), counting.class_codes(column)
        return counting.owners(column), counting.class_codes(column.flatten().field("category"))


class Balance:
    """How many objects, and samples, each class has in each split.

    Attributes:
        objects: int64 ``(splits, classes + 1)``, in the class table's order; the last are without a class.
        samples: As `objects`: samples with at least one.
    """

    def __init__(self, schema: Schema, field: str | None = None) -> None:
        self.column = ClassColumn(schema, field)
        self.fields = (*self.column.fields, *counting.split_fields(schema))
        self._splits = counting.Words(schema.splits)
        width = len(self.column.categories) + 1
        self.objects = np.zeros((len(schema.splits), width), np.int64)
        self.samples = self.objects.copy()

    @property
    def splits(self) -> list[str | None]:
        """The splits, in the order of the rows."""
        return self._splits.all

    def add(self, batch: pa.RecordBatch) -> None:
        """Count one batch more."""
        rows, codes = self.column.codes(batch)
        splits = counting.split_codes(batch, self._splits)
        width = self.objects.shape[1]
        codes = np.where(codes < 0, width - 1, codes)
        self.objects = self._sum(self.objects, splits[rows] * width + codes)
        pairs = np.unique(rows * width + codes)
        self.samples = self._sum(self.samples, splits[pairs // width] * width + pairs % width)

    def _sum(self, counts: Ints, cells: Ints) -> Ints:
        shape = (len(self.splits), counts.shape[1])
        found = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
        found[: len(counts)] += counts
        return found


@style.drawing
def draw_balance(
    balance: Balance,
    *,
    by: Literal["objects", "samples"] = "objects",
    top: int = 80,
    log: bool | None = None,
) -> Figure:
    """Bars by class, split by split; dots where the classes differ so much that only a logarithm shows all."""
    counts = balance.objects if by == "objects" else balance.samples
    unit = balance.column.unit if by == "objects" else "samples"
    title = f"{unit.capitalize()} by class"
    used = counts.sum(axis=1) > 0
    splits = [
        style.label(name, 16, "no split") for name, some in zip(balance.splits, used, strict=True) if some
    ]
    counts, splits = _few(counts[used], splits)
    if not counts.size:
        return style.nothing(title, f"no {unit} yet")
    total = counts[:, :-1].sum(axis=0)
    order = np.argsort(-total, kind="stable")
    shown, rest = order[:top], order[top:]
    names = [style.label(balance.column.categories.values[code]) for code in shown]
    others = np.stack([counts[:, rest].sum(axis=1), counts[:, -1]], axis=1)
    there = others.sum(axis=0) > 0
    matrix = np.concatenate([counts[:, shown], others[:, there]], axis=1)
    names += [name for name, some in zip((_more(len(rest)), "no class"), there, strict=True) if some]
    row = 0.23 if len(names) <= 50 else 0.17
    drawn, (ax,) = style.figure(title, (8.0, 1.4 + row * max(len(names), 2)))
    empty = int((total == 0).sum())
    counted = f"{style.many(int(counts.sum()), unit[:-1])} of {style.many(len(total), 'class', 'classes')}"
    style.facts(ax, counted + (f", {empty:,} unused" if empty else ""))
    if style.counts_axis(ax, "x", matrix.sum(axis=0).tolist(), log=log):
        _dots(ax, matrix, splits)
    else:
        _bars(ax, matrix, splits)
    if splits != ["no split"]:
        style.legend(ax)
    style.names_axis(ax, names)
    return drawn


def _more(classes: int) -> str:
    return style.many(classes, "more class", "more classes")


def _few(counts: Ints, splits: list[str]) -> tuple[Ints, list[str]]:
    """As many splits as there are colours; the smallest become one, which is grey."""
    if len(splits) <= len(style.SERIES):
        return counts, splits
    order = np.argsort(-counts.sum(axis=1), kind="stable")
    kept, rest = np.sort(order[: len(style.SERIES) - 1]), order[len(style.SERIES) - 1 :]
    names = [*(splits[place] for place in kept), f"{len(rest):,} more splits"]
    return np.concatenate([counts[kept], counts[rest].sum(axis=0, keepdims=True)]), names


def _bars(ax: Axes, matrix: Ints, splits: Sequence[str]) -> None:
    left = np.zeros(matrix.shape[1])
    for cells, name, colour in zip(matrix, splits, style.SERIES, strict=False):
        ax.barh(range(len(cells)), cells, left=left, height=0.72, color=colour, label=name)
        left += cells
    for y, value in enumerate(left):
        ax.annotate(style.number(value), (value, y), (3, 0), textcoords="offset points", va="center",
                    fontsize=7.5, color=style.MUTED, in_layout=False)  # fmt: skip
    ax.set_xlim(0, max(left.max(), 1) * 1.1)


def _dots(ax: Axes, matrix: Ints, splits: Sequence[str]) -> None:
    rows = np.arange(matrix.shape[1])
    most = matrix.max(axis=0)
    least = max(0.7, matrix[matrix > 0].min() / 1.5)
    ax.hlines(rows, least, np.maximum(most, least), color=style.GRID, linewidth=1.6, zorder=1)
    for cells, name, colour in zip(matrix, splits, style.SERIES, strict=False):
        there = cells > 0
        ax.scatter(cells[there], rows[there], s=24, color=colour, label=name, zorder=2, linewidths=0)
    for y, value in enumerate(most):
        ax.annotate(style.number(matrix[:, y].sum()), (max(value, least), y), (6, 0), textcoords="offset points",
                    va="center", fontsize=7.5, color=style.MUTED, in_layout=False)  # fmt: skip
    ax.set_xlim(least, most.max() * (most.max() / least) ** 0.1)


class Pairs:
    """In how many samples two classes appear together.

    Attributes:
        codes: The classes counted, as positions in the class table.
        matrix: int64 ``(codes, codes)``; on the diagonal the samples that have the class.
    """

    def __init__(self, schema: Schema, field: str | None = None, codes: Ints | None = None) -> None:
        self.column = ClassColumn(schema, field)
        self.fields = self.column.fields
        every = len(self.column.categories)
        self.codes: Ints = np.arange(min(every, DENSE)) if codes is None else codes
        self._place = np.full(every + 1, -1)
        self._place[self.codes] = np.arange(len(self.codes))
        self.matrix = np.zeros((len(self.codes), len(self.codes)), np.int64)

    def add(self, batch: pa.RecordBatch) -> None:
        """Count one batch more."""
        rows, codes = self.column.codes(batch)
        places = self._place[codes]
        rows, places = rows[places >= 0], places[places >= 0]
        # Each class of a sample once, by sample; then every class of a sample beside every other.
        cells = np.unique(rows * len(self.codes) + places)
        rows, places = np.divmod(cells, len(self.codes))
        held = np.bincount(rows, minlength=len(batch))
        for start, stop in _spans(held):
            low, high = np.searchsorted(rows, (start, stop))
            self._count(places[low:high], held[start:stop])

    def _count(self, places: Ints, held: Ints) -> None:
        """Count the pairs of some samples.

        Args:
            places: Their classes, sample by sample.
            held: How many of them each sample has.
        """
        first = np.repeat(np.cumsum(held) - held, held)  # where the sample of each begins
        others = np.repeat(held, held)
        one = np.repeat(places, others)
        step = np.arange(len(one)) - np.repeat(np.cumsum(others) - others, others)
        other = places[np.repeat(first, others) + step]
        size = len(self.codes)
        self.matrix += np.bincount(one * size + other, minlength=size * size).reshape(size, size)


def _spans(held: Ints) -> list[tuple[int, int]]:
    """Stretches of samples that have some millions of pairs at the most."""
    if not len(held):
        return []
    ends = np.cumsum(held**2)
    cuts = np.searchsorted(ends, np.arange(PAIRS, ends[-1] + PAIRS, PAIRS)) + 1
    stops = np.unique(np.minimum(cuts, len(held))).tolist()
    return list(zip([0, *stops], stops, strict=False))


def frequent(balance: Balance) -> Ints:
    """The classes that most samples have, as many as pairs are counted of."""
    samples = balance.samples[:, :-1].sum(axis=0)
    return np.argsort(-samples, kind="stable")[:DENSE]


@style.drawing
def draw_pairs(pairs: Pairs, *, top: int = 30) -> Figure:
    """A matrix: of the samples with the class of the row, the share that has that of the column too."""
    title = "Classes that appear together"
    samples = np.diag(pairs.matrix)
    order = np.argsort(-samples, kind="stable")[:top]
    order = order[samples[order] > 0]
    if len(order) < 2:
        return style.nothing(title, "fewer than two classes appear")
    counts = pairs.matrix[np.ix_(order, order)]
    share = counts / np.diag(counts)[:, None]
    np.fill_diagonal(share, np.nan)
    names = [style.label(pairs.column.categories.values[pairs.codes[place]], 22) for place in order]
    cells = max(0.26 * len(order), 0.4 * min(len(order), 12), 2.0)
    room = 0.8 + max(map(style.wide, names)) / style.LETTERS
    drawn, (ax,) = style.figure(title, (cells + room + 0.9, cells + room))
    image = ax.imshow(np.ma.masked_invalid(share), cmap=style.heat(), vmin=0, vmax=_rounded(share))
    ax.set_xticks(range(len(names)), names, rotation=90, color=style.INK)
    style.names_axis(ax, names)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    if len(order) <= 12:
        _shares(ax, share)
    bar = drawn.colorbar(image, ax=ax, shrink=0.6, aspect=30, pad=0.02, format="{x:.0%}")
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0)
    hidden = len(pairs.column.categories) - len(order)
    more = f"; the {len(order)} most frequent of {len(pairs.column.categories):,} classes" if hidden else ""
    style.facts(
        ax, f"of the samples with the row's class, those that have the column's{more}", inches=cells + 0.9
    )
    return drawn


def _rounded(share: Any) -> float:
    """The top of the scale: the highest share, in steps of a tenth."""
    return min(1.0, max(0.1, float(np.ceil(np.nanmax(share) * 10) / 10)))


def _shares(ax: Axes, share: Any) -> None:
    light = _rounded(share) * 0.8  # from there white is read better on the blue
    for (row, column), value in np.ndenumerate(share):
        if np.isfinite(value):
            ax.text(column, row, f"{value:.0%}", ha="center", va="center", fontsize=7.5,
                    color="white" if value > light else style.INK)  # fmt: skip
