"""Faults of cells: what is wrong, where it stands in Excel, and what was probably meant."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from smalti.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from smalti.formats.spreadsheet.cells import Sheet

NAMED: Final = 1000  # faults of one kind in one column that are named one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault.

    Attributes:
        code: What it is, stable: ``number.wrong``.
        sheet: The sheet's name; empty for CSV.
        row: The row in the sheet's columns; null: the sheet as a whole.
        column: The column; null: the row, or the sheet, as a whole.
        cell: The cell's address, the row's number, or empty.
        reason: What was found and what was expected.
        hint: What to do about it, or what was probably meant.
        grave: The row cannot be read; other faults are worth a look.
    """

    code: str
    sheet: str
    row: int | None
    column: int | None
    cell: str
    reason: str
    hint: str | None = None
    grave: bool = True

    @property
    def position(self) -> str:
        """The place in the file: ``sheet "batch 3", cell F217``."""
        parts = [f'sheet "{self.sheet}"'] if self.sheet else []
        if self.cell:
            parts.append(f"cell {self.cell}" if self.column is not None else f"row {self.cell}")
        return ", ".join(parts)

    def error(self, file: str) -> DataError:
        """The fault as an error."""
        return DataError(self.reason, file=file, position=self.position or None, hint=self.hint)


def fault(
    sheet: Sheet,
    code: str,
    row: int | None,
    column: int | None,
    reason: str,
    hint: str | None = None,
    *,
    grave: bool = True,
) -> Fault:
    """A fault of a cell, a row (`column` null) or the sheet (`row` null too)."""
    cell = ""
    if row is not None:
        cell = str(sheet.first + row) if column is None else sheet.cell(row, column)
    return Fault(
        code=code,
        sheet=sheet.name,
        row=row,
        column=column,
        cell=cell,
        reason=reason,
        hint=hint,
        grave=grave,
    )


def each(
    sheet: Sheet,
    code: str,
    rows: Iterable[int],
    column: int | None,
    reason: Callable[[str], str],
    hint: Callable[[str], str | None] | None = None,
    *,
    grave: bool = True,
) -> list[Fault]:
    """A fault for each row; the reason and the hint are made from the cell's text."""
    found = []
    for row in rows:
        text = "" if column is None else sheet.text(int(row), column)
        found.append(
            fault(
                sheet,
                code,
                int(row),
                column,
                reason(text),
                None if hint is None else hint(text),
                grave=grave,
            )
        )
    return found


def shown(text: str) -> str:
    """A cell's text for a message, cut where it is long."""
    return f'"{text}"' if len(text) <= 60 else f'"{text[:60]}…"'


def meant(word: str, known: Sequence[str], cutoff: float = 0.6) -> str | None:
    """A hint to the known word that is nearest: ``did you mean "cat"?``."""
    bare = {name.strip().casefold(): name for name in reversed(known)}
    near = difflib.get_close_matches(word.strip().casefold(), bare, n=1, cutoff=cutoff)
    return f'did you mean "{bare[near[0]]}"?' if near else None


def more(sheet: Sheet, code: str, count: int) -> list[Fault]:
    """The faults of one kind that are not named one by one, as one."""
    if count <= NAMED:
        return []
    return [fault(sheet, code, None, None, f"{count - NAMED:,} more like these", grave=False)]
