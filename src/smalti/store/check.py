"""Look at a whole store: every manifest, file, checksum and digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from smalti.dataset.digest import digest_of, row_hashes
from smalti.errors import SmaltiError
from smalti.schema.schema import Schema
from smalti.store import tags
from smalti.store.files import read_hashes, read_table
from smalti.store.media import paths

if TYPE_CHECKING:
    from smalti.storage.location import Location
    from smalti.store.history import History, Snapshot
    from smalti.store.manifest import DataFile

BLOCK = 1 << 22  # bytes hashed at once


@dataclass(slots=True)
class Checked:
    """What was found.

    Attributes:
        versions: How many were looked at.
        files: How many data files, and files of images.
        bytes: Their bytes.
        problems: One text each: where, found, expected. None: the store is sound.
    """

    versions: int = 0
    files: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether the store is sound."""
        return not self.problems

    def __str__(self) -> str:
        head = f"{self.versions:,} versions, {self.files:,} files, {self.bytes:,} bytes"
        verdict = f"{len(self.problems):,} problems" if self.problems else "sound"
        return "\n".join([f"{head}: {verdict}", *(f"  {problem}" for problem in self.problems)])


def check(history: History, *, deep: bool = True) -> Checked:
    """Look at every version of a store.

    Args:
        history: The store.
        deep: Whether files are read and hashed; else only that they are there with their sizes.
    """
    found = Checked()
    damaged: dict[str, bool] = {}
    pictures: set[str] = set()
    parent: int | None = None
    for number in history.numbers():
        found.versions += 1
        try:
            snapshot = history.snapshot(number)
            files = snapshot.files
        except (SmaltiError, OSError) as error:
            found.problems.append(str(error))
            continue
        found.problems += _manifest(history, snapshot, number, parent)
        parent = number
        new = [file for file in files if file.path not in damaged]
        for file, troubles in zip(
            new, history.each(lambda file: _file(history, file, deep=deep), new), strict=True
        ):
            damaged[file.path] = bool(troubles)
            found.files += 1
            found.bytes += file.size
            found.problems += troubles
        if not any(damaged[file.path] for file in files):
            found.problems += _digest(history, snapshot)
            pictures |= paths(history, snapshot)
    for size, troubles in history.each(
        lambda path: _picture(history.root / path, deep=deep), sorted(pictures)
    ):
        found.files += 1
        found.bytes += size
        found.problems += troubles
    found.problems += _tags(history)
    return found


def _manifest(history: History, snapshot: Snapshot, number: int, parent: int | None) -> list[str]:
    place, problems = history.place(number).url, []
    if snapshot.number != number:
        problems.append(f"{place}: found version {snapshot.number}, expected {number}")
    if (
        parent is not None
        and snapshot.manifest.parent != parent
        and snapshot.manifest.parent in history.numbers()
    ):
        problems.append(f"{place}: found the parent {snapshot.manifest.parent}, expected {parent}")
    if (rows := sum(file.rows for file in snapshot.files)) != snapshot.manifest.rows:
        problems.append(f"{place}: found {rows} samples in files, expected {snapshot.manifest.rows}")
    return problems


def _file(history: History, file: DataFile, *, deep: bool) -> list[str]:
    place = history.root / file.path
    try:
        size = place.size()
        if size != file.size:
            return [f"{place.url}: found {size} bytes, expected {file.size}"]
        hashes = read_hashes(history.root, file)
        if not deep:
            return []
        whole = _hash(place)
        if whole != file.sha256:
            return [f"{place.url}: found other bytes than were committed (SHA-256 {whole})"]
        table = read_table(history.root, file)
        own = Schema.from_arrow(table.schema)
        again = [row_hashes(batch, own) for batch in table.to_batches()]
    except (SmaltiError, OSError, pa.ArrowInvalid) as error:
        return [str(error) if place.url in str(error) else f"{place.url}: {error}"]
    if not np.array_equal(np.concatenate(again), hashes):
        return [f"{(history.root / file.hashes).url}: found other hashes than those of the samples"]
    return []


def _picture(place: Location, *, deep: bool) -> tuple[int, list[str]]:
    """The bytes of a file of images, whose name is their hash, and what is wrong with it."""
    try:
        size = place.size()
        if deep and (whole := _hash(place)) != place.stem:
            return size, [f"{place.url}: found other bytes than were stored (SHA-256 {whole})"]
    except OSError as error:
        return 0, [str(error) if place.url in str(error) else f"{place.url}: {error}"]
    return size, []


def _hash(place: Location) -> str:
    whole = hashlib.sha256()
    with place.open() as opened:
        while block := opened.read(BLOCK):
            whole.update(block)
    return whole.hexdigest()


def _digest(history: History, snapshot: Snapshot) -> list[str]:
    try:
        digest = digest_of([history.hashes(file) for file in snapshot.files], snapshot.schema)
    except (SmaltiError, OSError) as error:
        return [str(error)]
    if digest != snapshot.manifest.digest:
        place = history.place(snapshot.number).url
        return [f"{place}: found the digest {digest}, expected {snapshot.manifest.digest}"]
    return []


def _tags(history: History) -> list[str]:
    root, problems = history.root / tags.TAGS, []
    numbers = set(history.numbers())
    for path, last in tags.changes(history).items():
        try:
            version = tags.read(root / path).version
        except (SmaltiError, OSError) as error:
            problems.append(str(error))
        else:
            if last and version is not None and version not in numbers:
                problems.append(f"{(root / path).url}: there is no version {version}")
    return problems
