"""Workbooks and tables that smalti wrote: they carry their schema, and are read exactly as it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from smalti.formats.report import Loss
from smalti.formats.spreadsheet.cells import open_book
from smalti.formats.spreadsheet.faults import fault
from smalti.formats.spreadsheet.own.dataset import gather
from smalti.formats.spreadsheet.own.encode import escaped
from smalti.formats.spreadsheet.own.table import read_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalti.errors import DataError
    from smalti.formats.spreadsheet.cells import Book, Sheet
    from smalti.formats.spreadsheet.faults import Fault
    from smalti.formats.spreadsheet.own.table import Table
    from smalti.formats.spreadsheet.source import Source
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


@dataclass(frozen=True)
class OwnTable:
    """A table that smalti wrote, for a check.

    Attributes:
        table: The table.
        options: How it is read as anyone's table: every column that has a meaning there, and no other.
    """

    table: Table
    options: dict[str, Any]

    def faults(self, sheet: Sheet) -> list[Fault]:
        """The cells of a sheet that do not hold what their columns hold."""
        found = []
        for wrong in gather(self.table).wrong:
            page, row = self.table.where(wrong.row)
            if page.name == sheet.name:
                column = page.header.index(wrong.header)
                found.append(fault(page, "cell.wrong", row, column, wrong.reason, wrong.hint))
        return found


def own_table(files: Sequence[Source], options: dict[str, Any]) -> OwnTable | None:
    """The table of a file that smalti wrote; null for others, and where the caller knows better.

    Raises:
        DataError: It is damaged.
    """
    if len(files) != 1 or options.get("mapping") is not None or options.get("preset") is not None:
        return None
    table = read_table(files[0].book or open_book(files[0].place))
    if table is None:
        return None
    at = {
        (column.field, column.part): column.header for column in table.columns if column.header in table.cells
    }
    field_ = table.about.field
    roles = {
        "image": ("image", "path"),
        "width": ("image", "width"),
        "height": ("image", "height"),
        "split": ("split", ""),
    }
    roles |= {"category": (f"{field_}.category", ""), **{side: (f"{field_}.bbox", side) for side in "xywh"}}
    columns = {role: at[place] for role, place in roles.items() if place in at}
    columns.setdefault("image", at.get(("id", ""), ""))
    common = set.intersection(*(set(page.header) for page in table.sheets))
    words = next((c.words for c in table.columns if c.header == columns.get("category")), None)
    mapping = {
        "columns": columns,
        "boxes": "xywh",
        "units": "pixels",
        "rows": "objects" if field_ else "images",
        "ignore": tuple(common - set(columns.values()) - {""}),
        "categories": None if words is None else tuple(escaped(pa.array(words, pa.string())).to_pylist()),
    }
    return OwnTable(table, {"mapping": mapping, "sheets": tuple(page.name for page in table.sheets)})
