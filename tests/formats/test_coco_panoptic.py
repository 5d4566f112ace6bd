from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pycocotools import mask as official

import smalti as sm
from smalti.errors import DataError, EmptySourceError, OptionError
from smalti.formats import registry
from smalti.formats.coco.panoptic import pixels
from smalti.formats.probe import Probe
from smalti.schema import features
from smalti.storage.location import Location

GOLDEN = Path(__file__).parents[1] / "golden" / "coco_panoptic"
JUDGE = Path(__file__).parents[1] / "judges" / "panoptic_judge.py"
INSIDE, SAMPLE = GOLDEN / "inside", GOLDEN / "panopticapi_sample"
TRAIN = "annotations/panoptic_train.json"
SKY, GRASS = 70 + 256 * 130 + 65_536 * 180, 152 + 256 * 251 + 65_536 * 152


def load(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def ids_of(path: Path) -> Any:
    return pixels.ids(path.read_bytes())


def rle(rows: Any) -> dict[str, Any]:
    found = official.encode(np.asfortranarray(np.array(rows, np.uint8)))
    return {"height": found["size"][0], "width": found["size"][1], "counts": found["counts"]}


def rectangle(left: int, top: int, right: int, bottom: int) -> dict[str, Any]:
    rows = np.zeros((12, 16), np.uint8)
    rows[top:bottom, left:right] = 1
    return rle(rows)


def dataset(*objects: dict[str, Any], classes: Any = ("cat", "sky"), **more: Any) -> sm.Dataset:
    image = {"path": "a/b.png", "width": 16, "height": 12}
    sample = {"id": "a/b.png", "image": image, "objects": list(objects), **more}
    return sm.Dataset.from_samples([sample], categories=list(classes))


def written(ds: sm.Dataset, target: Path, **options: Any) -> tuple[Any, dict[str, Any], Any]:
    """The account by code, the annotation and the ids of the pixels of a dataset of one sample."""
    report = ds.write(target, format="coco_panoptic", on_loss="ignore", **options)
    assert report.reconciles
    (path,) = (target / "annotations").glob("*.json")
    (note,) = load(path)["annotations"]
    values = ids_of(path.with_suffix("") / note["file_name"])
    return {loss.code: loss for loss in report.losses}, note, values


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return Path(shutil.copytree(INSIDE, tmp_path / "source"))


def edit(source: Path, change: Any) -> None:
    document = load(source / TRAIN)
    change(document)
    (source / TRAIN).write_text(json.dumps(document), "utf-8")


@pytest.mark.parametrize("name", ["inside", "beside"])
def test_read__label_images_and_segments(name: str) -> None:
    ds = sm.read(GOLDEN / name)
    assert ds.report.source_format == "coco_panoptic"
    assert ds.splits == {"train": 3, "val": 1}
    assert [sample.id for sample in ds][:2] == ["000000000139.jpg", "000000000285.jpg"]
    assert all((GOLDEN / name / sample.image.path).is_file() for sample in ds)
    first = ds.to_arrow()["panoptic"][0].as_py()
    assert (GOLDEN / name / first["path"]).is_file()
    assert [segment["category"] for segment in first["segments"]] == [
        "person", "person", "sky-other-merged", "grass-merged",
    ]  # fmt: skip
    assert first["segments"][0] == {
        "id": 3937500,
        "category": "person",
        "bbox": {"x": 2.0, "y": 3.0, "w": 8.0, "h": 7.0},
        "area": 46.0,
        "iscrowd": False,
        "note": '"at the window"',
    }
    assert ds.to_arrow()["panoptic_author"].to_pylist() == ["kl", None, None, None]


def test_read__what_nobody_has_annotated() -> None:
    ds = sm.read(INSIDE)
    assert ds.to_arrow()["panoptic"].null_count == 1
    assert sm.read(INSIDE, objects="all")[2].objects is None


def test_read__things_and_stuff_with_colours() -> None:
    table = sm.read(INSIDE).schema.columns["panoptic"].categories
    assert [(c.name, c.id, c.color, c.attributes) for c in table] == [
        ("person", 1, "#dc143c", {"isthing": 1}),
        ("dog", 18, "#00e2fc", {"isthing": 1}),
        ("sky-other-merged", 187, "#4682b4", {"isthing": 0}),
        ("grass-merged", 193, "#98fb98", {"isthing": 0}),
    ]


def test_read__one_file() -> None:
    ds = sm.read(GOLDEN / "beside" / "annotations" / "panoptic_val2017.json")
    assert ds.splits == {"val": 1}
    assert ds[0].image.path == "val2017/000000000724.jpg"
    assert ds.to_arrow()["panoptic"][0]["path"].as_py() == "panoptic_val2017/000000000724.png"


def test_read__folders_in_folders_as_zips_leave_them(source: Path) -> None:
    folder = source / "annotations" / "panoptic_train"
    (source / "x").mkdir()
    folder.rename(source / "x" / "panoptic_train")
    (source / "x").rename(folder)
    path = sm.read(source).to_arrow()["panoptic"][0]["path"].as_py()
    assert path == "annotations/panoptic_train/panoptic_train/000000000139.png"


def test_read__pngs_elsewhere_by_an_option(source: Path) -> None:
    (source / "annotations" / "panoptic_train").rename(source / "labels")
    ds = sm.read(source / TRAIN, masks="labels")
    assert ds.to_arrow()["panoptic"][0]["path"].as_py() == "labels/000000000139.png"


def test_read__images_elsewhere_bring_the_pngs_along(source: Path, tmp_path: Path) -> None:
    (source / "train").rename(tmp_path / "pictures")
    ds = sm.read(source / TRAIN, media=str(tmp_path / "pictures"))
    label = ds.to_arrow()["panoptic"][0].as_py()
    assert label["path"] is None
    assert label["bytes"] == (source / "annotations/panoptic_train/000000000139.png").read_bytes()
    ds.write(tmp_path / "out", format="coco_panoptic", media="copy")
    assert (
        sm.read(tmp_path / "out").to_arrow()["panoptic"][0]["segments"]
        == ds.to_arrow()["panoptic"][0]["segments"]
    )


def test_read__segments_as_objects() -> None:
    objects = sm.read(INSIDE, objects="all").to_arrow()["objects"][0].as_py()
    values = ids_of(INSIDE / "annotations/panoptic_train/000000000139.png")
    for item in objects:
        mask = official.decode({"size": [12, 16], "counts": item["mask"]["counts"]})
        assert (mask == (values == item["segment_id"])).all()
        assert item["area"] == mask.sum()


def test_read__things_alone() -> None:
    ds = sm.read(INSIDE, objects="things")
    assert ds.categories.values == ("person", "dog")
    assert [[o["category"] for o in sample.objects or ()] for sample in ds] == [
        ["person"] * 2,
        ["dog"],
        [],
        [],
    ]
    (skipped,) = ds.report.repairs
    assert (skipped.code, skipped.count, skipped.example) == ("stuff.skipped", 4, "sky-other-merged")


def test_read__masks_are_those_of_the_official_converter() -> None:
    path = Path(__file__).parents[1] / "golden/coco/panopticapi_sample/panoptic_coco_detection_format.json"
    expected = [ann for ann in load(path)["annotations"] if ann["image_id"] == 142238]
    found = sm.read(SAMPLE, objects="all").to_arrow()["objects"][0].as_py()
    assert len(found) == 18
    assert [item["mask"]["counts"].decode() for item in found] == [
        a["segmentation"]["counts"] for a in expected
    ]
    assert [(o["area"], o["iscrowd"], list(o["bbox"].values())) for o in found] == [
        (ann["area"], bool(ann["iscrowd"]), ann["bbox"]) for ann in expected
    ]


def test_read__predictions_have_ids_and_classes_alone(source: Path, tmp_path: Path) -> None:
    def strip(document: Any) -> None:
        for note in document["annotations"]:
            note["segments_info"] = [{k: s[k] for k in ("id", "category_id")} for s in note["segments_info"]]

    edit(source, strip)
    ds = sm.read(source / TRAIN)
    assert ds.to_arrow()["panoptic"][0]["segments"][0].as_py()["bbox"] is None
    ds.write(tmp_path / "out", format="coco_panoptic")
    assert load(tmp_path / "out" / TRAIN)["annotations"] == load(source / TRAIN)["annotations"]
    measured = sm.read(source / TRAIN, objects="all")[0].objects
    assert measured["area"].tolist() == [46, 10, 68, 64]
    assert measured.bbox[0].tolist() == [2, 3, 8, 7]


def test_read__areas_that_differ_are_told(source: Path) -> None:
    edit(source, lambda document: document["annotations"][0]["segments_info"][1].update(area=11))
    (repair,) = sm.read(source).report.repairs
    assert (repair.code, repair.count, repair.example) == ("area.differs", 1, "000000000139.jpg")
    assert not sm.read(source, check="sizes").report.repairs


@pytest.mark.parametrize("mode", ["P", "RGBA", "I;16"])
def test_read__other_kinds_of_png(source: Path, tmp_path: Path, mode: str) -> None:
    path = source / "annotations/panoptic_train/000000000285.png"
    before = ids_of(path)
    if mode == "I;16":
        Image.fromarray(np.where(before == GRASS, 7, 300).astype(np.uint16)).save(path)

        def number(document: Any) -> None:
            for segment in document["annotations"][1]["segments_info"]:
                segment["id"] = 7 if segment["id"] == GRASS else 300

        edit(source, number)
    else:
        with Image.open(path) as picture:
            other = picture.quantize() if mode == "P" else picture.convert(mode)
        other.save(path)
    ds = sm.read(source / TRAIN)
    ds.write(tmp_path / "out", format="coco_panoptic")
    place = tmp_path / "out/annotations/panoptic_train/000000000285.png"
    with Image.open(place) as picture:
        assert picture.mode == ("RGBA" if mode == "RGBA" else "RGB")
    assert (ids_of(place) == (np.where(before == GRASS, 7, 300) if mode == "I;16" else before)).all()


def repaint(source: Path, values: Any) -> None:
    (source / "annotations/panoptic_train/000000000139.png").write_bytes(pixels.png(values))


def unknown_id(source: Path) -> None:
    values = ids_of(source / "annotations/panoptic_train/000000000139.png")
    values[5, 3] = 77
    repaint(source, values)


def no_pixels(source: Path) -> None:
    values = ids_of(source / "annotations/panoptic_train/000000000139.png")
    repaint(source, np.where(values == SKY, GRASS, values))


def of_segment(**keys: Any) -> Any:
    return lambda source: edit(source, lambda d: d["annotations"][0]["segments_info"][2].update(keys))


def of_note(**keys: Any) -> Any:
    return lambda source: edit(source, lambda d: d["annotations"][0].update(keys))


LISTED = r"panoptic_train\.json, \$\.annotations\[0\]\.segments_info"
FAULTS = {
    "unknown id": (unknown_id, r"000000000139\.png, pixel x 3, y 5 .*found the id 77, which \$\.annotations\[0\]"),
    "no pixels": (no_pixels, rf"{LISTED}\[2\] .*the segment {SKY} has no pixel"),
    "size": (lambda s: repaint(s, np.full((4, 4), SKY, np.uint32)), r"139\.png .*found 4 x 4 pixels; the image has 16 x 12"),
    "missing": (lambda s: (s / "annotations/panoptic_train/000000000139.png").unlink(), r"139\.png .*the PNG of the image is"),
    "no png": (lambda s: (s / "annotations/panoptic_train/000000000139.png").write_bytes(b"x"), r"139\.png .*found no PNG"),
    "class": (of_segment(category_id=5), rf"{LISTED}\[2\]\.category_id .*found 5; expected the id of a category"),
    "void": (of_segment(id=0), rf"{LISTED}\[2\]\.id .*found 0; expected a number from 1 to 16,777,215"),
    "too large": (of_segment(id=2**24), rf"{LISTED}\[2\]\.id .*found 16777216"),
    "text id": (of_segment(id="7"), rf"{LISTED}\[2\]\.id .*found"),
    "twice": (of_segment(id=3937500), rf"{LISTED}\[2\]\.id .*the id 3937500 is used twice"),
    "crowd": (of_segment(iscrowd=3), rf"{LISTED}\[2\]\.iscrowd .*expected 0 or 1"),
    "box": (of_segment(bbox=[1, 2, 3]), rf"{LISTED}\[2\]\.bbox .*expected four numbers"),
    "area": (of_segment(area="big"), rf"{LISTED}\[2\]\.area .*expected"),
    "list": (of_note(segments_info=7), rf"{LISTED} .*expected `array`"),
    "path": (of_note(file_name="../../x.png"), r"\$\.annotations\[0\]\.file_name.*'\.\./\.\./x\.png'; expected the path"),
    "no path": (of_note(file_name=7), r"\$\.annotations\[0\]\.file_name.*expected the path"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("objects", [None, "all"])
def test_faults__name_the_place_or_are_counted(source: Path, name: str, objects: Any) -> None:
    breaking, match = FAULTS[name]
    breaking(source)
    with pytest.raises(DataError, match=match):
        sm.read(source, objects=objects)
    ds = sm.read(source, objects=objects, on_error="skip")
    assert [sample.id for sample in ds] == ["000000000285.jpg", "000000000632.jpg", "000000000724.jpg"]
    assert (ds.report.samples_skipped, ds.report.error_count) == (1, 1)


@pytest.mark.parametrize(
    ("keys", "match"),
    [
        ({"image_id": 5}, r"annotations\[0\]\.image_id: found 5"),
        ({"image_id": 285}, "the image has two annotations"),
    ],
)
def test_faults__annotations_without_an_image_of_their_own(source: Path, keys: Any, match: str) -> None:
    of_note(**keys)(source)
    with pytest.raises(DataError, match=match):
        sm.read(source)
    assert sm.read(source, on_error="skip").report.error_count == 1


def test_faults__sizes_alone_look_at_no_pixel(source: Path) -> None:
    unknown_id(source)
    assert len(sm.read(source, check="sizes")) == 4
    repaint(source, np.full((4, 4), SKY, np.uint32))
    with pytest.raises(DataError, match="found 4 x 4 pixels"):
        sm.read(source, check="sizes")


def test_faults__no_panoptic_at_all(tmp_path: Path) -> None:
    path = tmp_path / "instances_val.json"
    images = [{"id": 1, "file_name": "x.jpg", "width": 4, "height": 4}]
    boxes = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "area": 1, "iscrowd": 0}]
    path.write_text(
        json.dumps({"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "a"}]})
    )
    with pytest.raises(DataError, match=r"no segments_info; .* read it as format 'coco'"):
        sm.read(path, format="coco_panoptic")
    with pytest.raises(EmptySourceError, match=r"looked for a JSON file with .*segments_info"):
        sm.read(tmp_path, format="coco_panoptic")


def test_recognition__beside_instances_it_is_coco(source: Path) -> None:
    images = load(source / TRAIN)["images"]
    document = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "a"}]}
    (source / "annotations" / "instances_train.json").write_text(json.dumps(document))
    probe = Probe(Location.parse(source))
    claims = {name: registry.get(name).sniff(probe) for name in ("coco", "coco_panoptic")}
    assert claims["coco"] is not None
    assert claims["coco_panoptic"] is not None
    assert claims["coco"].grade > claims["coco_panoptic"].grade
    assert len(sm.read(source)) == 3
    assert "panoptic" in sm.read(source, format="coco_panoptic").columns


