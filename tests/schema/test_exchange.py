"""Other engines read the same table: values as they are, classes as words, null and empty apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import smalti as sm

if TYPE_CHECKING:
    from pathlib import Path

WORDS = [["dog", None], [], None]
WIDTHS = [[3.5, 1.0], [], None]


@pytest.fixture
def dataset() -> sm.Dataset:
    categories = ["cat", "unused", "dog"]
    objects = [{"category": "dog", "bbox": [1, 2, 3.5, 4]}, {"bbox": [0, 0, 1, 1]}]
    samples = [
        {"id": "a.jpg", "split": "train", "objects": objects},
        {"id": "b.jpg", "split": "val", "objects": []},
        {"id": "c.jpg", "objects": None},
    ]
    return sm.Dataset.from_samples(samples, categories=categories)


def same(dataset: sm.Dataset, table: pa.Table) -> None:
    back = sm.Dataset.from_arrow(table)
    assert back.schema == dataset.schema
    assert back.digest() == dataset.digest()
    assert back.categories.values == ("cat", "unused", "dog")
    assert back.to_arrow().to_pylist() == dataset.to_arrow().to_pylist()


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_ipc__is_the_same_table(dataset: sm.Dataset, tmp_path: Path, kind: str) -> None:
    table = dataset.to_arrow()
    new, opened = (
        (pa.ipc.new_file, pa.ipc.open_file) if kind == "file" else (pa.ipc.new_stream, pa.ipc.open_stream)
    )
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as sink, new(sink, table.schema) as writer:
        writer.write_table(table)
    with pa.memory_map(str(tmp_path / "a.arrow")) as source:
        same(dataset, opened(source).read_all())


def test_parquet__is_the_same_table(dataset: sm.Dataset, tmp_path: Path) -> None:
    pq.write_table(dataset.to_arrow(), tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.schema.equals(dataset.schema.arrow, check_metadata=True)
    same(dataset, table)


@pytest.mark.parametrize("source", ["table", "file"])
def test_duckdb__reads_words_and_sides(dataset: sm.Dataset, tmp_path: Path, source: str) -> None:
    dataset.write(tmp_path / "a.parquet")
    place = "table_" if source == "table" else f"'{tmp_path / 'a.parquet'}'"
    table_ = dataset.to_arrow()  # duckdb finds it by its name
    assert table_.num_rows == 3
    query = f"SELECT id, split, list_transform(objects, lambda o: o.category), list_transform(objects, lambda o: o.bbox.w) FROM {place} ORDER BY id"  # noqa: S608  # our own
    rows = duckdb.sql(query).fetchall()
    assert [row[0] for row in rows] == ["a.jpg", "b.jpg", "c.jpg"]
    assert [row[1] for row in rows] == ["train", "val", None]
    assert [row[2] for row in rows] == WORDS
    assert [row[3] for row in rows] == WIDTHS


def test_duckdb__what_it_gives_back_is_the_dataset(dataset: sm.Dataset) -> None:
    table_ = dataset.to_arrow()
    assert table_.num_rows == 3
    back = duckdb.sql("SELECT * FROM table_").to_arrow_table()
    assert sm.Dataset.from_arrow(back, schema=dataset.schema).digest() == dataset.digest()


@pytest.mark.parametrize("source", ["table", "file"])
def test_polars__reads_words_and_sides(dataset: sm.Dataset, tmp_path: Path, source: str) -> None:
    dataset.write(tmp_path / "a.parquet")
    frame = dataset.to_polars() if source == "table" else pl.scan_parquet(tmp_path / "a.parquet").collect()
    rows = frame.sort("id")["objects"].to_list()
    assert [None if row is None else [o["category"] for o in row] for row in rows] == WORDS
    assert [None if row is None else [o["bbox"]["w"] for o in row] for row in rows] == WIDTHS
    assert frame["split"].to_list() == ["train", "val", None]


def test_polars__what_it_gives_back_is_the_dataset(dataset: sm.Dataset) -> None:
    back = dataset.to_polars().to_arrow()
    assert sm.Dataset.from_arrow(back, schema=dataset.schema).digest() == dataset.digest()


def test_pandas__reads_words_and_sides(dataset: sm.Dataset) -> None:
    frame = dataset.to_pandas()
    rows = [None if row is None else list(row) for row in frame["objects"]]
    assert [None if row is None else [o["category"] for o in row] for row in rows] == WORDS
    assert [None if row is None else [o["bbox"]["w"] for o in row] for row in rows] == WIDTHS
    flat = dataset.objects(columns=["split"]).to_pandas()
    assert flat["category"].tolist()[0] == "dog"
    assert list(flat["category"].cat.categories) == ["cat", "unused", "dog"]
