from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pycocotools import mask as official

import smalti as sm
from smalti.errors import AmbiguousFormatError, DataError, OptionError, UnsafePathError

GOLDEN = Path(__file__).parents[1] / "golden" / "lvis"
JUDGE = Path(__file__).parents[1] / "judges" / "lvis_judge.py"
TRAIN = GOLDEN / "v1" / "annotations" / "lvis_v1_train.json"
HOST = "http://images.cocodataset.org/"


def load(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def put(path: Path, document: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), "utf-8")
    return path


def changed(folder: Path, name: str = "lvis_v1_val.json", **images: Any) -> Path:
    """LVIS' training file with other keys in its first image; null takes one away."""
    document = load(TRAIN)
    first = document["images"][0] | images
    document["images"][0] = {key: value for key, value in first.items() if value is not None}
    return put(folder / name, document)


def judged(*arguments: Path) -> Any:
    command = [os.environ["SMALTI_JUDGE_PYTHON"], "-W", "ignore", JUDGE, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def test_read__paths_are_those_of_the_urls() -> None:
    ds = sm.read(GOLDEN / "v1")
    assert ds.report.source_format == "lvis"
    assert ds.splits == {"train": 2, "val": 2}
    assert [(sample.id, sample.split) for sample in ds] == [
        ("train2017/000000030504.jpg", "train"),
        ("train2017/000000000052.jpg", "train"),
        ("val2017/000000000139.jpg", "val"),
        ("train2017/000000391895.jpg", "val"),
    ]
    assert all((GOLDEN / "v1" / sample.image.path).is_file() for sample in ds)


def test_read__what_was_looked_for_and_classes() -> None:
    ds = sm.read(TRAIN)
    assert ds.to_arrow()["neg_category_ids"].to_pylist() == [[764, 1203], [1]]
    assert ds.to_arrow()["not_exhaustive_category_ids"].to_pylist() == [[793], []]
    rare = ds.categories[2]
    assert (rare.name, rare.id) == ("parachute", 764)
    assert rare.attributes == {
        "instance_count": 9,
        "def": "rescue equipment that fills with air",
        "synonyms": ["parachute", "chute"],
        "image_count": 7,
        "frequency": "r",
        "synset": "parachute.n.01",
    }
    assert "iscrowd" not in ds.schema.objects().members


def test_read__v05_names_pictures_as_2014_did(tmp_path: Path) -> None:
    ds = sm.read(GOLDEN / "v05")
    assert [sample.id for sample in ds] == ["val2017/000000001268.jpg", "val2017/000000001296.jpg"]
    assert ds.to_arrow()["file_name"].to_pylist() == ["COCO_val2014_000000001268.jpg", "000000001296.jpg"]
    ds.write(tmp_path / "out", format="lvis", version="v0.5")
    back = load(tmp_path / "out" / "annotations" / "lvis_v0.5_val.json")
    assert back["images"] == load(GOLDEN / "v05" / "annotations" / "lvis_v0.5_val.json")["images"]


def test_read__pictures_without_the_folders_of_their_urls(tmp_path: Path) -> None:
    Image.new("RGB", (16, 12)).save(tmp_path / "000000030504.jpg")
    ds = sm.read(TRAIN, media=str(tmp_path))
    assert ds[0].id == "train2017/000000030504.jpg"
    assert ds[0].image.path == "000000030504.jpg"


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({"coco_url": None, "file_name": "a/b.jpg"}, "a/b.jpg"),
        ({"coco_url": f"{HOST}val/a.jpg", "file_name": "a.jpg"}, "a.jpg"),
        ({"coco_url": "https://host.test/x/y.jpg?size=1"}, "x/y.jpg"),
        ({"coco_url": "no url", "file_name": "b.jpg"}, "b.jpg"),
    ],
)
def test_read__where_a_path_stands(tmp_path: Path, keys: Any, name: str) -> None:
    assert sm.read(changed(tmp_path, **keys), format="lvis")[0].id == name


