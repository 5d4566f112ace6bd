"""Ways in which files are found broken, as functions from a file's bytes to broken bytes.

Each corruption says which files it applies to and what a reader owes: an error, the same content as
before, or merely not to fall over. The catalogue follows what fuzzing and issue trackers of
annotation tools show; none of it knows a format.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Kind = Literal["json", "yaml", "rows", "text", "binary"]
Outcome = Literal["error", "equal", "tame"]

DEPTH = 100_000  # brackets; Python's own parsers stop at a thousand
_FIGURE = rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_NUMBER = re.compile(_FIGURE)
_IN_ARRAY = re.compile(rb"\[\s*(" + _FIGURE + rb")(?:\s*,\s*" + _FIGURE + rb"){3}")  # of coordinates, say
_ROW = re.compile(rb"[^\n]*\d[ \t,]+-?\d[^\n]*")  # a line with two numbers side by side
_JSON = frozenset({".json", ".geojson"})
_YAML = frozenset({".yaml", ".yml"})


@dataclass(frozen=True, slots=True)
class Corruption:
    """One way to break a file.

    Attributes:
        name: Its name, as it appears in a failing test.
        kinds: The kinds of files that it applies to, as `kind` tells them.
        outcome: ``error``: reading raises a `SmaltiError` that names the file. ``equal``: it reads as
            before. ``tame``: either, or it reads as something else, but nothing besides a
            `SmaltiError` comes out.
        change: Gives the broken bytes; null where it does not apply to these.
    """

    name: str
    kinds: frozenset[Kind]
    outcome: Outcome
    change: Callable[[bytes], bytes | None]


def kind(name: str, body: bytes) -> Kind:
    """The kind of a file, by its name and its content; rows are lines of numbers."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in _JSON:
        return "json"
    if suffix in _YAML:
        return "yaml"
    try:
        text = "\0" not in body.decode()
    except UnicodeDecodeError:
        text = False
    if not text:
        return "binary"
    return "rows" if _ROW.search(body) else "text"


