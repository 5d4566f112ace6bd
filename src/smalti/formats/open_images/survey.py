"""One look through all files: which images there are, which classes are used, which columns say anything."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from smalti.formats.open_images.images import Numbers
from smalti.formats.open_images.layout import split_of
from smalti.formats.open_images.options import (
    CLICKS,
    FLAG,
    FLAGS,
    IMAGE,
    IMAGE_COLUMNS,
    NUMBER,
    OF_MASKS,
    TEXT,
    WORD,
    Cell,
)
from smalti.formats.open_images.rows import blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from smalti.errors import DataError
    from smalti.formats.open_images.rows import Block, Sheet

DUMMY = "1"  # the confidence of every box of the benchmark
ID = {"points": "ImageId"}
_QUESTIONS: dict[
    str, dict[str, tuple[Cell, str]]
] = {  # what a column gives to an object, if any cell says something
    "boxes": {
        "Source": (TEXT, "source"),
        "Confidence": (TEXT, "score"),
        **{column: (FLAG, name) for column, name in FLAGS.items()},
        CLICKS[0]: (NUMBER, "extreme_points"),
    },
    "masks": {column: (TEXT, name) for name, column in OF_MASKS.items()},
    "images": {name: (TEXT, name) for name in IMAGE_COLUMNS},
}


class Survey:
    """What the files together say.

    Attributes:
        numbers: The images, as the files name them.
        splits: The splits, in the order of appearance.
        held: Members and attributes of objects, and columns of images, that some row has.
        used: The classes that objects have, and those that image labels have, by their names in rows.
        sources: The sources of image labels; null for labels without one.
        boxable: The images that are listed as annotated with boxes.
        skipped: Errors of the rows that are left out, and how many of each kind.
    """

    def __init__(self, *, skip: bool) -> None:
        self.numbers = Numbers()
        self.splits: dict[str | None, None] = {}
        self.held: dict[str, None] = {}
        self.used: dict[str, dict[str, None]] = {"objects": {}, "labels": {}}
        self.sources: dict[str | None, None] = {}
        self.boxable: list[NDArray[np.int64]] = []
        self.errors: list[DataError] | None = [] if skip else None
        self.skipped: Counter[str] = Counter()

    def add(self, sheet: Sheet) -> None:
        """Look through one file, and note where each image's rows are.

        Raises:
            DataError: A row is faulty.
        """
        asked = _QUESTIONS.get(sheet.kind, {})
        cells = {ID.get(sheet.kind, "ImageID"): IMAGE, **{name: cell for name, (cell, _) in asked.items()}}
        if sheet.kind in {"boxes", "masks", "labels"}:
            cells["LabelName"] = WORD
        if sheet.kind in {"labels", "images"}:
            cells["Source" if sheet.kind == "labels" else "Subset"] = TEXT
        if sheet.split is not None or sheet.kind == "images":
            self.splits.setdefault(sheet.split)
        runs: list[tuple[NDArray[np.int64], ...]] = []
        before = len(self.errors or ())
        for block in blocks(sheet, cells, skip=self.errors):
            image = self._images(sheet, block.table)
            self._ask(sheet, block.table, cells)
            runs.append(_runs(image, block))
            if sheet.boxable:
                self.boxable.append(np.unique(image))
        self.skipped[sheet.kind] += len(self.errors or ()) - before
        if runs:
            found, sheet.begin, sheet.end = (np.concatenate(parts) for parts in zip(*runs, strict=True))
            sheet.image = found.astype(np.int32)

    def _images(self, sheet: Sheet, table: pa.Table) -> NDArray[np.int64]:
        """The number of each row's image."""
        names = table.column(ID.get(sheet.kind, "ImageID")).combine_chunks()
        if "Subset" not in table.column_names:
            return self.numbers.of(names, sheet.split)
        subsets = table.column("Subset").combine_chunks().dictionary_encode()
        codes = pc.fill_null(subsets.indices, -1).to_numpy()
        found = np.empty(len(names), np.int64)
        for code in np.unique(codes).tolist():
            word = None if code < 0 else subsets.dictionary[code].as_py()
            split = sheet.split if word is None else split_of(word)
            self.splits.setdefault(split)
            where = np.flatnonzero(codes == code)
            found[where] = self.numbers.of(names.take(where), split)
        return found

    def _ask(self, sheet: Sheet, table: pa.Table, cells: dict[str, Cell]) -> None:
        """What the rows say that the schema has to know; a question that is answered is asked no more."""
        for name, (_, member) in _QUESTIONS.get(sheet.kind, {}).items():
            if name in table.column_names and _says(table.column(name), name):
                self.held.setdefault(member)
                del cells[name]
        if "LabelName" in table.column_names:
            words = pc.unique(table.column("LabelName")).to_pylist()
            self.used["labels" if sheet.kind == "labels" else "objects"].update(dict.fromkeys(words))
        if sheet.kind == "labels":
            said = "Source" in table.column_names
            self.sources.update(
                dict.fromkeys(pc.unique(table.column("Source")).to_pylist() if said else [None])
            )


def _says(column: pa.ChunkedArray, name: str) -> bool:
    """Whether a cell says something: a flag that is known, a confidence that is not the one of all boxes."""
    unsaid: Any = DUMMY if name == "Confidence" else -1 if name in {*FLAGS, CLICKS[0]} else None
    if unsaid is None:
        return bool(column.null_count < len(column))
    return bool(pc.any(pc.not_equal(column, unsaid)).as_py())


def _runs(image: NDArray[np.int64], block: Block) -> tuple[NDArray[np.int64], ...]:
    """Rows of one image that follow each other: the image, where they begin, where they end."""
    first = np.flatnonzero(np.concatenate([[True], image[1:] != image[:-1]])) if len(image) else image
    last = np.append(first[1:], len(image)) - 1 if len(image) else image
    return image[first], block.begin[first], block.end[last]


def renumber(sheets: Sequence[Sheet], position: NDArray[np.int64]) -> None:
    """Give the runs of files the positions of their images among the samples, and put them in their order.

    Args:
        sheets: The files.
        position: ``(n,)``, of each number; -1: it is no sample.
    """
    for sheet in sheets:
        found = position[sheet.image]
        order = np.argsort(found, kind="stable")
        order = order[found[order] >= 0]
        sheet.image, sheet.begin, sheet.end = (
            found[order].astype(np.int32),
            sheet.begin[order],
            sheet.end[order],
        )
