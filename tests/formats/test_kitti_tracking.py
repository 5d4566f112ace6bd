from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import smalti as sm

GOLDEN = Path(__file__).parents[1] / "golden" / "kitti_tracking"
VAN = "Van 0 1 -1.79 10 20 30.5 40 2 1.8 4.4 -4.5 1.8 13.4 -2.1"
IGNORED = "DontCare -1 -1 -10 1 2 3 4 -1000 -1000 -1000 -10 -1 -1 -1"


def put(root: Path, text: str, clip: str = "0000", pictures: int = 3, before: str = "training/") -> Path:
    label = root / f"{before}label_02" / f"{clip}.txt"
    label.parent.mkdir(parents=True, exist_ok=True)
    label.write_text(text, "utf-8")
    folder = root / f"{before}image_02" / clip
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(pictures):
        Image.new("RGB", (60, 50)).save(folder / f"{number:06}.png")
    return root


def test_golden__frames_tracks_and_splits() -> None:
    ds = sm.read(GOLDEN)
    assert ds.report.source_format == "kitti_tracking"
    table = ds.to_arrow()
    assert table.column("frame").to_pylist() == [0, 1, 2, 3, 0]
    assert table.column("video").to_pylist() == ["0000"] * 5
    assert table.column("split").to_pylist() == ["train"] * 4 + ["test"]
    assert [s.id for s in ds][:2] == ["train/0000/000000.png", "train/0000/000001.png"]
    assert [None if s.objects is None else len(s.objects) for s in ds] == [2, 0, 2, 0, None]
    assert ds.categories.values == ("Van", "Person sitting")
    assert [o["track_id"] for o in ds[2].objects] == [0, 1]
    assert (ds[0].image.path, ds[0].image.width) == ("training/image_02/0000/000000.png", 60)


def test_rows__every_column(tmp_path: Path) -> None:
    ds = sm.read(put(tmp_path / "in", f"1 7 {VAN} 0.75\n1 -1 {IGNORED}\n0 7 {VAN}\r\n\n"))
    assert [len(s.objects) for s in ds] == [1, 2, 0]
    van, ignored = ds[1].objects
    assert list(van["bbox"].values()) == [10, 20, 20.5, 20]
    assert van["box3d"] == {
        "height": 2,
        "width": 1.8,
        "length": 4.4,
        "x": -4.5,
        "y": 1.8,
        "z": 13.4,
        "rotation_y": -2.1,
    }
    assert (van["truncated"], van["occluded"], van["alpha"], van["score"]) == (0, 1, -1.79, 0.75)
    assert ds[0].objects[0]["score"] is None
    assert (ignored["category"], ignored["dontcare"], ignored["box3d"], ignored["track_id"]) == (
        None,
        True,
        None,
        None,
    )
    report = ds.write(tmp_path / "out", format="kitti_tracking", media="copy")
    assert report.lossless, report
    text = (tmp_path / "out" / "training" / "label_02" / "0000.txt").read_text("utf-8")
    assert text == f"0 7 {VAN}\n1 7 {VAN} 0.75\n1 -1 {IGNORED}\n"


def test_boxes__are_short_decimals(tmp_path: Path) -> None:
    ds = sm.read(put(tmp_path, f"0 7 {VAN.replace('10 20 30.5 40', '10.1 20.2 30.3 40.7')}\n"))
    assert list(ds[0].objects[0]["bbox"].values()) == [10.1, 20.2, 20.2, 20.5]


def test_types__may_have_blanks_and_numbers(tmp_path: Path) -> None:
    rows = "".join(f"0 1 {VAN.replace('Van', name)}\n" for name in ("traffic  light", "type 7", "type"))
    put(tmp_path, rows.replace("type 7", "type"))
    assert sm.read(tmp_path)[0].objects.names == ["traffic light", "type", "type"]
    put(tmp_path, rows)
    (tmp_path / "labels.txt").write_text("type\ntype 7\ntraffic light\n", "utf-8")
    ds = sm.read(tmp_path)
    assert ds[0].objects.names == ["traffic light", "type 7", "type"]
    assert ds.categories.values == ("type", "type 7", "traffic light")


