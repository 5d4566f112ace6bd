from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smalti.testing import FormatSuite, Shape


class TestKittiTracking(FormatSuite):
    format = "kitti_tracking"
    golden = Path(__file__).parent.parent / "golden" / "kitti_tracking"
    media = "link"  # frames and their sizes are those of the images
    tolerance = 1e-9  # corners have nine digits
    ordered = False  # sequences are listed in the order of their names
    outcomes: ClassVar = {"short-row": "tame"}  # a row without its last number has no score
    shape = Shape(
        members=("category", "bbox", "box3d", "score", "track_id"),
        category_ids=False,
        unlabelled=False,
    )
