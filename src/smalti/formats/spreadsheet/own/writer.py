"""Writing tables: parts as they come, joined at the end to a workbook, or to one file of separated values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from smalti.errors import DataError, OptionError
from smalti.formats.losses import dropped
from smalti.formats.protocol import PartResult, Writer
from smalti.formats.report import Loss
from smalti.formats.spreadsheet.options import SpreadsheetOptions
from smalti.formats.spreadsheet.own import keys
from smalti.formats.spreadsheet.own.columns import KEY, columns_of, kept, object_field
from smalti.formats.spreadsheet.own.encode import encode
from smalti.formats.spreadsheet.own.text import joined, text_part
from smalti.formats.spreadsheet.own.workbook import COLUMNS_MOST, Workbook

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from smalti.formats.protocol import Cursor
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target

CELL_MOST: Final = 32_767  # UTF-16 units that a cell of Excel holds
ID_MOST: Final = 10_000  # characters of an id, so that its key fits
STEM: Final = "labels"  # of the file in a folder
WRITTEN: Final = ("xlsx", "csv", "tsv")
_REASONS: Final = {
    "polygons": "left out by shapes='drop'",
    "mask": "left out by shapes='drop'",
}


class SpreadsheetWriter(Writer[SpreadsheetOptions]):
    """Writes one table: a row an object, a hidden column of keys, the schema beside it."""

    wants_origin = True

    def __init__(self, schema: Schema, options: SpreadsheetOptions, single_file: str | None = None) -> None:
        super().__init__(schema, options, single_file)
        self.kind = options.file if single_file is None else single_file.rpartition(".")[2].lower()
        if self.kind not in WRITTEN:
            raise OptionError(f"found .{self.kind}; tables are written as .xlsx, .csv and .tsv")
        self.field = object_field(schema, options.field)
        self.holds = kept(schema, self.field, shapes=options.shapes == "text")
        self.columns = columns_of(self.holds, self.field)
        if (
            self.kind == "xlsx" and len(self.columns) + 2 > COLUMNS_MOST
        ):  # a picture and the key stand beside them
            raise OptionError(
                f"found {len(self.columns):,} columns; Excel has {COLUMNS_MOST:,}, so write a .csv"
            )
        self._sheets: dict[str, int] = {}
        self._whole: set[str] = set()

    def wants(self) -> Schema:
        return self.schema.project([*self.holds.fields(), *self.holds.columns])

    def losses(self) -> list[Loss]:
        found = dropped(self.schema, self.wants(), "a table", _REASONS)
        if self.kind != "xlsx" and not self._carried():
            reason = "the schema is too large for the header of a file of separated values; columns will be recognised"
            found.append(Loss(code="schema.left_out", field="schema", kind="change", count=1, reason=reason))
        return found

    def _about(self, samples: list[str] | None = None) -> keys.About:
        return keys.About(
            schema=self.holds.to_json(),
            field=self.field,
            guarded=self.kind != "xlsx",
            origin=dict(self.origin),
            samples=samples,
        )

    def _carried(self) -> bool:
        about = keys.about_of([keys.header(self._about())])
        return about is not None and bool(about.schema)

    def faults(self, batch: pa.RecordBatch) -> list[DataError]:
        long = batch.column("id").filter(pc.greater(pc.utf8_length(batch.column("id")), ID_MOST))
        return [
            DataError(f"found an id of {len(one):,} characters, expected {ID_MOST:,} at most", sample=one)
            for one in long.to_pylist()
        ]

    def write(self, batch: pa.RecordBatch, target: Target, cursor: Cursor) -> PartResult:
        rows = encode(batch, self.columns, self.field)
        names = [*(column.header for column in self.columns), KEY]
        cells = rows.cells
        losses: list[Loss] = []
        if self.kind == "xlsx":
            cells, losses = _cut(cells, self.columns, rows.keys)
        table = pa.table([*cells, rows.keys], names)
        name = f"part-{cursor.index:05}"
        if not target.dry:
            with target.open(name) as file:
                if self.kind == "xlsx":
                    pq.write_table(table, file, compression="zstd")
                else:
                    file.write(text_part(table, self.columns, self._delimiter))
        objects = rows.objects
        return PartResult(
            samples=len(batch),
            objects=len(objects) - objects.null_count,
            losses=losses,
            files=1,
            payload=(name, batch.column("id").to_pylist()),
        )

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        name = self.single_file or f"{STEM}.{self.kind}"
        parts = [result.payload[0] for result in results]
        about = self._about([one for result in results for one in result.payload[1]])
        if target.dry:
            target.write(name, b"")
            return 1 - len(parts)
        if self.kind == "xlsx":
            (path,) = target.reserve([name])
            with Workbook(path, about, self.holds, self.columns, self.options) as book:
                for table in self._tables(target, parts):
                    book.add(table)
            self._sheets, self._whole = book.rows, book.first
        else:
            with target.open(name) as file:
                joined(
                    file,
                    self.columns,
                    about,
                    self._delimiter,
                    (target.location / one for one in parts),
                )
        for one in parts:
            (target.location / one).fs.rm_file((target.location / one).path)
        return 1 - len(parts)

    @property
    def _delimiter(self) -> str:
        return "\t" if self.kind == "tsv" else ","

    def _tables(self, target: Target, parts: Sequence[str]) -> Iterator[pa.Table]:
        for name in parts:
            with (target.location / name).open("rb") as file:
                yield pq.read_table(file)

    def late_losses(self) -> list[Loss]:
        more = [name for name, rows in self._sheets.items() if rows and name not in self._whole]
        if not more:
            return []
        reason = f"a sheet holds {self.options.rows_a_sheet:,} rows; what is more stands on another"
        return [
            Loss(
                code="sheet.split",
                field="split",
                kind="change",
                count=len(more),
                reason=reason,
                example=more[0],
            )
        ]

    def details(self) -> dict[str, Any]:
        return {"sheets": self._sheets} if self._sheets else {}


def _cut(cells: list[pa.Array], columns: Sequence[Any], told: pa.Array) -> tuple[list[pa.Array], list[Loss]]:
    """The cells without those that Excel cannot hold, and the account of them."""
    found, losses = [], []
    for array, column in zip(cells, columns, strict=True):
        candidates = pc.indices_nonzero(pc.greater(pc.utf8_length(array), CELL_MOST // 2)).to_pylist()
        long = [row for row in candidates if len(array[row].as_py().encode("utf-16-le")) // 2 > CELL_MOST]
        if long:
            reason = f"a cell of Excel holds {CELL_MOST:,} characters at most"
            example = told[long[0]].as_py()
            losses.append(
                Loss(
                    code="cell.too_long",
                    field=column.field,
                    kind="value",
                    count=len(long),
                    reason=reason,
                    example=example,
                )
            )
            mask = pa.array([row in set(long) for row in range(len(array))])
            array = pc.if_else(mask, None, array)  # noqa: PLW2901  # the same column, cut
        found.append(array)
    return found, losses
