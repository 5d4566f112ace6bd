from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import smalti as sm

GOLDEN = Path(__file__).parents[1] / "golden" / "pascal_voc"
SEGMENTATION = GOLDEN.parent / "pascal_voc_segmentation"

ONE = """<annotation>
  <folder>somewhere</folder><filename>{name}</filename>
  <size><width>{width}</width><height>40</height><depth>3</depth></size>
  <object><name>cat</name><truncated>1</truncated><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>11.5</xmax><ymax>22</ymax></bndbox></object>
</annotation>"""


def put(path: Path, text: str | None = None, **values: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        text if text is not None else ONE.format(**{"name": "a.jpg", "width": 60, **values}), "utf-8"
    )
    return path


def test_golden__boxes_classes_and_flags() -> None:
    ds = sm.read(GOLDEN)
    assert ds.report.source_format == "pascal_voc"
    assert [s.id for s in ds] == ["2007_000001.jpg", "2011_003353.jpg", "raccoon-54.jpg"]
    assert ds.categories.values == ("cat", "person", "raccoon")
    assert [s.split for s in ds] == ["train", None, None]
    assert ds[0].objects.to("xyxy").tolist() == [[1, 2, 3, 4], [4, 5, 6, 7]]
    cat, person = ds[0].objects
    assert (cat["pose"], cat["truncated"], cat["difficult"]) == ("Unspecified", True, False)
    assert person["truncated"] is None
    assert json.loads(person["parts"]) == [{"name": "head", "bbox": [5.5, 6, 2, 2]}]
    assert json.loads(person["actions"])["phoning"] is True
    assert json.loads(ds[1].objects[0]["voc"]) == {"point": {"x": "256", "y": "252"}}
    assert json.loads(ds[2].columns["voc"])["@verified"] == "yes"
    assert (ds[2].image.width, ds[2].image.height) == (602, 339)


def test_pixel_offset__is_the_development_kits(tmp_path: Path) -> None:
    put(tmp_path / "a.xml")
    assert sm.read(tmp_path)[0].objects.bbox.tolist() == [[1, 2, 10.5, 20]]
    ds = sm.read(tmp_path, pixel_offset=True)
    assert ds[0].objects.bbox.tolist() == [[0, 1, 11.5, 21]]
    ds.write(tmp_path / "kit", format="pascal_voc", pixel_offset=True)
    text = (tmp_path / "kit" / "Annotations" / "a.xml").read_text("utf-8")
    for corner, value in {"xmin": "1", "ymin": "2", "xmax": "11.5", "ymax": "22"}.items():
        assert f"<{corner}>{value}</{corner}>" in text


def test_layout__images_without_a_document_are_not_annotated(tmp_path: Path) -> None:
    put(tmp_path / "Annotations" / "a.xml")
    (tmp_path / "JPEGImages").mkdir()
    for name in ("a.PNG", "b.png"):
        Image.new("RGB", (60, 40)).save(tmp_path / "JPEGImages" / name, "PNG")
    ds = sm.read(tmp_path)
    assert [(s.id, s.objects is None) for s in ds] == [("a.PNG", False), ("b.png", True)]
    assert ds[1].image.width == 60


def test_layout__splits_are_lists_of_stems(tmp_path: Path) -> None:
    for name in ("a", "b", "sub/c", "d"):
        put(tmp_path / "Annotations" / f"{name}.xml", name=f"{Path(name).name}.jpg")
    sets = tmp_path / "ImageSets" / "Main"
    put(sets / "train.txt", "a\nsub/c\n")
    put(sets / "val.txt", "b\r\n")
    put(sets / "trainval.txt", "a\nb\nsub/c\n")
    put(sets / "cat_train.txt", "a  1\nsub/c -1\n")
    ds = sm.read(tmp_path)
    assert {s.id: s.split for s in ds} == {
        "a.jpg": "train",
        "b.jpg": "val",
        "sub/c.jpg": "train",
        "d.jpg": None,
    }
    assert ds.schema.splits == ("train", "val")


def test_layout__roboflows_folders_are_splits(tmp_path: Path) -> None:
    put(tmp_path / "train" / "a.xml")
    put(tmp_path / "valid" / "b.xml", name="b.jpg")
    ds = sm.read(tmp_path)
    assert {s.id: s.split for s in ds} == {"train/a.jpg": "train", "valid/b.jpg": "val"}


