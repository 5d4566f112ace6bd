from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from smalti.testing import FormatSuite, Shape
from smalti.testing.corruptions import CORRUPTIONS
from smalti.testing.masks import apart

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from smalti.dataset.dataset import Dataset

GOLDEN = Path(__file__).parent.parent / "golden" / "mask_pairs"


def held(dataset: Dataset) -> Dataset:
    """Objects as masks hold them: one of each class, in the order of values, none over another."""
    table = dataset.categories
    ids = [category.id for category in table]
    values = dict(zip(table.values, ids if None not in ids else range(1, len(ids) + 1), strict=True))
    return apart(dataset, values.__getitem__, one="category")


class MaskPairsSuite(FormatSuite):
    format = "mask_pairs"
    media = "link"  # images without masks are found by themselves
    shape = Shape(members=("category", "mask"))
    ordered = False  # samples are listed split by split
    options: ClassVar = {"as_objects": True}
    outcomes: ClassVar = {"unknown-id": "tame", "missing-key": "tame"}

    def datasets(self) -> SearchStrategy[Dataset]:
        return super().datasets().map(held)

    def plain(self) -> Dataset:
        return held(super().plain())


class TestMaskPairs(MaskPairsSuite):
    golden = GOLDEN / "dm_common_semseg"


class TestMaskPairsCamVid(MaskPairsSuite):
    golden = GOLDEN / "dm_camvid"
    options: ClassVar = {"as_objects": True, "layout": "camvid"}
    outcomes: ClassVar = {corruption.name: "tame" for corruption in CORRUPTIONS}  # the other table counts
