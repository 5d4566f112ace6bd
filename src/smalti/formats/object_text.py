"""Members of many objects as numbers and as text, for writers that work on whole columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def member(objects: pa.StructArray, name: str) -> pa.Array | None:
    """A member or attribute of objects; null where they have none of that name."""
    index = objects.type.get_field_index(name)
    return None if index < 0 else pc.struct_field(objects, [index])


def has(objects: pa.StructArray, name: str) -> NDArray[np.bool_]:
    """Which objects have a value there."""
    column = member(objects, name)
    return np.zeros(len(objects), bool) if column is None else np.asarray(column.is_valid())


def true(objects: pa.StructArray, name: str) -> NDArray[np.bool_]:
    """Which objects have a flag that is set."""
    column = member(objects, name)
    return (
        np.zeros(len(objects), bool) if column is None else np.asarray(pc.fill_null(column, fill_value=False))
    )


def number_text(objects: pa.StructArray, name: str, unknown: str) -> pa.Array | str:
    """A member of objects as text, as short as it reads back the same; one text where it is unknown of all."""
    column = member(objects, name)
    if column is None or column.null_count == len(column):
        return unknown
    if pa.types.is_floating(column.type):
        column = pc.add(column, 0.0)  # -0 is 0
    return pc.fill_null(column.cast(pa.string()), unknown)


def sides(objects: pa.StructArray, name: str, members: Sequence[str]) -> NDArray[np.float64]:
    """The numbers of a box ``(n, k)``, NaN where an object has none."""
    column = member(objects, name)
    if column is None:
        return np.full((len(objects), len(members)), np.nan)
    values = [pc.fill_null(pc.struct_field(column, side), np.nan) for side in members]
    return np.stack([value.to_numpy(zero_copy_only=False) for value in values], axis=1)


def corners(objects: pa.StructArray) -> NDArray[np.float64]:
    """Left, top, right and bottom of the boxes ``(n, 4)``, NaN where an object has none."""
    box = sides(objects, "bbox", ("x", "y", "w", "h"))
    return np.concatenate([box[:, :2], short(box[:, :2] + box[:, 2:])], axis=1)


def short(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numbers with 15 digits, so that sums and differences of short decimals stay short."""
    with np.errstate(divide="ignore", invalid="ignore"):
        digits = 14 - np.floor(np.log10(np.abs(values)))
    some = (digits >= 0) & (digits < len(_POWERS))
    power = _POWERS[np.where(some, digits, 0).astype(np.int64)]
    return np.where(some, np.rint(values * power) / power, values)


_POWERS = np.array([float(f"1e{n}") for n in range(23)])  # those that a double holds exactly
