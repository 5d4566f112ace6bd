from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import smalti as sm

GOLDEN = Path(__file__).parents[1] / "golden" / "kitti"
CAR = "Car 0.25 1 -1.57 10 20 30.5 40 1.5 1.6 3.9 1.84 1.47 8.41 -1.56"
IGNORED = "DontCare -1 -1 -10 1 2 3 4 -1 -1 -1 -1000 -1000 -1000 -10"


def put(
    root: Path, text: str, name: str = "a", labels: str = "training/label_2", images: str = "training/image_2"
) -> Path:
    for folder in (labels, images):
        (root / folder / name).parent.mkdir(parents=True, exist_ok=True)
    (root / labels / f"{name}.txt").write_text(text, "utf-8")
    Image.new("RGB", (60, 50)).save(root / images / f"{name}.png")
    return root


def test_golden__types_and_boxes() -> None:
    ds = sm.read(GOLDEN)
    assert ds.report.source_format == "kitti"
    assert [s.id for s in ds] == ["000030_10.png", "000030_11.png"]
    assert ds.categories.values == ("Truck", "Van")
    assert ds[0].objects.to("xyxy").tolist() == [[0, 1, 2, 3], [0, 5, 1, 8]]
    assert [o["truncated"] for o in ds[1].objects] == [1, 0, 0]
    assert "box3d" not in ds.schema.objects().members
    assert ds[0].image.path == "training/image_2/000030_10.png"


def test_rows__every_column(tmp_path: Path) -> None:
    ds = sm.read(put(tmp_path, f"{CAR} 0.75\n{IGNORED}\n\n{CAR}\r\n"))
    car, ignored, other = ds[0].objects
    assert list(car["bbox"].values()) == [10, 20, 20.5, 20]
    assert car["box3d"] == {
        "height": 1.5,
        "width": 1.6,
        "length": 3.9,
        "x": 1.84,
        "y": 1.47,
        "z": 8.41,
        "rotation_y": -1.56,
    }
    assert (car["truncated"], car["occluded"], car["alpha"], car["score"]) == (0.25, 1, -1.57, 0.75)
    assert other["score"] is None
    assert ds.categories.values == ("Car",)  # DontCare is no class
    assert (ignored["category"], ignored["dontcare"], ignored["box3d"], ignored["truncated"]) == (
        None,
        True,
        None,
        None,
    )
    report = ds.write(tmp_path / "out", format="kitti", media="copy")
    assert report.lossless
    text = (tmp_path / "out" / "training" / "label_2" / "a.txt").read_text("utf-8")
    assert text == f"{CAR} 0.75\n{IGNORED}\n{CAR}\n"


def test_dontcare__is_no_object_elsewhere(tmp_path: Path) -> None:
    report = sm.convert(
        put(tmp_path / "in", f"{CAR}\n{IGNORED}\n"),
        tmp_path / "out",
        to="yolo",
        task="detect",
        on_loss="ignore",
    )
    assert (report.objects_read, report.objects_written) == (2, 1)
    assert next(loss for loss in report.losses if loss.code == "category.missing").count == 1


def test_layout__testing_is_a_split_without_labels(tmp_path: Path) -> None:
    put(tmp_path, f"{CAR}\n", "000000")
    (tmp_path / "testing" / "image_2").mkdir(parents=True)
    Image.new("RGB", (60, 50)).save(tmp_path / "testing" / "image_2" / "000000.png")
    (tmp_path / "ImageSets").mkdir()
    (tmp_path / "ImageSets" / "train.txt").write_text("000000\n", "utf-8")
    ds = sm.read(tmp_path)
    assert [(s.id, s.split, s.objects is None) for s in ds] == [
        ("train/000000.png", "train", False),
        ("test/000000.png", "test", True),
    ]


def test_layout__labels_and_images(tmp_path: Path) -> None:
    put(tmp_path, f"{CAR}\n", "a b", "labels", "images")
    (tmp_path / "images" / "below").mkdir()
    (tmp_path / "images" / "a b.png").rename(tmp_path / "images" / "below" / "a b.png")
    ds = sm.read(tmp_path)
    assert [s.id for s in ds] == ["below/a b.png"]


def test_types__may_have_blanks_and_numbers(tmp_path: Path) -> None:
    rows = [CAR.replace("Car", name) for name in ("traffic light", "type 7")]
    ds = sm.Dataset.from_samples(
        [{"id": "a.png", "image": {"width": 60, "height": 50}, "objects": [{"category": n, "bbox": [1, 2, 3, 4]} for n in ("traffic light", "type 7")]}]
    )  # fmt: skip
    ds.write(tmp_path / "out", format="kitti", media="none")
    assert sm.read(tmp_path / "out", format="kitti")[0].objects.names == ["traffic light", "type 7"]
    assert sm.read(put(tmp_path / "in", f"{rows[0]}\n"))[0].objects.names == ["traffic light"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (CAR.replace("30.5", "wide"), r"a\.txt, line 2: found 'wide', expected a type and 14 numbers"),
        (CAR.replace("30.5", "nan"), "found 'nan', expected a type and 14 numbers"),
        ("Car 1 2 3", "found 4 values, expected a type and 14 numbers"),
        (f"{CAR} 1 2", "found 17 values"),
        (CAR.replace(" 1 -1.57", " 0.5 -1.57"), "found 0.5 for occluded"),
    ],
)
def test_faults__name_the_line(tmp_path: Path, row: str, message: str) -> None:
    put(tmp_path, f"{CAR}\n{row}\n")
    with pytest.raises(sm.errors.DataError, match=message):
        sm.read(tmp_path)
    ds = sm.read(tmp_path, on_error="skip")
    assert len(ds[0].objects) == 1
    assert ds.report.error_count == 1