@pytest.mark.parametrize(
    ("keys", "match"),
    [
        ({"coco_url": None}, r"\$\.images\[0\]\.file_name: there is none"),
        ({"coco_url": "http://host.test/"}, "there is none"),
        ({"neg_category_ids": [1, "x", 2.5]}, r"\$\.images\[0\]\.neg_category_ids: this is no list"),
        ({"not_exhaustive_category_ids": 7}, "not_exhaustive_category_ids: this is no list"),
    ],
)
def test_faults__of_images(tmp_path: Path, keys: Any, match: str) -> None:
    path = changed(tmp_path, **keys)
    with pytest.raises(DataError, match=match):
        sm.read(path)
    ds = sm.read(path, on_error="skip")
    assert len(ds) == 1
    assert ds.report.samples_skipped == 1


def test_faults__url_that_leaves_the_root(tmp_path: Path) -> None:
    with pytest.raises(UnsafePathError, match="leaves its root"):
        sm.read(changed(tmp_path, coco_url=f"{HOST}../../secret.jpg"))


def test_faults__tao_lacks_a_class() -> None:
    with pytest.raises(DataError, match=r"annotations\[1\]\.category_id: found 95"):
        sm.read(GOLDEN / "tao_demo")
    ds = sm.read(GOLDEN / "tao_demo", on_error="skip")
    assert ds.report.source_format == "lvis"
    assert (len(ds), ds.report.objects_read, ds.report.objects_skipped) == (2, 2, 2)
    assert ds[0].objects["track_id"].tolist() == [1]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("lvis_v1_val.json", "val"),
        ("lvis_v0.5_train.json", "train"),
        ("lvis_v1_image_info_test_dev.json", "test_dev"),
        ("lvis_v1_train_norare.json", "train_norare"),
        ("mine.json", None),
    ],
)
def test_names__tell_the_split(tmp_path: Path, name: str, split: str | None) -> None:
    assert sm.read(changed(tmp_path, name))[0].split == split


def test_names__of_images_alone(tmp_path: Path) -> None:
    document = load(TRAIN)
    del document["annotations"]
    ds = sm.read(put(tmp_path / "lvis_v1_image_info_test_dev.json", document).parent)
    assert ds.report.source_format == "lvis"
    assert ds.splits == {"test_dev": 2}
    assert all(sample.objects is None for sample in ds)


def test_recognition__beside_coco_asks_which(tmp_path: Path) -> None:
    changed(tmp_path / "annotations")
    images = [{"id": 1, "file_name": "x.jpg", "width": 4, "height": 4}]
    put(
        tmp_path / "annotations" / "instances_val.json",
        {"images": images, "annotations": [], "categories": [{"id": 1, "name": "a"}]},
    )
    with pytest.raises(AmbiguousFormatError, match=r"coco .*lvis"):
        sm.read(tmp_path)
    assert [sample.id for sample in sm.read(tmp_path, format="coco")] == ["x.jpg"]
    assert len(sm.read(tmp_path, format="lvis")) == 2


def test_recognition__classes_of_other_sets_have_synsets(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "x.jpg", "width": 4, "height": 4}]
    classes = [{"id": 1, "name": "a", "synset": "a.n.01"}]
    path = put(tmp_path / "a.json", {"images": images, "annotations": [], "categories": classes})
    assert sm.read(path).report.source_format == "coco"


def test_recognition__of_a_large_vocabulary(tmp_path: Path) -> None:
    document = load(TRAIN)
    document["categories"] = [{**document["categories"][0], "id": n, "name": f"c{n}"} for n in range(1203)]
    document["images"] = [
        {**document["images"][1], "id": 10**6 + n, "coco_url": f"{HOST}a/{n}.jpg"} for n in range(900)
    ]
    document["annotations"] = [
        {**a, "category_id": 1, "image_id": 10**6} for a in document["annotations"]
    ] * 400
    path = put(tmp_path / "mine.json", document)
    assert path.stat().st_size > 4 * 65_536
    assert sm.read(path).report.source_format == "lvis"


def test_write__gives_back_every_key(tmp_path: Path) -> None:
    report = sm.read(GOLDEN / "v1").write(tmp_path / "out", format="lvis", media="copy")
    assert report.lossless
    for split in ("train", "val"):
        name = f"annotations/lvis_v1_{split}.json"
        before, after = load(GOLDEN / "v1" / name), load(tmp_path / "out" / name)
        assert after == before
        for image in after["images"]:
            assert (tmp_path / "out" / "images" / image["coco_url"].removeprefix(HOST)).is_file()


