"""The difficult COCO dataset: what real files hold and converters lose, in five images."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

if TYPE_CHECKING:
    from pathlib import Path

RING = np.zeros((60, 80), np.uint8, order="F")
RING[10:50, 10:60] = 1
RING[20:40, 20:45] = 0  # the hole

IMAGES: list[dict[str, Any]] = [
    {"id": 501, "file_name": "a/0001.jpg", "width": 80, "height": 60, "license": 2,
     "coco_url": "http://example.org/a/0001.jpg", "note": {"rain": True}},
    {"id": 7, "file_name": "b/0001.jpg", "width": 80, "height": 60, "license": 1},
    {"id": 30, "file_name": "empty.jpg", "width": 64, "height": 48, "license": 1},
    {"id": 12, "file_name": "turned.jpg", "width": 40, "height": 64, "license": 1},
    {"id": 90000000001, "file_name": "Straße am Fluß 2.jpg", "width": 100, "height": 50, "license": 2},
]  # fmt: skip
TURNED = {"turned.jpg": 6}  # stored lying, 64 x 40; the labels are those of the upright picture

CATEGORIES: list[dict[str, Any]] = [
    {"id": 90, "name": "toothbrush", "supercategory": "indoor", "colour": "#ff0000"},
    {"id": 1, "name": "person", "supercategory": "person", "keypoints": ["head", "hand", "foot"],
     "skeleton": [[1, 2], [1, 3]]},
    {"id": 3, "name": "car", "supercategory": "vehicle"},
    {"id": 7, "name": "unused train", "supercategory": "vehicle"},
]  # fmt: skip


def _annotations() -> list[dict[str, Any]]:
    ring = coco_mask.encode(RING)
    packed = {"size": [60, 80], "counts": ring["counts"].decode()}
    runs = np.diff(np.flatnonzero(np.diff(np.r_[-1, RING.ravel(order="F").astype(int), -1])))
    plain = {"size": [60, 80], "counts": [int(n) for n in runs]}
    box = [10, 10, 50, 40]
    same = {"image_id": 7, "category_id": 1, "bbox": [5.25, 6.5, 20.125, 30.75], "area": 300.5, "iscrowd": 0}
    return [
        {"id": 11, "image_id": 501, "category_id": 3, "iscrowd": 0, "area": 500.0, "bbox": [5, 5, 60.5, 20],
         "segmentation": [[5, 5, 25, 5, 25, 25, 5, 25], [45.5, 5, 65.5, 5, 65.5, 10, 45.5, 10]],
         "attributes": {"occluded": True, "colour": "rot"}},
        {"id": 5, "image_id": 501, "category_id": 90, "iscrowd": 0, "area": 1500, "bbox": box,
         "segmentation": packed},
        {"id": 6, "image_id": 501, "category_id": 1, "iscrowd": 1, "area": 1500, "bbox": box,
         "segmentation": plain},
        {**same, "id": 21, "segmentation": [[5.25, 6.5, 25.375, 6.5, 25.375, 37.25, 5.25, 37.25]],
         "keypoints": [10, 10, 2, 15.5, 20.25, 1, 0, 0, 0], "num_keypoints": 2},
        {**same, "id": 22, "segmentation": [[5.25, 6.5, 25.375, 6.5, 25.375, 37.25, 5.25, 37.25]]},
        {"id": 1234567890123, "image_id": 90000000001, "category_id": 3, "iscrowd": 0, "area": 1200.123456789,
         "bbox": [80.1, 20.7, 35.3, 20], "segmentation": [[80.1, 20.7, 115.4, 20.7, 115.4, 40.7, 80.1, 40.7]]},
        {"id": 41, "image_id": 12, "category_id": 3, "iscrowd": 0, "area": 200, "bbox": [4, 8, 10, 20],
         "segmentation": [[4, 8, 14, 8, 14, 28, 4, 28]], "attributes": {"occluded": False, "colour": "grün"}},
        {"id": 42, "image_id": 12, "category_id": 90, "iscrowd": 0, "area": 16, "bbox": [20, 30, 4, 4],
         "segmentation": []},
    ]  # fmt: skip


DIFFICULT: dict[str, Any] = {
    "info": {"description": "difficult", "year": 2026, "contributor": "smalti", "tool": {"name": "x"}},
    "licenses": [
        {"id": 1, "name": "CC BY", "url": "http://example.org/by"},
        {"id": 2, "name": "CC0", "url": ""},
    ],
    "images": IMAGES,
    "annotations": _annotations(),
    "categories": CATEGORIES,
}


def save_images(root: Path) -> None:
    noise = np.random.default_rng(0)
    for image in IMAGES:
        path = root / image["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        width, height = image["width"], image["height"]
        exif = Image.Exif()
        if orientation := TURNED.get(image["file_name"]):
            width, height = height, width
            exif[0x0112] = orientation
        pixels = noise.integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(path, exif=exif)


@pytest.fixture
def difficult(tmp_path: Path) -> Path:
    """A folder with ``instances.json`` and its images under ``images/``."""
    root = tmp_path / "source"
    save_images(root / "images")
    (root / "instances.json").write_text(json.dumps(DIFFICULT, ensure_ascii=False), encoding="utf-8")
    return root
