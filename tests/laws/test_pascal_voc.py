from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from smalti.testing import FormatSuite, Shape
from smalti.testing.masks import apart

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from smalti.dataset.dataset import Dataset

GOLDEN = Path(__file__).parent.parent / "golden" / "pascal_voc"
SEGMENTATION = GOLDEN.parent / "pascal_voc_segmentation"


def held(dataset: Dataset) -> Dataset:
    """Objects as the pixels of a label image hold them."""
    return apart(dataset, lambda _: 0)


class VocSuite(FormatSuite):
    format = "pascal_voc"
    golden = GOLDEN
    tolerance = 1e-9  # corners have 15 digits
    ordered = False  # documents are listed in the order of their names
    shape = Shape(members=("category", "bbox"), category_ids=False, unlabelled=False, shared_paths=False)


class TestPascalVoc(VocSuite):
    pass


class TestPascalVocFromOne(VocSuite):
    options: ClassVar = {"pixel_offset": True}


class TestPascalVocMasks(VocSuite):
    golden = SEGMENTATION / "kit"
    shape = Shape(
        members=("category", "bbox", "mask"), category_ids=False, unlabelled=False, shared_paths=False
    )

    def datasets(self) -> SearchStrategy[Dataset]:
        return super().datasets().map(held)

    def plain(self) -> Dataset:
        return held(super().plain())
