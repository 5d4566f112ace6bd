"""Cells back to samples: exact where nobody touched them, lenient where a person typed."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats.spreadsheet import values
from smalti.formats.spreadsheet.faults import meant
from smalti.schema import features
from smalti.schema.build import list_column
from smalti.schema.types import MASK, POLYGONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smalti.formats.spreadsheet.own.columns import Column
    from smalti.schema.schema import Schema

_TRUE: Final = ("true", "yes", "1", "x", "wahr", "ja", "vrai", "oui")
_FALSE: Final = ("false", "no", "0", "falsch", "nein", "faux", "non")


@dataclass(frozen=True, slots=True)
class Wrong:
    """A cell that does not hold what its column holds.

    Attributes:
        row: The row among those that were decoded.
        header: The column.
        reason: What was found and what was expected.
        hint: What was probably meant.
    """

    row: int
    header: str
    reason: str
    hint: str | None = None


@dataclass(slots=True)
class Decoder:
    """Makes arrays of cells.

    Attributes:
        schema: Of the table.
        columns: The table's columns.
        cells: string arrays by header; a column that is not there any more is absent.
        wrong: The cells that are faulty; their values are null.
    """

    schema: Schema
    columns: Sequence[Column]
    cells: dict[str, pa.Array]
    wrong: list[Wrong] = field(default_factory=list)

    def leaf(self, name: str) -> pa.Array | None:
        """The values of a leaf, one a row: ``split``, ``objects.bbox``; null: its columns are gone."""
        own = [column for column in self.columns if column.field == name and column.header in self.cells]
        if not own:
            return None
        if own[0].kind == "point":
            return self._points(own)
        if own[0].part:
            return self._struct(name, own)
        return self._array(own[0], self._type(name))

    def _type(self, name: str) -> pa.DataType:
        column, _, member = name.partition(".")
        feature = self.schema.columns[column]
        return feature.member_type(member) if isinstance(feature, features.Objects) else feature.arrow

    def _array(self, column: Column, kind: pa.DataType) -> pa.Array:
        cells = self.cells[column.header]
        if column.words is not None and column.kind != "labels":
            return self._coded(column, cells, column.words)
        if column.kind in {"integer", "number"}:
            return self._numbers(column, cells, kind)
        if column.kind == "flag":
            return self._flags(column, cells)
        if column.kind == "text":
            return (
                unescaped(cells).cast(kind)
                if not pa.types.is_dictionary(kind)
                else _words(unescaped(cells), kind)
            )
        if column.kind == "cast":
            return self._each(column, cells, lambda text: _cast(text.strip(), kind), kind)
        if column.kind == "labels":
            return self._labels(column, kind)
        read = {"polygons": (_rings, POLYGONS), "mask": (_rle, MASK)}.get(column.kind, (json.loads, kind))
        return self._each(column, cells, *read)

    def _coded(self, column: Column, cells: pa.Array, words: tuple[str, ...]) -> pa.Array:
        """Words of a class table."""
        table = pa.array(words, pa.string())
        found = unescaped(cells)
        codes = pc.index_in(found, table)
        odd = pc.and_(found.is_valid(), codes.is_null())
        if pc.any(odd).as_py():  # a blank beside the word is no other class
            codes = pc.coalesce(codes, pc.index_in(pc.utf8_trim_whitespace(found), table))
            odd = pc.and_(found.is_valid(), codes.is_null())
        for row in pc.indices_nonzero(odd).to_pylist():
            word = found[row].as_py()
            self._fault(row, column, f'"{word[:60]}" is not a category', meant(word, words))
        return pa.DictionaryArray.from_arrays(codes.cast(pa.int32()), table)

    def _numbers(self, column: Column, cells: pa.Array, kind: pa.DataType) -> pa.Array:
        trimmed = pc.utf8_trim_whitespace(cells)
        if pa.types.is_integer(kind):
            try:
                return trimmed.cast(kind)
            except pa.ArrowInvalid:
                pass
        try:
            floats = trimmed.cast(pa.float64())
            rows: Sequence[int] = ()
        except pa.ArrowInvalid:
            found, where = values.numbers(trimmed)
            rows = where.tolist()
            floats = pa.array(found, mask=np.isnan(found))
        if pa.types.is_integer(kind):
            whole = floats.to_numpy(zero_copy_only=False)
            small = np.abs(np.nan_to_num(whole)) < 2.0**63
            odd = floats.is_valid().to_numpy(zero_copy_only=False) & ~((np.floor(whole) == whole) & small)
            rows = sorted({*rows, *np.flatnonzero(odd).tolist()})
        what = "a whole number" if pa.types.is_integer(kind) else "a number"
        for row in rows:
            self._fault(row, column, f'found "{str(cells[row])[:60]}", expected {what}')
        held = pc.if_else(pa.array(np.isin(np.arange(len(cells)), rows)), None, floats)
        return self._fitting(column, held, kind)

    def _fitting(self, column: Column, held: pa.Array, kind: pa.DataType) -> pa.Array:
        try:
            return held.cast(kind, safe=pa.types.is_integer(kind))
        except pa.ArrowInvalid:
            return self._each(
                column, held.cast(pa.string()), lambda text: pa.scalar(float(text)).cast(kind).as_py(), kind
            )

    def _flags(self, column: Column, cells: pa.Array) -> pa.Array:
        words = pc.utf8_lower(pc.utf8_trim_whitespace(cells))
        yes, no = (pc.is_in(words, pa.array(known)) for known in (_TRUE, _FALSE))
        blank = pc.or_(words.is_null(), pc.equal(words, "").fill_null(True))
        for row in pc.indices_nonzero(pc.invert(pc.or_(pc.or_(yes, no), blank))).to_pylist():
            self._fault(row, column, f'found "{str(cells[row])[:60]}", expected TRUE or FALSE')
        return pc.if_else(yes, True, pc.if_else(no, False, pa.scalar(None, pa.bool_())))

    def _labels(self, column: Column, kind: pa.DataType) -> pa.Array:
        words = column.words or ()

        def read(text: str) -> Any:
            told = text.strip()
            if told.startswith("["):
                pairs = json.loads(told)
            else:
                pairs = [(word.strip(), None) for word in told.split(";") if word.strip()]
            unknown = next((word for word, _ in pairs if word is not None and word not in words), None)
            if unknown is not None:
                raise ValueError(f'"{unknown}" is not a category')
            return [{"category": word, "score": score} for word, score in pairs]

        rows = self._each(column, unescaped(self.cells[column.header]), read, None)
        table = {word: code for code, word in enumerate(words)}
        flat = [one for row in rows if row is not None for one in row]
        codes = pa.array(
            [None if one["category"] is None else table[one["category"]] for one in flat], pa.int32()
        )
        coded = pa.DictionaryArray.from_arrays(codes, pa.array(words, pa.string()))
        scores = pa.array([one["score"] for one in flat], pa.float64())
        struct = pa.StructArray.from_arrays([coded, scores], fields=list(kind.value_type))
        lengths = np.array([0 if row is None else len(row) for row in rows], np.int64)
        return list_column(struct, lengths, np.array([row is None for row in rows], bool))

    def _struct(self, name: str, own: Sequence[Column]) -> pa.Array:
        """A box, or an image: null where all of its cells are blank."""
        kind = self._type(name)
        parts = {column.part: self._array(column, kind.field(column.part).type) for column in own}
        rows = len(next(iter(parts.values())))
        arrays = [parts.get(one.name, pa.nulls(rows, one.type)) for one in kind]
        held = np.stack([array.is_valid().to_numpy(zero_copy_only=False) for array in arrays])
        if own[0].kind == "number":
            faulty = {one.row for one in self.wrong}
            for row in np.flatnonzero(held.any(0) & ~held.all(0)).tolist():
                column = next(c for c, h in zip(own, held, strict=False) if not h[row])
                if row not in faulty:
                    self._fault(
                        row, column, "found a blank cell in a box; expected four numbers, or four blanks"
                    )
        return pa.StructArray.from_arrays(arrays, fields=list(kind), mask=pa.array(~held.any(0)))

    def _points(self, own: Sequence[Column]) -> pa.Array:
        """Keypoints: a blank cell before one with a point is a point that is not labelled."""
        columns = [self._each(column, self.cells[column.header], _point, None) for column in own]
        found: list[Any] = []
        for row in zip(*columns, strict=True):
            if row[0] is not None and isinstance(row[0], list):
                found.append([_dict(point) for point in row[0]])
                continue
            held = [number for number, point in enumerate(row) if point is not None]
            points = [point or (0.0, 0.0, 0) for point in row[: held[-1] + 1]] if held else None
            found.append(None if points is None else [_dict(point) for point in points])
        return pa.array(found, self._type(own[0].field))

    def _each(
        self, column: Column, cells: pa.Array, read: Callable[[str], Any], kind: pa.DataType | None
    ) -> Any:
        """Cells read one by one; a list of values where there is no Arrow type for them."""
        found: list[Any] = []
        for row, text in enumerate(cells.to_pylist()):
            value = None
            if text is not None and text.strip():
                try:
                    value = read(text)
                    if kind is not None and not isinstance(value, pa.Scalar):
                        pa.scalar(value, kind)
                except (
                    ValueError,
                    TypeError,
                    KeyError,
                    OverflowError,
                    RecursionError,
                    pa.ArrowException,
                ) as error:
                    said = (
                        str(error)
                        if "category" in str(error)
                        else f'found "{text[:60]}", expected {_WHAT[column.kind]}'
                    )
                    self._fault(row, column, said)
                    value = None
            found.append(value)
        return found if kind is None else pa.array(found, kind)

    def _fault(self, row: int, column: Column, reason: str, hint: str | None = None) -> None:
        self.wrong.append(Wrong(row, column.header, reason, hint))


_WHAT: Final = {
    "integer": "a whole number",
    "number": "a number",
    "cast": "a time, a date or a decimal number as 2026-01-31 12:00:00",
    "json": "JSON",
    "labels": "classes as in: cat; dog",
    "polygons": "rings as JSON: [[x, y, x, y, x, y]]",
    "mask": 'a run-length encoding as JSON: {"size": [height, width], "counts": "…"}',
    "point": "a keypoint as: x y visibility",
}


def truth(text: str) -> bool | None:
    """What a text says where a truth value is expected; null: neither."""
    word = text.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def unescaped(cells: pa.Array) -> pa.Array:
    """Texts of cells; those that are JSON texts as what they say."""
    odd = pc.starts_with(cells, '"').fill_null(False)
    if not pc.any(odd).as_py():
        return cells
    return pc.replace_with_mask(
        cells, odd, pa.array(map(unescaped_text, cells.filter(odd).to_pylist()), pa.string())
    )


def unescaped_text(cell: str) -> str:
    """What a cell's text says; one that is a JSON text says what that says."""
    try:
        found = json.loads(cell)
    except ValueError:
        return cell
    return found if isinstance(found, str) else cell


