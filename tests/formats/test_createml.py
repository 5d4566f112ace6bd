from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import smalti as sm

GOLDEN = Path(__file__).parents[1] / "golden" / "createml"


def item(x: Any = 20, y: Any = 10, width: Any = 8, height: Any = 6, **more: Any) -> dict[str, Any]:
    return {"label": "cat", "coordinates": {"x": x, "y": y, "width": width, "height": height}, **more}


def put(folder: Path, *entries: Any, name: str = "_annotations.createml.json", pictures: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(entries), "utf-8")
    for entry in entries if pictures else ():
        Image.new("RGB", (40, 30)).save(folder / entry["image"])
    return folder


def test_golden__centres_become_corners() -> None:
    ds = sm.read(GOLDEN)
    assert ds.report.source_format == "createml"
    assert [(s.id, s.split) for s in ds] == [
        ("train_001.jpg", "train"),
        ("train_002.jpg", "train"),
        ("val_001.jpg", "val"),
    ]
    assert ds.report.objects_read == 4
    assert ds[0].objects.bbox.tolist() == [[0.5, 0.5, 3, 1]]
    assert ds[1].objects.names == ["label_1"]
    assert ds[0].image.path == "train/train_001.jpg"
    assert (ds[0].image.width, ds[0].image.height) == (10, 5)


def test_read__one_file_of_any_name(tmp_path: Path) -> None:
    put(tmp_path, {"image": "a.jpg", "annotations": [item()]}, name="mine.json")
    ds = sm.read(tmp_path / "mine.json")
    assert [(s.id, s.split, s.image.width) for s in ds] == [("a.jpg", None, 40)]


def test_read__whole_images_and_older_keys(tmp_path: Path) -> None:
    entries = [
        {"image": "a.jpg", "annotation": "cat"},
        {"image": "b.jpg", "annotations": [{"label": "dog"}], "source": "phone"},
        {"image": "c.jpg", "annotations": []},
    ]
    put(tmp_path, *entries)
    ds = sm.read(tmp_path)
    assert [s.objects.names for s in ds] == [["cat"], ["dog"], []]
    assert ds[0].objects[0]["bbox"] is None
    assert json.loads(ds[1].columns["createml"]) == {"source": "phone"}


def test_read__fractions_and_corners(tmp_path: Path) -> None:
    put(tmp_path, {"image": "a.jpg", "annotations": [item(0.5, 0.5, 0.25, 0.2)]})
    assert sm.read(tmp_path, units="normalized")[0].objects.bbox.tolist() == [[15, 12, 10, 6]]
    assert sm.read(tmp_path, units="normalized", anchor="topLeft")[0].objects.bbox.tolist() == [
        [20, 15, 10, 6]
    ]
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(sm.errors.DataError, match=r"\$\[0\].*fractions need the size of the image"):
        sm.read(tmp_path, units="normalized")


def test_read__images_that_no_entry_names_are_not_annotated(tmp_path: Path) -> None:
    put(tmp_path / "train", {"image": "a.jpg", "annotations": []})
    Image.new("RGB", (40, 30)).save(tmp_path / "train" / "b.jpg")
    assert [(s.id, s.objects is None) for s in sm.read(tmp_path)] == [("a.jpg", False), ("b.jpg", True)]


def test_splits__of_one_name_carry_their_split(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        put(tmp_path / "in" / split, {"image": "a.jpg", "annotations": [item(confidence=0.5)]})
    ds = sm.read(tmp_path / "in")
    assert [(s.id, s.split) for s in ds] == [("train/a.jpg", "train"), ("val/a.jpg", "val")]
    report = ds.write(tmp_path / "out", format="createml", media="copy")
    assert report.lossless
    written = json.loads((tmp_path / "out" / "val" / "_annotations.createml.json").read_text("utf-8"))
    assert written == [{"image": "a.jpg", "annotations": [item(confidence=0.5)]}]
    assert (tmp_path / "out" / "val" / "a.jpg").is_file()
    assert [s.id for s in sm.read(tmp_path / "out")] == ["train/a.jpg", "val/a.jpg"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"annotations": []}, r"createml\.json, \$\[0\]: image: found None, expected text"),
        ("a.jpg", r"\$\[0\]: the entry: found 'a\.jpg', expected an object"),
        ({"image": "../a.jpg", "annotations": []}, r"'\.\./a\.jpg' leaves its root"),
        ({"image": "a.jpg"}, "found no annotations, expected a list"),
        (
            {"image": "a.jpg", "annotations": [item("x")]},
            r"\$\[0\]\.annotations\[0\].*coordinates\.x: found 'x'",
        ),
        ({"image": "a.jpg", "annotations": [{"coordinates": {}}]}, "label: found None, expected text"),
    ],
)
def test_faults__name_file_and_place(tmp_path: Path, entry: Any, message: str) -> None:
    put(tmp_path, entry, {"image": "b.jpg", "annotations": [item()]}, pictures=False)
    with pytest.raises(sm.errors.DataError, match=message):
        sm.read(tmp_path, format="createml")
    ds = sm.read(tmp_path, format="createml", on_error="skip")
    assert ds[-1].id == "b.jpg"
    assert ds.report.error_count == 1


def test_faults__an_image_twice(tmp_path: Path) -> None:
    put(tmp_path, *[{"image": "a.jpg", "annotations": []}] * 2)
    with pytest.raises(sm.errors.DataError, match=r"'a\.jpg' is labelled here and in"):
        sm.read(tmp_path)
