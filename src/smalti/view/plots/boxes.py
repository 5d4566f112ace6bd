"""How large boxes are, how wide they are for their height, and where their centres lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smalti.view.plots import counting, style

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from smalti.schema.schema import Schema
    from smalti.view.plots.counting import Ints

LOW, HIGH = -4, 18  # powers of two of the pixels that are told apart
FINE = 8  # steps of a factor of two
COARSE = 4  # as FINE, where width and height are counted together
RATIO = 8  # the widest boxes are so many powers of two as wide as high
CELLS = 48  # rows and columns of the map of centres
SMALL, MEDIUM = 32, 96  # COCO's small, medium and large (https://cocodataset.org/#detection-eval)


class Sizes:
    """Boxes by width and height, by size, and by the ratio of their sides, on logarithmic scales.

    Attributes:
        sides: int64 ``(w, h)``: boxes by width and height, ``COARSE`` cells for a factor of two, from ``2**LOW``.
        size: int64: boxes by the root of their area, ``FINE`` cells for a factor of two, from ``2**LOW``.
        ratio: int64: boxes by width through height, ``FINE`` cells, from ``2**-RATIO``.
        kinds: Boxes that are small, medium and large as COCO has it.
        flat: Boxes without an area.
        without: Objects without a box.
    """

    def __init__(self, schema: Schema, field: str | None = None) -> None:
        self.field, feature = counting.object_field(schema, field)
        self.member = counting.need(feature, self.field, counting.SHAPES, "boxes")
        self.fields = (f"{self.field}.{self.member}",)
        cells = (HIGH - LOW) * COARSE
        self.sides = np.zeros((cells, cells), np.int64)
        self.size = np.zeros((HIGH - LOW) * FINE, np.int64)
        self.ratio = np.zeros(2 * RATIO * FINE, np.int64)
        self.kinds = np.zeros(3, np.int64)
        self.flat = self.without = 0

    @property
    def boxes(self) -> int:
        """Boxes with an area."""
        return int(self.size.sum())

    def add(self, batch: pa.RecordBatch) -> None:
        """Count one batch more."""
        sides = counting.extents(batch.column(self.field).flatten(), self.member)[:, 2:]
        there = np.isfinite(sides).all(axis=1)
        real = there & (sides > 0).all(axis=1)
        self.without += int((~there).sum())
        self.flat += int((there & ~real).sum())
        w, h = np.log2(sides[real]).T
        size = (w + h) / 2
        x, y = _cells(w, LOW, COARSE, len(self.sides)), _cells(h, LOW, COARSE, len(self.sides))
        self.sides += np.bincount(x * len(self.sides) + y, minlength=self.sides.size).reshape(
            self.sides.shape
        )
        self.size += np.bincount(_cells(size, LOW, FINE, len(self.size)), minlength=len(self.size))
        self.ratio += np.bincount(_cells(w - h, -RATIO, FINE, len(self.ratio)), minlength=len(self.ratio))
        kinds = np.searchsorted(np.log2([SMALL, MEDIUM]), size, side="right")
        self.kinds += np.bincount(kinds, minlength=3)


def _cells(powers: np.ndarray, low: int, fine: int, cells: int) -> Ints:
    return np.clip(np.floor((powers - low) * fine), 0, cells - 1).astype(np.int64)


@style.drawing
def draw_sizes(sizes: Sizes) -> Figure:
    """Width by height as a map, and beside it size and ratio as histograms."""
    title = "Sizes and shapes of boxes"
    if not sizes.boxes:
        return style.nothing(title, "no boxes yet")
    drawn, (sides, size, ratio) = style.figure(title, (10.5, 4.2), (1, 3), width_ratios=(1.15, 1, 1))
    _draw_sides(sides, sizes)
    _histogram(size, LOW, sizes.size)
    for at in (SMALL, MEDIUM):
        size.axvline(at, color=style.MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    shares = sizes.kinds / sizes.boxes
    style.facts(size, "small {:.0%}, medium {:.0%}, large {:.0%}".format(*shares))
    size.set_xlabel(f"√area in pixels; lines at {SMALL} and {MEDIUM}")
    size.set_ylabel("boxes")
    _histogram(ratio, -RATIO, sizes.ratio)
    ratio.axvline(1, color=style.MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    ratio.xaxis.set_major_formatter(_ratio)
    style.facts(ratio, f"median {_ratio(_median(-RATIO, sizes.ratio))}")
    ratio.set_xlabel("width : height")
    return drawn


def _draw_sides(ax: Axes, sizes: Sizes) -> None:
    from matplotlib.colors import LogNorm

    step = min(_merged(sizes.boxes), 2)
    cells = sizes.sides.reshape(-1, step, len(sizes.sides) // step, step).sum(axis=(1, 3))
    edges = 2.0 ** (LOW + np.arange(len(cells) + 1) * step / COARSE)
    x, y = _span(cells.sum(axis=1)), _span(cells.sum(axis=0))
    counts = np.ma.masked_equal(cells[x, y].T, 0)
    ax.set(xscale="log", yscale="log")
    ax.pcolormesh(edges[x.start : x.stop + 1], edges[y.start : y.stop + 1], counts, cmap=style.heat(),
                  norm=LogNorm(0.5, counts.max()), rasterized=True)  # fmt: skip
    for axis in (ax.xaxis, ax.yaxis):
        _powers(axis)
    rest = [
        f"{style.number(n)} {what}" for n, what in ((sizes.flat, "flat"), (sizes.without, "without box")) if n
    ]
    style.facts(ax, style.many(sizes.boxes, "box", "boxes"), *rest)
    ax.set(xlabel="width in pixels", ylabel="height in pixels")


def _powers(axis: object) -> None:
    """Ticks at powers of two, as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    axis.set_major_locator(LogLocator(base=2, numticks=7))  # type: ignore[attr-defined]
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))  # type: ignore[attr-defined]
    axis.set_minor_locator(NullLocator())  # type: ignore[attr-defined]
    axis.set_minor_formatter(NullFormatter())  # type: ignore[attr-defined]
    axis.set_tick_params(length=0)  # type: ignore[attr-defined]


