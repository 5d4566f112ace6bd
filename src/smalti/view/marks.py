"""Marks: what is drawn for each object, in pixels of the picture it is drawn on."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from smalti.errors import DataError
from smalti.geometry import rle
from smalti.schema import features
from smalti.view import figures
from smalti.view.palette import Colour, colour
from smalti.view.picture import PIXELS_MOST
from smalti.view.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from smalti.schema.objects import Objects
    from smalti.schema.sample import Sample
    from smalti.view.picture import Picture

    Points = NDArray[np.float64]  # (k, 2)

By = Literal["class", "track"]
NO_CLASS: Colour = (180, 180, 180)  # the grey that is farthest from the colours of classes


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One object as it is drawn.

    Attributes:
        rgb: Its colour.
        label: The text beside it; empty for none.
        box: Left, top, right, bottom.
        rings: Filled areas; a ring inside of a ring is a hole.
        mask: The pixels of the picture ``(height, width)`` that it covers.
        lines: Lines that are open, or closed by their first point at the end.
        points: Keypoints ``(k, 2)``.
        hollow: Which of them are hidden ones ``(k,)``.
        bones: Lines between keypoints.
        tail: Where it was before, oldest first.
        second: It belongs to the second of two fields on one picture: dashed, and not filled.
    """

    rgb: Colour
    label: str = ""
    box: tuple[float, float, float, float] | None = None
    rings: Sequence[Points] = ()
    mask: NDArray[np.bool_] | None = None
    lines: Sequence[Points] = ()
    points: Points | None = None
    hollow: NDArray[np.bool_] | None = None
    bones: Sequence[Points] = ()
    tail: Points | None = None
    second: bool = False

    @property
    def bounds(self) -> tuple[float, float, float, float] | None:
        """What it covers: left, top, right, bottom; null for nothing."""
        if self.box is not None:
            return self.box
        if self.mask is not None and self.mask.any():
            rows, columns = np.flatnonzero(self.mask.any(axis=1)), np.flatnonzero(self.mask.any(axis=0))
            return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
        parts = [*self.rings, *self.lines, *(() if self.points is None else (self.points,))]
        parts = [part for part in parts if len(part)]
        if not parts:
            return None
        together = np.concatenate(parts)
        (left, top), (right, bottom) = together.min(axis=0), together.max(axis=0)
        return float(left), float(top), float(right), float(bottom)

    @property
    def area(self) -> float:
        """Of what it covers: small marks are drawn over large ones."""
        if (bounds := self.bounds) is None:
            return 0.0
        return (bounds[2] - bounds[0]) * (bounds[3] - bounds[1])


@dataclass(frozen=True, slots=True)
class Look:
    """How objects become marks.

    Attributes:
        codes: The position of each class's colour, by its name.
        labels: Whether names are shown.
        boxes: Whether boxes are drawn; null: of objects that have nothing finer to show.
        by: Whether colours tell classes or tracks apart.
        tails: Where each track was before on the frame ``(k, 2)``, oldest first.
        second: See `Mark`.
    """

    codes: Mapping[str, int]
    labels: bool = True
    boxes: bool | None = None
    by: By = "class"
    tails: Mapping[Any, Points] = field(default_factory=dict)
    second: bool = False


def class_codes(tables: Iterable[Iterable[str]]) -> dict[str, int]:
    """The position of each class's colour: that in the first table, and classes of further ones after them."""
    codes: dict[str, int] = {}
    for names in tables:
        for name in names:
            codes.setdefault(name, len(codes))
    return codes


def track_colour(track: Any) -> Colour:
    """The colour of a track: stable by its id."""
    return colour(track % 97 if isinstance(track, int) else zlib.crc32(str(track).encode()) % 97)


def marks(objects: Objects, picture: Picture, look: Look) -> list[Mark]:
    """The marks of a sample's objects.

    Raises:
        DataError: A mask's run lengths are broken, or it is far too large.
    """
    columns = _Columns(objects, picture)
    found = []
    for index, name in enumerate(objects.names):
        track = columns.tracks[index]
        rgb = NO_CLASS if name is None else colour(look.codes.get(name, len(look.codes)))
        if look.by == "track" and track is not None:
            rgb = track_colour(track)
        fine = columns.fine(index)
        tail = look.tails.get(track) if track is not None else None
        found.append(
            Mark(
                rgb=rgb,
                label=columns.label(index, name) if look.labels else "",
                box=columns.boxes[index] if look.boxes or (look.boxes is None and not fine) else None,
                tail=None if tail is None else picture.points(tail),
                second=look.second,
                **fine,
                **columns.pose(index),
            )
        )
    return found


