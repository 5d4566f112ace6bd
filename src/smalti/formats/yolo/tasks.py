"""What the rows of label files mean: the columns of each task, and finding out which task it is.

Columns (https://docs.ultralytics.com/datasets/): detect ``class cx cy w h``; segment ``class x1 y1 x2 y2
…``; pose ``class cx cy w h`` and K keypoints of 2 or 3 numbers; obb ``class`` and four corners. Any of
them may have one column more: a confidence, or a track id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from smalti.errors import DataError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smalti.formats.label_rows import Rows
    from smalti.formats.yolo.options import Task, YoloOptions
    from smalti.formats.yolo.yaml_file import DataYaml

Extra = Literal["score", "track_id"] | None


@dataclass(frozen=True, slots=True)
class RowShape:
    """What the columns of every row are.

    Attributes:
        task: The task.
        extra: What a last column beyond the task's own holds; null: there is none.
        kpt_shape: Number of keypoints, and numbers of each; null but for pose.
    """

    task: Task
    extra: Extra = None
    kpt_shape: tuple[int, int] | None = None

    @property
    def members(self) -> tuple[str, ...]:
        """The object members that the rows hold."""
        own: dict[Task, tuple[str, ...]] = {
            "detect": ("bbox",),
            "segment": ("polygons",),
            "pose": ("bbox", "keypoints"),
            "obb": ("quad",),
            "classify": (),
        }
        return ("category", *own[self.task], *((self.extra,) if self.extra else ()))

    @property
    def columns(self) -> int | None:
        """How many numbers a row has; null where rows differ."""
        if self.task == "segment":
            return None
        keypoints = self.kpt_shape[0] * self.kpt_shape[1] if self.kpt_shape else 0
        own = {"detect": 5, "pose": 5 + keypoints, "obb": 9, "classify": 1}[self.task]
        return own + (self.extra is not None)

    def wrong(self, rows: Rows) -> np.ndarray:
        """Positions of rows whose number of columns does not fit."""
        count = rows.lengths
        if self.columns is not None:
            return np.flatnonzero(count != self.columns)
        points = count - 1 - (self.extra is not None)
        boxes = count == 5  # a box among polygons is a box: the annotator drew no outline
        return np.flatnonzero(~boxes & ((points < 6) | (points % 2 == 1)))

    @property
    def expected(self) -> str:
        """The columns in words, for messages."""
        words = {
            "detect": "class cx cy w h",
            "segment": "class and at least three points x y",
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
    if options.task == "classify":
        return RowShape("classify")
    rows = sample()
    counts = set(np.unique(np.concatenate([r.lengths for r in rows])).tolist()) if rows else set()
    task = options.task or _task(counts, yaml)
    shape = yaml.kpt_shape if task == "pose" else None
    if task == "pose" and shape is None:
        raise OptionError("task='pose' needs kpt_shape in data.yaml")
    bare = RowShape(task, None, shape)
    if options.extra_column:
        return RowShape(task, options.extra_column, shape)
    if task == "segment":
        extra = counts - {5} and all(count % 2 == 0 for count in counts - {5})
    else:
        extra = bare.columns is not None and bare.columns + 1 in counts
    return RowShape(task, _extra(rows, bare) if extra else None, shape)


def _task(counts: set[int], yaml: DataYaml) -> Task:
    if yaml.kpt_shape:
        return "pose"
    if counts <= {5, 6}:
        return "detect"
    long = counts - {5, 6}
    if counts & {5, 6}:
        raise OptionError(
            f"rows of {min(counts)} and of {max(long)} columns stand side by side: boxes among polygons, for"
            " which trainers drop the image; pass task='segment' to read both"
        )
    if long <= {9} or long <= {10}:
        raise OptionError(
            "every row has 9 columns: oriented boxes, or polygons of four points; pass task='obb' or"
            " task='segment'"
        )
    return "segment"


def _extra(rows: Sequence[Rows], bare: RowShape) -> Extra:
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
