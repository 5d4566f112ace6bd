from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smalti.testing import FormatSuite, Shape


class SuperviselySuite(FormatSuite):
    format = "supervisely"
    golden = Path(__file__).parent.parent / "golden" / "supervisely"
    tolerance = 1e-9  # corners have 15 digits
    ordered = False  # documents are listed in the order of their names
    # Classes are words, and many keys may be missing.
    outcomes: ClassVar = {"unknown-id": "tame", "missing-key": "tame"}


class TestSuperviselyBoxes(SuperviselySuite):
    shape = Shape(members=("category", "bbox"), unlabelled=False)


class TestSuperviselyFigures(SuperviselySuite):
    shape = Shape(members=("category", "polygons", "mask"), max_parts=1, unlabelled=False)
