"""What an XLSX file says of its cells that the library that opens it does not tell: which are errors of formulas.

Specification: https://learn.microsoft.com/openspecs/office_standards/ms-xlsx (ECMA-376, part 1, 18.3.1.4).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

if TYPE_CHECKING:
    import zipfile

BOOK: Final = "xl/workbook.xml"
CELLS_MOST: Final = 80_000_000  # of one sheet, blank ones too: 2.5 GB
FAR: Final = "delete what lies beyond the table, or save the sheet as CSV"
UNKNOWN: Final = "a formula without its value"
_RELATIONS: Final = "xl/_rels/workbook.xml.rels"
_ID: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_ERROR: Final = re.compile(
    rb'<c r="([A-Z]{1,3}\d{1,7})"[^>]* t="e"[^>]*>(?:(?!</c>).){0,9999}?<v>([^<]{1,40})</v>', re.DOTALL
)
_UNSET: Final = re.compile(rb'<c r="([A-Z]{1,3}\d{1,7})"[^>]*><f[^>]*>[^<]*</f>(?:<v\s*/>|<v></v>)?</c>')


@dataclass(frozen=True, slots=True)
class Odd:
    """What is odd in a sheet.

    Attributes:
        errors: Errors of formulas as they are shown (``#N/A``), by the cell's row and column from 0.
        merged: Merged cells as ``(top, left, bottom, right)``, from 0, inclusive; null: the library tells them.
    """

    errors: dict[tuple[int, int], str] = field(default_factory=dict)
    merged: tuple[tuple[int, int, int, int], ...] | None = None


def odd(body: bytes) -> Odd:
    """The errors of a sheet; formulas that no program has computed yet are some, too."""
    found = (
        {_place(one[1]): one[2].decode("utf-8", "replace") for one in _ERROR.finditer(body)}
        if b't="e"' in body
        else {}
    )
    if b"</f>" in body:
        found |= {_place(one[1]): UNKNOWN for one in _UNSET.finditer(body)}
    return Odd(found)


def sheets(archive: zipfile.ZipFile) -> dict[str, str]:
    """The name of each sheet by its member of the archive; nothing where the file does not say."""
    if not {BOOK, _RELATIONS} <= set(archive.namelist()):
        return {}
    try:
        book, relations = (fromstring(archive.read(name), forbid_dtd=True) for name in (BOOK, _RELATIONS))
    except (ParseError, DefusedXmlException):
        return {}
    targets = {one.get("Id"): one.get("Target", "") for one in relations}
    named = [one for one in book.iter() if one.tag.endswith("}sheet")]
    return {_member(targets.get(one.get(_ID), "")): one.get("name", "") for one in named}


def _member(target: str) -> str:
    return target[1:] if target.startswith("/") else str(PurePosixPath("xl") / target)


def _place(address: bytes) -> tuple[int, int]:
    letters = address.rstrip(b"0123456789")
    column = 0
    for letter in letters:
        column = column * 26 + letter - 64
    return int(address[len(letters) :]) - 1, column - 1
