"""torchvision's reading of Cityscapes or Pascal VOC: segmentation_judge.py KIND FOLDER SPLIT. Prints samples as JSON."""

from __future__ import annotations

import json
import sys

import numpy as np
import torch

# The registry's torchvision is built for GPUs: its operators' names have to be known for it to be imported.
operators = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from torchvision.datasets import Cityscapes, VOCSegmentation  # noqa: E402  # as above

kind, root, split = sys.argv[1:]
found = []
if kind == "cityscapes":
    targets = ["instance", "semantic", "polygon"]
    for image, (instance, semantic, polygon) in Cityscapes(root, split, "fine", targets):
        found.append(
            {
                "size": image.size,
                "instances": np.unique(np.array(instance), return_counts=True),
                "classes": np.unique(np.array(semantic), return_counts=True),
                "labels": [item["label"] for item in polygon["objects"]],
            }
        )
else:
    for image, classes in VOCSegmentation(root, image_set=split):
        found.append({"size": image.size, "classes": np.unique(np.array(classes), return_counts=True)})
print(json.dumps(found, default=lambda value: value.tolist()))  # noqa: T201  # the verdict
