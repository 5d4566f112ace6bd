"""Edits of a table that was handed out, merged three ways."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest

import smalti as sm
from smalti.errors import ConflictError, DataError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Handed = Callable[..., Any]


def objects(dataset: sm.Dataset, sample: str) -> list[dict[str, Any]]:
    """A sample's objects, without members that are null."""
    (found,) = dataset.filter(sm.col("id") == sample).load()
    return [
        {name: value for name, value in one.items() if value is not None} for one in found.objects.to_list()
    ]


# What is no edit


def test_nothing_edited__no_version(store: sm.Store, handed: Handed) -> None:
    ds = store.read()
    merged = ds.update_from(handed(ds).save())
    assert not merged
    assert merged.dataset.digest() == ds.digest()
    assert len(store.versions()) == 1


def test_rows_sorted_and_moved_to_another_sheet__are_no_edits(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read())
    train, val = sheet.book["train"], sheet.book["val"]
    rows = [[cell.value for cell in row] for row in train.iter_rows(min_row=2)]
    train.delete_rows(2, len(rows))
    for row in rows[:0:-1]:
        train.append(row)
    val.append(rows[0])
    assert not store.read().update_from(sheet.save(), dry_run=True)


def test_columns_moved_and_added__are_no_edits(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read())
    for page in (sheet.book["train"], sheet.book["val"]):
        page.insert_cols(1)
        page.cell(1, 1).value = "remark"
        page.cell(2, 1).value = "look again"
        last = [[cell.value for cell in row] for row in page.iter_rows()]
        for number, row in enumerate(last, 1):
            for place, value in enumerate(row[::-1], 1):
                page.cell(number, place).value = value
    merged = store.read().update_from(sheet.save(), dry_run=True)
    assert not merged
    assert merged.ignored == ["remark"]


def test_a_column_removed_everywhere__is_no_edit(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read())
    for name in ("train", "val"):
        sheet.book[name].delete_cols(sheet.column(name, "score"))
    assert not store.read().update_from(sheet.save(), dry_run=True)


# Edits


def test_cells__of_every_kind(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read())
    row = sheet.rows("train", "a")[1]
    sheet.set("train", row, "category", "bus").set("train", row, "bbox_x", "31,5").set(
        "train", row, "occluded", "no"
    )
    sheet.set("train", row, "note", '"quoted" text').set("train", row, "score", None)
    sheet.set("train", row, "split", "val").set("train", row, "weather", "+ hail")
    merged = store.read().update_from(sheet.save(), message="second look", author="eva")
    assert len(merged.edits) == 7
    version = store.versions()[-1]
    assert (version.version, version.author, version.message) == (2, "eva", "second look")
    assert (version.changes.added, version.changes.changed, version.changes.removed) == (0, 1, 0)
    before, after = objects(store.read(1), "a"), objects(store.read(2), "a")
    assert after[0] == before[0]
    changed = {
        "category": "bus",
        "bbox": {**before[1]["bbox"], "x": 31.5},
        "occluded": False,
        "note": '"quoted" text',
    }
    assert after[1] == {name: value for name, value in {**before[1], **changed}.items() if name != "score"}
    (sample,) = store.read(2).filter(sm.col("id") == "a").load()
    assert (sample["split"], sample["weather"]) == ("val", "+ hail")
    assert store.check()


def test_objects_added_and_removed(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read())
    sheet.append("train", id="c", category="dog", bbox_x=1, bbox_y=2, bbox_w=3, bbox_h=4)
    sheet.append("train", image="d.jpg", category="cat")
    row = sheet.rows("train", "a")[0]
    copied = [cell.value for cell in sheet.book["train"][row]]
    sheet.book["train"].append(copied)
    sheet.set("train", sheet.book["train"].max_row, "category", "bus")
    sheet.book["train"].delete_rows(sheet.rows("train", "a")[1])
    merged = store.read().update_from(sheet.save())
    assert (merged.objects_added, merged.objects_removed, merged.edits) == (3, 1, [])
    now = merged.dataset
    assert [one["category"] for one in objects(now, "a")] == ["cat", "bus"]
    assert objects(now, "c") == [{"category": "dog", "bbox": {"x": 1.0, "y": 2.0, "w": 3.0, "h": 4.0}}]
    assert objects(now, "d") == [{"category": "cat"}]


