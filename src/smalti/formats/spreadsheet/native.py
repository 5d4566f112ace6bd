"""Workbooks and tables that smalti wrote: they carry their schema, and are read exactly as it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from smalti.formats.report import Loss
from smalti.formats.spreadsheet.own.dataset import gather
from smalti.formats.spreadsheet.own.table import read_table

if TYPE_CHECKING:
    import pyarrow as pa

    from smalti.errors import DataError
    from smalti.formats.spreadsheet.cells import Book
    from smalti.formats.spreadsheet.own.table import Table
    from smalti.schema.schema import Schema
    from smalti.storage.location import Location


@dataclass(frozen=True)
class Native:
    """What such a file holds.

    Attributes:
        schema: The schema that it carries.
        batch: All samples.
        repairs: What somebody added that is left out.
        errors: Faulty cells.
    """

    schema: Schema
    batch: pa.RecordBatch
    repairs: list[Loss] = field(default_factory=list)
    errors: list[DataError] = field(default_factory=list)


def read_native(book: Book, media: Location | None) -> Native | None:
    """The whole dataset of a file that smalti wrote; null for others.

    Args:
        book: The file.
        media: Where the images lie; null: where the schema says.

    Raises:
        DataError: It is damaged.
    """
    table = read_table(book)
    if table is None:
        return None
    found = gather(table)
    schema = table.schema
    if media is not None:
        schema = schema.model_copy(update={"media_root": media.url})
    return Native(schema, found.batch, _repairs(table), [table.error(one) for one in found.wrong])


def _repairs(table: Table) -> list[Loss]:
    if not table.ignored:
        return []
    return [
        Loss(
            code="column.ignored",
            field="columns",
            kind="change",
            count=len(table.ignored),
            reason="a column that somebody added to a table of a fixed schema; it is left out",
            example=table.ignored[0],
        )
    ]
