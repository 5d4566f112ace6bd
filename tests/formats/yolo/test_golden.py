"""What other tools wrote: recognised, and every count, class and box as it stands in the raw files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import smalti as sm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Rows = dict[str, Any]


def raw(folder: Path) -> list[list[float]]:
    """The numbers of all label files, in the order of the files."""
    files = sorted(path for path in folder.rglob("*.txt") if path.name not in {"classes.txt", "train.txt"})
    return [
        [float(word) for word in line.split()] for file in files for line in file.read_text().splitlines()
    ]


@pytest.mark.parametrize(
    ("name", "format_", "size", "classes"),
    [
        ("lf_yolov8", "yolo", {(640, 416), (640, 428)}, 32),
        ("ls_import_unif", "yolo", {(640, 329)}, 4),
        ("dm_darknet_strict", "darknet", {(15, 10)}, 10),
    ],
)
def test_golden__boxes_are_those_of_the_rows(
    golden: Path, name: str, format_: str, size: set[tuple[int, int]], classes: int
) -> None:
    dataset = sm.read(golden / name)
    table = dataset.to_arrow().to_pylist()
    assert dataset.report.source_format == format_
    assert {(row["image"]["width"], row["image"]["height"]) for row in table} == size
    names = dataset.schema.objects().categories
    assert len(names) == classes
    found = []
    for row in sorted(table, key=lambda row: row["id"]):
        width, height = row["image"]["width"], row["image"]["height"]
        for obj in row["objects"]:
            x, y, w, h = obj["bbox"].values()
            code = names.codes[obj["category"]]
            found.append([code, (x + w / 2) / width, (y + h / 2) / height, w / width, h / height])
    expected = raw(golden / name)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=1e-9)


def test_golden__names_are_those_of_data_yaml(golden: Path) -> None:
    names = sm.read(golden / "lf_yolov8").schema.objects().categories.values
    assert names[:3] == ("person", "bicycle with space", "car")
    assert names[-1] == "snowboard"


def test_golden__classes_txt_stands_for_data_yaml(golden: Path) -> None:
    dataset = sm.read(golden / "ls_import_unif")
    assert dataset.schema.objects().categories.values == ("closed_door", "opened_door", "bus", "number")
    assert "split" not in dataset.schema.columns
    assert dataset.report.objects_read == 19


def test_golden__polygons_keep_every_point(golden: Path, rows: Callable[..., Rows]) -> None:
    found = rows(sm.read(golden / "lf_yolov8_seg"))
    assert {key: len(objects) for key, objects in found.items()} == {
        "000000036086.jpg": 2,
        "000000109005.jpg": 1,
    }
    points = [len(obj["polygons"][0]) for key in sorted(found) for obj in found[key]]
    assert points == [len(row) - 1 for row in raw(golden / "lf_yolov8_seg" / "labels")]
    assert found["000000036086.jpg"][0]["polygons"][0][:2] == pytest.approx([0.248797 * 482, 0.763484 * 640])


def test_golden__text_rows_are_oriented_boxes_in_pixels(golden: Path, rows: Callable[..., Rows]) -> None:
    dataset = sm.read(golden / "dm_roboflow_obb")
    assert dataset.report.source_format == "yolo"
    assert dataset.schema.splits == ("train", "val")
    assert rows(dataset) == {
        "train_001.jpg": [{"category": "label_0", "quad": [0, 0, 0, 2, 2, 2, 2, 0], "difficulty": 0}],
        "train_002.jpg": [{"category": "label_1", "quad": [1, 1, 1, 5, 5, 5, 5, 1], "difficulty": 0}],
        "val_001.jpg": [
            {"category": "label_0", "quad": [0, 0, 0, 1, 1, 1, 1, 0], "difficulty": 0},
            {"category": "label_1", "quad": [1, 2, 1, 5, 10, 5, 10, 2], "difficulty": 0},
        ],
    }
    # data.yaml names ../valid/images, and the folder is called val.
    assert [(r.code, r.count) for r in dataset.report.repairs] == [("path.relocated", 2)]


def test_golden__keypoints_have_names_and_mirrors(golden: Path, rows: Callable[..., Rows]) -> None:
    dataset = sm.read(golden / "pose")
    tiger = dataset.schema.objects().categories[0]
    assert tiger.keypoints == ("left ear", "right ear", "nose", "left paw", "right paw")
    assert tiger.flip_idx == (1, 0, 2, 4, 3)
    found = rows(dataset)
    assert [len(objects) for objects in found.values()] == [2, 0, 1]
    assert [point["visibility"] for point in found["1.jpg"][0]["keypoints"]] == [2, 2, 2, 1, 0]
    assert found["1.jpg"][0]["keypoints"][0] == {"x": 25.6, "y": 14.4, "visibility": 2}


def test_golden__last_columns_are_told_apart(golden: Path, rows: Callable[..., Rows]) -> None:
    scores = rows(sm.read(golden / "scores"))
    tracks = rows(sm.read(golden / "tracks", task="segment"))
    assert [obj["score"] for obj in scores["bus.jpg"]] == [0.912354, 0.25]
    assert [obj["track_id"] for obj in tracks["frame_000000.jpg"]] == [1, 2]