def _histogram(ax: Axes, low: int, cells: Ints) -> None:
    step = _merged(int(cells.sum()))
    counts = cells.reshape(-1, step).sum(axis=1)
    edges = 2.0 ** (low + np.arange(len(counts) + 1) * step / FINE)
    span = _span(counts)
    ax.set_xscale("log", base=2)
    ax.stairs(counts[span], edges[span.start : span.stop + 1], fill=True, color=style.SERIES[0])
    style.counts_axis(ax, "y", counts[counts > 0].tolist(), log=False)
    _powers(ax.xaxis)
    ax.spines["left"].set_visible(False)


def _span(counts: Ints) -> slice:
    """Where counts are not zero, with one cell to each side."""
    there = np.flatnonzero(counts)
    return slice(max(0, int(there[0]) - 1), min(len(counts), int(there[-1]) + 2))


def _median(low: int, counts: Ints) -> float:
    middle = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
    return float(2.0 ** (low + (middle + 0.5) / FINE))


def _merged(things: int) -> int:
    """How many cells are drawn as one: few things would lie scattered over many cells."""
    return 4 if things < 500 else 2 if things < 5000 else 1


def _ratio(value: float, _: object = None) -> str:
    return f"{value:.3g}:1" if value >= 1 else f"1:{1 / value:.3g}"


class Centres:
    """Where the centres of boxes lie in their images.

    Attributes:
        cells: int64 ``(CELLS, CELLS)``: rows from the top, columns from the left, of images stretched to squares.
        outside: Centres that are not in their image.
        unknown: Objects without a box, or of images whose size is not known.
    """

    def __init__(self, schema: Schema, field: str | None = None) -> None:
        counting.need_images(schema)
        self.field, feature = counting.object_field(schema, field)
        self.member = counting.need(feature, self.field, counting.SHAPES, "boxes")
        self.fields = (f"{self.field}.{self.member}", "image")
        self.cells = np.zeros((CELLS, CELLS), np.int64)
        self.outside = self.unknown = 0
        self._shapes = np.zeros(2)  # the sums of the sides of the images, an object one

    @property
    def shape(self) -> float:
        """Width through height of the images that objects are on, in the mean."""
        return float(np.clip(self._shapes[0] / self._shapes[1], 0.4, 2.5)) if self._shapes[1] else 1.0

    def add(self, batch: pa.RecordBatch) -> None:
        """Count one batch more."""
        column = batch.column(self.field)
        rows = counting.owners(column)
        size = np.stack(counting.image_sizes(batch), axis=1)[rows]
        place = counting.extents(column.flatten(), self.member)[:, :2] / size
        known = np.isfinite(place).all(axis=1)
        inside = known & ((place >= 0) & (place <= 1)).all(axis=1)
        self.unknown += int((~known).sum())
        self.outside += int((known & ~inside).sum())
        self._shapes += size[known].sum(axis=0)
        x, y = np.minimum((place[inside] * CELLS).astype(np.int64), CELLS - 1).T
        self.cells += np.bincount(y * CELLS + x, minlength=self.cells.size).reshape(self.cells.shape)


@style.drawing
def draw_centres(centres: Centres) -> Figure:
    """A map of the mean image: the darker, the more boxes have their centre there."""
    title = "Where the centres of boxes lie"
    if not centres.cells.any():
        return style.nothing(title, "no boxes on images whose size is known")
    drawn, (ax,) = style.figure(
        title, (3.9 * max(centres.shape, 1.0) + 1.6, 3.9 / min(centres.shape, 1.0) + 0.9)
    )
    total = centres.cells.sum()
    step = _merged(int(total))
    cells = centres.cells.reshape(-1, step, CELLS // step, step).sum(axis=(1, 3))
    density = cells * (cells.size / total)
    image = ax.imshow(density, cmap=style.heat(), vmin=0, extent=(0, 1, 1, 0), aspect=1 / centres.shape,
                      interpolation="nearest")  # fmt: skip
    ax.set_xticks([0, 1], ["left", "right"])
    ax.set_yticks([0, 1], ["top", "bottom"])
    ax.tick_params(length=0)
    for labels, places in (
        (ax.get_xticklabels(), ("left", "right")),
        (ax.get_yticklabels(), ("top", "bottom")),
    ):
        for text, place in zip(labels, places, strict=True):
            text.set(**{"ha" if place in {"left", "right"} else "va": place})
    for spine in ax.spines.values():
        spine.set_visible(False)
    bar = drawn.colorbar(image, ax=ax, shrink=0.8, aspect=30, pad=0.02, format="{x:g}×")
    bar.outline.set_visible(False)
    bar.set_label("as dense as if spread evenly")
    bar.ax.tick_params(length=0)
    rest = ((centres.outside, "outside of their image"), (centres.unknown, "unknown"))
    facts = [f"{style.number(n)} {what}" for n, what in rest if n]
    style.facts(ax, style.many(int(total), "centre"), *facts)
    return drawn
