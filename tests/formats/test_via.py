from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import smalti as sm

GOLDEN = Path(__file__).parents[1] / "golden" / "via"
RECT = {"name": "rect", "x": 1, "y": 2, "width": 3, "height": 4}


def region(shape: dict[str, Any] | None = None, **words: Any) -> dict[str, Any]:
    return {"shape_attributes": shape or RECT, "region_attributes": words or {"label": "cat"}}


def put(path: Path, *regions: Any, name: str = "a.jpg", **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    entry = {"filename": name, "size": 7, "regions": list(regions), "file_attributes": {}}
    path.write_text(json.dumps({f"{name}7": entry, **more}), "utf-8")
    return path


def test_golden__regions_and_attributes() -> None:
    ds = sm.read(GOLDEN)
    assert ds.report.source_format == "via"
    assert [s.id for s in ds] == ["IMG_4908.jpg", "IMG_4909.jpg"]
    assert ds.report.objects_read == 10
    assert [len(o["polygons"] or []) for s in ds for o in s.objects].count(1) == 9
    assert ds[0].objects.names == ["z", "c", "o", "###", "n"]
    assert [o["object"] for o in ds[0].objects] == ["z", "c", "o", "o", "n"]
    assert json.loads(ds[0].objects[3]["via"]) == {
        "region_attributes": {"qualities": {"is_rotated": True, "is_inverted": True}}
    }
    assert sm.read(GOLDEN, class_attribute="object")[0].objects.names == ["z", "c", "o", "o", "n"]


def test_shapes__every_kind(tmp_path: Path) -> None:
    shapes = [
        {"name": "polyline", "all_points_x": [0, 5], "all_points_y": [1, 6]},
        {"name": "point", "cx": 4, "cy": 5},
        {"name": "circle", "cx": 10, "cy": 20, "r": 5},
        {"name": "ellipse", "cx": 10, "cy": 20, "rx": 4, "ry": 2, "theta": math.pi / 2},
    ]
    ds = sm.read(put(tmp_path / "any.json", *map(region, shapes)))
    line, point, circle, ellipse = ds[0].objects
    assert line["polyline"] == [0, 1, 5, 6]
    assert point["keypoints"] == [{"x": 4, "y": 5, "visibility": None}]
    assert list(circle["bbox"].values()) == [5, 15, 10, 10]
    assert list(ellipse["bbox"].values()) == pytest.approx([8, 16, 4, 8])
    report = ds.write(tmp_path / "out", format="via")
    assert report.lossless
    written = json.loads((tmp_path / "out" / "via_project.json").read_text("utf-8"))
    (entry,) = written["_via_img_metadata"].values()
    assert [r["shape_attributes"] for r in entry["regions"]] == shapes


def test_project__class_table_is_the_list_of_options(tmp_path: Path) -> None:
    ds = sm.Dataset.from_samples(
        [{"id": "a.jpg", "objects": [{"category": "dog", "bbox": [1, 2, 3, 4]}]}],
        categories=["cat", "dog", "unused"],
    )
    ds.write(tmp_path / "out", format="via", class_attribute="animal")
    assert sm.read(tmp_path / "out").categories.values == ("cat", "dog", "unused")
    written = json.loads((tmp_path / "out" / "via_project.json").read_text("utf-8"))
    assert list(written["_via_attributes"]["region"]) == ["animal"]


def test_regions__as_in_older_exports(tmp_path: Path) -> None:
    path = put(tmp_path / "a.json", name="a.jpg")
    whole = json.loads(path.read_text("utf-8"))
    whole["a.jpg7"]["regions"] = {"0": region(), "1": region(class_name="x", label="dog")}
    path.write_text(json.dumps(whole), "utf-8")
    assert sm.read(path)[0].objects.names == ["cat", "dog"]


def test_class__has_to_be_clear(tmp_path: Path) -> None:
    put(tmp_path / "a.json", region(animal="cat", mood="good"))
    with pytest.raises(sm.errors.OptionError, match=r"which attribute is the class.*animal, mood"):
        sm.read(tmp_path)
    with pytest.raises(sm.errors.OptionError, match="class_attribute='size'"):
        sm.read(tmp_path, class_attribute="size")
    ds = sm.read(tmp_path, class_attribute="animal")
    assert (ds[0].objects.names, ds[0].objects[0]["mood"]) == (["cat"], "good")


def test_via3__project(tmp_path: Path) -> None:
    project = {
        "project": {"pname": "x", "vid_list": ["1", "2"]},
        "attribute": {
            "1": {"aname": "label", "options": {"a": "cat", "b": "dog"}},
            "2": {"aname": "night", "options": {}},
        },
        "file": {"1": {"fid": "1", "fname": "a.jpg"}, "2": {"fid": "2", "fname": "b.jpg"}},
        "view": {"1": {"fid_list": ["1"]}, "2": {"fid_list": ["2"]}},
        "metadata": {
            "1_x": {"vid": "1", "xy": [2, 1, 2, 3, 4], "av": {"1": "b"}},
            "1_y": {"vid": "1", "xy": [7, 0, 0, 9, 0, 9, 9], "av": {"1": "a"}},
            "2_z": {"vid": "2", "xy": [], "av": {"2": "yes"}},
        },
    }
    (tmp_path / "via3.json").write_text(json.dumps(project), "utf-8")
    ds = sm.read(tmp_path)
    assert [s.id for s in ds] == ["a.jpg", "b.jpg"]
    assert ds.categories.values == ("cat", "dog")
    assert ds[0].objects.names == ["dog", "cat"]
    assert ds[0].objects[1]["polygons"] == [[0, 0, 9, 0, 9, 9]]
    assert json.loads(ds[1].columns["via"]) == {"file_attributes": {"night": "yes"}}
    project["metadata"]["1_x"]["xy"] = [12, 1]
    (tmp_path / "via3.json").write_text(json.dumps(project), "utf-8")
    with pytest.raises(
        sm.errors.DataError, match=r"via3\.json, \$\.metadata\['1_x'\]: xy: found the shape 12"
    ):
        sm.read(tmp_path)


def test_write__parts_are_joined_and_measured(tmp_path: Path) -> None:
    report = sm.read("examples/street").write(tmp_path / "out", format="via", media="copy", on_loss="ignore")
    losses = {loss.code: loss for loss in report.losses}
    assert losses["polygon.joined"].iou > 0.9
    assert losses["mask.outlined"].iou > 0.9
    assert losses["bbox.dropped"].count == 26
    assert report.reconciles
    back = sm.read(tmp_path / "out")
    assert back.report.objects_read == 26
    assert back.splits == {"train": 8, "val": 4}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (region({"name": "star"}), r"a\.json, \$\['a\.jpg7'\]\.regions\[0\].*found 'star', expected rect"),
        (region({**RECT, "x": "one"}), r"shape_attributes\.x: found 'one', expected a number"),
        (
            region({"name": "polygon", "all_points_x": [1, 2, 3], "all_points_y": [1, 2]}),
            "found 3 numbers, and 2 in",
        ),
        (region({"name": "polygon", "all_points_x": [1], "all_points_y": [1]}), "found 1 points, expected 3"),
        ({"region_attributes": {"label": "cat"}}, "shape_attributes: found None, expected an object"),
    ],
)
def test_faults__name_image_and_region(tmp_path: Path, wrong: Any, message: str) -> None:
    put(tmp_path / "a.json", wrong, region())
    with pytest.raises(sm.errors.DataError, match=message):
        sm.read(tmp_path)
    ds = sm.read(tmp_path, on_error="skip")
    assert len(ds[0].objects) == 1
    assert ds.report.error_count == 1