def test_layout__one_file(tmp_path: Path) -> None:
    ds = sm.read(put(tmp_path / "one.xml", name="other.png"))
    assert [s.id for s in ds] == ["one.png"]  # the file's own name counts, not what it says


def test_class_table__labelmap_of_cvat_and_datumaro(tmp_path: Path) -> None:
    put(tmp_path / "Annotations" / "a.xml")
    put(
        tmp_path / "labelmap.txt",
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\ndog:1,2,3::\ncat:4,5,6:head:\n",
    )
    assert sm.read(tmp_path).categories.values == ("dog", "cat")


def test_size__unknown_is_taken_from_the_image(tmp_path: Path) -> None:
    put(tmp_path / "a.xml", width=0)
    assert sm.read(tmp_path)[0].image.width is None
    Image.new("RGB", (33, 44)).save(tmp_path / "a.jpg")
    assert (sm.read(tmp_path)[0].image.width, sm.read(tmp_path)[0].image.height) == (33, 44)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("<xmin>1<", "<xmin>one<"), r"a\.xml, object\[0\]: xmin: found 'one', expected a number"),
        (("<xmin>1<", "<xmin>nan<"), "xmin: found 'nan', expected a number"),
        (("<name>cat<", "<name> <"), "found an object without a name"),
        (("bndbox", "box"), "found no bndbox"),
        (("<truncated>1<", "<truncated>half<"), "truncated: found 'half', expected 0 or 1"),
        (("<width>60<", "<width>6.5<"), "width: found '6.5', expected a whole number of pixels"),
        (("</annotation>", ""), r"no XML: .*line 5|no XML: no element found"),
        (("<annotation>", '<!DOCTYPE a [<!ENTITY b "c">]><annotation>'), "expected XML without a DTD"),
    ],
)
def test_faults__name_file_and_object(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    put(tmp_path / "Annotations" / "a.xml", ONE.format(name="a.jpg", width=60).replace(*change))
    put(tmp_path / "Annotations" / "b.xml")
    with pytest.raises(sm.errors.DataError, match=message):
        sm.read(tmp_path, format="pascal_voc")
    report = sm.read(tmp_path, format="pascal_voc", on_error="skip").report
    assert report.error_count == 1


def test_write__colliding_stems_are_renamed_and_reported(tmp_path: Path) -> None:
    ds = sm.Dataset.from_samples(
        {"id": name, "objects": [{"category": "a<b&c", "bbox": [1, 2, 3, 4]}]} for name in ("x.jpg", "x.png")
    )
    report = ds.write(tmp_path / "out", format="pascal_voc", on_loss="ignore")
    assert [loss.code for loss in report.losses] == ["image.renamed"]
    back = sm.read(tmp_path / "out")
    assert [s.id for s in back] == ["x.jpg", "x_png.png"]
    assert back.categories.values == ("a<b&c",)


def test_write__what_has_no_place_is_reported(tmp_path: Path) -> None:
    ds = sm.read("examples/street")
    report = ds.write(tmp_path / "out", format="pascal_voc", on_loss="ignore")
    codes = {(loss.code, loss.field) for loss in report.losses}
    assert ("field.dropped", "objects.polygons") in codes
    assert ("field.dropped", "objects.iscrowd") in codes
    assert report.reconciles
    back = sm.read(tmp_path / "out")
    assert {s.id: s.objects.bbox.round(6).tolist() for s in back} == {
        s.id: s.objects.bbox.round(6).tolist() for s in ds
    }
    assert back.splits == ds.splits


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.array(picture)


def test_segmentation__of_the_development_kit() -> None:
    ds = sm.read(SEGMENTATION / "kit")
    assert ds.report.source_format == "pascal_voc"
    assert ds.splits == {"train": 1}
    row = ds.to_arrow().to_pylist()[0]
    assert row["image"]["path"] == "JPEGImages/2007_000063.jpg"
    assert row["mask"] == {"path": "SegmentationClass/2007_000063.png", "bytes": None}
    table = ds.schema.columns["mask"].categories
    assert [(c.id, c.name, c.color) for c in table][9:13:3] == [
        (9, "chair", "#c00000"),
        (12, "dog", "#400080"),
    ]
    raw = pixels(SEGMENTATION / "kit" / "SegmentationObject" / "2007_000063.png")
    dog, chair = row["objects"]
    assert (dog["category"], chair["category"]) == ("dog", "chair")
    for number, item in enumerate((dog, chair), 1):
        runs = sm.geometry.rle.decode_counts([item["mask"]["counts"]])[0]
        assert (sm.geometry.rle.decode_mask(runs, 375, 500) == (raw == number)).all()


def test_segmentation__colours_become_numbers() -> None:
    ds = sm.read(SEGMENTATION / "colours")
    row = next(row for row in ds.to_arrow().to_pylist() if row["split"] == "train")
    with Image.open(io.BytesIO(row["mask"]["bytes"])) as label:
        assert np.unique(np.array(label)).tolist() == [2]
    cat, person = row["objects"]
    assert cat["mask"]["counts"] == b"0X6"
    assert person["mask"] is None


def test_segmentation__classes_alone(tmp_path: Path) -> None:
    ds = sm.read(SEGMENTATION / "semantic")
    assert ds.report.source_format == "pascal_voc"
    assert [(s.id, s.objects) for s in ds] == [("2007_000032.jpg", None), ("subdir/2007_000033.jpg", None)]
    assert (ds[0].image.width, ds[0].image.height) == (500, 281)
    table = ds.schema.columns["mask"].categories
    assert len(table) == 21
    assert 255 not in [c.id for c in table]
    assert ds.write(tmp_path / "out", format="pascal_voc", media="none").lossless
    assert not list((tmp_path / "out").rglob("*.xml"))
    name = Path("SegmentationClass") / "subdir" / "2007_000033.png"
    assert (tmp_path / "out" / name).read_bytes() == (SEGMENTATION / "semantic" / name).read_bytes()
    assert sm.read(tmp_path / "out").schema.columns["mask"].categories == table


def segmented(root: Path, numbers: Any, classes: Any = None, text: str | None = None) -> Path:
    for folder, values in (("SegmentationObject", numbers), ("SegmentationClass", classes)):
        if values is not None:
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.array(values, np.uint8)).save(root / folder / "a.png")
    put(root / "Annotations" / "a.xml", text)
    return root


