from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from smalti.testing import FormatSuite, Shape
from smalti.testing.strategies import ATTRIBUTES

PLAIN = {name: feature for name, feature in ATTRIBUTES.items() if feature.kind == "value"}
MEMBERS = ("category", "bbox", "id", "area", "iscrowd", "score", "track_id")


class HfImageFolderSuite(FormatSuite):
    format = "hf_imagefolder"
    media = "link"
    ordered = False  # samples are listed split by split
    outcomes: ClassVar = {"unknown-id": "tame", "missing-key": "tame"}  # classes are words


class TestAnyTable(HfImageFolderSuite):
    golden = Path(__file__).parent.parent / "golden" / "hf_imagefolder"
    shape = Shape(members=("category", "bbox"), category_ids=False)


class TestJsonLines(HfImageFolderSuite):
    options: ClassVar = {"metadata": "jsonl"}
    shape = Shape(
        members=MEMBERS,
        nullable=frozenset({"category", "bbox", "area", "score", "track_id"}),
        attributes=PLAIN,
        columns=PLAIN,
        category_ids=False,
    )


class TestParquet(HfImageFolderSuite):
    options: ClassVar = {"metadata": "parquet"}
    shape = Shape(members=MEMBERS, attributes=PLAIN, columns=PLAIN, category_ids=False)
