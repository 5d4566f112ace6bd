"""What `smalti check` finds and writes: the copy for those who keep the table, and tables of smalti's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.styles import Font

import smalti as sm
from smalti.errors import DataError, OptionError
from smalti.formats.spreadsheet.check import check
from smalti.formats.spreadsheet.marked import write_marked

STREET = Path(__file__).parents[3] / "examples" / "street"
RED, YELLOW = "00F8B4B4", "00FFF2A8"


def marked(path: Path) -> Any:
    """The marked copy of a file, opened."""
    target = path.with_name("marked.xlsx")
    write_marked(str(path), target, check(path).faults)
    return openpyxl.load_workbook(target)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """A workbook with a title, formats, formulas, another sheet, and four faults."""
    book = openpyxl.Workbook()
    page = book.active
    page.title = "batch 3"
    page.append(["Street labels of May"])
    page["A1"].font = Font(size=16)
    page.append([])
    page.append(["Image Name", "Label", "x", "y", "w", "h", "remark"])
    page.append(["a.jpg", "tree", 1, 2, 3, 4, "=cat"])
    page.append(["a.jpg", "tree", 1, 2, 3, 4, "=cat"])
    page.append(["b.jpg", "Tree", 1, "zwei", 3, 4, None])
    page.append([None, "tree", 1, 2, 3, 4, None])
    page["G4"].data_type = page["G5"].data_type = "s"
    page["I4"] = "=E4*F4"
    page.column_dimensions["A"].width = 31
    book.create_sheet("notes")["A1"] = "ask Eva"
    book.save(tmp_path / "labels.xlsx")
    return tmp_path / "labels.xlsx"


def test_marked__the_workbook_itself_with_colours_comments_and_a_summary(labels: Path) -> None:
    book = marked(labels)
    assert book.sheetnames == ["smalti check", "batch 3", "notes"]
    page = book["batch 3"]
    assert (page["A1"].value, page["A1"].font.size, page.column_dimensions["A"].width) == (
        "Street labels of May",
        16,
        31,
    )
    assert (page["I4"].value, page["G4"].data_type) == ("=E4*F4", "s")
    colours = {cell.coordinate: cell.fill.fgColor.rgb for row in page for cell in row if cell.fill.fill_type}
    assert colours.pop("A7") == colours.pop("D6") == RED
    assert set(colours.values()) == {YELLOW}
    assert {"B6", "A5", "G5", "I4"} <= set(colours)
    assert page["D6"].comment.text == '"zwei" is no number'
    assert page["A5"].comment.text == "the row says the same as row 4"
    assert page["B6"].comment.text.endswith('did you mean "tree"?')


def test_marked__the_summary_leads_to_the_cells(labels: Path) -> None:
    page = marked(labels)["smalti check"]
    assert page["A1"].value == "2 errors, 4 warnings"
    lines = {row[3].value: row for row in page.iter_rows() if row[1].value in {"error", "warning"}}
    assert [cell.value for cell in lines["D6"][:5]] == [
        "number.wrong",
        "error",
        "batch 3",
        "D6",
        '"zwei" is no number',
    ]
    assert lines["D6"][3].hyperlink.location == "'batch 3'!D6"
    assert lines["5"][3].hyperlink.location == "'batch 3'!A5"


@pytest.mark.parametrize("name", ["labels.csv", "labels.ods"])
def test_marked__other_files_as_values(make: Any, name: str) -> None:
    rows = [["Labels of May"], [], ["image", "label", "x", "y", "w", "h"], ["a.jpg", "=1+1", 1, "x1", 3, 4]]
    text = "\n".join(",".join(map(str, row)) for row in rows)
    path = make(
        name, text if name.endswith("csv") else {"labels": [[*row, *[None] * (6 - len(row))] for row in rows]}
    )
    page = marked(path)["labels"]
    assert [page["A1"].value, page["A3"].value, page["D4"].value] == ["Labels of May", "image", "x1"]
    assert (page["B4"].value, page["B4"].data_type) == ("=1+1", "s")
    assert page["D4"].fill.fgColor.rgb[2:] == RED[2:]
    assert page["D4"].comment.text == '"x1" is no number'
    assert page.freeze_panes == "A4"


def test_marked__a_fault_below_merged_cells(make: Any) -> None:
    rows = [["image", "label"], ["a.jpg", "cat"], [None, "Cat"], ["b.jpg", "cat"], ["c.jpg", "cat"]]
    page = marked(make("a.xlsx", {"Sheet1": rows}, ("A2:A3",)))["Sheet1"]
    assert "2 rows, 1 column" in page["A2"].comment.text


def test_marked__never_the_file_itself(labels: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"would replace .* itself"):
        write_marked(str(labels), labels, [])
    with pytest.raises(OptionError, match=r"found out\.csv; the marked copy is a workbook"):
        write_marked(str(labels), tmp_path / "out.csv", [])


def test_own_table__is_sound(tmp_path: Path) -> None:
    ds = sm.read(STREET)
    ds.write(tmp_path / "labels.xlsx", on_loss="ignore")
    ds.write(tmp_path / "labels.csv", on_loss="ignore")
    for name in ("labels.xlsx", "labels.csv"):
        found = check(tmp_path / name, STREET)
        assert not found.errors
        assert {one.code for one in found.faults} == {"box.outside"}  # a box of the example does


def test_own_table__faults_of_every_column(tmp_path: Path) -> None:
    path = tmp_path / "labels.xlsx"
    sm.read(STREET).write(path, on_loss="ignore")
    book = openpyxl.load_workbook(path)
    page = book["train"]
    at = {cell.value: cell.column_letter for cell in page[1]}
    for cell, value in {
        "category2": "treee",
        "bbox_x3": 9999,
        "bbox_y4": "x",
        "head5": "1 2 3 4",
        "image6": "no.jpg",
    }.items():
        page[at[cell[:-1]] + cell[-1]] = value
    page.append([cell.value for cell in page[7]])
    book.save(path)
    found = {(one.code, one.cell) for one in check(path, STREET).faults}
    last = str(page.max_row)
    assert found >= {
        ("category.unknown", f"{at['category']}2"), ("box.outside", f"{at['bbox_x']}3"), ("number.wrong", f"{at['bbox_y']}4"),
        ("cell.wrong", f"{at['head']}5"), ("image.missing", f"{at['image']}6"), ("row.duplicate", last),
    }  # fmt: skip


def test_images__that_are_not_there_and_what_was_meant(make: Any) -> None:
    make.images("street/0001.png", "street/0002.png")
    found = check(make("a.csv", "image,label\nstreet/0001.png,cat\nstreet/0O02.png,cat\n")).faults
    assert next((one.code, one.hint) for one in found) == ("image.missing", 'did you mean "street/0002.png"?')


def test_classes__of_columns_that_nearly_agree(make: Any) -> None:
    found = check(make("a.csv", "image,cat,Cat\na.jpg,1,0\nb.jpg,0,1\n")).faults
    assert [(one.code, one.cell) for one in found] == [("category.alike", "B1")]


def test_splits__that_are_mistyped(make: Any) -> None:
    rows = "".join(f"{n}.jpg,cat,train\n" for n in range(4))
    found = check(make("a.csv", f"image,label,split\n{rows}x.jpg,cat,trian\n")).faults
    assert [(one.code, one.cell, one.hint) for one in found] == [
        ("split.alike", "C6", 'did you mean "train"?')
    ]


def test_classes__one_hot_beside_a_table(make: Any) -> None:
    with pytest.raises(DataError, match='the column "cta" is not a category; did you mean "cat"'):
        sm.read(make("a.csv", "image,cta,dog\na.jpg,1,0\n"), categories=("cat", "dog"))
