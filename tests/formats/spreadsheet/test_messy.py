"""A collection of files as people make them, each with what is read, or with the message at its cell."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import pytest

import smalti as sm
from smalti.errors import DataError
from smalti.formats.spreadsheet.check import check

DAY = dt.date(2024, 4, 3)
TF = ["filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax"]
CAT = ("cat", 10.0, 20.0, 30.0, 40.0)
DOG = ("dog", 1.0, 2.0, 3.0, 4.0)
MID = ("cat", 50.0, 25.0, 100.0, 50.0)  # the middle of an image of 200 x 100


@dataclass(frozen=True)
class Case:
    """One file.

    Attributes:
        name: The file's name.
        content: Text, bytes, or the sheets of a workbook.
        reads: The boxes of each sample, or its labels; null: it cannot be read.
        error: The message that reading raises.
        warns: Codes and cells of what a check finds, errors aside.
        repairs: Codes of repairs beyond the recognition of columns.
        merged: Merged cells.
        images: Images that lie beside it.
        options: Options of the reading.
    """

    name: str
    content: Any
    reads: dict[str, Any] | None = None
    error: str | None = None
    warns: tuple[tuple[str, str], ...] = ()
    repairs: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


def book(*rows: list[Any], name: str = "Sheet1") -> dict[str, list[list[Any]]]:
    return {name: list(rows)}


CASES = {
    "tensorflow": Case(
        "a.csv",
        "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,640,480,cat,10,20,40,60\n",
        {"a.jpg": [CAT]},
    ),
    "retinanet": Case(
        "a.csv", "a.jpg,10,20,40,60,cat\nb.jpg,,,,,\na.jpg,1,2,4,6,dog\n", {"a.jpg": [CAT, DOG], "b.jpg": []}
    ),
    "vott": Case(
        "a.csv",
        '"image","xmin","ymin","xmax","ymax","label"\n"a.jpg",10.0,20.0,40.0,60.0,"cat"\n',
        {"a.jpg": [CAT]},
    ),
    "wheat": Case(
        "a.csv",
        'image_id,width,height,bbox,source\na,1024,1024,"[10.0, 20.0, 30.0, 40.0]",x\n',
        {"a.jpg": [(None, *CAT[1:])]},
        images=("a.jpg",),
        repairs=("image.moved",),
    ),
    "open images": Case(
        "a.csv",
        "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded\na,xclick,cat,1,0.25,0.75,0.25,0.75,0\n",
        {"a.png": [MID]},
        images=("a.png",),
        repairs=("image.moved",),
    ),
    "automl": Case(
        "a.csv",
        "TRAIN,gs://b/x/a.png,cat,0.25,0.25,,,0.75,0.75,,\nTEST,gs://b/x/b.png,cat,0.25,0.25,,,0.75,0.75,,\n",
        {"a.png": [MID], "b.png": [MID]},
        images=("a.png", "b.png"),
        repairs=("image.shortened",),
    ),
    "via": Case(
        "a.csv",
        "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n"
        'a.jpg,9,"{}",1,0,"{""name"":""rect"",""x"":10,""y"":20,""width"":30,""height"":40}","{""class"":""cat""}"\n'
        'b.jpg,9,"{}",0,0,"{}","{}"\n',
        {"a.jpg": [CAT], "b.jpg": []},
    ),
    "multi-class": Case(
        "_classes.csv",
        "filename, cat, dog\na.jpg,1,0\nb.jpg,1,1\nc.jpg,0,0\n",
        {"a.jpg": ["cat"], "b.jpg": ["cat", "dog"], "c.jpg": []},
    ),
    "one-hot of crosses": Case(
        "a.xlsx",
        book(["Bild", "Katze", "Hund"], ["a.jpg", "x", None], ["b.jpg", "x", "X"]),
        {"a.jpg": ["Katze"], "b.jpg": ["Katze", "Hund"]},
    ),
    "one label an image": Case(
        "a.csv", "Image Name,Label\na.jpg,cat\nb.jpg,\n", {"a.jpg": "cat", "b.jpg": None}
    ),
    "several labels in a cell": Case(
        "a.csv",
        'image,tags\na.jpg,"cat; dog"\nb.jpg,cat\nc.jpg,dog;cat\n',
        {"a.jpg": ["cat", "dog"], "b.jpg": ["cat"], "c.jpg": ["dog", "cat"]},
    ),
    "German, semicolons, decimal commas": Case(
        "a.csv",
        "Dateiname;Klasse;links;oben;Breite;Höhe\na.jpg;Katze;1,5;2,25;10;20\n",
        {"a.jpg": [("Katze", 1.5, 2.25, 10.0, 20.0)]},
    ),
    "Windows code page": Case(
        "a.csv",
        "Dateiname;Klasse;links;oben;Breite;Höhe\na.jpg;Kätzchen;1;2;3;4\n".encode("cp1252"),
        {"a.jpg": [("Kätzchen", 1.0, 2.0, 3.0, 4.0)]},
        repairs=("encoding.guessed",),
    ),
    "UTF-16 with tabs": Case(
        "a.csv",
        "image\tlabel\tx\ty\tw\th\r\na.jpg\tcat\t10\t20\t30\t40\r\n".encode("utf-16"),
        {"a.jpg": [CAT]},
    ),
    "byte order mark, sep=": Case(
        "a.csv", "\ufeffsep=|\nimage|label|x|y|w|h\na.jpg|cat|10|20|30|40\n", {"a.jpg": [CAT]}
    ),
    "titles and blank lines": Case(
        "a.csv",
        "Labels of May,,,,,\n\nfile,label,x,y,w,h\na.jpg,cat,10,20,30,40\n\n,,,,,\nb.jpg,dog,1,2,3,4\n\n",
        {"a.jpg": [CAT], "b.jpg": [DOG]},
    ),
    "an error below blank lines": Case(
        "a.csv",
        "Labels of May,,,,,\n\nfile,label,x,y,w,h\na.jpg,cat,10,20,30,40\n\nb.jpg,dog,1,two,3,4\n",
        error='cell D6: "two" is no number',
    ),
    "quotes around lines": Case(
        "a.csv", 'image,label,note,x,y,w,h\na.jpg,cat,"two\nlines",10,20,30,40\n', {"a.jpg": [CAT]}
    ),
    "an error below quotes around lines": Case(
        "a.csv",
        'image,label,note,x,y,w,h\na.jpg,cat,"two\nlines",1,2,3,4\nb.jpg,cat,,1,2,?!,4\n',
        error='cell F3: "?!" is no number',
    ),
    "boxes as text": Case(
        "a.csv",
        'image,label,box\na.jpg,cat,"10,20,30,40"\nb.jpg,dog,1;2;3;4\n',
        {"a.jpg": [CAT], "b.jpg": [DOG]},
        options={"mapping": {"boxes": "xywh"}},
    ),
    "boxes as text with decimal commas": Case(
        "a.csv",
        'image,label,box\na.jpg,cat,"10,5; 20,5; 3; 4"\n',
        {"a.jpg": [("cat", 10.5, 20.5, 3.0, 4.0)]},
    ),
    "several boxes in a cell": Case(
        "a.csv",
        'image,labels,boxes\na.jpg,"cat,dog","[[10,20,30,40],[1,2,3,4]]"\nb.jpg,,[]\n',
        {"a.jpg": [CAT, DOG], "b.jpg": []},
        options={"mapping": {"boxes": "xywh"}},
    ),
    "boxes as JSON with keys": Case(
        "a.csv",
        "image|boxes\na.jpg|[{'label':'cat','xmin':10,'ymin':20,'xmax':40,'ymax':60}]\n",
        {"a.jpg": [CAT]},
    ),
    "a box that is none": Case(
        "a.csv", 'image,label,box\na.jpg,cat,"10,20,30"\n', error='cell C2: "10,20,30" is no box'
    ),
    "corners in other words": Case(
        "a.tsv",
        "img_path\tcategory\tLeft (px)\tTop (px)\tRight (px)\tBottom (px)\na.jpg\tcat\t10\t20\t40\t60\n",
        {"a.jpg": [CAT]},
    ),
    "centres by their names": Case(
        "a.csv", "image,label,x_center,y_center,width,height\na.jpg,cat,25,40,30,40\n", {"a.jpg": [CAT]}
    ),
    "centres by their values": Case(
        "a.csv",
        "image,label,x,y,w,h\na.png,cat,0.5,0.5,0.5,0.5\nb.png,cat,0.75,0.75,0.5,0.5\n",
        {"a.png": [MID], "b.png": [("cat", 100.0, 50.0, 100.0, 50.0)]},
        images=("a.png", "b.png"),
    ),
    "parts of an image without a size": Case(
        "a.csv",
        "image,label,xmin,ymin,xmax,ymax\na.png,cat,0.25,0.25,0.75,0.75\n",
        error='cell C2: "0.25" is a part of the image, whose size is not known; add columns width and height',
    ),
    "swapped corners": Case(
        "a.csv",
        "image,label,xmin,ymin,xmax,ymax\na.jpg,cat,40,60,10,20\nb.jpg,dog,1,2,4,6\n",
        {"a.jpg": [CAT], "b.jpg": [DOG]},
        repairs=("box.swapped",),
        warns=(("box.swapped", "C2"),),
    ),
    "a box outside of its image": Case(
        "a.xlsx",
        book(TF, ["a.jpg", 30, 50, "cat", 10, 20, 40, 60]),
        {"a.jpg": [CAT]},
        warns=(("box.outside", "E2"),),
    ),
    "a number missing": Case(
        "a.xlsx",
        book(TF, ["a.jpg", 99, 99, "cat", 10, None, 40, 60]),
        error="cell F2: the box lacks this number",
    ),
    "a row without image": Case(
        "a.xlsx",
        book(TF, ["a.jpg", 99, 99, "cat", 10, 20, 40, 60], [None, 99, 99, "cat", 1, 2, 3, 4]),
        error="cell A3: the row names no image; write the image's name into every row",
    ),
    "merged names": Case(
        "a.xlsx",
        book(
            ["image", "label", "x", "y", "w", "h"],
            ["a.jpg", "cat", 10, 20, 30, 40],
            [None, "dog", 1, 2, 3, 4],
        ),
        {"a.jpg": [CAT, DOG]},
        merged=("A2:A3",),
        repairs=("cells.merged",),
        warns=(("cells.merged", "A2"),),
    ),
    "a category that is not in the table": Case(
        "labels.xlsx",
        {
            "Categories": [["name"], ["cat"], ["dog"]],
            "batch 3": [TF, ["a.jpg", 99, 99, "cat", 1, 2, 3, 4], ["b.jpg", 99, 99, "cta", 1, 2, 3, 4]],
        },
        error='labels.xlsx, sheet "batch 3", cell D3: "cta" is not a category; did you mean "cat"?',
    ),
    "names that nearly agree": Case(
        "a.csv",
        "image,label\n"
        + "".join(f"{i}.jpg,horse\n" for i in range(5))
        + "x.jpg,Horse\ny.jpg,hors\ny2.jpg,horse \nz.jpg,cow\n",
        warns=(("category.alike", "B7"), ("category.alike", "B8"), ("category.alike", "B9")),
        reads={
            **{f"{i}.jpg": "horse" for i in range(5)},
            "x.jpg": "Horse",
            "y.jpg": "hors",
            "y2.jpg": "horse",
            "z.jpg": "cow",
        },
    ),
    "numbers stored as text": Case(
        "a.xlsx",
        book(TF, ["a.jpg", 99, 99, "cat", "10", 20, 40, 60], ["b.jpg", 99, 99, "dog", 1, 2, "4,0", 6]),
        {"a.jpg": [CAT], "b.jpg": [DOG]},
        warns=(("number.as_text", "E2"), ("number.as_text", "G3")),
    ),
    "a date that Excel made": Case(
        "a.xlsx",
        book(TF, ["a.jpg", 99, 99, "cat", 10, 20, 40, 60], ["b.jpg", 99, 99, "cat", DAY, 2, 3, 4]),
        error='sheet "Sheet1", cell E3: "2024-04-03" is a date, expected a number; Excel makes dates',
    ),
    "a date among names": Case(
        "a.xlsx",
        book(["image", "label"], ["a.jpg", "cat"], ["b.jpg", DAY]),
        {"a.jpg": "cat", "b.jpg": "2024-04-03"},
        warns=(("cell.date", "B3"),),
    ),
    "classes that are all dates": Case(
        "a.xlsx",
        book(["image", "label"], ["a.jpg", DAY], ["b.jpg", DAY]),
        {"a.jpg": "2024-04-03", "b.jpg": "2024-04-03"},
        warns=(("cell.date", "B2"), ("cell.date", "B3")),
    ),
    "no header in a workbook": Case(
        "a.xlsx",
        book(["a.jpg", "cat", 10, 20, 40, 60], ["b.jpg", "dog", 1, 2, 4, 6]),
        {"a.jpg": [CAT], "b.jpg": [DOG]},
        warns=(("header.missing", "1"),),
    ),
    "rows twice": Case(
        "a.csv",
        "image,label,x,y,w,h\na.jpg,cat,10,20,30,40\na.jpg,cat,10,20,30,40\n",
        {"a.jpg": [CAT, CAT]},
        warns=(("row.duplicate", "3"),),
    ),
    "images and rows that do not meet": Case(
        "a.csv",
        "image,label\na.png,cat\nb.png,cat\n",
        {"a.png": "cat", "b.png": "cat"},
        images=("a.png", "c.png"),
        warns=(("image.missing", "A3"), ("image.unnamed", "")),
    ),
    "images in a folder, spelled otherwise": Case(
        "a.csv",
        "image,label\nA.PNG,cat\n",
        {"pictures/a.png": "cat"},
        images=("pictures/a.png",),
        repairs=("image.moved",),
    ),
    "decimal commas among commas": Case(
        "a.csv",
        "image,label,x,y,w,h\na.jpg,cat,1,5,2,5,3,4\n",
        error="row 2: the row has more cells than the header; put quotes around",
    ),
    "paths of another machine": Case(
        "a.csv",
        "image,label\nC:\\data\\set\\train\\a.jpg,cat\nC:\\data\\set\\val\\b.jpg,dog\n",
        {"train/a.jpg": "cat", "val/b.jpg": "dog"},
        repairs=("image.shortened",),
    ),
    "a path that leaves its folder": Case(
        "a.csv", "image,label\n../../etc/a.jpg,cat\n", error="cell A2: .* is no path below the folder"
    ),
    "no images at all": Case(
        "a.csv", "colour,size\nred,1\n", error=r"no column names the images; the columns are colour, size"
    ),
    "splits as sheets, notes beside": Case(
        "a.ods",
        {
            "train": [["image", "label", "x", "y", "w", "h"], ["a.jpg", "cat", 10, 20, 30, 40]],
            "val": [["image", "label", "x", "y", "w", "h"], ["b.jpg", "dog", 1, 2, 3, 4]],
            "Notes": [["ask Eva about a.jpg"]],
        },
        {"a.jpg": [CAT], "b.jpg": [DOG]},
        repairs=("sheet.ignored",),
    ),
    "a wrong visibility": Case(
        "a.csv",
        "image,label,nose_x,nose_y,nose_v,tail_x,tail_y,tail_v\na.jpg,cat,1,2,2,,,0\nb.jpg,cat,1,2,7,3,4,1\n",
        error='cell E3: "7" is no visibility: expected 0, 1 or 2',
    ),
}


def read_back(dataset: sm.Dataset) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for sample in dataset:
        if "objects" in dataset.schema.columns:
            objects = sample["objects"].to_list()
            found[sample.id] = [(one.get("category"), *one["bbox"].values()) for one in objects]
        else:
            label = sample["label"]
            found[sample.id] = [one["category"] for one in label] if isinstance(label, list) else label
    return found


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_messy__is_read_or_refused_at_its_cell(case: Case, make: Any) -> None:
    make.images(*case.images)
    path = make(case.name, case.content, case.merged)
    if case.error is not None:
        with pytest.raises(DataError, match=case.error.replace("?", r"\?").replace(r"\\?", r"\?")):
            sm.read(path, format="spreadsheet", **case.options)
        return
    dataset = sm.read(path, **case.options)
    assert read_back(dataset) == case.reads
    codes = [loss.code for loss in dataset.report.repairs if loss.code != "columns.guessed"]
    assert codes == list(case.repairs)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_messy__check_names_the_cells(case: Case, make: Any) -> None:
    make.images(*case.images)
    path = make(case.name, case.content, case.merged)
    if case.error is not None and case.error.startswith("no column"):
        with pytest.raises(DataError, match=case.error):
            check(path, **case.options)
        return
    found = check(path, **case.options)
    assert bool(found.errors) == (case.error is not None)
    assert [(one.code, one.cell) for one in found.faults if not one.grave] == list(case.warns)


def test_collection__is_large() -> None:
    assert len(CASES) >= 30
