"""The rows of many label files at once, from text to columns and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats import label_rows
from smalti.formats.kitti.options import IGNORED, NUMBERS, SPACE, UNKNOWN
from smalti.formats.object_text import corners, has, number_text, sides, true
from smalti.schema import features
from smalti.schema.build import boxes_column
from smalti.storage.location import BOM

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from smalti.formats.label_rows import Words
    from smalti.schema.categories import Categories

    Whole = NDArray[np.int64]


def row_text(objects: pa.StructArray, head: Sequence[pa.Array | str], nowhere: Sequence[float]) -> pa.Array:
    """Objects as rows.

    Args:
        objects: One struct an object.
        head: The words in front of the type.
        nowhere: What the kit writes of objects without a place in space.
    """
    types = pa.nulls(len(objects), pa.string())
    if has(objects, "category").any():
        types = objects.field("category").dictionary_decode()
    words = [
        *head,
        pc.if_else(pa.array(true(objects, "dontcare")), IGNORED, types),
        *(number_text(objects, name, str(unknown)) for name, unknown in UNKNOWN.items()),
        *_texts(corners(objects), (-1,) * 4),
        *_texts(sides(objects, "box3d", SPACE), nowhere),
    ]
    rows = label_rows.joined(words, " ")
    score = number_text(objects, "score", "")
    if isinstance(score, str):
        return rows
    return pc.if_else(pc.equal(score, ""), rows, pc.binary_join_element_wise(rows, score, " "))


def _texts(values: NDArray[np.float64], unknown: Sequence[float]) -> Iterator[pa.Array | str]:
    """Columns of numbers as text; one text where a number is unknown of all."""
    for column, instead in zip(values.T, unknown, strict=True):
        nothing = np.isnan(column)
        some = not nothing.all()
        yield label_rows.texts(np.where(nothing, instead, column) + 0.0) if some else str(instead)


def members(bodies: Sequence[bytes], table: Categories) -> tuple[dict[str, pa.Array], Whole] | None:
    """Members of all objects and how many each file has; null where any row is wrong.

    Args:
        bodies: The files.
        table: The classes; without any, the word before the numbers tells whether a row has a score.
    """
    words = label_rows.words([body.removeprefix(BOM) for body in bodies])
    counts = np.diff(words.rows)
    if not len(counts):
        return {"category": pa.array([], pa.string())}, np.zeros(len(bodies), np.int64)
    if counts.min() <= NUMBERS:
        return None
    plain, scored = (_types(words, words.rows[1:] - n, table) for n in (NUMBERS, NUMBERS + 1))
    has_score = plain.is_null().to_numpy(zero_copy_only=False)
    types = plain.fill_null(scored) if has_score.any() else plain
    if types.null_count:
        return None
    first = words.rows[1:] - NUMBERS - has_score
    numbers = _numbers(words, first, has_score)
    if numbers is None:
        return None
    lengths = np.bincount(words.file, minlength=len(bodies))
    found = _columns(types, numbers, has_score)
    return None if found is None else (found, lengths)


def _types(words: Words, stop: Whole, table: Categories) -> pa.Array:
    """The type before the word `stop` of each row; null where it cannot be one."""
    first = words.rows[:-1]
    some = stop > first
    spans = words.spans(first, np.where(some, stop, first + 1)).dictionary_encode()
    known: list[str | None] = []
    for raw in spans.dictionary.to_pylist():
        try:
            parts = raw.decode().split()
        except UnicodeDecodeError:
            parts = []
        name = " ".join(parts)
        fits = bool(parts) and (name in table.codes or name == IGNORED)
        fits |= bool(parts) and not table and label_rows.number(parts[-1]) is None
        known.append(name if fits else None)
    found = pa.array(known, pa.string()).take(spans.indices)
    return found if some.all() else pc.if_else(pa.array(some), found, None)


def _numbers(words: Words, first: Whole, scored: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """The numbers of each row ``(n, 15)``, the score last; null where one is none."""
    where = (first[:, None] + np.arange(NUMBERS)).ravel()
    values = [label_rows.finite(words.spans(some, some + 1)) for some in (where, first[scored] + NUMBERS)]
    if values[0] is None or values[1] is None:
        return None
    found = np.zeros((len(first), NUMBERS + 1))
    found[:, :NUMBERS] = values[0].reshape(-1, NUMBERS)
    found[scored, NUMBERS] = values[1]
    return found


def _columns(
    types: pa.Array, numbers: NDArray[np.float64], scored: NDArray[np.bool_]
) -> dict[str, pa.Array] | None:
    said = dict(zip(UNKNOWN, numbers.T[:3], strict=True))
    if (said["occluded"] != np.trunc(said["occluded"])).any():
        return None
    left, top, right, bottom = numbers.T[3:7]
    nowhere = (numbers[:, 3:7] == -1).all(axis=1)
    ignored = pc.equal(types, IGNORED)
    found = {"category": pc.if_else(ignored, None, types)}
    found["bbox"] = boxes_column(np.stack([left, top, right - left, bottom - top], axis=1), nowhere)
    flat = (numbers[:, 7:10] == -1).all(axis=1)
    sides = dict(zip(SPACE, numbers.T[7:14], strict=True))
    kind = features.OBJECT_MEMBERS["box3d"]
    columns = [pa.array(np.ascontiguousarray(sides[child.name]), mask=flat) for child in kind]
    found["box3d"] = pa.StructArray.from_arrays(columns, fields=list(kind), mask=pa.array(flat))
    found["score"] = pa.array(np.ascontiguousarray(numbers[:, NUMBERS]), mask=~scored)
    for name, values in said.items():
        own = values.astype(np.int64) if name == "occluded" else np.ascontiguousarray(values)
        found[name] = pa.array(own, mask=values == UNKNOWN[name])
    found["dontcare"] = pc.if_else(ignored, True, pa.scalar(None, pa.bool_()))
    return {
        name: values
        for name, values in found.items()
        if name in {"category", "bbox"} or values.null_count < len(values)
    }
