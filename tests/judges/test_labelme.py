"""LabelMe itself reads what is written: every type of shape, masks with holes, groups, flags."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as official

import smalti as sm

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).parents[1] / "golden" / "labelme"
pytestmark = pytest.mark.xdist_group("labelme")


@pytest.fixture(scope="module")
def shapes(flat: sm.Dataset) -> sm.Dataset:
    """An object of each geometry that LabelMe draws."""
    point = {"x": 7.5, "y": 9.25, "visibility": None}
    drawn = [
        {"category": "car", "bbox": [10.5, 20.25, 30.0, 12.5]},
        {"category": "car", "polygons": [[1.5, 1.5, 40.0, 1.5, 20.0, 30.25]]},
        {"category": "dog", "polyline": [0.0, 0.0, 40.5, 40.0, 50.0, 10.0]},
        {"category": "dog", "quad": [100.0, 50.0, 200.0, 100.0, 175.0, 150.0, 75.0, 100.0]},
        {"category": "dog", "keypoints": [point, {**point, "x": 90.0}], "group_id": 4, "description": "ears"},
    ]
    image = {"path": flat[0].image.path, "width": 400, "height": 300}
    rows = [{"id": "all.jpg", "image": image, "objects": drawn}]
    return sm.Dataset.from_samples(rows, categories=["dog", "car"], media_root=flat.schema.media_root)


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents of LabelMe, with images of their size."""
    folder = tmp_path_factory.mktemp("golden")
    for path in GOLDEN.glob("*.json"):
        raw = json.loads(path.read_text("utf-8"))
        raw["imagePath"] = f"{path.stem}.png"
        raw["flags"], raw["shapes"][0]["flags"] = {"night": True}, {"hidden": True}
        (folder / path.name).write_text(json.dumps(raw), "utf-8")
        Image.new("RGB", (raw["imageWidth"], raw["imageHeight"])).save(folder / raw["imagePath"])
    return folder


@pytest.fixture(scope="module")
def verdict(
    street: sm.Dataset, shapes: sm.Dataset, golden: Path, write: Any, asked: Callable[..., Any]
) -> Any:
    cases = {"street": street, "shapes": shapes, "golden": sm.read(golden)}
    return asked("labelme", {case: str(write(dataset, "labelme")) for case, dataset in cases.items()})


def test_street(verdict: Any, street: sm.Dataset) -> None:
    assert len(verdict["street"]) == len(street)
    for sample in street:
        theirs = verdict["street"][f"{sample.split}/{sample.id.rpartition('.')[0]}.json"]
        assert theirs["image"] == sample.id.rpartition("/")[2]
        assert theirs["size"] == [sample.image.width, sample.image.height]
        ours = [(one, ring) for one in sample.objects for ring in one["polygons"] or (None,)]
        assert len(theirs["shapes"]) == len(ours)
        groups: dict[int, set[int]] = {}
        for shape, (one, ring) in zip(theirs["shapes"], ours, strict=True):
            assert shape["label"] == one["category"]
            groups.setdefault(one["id"], set()).add(shape["group_id"] or -one["id"])
            if ring is not None:
                assert (shape["shape_type"], np.ravel(shape["points"]).tolist()) == ("polygon", list(ring))
                continue
            size = [sample.image.height, sample.image.width]
            pixels = official.decode({"size": size, "counts": one["mask"]["counts"]})
            assert shape["shape_type"] == "mask"
            assert np.array_equal(shape["pixels"], pixels.nonzero())
        assert all(
            len(group) == 1 for group in groups.values()
        )  # the parts of an object are a group of their own
        assert len({min(group) for group in groups.values()}) == len(groups)


def test_shapes__of_every_type(verdict: Any) -> None:
    (theirs,) = verdict["shapes"].values()
    assert [(one["label"], one["shape_type"], one["points"]) for one in theirs["shapes"]] == [
        ("car", "rectangle", [[10.5, 20.25], [40.5, 32.75]]),
        ("car", "polygon", [[1.5, 1.5], [40.0, 1.5], [20.0, 30.25]]),
        ("dog", "linestrip", [[0.0, 0.0], [40.5, 40.0], [50.0, 10.0]]),
        ("dog", "oriented_rectangle", [[100.0, 50.0], [200.0, 100.0], [175.0, 150.0], [75.0, 100.0]]),
        ("dog", "points", [[7.5, 9.25], [90.0, 9.25]]),
    ]
    assert [one["group_id"] for one in theirs["shapes"]] == [None, None, None, None, 4]
    assert theirs["shapes"][4]["description"] == "ears"
    assert theirs["shapes"][1]["pixels"] == pytest.approx(38.5 * 28.75 / 2, rel=0.15)  # borders are painted


def test_golden__comes_back_as_it_was(verdict: Any, golden: Path) -> None:
    for path, theirs in verdict["golden"].items():
        raw = json.loads((golden / path).read_text("utf-8"))
        for one in raw["shapes"]:
            if one["shape_type"] == "rectangle":  # whatever the order of its corners
                one["points"] = np.sort(one["points"], axis=0).tolist()
            other = {"line": "linestrip", "point": "points"}  # of two points, and of one
            one["shape_type"] = other.get(one["shape_type"], one["shape_type"])
        kept = ("label", "points", "shape_type", "group_id")
        assert theirs["image"] == raw["imagePath"]
        assert [[one[key] for key in kept] for one in theirs["shapes"]] == [
            [one.get(key) for key in kept] for one in raw["shapes"]
        ]
        assert [one["flags"] for one in theirs["shapes"]] == [one.get("flags") or {} for one in raw["shapes"]]
