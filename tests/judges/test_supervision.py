"""supervision reads what is written: COCO, YOLO, Pascal VOC, LabelMe, CreateML.

It keeps boxes in float32, and paints polygons with OpenCV over whole pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import smalti as sm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("supervision")
QUADS = [
    [100.0, 50.0, 200.0, 100.0, 175.0, 150.0, 75.0, 100.0],
    [10.5, 0.0, 90.25, 40.0, 70.0, 80.0, 0.0, 30.0],
]


@pytest.fixture(scope="module")
def oriented(flat: sm.Dataset) -> sm.Dataset:
    samples = [
        {
            "id": s.id,
            "image": s.image,
            "split": s.split,
            "objects": [{"category": "car", "quad": q} for q in QUADS[:n]],
        }
        for n, s in enumerate(flat.take([0, 1, 2]))
    ]
    return sm.Dataset.from_samples(samples, categories=["dog", "car"], media_root=flat.schema.media_root)


@pytest.fixture(scope="module")
def verdict(
    street: sm.Dataset, flat: sm.Dataset, oriented: sm.Dataset, write: Any, asked: Callable[..., Any]
) -> Any:
    coco, voc = write(street, "coco"), write(flat, "pascal_voc", pixel_offset=True)
    labelme, createml = write(flat, "labelme"), write(street, "createml")
    jobs = {
        "coco": job(
            "coco", coco / "images/train", annotations_path=coco / "annotations/instances_train.json"
        ),
        "pascal_voc": job(
            "pascal_voc",
            voc / "JPEGImages",
            force_masks=False,
            annotations_directory_path=voc / "Annotations",
        ),
        "labelme": job("labelme", labelme / "train", annotations_directory_path=labelme / "train"),
        "createml": job(
            "createml", createml / "train", annotations_path=createml / "train/_annotations.createml.json"
        ),
    }
    for task, source in (("detect", flat), ("segment", flat), ("obb", oriented)):
        folder = write(source, "yolo", task=task)
        jobs[task] = job(
            "yolo", folder / "images/train", annotations_directory_path=folder / "labels/train",
            data_yaml_path=folder / "data.yaml", is_obb=task == "obb",
        )  # fmt: skip
    return asked("supervision", jobs)


def job(name: str, images: Path, **options: Any) -> dict[str, Any]:
    return {"format": name, "images_directory_path": str(images), **options}


def seen(found: dict[str, Any], member: str = "bbox") -> dict[str, Any]:
    return {
        path: [(one["label"], one[member]) for one in image["objects"]]
        for path, image in found["images"].items()
    }


def around(rings: Any) -> list[float]:
    xs, ys = ([side for ring in rings for side in ring[first::2]] for first in (0, 1))
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def alike(found: Any, ours: sm.Dataset, overlap: Any, *, boxed: bool = True) -> None:
    """The objects of the judge's images, one by one: masks are the same; it paints polygons with their border."""
    kept = ours.filter(sm.col("id").isin(list(found["images"])))
    assert len(kept) == len(found["images"])
    for sample in kept:
        theirs = found["images"][sample.id]
        assert theirs["size"] == [sample.image.width, sample.image.height]
        for one, other in zip(sample.objects, theirs["objects"], strict=True):
            assert other["label"] == one["category"]
            if one["polygons"] and boxed:
                assert other["bbox"] == pytest.approx(around(one["polygons"]), abs=2e-4)
            shared = overlap(other["mask"], one, sample.image.width, sample.image.height)
            assert shared >= (1 if one["mask"] else 0.85), (sample.id, one["id"])


def test_coco(verdict: Any, street: sm.Dataset, told: Any, overlap: Any) -> None:
    found = verdict["coco"]
    assert found["classes"] == [one.name for one in sorted(street.categories, key=lambda one: one.id)]
    assert seen(found) == told(street, split="train")
    alike(found, street, overlap, boxed=False)
    crowds = {one["iscrowd"] for image in found["images"].values() for one in image["objects"]}
    assert crowds == {0, 1}


def test_pascal_voc__counts_pixels_from_1(verdict: Any, flat: sm.Dataset, told: Any) -> None:
    assert seen(verdict["pascal_voc"]) == told(flat)
    assert set(verdict["pascal_voc"]["classes"]) == set(flat.objects()["category"].to_pylist())


def test_labelme__polygons_of_a_group_are_one_object(
    verdict: Any, flat: sm.Dataset, told: Any, overlap: Any
) -> None:
    # It skips shapes of masks, and takes the box from the polygons.
    drawn = flat.filter(sm.col("split") == "train").filter_objects(~sm.col("mask.counts").is_valid())
    assert {path: len(one) for path, one in seen(verdict["labelme"]).items()} == {
        path: len(one) for path, one in told(drawn).items()
    }
    alike(verdict["labelme"], drawn, overlap)


def test_createml(verdict: Any, street: sm.Dataset, told: Any) -> None:
    assert seen(verdict["createml"]) == told(street, split="train")
    assert verdict["createml"]["classes"] == sorted(
        set(street.filter(sm.col("split") == "train").objects()["category"].to_pylist())
    )


def test_yolo__boxes(verdict: Any, flat: sm.Dataset, told: Any) -> None:
    kept = flat.filter_objects(~sm.col("iscrowd"))  # crowds are skipped, and reported
    found = seen(verdict["detect"])
    assert found == told(kept, split="train")
    assert verdict["detect"]["classes"] == list(flat.categories.values)


def test_yolo__polygons(verdict: Any, flat: sm.Dataset, overlap: Any) -> None:
    kept = flat.filter_objects(~sm.col("iscrowd")).filter_objects(~sm.col("mask.counts").is_valid())
    found = verdict["segment"]
    found["images"].pop("playground.jpg")  # its tyre has a hole, which YOLO has none of
    alike(found, kept, overlap)


def test_yolo__oriented(verdict: Any, oriented: sm.Dataset, told: Any) -> None:
    assert seen(verdict["obb"], "quad") == told(oriented, "quad")
