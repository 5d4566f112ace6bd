from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from smalti.errors import DataError, EmptySourceError, UnsafePathError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def change(body: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """Put a value at a place like ``annotations.1.bbox``; ... removes it."""
    *path, last = (int(step) if step.isdigit() else step for step in place.split("."))
    item: Any = body
    for step in path:
        item = item[step]
    if value is ...:
        del item[last]
    else:
        item[last] = value
    return body


FAULTS = [
    ("annotations.1.image_id", 77, r"\$\.annotations\[1\]\.image_id: found 77; .* of this file: 1, 2"),
    ("annotations.1.image_id", "2", r"\$\.annotations\[1\]\.image_id: found \"?2"),
    ("annotations.1.image_id", None, r"\$\.annotations\[1\]\.image_id: expected `int \| str`, got `null`"),
    ("annotations.1.image_id", 1.5, r"\$\.annotations\[1\]\.image_id: expected"),
    ("annotations.1.category_id", 9, r"\$\.annotations\[1\]\.category_id: found 9; .*: 1, 2; declare"),
    ("annotations.1.category_id", [1], r"\$\.annotations\[1\]\.category_id: expected"),
    (
        "annotations.1.bbox",
        [1, 2, 3],
        r"\$\.annotations\[1\]\.bbox: found \[1, 2, 3\]; expected four numbers",
    ),
    (
        "annotations.1.bbox",
        [1, 2, 3, None],
        r"\$\.annotations\[1\]\.bbox\[3\]: found null; expected a finite",
    ),
    (
        "annotations.1.bbox",
        [1, 2, 3, "4"],
        r"\$\.annotations\[1\]\.bbox\[3\]: found \"4\"; expected a finite",
    ),
    ("annotations.1.bbox", [[1, 2, 3, 4]], r"\$\.annotations\[1\]\.bbox: found"),
    ("annotations.1.bbox", {"x": 1}, r"\$\.annotations\[1\]\.bbox: found {\"x\": 1}; expected a list"),
    ("annotations.1.bbox", "", r"\$\.annotations\[1\]\.bbox: found"),
    ("annotations.1.bbox", [], r"\$\.annotations\[1\]\.bbox: found \[\]; expected four"),
    ("annotations.1.area", "12", r"\$\.annotations\[1\]\.area: expected `float \| null`, got `str`"),
    ("annotations.1.iscrowd", 2, r"\$\.annotations\[1\]\.iscrowd: found 2; expected 0 or 1"),
    ("annotations.1.id", [3], r"\$\.annotations\[1\]\.id: expected"),
    (
        "annotations.1.segmentation",
        [[1, 2, 3]],
        r"\[1\]\.segmentation\[0\]: found 3 coordinates; expected pairs",
    ),
    ("annotations.1.segmentation", [1, 2, 3], r"\[1\]\.segmentation: found 3 coordinates; expected pairs"),
    ("annotations.1.segmentation", [[1, 2], [3, None]], r"\[1\]\.segmentation\[1\]\[1\]: found null"),
    (
        "annotations.1.segmentation",
        [[[1, 2]]],
        r"\[1\]\.segmentation\[0\]\[0\]: found \[1, 2\]; expected a fin",
    ),
    ("annotations.1.segmentation", [[1, 2], 3], r"\[1\]\.segmentation\[1\]: found 3; expected a list"),
    ("annotations.1.segmentation", "abc", r"\[1\]\.segmentation: found \"abc\"; expected polygons or run"),
    (
        "annotations.1.segmentation",
        {"counts": [5], "size": [2, 2]},
        r"segmentation\.counts: .*fill 2 x 2 pixels",
    ),
    (
        "annotations.1.segmentation",
        {"counts": [5, -1], "size": [2, 2]},
        r"segmentation\.counts: .*fill 2 x 2",
    ),
    (
        "annotations.1.segmentation",
        {"counts": [2**70], "size": [2, 2]},
        r"segmentation\.counts: .*fill 2 x 2",
    ),
    (
        "annotations.1.segmentation",
        {"counts": "\u007f", "size": [2, 2]},
        r"segmentation\.counts: .*fill 2 x 2",
    ),
    ("annotations.1.segmentation", {"counts": "ä", "size": [2, 2]}, r"segmentation\.counts: .*fill 2 x 2"),
    ("annotations.1.segmentation", {"counts": "4"}, r"segmentation.*: object missing required field `size`"),
    ("annotations.1.keypoints", [1, 2], r"\[1\]\.keypoints: found \[1, 2\]; expected x, y and a visibility"),
    ("annotations.1.keypoints", [1, 2, 0.5], r"\[1\]\.keypoints: found .*; expected x, y and a visibility"),
]
IMAGE_FAULTS = [
    (
        "images.1.file_name",
        "../../etc/passwd",
        r"\$\.images\[1\]\.file_name: the path '../../etc/passwd' leaves",
    ),
    ("images.1.file_name", "/etc/passwd", r"\$\.images\[1\]\.file_name: .* is absolute"),
    ("images.1.file_name", "a.jpg", r"\$\.images\[1\]\.file_name: the path 'a.jpg' is used twice"),
    ("images.1.file_name", ..., r"\$\.images\[1\]\.file_name: there is none"),
    ("images.1.file_name", 7, r"\$\.images\[1\]\.file_name: expected `str`, got `int`"),
    ("images.1.id", 1, r"\$\.images\[1\]\.id: the id 1 is used twice"),
    ("images.1.id", ..., r"\$\.images\[1\]\.id: there is none"),
    ("images.1.width", -4, r"\$\.images\[1\]\.width: found -4; expected a number of pixels"),
    ("images.1.width", 2.5, r"\$\.images\[1\]\.width: found 2.5; expected a number of pixels"),
    ("images.1.width", "640", r"\$\.images\[1\]\.width: expected"),
]
FILE_FAULTS = [
    ("categories.1.id", 1, r"\$\.categories\[1\]\.id: the id 1 is used twice"),
    ("categories.1.name", ..., r"\$\.categories\[1\]\.name: found None; expected a name"),
    ("categories", 3, r"\$\.categories: the categories are no array"),
    ("images", 3, r"\$\.images: expected `array"),
    ("annotations.1", 3, r"\$\.annotations\[1\]: expected `object`, got `int`"),
]


@pytest.mark.parametrize(("place", "value", "message"), FAULTS + IMAGE_FAULTS + FILE_FAULTS)
def test_fault__names_file_and_place(
    coco: Any, make: Callable[..., Path], place: str, value: Any, message: str
) -> None:
    path = make(**change(coco.minimal(), place, value))
    message = message.replace(": ", r"( \(sample 'b.jpg'\))?: ", 1)
    with pytest.raises(DataError, match=rf"data\.json, .*{message}"):
        coco.read(path)


@pytest.mark.parametrize(("place", "value", "message"), FAULTS)
def test_skip__leaves_out_the_object(
    coco: Any, make: Callable[..., Path], place: str, value: Any, message: str
) -> None:
    path = make(**change(coco.minimal(), place, value))
    source = coco.read(path, on_error="skip")
    assert [row["id"] for row in source.rows] == ["a.jpg", "b.jpg"]
    assert [item["id"] for item in source.objects()] == [1]
    assert source.rows[1]["objects"] == []
    (error,) = source.errors
    assert error
    assert source.plan.objects_skipped + sum(read.objects_skipped for read in source.reads) == 1
    del message


@pytest.mark.parametrize(("place", "value", "message"), IMAGE_FAULTS)
def test_skip__leaves_out_the_image(
    coco: Any, make: Callable[..., Path], place: str, value: Any, message: str
) -> None:
    path = make(**change(coco.minimal(), place, value))
    source = coco.read(path, on_error="skip")
    assert [row["id"] for row in source.rows] == ["a.jpg"]
    assert len(source.objects()) == 1 + (place == "images.1.id" and value == 1) * 0
    assert source.plan.samples_skipped == 1
    del message


def test_unsafe_path__has_its_own_error(coco: Any, make: Callable[..., Path]) -> None:
    with pytest.raises(UnsafePathError):
        coco.read(make(**change(coco.minimal(), "images.0.file_name", "..\\..\\x.jpg")))


TEXTS = [
    (b'{"images": [{"id": 1, "file_na', "ends too early"),
    (b"", "ends too early"),
    (b'{"images": [], }', "not valid JSON"),
    (b'{"images": [{"id": NaN}]}', "not valid JSON"),
    (b'{"images": [{"id": 1, "file_name": "\xff"}]}', "found the byte 0xff; expected text in UTF-8"),
    (
        b'{"images": [{"id": 1, "file_name": "a", "x": "\xff"}]}',
        "found the byte 0xff; expected text in UTF-8",
    ),
    (b'{"images": [{"id": 1, "file_name": "\\ud800"}]}', "lone surrogate"),
    (b'{"images": [{"id": 1, "file_name": "a", "x": "\\ud800"}]}', "lone surrogate"),
    ('{"images": []}'.encode("utf-16"), "UTF-16"),
    (b'{"images": [{"x": ' + b"[" * 100_000, "nested too deeply"),
    (b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    (b'{"images": [], "annotations": []} x', "not valid JSON"),
    (b'"text"', "expected an object with images"),
    (
        b'{"images": [{"id": 1, "file_name": "a", "width": 1, "height": ' + b"9" * 1_000_000 + b"}]}",
        "out of range",
    ),
    (b'{"images": [{"id": 1, "file_name": "a", "width": 1e400, "height": 1}]}', "out of range"),
]


@pytest.mark.parametrize(("text", "message"), TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_text__that_is_no_coco(coco: Any, tmp_path: Path, text: bytes, message: str, on_error: str) -> None:
    path = tmp_path / "data.json"
    path.write_bytes(text)
    if message == "out of range" and on_error == "skip":
        source = coco.read(path, on_error=on_error)
        assert source.rows == []
        assert source.plan.samples_skipped == 1
        assert message in source.errors[0]
        return
    with pytest.raises(DataError, match=message) as caught:
        coco.read(path, on_error=on_error)
    assert "data.json" in str(caught.value)


@pytest.mark.parametrize("number", ["1e400", "9" * 5000, "-1e999"])
@pytest.mark.parametrize("key", ["bbox", "segmentation"])
def test_numbers__beyond_double_are_refused(coco: Any, tmp_path: Path, number: str, key: str) -> None:
    value = f"[1, 2, 3, {number}]" if key == "bbox" else f"[[1, 2, 3, {number}]]"
    text = json.dumps(coco.minimal()).replace('"iscrowd": 0}', f'"iscrowd": 0, "{key}": {value}}}', 1)
    path = tmp_path / "data.json"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"annotations\[0\]\.{key}.*expected a finite number"):
        coco.read(path)


def test_bom__is_no_fault(coco: Any, tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_text(json.dumps(coco.minimal()), "utf-8-sig")
    assert len(coco.read(path).objects()) == 2


def test_images__missing_says_what_is_there(coco: Any, make: Callable[..., Path]) -> None:
    with pytest.raises(EmptySourceError, match=r"looked for the key 'images' at the top.*categories"):
        coco.read(make(images=...))


def test_panoptic__is_refused(coco: Any) -> None:
    with pytest.raises(DataError, match="this is COCO panoptic"):
        coco.read(coco.golden / "panopticapi_sample/panoptic_examples.json")


def test_keys__without_end_are_refused(coco: Any, make: Callable[..., Path]) -> None:
    body = coco.minimal()
    body["annotations"][0] |= {f"k{number}": 1 for number in range(300)}
    with pytest.raises(DataError, match="more than 256 different keys"):
        coco.read(make(**body))


def test_repairs__are_noted(coco: Any, make: Callable[..., Path]) -> None:
    body = coco.minimal()
    body["images"][0]["width"] = 0
    body["images"][1]["file_name"] = ".\\sub\\b.jpg"
    body["annotations"][0] |= {"id": 0, "segmentation": [1, 1, 2, 1, 2, 2]}
    body["annotations"][1] |= {"id": 0, "segmentation": [[1, 1, 2, 1, 2, 2]]}
    body["categories"][1]["name"] = "cat"
    source = coco.read(make(**body))
    assert source.repairs == {
        "size.zero": 1,
        "path.normalised": 1,
        "category.duplicate": 1,
        "id.duplicate": 1,
        "id.zero": 1,
        "segmentation.flat": 1,
    }
    assert source.rows[0]["image"]["width"] is None
    assert source.rows[1]["id"] == "sub/b.jpg"
    assert [item["id"] for item in source.objects()] == [0, 1]
    assert [item["category"] for item in source.objects()] == ["cat", "cat#2"]
    assert source.objects()[0]["polygons"] == [[1, 1, 2, 1, 2, 2]]


@pytest.mark.parametrize("categories", [..., []])
def test_categories__missing_are_named_by_id(coco: Any, make: Callable[..., Path], categories: Any) -> None:
    source = coco.read(make(categories=categories))
    assert source.repairs == {"categories.missing": 2}
    assert [item["category"] for item in source.objects()] == ["1", "2"]


def test_ids__text_and_mixed(coco: Any, make: Callable[..., Path], tmp_path: Path) -> None:
    body = coco.minimal()
    body["images"][0]["id"] = body["annotations"][0]["image_id"] = "1"
    body["images"][1]["id"] = body["annotations"][1]["image_id"] = 1
    body["annotations"][0]["id"] = "x"
    body["annotations"][0]["category_id"] = body["categories"][0]["id"] = "c"
    source = coco.read(make(**body))
    assert [row["image_id"] for row in source.rows] == ['"1"', "1"]
    assert [len(row["objects"]) for row in source.rows] == [1, 1]
    coco.write(source, tmp_path / "out.json")
    assert coco.load(tmp_path / "out.json") == body


def test_ids__beyond_64_bits(coco: Any, make: Callable[..., Path], tmp_path: Path) -> None:
    body = coco.minimal()
    body["images"][0]["id"] = body["annotations"][0]["image_id"] = 2**64
    body["annotations"][0]["id"] = 2**70
    coco.write(coco.read(make(**body)), tmp_path / "out.json")
    assert coco.load(tmp_path / "out.json") == body


def test_objects__null_and_missing_members(coco: Any, make: Callable[..., Path]) -> None:
    body = coco.minimal()
    body["annotations"][0] |= {"bbox": None, "area": None, "category_id": None}
    del body["annotations"][1]["iscrowd"]
    found = coco.read(make(**body)).objects()
    assert found[0]["bbox"] is None
    assert found[0]["area"] is None
    assert found[0]["category"] is None
    assert found[1]["iscrowd"] is None


def test_skeleton__counted_from_0(coco: Any, tmp_path: Path) -> None:
    source = coco.read(coco.golden / "dm_keypoints")
    assert source.plan.schema.objects().categories[0].skeleton == ((0, 1), (1, 2))
    coco.write(source, tmp_path / "out")
    before = coco.load(coco.golden / "dm_keypoints/annotations/person_keypoints_val.json")
    assert coco.load(tmp_path / "out/annotations/instances_val.json") == coco.sorted_by_image(before)


@pytest.mark.parametrize("key", ['a"b', "a\\b", "a\tb"])
def test_keys__that_no_struct_may_have(coco: Any, make: Callable[..., Path], key: str) -> None:
    body = coco.minimal()
    body["annotations"][1][key] = 1
    path = make(annotations=body["annotations"])
    with pytest.raises(DataError, match=r"found the key .* expected keys without") as caught:
        coco.read(path)
    assert caught.value.position == "$.annotations[1]"
    left = coco.read(path, on_error="skip")
    assert len(left.objects()) == 1
    assert "found the key" in left.errors[0]
    for on_error in ("raise", "skip"):
        with pytest.raises(DataError, match="found the key"):
            coco.read(make(**{key: 1}), on_error=on_error)
