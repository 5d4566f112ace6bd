from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smalti.testing import FormatSuite, Shape


class KittiSuite(FormatSuite):
    format = "kitti"
    golden = Path(__file__).parent.parent / "golden" / "kitti"
    media = "link"  # sizes are those of the images
    tolerance = 1e-9  # corners have 15 digits
    ordered = False  # documents are listed in the order of their names


class TestKitti(KittiSuite):
    shape = Shape(members=("category", "bbox"), category_ids=False, unlabelled=False, shared_paths=False)


class TestKittiInSpace(KittiSuite):
    outcomes: ClassVar = {"short-row": "tame"}  # a row without its last number has no score
    shape = Shape(
        members=("category", "bbox", "box3d", "score"),
        category_ids=False,
        unlabelled=False,
        shared_paths=False,
    )
