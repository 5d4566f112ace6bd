from __future__ import annotations

import csv
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import smalti as sm
from smalti.errors import DataError, EmptySourceError, OptionError, UnsafePathError
from smalti.formats import registry
from smalti.formats.open_images import rows
from smalti.geometry import rle
from smalti.storage.location import Location

GOLDEN = Path(__file__).parents[1] / "golden" / "open_images"
JUDGE = Path(__file__).parents[1] / "judges" / "datumaro_judge.py"
BOXES = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside\n"
LABELS = "ImageID,Source,LabelName,Confidence\n"
MASKS = "MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU,Clicks\n"
A = "a,xclick,/m/1,1,0.25,0.5,0,1,0,0,0,0,0\n"
BOX = {"x": 4.0, "y": 0.0, "w": 4.0, "h": 8.0}


def laid(folder: Path, **files: str) -> Path:
    """Files by their names, where __ is a dash and a CSV is meant, beside the pictures a and b of 16 x 8 pixels."""
    (folder / "train").mkdir(parents=True)
    for name in "ab":
        Image.new("L", (16, 8)).save(folder / "train" / f"{name}.png")
    for name, text in files.items():
        (folder / f"{name.replace('__', '-')}.csv").write_text(text, "utf-8")
    return folder


def by_id(dataset: sm.Dataset) -> dict[str, Any]:
    return {row["id"]: row for row in dataset.to_arrow().to_pylist()}


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pixels(mask: dict[str, Any]) -> np.ndarray:
    runs, _ = rle.decode_counts([mask["counts"]])
    return rle.decode_mask(runs, mask["height"], mask["width"])


def test_read__the_official_files() -> None:
    dataset = sm.read(GOLDEN / "official")
    found = by_id(dataset)
    assert [(key, row["split"]) for key, row in found.items()] == [
        ("000002b66c9c498e.jpg", "train"),
        ("0001eeaf4aed83f9.jpg", "train"),
        ("000a045a0715d64d.jpg", "train"),
        ("0001eeaf4aed83f8.jpg", "val"),
        ("000026e7ee790996.jpg", "test"),
    ]
    first = found["000002b66c9c498e.jpg"]
    assert (first["Author"], first["Title"], first["OriginalSize"]) == (
        "Brokaw, A.",
        'Feeling "at home"',
        1834271,
    )
    assert [row["Rotation"] for row in found.values()] == [0, 90, None, 0, None]
    assert [o["category"] for o in first["objects"]] == ["Person", "Person", "Runway"]
    box = first["objects"][0]["bbox"]
    assert box == {"x": 0.0125 * 64, "y": 0.148438 * 48, "w": 11.699968, "h": 21.074976}
    assert first["objects"][0]["extreme_points"][:4] == [0.148438 * 64, 0.148438 * 48, 0.8, 0.357812 * 48]
    plane = found["0001eeaf4aed83f9.jpg"]["objects"]
    assert len(plane) == 1, "a mask and its box are one object"
    assert (plane[0]["box_id"], plane[0]["predicted_iou"], plane[0]["source"]) == (
        "8fd7abd4",
        0.86864,
        "activemil",
    )
    assert pixels(plane[0]["mask"]).shape == (48, 64)
    assert found["000a045a0715d64d.jpg"]["objects"] == [], "it is listed as annotated with boxes"
    assert found["000026e7ee790996.jpg"]["objects"] is None
    assert {r.code: r.count for r in dataset.report.repairs} == {
        "file.superseded": 1,
        "file.ignored": 1,
        "mask.resized": 1,
    }


def test_read__classes_have_ids_names_and_groups() -> None:
    dataset = sm.read(GOLDEN / "official")
    table = dataset.schema.objects().categories
    assert [(c.name, c.id, c.supercategory) for c in table] == [
        ("Person", "/m/01g317", None),
        ("Airplane", "/m/0cmf2", "Vehicle"),
        ("Car", "/m/0k4j", "Vehicle"),
        ("Runway", "/m/0284d", None),
    ]
    assert dataset.schema.columns["labels"].categories.values[:2] == ("Cider, hot", "Person")
    assert dataset.schema.extra["open_images"]["hierarchy"]["LabelName"] == "/m/0bl9f"


