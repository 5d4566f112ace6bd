"""Samples as rows of a table: every cell an exact text, null where it is blank."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats.spreadsheet.own import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from smalti.formats.spreadsheet.own.columns import Column, Kind

# What a cell cannot hold as it is: nothing at all, control characters, what XlsxWriter takes for rich text. A text
# that begins with a quotation mark is JSON.
_ODD: Final = r'^$|^"|^<r>|[\x00-\x08\x0b-\x1f]|\x{FFFE}|\x{FFFF}'


@dataclass(frozen=True)
class Rows:
    """Rows of a table.

    Attributes:
        keys: Which object each row is: string ``(n,)``; see `smalti.formats.spreadsheet.own.keys`.
        samples: int64 ``(n,)``: the row's sample in the batch.
        objects: int64 ``(n,)``, null for a sample without objects: the object among all of the batch.
        cells: One string array ``(n,)`` a column.
    """

    keys: pa.Array
    samples: NDArray[np.int64]
    objects: pa.Array
    cells: list[pa.Array]

    def __len__(self) -> int:
        return len(self.samples)


def encode(batch: pa.RecordBatch, columns: Sequence[Column], field: str | None) -> Rows:
    """A batch of samples as rows, one an object; a sample without objects has one too.

    Args:
        batch: The samples, with the columns of the table's schema.
        columns: The table's columns.
        field: The object field whose objects are the rows; null: rows are samples.
    """
    samples, objects, numbers = _rows(batch, field)
    flat = batch.column(field).flatten() if field is not None else None
    where = pa.array(samples)
    cells = []
    for column in columns:
        name, _, member = column.field.partition(".")
        if member and flat is not None:
            cells.append(texts(flat.field(member), column).take(objects))
        else:
            cells.append(texts(batch.column(name), column).take(where))
    ids = batch.column("id").take(where)
    return Rows(keys.made(ids, numbers, keys.digests(cells)), samples, objects, cells)


def _rows(
    batch: pa.RecordBatch, field: str | None
) -> tuple[NDArray[np.int64], pa.Array, list[int | str | None]]:
    """Of each row its sample, its object, and the object's number in the sample."""
    every = np.arange(len(batch))
    if field is None:
        return every, pa.nulls(len(batch), pa.int64()), [None] * len(batch)
    column = batch.column(field)
    lengths = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    samples = np.repeat(every, np.maximum(lengths, 1))
    starts = np.cumsum(np.maximum(lengths, 1)) - np.maximum(lengths, 1)
    within = np.arange(len(samples)) - starts[samples]
    blank = lengths[samples] == 0
    first = np.cumsum(lengths) - lengths
    objects = pa.array(first[samples] + within, mask=blank)
    numbers: list[int | str | None] = within.tolist()
    unlabelled = column.is_null().to_numpy(zero_copy_only=False)[samples]
    for row in np.flatnonzero(blank).tolist():
        numbers[row] = None if unlabelled[row] else keys.EMPTY
    return samples, objects, numbers


def texts(array: pa.Array, column: Column) -> pa.Array:
    """The cells of a leaf."""
    if column.kind == "point":
        return _points(array, column)
    if column.part:
        array = pc.struct_field(array, column.part)
    return _TEXTS[column.kind](array)


def escaped(array: pa.Array) -> pa.Array:
    """Texts, those that a cell cannot hold as JSON."""
    odd = pc.match_substring_regex(array, _ODD)
    if not pc.any(odd).as_py():
        return array
    return pc.replace_with_mask(
        array, odd.fill_null(False), pa.array(map(json.dumps, array.filter(odd).to_pylist()), pa.string())
    )


def _words(array: pa.Array) -> pa.Array:
    return escaped(array.cast(pa.string()))


def _cast(array: pa.Array) -> pa.Array:
    return array.cast(pa.string())


def _numbers(array: pa.Array) -> pa.Array:
    return array.cast(pa.float64()).cast(pa.string())


def _flags(array: pa.Array) -> pa.Array:
    return pc.if_else(array, "TRUE", "FALSE")


def _json(array: pa.Array, value: Callable[[Any], Any] = lambda value: value) -> pa.Array:
    return pa.array([None if one is None else _dumped(value(one)) for one in array.to_pylist()], pa.string())


def _dumped(value: Any) -> str:
    """JSON for people to read, as far as XML allows its letters."""
    text = json.dumps(value, ensure_ascii=False)
    return json.dumps(value) if "\ufffe" in text or "\uffff" in text else text


def _mask(value: dict[str, Any]) -> dict[str, Any]:
    """COCO's compressed run-length encoding."""
    counts = value["counts"]
    return {
        "size": [value["height"], value["width"]],
        "counts": None if counts is None else counts.decode("latin-1"),
    }


def _labels(array: pa.Array) -> pa.Array:
    """``cat; dog``, or JSON where there are scores or words that such a list would tear."""
    found: list[str | None] = []
    for labels in array.to_pylist():
        plain = labels and all(
            one is not None and one["score"] is None and is_plain(one["category"]) for one in labels
        )
        if labels is None:
            found.append(None)
        elif plain:
            found.append("; ".join(one["category"] for one in labels))
        else:
            found.append(_dumped([[one["category"], one["score"]] for one in labels]))
    return escaped(pa.array(found, pa.string()))


def is_plain(word: str | None) -> bool:
    """Whether a word can stand in a list that is divided by semicolons."""
    return bool(word) and ";" not in str(word) and str(word).strip() == word and not str(word).startswith("[")


def _points(array: pa.Array, column: Column) -> pa.Array:
    """One keypoint of each object, ``x y visibility``. None of them, or more than there are columns, is JSON."""
    lengths = pc.list_value_length(array).fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    first = np.cumsum(np.maximum(lengths, 0)) - np.maximum(lengths, 0)
    flat = array.flatten()
    members = [pc.struct_field(flat, name).cast(pa.string()) for name in ("x", "y", "visibility")]
    told = pc.binary_join_element_wise(*members, " ", null_handling="skip")
    odd = (lengths == 0) | (lengths > column.count)
    cells = told.take(pa.array(first + column.number, mask=(lengths <= column.number) | odd))
    if column.number or not odd.any():
        return cells
    whole = [
        [[one["x"], one["y"], one["visibility"]] for one in points]
        for points in array.filter(odd).to_pylist()
    ]
    return pc.replace_with_mask(cells, pa.array(odd), pa.array(map(json.dumps, whole), pa.string()))


_TEXTS: Final[dict[Kind, Callable[[pa.Array], pa.Array]]] = {
    "text": _words,
    "integer": _cast,
    "cast": _cast,
    "number": _numbers,
    "flag": _flags,
    "json": _json,
    "polygons": _json,
    "mask": lambda array: _json(array, _mask),
    "labels": _labels,
}
