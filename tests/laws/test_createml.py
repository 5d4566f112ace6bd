from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smalti.testing import FormatSuite, Shape


class TestCreateML(FormatSuite):
    format = "createml"
    golden = Path(__file__).parent.parent / "golden" / "createml"
    shape = Shape(members=("category", "bbox"), category_ids=False, unlabelled=False)
    media = "link"  # sizes are those of the images
    tolerance = 1e-9  # centres have 15 digits
    ordered = False  # samples are listed split by split
    outcomes: ClassVar = {"unknown-id": "tame", "missing-key": "tame"}  # classes are words