def test_segmentation__objects_that_no_annotation_has(tmp_path: Path) -> None:
    ds = sm.read(segmented(tmp_path, [[1, 2, 255], [0, 2, 3]], [[8, 15, 255], [0, 15, 77]]))
    found = ds.to_arrow()["objects"][0].as_py()
    assert [(o["category"], o["bbox"]["x"], o["bbox"]["w"]) for o in found] == [
        ("cat", 1, 10.5),
        ("person", 1, 1),
        (None, 2, 1),
    ]


def test_segmentation__sets_tell_splits(tmp_path: Path) -> None:
    segmented(tmp_path, [[1]], [[8]])
    put(tmp_path / "Annotations" / "b.xml", name="b.jpg")
    put(tmp_path / "ImageSets" / "Main" / "train.txt", "a\n")
    put(tmp_path / "ImageSets" / "Segmentation" / "val.txt", "a\nb\n")
    assert {s.id: s.split for s in sm.read(tmp_path)} == {"a.jpg": "train", "b.jpg": "val"}
    assert {s.id: s.split for s in sm.read(tmp_path, sets="Segmentation")} == {"a.jpg": "val", "b.jpg": "val"}


def test_segmentation__two_sizes_are_an_error(tmp_path: Path) -> None:
    segmented(tmp_path, [[1, 1]], [[8]])
    with pytest.raises(
        sm.errors.DataError, match=r"SegmentationObject/a\.png.*2 x 1 pixels, and 1 x 1 of classes"
    ):
        sm.read(tmp_path)


def masked(*objects: dict[str, Any]) -> sm.Dataset:
    image = {"path": "a.png", "width": 8, "height": 6}
    return sm.Dataset.from_samples(
        [{"id": "a.png", "image": image, "split": "train", "objects": list(objects)}],
        categories=["dog", "cat"],
    )


def area(left: int, top: int, right: int, bottom: int, hole: tuple[int, int] | None = None) -> np.ndarray:
    found = np.zeros((6, 8), np.uint8)
    found[top:bottom, left:right] = 1
    if hole:
        found[hole] = 0
    return found


