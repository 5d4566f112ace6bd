"""What of a class table the files of the YOLO family have no place for.

data.yaml: https://docs.ultralytics.com/datasets/pose/ for what it says of keypoints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.formats.report import Loss

if TYPE_CHECKING:
    from smalti.schema.categories import Categories

WORDS = {
    "supercategory": "super-categories",
    "color": "colours",
    "attributes": "further keys of a class",
    "keypoints": "keypoints",
    "skeleton": "skeletons",
    "flip_idx": "mirrored keypoints",
}
POSED = ("keypoints", "skeleton", "flip_idx")  # what a data.yaml has for poses alone


def class_losses(categories: Categories, task: str, file: str) -> list[Loss]:
    """A loss for every part of the classes that is not written.

    Args:
        categories: The class table.
        task: The task that is written.
        file: What lists the classes, for the reasons.
    """
    reasons = {name: f"{file} has no {what}" for name, what in WORDS.items()}
    if file.endswith((".yaml", ".yml")):
        reasons |= {name: f"{reasons[name]} here; write task='pose'" for name in POSED}
    reasons["id"] = "class numbers are positions; the report's details map them to the source's ids"
    first = None
    if task == "pose":
        del reasons["keypoints"], reasons["skeleton"]
        reasons["flip_idx"] = "data.yaml has one flip_idx for all classes: that of the first"
        first = next((category.flip_idx for category in categories if category.keypoints), None)
    found = []
    for member, reason in reasons.items():
        values = [(category.name, getattr(category, member)) for category in categories]
        some = [(name, v) for name, v in values if v not in (None, (), {}) and not (first and v == first)]
        if some:
            name, value = some[0]
            found.append(
                Loss(
                    code=f"category.{member}",
                    field="categories",
                    count=len(some),
                    reason=reason,
                    example=f"{name}: {value}",
                )
            )
    return found
