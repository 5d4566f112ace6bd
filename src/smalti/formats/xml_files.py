"""XML as plain values and back, read without what makes XML dangerous: no DTD, no entities, no great depth.

https://www.w3.org/TR/xml/; what hostile files do: https://docs.python.org/3/library/xml.html#xml-security
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa

from smalti.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection
    from xml.etree.ElementTree import Element

DEEPEST = 64
NAME = re.compile(r"[A-Za-z_][\w.\-]*")
_ENCODING = re.compile(rb"encoding\s*=\s*[\"']([^\"']*)")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def parse(body: bytes, root: str) -> Element:
    """The root element of a document.

    Args:
        body: The file.
        root: The name that the root element must have.

    Raises:
        DataError: It is no XML, declares a DTD, or is another kind of document.
    """
    from xml.etree.ElementTree import ParseError, fromstring  # `_harmless` says when it may read

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring as guarded

    try:
        found = fromstring(body) if _harmless(body) else guarded(body, forbid_dtd=True)  # noqa: S314  # harmless
    except ParseError as error:
        line, column = error.position
        raise DataError(f"no XML: {error}", position=f"line {line}, column {column + 1}") from error
    except DefusedXmlException as error:
        raise DataError(f"found {type(error).__name__}; expected XML without a DTD or entities") from error
    except (LookupError, ValueError) as error:  # an unknown encoding, or one that does not fit
        raise DataError(f"no XML: {error}") from error
    if found.tag != root:
        raise DataError(f"found the element {found.tag!r}, expected {root!r}")
    return found


def _harmless(body: bytes) -> bool:
    """Whether a file cannot declare a DTD, and with it entities: no bytes of it spell one, and they are ASCII's.

    The guarded parser runs Python for every tag, six times as long.
    """
    head = _ENCODING.search(body[:200])
    plain_text = head is None or head[1].lower() in {b"utf-8", b"us-ascii", b"iso-8859-1"}
    return plain_text and b"\0" not in body and b"<!DOCTYPE" not in body


def text(element: Element | None) -> str | None:
    """An element's text without blanks around it; null where there is no element, or no text."""
    found = None if element is None or element.text is None else element.text.strip()
    return found or None


def plain(element: Element, depth: int = 0, without: Collection[str] = ()) -> Any:
    """An element as text, or as a dict of its children; several of one name are a list, attributes are ``@name``.

    Args:
        element: The element.
        depth: How deep it lies.
        without: Children that are left out.

    Raises:
        DataError: It is nested too deep.
    """
    if depth > DEEPEST:
        raise DataError(f"found elements nested more than {DEEPEST} deep")
    if not len(element) and not element.attrib:
        return (element.text or "").strip()
    found: dict[str, Any] = {f"@{name}": value for name, value in element.attrib.items()}
    if own := (element.text or "").strip():
        found["#text"] = own
    for child in element:
        if child.tag in without:
            continue
        value = plain(child, depth + 1)
        if child.tag not in found:
            found[child.tag] = value
        elif isinstance(found[child.tag], list):
            found[child.tag].append(value)
        else:
            found[child.tag] = [found[child.tag], value]
    return found


def element(name: str, value: Any, indent: str = "") -> str:
    """Text, or what `plain` gave, as lines of XML."""
    if isinstance(value, list):
        return "".join(element(name, item, indent) for item in value)
    if not isinstance(value, dict):
        return f"{indent}<{name}>{escaped(str(value))}</{name}>\n"
    attributes = "".join(f" {key[1:]}={quoteattr(str(v))}" for key, v in value.items() if key[:1] == "@")
    inner = "".join(element(key, v, f"{indent}\t") for key, v in value.items() if key[:1] not in {"@", "#"})
    own = escaped(str(value.get("#text", "")))
    if not inner:
        return f"{indent}<{name}{attributes}>{own}</{name}>\n"
    return f"{indent}<{name}{attributes}>{own}\n{inner}{indent}</{name}>\n"


def escaped(words: str) -> str:
    """Text as XML has it.

    Raises:
        DataError: It has a character that XML cannot hold.
    """
    if _FORBIDDEN.search(words):
        raise DataError(f"found {words!r}, which has a character that XML cannot hold; rename it")
    return escape(words)


def escaped_words(words: pa.DictionaryArray) -> pa.Array:
    """Many texts as XML has them; only those that are used are looked at.

    Raises:
        DataError: One has a character that XML cannot hold.
    """
    used = set(words.indices.unique().to_pylist())
    known = [escaped(word) if n in used else None for n, word in enumerate(words.dictionary.to_pylist())]
    return pa.array(known, pa.string()).take(words.indices)


def number(value: float) -> str:
    """A number with up to 15 digits, so that sums and differences of short decimals stay short."""
    return f"{value:.15g}"
