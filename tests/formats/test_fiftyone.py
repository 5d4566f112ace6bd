"""FiftyOne: every 2-D label, fields beside each other, masks in and out of boxes, what its database writes."""

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
from smalti.errors import DataError, EmptySourceError
from smalti.formats.fiftyone.values import array, binary, id_of, number_of, plain
from smalti.geometry import rle

GOLDEN = Path(__file__).parents[1] / "golden" / "fiftyone"
SIZE = {"_cls": "ImageMetadata", "width": 20, "height": 10}
OID = {"$oid": "6b03e706e523f7159f201b8e"}
NAN = {"$numberDouble": "NaN"}


def label(cls: str, **more: Any) -> dict[str, Any]:
    return {"_id": OID, "_cls": cls, "attributes": {}, "tags": [], "label": "cat", **more}


def detection(**more: Any) -> dict[str, Any]:
    return label("Detection", **{"bounding_box": [0.1, 0.2, 0.3, 0.4], **more})


def saved(folder: Path, head: dict[str, Any] | None = None, **fields: Any) -> Path:
    sample = {"filepath": "data/a.jpg", "tags": [], "metadata": SIZE, "_media_type": "image", **fields}
    (folder / "samples.json").write_text(json.dumps({"samples": [sample]}), "utf-8")
    (folder / "metadata.json").write_text(json.dumps(head or {}), "utf-8")
    return folder


def listed(cls: str, *items: dict[str, Any]) -> dict[str, Any]:
    return {"_cls": cls, cls.lower(): list(items)}


def row(folder: Path) -> dict[str, Any]:
    (found,) = sm.read(folder).to_arrow().to_pylist()
    return found


def objects(folder: Path, field: str = "objects") -> list[dict[str, Any]]:
    return [{key: value for key, value in item.items() if value is not None} for item in row(folder)[field]]


def pixels(mask: dict[str, Any]) -> np.ndarray:
    runs, _ = rle.decode_counts([mask["counts"]])
    return rle.decode_mask(runs, mask["height"], mask["width"])


def rewritten(folder: Path, **options: Any) -> dict[str, Any]:
    sm.read(folder).write(folder / "out", format="fiftyone", media="none", **{"on_loss": "error", **options})
    (sample,) = json.loads((folder / "out" / "samples.json").read_text())["samples"]
    return sample


def test_golden__counts_classes_and_boxes() -> None:
    dataset = sm.read(GOLDEN)
    assert dataset.report.source_format == "fiftyone"
    raw = json.loads((GOLDEN / "samples.json").read_text())["samples"]
    for sample, given in zip(dataset.to_arrow().to_pylist(), raw, strict=True):
        assert sample["image"]["path"] == given["filepath"]
        assert sample["id"] == given["filepath"].removeprefix("data/")
        boxes = given["detections"]["detections"]
        assert [o["category"] for o in sample["objects"]] == [b["label"] for b in boxes]
        assert [o["id"] for o in sample["objects"]] == [b["_id"]["$oid"] for b in boxes]
        # They were whole pixels before FiftyOne divided them.
        assert all(side == int(side) for o in sample["objects"] for side in o["bbox"].values())
    assert len(dataset.categories) == 32
    assert (dataset.categories[1].id, dataset.categories[1].supercategory) == (1, "bicycle with space")
    assert dataset.schema.columns["objects"].source == "detections"


def test_golden__fields_keep_their_names(tmp_path: Path) -> None:
    sm.read(GOLDEN).write(tmp_path / "out", format="fiftyone", media="none")
    made = json.loads((tmp_path / "out" / "samples.json").read_text())["samples"]
    raw = json.loads((GOLDEN / "samples.json").read_text())["samples"]
    for one, other in zip(made, raw, strict=True):
        assert one["_id"] == other["_id"]
        for box, given in zip(
            one["detections"]["detections"], other["detections"]["detections"], strict=True
        ):
            assert box.pop("bounding_box") == pytest.approx(given.pop("bounding_box"), rel=1e-15)
            assert {**box, "iscrowd": int(box["iscrowd"])} == given


