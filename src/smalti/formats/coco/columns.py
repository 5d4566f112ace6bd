"""From the skeleton's objects to Arrow columns, a whole column at a time.

A column of unknown keys gets an Arrow type only where the type gives every value back as it was;
otherwise it keeps the JSON text (https://www.rfc-editor.org/rfc/rfc8259).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import UNSET, Raw

from smalti.errors import SchemaError
from smalti.schema.features import Json, Value
from smalti.schema.types import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from smalti.formats.coco.sections import Section

SPARSE = 64  # numbers to an id, at most, for a table of them: 8 bytes each
IdType = Literal["int64", "string", "json"]
_INT64 = range(-(2**63), 2**63)


def pull(sections: Iterable[Section], key: str) -> list[Any]:
    """The values of one key over sections, in the files' order; UNSET where it is missing."""
    return list(itertools.chain.from_iterable(section.pull(key) for section in sections))


def _numbers(sections: Sequence[Section], key: str, kind: type[np.generic]) -> NDArray[Any] | None:
    """The values of a key that every object has as a number of that type; null for any other key."""
    values = [section.values.get(key) for section in sections]
    if not all(isinstance(some, np.ndarray) and some.dtype == kind for some in values):
        return None
    return values[0] if len(values) == 1 else np.concatenate([np.zeros(0, kind), *values])


def box_values(section: Section, key: str) -> NDArray[np.float64] | None:
    """Boxes ``(n, 4)`` where every object has one of four numbers; null otherwise."""
    values = section.values.get(key)
    return values if isinstance(values, np.ndarray) and values.ndim == 2 else None  # a matrix


def _kinds(values: list[Any]) -> set[type]:
    return set(map(type, values))


def _plain(values: list[Any]) -> list[Any]:
    """The values with None in place of missing ones."""
    return [None if value is UNSET else value for value in values]


class Ids(NamedTuple):
    """Ids as a column: int64, string, or JSON text where the source mixes them."""

    array: pa.Array
    type: IdType

    def as_json(self) -> pa.Array:
        """As JSON text, in which 1 and "1" differ."""
        if self.type == "json":
            return self.array
        values = self.array.to_pylist()
        return pa.array([None if v is None else msgspec.json.encode(v).decode() for v in values], pa.string())


def id_column(sections: Sequence[Section], key: str) -> Ids:
    """The ids that sections have under a key."""
    numbers = _numbers(sections, key, np.int64)
    return ids(pull(sections, key)) if numbers is None else Ids(pa.array(numbers), "int64")


def ids(values: list[Any]) -> Ids:
    """A column of ids; null where one is null or missing."""
    kinds = _kinds(values)
    plain = _plain(values)
    kinds -= {type(None), type(UNSET)}
    if kinds <= {int} and all(value in _INT64 for value in plain if value is not None):
        return Ids(pa.array(plain, pa.int64()), "int64")
    if kinds == {str}:
        return Ids(pa.array(plain, pa.string()), "string")
    texts = [None if v is None else str(v) if isinstance(v, int) else _quoted(v) for v in plain]
    return Ids(pa.array(texts, pa.string()), "json")


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def lookup(wanted: Ids, known: Ids) -> np.ndarray:
    """Positions of ids among the known ones: int64 ``(n,)``, -1 where there is none."""
    if wanted.type == known.type == "int64" and (places := _places(known.array)) is not None:
        low, table = places
        values = wanted.array.fill_null(low - 1).to_numpy() - low
        inside = (values >= 0) & (values < len(table))
        return np.where(inside, table[np.where(inside, values, 0)], -1)
    if wanted.type == known.type:
        found = pc.index_in(wanted.array, known.array, skip_nulls=True)
    else:
        found = pc.index_in(wanted.as_json(), known.as_json(), skip_nulls=True)
    return found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def _places(ids: pa.Array) -> tuple[int, NDArray[np.int64]] | None:
    """The position of every number from the lowest id to the highest, if they are not too far apart."""
    if not len(ids) or ids.null_count:
        return None
    values = ids.to_numpy()
    low, high = int(values.min()), int(values.max())
    if high - low > SPARSE * (len(values) + 1000):
        return None
    table = np.full(high - low + 1, -1, np.int64)
    table[values[::-1] - low] = np.arange(len(values))[::-1]  # the first of equal ids stays
    return low, table


def floats(sections: Sequence[Section], key: str) -> pa.Array:
    """A float64 column; null where a value is null or missing."""
    numbers = _numbers(sections, key, np.float64)
    return pa.array(_plain(pull(sections, key)), pa.float64()) if numbers is None else pa.array(numbers)


