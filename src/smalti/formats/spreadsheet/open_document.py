"""What an ODS file says of its cells that the library that opens it does not tell: merged ones, and errors of formulas.

Specification: https://docs.oasis-open.org/office/OpenDocument/v1.3/ (part 3, 9.1: cells, and how often they are repeated).
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from smalti.errors import DataError
from smalti.formats.spreadsheet.open_xml import CELLS_MOST, FAR, Odd

if TYPE_CHECKING:
    from collections.abc import Iterator

_TABLE: Final = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE: Final = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_EXTENDED: Final = "{urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0}"
_CELLS: Final = frozenset({f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"})


def odd(body: bytes, url: str) -> dict[str, Odd]:
    """What is odd in each sheet.

    Args:
        body: The archive's ``content.xml``.
        url: For the message.

    Raises:
        DataError: A sheet is larger than any table of labels; a cell says how often it is repeated.
    """
    found: dict[str, Odd] = {}
    merged: list[tuple[int, int, int, int]] = []
    errors: dict[tuple[int, int], str] = {}
    row = right = 0
    try:
        for _, node in iterparse(io.BytesIO(body), forbid_dtd=True):
            if node.tag == f"{_TABLE}table-row":
                times = _number(node, "number-rows-repeated")
                last = 0
                for column, cell, end in _cells(node):
                    last = end
                    _note(cell, row, column, merged, errors)
                right = max(right, last)
                row += times
                if last and row * right > CELLS_MOST:
                    raise DataError(
                        f"content.xml has cells far out, at row {row:,} and column {right:,}",
                        file=url,
                        hint=FAR,
                    )
                node.clear()
            elif node.tag == f"{_TABLE}table":
                found[node.get(f"{_TABLE}name", "")] = Odd(errors, tuple(merged))
                merged, errors, row, right = [], {}, 0, 0
    except (ParseError, DefusedXmlException) as error:
        raise DataError(f"no workbook, or a damaged one: {error}", file=url) from error
    return found


def _cells(row: Any) -> Iterator[tuple[int, Any, int]]:
    """The cells of a row that hold something, with the first column that each fills, and the one behind it."""
    column = 0
    for cell in row:
        if cell.tag in _CELLS:
            end = column + _number(cell, "number-columns-repeated")
            if len(cell) or cell.get(f"{_OFFICE}value-type"):
                yield column, cell, end
            column = end


def _note(
    cell: Any,
    row: int,
    column: int,
    merged: list[tuple[int, int, int, int]],
    errors: dict[tuple[int, int], str],
) -> None:
    rows, columns = _number(cell, "number-rows-spanned"), _number(cell, "number-columns-spanned")
    if rows * columns > 1:
        merged.append((row, column, row + rows - 1, column + columns - 1))
    if cell.get(f"{_EXTENDED}value-type") == "error":
        errors[row, column] = "".join(cell.itertext())[:40]


def _number(node: Any, name: str) -> int:
    """How often something is repeated, or how far it reaches; 1 where it does not say."""
    text = node.get(_TABLE + name, "1")
    return min(int(text[:12]), 1 << 40) if text.isdecimal() and text.isascii() else 1
