from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import smalti as sm
from smalti.errors import DataError, EmptySourceError
from smalti.formats import registry
from smalti.formats.cvat import read as cvat_read
from smalti.geometry import rle
from smalti.schema import features
from smalti.schema.categories import Categories, Category
from smalti.schema.schema import Schema
from smalti.storage.location import Location
from smalti.testing.tables import build

GOLDEN = Path(__file__).parents[1] / "golden" / "cvat"
META = """<meta><task><name>t</name><size>1</size><labels>
<label><name>car</name><attributes>
<attribute><name>n</name><input_type>number</input_type></attribute>
<attribute><name>ok</name><input_type>checkbox</input_type></attribute>
</attributes></label></labels></task></meta>"""
BOX = '<box label="car" occluded="0" xtl="1" ytl="2" xbr="3" ybr="5"{}>{}</box>'


def doc(shapes: str, meta: str = META, head: str = 'name="a.jpg" width="20" height="10"') -> str:
    return f"<annotations><version>1.1</version>{meta}<image {head}>{shapes}</image></annotations>"


def put(folder: Path, text: str, name: str = "annotations.xml") -> Path:
    (folder / name).write_text(text, "utf-8")
    return folder


def rows(ds: sm.Dataset) -> list[dict[str, Any]]:
    found = ds.to_arrow().column("objects").combine_chunks().flatten().to_pylist()
    return [{key: value for key, value in row.items() if value is not None} for row in found]


def made(*objects: dict[str, Any], members: tuple[str, ...], **more: Any) -> sm.Dataset:
    table = more.pop("categories", Categories.of(["car"]))
    feature = features.Objects(categories=table, members=members, attributes=more.pop("attributes", {}))
    columns = {"id": features.Value(type=pa.string()), "image": features.Image(), "objects": feature}
    image = {"path": "a.jpg", "width": 20, "height": 10, **more}
    return build(Schema(columns=columns), [{"id": "a.jpg", "image": image, "objects": list(objects)}])


def written(ds: sm.Dataset, folder: Path, **options: Any) -> tuple[dict[str, str], str]:
    report = ds.write(folder / "out", "cvat", on_loss="ignore", **options)
    assert report.reconciles
    return {loss.code: loss.field for loss in report.losses}, (folder / "out/annotations.xml").read_text()


def test_golden__task_of_datumaro() -> None:
    ds = sm.read(GOLDEN / "dm_task")
    assert ds.report.source_format == "cvat"
    assert ds.categories.values == ("label1", "label2")
    assert [s.id for s in ds] == ["img0.jpg", "img1.jpg"]
    box, line, ring, points = rows(ds)
    assert box == {
        "category": "label1",
        "bbox": {"x": 0, "y": 2, "w": 4, "h": 2},
        "occluded": True,
        "z_order": 1,
        "a1": True,
        "a2": "v3",
        "a3": "0003",
        "a4": 2.4,
    }
    assert line == {"polyline": [1, 2, 3, 4, 5, 6, 7, 8], "occluded": False}  # its label is empty
    assert ring["polygons"] == [[1, 2, 3, 4, 6, 5]]
    assert [(p["x"], p["y"], p["visibility"]) for p in points["keypoints"]] == [
        (1, 2, None),
        (3, 4, None),
        (5, 6, None),
    ]


def test_golden__project_of_datumaro() -> None:
    ds = sm.read(GOLDEN / "dm_project")
    assert ds.schema.splits == ("Train", "Test", "Validation")
    assert [s.id for s in ds][:3] == ["Test/img0.jpg", "Test/img1.jpg", "Train/img0.jpg"]
    assert ds.schema.id_has_split
    assert [s["task_id"] for s in ds] == [39] * 6
    assert [s["image_id"] for s in ds] == [0, 1] * 3
    root = Path(ds.schema.media_root or "")
    assert all((root / s.image.path).is_file() for s in ds)
    assert len(rows(ds)) == 12


