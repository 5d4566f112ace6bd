"""Classify: folders are classes, for Ultralytics and torchvision as for this library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

import smalti as sm
from smalti.formats.yolo import FORMAT
from smalti.schema import features
from smalti.schema.categories import Categories
from smalti.schema.schema import Schema
from smalti.storage.location import Location
from smalti.testing import build
from smalti.testing.compare import tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = {
    "train/cat/1.png": (12, 10),
    "train/cat/sub/2.png": (12, 10),
    "train/hot dog/1.png": (12, 10),
    "val/cat/3.png": (12, 10),
    "val/猫/1.png": (12, 10),
}


def labels(dataset: sm.Dataset) -> dict[str, tuple[str | None, str]]:
    return {row["id"]: (row.get("split"), row["label"]) for row in dataset.to_arrow().to_pylist()}


@pytest.fixture
def weather(make: Callable[..., Path]) -> Callable[..., sm.Dataset]:
    """Makes a dataset of images with one class each, or none."""

    def made(*samples: tuple[str, int | None], names: Any = ("sun", "rain", "snow")) -> sm.Dataset:
        root = make({path: (12, 10) for path, _ in samples}, "pictures")
        columns: dict[str, Any] = {
            "id": features.Value(type=pa.string()),
            "image": features.Image(),
            "split": features.Split(),
            "weather": features.Classification(categories=Categories.of(names)),
        }
        schema = Schema(columns=columns, splits=("train", "val"), media_root=str(root))
        rows = [
            {
                "id": path,
                "image": {"path": path, "width": 12, "height": 10},
                "split": "val" if "v" in path else "train",
                "weather": code,
            }
            for path, code in samples
        ]
        return build(schema, rows)

    return made


def test_read__folders_are_classes_in_the_order_of_their_names(make: Any) -> None:
    dataset = sm.read(make(FILES), "yolo", task="classify")
    feature = dataset.schema.columns["label"]
    assert isinstance(feature, features.Classification)
    assert feature.categories.values == ("cat", "hot dog", "猫")
    assert dataset.schema.splits == ("train", "val")
    assert labels(dataset) == {
        "cat/1.png": ("train", "cat"),
        "cat/sub/2.png": ("train", "cat"),
        "hot dog/1.png": ("train", "hot dog"),
        "cat/3.png": ("val", "cat"),
        "猫/1.png": ("val", "猫"),
    }


def test_read__without_splits(make: Any) -> None:
    dataset = sm.read(make({"cat/1.png": (12, 10), "dog/1.png": (12, 10)}), "yolo", task="classify")
    assert labels(dataset) == {"cat/1.png": (None, "cat"), "dog/1.png": (None, "dog")}


def test_read__one_path_in_two_splits(make: Any) -> None:
    dataset = sm.read(make({**FILES, "val/cat/1.png": (12, 10)}), "yolo", task="classify")
    assert dataset.schema.id_has_split
    assert {"train/cat/1.png", "val/cat/1.png"} <= set(labels(dataset))


def test_read__an_empty_folder_is_a_class(make: Any) -> None:
    root = make(FILES)
    (root / "val" / "bird").mkdir()
    feature = sm.read(root, "yolo", task="classify").schema.columns["label"]
    assert isinstance(feature, features.Classification)
    assert feature.categories.values == ("bird", "cat", "hot dog", "猫")


@pytest.mark.parametrize("stray", ["train/lost.png", "other/cat/1.png", "lost.png"])
def test_read__an_image_in_no_class_folder_is_an_error(make: Any, stray: str) -> None:
    root = make({**FILES, stray: (12, 10)})
    with pytest.raises(sm.errors.DataError, match=rf"{stray}: .*lies in no class folder"):
        sm.read(root, "yolo", task="classify")
    dataset = sm.read(root, "yolo", task="classify", on_error="skip")
    assert (len(dataset), dataset.report.samples_skipped) == (5, 1)


def test_read__a_broken_image_is_an_error(make: Any) -> None:
    root = make({**FILES, "train/cat/1.png": "no picture"})
    with pytest.raises(sm.errors.DataError, match=r"train/cat/1\.png"):
        sm.read(root, "yolo", task="classify")
    dataset = sm.read(root, "yolo", task="classify", on_error="skip")
    assert (len(dataset), dataset.report.samples_skipped) == (4, 1)


def test_read__nothing(make: Any) -> None:
    with pytest.raises(sm.errors.EmptySourceError, match="found no image in <split>/<class>/"):
        sm.read(make({"notes.txt": "x"}), "yolo", task="classify")


def test_read__counts_what_is_not_asked_for(make: Any) -> None:
    assert FORMAT.reader is not None
    options = FORMAT.options(task="classify")  # type: ignore[call-arg]  # the format's own options
    reader = FORMAT.reader(Location.parse(make(FILES)), None, options, "raise")
    plan = reader.plan()
    read = reader.read(plan.parts[0], plan.schema.project({"id"}))
    assert read.batch.schema.names == ["id"]
    assert read.counts == {"label": 5, "split": 5}
    assert set(read.examples) == {"label", "split"}


def test_round_trip__keeps_every_file(make: Any, tmp_path: Path) -> None:
    dataset = sm.read(make(FILES), "yolo", task="classify")
    report = sm.write(dataset, tmp_path / "out", "yolo", task="classify", media="copy")
    assert report.lossless
    assert report.samples_written == 5
    assert tree(tmp_path / "out") == tree(tmp_path / "source")
    back = sm.read(tmp_path / "out", "yolo", task="classify")
    assert labels(back) == labels(dataset)


def test_write__torchvision_finds_every_class_in_every_split(
    weather: Any, tmp_path: Path, judged: Any, counts: Any
) -> None:
    dataset = weather(("a.png", 0), ("b/a.png", 1), ("va.png", 0))
    report = sm.write(dataset, tmp_path / "out", "yolo", task="classify", media="copy", on_loss="ignore")
    assert counts(report) == {"category.order categories": 3}
    assert report.details["classes"]["0"] == {"name": "rain", "source_id": None}
    found = judged(tmp_path / "out", "classify")
    assert found["same_classes"]
    assert list(found["names"].values()) == ["rain", "snow", "sun"]
    assert found["labels"] == {
        "train/sun/a.png": "sun",
        "train/rain/b/a.png": "rain",
        "val/sun/va.png": "sun",
    }


def test_write__images_without_a_class_are_told(weather: Any, tmp_path: Path, counts: Any) -> None:
    dataset = weather(("a.png", 0), ("b.png", None), names=("sun",))
    report = sm.write(dataset, tmp_path / "out", "yolo", task="classify", media="copy", on_loss="ignore")
    assert counts(report) == {"label.missing weather": 1}
    assert (report.samples_read, report.samples_written) == (2, 1)


def test_write__images_of_one_name_do_not_overwrite_each_other(
    weather: Any, tmp_path: Path, counts: Any
) -> None:
    dataset = weather(("a.png", 0), ("sun/a.png", 0), names=("sun",))
    report = sm.write(dataset, tmp_path / "out", "yolo", task="classify", media="copy", on_loss="ignore")
    assert counts(report) == {"image.renamed id": 1}
    assert set(tree(tmp_path / "out")) == {"train/sun/a.png", "train/sun/a_2.png"}


@pytest.mark.parametrize("name", ["a/b", "..", "", "a\\b"])
def test_write__class_names_that_are_no_folder_are_refused(weather: Any, tmp_path: Path, name: str) -> None:
    with pytest.raises(sm.errors.OptionError, match="cannot be a folder's"):
        sm.write(
            weather(("a.png", 0), names=(name,)), tmp_path / "out", "yolo", task="classify", media="copy"
        )


def test_write__a_column_that_is_not_there_is_refused(weather: Any, tmp_path: Path) -> None:
    with pytest.raises(sm.errors.OptionError, match="there are weather; name it with field="):
        sm.write(weather(("a.png", 0)), tmp_path / "out", "yolo", task="classify", field="label")
