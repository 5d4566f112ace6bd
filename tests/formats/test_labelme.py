from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import smalti as sm

GOLDEN = Path(__file__).parents[1] / "golden" / "labelme"


def shape(kind: str = "polygon", points: Any = ((1, 1), (9, 1), (5, 8)), **more: Any) -> dict[str, Any]:
    return {"label": "cat", "points": points, "shape_type": kind, "group_id": None, "flags": {}, **more}


def put(path: Path, *shapes: Any, **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {"shapes": shapes, "imagePath": f"{path.stem}.jpg", "imageHeight": 30, "imageWidth": 40, **more}
    path.write_text(json.dumps(whole), "utf-8")
    return path


def test_golden__every_kind_of_shape() -> None:
    ds = sm.read(GOLDEN)
    assert ds.report.source_format == "labelme"
    assert [s.id for s in ds] == ["shapes.jpg", "terrain2.png"]
    assert len(ds[1].objects) == 5
    box, parts, dog, pole, road, wheel, nose, leaf = ds[0].objects
    assert list(box["bbox"].values()) == [10, 5.25, 20.5, 14.75]
    assert (box["description"], json.loads(box["flags"])) == ("behind a tree", {"hidden": True})
    assert parts["polygons"] == [[1, 1, 9, 1, 5, 8], [11, 1, 19, 1, 15, 8]]
    assert parts["group_id"] == dog["group_id"] == 3
    assert dog["polygons"] == [[21, 1, 29, 1, 25, 8]]
    assert pole["polyline"] == [0, 0, 5, 5]
    assert road["polyline"] == [0, 9, 5, 9, 9, 7]
    assert list(wheel["bbox"].values()) == [15, 15, 10, 10]
    assert nose["keypoints"] == [{"x": 4, "y": 5, "visibility": None}]
    pixels = sm.geometry.rle.decode_mask(sm.geometry.rle.decode_counts([leaf["mask"]["counts"]])[0], 30, 40)
    assert np.argwhere(pixels).tolist() == [[7, 6], [7, 7], [8, 7], [8, 8]]
    assert json.loads(ds[0].columns["labelme"]) == {"version": "5.5.0", "flags": {"blurred": True}}


def test_golden__is_written_as_it_was(tmp_path: Path) -> None:
    sm.read(GOLDEN).write(tmp_path / "out", format="labelme")
    before, after = (
        json.loads(path.read_text("utf-8"))
        for path in (GOLDEN / "shapes.json", tmp_path / "out" / "shapes.json")
    )
    for one, other in zip(before["shapes"], after["shapes"], strict=True):
        if one["shape_type"] == "rectangle":
            one["points"] = [[10, 5.25], [30.5, 20]]  # the corners in their order
        if one["shape_type"] in {"line", "point"}:
            one["shape_type"] = {"line": "linestrip", "point": "points"}[one["shape_type"]]
        assert {k: v for k, v in one.items() if v is not None and k != "mask"} == {
            k: v for k, v in other.items() if v is not None and k != "mask"
        }
    assert after["flags"] == {"blurred": True}
    assert (after["imageHeight"], after["imageWidth"]) == (30, 40)
    assert after["imagePath"] == "shapes.jpg"


def test_image__lies_beside_or_where_the_document_says(tmp_path: Path) -> None:
    put(tmp_path / "labels" / "a.json", shape(), imagePath="..\\images\\other.png")
    put(tmp_path / "labels" / "b.json", shape())
    (tmp_path / "labels" / "b.PNG").write_bytes(b"")
    ds = sm.read(tmp_path, format="labelme")
    assert [s.id for s in ds] == ["images/other.png", "labels/b.PNG"]


def test_image__without_a_document_is_not_annotated(tmp_path: Path) -> None:
    put(tmp_path / "train" / "a.json", shape())
    Image.new("RGB", (40, 30)).save(tmp_path / "train" / "b.png")
    ds = sm.read(tmp_path)
    assert [(s.id, s.split, s.objects is None) for s in ds] == [
        ("a.jpg", "train", False),
        ("b.png", "train", True),
    ]


def test_splits__are_folders_and_come_back(tmp_path: Path) -> None:
    for name in ("train/a", "valid/b", "test/a"):
        put(tmp_path / "in" / f"{name}.json", shape())
    ds = sm.read(tmp_path / "in")
    assert {s.id: s.split for s in ds} == {"train/a.jpg": "train", "val/b.jpg": "val", "test/a.jpg": "test"}
    assert ds.schema.id_has_split
    ds.write(tmp_path / "out", format="labelme")
    assert {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.json")} == {
        "train/a.json",
        "val/b.json",
        "test/a.json",
    }
    back = sm.read(tmp_path / "out")
    assert [(s.id, s.split, s.objects.to_list()) for s in back] == [
        (s.id, s.split, s.objects.to_list()) for s in ds
    ]


def test_other_json__is_ignored_and_said(tmp_path: Path) -> None:
    put(tmp_path / "a.json", shape())
    (tmp_path / "classes.json").write_text('{"names": []}', "utf-8")
    report = sm.read(tmp_path).report
    assert [(loss.code, loss.example) for loss in report.repairs] == [("file.ignored", "classes.json")]


def test_write__one_shape_an_object_and_the_rest_reported(tmp_path: Path) -> None:
    ds = sm.read("examples/street")
    report = ds.write(tmp_path / "out", format="labelme", media="copy", on_loss="ignore")
    assert report.reconciles
    codes = {loss.code: loss.count for loss in report.losses}
    assert codes["bbox.dropped"] == 26
    back = sm.read(tmp_path / "out")
    assert back.splits == ds.splits
    assert {s.id: len(s.objects) for s in back} == {s.id: len(s.objects) for s in ds}
    masks = {s.id: [o["mask"] for o in s.objects if o["mask"]] for s in ds}
    assert {s.id: [o["mask"] for o in s.objects if o["mask"]] for s in back} == masks


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (shape(points=[[1, 1], [2, 2]]), r"a\.json, \$\.shapes\[0\]: points: found 2, expected 3 at least"),
        (shape(points=[[1, 1], [2, "x"], [3, 3]]), r"points\[1\]: found 'x', expected a number"),
        (shape(points=[[1, 1], [2], [3, 3]]), r"points\[1\]: found 1 numbers, expected x and y"),
        (shape("star"), "shape_type: found 'star', expected one of polygon, rectangle"),
        (shape(label=7), "label: found 7, expected text"),
        (shape(label=""), "label: found no text"),
        (shape("mask", [[0, 0], [1, 1]], mask="?"), "mask: no PNG in base64"),
        ("shape", "the shape: found 'shape', expected an object"),
    ],
)
def test_faults__name_file_and_shape(tmp_path: Path, wrong: Any, message: str) -> None:
    put(tmp_path / "a.json", wrong, shape())
    with pytest.raises(sm.errors.DataError, match=message):
        sm.read(tmp_path)
    ds = sm.read(tmp_path, on_error="skip")
    assert len(ds[0].objects) == 1
    assert ds.report.error_count == 1


def test_faults__two_documents_of_one_image(tmp_path: Path) -> None:
    put(tmp_path / "a.json", shape(), imagePath="same.jpg")
    put(tmp_path / "b.json", shape(), imagePath="same.jpg")
    with pytest.raises(sm.errors.DataError, match=r"b\.json: 'same\.jpg' is labelled here and in a\.json"):
        sm.read(tmp_path)
