"""Datumaro's reading of its own JSON: datumaro_judge.py FOLDER. Prints items and their annotations as JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

from datumaro.components.annotation import AnnotationType
from datumaro.components.dataset import Dataset

found = Dataset.import_from(sys.argv[1], "datumaro")
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
