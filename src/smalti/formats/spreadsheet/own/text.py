"""Tables as separated values: UTF-8 with the mark that Excel looks for, one header, keys in the last column.

Texts that a spreadsheet would take for formulas have an apostrophe before them
(https://owasp.org/www-community/attacks/CSV_Injection); reading takes it away again.
Specification: https://www.rfc-editor.org/rfc/rfc4180
"""

from __future__ import annotations

import shutil
from typing import IO, TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from smalti.formats.spreadsheet.own import keys
from smalti.formats.spreadsheet.text_file import BOM

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from smalti.formats.spreadsheet.own.columns import Column
    from smalti.storage.location import Location

FORMULA: Final = r"^'*[=+\-@\t\r]"
_NUMBERS: Final = {"integer": pa.int64(), "number": pa.float64()}


def text_part(table: pa.Table, columns: Sequence[Column], delimiter: str) -> bytes:
    """Rows as separated values, without a header."""
    arrays = [_cells(table.column(column.header), column) for column in columns]
    plain = pa.table([*arrays, table.column(len(columns))], table.column_names)
    sink = pa.BufferOutputStream()
    csv.write_csv(
        plain, sink, csv.WriteOptions(include_header=False, delimiter=delimiter, quoting_style="needed")
    )
    return bytes(sink.getvalue())


def joined(
    file: IO[bytes], columns: Sequence[Column], about: keys.About, delimiter: str, parts: Iterable[Location]
) -> None:
    """Write the header and the parts below it."""
    titles = [guarded(pa.array([column.header]))[0].as_py() for column in columns]
    quoted = ['"' + title.replace('"', '""') + '"' for title in (*titles, keys.header(about))]
    file.write(BOM + delimiter.join(quoted).encode() + b"\n")
    for part in parts:
        with part.open("rb") as rows:
            shutil.copyfileobj(rows, file)


def guarded(cells: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Texts, an apostrophe before those that would be formulas."""
    return pc.if_else(
        pc.match_substring_regex(cells, FORMULA), pc.binary_join_element_wise("'", cells, ""), cells
    )


def _cells(cells: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
    if column.kind in _NUMBERS:
        try:
            return cells.cast(_NUMBERS[column.kind])
        except pa.ArrowInvalid:  # beyond 64 bits with a sign
            return cells
    return guarded(cells)
