"""Objects as regions; see `smalti.formats.label_studio.regions` for the way in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import DataError
from smalti.formats import mask_png
from smalti.formats.label_studio import brush
from smalti.formats.label_studio.regions import ELLIPSE, NAMELESS, PERCENT, REST, around_ellipse, turned
from smalti.formats.record_writer import one_loss
from smalti.formats.shares import rounded, to_shares
from smalti.schema import features

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smalti.formats.label_studio.write import LabelStudioWriter
    from smalti.formats.report import Loss

GEOMETRY = (
    "mask",
    "polygons",
    "quad",
    "polyline",
    "bbox",
)  # an object's first is its region; keypoints hang on it
# The tag of each kind of region, and the members that are written with it.
TAGS = {
    "rectangle": ("RectangleLabels", {"bbox", "quad"}),
    "polygon": ("PolygonLabels", {"polygons", "polyline", "quad"}),
    "brush": ("BrushLabels", {"mask"}),
    "keypoint": ("KeyPointLabels", {"keypoints"}),
    "ellipse": ("EllipseLabels", {"ellipse"}),
}
META = ("angle", "area", "iscrowd", "track_id", "box3d")  # members that no region has a place for
SAME = 1e-6  # pixels that the corners of a rectangle may be off
TURNED_EPS = 1e-7  # degrees that an angle may be off
DIGITS = 12  # of lengths that are made of corners
POINT = 0.5  # the size of a point on the screen, percent


class Encoder:
    """Writes the regions of one sample.

    Args:
        writer: What it is for.
        row: The sample.
        losses: Where what cannot be written as it is goes.

    Attributes:
        count: Objects written.
    """

    def __init__(self, writer: LabelStudioWriter, row: dict[str, Any], losses: list[Loss]) -> None:
        self.writer = writer
        self.row = row
        self.losses = losses
        self.count = 0
        self.size = (row["image"]["width"], row["image"]["height"])
        self.points = {v: c.keypoints or () for v, c in zip(writer.table.values, writer.table, strict=True)}

    @staticmethod
    def sizeless(batch: pa.RecordBatch, fields: list[str]) -> list[DataError]:
        """Errors for samples with objects whose picture's size is not known."""
        image = batch.column("image")
        known = pc.and_(
            *(pc.greater(pc.fill_null(pc.struct_field(image, s), 0), 0) for s in ("width", "height"))
        )
        some = pa.array(np.zeros(len(batch), bool))
        for name in fields:
            some = pc.or_(some, pc.greater(pc.fill_null(pc.list_value_length(batch.column(name)), 0), 0))
        hint = "read the dataset with media= so that sizes can be taken from the images"
        why = "shares of the picture need its size, which is not known"
        ids = batch.column("id").filter(pc.and_(some, pc.invert(known))).to_pylist()
        return [DataError(why, sample=sample, hint=hint) for sample in ids]

    def regions(self, field: str) -> list[dict[str, Any]]:
        """The regions of a field's objects."""
        objects = self.row.get(field) or []
        found: list[dict[str, Any]] = []
        for number, item in enumerate(objects, 1):
            key = f"{NAMELESS}{number}" if item.get("id") is None else str(item["id"])
            made = list(self._object(field, item, key))
            self.count += bool(made)
            found += made
        return found

    def _object(self, field: str, item: dict[str, Any], key: str) -> Iterator[dict[str, Any]]:
        rest = msgspec.json.decode(item[REST]) if item.get(REST) else {}
        rest = rest if isinstance(rest, dict) else {}
        labels = rest.pop("labels", None) or ([] if item.get("category") is None else [item["category"]])
        shapes = [name for name in GEOMETRY if item.get(name) is not None and item[name] != []]
        points = item.get("keypoints") or []
        if not shapes and not points:
            why = "an object needs a mask, polygons, an oriented box, a polyline, a box or keypoints"
            return self._lose("geometry.missing", field, "", "object", why)
        if not shapes and len(points) > 1:
            why = "keypoints hang on a box; the one around them is written"
            self._lose("bbox.computed", field, "bbox", "change", why)
            shapes, item = ["bbox"], {**item, "bbox": _around(points)}
        if self.writer.options.regions == "one":
            for name in shapes[1:]:
                why = f"a region is one thing, the object's {shapes[0]}; regions='all' writes all of them"
                self._lose("geometry.dropped", field, name, "value", why)
            shapes = shapes[:1]
        made = [region for name in shapes for region in self._shape(field, name, item, rest)]
        if not made:
            made, points = [self._point(points[0], rest)], []
        first = made[0]
        angle = (
            {"angle": item["angle"]}
            if item.get("angle") is not None and first.pop("turn", None) != item["angle"]
            else {}
        )
        first["meta"] = {**first.get("meta", {}), **self._meta(field, item), **angle}
        yield from self._main(first, item, key, labels, rest)
        for number, region in enumerate(made[1:], 1):
            region.pop("turn", None)
            yield self._item(region, f"{key}.{number}", labels) | {"parentID": key}
        yield from self._points(points, item, key, rest.get("point_width", POINT))

    def _main(
        self, region: dict[str, Any], item: dict[str, Any], key: str, labels: list[str], rest: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        whole = self._item(region, key, labels)
        if item.get("score") is not None:
            whole["score"] = item["score"]
        whole |= {
            k: v for k, v in rest.items() if k not in {"value", "items", "point_width", "ellipse", "meta"}
        }
        whole["value"] = {**rest.get("value", {}), **whole["value"]}
        if not whole["meta"]:
            del whole["meta"]
        yield whole
        for name, value in self._attributes(item, asked=True).items():
            kind, to_name = self.writer.controls[name]
            given = [value] if kind in {"choices", "textarea"} and not isinstance(value, list) else value
            yield {
                **whole,
                "from_name": name,
                "to_name": to_name,
                "type": kind,
                "value": {"text" if kind == "textarea" else kind: given},
            }
        yield from rest.get("items", [])

    def _item(self, region: dict[str, Any], key: str, labels: list[str]) -> dict[str, Any]:
        kind = region.pop("kind")
        type_ = f"{kind}labels" if labels else kind
        width, height = region.pop("size", self.size)
        from_name, to_name = self.writer.own.get("tags", {}).get(kind, (kind, "image"))
        return {
            "id": key,
            "from_name": from_name,
            "to_name": to_name,
            "type": type_,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": region.pop("value") | ({type_: labels} if labels else {}),
            **region,
        }

    def _attributes(self, item: dict[str, Any], *, asked: bool) -> dict[str, Any]:
        """The attributes that answer a question about the region, or those that do not."""
        found = {}
        for feature in self.writer.fields.values():
            for name, kind in feature.attributes.items():
                if name != REST and item.get(name) is not None and (name in self.writer.controls) == asked:
                    found[name] = (
                        msgspec.json.decode(item[name]) if isinstance(kind, features.Json) else item[name]
                    )
        return found

    def _meta(self, field: str, item: dict[str, Any]) -> dict[str, Any]:
        del field
        found = {name: item[name] for name in META[1:] if item.get(name) is not None}
        return {**found, **self._attributes(item, asked=False)}

    def _shape(
        self, field: str, name: str, item: dict[str, Any], rest: dict[str, Any]
    ) -> list[dict[str, Any]]:
        sides = np.array(self.size * 2, np.float64)
        value = item[name]
        if name == "bbox":
            return [self._box(np.array([value[side] for side in "xywh"]), sides, rest)]
        if name == "polygons":
            return [self._ring(ring, closed=True) for ring in value]
        if name == "polyline":
            return [self._ring(value, closed=False)]
        if name == "mask":
            code = brush.encode(mask_png.decoded(value))
            size = (value["width"], value["height"])
            return [{"kind": "brush", "value": {"format": "rle", "rle": code}, "size": size}]
        return [self._quad(field, value, item.get("angle"), sides)]

    def _box(self, box: np.ndarray, sides: np.ndarray, rest: dict[str, Any]) -> dict[str, Any]:
        inner = rest.get("value", {})
        if set(ELLIPSE) <= set(inner):  # it was an ellipse, and still is if nobody has moved it
            numbers = [inner[key] for key in ELLIPSE]
            if np.array_equal(around_ellipse(numbers, inner.get("rotation") or 0, sides), box):
                return {"kind": "ellipse", "value": rest.pop("value")}
            rest.pop("value")
        x, y, w, h = to_shares(box, sides, PERCENT).tolist()
        return {"kind": "rectangle", "value": {"x": x, "y": y, "width": w, "height": h, "rotation": 0}}

    def _quad(self, field: str, quad: list[float], angle: float | None, sides: np.ndarray) -> dict[str, Any]:
        corners = np.array(quad).reshape(4, 2)
        along, across = corners[1] - corners[0], corners[2] - corners[1]
        w, h = rounded([np.hypot(*along), np.hypot(*across)], DIGITS).tolist()
        turn = float(rounded(np.degrees(np.arctan2(along[1], along[0])), DIGITS))
        if angle is not None and abs((angle - turn + 180) % 360 - 180) < TURNED_EPS:
            turn = angle
        box = rounded([*corners[0], w, h])
        if turn == 0 or np.abs(np.array(turned(box, turn)) - quad).max() > SAME:
            self._lose(
                "quad.as_polygon", field, "quad", "change", "corners that form no turned box are a polygon"
            )
            return self._ring(quad, closed=True)
        x, y, w, h = to_shares(box, sides, PERCENT).tolist()
        return {
            "kind": "rectangle",
            "value": {"x": x, "y": y, "width": w, "height": h, "rotation": turn},
            "turn": turn,
        }

    def _ring(self, flat: list[float], *, closed: bool) -> dict[str, Any]:
        points = to_shares(np.array(flat).reshape(-1, 2), np.array(self.size, np.float64), PERCENT).tolist()
        return {"kind": "polygon", "value": {"points": points, "closed": closed}}

    def _point(self, point: dict[str, Any], rest: dict[str, Any]) -> dict[str, Any]:
        x, y = to_shares([point["x"], point["y"]], np.array(self.size, np.float64), PERCENT).tolist()
        seen = {} if point["visibility"] is None else {"visibility": point["visibility"]}
        width = rest.get("value", {}).get("width", POINT)
        return {"kind": "keypoint", "value": {"x": x, "y": y, "width": width}, "meta": seen}

    def _points(
        self, points: list[Any], item: dict[str, Any], key: str, width: float
    ) -> Iterator[dict[str, Any]]:
        """The keypoints that hang on a region; those that are not labelled at all are left out where others are."""
        names = self.points.get(str(item.get("category")), ())
        named = len(names) == len(points)
        there = [bool(p["visibility"] != 0 or p["x"] or p["y"]) for p in points]
        for number, point in enumerate(points):
            if named and any(there) and not there[number]:
                continue
            label = names[number] if named else item.get("category")
            region = self._point(point, {"value": {"width": width}})
            yield self._item(region, f"{key}.k{number}", [] if label is None else [label]) | {"parentID": key}

    def _lose(self, code: str, field: str, member: str, kind: Any, reason: str) -> None:
        self.losses.append(
            one_loss(code, f"{field}.{member}" if member else field, kind, reason, self.row["id"])
        )


def _around(points: list[dict[str, Any]]) -> dict[str, float]:
    xs, ys = [p["x"] for p in points], [p["y"] for p in points]
    return {"x": min(xs), "y": min(ys), "w": max(xs) - min(xs), "h": max(ys) - min(ys)}
