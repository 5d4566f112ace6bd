from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smalti.testing import FormatSuite, Shape
from smalti.testing.strategies import ATTRIBUTES

PLAIN = {name: feature for name, feature in ATTRIBUTES.items() if feature.kind == "value"}


class SageMakerSuite(FormatSuite):
    format = "sagemaker"
    media = "link"  # sizes of images without labels are those of the images
    ordered = False  # samples are listed split by split


class TestSageMaker(SageMakerSuite):
    golden = Path(__file__).parent.parent / "golden" / "sagemaker"
    shape = Shape(members=("category", "bbox", "score"), nullable=frozenset({"score"}))


class TestSageMakerReferences(SageMakerSuite):
    options: ClassVar = {"prefix": "s3://bucket/all of it/"}
    shape = Shape(members=("category", "bbox"), attributes=PLAIN, columns=PLAIN)
