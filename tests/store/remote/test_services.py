"""The store on servers: what it promises on a disk it keeps there, or refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiobotocore.endpoint import AioEndpoint

import smalti as sm
from smalti.storage import commit
from smalti.storage.location import Location
from smalti.store.manifest import VERSIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., sm.Dataset]
    Spoil = Callable[..., tuple[str, Callable[[], dict[str, int]], Callable[[], None]]]

sys.path.insert(0, str(Path(__file__).parents[1]))
from test_readme import fill, read_by_all

WRITER = Path(__file__).parents[1] / "writer.py"
STREET = Path(__file__).parents[3] / "examples" / "street"
SLOWLY = """
import sys, time
import smalti as sm
from smalti.store import localize
real = localize.fetch
def fetch(*words):
    time.sleep(0.1)
    real(*words)
    print("fetched", flush=True)
localize.fetch, localize.WORKERS = fetch, 1
sm.read(sys.argv[1]).localize(sys.argv[2], progress=False)
"""
HONEST = ("moto", "ceph", "azurite", "fake_gcs")
pytestmark = pytest.mark.xdist_group("remote")


def ids(dataset: sm.Dataset) -> list[str]:
    return sorted(dataset.to_arrow().column("id").to_pylist())


@pytest.mark.parametrize("service", HONEST, indirect=True)
def test_service__every_verb(bucket: str, make: Make) -> None:
    store = sm.Store(f"{bucket}/team/birds")
    first = make([f"{n:03}" for n in range(40)])
    assert store.write(first, message="first").digest == first.digest()
    assert sm.read(f"{bucket}/team/birds").load().digest() == first.digest()
    store.append(make(["x", "y"]))
    store.update(make(["003"], score=0.9))
    store.delete(sm.col("id") == "x")
    store.tag("good", 2)
    assert store.read("good").filter(sm.col("id") == "x").load()[0].id == "x"
    assert store.diff(1).added == ["y"]
    store.compact()
    assert store.check()
    with pytest.raises(sm.errors.DataError, match="are there already: 'y'"):
        store.append(make(["y"]))
    mine = store.read()
    store.append(make(["z"]))
    with pytest.raises(sm.errors.ConflictError, match="'z'"):
        mine.filter(sm.col("id") == "y").write(store.root)
    done = store.prune(keep=1, dry_run=False, grace=timedelta(0))
    assert done.versions
    assert store.check()
    assert store.versions()[0].version == 2  # tagged
    assert ids(store.read()) == sorted([*(f"{n:03}" for n in range(40)), "y", "z"])


@pytest.mark.parametrize("service", HONEST, indirect=True)
def test_service__writers_at_once(bucket: str, make: Make) -> None:
    root = f"{bucket}/birds"
    store = sm.Store(root)
    store.write(make(["start"]))
    command = [sys.executable, str(WRITER), root]
    writers = [
        subprocess.Popen([*command, f"w{n}", "6"], stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        for n in range(4)
    ]
    told = [line.split() for writer in writers for line in writer.communicate(timeout=200)[0].splitlines()]
    assert [writer.returncode for writer in writers] == [0] * 4
    assert sorted(int(version) for version, _ in told) == list(range(2, 26))
    assert ids(store.read()) == sorted(["start", *(name for _, name in told)])
    assert store.check()


@pytest.mark.parametrize("service", ["ceph"], indirect=True)
def test_service__opening_costs_a_listing_and_a_manifest(
    bucket: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = sm.Store(f"{bucket}/birds")
    for name in "abc":
        store.append(make([name]))
    store.tag("best")
    asked: list[str] = []
    send = AioEndpoint._send_request

    async def sent(self: Any, request: Any, operation: Any) -> Any:
        asked.append(operation.name)
        return await send(self, request, operation)

    monkeypatch.setattr(AioEndpoint, "_send_request", sent)
    assert len(sm.read(f"{bucket}/birds")) == 3
    assert asked == ["ListObjectsV2", "HeadObject", "GetObject"]


@pytest.mark.parametrize("service", ["moto", "ceph"], indirect=True)
@pytest.mark.parametrize("media", ["files", "tar", "parquet"])
def test_service__images_come_here_and_nothing_twice(
    bucket: str, media: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    street = sm.read(STREET)
    street.write(f"{bucket}/birds", media=media)
    stored = sm.read(f"{bucket}/birds")
    killed = subprocess.Popen(
        [sys.executable, "-c", SLOWLY, f"{bucket}/birds", str(tmp_path / "here")],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    assert killed.stdout is not None
    assert [killed.stdout.readline() for _ in range(3)] == ["fetched\n"] * 3
    killed.kill()
    killed.wait()
    killed.stdout.close()
    there = {path: path.stat().st_mtime_ns for path in (tmp_path / "here").rglob("*.jpg")}
    assert 3 <= len(there) < len(street)
    here = stored.localize(tmp_path / "here", progress=False)
    assert {path: path.stat().st_mtime_ns for path in there} == there
    assert here.digest() == street.digest()
    bodies = {sample.id: (STREET / sample.image.path).read_bytes() for sample in street}
    assert {s.id: (tmp_path / "here" / s.image.path).read_bytes() for s in here} == bodies
    assert sm.Store(f"{bucket}/birds").check()
    monkeypatch.undo()


@pytest.mark.parametrize("service", ["moto"], indirect=True)
def test_service__readme_of_a_bucket(bucket: str) -> None:
    store = sm.Store(f"{bucket}/birds")
    fill(store)
    read_by_all(store)


@pytest.mark.parametrize("service", ["moto"], indirect=True)
@pytest.mark.usefixtures("service")
def test_service__no_such_bucket(bucket: str, make: Make) -> None:
    with pytest.raises(FileNotFoundError, match="there is no such bucket; make it first"):
        make(["a"]).write(f"{bucket}-not/birds")


@pytest.mark.parametrize("service", ["juicefs"], indirect=True)
def test_service__that_ignores_preconditions_is_refused(bucket: str, make: Make) -> None:
    place = Location.parse(f"{bucket}/probe")
    assert place.fs.pipe_file(f"{place.path}/a", b"1") or True
    place.fs.pipe_file(f"{place.path}/a", b"2", mode="create")  # the server says nothing: so it is that kind
    with pytest.raises(sm.errors.OptionError, match=r"ignores preconditions.*single_writer=True"):
        make(["a"]).write(f"{bucket}/birds")
    assert sm.Store(f"{bucket}/birds").versions() == []
    alone = sm.Store(f"{bucket}/birds", single_writer=True)
    alone.write(make(["a"]))
    alone.append(make(["b"]))
    assert ids(sm.read(f"{bucket}/birds")) == ["a", "b"]
    assert alone.check()


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("service", "commits", "least"),
    [("ceph", 100, 300), ("moto", 20, 50), ("azurite", 20, 20), ("fake_gcs", 20, 20)],
    indirect=["service"],
)
def test_faults__nothing_is_lost_or_doubled(spoil: Spoil, make: Make, commits: int, least: int) -> None:
    url, faults, mend = spoil(0.2, 3)
    store = sm.Store(f"{url}/birds")
    for number in range(commits):
        store.append(make([f"{number:03}"]))
    assert faults()["faults"] >= least
    assert faults()["lost"] > 0
    mend()
    store = sm.Store(f"{url}/birds")
    assert [v.version for v in store.versions()] == list(range(1, commits + 1))
    assert ids(store.read()) == [f"{n:03}" for n in range(commits)]
    assert store.check()


def _naive(place: Location, body: bytes) -> bool:
    """Who is told that the name is taken has lost: so it is done where nobody thinks of lost answers."""
    try:
        place.fs.pipe_file(place.path, body, mode="create")
    except OSError:  # FileExistsError, or EINVAL where the server words its refusal otherwise
        return False
    return True


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("service", ["moto", "ceph"], indirect=True)
@pytest.mark.parametrize("naive", [False, True])
def test_lost_answers__who_does_not_read_back_is_wrong(spoil: Spoil, *, naive: bool) -> None:
    url, faults, _ = spoil(0.4, 5, "lost")
    root = Location.parse(url)
    put = _naive if naive else commit.put_if_absent
    won = [put(root / f"{VERSIONS}/{number:020}.json", b"%d" % number) for number in range(30)]
    assert faults()["lost"] > 5
    assert all(won) is not naive
