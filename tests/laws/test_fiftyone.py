from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smalti.testing import FormatSuite, Shape
from smalti.testing.strategies import ATTRIBUTES

GOLDEN = Path(__file__).parents[1] / "golden" / "fiftyone"


class FiftyOneSuite(FormatSuite):
    format = "fiftyone"
    tolerance = 1e-9  # shares of the picture have as many digits as pixels
    # Labels are words, and many keys may be missing.
    outcomes: ClassVar = {"unknown-id": "tame", "missing-key": "tame"}


class TestFiftyOneBoxes(FiftyOneSuite):
    golden = GOLDEN
    shape = Shape(
        members=("id", "category", "bbox", "score", "area", "iscrowd", "track_id"),
        attributes=ATTRIBUTES,
        columns={"note": ATTRIBUTES["note"], "rest": ATTRIBUTES["any of it"]},
    )


class TestFiftyOneShapes(FiftyOneSuite):
    """Several geometries of an object, in fields of their own, linked by its instance."""

    shape = Shape(
        members=("id", "category", "polygons", "mask", "quad", "polyline", "keypoints"),
        nullable=frozenset({"polygons", "mask", "polyline", "keypoints"}),
        exclusive=(),
    )
