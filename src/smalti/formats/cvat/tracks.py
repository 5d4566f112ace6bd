"""Objects of frames to tracks: as few shapes as give back just these objects where they are read.

A shape is written where an object is a keyframe, where it appears, and where what lies between two shapes is not what
CVAT makes of them; one that is ``outside`` follows where an object goes. What CVAT makes of shapes says
`smalti.formats.cvat.video`, which reading goes by (https://docs.cvat.ai/docs/other/xml_format, track).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from smalti.formats import xml_files
from smalti.formats.cvat import video
from smalti.formats.cvat.encode import element_lines, quoted
from smalti.formats.cvat.scan import ROOT
from smalti.formats.cvat.shapes import Image, parse_shape, struct

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from numpy.typing import NDArray

    from smalti.schema.features import Objects

    Row = dict[str, Any]

OF_TRACKS = ("source", "group_id")  # attributes of a track where all of its shapes agree
UNSET = ("keyframe", "track_id")  # members that are no part of a shape


@dataclass(slots=True)
class Track:
    """The objects of one track, by rising frame.

    Attributes:
        number: Its id.
        label: Its class; empty where it has none.
        frames: int64 ``(n,)``.
        keys: ``(n,)``, which are keyframes.
        text: The elements of the objects, one after the other, without their frames.
    """

    number: int
    label: str
    frames: NDArray[np.int64]
    keys: NDArray[np.bool_]
    text: bytes


@dataclass(slots=True)
class Drawn:
    """What became of a track.

    Attributes:
        lines: Its element.
        varied: Attributes that are not the same in all of its objects.
        carried: Frames in which an attribute is read that the object has not, by its member.
    """

    lines: list[str] = field(default_factory=list)
    varied: set[str] = field(default_factory=set)
    carried: dict[str, list[int]] = field(default_factory=dict)


def ordered(group: NDArray[np.int64], sample: NDArray[np.int64]) -> tuple[list[int], bool]:
    """The order of tracks that gives the objects of every frame in their order, and whether there is one.

    Args:
        group: ``(n,)``, the track of each object, in the order of the objects.
        sample: ``(n,)``, the sample of each.
    """
    count = int(group.max(initial=-1)) + 1
    next_ = sample[1:] == sample[:-1]
    pairs = np.unique(np.stack([group[:-1][next_], group[1:][next_]], axis=1), axis=0).reshape(-1, 2)
    above = np.bincount(pairs[:, 1], minlength=count).tolist()
    below: list[list[int]] = [[] for _ in range(count)]
    for one, other in pairs.tolist():
        below[one].append(other)
    free = [number for number in range(count) if not above[number]]
    found: list[int] = []
    done = np.zeros(count, bool)
    sound = True
    while len(found) < count:
        if not free:
            sound = False  # frames contradict each other: the first that is left comes next
            free = [int(np.argmin(done))]
        number = heapq.heappop(free)
        if done[number]:
            continue
        done[number] = True
        found.append(number)
        for other in below[number]:
            above[other] -= 1
            if not above[other]:
                heapq.heappush(free, other)
    return found, sound


def draw(track: Track, numbers: range, image: Image, feature: Objects) -> Drawn:
    """The element of a track.

    Args:
        track: Its objects.
        numbers: The frames of the video.
        image: What shapes are read against.
        feature: What objects have.
    """
    found = Drawn()
    elements = list(xml_files.parse(b"<%b>%b</%b>" % (ROOT.encode(), track.text, ROOT.encode()), ROOT))
    rows = []
    for element in elements:
        element.set("label", track.label)
        rows.append(parse_shape(element, image))
        del element.attrib["label"]
    _carry(rows, track.frames.tolist(), image, found)
    found.varied = {name for name in image.attributes if len({row.get(name) for row in rows}) > 1}
    place = (track.frames - numbers.start) // numbers.step
    first = np.concatenate([[True], np.diff(place) > 1])
    ends = np.append(np.flatnonzero(first)[1:], len(rows)) - 1
    goes = [(row, int(place[row]) + 1) for row in ends.tolist() if place[row] + 1 < len(numbers)]
    closing = [(row, numbers[at]) for row, at in goes]
    written = track.keys | first
    written |= _others(track, rows, written, closing, numbers, feature)
    head = _head(track, elements)
    shapes = [
        (
            int(track.frames[n]),
            _lines(elements[n], int(track.frames[n]), key=bool(track.keys[n]), outside=False),
        )
        for n in np.flatnonzero(written).tolist()
    ]
    shapes += [(frame, _lines(elements[row], frame, key=True, outside=True)) for row, frame in closing]
    inner = [line for _, lines in sorted(shapes, key=lambda shape: shape[0]) for line in lines]
    found.lines = element_lines("track", head, inner, "  ")
    return found


def _carry(rows: list[Row], frames: list[int], image: Image, found: Drawn) -> None:
    """Give an object what reading gives it: the attributes that an earlier one has and it has not."""
    known: Row = {}
    for row, frame in zip(rows, frames, strict=True):
        for name in image.attributes:
            if name in row:
                known[name] = row[name]
            elif name in known:
                row[name] = known[name]
                found.carried.setdefault(name, []).append(frame)


def _others(
    track: Track,
    rows: list[Row],
    written: NDArray[np.bool_],
    closing: list[tuple[int, int]],
    numbers: range,
    feature: Objects,
) -> NDArray[np.bool_]:
    """The objects between two shapes that are not what CVAT makes of them."""
    more = np.zeros(len(rows), bool)
    between = np.flatnonzero(~written)
    if not len(between):
        return more
    frames = track.frames.tolist()
    anchors = [
        video.Keyframe(frames[n], dict(rows[n]), outside=False, key=True) for n in np.flatnonzero(written)
    ]
    anchors += [video.Keyframe(frame, dict(rows[row]), outside=True, key=True) for row, frame in closing]
    anchors.sort(key=lambda anchor: anchor.frame)
    made = {
        frame: row
        for frame, row, _ in video.spread(anchors, numbers, numbers, dict.fromkeys(feature.attributes))
    }
    shown = feature.only([name for name in feature.names if name not in UNSET])
    is_ = struct([rows[n] for n in between], shown)
    would = struct([made[frames[n]] for n in between], shown)
    if is_.equals(would):
        return more
    odd = between[[one != other for one, other in zip(is_.to_pylist(), would.to_pylist(), strict=True)]]
    run = np.cumsum(written)  # objects between the same two shapes have one number
    return np.isin(run, run[odd])


def _head(track: Track, elements: list[Element]) -> dict[str, str]:
    """The attributes of a track; what all of its shapes say alike is said once."""
    found = {"id": str(track.number), "label": track.label}
    for name in OF_TRACKS:
        said = {element.get(name) for element in elements}
        if len(said) == 1 and (value := said.pop()) is not None:
            found[name] = value
            for element in elements:
                del element.attrib[name]
    return found


def _lines(element: Element, frame: int, *, key: bool, outside: bool) -> list[str]:
    """An object as a shape of a track."""
    head = {"frame": str(frame), "keyframe": str(int(key)), "outside": str(int(outside))}
    inner = []
    for child in element:
        if child.tag == "points":
            attributes = {**child.attrib, **({"outside": "1"} if outside else {})}
            inner += element_lines("points", attributes, [], "      ")
        else:
            text = xml_files.escaped(child.text or "").replace("\r", "&#13;")
            inner.append(f"      <attribute name={quoted(child.get('name', ''))}>{text}</attribute>\n")
    return element_lines(element.tag, {**head, **element.attrib}, inner, "    ")
