"""Datumaro: every 2-D annotation, groups, the dialects of its versions."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import smalti as sm
from smalti.errors import DataError, EmptySourceError
from smalti.geometry import rle

GOLDEN = Path(__file__).parents[1] / "golden" / "datumaro"
JUDGE = Path(__file__).parents[1] / "judges" / "datumaro_judge.py"
CATEGORIES = {
    "label": {
        "labels": [
            {"name": "cat", "parent": "animal", "attributes": ["tame"]},
            {"name": "cat", "parent": "", "attributes": []},
            {"name": "dog", "parent": "animal", "attributes": []},
        ],
        "label_groups": [],
        "attributes": [],
    },
    "mask": {"colormap": [{"label_id": 2, "r": 1, "g": 2, "b": 255}]},
    "points": {"items": [{"label_id": 0, "labels": ["nose", "tail"], "joints": [[1, 2]], "positions": []}]},
}


def annotation(kind: str, **more: Any) -> dict[str, Any]:
    return {"id": 0, "type": kind, "attributes": {}, "group": 0, "label_id": 0, "z_order": 0, **more}


def saved(folder: Path, *annotations: dict[str, Any], **item: Any) -> Path:
    image = {"path": "a.jpg", "size": [10, 20]}
    body = {"id": "a", "annotations": list(annotations), "image": image, **item}
    whole = {
        "dm_format_version": "1.0",
        "media_type": 2,
        "infos": {},
        "categories": CATEGORIES,
        "items": [body],
    }
    (folder / "annotations").mkdir(exist_ok=True)
    (folder / "annotations" / "train.json").write_text(json.dumps(whole), "utf-8")
    return folder


def objects(folder: Path) -> list[dict[str, Any]]:
    found = sm.read(folder).to_arrow().column("objects").to_pylist()[0]
    return [{key: value for key, value in item.items() if value is not None} for item in found]


def rewritten(folder: Path) -> dict[str, Any]:
    sm.read(folder).write(folder / "out", format="datumaro", media="none", on_loss="error")
    return json.loads((folder / "out" / "annotations" / "train.json").read_text())


def test_golden__counts_and_classes() -> None:
    dataset = sm.read(GOLDEN)
    assert dataset.report.source_format == "datumaro"
    assert dataset.categories.values == ("car", "bicycle", "tom", "mary")
    raw = [
        json.loads((GOLDEN / "annotations" / f"{s}.json").read_text())
        for s in ("test", "train", "validation")
    ]
    rows = dataset.to_arrow().to_pylist()
    assert [row["id"] for row in rows] == ["c.jpg", "a.jpg", "b.jpg", "d.jpg"]
    assert tuple(dataset.splits) == ("test", "train", "validation")
    named = [[c["category"] for c in row["label"] or ()] for row in rows]
    names = dataset.categories.values
    assert named == [[names[a["label_id"]] for a in i["annotations"]] for one in raw for i in one["items"]]
    assert rows[0]["image"] == {"path": "test/c.jpg", "width": 6, "height": 8}
    assert all((GOLDEN / "images" / row["image"]["path"]).is_file() for row in rows)


def test_classes__come_back(tmp_path: Path) -> None:
    table = sm.read(saved(tmp_path, annotation("bbox", bbox=[1, 2, 3, 4]))).categories
    assert table.values == ("cat", "cat#1", "dog")
    assert (table[0].supercategory, table[0].keypoints, table[0].skeleton) == (
        "animal",
        ("nose", "tail"),
        ((0, 1),),
    )
    assert table[2].color == "#0102ff"
    assert rewritten(tmp_path)["categories"]["points"] == CATEGORIES["points"]
    assert sm.read(tmp_path / "out").categories == table


SHAPES = [
    (annotation("bbox", bbox=[1, 2, 3.5, 4]), {"bbox": {"x": 1, "y": 2, "w": 3.5, "h": 4}}),
    (annotation("polygon", points=[0, 0, 5, 0, 5, 5]), {"polygons": [[0, 0, 5, 0, 5, 5]]}),
    (annotation("polyline", points=[0, 0, 5, 0]), {"polyline": [0, 0, 5, 0]}),
    (
        annotation("points", points=[1, 2, 3, 4], visibility=[2, 0]),
        {"keypoints": [{"x": 1, "y": 2, "visibility": 2}, {"x": 3, "y": 4, "visibility": 0}]},
    ),
    (
        annotation("ellipse", points=[1, 2, 5, 8]),
        {"bbox": {"x": 1, "y": 2, "w": 4, "h": 6}, "ellipse": "[1.0,2.0,5.0,8.0]"},
    ),
    (
        annotation("cuboid_2d", points=[[0, 0], [4, 0], [4, 4], [0, 4], [1, 1], [5, 1], [5, 6], [1, 5]]),
        {
            "bbox": {"x": 0, "y": 0, "w": 5, "h": 6},
            "cuboid_2d": "[[0,0],[4,0],[4,4],[0,4],[1,1],[5,1],[5,6],[1,5]]",
        },
    ),
    (
        annotation("cuboid_3d", position=[1, 2, 3], rotation=[0, 0, 1], scale=[2, 2, 2]),
        {"cuboid_3d": '{"position":[1.0,2.0,3.0],"rotation":[0.0,0.0,1.0],"scale":[2.0,2.0,2.0]}'},
    ),
]


@pytest.mark.parametrize(("given", "expected"), SHAPES, ids=lambda v: v.get("type", ""))
def test_shapes__are_read_and_written_back(given: dict[str, Any], expected: Any, tmp_path: Path) -> None:
    assert objects(saved(tmp_path, given)) == [{"category": "cat", **expected}]
    (made,) = rewritten(tmp_path)["items"][0]["annotations"]
    assert made == given


def test_masks__are_coco_run_lengths(tmp_path: Path) -> None:
    given = annotation("mask", rle={"counts": "063L000004", "size": [5, 6]})
    (found,) = objects(saved(tmp_path, given))
    runs, _ = rle.decode_counts([found["mask"]["counts"]])
    assert rle.decode_mask(runs, 5, 6).sum() == 18
    assert rewritten(tmp_path)["items"][0]["annotations"] == [given]


@pytest.mark.parametrize("counts", ["06", "~~~", [1, 2], None])
def test_masks__that_do_not_fill_the_picture_are_refused(tmp_path: Path, counts: Any) -> None:
    saved(tmp_path, annotation("mask", rle={"counts": counts, "size": [5, 6]}))
    with pytest.raises(DataError, match=r"annotations\[0\]"):
        sm.read(tmp_path)


def test_oriented_boxes__are_corners_and_become_polygons(tmp_path: Path) -> None:
    (found,) = objects(saved(tmp_path, annotation("rotated_bbox", points=[5, 5, 4, 2, 90])))
    assert found["quad"] == pytest.approx([6, 3, 6, 7, 4, 7, 4, 3])
    report = sm.read(tmp_path).write(tmp_path / "out", format="datumaro", media="none", on_loss="ignore")
    assert {loss.code for loss in report.losses} == {"quad.as_polygon", "field.dropped"}


def test_groups__are_one_object_of_several_shapes(tmp_path: Path) -> None:
    parts = [
        annotation("bbox", bbox=[0, 0, 9, 9], group=5, id=7),
        annotation("polygon", points=[0, 0, 5, 0, 5, 5], group=5, id=7),
        annotation("polygon", points=[6, 6, 9, 6, 9, 9], group=5, id=7),
        annotation("points", points=[1, 2], visibility=[1], group=5, id=7),
        annotation("bbox", bbox=[1, 1, 2, 2], group=5, label_id=2, id=8),
    ]
    first, second = objects(saved(tmp_path, *parts))
    assert first["polygons"] == [[0, 0, 5, 0, 5, 5], [6, 6, 9, 6, 9, 9]]
    assert (first["bbox"]["w"], len(first["keypoints"]), first["group"]) == (9, 1, 5)
    assert (second["category"], second["group"]) == ("dog", 5)
    assert rewritten(tmp_path)["items"][0]["annotations"] == parts


def test_groups__two_boxes_are_two_objects(tmp_path: Path) -> None:
    boxes = [annotation("bbox", bbox=[n, 0, 9, 9], group=5) for n in range(2)]
    assert len(objects(saved(tmp_path, *boxes))) == 2
    assert rewritten(tmp_path)["items"][0]["annotations"] == boxes


def test_attributes__known_ones_are_members(tmp_path: Path) -> None:
    attributes = {"is_crowd": True, "score": 0.5, "area": 12, "occluded": False, "bbox": [1], "track_id": "t"}
    given = annotation("bbox", bbox=[0, 0, 1, 1], attributes=attributes, z_order=3)
    (found,) = objects(saved(tmp_path, given))
    assert (found["iscrowd"], found["score"], found["area"], found["track_id"]) == (True, 0.5, 12, "t")
    assert (found["occluded"], found["z_order"]) == (False, 3)
    assert json.loads(found["datumaro"]) == {"attributes": {"bbox": [1]}}
    assert rewritten(tmp_path)["items"][0]["annotations"] == [given]


def test_tracks__are_object_ids(tmp_path: Path) -> None:
    given = annotation("bbox", bbox=[0, 0, 1, 1], object_id=4)
    assert objects(saved(tmp_path, given))[0]["track_id"] == 4
    assert rewritten(tmp_path)["items"][0]["annotations"] == [given]


def test_items__what_is_about_the_picture(tmp_path: Path) -> None:
    label = {"id": 0, "type": "label", "attributes": {}, "group": 0, "label_id": 2}
    caption = {"id": 3, "type": "caption", "attributes": {}, "group": 0, "caption": "a dog"}
    other = {"id": 0, "type": "hash_key", "hash_key": [1, 2]}
    saved(tmp_path, label, caption, other, attr={"night": True, "split": "x"}, id="number one")
    row = sm.read(tmp_path).to_arrow().to_pylist()[0]
    assert (row["label"], row["captions"]) == ("dog", [{"id": 3, "caption": "a dog"}])
    assert (row["night"], row["datumaro_id"], row["objects"]) == (True, "number one", [])
    item = rewritten(tmp_path)["items"][0]
    assert item["annotations"] == [label, caption, other]
    assert (item["attr"], item["id"]) == ({"split": "x", "night": True}, "number one")


def test_items__without_annotations_are_not_annotated(tmp_path: Path) -> None:
    saved(tmp_path)
    file = tmp_path / "annotations" / "train.json"
    file.write_text(file.read_text().replace('"annotations": [], ', ""))
    assert sm.read(tmp_path)[0].objects is None
    assert "annotations" not in rewritten(tmp_path)["items"][0]


def test_items__of_one_stem_have_ids_of_their_own(tmp_path: Path) -> None:
    names = ("a.jpg", "a.png")
    samples = [{"id": n, "image": {"path": n, "width": 2, "height": 2}, "objects": []} for n in names]
    sm.Dataset.from_samples(samples).write(tmp_path / "out", format="datumaro", media="none")
    whole = json.loads((tmp_path / "out" / "annotations" / "default.json").read_text())
    assert [item["id"] for item in whole["items"]] == ["a", "a.png"]
    assert [row.id for row in sm.read(tmp_path / "out")] == list(names)


def test_paths__of_another_machine_lose_their_folders(tmp_path: Path) -> None:
    saved(tmp_path, image={"path": "C:\\me\\pictures\\b.jpg", "size": [4, 4]}, id="b")
    assert sm.read(tmp_path)[0].id == "b.jpg"


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        (annotation("bbox", bbox=[1, 2, 3]), "bbox: found 3 numbers, expected 4"),
        (annotation("bbox", bbox=[1, 2, 3, 4], label_id=3), "label_id: found 3"),
        (annotation("polygon", points=[1, 2, 3, 4]), "found 4 numbers, expected 6 at least"),
        (annotation("points", points=[1, 2], visibility=[1, 1]), "found 2 values for 2 coordinates"),
        (annotation("bbox", bbox=[1, 2, 3, 4], group="x"), "group: found 'x'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_faults__are_named_or_skipped(tmp_path: Path, faulty: dict[str, Any], message: str) -> None:
    saved(tmp_path, annotation("bbox", bbox=[0, 0, 1, 1]), faulty)
    with pytest.raises(DataError, match=rf"train.json.*annotations\[1\].*{message}"):
        sm.read(tmp_path)
    report = sm.read(tmp_path, on_error="skip").report
    assert (report.objects_read, report.objects_skipped) == (1, 1)


def test_items__of_clouds_of_points_are_refused(tmp_path: Path) -> None:
    saved(tmp_path, image=None, point_cloud={"path": "a.pcd"})
    with pytest.raises(DataError, match=r"items\[0\].*found image, point_cloud, expected an image"):
        sm.read(tmp_path)


def test_source__without_items_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(EmptySourceError, match="looked for annotations"):
        sm.read(tmp_path, "datumaro")


def test_source__may_be_one_file_or_the_folder_of_annotations() -> None:
    for place in (GOLDEN / "annotations" / "train.json", GOLDEN / "annotations"):
        rows = {row.id: row for row in sm.read(place, "datumaro")}
        assert rows["a.jpg"].image.width == 6


def test_write__classes_of_pictures_that_no_object_has_are_reported(tmp_path: Path) -> None:
    item = {"category": "cat", "bbox": [0, 0, 1, 1]}
    sample = {"id": "a.png", "image": {"path": "a.png", "width": 4, "height": 4}, "objects": [item]}
    dataset = sm.Dataset.from_samples([sample])
    columns = {
        **dataset.schema.columns,
        "label": sm.schema.features.Classification(categories=sm.Categories.of(["sun"])),
    }
    table = dataset.to_arrow().append_column("label", columns["label"].categories.encode([0]))
    whole = sm.Dataset.from_arrow(table, schema=dataset.schema.with_columns(columns))
    report = whole.write(tmp_path / "out", format="datumaro", media="none", on_loss="ignore")
    assert [(loss.code, loss.field) for loss in report.losses] == [("field.dropped", "label")]


def test_judge__datumaro_reads_what_is_written(tmp_path: Path) -> None:
    parts = [given for given, _ in SHAPES if given["type"] != "cuboid_3d"]
    parts.append(annotation("mask", rle={"counts": "063L000004", "size": [5, 6]}, group=3))
    parts.append(annotation("bbox", bbox=[0, 0, 6, 5], group=3, label_id=2, attributes={"score": 0.5}))
    sm.read(saved(tmp_path, *parts)).write(tmp_path / "out", format="datumaro", media="none", on_loss="error")
    command = [os.environ["SMALTI_JUDGE_PYTHON"], "-W", "ignore", JUDGE, tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    verdict = json.loads(done.stdout.splitlines()[-1])
    assert verdict["labels"] == ["cat", "cat#1", "dog"]
    (item,) = verdict["items"].values()
    assert item["size"] == [10, 20]
    found = {(one["type"], one["label"]): one for one in item["annotations"]}
    assert len(found) == len(parts)
    assert found["bbox", "cat"]["bbox"] == [1, 2, 3.5, 4]
    assert found["polygon", "cat"]["area"] == 12.5
    assert found["ellipse", "cat"]["bbox"] == [1, 2, 4, 6]
    assert found["mask", "cat"]["area"] == 18
    assert found["bbox", "dog"]["attributes"] == {"score": 0.5}
