from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

import smalti as sm

if TYPE_CHECKING:
    from collections.abc import Callable

# Every verb, as a function of a dataset: what it gives is the same for rows in memory and for a scan.
VERBS: dict[str, Callable[[sm.Dataset], sm.Dataset]] = {
    "select": lambda ds: ds.select(["split", "objects"]),
    "drop": lambda ds: ds.drop(["weather"]),
    "rename": lambda ds: ds.rename({"objects": "truth", "weather": "sky"}),
    "filter": lambda ds: ds.filter(sm.col("split") == "train"),
    "filter by a member": lambda ds: ds.filter(sm.col("image.width") > 40),
    "filter objects": lambda ds: ds.filter_objects(sm.col("category") == "cat"),
    "filter objects by a side": lambda ds: ds.filter_objects(sm.col("bbox.w") * sm.col("bbox.h") > 50),
    "filter objects by their sample": lambda ds: ds.filter_objects(sm.col("split") == "train"),
    "with a column of values": lambda ds: ds.with_column("n", [1, 2, 3, 4]),
    "with a column of an expression": lambda ds: ds.with_column("wide", sm.col("image.width") * 2),
    "with a column of a function": lambda ds: ds.with_column("length", lambda batch: [len(i) for i in batch["id"].to_pylist()]),
    "with a column replaced": lambda ds: ds.with_column("weather", ["x"] * 4),
    "sort": lambda ds: ds.sort("id"),
    "sort down": lambda ds: ds.sort(["split", "id"], descending=True),
    "shuffle": lambda ds: ds.shuffle(seed=3),
    "take": lambda ds: ds.take([3, 0, -2]),
    "slice": lambda ds: ds[1:3],
    "slice backwards": lambda ds: ds[::-2],
    "map categories": lambda ds: ds.map_categories({"cat": "pet", "dog": "pet"}),
    "take a category out": lambda ds: ds.map_categories({"dog": None}),
    "chain": lambda ds: ds.filter(sm.col("split") == "train").rename({"weather": "sky"}).filter_objects(sm.col("score") > 0.3),
}  # fmt: skip
LAZY = {"select", "drop", "rename", "filter", "filter by a member", "filter objects", "filter objects by a side",
        "filter objects by their sample", "with a column of an expression", "with a column of a function",
        "map categories", "take a category out", "chain"}  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_verbs__are_the_same_for_a_scan(
    verb: str, dataset: sm.Dataset, scanned: Callable[[], sm.Dataset]
) -> None:
    eager, lazy = VERBS[verb](dataset), VERBS[verb](scanned())
    assert lazy.lazy == (verb in LAZY)
    assert lazy.schema.columns == eager.schema.columns
    assert lazy.to_arrow().to_pylist() == eager.to_arrow().to_pylist()
    assert len(lazy) == len(eager)
    assert lazy.digest() == eager.digest()


@pytest.mark.parametrize("verb", VERBS)
def test_verbs__leave_the_dataset_as_it_was(verb: str, dataset: sm.Dataset) -> None:
    before = dataset.digest()
    result = VERBS[verb](dataset)
    assert dataset.digest() == before
    result.to_arrow().validate(full=True)
    assert result.schema.arrow.equals(result.to_arrow().schema)


def ids(ds: sm.Dataset) -> list[str]:
    return ds.to_arrow()["id"].to_pylist()


def counts(ds: sm.Dataset) -> list[int | None]:
    return [None if s.objects is None else len(s.objects) for s in ds]


def test_sequence__length_iteration_and_positions(dataset: sm.Dataset) -> None:
    assert len(dataset) == 4
    assert [sample.id for sample in dataset] == ["b/1.jpg", "a/1.jpg", "ü.jpg", "c.jpg"]
    assert dataset[-1].id == "c.jpg"
    assert dataset[0].image.width == 64
    assert ids(dataset[1:3]) == ["a/1.jpg", "ü.jpg"]
    assert ids(dataset[::-1]) == ["c.jpg", "ü.jpg", "a/1.jpg", "b/1.jpg"]
    with pytest.raises(IndexError, match="sample 4 of 4"):
        dataset[4]


def test_null_and_empty_objects__survive_every_verb(dataset: sm.Dataset) -> None:
    assert counts(dataset) == [2, 0, None, 1]
    assert counts(dataset.filter_objects(sm.col("score") > 2)) == [0, 0, None, 0]
    assert counts(dataset.map_categories({"cat": None, "dog": None})) == [0, 0, None, 0]
    assert counts(dataset.take([2, 1])) == [None, 0]


def test_filter_objects__keeps_what_fits(dataset: sm.Dataset) -> None:
    cats = dataset.filter_objects(sm.col("category") == "cat")
    assert [s.objects.names if s.objects is not None else None for s in cats] == [["cat"], [], None, ["cat"]]
    assert cats.categories.values == ("cat", "unused", "dog")


def test_objects__one_row_an_object(dataset: sm.Dataset) -> None:
    table = dataset.objects(columns=["split", "image"])
    assert table.column_names == ["sample_id", "split", "image", *dataset.schema.objects().names]
    assert table["sample_id"].to_pylist() == ["b/1.jpg", "b/1.jpg", "c.jpg"]
    assert table["split"].to_pylist() == ["train", "train", None]
    assert table["category"].to_pylist() == ["dog", "cat", "cat"]
    with pytest.raises(sm.errors.SchemaError, match="is no object field; there are 'objects'"):
        dataset.objects("boxes")


