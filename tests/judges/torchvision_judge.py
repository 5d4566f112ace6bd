"""torchvision's transforms on our items: torchvision_judge.py DATASET. Prints what came out as JSON.

The registry's torchvision is built for GPUs. Without its compiled operators, which transforms do not use, it
is imported all the same once their names are known.
"""

from __future__ import annotations

import json
import sys

import torch

operators = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from torch.utils.data import DataLoader  # noqa: E402
from torchvision import tv_tensors  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

import smalti as sm  # noqa: E402  # torchvision is looked for from here on


def main() -> None:
    ds = sm.read(sys.argv[1])
    flip = v2.Compose([v2.RandomHorizontalFlip(1.0), v2.Resize((64, 96))])
    plain = ds.to_torch(masks=True, tv_tensors=False)
    found = []
    for row in range(len(ds)):
        image, target = plain[row]
        known, before = ds.to_torch(masks=True)[row]
        moved, after = ds.to_torch(masks=True, transform=flip)[row]
        _, clean = v2.SanitizeBoundingBoxes()(moved, after)
        x, y = 96 / image.shape[2], 64 / image.shape[1]
        boxes = target["boxes"][:, [2, 1, 0, 3]]
        boxes = (torch.tensor([image.shape[2], 0, image.shape[2], 0]) + boxes * torch.tensor([-1, 1, -1, 1])) * torch.tensor([x, y, x, y])  # fmt: skip
        found.append({
            "image": isinstance(known, tv_tensors.Image) and torch.equal(known.as_subclass(torch.Tensor), image),
            "boxes": isinstance(before["boxes"], tv_tensors.BoundingBoxes),
            "canvas": tuple(before["boxes"].canvas_size) == tuple(image.shape[1:]),
            "masks": isinstance(before["masks"], tv_tensors.Mask),
            "size": tuple(moved.shape) == (3, 64, 96) and tuple(after["masks"].shape[1:]) == (64, 96),
            "moved": torch.allclose(after["boxes"].as_subclass(torch.Tensor), boxes, atol=1e-3),
            "clean": len(clean["labels"]) == len(clean["boxes"]) == len(clean["masks"]) <= len(target["labels"]),
            "keypoints": "keypoints" not in target or keypoints(target, after, image.shape[2], x, y),
        })  # fmt: skip
    print(json.dumps({"rows": found, "loader": loaded(ds)}))  # noqa: T201  # the verdict


def keypoints(target: dict, after: dict, width: int, x: float, y: float) -> bool:
    """Whether keypoints went with their pictures, those that are labelled.

    torchvision mirrors boxes as edges and keypoints as numbers of pixels: at the width less one.
    """
    before, moved = target["keypoints"], after["keypoints"]
    seen = before[..., 2] > 0
    wanted = torch.stack([(width - 1 - before[..., 0]) * x, before[..., 1] * y, before[..., 2]], dim=-1)
    return type(moved) is torch.Tensor and torch.allclose(moved[seen], wanted[seen], atol=1e-3)


def loaded(ds: sm.Dataset) -> bool:
    """Whether what comes from workers still knows what it is."""
    items = ds.to_torch(masks=True)
    batches = DataLoader(items, batch_size=5, num_workers=2, collate_fn=sm.torch.collate)
    targets = [target for _, some in batches for target in some]
    return len(targets) == len(ds) and all(
        torch.equal(
            target["boxes"].as_subclass(torch.Tensor), items[row][1]["boxes"].as_subclass(torch.Tensor)
        )
        and isinstance(target["boxes"], tv_tensors.BoundingBoxes)
        and tuple(target["boxes"].canvas_size) == tuple(items[row][1]["boxes"].canvas_size)
        and isinstance(target["masks"], tv_tensors.Mask)
        for row, target in enumerate(targets)
    )


if __name__ == "__main__":
    main()
