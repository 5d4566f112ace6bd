from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smalti.errors import DataError, UnsafePathError
from smalti.storage.paths import safe_path, safe_paths, unsafe_paths

HOSTILE = {
    "../x": "leaves its root",
    "a/../../x": "leaves its root",
    "..\\..\\x": "leaves its root",
    "a\\..\\..\\x": "leaves its root",
    "..": "leaves its root",
    "/etc/passwd": "is absolute",
    "\\\\server\\share": "is absolute",
    "//server/share": "is absolute",
    "C:/x": "drive letter",
    "c:x": "drive letter",
    "C:\\x": "drive letter",
    "file:///etc/passwd": "is a URL",
    "simplecache::file:///etc/passwd": "is a URL",
    "a::b": "is a URL",
    "a\0b": "NUL character",
    "": "names no file",
    ".": "names no file",
    "a/..": "names no file",
    "./": "names no file",
}
HARMLESS = {
    "a.jpg": "a.jpg",
    "./a.jpg": "a.jpg",
    "a//b.jpg": "a/b.jpg",
    "a\\b.jpg": "a/b.jpg",
    "a/./b/../c": "a/c",
    "a/b/": "a/b",
    "...": "...",
    "..a/b..": "..a/b..",
    ".hidden/x": ".hidden/x",
    "time 12:30:00.jpg": "time 12:30:00.jpg",
    "zażółć/ü 1.jpg": "zażółć/ü 1.jpg",
    "line\nbreak": "line\nbreak",
}


@pytest.mark.parametrize(("text", "why"), HOSTILE.items())
def test_safe_path__hostile(text: str, why: str) -> None:
    with pytest.raises(UnsafePathError, match=f"{why}; expected a relative path") as caught:
        safe_path(text)
    assert isinstance(caught.value, DataError)
    assert caught.value.hint


@pytest.mark.parametrize(("text", "clean"), HARMLESS.items())
def test_safe_path__harmless(text: str, clean: str) -> None:
    assert safe_path(text) == clean


def test_unsafe_paths__finds_each_among_clean_ones() -> None:
    mixed = [*HARMLESS, *HOSTILE, "b/c.png"]
    expected = list(range(len(HARMLESS), len(HARMLESS) + len(HOSTILE)))
    assert unsafe_paths(mixed) == expected
    assert unsafe_paths(["a", "b/c"]) == []
    assert unsafe_paths([]) == []


def test_safe_paths__normalises_all() -> None:
    assert safe_paths(list(HARMLESS)) == list(HARMLESS.values())
    assert safe_paths(["a", "b"]) == ["a", "b"]
    with pytest.raises(UnsafePathError, match="leaves its root"):
        safe_paths(["a", "../b"])


@given(st.lists(st.text(st.sampled_from("ab./\\:\0\n"), max_size=8), max_size=4))
def test_bulk__agrees_with_single(paths: list[str]) -> None:
    def refused(path: str) -> bool:
        try:
            safe_path(path)
        except UnsafePathError:
            return True
        return False

    bad = [index for index, path in enumerate(paths) if refused(path)]
    assert unsafe_paths(paths) == bad
    if not bad:
        assert safe_paths(paths) == [safe_path(path) for path in paths]
