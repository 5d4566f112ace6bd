from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import smalti as sm
from smalti.errors import DataError, OptionError
from smalti.geometry import rle

GOLDEN = Path(__file__).parents[1] / "golden" / "cvat"
JUDGES = Path(__file__).parents[1] / "judges"
SHAPE = re.compile(r'<(\w+) frame="(\d+)" keyframe="([01])" outside="([01])"')


def frames(*objects: list[dict[str, Any]], step: int = 1, **columns: Any) -> sm.Dataset:
    """A video of frames with objects."""
    samples = [
        {
            "id": f"frame_{n * step:06d}.PNG",
            "image": {"path": f"frame_{n * step:06d}.PNG", "width": 100, "height": 80},
            "video": "clip.mp4",
            "frame": n * step,
            "objects": some,
            **columns,
        }
        for n, some in enumerate(objects)
    ]
    dataset = sm.Dataset.from_samples(samples)
    known = {"video": sm.schema.features.Video(), "frame": sm.schema.features.Frame()}
    schema = dataset.schema.with_columns({n: known.get(n, f) for n, f in dataset.schema.columns.items()})
    return sm.Dataset.from_arrow(dataset.to_arrow(), schema=schema)


def car(x: float, track: Any = 1, **more: Any) -> dict[str, Any]:
    return {"category": "car", "bbox": [x, 10, 20, 20], "track_id": track, **more}


def written(dataset: sm.Dataset, folder: Path, **options: Any) -> tuple[str, sm.Report]:
    report = dataset.write(folder, "cvat", **{"kind": "video", "on_loss": "ignore", **options})
    return (folder / "annotations.xml").read_text("utf-8"), report


def shapes(text: str) -> list[tuple[str, int, int, int]]:
    """The kind, frame, keyframe and outside of every shape."""
    return [(tag, int(frame), int(key), int(out)) for tag, frame, key, out in SHAPE.findall(text)]


def rows(dataset: sm.Dataset) -> list[list[dict[str, Any]]]:
    return [[] if s.objects is None else s.objects.to_list() for s in dataset]


def test_write__a_video_that_was_read_is_the_same(tmp_path: Path) -> None:
    dataset = sm.read(GOLDEN / "video")
    text, report = written(dataset, tmp_path / "out", kind=None, on_loss="error")
    assert report.lossless
    assert sm.read(tmp_path / "out").digest() == dataset.digest()
    source = (GOLDEN / "video" / "annotations.xml").read_text("utf-8")
    # All but the last track, whose end lies beyond the video: its last frames stand one by one.
    assert shapes(text)[:7] == shapes(source)[:7]
    meta = text.partition("<meta>")[2].partition("</meta>")[0]
    for line in ("<size>6<", "<start_frame>0<", "<stop_frame>10<", "<frame_filter>step=2<", "<width>640<"):
        assert line in meta


def test_write__keyframes_alone_where_cvat_makes_the_rest(tmp_path: Path) -> None:
    dataset = frames(*[[car(4.5 * n, keyframe=n in {0, 4}, occluded=n > 3)] for n in range(5)])
    text, _ = written(dataset, tmp_path / "out")
    assert shapes(text) == [("box", 0, 1, 0), ("box", 4, 1, 0)]
    assert rows(sm.read(tmp_path / "out")) == rows(dataset)


def test_write__what_lies_off_the_line_is_written(tmp_path: Path) -> None:
    dataset = frames(*[[car(n * n, keyframe=n in {0, 3, 5}, occluded=False)] for n in range(6)])
    text, _ = written(dataset, tmp_path / "out")
    assert shapes(text) == [("box", n, int(n in {0, 3, 5}), 0) for n in range(6)]
    assert rows(sm.read(tmp_path / "out")) == rows(dataset)


