from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from smalti.errors import DataError, EmptySourceError
from smalti.formats.coco import FORMAT
from smalti.formats.probe import Probe
from smalti.formats.protocol import Grade
from smalti.storage.location import Location

if TYPE_CHECKING:
    from pathlib import Path


def put(path: Path, body: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body), "utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "samples", "field", "objects", "splits"),
    [
        ("dm_instances", 2, "objects", 3, ("train", "val")),
        ("dm_keypoints", 2, "objects", 3, ("train", "val")),
        ("dm_captions", 2, "captions", 3, ("train", "val")),
        ("dm_stuff", 2, "stuff", 2, ("train", "val")),
        ("dm_roboflow_export", 3, "objects", 4, ("train", "val")),
        ("lf_detection", 2, "objects", 16, ("train",)),
        ("lf_instances/instances.json", 2, "objects", 3, ()),
        ("lf_instances/instances_with_binary_mask.json", 3, "objects", 4, ("with_binary_mask",)),
        ("lf_instances", 5, "objects", 7, ("with_binary_mask",)),
        ("kili", 3, "objects", 21, ("val",)),
        ("kili", 3, "captions", 15, ("val",)),
        ("kili/person_keypoints_val2017.json", 3, "objects", 11, ("val",)),
        ("panopticapi_sample/panoptic_coco_detection_format.json", 2, "objects", 50, ()),
        ("panopticapi_sample/images_info_examples.json", 2, "objects", 0, ("examples",)),
    ],
)
def test_golden__counts(
    coco: Any, name: str, samples: int, field: str, objects: int, splits: tuple[str, ...]
) -> None:
    place = coco.golden / name
    match = FORMAT.sniff(Probe(Location.parse(place)))
    assert match is not None
    assert match.grade is Grade.LIKELY
    source = coco.read(place)
    assert source.table.num_rows == samples
    assert len(source.objects(field)) == objects
    assert source.plan.schema.splits == splits


def test_golden__images_are_found(coco: Any) -> None:
    for name in ("dm_instances", "dm_captions", "dm_roboflow_export"):
        source = coco.read(coco.golden / name)
        assert source.plan.schema.media_root == str(coco.golden / name)
        for row in source.rows:
            assert (coco.golden / name / row["image"]["path"]).is_file()
            assert "/" not in row["id"]


def test_merge__keypoints_join_instances(coco: Any) -> None:
    source = coco.read(coco.golden / "kili")
    body = coco.load(coco.golden / "kili/person_keypoints_val2017.json")
    points = {item["id"]: item["keypoints"] for item in body["annotations"]}
    found = {item["id"]: item for item in source.objects()}
    for number, item in found.items():
        flat = [v for p in item["keypoints"] or () for v in (p["x"], p["y"], p["visibility"])]
        assert flat == points.get(number, [])
        assert (item["keypoints"] is None) == (number not in points)
    person = source.plan.schema.objects().categories[0]
    assert person.keypoints == tuple(body["categories"][0]["keypoints"])
    assert person.skeleton is not None
    assert person.skeleton[0] == tuple(end - 1 for end in body["categories"][0]["skeleton"][0])


def test_merge__written_and_read_again(coco: Any, tmp_path: Path) -> None:
    first = coco.read(coco.golden / "kili")
    coco.write(first, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out/annotations").iterdir()) == [
        "captions_val.json",
        "instances_val.json",
    ]
    again = coco.read(tmp_path / "out")
    assert again.table.drop(["image"]).equals(first.table.drop(["image"]))


def test_merge__objects_that_disagree_are_a_field_of_their_own(coco: Any, tmp_path: Path) -> None:
    put(tmp_path / "annotations/instances_val.json", coco.minimal())
    other = coco.minimal()
    other["annotations"][0]["image_id"] = 2
    put(tmp_path / "annotations/person_keypoints_val.json", other)
    source = coco.read(tmp_path)
    assert [len(row["objects"]) for row in source.rows] == [1, 1]
    assert [len(row["person_keypoints"]) for row in source.rows] == [0, 2]


def test_merge__images_that_differ_are_reported(coco: Any, tmp_path: Path) -> None:
    put(tmp_path / "annotations/instances_val.json", coco.minimal())
    images = [{**image, "id": image["id"] + 10} for image in coco.minimal()["images"]]
    captions = [{"id": 1, "image_id": 12, "caption": "a dog"}]
    put(tmp_path / "annotations/captions_val.json", {"images": images, "annotations": captions})
    source = coco.read(tmp_path)
    assert source.repairs == {"image.differs": 2}
    assert [row["captions"] for row in source.rows] == [[], [{"id": 1, "caption": "a dog"}]]