def test_write__gives_back_every_key_and_byte(tmp_path: Path) -> None:
    ds = sm.read(INSIDE)
    report = ds.write(tmp_path / "out", format="coco_panoptic", media="copy")
    assert report.lossless
    assert report.details["stuff"] == ["sky-other-merged", "grass-merged"]
    for split in ("train", "val"):
        name = f"annotations/panoptic_{split}.json"
        assert load(tmp_path / "out" / name) == load(INSIDE / name)
    for path in INSIDE.rglob("*.png"):
        assert (tmp_path / "out" / path.relative_to(INSIDE)).read_bytes() == path.read_bytes()
    assert (tmp_path / "out/images/train/000000000139.jpg").is_file()
    assert sm.read(tmp_path / "out").digest() == ds.digest()


def test_write__objects_paint_the_same_label_images(tmp_path: Path) -> None:
    report = sm.read(INSIDE, objects="all").write(tmp_path / "out", format="coco_panoptic")
    assert report.lossless
    for path in INSIDE.rglob("*.png"):
        assert (ids_of(tmp_path / "out" / path.relative_to(INSIDE)) == ids_of(path)).all()
    before, after = load(INSIDE / TRAIN), load(tmp_path / "out" / TRAIN)
    assert [n["segments_info"] for n in after["annotations"]] == [
        n["segments_info"] for n in before["annotations"]
    ]


