"""CVAT for video: tracks of keyframes become objects of frames.

A shape is there until the track's next one; an ``outside`` one ends it. Between keyframes coordinates are
interpolated in straight lines, as CVAT does; attributes stay as they were
(https://docs.cvat.ai/docs/other/xml_format, track).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec

from smalti.errors import DataError
from smalti.formats import xml_files
from smalti.formats.cvat.labels import FIGURES
from smalti.formats.cvat.scan import LAST_FRAME, ImageSpan, TrackSpan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from smalti.formats.cvat.scan import Scan

    Row = dict[str, Any]

SUFFIX = ".PNG"  # of frames, as CVAT writes them
STEP = re.compile(r"step\s*=\s*([0-9]{1,7})")


@dataclass(frozen=True, slots=True)
class Tracks:
    """What a part of a video is read from.

    Attributes:
        spans: The tracks that touch the part.
        video: The name of the video.
        numbers: The numbers of all frames.
        keyframes: Whether objects say if they are keyframes.
    """

    spans: tuple[TrackSpan, ...]
    video: str
    numbers: range
    keyframes: bool


@dataclass(slots=True)
class Keyframe:
    """A shape of a track; CVAT writes those between keyframes, too."""

    frame: int
    row: Row
    outside: bool
    key: bool


def frames(found: Scan, stem: str) -> tuple[range, tuple[str, str] | None, str]:
    """The numbers of a video's frames, its width and height as they are written, and its name.

    Raises:
        DataError: The video is a project, or its frames are no numbers.
    """
    meta = found.meta
    if meta is not None and meta.find("project") is not None:
        raise DataError("found the tracks of a project", hint="export its tasks one by one")
    last = max((track.last for track in found.tracks), default=0)
    task = None if meta is None else next((child for child in meta if child.tag in {"task", "job"}), None)
    if meta is None or task is None:
        return range(last + 1), None, stem
    start = _whole(xml_files.text(task.find("start_frame")), 0)
    step = STEP.search(xml_files.text(task.find("frame_filter")) or "")
    by = max(int(step[1]), 1) if step else 1
    size = _whole(xml_files.text(task.find("size")), 0)
    stop = _whole(xml_files.text(task.find("stop_frame")), start + max(size - 1, 0) * by if size else last)
    box = next(meta.iter("original_size"), None)
    sides = None if box is None else (box.findtext("width") or "0", box.findtext("height") or "0")
    name = xml_files.text(next(meta.iter("source"), None)) or xml_files.text(task.find("name"))
    return range(start, stop + 1, by), sides, name or stem


def is_empty(found: Scan) -> bool:
    """Whether a file is of a video in which nothing is: it says so, and has neither images nor tracks."""
    if found.images or found.tracks or found.meta is None:
        return False
    return any(xml_files.text(mode) == "interpolation" for mode in found.meta.iter("mode"))


def check(span: TrackSpan, numbers: range) -> None:
    """Refuse a track that is seen where the video is not.

    Raises:
        DataError: It names the frame.
    """
    if span.low <= span.high and not (numbers.start <= span.low and span.high < numbers.stop):
        odd = span.low if span.low < numbers.start else span.high
        raise DataError(
            f"found the frame {odd}, expected {numbers.start} to {numbers.stop - 1}",
            position=f"track[{span.number}]",
        )


def _whole(text: str | None, otherwise: int) -> int:
    if text is None:
        return otherwise
    if not text.isascii() or not text.isdecimal() or len(text) > 8 or int(text) > LAST_FRAME:
        raise DataError(f"found {text[:40]!r}, expected a number of a frame", position="meta")
    return int(text)


def frame_stem(number: int) -> str:
    """What CVAT calls the picture of a frame, without its suffix."""
    return f"frame_{number:06d}"


def frame_images(numbers: range, size: tuple[str, str] | None, there: Sequence[str]) -> list[ImageSpan]:
    """The frames as images: with the name that an image has which is there, or CVAT's own.

    Args:
        numbers: Of the frames.
        size: Width and height; null while unknown.
        there: Paths of images.
    """
    by_stem = {path.rpartition("/")[2].rpartition(".")[0]: path for path in there}
    sides = {} if size is None else dict(zip(("width", "height"), size, strict=True))
    found = []
    for number in numbers:
        stem = frame_stem(number)
        found.append(ImageSpan({"name": by_stem.get(stem, f"{stem}{SUFFIX}"), **sides}, number, 0))
    return found


def spread(
    keyframes: list[Keyframe], numbers: range, some: range, attributes: Mapping[str, Any]
) -> Iterator[tuple[int, Row, bool]]:
    """The objects that a track is in some frames: the frame, the row, whether it is a keyframe.

    Args:
        keyframes: Its shapes, by rising frame.
        numbers: The numbers of all frames.
        some: Those that are wanted, a slice of `numbers`.
        attributes: What stays as it was where a shape does not say.
    """
    for one, other in pairwise(keyframes):
        for name in attributes:
            if name not in other.row and name in one.row:
                other.row[name] = one.row[name]
    for one, other in pairwise(keyframes):
        if one.outside:
            continue
        if one.frame in some:
            yield one.frame, one.row, one.key
        for frame in _between(one.frame + 1, other.frame, some):
            part = (frame - one.frame) / (other.frame - one.frame)
            yield frame, _mixed(one.row, other.row, part), False
    if keyframes and not keyframes[-1].outside:
        last = keyframes[-1]
        if last.frame in some:
            yield last.frame, last.row, last.key
        for frame in _between(last.frame + 1, numbers.stop, some):
            yield frame, last.row, False


def _between(start: int, stop: int, some: range) -> range:
    """The frames of `some` from `start` to before `stop`."""
    if not some:
        return some
    skipped = max(-(-(start - some.start) // some.step), 0)
    return range(some.start + skipped * some.step, min(stop, some.stop), some.step)


def _mixed(one: Row, other: Row, part: float) -> Row:
    """A row between two: the first, with coordinates on the way to the second."""
    if {"bbox", "quad"} & one.keys() and {"bbox", "quad"} & other.keys():
        boxes = [row.get("quad") or (*row["bbox"], 0.0) for row in (one, other)]
        turn = (boxes[1][4] - boxes[0][4] + 180) % 360 - 180
        corners = tuple(_lerp(a, b, part) for a, b in zip(boxes[0][:4], boxes[1][:4], strict=True))
        rest = {name: value for name, value in one.items() if name not in {"bbox", "quad"}}
        degrees = (boxes[0][4] + turn * part) % 360
        return {**rest, "quad": (*corners, degrees)} if degrees else {**rest, "bbox": corners}
    found = dict(one)
    for name, mix in _MIXERS.items():
        if name in one and name in other:
            found[name] = mix(one[name], other[name], part)
    return found


def _lerp(one: float, other: float, part: float) -> float:
    return one + (other - one) * part


def _line(one: list[float], other: list[float], part: float) -> list[float]:
    if len(one) != len(other):
        return one  # which point becomes which, nothing says
    return [_lerp(a, b, part) for a, b in zip(one, other, strict=True)]


def _points(one: list[Row], other: list[Row], part: float) -> list[Row]:
    if len(one) != len(other):
        return one
    return [
        {**a, "x": _lerp(a["x"], b["x"], part), "y": _lerp(a["y"], b["y"], part)}
        for a, b in zip(one, other, strict=True)
    ]


def _figure(one: str, other: str, part: float) -> str:
    first, second = (msgspec.json.decode(text, type=dict[str, float]) for text in (one, other))
    mixed = {name: _lerp(value, second.get(name, value), part) for name, value in first.items()}
    return msgspec.json.encode(mixed).decode()


_MIXERS: dict[str, Any] = {
    "polygons": lambda one, other, part: [_line(one[0], other[0], part)],
    "polyline": _line,
    "keypoints": _points,
    **dict.fromkeys(FIGURES, _figure),
}
