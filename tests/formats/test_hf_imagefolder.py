from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet as pq

import smalti as sm
from smalti.schema import features
from smalti.schema.categories import Categories

GOLDEN = Path(__file__).parents[1] / "golden" / "hf_imagefolder"
JUDGE = Path(__file__).parents[1] / "judges" / "hf_imagefolder_judge.py"


def put(folder: Path, *rows: Any, pictures: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metadata.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    for row in rows if pictures else ():
        Image.new("RGB", (40, 30)).save(folder / row["file_name"])
    return folder


def judged(folder: Path, cache: Path) -> Any:
    """What `datasets` reads."""
    command = [os.environ["SMALTI_JUDGE_PYTHON"], "-W", "ignore", str(JUDGE), str(folder), str(cache)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def street(folder: Path) -> sm.Dataset:
    """Two splits with objects, captions, classes and other columns; an image without objects in each."""
    samples = []
    for number, split in enumerate(("train", "train", "test", "test")):
        name = f"{number}.png"
        folder.mkdir(exist_ok=True)
        Image.new("RGB", (40 + number, 30)).save(folder / name)
        box = {
            "category": ("cat", "dog")[number // 2],
            "bbox": [1, 2.25, 3.5, 4],
            "score": 0.5,
            "iscrowd": False,
        }
        image = {"path": name, "width": 40 + number, "height": 30}
        samples.append({"id": name, "image": image, "split": split, "objects": [box] * (number % 2),
                        "weather": "rain", "level": number})  # fmt: skip
    ds = sm.Dataset.from_samples(samples, categories=["unused", "dog", "cat"], media_root=str(folder))
    table = ds.to_arrow()
    said = pa.array([[{"id": None, "caption": f"picture {n}"}] for n in range(4)], features.Captions().arrow)
    classes = features.Classification(categories=Categories.of(["sun", "rain"]))
    columns = {**ds.schema.columns, "weather": classes, "captions": features.Captions(source="text")}
    table = table.set_column(table.schema.names.index("weather"), "weather",
                             classes.categories.encode(pa.array([1] * 4, pa.int32()))).append_column("captions", said)  # fmt: skip
    return sm.Dataset.from_arrow(
        table.select(list(columns)).replace_schema_metadata(None), schema=ds.schema.with_columns(columns)
    )


def test_golden__rows_become_objects() -> None:
    ds = sm.read(GOLDEN)
    assert ds.report.source_format == "hf_imagefolder"
    assert [(s.id, s.split) for s in ds] == [("c.png", "test"), ("a.png", "train"), ("deep/b.png", "train")]
    assert ds.report.objects_read == 3
    assert [(c.name, c.id) for c in ds.categories] == [("0", 0), ("2", 2)]
    assert ds[1].objects.bbox.tolist() == [[302, 109, 73, 52], [1.5, 2, 5, 2.5]]
    assert ds[2].objects.names == []
    assert (ds[1].image.width, ds[1].image.height) == (40, 30)
    assert ds[0].columns["captions"] == [{"id": None, "caption": "a dog"}]
    assert ds[2].columns["image_id"] == 8
    assert ds[1].objects[1]["area"] == 12.5


@pytest.mark.parametrize("metadata", ["jsonl", "parquet", None])
def test_judge__datasets_reads_what_is_written(tmp_path: Path, metadata: str | None) -> None:
    ds = street(tmp_path / "images")
    report = ds.write(tmp_path / "out", format="hf_imagefolder", media="copy", metadata=metadata)
    assert report.lossless
    found = judged(tmp_path / "out", tmp_path / "cache")
    assert {split: len(rows) for split, rows in found.items()} == {"train": 2, "test": 2}
    box = {"bbox": [[1.0, 2.25, 3.5, 4.0]], "categories": ["cat"], "score": [0.5], "iscrowd": [False]}
    assert found["train"][1] == {"image": [41, 30], "width": 41, "height": 30, "objects": box, "weather": "rain",
                                 "level": 1, "text": "picture 1"}  # fmt: skip
    assert found["train"][0]["objects"] == {name: [] for name in box}
    assert found["test"][1]["objects"]["categories"] == ["dog"]
    again = sm.read(tmp_path / "out")
    assert sorted(s.id for s in again) == [s.id for s in ds]
    assert again.categories.values == ("unused", "dog", "cat")
    assert again.schema.columns["weather"] == ds.schema.columns["weather"]
    assert again.schema.columns["captions"] == ds.schema.columns["captions"]


def test_judge__a_split_without_objects_has_their_types(tmp_path: Path) -> None:
    ds = street(tmp_path / "images").filter(sm.col("id") != "3.png")
    assert ds.write(tmp_path / "out", format="hf_imagefolder", media="copy").lossless
    assert (tmp_path / "out" / "test" / "metadata.parquet").is_file()
    assert judged(tmp_path / "out", tmp_path / "cache")["test"][0]["objects"]["bbox"] == []
    assert sorted(s.id for s in sm.read(tmp_path / "out")) == ["0.png", "1.png", "2.png"]


def test_judge__agrees_on_the_golden_folder(tmp_path: Path) -> None:
    found = judged(GOLDEN, tmp_path / "cache")
    ds = sm.read(GOLDEN)
    rows = [*found["test"], *found["train"]]
    assert [row["image"] for row in rows] == [[s.image.width, s.image.height] for s in ds]
    assert [row["objects"]["bbox"] for row in rows] == [s.objects.bbox.tolist() for s in ds]
    assert [row["objects"]["category"] for row in rows] == [[int(n) for n in s.objects.names] for s in ds]


def test_judge__numbers_and_csv(tmp_path: Path) -> None:
    ds = street(tmp_path / "images")
    ds.write(tmp_path / "a", format="hf_imagefolder", media="copy", categories="numbers")
    assert judged(tmp_path / "a", tmp_path / "cache")["train"][1]["objects"]["categories"] == [2]
    assert sm.read(tmp_path / "a").digest() == sm.read(tmp_path / "a", bbox="xywh").digest()
    assert [s.objects.names for s in sm.read(tmp_path / "a")] == [[], ["dog"], [], ["cat"]]
    report = ds.write(tmp_path / "b", format="hf_imagefolder", media="copy", metadata="csv", on_loss="ignore")
    assert [(loss.code, loss.field, loss.count) for loss in report.losses] == [
        ("field.dropped", "objects", 2)
    ]
    row = judged(tmp_path / "b", tmp_path / "cache")["train"][1]
    assert row == {
        "image": [41, 30],
        "width": 41,
        "height": 30,
        "weather": "rain",
        "level": 1,
        "text": "picture 1",
    }
    assert sm.read(tmp_path / "b")[0].columns["level"] == 2


def test_read__lists_of_objects_corners_and_null(tmp_path: Path) -> None:
    put(tmp_path, {"file_name": "a.png", "objects": [{"bbox": [1, 2, 4, 6], "label": "cat", "note": "x"}]},
        {"file_name": "b.png", "objects": None})  # fmt: skip
    Image.new("RGB", (9, 7)).save(tmp_path / "c.png")
    ds = sm.read(tmp_path, bbox="xyxy")
    assert ds[0].objects.bbox.tolist() == [[1, 2, 3, 4]]
    assert ds[0].objects[0]["note"] == "x"
    assert [(s.id, s.objects is None) for s in ds] == [("a.png", False), ("b.png", True), ("c.png", True)]


def test_read__columns_of_any_kind(tmp_path: Path) -> None:
    put(tmp_path, {"file_name": "a.png", "id": 5, "label": "dog", "deep": {"k": [1]}, "captions": ["x", "y"], "w": 1},
        {"file_name": "b.png", "id": 6, "label": "cat", "w": 1.5, "captions": []})  # fmt: skip
    ds = sm.read(tmp_path)
    row = ds.to_arrow().to_pylist()[0]
    assert (row["id"], row["id_"], row["label"], row["deep"], row["w"]) == (
        "a.png",
        5,
        "dog",
        '{"k":[1]}',
        1.0,
    )
    assert ds.schema.columns["label"].categories.values == ("cat", "dog")
    assert [c["caption"] for c in row["captions"]] == ["x", "y"]
    assert ds.write(tmp_path / "out", format="hf_imagefolder", media="copy").lossless
    assert sm.read(tmp_path / "out").digest() == ds.digest()


def test_read__parquet_keeps_its_types(tmp_path: Path) -> None:
    table = pa.table({"file_name": ["a.png"], "embedding": pa.array([[0.5, 1]], pa.list_(pa.float32())),
                      "n": pa.array([1], pa.int8())})  # fmt: skip
    Image.new("RGB", (9, 7)).save(tmp_path / "a.png")
    pq.write_table(table, tmp_path / "metadata.parquet")
    ds = sm.read(tmp_path)
    assert ds.report.source_format == "hf_imagefolder"
    assert ds.to_arrow()["embedding"].to_pylist() == [[0.5, 1.0]]
    assert ds.schema.columns["n"].arrow == pa.int8()


def test_read__csv_cells_are_what_pandas_takes_them_for(tmp_path: Path) -> None:
    body = 'file_name,n,flag,date,text\n1.png,7,true,2024-01-01,"a, b\nc"\n2.png,,false,2024-01-02,\n'
    (tmp_path / "metadata.csv").write_text(body, "utf-8")
    for name in ("1.png", "2.png"):
        Image.new("RGB", (9, 7)).save(tmp_path / name)
    rows = sm.read(tmp_path).to_arrow().to_pylist()
    assert [(r["id"], r["n"], r["flag"], r["date"]) for r in rows] == [
        ("1.png", 7, True, "2024-01-01"),
        ("2.png", None, False, "2024-01-02"),
    ]
    assert [c["caption"] for c in rows[0]["captions"]] == ["a, b\nc"]


def test_write__losses_are_named(tmp_path: Path) -> None:
    ds = sm.Dataset.from_samples([{"id": "a.png", "image": {"path": "a.png"}, "note": "17", "more": "[1]"}])
    said = pa.array([[{"id": 4, "caption": "x"}, {"id": None, "caption": "y"}]], features.Captions().arrow)
    columns = {**ds.schema.columns, "more": features.Json(), "captions": features.Captions(source="text")}
    table = ds.to_arrow().append_column("captions", said).replace_schema_metadata(None)
    ds = sm.Dataset.from_arrow(table, schema=ds.schema.with_columns(columns))
    report = ds.write(tmp_path / "out", format="hf_imagefolder", metadata="csv", on_loss="ignore")
    assert {loss.code for loss in report.losses} == {
        "caption.id",
        "caption.dropped",
        "json.as_text",
        "text.as_value",
    }


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"file_name": 5}, r"metadata\.jsonl, row 1: file_name: found 5, expected text"),
        ({"file_name": "../a.png"}, r"row 1: the path '\.\./a\.png' leaves its root"),
        (
            {"file_name": "a.png", "objects": {"bbox": [[1, 2, 3, 4]], "categories": []}},
            "lists of equal lengths",
        ),
        (
            {"file_name": "a.png", "objects": [{"bbox": [1, 2]}]},
            r"objects\[0\].*found 2 numbers, expected four",
        ),
        (
            {"file_name": "a.png", "objects": [{"bbox": [1, 2, 3, 4], "category": []}]},
            "expected a name or a number",
        ),
        ({"file_name": "b.png"}, r"'b\.png' is labelled here and in"),
    ],
)
def test_faults__name_file_and_row(tmp_path: Path, row: Any, message: str) -> None:
    put(tmp_path, row, {"file_name": "b.png"}, pictures=False)
    with pytest.raises(sm.errors.DataError, match=message):
        sm.read(tmp_path)
    ds = sm.read(tmp_path, on_error="skip")
    assert ds[-1].id in {"a.png", "b.png"}
    assert ds.report.error_count == 1
