from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from smalti.formats import label_images
from smalti.testing import FormatSuite, Shape
from smalti.testing.corruptions import CORRUPTIONS
from smalti.testing.tables import build

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from smalti.dataset.dataset import Dataset

GOLDEN = Path(__file__).parent.parent / "golden" / "mask_pairs"


def apart(dataset: Dataset) -> Dataset:
    """Objects as masks hold them: one of each class, in the order of values, none over another."""
    table = dataset.categories
    ids = [category.id for category in table]
    values = dict(zip(table.values, ids if None not in ids else range(1, len(ids) + 1), strict=True))
    rows = dataset.to_arrow().to_pylist()
    for row in rows:
        height, width = row["image"]["height"], row["image"]["width"]
        left = np.ones((height, width), bool)
        kept = {}
        for item in row["objects"] or ():
            where = label_images.set_pixels(item, height, width)
            mask = np.zeros(height * width, bool)
            if where is not None:
                mask[where] = True
            pixels = mask.reshape(width, height).T & left
            if pixels.any() and item["category"] not in kept:
                left &= ~pixels
                parts = label_images.segments(pixels)
                item["mask"] = label_images.mask_of(parts.counts[-1], pixels.shape)
                kept[item["category"]] = {**item, "category": table.codes[item["category"]]}
        if row["objects"] is not None:
            row["objects"] = [kept[name] for name in sorted(kept, key=values.__getitem__)]
    return build(dataset.schema, rows)


class MaskPairsSuite(FormatSuite):
    format = "mask_pairs"
    media = "link"  # images without masks are found by themselves
    shape = Shape(members=("category", "mask"))
    ordered = False  # samples are listed split by split
    options: ClassVar = {"as_objects": True}
    outcomes: ClassVar = {"unknown-id": "tame", "missing-key": "tame"}

    def datasets(self) -> SearchStrategy[Dataset]:
        return super().datasets().map(apart)

    def plain(self) -> Dataset:
        return apart(super().plain())


class TestMaskPairs(MaskPairsSuite):
    golden = GOLDEN / "dm_common_semseg"


class TestMaskPairsCamVid(MaskPairsSuite):
    golden = GOLDEN / "dm_camvid"
    options: ClassVar = {"as_objects": True, "layout": "camvid"}
    outcomes: ClassVar = {corruption.name: "tame" for corruption in CORRUPTIONS}  # the other table counts
