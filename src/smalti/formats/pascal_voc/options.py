"""The options of Pascal VOC, and what its reader and its writer share."""

from __future__ import annotations

from typing import Any, Literal

import pyarrow as pa
from pydantic import Field

from smalti.formats.protocol import Options
from smalti.schema import features

IMAGES, CLASSES, OBJECTS = "JPEGImages/", "SegmentationClass/", "SegmentationObject/"
MAIN, SEGMENTED = "ImageSets/Main", "ImageSets/Segmentation"
CORNERS = ("xmin", "ymin", "xmax", "ymax")
FLAGS = ("truncated", "occluded", "difficult")
TRUE = {"1": True, "0": False, "true": True, "false": False, "yes": True, "no": False}
ATTRIBUTES: dict[str, Any] = {
    "pose": features.Value(type=pa.string()),
    **{name: features.Value(type=pa.bool_()) for name in FLAGS},
    "parts": features.Json(),
    "actions": features.Json(),
    "voc": features.Json(),
}


class VocOptions(Options):
    """Options of Pascal VOC."""

    pixel_offset: bool = Field(
        False,  # pydantic's own way
        description="Corners are numbers of pixels from 1, as in the development kit; most tools write edges from 0.",
    )
    sets: Literal["Main", "Segmentation"] = Field(
        "Main",
        description="The lists of ImageSets that tell an image's split; the others tell those of images that it lacks.",
        json_schema_extra={"side": "read"},
    )
    segmentation: bool | None = Field(
        None,
        description="Whether label images are written; null: where there are masks. With true polygons are filled.",
        json_schema_extra={"side": "write"},
    )