def test_read__a_verified_negative_is_no_missing_label() -> None:
    found = by_id(sm.read(GOLDEN / "official"))
    first = found["000002b66c9c498e.jpg"]
    assert first["labels"] == [{"category": "Person", "score": 1}, {"category": "Airplane", "score": 0}]
    assert first["machine_labels"] == [{"category": "Runway", "score": 0.7}]
    assert first["crowdsource_verification_labels"] == [{"category": "Runway", "score": 1}]
    assert found["0001eeaf4aed83f9.jpg"]["labels"] is None


def test_read__flags_that_nobody_knows_are_null(tmp_path: Path) -> None:
    text = BOXES + A.replace(",0,0,0,0,0", ",-1,1,-1,0,-1")
    (found,) = by_id(sm.read(laid(tmp_path, train__annotations__bbox=text)))["a.png"]["objects"]
    assert found == {
        "category": "/m/1", "bbox": BOX, "truncated": True, "is_depiction": False, "source": "xclick",
    }  # fmt: skip
    text += A.replace(",0,0,0,0,0", ",0,1,1,0,1")
    first, second = by_id(sm.read(laid(tmp_path / "2", train__annotations__bbox=text)))["a.png"]["objects"]
    flags = ("occluded", "iscrowd", "is_inside")
    assert [first[name] for name in flags] == [None, None, None]
    assert [second[name] for name in flags] == [False, True, True]


def test_read__columns_that_say_nothing_are_none(tmp_path: Path) -> None:
    dataset = sm.read(laid(tmp_path, train__annotations__bbox=BOXES + "a,,/m/1,1,0,1,0,1,-1,-1,-1,-1,-1\n"))
    assert dataset.schema.objects().names == ("category", "bbox")


def test_read__confidences_of_predictions_are_scores(tmp_path: Path) -> None:
    text = BOXES + A.replace(",1,0.25", ",0.75,0.25") + A
    objects = by_id(sm.read(laid(tmp_path, train__annotations__bbox=text)))["a.png"]["objects"]
    assert [o["score"] for o in objects] == [0.75, 1]


def test_read__relationships_and_points_are_kept_in_pixels() -> None:
    found = by_id(sm.read(GOLDEN / "official"))
    on, is_ = found["000002b66c9c498e.jpg"]["relationships"]
    assert (on["label1"], on["relationship"], on["label2"]) == ("/m/01g317", "on", "/m/0284d")
    assert on["bbox2"] == {"x": 32, "y": 12, "w": 16, "h": 12}
    assert is_["bbox1"] == is_["bbox2"]
    yes, no = found["0001eeaf4aed83f8.jpg"]["points"]
    assert (yes["x"], yes["y"], yes["estimated"], yes["yes_votes"]) == (20.996, 26.25, "yes", 3)
    assert (no["estimated"], no["no_votes"], no["text"]) == ("no", 2, "a person")


@pytest.mark.parametrize("case", ["official", "fiftyone", "dm_v5"])
def test_round_trip__every_number_is_the_one_in_the_file(case: str, tmp_path: Path) -> None:
    dataset = sm.read(GOLDEN / case)
    dataset.write(tmp_path / "out", format="open_images", media="copy", on_loss="error")
    again = sm.read(tmp_path / "out")
    assert again.digest() == dataset.digest()
    written = {path.name: read_csv(path) for path in (tmp_path / "out" / "annotations").glob("*.csv")}
    names = {
        "oidv6-train-annotations-bbox.csv": "train-annotations-bbox.csv",
        "validation-annotations-bbox.csv": "validation-annotations-bbox.csv",
        "oidv6-train-annotations-vrd.csv": "train-annotations-vrd.csv",
        "oidv7-val-annotations-point-labels.csv": "validation-annotations-point-labels.csv",
        "train-annotations-human-imagelabels.csv": "train-annotations-human-imagelabels.csv",
        "train-images-boxable-with-rotation.csv": "train-images-with-rotation.csv",
    }
    for name, other in names.items() if case == "official" else ():
        sides = {"XMin", "XMax", "YMin", "YMax", "X", "Y", "Rotation", "Confidence"}
        for row in read_csv(GOLDEN / case / name):
            match = [
                one
                for one in written[other]
                if all(
                    (
                        float(one[key]) == float(value)
                        if key.rstrip("12") in sides and value
                        else one[key] == value
                    )
                    for key, value in row.items()
                    if not key.startswith("XClick")
                )
            ]
            assert match, f"{row} is not in {written[other]}"


