"""The options of the YOLO format."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from smalti.formats.protocol import Options

Task = Literal["detect", "segment", "pose", "obb", "classify"]


class YoloOptions(Options):
    """What a YOLO dataset is read or written as."""

    task: Task | None = Field(
        None, description="what the rows mean; null: found where files or columns leave one answer"
    )
    extra_column: Literal["score", "track_id"] | None = Field(
        None, description="what a last column beyond the task's own holds; when writing: add it"
    )
    field: str | None = Field(
        None,
        description="the label field to write; null: objects, or the only one",
        json_schema_extra={"side": "write"},
    )
    crowds: Literal["skip", "keep"] = Field(
        "skip",
        description="what becomes of crowds, which YOLO cannot tell from objects",
        json_schema_extra={"side": "write"},
    )
    outside: Literal["clip", "keep", "drop"] = Field(
        "clip",
        description="what becomes of what leaves the image; trainers refuse the whole image for it",
        json_schema_extra={"side": "write"},
    )
    precision: int | None = Field(
        None,
        ge=1,
        le=17,
        description="digits after the point; null: as many as it takes to lose none",
        json_schema_extra={"side": "write"},
    )