def test_write__a_picture_of_two_splits_is_copied_once(tmp_path: Path) -> None:
    for split in ("train", "val"):
        changed(tmp_path / "in" / "annotations", f"lvis_v1_{split}.json")
    (tmp_path / "in" / "train2017").symlink_to(GOLDEN / "v1" / "train2017")
    ds = sm.read(tmp_path / "in")
    assert ds.schema.id_has_split
    ds.write(tmp_path / "out", format="lvis", media="copy")
    assert sm.read(tmp_path / "out").digest() == ds.digest()
    assert len(list((tmp_path / "out").rglob("*.jpg"))) == 2


@pytest.fixture
def street(tmp_path: Path) -> sm.Dataset:
    boxes = [("cat", [1, 1, 4, 4]), ("dog", [2, 3, 6, 5]), ("cat", [8, 2, 4, 4])]
    samples = []
    for n, split in enumerate(("train", "train", "val")):
        Image.new("RGB", (16, 12)).save(tmp_path / f"{n}.png")
        objects = [{"category": c, "bbox": b, "iscrowd": c == "dog"} for c, b in boxes[: n + 1]]
        image = {"path": f"{n}.png", "width": 16, "height": 12}
        samples.append({"id": f"{n}.png", "image": image, "split": split, "objects": objects})
    samples[1]["objects"] = None
    return sm.Dataset.from_samples(samples, categories=["cat", "dog", "fox"], media_root=str(tmp_path))


def test_write__what_the_evaluator_needs(street: sm.Dataset, tmp_path: Path) -> None:
    report = street.write(tmp_path / "out", format="lvis", media="copy", on_loss="ignore")
    losses = {loss.code: loss.count for loss in report.losses}
    assert losses == {"area.computed": 4, "negatives.unknown": 2, "category.counted": 3, "crowd.ignored": 1}
    document = load(tmp_path / "out" / "annotations" / "lvis_v1_train.json")
    (image,) = document["images"]
    assert image["coco_url"] == f"{HOST}train/0.png"
    assert (tmp_path / "out" / "images" / "train" / "0.png").is_file()
    assert image["neg_category_ids"] == image["not_exhaustive_category_ids"] == []
    assert [(c["name"], c["frequency"], c["image_count"], c["instance_count"]) for c in document["categories"]] == [
        ("cat", "r", 1, 1), ("dog", "r", 0, 0), ("fox", "r", 0, 0)
    ]  # fmt: skip
    alone = load(tmp_path / "out" / "annotations" / "lvis_v1_image_info_train.json")
    assert [image["file_name"] for image in alone["images"]] == ["1.png"]
    back = sm.read(tmp_path / "out")
    assert [sample.id for sample in back] == ["0.png", "1.png", "2.png"]
    assert back[1].objects is None
    assert "coco_url" not in back.columns


def test_write__negatives_are_the_classes_that_are_not_there(street: sm.Dataset, tmp_path: Path) -> None:
    report = street.write(tmp_path / "out", format="lvis", negatives="all", on_loss="ignore")
    assert "negatives.unknown" not in {loss.code for loss in report.losses}
    back = sm.read(tmp_path / "out").to_arrow().to_pylist()
    assert [row["neg_category_ids"] for row in back] == [[2, 3], [], [3]]


def test_write__frequency_is_that_of_images(tmp_path: Path) -> None:
    samples = [
        {
            "id": f"{n}.png",
            "image": {"path": f"{n}.png", "width": 4, "height": 4},
            "objects": [
                {"category": name, "bbox": [0, 0, 2, 2]}
                for name, most in (("r", 10), ("c", 11), ("C", 100), ("f", 101))
                if n < most
                for _ in range(2)
            ],
        }
        for n in range(101)
    ]
    ds = sm.Dataset.from_samples(samples, categories=["r", "c", "C", "f"])
    ds.write(tmp_path / "out", format="lvis", on_loss="ignore")
    rows = load(tmp_path / "out" / "annotations" / "lvis_v1.json")["categories"]
    assert [(c["frequency"], c["image_count"], c["instance_count"]) for c in rows] == [
        ("r", 10, 20), ("c", 11, 22), ("c", 100, 200), ("f", 101, 202)
    ]  # fmt: skip


