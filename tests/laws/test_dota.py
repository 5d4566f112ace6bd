from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smalti.testing import FormatSuite, Shape


class TestDota(FormatSuite):
    format = "dota"
    golden = Path(__file__).parent.parent / "golden" / "dota"
    shape = Shape(members=("category", "quad"), category_ids=False, unlabelled=False)
    media = "link"  # sizes are those of the images
    outcomes: ClassVar = {"unknown-class": "tame"}  # a row begins with a coordinate
    ordered = False  # documents are listed in the order of their names
