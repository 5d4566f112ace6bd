"""Tracks over time: from which frame to which they live, where they have gaps, how long they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import SchemaError, listed
from smalti.schema import features
from smalti.view.palette import colour
from smalti.view.plots import counting, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from smalti.dataset.dataset import Dataset
    from smalti.schema.schema import Schema
    from smalti.view.plots.counting import Ints

LINES = 60  # tracks drawn one by one
BARS = 48  # of the histogram of lengths


class Columns:
    """Where a dataset has its videos, frames and tracks.

    Attributes:
        field: The object field.
        fields: What is read.
    """

    def __init__(self, schema: Schema, field: str | None) -> None:
        self.field, self.feature = counting.object_field(schema, field)
        counting.need(self.feature, self.field, ("track_id",), "tracks")
        frames, videos = schema.of_kind(features.Frame), schema.of_kind(features.Video)
        if not frames:
            raise SchemaError(
                f"tracks need the number of each frame; there are the columns {listed(schema.columns)}"
            )
        self.frame, self.video = frames[0], videos[0] if videos else None
        self.fields = (
            self.frame,
            *videos[:1],
            f"{self.field}.track_id",
            *counting.class_members(self.feature, self.field),
        )

    def videos(self, batch: pa.RecordBatch) -> pa.Array:
        """The video of each sample; null where there is one alone."""
        return pa.nulls(len(batch), pa.string()) if self.video is None else batch.column(self.video)

    def table(self, batch: pa.RecordBatch) -> pa.Table:
        """A row an object of a track: ``video``, ``track``, ``frame``, ``code`` (-1 without a class)."""
        column = batch.column(self.field)
        objects = column.flatten()
        rows = counting.owners(column)
        has_class = f"{self.field}.category" in self.fields
        codes = counting.class_codes(objects.field("category")) if has_class else np.full(len(rows), -1)
        frames = pc.take(batch.column(self.frame), pa.array(rows))
        names = pc.take(self.videos(batch), pa.array(rows))
        found = pa.table({"video": names, "track": objects.field("track_id"), "frame": frames, "code": codes})
        return found.filter(pc.and_(pc.is_valid(found["track"]), pc.is_valid(found["frame"])))


SPANS = [("frame", "min"), ("frame", "max"), ("frame", "count"), ("code", "max")]
MERGED = [("first", "min"), ("last", "max"), ("frames", "sum"), ("code", "max")]
NAMES = ["video", "track", "first", "last", "frames", "code"]


class Spans:
    """Each track's first and last frame; memory grows with the tracks.

    Attributes:
        tracks: A row a track: ``video``, ``track``, ``first``, ``last``, ``frames`` (that it is seen on), ``code`` (of
            its class, -1 for none).
    """

    def __init__(self, schema: Schema, field: str | None = None) -> None:
        self.columns = Columns(schema, field)
        self.fields = self.columns.fields
        self.tracks: Any = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Count one batch more."""
        found = self.columns.table(batch).group_by(["video", "track"]).aggregate(SPANS)
        found = found.rename_columns(NAMES)
        if self.tracks is not None:
            both = pa.concat_tables([self.tracks, found])
            found = both.group_by(["video", "track"]).aggregate(MERGED).rename_columns(NAMES)
        self.tracks = found

    def busiest(self) -> str | None:
        """The video with most tracks; of several the first by name."""
        counts = pc.value_counts(self.tracks["video"].combine_chunks()).to_pylist()
        return min(counts, key=lambda item: (-item["counts"], item["values"] or ""))["values"]


class Lives:
    """On which frames each track of one video is seen.

    Attributes:
        seen: A row an object: ``track``, ``frame``, ``code``.
    """

    def __init__(self, schema: Schema, field: str | None, video: str | None) -> None:
        self.columns = Columns(schema, field)
        self.fields = self.columns.fields
        self._video = video
        self._parts: list[pa.Table] = []

    @property
    def seen(self) -> pa.Table:
        return pa.concat_tables(self._parts)

    def add(self, batch: pa.RecordBatch) -> None:
        """Take what one batch has of the video."""
        names = self.columns.videos(batch)
        own = (
            pc.is_null(names)
            if self._video is None
            else pc.fill_null(pc.equal(names, self._video), fill_value=False)
        )
        part = batch.filter(own)
        if len(part):
            self._parts.append(self.columns.table(part))


