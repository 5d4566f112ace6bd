from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from smalti.errors import DataError, OptionError, TargetExistsError, UnsafePathError
from smalti.storage import staging
from smalti.storage.folder import Folder, NullFolder
from smalti.storage.location import Location
from smalti.storage.staging import check_target, staged_file, staged_folder

if TYPE_CHECKING:
    from pathlib import Path

WRITER = """
import sys
from smalti.storage.location import Location
from smalti.storage.staging import staged_folder
with staged_folder(Location.parse(sys.argv[1]), overwrite=True) as folder:
    folder.write_many([f"labels/{i}.txt" for i in range(1000)], [b"x"] * 1000)
    print("ready", flush=True)
    sys.stdin.read()
"""

RIVAL = """
import sys
from smalti.errors import TargetExistsError
from smalti.storage.location import Location
from smalti.storage.staging import staged_folder
print("ready", flush=True)
sys.stdin.readline()
for turn in range(20):
    try:
        with staged_folder(Location.parse(sys.argv[1]), overwrite=bool(sys.argv[2])) as folder:
            folder.write_many([str(i) for i in range(20)], [f"{sys.argv[3]} {turn}".encode()] * 20)
        print("done")
    except TargetExistsError:
        print("exists")
"""


@pytest.fixture(params=["file", "memory"])
def parent(request: pytest.FixtureRequest, tmp_path: Path, memory: Location) -> Location:
    return memory if request.param == "memory" else Location.parse(tmp_path)


def test_folder__all_at_the_end(parent: Location) -> None:
    target = parent / "deep/out"
    with staged_folder(target) as folder:
        folder.write_many(["labels/a.txt", "labels/b.txt", "c.txt"], [b"1", b"22", b""])
        folder.write("labels\\sub/d.txt", b"3")
        with folder.open("e.bin") as file:
            file.write(b"4")
        folder.last = "c.txt"
        assert not target.exists()
    assert target.find() == ["c.txt", "e.bin", "labels/a.txt", "labels/b.txt", "labels/sub/d.txt"]
    assert (target / "labels/b.txt").read_bytes() == b"22"
    assert (parent / "deep").iterdir() == [("out", True)]


def test_folder__nothing_after_an_error(parent: Location) -> None:
    def fail() -> None:
        with staged_folder(parent / "out") as folder:
            folder.write("a", b"1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not parent.find()
    assert not (parent / "out").exists()


def test_folder__existing(parent: Location) -> None:
    target = parent / "out"
    (target / "old/x").write_bytes(b"old")
    with pytest.raises(TargetExistsError, match="overwrite=True"), staged_folder(target):
        pytest.fail("the body must not run")
    with staged_folder(target, overwrite=True) as folder:
        folder.write("new", b"new")
        assert (target / "old/x").read_bytes() == b"old"
    assert target.find() == ["new"]
    assert parent.iterdir() == [("out", True)]


def test_folder__error_keeps_the_old(tmp_path: Path) -> None:
    target = Location.parse(tmp_path / "out")
    (target / "old").write_bytes(b"old")

    def fail() -> None:
        with staged_folder(target, overwrite=True) as folder:
            folder.write("new", b"new")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert Location.parse(tmp_path).find() == ["out/old"]


def test_folder__empty_one_and_link_count_as_place(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    with staged_folder(Location.parse(tmp_path / "out")) as folder:
        folder.write("a", b"1")
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "disk/a").read_bytes() == b"1"


def test_kinds__never_replace_each_other(parent: Location) -> None:
    (parent / "file").write_bytes(b"1")
    (parent / "folder/x").write_bytes(b"1")
    with (
        pytest.raises(TargetExistsError, match="is a file, and a folder"),
        staged_folder(parent / "file", overwrite=True),
    ):
        pytest.fail("the body must not run")
    with (
        pytest.raises(TargetExistsError, match="is a folder, and a file"),
        staged_file(parent / "folder", overwrite=True),
    ):
        pytest.fail("the body must not run")


def test_file__whole_or_absent(parent: Location) -> None:
    target = parent / "deep/x.json"
    with staged_file(target) as stage:
        stage.write_bytes(b"1")
        assert not target.exists()
    assert target.read_bytes() == b"1"
    with pytest.raises(TargetExistsError, match="exists already"), staged_file(target):
        pytest.fail("the body must not run")
    with staged_file(target, overwrite=True) as stage:
        stage.write_bytes(b"2")
        assert target.read_bytes() == b"1"
    assert target.read_bytes() == b"2"
    assert (parent / "deep").iterdir() == [("x.json", False)]


def test_file__remote_overwrite_keeps_its_neighbours(memory: Location) -> None:
    (memory / "a").write_bytes(b"1")
    (memory / "b").write_bytes(b"1")
    with staged_file(memory / "a", overwrite=True) as stage:
        stage.write_bytes(b"2")
    assert memory.find() == ["a", "b"]


def test_late_rival__is_not_overwritten(tmp_path: Path) -> None:
    def race(make: object) -> None:
        target = Location.parse(tmp_path / str(make))
        if make == "file":
            with staged_file(target) as stage:
                stage.write_bytes(b"mine")
                target.write_bytes(b"rival")
        with staged_folder(target) as folder:
            folder.write("x", b"mine")
            (target / "y").write_bytes(b"rival")

    for kind, left in (("file", "file"), ("folder", "folder/y")):
        with pytest.raises(TargetExistsError, match="exists already"):
            race(kind)
        assert (tmp_path / left).read_bytes() == b"rival"
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]  # noqa: PTH208  # hidden ones too


