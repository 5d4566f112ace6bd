"""JSON documents as plain values, checked where they are used.

https://www.rfc-editor.org/rfc/rfc8259
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from smalti.errors import DataError
from smalti.storage.location import BOM

WORDS = {"dict": "an object", "list": "a list", "str": "text"}


def parse(body: bytes, kind: type) -> Any:
    """A document whose outermost value is of a kind: dict or list.

    Raises:
        DataError: It is no JSON, or another value.
    """
    try:
        found = msgspec.json.decode(body.removeprefix(BOM))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"no JSON: {error}") from error
    return of(found, kind, "the document")


def of(value: Any, kind: type, name: str) -> Any:
    """The value, if it is of a kind.

    Raises:
        DataError: It is not.
    """
    if not isinstance(value, kind):
        raise DataError(f"{name}: found {_shown(value)}, expected {WORDS.get(kind.__name__, kind.__name__)}")
    return value


def number(value: Any, name: str) -> float:
    """The value, if it is a finite number.

    Raises:
        DataError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
        raise DataError(f"{name}: found {_shown(value)}, expected a number")
    return float(value)


def pixels(value: Any, name: str) -> int | None:
    """A side of a picture; null where it is null or 0.

    Raises:
        DataError: It is no whole number of pixels.
    """
    if value is None:
        return None
    found = number(value, name)
    if found < 0 or found >= 2**31 or found != int(found):
        raise DataError(f"{name}: found {_shown(value)}, expected a whole number of pixels")
    return int(found) or None


def text(value: Any) -> str:
    """A value as JSON."""
    return msgspec.json.encode(value).decode()


def short(value: float) -> float:
    """A number with 15 digits, so that sums and differences of short decimals stay short."""
    return float(f"{value:.15g}")


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that no double holds
        return False


def _shown(value: Any) -> str:
    words = repr(value)
    return words if len(words) <= 60 else f"{words[:60]}…"