def test_detections__members_and_attributes(tmp_path: Path) -> None:
    given = detection(confidence=0.5, index=7, occluded=True, tags=["odd"], iscrowd=1, area=4.5)
    (found,) = objects(saved(tmp_path, ground_truth=listed("Detections", given)))
    assert found["bbox"] == {"x": 2, "y": 2, "w": 6, "h": 4}
    assert (found["score"], found["track_id"], found["iscrowd"], found["area"]) == (
        0.5,
        "7",
        True,
        4.5,
    )  # ids are text
    assert (found["occluded"], json.loads(found["tags"])) == (True, ["odd"])
    (made,) = rewritten(tmp_path)["ground_truth"]["detections"]
    assert made == {**given, "iscrowd": True}


def test_detections__masks_are_those_of_their_box(tmp_path: Path) -> None:
    crop = np.array([[1, 0, 0, 0, 0, 1]] * 4, bool)
    (found,) = objects(saved(tmp_path, ground_truth=listed("Detections", detection(mask=binary(crop)))))
    expected = np.zeros((10, 20), int)
    expected[2:6, 2:8] = crop
    assert np.array_equal(pixels(found["mask"]), expected)
    made = rewritten(tmp_path)["ground_truth"]["detections"][0]
    assert np.array_equal(array(made["mask"], "mask", 200), crop)


def test_detections__masks_of_another_size_are_stretched(tmp_path: Path) -> None:
    mask = binary(np.array([[1, 0]], np.uint8) * 255)
    (found,) = objects(saved(tmp_path, ground_truth=listed("Detections", detection(mask=mask))))
    assert pixels(found["mask"]).sum() == 3 * 4
    assert pixels(found["mask"])[2:6, 2:5].all()


def test_detections__masks_in_files(tmp_path: Path) -> None:
    (tmp_path / "fields").mkdir()
    Image.fromarray(np.full((4, 6), 255, np.uint8)).save(tmp_path / "fields" / "m.png")
    there, missing = detection(mask_path="fields/m.png"), detection(mask_path="fields/none.png")
    first, second = objects(saved(tmp_path, ground_truth=listed("Detections", there, missing)))
    assert pixels(first["mask"]).sum() == 24
    assert json.loads(second["fiftyone"]) == {"mask_path": "fields/none.png"}
    assert [r.code for r in sm.read(tmp_path).report.repairs] == ["mask.missing"]


def test_detections__a_mask_that_leaves_its_box_comes_back(tmp_path: Path) -> None:
    mask = np.zeros((10, 20), np.uint8)
    mask[1:9, 5:15] = 1
    item = {"category": "cat", "bbox": [6, 2, 3, 3], "mask": mask}
    sample = {"id": "a.png", "image": {"path": "a.png", "width": 20, "height": 10}, "objects": [item]}
    dataset = sm.Dataset.from_samples([sample])
    report = dataset.write(tmp_path / "out", format="fiftyone", media="none", on_loss="ignore")
    assert [loss.code for loss in report.losses] == ["bbox.computed"]
    (found,) = objects(tmp_path / "out")
    assert found["bbox"] == {"x": 6, "y": 2, "w": 3, "h": 3}
    assert np.array_equal(pixels(found["mask"]), mask)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"closed": True, "filled": True}, {"polygons": [[2, 1, 4, 1, 4, 2], [10, 5, 12, 5, 12, 6]]}),
        ({"closed": False, "filled": False}, {"polyline": [2, 1, 4, 1, 4, 2]}),
    ],
    ids=["closed", "open"],
)
def test_polylines__come_back(tmp_path: Path, more: dict[str, Any], expected: dict[str, Any]) -> None:
    points = [[[0.1, 0.1], [0.2, 0.1], [0.2, 0.2]], [[0.5, 0.5], [0.6, 0.5], [0.6, 0.6]]]
    given = label("Polyline", points=points, **more)
    (found,) = objects(saved(tmp_path, ground_truth=listed("Polylines", given)))
    assert {key: found[key] for key in expected} == expected
    assert rewritten(tmp_path)["ground_truth"]["polylines"] == [given]


