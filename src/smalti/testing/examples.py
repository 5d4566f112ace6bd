"""Two datasets to begin with: everything that the representation can hold, and what one format can hold.

What a format drops of the first must be reported; of the second it drops nothing.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from smalti.schema import features
from smalti.schema.categories import Categories, Category
from smalti.schema.schema import Schema
from smalti.testing.strategies import ATTRIBUTES, Shape, schema_of
from smalti.testing.tables import build

if TYPE_CHECKING:
    from smalti.dataset.dataset import Dataset

# Sparse ids out of order, and "tram" that no object has: a table is data, not what is left of it.
CATEGORIES = Categories(
    (
        Category(name="cat", id=90, supercategory="animal", keypoints=("nose", "tail"), skeleton=((0, 1),)),
        Category(name="traffic light", id=1, attributes={"frequency": "r"}),
        Category(name="Ñandú", id=3, color="#aabbcc"),
        Category(name="tram", id=7),
    )
)

# 6 x 5 pixels whose border is set and whose middle is not, in COCO's compressed runs.
_RING = {"height": 5, "width": 6, "counts": b"063L000004"}
_SQUARE = [1.0, 1.0, 4.25, 1.0, 4.25, 4.125, 1.0, 4.125]
_TRIANGLE = [10.5, 2.0, 14.0, 2.0, 12.0, 7.75]
_POINTS = [{"x": 2.5, "y": 3.5, "visibility": 2}, {"x": 0.0, "y": 0.0, "visibility": 0}]


def everything() -> Dataset:
    """Six samples in two splits that use every member, column and kind of attribute.

    Two images share a base name in two folders, one is unlabelled, one is empty; there are a two-part
    polygon, a crowd, two equal boxes, an object of polygons and mask at once, one without a class,
    one that is a class and nothing more, and the predictions of a model beside the ground truth.
    """
    return build(schema(), _rows())


def plain(shape: Shape) -> Dataset:
    """Five samples of a shape, with every member and attribute somewhere, the same at every call."""
    table = Categories(
        tuple(
            Category(name=name, id=number if shape.category_ids else None, **_skeleton(shape))
            for name, number in (("cat", 90), ("traffic light", 1), ("Ñandú", 3), ("tram", 7))
        )
    )
    splits = shape.splits or (None,)
    rows = [
        _row(f"{folder}{name}{shape.suffixes[0]}", splits[n % len(splits)], _plain_objects(shape, n))
        for n, (folder, name) in enumerate((("", "1"), ("a/", "1"), ("b/", "x y"), ("", "猫"), ("", "2")))
    ]
    rows[4]["objects"] = []
    for name, feature in shape.columns.items():
        rows[1][name] = _value(feature)
    return build(schema_of(shape, table), rows)


def schema() -> Schema:
    """The schema of `everything`."""
    members = tuple(features.OBJECT_MEMBERS)
    return Schema(
        columns={
            "id": features.Value(type=pa.string()),
            "image": features.Image(members=("path", "width", "height", "exif_orientation")),
            "split": features.Split(),
            "objects": features.Objects(categories=CATEGORIES, members=members, attributes=dict(ATTRIBUTES)),
            "predictions": features.Objects(categories=CATEGORIES, members=("category", "bbox", "score")),
            "weather": features.Classification(categories=Categories.of(["sun", "rain"])),
            "captions": features.Captions(),
            "license": features.Value(type=pa.int64()),
            "url": features.Value(type=pa.string()),
            "taken": features.Scalar(type=pa.timestamp("us", tz="UTC")),
            "vector": features.Embedding(dim=2),
            "more": features.Json(),
        },
        splits=("train", "val"),
    )


def _rows() -> list[dict[str, Any]]:
    taken = datetime(2024, 2, 29, 12, 30, tzinfo=timezone.utc)
    return [
        _row("a/1.jpg", "train", _objects(), exif_orientation=6),
        _row("b/1.jpg", "train", [_object(11, 0), _object(12, 0)], predictions=[_prediction(), _prediction()]),
        _row("empty.png", "train", []),
        _row("not labelled.png", "train", None),
        _row("ünï/猫.png", "val", [_object(13, 2)], captions=[{"id": 5, "caption": "eine Katze"}]),
        _row("last.png", "val", [_object(14, 2)], weather=1, license=4, url="http://x.test/1", taken=taken,
             vector=[0.5, -1.0], more='{"a":[1,null]}'),
    ]  # fmt: skip


def _row(
    path: str, split: str | None, objects: Any, exif_orientation: int | None = None, **columns: Any
) -> Any:
    full = f"{split}/{path}" if split else path
    image = {"path": full, "width": 16, "height": 12, "exif_orientation": exif_orientation}
    return {"id": path, "image": image, "split": split, "objects": objects, **columns}


def _object(number: int, category: int | None, **members: Any) -> dict[str, Any]:
    box = {"x": 1.0, "y": 1.0, "w": 3.25, "h": 3.125}
    return {"id": number, "category": category, "bbox": box, **members}


def _prediction() -> dict[str, Any]:
    return {"category": 2, "bbox": {"x": 0.5, "y": 0.5, "w": 3.0, "h": 3.0}, "score": 0.875}


def _objects() -> list[dict[str, Any]]:
    box3d = dict.fromkeys(("x", "y", "z", "height", "width", "length", "rotation_y"), 1.5)
    notes = {"occluded": True, "note": "bei Nacht", "weight": 0.1, "level": 3, "any of it": '{"k":[1,"two"]}'}
    return [
        _object(1, 0, polygons=[_SQUARE, _TRIANGLE], area=15.5, iscrowd=False, **notes),
        _object(2, 1, mask=_RING, iscrowd=True, area=18.0),
        _object(3, 1, polygons=[_SQUARE], mask=_RING),
        _object(4, 0, keypoints=_POINTS, score=0.5, track_id=77),
        _object(5, 2, quad=[2.0, 0.0, 4.0, 2.0, 2.0, 4.0, 0.0, 2.0], angle=0.785),
        _object(6, 2, polyline=[0.0, 0.0, 4.0, 4.0], box3d=box3d),
        _object(7, None),
        {"id": 8, "category": 1},
        _object(9, 2, bbox={"x": -3.0, "y": 2.0, "w": 30.0, "h": 4.0}),
        _object(10, 2, bbox={"x": -3.0, "y": 2.0, "w": 30.0, "h": 4.0}),
    ]


def _plain_objects(shape: Shape, sample: int) -> list[dict[str, Any]]:
    """Two objects; of the members that exclude each other each has one, in turn."""
    box3d = dict.fromkeys(("x", "y", "z", "height", "width", "length", "rotation_y"), 1.5)
    every = {
        "bbox": {"x": 1.0, "y": 1.25, "w": 3.5, "h": 3.0},
        "polygons": [_SQUARE, _TRIANGLE][: shape.max_parts],
        "mask": _RING,
        "quad": [2.0, 0.0, 4.0, 2.0, 2.0, 4.0, 0.0, 2.0],
        "angle": 0.785,
        "keypoints": (_POINTS * shape.keypoints)[: shape.keypoints],
        "polyline": [0.0, 0.0, 4.0, 4.0],
        "box3d": box3d,
        "score": 0.5,
        "area": 10.5,
        "iscrowd": False,
        "track_id": 77,
        **{name: _value(feature) for name, feature in shape.attributes.items()},
    }
    objects = []
    for number in (2 * sample, 2 * sample + 1):
        others = [name for name in shape.exclusive if name in shape.members]
        left_out = set(others) - {others[number % len(others)]} if others else set()
        kept = {name: value for name, value in every.items() if name not in left_out}
        objects.append({**kept, "id": number + 1, "category": number % 3})
    return objects


def _value(feature: features.Value | features.Json) -> Any:
    if isinstance(feature, features.Json):
        return '{"k":[1,"two"]}'
    if pa.types.is_boolean(feature.type):
        return True
    if pa.types.is_string(feature.type):
        return "bei Nacht"
    return 3 if pa.types.is_integer(feature.type) else 0.1


def _skeleton(shape: Shape) -> dict[str, Any]:
    if "keypoints" not in shape.members:
        return {}
    names = tuple(f"point {n}" for n in range(shape.keypoints))
    return {"keypoints": names, "skeleton": tuple((n, n + 1) for n in range(shape.keypoints - 1))}