def test_golden__turned_box() -> None:
    box = rows(sm.read(GOLDEN / "shapes"))[1]
    assert box["angle"] == 90
    # What was the left end is the upper end: clockwise on the screen, about the centre (250, 120).
    assert box["quad"] == [270, 70, 270, 170, 230, 170, 230, 70]
    assert "bbox" not in box
    assert (box["group_id"], box["z_order"], box["source"], box["occluded"]) == (3, 2, "semi-auto", True)


def test_golden__mask_runs_along_the_rows_of_its_crop() -> None:
    mask = rows(sm.read(GOLDEN / "shapes"))[2]["mask"]
    runs, _ = rle.decode_counts([mask["counts"]])
    pixels = rle.decode_mask(runs, mask["height"], mask["width"])
    assert pixels.shape == (480, 640)
    blob = pixels[288:303, 207:220]
    assert pixels.sum() == blob.sum() == 149
    assert blob[0].tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0]
    assert blob[7].all()


def test_golden__skeleton() -> None:
    ds = sm.read(GOLDEN / "shapes")
    hand = ds.categories[1]
    assert hand.keypoints == ("wrist", "thumb", "index")  # as in the drawing
    assert hand.skeleton == ((0, 2),)
    points = rows(ds)[3]["keypoints"]
    assert [(p["x"], p["visibility"]) for p in points] == [(125.87, 2), (54.47, 1), (68.02, 0)]


def test_golden__attributes_have_the_types_of_meta() -> None:
    ds = sm.read(GOLDEN / "shapes")
    box = rows(ds)[0]
    assert (box["parked"], box["doors"], box["attribute:occluded"]) == (True, 5, "half")
    assert ds.schema.objects().attributes["doors"].arrow == pa.int64()


def test_golden__figures_are_kept_as_they_are() -> None:
    ellipse, cuboid = rows(sm.read(GOLDEN / "shapes"))[4:]
    assert json.loads(ellipse["ellipse"]) == {"cx": 50, "cy": 60, "rx": 20, "ry": 10, "rotation": 30}
    assert len(json.loads(cuboid["cuboid"])) == 16


def test_golden__tags_are_image_labels() -> None:
    ds = sm.read(GOLDEN / "shapes")
    assert [[tag["category"] for tag in s["tags"]] for s in ds] == [["night"], ["night", "car"]]
    assert json.loads(ds[0]["tag_details"]) == [{"source": "auto", "attributes": {"moon": "full"}}]
    assert ds[1]["tag_details"] is None
    assert ds.categories.values == ("car", "hand")  # "night" is for tags alone


def test_golden__meta_comes_back(tmp_path: Path) -> None:
    ds = sm.read(GOLDEN / "shapes")
    assert ds.write(tmp_path / "out", "cvat", on_loss="error").lossless
    text = (tmp_path / "out/annotations.xml").read_text()
    assert "<url>https://cvat.example/api/jobs/7</url>" in text
    assert "<values>no\nhalf\nmuch</values>" in text
    assert '<attribute name="occluded">half</attribute>' in text
    assert ds[:1].write(tmp_path / "one", "cvat").lossless
    assert "<size>1</size>" in (tmp_path / "one/annotations.xml").read_text()


@pytest.mark.parametrize("name", ["dm_task", "dm_project", "shapes"])
def test_recognise__is_not_taken_for_voc(name: str) -> None:
    assert registry.recognise(Location.parse(GOLDEN / name))[0].info.name == "cvat"


@pytest.mark.parametrize(
    ("values", "kind"),
    [(["1", "2"], pa.int64()), (["1", "2.5"], pa.float64()), (["1", "none"], pa.string())],
)
def test_read__a_number_is_what_all_values_are(tmp_path: Path, values: list[str], kind: pa.DataType) -> None:
    boxes = "".join(BOX.format("", f'<attribute name="n">{value}</attribute>') for value in values)
    ds = sm.read(put(tmp_path, doc(boxes)))
    assert ds.schema.objects().attributes["n"].arrow == kind


