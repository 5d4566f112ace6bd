from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

EXAMPLES = Path(__file__).parents[2] / "examples"
STREET = EXAMPLES / "street"


@pytest.fixture(scope="module")
def files() -> dict[str, dict[str, Any]]:
    return {
        path.stem: json.loads(path.read_text("utf-8")) for path in (STREET / "annotations").glob("*.json")
    }


def test_street__is_what_the_script_makes(tmp_path: Path) -> None:
    command = [sys.executable, EXAMPLES / "make_street.py", tmp_path / "street"]
    subprocess.run(command, check=True)
    made = sorted(path.relative_to(tmp_path / "street") for path in (tmp_path / "street").rglob("*.*"))
    assert made == sorted(path.relative_to(STREET) for path in STREET.rglob("*.*"))
    for name in made:
        if name.suffix == ".json":
            assert (tmp_path / "street" / name).read_text("utf-8") == (STREET / name).read_text("utf-8")
            continue
        with Image.open(tmp_path / "street" / name) as one, Image.open(STREET / name) as other:
            assert one.getexif() == other.getexif()
            # Builds of the encoder differ by a shade.
            assert np.abs(np.asarray(one, float) - np.asarray(other, float)).mean() < 2


def orientation(path: Path) -> int:
    with Image.open(path) as image:
        return int(image.getexif().get(0x0112, 1))


def test_street__has_all_that_files_have(files: dict[str, dict[str, Any]]) -> None:
    objects = [item for file in files.values() for item in file["annotations"]]
    images = [image for file in files.values() for image in file["images"]]
    names = [image["file_name"] for image in images]
    shapes = [item["segmentation"] for item in objects]
    assert any(isinstance(shape, list) and len(shape) > 1 for shape in shapes), "an object of several parts"
    assert any(isinstance(shape, dict) and isinstance(shape["counts"], str) for shape in shapes), (
        "run lengths as text"
    )
    assert sum(item["iscrowd"] for item in objects) == 1
    assert any(item.get("num_keypoints") for item in objects)
    assert {"north/0001.jpg", "south/0001.jpg"} <= set(names)
    assert any(not name.isascii() for name in names)
    assert {image["id"] for image in images} - {item["image_id"] for item in objects}, (
        "an image without objects"
    )
    assert [path.name for path in STREET.rglob("*.jpg") if orientation(path) != 1] == ["turned.jpg"]


def test_street__masks_have_holes(files: dict[str, dict[str, Any]]) -> None:
    coco = COCO(str(STREET / "annotations" / "instances_train.json"))
    rings = [
        item
        for item in files["instances_train"]["annotations"]
        if isinstance(item["segmentation"], dict) and not item["iscrowd"]
    ]
    mask = coco.annToMask(rings[0])
    ys, xs = np.nonzero(mask)
    assert not mask[int(ys.mean()), int(xs.mean())]


def test_street__areas_and_boxes_are_those_of_the_shapes() -> None:
    for split in ("train", "val"):
        coco = COCO(str(STREET / "annotations" / f"instances_{split}.json"))
        for item in coco.anns.values():
            mask = coco.annToMask(item)
            x, y, w, h = item["bbox"]
            assert abs(mask.sum() - item["area"]) <= 0.1 * item["area"] + 8
            height, width = mask.shape
            ys, xs = np.nonzero(mask)
            assert abs(xs.min() - max(x, 0)) <= 2
            assert abs(xs.max() + 1 - min(x + w, width)) <= 2
            assert abs(ys.min() - max(y, 0)) <= 2
            assert abs(ys.max() + 1 - min(y + h, height)) <= 2
