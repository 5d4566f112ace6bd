"""Raw values gathered from their files."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from smalti.formats.coco.texts import Texts

WORDS = [
    b"[]",
    b"[[1, 2.5, 3, 4]]",
    b'{"counts": "a,b", "size": [1, 2]}',
    "[\u201cnot ours\u201d]".encode(),
    b"null",
]


def texts_in(files: list[list[bytes]]) -> tuple[Texts, list[bytes]]:
    """Values in the order that their files have them, with something between them."""
    buffers, file, start, every = [], [], [], []
    for number, words in enumerate(files):
        body = b'{"a": '
        for word in words:
            file.append(number)
            start.append(len(body))
            body += word + b'}, {"a": '
        buffers.append(pa.py_buffer(body))
        every += words
    lengths = np.array([len(word) for word in every], np.int64)
    first = np.array([word[0] for word in every], np.uint8)
    form = np.zeros(len(every), np.uint8)
    return Texts(buffers, np.array(file, np.int16), np.array(start, np.int64), lengths, first, form), every


@pytest.mark.parametrize(
    "files", [[WORDS * 3], [WORDS, WORDS[::-1] * 2], [WORDS[:1]]], ids=["one", "two", "single"]
)
def test_values_are_joined_in_any_order(files: list[list[bytes]]) -> None:
    texts, every = texts_in(files)
    for seed in range(5):
        rows = np.random.default_rng(seed).permutation(len(texts))
        assert texts.take(rows).joined() == b"".join(every[row] + b"," for row in rows)


def test_no_value_gives_no_text() -> None:
    texts, _ = texts_in([WORDS])
    assert texts.take(np.zeros(0, np.int64)).joined() == b""


def test_a_value_may_end_where_its_file_does() -> None:
    body = b"[[1,2]]]"
    texts = Texts(
        [pa.py_buffer(body)],
        np.zeros(1, np.int16),
        np.zeros(1, np.int64),
        np.array([7]),
        np.array([91], np.uint8),
        np.zeros(1, np.uint8),
    )
    assert texts.joined() == b"[[1,2]],"
    assert body == b"[[1,2]]]"
