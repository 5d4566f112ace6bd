from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import smalti as sm
from smalti.schema import features
from smalti.schema.categories import Categories, Category

GOLDEN = Path(__file__).parents[1] / "golden" / "sagemaker"
S3 = "s3://bucket/data/"
SIZE = {"width": 40, "height": 30, "depth": 3}
JOB = {"human-annotated": "yes", "job-name": "labeling-job/x", "creation-date": "2024-01-01T00:00:00"}


def box(class_id: Any = 0, left: Any = 1, top: Any = 2, width: Any = 3, height: Any = 4, **more: Any) -> Any:
    return {"class_id": class_id, "left": left, "top": top, "width": width, "height": height, **more}


def boxes(ref: str, *items: Any, names: Any = None, scores: Any = None, **more: Any) -> dict[str, Any]:
    metadata = {
        "class-map": {"0": "cat"} if names is None else names,
        "objects": [{"confidence": score} for score in scores or [0.5] * len(items)],
        "type": "groundtruth/object-detection",
        **JOB,
    }
    label = {"image_size": [SIZE], "annotations": list(items)}
    return {"source-ref": ref, "animals": label, "animals-metadata": metadata, **more}


def put(folder: Path, *lines: Any, name: str = "output.manifest") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    return folder


def lines_of(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def test_golden__boxes_with_confidences() -> None:
    ds = sm.read(GOLDEN)
    assert ds.report.source_format == "sagemaker"
    assert len(ds) == 12
    assert ds.report.objects_read == 18
    assert [(c.id, c.name) for c in ds.categories] == [(0, "Bird")]
    assert ds[0].id == "000062a39995e348.jpg"
    assert (ds[0].image.width, ds[0].image.height) == (680, 1024)
    assert ds[0].objects.bbox.tolist() == [[138.8, 164.60000000000002, 443.8, 859]]
    assert ds[0].objects[0]["score"] == 0.93
    assert (
        json.loads(ds[0].columns["objects-metadata"])["job-name"]
        == "labeling-job/ground-truth-od-demo-1662974840"
    )
    assert ds.schema.extra["sagemaker"]["prefix"].startswith("s3://rns-groundtruth-bucket/")


def test_golden__lines_come_back_as_they_were(tmp_path: Path) -> None:
    assert sm.read(GOLDEN).write(tmp_path / "out", format="sagemaker").lossless
    assert lines_of(tmp_path / "out" / "output.manifest") == lines_of(GOLDEN / "output.manifest")


def test_classes__are_united_over_lines(tmp_path: Path) -> None:
    put(tmp_path, boxes(f"{S3}a.jpg", box(0)), boxes(f"{S3}b.jpg", box(5), names={"5": "dog"}),
        boxes(f"{S3}c.jpg", names={}))  # fmt: skip
    ds = sm.read(tmp_path)
    assert [(c.id, c.name) for c in ds.categories] == [(0, "cat"), (5, "dog")]
    assert [s.objects.names for s in ds] == [["cat"], ["dog"], []]
    ds.write(tmp_path / "out", format="sagemaker")
    found = lines_of(tmp_path / "out" / "output.manifest")
    assert [line["animals-metadata"]["class-map"] for line in found] == [
        {"0": "cat", "5": "dog"},
        {"5": "dog"},
        {},
    ]


def test_classes__that_lines_contradict_are_an_error(tmp_path: Path) -> None:
    put(tmp_path, boxes(f"{S3}a.jpg", box(0)), boxes(f"{S3}b.jpg", box(0), names={"0": "dog"}))
    with pytest.raises(sm.errors.DataError, match=r"line 2: the class 0 is 'dog' here and 'cat' in .*line 1"):
        sm.read(tmp_path)
    assert [s.id for s in sm.read(tmp_path, on_error="skip")] == ["a.jpg"]


def test_label__single_and_multiple_classes(tmp_path: Path) -> None:
    single = {"class-name": "rain", "confidence": 0.75, "type": "groundtruth/image-classification", **JOB}
    several = {
        "class-map": {"1": "day", "3": "wet"},
        "confidence-map": {"1": 0.5},
        "type": "groundtruth/image-classification-multilabel",
        **JOB,
    }
    put(tmp_path, {"source-ref": f"{S3}a.jpg", "sky": "4", "sky-metadata": single, "tags": [3, 1],
                   "tags-metadata": several},
        {"source-ref": f"{S3}b.jpg", "sky-metadata": {"failure-reason": "no workers"}, "weight": 1.5})  # fmt: skip
    ds = sm.read(tmp_path)
    assert [(c.id, c.name) for c in ds.schema.columns["sky"].categories] == [(4, "rain")]
    rows = ds.to_arrow().to_pylist()
    assert (rows[0]["sky"], rows[0]["sky-confidence"], rows[1]["sky"]) == ("rain", 0.75, None)
    assert rows[0]["tags"] == [{"category": "wet", "score": None}, {"category": "day", "score": 0.5}]
    assert rows[1]["weight"] == 1.5
    assert json.loads(rows[0]["sky-metadata"]) == JOB
    assert ds.write(tmp_path / "out", format="sagemaker").lossless
    again = sm.read(tmp_path / "out")
    assert again.digest() == ds.digest()


def test_label__semantic_masks(tmp_path: Path) -> None:
    colors = {
        "0": {"class-name": "BACKGROUND", "hex-color": "#ffffff", "confidence": 0.5},
        "1": {"class-name": "bird", "hex-color": "#2ca02c", "confidence": 0.25},
    }
    metadata = {"internal-color-map": colors, "type": "groundtruth/semantic-segmentation", **JOB}
    line = {"source-ref": f"{S3}in/a.jpg", "seg-ref": "s3://bucket/out/0_x.png", "seg-ref-metadata": metadata}
    put(tmp_path, line)
    ds = sm.read(tmp_path)
    assert [(c.id, c.name, c.color) for c in ds.schema.columns["seg"].categories] == [
        (0, "BACKGROUND", "#ffffff"),
        (1, "bird", "#2ca02c"),
    ]
    assert ds.to_arrow()["seg"].to_pylist() == [{"path": "0_x.png", "bytes": None}]
    assert ds.write(tmp_path / "out", format="sagemaker").lossless
    assert lines_of(tmp_path / "out" / "output.manifest") == [line]
    report = ds.write(tmp_path / "moved", format="sagemaker", prefix="s3://new/", mask_prefix="s3://masks/")
    assert report.lossless
    (moved,) = lines_of(tmp_path / "moved" / "output.manifest")
    assert (moved["source-ref"], moved["seg-ref"]) == ("s3://new/a.jpg", "s3://masks/0_x.png")


def test_labels__several_of_boxes_stand_side_by_side(tmp_path: Path) -> None:
    line = boxes(f"{S3}a.jpg", box(0))
    more = {"adjusted": line["animals"], "adjusted-metadata": line["animals-metadata"]}
    put(tmp_path, {**line, **more})
    ds = sm.read(tmp_path)
    assert ds.schema.columns["objects"].source == "animals"
    assert ds.report.objects_read == 2
    ds.write(tmp_path / "out", format="sagemaker")
    assert lines_of(tmp_path / "out" / "output.manifest") == [{**line, **more}]


def test_keys__of_the_user_are_kept(tmp_path: Path) -> None:
    line = boxes(f"{S3}a.jpg", box(0, angle=5, note="x"), id=7, site="north", deep={"k": [1]}, image="i")
    line["animals-metadata"]["objects"][0]["votes"] = 3
    verified = {"type": "groundtruth/label-verification", "class-name": "good"}
    line |= {"verify": "1", "verify-metadata": verified}
    put(tmp_path, line, boxes(f"{S3}b.jpg"))
    ds = sm.read(tmp_path)
    row = ds.to_arrow().to_pylist()[0]
    assert (row["id"], row["id_"], row["site"], row["image_"]) == ("a.jpg", 7, "north", "i")
    assert (row["objects"][0]["annotation.angle"], row["objects"][0]["note"]) == (5, "x")
    assert json.loads(row["verify-metadata"]) == verified
    assert ds.write(tmp_path / "out", format="sagemaker").lossless
    assert lines_of(tmp_path / "out" / "output.manifest")[0] == line


def test_prefix__is_found_from_images_that_are_there(tmp_path: Path) -> None:
    put(tmp_path, boxes("s3://bucket/x/images/train/a.jpg", box()))
    assert sm.read(tmp_path)[0].image.path == "a.jpg"
    (tmp_path / "images" / "train").mkdir(parents=True)
    Image.new("RGB", (40, 30)).save(tmp_path / "images" / "train" / "a.jpg")
    assert sm.read(tmp_path)[0].image.path == "images/train/a.jpg"
    assert sm.read(tmp_path, media=tmp_path / "images")[0].id == "train/a.jpg"


def test_prefix__is_what_the_user_says(tmp_path: Path) -> None:
    source = put(tmp_path / "in", boxes(f"{S3}images/a.jpg", box()))
    ds = sm.read(source, prefix=S3)
    assert ds[0].id == "images/a.jpg"
    ds.write(tmp_path / "out", format="sagemaker", prefix="s3://other/")
    assert lines_of(tmp_path / "out" / "output.manifest")[0]["source-ref"] == "s3://other/images/a.jpg"
    with pytest.raises(sm.errors.UnsafePathError, match=r"line 1: found 's3://bucket.*pass the prefix"):
        sm.read(source, prefix="s3://elsewhere/")


def test_splits__are_manifests(tmp_path: Path) -> None:
    put(tmp_path, boxes(f"{S3}a.jpg", box()), name="train.manifest")
    put(tmp_path, boxes(f"{S3}a.jpg"), boxes(f"{S3}b.jpg"), name="validation.manifest")
    ds = sm.read(tmp_path)
    assert [(s.id, s.split) for s in ds] == [
        ("train/a.jpg", "train"),
        ("val/a.jpg", "val"),
        ("val/b.jpg", "val"),
    ]
    assert ds.write(tmp_path / "out", format="sagemaker").lossless
    assert [line["source-ref"] for line in lines_of(tmp_path / "out" / "val.manifest")] == [
        f"{S3}a.jpg",
        f"{S3}b.jpg",
    ]
    assert sm.read(tmp_path / "out").digest() == ds.digest()
    report = ds.write(tmp_path / "one.manifest", on_loss="ignore")
    assert [loss.code for loss in report.losses] == ["split.dropped"]
    assert [s.split for s in sm.read(tmp_path / "out" / "train.manifest")] == ["train"]


def test_write__what_services_ask_for(tmp_path: Path) -> None:
    ds = sm.Dataset.from_samples(
        [{"id": "a.png", "image": {"path": "a.png", "width": 40, "height": 30},
          "objects": [{"category": "cat", "bbox": [1, 2, 3, 4]}, {"category": None, "bbox": [1, 2, 3, 4]}]}]
    )  # fmt: skip
    report = ds.write(tmp_path / "out", format="sagemaker", prefix=S3, confidence=0, on_loss="ignore")
    assert [(loss.code, loss.count) for loss in report.losses] == [("category.missing", 1)]
    assert report.details["class_map"] == {"objects": {"0": "cat"}}
    (line,) = lines_of(tmp_path / "out" / "output.manifest")
    assert line["source-ref"] == f"{S3}a.png"
    assert line["objects"] == {"image_size": [SIZE], "annotations": [box(0, 1.0, 2.0, 3.0, 4.0)]}
    assert line["objects-metadata"]["objects"] == [{"confidence": 0.0}]
    assert {"type", "class-map", "human-annotated", "creation-date", "job-name"} < line[
        "objects-metadata"
    ].keys()


def test_write__losses_are_named(tmp_path: Path) -> None:
    categories = Categories((Category(name="cat", id="c1"), Category(name="dog", id=4)))
    samples = [{"id": n, "image": {"path": n, "width": 4, "height": 3}, "more": more, "objects": []}
               for n, more in (("a.png", "1"), ("A.png", '{"k":1}'))]  # fmt: skip
    ds = sm.Dataset.from_samples(samples)
    labels = features.Objects(categories=categories)
    schema = ds.schema.with_columns({**ds.schema.columns, "more": features.Json(), "objects": labels})
    ds = sm.Dataset.from_arrow(ds.to_arrow().replace_schema_metadata(None), schema=schema)
    report = ds.write(tmp_path / "out", format="sagemaker", on_loss="ignore")
    assert {loss.code: loss.example for loss in report.losses} == {
        "category.id": "cat: c1",
        "json.plain": "a.png",
        "image.renamed": "A.png -> A_2.png",
    }
    with pytest.raises(sm.errors.OptionError, match="rename it first"):
        sm.Dataset.from_samples([{**samples[0], "split": "output"}]).write(
            tmp_path / "no", format="sagemaker"
        )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"animals": 1}, r"output\.manifest, line 1: source-ref: found None, expected text"),
        ([1], "line 1: the document: found .* expected an object"),
        (boxes(f"{S3}../a.jpg", box()), "line 1: the path '../a.jpg' leaves its root"),
        (
            boxes(f"{S3}a.jpg", box(3)),
            r"line 1: animals.annotations\[0\]: found the class 3, which the line's class-map does not name",
        ),
        (boxes(f"{S3}a.jpg", box("x")), r"found the class 'x', expected a number"),
        (boxes(f"{S3}a.jpg", box(left="1")), r"left: found '1', expected a number"),
        (boxes(f"{S3}a.jpg", box(), scores=[1, 2]), "1 annotations and metadata of 2 objects"),
        (boxes(f"{S3}b.jpg"), "line 2: .*is the image of line 1, too"),
    ],
)
def test_faults__name_the_line(tmp_path: Path, line: Any, message: str) -> None:
    put(tmp_path, line, boxes(f"{S3}b.jpg", box()))
    with pytest.raises(sm.errors.DataError, match=message):
        sm.read(tmp_path, format="sagemaker", prefix=S3)
    ds = sm.read(tmp_path, format="sagemaker", prefix=S3, on_error="skip")
    assert ds[-1].id == "b.jpg"
    assert ds.report.error_count == 1


def test_faults__an_object_alone_is_left_out(tmp_path: Path) -> None:
    put(tmp_path, boxes(f"{S3}a.jpg", box(), box(9)))
    ds = sm.read(tmp_path, on_error="skip")
    assert ds[0].objects.names == ["cat"]
    assert (ds.report.objects_skipped, ds.report.samples_skipped) == (1, 0)
    assert "line 1, annotations[1]" in ds.report.errors[0]
