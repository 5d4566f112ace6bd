from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import smalti as sm

GOLDEN = Path(__file__).parents[1] / "golden" / "mot"
BOX = "11,21,30,40"


def put(
    root: Path, truth: str | None, clip: str = "", pictures: int = 3, first: int = 1, **files: str
) -> Path:
    """A sequence; further files by their names, with a blank for the folder: ``gt_labels.txt``."""
    base = root / clip
    (base / "img1").mkdir(parents=True, exist_ok=True)
    for number in range(first, first + pictures):
        Image.new("RGB", (60, 50)).save(base / "img1" / f"{number:06}.jpg")
    given = {**({} if truth is None else {"gt/gt.txt": truth}), **files}
    for name, text in given.items():
        (base / name).parent.mkdir(exist_ok=True)
        (base / name).write_text(text, "utf-8")
    return root


def box(obj: dict[str, Any]) -> list[float]:
    return list(obj["bbox"].values())


def test_golden__datumaro() -> None:
    ds = sm.read(GOLDEN / "dm_seq", pixel_offset=False)
    assert ds.report.source_format == "mot"
    assert ds.categories.values == tuple(f"label_{n}" for n in range(10))
    (only,) = ds
    assert (only.id, only.image.path, only["frame"], only["video"]) == (
        "000001.jpg",
        "img1/000001.jpg",
        0,
        None,
    )
    (obj,) = only.objects
    assert (obj["category"], box(obj), obj["track_id"]) == ("label_2", [0, 4, 4, 8], None)
    assert (obj["ignored"], obj["visibility"]) == (False, 1)


def test_golden__sequences_splits_and_detections() -> None:
    ds = sm.read(GOLDEN / "benchmark")
    assert [s.id for s in ds] == [
        "MOT17-01/000001.jpg",
        "MOT17-01/000002.jpg",
        "MOT17-02/000001.jpg",
        "MOT17-02/000002.jpg",
        "MOT17-02/000003.jpg",
    ]
    table = ds.to_arrow()
    assert table.column("split").to_pylist() == ["test", "test", "train", "train", "train"]
    assert table.column("video").to_pylist() == ["MOT17-01"] * 2 + ["MOT17-02"] * 3
    assert table.column("frame").to_pylist() == [0, 1, 0, 1, 2]
    assert [None if s.objects is None else len(s.objects) for s in ds] == [None, None, 2, 3, 1]
    assert [len(s["detections"]) for s in ds] == [0, 1, 2, 0, 1]
    assert (ds.categories.values[0], ds.categories[0].id, len(ds.categories)) == ("pedestrian", 1, 13)
    first, static = ds[2].objects
    assert (box(first), first["track_id"], first["visibility"]) == ([12, 5, 10, 24], 1, 0.86014)
    assert (static["category"], static["ignored"], first["ignored"]) == ("static_person", True, False)
    seen = table.column("detections")[2].as_py()
    assert [(d["bbox"]["x"], d["bbox"]["y"], d["score"], d["track_id"]) for d in seen] == [
        (12.1, 4.27, 2.3092, None),
        (56.03, 3.53, -0.50277, None),
    ]


def test_golden__is_written_as_it_was(tmp_path: Path) -> None:
    report = sm.read(GOLDEN / "benchmark").write(tmp_path / "out", format="mot", media="copy")
    assert report.lossless, report
    for name in ("seqinfo.ini", "det/det.txt"):
        before, after = (r / "train" / "MOT17-02" / name for r in (GOLDEN / "benchmark", tmp_path / "out"))
        assert after.read_text("utf-8").split() == before.read_text("utf-8").split()
    rows = [
        (r / "train/MOT17-02/gt/gt.txt").read_text("utf-8").splitlines()
        for r in (GOLDEN / "benchmark", tmp_path / "out")
    ]
    assert sorted(rows[0]) == sorted(rows[1])
    assert not (tmp_path / "out" / "train" / "MOT17-02" / "gt" / "labels.txt").exists()
    assert not (tmp_path / "out" / "test" / "MOT17-01" / "gt").exists()  # nobody has annotated it


