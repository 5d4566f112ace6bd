"""Store: a versioned dataset at a path or URL, and the verbs of it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from smalti.dataset.dataset import Dataset
from smalti.errors import OptionError, TargetExistsError, listed
from smalti.schema.unify import storable
from smalti.storage.commit import PROBE, refuse_unsafe
from smalti.storage.location import Location
from smalti.store import delta, operations, readme, tags
from smalti.store.check import check
from smalti.store.commit import commit
from smalti.store.diff import diff
from smalti.store.history import History, Snapshot
from smalti.store.manifest import DATA, LISTS, VERSIONS
from smalti.store.media import HERE, MEDIA, Keeper
from smalti.store.prune import prune
from smalti.store.scan import source

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from datetime import timedelta

    import pyarrow.compute as pc

    from smalti.schema.schema import Schema
    from smalti.store.check import Checked
    from smalti.store.commit import Operation
    from smalti.store.diff import Diff
    from smalti.store.manifest import Manifest
    from smalti.store.media import Mode
    from smalti.store.prune import Pruned

    Version = int | str | datetime | None


class Store:
    """Versions of one dataset.

    Any number of processes and machines may read and write it at once: a version is there as a whole or not at
    all, two writers that touch different samples both get through, and of two that touch the same one the later is
    refused.

    Args:
        place: A folder, as a path or any fsspec URL. It is made by the first version.
        single_writer: Vouch that nobody else writes there meanwhile; file systems that cannot keep writers
            apart (SFTP, SMB, FTP, WebHDFS, buckets that ignore preconditions) are written to only with this.

    Attributes:
        root: Where it is.
    """

    def __init__(self, place: str | os.PathLike[str] | Location, *, single_writer: bool = False) -> None:
        self.root = Location.parse(place)
        self.history = History(self.root, single_writer=single_writer)

    def __repr__(self) -> str:
        numbers = self.history.numbers()
        return f"Store({self.root.url!r}, {len(numbers)} versions)"

    # Reading

    def read(self, version: Version = None) -> Dataset:
        """A version as a lazy dataset: nothing but its manifest is read before rows are asked for.

        Args:
            version: A number, a tag, or a time, also as text in ISO 8601 (the newest version then; without a zone it is
                UTC); null: the newest.

        Raises:
            EmptySourceError: There is no store.
            OptionError: There is no such version.
        """
        snapshot = self._snapshot(version)
        return Dataset(source(snapshot), snapshot.schema)

    def versions(self) -> list[Manifest]:
        """What each version says of itself, the oldest first: number, time, author, message, digest, changes."""
        return [snapshot.manifest for snapshot in self.history.snapshots()]

    def diff(self, before: Version, after: Version = None) -> Diff:
        """What differs between two versions: samples, objects and fields; see `smalti.store.diff`."""
        return diff(self.history, self._snapshot(before), self._snapshot(after))

    def check(self, *, deep: bool = True) -> Checked:
        """Look at every manifest, file, checksum and digest.

        Args:
            deep: Whether files are read and hashed; else only that they are there with their sizes.
        """
        return check(self.history, deep=deep)

    # Writing. Each gives the new version.

    def append(self, dataset: Dataset, **about: Any) -> Manifest:
        """Add samples; see `write` for the arguments.

        Raises:
            DataError: An id is there already.
            SchemaError: The columns do not go together with those there.
            ConflictError: Another writer added the same ids meanwhile.
        """
        return self.write(dataset, mode="append", **about)

    def replace(self, dataset: Dataset, **about: Any) -> Manifest:
        """Make a dataset the whole content; see `write` for the arguments."""
        return self.write(dataset, mode="replace", **about)

    def update(self, dataset: Dataset, *, upsert: bool = False, **about: Any) -> Manifest:
        """Give samples, by their ids, the values of the dataset's columns; others keep theirs.

        A dataset of ``id`` and ``predictions`` adds or changes predictions and nothing else. Images of which it knows
        nothing but a path that is the id, as `Dataset.from_samples` makes them up, stay as they are.

        Args:
            dataset: The new values, in memory at once.
            upsert: Whether samples that are not there are added; else they are an error.
            **about: As for `write`.

        Raises:
            DataError: There is no such id.
            ConflictError: Another writer changed the same samples since the dataset was read.
        """
        return self.write(dataset, mode="update", upsert=upsert, **about)

    def write(
        self,
        dataset: Dataset,
        *,
        mode: str = "replace",
        upsert: bool = False,
        media: Mode = "reference",
        message: str = "",
        author: str | None = None,
        lineage: dict[str, Any] | None = None,
    ) -> Manifest:
        """Make a version of a dataset.

        Args:
            dataset: What to write. One that was read from this store is based on the version it was read from:
                what others changed since is never undone in silence.
            mode: ``replace``: it is the whole content; ``append``: it is added; ``update``: it changes samples.
            upsert: As for `update`.
            media: What is done with the images: ``reference`` leaves them where they are, ``none`` forgets where that
                is; ``files``, ``tar``, ``parquet`` store them with the dataset; see `smalti.store.media`.
            message: What the version is for.
            author: Who made it; null: ``SMALTI_AUTHOR``, or the user's name.
            lineage: Where it comes from, as JSON.

        Raises:
            ConflictError: Another writer changed the same samples.
            OptionError: The file system cannot keep writers apart.
        """
        return self.write_batches(
            dataset.schema,
            dataset.to_batches(),
            mode=mode,
            upsert=upsert,
            media=media,
            base=self.base(dataset),
            message=message,
            author=author,
            lineage=lineage,
        )

    def write_batches(
        self,
        schema: Schema,
        batches: Iterable[pa.RecordBatch],
        *,
        mode: str = "replace",
        upsert: bool = False,
        remove: Iterable[str] = (),
        media: Mode = "reference",
        base: Snapshot | None = None,
        **about: Any,
    ) -> Manifest:
        """Make a version of batches as they come; `write` has the arguments, `remove` goes with ``update``."""
        operations.refuse_unknown(mode)
        refuse_unsafe(self.root, single_writer=self.history.single_writer)
        self._refuse_other_folder()
        self.history.prepare()  # before images are stored: where no version can be made they are not either
        if schema.media_root == self.root.url:
            schema = schema.model_copy(update={"media_root": HERE})
        keeper = Keeper(self.root, schema, media, self.history.latest())
        batches = (storable(batch, keeper.schema) for batch in keeper.batches(batches))
        schema = keeper.schema.storable
        operation: Operation
        if mode == "update":
            table = pa.Table.from_batches(batches, schema=schema.arrow)
            if not upsert:
                table, schema = operations.without_bare_images(table, schema)
            operation = operations.Update(self.history, schema, table, upsert=upsert, remove=remove)
        else:
            kind = operations.Append if mode == "append" else operations.Replace
            operation = kind(self.history, schema, batches)
        if mode == "append":
            base = None  # new samples are based on none: that their ids are free is all that counts
        return self._commit(operation, base=base, **about)

    def delete(self, condition: pc.Expression, **about: Any) -> Manifest:
        """Remove the samples for which a condition holds: ``store.delete(sm.col("split") == "test")``."""
        return self._commit(operations.Delete(self.history, condition), **about)

    def restore(self, version: Version, **about: Any) -> Manifest:
        """Make an earlier version the newest one; nothing in between is lost."""
        return self._commit(operations.Restore(self.history, self._snapshot(version)), **about)

    def compact(self, rows: int = operations.SMALL, **about: Any) -> Manifest | None:
        """Write small files together, which many appends leave.

        Args:
            rows: Files of less than so many samples are small.
            **about: As for `write`.

        Returns:
            The new version; null where there is nothing to do.
        """
        operation = operations.Compact(self.history, rows)
        if not operation.needed(self.history.newest()):
            return None
        return self._commit(operation, **about)

    def tag(self, name: str, version: Version = None) -> int:
        """Give a version a name; one that exists is moved. Gives the version's number."""
        number = self._snapshot(version).number
        tags.put(self.history, name, number)
        return number

    def untag(self, name: str) -> None:
        """Take a name away from the version that has it."""
        tags.put(self.history, name, None)

    def tags(self) -> dict[str, int]:
        """The version of every tag."""
        return tags.every(self.history)

    def prune(
        self,
        *,
        keep: int | None = None,
        older_than: timedelta | None = None,
        dry_run: bool = True,
        **limits: Any,
    ) -> Pruned:
        """Remove old versions, and files that no version names; see `smalti.store.prune`."""
        return prune(self.history, keep=keep, older_than=older_than, dry_run=dry_run, **limits)

    def publish_delta(self) -> int:
        """Let engines read the newest version as a Delta table, of the same files; see `smalti.store.delta`.

        Call it again after later versions. Gives the table's version.
        """
        return delta.publish(self.history)

    def _commit(self, operation: Operation, **about: Any) -> Manifest:
        first = not self.history.numbers()
        made = commit(self.history, operation, **about).manifest
        if first:
            readme.write(self.root)
        return made

    def _refuse_other_folder(self) -> None:
        """A store does not move in with other files."""
        if self.history.numbers():
            return
        there = {name for name, _ in self.root.iterdir()} if self.root.isdir() else set()
        there = {name for name in there if not name.startswith(PROBE)}
        if others := sorted(there - {VERSIONS, DATA, LISTS, MEDIA, readme.NAME}):
            raise TargetExistsError(
                f"{self.root.url} is no store and has other files ({listed(others, 3)}); give another folder, or name"
                " the format to write"
            )

    def base(self, dataset: Dataset) -> Snapshot | None:
        """The version that a dataset was read from, if it was from here."""
        origin = dataset.origin
        if origin is None or origin.url != self.root.url or origin.version not in self.history.numbers():
            return None
        return self.history.snapshot(origin.version)

    def _snapshot(self, version: Version) -> Snapshot:
        if version is None:
            return self.history.newest()
        if isinstance(version, str):
            version = self._meant(version)
        if isinstance(version, datetime):
            return self.history.before(version if version.tzinfo else version.replace(tzinfo=timezone.utc))
        return self.history.snapshot(version)

    def _meant(self, text: str) -> int | datetime:
        """A version as it is typed: a tag, a number, or a time in ISO 8601."""
        known = tags.every(self.history)
        if text in known:
            return known[text]
        if text.isdigit():
            return int(text)
        try:
            return datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError as error:
            there = ", ".join(known) or "none"
            raise OptionError(f"{self.root.url}: there is no tag {text!r}; there are {there}") from error
