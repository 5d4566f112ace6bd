from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smalti.testing import FormatSuite, Shape
from smalti.testing.strategies import ATTRIBUTES

GOLDEN = Path(__file__).parents[1] / "golden" / "datumaro"


class DatumaroSuite(FormatSuite):
    format = "datumaro"
    golden = GOLDEN
    ordered = False  # a file a split
    # Many keys may be missing.
    outcomes: ClassVar = {"missing-key": "tame"}


class TestDatumaroBoxes(DatumaroSuite):
    shape = Shape(
        members=("id", "category", "bbox", "score", "area", "iscrowd", "track_id"),
        attributes=ATTRIBUTES,
        columns={"note": ATTRIBUTES["note"], "rest": ATTRIBUTES["any of it"]},
    )


class TestDatumaroShapes(DatumaroSuite):
    """Every geometry of an object, tied by its group."""

    golden = None
    shape = Shape(
        members=("id", "category", "bbox", "polygons", "mask", "polyline", "keypoints"),
        nullable=frozenset({"polygons", "mask", "polyline", "keypoints"}),
        exclusive=(),
    )
