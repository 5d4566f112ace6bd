"""The collection of messy files: how each is made, and what is read of it, or which cell is to blame.

    python tests/formats/spreadsheet/messy.py

writes them to `tests/golden/messy_spreadsheets`, where they lie checked in.
"""

from __future__ import annotations

import datetime as dt
import io
import re
import shutil
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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


def google_book(*rows: list[Any]) -> bytes:
    """A workbook as Google Sheets exports it: a thousand rows, most of them blank, without the sheet's dimension."""
    words = [cell for row in rows for cell in row if isinstance(cell, str)]

    def cell(place: str, value: Any) -> str:
        if isinstance(value, bool):
            return f'<c r="{place}" s="1" t="b"><v>{value:d}</v></c>'
        if isinstance(value, str):
            return f'<c r="{place}" s="1" t="s"><v>{words.index(value)}</v></c>'
        return f'<c r="{place}" s="1"><v>{float(value)}</v></c>'

    lines = [
        f'<row r="{number}">{"".join(cell(f"{chr(64 + c)}{number}", v) for c, v in enumerate(row, 1))}</row>'
        for number, row in enumerate(rows, 1)
    ]
    lines += [f'<row r="{n}" ht="15.75" customHeight="1"/>' for n in range(len(rows) + 1, 1001)]
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default ContentType="application/xml" '
        'Extension="xml"/><Default ContentType="application/vnd.openxmlformats-package.relationships+xml" '
        f'Extension="rels"/><Override ContentType="{kind}.sheet.main+xml" PartName="/xl/workbook.xml"/>'
        f'<Override ContentType="{kind}.worksheet+xml" PartName="/xl/worksheets/sheet1.xml"/>'
        f'<Override ContentType="{kind}.sharedStrings+xml" PartName="/xl/sharedStrings.xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {main} xmlns:r="{office}"><sheets><sheet state="visible" name="Sheet1" '
        'sheetId="1" r:id="rId4"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId3" '
        f'Type="{office}/sharedStrings" Target="sharedStrings.xml"/><Relationship Id="rId4" '
        f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/sharedStrings.xml": f"<sst {main}>{''.join(f'<si><t>{word}</t></si>' for word in words)}</sst>",
        "xl/worksheets/sheet1.xml": f"<worksheet {main}><sheetData>{''.join(lines)}</sheetData></worksheet>",
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, body in parts.items():
            file.writestr(
                zipfile.ZipInfo(name), '<?xml version="1.0" encoding="UTF-8"?>' + body, zipfile.ZIP_DEFLATED
            )
    return out.getvalue()


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
        warns=(("sheet.ignored", ""),),
    ),
    "a wrong visibility": Case(
        "a.csv",
        "image,label,nose_x,nose_y,nose_v,tail_x,tail_y,tail_v\na.jpg,cat,1,2,2,,,0\nb.jpg,cat,1,2,7,3,4,1\n",
        error='cell E3: "7" is no visibility: expected 0, 1 or 2',
    ),
    "header in two rows": Case(
        "a.xlsx",
        book(
            ["image", "label", "box", None, None, None],
            [None, None, "x", "y", "w", "h"],
            ["a.jpg", "cat", 10, 20, 30, 40],
        ),
        {"a.jpg": [CAT]},
        merged=("A1:A2", "B1:B2", "C1:F1"),
    ),
    "DeepLabCut": Case(
        "CollectedData_eva.csv",
        "scorer,eva,eva,eva,eva\nbodyparts,nose,nose,tail,tail\ncoords,x,y,x,y\nlabeled-data/v/img1.png,10,20.5,,\n",
        {"labeled-data/v/img1.png": [("object", (10.0, 20.5, None), (0.0, 0.0, 0))]},
    ),
    "keypoints with the axis before": Case(
        "a.csv",
        "image,label,x_nose,y_nose,v_nose,x_tail,y_tail,v_tail\na.jpg,cat,1,2,2,3,4,1\n",
        {"a.jpg": [("cat", (1.0, 2.0, 2), (3.0, 4.0, 1))]},
    ),
    "class numbers alone": Case(
        "a.csv", "image,class_id,xmin,ymin,xmax,ymax\na.jpg,3,10,20,40,60\n", {"a.jpg": [("3", *CAT[1:])]}
    ),
    "labels as lists": Case(
        "a.csv",
        'image,labels\na.jpg,"[\'cat\', \'dog\']"\nb.jpg,"[""cat""]"\nc.jpg,[]\n',
        {"a.jpg": ["cat", "dog"], "b.jpg": ["cat"], "c.jpg": []},
    ),
    "rows that contradict each other": Case(
        "a.csv",
        "image,label,camera\na.jpg,cat,1\na.jpg,dog,2\n",
        {"a.jpg": ["cat", "dog"]},
        repairs=("rows.differ",),
        warns=(("rows.differ", "C3"),),
    ),
    "addresses of images": Case(
        "a.csv",
        "image_url,label\nhttps://cdn.example.org/s/a.jpg?v=3,cat\n",
        {"https://cdn.example.org/s/a.jpg?v=3": "cat"},
    ),
    "line ends of old Macs": Case(
        "a.csv", b"image,label\ra.jpg,cat\rb.jpg,dog\r", {"a.jpg": "cat", "b.jpg": "dog"}
    ),
    "one box in pixels among parts of the image": Case(
        "a.csv",
        "image,width,height,label,xmin,ymin,xmax,ymax\n"
        + "".join(f"{i}.jpg,200,100,cat,0.25,0.25,0.75,0.75\n" for i in range(20))
        + "z.jpg,200,100,cat,5,25,0.75,0.75\n",
        {**{f"{i}.jpg": [MID] for i in range(20)}, "z.jpg": [("cat", 150.0, 75.0, 850.0, 2425.0)]},
        repairs=("box.swapped",),
        warns=(("box.swapped", "E22"), ("box.outside", "E22")),
    ),
    "one part of the image among pixels": Case(
        "a.csv",
        "image,label,xmin,ymin,xmax,ymax\na.jpg,cat,10,20,40,60\nb.jpg,dog,0.25,0.25,0.75,0.75\n",
        {"a.jpg": [CAT], "b.jpg": [("dog", 0.25, 0.25, 0.5, 0.5)]},
        warns=(("units.mixed", "C3"),),
    ),
    "one swapped box among cells of boxes": Case(
        "a.csv",
        "image,label,bbox\n"
        + "".join(f'{i}.jpg,cat,"[10,20,40,60]"\n' for i in range(20))
        + 'z.jpg,cat,"[40,60,10,20]"\n',
        {f"{i}.jpg": [CAT] for i in (*range(20), "z")},
        repairs=("box.swapped",),
        warns=(("box.swapped", "C22"),),
    ),
    "two corners, and sides by name, in one column": Case(
        "a.csv",
        'image,label,box\na.jpg,cat,"[[10,20],[40,60]]"\nb.jpg,dog,"{""left"":1,""top"":2,""width"":3,""height"":4}"\n',
        {"a.jpg": [CAT], "b.jpg": [DOG]},
    ),
    "an error of a formula": Case(
        "a.xlsx",
        book(["image", "label", "x", "y", "w", "h"], ["a.jpg", ("=NA()", "#N/A"), 1, 2, 3, 4]),
        error='sheet "Sheet1", cell B2: #N/A stands where a value is expected; mend the formula',
    ),
    "a formula that nothing has computed": Case(
        "a.xlsx",
        book(["image", "label", "x", "y", "w", "h"], ["a.jpg", "cat", ("=1+1", ""), 2, 3, 4]),
        error="cell C2: a formula without its value .*; open the file in a spreadsheet program and save it",
    ),
    "an error of a formula among remarks": Case(
        "a.xlsx",
        book(["image", "label", "ratio"], ["a.jpg", "cat", 1.5], ["b.jpg", "cat", ("=1/0", "#DIV/0!")]),
        {"a.jpg": "cat", "b.jpg": "cat"},
        repairs=("cell.error",),
        warns=(("cell.error", "C3"),),
    ),
    "AutoML without splits": Case(
        "a.csv",
        "gs://b/x/a.png,cat,0.25,0.25,,,0.75,0.75,,\ngs://b/x/b.png,,,,,,,,,\n",
        {"a.png": [MID], "b.png": []},
        images=("a.png", "b.png"),
        repairs=("image.shortened",),
    ),
    "AutoML with four corners": Case(
        "a.csv",
        "UNASSIGNED,gs://b/x/a.png,cat,0.25,0.25,0.75,0.25,0.75,0.75,0.25,0.75\n",
        {"a.png": [MID]},
        images=("a.png",),
        repairs=("image.shortened",),
    ),
    "Label Studio's CSV": Case(
        "a.csv",
        'image,id,label\n/data/upload/a.jpg,1,"[{""x"":5,""y"":20,""width"":15,""height"":40,""rotation"":0,'
        '""rectanglelabels"":[""cat""],""original_width"":200,""original_height"":100}]"\n',
        {"a.jpg": [CAT]},
        repairs=("image.shortened",),
    ),
    "dates in a file of separated values": Case(
        "a.csv",
        "image,label,x,y,w,h\na.jpg,cat,1,2,3,4\nb.jpg,dog,03. Apr,2,3,4\n",
        error='cell C3: "03. Apr" is a date, expected a number; Excel makes dates of text like 3-4',
    ),
    "a note below the table": Case(
        "a.csv",
        "image,label\n" + "".join(f"{i}.jpg,cat\n" for i in range(5)) + "checked by Eva,\n",
        {**{f"{i}.jpg": "cat" for i in range(5)}, "checked by Eva": None},
        warns=(("image.odd", "A7"),),
    ),
    "a class that another sheet spells otherwise": Case(
        "a.xlsx",
        {
            "train": [["image", "label"], ["a.jpg", "tree"], ["b.jpg", "tree"]],
            "val": [["image", "label"], ["c.jpg", "Tree"]],
        },
        {"a.jpg": "tree", "b.jpg": "tree", "c.jpg": "Tree"},
        warns=(("category.alike", "B2"),),
    ),
    "letters that changed places": Case(
        "a.csv",
        "image,tags\n" + "".join(f"{i}.jpg,cat; cow\n" for i in range(3)) + "x.jpg,cta; cow\n",
        {**{f"{i}.jpg": ["cat", "cow"] for i in range(3)}, "x.jpg": ["cta", "cow"]},
        warns=(("category.alike", "B5"),),
    ),
    "an image in two splits": Case(
        "a.csv",
        "image,label,split\na.jpg,cat,TRAIN\na.jpg,cat,validation\n",
        {"train/a.jpg": "cat", "val/a.jpg": "cat"},
        warns=(("rows.differ", "C3"), ("image.in_splits", "")),
    ),
    "Google Sheets as XLSX": Case(
        "Labels - Sheet1.xlsx",
        google_book(
            ["Image Name", "Label", "x", "y", "w", "h", "done"], ["a.jpg", "cat", 10, 20, 30, 40, True]
        ),
        {"a.jpg": [CAT]},
    ),
    "Google Sheets as CSV": Case(
        "Labels - Sheet1.csv",
        "Image Name,Label,x,y,w,h,done\r\na.jpg,cat,10,20,30,40,TRUE\r\n,,,,,,FALSE\r\n,,,,,,FALSE",
        error="cell A3: the row names no image",
    ),
    "merged labels": Case(
        "a.xlsx",
        book(
            ["image", "label", "x", "y", "w", "h"],
            ["a.jpg", "cat", 10, 20, 30, 40],
            ["b.jpg", None, 1, 2, 3, 4],
        ),
        {"a.jpg": [CAT], "b.jpg": [("cat", *DOG[1:])]},
        merged=("B2:B3",),
        repairs=("cells.merged",),
        warns=(("cells.merged", "B2"),),
    ),
    "merged names in ODS": Case(
        "a.ods",
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
    "Japanese": Case(
        "a.csv", "ファイル名,ラベル,左,上,右,下\na.jpg,犬,10,20,40,60\n", {"a.jpg": [("犬", *CAT[1:])]}
    ),
    "a class of JSON that is not in the table": Case(
        "a.csv",
        "image|boxes\na.jpg|[{'label':'cta','xmin':10,'ymin':20,'xmax':40,'ymax':60}]\n",
        error='cell B2: "cta" is not a category; did you mean "cat"?',
        options={"categories": ("cat", "dog")},
    ),
}


FOLDER = Path(__file__).parents[2] / "golden" / "messy_spreadsheets"


def slug(title: str) -> str:
    """The folder of a case."""
    return re.sub(r"[^a-z0-9]+", "-", title.casefold()).strip("-")


def main(folder: Path) -> None:
    """Write all files."""
    from conftest import Maker  # type: ignore[import-not-found]  # beside this script

    shutil.rmtree(folder, ignore_errors=True)
    for title, case in CASES.items():
        make = Maker(folder / slug(title))
        make.images(*case.images)
        make(case.name, case.content, case.merged)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
