r"""Tables as separated values: UTF-8 with the mark that Excel looks for, one header, keys in the last column.

Texts that a spreadsheet would take for formulas have an apostrophe before them
(https://owasp.org/www-community/attacks/CSV_Injection); reading takes it away again. Where a text would give a formula if
the file were divided at another character, as German Excel does, its sign stands as JSON's ``\u003d``.
Specification: https://www.rfc-editor.org/rfc/rfc4180
"""

from __future__ import annotations

import json
import re
import shutil
from typing import IO, TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from smalti.formats.spreadsheet.own import keys
from smalti.formats.spreadsheet.own.decode import unescaped_text
from smalti.formats.spreadsheet.text_file import BOM

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from smalti.formats.spreadsheet.own.columns import Column
    from smalti.storage.location import Location

# What begins a formula, also as Chinese and Japanese Excel know it; and a text that hides one from another delimiter.
_SIGNS: Final = "=+\\-@\uff1d\uff0b\uff0d\uff20"
FORMULA: Final = rf"^'*[{_SIGNS}\t\r\n]"
GUARDED: Final = re.compile(rf"'+[{_SIGNS}\t\r\n]")  # a text that is kept from being one by an apostrophe
_INNER: Final = rf"[;|\t\r\n]\s*[{_SIGNS}]"
_JSON: Final = frozenset({"json", "mask"})  # kinds of cells whose texts are JSON, signs in strings alone
_NUMBERS: Final = {"integer": pa.int64(), "number": pa.float64()}


def text_part(table: pa.Table, columns: Sequence[Column], delimiter: str) -> bytes:
    """Rows as separated values, without a header."""
    arrays = [_cells(table.column(column.header), column) for column in columns]
    plain = pa.table([*arrays, spelled(table.column(len(columns)))], table.column_names)
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
    """Texts, an apostrophe before those that would be formulas, those that hide one as JSON."""
    hiding = pc.match_substring_regex(cells, _INNER).fill_null(False)
    if pc.any(hiding).as_py():
        safe = [None if text is None else _spelled(json.dumps(unescaped_text(text))) if odd else text
                for text, odd in zip(cells.to_pylist(), hiding.to_pylist(), strict=True)]  # fmt: skip
        cells = pa.array(safe, pa.string())
    return pc.if_else(
        pc.match_substring_regex(cells, FORMULA), pc.binary_join_element_wise("'", cells, ""), cells
    )


def spelled(cells: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """JSON, with the signs that would begin a formula spelled out in its strings."""
    hiding = pc.match_substring_regex(cells, _INNER).fill_null(False)
    if not pc.any(hiding).as_py():
        return cells
    return pa.array([None if text is None else _spelled(text) for text in cells.to_pylist()], pa.string())


def _spelled(text: str) -> str:
    return re.sub(_INNER, lambda found: found[0][:-1] + f"\\u{ord(found[0][-1]):04x}", text)


def _cells(cells: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
    if column.kind in _NUMBERS:
        try:
            return cells.cast(_NUMBERS[column.kind])
        except pa.ArrowInvalid:  # beyond 64 bits with a sign
            return cells
    return guarded(spelled(cells) if column.kind in _JSON else cells)
