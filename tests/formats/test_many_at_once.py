"""Documents read many at once give what they give one by one; those written so have the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import smalti as sm
from smalti.formats.cvat import columns, survey_columns
from smalti.formats.cvat import write as cvat_write
from smalti.formats.document_writer import DocumentWriter
from smalti.formats.kitti.objects import KittiReader
from smalti.formats.labelme import LabelMeReader
from smalti.formats.pascal_voc.read import VocReader

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).parents[1] / "golden"
READERS = {"pascal_voc": VocReader, "kitti": KittiReader, "labelme": LabelMeReader}
VOC = """<annotation verified="yes"><folder>f</folder><filename>{name}.jpg</filename><size><width>40</width><height>30</height>
<depth>3</depth></size><object><name>cat</name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult><bndbox>
<xmax>9.5</xmax><xmin>1</xmin><ymin>2</ymin><ymax>8.25</ymax></bndbox></object><object id="3"><name> dog </name><bndbox>
<xmin>0.1</xmin><ymin>0.2</ymin><xmax>0.3</xmax><ymax>0.7</ymax></bndbox><part><name>head</name><bndbox><xmin>1</xmin>
<ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox></part><extra><deep>1</deep></extra></object></annotation>"""
KITTI = """Car 0 1 -1.5 1.5 2 9.25 8 -1 -1 -1 -1000 -1000 -1000 -10
DontCare -1 -1 -10 0 0 5 5 -1 -1 -1 -1000 -1000 -1000 -10 0.5
Big Van 0.1 -1 -10 -1 -1 -1 -1 1.5 1.6 3.7 0.1 0.2 8 1.57
"""
LABELME = """{"version": "5.0.1", "flags": {}, "imageData": null, "imagePath": "NAME.jpg", "imageHeight": 30, "imageWidth": 40,
"shapes": [{"label": "cat", "points": [[9.5, 2], [1, 8.25]], "shape_type": "rectangle", "flags": {"a": true}, "group_id": 3},
{"label": "dog", "points": [[0.1, 0.2], [3, 4], [5, 1]], "shape_type": "polygon", "description": "d", "flags": {}}]}"""
CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><labels><label><name>cat</name></label><label><name>dog</name></label>
</labels></task></meta>
<image id="0" name="a.jpg" width="40" height="30">
<box label="cat" occluded="1" source="manual" xtl="1.10" ytl="2" xbr="9.5" ybr="8.3" z_order="2"></box>
<polygon label="dog" points="1,2;3,4.5;5,6" occluded="0"></polygon><polyline label="cat" points="1,2;3,4"/></image>
<image id="1" name="b.jpg"></image>
</annotations>
"""


def make(folder: Path, name: str) -> Path:
    """A source of the kind that is read many at once."""
    if name == "cvat":
        (folder / "annotations.xml").write_text(CVAT)
        return folder
    place, suffix, text = {
        "pascal_voc": ("Annotations", "xml", VOC.replace("{name}", "NAME")),
        "kitti": ("training/label_2", "txt", KITTI),
        "labelme": ("train", "json", LABELME),
    }[name]
    (folder / place).mkdir(parents=True)
    for number in range(3):
        body = text.replace("NAME", str(number)) if number else text.replace("NAME", "é")
        (folder / place / f"{number}.{suffix}").write_text(body)
    if name == "kitti":
        (folder / place / "none.txt").write_text("")
    return folder


def watched(monkeypatch: pytest.MonkeyPatch, name: str) -> list[Any]:
    """What is read many at once from now on; null where that was not possible."""
    found: list[Any] = []

    def watch(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            found.append(call(*args))
            return found[-1]

        return run

    if name == "cvat":
        monkeypatch.setattr(survey_columns, "scan", watch(survey_columns.scan))
        monkeypatch.setattr(columns, "objects", watch(columns.objects))
    else:
        monkeypatch.setattr(READERS[name], "regular", watch(READERS[name].regular))
    return found


def one_by_one(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    if name == "cvat":
        monkeypatch.setattr(survey_columns, "scan", lambda _place: None)
        monkeypatch.setattr(columns, "objects", lambda *_: None)
    else:
        monkeypatch.setattr(READERS[name], "regular", lambda *_: None)


def same(monkeypatch: pytest.MonkeyPatch, name: str, source: Path) -> None:
    many = sm.read(source, format=name, progress=False)
    one_by_one(monkeypatch, name)
    single = sm.read(source, format=name, progress=False)
    assert many.schema == single.schema
    assert many.schema.arrow.equals(single.schema.arrow)
    assert many.to_arrow().equals(single.to_arrow())
    many.to_arrow().validate(full=True)


@pytest.mark.parametrize("name", [*READERS, "cvat"])
def test_read__many_as_one_by_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    found = watched(monkeypatch, name)
    source = make(tmp_path, name)
    sm.read(source, format=name, progress=False)
    assert found
    assert all(block is not None for block in found)
    same(monkeypatch, name, source)


@pytest.mark.parametrize("name", [*READERS, "cvat/dm_task", "cvat/dm_project", "cvat/shapes"])
def test_read__golden_files_as_one_by_one(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    same(monkeypatch, name.partition("/")[0], GOLDEN / name)


@pytest.mark.parametrize("name", ["pascal_voc", "labelme", "cvat"])
def test_write__many_as_one_by_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    boxes = [[1.5, 2, 3.25, 4], [0.1, 0.2, 0.3, 0.7], [3, 0, 1e-7, 12345.678]]
    objects = [{"category": c, "bbox": box} for c, box in zip(("a<b", "é", "a<b"), boxes, strict=True)]
    images = [{"path": f"{n}.jpg", "width": 40, "height": 30} for n in range(3)]
    samples = [
        sm.Sample(id=image["path"], image=image, objects=some)
        for image, some in zip(images, (objects, [], None), strict=True)
    ]
    dataset = sm.Dataset.from_samples(samples)
    options: dict[str, Any] = {"format": name, "media": "none", "on_loss": "ignore", "progress": False}
    many = dataset.write(tmp_path / "many", **options)
    monkeypatch.setattr(DocumentWriter, "_by_columns", lambda *_: None)
    monkeypatch.setattr(cvat_write, "image_lines", lambda *_: None)
    single = dataset.write(tmp_path / "single", **options)
    files = [path.relative_to(tmp_path / "many") for path in (tmp_path / "many").rglob("*") if path.is_file()]
    assert len(files) >= (1 if name == "cvat" else 4)
    for path in files:
        assert (tmp_path / "many" / path).read_bytes() == (tmp_path / "single" / path).read_bytes()
    assert many.losses == single.losses
    assert (many.objects_written, many.files) == (single.objects_written, single.files)
