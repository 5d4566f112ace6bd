from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from smalti.dataset.dataset import Dataset
from smalti.schema.categories import Categories
from smalti.testing import FormatSuite, Shape
from smalti.testing.masks import apart

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


def held(dataset: Dataset) -> Dataset:
    """Objects as a label image holds them, no two with one pixel, of classes that say whether they are things."""
    said = [c.model_copy(update={"attributes": {"isthing": n % 2}}) for n, c in enumerate(dataset.categories)]
    objects = dataset.schema.objects().model_copy(update={"categories": Categories(tuple(said))})
    schema = dataset.schema.with_columns({**dataset.schema.columns, "objects": objects})
    return apart(Dataset.from_arrow(dataset.to_arrow(), schema=schema), lambda _: 0)


class TestCocoPanoptic(FormatSuite):
    format = "coco_panoptic"
    golden = Path(__file__).parents[1] / "golden" / "coco_panoptic" / "inside"
    ordered = False  # a file for each split
    shape = Shape(members=("category", "mask", "iscrowd"))
    options: ClassVar = {"objects": "all"}

    def datasets(self) -> SearchStrategy[Dataset]:
        return super().datasets().map(held)

    def plain(self) -> Dataset:
        return held(super().plain())
