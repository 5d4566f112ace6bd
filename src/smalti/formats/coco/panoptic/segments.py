"""``segments_info``: the lists of all images as columns, a part at a time, with what is wrong with them.

https://cocodataset.org/#format-data, panoptic segmentation.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import UNSET, Raw

from smalti.errors import DataError, listed
from smalti.formats.coco.columns import Ids, box_values, floats, id_column, lookup, pull, whole
from smalti.formats.coco.keys import BOX, Spec
from smalti.formats.coco.panoptic.pixels import HIGHEST, VOID
from smalti.formats.coco.sections import Gathering, Section
from smalti.schema import features
from smalti.schema.types import BBOX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

KEYS: dict[str, tuple[Any, ...]] = {
    "id": (int, int | float | str | None),
    "category_id": (int, int | str | None),
    "iscrowd": (int, int | float | bool | None),
    "bbox": (BOX, Raw),
    "area": (float, float | None),
}
MEMBERS = {"id": "id", "category_id": "category", "iscrowd": "iscrowd", "bbox": "bbox", "area": "area"}


@dataclass(slots=True)
class Segments:
    """The segments of some annotations; n of them.

    Attributes:
        lengths: int64, how many each annotation has.
        ids: int64 ``(n,)``; 0 for one that is none.
        codes: int64 ``(n,)``, positions in the class table; -1 for none.
        columns: Arrow arrays by member: ``bbox``, ``area``, ``iscrowd``, and every further key as JSON text.
        faults: What is wrong, by annotation: the first place in it, and the complaint.
    """

    lengths: NDArray[np.int64]
    ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    codes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    columns: dict[str, pa.Array] = field(default_factory=dict)
    faults: dict[int, tuple[str, str]] = field(default_factory=dict)


class Lists:
    """Decodes lists of segments into structs that learn their keys from what they meet."""

    def __init__(self) -> None:
        self.spec = Spec(KEYS, tuple(KEYS))
        self._decoder = self._made()

    def _made(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(list[self.spec.struct()])  # type: ignore[misc]  # made here

    def learn(self, raws: Sequence[Raw]) -> None:
        """Get to know the keys of all."""
        for raw in raws:
            self.one(raw)

    @property
    def attributes(self) -> list[str]:
        """The keys that the format does not know."""
        return [key for key in self.spec.keys if key not in KEYS]

    def one(self, raw: Raw) -> list[Any] | tuple[str, str]:
        """The segments of one list, or the place and the complaint where it is none."""
        while True:
            try:
                found: list[Any] = self._decoder.decode(raw)
            except msgspec.ValidationError as error:
                reason, _, place = str(error).rpartition(" - at `$")
                reason, place = (reason, place[:-1]) if reason else (str(error), "")
                if not self.spec.adapt(reason, f"${place}"):
                    return place, reason[:1].lower() + reason[1:]
                self._decoder = self._made()
            else:
                return found

    def section(self, objects: list[Any]) -> Section:
        """Decoded segments as the columns of COCO's files take them."""
        gathered = Gathering(self.spec)
        gathered.add(objects, None)
        return gathered.section()