def test_coordinates__count_from_one(tmp_path: Path) -> None:
    put(tmp_path, f"1,1,{BOX},1,1,1\n")
    assert box(sm.read(tmp_path)[0].objects[0]) == [10, 20, 30, 40]
    assert box(sm.read(tmp_path, pixel_offset=False)[0].objects[0]) == [11, 21, 30, 40]
    sm.read(tmp_path).write(tmp_path / "one", format="mot", media="none")
    assert (tmp_path / "one" / "gt" / "gt.txt").read_text("utf-8") == f"1,1,{BOX},1,1,1\n"
    sm.read(tmp_path).write(tmp_path / "zero", format="mot", media="none", pixel_offset=False)
    assert (tmp_path / "zero" / "gt" / "gt.txt").read_text("utf-8") == "1,1,10,20,30,40,1,1,1\n"


def test_rows__of_seven_and_ten_values(tmp_path: Path) -> None:
    rows = f"1,1,{BOX},1\n1,2,{BOX},1,-1,-1,-1\n1,3,{BOX},0,-8.97,2.4,0\n1,4,{BOX},1,3,0.5,-1\n1,5,{BOX},1,-1,-1\n"
    ds = sm.read(put(tmp_path, rows))
    found = [(o["category"], o["visibility"], o["ignored"]) for o in ds[0].objects]
    assert found == [
        (None, None, False),
        (None, None, False),
        (None, None, True),
        ("car", 0.5, False),
        (None, None, False),
    ]
    assert [(loss.code, loss.count, loss.example) for loss in ds.report.repairs] == [
        ("world.ignored", 1, "gt/gt.txt, line 3")
    ]


def test_rows__are_sorted_by_frame_and_blanks_do(tmp_path: Path) -> None:
    ds = sm.read(put(tmp_path, f"3,7,{BOX},1,1,1\r\n\n1, 9, 11, 21, 30, 40, 1, 1, 1\n1,8,{BOX},1,1,1\n"))
    assert [[o["track_id"] for o in s.objects] for s in ds] == [[9, 8], [], [7]]


def test_classes__lists_that_differ_are_told_apart_by_name(tmp_path: Path) -> None:
    row = f"1,1,{BOX},1,2,1\n"
    put(tmp_path, row, "a", **{"gt/labels.txt": "cat\ndog\n"})
    put(tmp_path, row, "b", **{"gt/labels.txt": "dog\nfox\n"})
    ds = sm.read(tmp_path)
    assert ds.categories.values == ("cat", "dog", "fox")
    assert [s.objects.names for s in ds if s.objects] == [["dog"], ["fox"]]


def test_classes__of_ones_own_are_listed(tmp_path: Path) -> None:
    ds = sm.read(put(tmp_path / "in", f"1,1,{BOX},1,2,1\n", **{"gt/labels.txt": "cat\ndog"}))
    report = ds.write(tmp_path / "out", format="mot", media="none")
    assert report.lossless, report
    assert (tmp_path / "out" / "gt" / "labels.txt").read_text("utf-8") == "cat\ndog\n"


def test_layout__without_pictures_the_length_counts(tmp_path: Path) -> None:
    info = "[Sequence]\nname=x\nseqLength=3\nimWidth=60\nimHeight=50\nimExt=.png\nimDir=frames\n"
    ds = sm.read(put(tmp_path, f"2,1,{BOX},1,1,1\n", pictures=0, **{"seqinfo.ini": info}))
    assert [s.image.path for s in ds] == [f"frames/00000{n}.png" for n in (1, 2, 3)]
    assert [len(s.objects) for s in ds] == [0, 1, 0]
    assert (ds[0].image.width, ds[0].image.height) == (60, 50)


def test_layout__pictures_elsewhere(tmp_path: Path) -> None:
    put(tmp_path / "in", f"2,1,{BOX},1,1,1\n", "train/a", pictures=0)
    folder = tmp_path / "pictures" / "a"
    folder.mkdir(parents=True)
    for name in ("early.png", "late.png"):
        Image.new("RGB", (60, 50)).save(folder / name)
    ds = sm.read(tmp_path / "in", media=tmp_path / "pictures")
    assert [(s.id, s.image.path, s["frame"], len(s.objects)) for s in ds] == [
        ("a/early.png", "a/early.png", None, 0),
        ("a/late.png", "a/late.png", None, 1),
    ]


