"""Check a spreadsheet of labels: the faults that reading raises, and what is worth a look, each with its cell.

Typing faults are looked for that people make in tables: class names that nearly agree, numbers stored as
text, dates that Excel made, missing headers, merged cells, rows twice, boxes outside of their image,
names without image and images without row.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats.spreadsheet import values
from smalti.formats.spreadsheet.cells import BLANK, DATE, NUMBER, TEXT
from smalti.formats.spreadsheet.faults import NAMED, Fault, each, fault, shown
from smalti.formats.spreadsheet.header import BOX_ROLES, NUMERIC
from smalti.formats.spreadsheet.images import Images
from smalti.formats.spreadsheet.options import SpreadsheetOptions
from smalti.formats.spreadsheet.source import read, sources
from smalti.storage.location import Location

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from smalti.formats.spreadsheet.layout import Parsed
    from smalti.formats.spreadsheet.mapping import Mapping

EPS: Final = 0.5  # pixels that a box may stick out: rounding
RARE: Final = 4  # times less often than the name that it nearly is
SHORT: Final = 4  # letters from which on one letter may be a slip
LISTED: Final = 20


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found.

    Attributes:
        files: The files, by their path or URL, with the faults of each.
        mapping: What the columns of the first sheet were taken for.
        rows: How many rows were read.
    """

    files: dict[str, list[Fault]]
    mapping: Mapping
    rows: int

    @property
    def faults(self) -> list[Fault]:
        """All faults."""
        return [one for found in self.files.values() for one in found]

    @property
    def errors(self) -> int:
        """How many of them keep a row from being read."""
        return sum(one.grave for one in self.faults)


def check(
    source: str | os.PathLike[str], media: str | os.PathLike[str] | None = None, **options: Any
) -> Checked:
    """Check a file, or a folder of files.

    Args:
        source: A file or a folder.
        media: Where the images lie; null: beside the file.
        **options: Options of the format, as for reading.

    Raises:
        DataError: No sheet names images, or a file is damaged.
    """
    root = Location.parse(source)
    folder = root.parent if root.isfile() else root
    images = Images(folder if media is None else Location.parse(media))
    found = read(sources(root), images, SpreadsheetOptions(**options))
    files: dict[str, list[Fault]] = {}
    named: set[str] = set()
    for parsed in found.parsed:
        files.setdefault(parsed.sheet.file, []).extend(sheet_faults(parsed, images))
        named |= set(pc.unique(parsed.image).to_pylist())
    first = found.parsed[0]
    files[first.sheet.file] += _unnamed(first, images, named)
    return Checked(files, first.mapping, sum(len(parsed.sheet) for parsed in found.parsed))


def sheet_faults(parsed: Parsed, images: Images) -> list[Fault]:
    """All faults of one sheet, in its order."""
    found = [*parsed.faults]
    for look in (_header, _merged, _as_text, _dated, _alike, _swapped, _outside, _twice):
        found += look(parsed)
    found += _missing(parsed, images)
    return sorted(found, key=lambda one: (one.row or -1, one.column or 0))


def _warn(parsed: Parsed, code: str, rows: Iterable[int], column: int, reason: str) -> list[Fault]:
    every = list(rows)
    found = each(
        parsed.sheet,
        code,
        every[:NAMED],
        column,
        lambda text: reason.replace("{}", shown(text)),
        grave=False,
    )
    return found + _more(parsed, code, len(every))


def _more(parsed: Parsed, code: str, count: int) -> list[Fault]:
    """The faults of one kind that are not named one by one, as one."""
    if count <= NAMED:
        return []
    return [fault(parsed.sheet, code, None, None, f"{count - NAMED:,} more like these", grave=False)]


def _header(parsed: Parsed) -> list[Fault]:
    if parsed.sheet.has_header or parsed.mapping.preset:
        return []
    reason = "the sheet has no header row; its columns were recognised by their values"
    return [fault(parsed.sheet, "header.missing", 0, None, reason, "write names above", grave=False)]


