"""What can break on the way: every call to the file system, a full disk, the power."""

from __future__ import annotations

import builtins
import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

import smalti as sm
from smalti.storage import commit, durable, location

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

    Make = Callable[..., sm.Dataset]

HERE = Path(__file__).parent
COUNTED = ("open", "fsync", "link", "unlink", "mkdir", "replace", "scandir", "close", "stat")


class Faults:
    """The calls to the file system, counted; the one with a given number fails."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.count = 0
        self.failed: str | None = None

    def call(self, name: str) -> None:
        self.count += 1
        if self.count == self.number:
            self.failed = name
            raise OSError(errno.EIO, f"broken at call {self.number}: {name}")


class FaultyFile:
    def __init__(self, file: IO[Any], faults: Faults) -> None:
        self._file, self._faults = file, faults

    def write(self, body: Any) -> int:
        self._faults.call("write")
        return self._file.write(body)

    def flush(self) -> None:
        self._faults.call("flush")
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class FaultyOs:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in COUNTED:
            return real

        def call(*words: Any, **named: Any) -> Any:
            self._faults.call(name)
            return real(*words, **named)

        return call


@pytest.fixture
def break_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Faults]]:
    def begin(number: int) -> Faults:
        faults = Faults(number)

        def faulty_open(path: Any, mode: str = "r", **named: Any) -> Any:
            faults.call(f"open {mode}")
            file = builtins.open(path, mode, **named)  # noqa: PTH123, SIM115  # whoever called closes it
            return FaultyFile(file, faults) if "x" in mode or "w" in mode else file

        for module in (commit, durable, location):
            monkeypatch.setattr(module, "os", FaultyOs(faults))
            monkeypatch.setattr(module, "open", faulty_open, raising=False)
        return faults

    yield begin
    monkeypatch.undo()


def pictures() -> sm.Dataset:
    """Two small pictures, whose files are not read through what fails."""
    samples = [{"id": name, "image": {"path": name, "bytes": name.encode()}} for name in ("a.png", "b.png")]
    return sm.Dataset.from_samples(samples, media_root="memory://none")


OPERATIONS: dict[str, Callable[[sm.Store, Make], object]] = {
    "append": lambda store, make: store.append(make(["new"])),
    "replace": lambda store, make: store.replace(make(["other"])),
    "update": lambda store, make: store.update(make(["b"], score=0.9)),
    "delete": lambda store, _: store.delete(sm.col("id") == "b"),
    "compact": lambda store, _: store.compact(),
    "restore": lambda store, _: store.restore(1),
    "files": lambda store, _: store.replace(pictures(), media="files"),
    "tar": lambda store, _: store.replace(pictures(), media="tar"),
    "parquet": lambda store, _: store.replace(pictures(), media="parquet"),
    "tag": lambda store, _: store.tag("best"),
    "prune": lambda store, _: store.prune(keep=1, dry_run=False),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_faults__old_or_new_never_between(
    name: str, tmp_path: Path, make: Make, break_at: Callable[[int], Faults], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sm.Store(tmp_path / "first")
    first.write(make(["a"]))
    first.append(make(["b"]))
    digests = {v.version: v.digest for v in first.versions()}
    number = 0
    while True:
        number += 1
        root = tmp_path / f"{number}"
        shutil.copytree(first.root.local, root)
        faults = break_at(number)
        failed = None
        try:
            OPERATIONS[name](sm.Store(root), make)
        except OSError as error:
            failed = error
        except sm.errors.SmaltiError as error:
            failed = error
        monkeypatch.undo()
        after = sm.Store(root)
        assert after.check(), f"{faults.failed}: {after.check()}"
        versions = {v.version: v.digest for v in after.versions()}
        assert set(versions) <= {1, 2, 3}
        assert all(versions[v] == digests[v] for v in versions if v in digests)
        assert 2 in versions
        assert after.read().load().digest() == versions[max(versions)]
        if faults.failed is None:
            break
        assert failed is None or f"call {number}" in str(failed), failed
        if failed is None and name not in {"tag", "prune"}:
            assert 3 in versions, f"{faults.failed} was passed over and nothing was committed"
        after.replace(make([f"after {number}"]))
        shutil.rmtree(root)
    assert number > 3


FULL = """
import resource, signal, sys
import smalti as sm
sys.path.insert(0, {here!r})
from conftest import make
store = sm.Store({root!r})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    store.append(make([f"n{{n}}" for n in range(300)]))
except OSError as error:
    print("refused:", error)
