from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from hypothesis import strategies as st

from smalti.geometry import quads
from smalti.schema import features
from smalti.testing import FormatSuite, Shape
from smalti.testing.strategies import ATTRIBUTES, numbers, schema_of
from smalti.testing.tables import build

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from smalti.dataset.dataset import Dataset

GOLDEN = Path(__file__).parent.parent / "golden" / "cvat"
GEOMETRY = ("bbox", "polygons", "mask", "keypoints", "polyline")  # a shape is one of them
HELD: dict[str, features.Value | features.Json] = {
    **{name: ATTRIBUTES[name] for name in ("note", "weight", "level")},
    "parked": features.Value(type=pa.bool_()),
    "z_order": features.Value(type=pa.int64()),
    "source": features.Value(type=pa.string()),
}


class CvatSuite(FormatSuite):
    format = "cvat"
    tolerance = 1e-9  # a box is its corners
    shape = Shape(
        members=("category", *GEOMETRY),
        exclusive=GEOMETRY,
        attributes=HELD,
        max_parts=1,
        category_ids=False,
        unlabelled=False,
    )


class TestCvat(CvatSuite):
    golden = GOLDEN / "shapes"


class TestCvatProject(CvatSuite):
    golden = GOLDEN / "dm_project"
    shape = Shape(members=("category", "bbox"), category_ids=False, unlabelled=False)


class TestCvatInOneFile(CvatSuite):
    golden = GOLDEN / "dm_task"
    target = "out.xml"
    shape = Shape(members=("category", "bbox"), category_ids=False, unlabelled=False, splits=())


class TestCvatTurned(CvatSuite):
    """Boxes that are turned: rectangles, where other quadrangles become polygons."""

    shape = Shape(members=("category", "quad", "angle"), category_ids=False, unlabelled=False)

    def datasets(self) -> SearchStrategy[Dataset]:
        return st.lists(_turned(), min_size=1, max_size=4).map(self._built)

    def plain(self) -> Dataset:
        return self._built([[50.0, 40.0, 30.0, 20.0, 33.25], [20.25, 10.5, 5.0, 7.5, 270.0]])

    def _built(self, boxes: list[list[float]]) -> Dataset:
        table = super().plain().schema.objects().categories
        objects = []
        for x, y, w, h, degrees in boxes:
            corners = quads.rotated_to_quads([x, y, w, h, degrees * 3.141592653589793 / 180])
            objects.append({"category": 0, "quad": corners[0].tolist(), "angle": degrees})
        paths = ("train/1.png", "train/a/1.png", "val/2.png")
        rows = [
            {
                "id": path.partition("/")[2],
                "image": {"path": path, "width": 100, "height": 80},
                "split": path.partition("/")[0],
                "objects": objects[number:],
            }
            for number, path in enumerate(paths)
        ]
        return build(schema_of(self.shape, table), rows)


def _turned() -> SearchStrategy[list[float]]:
    sides = [numbers(0, 100), numbers(0, 80), numbers(0.5, 60), numbers(0.5, 60), numbers(0.01, 359.99)]
    return st.tuples(*sides).map(list)
