"""Reading spreadsheets: all sheets are parsed while planning, and parts are slices of the samples."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from smalti.formats.losses import part_read
from smalti.formats.protocol import Part, PartRead, Plan, Reader
from smalti.formats.report import Loss
from smalti.formats.spreadsheet.build import dataset
from smalti.formats.spreadsheet.cells import open_book
from smalti.formats.spreadsheet.images import Images
from smalti.formats.spreadsheet.native import read_native
from smalti.formats.spreadsheet.options import SpreadsheetOptions
from smalti.formats.spreadsheet.source import Read, Source, read, sources

if TYPE_CHECKING:
    import pyarrow as pa

    from smalti.schema.schema import Schema

PART: Final = 65_536  # samples

REASONS: Final = {
    "box.swapped": "corners stood the wrong way round and were put in order",
    "cell.error": "a formula gives no value; its cell is blank",
    "cells.merged": "merged cells name the image of all of their rows",
    "encoding.guessed": "the file is not UTF-8; it was taken for the Windows code page 1252",
    "image.moved": "the name leads to no image; one of that name in another folder, or spelled otherwise, was taken",
    "image.shortened": "the path is one of another machine; what all such paths share was left out",
    "sheet.ignored": "no column names images",
}


class SpreadsheetReader(Reader[SpreadsheetOptions]):
    """Reads a workbook, a file of separated values, or a folder of them."""

    _schema: Schema | None = None
    _batch: pa.RecordBatch | None = None

    def plan(self) -> Plan:
        files = sources(self.root)
        if (native := self._native(files)) is not None:
            return native
        images = Images(self.media or (self.root.parent if self.root.isfile() else self.root))
        found = read(files, images, self.options)
        errors = [
            one.error(parsed.sheet.file) for parsed in found.parsed for one in parsed.faults if one.grave
        ]
        if errors and self.on_error == "raise":
            raise errors[0]
        schema, batch, torn = dataset(found.parsed, found.splits, images.root.url, found.categories)
        return replace(
            self._planned(schema, batch),
            repairs=[*_repairs(found, images, guessed=self.options.mapping is None), *_torn(torn)],
            errors=errors,
            objects_skipped=_rows_skipped(found),
            samples_skipped=sum(parsed.lost for parsed in found.parsed),
        )

    def _native(self, files: list[Source]) -> Plan | None:
        """The plan of a file that smalti wrote, alone or alone in its folder."""
        if len(files) != 1 or self.options.mapping is not None or self.options.preset is not None:
            return None
        native = read_native(files[0].book or open_book(files[0].place), self.media)
        if native is None:
            return None
        if native.errors and self.on_error == "raise":
            raise native.errors[0]
        plan = self._planned(native.schema, native.batch)
        return replace(plan, repairs=native.repairs, errors=native.errors)

    def _planned(self, schema: Schema, batch: pa.RecordBatch) -> Plan:
        self._schema, self._batch = schema, batch
        starts = range(0, max(len(batch), 1), PART)
        parts = [Part(key=start, samples=min(PART, len(batch) - start)) for start in starts]
        return Plan(schema=schema, parts=parts)

    def read(self, part: Part, schema: Schema) -> PartRead:
        if self._schema is None or self._batch is None:  # a worker of another process
            self.plan()
        whole: Any = self._schema
        batch = self._batch.slice(part.key, PART) if self._batch is not None else None
        return part_read(batch, whole, schema)


def _rows_skipped(found: Read) -> int:
    told = [parsed for parsed in found.parsed if parsed.mapping.rows == "objects"]
    return sum(len({one.row for one in parsed.faults if one.grave}) for parsed in told)


def _repairs(found: Read, images: Images, *, guessed: bool) -> list[Loss]:
    places: dict[str, list[str]] = {"image.moved": images.moved, "image.shortened": images.shortened}
    losses = []
    for parsed in found.parsed:
        for code in parsed.sheet.repaired:
            places.setdefault(code, []).append(parsed.sheet.file)
        for code, cells in parsed.mended.items():
            places.setdefault(code, []).extend(parsed.sheet.place(*cell) for cell in cells)
        if guessed:
            said = parsed.mapping.sentence()
            name = parsed.sheet.name or parsed.sheet.file
            losses.append(_change("columns.guessed", f"columns were recognised: {said}", 1, name))
    places["sheet.ignored"] = [sheet.name or sheet.file for sheet in found.ignored]
    made = [_change(code, REASONS[code], len(cells), cells[0]) for code, cells in places.items() if cells]
    return [*losses, *made]


def _torn(places: dict[str, list[str]]) -> list[Loss]:
    """Rows that say something else of their image than the first does, which holds."""
    reason = "rows of one image say different things of it; what its first row says holds"
    return [
        Loss(code="rows.differ", field=name, kind="change", count=len(found), reason=reason, example=found[0])
        for name, found in places.items()
    ]


def _change(code: str, reason: str, count: int, example: str) -> Loss:
    return Loss(code=code, field="columns", kind="change", count=count, reason=reason, example=example)