def segments(lists: Lists, raws: Sequence[Raw], classes: Ids) -> Segments:
    """The segments of some annotations as columns.

    Args:
        lists: Knows the keys of the file.
        raws: ``segments_info`` of each annotation.
        classes: The ids of the class table.
    """
    decoded, faults = [], {}
    for row, raw in enumerate(raws):
        found = lists.one(raw)
        if isinstance(found, tuple):
            faults[row] = found
            found = []
        decoded.append(found)
    lengths = np.fromiter(map(len, decoded), np.int64, len(decoded))
    section = lists.section(list(itertools.chain.from_iterable(decoded)))
    made = Segments(lengths, faults=faults)
    at_fault: dict[int, tuple[str, str]] = {}
    _ids(made, section, at_fault)
    given = id_column([section], "category_id")
    made.codes = lookup(given, classes)
    for row in np.flatnonzero(made.codes < 0).tolist():
        there = listed(classes.array.to_pylist())
        reason = f"found {given.array[row].as_py()}; expected the id of a category of this file: {there}"
        at_fault.setdefault(row, (".category_id", reason))
    flags, bad = whole([section], "iscrowd", 0, 1)
    at_fault |= {row: (".iscrowd", "expected 0 or 1") for row in bad if row not in at_fault}
    made.columns = {
        "iscrowd": flags.cast(pa.bool_()),
        "area": floats([section], "area"),
        "bbox": _boxes(section, at_fault),
    }
    for name in lists.attributes:
        texts = [None if v is UNSET else bytes(v).decode() for v in pull([section], name)]
        made.columns[name] = pa.array(texts, pa.string())
    _note(made, at_fault)
    return made


def _ids(made: Segments, section: Section, at_fault: dict[int, tuple[str, str]]) -> None:
    """The ids of segments: numbers that a pixel can have, each once in an image."""
    given = id_column([section], "id")
    if given.type == "int64":
        numbers = given.array.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    else:
        values = pull([section], "id")
        numbers = np.array([value if type(value) is int else 0 for value in values], np.int64)
    for row in np.flatnonzero((numbers <= VOID) | (numbers > HIGHEST)).tolist():
        shown = given.array[row].as_py()
        reason = f"found {'none' if shown is None else shown}; expected a number from 1 to {HIGHEST:,}"
        at_fault[row] = (".id", f"{reason}, as a pixel holds it")
        numbers[row] = 0
    owner = np.repeat(np.arange(len(made.lengths)), made.lengths)
    keys = owner * (HIGHEST + 1) + numbers
    again = np.setdiff1d(np.arange(len(keys)), np.unique(keys, return_index=True)[1])
    for row in again.tolist():
        at_fault.setdefault(
            row, (".id", f"the id {numbers[row]} is used twice in the image; expected each once")
        )
    made.ids = numbers


def _boxes(section: Section, at_fault: dict[int, tuple[str, str]]) -> pa.Array:
    values = box_values(section, "bbox")
    missing = None
    if values is None:
        raws = [value if isinstance(value, Raw) else b"null" for value in pull([section], "bbox")]
        found = [_box(raw) for raw in raws]
        at_fault |= {
            row: (".bbox", "expected four numbers: x, y, width and height")
            for row, box in enumerate(found)
            if box is UNSET and row not in at_fault
        }
        missing = pa.array([not isinstance(box, tuple) for box in found])
        values = np.array([box if isinstance(box, tuple) else (0.0,) * 4 for box in found]).reshape(-1, 4)
    sides = [pa.array(np.ascontiguousarray(values[:, axis])) for axis in range(4)]
    return pa.StructArray.from_arrays(sides, fields=list(BBOX), mask=missing)


def _box(raw: Raw | bytes) -> Any:
    try:
        return msgspec.json.decode(raw, type=BOX | None)
    except msgspec.ValidationError:
        return UNSET


def _note(made: Segments, at_fault: dict[int, tuple[str, str]]) -> None:
    """Turn faults of segments into those of their annotations."""
    ends = np.cumsum(made.lengths)
    for row in sorted(at_fault):
        note = int(np.searchsorted(ends, row, side="right"))
        place, reason = at_fault[row]
        index = row - int(ends[note] - made.lengths[note])
        made.faults.setdefault(note, (f"[{index}]{place}", reason))


def fault(found: tuple[str, str], url: str, position: str) -> DataError:
    """The error for an annotation's list."""
    return DataError(found[1], file=url, position=f"{position}.segments_info{found[0]}")


def feature_of(lists: Lists, names: dict[str, str]) -> dict[str, features.Json]:
    """The features of further keys, by the names that they get."""
    return {names[key]: features.Json(source=None if names[key] == key else key) for key in lists.attributes}