def test_object_cells_cleared__the_object_goes_and_the_sample_stays(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read())
    (row,) = sheet.rows("val", "b")
    for header in (
        "category",
        "object_id",
        "bbox_x",
        "bbox_y",
        "bbox_w",
        "bbox_h",
        "polygons",
        "score",
        "occluded",
        "note",
    ):
        sheet.set("val", row, header, None)
    merged = store.read().update_from(sheet.save())
    assert merged.objects_removed == 1
    assert objects(merged.dataset, "b") == []


def test_samples_added_and_removed__one_version(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read())
    sheet.append("train", id="e", image="e.jpg", split="val", category="cat", width=10, height=20)
    sheet.append("train", image="f.jpg")
    sheet.book["val"].delete_rows(sheet.rows("val", "b")[0])
    merged = store.read().update_from(sheet.save())
    assert merged.samples_added == ["e", "f.jpg"]
    assert merged.samples_removed == ["b"]
    changes = store.versions()[-1].changes
    assert (changes.added, changes.changed, changes.removed) == (2, 0, 1)
    rows = {sample.id: sample for sample in merged.dataset}
    assert set(rows) == {"a", "c", "d", "e", "f.jpg"}
    assert rows["e"]["split"] == "val"
    assert rows["e"].image.width == 10
    assert rows["f.jpg"].objects is None
    assert store.check()


def test_a_class_added_on_the_sheet_of_categories(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read())
    sheet.book["categories"].append(["horse"])
    sheet.set("train", sheet.rows("train", "a")[0], "category", "horse")
    merged = store.read().update_from(sheet.save())
    assert [one.name for one in merged.dataset.categories] == ["cat", "dog", "bus", "horse"]
    assert [one["category"] for one in objects(merged.dataset, "a")] == ["horse", "dog"]
    assert [one["category"] for one in objects(merged.dataset, "b")] == ["cat"]


def test_what_the_table_has_not__stays(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read(), shapes="drop")
    sheet.set("train", sheet.rows("train", "a")[0], "category", "bus")
    merged = store.read().update_from(sheet.save())
    before, after = objects(store.read(1), "a"), objects(merged.dataset, "a")
    assert [one["polygons"] for one in after] == [one["polygons"] for one in before]
    assert after[0]["score"] == before[0]["score"]


def test_a_part_is_handed_out__the_rest_stays(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read().filter(sm.col("split") == "train"))
    row = sheet.rows("train", "c")[0]
    sheet.book["train"].delete_rows(row)
    merged = store.read().update_from(sheet.save())
    assert merged.samples_removed == ["c"]
    assert {sample.id for sample in merged.dataset} == {"a", "b", "d"}


def test_dry_run__says_and_does_nothing(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read())
    sheet.set("train", sheet.rows("train", "a")[0], "category", "bus")
    merged = store.read().update_from(sheet.save(), dry_run=True)
    assert 'a, object 0: category: "cat" to "bus"' in str(merged)
    assert merged.dataset is None
    assert len(store.versions()) == 1


def test_in_memory__gives_a_dataset(handed: Handed, animals: Callable[..., sm.Dataset]) -> None:
    ds = animals()
    sheet = handed(ds)
    sheet.set("train", sheet.rows("train", "a")[0], "category", "bus")
    sheet.append("val", id="e", image="e.jpg", split="val", category="dog")
    sheet.book["val"].delete_rows(sheet.rows("val", "b")[0])
    merged = ds.update_from(sheet.save())
    assert [sample.id for sample in merged.dataset] == ["a", "c", "d", "e"]
    assert [one["category"] for one in objects(merged.dataset, "a")] == ["bus", "dog"]
    assert merged.version is None
    assert [one["category"] for one in objects(ds, "a")] == ["cat", "dog"]