def test_write__segments_that_changed(tmp_path: Path) -> None:
    ds = sm.read(SAMPLE)
    table = ds.to_arrow()
    label = table["panoptic"][0].as_py()
    gone = label["segments"].pop(0)
    label["segments"][0]["id"] = 1
    codes = ds.schema.columns["panoptic"].categories.codes
    feature = ds.schema.columns["panoptic"]
    label["segments"] = [{**s, "category": codes[s["category"]]} for s in label["segments"]]
    plain = pa.struct([(f.name, pa.int32() if f.name == "category" else f.type) for f in feature.struct])
    made = pa.array(label["segments"], plain)
    columns = [
        feature.categories.encode(made.field(f.name)) if f.name == "category" else made.field(f.name)
        for f in plain
    ]
    struct = pa.StructArray.from_arrays(columns, fields=list(feature.struct))
    lists = pa.ListArray.from_arrays(
        pa.array([0, len(struct)], pa.int32()), struct, type=feature.arrow.field("segments").type
    )
    children = [pa.array([label["path"]]), pa.array([None], pa.binary()), lists]
    column = pa.StructArray.from_arrays(children, fields=list(feature.arrow))
    table = table.set_column(table.schema.get_field_index("panoptic"), "panoptic", column)
    changed = sm.Dataset.from_arrow(table, schema=ds.schema)
    found, note, values = written(changed, tmp_path / "out")
    assert {code: loss.count for code, loss in found.items()} == {"segment.voided": 2, "segment.empty": 1}
    assert len(note["segments_info"]) == 16
    before = ids_of(SAMPLE / "panoptic_examples/000000142238.png")
    assert (values[before == gone["id"]] == 0).all()
    assert set(np.unique(values).tolist()) - {0} == {s["id"] for s in note["segments_info"]}


