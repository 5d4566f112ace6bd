"""Tags: names of versions. A tag's folder holds one file a change, and the last one counts.

Files are only ever added, each by one `put_if_absent`, so moving a tag is as safe as making a version.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

import msgspec

from smalti.errors import DataError, OptionError
from smalti.storage.commit import put_if_absent
from smalti.storage.durable import make_folder
from smalti.store.manifest import CHECK, now

if TYPE_CHECKING:
    from smalti.storage.location import Location
    from smalti.store.history import History

TAGS = "tags"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FILE = re.compile(r"\d{8}\.json")


class Tag(msgspec.Struct, frozen=True):
    """What a tag meant from some time on: a version, or null once it was taken away."""

    version: int | None
    time: str
    nonce: str


def put(history: History, name: str, version: int | None) -> None:
    """Let a tag mean a version, or nothing any more.

    Raises:
        OptionError: The name has other characters than letters, digits, ``.``, ``_`` and ``-``, or is a number.
    """
    if not _NAME.fullmatch(name) or name.isdigit():
        raise OptionError(
            f"found the tag {name!r}; expected a letter, then letters, digits, '.', '_' and '-', and no number"
        )
    if version is None and name not in every(history):
        raise OptionError(f"{history.root.url}: there is no tag {name!r}")
    folder = history.root / f"{TAGS}/{name}"
    make_folder(folder)
    body = msgspec.json.encode(Tag(version, now(), secrets.token_hex(16)))
    number = len(_files(folder))
    while not put_if_absent(folder / f"{number:08}.json", body, single_writer=history.single_writer):
        number += 1


def every(history: History) -> dict[str, int]:
    """The version of every tag, by name."""
    root = history.root / TAGS
    names = sorted({name.partition("/")[0] for name in _listed(root)})
    found = {name: _last(root / name).version for name in names}
    return {name: version for name, version in found.items() if version is not None}


def _last(folder: Location) -> Tag:
    place = folder / max(_files(folder))
    try:
        return msgspec.json.decode(place.read_bytes(), type=Tag)
    except msgspec.MsgspecError as error:
        raise DataError(f"found no tag: {error}", file=place.url, hint=CHECK) from error


def _files(folder: Location) -> list[str]:
    return [name for name in _listed(folder) if _FILE.fullmatch(name)]


def _listed(folder: Location) -> list[str]:
    if not folder.is_local:
        folder.fs.invalidate_cache()
    return [name for name in folder.find() if _FILE.fullmatch(name.rpartition("/")[2])]
