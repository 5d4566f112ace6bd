"""How often each keypoint is visible, hidden, or not labelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from smalti.view.plots import counting, style

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from smalti.schema.schema import Schema
    from smalti.view.plots.counting import Ints

# What COCO's flag says (https://cocodataset.org/#format-data), and null.
STATES = (("visible", 2, style.SERIES[0]), ("hidden", 1, style.SERIES[1]),
          ("not labelled", 0, "#c3c7cd"), ("not said", 3, "#8f959d"))  # fmt: skip
LONGEST = 512  # keypoints of an object; no more are told apart
CLASSES = 6  # drawn


class Visibility:
    """How often each keypoint of each class has each visibility.

    Attributes:
        counts: int64 ``(classes + 1, keypoints, 4)``: visibility 0 not labelled, 1 hidden, 2 visible, 3 not said; the
            last row is of objects without a class.
    """

    def __init__(self, schema: Schema, field: str | None = None) -> None:
        self.field, feature = counting.object_field(schema, field)
        counting.need(feature, self.field, ("keypoints",), "keypoints")
        self.categories = feature.categories
        self.fields = (f"{self.field}.keypoints", *counting.class_members(feature, self.field))
        self.counts: NDArray[np.int64] = np.zeros((len(feature.categories) + 1, 0, 4), np.int64)

    def add(self, batch: pa.RecordBatch) -> None:
        """Count one batch more."""
        objects = batch.column(self.field).flatten()
        points = objects.field("keypoints")
        length = counting.lengths(points)
        classes = np.full(len(objects), len(self.counts) - 1)
        if len(self.fields) > 1:
            codes = counting.class_codes(objects.field("category"))
            classes = np.where(codes < 0, len(self.counts) - 1, codes)
        first = np.cumsum(length) - length
        states = pc.fill_null(points.flatten().field("visibility"), 3).to_numpy(zero_copy_only=False)
        seen = np.where((states >= 0) & (states <= 3), states, 4)
        wide = max(self.counts.shape[1], int(min(length.max(initial=0), LONGEST)))
        found = np.zeros((len(self.counts), wide, 4), np.int64)
        found[:, : self.counts.shape[1]] = self.counts
        for place in range(min(int(length.max(initial=0)), LONGEST)):
            has = slice(None) if length.min() > place else np.flatnonzero(length > place)
            cells = classes[has] * 5 + seen[first[has] + place]
            found[:, place] += np.bincount(cells, minlength=5 * len(found)).reshape(-1, 5)[:, :4]
        self.counts = found

    def names(self, code: int, points: int) -> list[str]:
        """What the keypoints of a class are called."""
        known = (self.categories[code].keypoints or ()) if code < len(self.categories) else ()
        return [style.label(known[n]) if n < len(known) else f"keypoint {n}" for n in range(points)]


@style.drawing
def draw_visibility(visibility: Visibility) -> Figure:
    """Bars by keypoint, a panel for each of the classes that have most of them."""
    title = "Visibility of keypoints"
    total = visibility.counts.sum(axis=(1, 2))
    classes = [int(code) for code in np.argsort(-total, kind="stable")[:CLASSES] if total[code]]
    if not classes:
        return style.nothing(title, "no object has keypoints")
    used = [int(np.flatnonzero(visibility.counts[code].sum(axis=1))[-1]) + 1 for code in classes]
    height = 1.1 + sum(0.6 + 0.23 * points for points in used)
    drawn, axes = style.figure(title, (8.0, height), (len(classes), 1), height_ratios=used)
    for ax, code, points in zip(axes, classes, used, strict=True):
        _panel(ax, visibility.counts[code, :points])
        style.names_axis(ax, visibility.names(code, points))
        known = code < len(visibility.categories)
        name = style.label(visibility.categories.values[code] if known else None, none="no class")
        objects = int(visibility.counts[code].sum(axis=1).max())
        style.facts(ax, f"{name}: {style.many(objects, 'object')} with keypoints")
    style.legend(axes[0])
    return drawn


def _panel(ax: Axes, counts: Ints) -> None:
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    left = np.zeros(len(share))
    for name, state, colour in STATES:
        if counts[:, state].any():
            ax.barh(range(len(share)), share[:, state], left=left, height=0.72, color=colour, label=name)
            left += share[:, state]
    ax.set_xlim(0, 1)
    ax.xaxis.set_major_formatter("{x:.0%}")
    ax.grid(visible=True, axis="x")
    ax.tick_params(axis="x", length=0)
