from __future__ import annotations

from typing import ClassVar

from smalti.testing import FormatSuite, Shape


class YoloSuite(FormatSuite):
    format = "yolo"
    media = "link"  # sizes are found in the images
    tolerance = 1e-9  # rows hold fractions of the image's size
    ordered = False  # images are listed in the order of their names


class TestYoloDetect(YoloSuite):
    options: ClassVar = {"task": "detect"}
    shape = Shape(members=("category", "bbox"), category_ids=False)


class TestYoloSegment(YoloSuite):
    options: ClassVar = {"task": "segment"}
    shape = Shape(members=("category", "polygons"), max_parts=1, category_ids=False)


class TestYoloPose(YoloSuite):
    options: ClassVar = {"task": "pose"}
    shape = Shape(members=("category", "bbox", "keypoints"), category_ids=False)


class TestYoloObb(YoloSuite):
    options: ClassVar = {"task": "obb"}
    shape = Shape(members=("category", "quad"), category_ids=False)


class TestYoloScores(YoloSuite):
    options: ClassVar = {"task": "detect", "extra_column": "score"}
    shape = Shape(members=("category", "bbox", "score"), category_ids=False)
