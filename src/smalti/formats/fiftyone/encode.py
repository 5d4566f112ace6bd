"""Objects as FiftyOne's labels; see `smalti.formats.fiftyone.labels` for the way in.

A field of objects becomes as many fields as it has kinds of geometries: detections, polylines, keypoints. What belongs to
one object is linked by an instance, as FiftyOne links labels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from smalti.formats import mask_png
from smalti.formats.fiftyone.labels import BOXED, MEMBERS, OFFSET, ORDER, REST, SEEN, TURNED, corners
from smalti.formats.fiftyone.values import NAN, binary, id_of
from smalti.formats.record_writer import one_loss, plain_values
from smalti.formats.shares import to_pixels, to_shares

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from smalti.formats.report import Loss
    from smalti.schema import features

SECTIONS: dict[str, tuple[str, ...]] = {
    "Detections": ("bbox", "mask"),
    "Polylines": ("polygons", "polyline", "quad"),
    "Keypoints": ("keypoints",),
}
INSTANCE = "fffffffe"  # what ids of instances begin with


def sections_of(feature: features.Objects) -> list[str]:
    """The kinds of labels that a field's members need."""
    return [cls for cls, members in SECTIONS.items() if set(members) & set(feature.members)] or ["Detections"]


class Encoder:
    """Writes the labels of one sample.

    Args:
        row: The sample.
        number: Its position in the dataset.
        losses: Where what cannot be written as it is goes.

    Attributes:
        count: Objects written.
    """

    def __init__(self, row: dict[str, Any], number: int, losses: list[Loss]) -> None:
        self.row = row
        self.losses = losses
        self.count = 0
        self.size = np.array([row["image"]["width"] or 0, row["image"]["height"] or 0], np.float64)
        self._nameless = number << 24

    def nameless(self) -> int:
        """A number that nothing else of the dataset has."""
        self._nameless += 1
        return self._nameless

    def labels(self, field: str, feature: features.Objects) -> dict[str, list[dict[str, Any]]]:
        """The labels of a field's objects, by their kinds."""
        kinds = sections_of(feature)
        found: dict[str, list[dict[str, Any]]] = {cls: [] for cls in kinds}
        for order, item in enumerate(self.row[field] or ()):
            made = [label for cls in kinds for label in self._object(cls, item, field)]
            if not made:
                why = "an object needs a box, a mask, polygons, a polyline, an oriented box or keypoints"
                self._lose("geometry.missing", field, "object", why)
                continue
            self.count += 1
            rest = msgspec.json.decode(item[REST]) if item.get(REST) else {}
            rest = rest if isinstance(rest, dict) else {}
            made[0][1].update(self._facts(item, feature, rest))
            if len(made) > 1 or len(kinds) > 1:
                link = {"_cls": "Instance", "_id": {"$oid": f"{INSTANCE}{self.nameless():016x}"}}
                for _, label in made:
                    label.update({ORDER: order, **({"instance": link} if len(made) > 1 else {})})
            for place, (cls, label) in enumerate(made):
                number = item.get("id") if place == 0 else None
                name = {"_id": id_of(number, self.nameless()), "_cls": cls[:-1], "attributes": {}, "tags": []}
                found[cls].append({**name, "label": item.get("category"), **label})
        return found

    def _facts(self, item: dict[str, Any], feature: features.Objects, rest: dict[str, Any]) -> dict[str, Any]:
        """What a label says beside its geometry."""
        found = {name: item[name] for name in sorted(MEMBERS) if item.get(name) is not None}
        if isinstance(track := item.get("track_id"), int) or (track and str(track).isdecimal()):
            found["index"] = int(found.pop("track_id"))
        if item.get("score") is not None:
            found["confidence"] = item["score"]
        found |= plain_values(item, {n: f for n, f in feature.attributes.items() if n != REST})
        more = {
            key: rest[key]
            for key in ("confidence", "mask_path", "instance", "filled", "points")
            if key in rest
        }
        return {**found, **more, **rest.get("keys", {})}

    def _object(self, cls: str, item: dict[str, Any], field: str) -> list[tuple[str, dict[str, Any]]]:
        """The labels of one kind that an object needs."""
        if cls == "Detections":
            some = item.get("bbox") is not None or item.get("mask") is not None
            return [(cls, self._detection(item, field))] if some else []
        if cls == "Keypoints":
            return [(cls, self._keypoint(item["keypoints"]))] if item.get("keypoints") else []
        shapes = []
        if item.get("polygons"):
            shapes.append(
                ([self._pairs(ring) for ring in item["polygons"]], {"closed": True, "filled": True})
            )
        if item.get("polyline") is not None:
            shapes.append(([self._pairs(item["polyline"])], {"closed": False, "filled": False}))
        if item.get("quad") is not None:
            shapes.append(([self._pairs(item["quad"])], {"closed": True, "filled": True, TURNED: True}))
        return [(cls, {"points": points, **more}) for points, more in shapes]

    def _pairs(self, flat: list[float]) -> list[list[float]]:
        return to_shares(np.array(flat).reshape(-1, 2), self.size, 1).tolist()

    def _keypoint(self, points: list[dict[str, Any]]) -> dict[str, Any]:
        seen = [point["visibility"] for point in points]
        there = [v != 0 or bool(p["x"] or p["y"]) for p, v in zip(points, seen, strict=True)]
        pairs = self._pairs([side for p in points for side in (p["x"], p["y"])])
        found: dict[str, Any] = {
            "points": [pair if ok else [NAN, NAN] for pair, ok in zip(pairs, there, strict=True)]
        }
        return found | ({SEEN: seen} if any(v is not None for v in seen) else {})

    def _detection(self, item: dict[str, Any], field: str) -> dict[str, Any]:
        given = None if item.get("bbox") is None else np.array([item["bbox"][side] for side in "xywh"])
        if item.get("mask") is None:
            return {"bounding_box": self._shares(given)}
        pixels = self._pixels(item["mask"], field)
        rows, columns = (np.flatnonzero(pixels.any(axis=axis)) for axis in (1, 0))
        empty = not len(rows)
        left, top, right, bottom = (
            (0, 0, 1, 1) if empty else (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        )
        tight = np.array([left, top, right - left, bottom - top], np.float64)
        box = tight if given is None else given
        found: dict[str, Any] = {}
        if given is None:
            found[BOXED] = []
        elif not empty and not _inside(tight, given):
            found[BOXED] = self._shares(given)
            self._lose(
                "bbox.computed",
                f"{field}.bbox",
                "change",
                "a mask leaves its box; the one around it is written",
            )
            box = tight
        x0, y0, x1, y1 = corners(to_pixels(self._shares(box), np.tile(self.size, 2), 1))
        height, width = pixels.shape
        fits = empty or (x0 <= left and y0 <= top and x1 >= right and y1 >= bottom)
        if fits and min(x0, y0) >= 0 and x1 <= width and y1 <= height:
            return {"bounding_box": self._shares(box), "mask": binary(pixels[y0:y1, x0:x1] > 0), **found}
        crop = pixels[top:bottom, left:right] > 0
        return {
            "bounding_box": self._shares(box),
            "mask": binary(crop),
            OFFSET: [int(left), int(top)],
            **found,
        }

    def _pixels(self, mask: Mapping[str, Any], field: str) -> NDArray[np.uint8]:
        """A mask in the size of its picture."""
        width, height = (int(side) for side in self.size)
        if (mask["width"], mask["height"]) == (width, height):
            return mask_png.decoded(dict(mask))
        why = "the mask is of another size than its picture; it is written from the top left"
        self._lose("mask.padded", f"{field}.mask", "change", why)
        found = np.zeros((height, width), np.uint8)
        inside = mask_png.decoded(dict(mask))[:height, :width]
        found[: inside.shape[0], : inside.shape[1]] = inside
        return found

    def _shares(self, box: Any) -> list[float]:
        return to_shares(box, np.tile(self.size, 2), 1).tolist()

    def _lose(self, code: str, field: str, kind: Any, reason: str) -> None:
        self.losses.append(one_loss(code, field, kind, reason, self.row["id"]))


def _inside(tight: NDArray[np.float64], box: NDArray[np.float64]) -> bool:
    """Whether pixels lie within a box, as far as those that it cuts."""
    x, y, w, h = box.tolist()
    left, top, width, height = tight.tolist()
    across = math.floor(x) <= left and left + width <= math.ceil(x + w)
    return across and math.floor(y) <= top and top + height <= math.ceil(y + h)
