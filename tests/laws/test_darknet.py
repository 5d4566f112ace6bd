from __future__ import annotations

from pathlib import Path

from smalti.testing import FormatSuite, Shape


class TestDarknet(FormatSuite):
    format = "darknet"
    media = "link"  # sizes are found in the images
    tolerance = 1e-9  # rows hold fractions of the image's size
    ordered = False  # images are listed in the order of their names
    golden = Path(__file__).parent.parent / "golden" / "yolo" / "dm_darknet_strict"
    shape = Shape(members=("category", "bbox"), category_ids=False)
