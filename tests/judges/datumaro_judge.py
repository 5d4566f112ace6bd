"""Datumaro's reading: datumaro_judge.py FOLDER [FORMAT], its own JSON by default; or datumaro_judge.py JOBS, JSON in.

Prints items and annotations as JSON. JOBS names several by case: ``{"case": {"path": …, "format": "voc_detection"}}``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from datumaro.components.annotation import AnnotationType, RotatedBbox
from datumaro.components.dataset import Dataset
from pycocotools import mask as official


def told(annotation: Any, labels: Any) -> dict[str, Any]:
    label = getattr(annotation, "label", None)
    box = annotation.get_bbox() if hasattr(annotation, "get_bbox") else None
    mask = None
    if annotation.type is AnnotationType.mask:
        mask = official.encode(np.asfortranarray(annotation.image, np.uint8))
    return {
        "type": annotation.type.name,
        "id": annotation.id,
        "group": annotation.group,
        "label": None if label is None else labels[int(label)].name,
        "bbox": None if box is None else [float(side) for side in box],
        "area": float(annotation.get_area()) if hasattr(annotation, "get_area") else None,
        "points": np.ravel(getattr(annotation, "points", ())).tolist(),
        "corners": np.ravel(annotation.as_polygon()).tolist()
        if isinstance(annotation, RotatedBbox)
        else None,
        "mask": mask and {"size": mask["size"], "counts": mask["counts"].decode()},
        "attributes": dict(annotation.attributes),
    }


def judged(job: dict[str, Any]) -> dict[str, Any]:
    found = Dataset.import_from(job.pop("path"), job.pop("format"), **job)
    labels = found.categories()[AnnotationType.label]
    items = {
        f"{item.subset}/{item.id}": {
            "size": None if item.media is None else item.media.size,
            "annotations": [told(annotation, labels) for annotation in item.annotations],
        }
        for item in found
    }
    return {"labels": [label.name for label in labels], "items": items}


def plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)


source, *name = sys.argv[1:]
if Path(source).is_dir():
    answer = judged({"path": source, "format": name[0] if name else "datumaro"})
else:
    jobs = json.loads(Path(source).read_text("utf-8"))
    answer = {case: judged(job) for case, job in jobs.items()}
print(json.dumps(answer, default=plain))  # noqa: T201  # the verdict
