"""torchvision's reading of COCO, Pascal VOC and KITTI: detection_judge.py JOBS. JSON in, JSON out.

JOBS names by case the dataset's class and its arguments. Also Ultralytics' own conversion of DOTA, ``{"dota": FOLDER}``.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import torch

# The registry's torchvision is built for GPUs: its operators' names have to be known for it to be imported.
operators = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from torchvision import datasets  # noqa: E402  # as above


def judged(job: dict[str, Any]) -> list[Any]:
    dataset = getattr(datasets, job.pop("class"))(**job)
    places = getattr(dataset, "images", None) or [
        dataset.coco.imgs[number]["file_name"] for number in dataset.ids
    ]
    rows = zip(places, dataset, strict=True)
    return [{"path": str(path), "size": image.size, "target": target} for path, (image, target) in rows]


def converted(folder: Path) -> dict[str, list[list[float]]]:
    """The rows of YOLO that Ultralytics makes of DOTA's, in the folders that it looks for."""
    from ultralytics.data.converter import convert_dota_to_yolo_obb

    place = Path.cwd() / "dota"
    for split in ("train", "val"):
        shutil.copytree(folder / split / "images", place / "images" / split)
        shutil.copytree(folder / split / "labelTxt", place / "labels" / f"{split}_original")
    convert_dota_to_yolo_obb(str(place))
    files = [path for split in ("train", "val") for path in (place / "labels" / split).glob("*.txt")]
    return {
        path.stem: [[float(word) for word in line.split()] for line in path.read_text().splitlines()]
        for path in files
    }


jobs = json.loads(Path(sys.argv[1]).read_text("utf-8"))
dota = jobs.pop("dota")
answer = {case: judged(job) for case, job in jobs.items()}
print(json.dumps({**answer, "dota": converted(Path(dota))}))  # noqa: T201  # the verdict
