from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import smalti as sm

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def dataset() -> sm.Dataset:
    objects = [{"category": "cat", "bbox": [0.1, 0, 2, 2], "polygons": [[0, 0, 1, 0, 1, 1]]}]
    samples = [{"id": f"{n}.jpg", "split": "train", "objects": [None, [], objects][n % 3]} for n in range(30)]
    return sm.Dataset.from_samples(samples, categories=["unused", "cat"])


@pytest.mark.parametrize("target", ["one.parquet", "folder"])
def test_parquet__gives_back_the_same_dataset(dataset: sm.Dataset, tmp_path: Path, target: str) -> None:
    report = dataset.write(tmp_path / target, format="parquet")
    back = sm.read(tmp_path / target)
    assert report.lossless
    assert (tmp_path / target).is_file() == target.endswith(".parquet")
    assert back.schema == dataset.schema
    assert back.to_arrow().equals(dataset.to_arrow())


def test_parquet__two_writings_are_the_same_bytes(dataset: sm.Dataset, tmp_path: Path) -> None:
    dataset.write(tmp_path / "a.parquet")
    dataset.write(tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_parquet__is_written_as_the_house_wants(dataset: sm.Dataset, tmp_path: Path) -> None:
    dataset.write(tmp_path / "a.parquet")
    group = pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(0)
    columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    sides = [column for path, column in columns.items() if path.endswith("bbox.x")]
    assert {column.compression for column in columns.values()} == {"ZSTD"}
    assert "BYTE_STREAM_SPLIT" in sides[0].encodings
    assert sides[0].statistics.min == 0.1


def test_parquet__a_file_of_other_tools_is_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a", "b"], "n": [1, 2], "words": [["x"], []]}), tmp_path / "a.parquet")
    ds = sm.read(tmp_path / "a.parquet")
    assert ds.columns == ["id", "n", "words"]
    assert ds[0].columns == {"n": 1, "words": ["x"]}


def test_parquet__files_of_a_folder_are_united(dataset: sm.Dataset, tmp_path: Path) -> None:
    dataset.write(tmp_path / "set" / "a.parquet")
    other = sm.Dataset.from_samples([{"id": "z.jpg", "objects": [{"category": "dog", "area": 3.0}]}])
    other.write(tmp_path / "set" / "b.parquet")
    both = sm.read(tmp_path / "set")
    assert len(both) == 31
    assert both.categories.values == ("unused", "cat", "dog")
    assert both[-1].objects.names == ["dog"]
    assert both[2].objects.names == ["cat"]


@pytest.mark.parametrize(
    ("body", "match"),
    [
        (b"PAR1", "damaged"),
        (b"PAR1" + b"x" * 100 + b"PAR1", "damaged"),
        (b"", "no format recognises it|damaged"),
    ],
)
def test_parquet__damaged_files_are_named(tmp_path: Path, body: bytes, match: str) -> None:
    (tmp_path / "a.parquet").write_bytes(body)
    with pytest.raises(sm.errors.SmaltiError, match=match) as caught:
        sm.read(tmp_path / "a.parquet")
    assert "a.parquet" in str(caught.value)


def test_parquet__a_flipped_byte_is_found_by_the_checksum(dataset: sm.Dataset, tmp_path: Path) -> None:
    dataset.write(tmp_path / "a.parquet")
    body = bytearray((tmp_path / "a.parquet").read_bytes())
    place = body.index(b"\x28\xb5\x2f\xfd") + 12  # inside of the first page that zstd has packed
    body[place] ^= 0xFF
    (tmp_path / "a.parquet").write_bytes(body)
    with pytest.raises(sm.errors.DataError, match=r"a\.parquet, row group 0"):
        sm.read(tmp_path / "a.parquet")


def test_parquet__without_an_id_says_what_to_do(tmp_path: Path) -> None:
    pq.write_table(pa.table({"name": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(sm.errors.DataError, match=r"no column 'id', expected unique text.*add one"):
        sm.read(tmp_path / "a.parquet")
    pq.write_table(pa.table({"id": pa.array([], pa.string())}), tmp_path / "b.parquet")
    with pytest.raises(sm.errors.EmptySourceError, match="holds no row"):
        sm.read(tmp_path / "b.parquet")