def test_csv__edited(store: sm.Store, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    store.read().write(path)
    rows = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"))))
    at = rows[0].index("category")
    assert rows[1][rows[0].index("note")] == "'-1+1"
    rows[1][at] = "bus"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows(sorted(rows[1:]) and [rows[0], *sorted(rows[1:])])
    merged = store.read().update_from(path)
    assert [str(one) for one in merged.edits] == ['a, object 0: category: "cat" to "bus"']


# Three ways


def other(store: sm.Store, sample: str, **members: Any) -> None:
    """Another person changes the first object of a sample."""
    ds = store.read().filter(sm.col("id") == sample).load()
    rows = [{"id": one.id, "objects": [{**row, **(members if n == 0 else {})} for n, row in enumerate(one.objects.to_list())]}
            for one in ds]  # fmt: skip
    store.update(sm.Dataset.from_samples(rows, categories=["cat", "dog", "bus"]), message="theirs")


def test_others_changed_another_cell__both_hold(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read())
    sheet.set("train", sheet.rows("train", "a")[0], "category", "bus")
    other(store, "a", score=0.9)
    merged = store.read().update_from(sheet.save())
    first = objects(merged.dataset, "a")[0]
    assert (first["category"], first["score"]) == ("bus", 0.9)


def test_others_changed_the_cell_to_the_same__no_conflict(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read())
    sheet.set("train", sheet.rows("train", "a")[0], "category", "bus")
    other(store, "a", category="bus")
    assert not store.read().update_from(sheet.save())


def test_both_changed_the_cell__is_a_conflict_and_nothing_is_done(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read())
    row = sheet.rows("train", "a")[0]
    sheet.set("train", row, "category", "bus")
    sheet.set("val", sheet.rows("val", "b")[0], "score", 0.75)
    other(store, "a", category="dog")
    found = store.read().update_from(sheet.save(), dry_run=True)
    cell = f'sheet "train", cell {"ABCDEFGHIJ"[sheet.column("train", "category") - 1]}{row}'
    assert [str(one) for one in found.conflicts] == [
        f'a ({cell}): category was "cat", is "bus" here and "dog" there'
    ]
    with pytest.raises(ConflictError, match=r'category was "cat", is "bus" here and "dog" there') as caught:
        store.read().update_from(sheet.path)
    assert caught.value.samples == ("a",)
    assert len(store.versions()) == 2


def test_others_inserted_objects__ids_tell_which_is_which(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read())
    sheet.set("train", sheet.rows("train", "a")[1], "category", "bus")
    rows = [{"id": 9, "category": "cat", "bbox": [0, 0, 1, 1]}, *objects(store.read(), "a")]
    store.update(sm.Dataset.from_samples([{"id": "a", "objects": rows}], categories=["cat", "dog", "bus"]))
    merged = store.read().update_from(sheet.save())
    assert [(one["id"], one["category"]) for one in objects(merged.dataset, "a")] == [
        (9, "cat"),
        (1, "cat"),
        (2, "bus"),
    ]


def test_without_ids__objects_are_known_by_what_they_hold(
    tmp_path: Path, handed: Handed, animals: Callable[..., sm.Dataset]
) -> None:
    store = sm.Store(tmp_path / "plain")
    store.write(animals(ids=False))
    sheet = handed(store.read())
    sheet.set("train", sheet.rows("train", "a")[1], "category", "bus")
    rows = [{"category": "cat", "bbox": [0, 0, 1, 1]}, *objects(store.read(), "a")]
    store.update(sm.Dataset.from_samples([{"id": "a", "objects": rows}], categories=["cat", "dog", "bus"]))
    merged = store.read().update_from(sheet.save())
    assert [one["category"] for one in objects(merged.dataset, "a")] == ["cat", "cat", "bus"]


def test_without_ids__an_object_that_others_changed_is_a_conflict(
    tmp_path: Path, handed: Handed, animals: Callable[..., sm.Dataset]
) -> None:
    store = sm.Store(tmp_path / "plain")
    store.write(animals(ids=False))
    sheet = handed(store.read())
    sheet.set("train", sheet.rows("train", "a")[0], "category", "bus")
    other(store, "a", score=0.9)
    with pytest.raises(ConflictError, match="without ids none can be told from another"):
        store.read().update_from(sheet.save())


def test_others_removed_the_sample__is_a_conflict(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read())
    sheet.set("train", sheet.rows("train", "a")[0], "category", "bus")
    store.delete(sm.col("id") == "a")
    with pytest.raises(ConflictError, match="others removed it meanwhile"):
        store.read().update_from(sheet.save())


def test_removed_here_and_changed_there__is_a_conflict(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read())
    sheet.book["train"].delete_rows(sheet.rows("train", "a")[0])
    sheet.book["val"].delete_rows(sheet.rows("val", "b")[0])
    other(store, "a", score=0.9)
    other(store, "b", score=0.9)
    found = store.read().update_from(sheet.save(), dry_run=True)
    assert {one.sample: one.reason for one in found.conflicts} == {
        "a": "object 0 is removed, and others changed its score meanwhile",
        "b": "all of its rows are removed, and others changed it meanwhile",
    }


def test_two_rows_of_a_sample_disagree__is_a_conflict(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read())
    first, second = sheet.rows("train", "a")
    sheet.set("train", first, "weather", "fog").set("train", second, "weather", "snow")
    with pytest.raises(ConflictError, match='weather is "fog" in one row and "snow" in another'):
        store.read().update_from(sheet.save())


def test_an_added_row_contradicts_its_sample__is_a_conflict(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read())
    sheet.append("train", id="a", split="val", category="cat")
    with pytest.raises(ConflictError, match='says split "val", and its sample has "train"'):
        store.read().update_from(sheet.save())


def test_a_sample_is_added_by_both__is_a_conflict(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read())
    sheet.append("train", id="e", category="cat")
    store.append(sm.Dataset.from_samples([{"id": "e", "split": "train"}]))
    with pytest.raises(ConflictError, match="the sample is added, and is there meanwhile"):
        store.read().update_from(sheet.save())


# What is refused


def test_a_faulty_cell__is_named(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read())
    (row,) = sheet.rows("val", "b")
    sheet.set("val", row, "category", "catt")
    with pytest.raises(
        DataError, match=rf'sheet "val", cell D{row}: "catt" is not a category; did you mean "cat"'
    ) as caught:
        store.read().update_from(sheet.save())
    assert caught.value.file == str(sheet.path)
    assert len(store.versions()) == 1


def test_an_id_that_was_changed__is_refused(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read())
    sheet.set("val", 2, "id", "z")
    with pytest.raises(DataError, match="a table cannot rename samples"):
        store.read().update_from(sheet.save())


def test_the_version_is_gone__base_helps(store: sm.Store, handed: Handed) -> None:
    old = store.read().load()
    sheet = handed(store.read())
    sheet.set("train", sheet.rows("train", "a")[0], "category", "bus")
    other(store, "a", score=0.9)
    store.prune(keep=1, dry_run=False)
    with pytest.raises(OptionError, match=r"version 1 of .* pass it as base"):
        store.read().update_from(sheet.save())
    merged = store.read().update_from(sheet.path, base=old)
    first = objects(merged.dataset, "a")[0]
    assert (first["category"], first["score"]) == ("bus", 0.9)


def test_a_table_of_others__is_refused(store: sm.Store, tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text("image,label\na.jpg,cat\n")
    with pytest.raises(DataError, match="smalti did not write it"):
        store.read().update_from(path)


def test_a_damaged_key__is_named(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read())
    sheet.set("val", 2, "smalti_key", "b")
    with pytest.raises(DataError, match=r"sheet \"val\", row 2: found the key 'b'"):
        store.read().update_from(sheet.save())


def test_merged_twice__the_second_time_changes_nothing(store: sm.Store, handed: Handed) -> None:
    sheet = handed(store.read())
    sheet.append("train", id="c", object_id=7, category="dog", bbox_x=1, bbox_y=2, bbox_w=3, bbox_h=4)
    sheet.set("train", sheet.rows("train", "a")[0], "category", "bus")
    sheet.book["train"].delete_rows(sheet.rows("train", "a")[1])
    first = store.read().update_from(sheet.save())
    assert (len(first.edits), first.objects_added, first.objects_removed) == (1, 1, 1)
    assert not store.read().update_from(sheet.path)
    assert len(store.versions()) == 2
