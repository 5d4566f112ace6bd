from __future__ import annotations

import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pytest

import smalti as sm
from smalti.storage.commit import PROBE
from smalti.store import commit, operations, prune
from smalti.store.manifest import DATA, VERSIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Make = Callable[..., sm.Dataset]

STREET = Path(__file__).parents[2] / "examples" / "street"


def ids(dataset: sm.Dataset) -> list[str]:
    return dataset.to_arrow().column("id").to_pylist()


def test_write__read_back_is_the_same(tmp_path: Path) -> None:
    street = sm.read(STREET)
    report = street.write(tmp_path / "birds", message="first", author="ada")
    back = sm.read(tmp_path / "birds")
    assert back.lazy
    assert (report.target_format, report.details["version"]) == ("smalti", 1)
    assert report.lossless
    assert report.objects_written == 26
    assert report.details["digest"] == street.digest() == back.digest() == back.load().digest()
    assert back.schema == street.schema
    assert back.to_arrow().schema.equals(street.to_arrow().schema, check_metadata=True)
    assert back.to_arrow().equals(street.to_arrow())
    assert back.report.source_format == "smalti"


def test_convert__to_a_store_and_from_one(tmp_path: Path) -> None:
    sm.convert(STREET, tmp_path / "birds", to="smalti", message="street")
    made = sm.Store(tmp_path / "birds").versions()[0]
    assert made.lineage["source_format"] == "coco"
    assert made.lineage["source"] == str(STREET)
    assert made.digest == sm.read(STREET).digest()
    sm.convert(tmp_path / "birds", tmp_path / "coco", to="coco", version=1)
    assert sm.read(tmp_path / "coco").digest() == made.digest


def test_versions__tell_who_when_what_for(store: sm.Store, make: Make) -> None:
    before = datetime.now(timezone.utc)
    store.write(make(["a", "b", "c"]), message="first", author="ada")
    store.append(make(["d"]), message="one more", author="bob")
    store.update(make(["a"], score=0.9))
    store.delete(sm.col("id") == "b")
    told = [(v.version, v.operation, v.rows, v.changes) for v in store.versions()]
    kind = type(store.versions()[0].changes)
    assert told == [
        (1, "replace", 3, kind(added=3)),
        (2, "append", 4, kind(added=1)),
        (3, "update", 4, kind(changed=1)),
        (4, "delete", 3, kind(removed=1)),
    ]
    assert [v.author for v in store.versions()][:2] == ["ada", "bob"]
    assert store.versions()[1].message == "one more"
    assert all(before <= v.when <= datetime.now(timezone.utc) for v in store.versions())
    assert [v.parent for v in store.versions()] == [None, 1, 2, 3]


def test_read__by_number_tag_and_time(store: sm.Store, make: Make) -> None:
    store.write(make(["a"]))
    between = store.versions()[0].when
    store.append(make(["b"]))
    store.tag("first", 1)
    store.tag("now")
    assert ids(store.read(1)) == ids(store.read("first")) == ids(store.read(between)) == ["a"]
    assert ids(store.read()) == ids(store.read("now")) == ids(sm.read(store.root, version=2)) == ["a", "b"]
    naive = between.replace(tzinfo=None)
    assert ids(store.read(naive)) == ["a"]
    with pytest.raises(sm.errors.OptionError, match="there is no version 9; there are 1 to 2"):
        store.read(9)
    with pytest.raises(sm.errors.OptionError, match="there is no tag 'best'; there are first, now"):
        store.read("best")
    with pytest.raises(sm.errors.OptionError, match="there was no version at"):
        store.read(between - timedelta(days=1))
    with pytest.raises(sm.errors.EmptySourceError, match="there is no store"):
        sm.Store(store.root / "none").read()


def test_tags__move_and_go(store: sm.Store, make: Make) -> None:
    store.write(make(["a"]))
    store.append(make(["b"]))
    store.tag("best", 1)
    store.tag("best", 2)
    assert store.tags() == {"best": 2}
    store.untag("best")
    assert store.tags() == {}
    store.tag("best", 1)
    assert store.tags() == {"best": 1}
    with pytest.raises(sm.errors.OptionError, match="there is no tag 'other'"):
        store.untag("other")
    for name in ("", "a/b", "../x", "12", "-x", "a b"):
        with pytest.raises(sm.errors.OptionError, match="expected a letter"):
            store.tag(name)


