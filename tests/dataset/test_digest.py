from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smalti as sm
from smalti.testing.strategies import Shape, datasets

BASE: dict[str, Any] = {"id": "a.jpg", "image": {"width": 4, "height": 3}, "split": "train", "note": "x"}
KNOWN = "fcbcb27d9e568db0d3b3c88bf6a9a449aca23333a56d4ece2ad1137b18bc31e6"
OBJECT: dict[str, Any] = {
    "category": "cat",
    "bbox": [0.5, 1, 2, 2],
    "score": 0.5,
    "polygons": [[0, 0, 1, 0, 1, 1]],
}


def digest(sample: dict[str, Any], **objects: Any) -> str:
    body = {**BASE, **sample}
    if "objects" not in body:
        body["objects"] = [{**OBJECT, **objects}]
    return sm.Dataset.from_samples(
        [body, {**BASE, "id": "b.jpg", "objects": []}], categories=["cat", "dog"]
    ).digest()


@pytest.mark.parametrize(
    "changed",
    [
        digest({"id": "c.jpg"}),
        digest({"image": {"width": 5, "height": 3}}),
        digest({"split": "val"}),
        digest({"note": None}),
        digest({"note": ""}),
        digest({"objects": None}),
        digest({"objects": []}),
        digest({"objects": [OBJECT, OBJECT]}),
        digest({}, category="dog"),
        digest({}, bbox=[0.5000000000000001, 1, 2, 2]),
        digest({}, score=None),
        digest({}, polygons=[[0, 0, 1, 0, 1, 1], [0, 0, 1, 0, 1, 1]]),
        digest({}, polygons=[]),
    ],
)
def test_digest__any_change_changes_it(changed: str) -> None:
    assert changed != digest({})


def test_digest__where_pictures_lie_is_no_content() -> None:
    assert digest({"image": {"path": "elsewhere/a.jpg", "width": 4, "height": 3}}) == digest({})


@settings(max_examples=30, deadline=None)
@given(
    dataset=datasets(Shape(members=("category", "bbox", "polygons", "keypoints", "mask"))),
    seed=st.integers(0, 9),
)
def test_digest__order_chunks_and_columns_do_not_count(dataset: sm.Dataset, seed: int) -> None:
    expected = dataset.digest()
    table = dataset.to_arrow()
    assert dataset.shuffle(seed).digest() == expected
    chunked = pa.concat_tables([table.slice(row, 1) for row in range(table.num_rows)] or [table])
    assert sm.Dataset.from_arrow(chunked, schema=dataset.schema).digest() == expected
    assert dataset.select(list(reversed(dataset.columns))).digest() == expected


def test_digest__is_stable_between_releases() -> None:
    """It is written into trackers and stores: a change of it is a new version of the canonical form."""
    assert sm.Dataset.from_samples([BASE]).digest() == KNOWN
