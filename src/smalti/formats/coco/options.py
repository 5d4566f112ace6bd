"""The options of the COCO format."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from smalti.formats.protocol import Options


class CocoOptions(Options):
    """How COCO files are read and written."""

    results: str | tuple[str, ...] | dict[str, str] | None = Field(
        None,
        description="results files (flat arrays of detections) to join to the ground truth: a path, several"
        " (fields predictions, predictions_2, …), or paths by field name",
        json_schema_extra={"side": "read"},
    )
    results_field: str = Field(
        "predictions",
        description="name of the field that a single results file becomes",
        json_schema_extra={"side": "read"},
    )
    split: str | None = Field(
        None,
        description="split of a single file whose name tells none",
        json_schema_extra={"side": "read"},
    )
    layout: Literal["folders", "roboflow", "fiftyone"] = Field(
        "folders",
        description="folders: annotations/instances_<split>.json with images/<split>/; roboflow:"
        " <split>/_annotations.coco.json beside the images; fiftyone: labels.json with data/",
        json_schema_extra={"side": "write"},
    )
    ids: Literal["keep", "renumber"] = Field(
        "keep",
        description="keep: image and annotation ids of the source; renumber: 1 to n",
        json_schema_extra={"side": "write"},
    )
