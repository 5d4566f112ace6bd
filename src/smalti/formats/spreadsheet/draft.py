"""A sheet while it is taken apart: its columns by role, and the faults that gather."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats.spreadsheet import header, values
from smalti.formats.spreadsheet.cells import DATE
from smalti.formats.spreadsheet.faults import NAMED, each, fault, shown
from smalti.formats.spreadsheet.open_xml import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from smalti.formats.spreadsheet.cells import Sheet
    from smalti.formats.spreadsheet.faults import Fault
    from smalti.formats.spreadsheet.guess import Columns
    from smalti.formats.spreadsheet.mapping import Mapping

# Of these a merged cell means its first row alone.
GEOMETRY: Final = frozenset(
    {*header.BOX_ROLES, "bbox", "polygon", "area", "score", "id", "track_id", "via_shape"}
)
_MEND: Final = "mend the formula, or write the value"
_COMPUTE: Final = "open the file in a spreadsheet program and save it: nothing has computed the formula yet"
_LONG: Final = "the row has more cells than the header"
_QUOTES: Final = "put quotes around text with commas; with decimal commas divide cells by semicolons"
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
        self.columns = columns
        self.at = columns.at
        self.mapping: Mapping = columns.mapping
        self.faults: list[Fault] = []
        self.mended: dict[str, list[tuple[int, int]]] = {}
        self.sheet = self._spread(sheet)
        self._errors()
        self.faults += [
            fault(sheet, "row.overlong", row, None, _LONG, _QUOTES) for row in sheet.overlong[:NAMED]
        ]

    def _spread(self, sheet: Sheet) -> Sheet:
        """The sheet with what merged cells say in all of their rows, but for the numbers of boxes and points."""
        top = sheet.first - 1
        held = dict(enumerate(sheet.columns))
        kinds = dict(sheet.kinds)
        skipped = {column for role, column in self.at.items() if role in GEOMETRY}
        skipped |= {
            column for axes in self.columns.keypoints.values() for column in axes if column is not None
        }
        for first, column, last, _ in sheet.merged:
            row, end = first - top, min(last - top, len(sheet) - 1)
            if (
                row < 0
                or end <= row
                or column not in held
                or column in skipped
                or not held[column][row].is_valid
            ):
                continue
            inside = np.zeros(len(sheet), bool)
            inside[row : end + 1] = True
            held[column] = pc.if_else(pa.array(inside), held[column][row], held[column])
            if column in kinds:
                kinds[column] = np.where(inside, kinds[column][row], kinds[column])
            self.mend("cells.merged", [row], column)
        return replace(sheet, columns=list(held.values()), kinds=kinds) if self.mended else sheet

    def _errors(self) -> None:
        """Note cells whose formula gives no value; in columns that nobody knows the value is blank, and that is said."""
        known = {*self.at.values(), *self.columns.one_hot}
        known |= {column for axes in self.columns.keypoints.values() for column in axes if column is not None}
        for (row, column), text in self.sheet.errors.items():
            if row >= len(self.sheet) or column in self.columns.ignored:
                continue
            grave = column in known
            if not grave:
                self.mend("cell.error", [row], column)
            reason = f"{text} stands where a value is expected"
            hint = _COMPUTE if text == UNKNOWN else _MEND
            self.faults.append(fault(self.sheet, "cell.error", row, column, reason, hint, grave=grave))

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
        texts = (
            values.dated(cells.take(pa.array(wrong)))
            if len(wrong) and not dated
            else np.ones(len(wrong), bool)
        )
        dates = [
            row
            for row, text in zip(wrong, texts, strict=True)
            if text or (kinds is not None and kinds[row] == DATE)
        ]
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
