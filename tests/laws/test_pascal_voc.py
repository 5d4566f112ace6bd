from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smalti.testing import FormatSuite, Shape

GOLDEN = Path(__file__).parent.parent / "golden" / "pascal_voc"


class VocSuite(FormatSuite):
    format = "pascal_voc"
    golden = GOLDEN
    tolerance = 1e-9  # corners have 15 digits
    ordered = False  # documents are listed in the order of their names
    shape = Shape(members=("category", "bbox"), category_ids=False, unlabelled=False, shared_paths=False)


class TestPascalVoc(VocSuite):
    pass


class TestPascalVocFromOne(VocSuite):
    options: ClassVar = {"pixel_offset": True}