def test_splits__shared_paths_put_the_split_in_front(coco: Any, tmp_path: Path) -> None:
    for split in ("train", "val"):
        put(tmp_path / f"annotations/instances_{split}2017.json", coco.minimal())
        coco.picture(tmp_path / f"{split}2017/a.jpg")
    source = coco.read(tmp_path)
    assert source.plan.schema.id_has_split
    assert source.table.column("id").to_pylist() == ["train/a.jpg", "train/b.jpg", "val/a.jpg", "val/b.jpg"]
    assert [row["image"]["path"] for row in source.rows][::2] == ["train2017/a.jpg", "val2017/a.jpg"]
    coco.write(source, tmp_path / "out", media="copy")
    assert (tmp_path / "out/images/val/a.jpg").is_file()
    assert coco.read(tmp_path / "out").table.column("id").equals(source.table.column("id"))


def test_splits__years_tell_apart_where_needed(coco: Any, tmp_path: Path) -> None:
    for name in ("val2014", "val2017", "train2017"):
        body = coco.minimal()
        for image in body["images"]:
            image["file_name"] = f"{name}_{image['file_name']}"
        put(tmp_path / f"annotations/instances_{name}.json", body)
    assert coco.read(tmp_path).plan.schema.splits == ("train", "val2014", "val2017")


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("annotations/instances_val2017.json", "val2017"),
        ("annotations/instances_val2017.json", "images/val2017"),
        ("annotations/instances_val2017.json", "images/val"),
        ("annotations/instances_val.json", "val"),
        ("annotations/instances_default.json", "images/default"),
        ("annotations/instances_default.json", "images"),
        ("val/_annotations.coco.json", "val"),
        ("labels.json", "data"),
        ("val/labels.json", "val/data"),
        ("instances.json", "."),
        ("instances.json", "images"),
    ],
)
def test_media__folders_are_found(coco: Any, tmp_path: Path, file: str, folder: str) -> None:
    path = put(tmp_path / "set" / file, coco.minimal())
    coco.picture(tmp_path / "set" / folder / "b.jpg")
    for place in (path, tmp_path / "set"):
        source = coco.read(place)
        root, row = source.plan.schema.media_root, source.rows[1]
        assert (tmp_path / "x" / root / row["image"]["path"]).is_file()
        assert row["id"] == "b.jpg"


def test_media__folder_that_is_named(coco: Any, tmp_path: Path) -> None:
    path = put(tmp_path / "somewhere/labels_final.json", coco.minimal())
    coco.picture(tmp_path / "elsewhere/a.jpg")
    source = coco.read(path, tmp_path / "elsewhere")
    assert source.plan.schema.media_root == str(tmp_path / "elsewhere")
    assert source.rows[0]["image"]["path"] == "a.jpg"
    assert source.rows[0]["split"] is None


def test_image_info__nobody_has_annotated(coco: Any, tmp_path: Path) -> None:
    body = coco.minimal()
    put(tmp_path / "annotations/instances_val.json", body)
    for image in body["images"]:
        image["file_name"] = f"test_{image['file_name']}"
    del body["annotations"]
    put(tmp_path / "annotations/image_info_test.json", body)
    source = coco.read(tmp_path)
    states = {row["id"]: row["objects"] is None for row in source.rows}
    assert states == {"a.jpg": False, "b.jpg": False, "test_a.jpg": True, "test_b.jpg": True}
    report = coco.write(source, tmp_path / "out")
    assert report.lossless
    assert coco.read(tmp_path / "out").table.drop(["image"]).equals(source.table.drop(["image"]))


def test_unannotated__beside_empty_in_one_split(coco: Any, tmp_path: Path) -> None:
    body = coco.minimal(annotations=[])
    put(tmp_path / "annotations/instances_val.json", body)
    more = [{"id": 9, "file_name": "z.jpg", "width": 5, "height": 5}]
    put(tmp_path / "annotations/image_info_val.json", {"images": more})
    source = coco.read(tmp_path)
    assert [row["objects"] for row in source.rows] == [[], [], None]
    coco.write(source, tmp_path / "out")
    assert [row["objects"] for row in coco.read(tmp_path / "out").rows] == [[], [], None]
    report = coco.write(source, tmp_path / "out.json")
    assert [(loss.code, loss.count) for loss in report.losses] == [("unannotated.merged", 1)]


