"""torchvision's reading of folders of classes: imagefolder_judge.py FOLDER. Prints classes and samples as JSON."""

from __future__ import annotations

import json
import sys

import torch

# The registry's torchvision is built for GPUs: its operators' names have to be known for it to be imported.
operators = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from torchvision.datasets import ImageFolder  # noqa: E402  # as above

found = ImageFolder(sys.argv[1], allow_empty=True)
samples = sorted((path.removeprefix(sys.argv[1]).lstrip("/"), number) for path, number in found.samples)
print(json.dumps({"classes": found.classes, "samples": samples}))  # noqa: T201  # the verdict