def test_append__ids_that_are_there_are_refused(store: sm.Store, make: Make) -> None:
    store.write(make(["a", "b"]))
    with pytest.raises(sm.errors.DataError, match="are there already: 'b'"):
        store.append(make(["b", "c"]))
    twice = sm.Dataset.from_arrow(
        pa.concat_tables([make(["x"]).to_arrow(), make(["x"]).to_arrow()]), make(["x"]).schema
    )
    with pytest.raises(sm.errors.DataError, match="have to be unique, and these are not: 'x'"):
        store.append(twice)
    assert len(store.versions()) == 1
    assert len(list((Path(store.root.local) / DATA).iterdir())) == 2  # nothing is left of what was refused


def test_append__brings_columns_members_and_classes(store: sm.Store, make: Make) -> None:
    store.write(make(["a", "b"]))
    more = sm.Dataset.from_samples(
        [
            {
                "id": "z",
                "note": "new",
                "objects": [{"category": "tram", "bbox": [0, 0, 1, 1], "iscrowd": True}],
            }
        ],
        categories=["tram", "car"],
    )
    store.append(more)
    both = store.read()
    assert [c.name for c in both.categories] == ["car", "bus", "never seen", "tram"]
    assert both.to_arrow().column("note").to_pylist() == [None, None, "new"]
    united = sm.concat([make(["a", "b"]), more])
    assert both.digest() == both.load().digest() == united.digest()
    assert both[2].objects.names == ["tram"]
    assert store.check()