def test_write__things_lie_over_crowds_over_stuff(tmp_path: Path) -> None:
    ds = dataset(
        {"category": "cat", "mask": rectangle(0, 0, 8, 8), "iscrowd": False},
        {"category": "cat", "mask": rectangle(4, 4, 12, 10), "iscrowd": False},
        {"category": "cat", "mask": rectangle(0, 0, 16, 6), "iscrowd": True},
        {"category": "sky", "mask": rectangle(0, 0, 16, 12), "iscrowd": False},
    )
    losses, note, values = written(ds, tmp_path / "out", stuff=("sky",))
    assert {code: loss.count for code, loss in losses.items()} == {"mask.covered": 3, "thing.assumed": 2}
    assert losses["mask.covered"].iou == pytest.approx(56 / 192)  # of the sky
    ids = [segment["id"] for segment in note["segments_info"]]
    expected = np.full((12, 16), ids[3])
    expected[0:6] = ids[2]
    expected[0:8, 0:8] = ids[0]
    expected[4:10, 4:12] = ids[1]
    assert (values == expected).all()
    assert [s["area"] for s in note["segments_info"]] == [(expected == n).sum() for n in ids]
    assert [s["iscrowd"] for s in note["segments_info"]] == [0, 0, 1, 0]
    assert note["file_name"] == "a/b.png"


