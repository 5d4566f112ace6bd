"""The description of a sequence in MOTChallenge's datasets: seqinfo.ini.

https://github.com/JonathonLuiten/TrackEval reads it: ``[Sequence] name, imDir, frameRate, seqLength, imWidth, imHeight, imExt``
"""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from smalti.errors import DataError, UnsafePathError
from smalti.formats.sequences import LAST
from smalti.storage.paths import safe_path

if TYPE_CHECKING:
    from smalti.formats.sequence_writer import ClipEnd
    from smalti.storage.location import Location

INFO, PICTURES = "seqinfo.ini", "img1"


@dataclass(frozen=True, slots=True)
class SeqInfo:
    """What a seqinfo.ini says."""

    folder: str = PICTURES
    length: int = 0
    suffix: str = ".jpg"
    width: int | None = None
    height: int | None = None
    rate: float | None = None


def read(place: Location) -> SeqInfo:
    """Read a seqinfo.ini.

    Raises:
        DataError: It is none, or a number in it is none.
    """
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(place.read_text())
    except configparser.Error as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"found no ini file: {reason}", file=place.url) from error
    said = parser["Sequence"] if parser.has_section("Sequence") else {}
    sides = [_number(said.get(key), key, place) for key in ("imWidth", "imHeight", "seqLength", "frameRate")]
    width, height, length = (None if side is None else int(side) for side in sides[:3])
    try:
        folder = safe_path(said.get("imDir") or PICTURES)
    except UnsafePathError as error:
        error.file, error.position = place.url, "imDir"
        raise
    return SeqInfo(folder, length or 0, said.get("imExt") or ".jpg", width, height, sides[3])


def _number(text: str | None, key: str, place: Location) -> float | None:
    """A number of a seqinfo.ini; null where it says none, or 0."""
    if text is None or not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not 0 <= value <= LAST or (key != "frameRate" and value != int(value)):
        raise DataError(f"found {text[:40]!r}, expected a number up to {LAST}", file=place.url, position=key)
    return value or None


def body(clip: ClipEnd, rate: float | None) -> bytes:
    """The seqinfo.ini of a sequence whose pictures are in img1."""
    width, height = clip.size
    said = {
        "name": clip.key[1].rpartition("/")[2] or clip.key[0] or "sequence",
        "imDir": PICTURES,
        "frameRate": rate,
        "seqLength": clip.numbers[-1],
        "imWidth": width,
        "imHeight": height,
        "imExt": clip.names[0][clip.names[0].rfind(".") :] if "." in clip.names[0] else None,
    }
    lines = "".join(f"{key}={_plain(value)}\n" for key, value in said.items() if value is not None)
    return f"[Sequence]\n{lines}".encode()


def _plain(value: object) -> str:
    """A value on one line: a folder's name may hold a line break."""
    if isinstance(value, float):
        return f"{value:g}"
    return " ".join(str(value).split())