def test_read__without_meta(tmp_path: Path) -> None:
    ds = sm.read(put(tmp_path, doc(BOX.format("", '<attribute name="n">1</attribute>'), meta="")))
    assert ds.categories.values == ("car",)
    assert [repair.code for repair in ds.report.repairs] == ["categories.missing"]
    assert rows(ds)[0]["n"] == "1"


def test_read__what_is_no_shape_is_a_repair(tmp_path: Path) -> None:
    inner = '<points label="p" points="1,1"><attribute name="x">1</attribute></points>'
    ds = sm.read(put(tmp_path, doc(f'<blob label="car"/><skeleton label="car">{inner}</skeleton>')))
    assert {repair.code: repair.count for repair in ds.report.repairs} == {
        "shape.unknown": 1,
        "point.attributes": 1,
    }
    assert len(rows(ds)) == 1


def test_read__size_of_the_image_where_none_is_said(tmp_path: Path) -> None:
    Image.new("RGB", (30, 7)).save(tmp_path / "a.jpg")
    mask = '<mask label="car" rle="1, 2" left="27" top="6" width="3" height="1"/>'
    ds = sm.read(put(tmp_path, doc(mask, head='name="a.jpg"')))
    assert (ds[0].image.width, ds[0].image.height) == (30, 7)
    assert rows(ds)[0]["mask"]["width"] == 30


def test_read__several_files_are_splits(tmp_path: Path) -> None:
    put(tmp_path, doc(BOX.format("", "")), "one.xml")
    put(tmp_path, doc("", head='name="b.jpg" width="2" height="2"'), "two.xml")
    ds = sm.read(tmp_path)
    assert [(s.id, s.split) for s in ds] == [("a.jpg", "one"), ("b.jpg", "two")]


