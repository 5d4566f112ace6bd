"""What a workbook may claim, looked at before it is opened: the library that opens it makes room for all of it.

One cell far down and far right is some bytes in the file, and gigabytes in memory. Addresses:
https://learn.microsoft.com/openspecs/office_standards/ms-xlsx (at most XFD1048576).
"""

from __future__ import annotations

import re
import zipfile
import zlib
from typing import IO, Final

from smalti.errors import DataError

LARGEST: Final = 1 << 30  # bytes of one sheet's XML
_HINT: Final = "delete what lies beyond the table, or save the sheet as CSV"

# Every cell is looked at, so the first look is short; few pass it, and they are looked at again.
_LARGE: Final = re.compile(rb'r="([A-Z](?:[A-Z][A-Z]|[A-Z]?\d{7}|[A-Z]\d{6})\d*)')
# Columns up to ZZ (702), and from DA on 99,999 rows; no rows from 2,000,000 on.
_FAR: Final = re.compile(rb"[A-Z]{3}|[D-Z][A-Z]\d{6}|[A-Z]{1,2}(?:[2-9]\d{6}|\d{8})")
_REPEATED: Final = re.compile(rb'number-(?:columns|rows)-repeated="(\d{8,})')


def refuse_bombs(file: str | IO[bytes], url: str) -> None:
    """Look at the addresses of cells in XLSX and ODS; other kinds of workbooks are let pass.

    Args:
        file: A path, or the file.
        url: For the message.

    Raises:
        DataError: A sheet is larger than any table of labels, or the archive is damaged.
    """
    if not zipfile.is_zipfile(file):
        return  # another container, such as that of a locked workbook: the library says what it is
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                is_sheet = member.filename.startswith("xl/worksheets/") and member.filename.endswith(".xml")
                if not is_sheet and member.filename != "content.xml":
                    continue
                if member.file_size > LARGEST:
                    raise DataError(f"{member.filename} has {member.file_size:,} bytes", file=url, hint=_HINT)
                body = archive.read(member)
                found = _LARGE.finditer(body) if is_sheet else _REPEATED.finditer(body)
                far = next((one[1] for one in found if not is_sheet or _FAR.match(one[1])), None)
                if far is not None:
                    reason = f"{member.filename} has cells far out, at {far.decode()}"
                    raise DataError(reason, file=url, hint=_HINT)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise DataError(f"no workbook, or a damaged one: {error}", file=url) from error
