from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from smalti.errors import DataError, MissingExtraError, OptionError, UnsafePathError
from smalti.storage.location import Location, inside


def test_parse__plain_path_is_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for text in ("x/y.tar.gz", Path("x/y.tar.gz"), f"file://{tmp_path}/x/y.tar.gz"):
        place = Location.parse(text)
        assert place.is_local
        assert place.local == place.path == place.url == str(place) == str(tmp_path / "x/y.tar.gz")
        assert (place.name, place.stem, place.suffix) == ("y.tar.gz", "y.tar", ".gz")
    assert Location.parse(place) is place


@pytest.mark.parametrize("text", ["C:\\data\\x", "c:/data", "odd::name", "a:b"])
def test_parse__no_url(text: str) -> None:
    assert Location.parse(text).is_local


@pytest.mark.parametrize(
    ("url", "child", "parent", "name"),
    [
        ("memory://a/b", "memory://a/b/c.d", "memory://a", "b"),
        ("s3://bucket/a", "s3://bucket/a/c.d", "s3://bucket", "a"),
        ("zip://m/x::/t/q.zip", "zip://m/x/c.d::/t/q.zip", "zip://m::/t/q.zip", "x"),
        ("zip://::/t/q.zip", "zip://c.d::/t/q.zip", "zip://::/t/q.zip", ""),
        ("zip::/t/q.zip", "zip://c.d::/t/q.zip", "zip://::/t/q.zip", ""),
        ("simplecache::s3://b/a", "simplecache::s3://b/a/c.d", "simplecache::s3://b", "a"),
    ],
)
def test_parse__urls(url: str, child: str, parent: str, name: str) -> None:
    place = Location.parse(url)
    assert not place.is_local
    assert (place / "c.d").url == child
    assert place.parent.url == parent
    assert place.name == name
    with pytest.raises(OptionError, match="no local path"):
        _ = place.local


def test_parse__refuses_nonsense() -> None:
    with pytest.raises(OptionError, match="expected a path or a URL"):
        Location.parse("")
    with pytest.raises(OptionError, match="takes no storage options"):
        Location.parse("/x", anon=True)
    with pytest.raises(OptionError, match="no address that can be used"):
        _ = Location.parse("nonsense://x").fs


def test_fs__missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MissingExtraError, match=r"smalti\[s3\]"):
        _ = Location.parse("s3://bucket/a").fs


def test_value__equal_hashable_frozen_picklable(memory: Location) -> None:
    place = memory / "x"
    place.write_bytes(b"1")
    again = pickle.loads(pickle.dumps(place))  # noqa: S301  # our own bytes
    assert again == place
    assert hash(again) == hash(place)
    assert again.read_bytes() == b"1"
    assert Location.parse("memory://a", x=1) != Location.parse("memory://a", x=2)
    with pytest.raises(AttributeError):
        place.head = "y"


def test_child__refuses_escape(tree: Location) -> None:
    with pytest.raises(UnsafePathError, match="leaves its root"):
        _ = tree / "b/../../x"
    assert (tree / "b/../a.txt").read_bytes() == b"one"


def test_tree__questions(tree: Location) -> None:
    assert tree.exists()
    assert tree.isdir()
    assert not tree.isfile()
    file = tree / "b/d/e.jpg"
    assert file.exists()
    assert file.isfile()
    assert not file.isdir()
    assert file.size() == 5
    assert not (tree / "none").exists()
    with pytest.raises(FileNotFoundError):
        (tree / "none").read_bytes()


def test_find__sorted_in_one_pass(tree: Location) -> None:
    assert tree.find() == ["a.txt", "b/c.JPG", "b/d/e.jpg", "b/ü.txt"]
    assert tree.find([".jpg"]) == ["b/c.JPG", "b/d/e.jpg"]
    assert tree.find(maxdepth=1) == ["a.txt"]
    assert tree.find(maxdepth=2) == ["a.txt", "b/c.JPG", "b/ü.txt"]
    assert (tree / "b").find() == ["c.JPG", "d/e.jpg", "ü.txt"]
    assert (tree / "none").find() == []
    assert (tree / "a.txt").find() == []


def test_iterdir__names_and_kinds(tree: Location) -> None:
    assert tree.iterdir() == [("a.txt", False), ("b", True)]
    assert (tree / "b").iterdir() == [("c.JPG", False), ("d", True), ("ü.txt", False)]


def test_mmap__same_bytes_everywhere(tree: Location) -> None:
    with (tree / "b/d/e.jpg").mmap() as view:
        assert isinstance(view, memoryview)
        assert bytes(view) == b"three"
    with (tree / "b/ü.txt").mmap() as view:
        assert len(view) == 0


def test_mmap__buffer_outlives_the_context(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    with Location.parse(tmp_path / "x").mmap() as view:
        array = np.frombuffer(view, np.uint8)
    assert array.tolist() == [97, 98, 99]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_read_text__byte_order_mark_and_bad_bytes(tmp_path: Path, mark: bytes) -> None:
    place = Location.parse(tmp_path / "x.txt")
    place.write_bytes(mark + "ü\n".encode())
    assert place.read_text() == "ü\n"
    place.write_bytes(mark + b"ab\xff")
    with pytest.raises(DataError, match="found the byte 0xff; expected text in UTF-8") as caught:
        place.read_text()
    assert caught.value.file == place.url
    assert caught.value.position == f"byte {len(mark) + 2}"


def test_find__links(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far/x.jpg").write_bytes(b"x")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/folder").symlink_to(tmp_path / "far")
    (tmp_path / "root/file.jpg").symlink_to(tmp_path / "far/x.jpg")
    (tmp_path / "root/dangling.jpg").symlink_to(tmp_path / "nowhere")
    root = Location.parse(tmp_path / "root")
    assert root.find([".jpg"]) == ["file.jpg", "folder/x.jpg"]
    assert (root / "file.jpg").read_bytes() == b"x"
    (tmp_path / "far/loop").symlink_to(tmp_path / "root")
    with pytest.raises(DataError, match="symbolic links to folders on one path"):
        root.find()


def test_inside__no_write_through_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "real")
    (tmp_path / "real/out").symlink_to(tmp_path)
    (tmp_path / "real/file").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "real/sub").mkdir()
    (tmp_path / "real/within").symlink_to(tmp_path / "real/sub")
    root = Location.parse(tmp_path / "root")
    assert inside(root, "new/x").local == str(tmp_path / "root/new/x")
    assert inside(root, "within/x").local == str(tmp_path / "root/within/x")
    for name in ("out/x", "file", "out"):
        with pytest.raises(UnsafePathError, match="through a symbolic link"):
            inside(root, name)
    with pytest.raises(UnsafePathError, match="leaves its root"):
        inside(root, "../x")


def test_inside__sibling_with_the_same_start(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root2").mkdir()
    (tmp_path / "root/x").symlink_to(tmp_path / "root2")
    with pytest.raises(UnsafePathError, match="through a symbolic link"):
        inside(Location.parse(tmp_path / "root"), "x/y")


def test_inside__remote(memory: Location) -> None:
    assert inside(memory, "a/b") == memory / "a/b"


def test_write_bytes__refused_in_archive(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="zip is read only here; write to a folder"):
        Location.parse(f"zip://x::{tmp_path}/q.zip").write_bytes(b"")
    assert not list(tmp_path.iterdir())
