"""Datumaro's reading: datumaro_judge.py FOLDER [FORMAT]; its own JSON by default. Prints items and annotations as JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

from datumaro.components.annotation import AnnotationType
from datumaro.components.dataset import Dataset

found = Dataset.import_from(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "datumaro")
labels = found.categories()[AnnotationType.label]


def told(annotation: Any) -> dict[str, Any]:
    label = getattr(annotation, "label", None)
    box = annotation.get_bbox() if hasattr(annotation, "get_bbox") else None
    return {
        "type": annotation.type.name,
        "id": annotation.id,
        "group": annotation.group,
        "label": None if label is None else labels[label].name,
        "bbox": None if box is None else [float(side) for side in box],
        "area": float(annotation.get_area()) if hasattr(annotation, "get_area") else None,
        "attributes": dict(annotation.attributes),
    }


items = {
    f"{item.subset}/{item.id}": {
        "size": None if item.media is None else item.media.size,
        "annotations": [told(annotation) for annotation in item.annotations],
    }
    for item in found
}
print(json.dumps({"labels": [label.name for label in labels], "items": items}))  # noqa: T201  # the verdict
