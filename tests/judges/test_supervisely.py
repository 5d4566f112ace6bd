"""Supervisely's SDK reads what is written: datasets inside of others, every figure, classes with ids and colours.

It cuts fractions of pixels off polygons, so that these are compared as whole ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pycocotools import mask as official

import smalti as sm

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.xdist_group("supervisely")


@pytest.fixture(scope="module")
def figures(flat: sm.Dataset) -> sm.Dataset:
    """An object of each figure, in whole pixels."""
    drawn = [
        {"category": "car", "bbox": [10, 20, 30, 12]},
        {"category": "car", "polygons": [[1, 1, 40, 1, 20, 30]]},
        {"category": "dog", "polyline": [0, 0, 40, 40, 50, 10]},
        {"category": "dog", "keypoints": [{"x": 7, "y": 9, "visibility": None}]},
    ]
    image = {"path": flat[0].image.path, "width": 400, "height": 300}
    table = sm.Categories((sm.Category(name="dog", id=7, color="#112233"), sm.Category(name="car", id=3)))
    rows = [{"id": "all.jpg", "image": image, "objects": drawn}]
    return sm.Dataset.from_samples(rows, categories=table, media_root=flat.schema.media_root)


@pytest.fixture(scope="module")
def verdict(street: sm.Dataset, figures: sm.Dataset, write: Any, asked: Callable[..., Any]) -> Any:
    cases = {"street": street, "figures": figures}
    return asked("supervisely", {case: str(write(dataset, "supervisely")) for case, dataset in cases.items()})


def inside(points: np.ndarray, size: list[int]) -> bool:
    """Whether a figure keeps within its picture, to which the SDK cuts it otherwise."""
    return bool((points >= 0).all() and (points < size[::-1]).all())


def test_street(verdict: Any, street: sm.Dataset) -> None:
    items = verdict["street"]["items"]
    assert set(items) == {f"{sample.split}/{sample.id}" for sample in street}
    for sample in street:
        item = items[f"{sample.split}/{sample.id}"]
        size = [sample.image.height, sample.image.width]
        assert item["size"] == size[::-1]
        assert item["image"]
        for one, theirs in zip(sample.objects, item["labels"], strict=True):
            assert theirs["label"] == one["category"]
            rings = [list(ring) for ring in one["polygons"] or ()]
            if len(rings) == 1:
                cut = np.floor(np.reshape(rings[0], (-1, 2))).astype(int)
                assert theirs["shape"] == "polygon"
                assert inside(cut, size) == np.array_equal(theirs["json"]["exterior"], cut)
                continue
            runs = one["mask"] or official.merge(official.frPyObjects(rings, *size))
            pixels = official.decode({"size": size, "counts": runs["counts"]})
            assert theirs["shape"] == "bitmap"
            assert np.array_equal(theirs["pixels"], pixels.nonzero())


def test_street__classes_with_their_ids(verdict: Any, street: sm.Dataset) -> None:
    assert [one[:2] for one in verdict["street"]["classes"]] == [[c.name, c.id] for c in street.categories]


def test_figures(verdict: Any) -> None:
    (item,) = verdict["figures"]["items"].values()
    assert [(one["label"], one["shape"], one["json"]["exterior"]) for one in item["labels"]] == [
        ("car", "rectangle", [[10, 20], [40, 32]]),
        ("car", "polygon", [[1, 1], [40, 1], [20, 30]]),
        ("dog", "line", [[0, 0], [40, 40], [50, 10]]),
        ("dog", "point", [[7, 9]]),
    ]
    assert [one[:3] for one in verdict["figures"]["classes"]] == [
        ["dog", 7, [17, 34, 51]],
        ["car", 3, [15, 110, 140]],
    ]
