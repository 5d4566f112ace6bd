from __future__ import annotations

import json as slow
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smalti import native

fast = native.json


def spans(text: bytes, start: int, stop: int, names: tuple[bytes, ...], rows: int = 64) -> Any:
    """What `objects` finds: the objects as texts by key, where they end, and whether the array does."""
    cells = np.full((rows, len(names)), -1, np.int64)
    found = fast.objects(text, start, stop, names, b"s" * len(names), cells)
    if found is None:
        return None
    count, end, closed = found
    where = cells[:count].view(np.uint32).reshape(count, len(names), 2)
    objects = [
        {
            name: text[start + at : start + at + size]
            for name, (at, size) in zip(names, row, strict=True)
            if size
        }
        for row in where.tolist()
    ]
    return objects, end, closed


def numbers(words: list[str], kind: bytes = b"f") -> list[Any] | None:
    """Numbers of objects that have one each."""
    text = ",".join(f'{{"n": {word}}}' for word in words).encode()
    cells = np.empty((len(words), 1), np.int64 if kind == b"i" else np.float64)
    found = fast.objects(text, 0, len(text), (b"n",), kind, cells)
    return None if found is None else cells[:, 0].tolist()


def lists(texts: list[str]) -> Any:
    """Values, lengths of innermost lists, how many each text has, and which are flat."""
    body = ",".join([*texts, ""]).encode()
    length = np.array([len(text.encode()) for text in texts], np.int64)
    start = np.cumsum(length + 1) - length - 1
    room = int(length.sum()) // 2
    values, rings = np.empty(room), np.empty(room, np.int64)
    counts, flat = np.empty(len(texts), np.int64), np.empty(len(texts), np.bool_)
    found = fast.lists(body, start, length, values, rings, counts, flat)
    return found and (
        values[: found[0]].tolist(),
        rings[: found[1]].tolist(),
        counts.tolist(),
        flat.tolist(),
    )


def test_compiled() -> None:
    """The tests' environment has a compiler: without this the tests below would say little."""
    assert native.json is not None
    assert native.files is not None


# Objects


def test_objects__spans() -> None:
    text = b'xx{"id": 1, "box" : [1, {"a": "]}"}] ,"name":"a\\"b"}, {}\n,{"box":{},"id":-0.5e3} ] rest'
    found, end, closed = spans(text, 2, len(text), (b"id", b"name", b"box"))
    assert found == [
        {b"id": b"1", b"box": b'[1, {"a": "]}"}]', b"name": b'"a\\"b"'},
        {},
        {b"box": b"{}", b"id": b"-0.5e3"},
    ]
    assert closed
    assert text[end:] == b" rest"


def test_objects__the_last_of_a_piece() -> None:
    assert spans(b'{"a":1},{"a":2}', 0, 15, (b"a",)) == ([{b"a": b"1"}, {b"a": b"2"}], 15, False)


def test_objects__a_key_twice_counts_as_its_last() -> None:
    assert spans(b'{"a":1,"a":22}', 0, 14, (b"a",))[0] == [{b"a": b"22"}]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"]",
        b"{",
        b'{"a"',
        b'{"a":',
        b'{"a":1',
        b'{"a":1,',
        b'{"a":1,}',
        b'{"a":1},',
        b'{"a":1} {"a":2}',
        b'{"a":1}}',
        b'{"b":1}',
        b'{"ab":1}',
        b'{"\\u0061":1}',
        b'{"a":01}',
        b'{"a":1.}',
        b'{"a":.5}',
        b'{"a":+1}',
        b'{"a":-}',
        b'{"a":1e}',
        b'{"a":1e+}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":tru}',
        b'{"a":nul',
        b'{"a":[1,,2]}',
        b'{"a":[1,]}',
        b'{"a":[1 2]}',
        b'{"a":[1.2.3]}',
        b'{"a":[00]}',
        b'{"a":[1}',
        b'{"a":[1}]',
        b'{"a":{"b"}}',
        b'{"a":{"b":}}',
        b'{"a":{1:2}}',
        b'{"a":"\n"}',
        b'{"a":"\\x"}',
        b'{"a":"\\u12g4"}',
        b'{"a":"',
        b'{"a":"\\',
        b'{"a":"\\u',
        b'{"a":' + b"[" * 61 + b"]" * 61 + b"}",
    ],
)
def test_objects__no(text: bytes) -> None:
    assert spans(text, 0, len(text), (b"a",)) is None
    assert spans(b'{"a":1},' + text, 0, len(text) + 8, (b"a",)) is None


def test_objects__no_room() -> None:
    assert spans(b'{"a":1},{"a":2}', 0, 15, (b"a",), rows=1) is None
    assert spans(b'{"a":1}', 0, 7, (b"a",), rows=0) is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.lists(st.dictionaries(st.sampled_from(["id", "box", "name"]), VALUES), min_size=1, max_size=5),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_objects__values_are_those_of_json(
    rows: list[dict[str, Any]], indent: int | None, ascii_: bool
) -> None:
    text = slow.dumps(rows, indent=indent, ensure_ascii=ascii_).encode()
    found, end, closed = spans(text, text.index(b"{"), len(text), (b"box", b"name", b"id"))
    assert [{key.decode(): slow.loads(value) for key, value in row.items()} for row in found] == rows
    assert closed
    assert end == len(text)


