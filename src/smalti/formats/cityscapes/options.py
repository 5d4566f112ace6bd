"""The options of Cityscapes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from smalti.formats.protocol import Options


class CityscapesOptions(Options):
    """Options of Cityscapes."""

    objects: Literal["polygons", "instances"] | None = Field(
        None,
        description="Where objects are: in polygons.json, or in the pixels of instanceIds.png; null: polygons where they"
        " are there, and for writing where objects have any.",
    )
