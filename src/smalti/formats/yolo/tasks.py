"""What the rows of label files mean: the columns of each task, and finding out which task it is.

Columns (https://docs.ultralytics.com/datasets/): detect ``class cx cy w h``; segment ``class x1 y1 x2 y2
…``; pose ``class cx cy w h`` and K keypoints of 2 or 3 numbers; obb ``class`` and four corners. Any of
them may have one column more: a confidence, or a track id. Oriented boxes of Roboflow's text dialect are
in pixels, and their last column is a difficulty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa

from smalti.errors import DataError, OptionError
from smalti.schema import features

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smalti.formats.label_rows import Rows
    from smalti.formats.yolo.options import Task, YoloOptions
    from smalti.formats.yolo.yaml_file import DataYaml

Extra = Literal["score", "track_id", "difficulty"]

EXACT = 2**53  # whole numbers up to here are exact as doubles


@dataclass(frozen=True, slots=True)
class RowShape:
    """What the columns of every row are.

    Attributes:
        task: The task.
        extra: What a last column beyond the task's own holds; null: there is none.
        kpt_shape: Number of keypoints, and numbers of each; null but for pose.
        boxes: Whether rows of a box stand among polygons.
        pixels: Whether coordinates are in pixels instead of fractions of the image.
    """

    task: Task
    extra: Extra | None = None
    kpt_shape: tuple[int, int] | None = None
    boxes: bool = False
    pixels: bool = False

    @property
    def members(self) -> tuple[str, ...]:
        """The object members that the rows hold."""
        own: dict[Task, tuple[str, ...]] = {
            "detect": ("bbox",),
            "segment": ("bbox", "polygons") if self.boxes else ("polygons",),
            "pose": ("bbox", "keypoints"),
            "obb": ("quad",),
            "classify": (),
        }
        extra = (self.extra,) if self.extra and not self.attributes else ()
        return ("category", *own[self.task], *extra)

    @property
    def attributes(self) -> dict[str, features.Value]:
        """The attributes that the rows hold."""
        return {"difficulty": features.Value(type=pa.int64())} if self.extra == "difficulty" else {}

    @property
    def names(self) -> tuple[str, ...]:
        """Members and attributes."""
        return (*self.members, *self.attributes)

    @property
    def columns(self) -> int | None:
        """How many numbers a row has; null where rows differ."""
        if self.task == "segment":
            return None
        keypoints = self.kpt_shape[0] * self.kpt_shape[1] if self.kpt_shape else 0
        own = {"detect": 5, "pose": 5 + keypoints, "obb": 9, "classify": 1}[self.task]
        return own + (self.extra is not None)

    def is_box(self, rows: Rows) -> np.ndarray:
        """Which rows hold a box among polygons."""
        return rows.lengths == 5 + (self.extra is not None)

    def holds(self, name: str, rows: Rows) -> np.ndarray:
        """Which rows have a value of a member or attribute."""
        if self.task == "segment" and name in {"bbox", "polygons"}:
            return self.is_box(rows) == (name == "bbox")
        return np.ones(len(rows), bool)

    def wrong(self, rows: Rows) -> np.ndarray:
        """Positions of rows whose number of columns does not fit."""
        count = rows.lengths
        if self.columns is not None:
            return np.flatnonzero(count != self.columns)
        points = count - 1 - (self.extra is not None)
        polygon = (points >= 6) & (points % 2 == 0)
        return np.flatnonzero(~polygon & ~(self.is_box(rows) & self.boxes))

    def odd(self, rows: Rows) -> np.ndarray:
        """Positions of rows with a number that is none of its kind; the rows have the right columns."""
        bad = np.zeros(len(rows), bool)
        if self.extra in {"track_id", "difficulty"} and len(rows):
            last = rows.column(-1)
            bad |= (last != np.round(last)) | (np.abs(last) > EXACT)
        if self.kpt_shape and self.kpt_shape[1] == 3:
            for point in range(self.kpt_shape[0] if len(rows) else 0):
                bad |= ~np.isin(rows.column(7 + 3 * point), (0, 1, 2))
        return np.flatnonzero(bad)

    @property
    def expected(self) -> str:
        """The columns in words, for messages."""
        words = {
            "detect": "class cx cy w h",
            "segment": "class and at least three points x y" + (", or class cx cy w h" if self.boxes else ""),
            "pose": f"class cx cy w h and {self.kpt_shape} keypoints",
            "obb": "class x1 y1 x2 y2 x3 y3 x4 y4",
            "classify": "class",
        }
        return words[self.task] + (f" {self.extra}" if self.extra else "")


def find_shape(options: YoloOptions, yaml: DataYaml, sample: Callable[[], Sequence[Rows]]) -> RowShape:
    """The columns of a dataset's rows: as the options say, else as the files leave one answer.

    Args:
        options: The reader's options.
        yaml: What data.yaml says.
        sample: Gives the rows of some label files; called only where they are needed.

    Raises:
        OptionError: The rows may mean several things; the message names the option that decides.
    """
    rows = sample()
    # Rows shorter than a box fit no task: they are told when they are read for good.
    counts = {n for n in np.unique(np.concatenate([[0], *(r.lengths for r in rows)])).tolist() if n >= 5}
    task = options.task or _task(counts, yaml)
    shape = yaml.kpt_shape if task == "pose" else None
    if task == "pose" and shape is None:
        raise OptionError("task='pose' needs kpt_shape in data.yaml")
    bare = RowShape(task, None, shape)
    extra = options.extra_column
    if extra is None:
        if task == "segment":
            more = bool(counts) and all(count % 2 == 0 for count in counts)
        else:
            more = bare.columns is not None and bare.columns + 1 in counts
        extra = _extra(rows, bare) if more else None
    return RowShape(task, extra, shape, boxes=task == "segment" and 5 + (extra is not None) in counts)


def text_shape(options: YoloOptions) -> RowShape:
    """The columns of the text dialect.

    Raises:
        OptionError: The options say something else.
    """
    if options.task not in {None, "obb"} or options.extra_column:
        raise OptionError(
            "rows below labelTxt hold oriented boxes and a difficulty; leave task and extra_column out"
        )
    return RowShape("obb", "difficulty", pixels=True)


def _task(counts: set[int], yaml: DataYaml) -> Task:
    if yaml.kpt_shape:
        return "pose"
    long = counts - {5, 6}
    if not long:
        return "detect"
    if counts & {5, 6}:
        raise OptionError(
            f"rows of {min(counts)} and of {max(long)} columns stand side by side: boxes among polygons, for"
            " which trainers drop the image; pass task='segment' to read both"
        )
    if long <= {9} or long <= {10}:
        raise OptionError(
            f"every row has {min(long)} columns: oriented boxes, or polygons of four points; pass task='obb'"
            " or task='segment'"
        )
    return "segment"


def _extra(rows: Sequence[Rows], bare: RowShape) -> Literal["score", "track_id"]:
    """What a column beyond the task's own is: fractions are confidences, counting numbers are tracks."""
    own = bare.columns
    longer = [r.lengths % 2 == 0 if own is None else r.lengths == own + 1 for r in rows]
    last = np.concatenate([r.column(-1)[mine] for r, mine in zip(rows, longer, strict=True)])
    if ((last >= 0) & (last <= 1)).all() and (last != np.round(last)).any():
        return "score"
    if (last == np.round(last)).all() and (last > 1).any():
        return "track_id"
    raise OptionError(
        "the rows have one column more than their task: confidences, or track ids; pass"
        " extra_column='score' or extra_column='track_id'"
    )


def refuse_wrong(shape: RowShape, rows: Rows, names: Sequence[str]) -> list[DataError]:
    """An error for every row whose columns do not fit."""
    return [
        DataError(
            f"found {rows.lengths[row]} columns, expected {shape.expected}",
            file=names[rows.file[row]],
            position=f"line {rows.line[row]}",
            hint="name what the rows are with task=",
        )
        for row in shape.wrong(rows).tolist()
    ]


def refuse_odd(shape: RowShape, rows: Rows, names: Sequence[str]) -> list[DataError]:
    """An error for every row with a number that is none of its kind."""
    what = "0, 1 or 2 for a keypoint's visibility" if shape.kpt_shape else ""
    if shape.extra in {"track_id", "difficulty"}:
        what = f"{what} and " * bool(what) + f"a whole number for {shape.extra}"
    return [
        DataError(f"expected {what}", file=names[rows.file[row]], position=f"line {rows.line[row]}")
        for row in shape.odd(rows).tolist()
    ]
