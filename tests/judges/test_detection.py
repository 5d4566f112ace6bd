"""torchvision reads COCO, Pascal VOC and KITTI as written, and Ultralytics converts DOTA; pycocotools reads COCO."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as official
from pycocotools.coco import COCO

import smalti as sm

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.xdist_group("detection")
QUADS = [[10.0, 5.0, 40.0, 10.0, 38.0, 30.0, 8.0, 25.0], [1.5, 1.0, 9.0, 1.0, 9.0, 5.25, 1.5, 5.25]]
CLASSES = ["plane", "ship", "storage-tank"]  # DOTA's own: the converter knows no others


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> sm.Dataset:
    folder = tmp_path_factory.mktemp("harbour")
    rows = []
    for name, split in (("P1.png", "train"), ("P2.png", "val")):
        Image.new("RGB", (64, 48)).save(folder / name)
        made = [
            {"category": CLASSES[n + 1], "quad": quad} for n, quad in enumerate(QUADS[: 2 - (split == "val")])
        ]
        image = {"path": name, "width": 64, "height": 48}
        rows.append({"id": name, "image": image, "split": split, "objects": made})
    return sm.Dataset.from_samples(rows, categories=CLASSES, media_root=str(folder))


@pytest.fixture(scope="module")
def kitti(flat: sm.Dataset) -> sm.Dataset:
    """Boxes in the picture and in the world; names of classes and files without blanks, which KITTI's readers split at."""
    box = {"x": 1.5, "y": 1.25, "z": 20.0, "height": 1.5, "width": 1.75, "length": 4.0, "rotation_y": -0.5}
    made = [
        {
            "category": "Car",
            "bbox": [10.5, 20.25, 30, 12.5],
            "box3d": box,
            "truncated": 0.25,
            "occluded": 1,
            "alpha": -0.75,
        },
        {"category": "Pedestrian", "bbox": [0, 0, 5, 9.5]},
    ]
    image = {"path": flat[0].image.path, "width": 400, "height": 300}
    rows = [{"id": "000001.jpg", "image": image, "objects": made}]
    return sm.Dataset.from_samples(rows, categories=["Pedestrian", "Car"], media_root=flat.schema.media_root)


@pytest.fixture(scope="module")
def coco(street: sm.Dataset, write: Any) -> Path:
    folder: Path = write(street, "coco")
    return folder


@pytest.fixture(scope="module")
def verdict(
    flat: sm.Dataset, coco: Path, kitti: sm.Dataset, harbour: sm.Dataset, tmp_path_factory: Any, write: Any,
    asked: Callable[..., Any],
) -> Any:  # fmt: skip
    root = tmp_path_factory.mktemp("root")
    voc = root / "VOCdevkit" / "VOC2012"
    flat.write(voc, format="pascal_voc", media="copy", on_loss="ignore")
    kitti.write(root / "Kitti" / "raw", format="kitti", media="copy", on_loss="ignore")
    return asked("detection", {
        "coco": {"class": "CocoDetection", "root": coco / "images/train",
                 "annFile": coco / "annotations/instances_train.json"},
        "voc": {"class": "VOCDetection", "root": root, "image_set": "train"},
        "kitti": {"class": "Kitti", "root": root},
        "dota": write(harbour, "dota"),
    })  # fmt: skip


def test_torchvision__coco(verdict: Any, street: sm.Dataset) -> None:
    train = {sample.id: sample for sample in street.filter(sm.col("split") == "train")}
    assert {item["path"] for item in verdict["coco"]} == set(train)
    numbers = {category.name: category.id for category in street.categories}
    for item in verdict["coco"]:
        sample = train[item["path"]]
        assert sorted(item["size"]) == sorted(
            [sample.image.width, sample.image.height]
        )  # it turns no picture
        for theirs, one in zip(item["target"], sample.objects, strict=True):
            assert theirs["bbox"] == list(one["bbox"].values())
            assert (theirs["id"], theirs["category_id"]) == (one["id"], numbers[one["category"]])
            assert (theirs["area"], theirs["iscrowd"]) == (one["area"], int(one["iscrowd"]))


def test_torchvision__pascal_voc(verdict: Any, flat: sm.Dataset) -> None:
    train = {sample.id: sample for sample in flat.filter(sm.col("split") == "train")}
    assert {Path(item["path"]).name for item in verdict["voc"]} == set(train)
    for item in verdict["voc"]:
        sample = train[Path(item["path"]).name]
        annotation = item["target"]["annotation"]
        assert annotation["size"] == {"width": str(sample.image.width), "height": str(sample.image.height)}
        boxes = [
            (one["name"], [float(one["bndbox"][side]) for side in ("xmin", "ymin", "xmax", "ymax")])
            for one in annotation.get("object", [])
        ]
        ours = [(one["category"], list(one["bbox"].values())) for one in sample.objects]
        assert boxes == [(name, pytest.approx([x, y, x + w, y + h])) for name, (x, y, w, h) in ours]


def test_torchvision__kitti(verdict: Any) -> None:
    (item,) = verdict["kitti"]
    car, person = item["target"]
    assert car == {
        "type": "Car", "truncated": 0.25, "occluded": 1, "alpha": -0.75, "bbox": [10.5, 20.25, 40.5, 32.75],
        "dimensions": [1.5, 1.75, 4.0], "location": [1.5, 1.25, 20.0], "rotation_y": -0.5,
    }  # fmt: skip
    assert (person["type"], person["bbox"], person["dimensions"]) == (
        "Pedestrian",
        [0, 0, 5, 9.5],
        [-1, -1, -1],
    )


def test_ultralytics__converts_dota(verdict: Any, harbour: sm.Dataset) -> None:
    for sample in harbour:
        rows = verdict["dota"][sample.id.removesuffix(".png")]
        assert [CLASSES[int(row[0])] if int(row[0]) < 3 else None for row in rows] == sample.objects.names
        for row, one in zip(rows, sample.objects, strict=True):
            assert np.allclose(
                np.reshape(row[1:], (4, 2)) * (64, 48), np.reshape(one["quad"], (4, 2)), atol=1e-4
            )


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own
def test_pycocotools__coco(coco: Path, street: sm.Dataset) -> None:
    for split in ("train", "val"):
        found = COCO(str(coco / "annotations" / f"instances_{split}.json"))
        ours = {sample.id: sample for sample in street.filter(sm.col("split") == split)}
        assert {one["file_name"]: (one["width"], one["height"]) for one in found.imgs.values()} == {
            name: (sample.image.width, sample.image.height) for name, sample in ours.items()
        }
        assert {one["name"]: one["id"] for one in found.cats.values()} == {
            c.name: c.id for c in street.categories
        }
        for image in found.imgs.values():
            sample = ours[image["file_name"]]
            size = [sample.image.height, sample.image.width]
            theirs = found.loadAnns(found.getAnnIds(image["id"]))
            for one, annotation in zip(sample.objects, theirs, strict=True):
                assert found.cats[annotation["category_id"]]["name"] == one["category"]
                assert annotation["bbox"] == list(one["bbox"].values())
                rings = [list(ring) for ring in one["polygons"] or ()]
                runs = one["mask"] or official.merge(official.frPyObjects(rings, *size))
                pixels = official.decode({"size": size, "counts": runs["counts"]})
                assert np.array_equal(found.annToMask(annotation), pixels)
                points = np.reshape(annotation.get("keypoints", ()), (-1, 3)).tolist()
                assert points == [list(point.values()) for point in one["keypoints"] or ()]
