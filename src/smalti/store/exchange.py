"""The store as a source and a target of `smalti.read`, `smalti.write` and `smalti.convert`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from smalti.dataset.dataset import Dataset
from smalti.errors import OptionError
from smalti.formats.report import Report
from smalti.schema import features
from smalti.store.history import History

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa

    from smalti.formats.protocol import PartRead
    from smalti.schema.schema import Schema
    from smalti.storage.location import Location
    from smalti.store.history import Snapshot
    from smalti.store.media import Mode
    from smalti.store.store import Store

NAME = "smalti"  # of the store, where formats have theirs
READS = ("version",)
WRITES = ("mode", "upsert", "message", "author", "lineage", "single_writer", "base")
_MEDIA = {"copy": "files", "link": "files", "symlink": "files"}


def _store(place: Location, *, single_writer: bool = False) -> Store:
    from smalti.store.store import Store  # most conversions have nothing to do with one

    return Store(place, single_writer=single_writer)


def opened(place: Location, name: str | None) -> Store | None:
    """The store that a source is: by the format's name, or where none is given by a look at it."""
    history = History(place)
    if not (history.glimpse() if name is None else name == NAME):
        return None
    store = _store(place)
    store.history = history  # which knows what the look has shown
    return store


def read(store: Store, options: dict[str, Any]) -> Dataset:
    """A version of a store.

    Raises:
        OptionError: An option is none of a store's.
    """
    _refuse_unknown(options, READS, "read")
    dataset = store.read(**options)
    report = Report(source=store.root.url, source_format=NAME, samples_read=len(dataset))
    return Dataset(dataset._source, dataset.schema, report)  # noqa: SLF001  # the same rows, with the account


def base(dataset: Dataset, place: Location) -> Snapshot | None:
    """The version that a dataset was read from, if it was from that store."""
    return _store(place).base(dataset)


def write(
    schema: Schema,
    reads: Iterable[PartRead],
    place: Location,
    options: dict[str, Any],
    report: Report,
    *,
    media: str,
    dry_run: bool,
    advance: Callable[[int], None],
    account: Callable[[PartRead], object],
) -> None:
    """Make a version of parts as they come; the report tells what was written.

    Raises:
        OptionError: An option is none of a store's.
    """
    _refuse_unknown(options, WRITES, "write")
    report.target, report.target_format, report.dry_run = place.url, NAME, dry_run
    fields = schema.of_kind(features.Objects)

    def batches() -> Iterator[pa.RecordBatch]:
        for part in reads:
            account(part)
            report.samples_written += len(part.batch)
            report.objects_written += sum(len(part.batch.column(name).flatten()) for name in fields)
            yield part.batch
            advance(len(part.batch))

    if dry_run:
        for _ in batches():
            pass
        return
    given = dict(options)
    store = _store(place, single_writer=bool(given.pop("single_writer", False)))
    made = store.write_batches(schema, batches(), media=cast("Mode", _MEDIA.get(media, media)), **given)
    report.files = len(made.files)
    changes = made.changes
    report.details |= {
        "version": made.version,
        "digest": made.digest,
        "changes": {"added": changes.added, "changed": changes.changed, "removed": changes.removed},
    }


def _refuse_unknown(options: dict[str, Any], known: tuple[str, ...], verb: str) -> None:
    if unknown := set(options) - set(known):
        raise OptionError(f"a store has no option {min(unknown)!r} to {verb}; there are {', '.join(known)}")
