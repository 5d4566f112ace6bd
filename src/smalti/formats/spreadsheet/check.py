"""Check a spreadsheet of labels: the faults that reading raises, and what is worth a look, each with its cell.

Typing faults are looked for that people make in tables: class names that nearly agree, numbers stored as
text, dates that Excel made, missing headers, merged cells, rows twice, boxes outside of their image,
names without image and images without row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats.spreadsheet import values
from smalti.formats.spreadsheet.cells import DATE, NUMBER, TEXT
from smalti.formats.spreadsheet.faults import NAMED, Fault, each, fault, meant, more, shown
from smalti.formats.spreadsheet.header import NUMERIC, is_image
from smalti.formats.spreadsheet.images import Images
from smalti.formats.spreadsheet.mistyped import box_column, mistyped
from smalti.formats.spreadsheet.native import own_table
from smalti.formats.spreadsheet.options import SpreadsheetOptions
from smalti.formats.spreadsheet.source import read, sources
from smalti.storage.location import Location
from smalti.storage.paths import URL

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from smalti.formats.spreadsheet.layout import Parsed
    from smalti.formats.spreadsheet.mapping import Mapping
    from smalti.formats.spreadsheet.source import Read

EPS: Final = 0.5  # pixels that a box may stick out: rounding
LISTED: Final = 20
NEAR: Final = 0.8  # of two paths: how much they have in common
NEAREST: Final = 5000  # images among which one of a like name is looked for


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
    files = sources(root)
    own = own_table(files, options)
    found = read(files, images, SpreadsheetOptions(**{**options, **({} if own is None else own.options)}))
    slips = mistyped(found.parsed)
    faults: dict[str, list[Fault]] = {parsed.sheet.file: [] for parsed in found.parsed}
    for place, parsed in enumerate(found.parsed):
        told = [] if own is None else own.faults(parsed.sheet)
        faults[parsed.sheet.file] += _sorted([*sheet_faults(parsed, images), *slips.get(place, ())], told)
    for sheet in found.ignored:
        reason = "no column of the sheet names images; it is not read"
        faults.setdefault(sheet.file, []).append(
            fault(sheet, "sheet.ignored", None, None, reason, grave=False)
        )
    first = found.parsed[0]
    faults[first.sheet.file] += _of_images(found, images)
    return Checked(faults, first.mapping, sum(len(parsed.sheet) for parsed in found.parsed))


def _sorted(found: list[Fault], own: list[Fault]) -> list[Fault]:
    """Faults in the order of the sheet; of two that keep a cell from being read one."""
    seen = {(one.row, one.column) for one in found if one.grave}
    both = [*found, *(one for one in own if (one.row, one.column) not in seen)]
    return sorted(both, key=lambda one: (-1 if one.row is None else one.row, one.column or 0))


def sheet_faults(parsed: Parsed, images: Images) -> list[Fault]:
    """The faults of one sheet that show in it alone."""
    found = [*parsed.faults]
    for look in (
        _header,
        _merged,
        _as_text,
        _dated,
        _odd_names,
        _differing,
        _swapped,
        _units,
        _outside,
        _twice,
    ):
        found += look(parsed)
    return [*found, *_missing(parsed, images)]


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
    return found + more(parsed.sheet, code, len(every))


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
            f"merged cells: {_span(bottom - top + 1, 'row')}, {_span(right - left + 1, 'column')}",
            "unmerge it, and write the value into every row",
            grave=False,
        )
        for top, left, bottom, right in sheet.merged
        if top >= sheet.first - 1
    ]


def _span(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _numeric(parsed: Parsed) -> list[int]:
    """Columns that hold numbers by their roles, or in most of their cells."""
    known = [c for role, c in parsed.columns.at.items() if role in NUMERIC]
    known += [c for axes in parsed.columns.keypoints.values() for c in axes if c is not None]
    mixed = parsed.sheet.kinds.items()
    others = [c for c, _ in mixed if c not in known and c not in parsed.columns.ignored]
    return [*known, *(c for c in others if (parsed.sheet.kinds[c] == NUMBER).mean() > 0.5)]


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
    """Dates among names, and among other things: Excel makes them of text like ``3-4``."""
    found: list[Fault] = []
    sheet, at = parsed.sheet, parsed.columns.at
    named = [at[role] for role in ("category", "image", "split") if role in at]
    for column in (*named, *parsed.columns.rest):
        cells, kinds = sheet.columns[column], sheet.kinds.get(column)
        if pa.types.is_timestamp(cells.type):
            is_date = cells.is_valid().to_numpy(zero_copy_only=False)
        else:
            is_date = values.dated(cells) if kinds is None else kinds == DATE
        held = len(cells) - cells.null_count
        if column in named or is_date.sum() < held / 2:  # else they are meant
            reason = "{} is a date among other things; Excel makes dates of text like 3-4"
            found += _warn(parsed, "cell.date", np.flatnonzero(is_date), column, reason)
    return found


def _odd_names(parsed: Parsed) -> list[Fault]:
    """Names of images that are none, where nearly all are: notes below the table, sums."""
    column = parsed.columns.at["image"]
    names = pc.unique(values.words(parsed.sheet.columns[column]).drop_null()).to_pylist()
    odd = [name for name in names if not is_image(name.partition("?")[0])]
    if not odd or len(odd) > len(names) / 4:
        return []
    raw = values.words(parsed.sheet.columns[column])
    rows = np.flatnonzero(pc.is_in(raw, pa.array(odd, pa.string())).to_numpy(zero_copy_only=False))
    return _warn(
        parsed, "image.odd", rows, column, "{} does not look like the name of an image, as the others do"
    )


def _differing(parsed: Parsed) -> list[Fault]:
    """Cells that say something else of an image than its first row does."""
    found: list[Fault] = []
    code = parsed.image.indices.to_numpy()
    first = np.full(len(parsed.image.dictionary), len(code))
    sheet, at = parsed.sheet, parsed.columns.at
    of_images = [at[role] for role in ("width", "height", "split") if role in at]
    of_images += parsed.columns.rest if parsed.mapping.rows == "images" else ()
    for column in of_images if len(code) > len(pc.unique(parsed.image.indices)) else ():
        cells = sheet.columns[column].take(pa.array(parsed.rows)).dictionary_encode()
        told = cells.indices.to_numpy(zero_copy_only=False).astype(np.float64)
        said = np.flatnonzero(np.isfinite(told))[::-1]
        first[code[said]] = said
        said = said[::-1]
        rows = parsed.rows[said[told[said] != told[first[code[said]]]]]
        reason = "{} is said of the image, and an earlier row says something else"
        found += _warn(parsed, "rows.differ", rows, column, reason)
    return found


def _units(parsed: Parsed) -> list[Fault]:
    """Boxes that look like parts of the image among others in pixels."""
    boxes = parsed.members.get("bbox")
    if boxes is None or parsed.mapping.units != "pixels" or not len(boxes):
        return []
    sides = np.stack([pc.struct_field(boxes, side).to_numpy(zero_copy_only=False) for side in "xywh"])
    small = (sides >= 0).all(0) & (sides[:2] + sides[2:] <= 1).all(0) & (sides != np.round(sides)).any(0)
    if small.all():
        return []
    reason = "the box lies between 0 and 1, as parts of an image do; others are in pixels"
    rows = np.unique(parsed.rows[parsed.parent[small]])
    return _warn(parsed, "units.mixed", rows, box_column(parsed), reason)


def _swapped(parsed: Parsed) -> list[Fault]:
    rows = [row for row, _ in parsed.mended.get("box.swapped", ())]
    reason = "the corners of the box are swapped: its right or lower edge comes before the other"
    return _warn(parsed, "box.swapped", rows, box_column(parsed), reason)


def _outside(parsed: Parsed) -> list[Fault]:
    boxes = parsed.members.get("bbox")
    if boxes is None or not len(boxes):
        return []
    x, y, w, h = (pc.struct_field(boxes, side).to_numpy(zero_copy_only=False) for side in "xywh")
    wide, high = parsed.size[parsed.parent].T
    out = (x < -EPS) | (y < -EPS) | (x + w > wide + EPS) | (y + h > high + EPS)
    flat = (w == 0) | (h == 0)
    rows = parsed.rows[parsed.parent]
    column = box_column(parsed)
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
    names = values.words(parsed.sheet.columns[parsed.columns.at["image"]])
    rows = rows[names.is_valid().to_numpy(zero_copy_only=False)[rows]]  # blank rows are no news
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
    ] + more(parsed.sheet, "row.duplicate", len(rows))


def _missing(parsed: Parsed, images: Images) -> list[Fault]:
    """Rows whose image is not there, where there are images at all."""
    there = images.everything()
    if not there:
        return []
    paths = parsed.image.dictionary
    known = pc.or_(pc.is_in(paths, pa.array(there)), pc.match_substring_regex(paths, f"(?i)^{URL.pattern}"))
    gone = pc.invert(known).to_numpy(zero_copy_only=False).copy()
    for place in np.flatnonzero(gone).tolist():
        gone[place] = not images.has(paths[place].as_py())  # it may lie deeper than was looked
    which, first = np.unique(parsed.image.indices.to_numpy(), return_index=True)
    rows = np.sort(parsed.rows[first[gone[which]]])
    found = _warn(parsed, "image.missing", rows, parsed.columns.at["image"], "there is no image {}")
    if len(there) > NEAREST or len(found) > LISTED:
        return found
    names = parsed.sheet.columns[parsed.columns.at["image"]]
    return [
        one if one.row is None else replace(one, hint=meant(str(names[one.row]), there, NEAR))
        for one in found
    ]


def _of_images(found: Read, images: Images) -> list[Fault]:
    """Images that no row names, and images that stand in several splits; each kind as one fault."""
    sheet = found.parsed[0].sheet
    splits: dict[str, set[str | None]] = {}
    for parsed, split in zip(found.parsed, found.splits, strict=True):
        own = pa.array([split] * len(parsed.rows), pa.string()) if parsed.split is None else parsed.split
        pairs = pa.table({"image": parsed.image.cast(pa.string()), "split": own}).group_by(["image", "split"])
        for one in pairs.aggregate([]).to_pylist():
            splits.setdefault(one["image"], set()).add(one["split"])
    faults = []
    twice = [path for path, names in splits.items() if len(names) > 1]
    if twice:
        reason = f"{len(twice)} images stand in several splits: {_first(twice)}"
        faults.append(fault(sheet, "image.in_splits", None, None, reason, grave=False))
    there = [path for path in images.everything() if path not in splits]
    if there:
        reason = f"{len(there)} images have no row: {_first(there)}"
        hint = "a row with the name alone says that nothing is in the image"
        faults.append(fault(sheet, "image.unnamed", None, None, reason, hint, grave=False))
    return faults


def _first(paths: list[str]) -> str:
    return ", ".join(paths[:LISTED]) + (f" and {len(paths) - LISTED} more" if len(paths) > LISTED else "")
