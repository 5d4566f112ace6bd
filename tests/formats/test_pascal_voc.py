from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import smalti as sm

GOLDEN = Path(__file__).parents[1] / "golden" / "pascal_voc"

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
