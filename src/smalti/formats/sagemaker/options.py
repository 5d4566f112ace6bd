"""What a manifest of Ground Truth consists of, and the options of reading and writing one.

https://docs.aws.amazon.com/sagemaker/latest/dg/sms-data-output.html
"""

from __future__ import annotations

from types import MappingProxyType

from pydantic import Field

from smalti.formats.protocol import Options

SUFFIX = ".manifest"
NAME = f"output{SUFFIX}"
REFERENCE = "source-ref"
METADATA = "-metadata"
REF = "-ref"  # the attribute of a mask ends so
CONFIDENCE = "-confidence"  # our column beside one of single classes
BOXES, CLASS, CLASSES, MASK = (
    "groundtruth/object-detection",
    "groundtruth/image-classification",
    "groundtruth/image-classification-multilabel",
    "groundtruth/semantic-segmentation",
)
BOX_KEYS = ("class_id", "left", "top", "width", "height")
OWN = "annotation."  # in front of keys of annotations that have the name of one of our members
OBJECT_METADATA = "object-metadata"  # our attribute: what a box's metadata say beside the confidence
# What is written where nothing is known, as Rekognition asks for it; read, it says nothing.
UNKNOWN = MappingProxyType(
    {"job-name": "smalti", "human-annotated": "yes", "creation-date": "1970-01-01T00:00:00.000000"}
)


class SageMakerOptions(Options):
    """Options of SageMaker's manifests."""

    prefix: str | None = Field(
        None,
        description="What stands in front of the images' paths in references, such as `s3://bucket/images/`: taken away"
        " in reading, put there in writing. Null: found from the references; written as it was read.",
    )
    mask_prefix: str | None = Field(None, description="As `prefix`, of masks; null: that of the images.")
    confidence: float | None = Field(
        None,
        description="What is written for labels without a confidence, which Rekognition asks for; null: nothing.",
        json_schema_extra={"side": "write"},
    )
