from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from smalti import Dataset
from smalti.testing import FormatSuite, Shape

if TYPE_CHECKING:
    import os

    from smalti.formats.report import Report


def renamed(dataset: Dataset, pattern: str, new: str) -> Dataset:
    """The dataset with its ids changed; those of two splits that share paths have their split in front."""
    table = dataset.to_arrow()
    start = "^((?:train/|val/)?)" if dataset.schema.id_has_split else "^()"
    ids = pc.replace_substring_regex(table.column("id").cast(pa.string()), start + pattern, rf"\1{new}")
    changed = table.set_column(0, "id", ids)
    return Dataset.from_arrow(changed, schema=dataset.schema, report=dataset.report)


class TestKittiTracking(FormatSuite):
    """Every picture is in a sequence: here the one called s, which the laws do not see."""

    format = "kitti_tracking"
    golden = Path(__file__).parent.parent / "golden" / "kitti_tracking"
    media = "link"  # sizes are those of the images
    tolerance = 1e-9  # corners have nine digits
    ordered = False  # sequences are listed in the order of their names
    outcomes: ClassVar = {"short-row": "tame"}  # a row without its last number has no score
    shape = Shape(
        members=("category", "bbox", "box3d", "score", "track_id"),
        category_ids=False,
        unlabelled=False,
    )

    def write(self, dataset: Dataset, target: str | os.PathLike[str], **arguments: Any) -> Report:
        return super().write(renamed(dataset, "", "s/"), target, **arguments)

    def read(self, source: str | os.PathLike[str], **arguments: Any) -> Dataset:
        return renamed(super().read(source, **arguments), "s/", "")
