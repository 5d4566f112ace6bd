"""What Ultralytics makes of a YOLO export: python yolo_judge.py FOLDER [TASK], JSON on stdout.

TASK is detect, segment, pose, obb or classify. Runs in the environment of setup.sh. The dataset goes
through ``check_det_dataset`` and each image and label through ``verify_image_label``, as in a training;
for classify through ``check_cls_dataset`` and torchvision's ``ImageFolder``.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from ultralytics.data import utils
from ultralytics.data.utils import (
    IMG_FORMATS,
    check_cls_dataset,
    check_det_dataset,
    img2label_paths,
    verify_image_label,
)

utils.check_font = lambda _: None  # it would fetch the font of plots

KEPT: list[object] = []  # operators are gone with the library that declares them


def judge_rows(folder: Path, task: str) -> dict[str, object]:
    data = check_det_dataset(str(folder / "data.yaml"), autodownload=False)
    count, each = data.get("kpt_shape", (0, 0))
    places = {str(data[key]) for key in ("train", "val", "test") if data.get(key)}
    images = sorted(
        p for place in places for p in Path(place).rglob("*") if p.suffix[1:].lower() in IMG_FORMATS
    )
    objects = visible = corrupt = polygons = 0
    rows: dict[str, list[list[float]]] = {}
    messages: list[str] = []
    for image in images:
        label = img2label_paths([str(image)])[0]
        job = (str(image), label, "", task == "pose", len(data["names"]), count, each, False)
        _, boxes, _, segments, keypoints, _, _, _, broken, message = verify_image_label(job)
        corrupt += broken
        messages += [message] if message else []
        if boxes is None:
            continue
        objects += len(boxes)
        polygons += len(segments or ())
        visible += 0 if keypoints is None else int((keypoints[..., -1] > 0).sum())
        shapes = [s.ravel() for s in segments] if segments else boxes[:, 1:]
        rows[image.name] = [
            [float(c), *map(float, shape)] for c, shape in zip(boxes[:, 0], shapes, strict=True)
        ]
        if keypoints is not None:
            for row, points in zip(rows[image.name], keypoints, strict=True):
                row.extend(map(float, points.ravel()))
    return {
        "names": data["names"],
        "images": len(images),
        "objects": objects,
        "keypoints": visible,
        "segments": polygons,
        "corrupt": corrupt,
        "messages": messages,
        "rows": rows,
    }


def image_folder() -> Any:
    """torchvision's ImageFolder. Built for another torch, it lacks the operators that its import asks for."""
    try:
        return import_module("torchvision.datasets").ImageFolder
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        KEPT.append(library)
        return import_module("torchvision.datasets").ImageFolder


def judge_folders(folder: Path) -> dict[str, object]:
    reader = image_folder()
    data = check_cls_dataset(str(folder))
    found = {key: reader(str(data[key]), allow_empty=True) for key in ("train", "val", "test") if data[key]}
    labels = {
        Path(path).relative_to(folder).as_posix(): data["names"][number]
        for split in found.values()
        for path, number in split.samples
    }
    same = all(split.classes == list(data["names"].values()) for split in found.values())
    return {"names": data["names"], "images": len(labels), "labels": labels, "same_classes": same}


def main() -> None:
    folder, task = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "detect"
    found = judge_folders(folder) if task == "classify" else judge_rows(folder, task)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
