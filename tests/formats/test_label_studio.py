"""Label Studio: every region, several people, models, questions, its own converter's rotation trap."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import smalti as sm
from smalti.errors import DataError, EmptySourceError, UnsafePathError
from smalti.formats.label_studio import brush
from smalti.formats.shares import to_pixels, to_shares

GOLDEN = Path(__file__).parents[1] / "golden" / "label_studio"
JUDGE = Path(__file__).parents[1] / "judges" / "label_studio_judge.py"


@pytest.fixture(scope="module")
def golden() -> sm.Dataset:
    return sm.read(GOLDEN)


def street(golden: sm.Dataset) -> dict[str, Any]:
    rows = {row["id"]: row for row in golden.to_arrow().to_pylist()}
    return rows["street/a b.jpg"]


def task(*results: dict[str, Any], **data: Any) -> dict[str, Any]:
    return {"data": {"image": "a.png", **data}, "annotations": [{"result": list(results)}]}


def rectangle(**value: Any) -> dict[str, Any]:
    box = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": ["car"], **value}
    sides = {"original_width": 200, "original_height": 100}
    return {"id": "r", "type": "rectanglelabels", "from_name": "l", "to_name": "image", **sides, "value": box}


def saved(folder: Path, *tasks: dict[str, Any]) -> Path:
    (folder / "tasks.json").write_text(json.dumps(tasks), "utf-8")
    return folder


def test_golden__counts_and_classes(golden: sm.Dataset) -> None:
    assert golden.report.source_format == "label_studio"
    assert len(golden) == 7
    raw = json.loads((GOLDEN / "data.json").read_text())
    boxes = [r["value"] for t in raw for r in t["annotations"][0]["result"]]
    found = [
        o
        for row in golden.to_arrow().to_pylist()
        if row["id"] in {"image1", "image2"}
        for o in row["objects"]
    ]
    assert [o["category"] for o in found] == [b["rectanglelabels"][0] for b in boxes]
    assert [o["bbox"]["x"] for o in found] == pytest.approx([b["x"] * 28 for b in boxes], rel=1e-14)
    assert golden.categories.values[:2] == ("parasites", "white")
    assert golden.categories[0].color == "rgba(218, 1, 238, 1)"


def test_regions__each_kind(golden: sm.Dataset) -> None:
    objects = {o["id"]: o for o in street(golden)["objects"]}
    assert objects["flat"]["bbox"] == {"x": 20, "y": 20, "w": 60, "h": 40}
    assert objects["turned"]["quad"] == [100, 20, 100, 80, 60, 80, 60, 20]
    assert objects["turned"]["angle"] == 90
    assert objects["poly"]["polygons"] == [[20, 10, 40, 10, 30, 30]]
    assert objects["line"]["polyline"] == [0, 50, 200, 50]
    assert (objects["brush1"]["mask"]["height"], objects["brush1"]["mask"]["width"]) == (10, 20)
    assert objects["oval"]["bbox"] == {"x": 80, "y": 30, "w": 40, "h": 40}
    assert [(p["x"], p["y"]) for p in objects["pbox"]["keypoints"]] == [(130, 62), (128, 88)]
    assert objects["spot"]["keypoints"] == [{"x": 10, "y": 5, "visibility": None}]
    assert objects["plain"]["category"] == "sign"
    assert objects["plain"]["reading"] == "STOP"
    person = next(c for c in golden.categories if c.name == "person")
    assert person.keypoints == ("nose", "foot")


def test_people_and_models__stand_side_by_side(golden: sm.Dataset) -> None:
    row = street(golden)
    assert [o["bbox"]["w"] for o in row["objects_2"]] == [62]
    assert row["yolo"][0]["score"] == 0.875
    assert row["detr"][0]["bbox"]["x"] == 24
    assert (row["weather"], row["weather_2"], row["quality"]) == ("sunny", "rainy", 4)
    assert (row["annotator"], row["annotator_2"]) == ("3", '"two@example.com"')
    assert [c["caption"] for c in row["caption"]] == ["a street", "two cars"]
    assert [r.code for r in golden.report.repairs] == ["annotation.cancelled"]


def test_annotated__and_not(golden: sm.Dataset) -> None:
    rows = {row["id"]: row["objects"] for row in golden.to_arrow().to_pylist()}
    assert rows["upload/1/0a1b2c3d-c.jpg"] is None
    assert rows["https://example.com/d.jpg"] == []


def test_write__gives_back_what_tasks_say(golden: sm.Dataset, tmp_path: Path) -> None:
    golden.write(tmp_path / "out", format="label_studio", on_loss="ignore", media="none")
    raw = {t["id"]: t for t in json.loads((GOLDEN / "shapes.json").read_text())}
    made = {t["id"]: t for t in json.loads((tmp_path / "out" / "tasks.json").read_text()) if t["id"] > 10}
    assert made[11]["predictions"][0]["score"] == 0.5
    assert made[11]["annotations"][2] == raw[11]["annotations"][2]
    by_id = {r.get("id"): r for r in made[11]["annotations"][0]["result"] if r.get("type") != "textarea"}
    for item in raw[11]["annotations"][0]["result"]:
        if item["type"] in {"ellipselabels", "brushlabels", "polygonlabels"} or item.get("id") == "turned":
            value = by_id[item["id"]]["value"]
            assert {key: value[key] for key in item["value"] if key != "rectanglelabels"} == {
                key: v for key, v in item["value"].items() if key != "rectanglelabels"
            }
    assert made[11]["annotations"][0]["result"][-1]["type"] == "relation"


def test_rotation__is_about_the_corner_in_pixels(tmp_path: Path) -> None:
    # 200 x 100: turned in percent instead of pixels, the box would be at -60, 20 and 80 x 30.
    saved(tmp_path, task(rectangle(x=10, y=20, width=30, height=40, rotation=90)))
    (quad,) = (o["quad"] for row in sm.read(tmp_path) for o in row.objects)
    assert quad == [20, 20, 20, 80, -20, 80, -20, 20]


@pytest.mark.parametrize("degrees", [30, 90, 200.5, -45])
def test_rotation__comes_back(tmp_path: Path, degrees: float) -> None:
    saved(tmp_path, task(rectangle(rotation=degrees)))
    sm.read(tmp_path).write(tmp_path / "out", format="label_studio", media="none")
    (made,) = json.loads((tmp_path / "out" / "tasks.json").read_text())
    value = made["annotations"][0]["result"][0]["value"]
    assert value["rotation"] == degrees
    assert [value[key] for key in ("x", "y", "width", "height")] == pytest.approx([10, 20, 30, 40], abs=1e-9)


def test_write__quad_that_is_no_rectangle_is_a_polygon(tmp_path: Path) -> None:
    sample = {
        "id": "a.png",
        "image": {"path": "a.png", "width": 20, "height": 20},
        "objects": [{"category": "car", "quad": [0, 0, 9, 1, 8, 8, 1, 5]}],
    }
    report = sm.Dataset.from_samples([sample]).write(
        tmp_path / "out", format="label_studio", media="none", on_loss="ignore"
    )
    assert [loss.code for loss in report.losses] == ["quad.as_polygon"]


def full() -> sm.Dataset:
    points = [[1, 1, 2], [0, 0, 0], [4, 4, None]]
    item = {"category": "cat", "bbox": [0, 0, 8, 8], "keypoints": points}
    sample = {
        "id": "a.png",
        "image": {"path": "a.png", "width": 20, "height": 20},
        "objects": [{**item, "polygons": [[0, 0, 8, 0, 8, 8], [1, 1, 2, 1, 2, 2]]}, {"category": "cat"}],
    }
    return sm.Dataset.from_samples([sample])


def test_write__one_region_an_object_or_all(tmp_path: Path) -> None:
    one = full().write(tmp_path / "one", format="label_studio", media="none", on_loss="ignore")
    assert {(loss.code, loss.field) for loss in one.losses} == {
        ("geometry.dropped", "objects.bbox"),
        ("geometry.missing", "objects"),
    }
    assert (one.objects_read, one.objects_written) == (2, 1)
    every = full().write(
        tmp_path / "all", format="label_studio", media="none", on_loss="ignore", regions="all"
    )
    assert [loss.code for loss in every.losses] == ["geometry.missing"]
    (found,) = sm.read(tmp_path / "all").to_arrow().column("objects").to_pylist()[0]
    assert found["polygons"] == [[0, 0, 8, 0, 8, 8], [1, 1, 2, 1, 2, 2]]
    assert found["bbox"] == {"x": 0, "y": 0, "w": 8, "h": 8}
    assert [p["visibility"] for p in found["keypoints"]] == [2, 0, None]


def test_write__points_alone_get_a_box(tmp_path: Path) -> None:
    item = {"category": "cat", "keypoints": [[1, 2, 2], [5, 9, 2]]}
    image = {"path": "a.png", "width": 20, "height": 20}
    dataset = sm.Dataset.from_samples([{"id": "a.png", "image": image, "objects": [item]}])
    report = dataset.write(tmp_path / "out", format="label_studio", media="none", on_loss="ignore")
    assert [loss.code for loss in report.losses] == ["bbox.computed"]


def test_read__several_choices_are_several_classes(tmp_path: Path) -> None:
    saved(tmp_path, {"data": {"image": "a.png"}, "annotations": [{"result": [
        {"type": "choices", "from_name": "w", "to_name": "image", "value": {"choices": ["a", "b"]}}
    ]}]})  # fmt: skip
    row = sm.read(tmp_path).to_arrow().to_pylist()[0]
    assert [c["category"] for c in row["w"]] == ["a", "b"]
    assert row["objects"] == []


def test_write__pictures_without_a_size_are_refused(tmp_path: Path) -> None:
    sample = {
        "id": "a.png",
        "image": {"path": "a.png"},
        "objects": [{"category": "cat", "bbox": [0, 0, 1, 1]}],
    }
    with pytest.raises(DataError, match="need its size"):
        sm.Dataset.from_samples([sample]).write(tmp_path / "out", format="label_studio", media="none")


def test_write__prefix_of_images(tmp_path: Path) -> None:
    full().write(tmp_path / "a", format="label_studio", media="none", on_loss="ignore")
    full().write(
        tmp_path / "b", format="label_studio", media="none", on_loss="ignore", image_prefix="https://x.test/"
    )
    images = [json.loads((tmp_path / n / "tasks.json").read_text())[0]["data"]["image"] for n in "ab"]
    assert images == ["/data/local-files/?d=images/a.png", "https://x.test/images/a.png"]


def test_read__image_key(tmp_path: Path) -> None:
    one = {"data": {"photo": "a.jpg", "scan": "b.jpg"}, "annotations": []}
    saved(tmp_path, one)
    assert [row.id for row in sm.read(tmp_path)] == ["a.jpg"]
    assert [row.id for row in sm.read(tmp_path, image_key="scan")] == ["b.jpg"]
    with pytest.raises(DataError, match="found photo, scan, expected an image"):
        sm.read(tmp_path, image_key="other")


def test_read__tasks_of_text_are_refused(tmp_path: Path) -> None:
    saved(tmp_path, {"data": {"text": "so long"}, "annotations": []})
    with pytest.raises(DataError, match=r"tasks.json.*expected an image"):
        sm.read(tmp_path, "label_studio")


def test_read__paths_that_leave_the_root_are_refused(tmp_path: Path) -> None:
    saved(tmp_path, {"data": {"image": "/data/local-files/?d=..%2F..%2Fetc/a.png"}, "annotations": []})
    with pytest.raises(UnsafePathError, match="leaves its root"):
        sm.read(tmp_path, "label_studio")
    with pytest.raises(EmptySourceError, match="list of tasks"):
        sm.read(saved(tmp_path), "label_studio")


def test_read__faulty_regions_are_skipped_and_counted(tmp_path: Path) -> None:
    saved(tmp_path, task(rectangle(), rectangle(x="left") | {"id": "q"}))
    with pytest.raises(DataError, match=r"\$\[0\].annotations\[0\].result\[1\].*value.x: found 'left'"):
        sm.read(tmp_path)
    report = sm.read(tmp_path, on_error="skip").report
    assert (report.objects_read, report.objects_skipped) == (1, 1)


def test_read__sizes_are_needed_for_shares(tmp_path: Path) -> None:
    item = {key: v for key, v in rectangle().items() if not key.startswith("original")}
    saved(tmp_path, task(item))
    with pytest.raises(DataError, match="pass media="):
        sm.read(tmp_path)
    saved(tmp_path, task(item, width=200, height=100))
    assert [o["bbox"]["x"] for o in sm.read(tmp_path)[0].objects] == [20]


def test_read__a_hierarchy_of_other_labels_stays_apart(tmp_path: Path) -> None:
    wheel = rectangle(rectanglelabels=["wheel"]) | {"id": "w", "parentID": "r"}
    saved(tmp_path, task(rectangle(), wheel))
    rows = sm.read(tmp_path).to_arrow().column("objects").to_pylist()[0]
    assert [o["category"] for o in rows] == ["car", "wheel"]
    assert json.loads(rows[1]["label_studio"])["parentID"] == "r"


def test_recognition__single_file() -> None:
    assert sm.read(GOLDEN / "csv_test.json").report.source_format == "label_studio"


@pytest.mark.parametrize(
    "rle", [[1, 2], [0, 0, 0, 4, 57, 27, 191, 0], "text", [300] * 9, [0, 0, 0, 24, 57, 39, 127, 0]]
)
def test_brush__broken_codes_are_refused(rle: Any) -> None:
    with pytest.raises(DataError, match="rle: "):
        brush.decode(rle, 2, 3)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 7), (200, 301)])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 1])
def test_brush__comes_back(height: int, width: int, share: float) -> None:
    mask = np.random.default_rng(1).random((height, width)) < share
    assert np.array_equal(brush.decode(brush.encode(mask), height, width), mask)


def test_brush__literal_values() -> None:
    # Two pixels as the tool paints them: the block is not repeated, the alpha alone says what is set.
    bits = f"{8:032b}" + f"{7:05b}" + "".join(f"{n - 1:04b}" for n in (3, 4, 8, 16))
    bits += "0" + "00" + f"{7:03b}" + "".join(f"{v:08b}" for v in (9, 8, 7, 255, 9, 8, 7, 0))
    bits += "0" * (-len(bits) % 8)
    code = [int(bits[n : n + 8], 2) for n in range(0, len(bits), 8)]
    assert brush.decode(code, 1, 2).tolist() == [[1, 0]]


def test_shares__give_back_the_pixels() -> None:
    random = np.random.default_rng(2)
    pixels = np.round(random.random(20_000) * 4000, 3)
    sides = random.integers(1, 6000, 20_000)
    for whole in (1, 100):
        assert np.array_equal(to_pixels(to_shares(pixels, sides, whole), sides, whole), pixels)
    assert to_shares([64.0, 80.0], [640, 640], 100).tolist() == [10.0, 12.5]


def test_judge__the_sdk_reads_what_is_written(tmp_path: Path) -> None:
    mask = np.zeros((10, 20), np.uint8)
    mask[2:6, 3:9] = 1
    points = [[1, 1, 2], [4, 4, 2]]
    kinds = [
        {"category": "cat", "bbox": [1, 2, 3, 4]},
        {"category": "dog", "polygons": [[5, 5, 9, 5, 9, 8]]},
        {"id": 7, "category": "dog", "mask": mask},
        {"category": "bird", "bbox": [0, 0, 6, 6], "keypoints": points},
    ]
    categories = [
        *({"name": name} for name in ("dog", "unused", "cat")),
        {"name": "bird", "keypoints": ("beak", "tail")},
    ]
    sample = {"id": "a.png", "image": {"path": "a.png", "width": 20, "height": 10}, "objects": kinds}
    table = sm.Categories(tuple(sm.Category(**one) for one in categories))
    sm.Dataset.from_samples([sample], categories=table).write(
        tmp_path / "out", format="label_studio", media="none"
    )
    command = [os.environ["SMALTI_JUDGE_PYTHON"], "-W", "ignore", JUDGE, tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    verdict = json.loads(done.stdout.splitlines()[-1])
    assert {"cat", "dog", "unused", "bird"} <= set(verdict["categories"])
    found = {one["label"]: [round(side, 6) for side in one["bbox"]] for one in verdict["found"]}
    assert found | {"cat": [1, 2, 3, 4], "dog": [5, 5, 4, 3], "bird": [0, 0, 6, 6]} == found
    assert verdict["brushes"] == {"7": mask.tolist()}
