from __future__ import annotations

from pathlib import Path

import pytest

import smalti as sm

GOLDEN = Path(__file__).parents[1] / "golden" / "dota"
SHIP = "10 5 30 5 30 25.5 10 25.5 ship 1"


def put(root: Path, text: str, folder: str = "labelTxt", name: str = "a") -> Path:
    (root / folder).mkdir(parents=True, exist_ok=True)
    (root / folder / f"{name}.txt").write_text(text, "utf-8")
    return root


def test_golden__corners_and_classes() -> None:
    ds = sm.read(GOLDEN)
    assert ds.report.source_format == "dota"
    assert [(s.id, s.split) for s in ds] == [
        ("train_001.jpg", "train"),
        ("train_002.jpg", "train"),
        ("val_001.jpg", "val"),
    ]
    assert ds.report.objects_read == 4
    assert ds[0].objects[0]["quad"] == [0, 0, 0, 2, 2, 2, 2, 0]
    assert ds.categories.values == ("label_0", "label_1")
    assert ds[0].image.path == "train/images/train_001.jpg"
    assert ds[0].image.width


def test_rows__heads_difficulty_and_older_ones(tmp_path: Path) -> None:
    put(
        tmp_path,
        f"imagesource:GoogleEarth\ngsd:0.146\n{SHIP}\n10 5 30 5 30 25 10 25 small vehicle 0\n1 1 2 1 2 2 1 2 ship\n",
    )
    ds = sm.read(tmp_path)
    assert (ds[0].columns["imagesource"], ds[0].columns["gsd"]) == ("GoogleEarth", "0.146")
    assert ds[0].objects.names == ["ship", "small vehicle", "ship"]
    assert [o["difficult"] for o in ds[0].objects] == [1, 0, None]
    report = ds.write(tmp_path / "out", format="dota", media="none")
    assert report.lossless
    assert (tmp_path / "out" / "labelTxt" / "a.txt").read_text("utf-8") == (
        tmp_path / "labelTxt" / "a.txt"
    ).read_text("utf-8")


def test_versions__the_newest_or_the_one_that_is_wanted(tmp_path: Path) -> None:
    for version, name in (("1.0", "ship"), ("1.5", "plane"), ("10.0", "crane")):
        put(tmp_path, SHIP.replace("ship", name), f"train/annotations/version{version}")
    assert sm.read(tmp_path)[0].objects.names == ["crane"]
    assert sm.read(tmp_path, version="1.5")[0].objects.names == ["plane"]
    with pytest.raises(sm.errors.OptionError, match=r"version='2\.0': there are 1\.0, 1\.5, 10\.0"):
        sm.read(tmp_path, version="2.0")


def test_write__plain_boxes_become_corners(tmp_path: Path) -> None:
    ds = sm.Dataset.from_samples([{"id": "a.png", "objects": [{"category": "ship", "bbox": [1, 2, 3, 4]}]}])
    report = ds.write(tmp_path / "out", format="dota", media="none", on_loss="ignore")
    assert [loss.code for loss in report.losses] == ["box.as_quad"]
    assert sm.read(tmp_path / "out")[0].objects[0]["quad"] == [1, 2, 4, 2, 4, 6, 1, 6]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (SHIP.replace("25.5", "low"), r"a\.txt, line 2: found 'low', expected a number"),
        (SHIP.replace("25.5", "inf"), "found 'inf', expected a number"),
        ("1 2 3 4 5 6 7 8", "found 8 values, expected eight corners"),
        (SHIP.replace("ship 1", "ship very"), "found 'very', expected whether it is difficult"),
    ],
)
def test_faults__name_the_line(tmp_path: Path, row: str, message: str) -> None:
    put(tmp_path, f"{SHIP}\n{row}\n")
    with pytest.raises(sm.errors.DataError, match=message):
        sm.read(tmp_path)
    ds = sm.read(tmp_path, on_error="skip")
    assert (len(ds[0].objects), ds.report.error_count) == (1, 1)
