from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from smalti.testing import FormatSuite, Shape
from smalti.testing.masks import apart, in_order, numbered

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from smalti.dataset.dataset import Dataset
    from smalti.formats.report import Loss

GOLDEN = Path(__file__).parent.parent / "golden" / "mots"


class MotsSuite(FormatSuite):
    format = "mots"
    media = "link"  # frames are those of the pictures
    ordered = False  # sequences are listed in the order of their names
    shape = Shape(members=("category", "mask", "track_id"), category_ids=False, unlabelled=False)

    def held(self, dataset: Dataset) -> Dataset:
        return apart(dataset, lambda _: 0, one="track_id")

    def datasets(self) -> SearchStrategy[Dataset]:
        return super().datasets().map(self.held)

    def plain(self) -> Dataset:
        return self.held(super().plain())


class TestMotsRows(MotsSuite):
    golden = GOLDEN / "challenge"


class TestMotsPixels(MotsSuite):
    golden = GOLDEN / "cvat"
    options: ClassVar = {"masks": "png"}

    def held(self, dataset: Dataset) -> Dataset:
        return numbered(apart(dataset, dataset.categories.codes.__getitem__))

    def _unnamed(self, dataset: Dataset, back: Dataset, losses: list[Loss]) -> list[str]:
        codes = dataset.schema.objects().categories.codes
        return super()._unnamed(in_order(dataset, codes.__getitem__), back, losses)
