from __future__ import annotations

import pyarrow as pa
import pytest

from smalti.dataset.dataset import Dataset
from smalti.errors import SchemaError
from smalti.schema import features
from smalti.schema.categories import Categories, Category
from smalti.schema.schema import Schema
from smalti.schema.unify import conform, united


def _schema(*names: str) -> Schema:
    objects = features.Objects(categories=Categories.of(names), members=("category",))
    return Schema(columns={"id": features.Value(type=pa.string()), "objects": objects})


def _table(schema: Schema, words: list[str | None]) -> pa.Table:
    """A table as other engines write it: its dictionary has the words that are used, in order of use."""
    rows = pa.array([[{"category": word}] for word in words], schema.columns["objects"].arrow)
    ids = pa.array([str(n) for n in range(len(words))], pa.string())
    return pa.Table.from_arrays([ids, rows], schema=schema.arrow)


def _codes(table: pa.Table) -> tuple[list[str], list[int | None]]:
    category = table.column("objects").combine_chunks().flatten().field(0)
    return category.dictionary.to_pylist(), category.indices.to_pylist()


def test_conform__codes_are_positions_in_the_schema() -> None:
    schema = _schema("a", "b", "c")
    found = conform(_table(schema, ["c", None, "b"]), schema, schema)
    assert _codes(found) == (["a", "b", "c"], [2, None, 1])


def test_conform__leaves_a_table_alone_that_is_as_it_should_be() -> None:
    schema = _schema("a", "b")
    table = _table(schema, ["a", "b"])
    before = table.column("objects").chunk(0).buffers()[1].address
    assert conform(table, schema, schema).column("objects").chunk(0).buffers()[1].address == before


def test_conform__to_a_united_schema() -> None:
    one, other = _schema("a", "b"), _schema("b", "c")
    both = united([one, other])
    assert _codes(conform(_table(other, ["c", "b"]), other, both)) == (["a", "b", "c"], [2, 1])


def test_conform__two_classes_of_one_name_stay_apart() -> None:
    table = Categories((Category(name="car"), Category(name="car")))
    columns = {"id": features.Value(type=pa.string()), "objects": features.Objects(categories=table)}
    schema = Schema(columns=columns).project({"objects.category"})
    found = conform(_table(schema, ["car#1", "car"]), schema, schema)
    assert _codes(found) == (["car", "car#1"], [1, 0])


def test_conform__an_unknown_word_is_an_error() -> None:
    schema = _schema("a")
    with pytest.raises(SchemaError, match="'z' is no class of the schema; there are 'a'"):
        conform(_table(schema, ["z"]), schema, schema)


def test_dataset__of_an_engines_table_has_the_schemas_codes() -> None:
    schema = _schema("a", "b", "c")
    dataset = Dataset.from_arrow(_table(schema, ["c", "b"]), schema=schema)
    assert _codes(dataset.to_arrow()) == (["a", "b", "c"], [2, 1])
