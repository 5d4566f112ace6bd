"""What is on the disk when: files and their names before the version that names them, and all when the call returns."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import smalti as sm
from smalti.store import commit

sys.path.insert(0, str(Path(__file__).parent))
from disk import Disk

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., sm.Dataset]

STREET = Path(__file__).parents[2] / "examples" / "street"
ACTS: dict[str, Callable[[sm.Store, Make], object]] = {
    "first": lambda store, make: sm.Store(store.root / "deep/er").write(make(["a"])),
    "append": lambda store, make: store.append(make(["new"])),
    "replace": lambda store, make: store.replace(make(["other"])),
    "update": lambda store, make: store.update(make(["b"], score=0.9)),
    "delete": lambda store, _: store.delete(sm.col("id") == "b"),
    "restore": lambda store, _: store.restore(1),
    "compact": lambda store, _: store.compact(),
    "tag": lambda store, _: store.tag("best"),
    "untag": lambda store, _: store.untag("old"),
    "files": lambda store, _: sm.Store(store.root / "f").write(sm.read(STREET), media="files"),
    "tar": lambda store, _: sm.Store(store.root / "t").write(sm.read(STREET), media="tar"),
    "parquet": lambda store, _: sm.Store(store.root / "p").write(sm.read(STREET), media="parquet"),
    "delta": lambda store, _: store.publish_delta(),
}


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which file is synced")
@pytest.mark.parametrize("name", ACTS)
def test_order__files_then_names_then_the_version(
    name: str, store: sm.Store, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "LISTED", 1)  # lists of files as well
    for number in "abc":
        store.append(make([number]))
    store.tag("old")
    disk = Disk(Path(store.root.local), monkeypatch)
    ACTS[name](store, make)
    assert disk.names
    assert disk.late == []
    assert disk.missing() == []


def test_nonce__no_two_commits_are_the_same_bytes(
    store: sm.Store, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two writers who do the same at the same moment: what is read back has to say whose it is."""
    store.write(make(["a", "b"]))
    monkeypatch.setattr(commit, "now", lambda: "2026-11-29T00:00:00.000000Z")
    put: list[bytes] = []
    for _ in range(2):
        one = sm.Store(store.root)
        monkeypatch.setattr(one.history, "put", lambda manifest: put.append(manifest.encode()) or True)
        one.delete(sm.col("id") != "", message="same", author="same")
    assert len(set(put)) == 2
    monkeypatch.setattr("smalti.store.tags.now", lambda: "2026-11-29T00:00:00.000000Z")
    monkeypatch.setattr("smalti.store.tags.put_if_absent", lambda _, body, **__: put.append(body) or True)
    store.tag("x")
    store.tag("x")
    assert len(set(put)) == 4
