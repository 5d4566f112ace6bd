from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import smalti as sm


@pytest.mark.parametrize(
    ("samples", "match"),
    [
        ([{"id": "a.jpg", "image": {"width": -3}}], "sample a.jpg.*image.width|image.width.*a.jpg"),
        ([{"id": ""}], "id"),
        ([{"id": "a.jpg"}, {"id": "a.jpg"}], "id occurs twice"),
        ([{"id": "a.jpg", "objects": [{"bbox": [1, 2, 3]}]}], "a.jpg"),
        ([{"id": "a.jpg", "objects": [{"bbox": [1, 2, 3, "four"]}]}], "a.jpg"),
        ([{"id": "a.jpg", "note": 1}, {"id": "b.jpg", "note": "x"}], "column 'note'"),
    ],
)
def test_from_samples__names_sample_and_field(samples: list[dict[str, Any]], match: str) -> None:
    with pytest.raises(sm.errors.DataError, match=match):
        sm.Dataset.from_samples(samples)


def test_from_samples__a_class_that_is_not_in_the_table_is_refused() -> None:
    with pytest.raises(sm.errors.DataError, match="'cow', which is not in the class table"):
        sm.Dataset.from_samples([{"id": "a", "objects": [{"category": "cow"}]}], categories=["cat"])


def test_from_samples__every_kind_of_geometry() -> None:
    objects = [
        {
            "bbox": [0, 0, 4, 4],
            "category": "cat",
            "polygons": [[0, 0, 4, 0, 4, 4], [1.5, 1, 2, 1, 2, 2]],
            "keypoints": [[1, 2, 2], [0, 0, 0]],
            "quad": [0, 0, 4, 0, 4, 4, 0, 4],
            "area": 8,
            "iscrowd": False,
            "id": 7,
            "colour": "black",
        }
    ]
    (sample,) = sm.Dataset.from_samples([sm.Sample(id="a.jpg", objects=objects)])
    assert [ring.tolist() for ring in sample.objects.polygons[0]] == [
        [[0, 0], [4, 0], [4, 4]],
        [[1.5, 1], [2, 1], [2, 2]],
    ]
    assert sample.objects.keypoints[0].tolist() == [[1, 2, 2], [0, 0, 0]]
    assert sample.objects["colour"] == ["black"]
    assert sample.objects["id"].tolist() == [7]


def test_from_arrays__takes_boxes_in_any_layout() -> None:
    boxes = np.array([[1.0, 2, 4, 6]])
    objects = sm.Objects.from_arrays(bbox=boxes, layout="xyxy", category=["cat"])
    assert objects.bbox.tolist() == [[1, 2, 3, 4]]
    with pytest.raises(sm.errors.SmaltiError, match="bbox has 1 values, the others have 2"):
        sm.Objects.from_arrays(bbox=boxes, category=["cat", "dog"])


def test_from_arrow__needs_an_id() -> None:
    with pytest.raises(sm.errors.SchemaError, match="needs a column 'id'; there are name"):
        sm.Dataset.from_arrow(pa.table({"name": ["a"]}))
    assert len(sm.Dataset.from_arrow(pa.table({"id": ["a", "b"], "n": [1, 2]}))) == 2


def test_scan__refuses_what_is_no_dataset(tmp_path: Any) -> None:
    with pytest.raises(sm.errors.EmptySourceError, match=r"found no file \*.parquet"):
        sm.Dataset.scan(tmp_path)
    (tmp_path / "a.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(sm.errors.DataError, match="no Parquet file, or a damaged one"):
        sm.Dataset.scan(tmp_path)
    (tmp_path / "a.parquet").unlink()
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"name": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(sm.errors.SchemaError, match="needs a column 'id'"):
        sm.Dataset.scan(tmp_path / "a.parquet")
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"id": ["b"], "n": [1]}), tmp_path / "b.parquet")
    with pytest.raises(sm.errors.SchemaError, match=r"b\.parquet has another schema than"):
        sm.Dataset.scan([tmp_path / "a.parquet", tmp_path / "b.parquet"])


def test_scan__works_on_any_file_system(dataset: sm.Dataset) -> None:
    dataset.write("memory://scan/one.parquet", overwrite=True)
    scanned = sm.Dataset.scan("memory://scan/one.parquet")
    assert scanned.lazy
    assert scanned.digest() == dataset.digest()
