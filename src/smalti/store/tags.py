"""Tags: names of versions. A tag's folder holds one file a change, and the last one counts.

Files are only ever added, each by one `put_if_absent`, so moving a tag is as safe as making a version.
"""

from __future__ import annotations

import hashlib
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
    """What a tag meant from some time on: a version, or null once it was taken away.

    Attributes:
        version: The version's number.
        time: Since when, ISO 8601 in UTC.
        nonce: A random number that no other has.
        checksum: SHA-256 of its JSON with an empty checksum.
    """

    version: int | None
    time: str
    nonce: str
    checksum: str = ""

    def summed(self) -> str:
        """The checksum that it should have."""
        return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(self, checksum=""))).hexdigest()


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
    tag = Tag(version, now(), secrets.token_hex(16))
    body = msgspec.json.encode(msgspec.structs.replace(tag, checksum=tag.summed()))
    number = len(_listed(folder))
    while not put_if_absent(folder / f"{number:08}.json", body, single_writer=history.single_writer):
        number += 1


def every(history: History) -> dict[str, int]:
    """The version of every tag, by name."""
    root = history.root / TAGS
    last = {
        path.partition("/")[0]: path for path in _listed(root)
    }  # the last file of each, since they are sorted
    tags = history.each(lambda path: read(root / path), last.values())
    return {name: tag.version for name, tag in zip(last, tags, strict=True) if tag.version is not None}


def changes(history: History) -> dict[str, bool]:
    """The file of every change of a tag, below the folder of tags, and whether it is the one that counts."""
    files = _listed(history.root / TAGS)
    last = {path.partition("/")[0]: path for path in files}
    return {path: last[path.partition("/")[0]] == path for path in files}


def read(place: Location) -> Tag:
    """What a file says of a tag.

    Raises:
        DataError: It is no such file, or a damaged one.
    """
    try:
        found = msgspec.json.decode(place.read_bytes(), type=Tag)
    except msgspec.MsgspecError as error:
        raise DataError(f"found no tag: {error}", file=place.url, hint=CHECK) from error
    if found.checksum != found.summed():
        raise DataError(
            "found other values than were written: the checksum is wrong", file=place.url, hint=CHECK
        )
    return found


def _listed(folder: Location) -> list[str]:
    """The files of tags below a folder, sorted."""
    if not folder.is_local:
        folder.fs.invalidate_cache()
    return [name for name in folder.find() if _FILE.fullmatch(name.rpartition("/")[2])]