def _merged(parsed: Parsed) -> list[Fault]:
    sheet = parsed.sheet
    return [
        fault(
            sheet,
            "cells.merged",
            top - sheet.first + 1,
            left,
            f"{bottom - top + 1} rows and {right - left + 1} columns are merged to one cell",
            "unmerge it, and write the value into every row",
            grave=False,
        )
        for top, left, bottom, right in sheet.merged
        if top >= sheet.first - 1
    ]


def _numeric(parsed: Parsed) -> list[int]:
    """Columns that hold numbers by their roles, or in most of their cells."""
    known = [c for role, c in parsed.columns.at.items() if role in NUMERIC]
    known += [c for axes in parsed.columns.keypoints.values() for c in axes if c is not None]
    mixed = parsed.sheet.kinds.items()
    return [*known, *(c for c, kinds in mixed if c not in known and (kinds == NUMBER).mean() > 0.5)]


def _as_text(parsed: Parsed) -> list[Fault]:
    """Numbers that a workbook stores as text; in CSV everything is text."""
    found: list[Fault] = []
    for column in _numeric(parsed) if parsed.sheet.name else ():
        cells = parsed.sheet.columns[column]
        if not pa.types.is_string(cells.type):
            continue
        kinds = parsed.sheet.kinds.get(column)
        numbers, _ = values.numbers(cells)
        is_text = np.isfinite(numbers) if kinds is None else np.isfinite(numbers) & (kinds == TEXT)
        reason = "the number {} is stored as text"
        found += _warn(parsed, "number.as_text", np.flatnonzero(is_text), column, reason)
    return found


def _dated(parsed: Parsed) -> list[Fault]:
    """Dates among names: Excel makes them of text like ``3-4``."""
    found: list[Fault] = []
    for role in ("category", "image", "split"):
        column = parsed.columns.at.get(role)
        if column is None:
            continue
        kinds = parsed.sheet.kinds.get(column)
        if kinds is None and pa.types.is_timestamp(parsed.sheet.columns[column].type):
            kinds = np.where(parsed.sheet.columns[column].is_valid(), DATE, BLANK)
        if kinds is not None:
            reason = "{} is a date among names; Excel makes dates of text like 3-4"
            found += _warn(parsed, "cell.date", np.flatnonzero(kinds == DATE), column, reason)
    return found


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if letter.isalnum())


def alike(counts: dict[str, int]) -> dict[str, str]:
    """Names that are probably another one, mistyped, with the one that was meant.

    Args:
        counts: How often each name is met.
    """
    order = sorted(counts, key=lambda name: (-counts[name], name))
    found: dict[str, str] = {}
    plain: dict[str, str] = {}
    for name in order:
        first = plain.setdefault(_plain(name) or name, name)
        if first != name:
            found[name] = first
    for name in order:
        for other in order:
            if name in found or other in found or counts[other] < RARE * counts[name]:
                continue
            if one_letter(_plain(name), _plain(other)):
                found[name] = other
    return found


def one_letter(one: str, other: str) -> bool:
    """Whether words differ in one letter: another, one more, one less, or two that changed places."""
    if min(len(one), len(other)) < SHORT - 1 or max(len(one), len(other)) < SHORT:
        return False
    start = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if start is None:
        start = min(len(one), len(other))
    rest, others = one[start:], other[start:]
    if any(letter.isdecimal() for letter in (*rest[:1], *others[:1])):
        return False  # class 1 and class 2 are two
    swapped = rest[:2] == others[1::-1] and rest[2:] == others[2:] and len(rest) > 1
    return swapped or rest[1:] == others[1:] or rest[1:] == others or rest == others[1:]