def test_write__a_gap_is_an_outside_shape(tmp_path: Path) -> None:
    dataset = frames([car(0)], [car(1)], [], [], [car(5)], [], step=3)
    text, _ = written(dataset, tmp_path / "out")
    assert shapes(text) == [
        ("box", 0, 1, 0),
        ("box", 3, 1, 0),
        ("box", 6, 1, 1),
        ("box", 12, 1, 0),
        ("box", 15, 1, 1),
    ]
    back = sm.read(tmp_path / "out")
    assert [[o["track_id"] for o in some] for some in rows(back)] == [[1], [1], [], [], [1], []]
    assert [s["frame"] for s in back] == [0, 3, 6, 9, 12, 15]


def test_write__every_frame_is_a_keyframe_where_nobody_says(tmp_path: Path) -> None:
    text, _ = written(frames([car(0)], [car(1)]), tmp_path / "out")
    assert shapes(text) == [("box", 0, 1, 0), ("box", 1, 1, 0)]


def test_write__tracks_are_in_the_order_of_the_objects(tmp_path: Path) -> None:
    dataset = frames([car(0, 5), car(9, 2)], [car(0, 5), car(4, 9), car(9, 2)], [car(4, 9), car(9, 2)])
    text, report = written(dataset, tmp_path / "out")
    assert re.findall(r'<track id="(\d+)"', text) == ["5", "9", "2"]
    assert report.lossless
    turned = frames([car(0, 5), car(9, 2)], [car(9, 2), car(0, 5)])
    _, report = written(turned, tmp_path / "turned")
    assert [loss.code for loss in report.losses] == ["track.order"]


def test_write__a_track_of_two_classes_is_two_of_one_id(tmp_path: Path) -> None:
    dataset = frames([car(0)], [{**car(1), "category": "bus"}], [car(2), car(50)])
    text, report = written(dataset, tmp_path / "out")
    assert re.findall(r'<track id="(\d+)" label="(\w+)"', text) == [("1", "car"), ("1", "bus"), ("1", "car")]
    assert report.lossless
    found = rows(sm.read(tmp_path / "out"))
    assert [[(o["category"], o["track_id"]) for o in some] for some in found] == [
        [("car", 1)],
        [("bus", 1)],
        [("car", 1), ("car", 1)],
    ]


def test_write__objects_without_a_track_get_one(tmp_path: Path) -> None:
    dataset = frames([car(0, None), car(30, -4)], [car(0, None), car(30, -4), car(60, 7)])
    text, report = written(dataset, tmp_path / "out")
    assert {(loss.code, loss.field, loss.count) for loss in report.losses} == {
        ("track.invented", "objects.track_id", 2),
        ("track.renumbered", "objects.track_id", 2),
    }
    assert sorted(re.findall(r'<track id="(\d+)"', text)) == ["10", "7", "8", "9"]
    found = rows(sm.read(tmp_path / "out"))
    assert found[0][1]["track_id"] == found[1][1]["track_id"]


def test_write__tracks_that_are_called_by_words(tmp_path: Path) -> None:
    dataset = frames([car(0, "a"), car(30, "b")], [car(0, "a"), car(30, "b")])
    _, report = written(dataset, tmp_path / "out")
    assert [(loss.code, loss.count) for loss in report.losses] == [("track.renumbered", 4)]
    assert [[o["track_id"] for o in some] for some in rows(sm.read(tmp_path / "out"))] == [[0, 1], [0, 1]]


def test_write__attributes_that_change_are_mutable(tmp_path: Path) -> None:
    dataset = frames([car(0, colour="red", speed=1)], [car(1, colour="red", speed=2)])
    text, report = written(dataset, tmp_path / "out")
    found = re.findall(r"<name>(colour|speed)</name>\s*<mutable>(\w+)</mutable>", text)
    assert found == [("colour", "False"), ("speed", "True")]
    assert report.lossless


def test_write__an_attribute_that_goes_away_stays_as_it_was(tmp_path: Path) -> None:
    dataset = frames([car(0, note="old")], [car(1, note=None)], [car(2, note=None)])
    _, report = written(dataset, tmp_path / "out")
    assert [(loss.code, loss.field, loss.count) for loss in report.losses] == [
        ("attribute.carried", "objects.note", 2)
    ]
    assert [some[0]["note"] for some in rows(sm.read(tmp_path / "out"))] == ["old"] * 3