def test_update__touches_only_files_that_change(
    store: sm.Store, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smalti.store.files.FILE_ROWS", 10)
    monkeypatch.setattr("smalti.storage.parquet_file.ROW_GROUP", 10)
    monkeypatch.setattr("smalti.store.files.parquet_file.ROW_GROUP", 10)
    names = [f"{n:03}" for n in range(50)]
    store.write(make(names))
    first = store.versions()[0].files
    store.update(make(["007", "033"], score=0.75))
    second = store.versions()[1].files
    assert [a == b for a, b in zip(first, second, strict=True)] == [False, True, True, False, True]
    assert ids(store.read()) == names
    told = store.diff(1)
    assert told.changed == [name for name in ("007", "033") if make([name])[0].objects]
    assert store.check()


def test_update__only_the_columns_that_are_given(store: sm.Store, make: Make) -> None:
    store.write(make(["a", "b", "c"]))
    note = sm.Dataset.from_samples([{"id": "b", "note": "look"}]).select(["note"])
    store.update(note)
    back = store.read()
    assert back.to_arrow().column("note").to_pylist() == [None, "look", None]
    assert back.drop(["note"]).digest() == make(["a", "b", "c"]).digest()


def test_update__unknown_ids(store: sm.Store, make: Make) -> None:
    store.write(make(["a"]))
    with pytest.raises(sm.errors.DataError, match=r"there are no samples with these ids: 'q'.*upsert=True"):
        store.update(make(["a", "q"]))
    store.update(make(["a", "q"]), upsert=True)
    assert ids(store.read()) == ["a", "q"]


def test_replace__based_on_an_old_version_is_a_conflict(store: sm.Store, make: Make) -> None:
    store.write(make(["a", "b"]))
    mine = store.read()
    store.append(make(["c"]), author="bob", message="more")
    with pytest.raises(sm.errors.ConflictError, match=r"version 2 \(bob: more\).*'c'") as caught:
        mine.filter(sm.col("id") == "a").write(store.root)
    assert caught.value.samples == ("c",)
    store.read().filter(sm.col("id") == "a").write(store.root)
    assert ids(store.read()) == ["a"]


def test_update__of_other_samples_than_others_is_put_on_top(store: sm.Store, make: Make) -> None:
    store.write(make(["a", "b", "c"]))
    mine, theirs = store.read(), store.read()
    store.write(theirs.filter(sm.col("id") == "a").load(), mode="update")
    changed = mine.filter(sm.col("id") == "b").filter_objects(sm.col("score") > 2)
    store.update(changed)
    assert [v.version for v in store.versions()] == [1, 2, 3]
    store.update(make(["c"], score=0.1))
    with pytest.raises(sm.errors.ConflictError, match="'c'"):
        store.update(mine.filter(sm.col("id") == "c").filter_objects(sm.col("score") > 2))


def test_delete__nothing_matches(store: sm.Store, make: Make) -> None:
    store.write(make(["a"]))
    made = store.delete(sm.col("id") == "zz")
    assert made.files == store.versions()[0].files
    assert made.changes.removed == 0


def test_delete__everything(store: sm.Store, make: Make) -> None:
    store.write(make(["a", "b"]))
    store.delete(sm.col("id") != "")
    assert len(store.read()) == 0
    assert store.read().load().digest() == make(["a"]).filter(sm.col("id") == "").digest()
    store.append(make(["c"]))
    assert ids(store.read()) == ["c"]


def test_restore__brings_back(store: sm.Store, make: Make) -> None:
    first = store.write(make(["a", "b"]))
    store.delete(sm.col("id") == "a")
    again = store.restore(1)
    assert again.digest == first.digest
    assert (again.changes.added, again.version) == (1, 3)


def test_compact__joins_small_files_and_changes_nothing(store: sm.Store, make: Make) -> None:
    for name in "abcdef":
        store.append(make([name]))
    before = store.read()
    made = store.compact()
    assert made is not None
    assert len(made.files) == 1
    assert made.digest == before.digest()
    assert ids(store.read()) == list("abcdef")
    assert store.compact() is None


def test_lists__of_many_files(store: sm.Store, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "LISTED", 3)
    for number in range(8):
        store.append(make([f"{number}"]))
    newest = store.versions()[-1]
    assert [one.files for one in newest.lists] == [3, 3]
    assert len(newest.files) == 2
    assert ids(store.read()) == [f"{n}" for n in range(8)]
    store.delete(sm.col("id") == "4")  # in the second list: the first one stays
    after = store.versions()[-1]
    assert after.lists[0] == newest.lists[0]
    assert after.lists[1] != newest.lists[1]
    assert ids(store.read()) == [f"{n}" for n in range(8) if n != 4]
    assert store.check()
    assert store.read(8).load().digest() == newest.digest


def test_diff__samples_fields_and_objects(store: sm.Store, make: Make) -> None:
    store.write(make(["a", "b", "c", "d"]))
    base = store.read().load()
    rows = base.to_arrow().to_pylist()
    busy = next(row for row in rows if row["objects"] and len(row["objects"]) > 1)
    busy["objects"][0]["score"] = 0.875
    busy["objects"].pop()
    quiet = next(row for row in rows if row is not busy)
    quiet["split"] = "test"
    changed = sm.Dataset.from_arrow(pa.Table.from_pylist(rows, schema=base.schema.arrow), schema=base.schema)
    store.write(changed.filter(sm.col("id") != rows[-1]["id"]), mode="replace")
    told = store.diff(1, 2)
    assert told.removed == [rows[-1]["id"]]
    assert set(told.changed) == {busy["id"], quiet["id"]}
    assert told.fields == {"split": 1, "objects": 1}
    objects = told.objects["objects"]
    assert (objects.added, objects.changed, objects.removed, objects.members) == (0, 1, 1, {"score": 1})
    assert "objects differs in 1 samples: 0 objects added, 1 changed, 1 removed, score of 1" in str(told)
    assert not store.diff(2, 2)
    assert store.diff(2, 1).added == [rows[-1]["id"]]


def test_diff__objects_without_ids_are_told_by_content(store: sm.Store) -> None:
    box: dict[str, Any] = {"category": "car", "bbox": [0, 0, 2, 2]}
    store.write(sm.Dataset.from_samples([{"id": "a", "objects": [box, box]}]))
    store.write(sm.Dataset.from_samples([{"id": "a", "objects": [box, {**box, "bbox": [0, 0, 3, 3]}]}]))
    told = store.diff(1, 2).objects["objects"]
    assert (told.added, told.changed, told.removed) == (1, 0, 1)


def test_update__images_that_were_made_up_change_nothing(store: sm.Store, make: Make) -> None:
    store.write(make(["a", "b"]))
    made = store.update(sm.Dataset.from_samples([{"id": "b", "note": "look"}]))
    assert made.changes.changed == 1
    back = store.read()
    assert back.to_arrow().column("note").to_pylist() == [None, "look"]
    assert back.drop(["note"]).digest() == make(["a", "b"]).digest()
    assert back[1].image.path == "b.jpg"
    wider = sm.Dataset.from_samples([{"id": "b", "image": {"path": "b", "width": 7, "height": 8}}])
    store.update(wider)  # this one says something of its image
    assert (store.read()[1].image.path, store.read()[1].image.width) == ("b", 7)


def test_write__what_fails_half_way_leaves_no_file(
    store: sm.Store, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smalti.store.files.FILE_ROWS", 10)
    monkeypatch.setattr("smalti.storage.parquet_file.ROW_GROUP", 10)
    monkeypatch.setattr("smalti.store.files.parquet_file.gathered.__defaults__", (10,), raising=False)
    whole = make([f"{n:03}" for n in range(30)])

    def batches() -> Iterator[pa.RecordBatch]:
        yield from whole.to_batches(10)
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        store.write_batches(whole.schema, batches())
    assert list((Path(store.root.local) / DATA).iterdir()) == []
    assert store.versions() == []


def test_prune__a_version_that_is_restored_meanwhile_keeps_its_files(
    store: sm.Store, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(make(["a"]))
    store.write(make(["b"]))
    real = prune._unnamed

    def unnamed(*words: Any) -> list[str]:
        files = real(*words)
        sm.Store(store.root).restore(1)
        return files

    monkeypatch.setattr(prune, "_unnamed", unnamed)
    store.prune(keep=1, dry_run=False)
    assert ids(store.read()) == ["a"]
    assert store.check()


def test_write__what_a_probe_left_is_no_other_file(store: sm.Store, make: Make) -> None:
    (store.root / f"{PROBE}1234").write_bytes(b"left by a kill")
    store.write(make(["a"]))
    assert store.prune(dry_run=False, grace=timedelta(0)).files == [f"{PROBE}1234"]


def test_prune__old_versions_and_orphans(store: sm.Store, make: Make) -> None:
    for name in "abcd":
        store.write(make([name]))
    store.tag("kept", 2)
    orphan = Path(store.root.local) / DATA / "f00.parquet"
    orphan.write_bytes(b"left by a crash")
    would = store.prune(keep=1)
    assert would.dry_run
    assert would.versions == [1, 3]
    assert len(would.files) == 4  # the orphan is younger than the grace
    assert len(store.versions()) == 4
    done = store.prune(keep=1, dry_run=False, grace=timedelta(0))
    assert "data/f00.parquet" in done.files
    assert [v.version for v in store.versions()] == [2, 4]
    assert ids(store.read("kept")) == ["b"]
    assert store.check()
    assert store.prune(dry_run=False).versions == []
    with pytest.raises(sm.errors.OptionError, match="the newest version always stays"):
        store.prune(keep=0)
    store.append(make(["e"]))
    assert store.versions()[-1].version == 5


def _damage(path: Path, how: str) -> None:
    body = bytearray(path.read_bytes())
    if how == "flip":
        body[len(body) // 2] ^= 1
    elif how == "cut":
        del body[-10:]
    path.write_bytes(bytes(body))
    if how == "gone":
        path.unlink()


@pytest.mark.parametrize("how", ["flip", "cut", "gone"])
@pytest.mark.parametrize("ending", [".parquet", ".hashes", ".json"])
def test_check__finds_damage(store: sm.Store, make: Make, ending: str, how: str) -> None:
    store.write(make(["a", "b", "c"]))
    store.append(make(["d"]))
    assert store.check()
    root = Path(store.root.local)
    path = min((root / (VERSIONS if ending == ".json" else DATA)).glob(f"*{ending}"))
    _damage(path, how)
    found = store.check() if (ending, how) != (".json", "gone") else None
    if found is None:
        assert [v.version for v in store.versions()] == [2]  # as after a prune
        return
    assert not found
    assert path.name in str(found) or path.stem in str(found), str(found)


@pytest.mark.parametrize("media", ["files", "tar", "parquet"])
def test_check__a_flipped_bit_of_any_file(
    store: sm.Store, media: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "LISTED", 1)
    street = sm.read(STREET).load()
    store.write(street.filter(sm.col("split") == "train"), media=media)
    store.append(street.filter(sm.col("split") == "val"), media=media)
    store.tag("best", 1)
    store.tag("best", 2)
    assert store.check()
    root = Path(store.root.local)
    files = [path for path in root.rglob("*") if path.is_file() and path.name != "README.md"]
    assert {path.relative_to(root).parts[0] for path in files} == {
        "versions",
        "data",
        "lists",
        "tags",
        "media",
    }
    for path in files:
        whole = path.read_bytes()
        for place in {0, len(whole) // 3, len(whole) // 2, len(whole) - 1}:
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            found = sm.Store(root).check()
            assert not found, f"{path} at {place}"
            assert path.stem in str(found)
        path.write_bytes(whole)
        if not {"versions", "tags"} & set(
            path.relative_to(root).parts
        ):  # these may be gone after a prune, or never have been
            path.unlink()
            assert path.stem in str(sm.Store(root).check())
            path.write_bytes(whole)
    assert store.check()


def test_check__a_word_of_a_manifest(store: sm.Store, make: Make) -> None:
    store.write(make(["a"]), message="before")
    path = Path(store.root.local) / VERSIONS / f"{1:020}.json"
    path.write_text(path.read_text().replace("before", "after!"))
    assert "the checksum is wrong" in str(store.check())
    with pytest.raises(sm.errors.DataError, match="the checksum is wrong"):
        store.read()


def test_check__a_digest_that_is_not_the_content(store: sm.Store, make: Make) -> None:
    store.write(make(["a"]))
    path = Path(store.root.local) / VERSIONS / f"{1:020}.json"
    path.write_bytes(msgspec.structs.replace(store.versions()[0], digest="0" * 64).encode())
    assert "expected 0000" in str(store.check())


def test_read__a_later_specification_is_refused(store: sm.Store, make: Make) -> None:
    store.write(make(["a"]))
    path = Path(store.root.local) / VERSIONS / f"{1:020}.json"
    path.write_text(path.read_text().replace('"store_version": 1', '"store_version": 2'))
    with pytest.raises(sm.errors.DataError, match=r"found store_version 2, expected 1.*upgrade"):
        store.read()


def test_write__never_moves_in_with_other_files(tmp_path: Path, make: Make) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(
        sm.errors.TargetExistsError, match=r"is no store and has other files \('thesis.tex'\)"
    ):
        make(["a"]).write(tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == ["thesis.tex"]


def test_write__what_cannot_be(store: sm.Store, make: Make, tmp_path: Path) -> None:
    with pytest.raises(sm.errors.OptionError, match="found mode='merge'"):
        store.write(make(["a"]), mode="merge")
    with pytest.raises(sm.errors.OptionError, match="a store has no option 'colour' to write"):
        make(["a"]).write(store.root, colour="red")
    make(["a"]).write(store.root)
    with pytest.raises(sm.errors.OptionError, match="a store has no option 'colour' to read"):
        sm.read(store.root, colour="red")
    shutil.make_archive(str(tmp_path / "birds"), "zip", store.root.local)
    packed = sm.Store(f"zip://::{tmp_path / 'birds.zip'}")
    with pytest.raises(sm.errors.OptionError, match="cannot write to zip"):
        packed.write(make(["a"]))


def test_write__dry_run_writes_nothing(store: sm.Store, make: Make) -> None:
    report = make(["a", "b"]).write(store.root, dry_run=True)
    assert (report.samples_written, report.dry_run) == (2, True)
    assert store.versions() == []


def test_read__through_zip(store: sm.Store, make: Make, tmp_path: Path) -> None:
    store.write(make(["a", "b"]))
    shutil.make_archive(str(tmp_path / "birds"), "zip", store.root.local)
    packed = sm.read(f"zip://::{tmp_path / 'birds.zip'}")
    assert packed.load().digest() == make(["a", "b"]).digest()


def test_append__classes_with_other_ids_are_refused(store: sm.Store) -> None:
    def of(number: int, name: str) -> sm.Dataset:
        table = sm.Categories((sm.Category(name="car", id=number),))
        return sm.Dataset.from_samples(
            [{"id": name, "objects": [{"category": "car", "bbox": [0, 0, 1, 1]}]}], categories=table
        )

    store.write(of(1, "a"))
    with pytest.raises(sm.errors.SchemaError, match="class 'car' of 'objects' has another id"):
        store.append(of(2, "b"))
    assert store.check()
    assert operations.SMALL > 0
