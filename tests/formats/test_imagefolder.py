from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image

import smalti as sm

JUDGE = Path(__file__).parents[1] / "judges" / "imagefolder_judge.py"


def put(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 7)).save(root / path)
    return root


def names(ds: sm.Dataset) -> dict[str, str | None]:
    return dict(zip(ds.to_arrow()["id"].to_pylist(), ds.to_arrow()["label"].to_pylist(), strict=True))


def test_read__folders_are_classes(tmp_path: Path) -> None:
    ds = sm.read(put(tmp_path, "cat/1.png", "dog/a/2.jpg", "3.png"))
    assert ds.report.source_format == "imagefolder"
    assert names(ds) == {"3.png": None, "cat/1.png": "cat", "dog/a/2.jpg": "dog"}
    assert ds.categories.values == ("cat", "dog")
    assert (ds[0].image.width, ds[0].image.height) == (9, 7)
    assert "split" not in ds.columns


def test_read__splits_above_them(tmp_path: Path) -> None:
    ds = sm.read(put(tmp_path, "train/cat/1.png", "train/dog/1.png", "val/cat/1.png", "val/x.png"))
    assert [s.split for s in ds] == ["train", "train", "val", "val"]
    assert names(ds) == {
        "train/cat/1.png": "cat",
        "train/dog/1.png": "dog",
        "val/cat/1.png": "cat",
        "val/x.png": None,
    }
    assert ds.schema.id_has_split


def test_read__splits_alone(tmp_path: Path) -> None:
    ds = sm.read(put(tmp_path, "train/1.png", "test/1.png"))
    assert {s.id: s.split for s in ds} == {"train/1.png": "train", "test/1.png": "test"}
    assert "label" not in ds.columns


def test_read__empty_folders_are_classes(tmp_path: Path) -> None:
    (put(tmp_path, "cat/1.png") / "zebra").mkdir()
    assert sm.read(tmp_path).categories.values == ("cat", "zebra")


@pytest.mark.parametrize(
    "paths",
    [
        ("leftImg8bit/a/1.png", "gtFine/a/1.png"),
        ("1.png",),
        ("train/1.png", "2.png"),
    ],
)
def test_recognition__leaves_other_layouts_alone(tmp_path: Path, paths: tuple[str, ...]) -> None:
    with pytest.raises(sm.errors.UnknownFormatError):
        sm.read(put(tmp_path, *paths))


@pytest.mark.parametrize("split", [True, False])
def test_write__is_what_torchvision_reads(tmp_path: Path, *, split: bool) -> None:
    folders = ("train/",) if split else ("",)
    ds = sm.read(
        put(tmp_path / "in", *(f"{f}{n}" for f in folders for n in ("dog/1.png", "cat/a/2.png", "dog/3.png")))
    )
    report = ds.write(tmp_path / "out", format="imagefolder", media="copy")
    assert report.lossless
    assert names(sm.read(tmp_path / "out")) == names(ds)
    root = tmp_path / "out" / "train" if split else tmp_path / "out"
    run = subprocess.run(
        [os.environ["SMALTI_JUDGE_PYTHON"], "-W", "ignore", JUDGE, root],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {
        "classes": list(ds.categories.values),
        "samples": [["cat/a/2.png", 0], ["dog/1.png", 1], ["dog/3.png", 1]],
    }


def test_write__what_folders_cannot_say_is_reported(tmp_path: Path) -> None:
    put(tmp_path / "in", "b/1.png", "a/2.png", "3.png")
    ds = sm.read(tmp_path / "in")
    categories = sm.Categories(
        (sm.Category(name="b", id=5), sm.Category(name="a"), sm.Category(name="unused"))
    )
    feature = sm.features.Classification(categories=categories)
    ds = ds.with_column("label", categories.encode(pa.array([None, 1, 0], pa.int32())), feature)
    report = ds.write(tmp_path / "out", format="imagefolder", media="copy", on_loss="ignore")
    assert {loss.code for loss in report.losses} == {"category.order", "category.id"}
    back = sm.read(tmp_path / "out")
    assert back.categories.values == ("a", "b", "unused")
    assert names(back) == {"3.png": None, "a/2.png": "a", "b/1.png": "b"}


def test_write__needs_a_column_of_classes(tmp_path: Path) -> None:
    with pytest.raises(sm.errors.OptionError, match="column of one class a sample; there are none"):
        sm.Dataset.from_samples([{"id": "a"}]).write(tmp_path / "out", format="imagefolder", media="copy")


def test_faults__name_the_image(tmp_path: Path) -> None:
    (put(tmp_path, "cat/1.png", "cat/2.png") / "cat" / "1.png").write_bytes(b"no picture")
    with pytest.raises(sm.errors.DataError, match=r"cat/1\.png"):
        sm.read(tmp_path)
    assert len(sm.read(tmp_path, on_error="skip")) == 1
