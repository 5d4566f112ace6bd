from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from hypothesis import strategies as st

from smalti.geometry import quads
from smalti.testing import FormatSuite, Shape
from smalti.testing.strategies import ATTRIBUTES, numbers, schema_of
from smalti.testing.tables import build

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from smalti.dataset.dataset import Dataset

GOLDEN = Path(__file__).parents[1] / "golden" / "label_studio"


class LabelStudioSuite(FormatSuite):
    format = "label_studio"
    golden = GOLDEN
    tolerance = 1e-6  # shares of the picture have as many digits as pixels
    # Labels are words, and many keys may be missing.
    outcomes: ClassVar = {"unknown-id": "tame", "missing-key": "tame"}


class TestLabelStudioBoxes(LabelStudioSuite):
    shape = Shape(
        members=("id", "category", "bbox", "score", "area", "iscrowd"),
        attributes=ATTRIBUTES,
        columns={"note": ATTRIBUTES["note"], "rest": ATTRIBUTES["any of it"]},
    )


class TestLabelStudioShapes(LabelStudioSuite):
    shape = Shape(members=("category", "polygons", "mask"))


class TestLabelStudioAll(LabelStudioSuite):
    """Every geometry of an object, tied by parentID."""

    options: ClassVar = {"regions": "all"}
    shape = Shape(
        members=("id", "category", "bbox", "polygons", "mask", "polyline", "keypoints"), exclusive=()
    )


class TestLabelStudioTurned(LabelStudioSuite):
    """Rectangles that are turned, where other quadrangles become polygons."""

    shape = Shape(members=("category", "quad", "angle"))

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
        rows = [
            {
                "id": path.partition("/")[2],
                "image": {"path": path, "width": 100, "height": 80},
                "split": path.partition("/")[0],
                "objects": objects[number:],
            }
            for number, path in enumerate(("train/1.png", "train/a/1.png", "val/2.png"))
        ]
        return build(schema_of(self.shape, table), rows)


def _turned() -> SearchStrategy[list[float]]:
    sides = [numbers(0, 100), numbers(0, 80), numbers(0.5, 60), numbers(0.5, 60), numbers(0.01, 359.99)]
    return st.tuples(*sides).map(list)