def test_write__what_is_covered_or_has_no_pixels(tmp_path: Path) -> None:
    ds = dataset(
        {"category": "cat", "mask": rectangle(2, 2, 4, 4)},
        {"category": "cat", "mask": rectangle(0, 0, 8, 8)},
        {"category": "cat", "bbox": [1, 1, 2, 2]},
        {"category": None, "mask": rectangle(9, 9, 10, 10)},
    )
    losses, note, _ = written(ds, tmp_path / "out")
    counts = {code: (loss.count, loss.kind) for code, loss in losses.items() if loss.kind == "object"}
    assert counts == {
        "object.covered": (1, "object"), "geometry.missing": (1, "object"), "category.missing": (1, "object"),
    }  # fmt: skip
    assert len(note["segments_info"]) == 1


def test_write__areas_and_boxes_are_measured(tmp_path: Path) -> None:
    ds = dataset(
        {"category": "cat", "mask": rectangle(0, 0, 8, 8), "area": 64.0, "bbox": [0, 0, 8, 8]},
        {"category": "cat", "polygons": [[9, 1, 13, 1, 13, 4, 9, 4]], "area": 11.5, "bbox": [9, 1, 4.5, 3]},
    )
    losses, note, _ = written(ds, tmp_path / "out")
    assert {code: loss.count for code, loss in losses.items()} == {
        "polygon.as_mask": 1, "area.measured": 1, "bbox.measured": 1, "thing.assumed": 2,
    }  # fmt: skip
    assert [(s["area"], s["bbox"]) for s in note["segments_info"]] == [(64, [0, 0, 8, 8]), (12, [9, 1, 4, 3])]


