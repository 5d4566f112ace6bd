"""Loss and Report: the account of what a reading, a writing or a conversion did.

Totals reconcile: objects read = objects written + objects in losses of kind ``object`` + objects
that were skipped for an error. A loss code is stable; it is what scripts and checks rely on.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from smalti.schema.doors import Shown

if TYPE_CHECKING:
    from collections.abc import Iterable

LossKind = Literal["value", "object", "sample", "change"]
ERRORS_KEPT = 100  # skipped places named in a report; the count goes on


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """One thing that does not come through, or not as it was.

    Attributes:
        code: A stable name: ``"field.dropped"``, ``"crowd.skipped"``, ``"box.clipped"``.
        field: What it is about: ``"objects.polygons"``, ``"categories"``, ``"image"``.
        reason: Why, in a sentence, and what to do where something can be done.
        kind: ``value``: a field's value is not written. ``object``, ``sample``: the whole of it is
            not written. ``change``: it is written, but not as it was.
        count: How many values, objects or samples; null where the pipeline has to count them.
        example: One of them, named so that it can be found.
        iou: Where geometry changes: the overlap of the worst object with what it was, measured.
    """

    code: str
    field: str
    reason: str
    kind: LossKind = "value"
    count: int | None = None
    example: str | None = None
    iou: float | None = None


def merged(losses: Iterable[Loss]) -> list[Loss]:
    """Sum the counts of equal code and field; the first example stays. Order is of appearance."""
    found: dict[tuple[str, str], Loss] = {}
    for loss in losses:
        key = (loss.code, loss.field)
        if (before := found.get(key)) is None:
            found[key] = loss
        else:
            found[key] = replace(
                before,
                count=(before.count or 0) + (loss.count or 0),
                example=before.example or loss.example,
                iou=min((i for i in (before.iou, loss.iou) if i is not None), default=None),
            )
    return list(found.values())


def _worst(loss: Loss) -> str:
    return "" if loss.iou is None else f" (worst IoU {loss.iou:.4f})"


@dataclass(slots=True, kw_only=True)
class Report(Shown):
    """What was read, what was written, and everything that did not come through.

    Attributes:
        source: Where it came from; null for a dataset in memory.
        target: Where it went; null for a reading.
        source_format: The name of the source's format.
        target_format: The name of the target's format.
        samples_read: Samples that the source gave, without those skipped for an error.
        samples_written: Samples in the target.
        objects_read: Objects that the source gave, without those skipped for an error.
        objects_written: Objects in the target.
        losses: What the target does not hold, or not as it was.
        repairs: What reading mended in a source that was not quite right.
        errors: Messages of the places that ``on_error="skip"`` left out, the first hundred.
        objects_skipped: Objects left out for an error.
        samples_skipped: Samples left out for an error.
        media: Images by what became of them: ``placed``, ``missing``.
        details: What the formats have to say: the class map that an export used.
        files: Files written.
        seconds: Wall time.
        dry_run: Nothing was written.
    """

    source: str | None = None
    target: str | None = None
    source_format: str | None = None
    target_format: str | None = None
    samples_read: int = 0
    samples_written: int = 0
    objects_read: int = 0
    objects_written: int = 0
    losses: list[Loss] = field(default_factory=list)
    repairs: list[Loss] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    error_count: int = 0
    objects_skipped: int = 0
    samples_skipped: int = 0
    media: dict[str, int] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    files: int = 0
    seconds: float = 0.0
    dry_run: bool = False

    @property
    def lossless(self) -> bool:
        """Whether everything came through as it was."""
        return not self.losses and not self.error_count

    @property
    def reconciles(self) -> bool:
        """Whether every object read is either written or in a loss."""
        if self.target_format is None:
            return True
        lost = sum(loss.count or 0 for loss in self.losses if loss.kind == "object")
        return self.objects_read == self.objects_written + lost

    def add_errors(self, messages: Iterable[str]) -> None:
        """Count skipped places and keep the first messages."""
        for message in messages:
            self.error_count += 1
            if len(self.errors) < ERRORS_KEPT:
                self.errors.append(message)

    def to_json(self, indent: int | None = 2) -> str:
        """The report as JSON, with the totals' verdict under ``reconciles``."""
        body = asdict(self) | {"lossless": self.lossless, "reconciles": self.reconciles}
        return json.dumps(body, indent=indent, ensure_ascii=False)

    def lines(self) -> list[str]:
        """The headline of the report, as plain sentences."""
        read = f"read {self.samples_read:,} samples with {self.objects_read:,} objects"
        if self.source_format:
            read += f" from {self.source_format}"
        lines = [read]
        if self.target_format:
            verb = "would write" if self.dry_run else "wrote"
            lines.append(
                f"{verb} {self.samples_written:,} samples with {self.objects_written:,} objects"
                f" as {self.target_format} to {self.target}"
            )
        if self.error_count:
            lines.append(
                f"skipped {self.error_count:,} faulty places: {self.samples_skipped:,} samples and"
                f" {self.objects_skipped:,} objects"
            )
        if self.media:
            lines.append("images: " + ", ".join(f"{count:,} {what}" for what, count in self.media.items()))
        if self.target_format:
            kinds = len(self.losses)
            lines.append(
                f"{kinds} kinds of loss" if kinds > 1 else "1 kind of loss" if kinds else "nothing was lost"
            )
        return lines

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """Code, field, count, reason and example of each loss and repair, as text."""
        return [
            (loss.code, loss.field, f"{loss.count or 0:,}", loss.reason + _worst(loss), loss.example or "")
            for loss in (*self.losses, *self.repairs)
        ]

    def __str__(self) -> str:
        text = self.lines()
        text += [f"  {code} {what}: {n} – {why} (e.g. {eg})" if eg else f"  {code} {what}: {n} – {why}"
                 for code, what, n, why, eg in self.rows()]  # fmt: skip
        text += [f"  error: {message}" for message in self.errors]
        return "\n".join(text)

    __repr__ = __str__

    def __rich__(self) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        parts: list[Any] = [Text(line) for line in self.lines()]
        if rows := self.rows():
            table = Table("code", "field", "count", "why", "example", title="what changed on the way")
            table.columns[2].justify = "right"
            for row in rows:
                table.add_row(*(Text(cell) for cell in row))
            parts.append(table)
        parts += [Text(f"error: {message}", style="red") for message in self.errors]
        return Group(*parts)
