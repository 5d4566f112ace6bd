"""Remove old versions, and files that no version names: what crashes and lost races leave behind.

Manifests go first, then files, so that no version ever names a file that is gone. A writer's files are named by no
version until its commit: files that nobody names stay for a time of grace.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from smalti.errors import OptionError
from smalti.storage.commit import PROBE, refuse_unsafe
from smalti.storage.durable import remove
from smalti.store import tags
from smalti.store.manifest import DATA, LISTS, VERSIONS
from smalti.store.media import MEDIA, paths

if TYPE_CHECKING:
    from smalti.storage.location import Location
    from smalti.store.history import History, Snapshot

GRACE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed, or would be.

    Attributes:
        versions: Numbers of versions.
        files: Files of theirs, and files that no version names, below the store's root.
        bytes: What the files hold.
        dry_run: Whether nothing was removed.
    """

    versions: list[int]
    files: list[str]
    bytes: int
    dry_run: bool

    def __str__(self) -> str:
        what = "would remove" if self.dry_run else "removed"
        return f"{what} {len(self.versions):,} versions and {len(self.files):,} files, {self.bytes:,} bytes"


def prune(
    history: History,
    *,
    keep: int | None = None,
    older_than: timedelta | None = None,
    grace: timedelta = GRACE,
    dry_run: bool = True,
) -> Pruned:
    """Remove versions and files.

    Args:
        history: The store.
        keep: How many of the newest versions stay. The newest one and those with a tag always do.
        older_than: Only versions older than this go. Without `keep` and this one no version goes.
        grace: How old a file has to be that no version names. Shorter than the longest commit, it removes the files
            of writers at work.
        dry_run: Only say what would be removed.

    Raises:
        OptionError: `keep` is not positive.
    """
    if keep is not None and keep < 1:
        raise OptionError(f"keep={keep}: the newest version always stays; give 1 or more")
    refuse_unsafe(history.root, single_writer=history.single_writer)
    snapshots = history.snapshots()
    gone = _gone(history, snapshots, keep, older_than)
    files = _unnamed(history, snapshots, gone, grace)
    size = sum(history.each(lambda path: (history.root / path).size(), files))
    if not dry_run:
        history.each(lambda number: remove(history.place(number)), sorted(gone))
        # A version that was restored since the first look names files of the one that it was made of.
        again = set().union(*(_names(history, snapshot) for snapshot in history.snapshots()))
        files = [path for path in files if path not in again]
        history.each(lambda path: remove(history.root / path), files)
    return Pruned(sorted(gone), files, size, dry_run)


def _unnamed(history: History, snapshots: list[Snapshot], gone: set[int], grace: timedelta) -> list[str]:
    """Files that only versions name that go, and those that no version names and that are old enough."""
    names = {snapshot.number: _names(history, snapshot) for snapshot in snapshots}
    theirs = set().union(*(names[number] for number in gone))
    named = set().union(*(names[number] for number in names.keys() - gone))
    limit = datetime.now(timezone.utc) - grace
    present = [path for path in _present(history.root) if path not in named]
    old = history.each(lambda path: path in theirs or _modified(history.root / path) <= limit, present)
    return [path for path, goes in zip(present, old, strict=True) if goes]


def _gone(
    history: History, snapshots: list[Snapshot], keep: int | None, older_than: timedelta | None
) -> set[int]:
    if keep is None and older_than is None:
        return set()
    tagged = set(tags.every(history).values())
    moment = datetime.now(timezone.utc) - (older_than or timedelta())
    candidates = snapshots[: -(keep or 1)]
    return {one.number for one in candidates if one.number not in tagged and one.manifest.when <= moment}


def _names(history: History, snapshot: Snapshot) -> set[str]:
    lists = {one.path for one in snapshot.manifest.lists}
    data = {path for file in snapshot.files for path in (file.path, file.hashes)}
    return lists | data | paths(history, snapshot)


def _present(root: Location) -> list[str]:
    """Data files, lists, and what is left of a commit that was cut short."""
    if not root.is_local:
        root.fs.invalidate_cache()
    found = [f"{folder}/{name}" for folder in (DATA, LISTS, MEDIA) for name in (root / folder).find()]
    found += [f"{VERSIONS}/{name}" for name in (root / VERSIONS).find() if name.endswith(".tmp")]
    return found + [name for name in root.find(maxdepth=1) if name.startswith(PROBE)]


def _modified(place: Location) -> datetime:
    if place.is_local:
        from pathlib import Path

        return datetime.fromtimestamp(Path(place.local).stat().st_mtime, timezone.utc)
    try:
        moment: datetime = place.fs.modified(place.path)
    except NotImplementedError:  # FTP: a file whose age is not known is young, and stays
        return datetime.now(timezone.utc)
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
