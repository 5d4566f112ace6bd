from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from pycocotools import mask as official
from pycocotools.coco import COCO

from smalti.errors import DataError
from smalti.formats.coco import FORMAT
from smalti.formats.protocol import Cursor, PartRead
from smalti.formats.report import Report
from smalti.formats.transfer import Export
from smalti.schema import features
from smalti.schema.categories import Categories
from smalti.schema.schema import Schema
from smalti.storage.location import Location
from smalti.storage.staging import staged_folder

if TYPE_CHECKING:
    from pathlib import Path

NAMES = Categories.of(["cat", "dog"])


def sent(value: Any) -> Any:
    """What arrives at another process."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301  # our own bytes


def schema(members: tuple[str, ...], **more: Any) -> Schema:
    objects = features.Objects(categories=NAMES, members=members, attributes=more.pop("attributes", {}))
    columns = {
        "id": features.Value(type=pa.string()),
        "image": features.Image(),
        "split": features.Split(),
        "objects": objects,
    }
    return Schema(columns=columns | more.pop("columns", {}), **more)


def rows_of(described: Schema, rows: list[dict[str, Any]]) -> pa.RecordBatch:
    arrays = []
    for name, feature in described.columns.items():
        values = [row.get(name) for row in rows]
        if name == "image":
            values = [{"path": row["id"], "width": 20, "height": 10} for row in rows]
        if isinstance(feature, features.Objects):
            plain = pa.array(values, _without_words(feature.arrow))
            arrays.append(_with_words(plain, feature))
        elif isinstance(feature, features.Split):
            arrays.append(pa.array(values, pa.string()).dictionary_encode())
        else:
            arrays.append(pa.array(values, feature.arrow))
    return pa.RecordBatch.from_arrays(arrays, schema=described.arrow)


def _without_words(kind: pa.DataType) -> pa.DataType:
    members = [(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in kind.value_type]
    return pa.list_(pa.field("element", pa.struct(members)))


def _with_words(plain: pa.ListArray, feature: features.Objects) -> pa.ListArray:
    objects = plain.values
    children = [
        feature.categories.encode(
            pa.array([feature.categories.codes.get(v) for v in child.to_pylist()], pa.int32())
        )
        if name == "category"
        else child
        for name, child in zip(feature.names, objects.flatten(), strict=True)
    ]
    struct = pa.StructArray.from_arrays(children, fields=list(feature.struct))
    return pa.ListArray.from_arrays(plain.offsets, struct, type=feature.arrow, mask=plain.is_null())


def export(
    target: Path,
    described: Schema,
    *parts: list[dict[str, Any]],
    on_error: str = "raise",
    dry_run: bool = False,
    **o: Any,
) -> Report:
    report = Report()
    Export(
        format=FORMAT,
        writer=FORMAT.writer(
            described, FORMAT.options(**o), target.name if target.suffix == ".json" else None
        ),
        schema=described,
        source=None,
        target=Location.parse(target),
        media="none",
        media_root=None,
        on_loss="ignore",
        on_error=on_error,
        overwrite=False,
        dry_run=dry_run,
        report=report,
    ).run((PartRead(batch=rows_of(described, rows)) for rows in parts), lambda _: None)
    return report


def box(x: float, y: float, w: float, h: float) -> dict[str, float]:
    return {"x": x, "y": y, "w": w, "h": h}


def losses(report: Report) -> dict[tuple[str, str], int | None]:
    return {(loss.code, loss.field): loss.count for loss in report.losses}


def test_ids__start_at_one_over_parts_and_splits(coco: Any, tmp_path: Path) -> None:
    described = schema(("category", "bbox"), splits=("train", "val"))
    first = [
        {"id": "a.jpg", "split": "train", "objects": [{"category": "dog", "bbox": box(1, 2, 3, 4)}] * 2},
        {"id": "b.jpg", "split": "val", "objects": [{"category": "cat", "bbox": box(0, 0, 1, 1)}]},
    ]
    second = [{"id": "c.jpg", "split": "train", "objects": [{"category": None, "bbox": box(0, 0, 1, 0.5)}]}]
    report = export(tmp_path / "out", described, first, second)
    train = coco.load(tmp_path / "out/annotations/instances_train.json")
    val = coco.load(tmp_path / "out/annotations/instances_val.json")
    assert [image["id"] for image in train["images"] + val["images"]] == [1, 3, 2]
    assert [item["id"] for item in train["annotations"] + val["annotations"]] == [1, 2, 4, 3]
    assert train["categories"] == [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    assert train["annotations"][0] == {
        "area": 12, "iscrowd": 0, "image_id": 1, "bbox": [1, 2, 3, 4], "category_id": 2, "id": 1
    }  # fmt: skip
    assert "category_id" not in train["annotations"][2]
    assert losses(report) == {("area.computed", "objects.area"): 4}
    assert report.reconciles
    assert report.files == 2


def test_computed__area_and_box(coco: Any, tmp_path: Path) -> None:
    ring = np.zeros((10, 20), np.uint8, order="F")
    ring[2:8, 3:12] = 1
    ring[4:6, 5:9] = 0
    rle = official.encode(ring)
    described = schema(("bbox", "polygons", "mask", "quad", "keypoints", "area"))
    point = {"x": 4.0, "y": 5.0, "visibility": 2}
    objects = [
        {"polygons": [[0, 0, 4, 0, 4, 3], [10, 1, 12, 1, 12, 2, 10, 2]]},
        {"mask": {"height": 10, "width": 20, "counts": rle["counts"]}},
        {"quad": [2, 0, 4, 2, 2, 4, 0, 2]},
        {"keypoints": [point, {"x": 6.0, "y": 9.0, "visibility": 1}, {"x": 0.0, "y": 0.0, "visibility": 0}]},
        {},
        {"bbox": box(1, 1, 2, 2), "area": 3.5},
    ]
    report = export(tmp_path / "out.json", described, [{"id": "a.jpg", "objects": objects}])
    found = coco.load(tmp_path / "out.json")["annotations"]
    assert [item["area"] for item in found] == [6 + 2, 46, 8, 0, 0, 3.5]
    assert [item.get("bbox") for item in found] == [
        [0, 0, 12, 3], [3, 2, 9, 6], [0, 0, 4, 4], [4, 5, 2, 4], None, [1, 1, 2, 2]
    ]  # fmt: skip
    assert found[2]["segmentation"] == [[2, 0, 4, 2, 2, 4, 0, 2]]
    assert found[3]["num_keypoints"] == 2
    assert losses(report) == {
        ("area.computed", "objects.area"): 5,
        ("bbox.computed", "objects.bbox"): 4,
        ("quad.as_polygon", "objects.quad"): 1,
    }


def test_polygons_beside_mask__mask_is_reported(coco: Any, tmp_path: Path) -> None:
    mask = {
        "height": 2,
        "width": 2,
        "counts": official.encode(np.ones((2, 2), np.uint8, order="F"))["counts"],
    }
    described = schema(("bbox", "polygons", "mask", "area"))
    item = {"bbox": box(0, 0, 2, 2), "area": 4, "polygons": [[0, 0, 2, 0, 2, 2]], "mask": mask}
    report = export(tmp_path / "out.json", described, [{"id": "a.jpg", "objects": [item]}])
    assert coco.load(tmp_path / "out.json")["annotations"][0]["segmentation"] == [[0, 0, 2, 0, 2, 2]]
    assert losses(report) == {("mask.dropped", "objects.mask"): 1}


def test_losses__what_coco_cannot_hold(tmp_path: Path) -> None:
    described = schema(
        ("bbox", "area", "angle", "polyline"),
        columns={"taken": features.Value(type=pa.timestamp("us", tz="UTC")), "note": features.Text()},
        attributes={"blob": features.Value(type=pa.binary())},
        splits=("train", "val"),
    )
    item = {"bbox": box(0, 0, 2, 2), "area": 4, "angle": 0.5, "polyline": [1, 1, 2, 2], "blob": b"x"}
    rows = [{"id": "a.jpg", "objects": [item], "taken": 5, "note": "ok", "split": "val"}]
    report = export(tmp_path / "out.json", described, rows)
    assert losses(report) == {
        ("field.dropped", "objects.angle"): 1,
        ("field.dropped", "objects.polyline"): 1,
        ("field.dropped", "objects.blob"): 1,
        ("field.dropped", "taken"): 1,
        ("split.dropped", "split"): 1,
    }
    assert report.reconciles


def test_losses__second_field_has_no_place_in_one_file(tmp_path: Path) -> None:
    other = features.Objects(categories=NAMES, members=("bbox",))
    described = schema(("bbox", "area"), columns={"stuff": other})
    item = {"bbox": box(0, 0, 2, 2), "area": 4}
    rows = [{"id": "a.jpg", "objects": [item], "stuff": [{"bbox": box(0, 0, 1, 1)}] * 3}]
    report = export(tmp_path / "out.json", described, rows)
    assert losses(report) == {("field.dropped", "stuff"): 3}
    assert report.reconciles
    whole = export(tmp_path / "out", described, rows)
    assert whole.objects_written == 4
    assert sorted(path.name for path in (tmp_path / "out/annotations").iterdir()) == [
        "instances.json",
        "stuff.json",
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("where", ["bbox", "polygons", "attribute"])
def test_faults__no_number_names_the_sample(tmp_path: Path, value: float, where: str) -> None:
    described = schema(("bbox", "polygons", "area"), attributes={"a": features.Value(type=pa.float64())})
    item: dict[str, Any] = {"bbox": box(0, 0, 2, 2), "area": 4, "a": 1.0, "polygons": [[1, 1, 2, 2]]}
    bad = dict(item)
    if where == "bbox":
        bad["bbox"] = box(0, value, 2, 2)
    elif where == "polygons":
        bad["polygons"] = [[1, 1], [2, value]]
    else:
        bad["a"] = value
    rows = [{"id": "a.jpg", "objects": [item]}, {"id": "b.jpg", "objects": [item, bad]}]
    with pytest.raises(DataError, match=r"sample 'b.jpg'.*infinite or none"):
        export(tmp_path / "out", described, rows)
    assert not (tmp_path / "out").exists()
    report = export(tmp_path / "out", described, rows, on_error="skip")
    assert (report.samples_written, report.samples_skipped, report.objects_skipped) == (1, 1, 2)


def test_faults__unsafe_ids(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="leaves its root"):
        export(tmp_path / "out", schema(("bbox",)), [{"id": "../a.jpg", "objects": []}])


def test_ids__twice_or_missing_are_refused(tmp_path: Path) -> None:
    described = schema(("id", "bbox", "area"))
    item = {"id": 5, "bbox": box(0, 0, 1, 1), "area": 1}
    rows = [{"id": "a.jpg", "objects": [item]}]
    with pytest.raises(DataError, match=r"annotation ids are used twice: 5; .*ids='renumber'"):
        export(tmp_path / "out", described, rows, [{**rows[0], "id": "b.jpg"}])
    with pytest.raises(DataError, match=r"1 objects of 'objects' have no id; .*ids='renumber'"):
        export(tmp_path / "out", described, [{"id": "a.jpg", "objects": [{**item, "id": None}]}])
    assert list(tmp_path.iterdir()) == []
    report = export(tmp_path / "out.json", described, rows, [{**rows[0], "id": "b.jpg"}], ids="renumber")
    found = json.loads((tmp_path / "out.json").read_text())
    assert [item["id"] for item in found["annotations"]] == [1, 2]
    assert report.objects_written == 2


def test_image_ids__twice_are_refused(tmp_path: Path) -> None:
    described = schema(("bbox",), columns={"image_id": features.Value(type=pa.int64())})
    rows = [{"id": f"{n}.jpg", "objects": [], "image_id": 3} for n in range(2)]
    with pytest.raises(DataError, match="image ids are used twice: 3"):
        export(tmp_path / "out", described, rows)


def test_dry_run__writes_nothing_and_checks(tmp_path: Path) -> None:
    described = schema(("bbox",))
    report = export(
        tmp_path / "out", described, [{"id": "a.jpg", "objects": [{"bbox": box(0, 0, 1, 1)}]}], dry_run=True
    )
    assert report.objects_written == 1
    assert list(tmp_path.iterdir()) == []


def test_text__is_ascii_and_exact(tmp_path: Path) -> None:
    described = schema(
        ("bbox", "area"),
        columns={"text": features.Text(), "number": features.Value(type=pa.float64())},
        attributes={
            "deep": features.Value(type=pa.list_(pa.struct([("k", pa.string()), ("n", pa.float64())])))
        },
    )
    texts = ["plain", 'quote " back \\ slash /', "tab\t\x00\x1f\x7f", "ä 東 😀", "", None]
    numbers = [0.1, 1e16, 5e-324, -0.0, 123456789.123456789, None]
    deep = [[{"k": "ü", "n": 1.5}, None], [], None, [{"k": None, "n": None}], [{"k": '"', "n": 1e300}], None]
    rows = [
        {
            "id": f"{i}.jpg",
            "text": texts[i],
            "number": numbers[i],
            "objects": [{"bbox": box(0, 0, 1, 1), "area": 1, "deep": deep[i]}],
        }
        for i in range(6)
    ]
    export(tmp_path / "out.json", described, rows)
    body = json.loads((tmp_path / "out.json").read_text("ascii"))
    assert [image.get("text") for image in body["images"]] == texts
    assert [image.get("number") for image in body["images"]] == numbers
    assert [item.get("deep") for item in body["annotations"]] == deep
    assert "text" not in body["images"][5]


def test_json_column__that_is_no_json_is_refused(tmp_path: Path) -> None:
    described = schema(("bbox",), columns={"extra": features.Json()})
    for text in ("{", "1, 2", "]", "[" * 100_000):
        with pytest.raises(DataError, match="column 'extra' holds"):
            export(tmp_path / "out", described, [{"id": "a.jpg", "objects": [], "extra": text}])


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own
def test_pycocotools__takes_what_we_write(tmp_path: Path) -> None:
    described = schema(("category", "bbox", "polygons"))
    item = {"category": "dog", "bbox": box(1, 1, 5, 5), "polygons": [[1, 1, 6, 1, 6, 6, 1, 6]]}
    export(
        tmp_path / "out.json", described, [{"id": "a.jpg", "objects": [item]}, {"id": "b.jpg", "objects": []}]
    )
    loaded = COCO(str(tmp_path / "out.json"))
    assert len(loaded.imgs) == 2
    assert loaded.annToMask(loaded.anns[1]).sum() == 25


def test_visibility__unknown_is_reported(coco: Any, tmp_path: Path) -> None:
    described = schema(("bbox", "area", "keypoints"))
    points = [{"x": 1.0, "y": 2.0, "visibility": None}, {"x": 0.0, "y": 0.0, "visibility": None}]
    item = {"bbox": box(0, 0, 1, 1), "area": 1, "keypoints": points}
    report = export(tmp_path / "out.json", described, [{"id": "a.jpg", "objects": [item]}])
    assert coco.load(tmp_path / "out.json")["annotations"][0]["keypoints"] == [1, 2, 2, 0, 0, 0]
    assert losses(report) == {("visibility.assumed", "objects.keypoints"): 1}


def test_sliced_batch__is_written_as_it_is(coco: Any, tmp_path: Path) -> None:
    described = schema(("bbox", "area", "polygons"))
    rows = [
        {
            "id": f"{n}.jpg",
            "objects": [{"bbox": box(n, 0, 1, 1), "area": n, "polygons": [[n, n, 1, 1, 2, 2]]}] * n,
        }
        for n in range(5)
    ]
    batch = rows_of(described, rows).slice(2, 2)
    report = Report()
    Export(
        format=FORMAT, writer=FORMAT.writer(described, FORMAT.options(), "x.json"), schema=described, source=None,
        target=Location.parse(tmp_path / "x.json"), media="none", media_root=None, on_loss="ignore",
        on_error="raise", overwrite=False, dry_run=False, report=report,
    ).run([PartRead(batch=batch)], lambda _: None)  # fmt: skip
    body = coco.load(tmp_path / "x.json")
    assert [image["file_name"] for image in body["images"]] == ["2.jpg", "3.jpg"]
    assert [item["segmentation"] for item in body["annotations"]] == [[[2, 2, 1, 1, 2, 2]]] * 2 + [
        [[3, 3, 1, 1, 2, 2]]
    ] * 3


def test_captions__without_ids_are_numbered(coco: Any, tmp_path: Path) -> None:
    columns = {
        "id": features.Value(type=pa.string()),
        "image": features.Image(),
        "captions": features.Captions(),
    }
    described = Schema(columns=columns)
    rows = [{"id": f"{n}.jpg", "captions": [{"caption": f"{n} {m}"} for m in range(2)]} for n in range(2)]
    export(tmp_path / "out", described, rows[:1], rows[1:])
    body = coco.load(tmp_path / "out/annotations/captions.json")
    numbers = [item["id"] for item in body["annotations"]]
    assert len(set(numbers)) == 4
    assert min(numbers) == 1
    assert [item["caption"] for item in body["annotations"]] == ["0 0", "0 1", "1 0", "1 1"]


def test_parts__may_be_written_by_workers(coco: Any, difficult: Path, tmp_path: Path) -> None:
    source = coco.read(difficult)
    coco.write(source, tmp_path / "whole")
    schema_ = source.plan.schema
    writer = FORMAT.writer(schema_, FORMAT.options(), None)
    batch = source.reads[0].batch
    with staged_folder(Location.parse(tmp_path / "parts")) as target:
        results, cursor = [], Cursor()
        for start in range(len(batch)):
            worker = sent(writer)
            result = sent(worker.write(batch.slice(start, 1), target, cursor))
            cursor = Cursor(
                cursor.index + 1, cursor.samples + result.samples, cursor.objects + result.objects
            )
            results.append(result)
        writer.finish(target, results)
    name = "annotations/instances_train.json"
    assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