def test_write__version_has_a_form(street: sm.Dataset, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="version"):
        street.write(tmp_path / "out", format="lvis", version="../x")


def test_convert__to_coco_keeps_the_keys(tmp_path: Path) -> None:
    report = sm.convert(GOLDEN / "v05", tmp_path / "out", to="coco", on_loss="ignore")
    assert [(loss.code, loss.field, loss.count) for loss in report.losses] == [
        ("field.dropped", "file_name", 2)
    ]
    document = load(tmp_path / "out" / "annotations" / "instances_val.json")
    image = document["images"][0]
    assert image["file_name"] == "val2017/000000001268.jpg"
    assert (image["neg_category_ids"], image["not_exhaustive_category_ids"]) == ([1], [764])
    assert document["categories"][2]["synset"] == "parachute.n.01"
    assert document["annotations"][0]["iscrowd"] == 0


def test_convert__to_yolo_names_what_is_lost(tmp_path: Path) -> None:
    report = sm.convert(
        GOLDEN / "v1", tmp_path / "out", to="yolo", task="segment", media="copy", on_loss="ignore"
    )
    lost = {loss.field: loss.count for loss in report.losses if loss.code == "field.dropped"}
    assert lost["neg_category_ids"] == lost["not_exhaustive_category_ids"] == 4
    codes = {loss.code: loss.count for loss in report.losses}
    assert codes["category.attributes"] == 4
    assert codes["category.id"] == 4
    assert report.reconciles


def test_results__are_a_field_beside_the_truth(tmp_path: Path) -> None:
    rows = [
        {"image_id": 30504, "category_id": 793, "bbox": [1.5, 1.0, 12.0, 10.0], "score": 0.75},
        {"image_id": 52, "category_id": 1, "bbox": [1.0, 1.0, 2.0, 2.0], "score": 0.125},
    ]
    path = put(tmp_path / "results.json", rows)
    ds = sm.read(TRAIN, results=str(path))
    assert ds.report.source_format == "lvis"
    assert ds.objects("predictions")["score"].to_pylist() == [0.75, 0.125]
    ds.write(tmp_path / "out", format="lvis")
    assert load(tmp_path / "out" / "annotations" / "predictions_train.json") == rows
    verdict = judged(
        tmp_path / "out/annotations/lvis_v1_train.json", tmp_path / "out/annotations/predictions_train.json"
    )
    assert 0 < verdict["scores"]["AP"] < 1


def test_judge__reads_every_mask_and_list(tmp_path: Path) -> None:
    ds = sm.read(GOLDEN / "v1")
    ds.write(tmp_path / "out", format="lvis")
    path = tmp_path / "out" / "annotations" / "lvis_v1_val.json"
    verdict = judged(path, path)
    val = [sample for sample in ds if sample.split == "val"]
    assert [image["neg_category_ids"] for image in verdict["images"]] == [[1, 764], [793]]
    assert [image["coco_url"] for image in verdict["images"]] == [HOST + sample.id for sample in val]
    assert verdict["categories"]["parachute"] == [764, "r"]
    expected = [
        int(
            official.area(
                official.merge(official.frPyObjects(rings, sample.image.height, sample.image.width))
            )
        )
        for sample in val
        for rings in sample.objects["polygons"]
    ]
    assert [item["pixels"] for item in verdict["objects"]] == expected
    assert verdict["scores"]["AP"] == pytest.approx(1)


def test_judge__evaluates_what_was_no_lvis(street: sm.Dataset, tmp_path: Path) -> None:
    street.write(tmp_path / "out", format="lvis", negatives="all", on_loss="ignore")
    path = tmp_path / "out" / "annotations" / "lvis_v1_val.json"
    verdict = judged(path, path)
    assert verdict["scores"]["AP"] == pytest.approx(1)
    assert [item["bbox"] for item in verdict["objects"]] == [[1, 1, 4, 4], [2, 3, 6, 5], [8, 2, 4, 4]]
