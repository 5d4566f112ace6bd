from __future__ import annotations

from smalti.testing import FormatSuite, Shape


class TestDarknet(FormatSuite):
    format = "darknet"
    media = "link"  # sizes are found in the images
    tolerance = 1e-9  # rows hold fractions of the image's size
    ordered = False  # images are listed in the order of their names
    shape = Shape(members=("category", "bbox"), category_ids=False)
