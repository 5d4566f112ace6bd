from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pycocotools.coco import COCO

from smalti.formats.coco import FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRAIN = "annotations/instances_train2017.json"
WRITTEN = "annotations/instances_train.json"


def sent(value: Any) -> Any:
    """What arrives at another process."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301  # our own bytes


def test_roundtrip__difficult_file_keeps_everything(coco: Any, difficult: Path, tmp_path: Path) -> None:
    source = coco.read(difficult)
    report = coco.write(source, tmp_path / "out", media="copy")
    before, after = coco.load(difficult / TRAIN), coco.load(tmp_path / "out" / WRITTEN)
    assert after == coco.sorted_by_image(before)
    assert all(loss.field == "image" for loss in report.losses)  # the turned picture
    assert report.reconciles
    assert report.media == {"placed": 5}
    assert (tmp_path / "out/images/train/mit Leerzeichen ä 東.jpg").is_file()


def test_roundtrip__numbers_to_the_last_digit(coco: Any, difficult: Path, tmp_path: Path) -> None:
    coco.write(coco.read(difficult), tmp_path / "out")
    text = (tmp_path / "out" / WRITTEN).read_text("ascii")
    for number in ("12.345678901234567", "0.30000000000000004", "4.000000001", "12345678901234567890"):
        assert number in text
    assert "1e-07" in text or "1e-7" in text


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own
def test_roundtrip__pycocotools_sees_the_same_masks(coco: Any, difficult: Path, tmp_path: Path) -> None:
    coco.write(coco.read(difficult), tmp_path / "out")
    before, after = COCO(str(difficult / TRAIN)), COCO(str(tmp_path / "out" / WRITTEN))
    assert before.anns.keys() == after.anns.keys()
    assert before.cats == after.cats
    shaped = [number for number, item in before.anns.items() if item["segmentation"]]
    assert len(shaped) == 6
    for number in shaped:
        mask = after.annToMask(after.anns[number])
        np.testing.assert_array_equal(before.annToMask(before.anns[number]), mask)
        assert mask.any()


def test_roundtrip__second_writing_is_identical(coco: Any, difficult: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        coco.write(coco.read(difficult), tmp_path / name)
    assert (tmp_path / "one" / WRITTEN).read_bytes() == (tmp_path / "two" / WRITTEN).read_bytes()


def test_roundtrip__written_is_read_alike(coco: Any, difficult: Path, tmp_path: Path) -> None:
    first = coco.read(difficult)
    coco.write(first, tmp_path / "out", media="copy")
    second = coco.read(tmp_path / "out")
    assert second.table.drop(["image"]).equals(first.table.drop(["image"]))
    assert second.plan.schema.columns == first.plan.schema.columns


def test_roundtrip__single_file(coco: Any, difficult: Path, tmp_path: Path) -> None:
    report = coco.write(coco.read(difficult), tmp_path / "all.json")
    assert coco.load(tmp_path / "all.json") == coco.sorted_by_image(coco.load(difficult / TRAIN))
    assert {path.name for path in tmp_path.iterdir()} == {"difficult", "all.json"}
    assert report.files == 1
    assert report.lossless


@pytest.mark.parametrize(
    "names",
    [
        "dm_instances",
        "dm_captions",
        "dm_stuff",
        "dm_roboflow_export",
        "lf_detection",
        "lf_instances",
        "panopticapi_sample/panoptic_coco_detection_format.json",
    ],
)
def test_roundtrip__files_of_others(coco: Any, tmp_path: Path, names: str) -> None:
    source = coco.golden / names
    coco.write(coco.read(source), tmp_path / "out")
    given = sorted(source.rglob("*.json")) or [source]
    written = sorted((tmp_path / "out").rglob("*.json"))
    assert len(given) == len(written)
    for before, after in zip(given, written, strict=True):
        assert coco.load(after) == coco.sorted_by_image(coco.load(before))


@pytest.mark.parametrize("layout", ["roboflow", "fiftyone"])
def test_roundtrip__other_layouts(coco: Any, difficult: Path, tmp_path: Path, layout: str) -> None:
    first = coco.read(difficult)
    coco.write(first, tmp_path / "out", layout=layout, media="copy")
    second = coco.read(tmp_path / "out")
    assert second.table.column("objects").equals(first.table.column("objects"))
    assert all((tmp_path / "out" / row["image"]["path"]).is_file() for row in second.rows)


def test_pickle__reader_parts_and_writer(coco: Any, difficult: Path) -> None:
    source = coco.read(difficult)
    reader, parts = sent(source.reader), sent(source.plan.parts)
    assert len(pickle.dumps(source.reader)) < 2000
    assert reader.read(parts[0], source.plan.schema).batch.equals(source.reads[0].batch)
    writer = FORMAT.writer(source.plan.schema, FORMAT.options(), None)
    assert sent(writer).wants() == writer.wants()


def test_projection__counts_what_is_left_out(coco: Any, difficult: Path) -> None:
    whole = coco.read(difficult)
    part = coco.read(difficult, fields=["id", "objects.category", "objects.bbox"])
    (read,) = part.reads
    assert part.table.schema.names == ["id", "objects"]
    objects = whole.objects()
    for member in ("polygons", "mask", "area", "iscrowd", "score", "keypoints", "attributes", "note"):
        expected = sum(item[member] is not None for item in objects)
        assert read.counts[f"objects.{member}"] == expected, member
        assert read.examples[f"objects.{member}"].split(",")[0] in whole.table.column("id").to_pylist()
    assert read.counts["license"] == 5
    assert read.counts["camera"] == 1
    assert "objects.bbox" not in read.counts


def test_projection__counts_a_whole_field(coco: Any, difficult: Path) -> None:
    (read,) = coco.read(difficult, fields=["id"]).reads
    assert read.counts["objects"] == 8


def test_missing_and_null__both_come_back(coco: Any, make: Callable[..., Path], tmp_path: Path) -> None:
    images = coco.minimal()["images"]
    images[0] |= {"sun": None, "rain": None, "wind": 3}
    images[1] |= {"sun": 1}
    path = make(images=images)
    source = coco.read(path)
    coco.write(source, tmp_path / "out.json")
    assert coco.load(tmp_path / "out.json")["images"] == images
    assert source.plan.schema.columns["rain"].kind == "json"
    assert source.table.schema.field("sun").type == "int64"


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], "int64"),
        ([1, 2.5], "double"),
        ([1, "1"], "string"),
        ([2**63, 1], "string"),
        ([True, 1], "string"),
        ([9007199254740993, 0.5], "string"),
        ([{"a": 1}, {"a": 2}], "struct<a: int64>"),
        ([{"a": 1}, {}], "string"),
        ([{}, {}], "string"),
        ([[1, None], []], "list<element: int64>"),
        (['😀 "\\\x01', "a/b"], "string"),
        ([None, None], "string"),
    ],
)
def test_unknown_keys__come_back(
    coco: Any, make: Callable[..., Path], tmp_path: Path, values: list[Any], kind: str
) -> None:
    body = coco.minimal()
    for section in ("images", "annotations"):
        for item, value in zip(body[section], values, strict=True):
            item["some key"] = value
    path = make(**body)
    source = coco.read(path)
    coco.write(source, tmp_path / "out.json")
    assert str(source.table.schema.field("some key").type) == kind
    after = coco.load(tmp_path / "out.json")
    assert json.dumps(after["images"], sort_keys=True) == json.dumps(body["images"], sort_keys=True)
    assert after["annotations"] == body["annotations"]


def test_unknown_keys__with_the_names_of_ours(coco: Any, make: Callable[..., Path], tmp_path: Path) -> None:
    body = coco.minimal()
    for item in body["images"]:
        item |= {"split": "x", "image": 3, "objects": [1], "image_id": "y"}
    for item in body["annotations"]:
        item |= {"polygons": 1, "mask": "m", "category": "c"}
    path = make(**body)
    source = coco.read(path)
    coco.write(source, tmp_path / "out.json")
    assert {"coco_split", "coco_image", "coco_objects", "coco_image_id"} <= set(source.table.schema.names)
    assert coco.load(tmp_path / "out.json") == body


def test_unknown_keys__very_many(coco: Any, make: Callable[..., Path], tmp_path: Path) -> None:
    body = coco.minimal()
    for item in body["annotations"]:
        item |= {f"key{item['id']}_{number}": number for number in range(40)}
    path = make(**body)
    coco.write(coco.read(path), tmp_path / "out.json")
    assert coco.load(tmp_path / "out.json") == body
