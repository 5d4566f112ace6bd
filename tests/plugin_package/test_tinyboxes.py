"""The laws of formats, kept by tinyboxes; run where smalti[testing] and this package are installed."""

from __future__ import annotations

from pathlib import Path

from smalti.testing import FormatSuite, Shape


class TestTinyBoxes(FormatSuite):
    format = "tinyboxes"
    golden = Path(__file__).parent / "golden.tinyboxes"
    target = "out.tinyboxes"
    shape = Shape(
        members=("category", "bbox"), splits=(), shared_paths=False, unlabelled=False, category_ids=False
    )
