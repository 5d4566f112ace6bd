from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from smalti.dataset.dataset import Dataset
from smalti.schema import features
from smalti.schema.categories import Categories
from smalti.testing import FormatSuite, Shape
from smalti.testing.strategies import ATTRIBUTES

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

GOLDEN = Path(__file__).parents[1] / "golden" / "lvis" / "v1"
IDS = features.Value(type=pa.list_(pa.int64()))


def federated(dataset: Dataset) -> Dataset:
    """The dataset with LVIS' two lists for every image, and its keys of classes."""
    rated = {"frequency": "r", "image_count": 3, "instance_count": 7}
    table = Categories(tuple(c.model_copy(update={"attributes": rated}) for c in dataset.categories))
    objects = dataset.schema.objects().model_copy(update={"categories": table})
    columns = {
        **dataset.schema.columns,
        "objects": objects,
        "neg_category_ids": IDS,
        "not_exhaustive_category_ids": IDS,
    }
    ids: list[Any] = [category.id for category in dataset.categories]
    rows = dataset.to_arrow()
    for shift, name in enumerate(("neg_category_ids", "not_exhaustive_category_ids")):
        lists = [ids[: (n + shift) % (len(ids) + 1)] for n in range(len(rows))]
        rows = rows.append_column(pa.field(name, IDS.arrow), pa.array(lists, IDS.arrow))
    return Dataset.from_arrow(rows, schema=dataset.schema.with_columns(columns))


class TestLvis(FormatSuite):
    format = "lvis"
    golden = GOLDEN
    ordered = False  # a file for each split
    shape = Shape(
        members=("id", "category", "bbox", "polygons", "mask", "keypoints", "score", "area", "track_id"),
        attributes=ATTRIBUTES,
        nullable=frozenset({"polygons", "mask", "keypoints", "score", "track_id"}),
        columns={"note": ATTRIBUTES["note"], "rest": ATTRIBUTES["any of it"]},
    )

    def datasets(self) -> SearchStrategy[Dataset]:
        return super().datasets().map(federated)

    def plain(self) -> Dataset:
        return federated(super().plain())