def test_write__clicks_are_written_as_they_were(tmp_path: Path) -> None:
    sm.read(GOLDEN / "official").write(tmp_path / "out", format="open_images", on_loss="ignore")
    given = read_csv(GOLDEN / "official" / "oidv6-train-annotations-bbox.csv")
    found = read_csv(tmp_path / "out" / "annotations" / "train-annotations-bbox.csv")
    for row, was in zip([found[0], found[1], found[3]], given, strict=True):
        assert {k: float(v) for k, v in row.items() if "Click" in k} == {
            k: float(v) for k, v in was.items() if "Click" in k
        }


def test_read__fiftyone_names_all_images_and_has_some() -> None:
    dataset = sm.read(GOLDEN / "fiftyone")
    assert len(dataset) == 2
    assert [(r.code, r.count) for r in dataset.report.repairs] == [("image.absent", 1)]
    every = sm.read(GOLDEN / "fiftyone", images="all", size=(100, 50))
    assert by_id(every)["ffffe7ee79099600.jpg"]["objects"][0]["bbox"] == {"x": 10, "y": 15, "w": 10, "h": 5}
    assert dataset.schema.objects().categories[0].supercategory == "Person"


def test_read__rows_in_any_order_and_in_small_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"{name},x{n},/m/{n % 3},1,0.{n:03},0.5,0,1,0,0,0,0,0\n" for n in range(300) for name in "ab"]
    plain = sm.read(laid(tmp_path / "1", train__annotations__bbox=BOXES + "".join(lines)))
    assert plain.report.objects_read == 600
    monkeypatch.setattr(rows, "BLOCK", 64)
    by_image = sorted(lines, key=lambda line: line[0])
    for number, text in enumerate((BOXES + "".join(lines), BOXES + "\n".join(by_image) + "\r\n")):
        other = sm.read(laid(tmp_path / f"{number + 2}", train__annotations__bbox=text))
        assert other.digest() == plain.digest()


def test_read__a_break_inside_of_quotes_ends_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "BLOCK", 16)
    images = 'ImageID,Subset,Title,Rotation\na,train,"two\nlines, ""quoted""",90\nb,train,plain,\n'
    found = by_id(sm.read(laid(tmp_path, train__images__with__rotation=images)))
    assert [row["Title"] for row in found.values()] == ['two\nlines, "quoted"', "plain"]


def test_read__masks_without_a_box_are_objects_of_their_own(tmp_path: Path) -> None:
    row = "m.png,a,/m/1,ff,0.5,1,0,0.5,0.5,0.1 0.2 1\n"
    root = laid(
        tmp_path, train__annotations__bbox=BOXES + A, train__annotations__object__segmentation=MASKS + row
    )
    (root / "masks").mkdir()
    Image.new("1", (16, 8), 1).save(root / "masks" / "m.png")
    one, two = by_id(sm.read(root))["a.png"]["objects"]
    assert one["bbox"] == BOX
    assert one["mask"] is None
    assert two["bbox"] == {"x": 8, "y": 0, "w": 8, "h": 4}
    assert pixels(two["mask"]).all()
    assert two["clicks"] == "0.1 0.2 1"


def test_read__boxes_that_are_all_the_same_have_a_mask_each(tmp_path: Path) -> None:
    masks = "".join(f"{n}.png,a,/m/1,f{n},0.25,0.5,0,1,,\n" for n in range(2))
    root = laid(
        tmp_path,
        train__annotations__bbox=BOXES + A * 3,
        train__annotations__object__segmentation=MASKS + masks,
    )
    (root / "train-masks").mkdir()
    for n in range(2):
        Image.new("1", (16, 8), n).save(root / "train-masks" / f"{n}.png")
    objects = by_id(sm.read(root))["a.png"]["objects"]
    assert [o["box_id"] for o in objects] == ["f0", "f1", None]
    assert [None if o["mask"] is None else int(pixels(o["mask"]).sum()) for o in objects] == [0, 128, None]