@style.drawing
def draw_tracks(dataset: Dataset, field: str | None = None, video: str | None = None) -> Figure:
    """The lives of the tracks of a video, and how long the tracks of all are.

    Raises:
        SchemaError: There are no tracks or no frames, or no such video.
    """
    title = "Tracks over time"
    spans = Spans(dataset.schema, field)
    counting.count(dataset, [spans])
    if spans.tracks is None or not len(spans.tracks):
        return style.nothing(title, "no object is on a track")
    videos = spans.tracks["video"].unique().to_pylist()
    if video is not None and video not in videos:
        raise SchemaError(
            f"there is no video {video!r} with tracks; there are {listed(map(str, videos), 20)}"
        )
    chosen = spans.busiest() if video is None else video
    lives = Lives(dataset.schema, field, chosen)
    counting.count(dataset, [lives])
    runs = _runs(lives.seen)
    drawn, (above, below) = style.figure(title, (8.0, 4.0 + 0.095 * min(runs.count, LINES)), (2, 1),
                                         height_ratios=(1.0 + 0.06 * min(runs.count, LINES), 1))  # fmt: skip
    more = (
        f"; of {len(videos):,} videos the one with most tracks" if len(videos) > 1 and video is None else ""
    )
    hidden = f", the first {LINES}" if runs.count > LINES else ""
    where = f"in {style.label(chosen, 36)}" if chosen is not None else ""
    parts = (style.many(runs.count, "track"), where)
    style.facts(above, " ".join(part for part in parts if part) + hidden + more)
    _draw_lives(above, runs, spans.columns.feature.categories.values)
    _draw_lengths(below, spans)
    return drawn


class Runs:
    """Stretches of frames on which tracks are seen without a gap, tracks in the order of their first frame.

    Attributes:
        track: int64 ``(n,)``: the track's place in that order.
        first: int64 ``(n,)``: frame.
        last: int64 ``(n,)``: frame.
        code: int64 ``(n,)``: of the class, -1 for none.
        count: How many tracks there are.
        step: Frames from one that is labelled to the next.
    """

    def __init__(self, track: Ints, first: Ints, last: Ints, code: Ints, step: int) -> None:
        self.track, self.first, self.last, self.code, self.step = track, first, last, code, step
        self.count = int(track.max()) + 1


def _runs(seen: pa.Table) -> Runs:
    words = seen["track"].combine_chunks().dictionary_encode()
    track = words.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    frame = seen["frame"].to_numpy().astype(np.int64)
    code = seen["code"].to_numpy().astype(np.int64)
    begins = np.full(len(words.dictionary), np.iinfo(np.int64).max)
    np.minimum.at(begins, track, frame)
    place = np.empty(len(begins), np.int64)
    place[np.argsort(begins, kind="stable")] = np.arange(len(begins))
    track = place[track]
    order = np.lexsort((frame, track))
    track, frame, code = track[order], frame[order], code[order]
    # Where every tenth frame is labelled, ten frames on is no gap.
    labelled = np.unique(frame)
    step = int(np.median(np.diff(labelled))) if len(labelled) > 1 else 1
    new = np.ones(len(frame), bool)
    new[1:] = (np.diff(track) != 0) | (np.diff(frame) > step)
    starts = np.flatnonzero(new)
    ends = np.append(starts[1:], len(frame)) - 1
    return Runs(track[starts], frame[starts], frame[ends], code[starts], step)


def _draw_lives(ax: Axes, runs: Runs, names: tuple[str, ...]) -> None:
    from matplotlib.collections import LineCollection

    shown = runs.track < LINES
    track, first, last, code = (values[shown] for values in (runs.track, runs.first, runs.last, runs.code))
    begin = np.full(track.max() + 1, np.inf)
    end = np.full(track.max() + 1, -np.inf)
    np.minimum.at(begin, track, first)
    np.maximum.at(end, track, last)
    ax.hlines(np.arange(len(begin)), begin, end, color=style.GRID, linewidth=1)
    for one in np.unique(code):
        mine = code == one
        ends = np.stack([first[mine] - runs.step * 0.4, last[mine] + runs.step * 0.4], axis=1)
        lines = np.stack([ends, np.repeat(track[mine][:, None], 2, axis=1)], axis=2)
        rgb = tuple(part / 255 for part in colour(int(one))) if one >= 0 else style.MUTED
        name = style.label(names[one], 18) if 0 <= one < len(names) else "no class"
        ax.add_collection(
            LineCollection(list(lines), colors=[rgb], linewidths=3.2, capstyle="butt", label=name)
        )
    span = max(1.0, float(last.max() - first.min()))
    ax.set_xlim(float(first.min()) - 0.02 * span - 0.5, float(last.max()) + 0.02 * span + 0.5)
    ax.set_ylim(len(begin) - 0.2, -0.8)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.grid(visible=True, axis="x")
    ax.tick_params(axis="x", length=0)
    ax.set(xlabel="frame", ylabel="tracks")
    if len(np.unique(code)) <= 6:
        style.legend(ax, 6)


def _draw_lengths(ax: Axes, spans: Spans) -> None:
    length = spans.tracks["last"].to_numpy() - spans.tracks["first"].to_numpy() + 1
    gaps = int((spans.tracks["frames"].to_numpy() < length).sum())
    most = int(length.max())
    width = -(-most // BARS)
    counts = np.bincount((length - 1) // width)
    ax.stairs(counts, np.arange(len(counts) + 1) * width + 0.5, fill=True, color=style.SERIES[0])
    style.counts_axis(ax, "y", counts[counts > 0].tolist(), log=False)
    ax.spines["left"].set_visible(False)
    ax.set(xlabel="frames from first to last", ylabel="tracks")
    style.facts(ax, f"{style.many(len(length), 'track')}: median {np.median(length):,.0f} frames, {most:,} at most",
                f"{style.number(gaps)} not seen on every frame")  # fmt: skip
