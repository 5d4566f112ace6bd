"""Supervisely's SDK's reading of projects: supervisely_judge.py JOBS. JSON in, JSON out. JOBS names folders by case."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import supervisely


def told(label: Any, size: tuple[int, int]) -> dict[str, Any]:
    pixels = np.zeros(size, bool)
    geometry, box = label.geometry, label.geometry.to_bbox()
    if isinstance(geometry, supervisely.Bitmap):
        geometry.draw(pixels, color=1)
    return {
        "label": label.obj_class.name,
        "shape": geometry.geometry_name(),
        "bbox": [box.left, box.top, box.right, box.bottom],
        "json": geometry.to_json().get("points"),
        "pixels": pixels.nonzero(),
    }


def judged(folder: str) -> dict[str, Any]:
    project = supervisely.Project(folder, supervisely.OpenMode.READ)
    items = {}
    for dataset in project.datasets:
        for name in dataset:
            annotation = dataset.get_ann(name, project.meta)
            items[f"{dataset.name}/{name}"] = {
                "size": annotation.img_size[::-1],
                "image": Path(dataset.get_img_path(name)).is_file(),
                "labels": [told(label, annotation.img_size) for label in annotation.labels],
            }
    classes = [
        (one.name, one.sly_id, one.color, one.geometry_type.geometry_name())
        for one in project.meta.obj_classes
    ]
    return {"classes": classes, "items": items}


jobs = json.loads(Path(sys.argv[1]).read_text("utf-8"))
answer = {case: judged(folder) for case, folder in jobs.items()}
print(json.dumps(answer, default=lambda value: value.tolist()))  # noqa: T201  # the verdict
