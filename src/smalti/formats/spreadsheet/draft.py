"""A sheet while it is taken apart: its columns by role, and the faults that gather."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from smalti.formats.spreadsheet import values
from smalti.formats.spreadsheet.cells import DATE
from smalti.formats.spreadsheet.faults import each, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from smalti.formats.spreadsheet.cells import Sheet
    from smalti.formats.spreadsheet.faults import Fault
    from smalti.formats.spreadsheet.guess import Columns
    from smalti.formats.spreadsheet.mapping import Mapping

_DATED: Final = "Excel makes dates of text like 3-4; type it again in cells formatted as text"


class Draft:
    """A sheet with its columns known.

    Args:
        sheet: The sheet.
        columns: What its columns are.

    Attributes:
        mapping: The mapping; what numbers tell is filled in.
        faults: What is wrong.
        mended: What was mended: the code, and the cells as row and column.
    """

    def __init__(self, sheet: Sheet, columns: Columns) -> None:
        self.sheet, self.columns = sheet, columns
        self.at = columns.at
        self.mapping: Mapping = columns.mapping
        self.faults: list[Fault] = []
        self.mended: dict[str, list[tuple[int, int]]] = {}

    def words(self, role: str) -> pa.Array | None:
        """A column as text; null where there is none of that role."""
        column = self.at.get(role)
        return None if column is None else values.words(self.sheet.columns[column])

    def numbers(self, column: int) -> NDArray[np.float64]:
        """A column as numbers, NaN where blank; what is none becomes a fault of its cell."""
        cells = self.sheet.columns[column]
        found, wrong = values.numbers(cells)
        kinds = self.sheet.kinds.get(column)
        dated = pa.types.is_temporal(cells.type)
        dates = [row for row in wrong if dated or (kinds is not None and kinds[row] == DATE)]
        self.cells("cell.date", dates, column, "{} is a date, expected a number", lambda _: _DATED)
        self.cells("number.wrong", np.setdiff1d(wrong, dates), column, "{} is no number")
        return found

    def cells(
        self,
        code: str,
        rows: Iterable[int],
        column: int,
        reason: str,
        hint: Callable[[str], str | None] | None = None,
    ) -> None:
        """Note a grave fault of each cell; ``{}`` in the reason is what stands there."""
        self.faults += each(
            self.sheet, code, rows, column, lambda text: reason.replace("{}", shown(text)), hint
        )

    def mend(self, code: str, rows: Iterable[int], column: int) -> None:
        """Note cells that were mended."""
        self.mended.setdefault(code, []).extend((int(row), column) for row in rows)

    def say(self, **found: str) -> None:
        """Complete the mapping by what the values told."""
        self.mapping = self.mapping.model_copy(update=found)
