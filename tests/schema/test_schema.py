from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

import smalti as sm
from smalti.schema import features
from smalti.schema.schema import SCHEMA_VERSION

CATEGORIES = sm.Categories(
    (
        sm.Category(
            name="person",
            id=1,
            supercategory="living",
            keypoints=("nose", "tail"),
            skeleton=((0, 1),),
            attributes={"wings": None, "legs": 2},
        ),
        sm.Category(name="car", id="c"),
        sm.Category(name="car", id=9),
    )
)
OBJECTS = features.Objects(
    categories=CATEGORIES,
    members=tuple(features.OBJECT_MEMBERS),
    attributes={"occluded": features.Value(type=pa.bool_()), "rest": features.Json()},
)
SCHEMA = sm.Schema(
    columns={
        "id": features.Value(type=pa.string()),
        "image": features.Image(),
        "split": features.Split(),
        "objects": OBJECTS,
        "note": features.Text(),
        "vector": features.Embedding(dim=3),
        "captions": features.Captions(),
    },
    splits=("train", "val"),
    media_root="pictures",
)
BBOX = "struct<x: double, y: double, w: double, h: double>"


@pytest.mark.parametrize(
    ("member", "kind"),
    [
        ("bbox", BBOX),
        ("category", "dictionary<values=string, indices=int32, ordered=0>"),
        ("polygons", "list<element: list<element: double>>"),
        ("mask", "struct<height: int32, width: int32, counts: binary>"),
        ("quad", "list<element: double>"),
        ("keypoints", "list<element: struct<x: double, y: double, visibility: int8>>"),
        ("score", "double"),
        ("area", "double"),
        ("iscrowd", "bool"),
        ("id", "int64"),
        ("track_id", "int64"),
        ("occluded", "bool"),
        ("rest", "string"),
    ],
)
def test_members__have_the_types_of_the_design(member: str, kind: str) -> None:
    assert str(OBJECTS.member_type(member)) == kind
    assert str(OBJECTS.struct.field(member).type) == kind


def test_columns__have_the_types_of_the_design() -> None:
    kinds = {field.name: str(field.type) for field in SCHEMA.arrow}
    assert kinds["id"] == "string"
    assert kinds["image"] == "struct<path: string, width: int32, height: int32>"
    assert kinds["split"] == "dictionary<values=string, indices=int32, ordered=0>"
    assert kinds["objects"].startswith("list<element: struct<")
    assert kinds["captions"].startswith("list<element: struct<")


def test_json__gives_back_the_same_schema() -> None:
    text = SCHEMA.to_json()
    assert json.loads(text)["schema_version"] == SCHEMA_VERSION
    assert sm.Schema.from_json(text) == SCHEMA
    assert sm.Schema.from_json(text).to_json() == text


def test_arrow__metadata_give_back_the_same_schema() -> None:
    assert sm.Schema.from_arrow(SCHEMA.arrow) == SCHEMA
    assert set(SCHEMA.arrow.metadata) == {b"smalti", b"huggingface"}
    hub = json.loads(SCHEMA.arrow.metadata[b"huggingface"])["info"]["features"]
    assert hub["split"] == {"dtype": "string", "_type": "Value"}


def test_arrow__columns_that_the_schema_does_not_name_are_plain() -> None:
    found = sm.Schema.from_arrow(pa.schema([("id", pa.string()), ("n", pa.int16())]))
    assert found.columns["n"] == features.Value(type=pa.int16())


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[]", "not a smalti schema of version"),
        ('{"schema_version": 99, "columns": {}}', "schema_version"),
        ('{"schema_version": 1, "columns": {"x": {"kind": "hologram"}}}', "columns.x"),
        ('{"schema_version": 1}', "columns"),
    ],
)
def test_json__what_is_no_schema_is_refused(text: str, match: str) -> None:
    with pytest.raises(sm.errors.SchemaError, match=match):
        sm.Schema.from_json(text)


def test_arrow__a_type_that_is_not_its_features_is_refused() -> None:
    wrong = pa.schema([("id", pa.string()), ("objects", pa.int64())], metadata=SCHEMA.metadata)
    with pytest.raises(
        sm.errors.SchemaError, match="column 'objects' is int64, but its feature 'objects' wants"
    ):
        sm.Schema.from_arrow(wrong)


def test_project__cuts_columns_and_members() -> None:
    cut = SCHEMA.project({"image", "objects.bbox"})
    assert cut.fields() == ["id", "image", "objects.bbox"]
    assert SCHEMA.project({"objects"}).fields() == ["id"]
    assert list(SCHEMA.project({"objects"}).columns) == ["id", "objects"]


def test_categories__keep_what_the_source_had() -> None:
    assert CATEGORIES.values == ("person", "car", "car#9")
    assert CATEGORIES.duplicates == ("car",)
    assert [category.name for category in CATEGORIES] == ["person", "car", "car"]
    assert [category.id for category in CATEGORIES] == [1, "c", 9]
    assert CATEGORIES[0].attributes == {"wings": None, "legs": 2}
    assert CATEGORIES.codes == {"person": 0, "car": 1, "car#9": 2}
    encoded = CATEGORIES.encode(pa.array([2, None, 0], pa.int32()))
    assert encoded.to_pylist() == ["car#9", None, "person"]
    assert encoded.dictionary.to_pylist() == list(CATEGORIES.values)


@pytest.mark.parametrize("names", [("cat", "cat", "cat#1"), ("a#1", "a", "a"), ("", "", "")])
def test_categories__values_are_unique_whatever_the_names(names: tuple[str, ...]) -> None:
    values = sm.Categories.of(names).values
    assert len(set(values)) == len(values) == len(names)


def test_features__are_values(features_made: list[Any]) -> None:
    for feature in features_made:
        assert feature == feature.model_copy()
        with pytest.raises(ValueError, match="frozen"):
            feature.kind = "other"


@pytest.fixture
def features_made() -> list[Any]:
    return list(SCHEMA.columns.values())
