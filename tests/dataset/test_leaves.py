from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import smalti as sm

STREET = Path(__file__).parents[2] / "examples" / "street"
FIELDS = ["split", "objects.category", "objects.bbox", "objects.keypoints"]


@pytest.fixture
def street() -> sm.Dataset:
    return sm.read(STREET, progress=False)


def rows(dataset: sm.Dataset, fields: list[str], max_rows: int | None = None) -> list[Any]:
    return pa.Table.from_batches(list(dataset.to_batches(max_rows, fields))).to_pylist()


def test_fields__of_a_table_are_those_of_a_file(street: sm.Dataset, tmp_path: Path) -> None:
    street.write(tmp_path / "street.parquet", format="parquet", progress=False)
    scanned = sm.Dataset.scan(tmp_path / "street.parquet")
    expected = rows(street, FIELDS)
    assert list(expected[0]) == ["id", "split", "objects"]
    assert set(expected[0]["objects"][0]) == {"category", "bbox", "keypoints"}
    assert rows(scanned, FIELDS) == expected
    assert rows(scanned, FIELDS, 5) == expected
    assert max(len(batch) for batch in scanned.to_batches(5, FIELDS)) == 5
    schema = next(iter(scanned.to_batches(fields=FIELDS))).schema
    assert schema.equals(next(iter(street.to_batches(fields=FIELDS))).schema)


def test_fields__after_verbs(street: sm.Dataset, tmp_path: Path) -> None:
    street.write(tmp_path / "street.parquet", format="parquet", progress=False)
    scanned = sm.Dataset.scan(tmp_path / "street.parquet")
    for verb in (
        lambda ds: ds.filter(sm.col("split") == "val"),
        lambda ds: ds.filter_objects(sm.col("area") > 2000),
        lambda ds: ds.map_categories({"car": "vehicle", "truck": "vehicle"}),
        lambda ds: ds.select(["split", "objects"]),
    ):
        assert rows(verb(scanned), FIELDS) == rows(verb(street), FIELDS) != []


def test_fields__an_object_field_without_members_keeps_its_lengths(
    street: sm.Dataset, tmp_path: Path
) -> None:
    street.write(tmp_path / "street.parquet", format="parquet", progress=False)
    scanned = sm.Dataset.scan(tmp_path / "street.parquet")
    found = [len(row["objects"]) for row in rows(scanned, ["objects"])]
    assert found == [len(sample.objects) for sample in street]


def test_fields__polygons_are_not_read(
    street: sm.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    street.write(tmp_path / "street.parquet", format="parquet", progress=False)
    asked: list[str] = []
    read = pq.ParquetFile.read_row_group

    def spy(self: Any, group: int, columns: list[str]) -> Any:
        asked.extend(columns)
        return read(self, group, columns=columns)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", spy)
    assert rows(sm.Dataset.scan(tmp_path / "street.parquet"), ["objects.category"])
    assert asked == ["id", "objects.list.element.category"]


def test_fields__lists_of_other_engines(street: sm.Dataset, tmp_path: Path) -> None:
    """They call the elements by another name, as pyarrow once did."""
    table = street.select(["objects"]).to_arrow()
    objects = table.column("objects").combine_chunks()
    kind = pa.list_(pa.field("item", objects.type.value_type))
    other = pa.ListArray.from_buffers(kind, len(objects), objects.buffers()[:2], children=[objects.values])
    schema = pa.schema([("id", pa.string()), ("objects", kind)], metadata=table.schema.metadata)
    path = tmp_path / "other.parquet"
    whole = pa.Table.from_arrays([table.column("id"), other], schema=schema)
    pq.write_table(whole, path, use_compliant_nested_type=False)
    with pq.ParquetFile(path) as file:
        assert "objects.list.item.category" in [file.schema.column(n).path for n in range(len(file.schema))]
    fields = ["objects.category", "objects.bbox"]
    assert rows(sm.Dataset.scan(path), fields) == rows(street, fields)
