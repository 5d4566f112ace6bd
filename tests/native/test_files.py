from __future__ import annotations

import errno
import os
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from smalti import native
from smalti.errors import DataError
from smalti.storage import folder as folders
from smalti.storage.folder import MANY, Folder
from smalti.storage.location import Location

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def handle(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path, os.O_RDONLY)
    yield opened
    os.close(opened)


@pytest.fixture(params=["compiled", "python"])
def twin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of writing files."""
    if request.param == "python":
        monkeypatch.setattr(folders, "files", None)


def listed(folder: Path) -> list[str]:
    return sorted(place.name for place in folder.iterdir())


def write_behind(place: Path, *batches: list[str], then: Exception | None = None) -> None:
    """Write batches of empty files; at the end something else may go wrong."""
    with Folder(Location.parse(place)).behind() as folder:
        for names in batches:
            folder.write_many(names, [b""] * len(names))
        if then is not None:
            raise then


def test_create(tmp_path: Path, handle: int) -> None:
    (tmp_path / "in").mkdir()
    names = [b"a.txt", "in/ä.txt".encode(), b"empty"]
    assert native.files.create(handle, names, [b"1\n", b"\x00\xff", b""]) is None
    assert (tmp_path / "a.txt").read_bytes() == b"1\n"
    assert (tmp_path / "in" / "ä.txt").read_bytes() == b"\x00\xff"
    assert (tmp_path / "empty").read_bytes() == b""


def test_create__large(tmp_path: Path, handle: int) -> None:
    body = os.urandom(5_000_000)
    assert native.files.create(handle, [b"a"], [body]) is None
    assert (tmp_path / "a").read_bytes() == body


def test_create__never_over_a_file_nor_through_a_link(tmp_path: Path, handle: int) -> None:
    (tmp_path / "b").write_bytes(b"before")
    (tmp_path / "c").symlink_to("elsewhere")
    assert native.files.create(handle, [b"a", b"b", b"d"], [b"", b"x", b""]) == (1, errno.EEXIST)
    assert native.files.create(handle, [b"c"], [b"x"]) == (0, errno.EEXIST)
    assert (tmp_path / "b").read_bytes() == b"before"
    assert listed(tmp_path) == ["a", "b", "c"]


def test_create__names_the_reason(handle: int) -> None:
    assert native.files.create(handle, [b"not/there"], [b""]) == (0, errno.ENOENT)
    assert native.files.create(handle, [b"n" * 300], [b""]) == (0, errno.ENAMETOOLONG)
    assert native.files.create(-1, [b"a"], [b""]) == (0, errno.EBADF)


@pytest.mark.parametrize(
    ("names", "bodies", "error"),
    [
        ([b"a"], [], ValueError),
        ([b"a\x00b"], [b""], ValueError),
        (["a"], [b""], TypeError),
        ([b"a"], ["x"], TypeError),
        ((b"a",), [b""], TypeError),
    ],
)
def test_create__refused(
    tmp_path: Path, handle: int, names: Any, bodies: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        native.files.create(handle, names, bodies)
    assert not listed(tmp_path)


@pytest.mark.usefixtures("twin")
def test_folder__both_ways_write_the_same(tmp_path: Path) -> None:
    names = [f"labels/{n % 3}/{n}.txt" for n in range(2 * MANY)]
    with Folder(Location.parse(tmp_path)).behind() as folder:
        folder.write_many(names, [name.encode() for name in names])
        folder.write("data.yaml", b"path: .")
    assert {p.relative_to(tmp_path).as_posix(): p.read_bytes() for p in tmp_path.rglob("*.*")} == {
        **{name: name.encode() for name in names},
        "data.yaml": b"path: .",
    }


@pytest.mark.usefixtures("twin")
def test_folder__an_error_behind_is_raised_at_the_next_call(tmp_path: Path) -> None:
    first, second = [f"{n}.txt" for n in range(MANY)], [f"x{n}.txt" for n in range(MANY)]
    with pytest.raises(DataError, match=r"'7\.txt' is written twice"):
        write_behind(tmp_path, first, [*second, "7.txt"], ["last"])
    assert "last" not in listed(tmp_path)


@pytest.mark.usefixtures("twin")
def test_folder__an_error_behind_is_raised_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "3.txt").mkdir()
    with pytest.raises(DataError, match=r"'3\.txt' is written twice"):
        write_behind(tmp_path, [f"{n}.txt" for n in range(MANY)])


@pytest.mark.usefixtures("twin")
def test_folder__no_thread_writes_after_an_error(tmp_path: Path) -> None:
    names = [f"{n}.txt" for n in range(5000)]
    with pytest.raises(RuntimeError, match="the reader failed"):
        write_behind(tmp_path, names, then=RuntimeError("the reader failed"))
    assert len(listed(tmp_path)) == len(names)  # all that was begun has ended: nothing more comes


@pytest.mark.usefixtures("twin")
def test_folder__other_errors_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long") as caught:
        Folder(Location.parse(tmp_path)).write("n" * 300, b"")
    assert caught.value.filename == str(tmp_path / ("n" * 300))


def test_folder__a_copy_writes_at_once(tmp_path: Path) -> None:
    with Folder(Location.parse(tmp_path)).behind() as folder:
        folder.last = "data.yaml"
        copy = pickle.loads(pickle.dumps(folder))  # noqa: S301  # made here
        assert copy.last == "data.yaml"
        copy.write_many([f"{n}.txt" for n in range(MANY)], [b"x"] * MANY)
        assert len(listed(tmp_path)) == MANY
