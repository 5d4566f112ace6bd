"""Commit an operation, and when another writer was faster, on top of that writer's version.

Two versions that touch different samples are put one after the other, whoever came first; two that touch the
same sample cannot be, and the later one is refused with the names of the samples.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import random
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version as release
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import pyarrow.compute as pc

from smalti.dataset.digest import digest_of
from smalti.errors import ConflictError, listed
from smalti.storage.durable import make_folder, remove, write_new
from smalti.store.history import Snapshot
from smalti.store.manifest import LISTS, Changes, DataFile, FileList, Manifest, decode_list, encode_list, now
from smalti.store.touched import between

if TYPE_CHECKING:
    import pyarrow as pa

    from smalti.schema.schema import Schema
    from smalti.storage.location import Location
    from smalti.store.history import History

LISTED = 10_000  # data files of a list, and of a manifest before it gets lists
TRIES = 1000  # commits of others that one commit puts up with
PAUSE = 0.02  # seconds, at most, after each of the first; it grows tenfold


@dataclass(frozen=True, slots=True)
class Draft:
    """A version before it has a number.

    Attributes:
        schema: What the columns mean.
        files: Its data files, in the order of the samples.
        changes: How many samples differ from the version that it is based on.
        made: The files that were written for it.
        touched: Ids of the samples that it adds, changes or removes; null: whichever there are.
    """

    schema: Schema
    files: tuple[DataFile, ...]
    changes: Changes
    made: tuple[DataFile, ...] = ()
    touched: pa.Array | None = None


class Operation(Protocol):
    """What a commit does to the version that it is based on."""

    name: str

    def draft(self, base: Snapshot | None) -> Draft:
        """Write what is new, and say what the version is then made of.

        It may be called again, with a later base: files it wrote before may be used again, or are removed.
        """
        ...  # pragma: no cover

    def drop(self) -> None:
        """Remove the files that were written: there will be no version of them."""
        ...  # pragma: no cover


def commit(
    history: History,
    operation: Operation,
    *,
    message: str = "",
    author: str | None = None,
    lineage: dict[str, Any] | None = None,
    base: Snapshot | None = None,
) -> Snapshot:
    """Make a version.

    Args:
        history: The store.
        operation: What to do.
        message: What for.
        author: Who; null: the user's name.
        lineage: Where the data comes from.
        base: The version that the caller has seen; null: the newest.

    Returns:
        The version.

    Raises:
        ConflictError: Another writer's version touched the same samples since the base.
        OptionError: The file system cannot keep writers apart.
    """
    history.prepare()
    current = history.latest()
    seen = base or current
    for turn in range(TRIES):
        try:
            draft = operation.draft(current)
            if current is not None and (seen is None or seen.number != current.number):
                # The caller's base may be old from the start: the same question as after a lost race.
                _refuse_conflict(history, seen, current, draft)
                seen = current
            manifest = _manifest(history, current, draft, operation.name, message, author, lineage or {})
        except BaseException:
            operation.drop()  # not after `put`: where that fails, nobody knows whether a version names the files
            raise
        if history.put(manifest):
            return Snapshot(history.root, manifest)
        time.sleep(random.random() * PAUSE * min(turn + 1, 10))  # noqa: S311  # not a secret
        current = history.newest()
    operation.drop()
    raise ConflictError(f"{history.root.url}: {TRIES} other versions came in between; try again later")


def _refuse_conflict(history: History, seen: Snapshot | None, current: Snapshot, draft: Draft) -> None:
    theirs = between(history, seen.files if seen else (), current.files).every
    both = theirs if draft.touched is None else theirs.filter(pc.is_in(theirs, draft.touched))
    if len(both):
        samples = sorted(both.to_pylist())
        by = f"version {current.number} ({current.manifest.author}: {current.manifest.message or 'no message'})"
        raise ConflictError(
            f"{history.root.url}: {by} changed the same samples meanwhile: {listed(samples)}; read that version,"
            " make the change there, and write it again",
            samples,
        )


def _manifest(
    history: History,
    base: Snapshot | None,
    draft: Draft,
    operation: str,
    message: str,
    author: str | None,
    lineage: dict[str, Any],
) -> Manifest:
    hashes = history.each(history.hashes, draft.files)
    lists, files = _lists(history.root, base, draft.files)
    moment = now()
    return Manifest(
        version=base.number + 1 if base else 1,
        parent=base.number if base else None,
        nonce=secrets.token_hex(16),
        time=max(moment, base.manifest.time) if base else moment,  # clocks of machines differ
        author=author if author is not None else _user(),
        message=message,
        operation=operation,
        digest=digest_of(hashes, draft.schema),
        rows=sum(file.rows for file in draft.files),
        changes=draft.changes,
        lineage={**lineage, "smalti": release("smalti")},
        tables=msgspec.Raw(draft.schema.to_json().encode()),
        lists=lists,
        files=files,
    )


def _lists(
    root: Location, base: Snapshot | None, files: tuple[DataFile, ...]
) -> tuple[tuple[FileList, ...], tuple[DataFile, ...]]:
    """The files as lists and a rest: the lists of the base as far as they are the same, then new ones."""
    lists: list[FileList] = []
    taken = 0
    for one in base.manifest.lists if base else ():
        place = root / one.path
        if decode_list(place.read_bytes(), place) != files[taken : taken + one.files]:
            break
        lists.append(one)
        taken += one.files
    while len(files) - taken > LISTED:
        part = files[taken : taken + LISTED]
        body = encode_list(part)
        path = f"{LISTS}/{secrets.token_hex(16)}.json"
        make_folder(root / LISTS)
        write_new(root / path, body)
        rows = sum(file.rows for file in part)
        lists.append(FileList(path, hashlib.sha256(body).hexdigest(), len(part), rows))
        taken += LISTED
    return tuple(lists), files[taken:]


def remove_files(root: Location, files: tuple[DataFile, ...]) -> None:
    """Remove data files that no version names; what cannot be removed is left for `prune`."""
    for file in files:
        for path in (file.path, file.hashes):
            with suppress(OSError):
                remove(root / path)


def _user() -> str:
    if name := os.environ.get("SMALTI_AUTHOR"):
        return name
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return "unknown"