def _alike(parsed: Parsed) -> list[Fault]:
    column = parsed.columns.at.get("category")
    if column is None or parsed.mapping.categories is not None or parsed.mapping.separator is not None:
        return []
    cells = parsed.sheet.columns[column]
    raw = cells if pa.types.is_string(cells.type) else values.words(cells)
    tally = pc.value_counts(raw.drop_null())
    counts = dict(zip(tally.field("values").to_pylist(), tally.field("counts").to_pylist(), strict=True))
    if len(counts) > NAMED:
        return []
    found: list[Fault] = []
    for name, meant in alike(counts).items():
        rows = np.flatnonzero(pc.equal(raw, name).fill_null(fill_value=False).to_numpy(zero_copy_only=False))
        made = _warn(parsed, "category.alike", rows, column, "{} looks like another category, mistyped")
        found += [replace(one, hint=f'did you mean "{meant}"?') for one in made]
    return found


def _box_column(parsed: Parsed) -> int:
    at = parsed.columns.at
    return next((at[role] for role in ("bbox", *BOX_ROLES, "via_shape") if role in at), 0)


def _swapped(parsed: Parsed) -> list[Fault]:
    rows = [row for row, _ in parsed.mended.get("box.swapped", ())]
    reason = "the corners of the box are swapped: its right or lower edge comes before the other"
    return _warn(parsed, "box.swapped", rows, _box_column(parsed), reason)


def _outside(parsed: Parsed) -> list[Fault]:
    boxes = parsed.members.get("bbox")
    if boxes is None or not len(boxes):
        return []
    x, y, w, h = (pc.struct_field(boxes, side).to_numpy(zero_copy_only=False) for side in "xywh")
    wide, high = parsed.size[parsed.parent].T
    out = (x < -EPS) | (y < -EPS) | (x + w > wide + EPS) | (y + h > high + EPS)
    flat = (w == 0) | (h == 0)
    rows = parsed.rows[parsed.parent]
    column = _box_column(parsed)
    found = _warn(parsed, "box.outside", np.unique(rows[out]), column, "the box leaves its image")
    return found + _warn(parsed, "box.flat", np.unique(rows[flat & ~out]), column, "the box has no area")


def _twice(parsed: Parsed) -> list[Fault]:
    """Rows that say the same as an earlier one, in every column."""
    texts = [values.words(cells).fill_null("") for cells in parsed.sheet.columns]
    whole = pc.binary_join_element_wise(*texts, "\x1f") if len(texts) > 1 else texts[0]
    codes = whole.dictionary_encode().indices.to_numpy()
    _, first = np.unique(codes, return_index=True)
    again = np.ones(len(codes), bool)
    again[first] = False
    rows = np.flatnonzero(again)
    rows = rows[np.isin(rows, parsed.rows)]
    before = {int(codes[row]): int(row) for row in first}
    return [
        fault(
            parsed.sheet,
            "row.duplicate",
            int(row),
            None,
            f"the row says the same as row {parsed.sheet.first + before[int(codes[row])]}",
            grave=False,
        )
        for row in rows[:NAMED]
    ] + _more(parsed, "row.duplicate", len(rows))


def _missing(parsed: Parsed, images: Images) -> list[Fault]:
    """Rows whose image is not there, where there are images at all."""
    there = images.everything()
    if not there:
        return []
    gone = pc.invert(pc.is_in(parsed.image.dictionary, pa.array(there))).to_numpy(zero_copy_only=False)
    which, first = np.unique(parsed.image.indices.to_numpy(), return_index=True)
    rows = parsed.rows[first[gone[which]]]
    return _warn(parsed, "image.missing", np.sort(rows), parsed.columns.at["image"], "there is no image {}")


def _unnamed(parsed: Parsed, images: Images, named: set[str]) -> list[Fault]:
    """Images that no row names, as one fault."""
    there = [path for path in images.everything() if path not in named]
    if not there:
        return []
    listed = ", ".join(there[:LISTED]) + (f" and {len(there) - LISTED} more" if len(there) > LISTED else "")
    reason = f"{len(there)} images have no row: {listed}"
    hint = "a row with the name alone says that nothing is in the image"
    return [fault(parsed.sheet, "image.unnamed", None, None, reason, hint, grave=False)]