def test_layout__without_a_folder_of_the_split(tmp_path: Path) -> None:
    ds = sm.read(put(tmp_path, f"0 1 {VAN}\n", before=""))
    assert [s.id for s in ds] == ["0000/000000.png", "0000/000001.png", "0000/000002.png"]
    assert ds.schema.splits == ()


def test_layout__without_pictures_rows_say_the_frames(tmp_path: Path) -> None:
    ds = sm.read(put(tmp_path, f"2 1 {VAN}\n", pictures=0))
    assert [s.image.path[-10:] for s in ds] == ["000000.png", "000001.png", "000002.png"]
    assert [len(s.objects) for s in ds] == [0, 0, 1]
    assert ds[0].image.width is None


def test_layout__pictures_elsewhere(tmp_path: Path) -> None:
    put(tmp_path / "in", f"1 1 {VAN}\n", pictures=0)
    put(tmp_path / "pictures", "", before="", pictures=3)
    ds = sm.read(tmp_path / "in", media=tmp_path / "pictures")
    assert [len(s.objects) for s in ds] == [0, 1, 0]
    assert ds[0].image.path == "image_02/0000/000000.png"


def test_layout__a_sequence_twice_is_refused(tmp_path: Path) -> None:
    for above in ("a/training/", "b/training/"):
        put(tmp_path, f"0 1 {VAN}\n", before=above)
    with pytest.raises(
        sm.errors.DataError, match="the sequence '0000' is there twice, in 'a/training/image_02"
    ):
        sm.read(tmp_path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (f"0 1 {VAN.replace('30.5', 'wide')}", r"0000\.txt, line 2: found 17 values"),
        (f"0 1 {VAN.replace('30.5', 'nan')}", "expected a frame, a track, a type"),
        (f"0 1 {VAN.replace('30.5', '1e999')}", "found '1e999', expected a finite number"),
        (f"0.5 1 {VAN}", "line 2: found 17 values"),
        (f"3 1 {VAN}", "line 2: found the frame 3, expected one of the 3 pictures, 0 to 2"),
        (f"-1 1 {VAN}", "line 2: found -1 for the frame, expected a whole number from 0"),
        (f"0 1 {VAN.replace('Van 0 1', 'Van 0 0.5')}", "line 2: found 0.5 for occluded"),
        ("0 1 Van 2", "found 4 values"),
    ],
)
def test_faults__name_the_line(tmp_path: Path, row: str, message: str) -> None:
    put(tmp_path, f"0 1 {VAN}\n{row}\n")
    with pytest.raises(sm.errors.DataError, match=message):
        sm.read(tmp_path, "kitti_tracking")
    ds = sm.read(tmp_path, "kitti_tracking", on_error="skip")
    assert [len(s.objects) for s in ds] == [1, 0, 0]
    assert ds.report.error_count == 1


def test_faults__no_text(tmp_path: Path) -> None:
    put(tmp_path, f"0 1 {VAN}\n")
    (tmp_path / "training" / "label_02" / "0000.txt").write_bytes(
        f"0 1 {VAN}\n0 1 V\xe9n\n".encode("latin-1")
    )
    with pytest.raises(sm.errors.DataError, match="line 2: found the byte 0xe9; expected text in UTF-8"):
        sm.read(tmp_path)


def sample(path: str, **more: object) -> dict[str, object]:
    box = {"category": "Van", "bbox": [1, 2, 3, 4], "track_id": 5}
    return {"id": path, "image": {"width": 60, "height": 50}, "objects": [box], **more}


