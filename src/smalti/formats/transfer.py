"""Move parts from a reader's side to a writer's: the loop behind every export, with its account.

An export goes to a staging place beside the target and is moved into place at the end, so that
nothing half-written ever stands under the target's name.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import LossError, LossWarning, OptionError, TargetExistsError
from smalti.formats.frames import frame_losses
from smalti.formats.losses import Tally
from smalti.formats.protocol import Cursor
from smalti.formats.report import Loss, Report, merged
from smalti.schema import features
from smalti.schema.project import project
from smalti.storage.folder import Folder, NullFolder
from smalti.storage.location import Location
from smalti.storage.media import place_media
from smalti.storage.staging import check_target, staged_file, staged_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from smalti.formats.protocol import Format, OnError, PartRead, PartResult, Plan, Writer
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target
    from smalti.storage.media import Media

OnLoss = Literal["warn", "error", "ignore"]
KINDS = ("sample", "object", "change", "value")  # of losses, the gravest first


def object_fields(schema: Schema) -> list[str]:
    """The names of the columns that hold objects."""
    return schema.of_kind(features.Objects)


def account_plan(report: Report, plan: Plan) -> None:
    """Enter into the report what planning repaired and left out."""
    report.repairs = merged([*report.repairs, *plan.repairs])
    report.add_errors(str(error) for error in plan.errors)
    report.objects_skipped += plan.objects_skipped
    report.samples_skipped += plan.samples_skipped


def account_read(report: Report, read: PartRead, fields: list[str]) -> int:
    """Enter a part that was read; gives the number of its objects, over all object fields."""
    objects = 0
    for name in fields:
        if (index := read.batch.schema.get_field_index(name)) < 0:
            objects += read.counts.get(name, 0)
        else:
            objects += len(read.batch.column(index).flatten())
    report.samples_read += len(read.batch)
    report.objects_read += objects
    report.repairs = merged([*report.repairs, *read.repairs])
    report.add_errors(str(error) for error in read.errors)
    report.objects_skipped += read.objects_skipped
    report.samples_skipped += read.samples_skipped
    return objects


@dataclass(slots=True, kw_only=True)
class Export:
    """One writing of a dataset to a target.

    Attributes:
        format: The target's format.
        writer: Its writer, made for the dataset's schema.
        schema: The schema of the dataset.
        target: Where it goes: a file or a folder.
        media: What is done with the images.
        media_root: Where they are; null: they are not at hand.
        source: Where the dataset comes from; null for one in memory.
        on_loss: What is done when the target cannot hold everything.
        on_error: What is done with samples that cannot be written.
        overwrite: Whether an existing target is replaced.
        dry_run: Whether everything is done but the writing.
        report: The account, filled as the export goes on.
        wanted: The part of the schema that the writer takes.
    """

    format: Format
    writer: Writer[Any]
    schema: Schema
    target: Location
    media: Media
    media_root: Location | None
    source: Location | None
    on_loss: OnLoss
    on_error: OnError
    overwrite: bool
    dry_run: bool
    report: Report
    wanted: Schema = field(init=False)
    _tally: Tally = field(init=False)
    _declared: list[Loss] = field(init=False)

    def __post_init__(self) -> None:
        if self.media not in {"copy", "link", "symlink", "reference", "none"}:
            raise OptionError(f"media={self.media!r}: use copy, link, symlink, reference or none")
        if self.on_loss not in {"warn", "error", "ignore"}:
            raise OptionError(f"on_loss={self.on_loss!r}: use warn, error or ignore")
        if self.writer.needs_images and self.media in {"reference", "none"}:
            raise OptionError(
                f"media={self.media!r} would write nothing: {self.format.info.title} keeps these labels in the"
                " places of the images; use copy, link or symlink"
            )
        self._refuse_own_source()
        self.wanted = self.writer.wants()
        self._declared = self.writer.losses()
        self._tally = Tally(loss.field for loss in self._declared if loss.count is None)
        self.report.target = self.target.url
        self.report.target_format = self.format.info.name
        self.report.dry_run = self.dry_run

    def _refuse_own_source(self) -> None:
        """Replacing a folder deletes what is in it: never the source, nor the images it refers to."""
        if not (self.overwrite and self.target.is_local):
            return
        goal = Path(self.target.local).resolve()
        for what, place in (("source", self.source), ("images", self.media_root)):
            if place is not None and place.is_local and goal.is_dir():
                path = Path(place.local).resolve()
                if path == goal or goal in path.parents:
                    raise TargetExistsError(
                        f"{self.target.url} is to be replaced, but this dataset's {what} would be deleted with it"
                        f" ({place.url}); write to another target"
                    )

    def run(self, reads: Iterable[PartRead], advance: Callable[[int], None]) -> None:
        """Write every part, then the whole; move it into place.

        Args:
            reads: The parts, with at least what the writer wants.
            advance: Told the number of samples after every part.

        Raises:
            LossError: Something is lost and `on_loss` is ``error``; nothing was written then.
            TargetExistsError: The target is there and `overwrite` is off.
        """
        with self._staged() as place:
            losses, results = self._parts(place, reads, advance)
            self.report.files = sum(r.files for r in results) + self.writer.finish(place, results)
            # What takes whole objects stands first: a dropped id matters less than a dropped object.
            every = self._tally.fill(merged([*losses, *self._declared, *self.writer.late_losses()]))
            self.report.losses = sorted(every, key=lambda loss: KINDS.index(loss.kind))
            self.report.details |= self.writer.details()
            self._judge()

    @contextmanager
    def _staged(self) -> Iterator[Target]:
        """The place to write to; at a clean end it takes the target's name."""
        if self.dry_run:
            check_target(self.target, self.overwrite, folder=self.writer.single_file is None)
            yield NullFolder(self.target)
        elif self.writer.single_file is None:
            with staged_folder(self.target, self.overwrite) as folder:
                yield folder
        else:
            # Parts of a one-file target lie in a folder of their own until the writer joins them.
            with staged_file(self.target, self.overwrite) as file:
                scratch = Path(f"{file.local}.parts")
                scratch.mkdir()
                try:
                    yield Folder(Location.parse(scratch))
                    (scratch / self.writer.single_file).replace(file.local)
                finally:
                    rmtree(scratch, ignore_errors=True)

    def _parts(
        self, place: Target, reads: Iterable[PartRead], advance: Callable[[int], None]
    ) -> tuple[list[Loss], list[PartResult]]:
        losses: list[Loss] = []
        results: list[PartResult] = []
        cursor = Cursor()
        fields = object_fields(self.schema)
        for given in reads:
            read = self._sound(given)
            account_read(self.report, read, fields)
            self._tally.add(read)
            result = self.writer.write(self._cut(read.batch), place, cursor)
            losses = merged([*losses, *result.losses, *self._place(place, result, read.batch)])
            self.report.samples_written += result.samples
            self.report.objects_written += result.objects
            results.append(replace(result, media=(), losses=()))  # done with, and as long as the dataset
            cursor = Cursor(
                cursor.index + 1, cursor.samples + result.samples, cursor.objects + result.objects
            )
            advance(len(read.batch))
        return losses, results

    def _sound(self, read: PartRead) -> PartRead:
        """The part without the samples that cannot be written, or the error of the first."""
        faults = self.writer.faults(self._cut(read.batch))
        if not faults:
            return read
        if self.on_error == "raise":
            raise faults[0]
        faulty = pc.is_in(read.batch.column("id"), pa.array([fault.sample for fault in faults]))
        out = read.batch.filter(faulty)
        fields = [name for name in object_fields(self.schema) if name in out.schema.names]
        return replace(
            read,
            batch=read.batch.filter(pc.invert(faulty)),
            errors=[*read.errors, *faults],
            samples_skipped=read.samples_skipped + len(out),
            objects_skipped=read.objects_skipped + sum(len(out.column(name).flatten()) for name in fields),
        )

    def _cut(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch if batch.schema.equals(self.wanted.arrow) else project(batch, self.wanted)

    def _place(self, place: Target, result: PartResult, batch: pa.RecordBatch) -> list[Loss]:
        """Bring the part's images to the target; what is missing or does not fit is a loss, no error."""
        if self.media in {"reference", "none"} or not result.media:
            return []
        if self.media_root is None:
            raise OptionError(
                f"media={self.media!r} needs the images, and where they are is not known;"
                " read the dataset with media=, or write with media='none'"
            )
        self._refuse_shards(batch)
        placed = place_media(self.media_root, place, result.media, self.media)
        counts = self.report.media
        counts["placed"] = counts.get("placed", 0) + placed.placed
        losses = frame_losses(batch, self.media_root)
        if placed.missing:
            counts["missing"] = counts.get("missing", 0) + len(placed.missing)
            losses.append(
                Loss(
                    code="media.missing",
                    field="image",
                    kind="change",
                    count=len(placed.missing),
                    reason=f"the image is not below {self.media_root.url}",
                    example=placed.missing[0],
                )
            )
        return losses

    def _refuse_shards(self, batch: pa.RecordBatch) -> None:
        image = self.schema.columns.get("image")
        if (
            not isinstance(image, features.Image)
            or "offset" not in image.members
            or "image" not in batch.schema.names
        ):
            return
        if pc.any(pc.is_valid(pc.struct_field(batch.column("image"), "offset"))).as_py():
            raise OptionError(
                f"media={self.media!r} copies files, and these images lie in archives; write ds.localize(folder) instead"
            )

    def _judge(self) -> None:
        """Raise or warn about losses, before anything is moved into place."""
        if not self.report.losses or self.on_loss == "ignore":
            return
        worst = "; ".join(f"{loss.code} {loss.field} ({loss.count:,})" for loss in self.report.losses[:4])
        more = f" and {len(self.report.losses) - 4} more" if len(self.report.losses) > 4 else ""
        text = f"{self.format.info.title} cannot hold everything: {worst}{more}"
        if self.on_loss == "error":
            raise LossError(f"{text}; nothing was written. Pass on_loss='warn' to write it all the same")
        warnings.warn(f"{text}; see the report", LossWarning, stacklevel=5)
