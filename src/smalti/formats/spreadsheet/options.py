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
        description="Which columns are what: the path of a YAML file, or a dictionary; null: guessed.",
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