def test_results__are_a_field_beside_the_truth(coco: Any, tmp_path: Path) -> None:
    truth = put(tmp_path / "instances_val.json", coco.minimal())
    found = [
        {"image_id": 2, "category_id": 1, "bbox": [1, 2, 3.25, 4], "score": 0.236},
        {"image_id": 2, "category_id": 2, "bbox": [0, 0, 1, 1], "score": 1.0},
    ]
    put(tmp_path / "mine.json", found)
    source = coco.read(truth, results="mine.json")
    assert [len(row["predictions"]) for row in source.rows] == [0, 2]
    assert source.objects("predictions")[0] == {
        "category": "cat",
        "bbox": {"x": 1, "y": 2, "w": 3.25, "h": 4},
        "score": 0.236,
    }
    coco.write(source, tmp_path / "out")
    assert coco.load(tmp_path / "out/annotations/predictions_val.json") == found
    again = coco.read(tmp_path / "out")
    assert again.table.column("predictions").equals(source.table.column("predictions"))


def test_results__several_and_named(coco: Any, tmp_path: Path) -> None:
    truth = put(tmp_path / "instances_val.json", coco.minimal())
    put(tmp_path / "a.json", [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}])
    put(tmp_path / "b.json", [])
    source = coco.read(truth, results={"yolo": str(tmp_path / "a.json"), "detr": str(tmp_path / "b.json")})
    assert len(source.objects("yolo")) == 1
    assert source.objects("detr") == []


def test_results__alone_say_how_to_read_them(coco: Any) -> None:
    place = coco.golden / "results/instances_val2014_fakebbox100_results.json"
    match = FORMAT.sniff(Probe(Location.parse(place)))
    assert match is not None
    assert match.grade is Grade.POSSIBLE
    with pytest.raises(DataError, match="pass this file as results="):
        coco.read(place)
    with pytest.raises(EmptySourceError, match="pass them as results="):
        coco.read(place.parent)


def test_results__official_file(coco: Any, tmp_path: Path) -> None:
    place = coco.golden / "results/instances_val2014_fakebbox100_results.json"
    rows = coco.load(place)
    images = [{"id": n, "file_name": f"{n}.jpg"} for n in dict.fromkeys(row["image_id"] for row in rows)]
    classes = [{"id": n, "name": str(n)} for n in sorted({row["category_id"] for row in rows})]
    truth = put(tmp_path / "t.json", {"images": images, "annotations": [], "categories": classes})
    source = coco.read(truth, results=str(place))
    assert [item["score"] for item in source.objects("predictions")] == [row["score"] for row in rows]


def test_sniff__what_is_not_ours(coco: Any, tmp_path: Path) -> None:
    assert (
        FORMAT.sniff(Probe(Location.parse(coco.golden / "panopticapi_sample/panoptic_examples.json"))) is None
    )
    for name, text in [
        ("a.json", "{}"),
        ("b.json", '{"shapes": [], "imagePath": "x.jpg"}'),
        ("c.json", ""),
        ("d.txt", '{"images": [], "annotations": [], "categories": []}'),
        ("e.json", '[{"image": "x.jpg", "annotations": []}]'),
    ]:
        (tmp_path / name).write_text(text)
        assert FORMAT.sniff(Probe(Location.parse(tmp_path / name))) is None


def test_sniff__annotations_first_and_huge(coco: Any, tmp_path: Path) -> None:
    body = coco.minimal()
    body["annotations"] = body["annotations"] * 2000
    body = {"annotations": body["annotations"], "categories": body["categories"], "images": body["images"]}
    assert FORMAT.sniff(Probe(Location.parse(put(tmp_path / "x.json", body)))) is not None


def test_sniff__lvis_is_possible(coco: Any, tmp_path: Path) -> None:
    body = coco.minimal()
    body["images"][0]["neg_category_ids"] = [1]
    match = FORMAT.sniff(Probe(Location.parse(put(tmp_path / "x.json", body))))
    assert match is not None
    assert match.grade is Grade.POSSIBLE


def test_source__nothing_says_what_was_looked_for(coco: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text("{}")
    with pytest.raises(EmptySourceError, match=r"looked for .*_annotations\.coco\.json"):
        coco.read(tmp_path)


def test_source__from_an_archive(coco: Any, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "set"), "zip", coco.golden / "dm_instances")
    source = coco.read(Location.parse(f"zip://::{tmp_path}/set.zip"))
    assert len(source.objects()) == 3
    assert source.plan.schema.splits == ("train", "val")
