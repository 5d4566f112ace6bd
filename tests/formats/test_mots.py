from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import smalti as sm
from smalti.geometry import rle

GOLDEN = Path(__file__).parents[1] / "golden" / "mots"


def rows(ds: sm.Dataset) -> list[tuple[Any, ...]]:
    return [
        (s["id"], s["frame"], [(o["category"], o["track_id"], o["ignored"]) for o in s["objects"] or ()])
        for s in ds.to_arrow().to_pylist()
    ]


TRACKS = [
    [("pedestrian", 2001, False), ("pedestrian", 2002, False), (None, None, True)],
    [("pedestrian", 2001, False)],
    [("pedestrian", 2002, False)],
]


def test_read__rows_of_the_challenge() -> None:
    ds = sm.read(GOLDEN / "challenge")
    assert ds.report.source_format == "mots"
    names = [f"MOTS20-02/{n:06}.jpg" for n in (1, 2, 3)]
    assert rows(ds) == [(name, n, found) for n, (name, found) in enumerate(zip(names, TRACKS, strict=True))]
    assert [c.name for c in ds.categories] == ["car", "pedestrian"]
    assert {s.split for s in ds} == {"train"}
    assert ds.to_arrow()["video"].to_pylist() == ["MOTS20-02"] * 3
    first = ds.to_arrow()["objects"][0].as_py()[0]
    assert first["bbox"] == {"x": 2, "y": 2, "w": 6, "h": 6}
    runs, offsets = rle.decode_counts([first["mask"]["counts"]])
    assert rle.areas(runs, offsets).tolist() == [32]  # its hole is one


@pytest.mark.parametrize(("folder", "suffix"), [("kitti", "png"), ("kitti_png", "png")])
def test_read__kitti_counts_from_zero(folder: str, suffix: str) -> None:
    ds = sm.read(GOLDEN / folder)
    assert ds.report.source_format == "mots"
    names = [f"0002/{n:06}.{suffix}" for n in range(3)]
    assert rows(ds) == [(name, n, found) for n, (name, found) in enumerate(zip(names, TRACKS, strict=True))]


def test_read__rows_and_pixels_say_the_same() -> None:
    ours, theirs = (
        [o["mask"] for s in sm.read(GOLDEN / name).to_arrow()["objects"].to_pylist() for o in s]
        for name in ("kitti", "kitti_png")
    )
    assert ours == theirs


def test_read__cvat_names_its_classes() -> None:
    ds = sm.read(GOLDEN / "cvat")
    assert ds.categories.values == ("cat", "dog", "person")
    assert rows(ds) == [
        ("a.jpg", None, [("cat", 1001, False), ("person", 3001, False)]),
        ("b.jpg", None, [("cat", 1001, False), ("person", 3002, False)]),
    ]
    assert {s.split for s in ds} == {"train"}


def challenge(root: Path, *lines: str, frames: int = 1) -> Path:
    place = root / "seq"
    (place / "gt").mkdir(parents=True)
    (place / "img1").mkdir()
    (place / "gt" / "gt.txt").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    for number in range(1, frames + 1):
        Image.new("RGB", (3, 2)).save(place / "img1" / f"{number:06}.jpg")
    return root


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("1 2001 2 2 3", "found 5 words, expected 6"),
        ("x 2001 2 2 3 06", "expected five numbers"),
        ("1.5 2001 2 2 3 06", "the frame"),
        ("7 2001 2 2 3 06", "found the frame 7"),
        ("1 5001 5 2 3 06", "found the class 5"),
        ("1 2001 2 2 3 07", "expected run lengths of 2 x 3 pixels"),
        ("1 2001 2 2 3 ~", "expected run lengths"),
        ("1 2001 2 nan 3 06", "expected five numbers"),
    ],
)
def test_faults__name_the_line(tmp_path: Path, line: str, match: str) -> None:
    challenge(tmp_path, "1 2002 2 2 3 06", line)
    with pytest.raises(sm.errors.DataError, match=match) as caught:
        sm.read(tmp_path, "mots")
    assert "line 2" in str(caught.value)
    assert "gt.txt" in str(caught.value)
    ds = sm.read(tmp_path, "mots", on_error="skip")
    assert ds.report.objects_skipped == 1
    assert ds.report.objects_read == 1


