"""What the rows of label files mean, and what is said where they mean nothing or several things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import smalti as sm

if TYPE_CHECKING:
    from collections.abc import Callable

YAML = "train: images\nval: images\nnames: [cat, dog]\n"
BOX = "0 0.5 0.5 0.5 0.25"
RING = "1 0.25 0.25 0.75 0.25 0.5 0.75"
FOUR = "1 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75"


@pytest.fixture
def read(make: Callable[..., Any], rows: Callable[..., Any]) -> Callable[..., Any]:
    """Reads one label file of an image of 16 x 8 pixels: its objects."""

    def found(*lines: str, yaml: str = YAML, **options: Any) -> Any:
        files = {"data.yaml": yaml, "images/a.png": (16, 8), "labels/a.txt": "\n".join(lines) + "\n"}
        return rows(sm.read(make(files), "yolo", **options))["a.png"]

    return found


def test_detect__boxes_are_pixels(read: Any) -> None:
    assert read(BOX) == [{"category": "cat", "bbox": {"x": 4, "y": 3, "w": 8, "h": 2}}]


def test_rows__blanks_tabs_and_numbers_in_any_form(read: Any) -> None:
    assert read("", "  1.0e+00\t0.5  5e-1 +0.5 .25 \r") == [
        {"category": "dog", "bbox": {"x": 4, "y": 3, "w": 8, "h": 2}}
    ]


def test_detect__a_last_column_of_fractions_is_a_score(read: Any) -> None:
    assert [obj["score"] for obj in read(f"{BOX} 0.75", f"{BOX} 1")] == [0.75, 1]


def test_detect__a_last_column_of_counting_numbers_is_a_track(read: Any) -> None:
    assert [obj["track_id"] for obj in read(f"{BOX} 7", f"{BOX} 1")] == [7, 1]


def test_detect__a_last_column_that_may_be_either_asks(read: Any) -> None:
    with pytest.raises(sm.errors.OptionError, match="pass extra_column='score' or extra_column='track_id'"):
        read(f"{BOX} 1", f"{BOX} 0")
    assert read(f"{BOX} 1", extra_column="track_id")[0]["track_id"] == 1


def test_segment__one_ring_a_row(read: Any) -> None:
    assert read(RING) == [{"category": "dog", "polygons": [[4, 2, 12, 2, 8, 6]]}]


def test_segment__an_even_number_of_columns_has_one_more(read: Any) -> None:
    assert read(f"{RING} 0.5") == [{"category": "dog", "polygons": [[4, 2, 12, 2, 8, 6]], "score": 0.5}]


def test_four_corners__ask_which_task(read: Any) -> None:
    with pytest.raises(sm.errors.OptionError, match=r"9 columns.*pass task='obb' or task='segment'"):
        read(FOUR)
    corners = [4, 2, 12, 2, 12, 6, 4, 6]
    assert read(FOUR, task="obb") == [{"category": "dog", "quad": corners}]
    assert read(FOUR, task="segment") == [{"category": "dog", "polygons": [corners]}]


def test_four_corners__among_longer_rings_are_polygons(read: Any) -> None:
    assert [len(obj["polygons"][0]) for obj in read(FOUR, RING)] == [8, 6]


def test_boxes_among_polygons__ask_and_are_kept_as_boxes(read: Any) -> None:
    with pytest.raises(sm.errors.OptionError, match="pass task='segment' to read both"):
        read(BOX, RING)
    box = {"x": 4, "y": 3, "w": 8, "h": 2}
    assert read(BOX, RING, task="segment") == [
        {"category": "cat", "bbox": box, "polygons": None},
        {"category": "dog", "bbox": None, "polygons": [[4, 2, 12, 2, 8, 6]]},
    ]
    assert read(f"{BOX} 3", f"{RING} 4", task="segment", extra_column="track_id") == [
        {"category": "cat", "bbox": box, "polygons": None, "track_id": 3},
        {"category": "dog", "bbox": None, "polygons": [[4, 2, 12, 2, 8, 6]], "track_id": 4},
    ]


def test_pose__of_two_numbers_has_unknown_visibility(read: Any) -> None:
    found = read(f"{BOX} 0.5 0.5 0.25 0.75", yaml=YAML + "kpt_shape: [2, 2]\n")
    assert found[0]["keypoints"] == [
        {"x": 8, "y": 4, "visibility": None},
        {"x": 4, "y": 6, "visibility": None},
    ]


def test_pose__has_a_score_beyond_its_keypoints(read: Any) -> None:
    found = read(f"{BOX} 0.5 0.5 2 0.25", yaml=YAML + "kpt_shape: [1, 3]\n")
    assert found[0]["score"] == 0.25
    assert found[0]["keypoints"] == [{"x": 8, "y": 4, "visibility": 2}]


def test_pose__needs_kpt_shape(read: Any) -> None:
    with pytest.raises(sm.errors.OptionError, match=r"needs kpt_shape in data\.yaml"):
        read(f"{BOX} 0.5 0.5 2", task="pose")


def test_names__with_gaps_are_ids(read: Any) -> None:
    yaml = "train: images\nval: images\nnames: {3: cat, 70: dog}\n"
    assert [obj["category"] for obj in read(f"70{BOX[1:]}", f"3{BOX[1:]}", yaml=yaml)] == ["dog", "cat"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 0.5 0.5 0.5", "line 2: found 4 columns, expected class cx cy w h"),
        (f"{BOX} 0.5 0.5", "rows of 5 and of 7 columns stand side by side"),
        ("2 0.5 0.5 0.5 0.5", r"line 2: found the class 2, expected one of the 2 classes of data\.yaml"),
        ("0.5 0.5 0.5 0.5 0.5", r"line 2: found the class 0\.5"),
        ("cat 0.5 0.5 0.5 0.5", "line 2: found 'cat', expected a finite number"),
        ("0 0.5 0.5 0.5 nan", "line 2: found 'nan', expected a finite number"),
        ("0 0.5 0.5 0.5 0,5", "line 2: found '0,5', expected a finite number"),
    ],
)
def test_rows__faults_name_their_line(read: Any, line: str, reason: str) -> None:
    with pytest.raises(sm.errors.SmaltiError, match=reason):
        read(BOX, line)


@pytest.mark.parametrize(
    ("line", "yaml", "options", "reason"),
    [
        (f"{BOX} 1.5", YAML, {"extra_column": "track_id"}, "a whole number for track_id"),
        (f"{BOX} 1e18", YAML, {"extra_column": "track_id"}, "a whole number for track_id"),
        (f"{BOX} 0.5 0.5 0.98", YAML + "kpt_shape: [1, 3]\n", {}, "0, 1 or 2 for a keypoint's visibility"),
    ],
)
def test_rows__numbers_are_never_rounded_to_fit(
    read: Any, line: str, yaml: str, options: Any, reason: str
) -> None:
    with pytest.raises(sm.errors.DataError, match=rf"a\.txt, line 1: expected {reason}"):
        read(line, yaml=yaml, **options)
    assert read(line, yaml=yaml, on_error="skip", **options) == []


def test_rows__faults_are_skipped_and_counted(make: Any) -> None:
    lines = [BOX, "0 0.5 0.5 0.5", "5 0.5 0.5 0.5 0.5", "cat 1 1 1 1", BOX]
    root = make({"data.yaml": YAML, "images/a.png": (16, 8), "labels/a.txt": "\n".join(lines)})
    report = sm.read(root, on_error="skip").report
    assert (report.objects_read, report.objects_skipped, report.error_count) == (2, 3, 3)


TEXT = "1 1 5 1 5 5 1 5"


@pytest.fixture
def text(make: Callable[..., Any]) -> Callable[..., sm.Dataset]:
    """Reads one file of the text dialect."""

    def found(*lines: str, **options: Any) -> sm.Dataset:
        yaml = "train: ../train/images\nval: ../train/images\nnames: [small vehicle, dog]\n"
        files = {"data.yaml": yaml, "train/images/a.png": (16, 8), "train/labelTxt/a.txt": "\n".join(lines)}
        return sm.read(make(files), **options)

    return found


def test_text_rows__names_with_blanks_and_headings(text: Any, rows: Any) -> None:
    found = rows(text("imagesource:GoogleEarth", "gsd:0.14", f"{TEXT} small vehicle 1", "", f"{TEXT} dog 0"))
    assert [(obj["category"], obj["difficulty"]) for obj in found["a.png"]] == [
        ("small vehicle", 1),
        ("dog", 0),
    ]
    assert found["a.png"][0]["quad"] == [1, 1, 5, 1, 5, 5, 1, 5]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"{TEXT} cow 0", r"a\.txt, line 2: found the class 'cow', expected one of 'small vehicle', 'dog'"),
        ("1 1 5 1 5 5 1 dog", r"a\.txt, line 2: expected x1 y1 x2 y2 x3 y3 x4 y4 class-name difficulty"),
        ("1 1 5 1 5 5 1 five dog 0", r"a\.txt, line 2: found 'five', expected a finite number"),
        (f"{TEXT} dog 0.5", r"a\.txt, line 2: expected a whole number for difficulty"),
        (f"{TEXT} dog hard", r"a\.txt, line 2: found 'hard', expected a finite number"),
    ],
)
def test_text_rows__faults_name_their_line(text: Any, line: str, reason: str) -> None:
    with pytest.raises(sm.errors.DataError, match=reason):
        text(f"{TEXT} dog 0", line)
    report = text(f"{TEXT} dog 0", line, on_error="skip").report
    assert (report.objects_read, report.objects_skipped) == (1, 1)


def test_text_rows__are_oriented_boxes_and_nothing_else(text: Any) -> None:
    with pytest.raises(sm.errors.OptionError, match="hold oriented boxes and a difficulty"):
        text(f"{TEXT} dog 0", task="segment")


def test_text_rows__beside_rows_of_numbers_are_an_error(make: Any, text: Any) -> None:
    make({"train/images/b.png": (16, 8), "train/labels/b.txt": BOX})
    with pytest.raises(sm.errors.DataError, match="where rows mean something else"):
        text(f"{TEXT} dog 0")


def test_text_rows__lose_their_difficulty_in_yolo(text: Any, tmp_path: Any, counts: Any) -> None:
    dataset = text(f"{TEXT} dog 1")
    report = sm.write(dataset, tmp_path / "out", "yolo", media="link", on_loss="ignore")
    assert counts(report) == {"field.dropped objects.difficulty": 1}
    assert (
        tmp_path / "out/labels/a.txt"
    ).read_text() == "1 0.0625 0.125 0.3125 0.125 0.3125 0.625 0.0625 0.625\n"
