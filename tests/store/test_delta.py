"""A store read as a Delta table by deltalake, which is the judge."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from deltalake import DeltaTable

import smalti as sm
from smalti.errors import DataError, SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., sm.Dataset]


def read(store: sm.Store) -> pa.Table:
    return DeltaTable(store.root.local).to_pyarrow_dataset().to_table()


def test_publish__the_same_samples_after_each_version(store: sm.Store, make: Make) -> None:
    store.write(make(["a", "b", "c"]))
    assert store.publish_delta() == 0
    assert sorted(read(store)["id"].to_pylist()) == ["a", "b", "c"]
    store.append(make(["d"]))
    store.delete(sm.col("id") == "a")
    assert store.publish_delta() == 1
    assert store.publish_delta() == 1
    table = read(store)
    assert sorted(table["id"].to_pylist()) == ["b", "c", "d"]
    kept = {sample.id: sample for sample in store.read().load()}
    for row in table.to_pylist():
        objects = kept[row["id"]].objects
        assert (row["objects"] is None) == (objects is None)
        if objects is not None:
            assert [one["bbox"] for one in row["objects"]] == [one["bbox"] for one in objects.to_list()]
            assert [one["category"] for one in row["objects"]] == [
                one["category"] for one in objects.to_list()
            ]
    assert DeltaTable(store.root.local).transaction_version("smalti") == 3
    assert store.check()


def test_publish__columns_that_come_later_are_null_before(store: sm.Store, make: Make) -> None:
    store.write(make(["a"]))
    store.publish_delta()
    store.append(make(["b"]).with_column("seen", pa.array([7], pa.uint16())))
    store.publish_delta()
    assert dict(zip(*(read(store)[name].to_pylist() for name in ("id", "seen")), strict=True)) == {
        "a": None,
        "b": 7,
    }


def test_publish__nothing_is_pruned_of_it(store: sm.Store, make: Make) -> None:
    store.write(make(["a"]))
    store.append(make(["b"]))
    store.publish_delta()
    store.prune(keep=1, dry_run=False)
    assert read(store).num_rows == 2
    assert store.read().load().digest() == make(["a", "b"]).digest()


def test_publish__a_type_that_delta_has_not(store: sm.Store, make: Make) -> None:
    store.write(make(["a"]).with_column("speed", pa.array([1.5], pa.float16())))
    with pytest.raises(SchemaError, match=r"'speed' is of the type halffloat"):
        store.publish_delta()
    assert not (store.root / "_delta_log/00000000000000000000.json").exists()


def test_publish__another_writer(store: sm.Store, make: Make) -> None:
    store.write(make(["a"]))
    store.publish_delta()
    place = store.root / "_delta_log/00000000000000000001.json"
    place.write_bytes(json.dumps({"commitInfo": {}}).encode())
    with pytest.raises(DataError, match=r"not smalti's alone.*remove the folder"):
        store.publish_delta()
