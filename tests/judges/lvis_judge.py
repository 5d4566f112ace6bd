"""What LVIS' own API makes of an export: python lvis_judge.py FILE [RESULTS], JSON on stdout.

Runs in the environment of setup.sh. Every mask is decoded; with results, which may be the file's own objects, its
evaluator says their average precision.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

vars(np)["float"] = float  # the evaluator asks for it by its old name

from lvis import LVIS, LVISEval, LVISResults  # noqa: E402  # as above

path = sys.argv[1]
truth = LVIS(path)
found = {
    "images": [
        {key: image.get(key) for key in ("id", "coco_url", "neg_category_ids", "not_exhaustive_category_ids")}
        for image in truth.load_imgs(None)
    ],
    "categories": {c["name"]: [c["id"], c["frequency"]] for c in truth.load_cats(None)},
    "objects": [
        {
            "id": ann["id"],
            "image_id": ann["image_id"],
            "category_id": ann["category_id"],
            "bbox": ann["bbox"],
            "pixels": int(truth.ann_to_mask(ann).sum()) if "segmentation" in ann else None,
        }
        for ann in truth.load_anns()
    ],
}
if len(sys.argv) > 2:
    results = json.loads(Path(sys.argv[2]).read_text("utf-8"))
    if isinstance(results, dict):
        kept = ("image_id", "category_id", "bbox")
        results = [{**{key: ann[key] for key in kept}, "score": 1.0} for ann in results["annotations"]]
    evaluation = LVISEval(truth, LVISResults(truth, results), "bbox")
    evaluation.run()
    found["scores"] = {name: float(value) for name, value in evaluation.get_results().items()}
print(json.dumps(found))  # noqa: T201  # the verdict
