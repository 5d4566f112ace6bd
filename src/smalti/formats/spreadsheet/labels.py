"""Classes of images (a column, several in a cell, a column each), and the columns that nobody knows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats.spreadsheet import values
from smalti.formats.spreadsheet.faults import fault, meant, shown
from smalti.formats.spreadsheet.guess import flags
from smalti.formats.spreadsheet.mapping import LIST
from smalti.schema import features
from smalti.schema.build import list_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from smalti.formats.spreadsheet.cells import Sheet
    from smalti.formats.spreadsheet.draft import Draft

_DIVIDED: Final = re.compile(r"[;,|\n]")
# What spreadsheets write for truth values, in the languages of `header.WORDS`.
TRUE: Final = ("true", "wahr", "vrai", "verdadero", "vero", "verdadeiro", "waar")
FALSE: Final = ("false", "falsch", "faux", "falso", "onwaar")
_TIME: Final = r"^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?$"
COLUMNS: Final = frozenset({"id", "image", "split", "objects", "label"})  # names that are taken


def labels(draft: Draft) -> pa.Array | None:
    """A list of texts a row; null where the cell is blank. Null: the sheet says nothing of classes."""
    if draft.columns.one_hot:
        _unknown_columns(draft)
        return _one_hot(draft)
    words = draft.words("category")
    if words is None:
        return None
    separator = draft.mapping.separator
    blank = words.is_null().to_numpy(zero_copy_only=False)
    if separator is None:
        found = list_column(words.drop_null(), (~blank).astype(np.int64), blank)
    else:
        split = _listed(words) if separator == LIST else pc.split_pattern(words, separator)
        parts = pc.utf8_trim_whitespace(split.flatten())
        parent = pc.list_parent_indices(split).to_numpy()
        held = pc.not_equal(parts, "").to_numpy(zero_copy_only=False)
        lengths = np.bincount(parent[held], minlength=len(words))
        found = list_column(parts.filter(pa.array(held)), lengths, blank)
    known = draft.mapping.categories
    if known is not None:
        words = found.flatten()
        wrong = pc.indices_nonzero(pc.invert(pc.is_in(words, pa.array(known))))
        rows = pc.list_parent_indices(found).take(wrong).to_pylist()
        for row, word in zip(rows, words.take(wrong).to_pylist(), strict=True):
            reason = f"{shown(word)} is not a category"
            made = fault(
                draft.sheet, "category.unknown", row, draft.at["category"], reason, meant(word, known)
            )
            draft.faults.append(made)
    return found


def _listed(words: pa.Array) -> pa.Array:
    """The labels of cells that are lists."""
    lists = [None if cell is None else label_list(cell) for cell in words.to_pylist()]
    return pa.array(lists, pa.list_(pa.string()))


def label_list(cell: str) -> list[str]:
    """The labels of one cell: ``['cat', 'dog']``, ``["cat"]``, ``cat; dog``."""
    value = values.json_of(cell)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return [one.strip() for one in value]
    bare = cell.strip().strip("[](){}")
    return [part.strip().strip("'\"").strip() for part in _DIVIDED.split(bare)]


def _unknown_columns(draft: Draft) -> None:
    known = draft.mapping.categories
    for name in draft.mapping.one_hot:
        if known is not None and name.strip() not in known:
            reason = f"the column {shown(name)} is not a category"
            draft.faults.append(
                fault(draft.sheet, "category.unknown", None, None, reason, meant(name, known))
            )


def _one_hot(draft: Draft) -> pa.Array:
    marks = [flags(draft.sheet.columns[column]) for column in draft.columns.one_hot]
    held = np.stack(
        [mark.fill_null(fill_value=False).to_numpy(zero_copy_only=False) for mark in marks], axis=1
    )
    blank = np.stack([mark.is_null().to_numpy(zero_copy_only=False) for mark in marks], axis=1).all(1)
    # x for yes and blank for no: then a row of blanks says that there is nothing.
    has_no = any(pc.any(pc.invert(mark), min_count=0).as_py() for mark in marks)
    names = pa.array([name.strip() for name in draft.mapping.one_hot], pa.string())
    return list_column(names.take(pa.array(np.nonzero(held)[1])), held.sum(1), np.asarray(blank & has_no))


def attributes(
    sheet: Sheet, columns: Sequence[int], rows: NDArray[np.int64], *, is_objects: bool
) -> dict[str, pa.Array]:
    """Columns that nobody knows, by name, with the types that their values have.

    Args:
        sheet: The sheet.
        columns: Their positions.
        rows: The rows that are wanted.
        is_objects: They become members of objects, which have reserved names.
    """
    reserved = frozenset(features.OBJECT_MEMBERS) if is_objects else COLUMNS
    found: dict[str, pa.Array] = {}
    for column in columns:
        name = sheet.header[column] or f"column {sheet.cell(0, column)[: -len(str(sheet.first))]}"
        while name in reserved or name in found:
            name += "_"
        found[name] = typed(sheet.columns[column]).take(pa.array(rows))
    return found


def typed(cells: pa.Array) -> pa.Array:
    """A column as whole numbers, numbers, truth values, times or text; codes like ``007`` stay text."""
    if pa.types.is_floating(cells.type):
        whole = pc.all(pc.equal(pc.floor(cells), cells), min_count=0).as_py()
        small = pc.all(pc.less(pc.abs(cells), 2.0**53), min_count=0).as_py()
        return cells.cast(pa.int64()) if whole and small else cells
    if not pa.types.is_string(cells.type):
        return cells
    words = values.words(cells)
    held = words.drop_null()
    if not len(held) or pc.any(pc.match_substring_regex(held, r"^[-+]?0\d|^\+")).as_py():
        return words
    lower = pc.utf8_lower(held)
    if pc.all(pc.is_in(lower, pa.array([*TRUE, *FALSE]))).as_py():
        return _flags(words)
    if pc.all(pc.match_substring_regex(held, _TIME)).as_py():
        return _times(words)
    if not pc.all(pc.match_substring_regex(held, values.PLAIN_OR_COMMA)).as_py():
        return words
    try:
        return words.cast(pa.int64())
    except pa.ArrowInvalid:
        found, wrong = values.numbers(words)
    return words if len(wrong) else pa.array(found, from_pandas=True)


def _flags(words: pa.Array) -> pa.Array:
    return pc.if_else(words.is_null(), None, pc.is_in(pc.utf8_lower(words), pa.array(TRUE)))


def _times(words: pa.Array) -> pa.Array:
    """Dates and times of ISO 8601; text where one of them is none of the calendar."""
    try:
        return words.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        return words
