"""Counting what a writer does not take: declared from the schema, counted from the data."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats.protocol import PartRead
from smalti.formats.report import Loss
from smalti.schema import features
from smalti.schema.project import project

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from smalti.schema.schema import Schema


def dropped(
    schema: Schema, wants: Schema, title: str, reasons: Mapping[str, str] | None = None
) -> list[Loss]:
    """A loss for every field of the schema that a writer does not want, with its count still open.

    Args:
        schema: The schema of the dataset.
        wants: The part of it that the writer takes.
        title: The format's title, for the reason where `reasons` has none.
        reasons: Reasons by dotted name, or by member (``"area"``) for every object field.
    """
    reasons = reasons or {}
    taken = set(wants.fields())
    losses = []
    for name, feature in schema.columns.items():
        if isinstance(feature, features.Objects) and name in wants.columns:
            fields = [f"{name}.{member}" for member in feature.names]
        else:
            fields = [name]
        for field in fields:
            if field in taken or field in {"id", "image"}:
                continue
            member = field.rpartition(".")[2]
            reason = reasons.get(field) or reasons.get(member) or f"{title} has no place for it"
            whole = field == name and isinstance(feature, features.Objects)
            losses.append(
                Loss(code="field.dropped", field=field, reason=reason, kind="object" if whole else "value")
            )
    return losses


class Tally:
    """Running counts of values by field over the parts of a dataset, with an example each.

    Args:
        fields: The dotted names to count: columns (samples with a value), members (objects with a
            value), and the bare names of object fields (objects).
    """

    def __init__(self, fields: Iterable[str]) -> None:
        self.fields = tuple(dict.fromkeys(fields))
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def add(self, read: PartRead) -> None:
        """Count one part: from its batch where it has the field, else from the reader's own count."""
        for field in self.fields:
            column, _, member = field.partition(".")
            held = read.batch.schema.get_field_index(column) >= 0
            values = _values(read.batch.column(column), member) if held else None
            if values is None:
                self.counts[field] += read.counts.get(field, 0)
                if example := read.examples.get(field):
                    self.examples.setdefault(field, example)
                continue
            count = len(values) - values.null_count
            self.counts[field] += count
            if count and field not in self.examples:
                self.examples[field] = _example(read.batch, column, values)

    def fill(self, losses: Iterable[Loss]) -> list[Loss]:
        """The losses that happened: open counts filled in, those of nothing left out."""
        filled = [
            loss
            if loss.count is not None
            else replace(loss, count=self.counts[loss.field], example=self.examples.get(loss.field))
            for loss in losses
        ]
        return [loss for loss in filled if loss.count]


def part_read(batch: pa.RecordBatch, whole: Schema, schema: Schema, **account: Any) -> PartRead:
    """A part of a source as it is wanted, with the count of what is left out of it.

    Args:
        batch: All that the source has.
        whole: The schema of that.
        schema: What is wanted.
        **account: What went wrong and what was mended, as `PartRead` has it.
    """
    tally = Tally({*whole.fields(), *whole.of_kind(features.Objects)} - {*schema.fields(), *schema.columns})
    tally.add(PartRead(batch=batch))
    return PartRead(batch=project(batch, schema), counts=tally.counts, examples=tally.examples, **account)


def _values(column: pa.Array, member: str) -> pa.Array | None:
    """The values that are counted: of a column, of an object field's objects, of one member of them."""
    if not _is_objects(column):
        return None if member else column
    objects = column.flatten()
    if not member:
        return objects
    index = objects.type.get_field_index(member)
    return None if index < 0 else pc.struct_field(objects, [index])


def _example(batch: pa.RecordBatch, column: str, values: pa.Array) -> str:
    """Where the first value that is not null stands: a sample's id, with that of its object if it has one."""
    row = pc.index(values.is_valid(), pa.scalar(True)).as_py()
    whole = batch.column(column)
    if not _is_objects(whole):
        return str(batch.column("id")[row].as_py())
    sample = str(batch.column("id")[pc.list_parent_indices(whole)[row].as_py()].as_py())
    objects = whole.flatten()
    number = objects.field("id")[row].as_py() if objects.type.get_field_index("id") >= 0 else None
    return sample if number is None else f"{sample}, id {number}"


def _is_objects(column: pa.Array) -> bool:
    return pa.types.is_list(column.type) and pa.types.is_struct(column.type.value_type)
