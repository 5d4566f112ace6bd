"""Whether a source is a spreadsheet of labels, from the names of its files and the heads of texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smalti.errors import DataError
from smalti.formats.protocol import Grade, Match
from smalti.formats.spreadsheet import text_file
from smalti.formats.spreadsheet.cells import BOOK_SUFFIXES, HEAD, TEXT_SUFFIXES
from smalti.formats.spreadsheet.header import header_row, is_image, roles

if TYPE_CHECKING:
    from smalti.formats.probe import Probe

KNOWN: Final = ("_annotations.csv", "_classes.csv")  # Roboflow's


def sniff(probe: Probe) -> Match | None:
    """A workbook, or text in columns of which one names images; in a folder beside nothing better."""
    texts = [path for path in probe.files if path.lower().endswith(TEXT_SUFFIXES)]
    books = [path for path in probe.files if path.lower().endswith(BOOK_SUFFIXES)]
    if probe.is_file and books:
        return Match(Grade.LIKELY, "a workbook")
    for path in texts[:8]:
        if _names_images(probe.head(path)):
            sure = probe.is_file or path.endswith(KNOWN)
            return Match(Grade.LIKELY if sure else Grade.POSSIBLE, f"{path} has a column of images")
    if probe.is_file:
        return Match(Grade.POSSIBLE, "separated values") if texts else None
    top = [path for path in books if path.count("/") < 2]
    return Match(Grade.POSSIBLE, f"{top[0]} is a workbook") if top else None


def _names_images(head: bytes) -> bool:
    try:
        data, _ = text_file.decoded(head.rpartition(b"\n")[0] or head, "")
    except DataError:
        return False
    data, mark, _ = text_file.marked(data)
    rows = text_file.head(data, mark or text_file.sniff_delimiter(data), HEAD)
    found = header_row(rows)
    if found is not None and "image" in roles(rows[found]):
        return True
    below = rows[(found or -1) + 1 :] if found is not None else rows
    return any(is_image(cell) for row in below[:1] for cell in row)
