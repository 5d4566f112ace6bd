"""The images, or the annotations, of a file: a column of values each key, gathered while the file is decoded.

Objects are made some at a time and let go as soon as their values are in columns: what is not there any more costs
no memory, and what was made just now lies in the processor's cache.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from msgspec import UNSET, Raw
from msgspec.structs import astuple

from smalti.formats.coco.body import give_back
from smalti.formats.coco.keys import BOX

if TYPE_CHECKING:
    from collections.abc import Sequence
    from mmap import mmap

    from numpy.typing import NDArray

    from smalti.errors import DataError
    from smalti.formats.coco.keys import Key, Spec

OBJECT, NOTHING = ord("{"), ord("n")  # what objects begin with, and null
CHUNK = 4096  # objects taken apart at once
_COUNTS = np.frombuffer(b'{"counts":', np.uint8)
_DTYPES: dict[Any, type] = {int: np.int64, float: np.float64}


class Places(NamedTuple):
    """Raw JSON values of n objects, as places in their file.

    Attributes:
        start: int64 ``(n,)``, the first byte; -1 where the key is missing.
        length: int64 ``(n,)``, bytes.
        first: uint8 ``(n,)``, the first byte itself; that of null where the key is missing.
        form: uint8 ``(n,)``, what an object's run lengths begin with, if they stand at its head: a bracket, or a
            quotation mark; 0 elsewhere.
    """

    start: NDArray[np.int64]
    length: NDArray[np.int64]
    first: NDArray[np.uint8]
    form: NDArray[np.uint8]

    def take(self, rows: NDArray[np.int64]) -> Places:
        """Those of some objects."""
        return Places(self.start[rows], self.length[rows], self.first[rows], self.form[rows])

    @classmethod
    def nothing(cls, count: int) -> Places:
        """Those of a key that is missing everywhere."""
        return cls(
            np.full(count, -1, np.int64),
            np.zeros(count, np.int64),
            np.full(count, NOTHING, np.uint8),
            np.zeros(count, np.uint8),
        )

    @classmethod
    def at(cls, view: memoryview, start: NDArray[np.int64], length: NDArray[np.int64]) -> Places:
        """Values at some places of a file; 0 long where there is none."""
        there = length > 0
        symbols = np.frombuffer(view, np.uint8)
        first = np.where(there, symbols[start], np.uint8(NOTHING))
        form = np.zeros(len(start), np.uint8)
        rows = np.flatnonzero(first == OBJECT)
        places = start[rows, None] + np.arange(len(_COUNTS) + 2)
        heads = symbols[np.minimum(places, len(symbols) - 1)]
        value = np.where(heads[:, -2] == ord(" "), heads[:, -1], heads[:, -2])
        counts = (heads[:, :-2] == _COUNTS).all(axis=1) & np.isin(value, list(b'["'))
        form[rows[counts]] = value[counts]
        return cls(np.where(there, start, -1), length, first, form)


@dataclass(slots=True)
class Section:
    """The images, or the annotations, of one file.

    Attributes:
        size: How many objects there are.
        values: The values of each key, in the file's order. Numbers that every object has: int64 or float64 ``(n,)``;
            boxes that every object has: float64 ``(n, 4)``; texts that every object has: an Arrow array of strings;
            raw values: `Places`; anything else: a list, UNSET where the key is missing.
        optional: Keys that some objects may lack.
        types: The type of each key's values, as msgspec was told; Raw for raw texts.
        index: The position of each object in the file's array; null: its position here.
        faults: Objects that were left out.
        buffer: The file's bytes.
        mapped: The mapping that they are in; null where the file is no local one.
    """

    size: int
    values: dict[str, Any]
    optional: frozenset[str]
    types: dict[str, Any]
    index: NDArray[np.int64] | None = None
    faults: list[DataError] = field(default_factory=list)
    buffer: pa.Buffer = field(default_factory=lambda: pa.py_buffer(b""))
    mapped: mmap | None = None

    def place(self, row: int) -> int:
        """The position in the file's array."""
        return row if self.index is None else int(self.index[row])

    def places(self) -> NDArray[np.int64]:
        """The positions in the file's array: int64 ``(n,)``."""
        return np.arange(self.size) if self.index is None else self.index

    def pull(self, key: str) -> list[Any]:
        """The values of one key as Python objects; UNSET where it is missing."""
        match self.values.get(key):
            case None:
                return [UNSET] * self.size
            case Places(start=start, length=length):
                view = memoryview(self.buffer)
                spans = zip(start.tolist(), length.tolist(), strict=True)
                return [Raw(view[at : at + size]) if at >= 0 else UNSET for at, size in spans]
            case list() as values:
                return values
            case values:
                return list(values.tolist())

    def take(self, rows: NDArray[np.int64]) -> Section:
        """Some of the objects."""
        values = {key: _taken(column, rows) for key, column in self.values.items()}
        return replace(self, size=len(rows), values=values, index=self.places()[rows])

    def forget(self) -> None:
        """Give the mapped pages back to the system; they come again from its cache when they are read."""
        give_back(self.mapped)


