"""The difficult COCO file through reading, writing and converting, with the official readers as judges."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO

import smalti as sm

JUDGE = Path(__file__).parent.parent / "judges" / "yolo_judge.py"


def load(path: Path) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return body


def cocoapi(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def count(report: sm.Report, code: str) -> int:
    return sum(loss.count or 0 for loss in report.losses if loss.code == code)


def judged(folder: Path, task: str) -> dict[str, Any]:
    """What Ultralytics itself makes of an export; the environment that has it is named by a variable."""
    done = subprocess.run(
        [os.environ["SMALTI_JUDGE_PYTHON"], str(JUDGE), str(folder), task],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_coco_to_coco__keeps_everything(difficult: Path, tmp_path: Path) -> None:
    source = load(difficult / "instances.json")
    dataset = sm.read(difficult / "instances.json", media=difficult / "images")
    report = dataset.write(tmp_path / "out.json", format="coco", on_loss="error")
    written = load(tmp_path / "out.json")
    assert report.lossless
    assert report.reconciles
    by_id = {annotation["id"]: annotation for annotation in written["annotations"]}
    assert written["info"] == source["info"]
    assert written["licenses"] == source["licenses"]
    assert written["categories"] == source["categories"]
    assert written["images"] == source["images"]
    assert [by_id[a["id"]] for a in source["annotations"]] == source["annotations"]


def test_coco_to_coco__cocoapi_agrees_pixel_for_pixel(difficult: Path, tmp_path: Path) -> None:
    sm.convert(
        difficult / "instances.json", tmp_path / "out.json", to="coco", media_root=difficult / "images"
    )
    before, after = cocoapi(difficult / "instances.json"), cocoapi(tmp_path / "out.json")
    assert set(before.anns) == set(after.anns)
    for key, annotation in before.anns.items():
        if annotation["segmentation"]:
            assert np.array_equal(before.annToMask(annotation), after.annToMask(after.anns[key]))


def test_coco_to_coco__two_writes_are_one(difficult: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        sm.convert(
            difficult / "instances.json",
            tmp_path / name,
            to="coco",
            media_root=difficult / "images",
            media="copy",
        )
    one = {
        p.relative_to(tmp_path / "one"): p.read_bytes() for p in (tmp_path / "one").rglob("*") if p.is_file()
    }
    two = {
        p.relative_to(tmp_path / "two"): p.read_bytes() for p in (tmp_path / "two").rglob("*") if p.is_file()
    }
    assert len(one) == 6
    assert one == two


def test_coco_to_yolo_detect__accounts_for_every_object(difficult: Path, tmp_path: Path) -> None:
    report = sm.convert(
        difficult / "instances.json",
        tmp_path / "yolo",
        to="yolo",
        task="detect",
        media_root=difficult / "images",
        media="copy",
        on_loss="ignore",
    )
    assert report.reconciles
    assert (report.samples_read, report.samples_written) == (5, 5)
    assert (report.objects_read, report.objects_written) == (8, 7)
    assert count(report, "crowd.skipped") == 1
    assert count(report, "box.clipped") == 1
    labels = tmp_path / "yolo" / "labels"
    assert (labels / "empty.txt").read_text() == ""
    rows = {p.relative_to(labels).as_posix(): p.read_text().splitlines() for p in labels.rglob("*.txt")}
    assert {name: len(lines) for name, lines in rows.items()} == {
        "a/0001.txt": 2,
        "b/0001.txt": 2,
        "empty.txt": 0,
        "turned.txt": 2,
        "Straße am Fluß 2.txt": 1,
    }
    assert rows["a/0001.txt"][0].startswith("2 ")  # car: the third class of the source's order
    dropped = {loss.field: loss.count for loss in report.losses if loss.code == "field.dropped"}
    assert dropped["objects.polygons"] == 6
    assert dropped["objects.mask"] == 2
    assert dropped["objects.id"] == 8


@pytest.mark.parametrize("task", ["detect", "segment"])
def test_coco_to_yolo__ultralytics_accepts_it(difficult: Path, tmp_path: Path, task: str) -> None:
    sm.convert(
        difficult / "instances.json",
        tmp_path / "yolo",
        to="yolo",
        task=task,
        media_root=difficult / "images",
        media="link",
        on_loss="ignore",
    )
    found = judged(tmp_path / "yolo", task)
    assert found["names"] == {"0": "toothbrush", "1": "person", "2": "car", "3": "unused train"}
    assert found["images"] == 5
    assert found["corrupt"] == 0
    # Ultralytics itself leaves out the second of two identical rows.
    assert found["objects"] == 6


def test_yolo_to_coco__ids_start_at_one(difficult: Path, tmp_path: Path) -> None:
    sm.convert(
        difficult / "instances.json",
        tmp_path / "yolo",
        to="yolo",
        task="detect",
        media_root=difficult / "images",
        media="copy",
        on_loss="ignore",
    )
    report = sm.convert(tmp_path / "yolo", tmp_path / "back.json", to="coco", on_loss="ignore")
    back = load(tmp_path / "back.json")
    assert report.reconciles
    assert sorted(image["id"] for image in back["images"]) == [1, 2, 3, 4, 5]
    assert sorted(a["id"] for a in back["annotations"]) == list(range(1, 8))
    assert [(c["id"], c["name"]) for c in back["categories"]] == [
        (1, "toothbrush"), (2, "person"), (3, "car"), (4, "unused train")]  # fmt: skip
    sizes = {image["file_name"]: (image["width"], image["height"]) for image in back["images"]}
    assert sizes["turned.jpg"] == (40, 64)
    names = {image["id"]: image["file_name"] for image in back["images"]}
    boxes = {(names[a["image_id"]], tuple(a["bbox"])) for a in back["annotations"]}
    assert ("a/0001.jpg", (5, 5, 60.5, 20)) in boxes
    assert ("b/0001.jpg", (5.25, 6.5, 20.125, 30.75)) in boxes
    assert ("turned.jpg", (4, 8, 10, 20)) in boxes


def test_on_loss_error__writes_nothing(difficult: Path, tmp_path: Path) -> None:
    with pytest.raises(sm.errors.LossError, match=r"crowd\.skipped"):
        sm.convert(difficult / "instances.json", tmp_path / "yolo", to="yolo", task="detect", on_loss="error")
    assert [p.name for p in tmp_path.iterdir()] == ["source"]


def test_dry_run__reports_the_same_and_writes_nothing(difficult: Path, tmp_path: Path) -> None:
    options = {"to": "yolo", "task": "detect", "on_loss": "ignore"}
    dry = sm.convert(difficult / "instances.json", tmp_path / "yolo", dry_run=True, **options)
    assert [p.name for p in tmp_path.iterdir()] == ["source"]
    wet = sm.convert(difficult / "instances.json", tmp_path / "yolo", **options)
    assert dry.losses == wet.losses
    assert dry.objects_written == wet.objects_written


def test_overwrite__refuses_to_delete_the_images_it_refers_to(difficult: Path) -> None:
    dataset = sm.read(difficult / "instances.json", media=difficult / "images")
    with pytest.raises(sm.errors.TargetExistsError, match="would be deleted"):
        dataset.write(difficult, format="yolo", task="detect", overwrite=True, on_loss="ignore")
    assert (difficult / "images" / "empty.jpg").exists()


def test_loss_warning__says_where_to_look(difficult: Path, tmp_path: Path) -> None:
    with pytest.warns(sm.errors.LossWarning, match="see the report"):
        sm.convert(difficult / "instances.json", tmp_path / "yolo", to="yolo", task="detect")
