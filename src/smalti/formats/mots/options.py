"""The options of MOTS, and what its reader and its writer share."""

from __future__ import annotations

from typing import Any, Literal

import pyarrow as pa
from pydantic import Field

from smalti.formats.protocol import Options
from smalti.schema import features

EACH = 1000  # objects of a class: an id is 1000 * class + number
IGNORED = 10  # the class of what is neither right nor wrong; its one id is 10000
OFFICIAL = ("car", "pedestrian")  # the classes 1 and 2
TRUTH, PIXELS, ROWS = "gt/gt.txt", "instances/", "instances_txt/"
ATTRIBUTES: dict[str, Any] = {"ignored": features.Value(type=pa.bool_())}


class MotsOptions(Options):
    """Options of MOTS."""

    masks: Literal["txt", "png"] = Field(
        "txt",
        description="What is written: rows of run lengths as MOTSChallenge has them, or a label image a frame as KITTI"
        " MOTS, CVAT and Datumaro have them.",
        json_schema_extra={"side": "write"},
    )