def test_keypoints__without_a_place_are_not_labelled(tmp_path: Path) -> None:
    given = label("Keypoint", points=[[0.1, 0.2], [NAN, NAN]], confidence=[0.5, NAN])
    head = {
        "skeletons": {"ground_truth": {"labels": ["nose", "tail"], "edges": [[0, 1]]}},
        "classes": {"ground_truth": ["cat"]},
    }
    saved(tmp_path, head, ground_truth=listed("Keypoints", given))
    (found,) = objects(tmp_path)
    assert found["keypoints"] == [{"x": 2, "y": 2, "visibility": None}, {"x": 0, "y": 0, "visibility": 0}]
    cat = sm.read(tmp_path).categories[0]
    assert (cat.keypoints, cat.skeleton) == (("nose", "tail"), ((0, 1),))
    (made,) = rewritten(tmp_path)["ground_truth"]["keypoints"]
    assert (made["points"], made["confidence"]) == (given["points"], given["confidence"])


def test_fields__stand_beside_each_other(tmp_path: Path) -> None:
    saved(
        tmp_path,
        ground_truth=listed("Detections", detection()),
        yolo=listed("Detections", detection(confidence=0.25)),
        one=detection(),
        nothing=listed("Detections"),
        absent=None,
    )
    found = row(tmp_path)
    assert [len(found[name]) for name in ("objects", "yolo", "one", "nothing")] == [1, 1, 1, 0]
    assert "absent" not in found
    assert objects(tmp_path, "yolo")[0]["score"] == 0.25


def test_fields__of_the_picture(tmp_path: Path) -> None:
    weather = {"_id": OID, "_cls": "Classification", "tags": [], "label": "sun", "confidence": None}
    several = listed("Classifications", weather, {**weather, "label": "wind", "confidence": 0.5})
    depth = {"_id": OID, "_cls": "Heatmap", "tags": [], "map": binary(np.eye(2)), "range": [0.0, 1.0]}
    place = {
        "_id": OID,
        "_cls": "GeoLocation",
        "tags": [],
        "point": {"type": "Point", "coordinates": [1.0, 2.0]},
    }
    price = {"_id": OID, "_cls": "Regression", "tags": [], "value": 3.5}
    day = {"$date": "2026-11-23T07:11:01.983Z"}
    saved(
        tmp_path,
        weather=weather,
        several=several,
        depth=depth,
        place=place,
        price=price,
        day=day,
        n=4,
        words=["a"],
    )
    found = row(tmp_path)
    assert found["weather"] == "sun"
    assert [(c["category"], c["score"]) for c in found["several"]] == [("sun", None), ("wind", 0.5)]
    assert (found["price"], found["n"], json.loads(found["words"])) == (3.5, 4, ["a"])
    made = rewritten(tmp_path)
    assert (made["depth"], made["place"], made["day"], made["n"], made["words"]) == (
        depth,
        place,
        day,
        4,
        ["a"],
    )
    assert {**made["weather"], "_id": OID} == weather
    assert {**made["price"], "_id": OID} == price
    assert [one["label"] for one in made["several"]["classifications"]] == ["sun", "wind"]


