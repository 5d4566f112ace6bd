"""Options of spreadsheets."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from smalti.formats.protocol import Options

Preset = Literal["tensorflow", "retinanet", "via", "vott", "automl", "wheat", "open_images", "multiclass"]


class SpreadsheetOptions(Options):
    """Options of spreadsheets."""

    mapping: str | dict[str, Any] | None = Field(
        None,
        description="Which columns are what: the path of a YAML or TOML file, or a dictionary; null: guessed.",
        json_schema_extra={"side": "read"},
    )
    preset: Preset | None = Field(
        None, description="A known dialect; null: recognised.", json_schema_extra={"side": "read"}
    )
    sheets: tuple[str, ...] | None = Field(
        None,
        description="Sheets that are read; null: all that name images.",
        json_schema_extra={"side": "read"},
    )
    categories: tuple[str, ...] | None = Field(
        None,
        description="The class table; other words are errors. Null: a sheet of categories, or the classes as met.",
        json_schema_extra={"side": "read"},
    )
    file: Literal["xlsx", "csv", "tsv"] = Field(
        "xlsx",
        description="What is written where the target is a folder.",
        json_schema_extra={"side": "write"},
    )
    layout: Literal["split", "one"] = Field(
        "split", description="A sheet a split, or one for all.", json_schema_extra={"side": "write"}
    )
    field: str | None = Field(
        None,
        description="The object field whose objects are the rows; null: objects, or the only one.",
        json_schema_extra={"side": "write"},
    )
    shapes: Literal["text", "drop"] = Field(
        "text",
        description="Whether polygons and masks are kept, as text, or left out.",
        json_schema_extra={"side": "write"},
    )
    thumbnails: int = Field(
        100,
        ge=0,
        le=5000,
        description="How many samples get a picture, with their boxes drawn; where images can be read.",
        json_schema_extra={"side": "write"},
    )
    thumbnail_size: int = Field(
        96, ge=16, le=400, description="Its longest side, in pixels.", json_schema_extra={"side": "write"}
    )
    rows_a_sheet: int = Field(
        1_048_575,
        ge=1,
        le=1_048_575,
        description="Rows after which a sheet is continued on another; Excel has no more.",
        json_schema_extra={"side": "write"},
    )
