"""A label field of a COCO source: the annotations of its files as columns, in the samples' order.

Small members are Arrow columns already. Boxes, segmentations and keypoints stay raw texts until a part
is read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from smalti.errors import DataError, listed
from smalti.formats.coco.columns import Ids, id_column, lookup
from smalti.formats.coco.members import Members, members
from smalti.formats.report import Loss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from smalti.formats.coco.images import ImageFile
    from smalti.formats.coco.sections import Section
    from smalti.formats.coco.texts import Texts
    from smalti.schema import features
    from smalti.schema.categories import Categories


@dataclass(slots=True, kw_only=True)
class LabelFile:
    """The annotations of one file, with where they belong.

    Attributes:
        url: The file.
        images: The file whose images they refer to (for results: that of the ground truth).
        section: Its ``annotations``; null where the file has none.
        place: The JSON path of the array.
        category_ids: The ids of the file's categories.
        rows: The sample row of each annotation; -1 where its image was left out or is unknown.
        codes: Positions in `category_ids`; -1 for none.
        bad: Annotations that are left out.
        faults: The errors of those that are at fault themselves.
    """

    url: str
    images: ImageFile
    section: Section | None
    place: str = "$.annotations"
    category_ids: Ids | None = None
    rows: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    codes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    bad: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    faults: list[DataError] = field(default_factory=list)

    @property
    def is_captions(self) -> bool:
        """Whether the annotations are sentences."""
        return self.section is not None and is_captions(self.section)

    def resolve(self) -> None:
        """Find every annotation's sample and category."""
        if self.section is None:
            return
        section = self.section
        self.faults += section.faults
        wanted = id_column([section], "image_id")
        found = lookup(wanted, self.images.ids)
        known = self.images.rows
        self.rows = np.where(found >= 0, known[found] if len(known) else -1, -1)
        self.bad = self.rows < 0
        self._complain("image_id", np.flatnonzero(found < 0), wanted, self.images.ids, "image")
        if "category_id" in section.values and self.category_ids is not None:
            given = id_column([section], "category_id")
            self.codes = lookup(given, self.category_ids)
            there = given.array.is_valid().to_numpy(zero_copy_only=False)
            unknown = np.flatnonzero((self.codes < 0) & there)
            self._complain("category_id", unknown, given, self.category_ids, "category")
            self.bad[unknown] = True
        else:
            self.codes = np.full(section.size, -1, np.int64)

    def forget(self) -> None:
        """Let go of what only the field was made of."""
        self.rows = self.codes = np.zeros(0, np.int64)

    @property
    def ids(self) -> Ids | None:
        """The annotations' ids, for joining files of one split."""
        return id_column([self.section], "id") if self.section and "id" in self.section.values else None

    def _complain(self, key: str, at: NDArray[np.int64], given: Ids, known: Ids, what: str) -> None:
        there = listed(known.array.to_pylist()) if len(at) else ""
        for row in at.tolist():
            value = given.array[row].as_py()
            self.faults.append(
                DataError(
                    f"found {'none' if value is None else value}; expected the id of {'an' if what == 'image' else 'a'}"
                    f" {what} of this file: {there}",
                    file=self.url,
                    position=f"{self.place}[{self.section.place(row) if self.section else row}].{key}",
                    hint=None if what == "image" else "declare it under categories",
                )
            )


def is_captions(section: Section) -> bool:
    """Whether annotations are sentences."""
    keys = set(section.values) - section.optional
    return "caption" in keys and not keys & {"bbox", "segmentation", "keypoints"}


@dataclass(slots=True, kw_only=True)
class Labels:
    """A label field over all samples; m objects in the order of their samples.

    Attributes:
        feature: What it means.
        offsets: int64 ``(samples + 1,)``: where each sample's objects start.
        annotated: bool ``(samples,)``: false where nobody has annotated the sample.
        order: int64 ``(m,)``: where each object stands in what follows, which is in the files' order,
            objects that were left out included.
        columns: Arrow arrays by member.
        texts: Raw values by source key: ``segmentation``, ``keypoints``.
        files: The files.
        ends: int64 ``(files,)``: where the objects of each end in `order`'s numbers.
        nulls: Source keys whose null stands for an explicit null.
        repairs: What was mended.
        zero_based: The source counts the ends of its skeletons' bones from 0.
    """

    feature: features.Objects | features.Captions
    offsets: NDArray[np.int64]
    annotated: NDArray[np.bool_]
    order: NDArray[np.int64]
    columns: dict[str, pa.Array]
    texts: dict[str, Texts]
    files: list[LabelFile]
    ends: NDArray[np.int64]
    nulls: list[str]
    repairs: list[Loss]
    zero_based: bool = False

    def position(self, row: int, rest: str = "") -> tuple[str, str]:
        """The file and the JSON path of an object, by its row in the samples' order."""
        at = int(self.order[row])
        number, at = _in_file(at, self.ends)
        file = self.files[number]
        place = file.section.place(at) if file.section else at
        return file.url, f"{file.place}[{place}]{rest}"