class Gathering:
    """Columns in the making.

    Args:
        spec: Made the structs that the objects are.
    """

    def __init__(self, spec: Spec) -> None:
        self.size = 0
        self.fields = spec.fields()
        self._order = list(spec.keys)
        self._made: list[list[Any]] = [[] for _ in self.fields]

    def add(self, objects: list[Any], text: pa.Buffer | None, offset: int = 0) -> None:
        """Take the next objects.

        Args:
            objects: Structs.
            text: What they were decoded from; null: raw values stay as they are.
            offset: Where that stands in the file.
        """
        for start in range(0, len(objects), CHUNK):
            some = objects[start : start + CHUNK]
            columns = zip(*map(astuple, some), strict=True)
            for made, (_, key), values in zip(self._made, self.fields, columns, strict=True):
                made.append(_column(key, values, text, offset))
        self.size += len(objects)

    def section(self) -> Section:
        """All that was taken; without the optional keys that no object has."""
        columns = {
            name: joined(made or [_column(key, (), pa.py_buffer(b""), 0)])
            for made, (name, key) in zip(self._made, self.fields, strict=True)
        }
        return section_of(self.size, {name: columns[name] for name in self._order}, self.fields)


def section_of(size: int, columns: dict[str, Any], fields: list[tuple[str, Key]]) -> Section:
    """A section of columns, without the optional keys that no object has.

    Args:
        size: How many objects there are.
        columns: As in `Section.values`, by key in the order in which keys were met.
        fields: The keys.
    """
    keys = dict(fields)
    kept = {name: column for name, column in columns.items() if keys[name].required or _is_there(column)}
    return Section(
        size,
        kept,
        frozenset(name for name in kept if not keys[name].required),
        {name: keys[name].type for name in kept},
    )


def _column(key: Key, values: Sequence[Any], text: pa.Buffer | None, offset: int) -> Any:
    if key.type is Raw and text is not None:
        return _places(key, values, text, offset)
    if not key.required:
        return list(values)
    if key.type is BOX:
        numbers = itertools.chain.from_iterable(values)
        return np.fromiter(numbers, np.float64, 4 * len(values)).reshape(-1, 4)
    if key.type is str:
        return pa.array(values, pa.string())
    if key.type in _DTYPES:
        try:
            return np.fromiter(values, _DTYPES[key.type], len(values))
        except OverflowError:
            return list(values)  # beyond 64 bits
    return list(values)


def _places(key: Key, values: Sequence[Any], text: pa.Buffer, offset: int) -> Places:
    if not key.required:
        there = np.fromiter((value is not UNSET for value in values), np.bool_, len(values))
        some = _spans(tuple(value for value in values if value is not UNSET), text, offset)
        found = Places.nothing(len(values))
        for name in Places._fields:
            getattr(found, name)[there] = getattr(some, name)
        return found
    return _spans(values, text, offset)


def _spans(values: Sequence[Raw], text: pa.Buffer, offset: int) -> Places:
    """Raw values are views into the text, and their addresses tell where."""
    addresses = map(attrgetter("address"), map(pa.py_buffer, values))
    at = np.fromiter(addresses, np.int64, len(values)) - text.address
    length = np.fromiter(map(len, values), np.int64, len(values))
    found = Places.at(memoryview(text), at, length)
    return found._replace(start=at + offset)


def joined(made: list[Any]) -> Any:
    """The columns of some objects after another as one."""
    if len(made) == 1:
        return made[0]
    if all(isinstance(some, Places) for some in made):
        return Places(*map(np.concatenate, zip(*made, strict=True)))
    if all(isinstance(some, np.ndarray) for some in made):
        return np.concatenate(made)
    if all(isinstance(some, pa.Array) for some in made):
        return pa.concat_arrays(made)
    return list(
        itertools.chain.from_iterable(some if isinstance(some, list) else some.tolist() for some in made)
    )


def _taken(column: Any, rows: NDArray[np.int64]) -> Any:
    match column:
        case Places():
            return column.take(rows)
        case list():
            return [column[row] for row in rows.tolist()]
        case pa.Array():
            return column.take(pa.array(rows))
    return column[rows]


def _is_there(column: Any) -> bool:
    """Whether any object has a value."""
    if isinstance(column, Places):
        return bool((column.start >= 0).any())
    return any(value is not UNSET for value in column)