def test_label_images__inside_and_beside(tmp_path: Path) -> None:
    numbers = np.arange(200).reshape(10, 20).astype(np.uint8)
    inside = {"_id": OID, "_cls": "Segmentation", "tags": [], "mask": binary(numbers)}
    beside = {"_id": OID, "_cls": "Segmentation", "tags": [], "mask_path": "fields/beside/a.png"}
    head = {"mask_targets": {"inside": {"0": "sky", "7": "road"}}}
    saved(tmp_path, head, inside=inside, beside=beside)
    found = row(tmp_path)
    with Image.open(io.BytesIO(found["inside"]["bytes"])) as picture:
        assert np.array_equal(np.array(picture), numbers)
    assert found["beside"] == {"path": "fields/beside/a.png", "bytes": None}
    table = sm.read(tmp_path).schema.columns["inside"].categories
    assert [(c.id, c.name) for c in table] == [(0, "sky"), (7, "road")]
    made = rewritten(tmp_path)
    assert np.array_equal(array(made["inside"]["mask"], "mask", 200), numbers)
    assert made["beside"]["mask_path"] == "fields/beside/a.png"
    written = json.loads((tmp_path / "out" / "metadata.json").read_text())
    assert written["mask_targets"] == head["mask_targets"]


def test_label_images__beside_come_along(tmp_path: Path) -> None:
    (tmp_path / "fields").mkdir()
    (tmp_path / "data").mkdir()
    Image.new("L", (20, 10)).save(tmp_path / "fields" / "a.png")
    Image.new("RGB", (20, 10)).save(tmp_path / "data" / "a.jpg")
    beside = {"_id": OID, "_cls": "Segmentation", "tags": [], "mask_path": "fields/a.png"}
    sm.read(saved(tmp_path, seg=beside)).write(tmp_path / "out", format="fiftyone", media="copy")
    assert (tmp_path / "out" / row(tmp_path / "out")["seg"]["path"]).is_file()


def test_objects__of_several_geometries_are_linked(tmp_path: Path) -> None:
    item = {
        "category": "cat",
        "bbox": [0, 0, 8, 8],
        "polygons": [[0, 0, 8, 0, 8, 8]],
        "keypoints": [[1, 1, 2]],
    }
    oriented = {"category": "cat", "quad": [0, 0, 8, 0, 8, 8, 0, 8]}
    image = {"path": "a.png", "width": 20, "height": 10}
    dataset = sm.Dataset.from_samples([{"id": "a.png", "image": image, "objects": [oriented, item]}])
    dataset.write(tmp_path / "out", format="fiftyone", media="none", on_loss="error")
    (sample,) = json.loads((tmp_path / "out" / "samples.json").read_text())["samples"]
    parts = {name: sample[f"ground_truth{name and '_' + name}"] for name in ("", "polylines", "keypoints")}
    assert [
        len(parts[name][key]) for name, key in (("", "detections"), ("polylines",) * 2, ("keypoints",) * 2)
    ] == [1, 2, 1]
    links = {
        parts[""]["detections"][0]["instance"]["_id"]["$oid"],
        parts["keypoints"]["keypoints"][0]["instance"]["_id"]["$oid"],
    }
    assert len(links) == 1
    first, second = objects(tmp_path / "out")
    assert first["quad"] == oriented["quad"]
    assert set(second) == {"category", "bbox", "polygons", "keypoints"}


def test_links__that_are_not_ours_are_kept(tmp_path: Path) -> None:
    link = {"_cls": "Instance", "_id": OID}
    saved(tmp_path, ground_truth=listed("Detections", detection(instance=link)))
    assert json.loads(objects(tmp_path)[0]["fiftyone"]) == {"instance": link}
    assert rewritten(tmp_path)["ground_truth"]["detections"][0]["instance"] == link


def test_splits__are_tags(tmp_path: Path) -> None:
    found = row(saved(tmp_path, tags=["nice", "validation"]))
    assert (found["split"], json.loads(found["tags"])) == ("validation", ["nice"])
    assert rewritten(tmp_path)["tags"] == ["validation", "nice"]
    assert rewritten(tmp_path, overwrite=True)["filepath"] == "data/validation/a.jpg"


def test_attributes__of_old_versions(tmp_path: Path) -> None:
    old = {"colour": {"_cls": "CategoricalAttribute", "value": "red", "confidence": 0.5}}
    assert (
        objects(saved(tmp_path, ground_truth=listed("Detections", detection(attributes=old))))[0]["colour"]
        == "red"
    )