def _cut(body: bytes) -> bytes:
    return body[: len(body) // 2]


def _number(token: bytes) -> Callable[[bytes], bytes | None]:
    """Replace the first number of the first array of four or more in a JSON text."""

    def change(body: bytes) -> bytes | None:
        found = _IN_ARRAY.search(body)
        return None if found is None else body[: found.start(1)] + token + body[found.end(1) :]

    return change


def _cell(token: bytes) -> Callable[[bytes], bytes | None]:
    """Replace the last number of the first row of numbers."""

    def change(body: bytes) -> bytes | None:
        row = _ROW.search(body)
        if row is None:
            return None
        last = list(_NUMBER.finditer(body, *row.span()))[-1]
        return body[: last.start()] + token + body[last.end() :]

    return change


def _short_row(body: bytes) -> bytes | None:
    row = _ROW.search(body)
    if row is None:
        return None
    head = re.split(rb"[ \t,]+[^\s,]+\s*$", row[0])[0]
    return body[: row.start()] + head + body[row.end() :]


def _unknown_row(body: bytes) -> bytes | None:
    """Replace a leading whole number, the class in most row formats."""
    changed, count = re.subn(rb"(?m)^\d+(?=[ \t])", b"99999", body, count=1)
    return changed if count else None


def _of_json(edit: Callable[[Any], bool]) -> Callable[[bytes], bytes | None]:
    """Change a parsed document in place; false where there was nothing to change."""

    def change(body: bytes) -> bytes | None:
        document = json.loads(body)
        return json.dumps(document).encode() if edit(document) else None

    return change


def _entries(document: Any) -> Iterator[dict[str, Any]]:
    """Every object of a JSON document, outer ones first."""
    stack = [document]
    while stack:
        node = stack.pop(0)
        if isinstance(node, dict):
            yield node
        stack += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()


def _tables(document: Any) -> Iterator[list[dict[str, Any]]]:
    """Every list of objects directly in the document."""
    lists = document.values() if isinstance(document, dict) else [document]
    for value in lists:
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield value


def _unknown_ids(document: Any) -> bool:
    for entry in _entries(document):
        for key in entry:
            if key.endswith("_id"):
                entry[key] = 987_654_321
                return True
    return False


def _twice(document: Any) -> bool:
    for table in list(_tables(document)):
        table.append(dict(table[0]))
        return True
    return False


def _missing_key(document: Any) -> bool:
    for entry in _entries(document):
        for key in list(entry):
            if key.endswith("_id"):
                del entry[key]
                return True
    return False


def _wrong_table(document: Any) -> bool:
    for key in list(document) if isinstance(document, dict) else []:
        if any(table is document[key] for table in _tables(document)):
            document[key] = 5
            return True
    return False


def _wrong_entry(document: Any) -> bool:
    for table in list(_tables(document)):
        table[0] = 5  # type: ignore[call-overload]  # that it is of the wrong type is the point
        return True
    return False


def _odd_ring(document: Any) -> bool:
    for entry in _entries(document):
        for value in entry.values():
            rings = value if isinstance(value, list) else []
            for ring in rings:
                if isinstance(ring, list) and len(ring) >= 6 and len(ring) % 2 == 0:
                    ring.pop()
                    return True
    return False


def _text_for_number(document: Any) -> bool:
    for entry in _entries(document):
        for value in entry.values():
            if isinstance(value, list) and len(value) == 4 and all(isinstance(v, int | float) for v in value):
                value[1] = "five"
                return True
    return False


def _deep_value(body: bytes) -> bytes:
    head, brace, tail = body.partition(b"{")
    return head + brace + b'"deep":' + b"[" * DEPTH + b"]" * DEPTH + b"," + tail


def _crlf(body: bytes) -> bytes:
    return body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _latin(body: bytes) -> bytes | None:
    """An invalid UTF-8 byte inside the first word of letters."""
    found = re.search(rb"[A-Za-z]{3}", body)
    return None if found is None else body[: found.start() + 1] + b"\xe9" + body[found.start() + 1 :]


def _utf16(body: bytes) -> bytes | None:
    return body.decode().encode("utf-16")


def _corruption(
    name: str, kinds: str, outcome: Outcome, change: Callable[[bytes], bytes | None]
) -> Corruption:
    return Corruption(name, frozenset(kinds.split()), outcome, change)  # type: ignore[arg-type]  # words of Kind


_BOMB = b"a: &a [x, x]\n" + b"".join(
    b"%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n" % (n, n, *[n - 1] * 8)
    for n in range(ord("b"), ord("m"))
)

CORRUPTIONS: tuple[Corruption, ...] = (
    _corruption("empty", "json yaml binary", "error", lambda _: b""),
    _corruption("empty-rows", "rows text", "tame", lambda _: b""),
    _corruption("truncated", "json binary", "error", _cut),
    _corruption("truncated-text", "yaml rows text", "tame", _cut),
    _corruption("junk", "json yaml rows binary", "error", lambda _: bytes(range(128, 256)) * 4),
    _corruption("junk-text", "text", "tame", lambda _: bytes(range(128, 256)) * 4),
    _corruption("nul-bytes", "json yaml rows binary", "error", lambda body: b"\0" * len(body)),
    _corruption("byte-order-mark", "json yaml rows text", "equal", lambda body: b"\xef\xbb\xbf" + body),
    _corruption("crlf", "json yaml rows text", "equal", _crlf),
    _corruption("no-final-newline", "json yaml rows text", "equal", lambda body: body.rstrip(b"\n")),
    _corruption("blank-at-the-end", "json yaml rows", "equal", lambda body: body + b"\n\n"),
    _corruption("utf-16", "json rows", "error", _utf16),
    _corruption("not-utf-8", "json yaml", "error", _latin),
    _corruption("not-utf-8-text", "text", "tame", _latin),
    _corruption("trailing-garbage", "json", "error", lambda body: body.rstrip() + b"}{"),
    _corruption("wrong-root", "json", "error", lambda _: b"42"),
    _corruption("wrong-root-list", "yaml", "error", lambda _: b"- 1\n- 2\n"),
    _corruption("wrong-table", "json", "error", _of_json(_wrong_table)),
    _corruption("wrong-entry", "json", "error", _of_json(_wrong_entry)),
    _corruption("text-for-number", "json", "error", _of_json(_text_for_number)),
    _corruption("text-in-row", "rows", "error", _cell(b"five")),
    _corruption("nan", "json", "error", _number(b"NaN")),
    _corruption("nan-in-row", "rows", "error", _cell(b"NaN")),
    _corruption("infinity", "json", "error", _number(b"-Infinity")),
    _corruption("infinity-in-row", "rows", "error", _cell(b"-inf")),
    _corruption("too-large-float", "json", "error", _number(b"1e400")),
    _corruption("too-large-float-in-row", "rows", "error", _cell(b"1e400")),
    _corruption("endless-number", "json", "error", _number(b"9" * 10_000)),
    _corruption("endless-number-in-row", "rows", "error", _cell(b"9" * 10_000)),
    _corruption("too-large-int", "json", "tame", _number(b"36893488147419103232")),
    _corruption("unknown-class", "rows", "error", _unknown_row),
    _corruption("unknown-id", "json", "error", _of_json(_unknown_ids)),
    _corruption("missing-key", "json", "error", _of_json(_missing_key)),
    _corruption("entry-twice", "json", "tame", _of_json(_twice)),
    _corruption("odd-polygon", "json", "error", _of_json(_odd_ring)),
    _corruption("short-row", "rows", "error", _short_row),
    _corruption("deep", "json yaml", "error", lambda _: b"[" * DEPTH),
    _corruption("deep-closed", "json yaml", "error", lambda _: b"[" * DEPTH + b"]" * DEPTH),
    _corruption("deep-value", "json", "tame", _deep_value),
    _corruption("alias-bomb", "yaml", "error", lambda _: _BOMB),
    _corruption(
        "yaml-code", "yaml", "tame", lambda body: body + b"\nx: !!python/object/apply:os._exit [9]\n"
    ),
)
