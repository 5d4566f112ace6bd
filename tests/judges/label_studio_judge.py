"""The Label Studio SDK's reading of tasks: label_studio_judge.py FOLDER. Prints COCO boxes and brushes as JSON."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from label_studio_sdk.converter import Converter
from label_studio_sdk.converter.brush import decode_rle

folder = Path(sys.argv[1])
converter = Converter(config=str(folder / "label_config.xml"), project_dir=None, download_resources=False)
with tempfile.TemporaryDirectory() as place:
    converter.convert_to_coco(str(folder / "tasks.json"), place, is_dir=False)
    coco = json.loads((Path(place) / "result.json").read_text("utf-8"))
names = {one["id"]: one["name"] for one in coco["categories"]}
files = {one["id"]: one["file_name"] for one in coco["images"]}
found = [
    {"file": files[one["image_id"]], "label": names[one["category_id"]], "bbox": one["bbox"]}
    for one in coco["annotations"]
]
brushes = {}
for task in json.loads((folder / "tasks.json").read_text("utf-8")):
    for item in (item for one in task["annotations"] for item in one["result"]):
        if item["type"] == "brushlabels":
            size = item["original_height"], item["original_width"]
            pixels = decode_rle(item["value"]["rle"]).reshape(*size, 4)[:, :, 3] > 0
            brushes[item["id"]] = [[int(n) for n in line] for line in pixels]
print(json.dumps({"categories": list(names.values()), "found": found, "brushes": brushes}))  # noqa: T201  # the verdict