def labels(
    files: Sequence[LabelFile], count: int, categories: Categories, codes: Sequence[NDArray[np.int64]]
) -> Labels:
    """Build a field of files of one kind.

    Args:
        files: Resolved files.
        count: The number of samples.
        categories: The field's table.
        codes: For each file, the place in the table of each of its own categories, then -1.
    """
    captions = files[0].is_captions
    held = [(file, table, file.section) for file, table in zip(files, codes, strict=True) if file.section]
    sections = [section for _, _, section in held]
    sizes = [section.size for section in sections]
    rows = _joined([file.rows for file, _, _ in held], np.int64)
    found = members(sections, captions=captions)
    if not captions and any("category_id" in section.values for section in sections):
        places = _joined([table[file.codes] for file, table, _ in held], np.int64)
        found.columns["category"] = pa.array(places.astype(np.int32), mask=places < 0)
        found.names["category_id"] = "category"
    _note_faults(found, [file for file, _, _ in held], sizes)
    keep = ~_joined([file.bad for file, _, _ in held], np.bool_)
    if len({file.images.split for file, _, _ in held}) < len(held):
        keep &= ~_join_by_id(found, [(file, section) for file, _, section in held], rows)
    order = _sorted(np.where(keep, rows, count))[: np.count_nonzero(keep)]
    annotated = np.zeros(count + 1, np.bool_)
    for file, _, _ in held:
        annotated[file.images.rows] = True
    return Labels(
        feature=found.feature(categories, captions=captions),
        offsets=np.searchsorted(rows[order], np.arange(count + 1)),
        annotated=annotated[:count],
        order=order,
        columns=found.columns,
        texts=found.texts,
        files=[file for file, _, _ in held],
        ends=np.cumsum(sizes, dtype=np.int64),
        nulls=found.nulls,
        repairs=found.repairs,
    )


def _sorted(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places of numbers up to 2^31 in rising order, equal ones as they stood: a stable argsort, several times as fast."""
    bits = len(rows).bit_length()
    keyed = (rows << bits) | np.arange(len(rows))
    keyed.sort()  # numbers alone are sorted by whole registers
    return keyed & ((1 << bits) - 1)


def _note_faults(found: Members, files: list[LabelFile], sizes: list[int]) -> None:
    """Turn faulty boxes and flags into errors of their files."""
    ends = np.cumsum(sizes)
    for row, (place, reason) in sorted(found.faults.items()):
        number, at = _in_file(row, ends)
        file = files[number]
        if not file.bad[at] and file.section is not None:
            position = f"{file.place}[{file.section.place(at)}]{place}"
            file.faults.append(DataError(reason, file=file.url, position=position))
            file.bad[at] = True


def _in_file(row: int, ends: NDArray[np.int64]) -> tuple[int, int]:
    """The file of an object and its place there, where the objects of each end."""
    number = int(np.searchsorted(ends, row, side="right"))
    return number, row - (int(ends[number - 1]) if number else 0)


def _joined(arrays: list[NDArray[Any]], kind: Any) -> NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate([np.zeros(0, kind), *arrays])


def same_objects(first: LabelFile, second: LabelFile) -> bool:
    """Whether the annotations that two files of a split share by id are the same objects."""
    if first.section is None or second.section is None:
        return True
    ours, theirs = first.ids, second.ids
    if ours is None or theirs is None:
        return False
    at = lookup(theirs, ours)
    there = np.flatnonzero(at >= 0)
    if not len(there):
        return True
    here = at[there]
    if not (first.rows[here] == second.rows[there]).all():
        return False
    if first.category_ids is None or second.category_ids is None:
        return True
    return bool(
        (lookup(second.category_ids, first.category_ids)[second.codes[there]] == first.codes[here]).all()
    )


def _join_by_id(
    found: Members, held: list[tuple[LabelFile, Section]], rows: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Give the first file of a split what later ones know of its objects; gives the rows that merged."""
    starts = np.cumsum([0, *(section.size for _, section in held)])
    merged = np.zeros(len(rows), np.bool_)
    bases: dict[str | None, int] = {}
    for number, (file, section) in enumerate(held):
        base = bases.setdefault(file.images.split, number)
        first, first_section = held[base]
        if base == number or (theirs := first.ids) is None or (ours := file.ids) is None:
            continue
        at = lookup(ours, theirs)
        there = np.flatnonzero(at >= 0)
        here, there = at[there] + starts[base], there + starts[number]
        merged[there] = True
        for key in section.values:
            if key in first_section.values:
                _compare(found, key, here, there)
            else:
                _move(found, found.names[key], here, there)
    return merged


def _move(found: Members, name: str, here: NDArray[np.int64], there: NDArray[np.int64]) -> None:
    """Copy a member's values from some rows to others."""
    if name in found.texts:
        texts = found.texts[name]
        for values in (texts.file, texts.start, texts.length, texts.first, texts.form):
            values[here] = values[there]
        return
    take = np.arange(len(found.columns[name]))
    take[here] = there
    found.columns[name] = found.columns[name].take(pa.array(take))


def _compare(found: Members, key: str, here: NDArray[np.int64], there: NDArray[np.int64]) -> None:
    """Note where the files of one split describe an object differently."""
    name = found.names.get(key)
    if name is None:
        return
    if name in found.texts:
        texts = found.texts[name]
        pairs = zip(here.tolist(), there.tolist(), strict=True)
        count = sum(texts.one(a) != texts.one(b) for a, b in pairs)
    else:
        column = found.columns[name]
        mine, other = column.take(pa.array(here)), column.take(pa.array(there))
        count = 0 if mine.equals(other) else sum(a != b for a, b in zip(mine, other, strict=True))
    if count:
        found.repairs.append(
            Loss(
                code="object.differs",
                field=f"objects.{name}",
                kind="change",
                reason="files of one split describe an object differently; the first description is kept",
                count=count,
            )
        )
