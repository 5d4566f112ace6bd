"""Numbers out of many small JSON lists at once, by numpy and Arrow on the joined text.

The texts have passed a JSON parser before (https://www.rfc-editor.org/rfc/rfc8259), so their brackets balance and
their numbers follow JSON's grammar. What is checked here is the shape: a list of numbers, or a list
of lists of numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from smalti.formats.coco.texts import Texts

_BLANKS = b" \n\t\r"
_COMMA, _OPEN, _CLOSE = b",[]"
_OFFSETS_END = 2**31 - 1  # of Arrow's 32-bit strings
PIECE = 1 << 19  # bytes of text parsed at once


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

    Some of them at a time, so that what is made on the way stays in the processor's cache.
    """
    ends = np.cumsum(texts.length)
    cuts = np.flatnonzero(np.diff(ends // PIECE)) + 1  # where the text goes on into the next piece
    pieces, start = [], 0
    for stop in (*cuts.tolist(), len(texts)):
        some = texts.take(np.arange(start, stop))
        read = numbers(some.joined(), len(some))
        if read is None:
            return None
        pieces.append(read)
        start = stop
    columns = zip(*((p.values, p.rings, p.counts, p.flat) for p in pieces), strict=True)
    return Numbers(*map(np.concatenate, columns))


def numbers(text: bytes | bytearray, count: int) -> Numbers | None:
    """Parse texts that are all lists of numbers, or lists of such lists; null where one is not.

    Args:
        text: JSON texts that a parser has accepted, with a comma behind each.
        count: How many there are.
    """
    if any(blank in text for blank in (b" ", b"\n", b"\t", b"\r")):
        text = text.translate(None, _BLANKS)
    symbols = np.frombuffer(text, np.uint8)
    commas = np.flatnonzero(symbols == _COMMA)
    marks = np.flatnonzero((symbols == _OPEN) | (symbols == _CLOSE))
    opens = symbols[marks] == _OPEN
    depth = np.cumsum(np.where(opens, 1, -1))
    top = opens & (depth == 1)
    if np.count_nonzero(top) != count or depth.max(initial=0) > 2:
        return None
    token = np.searchsorted(commas, marks)  # the token that each bracket belongs to
    values = _values(text, commas, token)
    if values is None:
        return None
    leaf = np.flatnonzero(opens[:-1] & ~opens[1:])  # a list without lists in it
    blank = marks[leaf + 1] == marks[leaf] + 1
    length = np.where(blank, 0, token[leaf + 1] - token[leaf] + 1)
    level = depth[leaf]
    ring = ~(blank & (level == 1))  # `[]` is no ring, and `[[]]` is an empty one
    owner = (np.cumsum(top) - 1)[leaf]
    rings = length[ring]
    if rings.sum() != len(values):
        return None
    flat = np.zeros(count, np.bool_)
    flat[owner[ring & (level == 1)]] = True
    return Numbers(values, rings, np.bincount(owner[ring], minlength=count), flat)


def _values(
    text: bytes | bytearray, commas: NDArray[np.int64], token: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """All numbers between the commas; null where a token is no finite number."""
    bounds = np.empty(len(commas) + 2, np.int64)
    bounds[0], bounds[1:-1], bounds[-1] = -1, commas, len(text)
    lengths = np.diff(bounds) - 1 - np.bincount(token, minlength=len(commas) + 1)
    lengths = lengths[lengths > 0]  # an empty list has an empty token
    digits = text.translate(None, b"[],")
    kind, large = (np.int32, False) if len(digits) <= _OFFSETS_END else (np.int64, True)
    offsets = np.zeros(len(lengths) + 1, kind)
    np.cumsum(lengths, out=offsets[1:])
    strings = pa.LargeStringArray if large else pa.StringArray
    words = strings.from_buffers(len(lengths), pa.py_buffer(offsets), pa.py_buffer(digits))
    try:
        values = pc.cast(words, pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        return None
    return values if np.isfinite(values).all() else None


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
    value = msgspec.json.decode(text, type=list[msgspec.Raw]) if text.startswith(b"[") else None
    if value is None:
        return "", f"found {shown(text)}; expected a list of numbers"
    nested = [item for item in value if bytes(item).startswith(b"[")]
    for place, item in enumerate(value):
        if bytes(item).startswith(b"["):
            for inner, number in enumerate(msgspec.json.decode(item, type=list[msgspec.Raw])):
                if not _is_number(number):
                    return f"[{place}][{inner}]", f"found {shown(number)}; expected a finite number"
        elif nested or not _is_number(item):
            wanted = "a list of numbers" if nested else "a finite number"
            return f"[{place}]", f"found {shown(item)}; expected {wanted}"
    return "", f"found {shown(text)}; expected numbers"


def _is_number(text: msgspec.Raw) -> bool:
    try:
        msgspec.json.decode(text, type=float)
    except msgspec.ValidationError:
        return False
    return True


def shown(text: msgspec.Raw | bytes, limit: int = 60) -> str:
    """A JSON text for a message, cut where it is long."""
    body = bytes(text).decode(errors="replace")
    return body if len(body) <= limit else f"{body[:limit]}…"
