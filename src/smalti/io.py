"""read, write, convert: formats and datasets meet here, and nowhere else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from smalti._progress import track
from smalti.dataset.dataset import Dataset
from smalti.engines.local import ordered
from smalti.errors import EmptySourceError, OptionError
from smalti.formats import options as format_options
from smalti.formats import registry
from smalti.formats.protocol import PartRead
from smalti.formats.report import Report
from smalti.formats.transfer import Export, account_plan, account_read, object_fields
from smalti.storage.location import Location
from smalti.store import exchange

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from smalti.formats.protocol import Format, OnError, Options, Plan, Reader
    from smalti.formats.transfer import OnLoss
    from smalti.schema.schema import Schema
    from smalti.storage.media import Media
    from smalti.store.media import Mode as StoredMedia

    Place = str | os.PathLike[str] | Location

BATCH = 4096  # samples handed to a writer at once


def read(
    source: Place,
    format: str | None = None,  # noqa: A002  # the word users look for; shadowed here alone
    media: Place | None = None,
    *,
    on_error: OnError = "raise",
    progress: bool | None = None,
    **options: Any,
) -> Dataset:
    """Read a dataset. Its `report` says what was mended and what was left out.

    Args:
        source: A file or a folder, as a path or any fsspec URL.
        format: The format's name, ``smalti`` for a store; null: it is recognised.
        media: Where the images lie; null: where the format's layout puts them.
        on_error: ``raise``: the first faulty place ends it. ``skip``: faulty samples and objects
            are left out, counted and named in the report.
        progress: Whether a bar is shown; null: on a terminal and in a notebook.
        **options: Options of the format; of a store ``version``: a number, a tag or a time.

    Raises:
        EmptySourceError: Nothing was found.
        DataError: The source is faulty; the message names file, place, found and expected.
        UnknownFormatError: No format recognises the source.
        OptionError: The format has no such option.
    """
    start = time.perf_counter()
    place = Location.parse(source)
    if store := exchange.opened(place, format):
        return exchange.read(store, options)
    found = _source_format(format, place)
    reader = _reader(found, place, media, format_options.parse(found, options, "read"), on_error)
    plan = reader.plan()
    report = Report(source=place.url, source_format=found.info.name)
    account_plan(report, plan)
    fields = object_fields(plan.schema)
    batches = []
    with track(_samples(plan), f"reading {found.info.title}", progress) as advance:
        for part in _parts(reader, plan, plan.schema):
            account_read(report, part, fields)
            batches.append(part.batch)
            advance(len(part.batch))
    report.seconds = time.perf_counter() - start
    table = pa.Table.from_batches(batches, schema=plan.schema.arrow)
    return Dataset.from_arrow(table, schema=plan.schema, report=report)


def write(
    dataset: Dataset,
    target: Place,
    format: str | None = None,  # noqa: A002  # as in read
    *,
    media: Media | StoredMedia = "reference",
    on_loss: OnLoss = "warn",
    on_error: OnError = "raise",
    overwrite: bool = False,
    dry_run: bool = False,
    progress: bool | None = None,
    **options: Any,
) -> Report:
    """Write a dataset; all of it stands under the target's name at the end, or nothing.

    Args:
        dataset: What to write.
        target: A folder, or a file where the format has one-file targets, as a path or fsspec URL.
        format: The format's name; null: the one that the target's suffix belongs to, else ``smalti``, a store, which
            gets a new version and takes ``message``, ``mode`` and the other arguments of `smalti.Store.write`.
        media: What is done with the images: ``copy``, hard ``link``, ``symlink``; ``reference``
            leaves them where they are, ``none`` forgets where that is. A store keeps them as ``files``
            (``copy``), ``tar`` or ``parquet``.
        on_loss: What is done when the format cannot hold everything: ``warn`` raises a
            `LossWarning`, ``error`` a `LossError` before anything is in place.
        on_error: ``skip`` leaves out samples that cannot be written, counted in the report.
        overwrite: Whether an existing target is replaced.
        dry_run: Do everything but the writing, for the report.
        progress: Whether a bar is shown; null: on a terminal and in a notebook.
        **options: Options of the format.

    Returns:
        The account: what was written, and what was lost, by stable codes with counts and examples.

    Raises:
        LossError: Something is lost and `on_loss` is ``error``.
        TargetExistsError: The target is there and `overwrite` is off.
        DataError: A sample cannot be written; the message names it.
        OptionError: The format has no such option.
    """
    start = time.perf_counter()
    place = Location.parse(target)
    if _to_store(place, format):
        return _write_store(dataset, place, options, media=media, dry_run=dry_run, progress=progress)
    into = registry.target_format(format, place)
    export = _export(
        into,
        place,
        dataset.schema,
        format_options.parse(into, options, "write"),
        Report(),
        media=media,
        on_loss=on_loss,
        on_error=on_error,
        overwrite=overwrite,
        dry_run=dry_run,
    )
    if export.writer.wants_origin:
        export.writer.origin = _origin(dataset)
    reads = (PartRead(batch=batch) for batch in dataset.to_batches(BATCH))
    with track(len(dataset), f"writing {into.info.title}", progress) as advance:
        export.run(reads, advance)
    export.report.seconds = time.perf_counter() - start
    return export.report


def convert(
    source: Place,
    target: Place,
    to: str | None = None,
    from_: str | None = None,
    *,
    media_root: Place | None = None,
    media: Media | StoredMedia = "reference",
    on_loss: OnLoss = "warn",
    on_error: OnError = "raise",
    overwrite: bool = False,
    dry_run: bool = False,
    progress: bool | None = None,
    **options: Any,
) -> Report:
    """Convert part by part, in bounded memory; only what the target keeps is read.

    Args:
        source: A file or a folder, as a path or any fsspec URL.
        target: As for `write`.
        to: The target's format; null: the one that the target's suffix belongs to.
        from_: The source's format; null: it is recognised.
        media_root: Where the source's images lie; null: where its layout puts them.
        media: What is done with the images, as for `write`.
        on_loss: As for `write`.
        on_error: As for `read` and `write`, for both sides.
        overwrite: Whether an existing target is replaced.
        dry_run: Do everything but the writing, for the report.
        progress: Whether a bar is shown; null: on a terminal and in a notebook.
        **options: Options of either format; one that both have goes to both.

    Returns:
        The account of the whole way.

    Raises:
        SmaltiError: As for `read` and `write`.
    """
    start = time.perf_counter()
    place, goal = Location.parse(source), Location.parse(target)
    if store := exchange.opened(place, from_):
        mine = {name: options.pop(name) for name in exchange.READS if name in options}
        dataset = exchange.read(store, mine)
        return write(dataset, goal, to, media=media, on_loss=on_loss, on_error=on_error, overwrite=overwrite,
                     dry_run=dry_run, progress=progress, **options)  # fmt: skip
    if to == exchange.NAME:
        return _convert_to_store(place, goal, from_, options, media_root, media=media, on_error=on_error,
                                 dry_run=dry_run, progress=progress)  # fmt: skip
    found, into = _source_format(from_, place), registry.target_format(to, goal)
    to_read, to_write = format_options.divide(found, into, options)
    reader = _reader(found, place, media_root, to_read, on_error)
    plan = reader.plan()
    report = Report(source=place.url, source_format=found.info.name)
    account_plan(report, plan)
    export = _export(into, goal, plan.schema, to_write, report, source=place, media=media, on_loss=on_loss,
                     on_error=on_error, overwrite=overwrite, dry_run=dry_run)  # fmt: skip
    with track(_samples(plan), f"{found.info.title} to {into.info.title}", progress) as advance:
        export.run(_parts(reader, plan, export.wanted), advance)
    report.seconds = time.perf_counter() - start
    return report


def _origin(dataset: Dataset) -> dict[str, Any]:
    """What copies of a dataset are copies of."""
    origin = dataset.origin
    of_store = {} if origin is None else {"store": origin.url, "version": origin.version}
    return {"digest": dataset.digest(), **of_store}


def _to_store(place: Location, name: str | None) -> bool:
    if name is not None:
        return name == exchange.NAME
    suffixes = {suffix for each in registry.names() for suffix in registry.get(each).info.file_suffixes}
    return place.suffix not in suffixes


def _write_store(
    dataset: Dataset,
    place: Location,
    options: dict[str, Any],
    *,
    media: str,
    dry_run: bool,
    progress: bool | None,
) -> Report:
    start = time.perf_counter()
    report = Report()
    reads = (PartRead(batch=batch) for batch in dataset.to_batches(BATCH))
    fields = object_fields(dataset.schema)
    options = {"base": exchange.base(dataset, place), **options}
    with track(len(dataset), "writing a version", progress) as advance:
        exchange.write(dataset.schema, reads, place, options, report, media=media, dry_run=dry_run,
                       advance=advance, account=lambda part: account_read(report, part, fields))  # fmt: skip
    report.seconds = time.perf_counter() - start
    return report


def _convert_to_store(
    place: Location,
    goal: Location,
    from_: str | None,
    options: dict[str, Any],
    media_root: Place | None,
    *,
    media: str,
    on_error: OnError,
    dry_run: bool,
    progress: bool | None,
) -> Report:
    start = time.perf_counter()
    found = _source_format(from_, place)
    to_write = {name: options.pop(name) for name in exchange.WRITES if name in options}
    reader = _reader(found, place, media_root, format_options.parse(found, options, "read"), on_error)
    plan = reader.plan()
    report = Report(source=place.url, source_format=found.info.name)
    account_plan(report, plan)
    fields = object_fields(plan.schema)
    lineage = {"source": place.url, "source_format": found.info.name}
    to_write.setdefault("lineage", lineage)
    with track(_samples(plan), f"{found.info.title} to a store", progress) as advance:
        parts = _parts(reader, plan, plan.schema)
        exchange.write(plan.schema, parts, goal, to_write, report, media=media, dry_run=dry_run,
                       advance=advance, account=lambda part: account_read(report, part, fields))  # fmt: skip
    report.seconds = time.perf_counter() - start
    return report


def _source_format(name: str | None, place: Location) -> Format:
    return registry.get(name) if name else registry.recognise(place)[0]


def _reader(
    found: Format, place: Location, media: Place | None, options: Options, on_error: OnError
) -> Reader[Any]:
    if on_error not in {"raise", "skip"}:
        raise OptionError(f"on_error={on_error!r}: use raise or skip")
    if not place.exists():
        raise EmptySourceError(f"{place.url}: nothing is there; check the path")
    if found.reader is None:
        raise OptionError(f"{found.info.title} can be written but not read")
    return found.reader(place, None if media is None else Location.parse(media), options, on_error)


def _parts(reader: Reader[Any], plan: Plan, schema: Schema, workers: int | None = None) -> Iterator[PartRead]:
    """Read the parts, in their order; a source that gives no sample at all is an error."""
    samples = 0
    for read in ordered(lambda part: reader.read(part, schema), plan.parts, workers):
        samples += len(read.batch)
        yield read
    if not samples:
        raise EmptySourceError(
            f"{reader.root.url}: every sample was left out for an error; read with on_error='raise'"
            " to see the first"
        )


def _samples(plan: Plan) -> int:
    return sum(part.samples for part in plan.parts)


def _export(
    into: Format,
    target: Location,
    schema: Schema,
    options: Options,
    report: Report,
    *,
    source: Location | None = None,
    media: str,
    on_loss: OnLoss,
    on_error: OnError,
    overwrite: bool,
    dry_run: bool,
) -> Export:
    if into.writer is None:
        raise OptionError(f"{into.info.title} can be read but not written")
    single_file = target.name if target.suffix in into.info.file_suffixes else None
    return Export(
        format=into,
        writer=into.writer(schema, options, single_file),
        schema=schema,
        target=target,
        media=cast("Media", media),  # the export refuses what it does not know
        media_root=None if schema.media_root is None else Location.parse(schema.media_root),
        source=source,
        on_loss=on_loss,
        on_error=on_error,
        overwrite=overwrite,
        dry_run=dry_run,
        report=report,
    )