def test_read__masks_that_are_not_there(tmp_path: Path) -> None:
    root = laid(tmp_path, train__annotations__object__segmentation=MASKS + "m.png,a,/m/1,ff,0.25,0.5,0,1,,\n")
    with pytest.raises(DataError, match=r"sample 'a.png'.*found no mask 'm.png'.*masks=False"):
        sm.read(root)
    (found,) = by_id(sm.read(root, masks=False))["a.png"]["objects"]
    assert (found["bbox"], found["box_id"]) == (BOX, "ff")
    left = sm.read(root, on_error="skip")
    assert left.report.error_count == 1
    assert by_id(left)["a.png"]["objects"][0]["mask"] is None


def test_read__masks_of_another_size_take_the_nearest_pixels(tmp_path: Path) -> None:
    root = laid(tmp_path, train__annotations__object__segmentation=MASKS + "m.png,a,/m/1,ff,0,0.5,0,1,,\n")
    (root / "masks").mkdir()
    large = np.zeros((16, 32), np.uint8)
    large[:, :16] = 255
    Image.fromarray(large).save(root / "masks" / "m.png")
    dataset = sm.read(root)
    found = pixels(by_id(dataset)["a.png"]["objects"][0]["mask"])
    assert found[:, :8].all()
    assert not found[:, 8:].any()
    assert [r.code for r in dataset.report.repairs if r.field == "objects.mask"] == ["mask.resized"]


@pytest.mark.parametrize("text", ["/m/1,Cat\n/m/2,Dog\n", "LabelName,DisplayName\n/m/1,Cat\n/m/2,Dog\n"])
def test_read__class_descriptions_with_and_without_a_header(text: str, tmp_path: Path) -> None:
    root = laid(tmp_path, train__annotations__bbox=BOXES + A, class__descriptions=text)
    assert [(c.name, c.id) for c in sm.read(root).schema.objects().categories] == [
        ("Cat", "/m/1"),
        ("Dog", "/m/2"),
    ]


def test_read__classes_that_no_file_describes_are_reported(tmp_path: Path) -> None:
    dataset = sm.read(laid(tmp_path, train__annotations__bbox=BOXES + A, class__descriptions="/m/2,Dog\n"))
    assert dataset.schema.objects().categories.values == ("Dog", "/m/1")
    (repair,) = [r for r in dataset.report.repairs if r.code == "class.undescribed"]
    assert (repair.count, repair.example) == (1, "/m/1")


def test_read__two_classes_of_one_name_are_two(tmp_path: Path) -> None:
    text = "/m/1,Bat\n/m/2,Bat\n"
    rows_ = A + A.replace("/m/1", "/m/2")
    dataset = sm.read(laid(tmp_path / "in", train__annotations__bbox=BOXES + rows_, class__descriptions=text))
    assert dataset.schema.objects().categories.values == ("Bat", "Bat#/m/2")
    dataset.write(tmp_path / "out", format="open_images", media="copy", on_loss="error")
    assert sm.read(tmp_path / "out").digest() == dataset.digest()


def test_read__an_older_version_of_the_same_rows_is_passed_over(tmp_path: Path) -> None:
    clicked = BOXES[:-1] + ",XClick1X,XClick2X,XClick3X,XClick4X,XClick1Y,XClick2Y,XClick3Y,XClick4Y\n"
    new = clicked + A[:-1] + ",0.25,0.5,0.25,0.5,0,0,1,1\n"
    root = laid(tmp_path, train__annotations__bbox=BOXES + A, oidv6__train__annotations__bbox=new)
    (found,) = by_id(sm.read(root))["a.png"]["objects"]
    assert found["extreme_points"] == [4, 0, 8, 0, 4, 8, 8, 8]


