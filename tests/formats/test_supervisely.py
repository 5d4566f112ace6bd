from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import smalti as sm

GOLDEN = Path(__file__).parents[1] / "golden" / "supervisely"


def figure(
    kind: str = "polygon", exterior: Any = ((1, 1), (9, 1), (5, 8)), interior: Any = (), **more: Any
) -> dict[str, Any]:
    return {
        "classTitle": "cat",
        "geometryType": kind,
        "points": {"exterior": exterior, "interior": interior},
        "tags": [],
        **more,
    }


def bitmap(pixels: list[list[int]], origin: Any = (2, 3)) -> dict[str, Any]:
    body = io.BytesIO()
    Image.fromarray(np.array(pixels, bool)).save(body, "PNG")
    data = base64.b64encode(zlib.compress(body.getvalue())).decode()
    return {"classTitle": "cat", "geometryType": "bitmap", "bitmap": {"data": data, "origin": origin}}


def put(
    root: Path, *figures: Any, split: str = "ds0", name: str = "a.jpg", classes: Any = (), **more: Any
) -> Path:
    (root / split / "ann").mkdir(parents=True, exist_ok=True)
    whole = {
        "description": "",
        "tags": [],
        "size": {"height": 20, "width": 30},
        "objects": list(figures),
        **more,
    }
    (root / split / "ann" / f"{name}.json").write_text(json.dumps(whole), "utf-8")
    (root / "meta.json").write_text(json.dumps({"classes": list(classes), "tags": []}), "utf-8")
    return root


def pixels(item: dict[str, Any]) -> Any:
    runs, _ = sm.geometry.rle.decode_counts([item["mask"]["counts"]])
    return sm.geometry.rle.decode_mask(runs, item["mask"]["height"], item["mask"]["width"])


def test_golden__boxes_and_class_table() -> None:
    ds = sm.read(GOLDEN)
    assert ds.report.source_format == "supervisely"
    assert [s.id for s in ds] == ["(77).jpg"]
    assert ds.report.objects_read == 93
    assert (ds.categories[0].name, ds.categories[0].color) == ("duckweed", "#BE55CE")
    assert ds[0].objects.to("xyxy")[0].tolist() == pytest.approx(
        [3114.0004176, 833.0012352, 3155.0004144, 893.0011968]
    )
    assert (ds[0].image.width, ds[0].image.height) == (5184, 3456)


def test_figures__every_kind(tmp_path: Path) -> None:
    hole = figure(exterior=[[2, 2], [12, 2], [12, 12], [2, 12]], interior=[[[5, 5], [8, 5], [8, 8], [5, 8]]])
    graph = {"classTitle": "cat", "geometryType": "graph", "nodes": {"a": {"loc": [1, 2]}}}
    put(tmp_path, figure("rectangle", [[9, 8], [1, 2]]), figure(), hole, bitmap([[1, 1], [0, 1]]),
        figure("line", [[0, 0], [5, 5]]), figure("point", [[4, 5]]), graph)  # fmt: skip
    ds = sm.read(tmp_path)
    box, ring, holed, packed, line, point, kept = ds[0].objects
    assert list(box["bbox"].values()) == [1, 2, 8, 6]
    assert ring["polygons"] == [[1, 1, 9, 1, 5, 8]]
    assert pixels(holed)[6, 3] == 1
    assert pixels(holed)[6, 6] == 0  # the hole stays one
    assert np.argwhere(pixels(packed)).tolist() == [[3, 2], [3, 3], [4, 3]]
    assert line["polyline"] == [0, 0, 5, 5]
    assert point["keypoints"] == [{"x": 4, "y": 5, "visibility": None}]
    assert json.loads(kept["supervisely"])["nodes"] == {"a": {"loc": [1, 2]}}
    report = ds.write(tmp_path / "out", format="supervisely", media="none")
    assert report.lossless
    written = json.loads((tmp_path / "out" / "ds0" / "ann" / "a.jpg.json").read_text("utf-8"))["objects"]
    assert [f["geometryType"] for f in written] == [
        "rectangle",
        "polygon",
        "polygon",
        "bitmap",
        "line",
        "point",
        "graph",
    ]
    assert written[2]["points"] == hole["points"]
    assert [o.get("mask") for o in sm.read(tmp_path / "out")[0].objects] == [
        o.get("mask") for o in ds[0].objects
    ]


def test_splits__are_datasets_and_classes_keep_ids_and_colours(tmp_path: Path) -> None:
    classes = [
        {"title": "dog", "color": "#010203", "id": 7, "shape": "any"},
        {"title": "cat", "color": "#040506", "id": 3},
    ]
    put(tmp_path / "in", figure(), split="train", classes=classes)
    put(tmp_path / "in", figure(), split="test", classes=classes)
    ds = sm.read(tmp_path / "in")
    assert [(s.id, s.split) for s in ds] == [("test/a.jpg", "test"), ("train/a.jpg", "train")]
    assert [(c.name, c.id, c.color) for c in ds.categories] == [("dog", 7, "#010203"), ("cat", 3, "#040506")]
    assert ds.write(tmp_path / "out", format="supervisely", media="none").lossless
    back = sm.read(tmp_path / "out")
    assert [(c.name, c.id, c.color) for c in back.categories] == [
        (c.name, c.id, c.color) for c in ds.categories
    ]
    assert [s.id for s in back] == [s.id for s in ds]


def test_write__parts_become_a_bitmap_and_are_said(tmp_path: Path) -> None:
    ds = sm.read("examples/street")
    report = ds.write(tmp_path / "out", format="supervisely", media="copy", on_loss="ignore")
    assert report.reconciles
    assert {loss.code for loss in report.losses} >= {"polygon.as_mask", "bbox.dropped"}
    back = sm.read(tmp_path / "out")
    assert back.report.objects_read == 26
    assert [c.id for c in back.categories] == [c.id for c in ds.categories]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (figure(exterior=[[1, 1]]), r"a\.jpg\.json, \$\.objects\[0\].*found 1 points, expected 3 at least"),
        (figure(exterior=[[1, 1], [2, "x"], [3, 3]]), r"points\.exterior\[1\]: found 'x', expected a number"),
        (bitmap([[1]], origin=(40, 3)), "expected them inside of the picture"),
        ({**bitmap([[1]]), "bitmap": {"data": "?", "origin": [0, 0]}}, r"bitmap\.data: no packed PNG"),
        ({"geometryType": "polygon"}, "classTitle: found None, expected text"),
    ],
)
def test_faults__name_file_and_figure(tmp_path: Path, wrong: Any, message: str) -> None:
    put(tmp_path, wrong, figure())
    with pytest.raises(sm.errors.DataError, match=message):
        sm.read(tmp_path)
    ds = sm.read(tmp_path, on_error="skip")
    assert (len(ds[0].objects), ds.report.error_count) == (1, 1)
