"""Workbooks and tables that smalti wrote: they carry their schema, and are read exactly as it says.

The reader asks here first. Nothing writes such files yet, so that none is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from smalti.formats.spreadsheet.cells import Book
    from smalti.schema.schema import Schema
    from smalti.storage.location import Location


def is_native(book: Book) -> bool:
    """Whether smalti wrote it."""
    del book
    return False


def read_native(book: Book, media: Location | None) -> tuple[Schema, pa.RecordBatch]:
    """The whole dataset, with the schema that the book carries.

    Args:
        book: A book of which `is_native` is true.
        media: Where the images lie; null: where the schema says.

    Raises:
        DataError: The book does not hold what its schema says.
    """
    del media
    raise DataError("carries no schema", file=book.location.url)