def test_read__the_folders_of_the_archives(tmp_path: Path) -> None:
    (tmp_path / "train_a").mkdir()
    Image.new("L", (16, 8)).save(tmp_path / "train_a" / "a.jpg")
    (tmp_path / "train-annotations-bbox.csv").write_text(BOXES + A, "utf-8")
    (row,) = by_id(sm.read(tmp_path)).values()
    assert (row["image"]["path"], row["split"], row["objects"][0]["bbox"]) == ("train_a/a.jpg", "train", BOX)


def test_read__images_elsewhere(tmp_path: Path) -> None:
    root = laid(tmp_path / "in", train__annotations__bbox=BOXES + A)
    (root / "train").rename(tmp_path / "pictures")
    found = by_id(sm.read(root, media=tmp_path / "pictures"))
    assert list(found) == ["a.png"], "other pictures there are none of the dataset"
    assert found["a.png"]["objects"][0]["bbox"] == BOX


def test_read__sizes_that_nobody_knows(tmp_path: Path) -> None:
    root = laid(tmp_path, train__annotations__bbox=BOXES + A + A.replace("a,", "c,"))
    place = r"train-annotations-bbox.csv \(sample 'c.jpg'\)"
    with pytest.raises(DataError, match=rf"{place}: the size of the image is not known.*media=.*size="):
        sm.read(root)
    dataset = sm.read(root, on_error="skip")
    assert (len(dataset), dataset.report.samples_skipped, dataset.report.objects_skipped) == (2, 1, 1)
    fractions = by_id(sm.read(root, size=(1, 1)))["c.jpg"]
    assert fractions["objects"][0]["bbox"] == {"x": 0.25, "y": 0, "w": 0.25, "h": 1}
    assert list(by_id(sm.read(root, images="present"))) == ["a.png", "b.png"]
    (root / "images.meta").write_text("# <image name> <height> <width>\n\n'c' 10 20 .webp\nd 1 1\n", "utf-8")
    assert by_id(sm.read(root))["c.webp"]["objects"][0]["bbox"] == {"x": 5, "y": 0, "w": 5, "h": 10}


def test_read__labels_alone_need_no_size(tmp_path: Path) -> None:
    (tmp_path / "train-annotations-human-imagelabels.csv").write_text(f"{LABELS}a,,/m/1,1\n", "utf-8")
    (row,) = by_id(sm.read(tmp_path)).values()
    assert row["image"] == {"path": "train/a.jpg", "width": None, "height": None}
    assert row["labels"] == [{"category": "/m/1", "score": 1}]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,x,/m/1,1,0.25,0.5,0,1,0,0,0,0\n", "line 3: found 12 values, expected the 13"),
        ("a,x,/m/1,1,0.25,0.5,0,1,0,0,0,0,0,9\n", "line 3: found 14 values, expected the 13"),
        ("a,x,/m/1,1,0.25,half,0,1,0,0,0,0,0\n", "line 3: found 'half' for XMax, expected a finite number"),
        ("a,x,/m/1,1,0.25,nan,0,1,0,0,0,0,0\n", "line 3: found 'nan' for XMax, expected a finite number"),
        ("a,x,/m/1,1,0.25,,0,1,0,0,0,0,0\n", "line 3: found no XMax"),
        ("a,x,,1,0.25,0.5,0,1,0,0,0,0,0\n", "line 3: found no LabelName"),
        (",x,/m/1,1,0.25,0.5,0,1,0,0,0,0,0\n", "line 3: found no ImageID"),
        ("a,x,/m/1,1,0.25,0.5,0,1,2,0,0,0,0\n", "line 3: found '2' for IsOccluded, expected 1, 0 or -1"),
        (
            "a,x,/m/1,one,0.25,0.5,0,1,0,0,0,0,0\n",
            "line 3: found 'one' for Confidence, expected a finite number",
        ),
    ],
)
def test_errors__name_file_and_line(row: str, message: str, tmp_path: Path) -> None:
    root = laid(tmp_path, train__annotations__bbox=BOXES + A + row + A.replace("a,", "b,"))
    with pytest.raises(DataError, match=rf"train-annotations-bbox\.csv, {message}"):
        sm.read(root)
    dataset = sm.read(root, on_error="skip")
    assert (dataset.report.objects_read, dataset.report.objects_skipped, dataset.report.error_count) == (
        2,
        1,
        1,
    )
    assert message in dataset.report.errors[0]


