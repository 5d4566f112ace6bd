"""What is wrong with a file that is no JSON: found again slowly, so that the error can name the place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from smalti.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalti.formats.coco.decode import Decoded

_LONE = re.compile(rb"(?<!\\)(?:\\\\)*(\\u[dD][89abAB][0-9a-fA-F]{2})(?!\\u[dD][c-fC-F])")
_MESSAGE = re.compile(r"(?:JSON is malformed: )?(.*?)(?: \(byte (\d+)\))?", re.DOTALL)
_UTF8 = "save the file as UTF-8"


def not_utf8(url: str, body: memoryview, start: int) -> DataError:
    """The error for a file whose bytes are no UTF-8; `start` is where the body starts in the file."""
    try:
        str(body, "utf-8")
    except UnicodeDecodeError as error:
        return DataError(
            f"found the byte 0x{body[error.start]:02x}; expected text in UTF-8",
            file=url,
            position=f"byte {error.start + start}",
            hint=_UTF8,
        )
    return DataError("a text is no UTF-8", file=url, hint=_UTF8)


def not_json(url: str, body: memoryview, start: int, message: str) -> DataError:
    """The error for a file that is no JSON, from msgspec's message."""
    found = _MESSAGE.fullmatch(message)
    reason, offset = (found[1], found[2]) if found else (message, None)
    hint = "the file may be cut short or damaged; fetch it again"
    if body[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        reason, offset, hint = "the file is in UTF-16", "0", _UTF8
    elif "truncated" in message:
        lone = _LONE.search(body)
        if lone:
            reason, offset, hint = "a lone surrogate is no character", str(lone.start(1)), "mend the escape"
        else:
            reason, offset = "the text ends too early", str(len(body))
    position = None if offset is None else f"byte {int(offset) + start}"
    return DataError(f"not valid JSON: {reason}", file=url, position=position, hint=hint)


def malformed(files: Iterable[Decoded], message: str) -> DataError:
    """The error for files one of which has a text that cannot be read, wherever it stands."""
    for file in files:
        body = memoryview(file.buffer).cast("B")
        try:
            str(body, "utf-8")
        except UnicodeDecodeError:
            return not_utf8(file.url, body, 0)
        if _LONE.search(body):
            return not_json(file.url, body, 0, "truncated")
    return DataError(f"a text cannot be read: {message}")