def test_write__ids_are_the_own_or_near_the_colour_of_the_class(tmp_path: Path) -> None:
    own = [
        {"category": "sky", "mask": rectangle(n, 0, n + 1, 1), "segment_id": i}
        for n, i in enumerate((9, 9, 2**24, None))
    ]
    losses, note, _ = written(dataset(*own), tmp_path / "out")
    assert losses["segment.renumbered"].count == 2
    ids = [segment["id"] for segment in note["segments_info"]]
    base = 128  # Pascal VOC's second colour
    assert ids == [9, base, base + 0x070707, base + 2 * 0x070707]
    rows = load(tmp_path / "out/annotations/panoptic.json")["categories"]
    assert [(row["color"], row["isthing"]) for row in rows] == [([0, 0, 0], 1), ([128, 0, 0], 1)]


def test_write__other_attributes_are_keys_of_segments(tmp_path: Path) -> None:
    ds = dataset(
        {"category": "cat", "mask": rectangle(0, 0, 2, 2), "occluded": True, "note": "é", "score": 0.5}
    )
    losses, note, _ = written(ds, tmp_path / "out")
    assert note["segments_info"][0]["occluded"] is True
    assert note["segments_info"][0]["note"] == "é"
    assert losses["field.dropped"].field == "objects.score"


def test_write__pictures_of_one_stem_have_two_pngs(tmp_path: Path) -> None:
    samples = [
        {
            "id": name,
            "image": {"path": name, "width": 16, "height": 12},
            "objects": [{"category": "cat", "mask": rectangle(0, 0, n + 1, 1)}],
        }
        for n, name in enumerate(("x.jpg", "x.png"))
    ]
    sm.Dataset.from_samples(samples, categories=["cat"]).write(
        tmp_path / "out", format="coco_panoptic", on_loss="ignore"
    )
    notes = load(tmp_path / "out/annotations/panoptic.json")["annotations"]
    assert [note["file_name"] for note in notes] == ["x.png", "x.png.png"]
    assert [o["area"] for s in sm.read(tmp_path / "out", objects="all") for o in s.objects] == [1, 2]


def test_write__what_cannot_be_written(tmp_path: Path) -> None:
    ds = dataset({"category": "cat", "mask": rectangle(0, 0, 2, 2)})
    with pytest.raises(OptionError, match="stuff='road' is no class"):
        ds.write(tmp_path / "out", format="coco_panoptic", stuff=("road",))
    with pytest.raises(OptionError, match="field='labels' is no column"):
        ds.write(tmp_path / "out", format="coco_panoptic", field="labels")
    unsized = sm.Dataset.from_samples(
        [{"id": "x.png", "image": {"path": "x.png"}, "objects": []}], categories=["cat"]
    )
    with pytest.raises(DataError, match="the size of the image is not known"):
        unsized.write(tmp_path / "out", format="coco_panoptic")
    lost = sm.read(INSIDE)
    lost = sm.Dataset.from_arrow(
        lost.to_arrow(), schema=lost.schema.model_copy(update={"media_root": str(tmp_path)})
    )
    with pytest.raises(DataError, match=r"000000000139\.png' is not there"):
        lost.write(tmp_path / "out", format="coco_panoptic")


def test_convert__to_instances_and_outlines(tmp_path: Path) -> None:
    things = sm.convert(
        INSIDE, tmp_path / "coco", to="coco", objects="things", media="copy", on_loss="ignore"
    )
    assert things.objects_read == things.objects_written == 3
    found = load(tmp_path / "coco/annotations/instances_train.json")
    assert [a["category_id"] for a in found["annotations"]] == [1, 1, 18]
    assert [a["iscrowd"] for a in found["annotations"]] == [0, 0, 1]
    assert [official.area(a["segmentation"]) for a in found["annotations"]] == [46, 10, 44]
    yolo = sm.convert(
        INSIDE, tmp_path / "yolo", to="yolo", objects="all", task="segment", media="copy", on_loss="ignore"
    )
    assert yolo.reconciles
    assert yolo.objects_written == 6  # a crowd is none of YOLO's
    assert next(loss for loss in yolo.losses if loss.code == "mask.outlined").iou is not None