def whole(sections: Sequence[Section], key: str, low: int, high: int) -> tuple[pa.Array, list[int]]:
    """An int64 column of numbers that must be whole (640 or 640.0) and in bounds.

    Returns:
        The column, null where a value is null, missing or at fault; and the rows that are at fault.
    """
    numbers = _numbers(sections, key, np.int64)
    if numbers is not None and (not len(numbers) or (low <= numbers.min() and numbers.max() <= high)):
        return pa.array(numbers), []
    plain = _plain(pull(sections, key))
    bad = [
        row
        for row, value in enumerate(plain)
        if value is not None and not (low <= value <= high and value == int(value))
    ]
    for row in bad:
        plain[row] = None
    return pa.array([None if value is None else int(value) for value in plain], pa.int64()), bad


class Inferred(NamedTuple):
    """A column for an unknown key: its feature, its values, and what null stands for.

    `nulls`: null stands for an explicit null, so it is written; otherwise for a missing key.
    """

    feature: Value | Json
    array: pa.Array
    nulls: bool


def column(sections: Sequence[Section], key: str, source: str | None = None) -> Inferred:
    """A column of a key that has no place of its own; see `infer`."""
    for kind, arrow in ((str, pa.string()), (int, pa.int64())):
        if all(section.types.get(key, kind) is kind for section in sections):
            try:
                array = pa.concat_arrays([_arrow(section, key, arrow) for section in sections])
            except OverflowError:
                break  # beyond 64 bits it is text
            return Inferred(Value(type=arrow, source=source), array, nulls=False)
    raws = [
        value if value is UNSET or isinstance(value, Raw) else Raw(msgspec.json.encode(value))
        for value in pull(sections, key)
    ]
    return infer(raws, source)


def _arrow(section: Section, key: str, kind: pa.DataType) -> pa.Array:
    """One section's column of texts or numbers; null where the key is missing."""
    values = section.values.get(key)
    if isinstance(values, pa.Array | np.ndarray):
        return pa.array(values, kind)
    return pa.array(_plain(section.pull(key)), kind)


def strings(sections: Iterable[Section], key: str) -> pa.Array:
    """A column of texts; null where one is null or missing."""
    parts = [_arrow(section, key, pa.string()) for section in sections]
    return pa.concat_arrays(parts) if parts else pa.nulls(0, pa.string())


def infer(values: list[Any], source: str | None = None) -> Inferred:
    """Find the Arrow type that holds raw JSON texts without any change.

    Args:
        values: Raw texts; UNSET where the key is missing.
        source: The source's key, where the column has another name.

    Raises:
        UnicodeDecodeError: A text is not UTF-8.
        msgspec.DecodeError: A text has a lone surrogate.
    """
    present = [value for value in values if value is not UNSET]
    missing = len(present) < len(values)
    try:
        decoded = msgspec.json.decode(b"[" + b",".join(present) + b"]")
    except msgspec.ValidationError:
        decoded = None  # a number that no machine holds
    explicit = any(bytes(value) == b"null" for value in present) if decoded is None else None in decoded
    if decoded is not None and not (missing and explicit):
        array = _typed(decoded)
        if array is not None:
            feature = Value(type=canonical(array.type), source=source)
            array = _spread(array.cast(feature.arrow), values) if missing else array.cast(feature.arrow)
            return Inferred(feature, array, explicit)
    texts = [
        None if v is UNSET or (not missing and bytes(v) == b"null") else bytes(v).decode() for v in values
    ]
    return Inferred(Json(source=source), pa.array(texts, pa.string()), explicit and not missing)


def _spread(array: pa.Array, values: list[Any]) -> pa.Array:
    """The array's values where there are any, null where the key is missing."""
    there = np.fromiter((value is not UNSET for value in values), np.bool_, len(values))
    position = np.cumsum(there) - 1
    return array.take(pa.array(position, mask=~there))


def _typed(values: list[Any]) -> pa.Array | None:
    """The values as Arrow infers them, if it gives back exactly these."""
    kinds = _kinds(values) - {type(None)}
    if kinds == {str}:
        return pa.array(values, pa.string())
    if kinds in ({bool}, {int}):
        try:
            return pa.array(values, pa.bool_() if kinds == {bool} else pa.int64())
        except OverflowError:
            return None
    try:
        array = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return None
    return array if _holdable(array.type) and array.to_pylist() == values else None


def _holdable(kind: pa.DataType) -> bool:
    """Whether a type may stand in a table: Parquet has no empty structs, engines no columns of nothing."""
    if pa.types.is_struct(kind):
        return kind.num_fields > 0 and all(_holdable(field.type) for field in kind)
    if pa.types.is_list(kind):
        return _holdable(kind.value_type)
    if pa.types.is_uint64(kind) or pa.types.is_null(kind):
        return False
    try:
        canonical(kind)
    except SchemaError:
        return False
    return True
