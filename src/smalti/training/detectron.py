"""Detectron2's list of dicts (https://detectron2.readthedocs.io/en/latest/tutorials/datasets.html)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smalti.storage.location import Location

if TYPE_CHECKING:
    from smalti.dataset.dataset import Dataset

XYWH_ABS = 1  # detectron2.structures.BoxMode


def to_detectron2(dataset: Dataset, field: str) -> list[dict[str, Any]]:
    """See `smalti.Dataset.to_detectron2`."""
    feature = dataset.schema.objects(field)
    root = dataset.schema.media_root
    below = None if root is None else Location.parse(root)
    found = []
    for number, row in enumerate(dataset.to_arrow().select(["id", "image", field]).to_pylist()):
        path = row["image"]["path"] or row["id"]
        found.append(
            {
                "file_name": path if below is None else (below / path).url,
                "width": row["image"]["width"],
                "height": row["image"]["height"],
                "image_id": number,
                "annotations": [_annotation(item, feature.categories.codes) for item in row[field] or ()],
            }
        )
    return found


def _annotation(item: dict[str, Any], codes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"category_id": codes.get(item.get("category"))}
    if item.get("bbox"):
        found |= {"bbox": [item["bbox"][side] for side in "xywh"], "bbox_mode": XYWH_ABS}
    if item.get("mask"):
        mask = item["mask"]
        found["segmentation"] = {"size": [mask["height"], mask["width"]], "counts": mask["counts"]}
    elif item.get("polygons"):
        found["segmentation"] = item["polygons"]
    if item.get("keypoints"):
        points = item["keypoints"]
        found["keypoints"] = [
            v for p in points for v in (p["x"], p["y"], 2 if p["visibility"] is None else p["visibility"])
        ]
    if item.get("iscrowd") is not None:
        found["iscrowd"] = int(item["iscrowd"])
    return found
