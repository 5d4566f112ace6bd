"""Names that are probably one, mistyped: they differ in blanks, case, accents, or in one letter."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats.spreadsheet import values
from smalti.formats.spreadsheet.faults import NAMED, Fault, fault, more, shown
from smalti.formats.spreadsheet.header import BOX_ROLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from smalti.formats.spreadsheet.layout import Parsed

RARE: Final = 4  # times less often than the name that it nearly is
SLIP: Final = 2  # the same, where a letter is missing, too many, or has changed places with the next
SHORT: Final = 4  # letters from which on one letter may be a slip


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
    bare = {name: _plain(name) for name in order if name not in found}
    for name, letters in bare.items():
        for other, others in bare.items():
            if other in found or counts[other] < SLIP * counts[name]:
                continue
            slip = one_letter(letters, others)
            if slip == "other" and counts[other] < RARE * counts[name]:
                continue
            if slip is not None:
                found[name] = other
                break
    return found


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if letter.isalnum())


def one_letter(one: str, other: str) -> str | None:
    """How words differ in one letter: ``other``, ``missing`` (or one too many), ``swapped`` with the next; null: they do not."""
    if min(len(one), len(other)) < SHORT - 1 or abs(len(one) - len(other)) > 1 or one == other:
        return None
    start = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    rest, others = one[start:], other[start:]
    if any(letter.isdecimal() for letter in (*rest[:1], *others[:1])):
        return None  # class 1 and class 2 are two
    if len(rest) > 1 and rest[:2] == others[1::-1] and rest[2:] == others[2:]:
        return "swapped"
    if max(len(one), len(other)) < SHORT:
        return None  # cat and car are two
    if rest[1:] == others or rest == others[1:]:
        return "missing"
    return "other" if rest[1:] == others[1:] else None


@dataclass(frozen=True, slots=True)
class _Words:
    """Names in a sheet: string ``(n,)``, the row of each, and their column; row -1 is the header."""

    text: pa.Array
    row: NDArray[np.int64]
    column: NDArray[np.int64]


def _classes(parsed: Parsed) -> _Words | None:
    """The classes that a sheet names, as they stand there; null: a class table says which there are."""
    if parsed.mapping.categories is not None:
        return None
    column = parsed.columns.at.get("category")
    if parsed.columns.one_hot:
        hot = np.array(parsed.columns.one_hot)
        names = pa.array([parsed.sheet.header[place] for place in hot], pa.string())
        return _Words(names, np.full(len(hot), -1), hot)
    if column is not None and parsed.mapping.separator is None and "bbox" not in parsed.columns.at:
        return _column(parsed, column)
    if parsed.labels is not None:
        rows = parsed.rows[pc.list_parent_indices(parsed.labels).to_numpy()]
        return _Words(parsed.labels.flatten(), rows, np.full(len(rows), column))
    if "category" not in parsed.members:
        return None
    rows = parsed.rows[parsed.parent]
    place = box_column(parsed) if column is None else column
    return _Words(parsed.members["category"], rows, np.full(len(rows), place))


def _column(parsed: Parsed, column: int) -> _Words:
    cells = parsed.sheet.columns[column]
    raw = cells if pa.types.is_string(cells.type) else values.words(cells)
    return _Words(raw, np.arange(len(raw)), np.full(len(raw), column))


def _splits(parsed: Parsed) -> _Words | None:
    if parsed.split is None:
        return None
    return _Words(parsed.split, parsed.rows, np.full(len(parsed.rows), parsed.columns.at["split"]))


def mistyped(every: Sequence[Parsed]) -> dict[int, list[Fault]]:
    """Classes and splits that are probably others, mistyped, in any of the sheets; by the sheet's position."""
    found: dict[int, list[Fault]] = {}
    for code, what, words in (("category.alike", "category", _classes), ("split.alike", "split", _splits)):
        told = {place: one for place, one in enumerate(map(words, every)) if one is not None}
        if not told:
            continue
        tally = pc.value_counts(pa.concat_arrays([one.text for one in told.values()]).drop_null())
        counts = dict(zip(tally.field("values").to_pylist(), tally.field("counts").to_pylist(), strict=True))
        meant = alike(counts) if len(counts) <= NAMED else {}
        for place, one in told.items():
            found.setdefault(place, []).extend(_named_twice(every[place], one, meant, code, what))
    return found


def _named_twice(parsed: Parsed, words: _Words, meant: dict[str, str], code: str, what: str) -> list[Fault]:
    found = []
    for name, other in meant.items():
        at = np.flatnonzero(
            pc.equal(words.text, name).fill_null(fill_value=False).to_numpy(zero_copy_only=False)
        )
        at = (
            at[np.sort(np.unique(words.row[at], return_index=True)[1])]
            if len(at) and words.row[at[0]] >= 0
            else at
        )
        reason, hint = f"{shown(name)} looks like another {what}, mistyped", f"did you mean {shown(other)}?"
        found += [
            fault(parsed.sheet, code, int(words.row[i]), int(words.column[i]), reason, hint, grave=False)
            for i in at[:NAMED]
        ]
        found += more(parsed.sheet, code, len(at))
    return found


def box_column(parsed: Parsed) -> int:
    """The first column of a sheet's boxes."""
    at = parsed.columns.at
    return next((at[role] for role in ("bbox", *BOX_ROLES, "via_shape") if role in at), 0)
