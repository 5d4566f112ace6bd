"""Roboflow's text dialect of oriented boxes: corners in pixels, the class by its name, a difficulty.

    x1 y1 x2 y2 x3 y3 x4 y4 class-name difficulty

The rows are those of DOTA (https://captain-whu.github.io/DOTA/dataset.html), whose two lines of heading
(``imagesource:``, ``gsd:``) are passed over. Files lie in ``labelTxt`` in the place of ``labels``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import DataError, listed
from smalti.formats import label_rows
from smalti.storage.location import BOM

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ROW = r"^\s*(?P<corners>\S+(?:\s+\S+){7})\s+(?P<name>.*\S)\s+(?P<difficulty>\S+)\s*$"
_NO_ROW = r"^\s*$|^(?:imagesource|gsd):"


def parse(bodies: Sequence[bytes], numbers: Mapping[str, int]) -> label_rows.Rows:
    """Parse the rows of many files as ``class x1 y1 … x4 y4 difficulty``.

    Args:
        bodies: The contents of the files.
        numbers: The class number of each name.

    Raises:
        DataError: A line is no such row; `position` is ``file 3, line 7`` with the file's position.
    """
    files = pc.split_pattern(
        pa.array([_decoded(body, n) for n, body in enumerate(bodies)], pa.string()), "\n"
    )
    lines = files.flatten()
    blank = pc.match_substring_regex(lines, _NO_ROW)
    parts = pc.extract_regex(lines, _ROW)
    names, corners, difficulty = (_part(parts, key) for key in ("name", "corners", "difficulty"))
    code = pc.index_in(names, pa.array(list(numbers), pa.string()))
    bad = pc.and_(pc.invert(blank), code.is_null()).to_numpy(zero_copy_only=False)
    if bad.any():
        raise _faulty(int(bad.argmax()), files, names, numbers)
    number = pa.array(list(numbers.values()), pa.int64()).take(code)
    rows = pc.binary_join_element_wise(number.cast(pa.string()), corners, difficulty, " ")
    kept = pc.if_else(blank, "", rows)
    whole = pc.binary_join(pa.ListArray.from_arrays(files.offsets, kept), "\n")
    return label_rows.parse(whole.cast(pa.binary()).to_pylist())


def _decoded(body: bytes, number: int) -> str:
    try:
        return body.removeprefix(BOM).decode()
    except UnicodeDecodeError as error:
        line = body[: error.start].count(b"\n") + 1
        raise DataError("no UTF-8 text", position=f"file {number}, line {line}") from error


def _part(parts: pa.StructArray, name: str) -> pa.Array:
    """One piece of every line; null where the line is no row."""
    return pc.struct_field(parts, name)


def _faulty(line: int, files: pa.ListArray, names: pa.Array, numbers: Mapping[str, int]) -> DataError:
    file = int(np.searchsorted(files.offsets.to_numpy(), line, side="right")) - 1
    position = f"file {file}, line {line - files.offsets[file].as_py() + 1}"
    name = names[line].as_py()
    if name is None:
        return DataError("expected x1 y1 x2 y2 x3 y3 x4 y4 class-name difficulty", position=position)
    return DataError(f"found the class {name!r}, expected one of {listed(list(numbers))}", position=position)
