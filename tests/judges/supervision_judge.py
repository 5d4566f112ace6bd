"""supervision's reading of exports: supervision_judge.py JOBS. JSON in, JSON out.

JOBS names the arguments of ``DetectionDataset.from_<format>`` by case: ``{"case": {"format": "coco", "images_…": …}}``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as official
from supervision import DetectionDataset


def told(found: Any, row: int, classes: list[str]) -> dict[str, Any]:
    left, top, right, bottom = map(float, found.xyxy[row])
    quad = found.data.get("xyxyxyxy")
    mask = None if found.mask is None else official.encode(np.asfortranarray(found.mask[row], np.uint8))
    return {
        "label": classes[found.class_id[row]],
        "bbox": [left, top, right - left, bottom - top],
        "quad": None if quad is None else [float(side) for side in quad[row].ravel()],
        "mask": mask and {"size": mask["size"], "counts": mask["counts"].decode()},
        "iscrowd": int(found.data["iscrowd"][row]) if "iscrowd" in found.data else None,
    }


def judged(job: dict[str, Any]) -> dict[str, Any]:
    read = getattr(DetectionDataset, f"from_{job.pop('format')}")
    images = Path(job["images_directory_path"]).resolve()
    dataset = read(**job)
    return {
        "classes": dataset.classes,
        "images": {
            Path(path).resolve().relative_to(images).as_posix(): {
                "size": dataset._get_image(path).shape[1::-1],
                "objects": [told(found, row, dataset.classes) for row in range(len(found))],
            }
            for path, found in dataset.annotations.items()
        },
    }


jobs = json.loads(Path(sys.argv[1]).read_text("utf-8"))
print(json.dumps({case: judged(job) for case, job in jobs.items()}))  # noqa: T201  # the verdict