class _Columns:
    """The members of objects that are drawn, each a value an object."""

    def __init__(self, objects: Objects, picture: Picture) -> None:
        self.objects = objects
        self.picture = picture
        self.tracks = self._members("track_id")
        self.scores = self._members("score")
        self.crowds = self._members("iscrowd")
        self.quads = self._members("quad")
        self.polylines = self._members("polyline")
        self.areas = self._figures(figures.AREAS)
        self.frames = self._figures(figures.LINES)
        has = objects.feature.members
        self.polygons = objects.polygons if "polygons" in has else [None] * len(objects)
        self.keypoints = objects.keypoints if "keypoints" in has else [None] * len(objects)
        self.masks = self._masks()
        self.boxes = self._boxes()

    def _members(self, name: str) -> list[Any]:
        has = name in self.objects.feature.members
        return self.objects.arrow(name).to_pylist() if has else [None] * len(self.objects)

    def _figures(self, kinds: Mapping[str, Any]) -> list[list[Any]]:
        """For each object the lines of the attributes that are shapes."""
        found: list[list[Any]] = [[] for _ in range(len(self.objects))]
        for name, make in kinds.items():
            if isinstance(self.objects.feature.attributes.get(name), features.Json):
                for lines, text in zip(found, self.objects.arrow(name).to_pylist(), strict=True):
                    lines.extend(figures.of(make, text))
        return found

    def _boxes(self) -> list[tuple[float, float, float, float] | None]:
        if "bbox" not in self.objects.feature.members:
            return [None] * len(self.objects)
        sides = self.picture.boxes(self.objects.bbox)
        known = np.isfinite(sides.sum(axis=1)).tolist()
        return [tuple(box) if there else None for box, there in zip(sides.tolist(), known, strict=True)]

    def _masks(self) -> list[NDArray[np.bool_] | None]:
        found: list[NDArray[np.bool_] | None] = []
        for mask in self._members("mask"):
            if mask is None:
                found.append(None)
                continue
            height, width = mask["height"], mask["width"]
            if height * width > PIXELS_MOST:
                raise DataError(f"a mask of {width} x {height} pixels cannot be drawn: it is too large")
            runs, _ = rle.decode_counts([mask["counts"]])
            found.append(self.picture.pixels(rle.decode_mask(runs, height, width) == 1))
        return found

    def _points(self, flat: Any) -> Points:
        return self.picture.points(np.asarray(flat, np.float64).reshape(-1, 2))

    def fine(self, index: int) -> dict[str, Any]:
        """What shows an object better than its box."""
        found: dict[str, Any] = {}
        if self.masks[index] is not None:
            found["mask"] = self.masks[index]
        elif self.polygons[index]:
            found["rings"] = [self._points(ring) for ring in self.polygons[index] or () if len(ring)]
        elif self.areas[index]:
            found["rings"] = [self._points(ring) for ring in self.areas[index]]
        lines = [self._points(line) for line in self.frames[index]]
        if self.quads[index]:
            quad = self._points(self.quads[index])
            lines.append(np.concatenate([quad, quad[:1]]))
        if self.polylines[index]:
            lines.append(self._points(self.polylines[index]))
        return {**found, "lines": lines} if lines else found

    def pose(self, index: int) -> dict[str, Any]:
        """The keypoints of an object that are labelled, and the bones between them."""
        points = self.keypoints[index]
        if points is None or not len(points):
            return {}
        shown = (points[:, 2] != 0) & np.isfinite(points[:, :2]).all(axis=1)
        places = self._points(np.where(shown[:, None], points[:, :2], 0))
        code = int(self.objects.category[index]) if "category" in self.objects.feature.members else -1
        pairs = (self.objects.feature.categories[code].skeleton or ()) if code >= 0 else ()
        bones = [places[[a, b]] for a, b in pairs if max(a, b) < len(shown) and shown[a] and shown[b]]
        return {"points": places[shown], "hollow": points[shown, 2] == 1, "bones": bones}

    def label(self, index: int, name: str | None) -> str:
        """The class, the score, the track, whether it is a crowd."""
        words = [] if name is None else [one_line(name)]
        if self.scores[index] is not None:
            words.append(f"{self.scores[index]:.2f}")
        if self.tracks[index] is not None:
            words.append(one_line(f"#{self.tracks[index]}", 12))
        if self.crowds[index]:
            words.append("(crowd)")
        return " ".join(words)


def tails(history: Sequence[Sample], sample: Sample, fields: Sequence[str]) -> dict[Any, Points]:
    """Where the tracks of a sample were in samples before it, and are now: ``(k, 2)``, oldest first.

    A place is the middle of an object's box, on the frame of its own sample.
    """
    places: dict[Any, list[Any]] = {}
    for one in (*history, sample):
        for name in fields:
            objects = one[name]
            if objects is None or not {"track_id", "bbox"} <= set(objects.feature.members):
                continue
            boxes = objects.bbox
            middles = boxes[:, :2] + boxes[:, 2:] / 2
            for track, middle in zip(objects.column("track_id"), middles, strict=True):
                if track is not None and track == track and np.isfinite(middle).all():  # noqa: PLR0124  # NaN: none
                    places.setdefault(track, []).append(middle)
    return {track: np.array(way) for track, way in places.items() if len(way) > 1}
