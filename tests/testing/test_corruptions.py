from __future__ import annotations

import json

import pytest

from smalti.testing import CORRUPTIONS, Corruption
from smalti.testing.corruptions import kind

JSON = (
    '{"images":[{"id":1,"file_name":"ünï.png"}],\n"annotations":'
    '[{"id":1,"image_id":1,"bbox":[1.5,2,3,4],"segmentation":[[1,1,2,2,3,3]]}]}\n'
).encode()
ROWS = b"0 0.5 0.5 0.25 0.125\n1 0.1 0.2 0.3 0.4\n"
YAML = "# Größe\nnames:\n  0: ünï cat\n".encode()
TEXT = b"cat\ndog\n"
BINARY = b"PAR1\x00\x93\xff\xfePAR1"
SAMPLES = {"json": JSON, "rows": ROWS, "yaml": YAML, "text": TEXT, "binary": BINARY}
BY_NAME = {corruption.name: corruption for corruption in CORRUPTIONS}


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("a/x.json", JSON, "json"),
        ("data.YAML", YAML, "yaml"),
        ("1.txt", ROWS, "rows"),
        ("train.txt", b"data/1.png\n", "text"),
        ("1.tinyboxes", b"a,1,2\n", "rows"),
        ("x.parquet", BINARY, "binary"),
    ],
)
def test_kind__by_name_and_content(name: str, body: bytes, expected: str) -> None:
    assert kind(name, body) == expected


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.name)
def test_corruption__changes_a_file_of_each_of_its_kinds(corruption: Corruption) -> None:
    for what in corruption.kinds:
        body = SAMPLES[what]
        broken = corruption.change(body)
        assert broken is not None, what
        assert broken != body or corruption.name in {"not-utf-8-text", "blank-at-the-end"}, what


def test_corruption__names_are_unique() -> None:
    assert len(BY_NAME) == len(CORRUPTIONS)


@pytest.mark.parametrize(
    ("name", "place", "found"),
    [
        ("unknown-id", ("annotations", 0, "image_id"), 987_654_321),
        ("text-for-number", ("annotations", 0, "bbox", 1), "five"),
        ("odd-polygon", ("annotations", 0, "segmentation", 0), [1, 1, 2, 2, 3]),
        ("wrong-table", ("images",), 5),
        ("wrong-entry", ("images", 0), 5),
        ("entry-twice", ("images", 1, "id"), 1),
    ],
)
def test_json__is_changed_in_one_place(name: str, place: tuple, found: object) -> None:
    node = json.loads(BY_NAME[name].change(JSON))
    for step in place:
        node = node[step]
    assert node == found


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("short-row", b"0 0.5 0.5 0.25"),
        ("text-in-row", b"0 0.5 0.5 0.25 five"),
        ("unknown-class", b"99999 0.5 0.5 0.25 0.125"),
        ("too-large-float-in-row", b"0 0.5 0.5 0.25 1e400"),
    ],
)
def test_rows__are_changed_in_one_cell(name: str, first: bytes) -> None:
    assert BY_NAME[name].change(ROWS).splitlines()[0] == first


def test_numbers__are_replaced_in_an_array() -> None:
    assert b'"bbox":[NaN,2,3,4]' in BY_NAME["nan"].change(JSON)
    assert b'"bbox":[1e400,2,3,4]' in BY_NAME["too-large-float"].change(JSON)


def test_deep_value__stands_in_a_sound_document() -> None:
    body = BY_NAME["deep-value"].change(JSON)
    assert body.startswith(b'{"deep":[[[')
    assert body.endswith(JSON[1:])
