"""What geometry means survives every format that holds it: a hole is a hole, a track is a track, and changes are measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pycocotools import mask as official

import smalti as sm
from smalti.formats import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

MASKS = [
    name
    for name in registry.BUILT_IN
    if registry.get(name).writer and {"objects.mask", "*"} & registry.get(name).info.keeps
]
TRACKS = [
    name
    for name in registry.BUILT_IN
    if registry.get(name).writer and {"objects.track_id", "frame"} <= registry.get(name).info.keeps
]
READ: dict[str, Any] = {"mask_pairs": {"as_objects": True}, "coco_panoptic": {"objects": "all"}}
WRITE = {"cityscapes": {"objects": "instances"}}


def ring() -> np.ndarray:
    """A block of pixels with a hole."""
    pixels = np.zeros((48, 64), np.uint8)
    pixels[8:30, 10:40] = 1
    pixels[14:20, 18:30] = 0
    return pixels


@pytest.fixture
def holed(tmp_path: Path) -> sm.Dataset:
    Image.new("RGB", (64, 48)).save(tmp_path / "000001.png")
    image = {"path": "000001.png", "width": 64, "height": 48}
    one = {"category": "car", "bbox": [10, 8, 30, 22], "mask": ring(), "track_id": 1001}
    rows = [{"id": "000001.png", "image": image, "split": "train", "objects": [one]}]
    return sm.Dataset.from_samples(rows, categories=["car"], media_root=str(tmp_path))


def written(dataset: sm.Dataset, target: Path, name: str, **options: Any) -> sm.Dataset:
    media = "reference" if name in {"parquet", "spreadsheet"} else "copy"
    dataset.write(target, format=name, media=media, on_loss="ignore", **WRITE.get(name, {}), **options)
    return sm.read(target, name, **READ.get(name, {}))


def pixels(mask: Any) -> np.ndarray:
    return official.decode({"size": [mask["height"], mask["width"]], "counts": mask["counts"]})


@pytest.mark.parametrize("name", MASKS)
def test_hole__is_never_filled(name: str, holed: sm.Dataset, tmp_path: Path) -> None:
    back = written(holed, tmp_path / ("out.parquet" if name == "parquet" else "out"), name)
    masks = list(_masks([value for row in back.to_arrow().to_pylist() for value in row.values()]))
    assert masks
    assert all(np.array_equal(pixels(mask), ring()) for mask in masks)


def _masks(values: list[Any]) -> Iterator[Any]:
    for value in values:
        for one in value if isinstance(value, list) else ():
            if isinstance(one, dict) and one.get("mask"):
                yield one["mask"]


@pytest.mark.parametrize("name", TRACKS)
def test_tracks__keep_ids_and_gaps(name: str, tmp_path: Path) -> None:
    rows = []
    for number, tracks in enumerate(((1001, 1002), (1001,), (1001, 1002)), 1):
        path = f"walk/{number:06}.png"
        (tmp_path / path).parent.mkdir(exist_ok=True)
        Image.new("RGB", (64, 48)).save(tmp_path / path)
        made = []
        for place, track in enumerate(tracks):
            mask = np.zeros((48, 64), np.uint8)
            mask[5 + 20 * place : 15 + 20 * place, number : number + 8] = 1
            made.append(
                {"category": "car", "bbox": [number, 5 + 20 * place, 8, 10], "mask": mask, "track_id": track}
            )
        image = {"path": path, "width": 64, "height": 48}
        rows.append({"id": path, "image": image, "split": "train", "objects": made})
    dataset = sm.Dataset.from_samples(rows, categories=["car", "pedestrian"], media_root=str(tmp_path))
    if name == "cvat":  # the others find the numbers in the images' names
        dataset = dataset.with_column("frame", pa.array([0, 1, 2], pa.int64()), sm.features.Frame())
    back = written(dataset, tmp_path / "out", name, **({"kind": "video"} if name == "cvat" else {}))
    found = sorted(
        (row for row in back.to_arrow().to_pylist() if row["objects"]), key=lambda row: row["frame"]
    )
    ids = [sorted(one["track_id"] for one in row["objects"]) for row in found]
    assert ids == [[1001, 1002], [1001], [1001, 1002]]
    assert [row["frame"] - found[0]["frame"] for row in found] == [0, 1, 2]


def test_polygon_to_mask_to_polygon__is_measured(tmp_path: Path) -> None:
    street = sm.read(Path(__file__).parents[2] / "examples" / "street")
    drawn = street.filter_objects(sm.col("mask.counts").is_null())
    filled = drawn.write(
        tmp_path / "voc", format="pascal_voc", media="copy", on_loss="ignore", segmentation=True
    )
    assert {"polygon.as_mask"} <= {loss.code for loss in filled.losses}
    masks = sm.read(tmp_path / "voc")
    outlined = masks.write(tmp_path / "yolo", format="yolo", task="segment", media="copy", on_loss="ignore")
    (loss,) = (loss for loss in outlined.losses if loss.code == "mask.outlined")
    back = {sample.id: sample for sample in sm.read(tmp_path / "yolo")}
    worst = 1.0
    for sample in masks:
        size = [sample.image.height, sample.image.width]
        ours = [one for one in sample.objects or () if one["mask"]]
        for one, other in zip(ours, back[sample.id].objects or (), strict=True):
            rings = official.frPyObjects([list(side) for side in other["polygons"]], *size)
            mask = {"size": size, "counts": one["mask"]["counts"]}
            worst = min(worst, float(official.iou([official.merge(rings)], [mask], [0])[0, 0]))
    assert loss.iou is not None
    assert 0.9 < loss.iou <= worst + 0.01
