"""LabelMe's reading of its documents: labelme_judge.py JOBS. JSON in, JSON out.

JOBS names folders by case. Documents are read as its window reads them, and shapes painted by its own functions.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from labelme import _label_file as official
from labelme.utils import img_data_to_pil, shape_to_mask


def told(shape: Any, size: tuple[int, int]) -> dict[str, Any]:
    kind = shape["shape_type"]
    found = {name: value for name, value in shape.items() if name != "mask"}
    if kind == "mask":
        (left, top), (right, bottom) = (map(int, point) for point in shape["points"])
        whole = np.zeros(size[::-1], bool)
        whole[top : bottom + 1, left : right + 1] = shape["mask"]
        return {**found, "pixels": whole.nonzero()}
    if kind not in {"polygon", "rectangle", "circle", "line", "linestrip", "point"}:
        return {**found, "pixels": None}
    return {**found, "pixels": int(shape_to_mask(size[::-1], shape["points"], kind).sum())}


def judged(folder: str) -> dict[str, Any]:
    found = {}
    for path in sorted(Path(folder).rglob("*.json")):
        label = official.read_label_file(str(path))
        size = img_data_to_pil(label.image_data).size
        shapes = [told(shape, size) for shape in label.shapes]
        found[path.relative_to(folder).as_posix()] = {
            "image": label.image_path,
            "size": size,
            "shapes": shapes,
        }
    return found


jobs = json.loads(Path(sys.argv[1]).read_text("utf-8"))
answer = {case: judged(folder) for case, folder in jobs.items()}
print(json.dumps(answer, default=lambda value: value.tolist()))  # noqa: T201  # the verdict