def _words(array: pa.Array, kind: pa.DictionaryType) -> pa.Array:
    return pc.dictionary_encode(array).cast(kind)


def _cast(text: str, kind: pa.DataType) -> Any:
    if not pa.types.is_time(kind):
        return pa.scalar(text).cast(kind)
    clock, _, parts = text.partition(".")
    moment = dt.time.fromisoformat(clock)
    nanos = ((moment.hour * 60 + moment.minute) * 60 + moment.second) * 10**9 + int(
        f"{parts:0<9}"[:9] if parts else 0
    )
    return pa.scalar(nanos, pa.int64()).cast(pa.time64("ns")).cast(kind)


def _rings(text: str) -> Any:
    rings = json.loads(text)
    if rings is not None and any(ring is not None and len(ring) % 2 for ring in rings):
        raise ValueError("an odd number of coordinates")
    return rings


def _rle(text: str) -> Any:
    told = json.loads(text)
    counts = told["counts"]
    height, width = told["size"]
    return {"height": height, "width": width, "counts": None if counts is None else counts.encode("latin-1")}


def _point(text: str) -> Any:
    told = text.strip()
    if told.startswith("["):
        return [tuple(point) for point in json.loads(told)]
    x, y, *more = told.replace(",", " ").split()
    if len(more) > 1:
        raise ValueError("more than three numbers")
    return float(x), float(y), int(float(more[0])) if more else None


def _dict(point: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(("x", "y", "visibility"), point, strict=True))
