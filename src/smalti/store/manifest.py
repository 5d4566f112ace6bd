"""The manifest of one version: which files it is made of, and what is known of it as a whole.

It is one JSON object; docs/design/store.md is its specification. Versions are numbered from 1, and
`versions/<20 digits>.json` is the one place that says what a version holds.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import msgspec

from smalti.errors import DataError
from smalti.schema.schema import Schema

if TYPE_CHECKING:
    from smalti.storage.location import Location

STORE_VERSION = 1
VERSIONS = "versions"  # folders below the store's root
DATA = "data"
LISTS = "lists"
READABLE = 100  # data files, up to which the JSON has lines
CHECK = "look at the whole store with smalti check"  # what to do about damage

Bound = int | str | bool | None


class DataFile(msgspec.Struct, frozen=True):
    """One immutable Parquet file of samples.

    Attributes:
        path: Below the store's root.
        size: Bytes.
        sha256: Of its bytes, 64 hexadecimal digits.
        rows: Samples.
        statistics: For each leaf outside of lists the least value, the greatest, and how many are null.
    """

    path: str
    size: int
    sha256: str
    rows: int
    statistics: dict[str, tuple[Bound, Bound, int]] = {}

    @property
    def hashes(self) -> str:
        """The file beside it with the SHA-256 of each of its samples, 32 bytes each."""
        return f"{self.path.removesuffix('.parquet')}.hashes"


class FileList(msgspec.Struct, frozen=True):
    """A JSON file that lists data files: the second level of the manifests of large stores.

    Attributes:
        path: Below the store's root.
        sha256: Of its bytes.
        files: How many it lists.
        rows: Their samples.
    """

    path: str
    sha256: str
    files: int
    rows: int


class Changes(msgspec.Struct, frozen=True):
    """How many samples a version added, changed and removed."""

    added: int = 0
    changed: int = 0
    removed: int = 0


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One version.

    Attributes:
        store_version: Of the specification.
        version: Its number, from 1.
        parent: The number of the version before it; null for the first.
        nonce: A random number that no other commit has.
        time: When it was committed, ISO 8601 in UTC.
        author: Who committed it.
        message: What for.
        operation: append, replace, update, delete, restore, compact.
        digest: `Dataset.digest()` of it.
        rows: Its samples.
        changes: What differs from the parent.
        lineage: Where it comes from: source, source_format, the smalti release that wrote it.
        tables: The schema's JSON.
        lists: Lists of data files, which come first.
        files: Data files, in the order of the samples.
        checksum: SHA-256 of this JSON without white space between its parts and with an empty checksum.
    """

    store_version: int = STORE_VERSION
    version: int
    parent: int | None
    nonce: str
    time: str
    author: str
    message: str
    operation: str
    digest: str
    rows: int
    changes: Changes
    lineage: dict[str, Any] = {}
    tables: msgspec.Raw = msgspec.field(name="schema")
    lists: tuple[FileList, ...] = ()
    files: tuple[DataFile, ...] = ()
    checksum: str = ""

    @property
    def schema(self) -> Schema:
        """What the columns mean."""
        return Schema.from_json(bytes(self.tables))

    @property
    def when(self) -> datetime:
        """When it was committed, in UTC."""
        return datetime.fromisoformat(self.time.replace("Z", "+00:00"))

    def encode(self) -> bytes:
        """Its JSON."""
        body = msgspec.json.encode(msgspec.structs.replace(self, checksum=self.summed()))
        return msgspec.json.format(body, indent=1 if len(self.files) < READABLE else -1)

    def summed(self) -> str:
        """The checksum that it should have."""
        body = msgspec.json.encode(msgspec.structs.replace(self, checksum=""))
        return hashlib.sha256(msgspec.json.format(body, indent=-1)).hexdigest()


def now() -> str:
    """The time of a commit."""
    return datetime.now(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def decode(body: bytes, place: Location) -> Manifest:
    """Read a manifest.

    Raises:
        DataError: It is none, or one of a later specification.
    """
    try:
        found = msgspec.json.decode(body, type=Manifest)
    except msgspec.MsgspecError as error:
        raise DataError(
            f"found no manifest of a store: {error}",
            file=place.url,
            hint="read an older version with version=, and look at the whole with smalti check",
        ) from error
    if found.store_version != STORE_VERSION:
        raise DataError(
            f"found store_version {found.store_version}, expected {STORE_VERSION}",
            file=place.url,
            hint="a later release of smalti wrote it: upgrade",
        )
    if found.checksum != found.summed():
        raise DataError(
            "found other values than were committed: the checksum is wrong", file=place.url, hint=CHECK
        )
    return found


def encode_list(files: tuple[DataFile, ...]) -> bytes:
    """The JSON of a list of data files."""
    return msgspec.json.encode(files)


def decode_list(body: bytes, place: Location) -> tuple[DataFile, ...]:
    """Read a list of data files.

    Raises:
        DataError: It is none.
    """
    try:
        return msgspec.json.decode(body, type=tuple[DataFile, ...])
    except msgspec.MsgspecError as error:
        raise DataError(f"found no list of data files: {error}", file=place.url) from error
