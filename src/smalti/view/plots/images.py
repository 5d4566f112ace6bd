"""How large images are, and how many objects are on them."""

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

BARS = 60  # of the histogram of objects
BUBBLES = 400  # sizes drawn one by one; of more, a map
NAMED = 6  # sizes whose numbers stand beside them
SHAPES = ((1, 1), (4, 3), (16, 9), (3, 4), (9, 16))


class Density:
    """How many samples have how many objects.

    Attributes:
        samples: int64: at position n, the samples with n objects.
        unknown: Samples that nobody has annotated.
    """

    def __init__(self, schema: Schema, field: str | None = None) -> None:
        self.field, feature = counting.object_field(schema, field)
        self.fields = (f"{self.field}.{feature.names[0]}",) if feature.names else (self.field,)
        self.samples = np.zeros(1, np.int64)
        self.unknown = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Count one batch more."""
        column = batch.column(self.field)
        known = column.is_valid().to_numpy(zero_copy_only=False)
        self.unknown += int((~known).sum())
        found = np.bincount(counting.lengths(column)[known], minlength=len(self.samples))
        found[: len(self.samples)] += self.samples
        self.samples = found


@style.drawing
def draw_density(density: Density) -> Figure:
    """A histogram; what few samples reach is one bar at the right."""
    title = "Objects of a sample"
    counts = density.samples
    total = int(counts.sum())
    if not total:
        return style.nothing(title, "no sample has been annotated")
    drawn, (ax,) = style.figure(title)
    most = len(counts) - 1
    cut = min(most, int(np.searchsorted(np.cumsum(counts), 0.998 * total))) + 1
    width = -(-cut // BARS)
    edges = np.arange(0, cut + width, width)
    heights = np.add.reduceat(counts, edges[edges < len(counts)])
    body = heights[: len(edges) - 1]
    left = edges[: len(body)]
    ax.bar(left, body, width=width * 0.86, align="center" if width == 1 else "edge", color=style.SERIES[0])
    if beyond := int(counts[edges[len(body)] :].sum()) if edges[len(body)] <= most else 0:
        at = int(edges[len(body)]) + width
        ax.bar(at, beyond, width=width * 0.86, align="center" if width == 1 else "edge", color=style.MUTED)
        ax.annotate(f"{edges[len(body)]:,} to {most:,}", (at + (width / 2 if width > 1 else 0), beyond), (0, 3),
                    textcoords="offset points", ha="right", fontsize=8, color=style.MUTED)  # fmt: skip
    style.counts_axis(ax, "y", body.tolist(), log=False)
    style.counts_axis(ax, "x", [], log=False)
    if cut < 8:  # few bars need not be broad
        ax.set_xlim(-0.6, 8)
    ax.grid(visible=False, axis="x")
    ax.spines["left"].set_visible(False)
    ax.set(xlabel="objects" if width == 1 else f"objects, {width} to a bar", ylabel="samples")
    style.facts(ax, *_facts(density, total))
    return drawn


def _facts(density: Density, total: int) -> list[str]:
    counts = density.samples
    objects = int((counts * np.arange(len(counts))).sum())
    middle = int(np.searchsorted(np.cumsum(counts), total / 2))
    mean = f"mean {objects / total:.3g}, median {middle}, {len(counts) - 1:,} at most"
    facts = [f"{style.many(objects, 'object')} of {style.many(total, 'sample')}: {mean}"]
    facts += [f"{style.number(counts[0])} without any"] if counts[0] else []
    facts += [f"{style.number(density.unknown)} not annotated"] if density.unknown else []
    return facts


class Sizes:
    """How many images have which size.

    Attributes:
        sizes: int64 ``(n, 2)``: each width and height there is, in pixels.
        images: int64 ``(n,)``: the images that have it.
        unknown: Images whose size is not known.
    """

    def __init__(self, schema: Schema) -> None:
        counting.need_images(schema)
        self.fields = ("image",)
        self._keys: Ints = np.zeros(0, np.int64)
        self.images: Ints = np.zeros(0, np.int64)
        self.unknown = 0

    @property
    def sizes(self) -> Ints:
        return np.stack([self._keys >> 32, self._keys & 0xFFFFFFFF], axis=1)

    def add(self, batch: pa.RecordBatch) -> None:
        """Count one batch more."""
        width, height = counting.image_sizes(batch)
        known = np.isfinite(width) & np.isfinite(height)
        self.unknown += int((~known).sum())
        keys = (width[known].astype(np.int64) << 32) | height[known].astype(np.int64)
        found, counts = np.unique(keys, return_counts=True)
        self._keys, places = np.unique(np.concatenate([self._keys, found]), return_inverse=True)
        self.images = np.bincount(
            places.ravel(), weights=np.concatenate([self.images, counts]), minlength=len(self._keys)
        ).astype(np.int64)


@style.drawing
def draw_sizes(sizes: Sizes) -> Figure:
    """A bubble a size, as large as it is frequent, or a map where there are many sizes."""
    title = "Sizes of images"
    total = int(sizes.images.sum())
    if not total:
        return style.nothing(title, "no image whose size is known")
    drawn, (ax,) = style.figure(title, (7.2, 5.4))
    width, height = sizes.sizes.T.astype(float)
    low, high = min(width.min(), height.min()) / 1.35, max(width.max(), height.max()) * 1.35
    ax.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
    for w, h in SHAPES:
        ax.plot([low, high], [low * h / w, high * h / w], color=style.GRID, linewidth=0.8, zorder=0)
        end = (high, high * h / w) if w >= h else (high * w / h, high)
        ax.annotate(f"{w}:{h}", end, (-4, -9 if w <= h else -6), textcoords="offset points", fontsize=7.5,
                    color=style.MUTED, ha="right", va="center")  # fmt: skip
    if len(width) <= BUBBLES:
        area = 12 + 700 * sizes.images / sizes.images.max()
        ax.scatter(width, height, s=area, color=style.SERIES[0], alpha=0.55, linewidths=0)
    else:
        steps = np.geomspace(low, high, 72)
        cells, _, _ = np.histogram2d(width, height, bins=[steps, steps], weights=sizes.images)
        ax.pcolormesh(
            steps, steps, np.ma.masked_equal(cells.T, 0), cmap=style.heat(), norm="log", rasterized=True
        )
    _name_sizes(ax, sizes)
    _pixel_ticks(ax, low, high)
    rest = f"{style.number(sizes.unknown)} unknown" if sizes.unknown else ""
    kinds = f"{len(width):,} sizes" if len(width) > 1 else "one size"
    style.facts(ax, f"{style.many(total, 'image')} of {kinds}", rest)
    ax.set(xlabel="width in pixels", ylabel="height in pixels")
    return drawn


def _name_sizes(ax: Axes, sizes: Sizes) -> None:
    """The numbers of the most frequent sizes that have some weight."""
    order = np.argsort(-sizes.images, kind="stable")[:NAMED]
    lines = [
        f"{w} × {h}   {sizes.images[place] / sizes.images.sum():.0%}"
        for place in order
        if sizes.images[place] > 0.01 * sizes.images.sum()
        for w, h in [sizes.sizes[place]]
    ]
    if lines:
        ax.text(1.04, 1.0, "\n".join(lines), transform=ax.transAxes, va="top", fontsize=8.5, color=style.INK,
                linespacing=1.6)  # fmt: skip


def _pixel_ticks(ax: Axes, low: float, high: float) -> None:
    """Round numbers: on a logarithmic axis of less than a power of ten, matplotlib has hardly any."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    steps = (1, 1.5, 2, 3, 4, 5, 6, 8) if high < 8 * low else (1, 2, 5) if high < 200 * low else (1,)
    ticks = [n * 10.0**k for k in range(8) for n in steps if low <= n * 10.0**k <= high]
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axis.set_tick_params(length=0)
