from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smalti.testing import FormatSuite, Shape


class ViaSuite(FormatSuite):
    format = "via"
    golden = Path(__file__).parent.parent / "golden" / "via"
    media = "link"  # sizes are those of the images
    ordered = False  # samples are listed split by split
    outcomes: ClassVar = {"unknown-id": "tame", "missing-key": "tame"}  # classes are words


class TestViaBoxes(ViaSuite):
    shape = Shape(members=("category", "bbox"), category_ids=False, unlabelled=False)


class TestViaPolygons(ViaSuite):
    shape = Shape(members=("category", "polygons"), max_parts=1, category_ids=False, unlabelled=False)
