"""The versions of a store as they lie on a file system: found, read, and added one after the other.

birds/
README.md                        how other tools read it
versions/00000000000000000001.json   a manifest a version; making this file is the commit
lists/<random>.json              lists of data files, for manifests of more than some thousand
data/<random>.parquet            samples; never changed, never used by no version for long
data/<random>.hashes             the SHA-256 of each of its samples
tags/<name>/<8 digits>.json      what a tag meant, one file a change; the last one counts
media/                           images that are stored with the dataset
"""

from __future__ import annotations

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import pyarrow.compute as pc

from smalti.errors import DataError, EmptySourceError, OptionError, listed
from smalti.storage.commit import probe, put_if_absent, refuse_unsafe
from smalti.storage.durable import make_folder
from smalti.store.files import read_hashes, read_ids, read_table
from smalti.store.manifest import CHECK, DATA, VERSIONS, DataFile, Manifest, decode, decode_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from smalti.schema.schema import Schema
    from smalti.storage.location import Location

REQUESTS = 16  # at once, of small files that are far
_NAME = re.compile(r"\d{20}\.json")
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Snapshot:
    """One version, and the store that it is of.

    Attributes:
        root: The store's folder.
        manifest: What the version says of itself.
    """

    root: Location
    manifest: Manifest

    @property
    def number(self) -> int:
        """The version's number."""
        return self.manifest.version

    @cached_property
    def files(self) -> tuple[DataFile, ...]:
        """All data files, in the order of the samples."""
        listed: list[DataFile] = []
        for one in self.manifest.lists:
            place = self.root / one.path
            body = place.read_bytes()
            if hashlib.sha256(body).hexdigest() != one.sha256:
                raise DataError("found other bytes than were committed", file=place.url, hint=CHECK)
            listed += decode_list(body, place)
        return (*listed, *self.manifest.files)

    @cached_property
    def schema(self) -> Schema:
        """What the columns mean. A media root that is empty is the store itself."""
        schema = self.manifest.schema
        if schema.media_root == "":  # HERE, in media.py
            return schema.model_copy(update={"media_root": self.root.url})
        return schema


class History:
    """The versions of the store at a place.

    Args:
        root: The store's folder; there may be none yet.
        single_writer: Whether the caller vouches that nobody else writes there.
    """

    def __init__(self, root: Location, *, single_writer: bool = False) -> None:
        self.root = root
        self.single_writer = single_writer
        self._ready = False
        self._listing: list[int] | None = None
        # Data files never change: what was read of them once holds, some 60 bytes a sample.
        self._hashes: dict[str, NDArray[np.bytes_]] = {}
        self._ids: dict[str, pa.Array] = {}
        self._media: dict[str, set[str]] = {}

    def hashes(self, file: DataFile) -> NDArray[np.bytes_]:
        """The hashes of a file's samples; see `smalti.store.files.read_hashes`."""
        if file.path not in self._hashes:
            self._hashes[file.path] = read_hashes(self.root, file)
        return self._hashes[file.path]

    def keep(self, file: DataFile, ids: pa.Array, hashes: NDArray[np.bytes_]) -> None:
        """Know the ids and hashes of a file that was just written."""
        self._ids[file.path] = ids
        self._hashes[file.path] = hashes

    def ids(self, file: DataFile) -> pa.Array:
        """The ids of a file's samples."""
        if file.path not in self._ids:
            self._ids[file.path] = read_ids(self.root, file)
        return self._ids[file.path]

    def media(self, file: DataFile) -> set[str]:
        """The files that the images of a data file lie in, below the store's root."""
        if file.path not in self._media:
            table = read_table(self.root, file, ["image.path", "image.sha256"]).flatten()
            if "image.sha256" in table.column_names:
                table = table.filter(pc.is_valid(table.column("image.sha256")))
                self._media[file.path] = set(pc.unique(table.column("image.path")).to_pylist())
            else:
                self._media[file.path] = set()
        return self._media[file.path]

    def numbers(self) -> list[int]:
        """The numbers of the versions, ascending: what the file system says right now."""
        return sorted(int(name[:20]) for name in _names(self.root / VERSIONS) if _NAME.fullmatch(name))

    def place(self, number: int) -> Location:
        """Where a version's manifest is."""
        return self.root / f"{VERSIONS}/{number:020}.json"

    def snapshot(self, number: int) -> Snapshot:
        """A version by its number.

        Raises:
            OptionError: There is no such version.
            DataError: Its manifest is damaged.
        """
        place = self.place(number)
        try:
            body = place.read_bytes()
        except FileNotFoundError as error:
            raise OptionError(f"{self.root.url}: there is no version {number}; {self._known()}") from error
        return Snapshot(self.root, decode(body, place))

    def glimpse(self) -> bool:
        """Whether there is a version. The same listing serves the next `latest`: opening asks for one."""
        try:
            self._listing = self.numbers()
        except DataError:  # not even that can be told: it is for the formats to find out what it is
            return False
        return bool(self._listing)

    def latest(self) -> Snapshot | None:
        """The newest version; null where there is no store yet."""
        numbers, self._listing = self._listing or self.numbers(), None
        return self.snapshot(numbers[-1]) if numbers else None

    def snapshots(self) -> list[Snapshot]:
        """Every version, the oldest first."""
        return self.each(self.snapshot, self.numbers())

    def each(self, act: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """What a function that reads a file gives for each of many; many at a time where they are far."""
        if self.root.is_local:
            return [act(item) for item in items]
        with ThreadPoolExecutor(self.root.workers(REQUESTS)) as pool:
            return list(pool.map(act, items))

    def newest(self) -> Snapshot:
        """The newest version.

        Raises:
            EmptySourceError: There is no store.
        """
        found = self.latest()
        if found is None:
            raise EmptySourceError(
                f"{self.root.url}: there is no store (no file in {VERSIONS}/); check the path"
            )
        return found

    def before(self, moment: datetime) -> Snapshot:
        """The newest version that was committed by then.

        Raises:
            OptionError: There was none yet.
        """
        for number in reversed(self.numbers()):
            found = self.snapshot(number)
            if found.manifest.when <= moment:
                return found
        raise OptionError(f"{self.root.url}: there was no version at {moment.isoformat()}; {self._known()}")

    def prepare(self) -> None:
        """Make the folders, and find out whether the file system can keep writers apart.

        Raises:
            OptionError: It cannot.
        """
        if self._ready:
            return
        refuse_unsafe(self.root, single_writer=self.single_writer)
        for name in (VERSIONS, DATA):
            make_folder(self.root / name)
        if not self.single_writer:
            probe(self.root)
        self._ready = True

    def put(self, manifest: Manifest) -> bool:
        """Commit a version; whether it is this one that has the number now."""
        return put_if_absent(
            self.place(manifest.version), manifest.encode(), single_writer=self.single_writer
        )

    def _known(self) -> str:
        numbers = self.numbers()
        if len(numbers) > 1 and numbers == list(range(numbers[0], numbers[-1] + 1)):
            return f"there are {numbers[0]} to {numbers[-1]}"
        return f"there are {listed(numbers)}"  # pruned ones leave gaps


def _names(folder: Location) -> Iterable[str]:
    try:
        if not folder.is_local:
            folder.fs.invalidate_cache(folder.path)
        return [name for name, _ in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except Exception as error:
        if folder.protocol not in {"http", "https"}:
            raise
        raise DataError(
            f"the server does not list its folders: {error}",
            file=folder.url,
            hint="read a version by its number, with format='smalti' and version=",
        ) from error
