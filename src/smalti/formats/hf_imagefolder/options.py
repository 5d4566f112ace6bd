"""What names Hugging Face's folders of images use, and the options of reading and writing them.

https://huggingface.co/docs/datasets/image_dataset#imagefolder
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pyarrow as pa
from pydantic import Field

from smalti.formats.protocol import Options

NAMES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")  # those that `datasets` knows
FILE = "file_name"
if TYPE_CHECKING:
    from collections.abc import Sequence

OBJECTS = "objects"
LISTS = ".labels.txt"  # behind the name of a column of classes
CLASS_KEYS = ("categories", "category", "labels", "label")
SIZES = ("width", "height")
MEMBERS = {  # of objects, beside bbox and category
    "id": pa.int64(),
    "area": pa.float64(),
    "iscrowd": pa.bool_(),
    "score": pa.float64(),
    "track_id": pa.int64(),
}


def are_numbers(names: Sequence[str]) -> bool:
    """Whether a class table has no names, just the numbers that rows have: they are the ids, then."""
    return bool(names) and all(
        name.isascii() and name.isdecimal() and len(name) < 16 and str(int(name)) == name for name in names
    )


class HfImageFolderOptions(Options):
    """Options of Hugging Face's ImageFolder."""

    bbox: Literal["xywh", "xyxy"] = Field(
        "xywh",
        description="What the four numbers of a box are: the file does not say.",
        json_schema_extra={"side": "read"},
    )
    metadata: Literal["jsonl", "csv", "parquet"] | None = Field(
        None,
        description="The kind of table; null: JSON lines, or Parquet where a split has a column without a value, to which"
        " JSON lines give no type. CSV has no objects.",
        json_schema_extra={"side": "write"},
    )
    categories: Literal["names", "numbers"] = Field(
        "names",
        description="Classes of objects as names, or as positions in `labels.txt`.",
        json_schema_extra={"side": "write"},
    )
