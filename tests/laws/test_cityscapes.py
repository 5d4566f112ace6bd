from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from smalti.formats.cityscapes.labels import numbers
from smalti.testing import FormatSuite, Shape
from smalti.testing.masks import apart, in_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

    from smalti.dataset.dataset import Dataset
    from smalti.formats.report import Loss

GOLDEN = Path(__file__).parent.parent / "golden" / "cityscapes"


def order(dataset: Dataset) -> Callable[[str], int]:
    """The numbers of a dataset's classes."""
    table = dataset.schema.objects().categories
    return dict(zip(table.values, numbers(table), strict=True)).__getitem__


def held(dataset: Dataset) -> Dataset:
    """Objects as the pixels of instances hold them."""
    return apart(dataset, order(dataset))


class TestCityscapesPolygons(FormatSuite):
    format = "cityscapes"
    golden = GOLDEN / "polygons"
    media = "link"  # images without labels are found by themselves
    ordered = False  # samples are listed split by split
    shape = Shape(members=("category", "polygons", "iscrowd"), category_ids=False, max_parts=1)
    outcomes: ClassVar = {"unknown-id": "tame", "missing-key": "tame"}


class TestCityscapesInstances(FormatSuite):
    format = "cityscapes"
    golden = GOLDEN / "dm_dataset"
    media = "link"
    ordered = False
    shape = Shape(members=("category", "mask"), category_ids=False)
    options: ClassVar = {"objects": "instances"}

    def datasets(self) -> SearchStrategy[Dataset]:
        return super().datasets().map(held)

    def plain(self) -> Dataset:
        return held(super().plain())

    def _unnamed(self, dataset: Dataset, back: Dataset, losses: list[Loss]) -> list[str]:
        return super()._unnamed(in_order(dataset, order(dataset)), back, losses)