def test_write__skeletons(tmp_path: Path) -> None:
    def skeleton(x: float, *seen: int) -> dict[str, Any]:
        points = [{"x": x, "y": 2.0 * n, "visibility": v} for n, v in enumerate(seen)]
        return {"category": "cat", "keypoints": points, "track_id": 3}

    plain = frames([skeleton(0, 2, 1)], [skeleton(1, 0, 2)], [], [skeleton(3, 0, 0)])
    table = sm.Categories((sm.Category(name="cat", keypoints=("nose", "tail"), skeleton=((0, 1),)),))
    feature = plain.schema.objects().model_copy(update={"categories": table})
    schema = plain.schema.with_columns({**plain.schema.columns, "objects": feature})
    dataset = sm.Dataset.from_arrow(plain.to_arrow(), schema=schema)
    text, report = written(dataset, tmp_path / "out")
    assert [(loss.code, loss.kind, loss.count) for loss in report.losses] == [
        ("skeleton.outside", "object", 1)
    ]
    assert report.reconciles
    assert shapes(text) == [("skeleton", 0, 1, 0), ("skeleton", 1, 1, 0), ("skeleton", 2, 1, 1)]
    last = text[text.index('frame="2"') :].partition("</skeleton>")[0]
    assert last.count('outside="1"') == 3, "the skeleton and its points are outside"
    found = rows(sm.read(tmp_path / "out"))
    assert [[o["keypoints"] for o in some] for some in found][:2] == [
        [o["keypoints"] for o in s] for s in rows(dataset)
    ][:2]
    assert found[2:] == [[], []]


def test_write__frames_that_are_missing_are_empty(tmp_path: Path) -> None:
    dataset = frames([car(0)], [car(1)], [car(2)], [car(3)])
    dataset = dataset.filter(sm.col("frame") != 1)
    text, report = written(dataset, tmp_path / "out")
    assert [(loss.code, loss.count, loss.example) for loss in report.losses] == [
        ("frame.added", 1, "frame 1")
    ]
    assert shapes(text) == [("box", 0, 1, 0), ("box", 1, 1, 1), ("box", 2, 1, 0), ("box", 3, 1, 0)]
    assert [len(some) for some in rows(sm.read(tmp_path / "out"))] == [1, 0, 1, 1]


def test_write__a_video_in_which_nothing_is(tmp_path: Path) -> None:
    text, _ = written(frames([], [], []), tmp_path / "out")
    assert "<track" not in text
    assert rows(sm.read(tmp_path / "out")) == [[], [], []]