@given(st.lists(st.dictionaries(st.sampled_from("ab"), VALUES), min_size=1, max_size=3), st.data())
def test_objects__a_damaged_text_is_refused_or_json(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    """Whatever is taken for objects is JSON, apart from bytes in strings."""
    text = bytearray(slow.dumps(rows).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(1, len(text) - 1))
        text[at] = data.draw(st.sampled_from(b'{}[]",:\\ 0123456789.-+eEtrufalsn\n\x00'))
    found = spans(bytes(text), 1, len(text), (b"a", b"b"))
    if found is not None and found[2]:
        slow.loads(text[: found[1]].decode())


# Numbers


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


def same(word: str) -> bool:
    """Whether a number is read as Python reads it, to the last bit, alone and in a list."""
    alone, listed = numbers([word]), lists([f"[{word},{word}]"])
    return (
        alone is not None
        and listed is not None
        and bits(alone[0]) == bits(float(word)) == bits(listed[0][0]) == bits(listed[0][1])
    )


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers__floats_to_the_last_bit(value: float) -> None:
    assert same(repr(value))
    assert same(f"{value:.17e}")
    assert same(f"{value:.25e}")


@given(st.integers(-(10**22), 10**22), st.integers(0, 24))
def test_numbers__decimals_to_the_last_bit(digits: int, places: int) -> None:
    sign, text = "-" * (digits < 0), str(abs(digits)).rjust(places + 1, "0")
    cut = len(text) - places
    assert same(f"{sign}{text[:cut]}.{text[cut:]}" if places else f"{sign}{text}")


def test_numbers__many_decimals_to_the_last_bit() -> None:
    chance = np.random.default_rng(0)
    sizes, places = chance.integers(1, 22, 200_000), chance.integers(0, 23, 200_000)
    digits = chance.integers(0, 10, (200_000, 21)).astype("U1")
    words = []
    for size, many, row in zip(sizes.tolist(), places.tolist(), digits, strict=True):
        text = ("".join(row[:size]).lstrip("0") or "0").rjust(many + 1, "0")
        cut = len(text) - many
        words.append("-" * (size % 2) + (f"{text[:cut]}.{text[cut:]}" if many else text))
    found = numbers(words)
    assert found is not None
    assert np.array(found).tobytes() == np.array([float(word) for word in words]).tobytes()


@pytest.mark.parametrize(
    "word",
    ["0", "-0", "0.0", "-0.0", "9007199254740993", "9007199254740992.5", "9007199254740993.0", "0.1", "1e22",
     "123456789012345678", "1234567890123456789", "12345678901234567890", "9999999999999999999", "8.5e-320",
     "2.2250738585072011e-308", "1.7976931348623157e308", "5e-324", "0." + "0" * 30 + "1", "0.000000000000000000",
     "1234567", "12345678", "1.234567", "0.5E1", "1e-7", "100000000000000000000000"],
)  # fmt: skip
def test_numbers__at_the_edges(word: str) -> None:
    assert same(word)


@pytest.mark.parametrize(
    "word",
    ["", "-", "01", "00", "-01", "1.", ".5", "+1", "1e", "1e+", "1e400", "-1e400", "nan", "NaN", "inf", "Infinity",
     "0x1", "1_0", "1 2", "1.2.3", "1-2", "--1", "1e1e1", "1e1.5", "0123456", "1..2", "1.e5", "\u0661", "\u00bd"],
)  # fmt: skip
def test_numbers__no(word: str) -> None:
    assert numbers([word]) is None
    assert numbers(["1", word]) is None


@given(st.integers(-(2**70), 2**70))
def test_integers(value: int) -> None:
    fits = -(2**63) < value < 2**63
    assert numbers([str(value)], b"i") == ([value] if fits else None)


@pytest.mark.parametrize("word", ["", "-", "1.0", "1e2", "01", "-01", "1 2", "9" * 40, "true", "null"])
def test_integers__no(word: str) -> None:
    assert numbers([word], b"i") is None


# Lists


def test_lists() -> None:
    assert lists(["[1, 2.5]", "[]", "[[1],[ 2 ,3 ]]", " [ [ ] , [] ]"[1:], "[[]]"]) == (
        [1, 2.5, 1, 2, 3],
        [2, 1, 2, 0, 0, 0],
        [1, 0, 2, 2, 1],
        [True, False, False, False, False],
    )


COORDINATES = st.lists(st.floats(-1e6, 1e6) | st.integers(-(10**9), 10**9), max_size=5)


@given(st.lists(COORDINATES | st.lists(COORDINATES, max_size=4), max_size=6), st.sampled_from([None, 2]))
def test_lists__are_those_of_json(given_: list[Any], indent: int | None) -> None:
    found = lists([slow.dumps(item, indent=indent) for item in given_])
    flat = [bool(item) and not isinstance(item[0], list) for item in given_]
    rings = [ring for item, is_ in zip(given_, flat, strict=True) for ring in ([item] if is_ else item)]
    assert found == (
        [float(number) for ring in rings for number in ring],
        [len(ring) for ring in rings],
        [1 if is_ else len(item) for item, is_ in zip(given_, flat, strict=True)],
        flat,
    )


@pytest.mark.parametrize(
    "text",
    ["", "1", "[", "[[", "[1", "[1,", "[1,]", "[,1]", "[[1]", "[[1],", "[[1],]", "[1,[2]]", "[[1],2]", "[[[1]]]", "[]]",
     "[1]]", "[1] ", "[null]", "[true]", '["1"]', "[1 2]", "[[1][2]]", "{}", "[{}]", "[NaN]", "[1e999]", "[1,,2]"],
)  # fmt: skip
def test_lists__no(text: str) -> None:
    assert lists([text]) is None
    assert lists(["[1]", text]) is None


@pytest.mark.parametrize("size", [100, 100_000, 300_000])
def test_lists__longer_than_what_is_copied(size: int) -> None:
    ring = [float(n) for n in range(size)]
    found = lists([slow.dumps([ring]), "[1]", slow.dumps(ring), "[2]"])
    assert found == ([*ring, 1, *ring, 2], [size, 1, size, 1], [1, 1, 1, 1], [False, True, True, True])


# Boxes


@given(
    st.lists(st.floats(-1e6, 1e6) | st.integers(-5, 5), min_size=4, max_size=4), st.sampled_from([None, 2])
)
def test_boxes(box: list[float], indent: int | None) -> None:
    text = slow.dumps([{"id": 7, "box": box, "x": None}], indent=indent).encode()
    cells = np.empty((1, 6), np.int64)
    assert fast.objects(text, 1, len(text), (b"id", b"box", b"x"), b"ibs", cells) == (1, len(text), True)
    assert cells[0, 0] == 7
    assert cells.view(np.float64)[0, 1:5].tolist() == box
    at, size = cells.view(np.uint32)[0, 10:].tolist()
    assert text[1 + at :][:size] == b"null"


@pytest.mark.parametrize(
    "box", ["", "[]", "[1,2,3]", "[1,2,3,4,5]", "[1,2,3,null]", "[[1,2,3,4]]", "[1,2,3,4", "1", "null", "[1,,3,4]"]
)  # fmt: skip
def test_boxes__no(box: str) -> None:
    text = f'{{"box": {box}}}'.encode()
    assert fast.objects(text, 0, len(text), (b"box",), b"b", np.empty((1, 4))) is None


@pytest.mark.parametrize("kind", [b"i", b"f", b"b"])
def test_typed__every_object_has_it(kind: bytes) -> None:
    value = b"[1,2,3,4]" if kind == b"b" else b"1"
    text = b'{"a":%b},{},{"a":%b}' % (value, value)
    cells = np.empty((3, 4 if kind == b"b" else 1))
    assert fast.objects(text, 0, len(text), (b"a",), kind, cells) is None


# What no caller should do


def test_refused__places_outside_the_text() -> None:
    values = np.empty(1)
    for start, length in ((-1, 1), (0, 4), (3, 1), (0, -1), (2**62, 2**62)):
        places = np.array([start], np.int64), np.array([length], np.int64)
        with pytest.raises(ValueError, match="in the text"):
            fast.lists(b"[1]", *places, values, values.copy(), np.empty(1, np.int64), np.empty(1, np.bool_))


def test_refused__arrays_without_room() -> None:
    one = np.zeros(1, np.int64)
    for values, rings, counts, flat in ((1, 9, 1, 1), (9, 1, 1, 1), (9, 9, 0, 1), (9, 9, 1, 0)):
        out = (
            np.empty(values),
            np.empty(rings, np.int64),
            np.empty(counts, np.int64),
            np.empty(flat, np.bool_),
        )
        with pytest.raises(ValueError, match="room"):
            fast.lists(b"[1,2]", one, one + 5, *out)


def test_refused__no_names_or_a_wrong_span() -> None:
    cells = np.empty((1, 1), np.int64)
    for start, stop in ((-1, 2), (0, 3), (2, 1)):
        with pytest.raises(ValueError, match="must lie in the text"):
            fast.objects(b"{}", start, stop, (b"a",), b"s", cells)
    for names, kinds in (((), b""), ((b"a",), b""), ((b"a",), b"ss"), ((b"a",), b"x"), ((b"a",), b"\0")):
        with pytest.raises(ValueError, match="a kind for each"):
            fast.objects(b"{}", 0, 2, names, kinds, cells)
    with pytest.raises(ValueError, match="64 keys"):
        fast.objects(b"{}", 0, 2, tuple(b"%d" % n for n in range(65)), b"i" * 65, cells)
    with pytest.raises(TypeError):
        fast.objects(b"{}", 0, 2, ("a",), b"s", cells)
    with pytest.raises(TypeError):
        fast.objects("{}", 0, 2, (b"a",), b"s", cells)


def test_lists__of_no_text() -> None:
    assert lists([]) == ([], [], [], [])
