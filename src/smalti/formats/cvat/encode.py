"""From object members to shape elements.

An object is one element; which of its geometries that is, `GEOMETRY` or the option ``geometry`` says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

import msgspec
import numpy as np

from smalti.errors import DataError, at
from smalti.formats import rings as shared_rings
from smalti.formats import xml_files
from smalti.formats.cvat import masks
from smalti.formats.cvat.labels import FIGURES, PREFIX
from smalti.formats.cvat.shapes import CORNERS, CROP, DECIMALS
from smalti.formats.label_rows import EPS
from smalti.formats.report import Loss, merged
from smalti.geometry import quads, rle

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from smalti.formats.report import LossKind

    Row = dict[str, Any]
    Shape = tuple[str, dict[str, str], list[str]]

GEOMETRY = ("polygons", "mask", "keypoints", "quad", "polyline", "bbox", *FIGURES)  # the finest first
ROUNDED = 9  # digits of a turned box's corners; more than this is noise of turning it
ANGLE = 12  # digits of degrees
SAME = 1e-6  # pixels that the corners of a rectangle may be off
TURNED_EPS = 1e-9  # degrees
_PLAIN = re.compile(r"[0-9A-Za-z_.,; +-]*")  # needs no escaping


@dataclass(slots=True)
class Encoder:
    """Makes the elements of objects, and keeps what does not come through.

    Attributes:
        name: Of the label field, for losses.
        points: Names of the keypoints by class.
        order: Geometries in the order in which they are preferred.
        attributes: Members that become ``attribute`` elements.
        losses: What did not come through.
    """

    name: str
    points: Mapping[str, Sequence[str]]
    order: Sequence[str]
    attributes: Sequence[str]
    losses: list[Loss] = field(default_factory=list)

    def objects(self, sample: str, image: Row, rows: Iterable[Row]) -> list[str]:
        """The elements of a sample's objects, as lines."""
        lines = []
        for row in rows:
            made = self.one(sample, image, row, {"label": row.get("category") or ""})
            lines += [] if made is None else made[1]
        return lines

    def one(self, sample: str, image: Row, row: Row, head: Mapping[str, str]) -> tuple[str, list[str]] | None:
        """The name of an object's element and its lines; null where it has no geometry.

        Args:
            sample: The object's sample, for losses.
            image: The sample's image.
            row: The object.
            head: Attributes that come first.
        """
        with at(sample=sample):
            made = self._element(sample, row, head)
        mask = row.get("mask")
        if mask and any(mask[side] != image[side] for side in ("width", "height")):
            why = "a mask that is smaller than its image is read as one of the image's size"
            self.lose("mask.padded", "mask", "change", why, sample)
        return made

    def lose(
        self,
        code: str,
        member: str,
        kind: LossKind,
        reason: str,
        sample: str,
        iou: float | None = None,
        count: int = 1,
    ) -> None:
        """Keep a loss, of one thing if nothing else is said; an empty member means the object."""
        place = f"{self.name}.{member}" if member else self.name
        self.losses.append(
            Loss(code=code, field=place, kind=kind, reason=reason, count=count, example=sample, iou=iou)
        )
        if len(self.losses) > 1000:  # many small ones are one
            self.losses = merged(self.losses)

    def _element(self, sample: str, row: Row, first: Mapping[str, str]) -> tuple[str, list[str]] | None:
        given = [name for name in self.order if row.get(name) and _has(name, row[name])]
        if not given:
            self.lose("geometry.missing", "", "object", "an object without geometry is no shape", sample)
            return None
        for name in given[1:]:
            why = "a shape is one geometry; choose it with the option geometry"
            self.lose("geometry.dropped", name, "value", why, sample)
        if row.get("category") is None:
            why = "the label is empty: CVAT itself refuses the file"
            self.lose("label.empty", "category", "change", why, sample)
        tag, attributes, inner = self._shape(given[0], sample, row)
        if row.get("angle") is not None and attributes.get("rotation") != _degrees(row["angle"]):
            why = "CVAT's rotation is in degrees, and that of the corners"
            self.lose("angle.replaced", "angle", "change", why, sample)
        head = dict(first)
        if row.get("source") is not None:
            head["source"] = row["source"]
        if tag != "skeleton" or row.get("occluded"):  # a skeleton's points are occluded, one by one
            head["occluded"] = str(int(bool(row.get("occluded"))))
        tail = {name: str(row[name]) for name in ("z_order", "group_id") if row.get(name) is not None}
        inner += self._attributes(row)
        return tag, element_lines(tag, {**head, **attributes, **tail}, inner, "    ")

    def _attributes(self, row: Row) -> list[str]:
        return [
            f"      <attribute name={quoted(name.removeprefix(PREFIX))}>{_text(row[name])}</attribute>\n"
            for name in self.attributes
            if row.get(name) is not None
        ]

    def _shape(self, name: str, sample: str, row: Row) -> Shape:
        value = row[name]
        if name == "bbox":
            return "box", _box(value), []
        if name == "polygons":
            return "polygon", {"points": points_text(self._ring(value, sample))}, []
        if name == "polyline":
            return "polyline", {"points": points_text(value)}, []
        if name == "mask":
            return "mask", _mask(value), []
        if name == "quad":
            return self._turned(value, sample, row.get("angle"))
        if name == "keypoints":
            return self._keypoints(value, sample, self.points.get(row.get("category") or "", ()))
        return name, _figure(name, value), []

    def _ring(self, rings: list[list[float]], sample: str) -> list[float]:
        parts = [ring for ring in rings if ring]
        if len(parts) == 1:
            return parts[0]
        points = np.concatenate([np.reshape(part, (-1, 2)) for part in parts])
        width, height = np.ceil(points.max(axis=0)).clip(1).astype(int).tolist()
        made = shared_rings.from_polygons(parts, height, width)
        why = "the parts of an object are joined to one ring by bridges of no width"
        self.lose("polygon.joined", "polygons", "change", why, sample, None if made is None else made.iou)
        ring: list[float] = (points if made is None else made.ring).ravel().tolist()
        return ring

    def _turned(self, quad: list[float], sample: str, angle: float | None) -> Shape:
        corners = np.array(quad, np.float64)
        cx, cy, w, h, turn = quads.quads_to_rotated(corners)[0].tolist()
        degrees = round(float(np.degrees(turn)) % 360, ANGLE)
        if angle is not None and abs((angle - degrees + 180) % 360 - 180) < TURNED_EPS:
            degrees = angle  # as the source had it
        back = quads.rotated_to_quads([cx, cy, w, h, np.radians(degrees)])
        if np.abs(back - corners).max() > SAME:
            why = "corners that form no rectangle are written as a polygon"
            self.lose("quad.as_polygon", "quad", "change", why, sample)
            return "polygon", {"points": points_text(quad)}, []
        sides = [round(v, ROUNDED) + 0.0 for v in (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)]
        named = dict(zip(CORNERS, map(_number, sides), strict=True))
        return "box", {**named, "rotation": _degrees(degrees)}, []

    def _keypoints(self, points: list[Row], sample: str, names: Sequence[str]) -> Shape:
        seen = [point["visibility"] for point in points]
        if len(points) != len(names):
            if any(value is not None for value in seen):
                why = "points that are no skeleton of their class have no visibility of their own"
                self.lose("visibility.dropped", "keypoints", "change", why, sample)
            flat = [point[axis] for point in points for axis in "xy"]
            return "points", {"points": points_text(flat)}, []
        if None in seen:
            why = "unknown visibility of a keypoint is written as visible"
            self.lose("visibility.assumed", "keypoints", "change", why, sample)
        inner = [_point(name, point) for name, point in zip(names, points, strict=True)]
        return "skeleton", {}, inner


