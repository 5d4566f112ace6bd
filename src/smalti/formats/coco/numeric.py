"""Numbers out of many small JSON lists at once, by numpy and Arrow on the joined text.

Texts are lists of numbers, or lists of such lists (https://www.rfc-editor.org/rfc/rfc8259). What stands between two
commas is a number, with brackets at its ends; nothing else passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw

from smalti.formats.coco.texts import COMMA
from smalti.native import json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from smalti.formats.coco.texts import Texts

_BLANKS = (b" ", b"\n", b"\t", b"\r")
_OPEN, _CLOSE, _BLANK = b"[] "
PIECE = 1 << 20  # bytes of text parsed at once: with less, threads wait for each other more than they work


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of n texts, rings one after the other.

    Attributes:
        values: float64 ``(numbers,)``, finite.
        rings: int64 ``(rings,)``, how many numbers each innermost list has.
        counts: int64 ``(n,)``, how many innermost lists each text has; 0 for ``[]``.
        flat: bool ``(n,)``, the text is one list of numbers, which counts as one ring.
    """

    values: NDArray[np.float64]
    rings: NDArray[np.int64]
    counts: NDArray[np.int64]
    flat: NDArray[np.bool_]


def numbers_of(texts: Texts) -> Numbers | None:
    """Parse texts that are all lists of numbers, or lists of such lists; null where one is not.

    Some of them at a time, so that what is made on the way stays small.
    """
    if json is not None and len(texts) and (texts.file == texts.file[0]).all():
        return _listed(texts)
    ends = np.cumsum(texts.length)
    cuts = np.flatnonzero(np.diff(ends // PIECE)) + 1  # where the text goes on into the next piece
    values = np.empty(int(texts.length.sum()) // 2 + 1)  # a number has a symbol, and one behind it
    pieces, start, done = [], 0, 0
    for stop in (*cuts.tolist(), len(texts)):
        some = texts.take(np.arange(start, stop))
        read = numbers(some.joined(), len(some), values[done:])
        if read is None:
            return None
        pieces.append(read)
        start, done = stop, done + len(read.values)
    values.resize(done, refcheck=False)  # nobody else knows it yet
    columns = zip(*((p.rings, p.counts, p.flat) for p in pieces), strict=True)
    return Numbers(values, *map(np.concatenate, columns))


def _listed(texts: Texts) -> Numbers | None:
    """The same where they stand, without a copy of them: texts of one file."""
    room, count = int(texts.length.sum()) // 2, len(texts)
    values, rings = np.empty(room), np.empty(room, np.int64)
    counts, flat = np.empty(count, np.int64), np.empty(count, np.bool_)
    buffer = texts.buffers[int(texts.file[0])]
    found = json.lists(buffer, texts.start, texts.length, values, rings, counts, flat)
    if found is None:
        return None
    values.resize(found[0], refcheck=False)  # nobody else knows it yet
    return Numbers(values, rings[: found[1]].copy(), counts, flat)


def numbers(text: bytes, count: int, out: NDArray[np.float64] | None = None) -> Numbers | None:
    """Parse texts that are all lists of numbers, or lists of such lists; null where one is not.

    Args:
        text: JSON texts, with a comma behind each.
        count: How many there are.
        out: Takes the numbers, and has room for them; null: a new array.
    """
    if not count:
        none = np.zeros(0, np.int64)
        return Numbers(np.zeros(0), none, none, np.zeros(0, np.bool_))
    found = _read(text, count, out)
    if found is not None or not any(blank in text for blank in _BLANKS):
        return found
    try:  # what blanks keep apart may not grow together
        msgspec.json.decode(b"[" + text[:-1] + b"]", type=list[Raw])
    except (msgspec.DecodeError, RecursionError):
        return None
    return _read(text.translate(None, b"".join(_BLANKS)), count, out)


def _read(text: bytes, count: int, out: NDArray[np.float64] | None) -> Numbers | None:
    """Parse texts without any blank but one behind a comma; null where they are not."""
    symbols = np.frombuffer(text, np.uint8)
    stop = np.flatnonzero(symbols == COMMA)
    if not len(stop) or stop[-1] != len(text) - 1:
        return None
    start = np.zeros(len(stop), np.int64)
    np.add(stop[:-1], 1, out=start[1:])
    if b", " in text:
        start[1:] += symbols[start[1:]] == _BLANK
    marks = np.flatnonzero((symbols == _OPEN) | (symbols == _CLOSE))
    opens = symbols[marks] == _OPEN
    level = np.cumsum(np.where(opens, 1, -1))
    if not len(marks) or level.min() < 0 or level.max() > 2 or level[-1]:
        return None
    token = np.searchsorted(stop, marks)  # what stands between two commas, with the brackets at its ends
    if not _at_ends(token, opens, marks, start, stop):
        return None
    for depth in (1, 2):  # no token has two brackets of a kind
        start[token[opens & (level == depth)]] += 1
        stop[token[~opens & (level == depth - 1)]] -= 1
    blank = token[:-1][opens[:-1] & ~opens[1:] & (marks[:-1] + 1 == marks[1:])]
    values = _values(text, start, stop, blank, out)
    return None if values is None else _numbers(values, marks, opens, level, token, count)


def _at_ends(
    token: NDArray[np.int64],
    opens: NDArray[np.bool_],
    marks: NDArray[np.int64],
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
) -> bool:
    """Whether every bracket stands at its side of a token, alone or beside one of its kind."""
    same = (token[1:] == token[:-1]) & (opens[1:] == opens[:-1])
    first, second = np.concatenate([[False], same]), np.concatenate([same, [False]])
    expected = np.where(opens, start[token] + first, stop[token] - 1 - second)
    return bool((marks == expected).all())


def _values(
    text: bytes,
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    blank: NDArray[np.int64],
    out: NDArray[np.float64] | None,
) -> NDArray[np.float64] | None:
    """The numbers of all tokens but those of empty lists; null where one is no finite number."""
    places = np.empty(2 * len(start), np.int64)
    places[::2], places[1::2] = start, stop
    if len(blank):
        places = np.delete(places.reshape(-1, 2), blank, axis=0).ravel()
    return _numbers_at(text, places, out)


def _numbers_at(
    text: bytes, places: NDArray[np.int64], out: NDArray[np.float64] | None
) -> NDArray[np.float64] | None:
    """The numbers between the places 0 and 1, 2 and 3, …, of a text.

    Args:
        text: ASCII.
        places: int64 ``(2 n,)``, never falling.
        out: Takes the numbers, if it has room for them; null: a new array.

    Returns:
        ``(n,)``; null where one is no finite number.
    """
    count = len(places) // 2
    if not count:
        return np.zeros(0)
    # Numbers, and what stands between them as nulls, which a cast passes over.
    valid = pa.py_buffer(np.full(count // 4 + 1, 0b01010101, np.uint8))
    buffers = [valid, pa.py_buffer(places), pa.py_buffer(text)]
    pieces = pa.Array.from_buffers(pa.large_string(), 2 * count - 1, buffers, null_count=count - 1)
    try:
        cast = pc.cast(pieces, pa.float64())
    except pa.ArrowInvalid:
        return None
    values = np.empty(count) if out is None else out[:count]
    values[:] = np.frombuffer(cast.buffers()[1], np.float64)[: 2 * count - 1 : 2]
    return values if np.isfinite(values).all() else None


def _numbers(
    values: NDArray[np.float64],
    marks: NDArray[np.int64],
    opens: NDArray[np.bool_],
    level: NDArray[np.int64],
    token: NDArray[np.int64],
    count: int,
) -> Numbers | None:
    """The numbers with their lists, told by the brackets."""
    top = opens & (level == 1)
    leaf = np.flatnonzero(opens[:-1] & ~opens[1:])  # a list without lists in it
    blank = marks[leaf + 1] == marks[leaf] + 1
    length = np.where(blank, 0, token[leaf + 1] - token[leaf] + 1)
    ring = ~(blank & (level[leaf] == 1))  # `[]` is no ring, and `[[]]` is an empty one
    owner = (np.cumsum(top) - 1)[leaf]
    rings = length[ring]
    if np.count_nonzero(top) != count or rings.sum() != len(values):
        return None
    flat = np.zeros(count, np.bool_)
    flat[owner[ring & (level[leaf] == 1)]] = True
    return Numbers(values, rings, np.bincount(owner[ring], minlength=count), flat)


def misfits(texts: Texts) -> list[int]:
    """The indices of the texts that `numbers` refuses, found by halving."""
    found: list[int] = []
    pending = [(0, len(texts))]
    while pending:
        start, stop = pending.pop()
        some = texts.take(np.arange(start, stop))
        if start == stop or numbers_of(some) is not None:
            continue
        if stop - start == 1:
            found.append(start)
        else:
            middle = (start + stop) // 2
            pending += [(middle, stop), (start, middle)]
    return found


def complaint(text: bytes) -> tuple[str, str]:
    """What is wrong with one refused text: the place in it, and what was found there."""
    try:
        value = msgspec.json.decode(text, type=list[Raw]) if text.startswith(b"[") else None
    except (msgspec.DecodeError, RecursionError):
        return "", f"found {shown(text)}, which is no JSON; expected numbers"
    if value is None:
        return "", f"found {shown(text)}; expected a list of numbers"
    nested = [item for item in value if bytes(item).startswith(b"[")]
    for place, item in enumerate(value):
        if bytes(item).startswith(b"["):
            for inner, number in enumerate(msgspec.json.decode(item, type=list[Raw])):
                if not _is_number(number):
                    return f"[{place}][{inner}]", f"found {shown(number)}; expected a finite number"
        elif nested or not _is_number(item):
            wanted = "a list of numbers" if nested else "a finite number"
            return f"[{place}]", f"found {shown(item)}; expected {wanted}"
    return "", f"found {shown(text)}; expected numbers"


def _is_number(text: Raw) -> bool:
    try:
        msgspec.json.decode(text, type=float)
    except msgspec.ValidationError:
        return False
    return True


def shown(text: Raw | bytes, limit: int = 60) -> str:
    """A JSON text for a message, cut where it is long."""
    body = bytes(text).decode(errors="replace")
    return body if len(body) <= limit else f"{body[:limit]}…"