def test_errors__an_image_that_leaves_its_folder(tmp_path: Path) -> None:
    root = laid(tmp_path, train__annotations__bbox=BOXES + A.replace("a,", "../a,"))
    with pytest.raises(UnsafePathError, match=r"line 2: the path '../a' leaves its root"):
        sm.read(root)


def test_errors__columns_of_another_file(tmp_path: Path) -> None:
    root = laid(tmp_path, train__annotations__bbox=LABELS)
    with pytest.raises(
        DataError, match=r"bbox.csv, line 1: found the columns 'ImageID,Source.*expected ImageID,Source"
    ):
        sm.read(root, format="open_images")


def test_errors__nothing_there(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(EmptySourceError, match=r"looked for <split>-annotations-bbox\.csv"):
        sm.read(tmp_path, format="open_images")
    root = laid(tmp_path / "in", train__annotations__bbox=BOXES + A.replace("a,", "c,"))
    for name in "ab":
        (root / "train" / f"{name}.png").unlink()
    with pytest.raises(EmptySourceError, match="none of them is there; pass media="):
        sm.read(root, images="present")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 1", "line 1.*expected a name, a height and a width"),
        ("'a 1 2", "line 1.*No closing quotation"),
        ("a 0 1", "line 1"),
    ],
)
def test_errors__sizes(text: str, message: str, tmp_path: Path) -> None:
    root = laid(tmp_path, train__annotations__bbox=BOXES + A)
    (root / "images.meta").write_text(text, "utf-8")
    with pytest.raises(DataError, match=rf"images.meta, {message}"):
        sm.read(root)