def test_write__a_video_without_numbers_in_its_names(tmp_path: Path) -> None:
    ds = sm.Dataset.from_samples([sample("a/second.png"), sample("a/first.png")])
    assert ds.write(tmp_path / "out", format="kitti_tracking", media="none").lossless
    text = (tmp_path / "out" / "label_02" / "a.txt").read_text("utf-8")
    assert [line.split()[0] for line in text.splitlines()] == ["0", "1"]


def test_write__pictures_in_no_folder_are_a_sequence(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGB", (60, 50)).save(tmp_path / "in" / "b.png")
    ds = sm.Dataset.from_samples([sample("b.png")], media_root=str(tmp_path / "in"))
    report = ds.write(tmp_path / "out", format="kitti_tracking", media="copy")
    assert report.lossless, report
    text = (tmp_path / "out" / "label_02" / "0000.txt").read_text("utf-8")
    assert text == "0 5 Van -1 -1 -10 1 2 4 6 -1000 -1000 -1000 -10 -1 -1 -1\n"
    (back,) = sm.read(tmp_path / "out")
    assert (back.id, back.image.path, back["video"], len(back.objects)) == (
        "b.png",
        "image_02/b.png",
        None,
        1,
    )
    (other,) = sm.read(tmp_path / "out", media=tmp_path / "in")
    assert (other.id, other.image.path) == ("b.png", "b.png")


def test_write__frames_name_the_pictures(tmp_path: Path) -> None:
    tracks = sm.Dataset.from_samples([sample("a.png"), sample("b.png")])
    table = tracks.to_arrow()
    columns = {**tracks.schema.columns, "video": sm.features.Video(), "frame": sm.features.Frame()}
    schema = tracks.schema.with_columns(columns)
    table = table.append_column("video", [["clip", "clip"]]).append_column("frame", [[7, 3]])
    ds = sm.Dataset.from_arrow(table, schema=schema)
    report = ds.write(tmp_path / "out", format="kitti_tracking", media="none", on_loss="ignore")
    assert [(loss.code, loss.count) for loss in report.losses] == [("image.renamed", 2)]
    text = (tmp_path / "out" / "label_02" / "clip.txt").read_text("utf-8")
    assert [line.split()[0] for line in text.splitlines()] == ["3", "7"]


def test_losses__of_objects_and_samples(tmp_path: Path) -> None:
    bare = {"id": "a/1.png", "image": {"width": 60, "height": 50}}
    lacking = [
        {"category": "Van", "track_id": -4, "bbox": [1, 2, 3, 4]},
        {"bbox": [1, 2, 3, 4]},
        {"category": "Van"},
    ]
    ds = sm.Dataset.from_samples([{**bare, "objects": lacking}, {**bare, "id": "a/2.png"}])
    report = ds.write(tmp_path / "out", format="kitti_tracking", media="none", on_loss="ignore")
    codes = {loss.code: loss.count for loss in report.losses}
    assert codes == {
        "category.missing": 1,
        "geometry.missing": 1,
        "unannotated.merged": 1,
        "track.negative": 1,
    }
    assert report.reconciles


def test_losses__a_split_of_ones_own(tmp_path: Path) -> None:
    ds = sm.Dataset.from_samples([sample("a/1.png", split="fold")])
    report = ds.write(tmp_path / "out", format="kitti_tracking", media="none", on_loss="ignore")
    assert [loss.code for loss in report.losses] == ["split.as_folder"]


def test_write__a_frame_twice_is_refused(tmp_path: Path) -> None:
    ds = sm.Dataset.from_samples([sample("train/a/x.png"), sample("train/a/y.png")])
    ds.write(tmp_path / "fine", format="kitti_tracking", media="none", on_loss="ignore")
    table = ds.to_arrow().append_column("frame", [[1, 1]])
    schema = ds.schema.with_columns({**ds.schema.columns, "frame": sm.features.Frame()})
    twice = sm.Dataset.from_arrow(table, schema=schema)
    with pytest.raises(sm.errors.DataError, match="is in the sequence '_train/a' already"):
        twice.write(tmp_path / "out", format="kitti_tracking", media="none", on_loss="ignore")