def test_map_categories__renames_merges_and_keeps_ids(dataset: sm.Dataset) -> None:
    renamed = dataset.map_categories({"cat": "Katze"})
    assert [(c.name, c.id) for c in renamed.categories] == [("Katze", 90), ("unused", 2), ("dog", 7)]
    merged = dataset.map_categories({"cat": "dog"})
    assert [(c.name, c.id) for c in merged.categories] == [("dog", 7), ("unused", 2)]
    assert merged.objects()["category"].to_pylist() == ["dog", "dog", "dog"]
    with pytest.raises(sm.errors.SchemaError, match="no category 'cow'; there are 'cat', 'unused', 'dog'"):
        dataset.map_categories({"cow": "x"})


def test_sort__nulls_come_last(dataset: sm.Dataset) -> None:
    assert [s.columns["weather"] for s in dataset.sort("weather")] == ["fog", "rain", "sun", None]
    assert [s.columns["weather"] for s in dataset.sort("weather", descending=True)] == [
        "sun",
        "rain",
        "fog",
        None,
    ]
    with pytest.raises(sm.errors.SchemaError, match="no column 'size' to sort by"):
        dataset.sort("size")


def test_shuffle__is_the_same_for_the_same_seed(dataset: sm.Dataset) -> None:
    assert ids(dataset.shuffle(seed=7)) == ids(dataset.shuffle(seed=7))
    orders = {tuple(ids(dataset.shuffle(seed=seed))) for seed in range(20)}
    assert len(orders) > 5
    assert all(sorted(order) == sorted(ids(dataset)) for order in orders)


def test_splits__are_counted(dataset: sm.Dataset, scanned: Callable[[], sm.Dataset]) -> None:
    assert dataset.splits == {"train": 2, "val": 1, None: 1}
    assert scanned().splits == dataset.splits
    assert dataset.drop(["split"]).splits == {None: 4}


def test_concat__unites_columns_members_and_classes(dataset: sm.Dataset) -> None:
    other = sm.Dataset.from_samples(
        [{"id": "z.jpg", "objects": [{"category": "cow", "area": 4.0}], "camera": 3}],
        categories=["cow", "dog"],
    )
    both = dataset.concat(other)
    assert both.categories.values == ("cat", "unused", "dog", "cow")
    assert both[-1].objects.names == ["cow"]
    assert both[-1].columns["camera"] == 3
    assert both[0].columns["camera"] is None
    assert both.concat().digest() == both.digest()
    with pytest.raises(sm.errors.SchemaError, match=r"share sample ids: 'b/1\.jpg'"):
        dataset.concat(dataset)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda ds: ds.select(["colour"]), "no column 'colour'; there are 'id', 'image', 'split', 'objects', 'weather'"),
        (lambda ds: ds.drop(["colour"]), "no column 'colour'"),
        (lambda ds: ds.rename({"id": "key"}), "id stays"),
        (lambda ds: ds.rename({"weather": "split"}), "a name of its own"),
        (lambda ds: ds.with_column("n", [1, 2]), "2 values for 4 samples"),
        (lambda ds: ds.take([9]), "row 9 of 4 samples"),
        (lambda ds: ds.filter(sm.col("colour") == 1), "colour"),
        (lambda ds: ds.filter_objects(sm.col("size") > 1), "size"),
        (lambda ds: ds.drop(["objects"]).categories, "no column has categories"),
    ],
)  # fmt: skip
def test_verbs__name_what_is_not_there(dataset: sm.Dataset, call: Any, match: str) -> None:
    with pytest.raises(sm.errors.SchemaError, match=match):
        call(dataset)


def test_handing_over__arrow_pandas_and_polars(
    dataset: sm.Dataset, scanned: Callable[[], sm.Dataset]
) -> None:
    for ds in (dataset, scanned()):
        assert pa.table(ds).to_pylist() == dataset.to_arrow().to_pylist()
        assert ds.to_pandas()["split"].tolist()[:2] == ["train", "val"]
        assert ds.to_polars()["objects"].to_list()[3][0]["category"] == "cat"
        assert sum(len(batch) for batch in ds.to_batches(3)) == 4


def test_repr__tells_what_is_in_it(dataset: sm.Dataset, scanned: Callable[[], sm.Dataset]) -> None:
    text = repr(dataset)
    for part in ("4 samples", "2 train", "1 val", "cat 2", "unused 0", "1 sample not annotated", "weather"):
        assert part in text
    assert "4 samples of files, read when asked" in repr(scanned())
    assert "Sample('b/1.jpg'" in repr(dataset[0])
    assert "1 dog" in repr(dataset[0].objects)


def test_objects__are_views_of_the_table(dataset: sm.Dataset) -> None:
    objects = dataset[0].objects
    column = dataset.to_arrow()["objects"].chunk(0).flatten().field("bbox").field("x").to_numpy()
    assert np.shares_memory(objects.x, column)
    assert objects.bbox.tolist() == [[1, 2, 3, 4], [0, 0, 10, 10.5]]
    assert objects.to("xyxy").tolist() == [[1, 2, 4, 6], [0, 0, 10, 10.5]]
    assert objects.category.tolist() == [2, 0]
    assert objects["score"].tolist()[0] == 0.5
    with pytest.raises(sm.errors.SchemaError, match="no member 'area'"):
        objects["area"]
