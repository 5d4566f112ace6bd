from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from smalti.schema import features
from smalti.testing import FormatSuite, Shape

GOLDEN = Path(__file__).parent.parent / "golden" / "open_images"
FLAGS = ("occluded", "truncated", "is_depiction", "is_inside")
HELD: dict[str, features.Value | features.Json] = {
    **{name: features.Value(type=pa.bool_()) for name in FLAGS},
    "source": features.Value(type=pa.string()),
}


class OpenImagesSuite(FormatSuite):
    format = "open_images"
    media = "link"  # rows name images without their suffixes
    tolerance = 1e-9  # rows hold fractions of the image's size
    ordered = False  # samples are listed split by split
    # In images.meta a line may name an image that is not there, and its fourth word may be missing.
    outcomes: ClassVar = {"unknown-class": "tame", "short-row": "tame"}


class TestOpenImages(OpenImagesSuite):
    golden = GOLDEN / "official"
    shape = Shape(members=("category", "bbox"), attributes=HELD, category_ids=False)


class TestOpenImagesMasks(OpenImagesSuite):
    golden = GOLDEN / "fiftyone"
    shape = Shape(members=("category", "bbox", "mask", "score", "iscrowd"), category_ids=False)


class TestOpenImagesBoxesAlone(OpenImagesSuite):
    golden = GOLDEN / "dm_v5"
    options: ClassVar = {"masks": False}
    shape = Shape(members=("category", "bbox", "score"), category_ids=False, splits=())
