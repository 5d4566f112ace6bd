"""Rows as samples and objects: a sheet whose columns are known becomes arrays and faults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import DataError
from smalti.formats.splits import KNOWN
from smalti.formats.spreadsheet import values
from smalti.formats.spreadsheet.cells import filled
from smalti.formats.spreadsheet.draft import Draft
from smalti.formats.spreadsheet.faults import NAMED
from smalti.formats.spreadsheet.images import unsafe
from smalti.formats.spreadsheet.labels import attributes, labels
from smalti.formats.spreadsheet.members import objects

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from smalti.formats.spreadsheet.cells import Sheet
    from smalti.formats.spreadsheet.faults import Fault
    from smalti.formats.spreadsheet.guess import Columns
    from smalti.formats.spreadsheet.images import Images
    from smalti.formats.spreadsheet.mapping import Mapping

SPLITS: Final[dict[str, str | None]] = {
    **KNOWN,
    "training": "train",
    "validate": "val",
    "validierung": "val",
    "testing": "test",
    "unassigned": None,  # AutoML's
}
LARGEST: Final = 2**31 - 1  # pixels along a side


@dataclass(slots=True, kw_only=True)
class Parsed:
    """What one sheet holds.

    Attributes:
        sheet: The sheet.
        columns: Where everything is in it.
        mapping: What its columns were taken for, complete.
        rows: int64 ``(r,)``, rows of the sheet that name an image and are not faulty.
        image: ``(r,)``, the paths of their images, as a dictionary array.
        split: string ``(r,)``; null where the sheet has no such column.
        size: float64 ``(r, 2)``, width and height of the image; NaN where unknown.
        parent: int64 ``(m,)``, positions in `rows`: whose object it is.
        members: ``(m,)`` each, by name; ``category`` is text still.
        attributes: By name: ``(m,)`` each where rows are objects, ``(r,)`` where they are images.
        labels: A list of texts a row, where rows are images; null where nobody has said.
        faults: What is wrong, in the order of the sheet.
        score: The attribute that says how sure the labels of a row are; null where there is none.
        lost: How many images only faulty rows name.
        mended: What was mended: the code, and the cells as row and column.
    """

    sheet: Sheet
    columns: Columns
    mapping: Mapping
    rows: NDArray[np.int64]
    image: pa.Array
    split: pa.Array | None
    size: NDArray[np.float64]
    parent: NDArray[np.int64]
    members: dict[str, pa.Array] = field(default_factory=dict)
    attributes: dict[str, pa.Array] = field(default_factory=dict)
    labels: pa.Array | None = None
    faults: list[Fault] = field(default_factory=list)
    score: str | None = None
    lost: int = 0
    mended: dict[str, list[tuple[int, int]]] = field(default_factory=dict)


def parse(sheet: Sheet, columns: Columns, images: Images, folder: str = "") -> Parsed:
    """Take a sheet apart.

    Args:
        sheet: The sheet.
        columns: What its columns are.
        images: The images that it may name.
        folder: Where the sheet lies below the root of the images.

    Raises:
        DataError: No column names the images.
    """
    if "image" not in columns.at:
        raise no_image(sheet)
    draft = Draft(sheet, columns)
    sheet = draft.sheet
    code = _names(draft)
    split = _splits(draft)
    paths = images.paths(code.dictionary.to_pylist(), folder)
    size = _sizes(draft, images, paths, code)
    is_objects = draft.mapping.rows == "objects"
    owner, members = objects(draft, size) if is_objects else (np.empty(0, np.int64), {})
    said = None if is_objects else labels(draft)
    good = code.is_valid().to_numpy(zero_copy_only=False).copy()
    good[[one.row for one in draft.faults if one.grave and one.row is not None]] = False
    rows = np.flatnonzero(good)
    taken = pa.array(rows)
    parent = owner
    if len(rows) < len(good):
        keep = good[owner]
        owner = owner[keep]
        parent = np.searchsorted(rows, owner)
        members = {name: value.filter(pa.array(keep)) for name, value in members.items()}
    return Parsed(
        sheet=sheet,
        columns=columns,
        mapping=draft.mapping,
        rows=rows,
        image=_paths(code.indices.take(taken), paths),
        split=None if split is None else split.take(taken),
        size=size[rows],
        parent=parent,
        members=members,
        attributes=attributes(sheet, columns.rest, owner if is_objects else rows, is_objects=is_objects),
        labels=None if said is None else said.take(taken),
        score=None if columns.score is None or is_objects else sheet.header[columns.score],
        lost=len(code.dictionary) - len(pc.unique(code.indices.take(taken))),
        faults=sorted(draft.faults, key=lambda one: (one.row or 0, one.column or 0)),
        mended=draft.mended,
    )


def _splits(draft: Draft) -> pa.Array | None:
    """The split of each row; what tools call train, val and test is called so."""
    words = draft.words("split")
    if words is None:
        return None
    code = words.dictionary_encode()
    known = [SPLITS.get(word.casefold(), word) for word in code.dictionary.to_pylist()]
    return pa.array(known, pa.string()).take(code.indices)


def _paths(names: pa.Array, paths: list[str]) -> pa.DictionaryArray:
    """The path of each row from the number of its name; two names may lead to one image."""
    known = pa.array(paths, pa.string()).dictionary_encode()
    return pa.DictionaryArray.from_arrays(known.indices.take(names), known.dictionary)


def no_image(sheet: Sheet) -> DataError:
    """The error of a sheet that names no images."""
    what = ", ".join(name or "(blank)" for name in sheet.header[:20]) or "none"
    missing = "" if sheet.has_header else "; the sheet has no header row"
    return DataError(
        f"no column names the images; the columns are {what}{missing}",
        file=sheet.file,
        position=f'sheet "{sheet.name}"' if sheet.name else None,
        hint="pass mapping={'columns': {'image': NAME}}",
    )


def _names(draft: Draft) -> pa.DictionaryArray:
    """The names of images; unsafe ones become null."""
    sheet, column = draft.sheet, draft.at["image"]
    names = values.words(sheet.columns[column])
    if names.null_count:
        blank = np.flatnonzero(names.is_null().to_numpy(zero_copy_only=False))
        held = np.zeros(len(blank), bool)
        for cells in sheet.columns:
            held |= filled(cells.take(pa.array(blank)))
        hint = "write the image's name into every row"
        draft.cells("image.blank", blank[held], column, "the row names no image", lambda _: hint)
    code = names.dictionary_encode()
    for name in code.dictionary.take(pa.array(unsafe(code.dictionary), pa.int64())):
        is_one = pc.equal(names, name)
        rows = np.flatnonzero(is_one.fill_null(fill_value=False).to_numpy(zero_copy_only=False))
        draft.cells("image.unsafe", rows[:NAMED], column, "{} is no path below the folder of the images")
        names = pc.if_else(is_one, None, names)
        code = names.dictionary_encode()
    return code


def _sizes(draft: Draft, images: Images, paths: list[str], code: pa.DictionaryArray) -> NDArray[np.float64]:
    """Width and height a row: from their columns, else from the headers of the images."""
    size = np.full((len(draft.sheet), 2), np.nan)
    for axis, role in enumerate(("width", "height")):
        if role in draft.at:
            found = draft.numbers(draft.at[role])
            wrong = np.flatnonzero(
                (found < 0) | (found > LARGEST) | ((found != np.floor(found)) & np.isfinite(found))
            )
            draft.cells("size.wrong", wrong, draft.at[role], "{} is no number of pixels")
            size[:, axis] = np.where((found > 0) & (found <= LARGEST), found, np.nan)
    if np.isfinite(size).any() or not paths:
        return size
    both = np.stack(images.sizes(paths), axis=1)
    return both[code.indices.fill_null(0).to_numpy()]
