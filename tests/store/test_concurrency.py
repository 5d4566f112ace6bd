"""Many writers and readers, in processes: nothing acknowledged is lost, and nobody sees half a version."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    import smalti as sm

    Make = Callable[..., sm.Dataset]

WRITERS, COMMITS = 8, 50
KILLS = 200
HERE = Path(__file__).parent
WRITER = HERE / "writer.py"
READER = HERE / "reader.py"


def start(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WRITER), *map(str, words)],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )


def acknowledged(output: str) -> list[tuple[int, str]]:
    """Version and id of every commit that the writer was told of; a line that was cut short is none."""
    lines = [line.split() for line in output.splitlines(keepends=True) if line.endswith("\n")]
    return [(int(version), name) for version, name in lines]


def test_contention__nothing_is_lost(store: sm.Store, make: Make) -> None:
    store.write(make(["start"]))
    writers = [start(store.root.local, f"w{n}", COMMITS) for n in range(WRITERS)]
    told = [acknowledged(writer.communicate(timeout=500)[0]) for writer in writers]
    assert [len(commits) for commits in told] == [COMMITS] * WRITERS
    assert [writer.returncode for writer in writers] == [0] * WRITERS
    versions = sorted(version for commits in told for version, _ in commits)
    assert versions == list(range(2, WRITERS * COMMITS + 2))
    names = store.read().to_arrow().column("id").to_pylist()
    assert sorted(names) == sorted(["start", *(name for commits in told for _, name in commits)])
    assert store.check(deep=False)
    every = [pair for commits in told for pair in commits]
    for version, name in every[:: len(every) // 20]:
        assert name in store.read(version).to_arrow().column("id").to_pylist()


def test_readers__never_see_half_a_version(store: sm.Store, make: Make) -> None:
    store.write(make(["start"]))
    reader = subprocess.Popen(
        [sys.executable, str(READER), store.root.local],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout is not None
    assert reader.stdout.readline() == "reading\n"
    writer = start(store.root.local, "w", 40)
    assert len(acknowledged(writer.communicate(timeout=200)[0])) == 40
    told, _ = reader.communicate(timeout=100)  # closes its input, which ends it
    assert reader.returncode == 0
    assert int(told) > 1


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_kill__at_any_moment_leaves_whole_versions(store: sm.Store, make: Make) -> None:
    """The writers are forked, so that a kill does not cost a start of Python.

    A moment lies up to three commits after the writer began, however long these take on a busy machine.
    """
    store.write(make(["start"]))
    begun = time.monotonic()
    for number in range(10):
        store.append(make([f"pace {number}"]))
    commit = (time.monotonic() - begun) / 10
    kept = store.versions()[0].digest
    told: list[tuple[int, str]] = []
    chance = random.Random(1)  # noqa: S311  # moments, no secrets
    for number in range(KILLS):
        more = _killed(store.root.local, f"k{number}", chance.uniform(0, 3 * commit))
        commit *= 0.95 if more else 1.1  # as the machine gets more or less to do
        told += more
    newest = store.read()
    names = newest.to_arrow().column("id").to_pylist()
    assert {name for _, name in told} <= set(names)
    assert len(told) > KILLS // 4, "the writers were killed before they did anything"
    assert len(set(names)) == len(names)
    assert store.versions()[0].digest == kept
    for version, name in told:
        assert name in store.read(version).to_arrow().column("id").to_pylist()
    assert store.check(deep=False)
    assert newest.load().digest() == newest.digest()
    store.append(make(["after"]))


def _killed(root: str, name: str, seconds: float) -> list[tuple[int, str]]:
    """What a writer had acknowledged when it was killed."""
    out, into = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(out)
            sys.path.insert(0, str(HERE))
            import writer

            with os.fdopen(into, "w", buffering=1) as told:
                told.write("0 begun\n")
                writer.commit(root, name, 10_000, told)
        finally:
            os._exit(1)
    os.close(into)
    with os.fdopen(out) as told:
        assert told.readline() == "0 begun\n"
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return acknowledged(told.read())