"""


@pytest.mark.parametrize("limit", [0, 100, 3000, 9000])
def test_full_disk__is_a_clear_error(store: sm.Store, make: Make, limit: int) -> None:
    store.write(make(["a"]))
    program = FULL.format(here=str(HERE), root=store.root.local, limit=limit)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "refused:" in done.stdout
    assert "File too large" in done.stdout
    assert store.root.local in done.stdout  # which file
    assert "the last version is as it was" in done.stdout
    assert store.check()
    assert [v.version for v in store.versions()] == [1]
    left = [
        path
        for path in (Path(store.root.local) / "data").iterdir()
        if path.stem not in store.versions()[0].files[0].path
    ]
    assert not left
    store.append(make(["b"]))


ENDLESS = """
import os, sys
import smalti as sm
if {unsynced}:
    os.fsync = lambda handle: None
sys.path.insert(0, {here!r})
from writer import commit
commit({root!r}, "w", 100_000, sys.stdout)
"""


class Power:
    """A disk in a file, and what of it is there after the power went."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.before, self.after = folder / "before", folder / "after"
        self.disk, self.copy = folder / "disk.img", folder / "copy.img"
        for mount in (self.before, self.after):
            mount.mkdir()

    def cut(self, seconds: float, *, unsynced: bool) -> list[tuple[int, str]]:
        """Write for some time and stop everything; gives what was acknowledged. The disk is at `after`."""
        subprocess.run(["truncate", "-s", "96M", self.disk], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.disk], check=True)
        subprocess.run(["mount", "-o", "loop", self.disk, self.before], check=True)
        program = ENDLESS.format(here=str(HERE), root=str(self.before / "store"), unsynced=unsynced)
        writer = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(seconds)
        writer.send_signal(signal.SIGSTOP)
        subprocess.run(["cp", "--sparse=always", self.disk, self.copy], check=True)  # what reached the disk
        writer.kill()
        told = first + writer.stdout.read()
        writer.wait()
        writer.stdout.close()
        subprocess.run(["umount", self.before], check=True)
        subprocess.run(["mount", "-o", "loop", self.copy, self.after], check=True)  # replays its journal
        lines = [line.split() for line in told.splitlines(keepends=True) if line.endswith("\n")]
        return [(int(version), name) for version, name in lines]

    def clear(self) -> None:
        for mount in (self.before, self.after):
            subprocess.run(["umount", mount], check=False, stderr=subprocess.DEVNULL)


@pytest.fixture
def power(tmp_path: Path) -> Iterator[Power]:
    found = Power(tmp_path)
    yield found
    found.clear()


def survivors(root: Path) -> set[str]:
    """The ids that a store has after a power cut; none where it cannot be read."""
    try:
        store = sm.Store(root)
        assert store.check(), store.check()
        return set(store.read().to_arrow().column("id").to_pylist())
    except (OSError, sm.errors.SmaltiError, AssertionError):
        return set()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a disk needs root")
def test_power_cut__no_acknowledged_version_is_lost(power: Power) -> None:
    chance = random.Random(5)  # noqa: S311  # moments, no secrets
    for _ in range(3):
        told = power.cut(chance.uniform(0.3, 2.0), unsynced=False)
        assert len(told) > 3
        assert {name for _, name in told} <= survivors(power.after / "store")
        power.clear()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a disk needs root")
def test_power_cut__without_sync_versions_are_lost(power: Power) -> None:
    told = power.cut(1.0, unsynced=True)
    assert len(told) > 3
    assert not {name for _, name in told} <= survivors(power.after / "store")
