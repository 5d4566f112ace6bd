"""Files as people make them: text in any encoding, workbooks with merged cells and dates, ODS."""

from __future__ import annotations

import datetime as dt
import zipfile
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import pytest
import xlsxwriter
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

Rows = list[list[Any]]


def write_xlsx(path: Path, sheets: dict[str, Rows], merged: tuple[str, ...] = ()) -> None:
    with xlsxwriter.Workbook(str(path), {"default_date_format": "yyyy-mm-dd"}) as book:
        book.set_properties({"created": dt.datetime(2024, 1, 1)})  # noqa: DTZ001  # the same bytes every time
        for name, rows in sheets.items():
            page = book.add_worksheet(name)
            for r, row in enumerate(rows):
                for c, value in enumerate(row):
                    if isinstance(value, str):
                        page.write_string(r, c, value)
                    elif isinstance(value, tuple):
                        page.write_formula(r, c, value[0], None, value[1])
                    elif isinstance(value, dt.date):
                        page.write_datetime(r, c, value)
                    elif value is not None:
                        page.write(r, c, value)
            for place in merged:
                first = place.partition(":")[0]
                column, number = ord(first[0]) - 65, int(first[1:]) - 1
                page.merge_range(place, rows[number][column])


def write_ods(path: Path, sheets: dict[str, Rows], merged: tuple[str, ...] = ()) -> None:
    spans = {
        place.partition(":")[0]: int(place.partition(":")[2][1:]) - int(place.partition(":")[0][1:]) + 1
        for place in merged
    }

    def cell(place: str, value: Any) -> str:
        if value is None:
            return "<table:table-cell/>"
        span = (
            f' table:number-rows-spanned="{spans[place]}" table:number-columns-spanned="1"'
            if place in spans
            else ""
        )
        if isinstance(value, int | float):
            return f'<table:table-cell office:value-type="float" office:value="{value}"{span}/>'
        text = f"<text:p>{escape(str(value))}</text:p>"
        return f'<table:table-cell office:value-type="string"{span}>{text}</table:table-cell>'

    def line(number: int, row: list[Any]) -> str:
        cells = "".join(cell(f"{chr(64 + column)}{number}", value) for column, value in enumerate(row, 1))
        return f"<table:table-row>{cells}</table:table-row>"

    tables = "".join(
        f'<table:table table:name="{escape(name)}">{"".join(map(line, range(1, len(rows) + 1), rows))}</table:table>'
        for name, rows in sheets.items()
    )
    names = " ".join(
        f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{long}:1.0"'
        for short, long in (("office", "office"), ("table", "table"), ("text", "text"))
    )
    body = f"<office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body>"
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    space = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
    entry = f'<m:file-entry m:full-path="/" m:media-type="{kind}"/>'
    parts = {
        "mimetype": kind,
        "content.xml": f"<office:document-content {names}>{body}</office:document-content>",
        "META-INF/manifest.xml": f'<m:manifest xmlns:m="{space}">{entry}</m:manifest>',
    }
    with zipfile.ZipFile(path, "w") as file:
        for name, text in parts.items():
            file.writestr(zipfile.ZipInfo(name), text)


class Maker:
    """Writes files below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name: str, content: Any, merged: tuple[str, ...] = ()) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content, "utf-8")
        elif path.suffix == ".ods":
            write_ods(path, content, merged)
        else:
            write_xlsx(path, content, merged)
        return path

    def images(self, *names: str, size: tuple[int, int] = (200, 100)) -> None:
        for name in names:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", size).save(path)


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    return Maker(tmp_path)
