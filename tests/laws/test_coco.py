from __future__ import annotations

from smalti.testing import FormatSuite, Shape
from smalti.testing.strategies import ATTRIBUTES

MEMBERS = ("id", "category", "bbox", "polygons", "mask", "keypoints", "score", "area", "iscrowd", "track_id")
SHAPE = Shape(
    members=MEMBERS,
    attributes=ATTRIBUTES,
    nullable=frozenset({"polygons", "mask", "keypoints", "score", "track_id"}),
    columns={"note": ATTRIBUTES["note"], "rest": ATTRIBUTES["any of it"], "level": ATTRIBUTES["level"]},
)


class TestCoco(FormatSuite):
    format = "coco"
    shape = SHAPE
    ordered = False  # a file for each split


class TestCocoInOneFile(FormatSuite):
    format = "coco"
    target = "out.json"
    shape = Shape(members=MEMBERS, splits=(), unlabelled=False)
