"""Edit a workbook in LibreOffice, as a person would, and save it as what its name says.

    /usr/bin/python3 libreoffice_judge.py SOURCE TARGET EDITS.json

Runs with the interpreter that has Debian's python3-uno. EDITS: a list of ``{"sheet", "cell", "text"}`` to type,
``{"sheet", "sort": column, "descending"}``, ``{"sheet", "delete_row": number}`` and ``{"sheet", "insert_column": letter}``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import uno
from com.sun.star.beans import PropertyValue
from com.sun.star.connection import NoConnectException
from com.sun.star.table import TableSortField

FILTERS = {".xlsx": "Calc MS Excel 2007 XML", ".csv": "Text - txt - csv (StarCalc)", ".ods": "calc8"}
SECONDS = 60


def option(name: str, value: object) -> PropertyValue:
    """A named value, as LibreOffice takes options."""
    made = PropertyValue()
    made.Name, made.Value = name, value
    return made


def connected(pipe: str) -> object:
    """The desktop of a LibreOffice that listens on a pipe."""
    local = uno.getComponentContext()
    resolver = local.ServiceManager.createInstanceWithContext("com.sun.star.bridge.UnoUrlResolver", local)
    until = time.monotonic() + SECONDS
    while True:
        try:
            context = resolver.resolve(f"uno:pipe,name={pipe};urp;StarOffice.ComponentContext")
        except NoConnectException:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return context.ServiceManager.createInstanceWithContext("com.sun.star.frame.Desktop", context)


def edit(document: object, change: dict) -> None:
    """Make one edit."""
    sheet = document.Sheets.getByName(change["sheet"])
    if "cell" in change:
        cell = sheet.getCellRangeByName(change["cell"])
        cell.setFormula(change["text"])  # what typing it does
    elif "delete_row" in change:
        sheet.Rows.removeByIndex(change["delete_row"] - 1, 1)
    elif "insert_column" in change:
        sheet.Columns.insertByIndex(
            sheet.getCellRangeByName(change["insert_column"] + "1").CellAddress.Column, 1
        )
    elif "sort" in change:
        cursor = sheet.createCursor()
        cursor.gotoEndOfUsedArea(False)
        end = cursor.RangeAddress
        area = sheet.getCellRangeByPosition(0, 1, end.EndColumn, end.EndRow)
        field = TableSortField()
        field.Field = sheet.getCellRangeByName(change["sort"] + "1").CellAddress.Column
        field.IsAscending = not change.get("descending", False)
        area.sort((option("SortFields", uno.Any("[]com.sun.star.table.TableSortField", (field,))),))


def main(source: str, target: str, edits: str) -> None:
    """Start LibreOffice, open, edit, save."""
    pipe = f"smalti{uuid.uuid4().hex}"
    with tempfile.TemporaryDirectory() as profile:
        command = ["soffice", f"-env:UserInstallation=file://{profile}", "--headless", "--norestore"]
        office = subprocess.Popen([*command, f"--accept=pipe,name={pipe};urp;"], stderr=subprocess.DEVNULL)
        try:
            desktop = connected(pipe)
            document = desktop.loadComponentFromURL(
                Path(source).resolve().as_uri(), "_blank", 0, (option("Hidden", True),)
            )
            for change in json.loads(Path(edits).read_text("utf-8")):
                edit(document, change)
            document.storeToURL(
                Path(target).resolve().as_uri(), (option("FilterName", FILTERS[Path(target).suffix]),)
            )
            document.close(True)
            desktop.terminate()
            office.wait(SECONDS)
        finally:
            office.kill()
            office.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