def test_read__blanks_and_empty_lines(tmp_path: Path) -> None:
    ds = sm.read(challenge(tmp_path, "", "1  2001 2 2 3 06 ", "", "1 2002 1 2 3 06\r"), "mots")
    assert [o["track_id"] for o in ds[0].objects] == [2001, 2002]


def test_faults__a_label_image_of_no_class(tmp_path: Path) -> None:
    (tmp_path / "instances" / "a").mkdir(parents=True)
    for n, value in enumerate((7001, 1001)):
        Image.fromarray(np.full((2, 3), value, np.uint16)).save(tmp_path / "instances" / "a" / f"{n:06}.png")
    with pytest.raises(sm.errors.DataError, match=r"000000\.png.*found the class 7 of 7001"):
        sm.read(tmp_path)
    assert sm.read(tmp_path, on_error="skip").report.objects_read == 1


def video(*frames: list[dict[str, Any]], categories: Any = ("car", "pedestrian")) -> sm.Dataset:
    return sm.Dataset.from_samples(
        [
            {
                "id": f"s/{n:06}.jpg",
                "image": {"path": f"s/{n:06}.jpg", "width": 8, "height": 6},
                "objects": objects,
            }
            for n, objects in enumerate(frames, 1)
        ],
        categories=list(categories),
    )


