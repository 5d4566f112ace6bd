"""The options of folders of images and masks."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from smalti.formats.protocol import Options


class MaskPairsOptions(Options):
    """Options of image and mask folders."""

    images: str | None = Field(
        None,
        description="The folder of images, where it is called otherwise than usual.",
        json_schema_extra={"side": "read"},
    )
    masks: str | None = Field(
        None,
        description="The folder of masks, where it is called otherwise than usual.",
        json_schema_extra={"side": "read"},
    )
    as_objects: bool = Field(
        False,  # pydantic's own way
        description="Read the area of each class as an object with a mask, instead of the label image.",
        json_schema_extra={"side": "read"},
    )
    pixels: Literal["index", "palette", "color"] | None = Field(
        None,
        description="What masks are written as: the numbers of classes, the same with a palette, or colours;"
        " null: colours in CamVid's layout, else numbers.",
        json_schema_extra={"side": "write"},
    )
    layout: Literal["folders", "camvid"] = Field(
        "folders",
        description="Folders to write: images/train and masks/train, or CamVid's train and trainannot.",
        json_schema_extra={"side": "write"},
    )
    field: str | None = Field(
        None,
        description="The column to write, of label images or objects; null: the only one, label images first.",
        json_schema_extra={"side": "write"},
    )