def test_segmentation__written_with_holes_palette_and_lists(tmp_path: Path) -> None:
    ds = masked(
        {"category": "cat", "bbox": [0, 0, 4, 4], "mask": area(0, 0, 4, 4, hole=(1, 1))},
        {"category": "dog", "bbox": [5, 0, 2, 2]},
        {"category": "dog", "mask": area(4, 2, 8, 6)},
    )
    report = ds.write(tmp_path / "out", format="pascal_voc", media="none", on_loss="ignore")
    assert {loss.code: loss.count for loss in report.losses} == {"bbox.computed": 1}
    numbers = pixels(tmp_path / "out" / "SegmentationObject" / "a.png")
    classes = pixels(tmp_path / "out" / "SegmentationClass" / "a.png")
    assert np.unique(numbers).tolist() == [0, 1, 3]
    assert np.unique(classes).tolist() == [0, 8, 12]  # VOC's own
    assert numbers[1, 1] == 0
    with Image.open(tmp_path / "out" / "SegmentationClass" / "a.png") as label:
        assert label.mode == "P"
        assert label.getpalette()[24:27] == [64, 0, 0]
    assert (tmp_path / "out" / "ImageSets" / "Segmentation" / "train.txt").read_text("utf-8") == "a\n"
    back = sm.read(tmp_path / "out")
    given, found = (d.to_arrow()["objects"][0].as_py() for d in (ds, back))
    assert [o["mask"] for o in found] == [o["mask"] for o in given]
    assert found[2]["bbox"] == {"x": 4, "y": 2, "w": 4, "h": 4}


def test_segmentation__void_stays(tmp_path: Path) -> None:
    ds = sm.read(SEGMENTATION / "kit")
    ds.write(tmp_path / "out", format="pascal_voc", media="none")
    for folder in ("SegmentationClass", "SegmentationObject"):
        name = Path(folder) / "2007_000063.png"
        assert (pixels(tmp_path / "out" / name) == pixels(SEGMENTATION / "kit" / name)).all()


def test_segmentation__what_pixels_cannot_say_is_reported(tmp_path: Path) -> None:
    ds = masked(
        {"category": "dog", "bbox": [0, 0, 2, 2], "mask": area(0, 0, 2, 2)},
        {"category": "cat", "bbox": [0, 0, 4, 4], "mask": area(0, 0, 4, 4)},
        {"category": "cat", "bbox": [0, 0, 1, 1], "mask": area(0, 0, 4, 4)[:3, :3]},
        {"category": "cat", "bbox": [0, 0, 1, 1], "polygons": [[4.0, 4.0, 8.0, 4.0, 8.0, 6.0]]},
    )
    report = ds.write(tmp_path / "a", format="pascal_voc", media="none", on_loss="ignore")
    counts = {loss.code: loss.count for loss in report.losses}
    assert counts == {"mask.covered": 2, "mask.dropped": 1, "mask.padded": 1, "field.dropped": 1}
    report = ds.write(tmp_path / "b", format="pascal_voc", media="none", on_loss="ignore", segmentation=True)
    assert {loss.code for loss in report.losses} == {
        "mask.covered",
        "mask.dropped",
        "mask.padded",
        "polygon.as_mask",
    }
    report = ds.write(tmp_path / "c", format="pascal_voc", media="none", on_loss="ignore", segmentation=False)
    assert {loss.field for loss in report.losses} == {"objects.mask", "objects.polygons"}
    assert not list((tmp_path / "c").rglob("*.png"))


def test_segmentation__more_objects_than_a_byte_has_room_for(tmp_path: Path) -> None:
    image = {"path": "a.png", "width": 300, "height": 1}
    objects = [
        {"category": "cat", "bbox": [n, 0, 1, 1], "mask": np.eye(1, 300, n, dtype=np.uint8)}
        for n in range(300)
    ]
    ds = sm.Dataset.from_samples([{"id": "a.png", "image": image, "objects": objects}])
    assert ds.write(tmp_path / "out", format="pascal_voc", media="none").lossless
    numbers = pixels(tmp_path / "out" / "SegmentationObject" / "a.png")
    assert 255 not in numbers
    back = sm.read(tmp_path / "out")
    given, found = (d.to_arrow()["objects"][0].as_py() for d in (ds, back))
    assert [o["mask"] for o in found] == [o["mask"] for o in given]


def test_segmentation__no_class_has_the_number_of_the_void(tmp_path: Path) -> None:
    label = {"path": None, "bytes": b""}
    feature = sm.features.Mask(categories=sm.Categories((sm.Category(name="cat", id=255),)))
    ds = masked().with_column("mask", pa.array([label], feature.arrow), feature)
    with pytest.raises(sm.errors.OptionError, match="the number 255"):
        ds.write(tmp_path / "out", format="pascal_voc", media="none")