def test_read__parts_have_their_own_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = "".join(
        f'<!-- {n} --><image name="ü{n}.jpg" width="9" height="9">{BOX.format("", "") * n}</image>'
        for n in range(5)
    )
    put(tmp_path, f'<?xml version="1.0"?>\n<annotations>{META}{images}</annotations>')
    whole = sm.read(tmp_path)
    monkeypatch.setattr(cvat_read, "PART", 2)
    parts = sm.read(tmp_path)
    assert [len(s.objects or ()) for s in parts] == [0, 1, 2, 3, 4]
    assert parts.digest() == whole.digest()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("<annotation></annotation>", "found the element 'annotation'"),
        ("<annotations><image>", "no XML"),
        ('<!DOCTYPE a [<!ENTITY x "y">]><annotations/>', "without a DTD"),
        ('<?xml version="1.0" encoding="latin-1"?><annotations/>', "expected UTF-8"),
        ("<annotations>" + "<a>" * 100 + "</a>" * 100 + "</annotations>", "64 deep"),
        ("<annotations><track/><image/></annotations>", "images beside 1 tracks"),
        ('<annotations><track><box frame="-1"/></track></annotations>', "frame: found '-1'"),
        ("<annotations><meta><project/></meta><track/></annotations>", "tracks of a project"),
        ("<annotations><meta><task><size>9999999999</size></task></meta><track/></annotations>", "number of a frame"),
        (doc("", meta="<meta><task><labels><label/></labels></task></meta>"), "label without a name"),
        (doc("", head='width="1"'), "image without a name"),
        (doc("", head='name="../a.jpg"'), "leaves its root"),
        (doc("", head='name="a.jpg" width="1.5"'), "width: found '1.5'"),
        (doc('<box label="bus"/>'), "found the label 'bus'"),
        (doc('<box label="car" xtl="1"/>'), "ytl: found nothing"),
        (doc(BOX.format(' z_order="x"', "")), r"image\[0\].box\[0\].*z_order: found 'x'"),
        (doc(BOX.format(' z_order="1.5"', "")), "expected a whole number"),
        (doc('<polygon label="car" points="1,2;3"/>'), "expected finite numbers x,y"),
        (doc('<polygon label="car" points="1,two"/>'), "points: could not convert"),
        (doc('<polygon label="car" points=""/>'), "points: found none"),
        (doc('<polygon label="car"/>'), "found no points"),
        (doc('<polyline label="car" occluded="maybe" points="1,2"/>'), "occluded: found 'maybe'"),
        (doc('<mask label="car" rle="1" left="0" top="0" width="2" height="1"/>'), "runs of 2 pixels"),
        (doc('<mask label="car" rle="x" left="0" top="0" width="1" height="1"/>'), "rle: found 'x'"),
        (doc('<mask label="car" rle="2" left="19" top="0" width="2" height="1"/>'), "inside of the image's 20 x 10"),
        (doc('<mask label="car" rle="1" left="0" top="0" width="1" height="1"/>', head='name="a.jpg"'), "without width"),
        (doc('<skeleton label="car"><points label="a" points="1,1;2,2"/></skeleton>'), "found 2 points, expected one"),
    ],
)  # fmt: skip
def test_read__faults_are_named(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(DataError, match=match) as caught:
        sm.read(put(tmp_path, text), "cvat")
    assert "annotations.xml" in str(caught.value)


def test_read__the_same_image_twice(tmp_path: Path) -> None:
    text = doc("").replace("</annotations>", '<image name="./a.jpg"/><image name="b.jpg"/></annotations>')
    with pytest.raises(DataError, match=r"'a\.jpg' a second time"):
        sm.read(put(tmp_path, text))
    ds = sm.read(tmp_path, on_error="skip")
    assert [s.id for s in ds] == ["a.jpg", "b.jpg"]
    assert (ds.report.samples_skipped, ds.report.error_count) == (1, 1)


def test_read__faulty_objects_are_skipped(tmp_path: Path) -> None:
    ds = sm.read(put(tmp_path, doc('<box label="car"/>' + BOX.format("", ""))), on_error="skip")
    assert [row["bbox"] for row in rows(ds)] == [{"x": 1, "y": 2, "w": 2, "h": 3}]
    assert (ds.report.objects_skipped, ds.report.error_count) == (1, 1)


def test_read__folder_without_files(tmp_path: Path) -> None:
    with pytest.raises(EmptySourceError, match=r"annotations\.xml"):
        sm.read(tmp_path, "cvat")
    with pytest.raises(EmptySourceError, match="images and tracks"):
        sm.read(put(tmp_path, "<annotations/>"), "cvat")


def test_write__what_has_several_geometries(tmp_path: Path) -> None:
    box = {"x": 1.0, "y": 1.0, "w": 2.0, "h": 2.0}
    ds = made(
        {"category": 0, "bbox": box, "polygons": [[1.0, 1, 3, 1, 3, 3]]},
        members=("category", "bbox", "polygons"),
    )
    lost, text = written(ds, tmp_path)
    assert lost == {"geometry.dropped": "objects.bbox"}
    assert "<polygon" in text
    lost, text = written(ds, tmp_path, geometry="bbox", overwrite=True)
    assert lost == {"geometry.dropped": "objects.polygons"}
    assert '<box label="car" occluded="0" xtl="1" ytl="1" xbr="3" ybr="3">' in text


def test_write__parts_of_a_polygon_are_joined(tmp_path: Path) -> None:
    ds = made(
        {"category": 0, "polygons": [[0.0, 0, 4, 0, 4, 4], [8.0, 0, 9, 0, 9, 4]]},
        members=("category", "polygons"),
    )
    lost, _ = written(ds, tmp_path)
    assert lost == {"polygon.joined": "objects.polygons"}
    (ring,) = rows(sm.read(tmp_path / "out"))[0]["polygons"]
    assert ring == [0, 0, 4, 0, 8, 0, 9, 0, 9, 4, 8, 0, 4, 0, 4, 4]


def test_write__quadrangle_is_a_polygon(tmp_path: Path) -> None:
    quad = [0.0, 0, 4, 1, 3, 5, 1, 4]
    lost, _ = written(made({"category": 0, "quad": quad}, members=("category", "quad")), tmp_path)
    assert lost == {"quad.as_polygon": "objects.quad"}
    assert rows(sm.read(tmp_path / "out"))[0]["polygons"] == [quad]


def test_write__radians_are_no_degrees(tmp_path: Path) -> None:
    obj = {"category": 0, "quad": [2.0, 0, 4, 2, 2, 4, 0, 2], "angle": 0.785}
    lost, text = written(made(obj, members=("category", "quad", "angle")), tmp_path)
    assert lost == {"angle.replaced": "objects.angle"}
    assert 'rotation="45"' in text
    assert np.allclose(rows(sm.read(tmp_path / "out"))[0]["quad"], obj["quad"])


@pytest.mark.parametrize(
    ("keypoints", "seen", "code", "tag"),
    [
        (("a", "b"), (2, None), "visibility.assumed", "<skeleton"),
        (None, (2, 0), "visibility.dropped", '<points label="car"'),
        (None, (None, None), None, '<points label="car"'),
        (("a", "b"), (1, 0), None, "<skeleton"),
    ],
)
def test_write__keypoints(tmp_path: Path, keypoints: Any, seen: Any, code: str | None, tag: str) -> None:
    points = [{"x": float(n), "y": 1.5, "visibility": v} for n, v in enumerate(seen)]
    table = Categories((Category(name="car", keypoints=keypoints, skeleton=keypoints and ((0, 1),)),))
    ds = made({"category": 0, "keypoints": points}, members=("category", "keypoints"), categories=table)
    lost, text = written(ds, tmp_path)
    assert list(lost) == ([code] if code else [])
    assert tag in text
    back = sm.read(tmp_path / "out")
    assert (back.categories[0].keypoints, back.categories[0].skeleton) == (keypoints, table[0].skeleton)


def test_write__mask_smaller_than_its_image(tmp_path: Path) -> None:
    mask = {"height": 5, "width": 6, "counts": b"063L000004"}
    lost, _ = written(made({"category": 0, "mask": mask}, members=("category", "mask")), tmp_path)
    assert lost == {"mask.padded": "objects.mask"}
    found = rows(sm.read(tmp_path / "out"))[0]["mask"]
    runs, _ = rle.decode_counts([found["counts"]])
    assert rle.decode_mask(runs, 10, 20).sum() == 18


def test_write__mask_larger_than_its_image_is_refused(tmp_path: Path) -> None:
    mask = {"height": 50, "width": 6, "counts": b"0"}
    with pytest.raises(DataError, match=r"sample 'a\.jpg': a mask is larger"):
        made({"category": 0, "mask": mask}, members=("category", "mask")).write(tmp_path / "out", "cvat")


def test_write__mask_without_pixels(tmp_path: Path) -> None:
    (counts,) = rle.encode_counts(np.array([200]), np.array([0, 1]))
    mask = {"height": 10, "width": 20, "counts": counts}
    assert written(made({"category": 0, "mask": mask}, members=("category", "mask")), tmp_path)[0] == {}
    assert rows(sm.read(tmp_path / "out"))[0]["mask"] == mask


def test_write__objects_without_label_or_geometry(tmp_path: Path) -> None:
    box = {"x": 1.0, "y": 1.0, "w": 2.0, "h": 2.0}
    ds = made({"category": None, "bbox": box}, {"category": 0, "bbox": None}, members=("category", "bbox"))
    lost, text = written(ds, tmp_path)
    assert lost == {"geometry.missing": "objects", "label.empty": "objects.category"}
    assert 'label=""' in text


def test_write__attributes_of_other_kinds_are_text(tmp_path: Path) -> None:
    attributes = {"more": features.Json(), "list": features.Value(type=pa.list_(pa.int64()))}
    box = {"x": 1.0, "y": 1.0, "w": 2.0, "h": 2.0}
    ds = made(
        {"category": 0, "bbox": box, "more": '{"a":"<"}', "list": [1]},
        members=("category", "bbox"),
        attributes=attributes,
    )
    lost, text = written(ds, tmp_path)
    assert lost == {"attribute.as_text": "objects.more", "field.dropped": "objects.list"}
    assert '<attribute name="more">{"a":"&lt;"}</attribute>' in text


def test_write__classes_lose_what_labels_have_not(tmp_path: Path) -> None:
    own = {"supercategory": "a", "flip_idx": (0,), "attributes": {"frequency": "r"}}
    table = Categories((Category(name="car", id=3, color="#123456", **own),))
    lost, text = written(made(members=("category", "bbox"), categories=table), tmp_path)
    assert set(lost) == {"category.id", "category.supercategory", "category.flip_idx", "category.attributes"}
    assert "<color>#123456</color>" in text


def test_write__figure_of_another_make_is_refused(tmp_path: Path) -> None:
    ds = made(
        {"category": 0, "ellipse": '{"cx":1}'}, members=("category",), attributes={"ellipse": features.Json()}
    )
    with pytest.raises(DataError, match=r"sample 'a\.jpg': ellipse: found cx, expected cx, cy, rx, ry"):
        ds.write(tmp_path / "out", "cvat")


def test_write__text_that_xml_cannot_hold_is_refused(tmp_path: Path) -> None:
    ds = made(members=("category", "bbox"), categories=Categories.of(["a\0b"]))
    with pytest.raises(DataError, match="character that XML cannot hold"):
        ds.write(tmp_path / "out", "cvat")


def test_write__tags_of_one_class_and_with_scores(tmp_path: Path) -> None:
    table = Categories.of(["night"])
    columns = {
        "id": features.Value(type=pa.string()),
        "image": features.Image(),
        "tags": features.Classification(categories=table, multi=True),
    }
    image = {"path": "a.jpg", "width": 20, "height": 10}
    ds = build(
        Schema(columns=columns),
        [{"id": "a.jpg", "image": image, "tags": [{"category": "night", "score": 0.5}]}],
    )
    lost, text = written(ds, tmp_path)
    assert lost == {"score.dropped": "tags"}
    assert '<tag label="night" source="manual">' in text
    single = Schema(columns={**columns, "tags": features.Classification(categories=table)})
    assert written(build(single, [{"id": "a.jpg", "image": image, "tags": 0}]), tmp_path, overwrite=True) == (
        {},
        text,
    )


VIDEO = GOLDEN / "video"
TRACK = (
    '<track id="5" label="car"><box frame="{}" {}/><box frame="1" xtl="0" ytl="0" xbr="4" ybr="4"/></track>'
)


def seen(ds: sm.Dataset, track: int) -> dict[int, dict[str, Any]]:
    return {s["frame"]: row for s in ds for row in (s.objects or ()) if row["track_id"] == track}


def test_video__frames_are_samples() -> None:
    ds = sm.read(VIDEO)
    assert [s["frame"] for s in ds] == [0, 2, 4, 6, 8, 10]
    assert {s["video"] for s in ds} == {"crossing.mp4"}
    assert ds[1].id == ds[1].image.path == "frame_000002.PNG"
    assert (ds[0].image.width, ds[0].image.height) == (640, 480)
    assert ds.report.objects_read == 5 + 2 + 6


def test_video__between_keyframes_is_a_straight_line() -> None:
    car = seen(sm.read(VIDEO), 0)
    assert list(car) == [0, 2, 4, 8, 10]  # outside in 6
    boxes = {frame: list(row["bbox"].values()) for frame, row in car.items()}
    assert boxes[2] == [30, 20, 25, 20]
    assert boxes[10] == boxes[8] == [60, 60, 30, 30]  # the last one goes on
    assert [row["keyframe"] for row in car.values()] == [True, False, True, True, False]
    assert [row["moving"] for row in car.values()] == [True, True, True, False, False]
    assert [row["occluded"] for row in car.values()] == [False, False, True, False, False]


def test_video__what_is_written_between_keyframes_is_kept() -> None:
    lane = seen(sm.read(VIDEO), 1)
    assert [(frame, row["keyframe"]) for frame, row in lane.items()] == [(2, True), (4, False)]
    assert list(lane[4]["polyline"]) == [0, 12, 100, 12]
    assert lane[4]["group_id"] == 2


def test_video__turns_the_short_way() -> None:
    car = seen(sm.read(VIDEO), 2)
    assert list(car) == [0, 2, 4, 6, 8, 10]
    assert car[2]["quad"] is None
    assert list(car[2]["bbox"].values()) == [0, 0, 20, 10]
    assert [car[frame]["angle"] for frame in (0, 4, 6)] == [350, 10, 10 - 10 / 4]


def test_video__parts_are_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sm.read(VIDEO)
    monkeypatch.setattr(cvat_read, "PART", 1)
    assert sm.read(VIDEO).digest() == whole.digest()


def test_video__images_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (640, 480)).save(tmp_path / "images" / "frame_000002.jpg")
    put(tmp_path, (VIDEO / "annotations.xml").read_text())
    ds = sm.read(tmp_path)
    assert [s.image.path for s in ds][:2] == ["frame_000000.PNG", "frame_000002.jpg"]


