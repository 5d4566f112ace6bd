from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smalti.testing import FormatSuite, Shape

GOLDEN = Path(__file__).parent.parent / "golden" / "mot"


class MotSuite(FormatSuite):
    format = "mot"
    media = "link"  # frames and their sizes are those of the pictures
    tolerance = 1e-9  # coordinates count from 1
    ordered = False  # sequences are listed in the order of their names
    shape = Shape(members=("category", "bbox", "track_id"), category_ids=False, unlabelled=False)


class TestMot(MotSuite):
    golden = GOLDEN / "benchmark"


class TestMotFromZero(MotSuite):
    options: ClassVar = {"pixel_offset": False}
    golden = GOLDEN / "dm_seq"