def area(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    found = np.zeros((6, 8), np.uint8)
    found[top:bottom, left:right] = 1
    return found


def official(path: Path) -> dict[int, set[int]]:
    """The rows as the official reader takes them, which refuses shared ids and shared pixels."""
    ids: dict[int, set[int]] = {}
    taken: dict[int, np.ndarray] = {}
    for line in path.read_text("utf-8").splitlines():
        frame, number, class_, height, width, counts = line.split(" ")
        assert int(number) not in ids.setdefault(int(frame), set())
        ids[int(frame)].add(int(number))
        assert class_ in {"1", "2", "10"}
        runs, _ = rle.decode_counts([counts.encode()])
        pixels = rle.decode_mask(runs, int(height), int(width))
        before = taken.setdefault(int(frame), np.zeros_like(pixels))
        assert not (before & pixels).any()
        taken[int(frame)] = before | pixels
    return ids


def test_write__rows_that_the_official_reader_takes(tmp_path: Path) -> None:
    ds = video(
        [
            {"category": "car", "mask": area(0, 0, 4, 4), "track_id": 1001, "ignored": False},
            {"category": "car", "mask": area(2, 2, 6, 6), "track_id": 1001, "ignored": False},
            {"category": "pedestrian", "mask": area(7, 0, 8, 1), "ignored": None},
            {"mask": area(6, 4, 8, 6), "ignored": True},
            {"category": "car", "track_id": 7, "mask": area(6, 3, 8, 4), "ignored": True},
            {"category": "car", "mask": area(0, 5, 1, 6), "track_id": 1002},
            {"category": "car", "mask": area(0, 5, 2, 6), "track_id": 1003},
            {"category": "car", "mask": area(0, 0, 0, 0), "track_id": 1004},
            {"category": "car", "track_id": 1005},
            {"mask": area(0, 0, 1, 1)},
        ],
        [{"category": "car", "mask": area(0, 0, 4, 4), "track_id": 1001}],
    )
    report = ds.write(tmp_path / "out", format="mots", media="none", on_loss="ignore")
    assert {(loss.code, loss.field): loss.count for loss in report.losses} == {
        ("mask.covered", "objects.mask"): 2,
        ("track.renumbered", "objects.track_id"): 1,
        ("track.invented", "objects.track_id"): 1,
        ("object.merged", "objects"): 1,
        ("mask.merged", "objects.mask"): 1,
        ("ignored.bare", "objects.category"): 1,
        ("ignored.bare", "objects.track_id"): 1,
        ("object.covered", "objects"): 1,
        ("geometry.missing", "objects"): 2,
        ("category.missing", "objects"): 1,
    }
    found = official(tmp_path / "out" / "s" / "gt" / "gt.txt")
    assert found == {1: {1001, 1_000_000_001, 1_000_000_002, 10000, 1003}, 2: {1001}}
    assert report.objects_written == 6


@pytest.mark.parametrize("masks", ["txt", "png"])
def test_write__both_kinds_come_back(tmp_path: Path, masks: str) -> None:
    ds = sm.read(GOLDEN / "challenge")
    report = ds.write(tmp_path / "out", format="mots", media="copy", masks=masks, on_loss="ignore")
    renamed = {"image.renamed"} if masks == "png" else set()  # frames of pixels count from 0
    assert {loss.code for loss in report.losses} == {"field.dropped", *renamed}
    assert {loss.field for loss in report.losses} - {"id"} == {"objects.bbox"}  # which the masks say
    back = sm.read(tmp_path / "out")
    assert back.report.source_format == "mots"
    given, found = (
        [[(o["category"], o["track_id"], o["mask"]) for o in s] for s in d.to_arrow()["objects"].to_pylist()]
        for d in (ds, back)
    )
    assert found == given
    assert back.schema.extra == (ds.schema.extra if masks == "txt" else {})


def test_write__pixels_renumber_tracks_and_keep_them_apart(tmp_path: Path) -> None:
    objects = [
        {"category": "cat", "mask": area(0, 0, 2, 2), "track_id": 77},
        {"category": "cat", "mask": area(2, 0, 4, 2), "track_id": 1999},
        {"category": "dog", "mask": area(4, 0, 6, 2), "track_id": 77},
    ]
    ds = video(objects, objects[::-1], categories=("cat", "dog"))
    report = ds.write(tmp_path / "out", format="mots", media="none", masks="png", on_loss="ignore")
    assert {loss.code: loss.count for loss in report.losses} == {"track.renumbered": 6}
    back = sm.read(tmp_path / "out")
    one, two = ([o["track_id"] for o in s.objects] for s in back)
    assert one == two == [1998, 1999, 2999]
    assert back[0].objects[1]["bbox"] == back[1].objects[1]["bbox"] == {"x": 0, "y": 0, "w": 2, "h": 2}
    assert back.categories.values == ("cat", "dog")


def test_write__the_benchmarks_classes_keep_its_numbers(tmp_path: Path) -> None:
    ds = video(
        [{"category": "pedestrian", "mask": area(0, 0, 2, 2), "track_id": 5}], categories=("pedestrian",)
    )
    report = ds.write(tmp_path / "out", format="mots", media="none", on_loss="ignore")
    assert [loss.code for loss in report.losses] == ["category.order"]
    line = (tmp_path / "out" / "s" / "gt" / "gt.txt").read_text("utf-8")
    assert line.startswith("1 5 2 6 8 ")
    assert not (tmp_path / "out" / "s" / "gt" / "labels.txt").exists()


def test_write__polygons_are_filled(tmp_path: Path) -> None:
    square = [0.0, 0.0, 4.0, 0.0, 4.0, 4.0, 0.0, 4.0]
    ds = video([{"category": "car", "polygons": [square], "mask": None, "track_id": 1001}])
    report = ds.write(tmp_path / "out", format="mots", media="none", on_loss="ignore")
    assert [loss.code for loss in report.losses] == ["polygon.as_mask"]
    assert sm.read(tmp_path / "out")[0].objects[0]["bbox"] == {"x": 0, "y": 0, "w": 4, "h": 4}


def test_write__more_classes_than_pixels_have_room_for(tmp_path: Path) -> None:
    ds = video([], categories=[f"class {n}" for n in range(70)])
    with pytest.raises(sm.errors.OptionError, match="room for 64 classes"):
        ds.write(tmp_path / "out", format="mots", media="none", masks="png")


def test_convert__to_mot_takes_the_boxes(tmp_path: Path) -> None:
    report = sm.convert(GOLDEN / "challenge", tmp_path / "mot", to="mot", media="copy", on_loss="ignore")
    assert report.objects_written == 5
    assert sm.read(tmp_path / "mot").report.source_format == "mot"
