from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smalti.testing import FormatSuite, Shape

GOLDEN = Path(__file__).parent.parent / "golden" / "labelme"


class LabelMeSuite(FormatSuite):
    format = "labelme"
    golden = GOLDEN
    tolerance = 1e-9  # corners have 15 digits
    ordered = False  # documents are listed in the order of their names
    # Classes are words, and many keys may be missing.
    outcomes: ClassVar = {"unknown-id": "tame", "missing-key": "tame"}


class TestLabelMeBoxes(LabelMeSuite):
    shape = Shape(members=("category", "bbox"), category_ids=False, unlabelled=False)


class TestLabelMeShapes(LabelMeSuite):
    shape = Shape(members=("category", "polygons", "mask"), category_ids=False, unlabelled=False)
