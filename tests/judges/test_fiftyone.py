"""FiftyOne, over a real MongoDB, reads what is written: its own format, COCO, YOLO, Darknet, KITTI, VOC, CVAT, masks, folders.

Sizes of pictures are FiftyOne's own reading of their headers.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as official

import smalti as sm

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.xdist_group("fiftyone")
GEOMETRIES = [
    {"category": "car", "bbox": [10.5, 20.25, 30.0, 12.5]},
    {"category": "car", "polygons": [[1.5, 1.5, 40.0, 1.5, 20.0, 30.25]]},
    {"category": "dog", "polyline": [0.0, 0.0, 40.5, 40.0, 50.0, 10.0]},
    {
        "category": "dog",
        "keypoints": [{"x": 7.5, "y": 9.25, "visibility": 2}, {"x": 90.0, "y": 9.25, "visibility": 2}],
    },
]


@pytest.fixture(scope="module")
def shapes(flat: sm.Dataset) -> sm.Dataset:
    image = {"path": flat[0].image.path, "width": 400, "height": 300}
    rows = [{"id": "a/b.jpg", "image": image, "split": "train", "objects": GEOMETRIES}]
    return sm.Dataset.from_samples(rows, categories=["dog", "car"], media_root=flat.schema.media_root)


@pytest.fixture(scope="module")
def single(flat: sm.Dataset) -> sm.Dataset:
    return flat.map_categories({"street sign": "sign", "tyre swing": "tyre"})


@pytest.fixture(scope="module")
def verdict(
    street: sm.Dataset,
    single: sm.Dataset,
    shapes: sm.Dataset,
    write: Any,
    asked: Callable[..., Any],
    tmp_path_factory: Any,
) -> Any:
    own, coco, kitti = write(street, "fiftyone"), write(street, "coco"), write(single, "kitti") / "training"
    voc, cvat, yolo = write(street, "pascal_voc"), write(shapes, "cvat"), write(street, "yolo", task="detect")
    segment, masks = write(single, "yolo", task="segment"), write(single, "mask_pairs")
    above = tmp_path_factory.mktemp("darknet")  # whose paths begin with the name of the folder they are in
    street.write(above / "data", format="darknet", media="copy", on_loss="ignore")
    shutil.copy(above / "data" / "train.txt", above / "train.txt")
    for name in ("dog/1.png", "cat/2.png", "cat/a/3.png"):
        (above / "classes" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6)).save(above / "classes" / name)
    sm.convert(above / "classes", above / "folders", "imagefolder", media="copy")
    jobs = {
        "own": {"type": "FiftyOneDataset", "dataset_dir": own},
        "shapes": {"type": "FiftyOneDataset", "dataset_dir": write(shapes, "fiftyone")},
        "coco": {"type": "COCODetectionDataset", "data_path": coco / "images/train",
                 "labels_path": coco / "annotations/instances_train.json"},
        "yolo": {"type": "YOLOv5Dataset", "dataset_dir": yolo, "split": "train", "yaml_path": yolo / "data.yaml"},
        "segment": {"type": "YOLOv5Dataset", "dataset_dir": segment, "split": "train",
                    "yaml_path": segment / "data.yaml", "label_type": "polylines"},
        "darknet": {"type": "YOLOv4Dataset", "dataset_dir": above / "data", "images_path": above / "train.txt",
                    "objects_path": above / "data/obj.names"},
        "kitti": {"type": "KITTIDetectionDataset", "data_path": kitti / "image_2", "labels_path": kitti / "label_2"},
        "voc": {"type": "VOCDetectionDataset", "data_path": voc / "JPEGImages", "labels_path": voc / "Annotations"},
        "cvat": {"type": "CVATImageDataset", "data_path": cvat / "images", "labels_path": cvat / "annotations.xml"},
        "masks": {"type": "ImageSegmentationDirectory", "data_path": masks / "images/train",
                  "labels_path": masks / "masks/train"},
        "folders": {"type": "ImageClassificationDirectoryTree", "dataset_dir": above / "folders"},
    }  # fmt: skip
    return asked("fiftyone", jobs, "SMALTI_FIFTYONE_PYTHON")


def field(
    items: dict[str, Any], name: str = "ground_truth", member: str = "bbox", below: str = ""
) -> dict[str, Any]:
    return {
        path.removeprefix(below): [(one["label"], one.get(member)) for one in item["fields"].get(name) or ()]
        for path, item in items.items()
    }


def shared(theirs: Any, ours: np.ndarray) -> float:
    """The intersection over union of the places of a mask and a mask."""
    other = np.zeros_like(ours)
    other[tuple(theirs)] = True
    return float((other & ours).sum() / (other | ours).sum())


def pixels(one: Any, sample: Any) -> np.ndarray:
    size = [sample.image.height, sample.image.width]
    rings = [list(ring) for ring in one["polygons"] or ()]
    runs = one["mask"] or official.merge(official.frPyObjects(rings, *size))
    return official.decode({"size": size, "counts": runs["counts"]}) > 0


def test_own__boxes_splits_and_sizes(verdict: Any, street: sm.Dataset, told: Any) -> None:
    items = verdict["own"]["items"]
    ours = {f"data/{sample.split}/{sample.id}": sample for sample in street}
    assert set(items) == set(ours)
    boxes = field(items)
    for path, sample in ours.items():
        assert items[path]["tags"] == [sample.split]
        assert sorted(items[path]["size"]) == sorted([sample.image.width, sample.image.height])
        assert boxes[path] == told(street)[sample.id]


def test_own__masks_with_holes(verdict: Any, street: sm.Dataset) -> None:
    for sample in street:
        theirs = verdict["own"]["items"][f"data/{sample.split}/{sample.id}"]["fields"]["ground_truth"]
        for label, one in zip(theirs, sample.objects, strict=True):
            assert label["iscrowd"] == one["iscrowd"]
            assert ("mask" in label) == bool(one["mask"])
            if one["mask"]:
                x, y, w, h = (round(side) for side in one["bbox"].values())
                assert np.array_equal(label["in_box"], pixels(one, sample)[y : y + h, x : x + w])
                # Painted, it cuts fractions off the box, which its shares of a picture's side have by rounding.
                assert shared(label["mask"], pixels(one, sample)) > 0.9


def test_own__polygons_and_keypoints(verdict: Any, street: sm.Dataset) -> None:
    for sample in street:
        fields = verdict["own"]["items"][f"data/{sample.split}/{sample.id}"]["fields"]
        drawn = [one for one in sample.objects if one["polygons"]]
        for label, one in zip(fields["ground_truth_polylines"], drawn, strict=True):
            assert (label["label"], label["closed"]) == (one["category"], True)
            assert label["points"] == [pytest.approx(list(ring)) for ring in one["polygons"]]
        posed = [one for one in sample.objects if one["keypoints"]]
        for label, one in zip(fields["ground_truth_keypoints"], posed, strict=True):
            ours = [(p["x"], p["y"]) if p["visibility"] else (np.nan, np.nan) for p in one["keypoints"]]
            assert np.allclose(np.reshape(label["points"][0], (-1, 2)), ours, equal_nan=True)


def test_own__every_geometry(verdict: Any) -> None:
    (item,) = verdict["shapes"]["items"].values()
    assert {name: [one["label"] for one in labels] for name, labels in item["fields"].items()} == {
        "ground_truth": ["car"], "ground_truth_polylines": ["car", "dog"], "ground_truth_keypoints": ["dog"],
    }  # fmt: skip
    assert [one["closed"] for one in item["fields"]["ground_truth_polylines"]] == [True, False]


def test_coco(verdict: Any, street: sm.Dataset, told: Any) -> None:
    items = verdict["coco"]["items"]
    assert field(items, "detections") == told(street, split="train")
    assert verdict["coco"]["classes"] == [
        one.name for one in sorted(street.categories, key=lambda one: one.id)
    ]
    for sample in street.filter(sm.col("split") == "train"):
        fields = items[sample.id]["fields"]
        for label, one in zip(fields.get("segmentations") or (), sample.objects, strict=True):
            assert label["label"] == one["category"]
            assert shared(label["mask"], pixels(one, sample)) > 0.85  # in a box of whole pixels
        posed = [one for one in sample.objects if one["keypoints"]]
        assert len(fields.get("keypoints") or ()) == len(posed)


def test_yolo__boxes(verdict: Any, street: sm.Dataset, told: Any) -> None:
    kept = street.filter_objects(~sm.col("iscrowd"))
    theirs = field(verdict["yolo"]["items"], below="images/train/")
    theirs["south/0001.jpg"][1][1][2] += 80  # the box that leaves its picture was clipped, and reported
    assert theirs == told(kept, split="train")
    assert verdict["yolo"]["classes"] == list(street.categories.values)


def test_yolo__polygons(verdict: Any, single: sm.Dataset) -> None:
    theirs = field(verdict["segment"]["items"], member="points", below="images/train/")
    for sample in single.filter_objects(~sm.col("iscrowd")).filter(sm.col("split") == "train"):
        for (label, rings), one in zip(theirs[sample.id], sample.objects, strict=True):
            assert label == one["category"]
            if one["polygons"] and len(one["polygons"]) == 1:
                assert rings == [pytest.approx(list(one["polygons"][0]), abs=1e-3)]


def test_darknet(verdict: Any, street: sm.Dataset, told: Any) -> None:
    kept = street.filter_objects(~sm.col("iscrowd"))
    theirs = field(verdict["darknet"]["items"], below="obj_train_data/")
    theirs["south/0001.jpg"][1][1][2] += 80
    assert theirs == told(kept, split="train")


def test_kitti(verdict: Any, single: sm.Dataset, told: Any) -> None:
    assert field(verdict["kitti"]["items"]) == told(single)


def test_pascal_voc__in_whole_pixels(verdict: Any, street: sm.Dataset) -> None:
    # It cuts fractions off, and takes corners for edges that count from 0, as we do.
    theirs = field(verdict["voc"]["items"])
    assert set(theirs) == {sample.id for sample in street}
    for sample in street:
        for (label, box), one in zip(theirs[sample.id], sample.objects, strict=True):
            x, y, w, h = one["bbox"].values()
            left, top, right, bottom = (int(side + 1e-9) for side in (x, y, x + w, y + h))
            assert label == one["category"]
            assert box == pytest.approx([left, top, right - left, bottom - top])


def test_cvat__in_whole_pixels(verdict: Any) -> None:
    (item,) = verdict["cvat"]["items"].values()
    (box,), (ring, line), (points,) = (
        item["fields"][name] for name in ("detections", "polylines", "keypoints")
    )
    assert (box["label"], box["bbox"]) == ("car", pytest.approx([10, 20, 30, 13]))
    ours = [GEOMETRIES[1]["polygons"][0], GEOMETRIES[2]["polyline"], [7.5, 9.25, 90.0, 9.25]]
    rounded = [[pytest.approx(np.round(numbers))] for numbers in ours]
    assert [one["points"] for one in (ring, line, points)] == rounded
    assert [one["label"] for one in (ring, line, points)] == ["car", "dog", "dog"]
    assert (ring["closed"], line["closed"]) == (True, False)
    assert item["size"] == [400, 300]


def test_masks(verdict: Any, single: sm.Dataset) -> None:
    numbers = {category.name: category.id for category in single.categories}
    theirs = verdict["masks"]["items"]
    train = single.filter(sm.col("split") == "train")
    assert set(theirs) == {sample.id for sample in train}
    for sample in train:
        whole = np.zeros((sample.image.height, sample.image.width), np.int64)
        for one in sample.objects:
            whole[pixels(one, sample)] = numbers[one["category"]]
        values, counts = np.unique(whole, return_counts=True)
        assert theirs[sample.id]["fields"]["ground_truth"] == [values.tolist(), counts.tolist()]


def test_folders_of_classes(verdict: Any) -> None:
    items = {path: item["fields"]["ground_truth"] for path, item in verdict["folders"]["items"].items()}
    assert items == {"dog/1.png": "dog", "cat/2.png": "cat", "cat/a/3.png": "cat"}
