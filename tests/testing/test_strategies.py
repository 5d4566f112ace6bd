from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import Phase, find, given, settings

from smalti.schema import features
from smalti.schema.schema import Schema
from smalti.testing import Shape, categories, datasets, differences, everything, plain
from smalti.testing.strategies import ATTRIBUTES, names, numbers, paths

if TYPE_CHECKING:
    from collections.abc import Callable

    from smalti.dataset.dataset import Dataset
    from smalti.schema.categories import Categories

EVERY = Shape(
    members=tuple(features.OBJECT_MEMBERS),
    attributes=ATTRIBUTES,
    nullable=frozenset(features.OBJECT_MEMBERS),
    columns={"note": ATTRIBUTES["note"]},
)
FEW = settings(max_examples=30, deadline=None, database=None, derandomize=True)
ANY = settings(FEW, max_examples=2000, phases=(Phase.generate,))  # the first that is found, not the least


@FEW
@given(datasets(EVERY))
def test_datasets__are_valid_tables_of_their_schema(dataset: Dataset) -> None:
    table = dataset.to_arrow()
    table.validate(full=True)
    assert table.schema.equals(dataset.schema.arrow)
    assert Schema.from_arrow(table.schema) == dataset.schema
    assert len(set(table.column("id").to_pylist())) == len(table)


@FEW
@given(datasets(Shape(members=("category", "bbox", "polygons", "quad", "keypoints"))))
def test_datasets__lie_inside_their_images(dataset: Dataset) -> None:
    for row in dataset.to_arrow().to_pylist():
        width, height = row["image"]["width"], row["image"]["height"]
        for obj in row["objects"] or ():
            box = obj["bbox"]
            assert 0 <= box["x"] < box["x"] + box["w"] <= width
            assert 0 <= box["y"] < box["y"] + box["h"] <= height
            for ring in (*(obj["polygons"] or ()), obj["quad"]):
                assert all(0 <= x <= width for x in ring[::2])
                assert all(0 <= y <= height for y in ring[1::2])
            assert len(obj["keypoints"]) == 3


@FEW
@given(datasets(Shape(members=("polygons", "mask"), nullable=frozenset({"polygons"}))))
def test_datasets__keep_members_apart_that_exclude_each_other(dataset: Dataset) -> None:
    for row in dataset.to_arrow().column("objects").to_pylist():
        assert all(obj["polygons"] is None or obj["mask"] is None for obj in row or ())


@pytest.mark.parametrize(
    ("what", "sought"),
    [
        ("unlabelled", lambda d: d.to_arrow().column("objects").null_count > 0),
        ("empty", lambda d: [] in d.to_arrow().column("objects").to_pylist()),
        ("one path in two splits", lambda d: d.schema.id_has_split),
        ("a class that nobody has", lambda d: len(d.schema.objects().categories) > 1),
        ("several parts", lambda d: any(len(o["polygons"] or ()) > 1 for o in _objects(d))),
        ("long numbers", lambda d: any(len(repr(o["bbox"]["x"])) > 12 for o in _objects(d))),
    ],
)
def test_datasets__can_be(what: str, sought: Callable[[Dataset], bool]) -> None:
    shape = Shape(members=("category", "bbox", "polygons"))
    assert find(datasets(shape), sought, settings=ANY), what


@FEW
@given(categories(keypoints=2))
def test_categories__have_ids_and_a_skeleton(table: Categories) -> None:
    assert len({category.id for category in table}) == len(table)
    assert all(category.keypoints and category.skeleton == ((0, 1),) for category in table)


@FEW
@given(names(), paths(), numbers(0, 5))
def test_values__are_what_files_can_hold(name: str, path: str, number: float) -> None:
    assert name == name.strip()
    assert "\n" not in name
    name.encode()
    assert not path.startswith("/")
    assert 0 <= number <= 5


def test_everything__uses_every_member_and_column() -> None:
    dataset = everything()
    table = dataset.to_arrow()
    table.validate(full=True)
    objects = pa.Table.from_struct_array(table.column("objects").combine_chunks().flatten())
    for name in objects.column_names:
        assert objects.column(name).null_count < len(objects), name
    for name in table.column_names:
        assert table.column(name).null_count < len(table), name


@pytest.mark.parametrize("splits", [(), ("train",), ("train", "val", "test")])
def test_plain__has_every_member_of_a_shape(splits: tuple[str, ...]) -> None:
    shape = Shape(members=tuple(features.OBJECT_MEMBERS), attributes=ATTRIBUTES, splits=splits)
    dataset = plain(shape)
    dataset.to_arrow().validate(full=True)
    objects = _objects(dataset)
    for name in (*shape.members, *shape.attributes):
        assert any(obj[name] is not None for obj in objects), name
    assert not differences(dataset, plain(shape))


def _objects(dataset: Dataset) -> list[dict[str, Any]]:
    return [obj for row in dataset.to_arrow().column("objects").to_pylist() for obj in row or ()]