def test_write__pictures_are_named_after_their_frames(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    samples = []
    for n in range(2):
        Image.new("RGB", (10, 8), (n, n, n)).save(tmp_path / "in" / f"{n + 1}.png")
        image = {"path": f"{n + 1}.png", "width": 10, "height": 8}
        samples.append({"id": f"{n + 1}.png", "image": image, "frame": n, "objects": []})
    dataset = sm.Dataset.from_samples(samples, media_root=str(tmp_path / "in"))
    columns = {**dataset.schema.columns, "frame": sm.schema.features.Frame()}
    dataset = sm.Dataset.from_arrow(dataset.to_arrow(), schema=dataset.schema.with_columns(columns))
    report = dataset.write(tmp_path / "out", "cvat", kind="video", media="copy", on_loss="ignore")
    assert [(loss.code, loss.count, loss.example) for loss in report.losses] == [
        ("image.renamed", 2, "1.png -> frame_000000.png")
    ]
    assert [s.id for s in sm.read(tmp_path / "out")] == ["frame_000000.png", "frame_000001.png"]


def test_write__what_is_no_video(tmp_path: Path) -> None:
    plain = sm.Dataset.from_samples([{"id": "a.png", "objects": []}])
    with pytest.raises(OptionError, match="kind='video' needs a column `frame`"):
        plain.write(tmp_path / "1", "cvat", kind="video")
    two = frames([car(0)], [car(1)]).filter(sm.col("frame") >= 0)
    table = two.to_arrow()
    at = table.schema.get_field_index("video")
    named = table.set_column(at, table.schema.field(at), [["a.mp4", "b.mp4"]])
    with pytest.raises(DataError, match=r"found the videos 'a\.mp4' and 'b\.mp4'; a file of CVAT holds one"):
        sm.Dataset.from_arrow(named, schema=two.schema).write(tmp_path / "2", "cvat", kind="video")
    at = table.schema.get_field_index("frame")
    for values, message in (
        ([0, 0], "found the frame 0 twice"),
        ([None, 1], "no number of a frame"),
        ([-1, 1], "no number"),
    ):
        changed = table.set_column(at, table.schema.field(at), [values])
        with pytest.raises(DataError, match=message):
            sm.Dataset.from_arrow(changed, schema=two.schema).write(tmp_path / "3", "cvat", kind="video")
    assert not list(tmp_path.iterdir())


def test_write__a_dry_run_says_the_same(tmp_path: Path) -> None:
    dataset = frames([car(0, None, note="x")], [car(1, 3, note="y")], [car(1, 3, note=None)])
    dry = dataset.write(tmp_path / "out", "cvat", kind="video", dry_run=True, on_loss="ignore")
    assert not (tmp_path / "out").exists()
    _, real = written(dataset, tmp_path / "out")
    assert dry.losses == real.losses
    assert {loss.code for loss in real.losses} == {"track.invented", "attribute.carried"}


def test_convert__tracks_of_motchallenge(tmp_path: Path) -> None:
    lines = [f"{n},{t},{10 * t + n},5,8,9,1,1,1\n" for t in (1, 2) for n in range(1, 6)]
    (tmp_path / "in" / "walk" / "gt").mkdir(parents=True)
    (tmp_path / "in" / "walk" / "gt" / "gt.txt").write_text("".join(lines), "utf-8")
    (tmp_path / "in" / "walk" / "seqinfo.ini").write_text(
        "[Sequence]\nname=walk\nimDir=img1\nframeRate=30\nseqLength=5\nimWidth=64\nimHeight=48\nimExt=.jpg\n",
        "utf-8",
    )
    report = sm.convert(tmp_path / "in", tmp_path / "out", to="cvat", kind="video", on_loss="ignore")
    assert report.objects_written == 10
    back = sm.read(tmp_path / "out")
    assert {s["video"] for s in back} == {"walk"}
    assert [[o["track_id"] for o in some] for some in rows(back)] == [[1, 2]] * 5
    assert [some[0]["bbox"]["x"] for some in rows(back)] == [10, 11, 12, 13, 14]


def judged(script: str, *arguments: Any, body: Any = None) -> Any:
    command = [os.environ["SMALTI_JUDGE_PYTHON"], "-W", "ignore", JUDGES / script, *arguments]
    given = None if body is None else json.dumps(body)
    done = subprocess.run(command, capture_output=True, text=True, check=True, input=given)
    return json.loads(done.stdout.splitlines()[-1])


def test_judge__datumaro_reads_tracks(tmp_path: Path) -> None:
    dataset = sm.read(GOLDEN / "video")
    written(dataset, tmp_path / "out")
    verdict = judged("datumaro_judge.py", tmp_path / "out", "cvat")
    assert verdict["labels"] == ["car", "lane"]
    found = [
        (one["attributes"]["track_id"], int(item.rpartition("_")[2].rpartition("/")[2]), one)
        for item, told in verdict["items"].items()
        for one in told["annotations"]
    ]
    seen = {(track, frame): one for track, frame, one in found if not one["attributes"]["outside"]}
    keys = {(o["track_id"], s["frame"]): o for s in dataset for o in (s.objects or ()) if o["keyframe"]}
    assert {place for place, one in seen.items() if one["attributes"]["keyframe"]} == set(keys)
    for place, row in keys.items():
        assert seen[place]["label"] == row["category"]
        assert seen[place]["attributes"]["occluded"] == row["occluded"]
        if row["bbox"] is not None:
            assert seen[place]["bbox"] == list(row["bbox"].values())


def test_judge__datumaro_reads_images(tmp_path: Path) -> None:
    objects = [
        {"category": "car", "bbox": [1, 2, 30, 20], "occluded": True},
        {"category": "cat", "polygons": [[1.0, 2, 30, 2, 30, 20]]},
        {"category": "lane", "polyline": [0.0, 0, 50, 25]},
        {"category": "cat", "mask": {"height": 80, "width": 100, "counts": runs(((3, 4, 10, 6),))}},
    ]
    image = {"path": "a/b.png", "width": 100, "height": 80}
    (tmp_path / "a").mkdir()
    Image.new("L", (100, 80)).save(tmp_path / "a" / "b.png")
    sample = {"id": "a/b.png", "image": image, "objects": objects}
    dataset = sm.Dataset.from_samples([sample], media_root=str(tmp_path))
    dataset.write(tmp_path / "out", "cvat", media="copy", on_loss="error")
    verdict = judged("datumaro_judge.py", tmp_path / "out", "cvat")
    (item,) = verdict["items"].values()
    assert item["size"] == [80, 100]
    found = {one["type"]: one for one in item["annotations"]}
    assert found["bbox"]["bbox"] == [1, 2, 30, 20]
    assert found["bbox"]["attributes"]["occluded"] is True
    assert found["polygon"]["area"] == 29 * 18 / 2
    assert found["mask"]["area"] == 60
    assert {kind: one["label"] for kind, one in found.items()} == {
        "bbox": "car", "polygon": "cat", "polyline": "lane", "mask": "cat",
    }  # fmt: skip


def runs(boxes: tuple[tuple[int, int, int, int], ...]) -> bytes:
    pixels = np.zeros((80, 100), np.uint8)
    for x, y, w, h in boxes:
        pixels[y : y + h, x : x + w] ^= 1
    lengths = rle.encode_mask(pixels)
    return rle.encode_counts(lengths, np.array([0, len(lengths)]))[0]


def test_judge__cvat_decodes_and_encodes_our_masks(tmp_path: Path) -> None:
    """Masks of every kind: holes, parts, at the border, all of the image, nothing at all."""
    boxes = [
        ((3, 4, 10, 6),),
        ((3, 4, 10, 6), (5, 5, 4, 3)),
        ((0, 0, 2, 2), (98, 78, 2, 2)),
        ((0, 0, 100, 80),),
        (),
    ]
    rng = np.random.default_rng(5)
    boxes += [
        tuple((*rng.integers(0, 60, 2).tolist(), *rng.integers(1, 20, 2).tolist()) for _ in range(5))
        for _ in range(20)
    ]
    masks = [{"height": 80, "width": 100, "counts": runs(some)} for some in boxes]
    objects = [{"category": "cat", "mask": mask} for mask in masks]
    image = {"path": "a.png", "width": 100, "height": 80}
    dataset = sm.Dataset.from_samples([{"id": "a.png", "image": image, "objects": objects}])
    dataset.write(tmp_path / "out", "cvat", on_loss="error")
    text = (tmp_path / "out" / "annotations.xml").read_text("utf-8")
    named = re.compile(r'rle="([^"]*)" left="(\d+)" top="(\d+)" width="(\d+)" height="(\d+)"')
    found = [([int(n) for n in given.split(",")], *map(int, crop)) for given, *crop in named.findall(text)]
    assert len(found) == len(masks)
    verdict = judged("cvat_masks_judge.py", body=[[*mask, 100, 80] for mask in found])
    for mask, (lengths, left, top, width, height), told in zip(masks, found, verdict, strict=True):
        decoded, _ = rle.decode_counts([mask["counts"]])
        assert np.array_equal(told["pixels"], rle.decode_mask(decoded, 80, 100))
        assert told["encoded"] == [*lengths, left, top, left + width - 1, top + height - 1]
    assert [o["mask"] for o in rows(sm.read(tmp_path / "out"))[0]] == masks