def test_errors__hierarchy_and_class_descriptions(tmp_path: Path) -> None:
    root = laid(tmp_path, train__annotations__bbox=BOXES + A)
    (root / "bbox_labels_600_hierarchy.json").write_text('{"LabelName": "x", "Subcategory": [{}]}', "utf-8")
    with pytest.raises(
        DataError, match=r"hierarchy.json: the root.Subcategory\[0\].LabelName: found None, expected text"
    ):
        sm.read(root)
    (root / "bbox_labels_600_hierarchy.json").unlink()
    (root / "class-descriptions.csv").write_text("/m/1,One\n/m/2\n", "utf-8")
    with pytest.raises(
        DataError, match=r"class-descriptions.csv, line 2: found '/m/2', expected a class and its name"
    ):
        sm.read(root)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train-annotations-bbox.csv", "open_images"),
        ("oidv6-train-annotations-bbox.csv", "open_images"),
        ("challenge-2019-validation-detection-bbox.csv", "open_images"),
        ("a.csv", "spreadsheet"),
        ("boxes/annotations.csv", "spreadsheet"),
    ],
)
@pytest.mark.parametrize("alone", [True, False])
def test_recognition__a_name_of_the_benchmark_or_a_spreadsheet(
    name: str, expected: str, alone: bool, tmp_path: Path
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(BOXES + A, "utf-8")
    (tmp_path / "a.png").write_bytes((GOLDEN / "dm_v5" / "images" / "train" / "aa.jpg").read_bytes())
    found, match = registry.recognise(Location.parse(tmp_path / name if alone else tmp_path))
    assert found.info.name == expected, match


def test_recognition__the_name_alone_is_no_mark(tmp_path: Path) -> None:
    (tmp_path / "train-annotations-bbox.csv").write_text(
        "filename,width,height,class,xmin,ymin,xmax,ymax\n", "utf-8"
    )
    assert registry.get("open_images").sniff(registry.Probe(Location.parse(tmp_path))) is None


def test_read__one_file_alone(tmp_path: Path) -> None:
    root = laid(tmp_path, train__annotations__bbox=BOXES + A, class__descriptions="/m/1,Cat\n")
    dataset = sm.read(root / "train-annotations-bbox.csv")
    (row,) = by_id(dataset).values()
    assert (row["id"], row["split"], row["objects"][0]["category"]) == ("a.png", "train", "Cat")
    assert (
        sm.read(
            root / "train-annotations-bbox.csv", format="spreadsheet", media=root / "train"
        ).report.objects_read
        == 1
    )


def made(objects: list[dict[str, Any]] | None, **columns: Any) -> sm.Dataset:
    image = {"path": "a.png", "width": 16, "height": 8}
    return sm.Dataset.from_samples([{"id": "a.png", "image": image, "objects": objects, **columns}])


def test_write__a_mask_without_a_box_gets_the_one_around_its_pixels(tmp_path: Path) -> None:
    mask = {
        "height": 8,
        "width": 16,
        "counts": rle.encode_counts(np.array([18, 2, 6, 2, 100]), np.array([0, 5]))[0],
    }
    report = made([{"category": "cat", "mask": mask}]).write(
        tmp_path / "o", format="open_images", on_loss="ignore"
    )
    assert [(loss.code, loss.count) for loss in report.losses] == [("bbox.computed", 1)]
    (found,) = by_id(sm.read(tmp_path / "o"))["a.png"]["objects"]
    assert found["mask"] == mask
    assert found["bbox"] == {"x": 2, "y": 2, "w": 2, "h": 2}


def test_write__polygons_are_filled_or_left_out(tmp_path: Path) -> None:
    dataset = made([{"category": "cat", "bbox": [4, 0, 4, 8], "polygons": [[4.0, 0, 8, 0, 8, 8, 4, 8]]}])
    report = dataset.write(tmp_path / "1", format="open_images", on_loss="ignore")
    assert [(loss.code, loss.count) for loss in report.losses] == [("polygon.as_mask", 1)]
    assert int(pixels(by_id(sm.read(tmp_path / "1"))["a.png"]["objects"][0]["mask"]).sum()) == 32
    report = dataset.write(tmp_path / "2", format="open_images", masks=False, on_loss="ignore")
    assert [(loss.code, loss.field) for loss in report.losses] == [("field.dropped", "objects.polygons")]
    assert not (tmp_path / "2" / "masks").exists()


def test_write__what_rows_of_boxes_have_no_place_for(tmp_path: Path) -> None:
    objects = [
        {"category": "cat", "bbox": [0, 0, 1, 1], "box_id": "f", "source": "", "extreme_points": [1.0]},
        {"category": None, "bbox": [0, 0, 1, 1]},
        {"category": "cat", "bbox": None},
    ]
    report = made(objects).write(tmp_path / "out", format="open_images", on_loss="ignore")
    assert {(loss.code, loss.field, loss.count) for loss in report.losses} == {
        ("category.missing", "objects", 1),
        ("geometry.missing", "objects", 1),
        ("attribute.unmasked", "objects.box_id", 1),
        ("text.blank", "objects.source", 1),
        ("clicks.dropped", "objects.extreme_points", 1),
    }
    assert report.reconciles


def test_write__labels_of_any_column(tmp_path: Path) -> None:
    source = sm.read(GOLDEN / "official")
    renamed = source.to_arrow().rename_columns(
        ["tags" if name == "machine_labels" else name for name in source.to_arrow().column_names]
    )
    columns = {("tags" if n == "machine_labels" else n): f for n, f in source.schema.columns.items()}
    dataset = sm.Dataset.from_arrow(renamed, schema=source.schema.with_columns(columns))
    dataset.write(tmp_path / "out", format="open_images", media="copy", on_loss="ignore")
    again = sm.read(tmp_path / "out")
    assert by_id(again)["0001eeaf4aed83f9.jpg"]["tags"] == [{"category": "Airplane", "score": 0.9}]
    names = {path.name for path in (tmp_path / "out" / "annotations").iterdir()}
    assert "train-annotations-machine-imagelabels.csv" not in names


def test_write__the_benchmark_calls_val_validation(tmp_path: Path) -> None:
    sample = {
        "id": "a.png",
        "image": {"path": "a.png", "width": 16, "height": 8},
        "split": "val",
        "objects": [],
    }
    dataset = sm.Dataset.from_samples([sample])
    dataset.write(tmp_path / "out", format="open_images", on_loss="error")
    assert (tmp_path / "out" / "annotations" / "validation-images-boxable-with-rotation.csv").exists()
    assert by_id(sm.read(tmp_path / "out"))["a.png"]["split"] == "val"
    two = sm.Dataset.from_samples([sample, {**sample, "id": "b.png", "split": "validation"}])
    with pytest.raises(OptionError, match="'val' and 'validation' are both called 'validation'"):
        two.write(tmp_path / "two", format="open_images")
    other = sm.Dataset.from_samples([{**sample, "split": "validation"}])
    assert [
        loss.code for loss in other.write(tmp_path / "3", format="open_images", on_loss="ignore").losses
    ] == ["split.renamed"]


def test_write__sizes_that_nobody_knows_are_an_error(tmp_path: Path) -> None:
    dataset = sm.Dataset.from_samples(
        [{"id": "a.png", "objects": [{"category": "cat", "bbox": [0, 0, 1, 1]}]}]
    )
    with pytest.raises(DataError, match=r"sample 'a.png': the image's width and height are not known"):
        dataset.write(tmp_path / "out", format="open_images")


def test_write__the_hierarchy_that_was_read_or_the_groups_of_classes(tmp_path: Path) -> None:
    source = sm.read(GOLDEN / "official")
    source.write(tmp_path / "1", format="open_images", media="copy", on_loss="ignore")
    name = "annotations/bbox_labels_600_hierarchy.json"
    given = json.loads((GOLDEN / "official" / "bbox_labels_600_hierarchy.json").read_text("utf-8"))
    assert json.loads((tmp_path / "1" / name).read_text("utf-8")) == given
    other = source.map_categories({"Airplane": "Plane"})
    other.write(tmp_path / "2", format="open_images", media="copy", on_loss="ignore")
    found = {c.name: c.supercategory for c in sm.read(tmp_path / "2").schema.objects().categories}
    assert found["Car"] == "Vehicle"


def test_judge__datumaro_reads_what_is_written(tmp_path: Path) -> None:
    sm.read(GOLDEN / "official").write(tmp_path / "out", format="open_images", media="copy", on_loss="ignore")
    command = [os.environ["SMALTI_JUDGE_PYTHON"], "-W", "ignore", JUDGE, tmp_path / "out", "open_images"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    verdict = json.loads(done.stdout.splitlines()[-1])
    again = by_id(sm.read(tmp_path / "out"))
    table = {c.name: c.id for c in sm.read(tmp_path / "out").schema.columns["labels"].categories}
    assert set(verdict["labels"]) == {*table.values()}
    words = {"train": "train", "val": "validation", "test": "test"}
    assert set(verdict["items"]) == {f"{words[row['split']]}/{Path(key).stem}" for key, row in again.items()}
    for key, row in again.items():
        item = verdict["items"][f"{words[row['split']]}/{Path(key).stem}"]
        assert item["size"] == [row["image"]["height"], row["image"]["width"]]
        found: dict[str, list[Any]] = {"bbox": [], "mask": [], "label": []}
        for one in item["annotations"]:
            found[one["type"]].append(one)
        objects = row["objects"] or []
        for object_, one in zip(objects, found["bbox"], strict=True):
            assert one["label"] == table[object_["category"]]
            assert one["bbox"] == pytest.approx(list(object_["bbox"].values()), abs=0.0051)  # it rounds
            flags = {"occluded": "occluded", "truncated": "truncated", "is_group_of": "iscrowd",
                     "is_depiction": "is_depiction", "is_inside": "is_inside"}  # fmt: skip
            told = {theirs: object_[ours] for theirs, ours in flags.items() if object_[ours] is not None}
            assert one["attributes"] == {"score": 1.0, **told}
        masked = [object_ for object_ in objects if object_["mask"]]
        for object_, one in zip(masked, found["mask"], strict=True):
            assert one["area"] == pixels(object_["mask"]).sum()
            assert one["attributes"]["box_id"] == object_["box_id"]
        human = [*(row["labels"] or []), *(row["crowdsource_verification_labels"] or [])]
        assert [(one["label"], one["attributes"]["score"]) for one in found["label"]] == [
            (table[label["category"]], label["score"]) for label in human
        ]
