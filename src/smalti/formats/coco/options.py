"""The options of COCO's family."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from smalti.formats.coco.recognise import Content
from smalti.formats.protocol import Options


class SourceOptions(Options):
    """What COCO's JSON files have in common.

    Attributes:
        takes: The kinds of files that are read; where several are there, the first kind, and results.
        sought: What is looked for, for the error where nothing is there.
    """

    takes: ClassVar[tuple[Content, ...]] = (Content.COCO, Content.LVIS, Content.RESULTS)
    sought: ClassVar[str] = (
        "images, annotations and categories: annotations/*_<split>.json, <split>/_annotations.coco.json, labels.json"
    )

    split: str | None = Field(
        None,
        description="split of a single file whose name tells none",
        json_schema_extra={"side": "read"},
    )
    ids: Literal["keep", "renumber"] = Field(
        "keep",
        description="keep: image and annotation ids of the source; renumber: 1 to n",
        json_schema_extra={"side": "write"},
    )


class FamilyOptions(SourceOptions):
    """What reading and writing COCO and LVIS have in common."""

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


class CocoOptions(FamilyOptions):
    """How COCO files are read and written."""

    layout: Literal["folders", "roboflow", "fiftyone"] = Field(
        "folders",
        description="folders: annotations/instances_<split>.json with images/<split>/; roboflow:"
        " <split>/_annotations.coco.json beside the images; fiftyone: labels.json with data/",
        json_schema_extra={"side": "write"},
    )


class LvisOptions(FamilyOptions):
    """How LVIS files are read and written."""

    takes: ClassVar = (Content.LVIS, Content.COCO, Content.RESULTS)

    version: str = Field(
        "v1",
        description="version of LVIS in the names of the files: lvis_v1_train.json",
        pattern=r"v\d+(\.\d+)?",
        json_schema_extra={"side": "write"},
    )
    negatives: Literal["none", "all"] = Field(
        "none",
        description="what neg_category_ids says of an image that does not say it: none: no class was verified as"
        " absent; all: every class that has no object there was looked for",
        json_schema_extra={"side": "write"},
    )