def test_layout__two_splits_share_a_sequence(tmp_path: Path) -> None:
    for split in ("train", "test"):
        put(tmp_path, None, f"{split}/a", pictures=1, **{"det/det.txt": f"1,-1,{BOX},0.5\n"})
    assert [s.id for s in sm.read(tmp_path)] == ["test/a/000001.jpg", "train/a/000001.jpg"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (f"4,1,{BOX},1,1,1", r"gt\.txt, line 2: found the frame 4, expected one of the 3 pictures, 1 to 3"),
        (f"0,1,{BOX},1,1,1", "line 2: found 0 for the frame, expected a whole number from 1"),
        (f"1.5,1,{BOX},1,1,1", "line 2: found 1.5 for the frame"),
        (f"1,1.5,{BOX},1,1,1", "line 2: found 1.5 for the track"),
        (f"1,1,{BOX},0.7,1,1", "line 2: found 0.7 for whether it is considered"),
        (f"1,1,{BOX},1,14,1", "line 2: found the class 14, expected one of the 13 of MOT17"),
        (f"1,1,{BOX},1,0,1", "line 2: found the class 0"),
        (f"1,1,{BOX},1,1.5,1", "line 2: found the class 1.5"),
        (f"1,1,{BOX},1,1", "line 2: found 8 values, expected one of 7, 9, 10"),
        ("1,1,,21,30,40,1,1,1", "line 2: found 8 values"),
        (f"1,1,{BOX},1,1,high", "line 2: found 'high', expected a finite number"),
    ],
)
def test_faults__name_the_line(tmp_path: Path, row: str, message: str) -> None:
    put(tmp_path, f"1,1,{BOX},1,1,1\n{row}\n")
    with pytest.raises(sm.errors.DataError, match=message):
        sm.read(tmp_path)
    ds = sm.read(tmp_path, on_error="skip")
    assert [len(s.objects) for s in ds] == [1, 0, 0]
    assert ds.report.error_count == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("imWidth=5", "found no ini file"),
        ("[Sequence]\nimWidth=wide", r"seqinfo\.ini, imWidth: found 'wide', expected a number"),
        ("[Sequence]\nseqLength=1.5", "seqLength: found '1.5'"),
        ("[Sequence]\nseqLength=99999999999", "seqLength: found '99999999999'"),
        ("[Sequence]\nimDir=../../secret", r"seqinfo\.ini, imDir: the path '../../secret' leaves its root"),
    ],
)
def test_faults__seqinfo(tmp_path: Path, text: str, message: str) -> None:
    put(tmp_path, f"1,1,{BOX},1,1,1\n", **{"seqinfo.ini": text})
    with pytest.raises(sm.errors.DataError, match=message):
        sm.read(tmp_path, "mot")


def test_faults__nothing_there(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1,2,3\n", "utf-8")
    with pytest.raises(sm.errors.EmptySourceError, match=r"looked for seqinfo\.ini, gt/gt\.txt"):
        sm.read(tmp_path, "mot")


def sample(path: str, **more: Any) -> dict[str, Any]:
    obj = {"category": "cat", "bbox": [1, 2, 3, 4], "track_id": 5}
    return {"id": path, "image": {"width": 60, "height": 50}, "objects": [obj], **more}


def test_losses__of_detections(tmp_path: Path) -> None:
    found = sm.Objects.from_list(
        [{"bbox": [1, 2, 3, 4], "score": 0.5}, {"bbox": [1, 2, 3, 4]}, {"score": 0.5}]
    )
    ds = sm.Dataset.from_samples([sample("a/1.jpg", detections=found), sample("a/2.jpg")])
    report = ds.write(tmp_path / "out", format="mot", media="none", on_loss="ignore")
    losses = {(loss.code, loss.field): loss.count for loss in report.losses}
    assert losses == {
        ("score.missing", "detections"): 1,
        ("geometry.missing", "detections"): 1,
        ("unannotated.merged", "detections"): 1,
    }
    assert report.reconciles
    assert (tmp_path / "out" / "a" / "det" / "det.txt").read_text("utf-8") == "1,-1,2,3,3,4,0.5,-1,-1,-1\n"


def test_losses__class_ids_that_are_no_numbers_of_lines(tmp_path: Path) -> None:
    box_ = {"category": "b", "bbox": [1, 2, 3, 4]}
    for ids, codes in (((1, 2), []), ((7, 9), ["category.id"])):
        table = sm.Categories(tuple(sm.Category(name=name, id=n) for name, n in zip("ab", ids, strict=True)))
        ds = sm.Dataset.from_samples([{**sample("a/1.jpg"), "objects": [box_]}], categories=table)
        report = ds.write(tmp_path / str(ids[0]), format="mot", media="none", on_loss="ignore")
        assert [loss.code for loss in report.losses] == codes