def test_samples__in_files_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    sample = {"filepath": "data/a.jpg", "metadata": SIZE, "_media_type": "image", "ground_truth": detection()}
    (tmp_path / "samples" / "000000-x.json").write_text(json.dumps(sample))
    assert len(objects(tmp_path)) == 1


def test_samples__of_absolute_paths_are_found_in_data(tmp_path: Path) -> None:
    assert row(saved(tmp_path, filepath="/home/me/pictures/b.jpg"))["image"]["path"] == "data/b.jpg"


def test_samples__of_videos_are_refused(tmp_path: Path) -> None:
    saved(tmp_path, _media_type="video")
    with pytest.raises(DataError, match=r"samples\[0\].*media type 'video', expected an image"):
        sm.read(tmp_path)


def test_source__without_samples_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "metadata.json").write_text("{}")
    with pytest.raises(EmptySourceError, match=r"looked for samples\.json"):
        sm.read(tmp_path, "fiftyone")


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        (detection(bounding_box=[0, 0, 1]), "bounding_box: found 3 numbers"),
        (detection(bounding_box=[0, 0, 1, NAN]), "bounding_box: found None"),
        (detection(mask="x"), "mask: found x, expected an array"),
        (detection(mask=binary(np.ones(4))), "mask: found an array of"),
        (detection(label=5), "label: found 5, expected text"),
        (5, "the label: found 5"),
    ],
    ids=lambda value: value[:16] if isinstance(value, str) else "",
)
def test_faults__are_named_or_skipped(tmp_path: Path, faulty: Any, message: str) -> None:
    saved(tmp_path, ground_truth=listed("Detections", detection(), faulty))
    with pytest.raises(DataError, match=rf"samples.json.*ground_truth.detections\[1\].*{message}"):
        sm.read(tmp_path)
    report = sm.read(tmp_path, on_error="skip").report
    assert (report.objects_read, report.objects_skipped) == (1, 1)


def test_metadata__declares_what_samples_have(tmp_path: Path) -> None:
    rewritten(saved(tmp_path, ground_truth=listed("Detections", detection()), n=4, f=0.5, w="x", b=True))
    written = json.loads((tmp_path / "out" / "metadata.json").read_text())
    kinds = {one["name"]: one["ftype"].rpartition(".")[2] for one in written["sample_fields"]}
    assert kinds["ground_truth"] == "EmbeddedDocumentField"
    assert [kinds[name] for name in "nfwb"] == ["IntField", "FloatField", "StringField", "BooleanField"]
    assert written["classes"] == {"ground_truth": ["cat"]}


def bomb(shape: tuple[int, ...]) -> dict[str, Any]:
    sink = io.BytesIO()
    np.lib.format.write_array_header_1_0(sink, {"descr": "|u1", "fortran_order": False, "shape": shape})
    body = zlib.compress(sink.getvalue() + b"\0" * 10_000_000)
    return {"$binary": {"base64": base64.b64encode(body).decode(), "subType": "00"}}


@pytest.mark.parametrize(
    "value", [bomb((10_000_000,)), bomb((2**40,)), binary(np.array(["a"])), {"$binary": "%"}]
)
def test_arrays__hostile_ones_are_refused(value: Any) -> None:
    with pytest.raises(DataError, match="mask: "):
        array(value, "mask", 1000)


@pytest.mark.parametrize("number", [1, 2**53, 2**63 - 1, -1, "6b03e706e523f7159f201b8e"])
def test_ids__come_back(number: int | str) -> None:
    assert number_of(id_of(number, 1)["$oid"]) == number


def test_ids__that_stand_for_none() -> None:
    assert number_of(id_of(None, 5)["$oid"]) is None
    assert id_of(None, 5) != id_of(None, 6)


def test_numbers__of_extended_json() -> None:
    given = {"a": {"$numberLong": "5"}, "b": [{"$numberDouble": "0.5"}, NAN], "c": {"$date": "x"}}
    assert plain(given) == {"a": 5, "b": [0.5, None], "c": {"$date": "x"}}