def test_convert__there_and_back(tmp_path: Path) -> None:
    sm.convert(INSIDE, tmp_path / "coco", to="coco", objects="all", media="copy", on_loss="ignore")
    report = sm.convert(
        tmp_path / "coco", tmp_path / "back", to="coco_panoptic", media="copy", on_loss="ignore"
    )
    assert [(loss.code, loss.field) for loss in report.losses] == [("field.dropped", "objects.id")]
    for path in INSIDE.rglob("*.png"):
        assert (ids_of(tmp_path / "back" / path.relative_to(INSIDE)) == ids_of(path)).all()


def test_convert__without_asking_names_the_column(tmp_path: Path) -> None:
    report = sm.convert(INSIDE, tmp_path / "coco", to="coco", on_loss="ignore")
    assert [(loss.code, loss.field, loss.count) for loss in report.losses] == [
        ("field.dropped", "panoptic", 3)
    ]


def test_store__and_parquet_keep_segments(tmp_path: Path) -> None:
    ds = sm.read(INSIDE)
    ds.write(tmp_path / "x.parquet")
    assert sm.read(tmp_path / "x.parquet").digest() == ds.digest()
    ds.write(str(tmp_path / "store"))
    assert (
        sm.read(str(tmp_path / "store")).to_arrow()["panoptic"].to_pylist()
        == ds.to_arrow()["panoptic"].to_pylist()
    )


def test_feature__attributes_unite() -> None:
    one, two = (
        sm.Schema(
            columns={
                "id": features.Value(type=pa.string()),
                "panoptic": features.Panoptic(
                    categories=sm.Categories.of([name, "sky"]), attributes={name: features.Json()}
                ),
            }
        )
        for name in ("a", "b")
    )
    from smalti.schema.unify import united

    both = united([one, two]).columns["panoptic"]
    assert isinstance(both, features.Panoptic)
    assert both.categories.values == ("a", "sky", "b")
    assert list(both.attributes) == ["a", "b"]
    with pytest.raises(ValueError, match="attribute 'area' has the name of a member"):
        features.Panoptic(attributes={"area": features.Json()})


def test_pixels__the_official_numbers() -> None:
    colours = np.array([[[1, 2, 3], [255, 255, 255]], [[0, 0, 0], [7, 0, 0]]], np.uint8)
    sink = io.BytesIO()
    Image.fromarray(colours).save(sink, "PNG")
    assert pixels.ids(sink.getvalue()).tolist() == [[1 + 512 + 196_608, 2**24 - 1], [0, 7]]
    assert (pixels.ids(pixels.png(pixels.ids(sink.getvalue()))) == pixels.ids(sink.getvalue())).all()


def judged(truth: Path, prediction: Path) -> Any:
    command = [os.environ["SMALTI_JUDGE_PYTHON"], "-W", "ignore", JUDGE, truth, prediction]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", ["label images", "objects", "sample"])
def test_judge__quality_of_an_export_against_its_source_is_one(tmp_path: Path, case: str) -> None:
    truth = SAMPLE / "panoptic_examples.json" if case == "sample" else INSIDE / TRAIN
    ds = sm.read(truth, objects=None if case == "label images" else "all")
    ds.write(tmp_path / "out", format="coco_panoptic")
    export = tmp_path / "out" / "annotations" / truth.name
    for one, other in ((truth, export), (export, truth), (export, export)):
        verdict = judged(one, other)
        assert verdict["All"]["pq"] == verdict["All"]["sq"] == verdict["All"]["rq"] == 1.0
        present = {
            s["category_id"]
            for n in load(truth)["annotations"]
            for s in n["segments_info"]
            if not s["iscrowd"]
        }
        assert {int(key) for key, value in verdict["per_class"].items() if value["pq"] == 1.0} == present
        assert all(value["pq"] in {0.0, 1.0} for value in verdict["per_class"].values())


def test_judge__takes_what_was_painted(tmp_path: Path) -> None:
    ds = dataset(
        {"category": "cat", "mask": rectangle(0, 0, 8, 8)},
        {"category": "cat", "polygons": [[4, 4, 12, 4, 12, 10, 4, 10]]},
        {"category": "sky", "mask": rectangle(0, 0, 16, 12)},
    )
    ds.write(tmp_path / "out", format="coco_panoptic", stuff=("sky",), on_loss="ignore")
    export = tmp_path / "out/annotations/panoptic.json"
    verdict = judged(export, export)
    assert verdict["Things"] == {"pq": 1.0, "sq": 1.0, "rq": 1.0, "n": 1}
    assert verdict["Stuff"] == {"pq": 1.0, "sq": 1.0, "rq": 1.0, "n": 1}
