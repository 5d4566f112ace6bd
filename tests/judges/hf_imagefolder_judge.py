"""`datasets`' reading of a folder of images: hf_imagefolder_judge.py FOLDER CACHE. Prints the rows of each split as JSON."""

from __future__ import annotations

import json
import os
import sys

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HOME": sys.argv[2], "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}

import datasets  # it reads the environment when it is imported

found = datasets.load_dataset("imagefolder", data_dir=sys.argv[1])
splits = {split: [{**row, "image": row["image"].size} for row in table] for split, table in found.items()}
print(json.dumps(splits))  # noqa: T201  # the verdict