def _has(name: str, value: Any) -> bool:
    """Whether a geometry has anything in it."""
    return any(value) if name == "polygons" else True


def element_lines(tag: str, attributes: Mapping[str, str], inner: list[str], indent: str) -> list[str]:
    """The lines of an element."""
    words = "".join(f" {name}={quoted(value)}" for name, value in attributes.items())
    if not inner:
        return [f"{indent}<{tag}{words}>\n", f"{indent}</{tag}>\n"]
    return [f"{indent}<{tag}{words}>\n", *inner, f"{indent}</{tag}>\n"]


def quoted(words: str) -> str:
    """Text as the value of an XML attribute.

    Raises:
        DataError: It has a character that XML cannot hold.
    """
    if _PLAIN.fullmatch(words):
        return f'"{words}"'
    xml_files.escaped(words)
    return quoteattr(words)


def points_text(flat: Sequence[float]) -> str:
    """Coordinates as ``x,y;x,y``."""
    words = list(map(_number, flat))
    return ";".join(map("{},{}".format, words[::2], words[1::2]))


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")


def _degrees(value: float) -> str:
    return _number(float(value))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return xml_files.escaped(str(value)).replace("\r", "&#13;")


def _box(box: Mapping[str, float]) -> dict[str, str]:
    x, y, w, h = (box[side] for side in "xywh")
    return dict(zip(CORNERS, map(_number, (x, y, _sum(x, w), _sum(y, h))), strict=True))


def _sum(one: float, other: float) -> float:
    """A sum without the noise of floating point, as `smalti.formats.label_rows.snap` takes it away."""
    total = one + other
    short = round(total, DECIMALS)
    return short if abs(total - short) <= EPS * max(abs(one), abs(other)) else total


def _mask(mask: Mapping[str, Any]) -> dict[str, str]:
    runs, _ = rle.decode_counts([mask["counts"]])
    text, *crop = masks.crop(runs, mask["height"], mask["width"])
    return {"rle": text, **dict(zip(CROP, map(str, crop), strict=True))}


def _figure(name: str, text: str) -> dict[str, str]:
    try:
        values = msgspec.json.decode(text, type=dict[str, float])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{name}: {error}; expected {', '.join(FIGURES[name])}") from error
    if set(values) - {"rotation"} != set(FIGURES[name]):
        raise DataError(f"{name}: found {', '.join(values)}, expected {', '.join(FIGURES[name])}")
    return {key: _number(value) for key, value in values.items()}


def _point(name: str, point: Row) -> str:
    seen = point["visibility"]
    attributes = {
        "label": name,
        "outside": str(int(seen == 0)),
        "occluded": str(int(seen == 1)),
        "points": points_text([point["x"], point["y"]]),
    }
    (start, end) = element_lines("points", attributes, [], "      ")
    return start + end
