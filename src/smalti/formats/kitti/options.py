"""What KITTI's formats share: the columns of their rows, and what they say of the unknown."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from smalti.schema import features

NUMBERS = 14  # of a row, after the type; one more is a score
UNKNOWN = {"truncated": -1, "occluded": -1, "alpha": -10}
SPACE = ("height", "width", "length", "x", "y", "z", "rotation_y")
NOWHERE = (-1, -1, -1, -1000, -1000, -1000, -10)  # what the kit writes of objects without a place in space
IGNORED = "DontCare"
ATTRIBUTES: dict[str, Any] = {
    "truncated": features.Value(type=pa.float64()),
    "occluded": features.Value(type=pa.int64()),
    "alpha": features.Value(type=pa.float64()),
    "dontcare": features.Value(type=pa.bool_()),
}
