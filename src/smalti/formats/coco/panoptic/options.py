"""The options of COCO panoptic."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from smalti.formats.coco.options import SourceOptions
from smalti.formats.coco.recognise import Content


class PanopticOptions(SourceOptions):
    """How panoptic JSON and its PNGs are read and written."""

    takes: ClassVar = (Content.PANOPTIC,)
    sought: ClassVar = (
        "images, annotations with segments_info, and categories: annotations/panoptic_<split>.json"
    )

    objects: Literal["all", "things"] | None = Field(
        None,
        description="read segments as objects with masks, instead of the label image: all, or those of things alone",
        json_schema_extra={"side": "read"},
    )
    masks: str | None = Field(
        None,
        description="folder of the PNGs, below the source, where it is not named after the JSON file",
        json_schema_extra={"side": "read"},
    )
    check: Literal["pixels", "sizes"] = Field(
        "pixels",
        description="pixels: every PNG has the segments that the JSON lists, and no other; sizes: its header is"
        " looked at alone, which takes a twentieth of the time",
    )
    field: str | None = Field(
        None,
        description="column to write, of panoptic labels or of objects; null: the only one, panoptic labels first",
        json_schema_extra={"side": "write"},
    )
    stuff: tuple[str, ...] = Field(
        (),
        description="classes that are stuff, where isthing does not say; others are things",
        json_schema_extra={"side": "write"},
    )