@pytest.mark.parametrize("overwrite", [False, True])
def test_rivals__one_wins_and_nothing_is_mixed(tmp_path: Path, overwrite: bool) -> None:
    target = tmp_path / "out"
    command = [sys.executable, "-c", RIVAL, str(target), "yes" if overwrite else ""]
    rivals = [
        subprocess.Popen([*command, str(mark)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for mark in range(4)
    ]
    for rival in rivals:
        assert rival.stdout is not None
        assert rival.stdout.readline() == "ready\n"
    for rival in rivals:
        assert rival.stdin is not None
        rival.stdin.write("go\n")
        rival.stdin.flush()
    answers = "".join(rival.communicate(timeout=60)[0] for rival in rivals).split()
    assert len(answers) == 4 * 20
    assert set(answers) <= {"done", "exists"}
    assert answers.count("done") >= 1 if overwrite else answers.count("done") == 1
    assert len({path.read_bytes() for path in target.iterdir()}) == 1
    assert len(list(target.iterdir())) == 20
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("existing", [False, True])
def test_kill__leaves_nothing_under_the_name(tmp_path: Path, existing: bool) -> None:
    target = tmp_path / "out"
    if existing:
        Location.parse(target / "old").write_bytes(b"old")
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGKILL)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert [name for name in left if not name.startswith(".out.")] == (["out"] if existing else [])
    assert len([name for name in left if name.endswith(".tmp")]) == 1
    if existing:
        assert [path.name for path in target.iterdir()] == ["old"]


def test_archive__refused(tmp_path: Path) -> None:
    target = Location.parse(f"zip://out::{tmp_path}/x.zip")
    with pytest.raises(OptionError, match="write to a folder, and pack"), staged_folder(target):
        pytest.fail("the body must not run")
    assert not list(tmp_path.iterdir())


def test_root__refused() -> None:
    with pytest.raises(OptionError, match="is a root"), staged_folder(Location.parse("/")):
        pytest.fail("the body must not run")


def test_upload__last_file_last(memory: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[list[str]] = []
    fs = memory.fs
    put = fs.put
    monkeypatch.setattr(fs, "put", lambda src, dst: (sent.append(list(dst)), put(src, dst)))
    monkeypatch.setattr(staging, "UPLOAD_BATCH", 2)
    with staged_folder(memory / "out") as folder:
        folder.write_many(["a", "b", "c", "d"], [b"1"] * 4)
        folder.last = "a"
    names = [[path.rpartition("/")[2] for path in batch] for batch in sent]
    assert names == [["b", "c"], ["d"], ["a"]]


def test_upload__taken_back_on_failure(memory: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    put = memory.fs.put

    def broken(source: list[str], places: list[str]) -> None:
        if places[0].endswith("/b"):
            raise OSError("connection lost")
        put(source, places)

    def upload() -> None:
        with staged_folder(memory / "out") as folder:
            folder.write_many(["a", "b"], [b"1", b"2"])

    monkeypatch.setattr(memory.fs, "put", broken)
    with pytest.raises(OSError, match="connection lost"):
        upload()
    assert memory.find() == []


def test_write_many__refuses_bad_names(tmp_path: Path) -> None:
    folder = Folder(Location.parse(tmp_path / "in"))
    for name in ("../x", "/x", "a/../../x", "C:\\x"):
        with pytest.raises(UnsafePathError, match="expected a relative path"):
            folder.write_many(["ok", name], [b"", b""])
        with pytest.raises(UnsafePathError, match="expected a relative path"):
            folder.open(name)
        with pytest.raises(UnsafePathError, match="expected a relative path"):
            folder.mkdir(name)
    assert not list(tmp_path.iterdir())


def test_write_many__same_name_twice(tmp_path: Path) -> None:
    for folder in (Folder(Location.parse(tmp_path)), NullFolder(Location.parse(tmp_path))):
        folder.write("x/a", b"1")
        with pytest.raises(DataError, match="'x/a' is written twice"):
            folder.write_many(["b", "x/./a"], [b"", b"2"])
        with pytest.raises(DataError, match="'x/a' is written twice"):
            folder.open("x/a")
    assert (tmp_path / "x/a").read_bytes() == b"1"


def test_write_many__file_as_folder(tmp_path: Path) -> None:
    folder = Folder(Location.parse(tmp_path))
    folder.write("a", b"1")
    with pytest.raises(DataError, match="'a' is needed for a folder and for a file"):
        folder.write("a/b", b"2")
    with pytest.raises(DataError, match="'a/c' is needed for a folder and for a file"):
        folder.write("a/c/b", b"2")


def test_write_many__never_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/x").symlink_to(tmp_path / "outside")
    folder = Folder(Location.parse(tmp_path / "in"))
    with pytest.raises(DataError, match="written twice"):
        folder.write("x", b"1")
    assert not (tmp_path / "outside").exists()


def test_write_many__lengths_differ(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shorter"):
        Folder(Location.parse(tmp_path)).write_many(["a", "b"], [b""])


def test_write_error__surfaces_and_cleans_up(tmp_path: Path) -> None:
    # Small file sizes stand for a full disk: the kernel refuses the rest of the file.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        with (
            pytest.raises(OSError, match="File too large"),
            staged_folder(Location.parse(tmp_path / "o")) as f,
        ):
            f.write_many(["a", "b"], [b"1", b"2" * 2000])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_read_only_parent__surfaces(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (f"{tmp_path}/file/out", "/proc/self/out"):
        with pytest.raises(OSError, match=r"out|file"), staged_folder(Location.parse(path)):
            pytest.fail("the body must not run")


def test_null_folder__writes_nothing(tmp_path: Path) -> None:
    folder = NullFolder(Location.parse(tmp_path / "out"))
    assert folder.dry
    folder.write_many(["a/b", "c"], [b"1", b"2"])
    folder.mkdir("d")
    with folder.open("e") as file:
        assert file.write(b"swallowed") == 9
    with pytest.raises(UnsafePathError, match="leaves its root"):
        folder.write("../x", b"")
    assert folder.reserve(["f"]) == []
    assert not list(tmp_path.iterdir())


def test_check_target__as_at_the_start(tmp_path: Path) -> None:
    check_target(Location.parse(tmp_path / "new"), False, folder=True)
    (tmp_path / "x").write_bytes(b"")
    check_target(Location.parse(tmp_path / "x"), True, folder=False)
    with pytest.raises(TargetExistsError, match="exists already"):
        check_target(Location.parse(tmp_path / "x"), False, folder=False)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
