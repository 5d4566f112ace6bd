"""What a workbook may claim, looked at before it is opened: the library that opens it makes room for all of it.

One cell far down and one far right are some bytes in the file, and gigabytes in memory. Addresses:
https://learn.microsoft.com/openspecs/office_standards/ms-xlsx (at most XFD1048576).
"""

from __future__ import annotations

import re
import zipfile
import zlib
from typing import IO, TYPE_CHECKING, Final

from smalti.errors import DataError
from smalti.formats.spreadsheet import open_document, open_xml
from smalti.formats.spreadsheet.open_xml import CELLS_MOST, FAR

if TYPE_CHECKING:
    from smalti.formats.spreadsheet.open_xml import Odd

LARGEST: Final = 1 << 30  # bytes of one sheet's XML

_LARGE: Final = re.compile(rb'r="[A-Z](?:[A-Z]|\d{6})')  # more than 26 columns, or more than 99,999 rows
_WIDE: Final = re.compile(rb'r="[A-Z]{2}')
_WIDER: Final = re.compile(rb'r="[A-Z]{3}')  # more than 702
_LONG: Final = re.compile(rb'r="[A-Z]+\d{6}')
_LONGER: Final = re.compile(rb'r="[A-Z]+(?:[2-9]\d{6}|\d{8})')  # more than 1,999,999
_CELL: Final = re.compile(rb'r="([A-Z]+)(\d+)"')


def looked_into(file: str | IO[bytes], url: str) -> dict[str, Odd]:
    """Look at the cells of XLSX and ODS; other kinds of workbooks are let pass.

    Args:
        file: A path, or the file.
        url: For the message.

    Returns:
        What the library that opens workbooks does not tell, by the name of the sheet.

    Raises:
        DataError: A sheet is larger than any table of labels, or the archive is damaged.
    """
    if not zipfile.is_zipfile(file):
        return {}  # another container, such as that of a locked workbook: the library says what it is
    try:
        with zipfile.ZipFile(file) as archive:
            names = open_xml.sheets(archive)
            found: dict[str, Odd] = {}
            for member in archive.infolist():
                is_sheet = member.filename.startswith("xl/worksheets/") and member.filename.endswith(".xml")
                if not is_sheet and member.filename != "content.xml":
                    continue
                if member.file_size > LARGEST:
                    raise DataError(f"{member.filename} has {member.file_size:,} bytes", file=url, hint=FAR)
                body = archive.read(member)
                if is_sheet:
                    _refuse(body, member.filename, url)
                    found[names.get(member.filename, "")] = open_xml.odd(body)
                else:
                    found |= open_document.odd(body, url)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise DataError(f"no workbook, or a damaged one: {error}", file=url) from error
    return found


def _refuse(body: bytes, name: str, url: str) -> None:
    """Refuse a sheet whose cells span too much. Most are narrow or short, and that shows without a look at each cell."""
    first = _LARGE.search(body)
    if first is None:
        return
    wide, long = (pattern.search(body, first.start()) for pattern in (_WIDE, _LONG))
    suspect = (wide and long) or (long and _LONGER.search(body, long.start()))
    if not suspect and not (wide and _WIDER.search(body, wide.start())):
        return
    columns: set[bytes] = set()
    last = 0
    for cell in _CELL.finditer(body):
        columns.add(cell[1])
        last = max(last, int(cell[2][:9]))
    width = max((_position(one) for one in columns), default=0)
    if width * last > CELLS_MOST or last >= 2_000_000:
        far = max(columns, key=_position).decode()
        raise DataError(f"{name} has cells far out, at column {far} and row {last:,}", file=url, hint=FAR)


def _position(letters: bytes) -> int:
    """A column's number, from 1."""
    position = 0
    for letter in letters[:6]:
        position = position * 26 + letter - 64
    return position
