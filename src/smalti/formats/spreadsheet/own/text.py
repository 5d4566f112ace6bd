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

# What begins a formula, also as Chinese and Japanese Excel know it.
_WIDE: Final = "\uff1d\uff0b\uff0d\uff20"
_SIGNS: Final = rf"=+\-@{_WIDE}"
FORMULA: Final = rf"^'*[{_SIGNS}\t\r\n]"
GUARDED: Final = re.compile(rf"'+[{_SIGNS}\t\r\n]")  # a text that is kept from being one by an apostrophe
# A text that hides one from a delimiter that is another locale's. In JSON a comma stands before numbers, too.
_HIDING: Final = {",": rf"([;|\t\r\n]\s*)([{_SIGNS}])", "\t": rf"([;|,\t\r\n]\s*)([{_SIGNS}])"}
_IN_JSON: Final = {",": _HIDING[","], "\t": rf"([;|,\t\r\n]\s*)([=+@{_WIDE}]|-\D)"}
_JSON: Final = frozenset({"json", "mask", "polygons"})  # kinds of cells that are lists or objects
_NUMBERS: Final = {"integer": pa.int64(), "number": pa.float64()}


def text_part(table: pa.Table, columns: Sequence[Column], delimiter: str) -> bytes:
    """Rows as separated values, without a header."""
    arrays = [_cells(table.column(column.header), column, delimiter) for column in columns]
    plain = pa.table([*arrays, _spelled(table.column(len(columns)), _HIDING[delimiter])], table.column_names)
    sink = pa.BufferOutputStream()
    csv.write_csv(
        plain, sink, csv.WriteOptions(include_header=False, delimiter=delimiter, quoting_style="needed")
    )
    return bytes(sink.getvalue())


def joined(
    file: IO[bytes], columns: Sequence[Column], about: keys.About, delimiter: str, parts: Iterable[Location]
) -> None:
    """Write the header and the parts below it."""
    titles = guarded(pa.array([column.header for column in columns], pa.string()), delimiter).to_pylist()
    quoted = ['"' + title.replace('"', '""') + '"' for title in (*titles, keys.header(about))]
    file.write(BOM + delimiter.join(quoted).encode() + b"\n")
    for part in parts:
        with part.open("rb") as rows:
            shutil.copyfileobj(rows, file)


def guarded(cells: pa.Array | pa.ChunkedArray, delimiter: str) -> pa.Array | pa.ChunkedArray:
    """Texts, an apostrophe before those that would be formulas; those that hide one as JSON."""
    hiding = pc.match_substring_regex(cells, _HIDING[delimiter]).fill_null(False)
    if pc.any(hiding).as_py():
        texts = zip(cells.to_pylist(), hiding.to_pylist(), strict=True)
        plain = pa.array(
            [json.dumps(unescaped_text(text)) if odd else text for text, odd in texts], pa.string()
        )
        cells = _spelled(plain, _HIDING[delimiter])
    return pc.if_else(
        pc.match_substring_regex(cells, FORMULA), pc.binary_join_element_wise("'", cells, ""), cells
    )


def _spelled(cells: pa.Array | pa.ChunkedArray, hiding: str) -> pa.Array | pa.ChunkedArray:
    """JSON, with the signs that would begin a formula spelled out in its strings."""
    if not pc.any(pc.match_substring_regex(cells, hiding).fill_null(False)).as_py():
        return cells
    spelled = [None if text is None else re.sub(hiding, _sign, text) for text in cells.to_pylist()]
    return pa.array(spelled, pa.string())


def _sign(found: re.Match[str]) -> str:
    return f"{found[1]}\\u{ord(found[2][0]):04x}{found[2][1:]}"


def _cells(cells: pa.ChunkedArray, column: Column, delimiter: str) -> pa.ChunkedArray:
    if column.kind in _NUMBERS:
        try:
            return cells.cast(_NUMBERS[column.kind])
        except pa.ArrowInvalid:  # beyond 64 bits with a sign
            return cells
    return _spelled(cells, _IN_JSON[delimiter]) if column.kind in _JSON else guarded(cells, delimiter)
