"""What is written: accepted by Ultralytics with the very numbers, and every loss by its code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from pycocotools import mask as official

import smalti as sm
from smalti.schema import features
from smalti.schema.categories import Categories, Category
from smalti.schema.schema import Schema
from smalti.testing import build
from smalti.testing.compare import tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BOX = {"x": 8.0, "y": 4.0, "w": 16.0, "h": 8.0}
RING = [8.0, 4.0, 24.0, 4.0, 16.0, 12.0]
QUAD = [8.0, 4.0, 16.0, 0.0, 24.0, 4.0, 16.0, 8.0]
POINTS = [{"x": 8.0, "y": 4.0, "visibility": 2}, {"x": 0.0, "y": 0.0, "visibility": 0}]
PIXELS = np.zeros((16, 32), np.uint8, order="F")
PIXELS[4:12, 8:24] = 1
MASK = {"height": 16, "width": 32, "counts": official.encode(PIXELS)["counts"]}
POSED = (Category(name="cat", keypoints=("nose", "tail")), Category(name="dog"))


@pytest.fixture
def dataset(make: Callable[..., Path]) -> Callable[..., sm.Dataset]:
    """Makes a dataset of one image of 32 x 16 pixels, and one that nobody has annotated."""

    def made(*objects: dict[str, Any], categories: Any = None, **attributes: Any) -> sm.Dataset:
        root = make({"a.png": (32, 16), "b.png": (32, 16)}, "pictures")
        names = {name for obj in objects for name in obj} - set(attributes)
        table = Categories(categories or (Category(name="cat"), Category(name="dog")))
        labels = features.Objects(categories=table, members=tuple(names), attributes=attributes)
        schema = Schema(
            columns={
                "id": features.Value(type=pa.string()),
                "image": features.Image(),
                "objects": labels,
            },
            media_root=str(root),
        )
        image = {"width": 32, "height": 16}
        rows = [
            {"id": "a.png", "image": {"path": "a.png", **image}, "objects": [*objects]},
            {"id": "b.png", "image": {"path": "b.png", **image}, "objects": None},
        ]
        return build(schema, rows)

    return made


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., tuple[list[str], sm.Report]]:
    """Writes a dataset: the rows of its labels, and the report."""

    def written(dataset: sm.Dataset, **options: Any) -> tuple[list[str], sm.Report]:
        options = {"media": "link", "on_loss": "ignore", "overwrite": True, **options}
        report = sm.write(dataset, tmp_path / "out", "yolo", **options)
        assert report.reconciles
        return (tmp_path / "out/labels/a.txt").read_text().splitlines(), report

    return written


TASKS = {
    "detect": ({"bbox": BOX}, [0.5, 0.5, 0.5, 0.5]),
    "segment": ({"polygons": [RING]}, [0.25, 0.25, 0.75, 0.25, 0.5, 0.75]),
    "pose": ({"bbox": BOX, "keypoints": POINTS}, [0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 2, 0, 0, 0]),
    "obb": ({"quad": QUAD}, [0.25, 0.25, 0.5, 0, 0.75, 0.25, 0.5, 0.5]),
}


@pytest.mark.parametrize("task", TASKS)
def test_write__ultralytics_reads_the_same_numbers(
    dataset: Any, write: Any, judged: Any, tmp_path: Path, task: str
) -> None:
    members, numbers = TASKS[task]
    source = dataset({"category": 1, **members}, categories=POSED if task == "pose" else None)
    lines, report = write(source)
    assert lines == [" ".join(f"{number:g}" for number in (1, *numbers))]
    assert report.lossless
    assert not (tmp_path / "out/labels/b.txt").exists()
    found = judged(tmp_path / "out", task)
    assert (found["images"], found["corrupt"], found["messages"]) == (2, 0, [])
    assert found["names"] == {"0": "cat", "1": "dog"}
    assert found["rows"]["a.png"] == [pytest.approx([1, *numbers])]


@pytest.mark.parametrize("name", ["lf_yolov8", "lf_yolov8_seg", "pose", "obb", "scores", "tracks"])
def test_yolo_to_yolo__every_label_byte_for_byte(golden: Path, tmp_path: Path, name: str) -> None:
    task = {"obb": "obb", "pose": "pose", "lf_yolov8": "detect", "scores": "detect"}.get(name, "segment")
    extra = {"scores": "score", "tracks": "track_id"}.get(name)
    options = {"task": task, "extra_column": extra, "media": "copy", "on_loss": "error"}
    sm.write(sm.read(golden / name, task=task), tmp_path / "once", "yolo", **options)
    sm.write(sm.read(tmp_path / "once", task=task), tmp_path / "twice", "yolo", **options)
    once, twice = tree(tmp_path / "once"), tree(tmp_path / "twice")
    assert once == twice
    before = [body for path, body in tree(golden / name).items() if path.endswith(".txt")]
    after = [body for path, body in once.items() if path.endswith(".txt")]
    numbers = [[float(word) for word in body.split()] for body in before]
    assert [[float(word) for word in body.split()] for body in after] == numbers


@pytest.mark.parametrize("name", ["lf_yolov8", "lf_yolov8_seg", "pose", "obb"])
def test_yolo_to_yolo__ultralytics_accepts_it(golden: Path, tmp_path: Path, judged: Any, name: str) -> None:
    task = {"obb": "obb", "pose": "pose", "lf_yolov8": "detect"}.get(name, "segment")
    report = sm.convert(golden / name, tmp_path / "out", "yolo", task=task, media="copy")
    found = judged(tmp_path / "out", task)
    assert (found["images"], found["objects"]) == (report.samples_written, report.objects_written)
    assert (found["corrupt"], found["messages"]) == (0, [])


def test_precision__fewer_digits_are_told(dataset: Any, write: Any, counts: Any) -> None:
    third = {"category": 0, "bbox": {"x": 2.0, "y": 2.0, "w": 6.2, "h": 6.0}}
    lines, report = write(dataset(third, {"category": 1, "bbox": BOX}), precision=3)
    assert lines == ["0 0.159 0.312 0.194 0.375", "1 0.5 0.5 0.5 0.5"]
    assert counts(report) == {"precision.reduced objects.bbox": 1}
    _, report = write(dataset(third), precision=17)
    assert report.lossless


@pytest.mark.parametrize("task", ["segment", "obb", "pose"])
def test_precision__of_every_geometry(dataset: Any, write: Any, counts: Any, task: str) -> None:
    off = {
        "segment": {"polygons": [[8.1, *RING[1:]]]},
        "obb": {"quad": [8.1, *QUAD[1:]]},
        "pose": {"bbox": BOX, "keypoints": [{**POINTS[0], "x": 8.1}, POINTS[1]]},
    }[task]
    _, report = write(dataset({"category": 0, **off}, categories=POSED), task=task, precision=2)
    member = {"segment": "polygons", "obb": "quad", "pose": "keypoints"}[task]
    assert counts(report)[f"precision.reduced objects.{member}"] == 1


def loss(code: str, options: dict[str, Any], *objects: dict[str, Any]) -> Any:
    return pytest.param(options, objects, code, id=code)


CAT: dict[str, Any] = {"category": 0}
OUT = {**BOX, "x": -4.0}
FAR = {**BOX, "x": 40.0}
TWO = [[1.0, 1.0, 5.0, 1.0, 3.0, 5.0], [9.0, 1.0, 13.0, 1.0, 11.0, 5.0]]


@pytest.mark.parametrize(
    ("options", "objects", "code"),
    [
        loss("crowd.skipped objects", {}, {**CAT, "bbox": BOX, "iscrowd": True}),
        loss("category.missing objects", {}, {"category": None, "bbox": BOX}),
        loss("geometry.missing objects", {}, {**CAT, "bbox": None}),
        loss("box.empty objects.bbox", {}, {**CAT, "bbox": FAR}),
        loss("box.clipped objects.bbox", {}, {**CAT, "bbox": OUT}),
        loss("box.outside objects.bbox", {"outside": "drop"}, {**CAT, "bbox": OUT}),
        loss("polygon.clipped objects.polygons", {}, {**CAT, "polygons": [[-1.0, *RING[1:]]]}),
        loss("polygon.outside objects.polygons", {"outside": "drop"}, {**CAT, "polygons": [[-1.0, *RING[1:]]]}),
        loss("quad.clipped objects.quad", {}, {**CAT, "quad": [-1.0, *QUAD[1:]]}),
        loss("quad.outside objects.quad", {"outside": "drop"}, {**CAT, "quad": [-1.0, *QUAD[1:]]}),
        loss("keypoints.clipped objects.keypoints", {},
             {**CAT, "bbox": BOX, "keypoints": [{**POINTS[0], "x": 33.0}, POINTS[1]]}),
        loss("keypoints.outside objects.keypoints", {"outside": "drop"},
             {**CAT, "bbox": BOX, "keypoints": [{**POINTS[0], "x": 33.0}, POINTS[1]]}),
        loss("polygon.joined objects.polygons", {}, {**CAT, "polygons": TWO}),
        loss("mask.outlined objects.mask", {}, {**CAT, "mask": MASK}),
        loss("quad.as_polygon objects.quad", {"task": "segment"}, {**CAT, "quad": QUAD}),
        loss("box.as_polygon objects.bbox", {"task": "segment"}, {**CAT, "bbox": BOX}),
        loss("box.as_quad objects.bbox", {"task": "obb"}, {**CAT, "bbox": BOX}),
        loss("box.enclosing objects.polygons", {"task": "detect"}, {**CAT, "polygons": [RING]}),
        loss("box.enclosing objects.mask", {"task": "detect"}, {**CAT, "mask": MASK}),
        loss("box.enclosing objects.quad", {"task": "detect"}, {**CAT, "quad": QUAD}),
        loss("box.enclosing objects.keypoints", {"task": "pose"}, {**CAT, "keypoints": POINTS}),
        loss("visibility.assumed objects.keypoints", {},
             {**CAT, "bbox": BOX, "keypoints": [{**POINTS[0], "visibility": None}, POINTS[1]]}),
        loss("extra.assumed objects.score", {"extra_column": "score"}, {**CAT, "bbox": BOX, "score": None}),
        loss("field.dropped objects.score", {}, {**CAT, "bbox": BOX, "score": 0.5}),
        loss("field.dropped objects.bbox", {"task": "segment"}, {**CAT, "bbox": BOX, "polygons": [RING]}),
        loss("field.dropped objects.mask", {"task": "segment"}, {**CAT, "mask": MASK, "polygons": [RING]}),
        loss("field.dropped objects.polygons", {"task": "detect"}, {**CAT, "bbox": BOX, "polygons": [RING]}),
    ],
)  # fmt: skip
def test_losses__are_named_and_counted(
    dataset: Any, write: Any, counts: Any, options: dict[str, Any], objects: Any, code: str
) -> None:
    sound = {name: {**CAT, **TASKS["pose"][0], **TASKS["segment"][0], **TASKS["obb"][0], "mask": None,
                    "score": 0.5, "iscrowd": False}[name] for name in objects[0]}  # fmt: skip
    _, report = write(dataset(*objects, *objects, sound, categories=POSED), **options)
    found = counts(report)
    assert found[code] == (3 if all(objects[0][k] == sound[k] for k in sound) else 2)
    (told,) = (one for one in report.losses if f"{one.code} {one.field}" == code)
    assert told.example == "a.png"
    kinds = {
        "skipped": "object",
        "missing": "object",
        "empty": "object",
        "outside": "object",
        "dropped": "value",
    }
    assert told.kind == kinds.get(told.code.partition(".")[2], "change")


def test_losses__of_shapes_are_measured(dataset: Any, write: Any) -> None:
    _, report = write(dataset({"category": 0, "polygons": TWO}))
    assert [told.iou for told in report.losses] == [1.0]


def test_losses__of_the_class_table(dataset: Any, write: Any, counts: Any) -> None:
    table = (
        Category(name="cat", id=7, supercategory="animal", color="#f00", attributes={"k": 1}),
        Category(name="dog", id=3, keypoints=("a", "b"), skeleton=((0, 1),), flip_idx=(1, 0)),
    )
    _, report = write(dataset({"category": 0, "bbox": BOX}, categories=table))
    assert counts(report) == {
        "category.id categories": 2,
        "category.supercategory categories": 1,
        "category.color categories": 1,
        "category.attributes categories": 1,
        "category.keypoints categories": 1,
        "category.skeleton categories": 1,
        "category.flip_idx categories": 1,
    }
    assert report.details["classes"]["1"] == {"name": "dog", "source_id": 3}


def test_pose__one_flip_idx_for_all_classes(dataset: Any, write: Any, counts: Any) -> None:
    table = (
        Category(name="cat", keypoints=("a", "b"), flip_idx=(1, 0)),
        Category(name="dog", keypoints=("c", "d"), flip_idx=(0, 1)),
    )
    _, report = write(dataset({"category": 0, "bbox": BOX, "keypoints": POINTS}, categories=table))
    assert counts(report) == {"category.flip_idx categories": 1}


def test_changes__of_objects_left_out_later_do_not_count(dataset: Any, write: Any, counts: Any) -> None:
    source = dataset({"category": 0, "bbox": OUT, "keypoints": None}, categories=POSED)
    _, report = write(source)
    assert counts(report) == {"geometry.missing objects": 1}


def test_images__of_one_stem_do_not_share_a_label(make: Any, tmp_path: Path, counts: Any, rows: Any) -> None:
    root = make({"data.yaml": "train: images\nval: images\nnames: [cat]\n", "images/a.png": (8, 8)})
    (root / "images/a.PNG").write_bytes((root / "images/a.png").read_bytes())
    report = sm.convert(root, tmp_path / "out", "yolo", media="copy", on_loss="ignore")
    assert counts(report) == {"image.renamed id": 1}
    assert len(rows(sm.read(tmp_path / "out"))) == 2


def test_images__without_a_size_cannot_be_written(dataset: Any, write: Any) -> None:
    source = dataset({"category": 0, "bbox": BOX})
    rows = source.to_arrow().to_pylist()
    rows[0]["image"]["width"] = None
    rows[0]["objects"][0]["category"] = 0
    unsized = build(source.schema, rows)
    with pytest.raises(sm.errors.DataError, match=r"a\.png.*width and height are not known"):
        write(unsized)


@pytest.mark.parametrize(
    ("objects", "options", "reason"),
    [
        ({"bbox": BOX, "polygons": [RING]}, {}, "task='detect' or task='segment'"),
        ({"category": 0}, {}, "no geometry"),
        ({"bbox": BOX}, {"task": "pose"}, "one number of keypoints for all classes"),
        ({"bbox": BOX}, {"extra_column": "score"}, "the objects have no score"),
        ({"bbox": BOX}, {"field": "boxes"}, "field='boxes' is no label field; there are objects"),
    ],
)
def test_options__that_do_not_fit_are_refused(
    dataset: Any, write: Any, objects: Any, options: Any, reason: str
) -> None:
    with pytest.raises(sm.errors.OptionError, match=reason):
        write(dataset({"category": 0, **objects}), **options)


def test_boxes__at_the_border_are_not_cut_for_their_last_digit(make: Any, tmp_path: Path) -> None:
    row = "0 0.133333 0.300000 0.266667 0.200000"  # reaches 5e-7 of the width beyond the border
    yaml = "train: images\nval: images\nnames: [cat]\n"
    root = make({"data.yaml": yaml, "images/a.png": (15, 10), "labels/a.txt": row})
    report = sm.convert(root, tmp_path / "out", "yolo", media="link")
    assert report.lossless
    assert (tmp_path / "out/labels/a.txt").read_text() == "0 0.133333 0.3 0.266667 0.2\n"