def test_video__without_meta(tmp_path: Path) -> None:
    track = TRACK.format(3, 'outside="1" xtl="8" ytl="0" xbr="12" ybr="4"')
    put(tmp_path, f"<annotations>{track}</annotations>")
    ds = sm.read(tmp_path)
    assert [(s["frame"], [list(o["bbox"].values()) for o in s.objects or ()]) for s in ds] == [
        (0, []),
        (1, [[0, 0, 4, 4]]),
        (2, [[4, 0, 4, 4]]),
        (3, []),
    ]


def test_video__faults_are_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cvat_read, "PART", 1)
    put(tmp_path, f"<annotations>{TRACK.format(2, '')}{TRACK.format(0, '')}</annotations>")
    with pytest.raises(DataError, match=r"track\[\d\]\.box\[0\]: xtl: found nothing"):
        sm.read(tmp_path)
    ds = sm.read(tmp_path, on_error="skip")
    assert (ds.report.objects_skipped, ds.report.error_count) == (2, 2)
    assert [len(s.objects or ()) for s in ds] == [0, 2, 2]


def test_video__a_frame_that_is_none(tmp_path: Path) -> None:
    text = (VIDEO / "annotations.xml").read_text().replace('frame="8"', 'frame="99"')
    with pytest.raises(DataError, match=r"track\[0\]: found the frame 99, expected 0 to 10"):
        sm.read(put(tmp_path, text))
    ds = sm.read(tmp_path, on_error="skip")
    assert (ds.report.objects_skipped, ds.report.objects_read) == (1, 8)


def test_video__is_written_as_images(tmp_path: Path) -> None:
    ds = sm.read(VIDEO)
    report = ds.write(tmp_path / "out", "cvat", kind="images", on_loss="ignore")
    assert {loss.field for loss in report.losses} == {"video", "frame", "objects.track_id"}
    back = sm.read(tmp_path / "out")
    assert [len(s.objects or ()) for s in back] == [len(s.objects or ()) for s in ds]
    assert [row["keyframe"] for row in rows(back)] == [row["keyframe"] for row in rows(ds)]
