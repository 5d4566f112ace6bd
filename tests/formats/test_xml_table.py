"""XML as columns: what `ElementTree` finds, or nothing at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from defusedxml.ElementTree import ParseError, fromstring
from hypothesis import given, settings
from hypothesis import strategies as st

from smalti.formats import xml_table

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

PIECES = (
    "<a>", "</a>", "<b>", "</b>", "<c/>", '<a x="1">', '<b x="" y="2">', '<c x="1" x="2"/>', "<a x='1'>", "<", ">", '"',
    "=", "/", " ", "\n", "\r\n", "word", "1.5", "é", "&amp;", "<!-- a -->", "]]>", "<![CDATA[a]]>", "\x00", "\x0b",
    '<?xml version="1.0"?>', '<?xml version="1.0" encoding="utf-8"?>', '<?xml version="1.0" encoding="latin-1"?>',
    "<?a b?>", '<b x="a>b">', '<b x="a\nb">', '<b xmlns="u">', "<a:b>", "<!DOCTYPE a>", 'x="1"', "\ufeff", "]",
)  # fmt: skip


def flat(root: Element, path: str = "") -> list[tuple[str, str | None, dict[str, str]]]:
    """Each element's path, its text where it has no children, and its attributes."""
    own = f"{path}/{root.tag}".removeprefix("/")
    text = None if len(root) else (root.text or "").strip()
    return [(own, text, root.attrib), *(item for child in root for item in flat(child, own))]


def columns(table: xml_table.Table) -> list[tuple[str, str | None, dict[str, str]]]:
    found: list[tuple[str, str | None, dict[str, str]]] = [("", None, {})] * len(table.parent)
    for path in table.paths:
        which = table.of(path)
        texts = table.texts(which).to_pylist()
        said = {name: words.to_pylist() for name, words in table.attributes(which).items()}
        for n, (position, text) in enumerate(zip(which.tolist(), texts, strict=True)):
            own = {name: words[n] for name, words in said.items() if words[n] is not None}
            found[position] = (path, text if table.leaf[position] else None, own)
    return found


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@settings(max_examples=500, deadline=None)
def test_parse__any_text_as_the_parser(text: str) -> None:
    body = text.encode()
    table = xml_table.parse([body])
    try:
        root = fromstring(body, forbid_dtd=True)
    except (ParseError, ValueError):
        assert table is None
        return
    if table is not None:
        assert columns(table) == flat(root)


@given(st.lists(st.sampled_from(PIECES[:8]), max_size=12).map("".join))
@settings(max_examples=300, deadline=None)
def test_parse__nested_tags_as_the_parser(inner: str) -> None:
    test_parse__any_text_as_the_parser.hypothesis.inner_test(f"<a>{inner}</a>")  # type: ignore[attr-defined]


def test_parse__documents_one_after_the_other() -> None:
    bodies = [b'<?xml version="1.0"?>\n<a><b>1</b><b x="&#">2</b></a>', b"<a> <b>\n3 </b></a>\n", b"<a/>"]
    bodies[0] = bodies[0].replace(b"&#", b"\xc3\xa9")
    table = xml_table.parse(bodies)
    assert table is not None
    which = table.of("a/b")
    assert table.texts(which).to_pylist() == ["1", "2", "3"]
    assert table.document[which].tolist() == [0, 0, 1]
    assert [table.raw(n) for n in which.tolist()] == [b"<b>1</b>", b'<b x="\xc3\xa9">2</b>', b"<b>\n3 </b>"]
    assert table.attributes(which)["x"].to_pylist() == [None, "é", None]
    start, stop = table.span(which)
    whole = b"".join(bodies)
    assert [whole[a:b] for a, b in zip(start, stop, strict=True)] == [table.raw(n) for n in which.tolist()]


@pytest.mark.parametrize("bodies", [[b"<a>", b"</a>"], [b"<a/>", b""], [b"<a/><a/>"], [b"<a/>", b"x<a/>"]])
def test_parse__documents_that_are_none(bodies: list[bytes]) -> None:
    assert xml_table.parse(bodies) is None


def test_single__of_each_owner() -> None:
    table = xml_table.parse([b"<a><b><c>1</c></b><b/><b><c> </c></b></a>"])
    assert table is not None
    assert table.single("a/b/c", table.of("a/b")).to_pylist() == ["1", None, ""]  # type: ignore[union-attr]
    twice = xml_table.parse([b"<a><b><c/><c/></b></a>"])
    assert twice is not None
    assert twice.single("a/b/c", twice.of("a/b")) is None
    assert np.array_equal(twice.of("a/b", "a/b/c"), [1, 2, 3])
