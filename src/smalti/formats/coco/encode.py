"""Arrow arrays as JSON text, a whole column at a time (https://www.rfc-editor.org/rfc/rfc8259).

The text is ASCII: characters beyond are escaped, so that no reader's default encoding can break them.
Doubles are written in the shortest form that reads back as the same number.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_PLAIN = r"^[ !#-\[\]-~]*$"  # printable ASCII without the quote and the back slash


def holdable(kind: pa.DataType) -> bool:
    """Whether JSON can hold a type."""
    if pa.types.is_dictionary(kind):
        return holdable(kind.value_type)
    if pa.types.is_struct(kind):
        return all(holdable(field.type) for field in kind)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return holdable(kind.value_type)
    return bool(
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_float32(kind)
        or pa.types.is_float64(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_null(kind)
    )


def text(array: pa.Array) -> pa.Array:
    """The JSON text of every value; null where the value is null.

    Args:
        array: Of a type that `holdable` accepts, its floats finite.
    """
    kind = array.type
    if pa.types.is_dictionary(kind):
        return text(array.dictionary_decode())
    if pa.types.is_struct(kind):
        parts: list[object] = []
        for number, field in enumerate(kind):
            parts += [f"{',' if number else '{'}{quoted(field.name)}:", _inner(array.field(number))]
        body = join(*parts, "}")
        return pc.if_else(array.is_valid(), body, pa.scalar(None, pa.string()))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return strings(array.cast(pa.string()))
    if pa.types.is_nested(kind):
        lengths, child = unnest(array)
        return join("[", joined(_inner(child), lengths, array.is_null()), "]")
    return array.cast(pa.string())


def _inner(array: pa.Array) -> pa.Array:
    return text(array).fill_null("null")


def quoted(value: str) -> str:
    """One string as JSON."""
    return json.dumps(value)


def strings(array: pa.Array) -> pa.Array:
    """JSON strings of a string array."""
    plain = pc.match_substring_regex(array, _PLAIN).fill_null(True)
    simple = join('"', array, '"')
    if pc.all(plain).as_py() is not False:
        return simple
    odd = pc.invert(plain)
    escaped = pa.array([json.dumps(value) for value in array.filter(odd).to_pylist()], pa.string())
    return pc.replace_with_mask(simple, odd, escaped)


def join(*parts: object) -> pa.Array:
    """Arrays of text and constants, glued row by row; null where one is null."""
    return pc.binary_join_element_wise(*parts, "")


def joined(
    texts: pa.Array, lengths: NDArray[np.int64], null: pa.Array | None = None, separator: str = ","
) -> pa.Array:
    """Runs of texts, glued with a separator; null where `null` says so."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(offsets), texts)
    glued = pc.binary_join(lists, separator)
    if null is None or not pc.any(null).as_py():
        return glued
    return pc.if_else(null, pa.scalar(None, pa.string()), glued)


def unnest(array: pa.Array) -> tuple[NDArray[np.int64], pa.Array]:
    """The length of every list, 0 for null, and the values of all."""
    lengths = pc.list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False)
    return lengths.astype(np.int64), array.flatten()


def keyed(key: str, texts: pa.Array, *, null: bool) -> list[object]:
    """A key with its values, each with a comma behind; where null: left out, or with `null` written as null."""
    name = f"{quoted(key)}:"
    if not texts.null_count:
        return [name, texts, ","]
    return [join(name, texts, ",").fill_null(f"{name}null," if null else "")]


def raw_json(array: pa.Array, name: str) -> pa.Array:
    """A column of JSON text as it is, on one line.

    Raises:
        DataError: A text is not JSON.
    """
    present = array.drop_null()
    try:
        # One parse of all: a text that closes the list would give another number of values.
        whole = b"[" + b",".join(value.encode() for value in present.to_pylist()) + b"]"
        sound = len(msgspec.json.decode(whole, type=list[msgspec.Raw])) == len(present)
    except (msgspec.DecodeError, RecursionError):
        sound = False
    if not sound:
        bad = next((value for value in present.to_pylist() if not _is_json(value)), "")
        raise DataError(f"column {name!r} holds {bad[:60]!r}; expected JSON text")
    return array


def _is_json(value: str) -> bool:
    try:
        msgspec.json.decode(value.encode())
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def not_finite(array: pa.Array) -> NDArray[np.int64]:
    """Rows that hold an infinite number or no number somewhere."""
    kind = array.type
    if pa.types.is_floating(kind):
        bad = pc.invert(pc.is_finite(array)).fill_null(False)
        return np.flatnonzero(bad.to_numpy(zero_copy_only=False))
    if pa.types.is_struct(kind):
        found = [not_finite(child) for child in array.flatten()]
        return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)
    if pa.types.is_nested(kind) and not pa.types.is_dictionary(kind):
        lengths, child = unnest(array)
        bad_child = not_finite(child)
        return np.unique(np.searchsorted(np.cumsum(lengths), bad_child, side="right"))
    return np.zeros(0, np.int64)


def body(texts: pa.Array) -> memoryview:
    """All texts one after the other, as bytes."""
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    data = texts.buffers()[2]
    return memoryview(data or b"")[offsets[0] : offsets[-1]] if len(offsets) else memoryview(b"")


def take_text(values: Sequence[int | str], codes: pa.Array) -> pa.Array:
    """The JSON text of the value that each code stands for; null for null."""
    table = pa.array([json.dumps(value) for value in values], pa.string())
    return table.take(codes)
