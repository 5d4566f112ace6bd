from __future__ import annotations

import datetime as dt
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
import yaml

import smalti as sm
from smalti import cli
from smalti.errors import DataError, EmptySourceError, OptionError
from smalti.formats import registry
from smalti.formats.protocol import Grade
from smalti.formats.spreadsheet import values
from smalti.formats.spreadsheet.cells import letters, open_book
from smalti.formats.spreadsheet.check import check
from smalti.formats.spreadsheet.header import box_sides, keypoints, roles
from smalti.formats.spreadsheet.mapping import Mapping
from smalti.formats.spreadsheet.mistyped import alike, one_letter
from smalti.formats.spreadsheet.source import guess_mapping
from smalti.storage.location import Location

if TYPE_CHECKING:
    from pathlib import Path

BOXES = "image,label,x,y,w,h"


def test_cells__addresses_are_those_of_excel(make: Any) -> None:
    path = make("a.xlsx", {"batch 3": [["title"], [], ["image", "x"], ["a.jpg", 1.5], ["b.jpg", "07"]]})
    sheet = open_book(Location.parse(path)).sheet("batch 3")
    assert (sheet.header, sheet.first, len(sheet)) == (["image", "x"], 4, 2)
    assert sheet.place(1, 1) == 'sheet "batch 3", cell B5'
    assert sheet.columns[1].to_pylist() == ["1.5", "07"]
    assert [letters(n) for n in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "ods"])
def test_types__attributes_have_those_of_their_values(make: Any, suffix: str) -> None:
    head = ["image", "label", "x", "y", "w", "h", "age", "ratio", "code", "remark"]
    rows = [
        ["a.jpg", "cat", 1, 2, 3, 4, 7, 0.5, "007", "old"],
        ["a.jpg", "cat", 1, 2, 3, 5, 8, 1.5, "012", None],
    ]
    if suffix == "csv":
        text = "\n".join(",".join("" if cell is None else str(cell) for cell in row) for row in [head, *rows])
        path = make("a.csv", text)
    else:
        path = make(f"a.{suffix}", {"Sheet1": [head, *rows]})
    feature = sm.read(path).schema.objects()
    types = {name: one.arrow for name, one in feature.attributes.items()}
    assert types == {"age": pa.int64(), "ratio": pa.float64(), "code": pa.string(), "remark": pa.string()}


def test_types__names_of_attributes_may_be_anything(make: Any) -> None:
    dataset = sm.read(make("a.csv", f"{BOXES},../x,a.b,mask,,note,note\na.jpg,cat,1,2,3,4,5,6,7,8,9,10\n"))
    found = dataset[0]["objects"].to_list()[0]
    assert list(found)[2:] == ["../x", "a.b", "mask_", "column J", "note", "note_"]


def test_types__columns_that_play_no_part_become_attributes(make: Any) -> None:
    dataset = sm.read(
        make("a.csv", "image,image_id,label,xmin,ymin,xmax,ymax,bbox_w\na.jpg,7,cat,1,2,4,6,3\n")
    )
    assert list(dataset.schema.objects().attributes) == ["image_id", "bbox_w"]
    rows = sm.read(make("b.csv", "image,label,confidence,x\na.jpg,cat,0.5,3\n"))
    assert (rows[0]["confidence"], rows[0]["x"]) == (0.5, 3)


def test_types__dates_alone_in_a_column(make: Any) -> None:
    path = make("a.xlsx", {"Sheet1": [["image", "label", "day"], ["a.jpg", "cat", dt.date(2024, 4, 3)]]})
    assert sm.read(path)[0]["day"].isoformat() == "2024-04-03T00:00:00"


def test_sizes__beyond_any_image_are_refused(make: Any) -> None:
    with pytest.raises(DataError, match=r'cell B2: "1e\+300" is no number of pixels'):
        sm.read(make("a.csv", "image,image width,image height,label\na.jpg,1e300,5,cat\n"))


def test_types__columns_of_images(make: Any) -> None:
    dataset = sm.read(make("a.csv", "image,label,camera,night\na.jpg,cat,3,true\nb.jpg,dog,4,false\n"))
    assert dataset.schema.columns["camera"].arrow == pa.int64()
    assert [sample["night"] for sample in dataset] == [True, False]


def test_rows__of_one_image_come_together_in_their_order(make: Any) -> None:
    text = f"{BOXES}\nb.jpg,cat,1,1,1,1\na.jpg,cat,2,2,2,2\nb.jpg,dog,3,3,3,3\n"
    dataset = sm.read(make("a.csv", text))
    assert [sample.id for sample in dataset] == ["b.jpg", "a.jpg"]
    assert [one["bbox"]["x"] for one in dataset[0]["objects"].to_list()] == [1.0, 3.0]
    assert dataset.schema.objects().categories.values == ("cat", "dog")


def test_rows__a_name_alone_is_an_image_with_nothing_in_it(make: Any) -> None:
    dataset = sm.read(make("a.csv", f"{BOXES}\na.jpg,,,,,\n"))
    assert len(dataset[0]["objects"]) == 0


def test_keypoints__stand_in_many_columns(make: Any) -> None:
    head = "image,label,nose_x,nose_y,nose_v,tail_x,tail_y,tail_v"
    dataset = sm.read(make("a.csv", f"{head}\na.jpg,cat,1.5,2,2,,,0\nb.jpg,cat,,,,,,\n"))
    assert dataset.schema.objects().categories[0].keypoints == ("nose", "tail")
    first = dataset[0]["objects"].to_list()[0]["keypoints"]
    assert first == [{"x": 1.5, "y": 2.0, "visibility": 2}, {"x": 0.0, "y": 0.0, "visibility": 0}]
    assert dataset[1]["objects"].to_list()[0]["keypoints"] is None


def test_keypoints__numbered_columns(make: Any) -> None:
    head = ",".join(f"x{i},y{i}" for i in range(1, 4))
    dataset = sm.read(make("a.csv", f"file,{head}\na.jpg,1,2,3,4,5,6\n"))
    points = dataset[0]["objects"].to_list()[0]["keypoints"]
    assert [(one["x"], one["y"], one["visibility"]) for one in points] == [
        (1, 2, None),
        (3, 4, None),
        (5, 6, None),
    ]


def test_polygons__of_text(make: Any) -> None:
    text = (
        "image|label|polygon\na.jpg|cat|[[0,0],[10,0],[10,10]]\nb.jpg|cat|0 0 5 0 5 5 0 5\nc.jpg|cat|1 2 3\n"
    )
    with pytest.raises(DataError, match='cell C4: "1 2 3" is no polygon'):
        sm.read(make("a.csv", text))
    dataset = sm.read(make("a.csv", text), on_error="skip")
    rings = [sample["objects"].to_list()[0]["polygons"] for sample in dataset]
    assert rings == [[[0, 0, 10, 0, 10, 10]], [[0, 0, 5, 0, 5, 5, 0, 5]]]


def test_polygons__parts_of_the_image(make: Any) -> None:
    text = "image|label|width|height|polygon\na.jpg|cat|200|100|[[0,0],[0.5,0],[0.5,0.5]]\n"
    dataset = sm.read(make("a.csv", text))
    assert dataset[0]["objects"].to_list()[0]["polygons"] == [[0, 0, 100, 0, 100, 50]]


def test_ids__numbers_stay_numbers_and_words_words(make: Any) -> None:
    numbers = sm.read(make("a.csv", f"{BOXES},id,track\na.jpg,cat,1,1,1,1,7,1\n"))
    words = sm.read(make("b.csv", f"{BOXES},id,track\na.jpg,cat,1,1,1,1,k7,1\n"))
    assert numbers[0]["objects"].to_list()[0]["id"] == 7
    assert (words[0]["objects"].to_list()[0]["id"], words[0]["objects"].to_list()[0]["track_id"]) == (
        "k7",
        "1",
    )


def test_splits__of_a_column_in_two_splits_at_once(make: Any) -> None:
    dataset = sm.read(make("a.csv", "image,label,split\na.jpg,cat,train\na.jpg,cat,val\n"))
    assert [sample.id for sample in dataset] == ["train/a.jpg", "val/a.jpg"]
    assert dataset.schema.id_has_split


def test_splits__of_folders(make: Any, tmp_path: Path) -> None:
    for split in ("train", "valid"):
        make(
            f"{split}/_annotations.csv",
            "filename,width,height,class,xmin,ymin,xmax,ymax\na.png,200,100,cat,1,2,4,6\n",
        )
        make.images(f"{split}/a.png")
    dataset = sm.read(tmp_path)
    assert dataset.report.source_format == "spreadsheet"
    assert [(sample.id, sample["split"]) for sample in dataset] == [
        ("train/a.png", "train"),
        ("valid/a.png", "val"),
    ]


def test_mapping__is_guessed_saved_mended_and_passed(make: Any, tmp_path: Path) -> None:
    path = make("a.csv", "Aufnahme,Was,links,oben,rechts,unten,Bemerkung\nA1,Hund,1,2,4,6,x\n")
    with pytest.raises(DataError, match=r"no column names the images; .*mapping="):
        sm.read(path, format="spreadsheet")
    given = {"columns": {"image": "Aufnahme", "category": "was"}, "ignore": ["Bemerkung"]}
    guess_mapping(path, mapping=given).save(tmp_path / "m.yaml")
    saved = yaml.safe_load((tmp_path / "m.yaml").read_text("utf-8"))
    assert saved["columns"] == {
        "image": "Aufnahme",
        "category": "Was",
        "xmin": "links",
        "ymin": "oben",
        "xmax": "rechts",
        "ymax": "unten",
    }
    dataset = sm.read(path, format="spreadsheet", mapping=str(tmp_path / "m.yaml"))
    assert dataset[0]["objects"].to_list() == [
        {"category": "Hund", "bbox": {"x": 1.0, "y": 2.0, "w": 3.0, "h": 4.0}}
    ]
    assert not dataset.report.repairs


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (
            {"columns": {"image": "nowhere"}},
            "image is to be the column 'nowhere'; there are 'image', 'label'",
        ),
        ({"columns": {"picture": "image"}}, "unknown role 'picture'"),
        ({"boxes": "corners"}, "boxes: Input should be"),
        ({"keypoints": {"nose": ["a"]}}, "keypoint 'nose' needs the columns of x, y"),
        ("missing.yaml", "mapping='missing.yaml' cannot be read"),
    ],
)
def test_mapping__that_does_not_fit_is_refused(make: Any, mapping: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        sm.read(make("a.csv", "image,label\na.jpg,cat\n"), mapping=mapping)


def test_mapping__columns_by_their_letters(make: Any) -> None:
    path = make("a.csv", "a,7,1,2,3,4\nb,8,1,2,3,4\n")
    sides = dict(zip(("x", "y", "w", "h"), "CDEF", strict=True))
    dataset = sm.read(
        path, format="spreadsheet", mapping={"columns": {"image": "A", "category": "B", **sides}}
    )
    assert dataset.schema.objects().categories.values == ("7", "8")


def test_parts__many_samples_are_several(make: Any) -> None:
    rows = "".join(f"{number}.jpg,{'cat' if number % 3 else 'dog'}\n" for number in range(70_000))
    dataset = sm.read(make("a.csv", f"image,label\n{rows}"))
    assert len(dataset) == 70_000
    assert (dataset[69_999].id, dataset[69_999]["label"]) == ("69999.jpg", "dog")


def test_convert__counts_what_the_target_has_no_place_for(make: Any, tmp_path: Path) -> None:
    path = make(
        "a.csv", f"{BOXES},remark,width image,height image\na.jpg,cat,1,2,3,4,old,64,48\nb.jpg,,,,,,,64,48\n"
    )
    mapping = {"columns": {"width": "width image", "height": "height image"}}
    report = sm.convert(path, tmp_path / "out", "yolo", task="detect", mapping=mapping, on_loss="ignore")
    assert report.reconciles
    assert (report.samples_written, report.objects_written) == (2, 1)
    assert [(loss.code, loss.count) for loss in report.losses if loss.field == "objects.remark"] == [
        ("field.dropped", 1)
    ]


def test_skip__leaves_out_rows_and_counts_them(make: Any) -> None:
    text = f"{BOXES}\na.jpg,cat,1,1,1,1\na.jpg,cat,?!,1,1,1\nb.jpg,cat,1,!!,1,1\n"
    report = sm.read(make("a.csv", text), on_error="skip").report
    assert (report.samples_read, report.objects_read) == (1, 1)
    assert (report.samples_skipped, report.objects_skipped) == (1, 2)
    assert [message.partition(", ")[2] for message in report.errors] == [
        'cell C3: "?!" is no number', 'cell D4: "!!" is no number'
    ]  # fmt: skip


def test_skip__every_row_faulty_is_an_error(make: Any) -> None:
    with pytest.raises(EmptySourceError, match="left out for an error"):
        sm.read(make("a.csv", f"{BOXES}\na.jpg,cat,?!,1,1,1\n"), on_error="skip")


def test_categories__given_as_an_option(make: Any) -> None:
    path = make("a.csv", "image,label\na.jpg,cat\nb.jpg,dgo\n")
    with pytest.raises(DataError, match='cell B3: "dgo" is not a category; did you mean "dog"'):
        sm.read(path, categories=("cat", "dog"))
    kept = sm.read(path, categories=("dog", "cat"), on_error="skip")
    assert kept.schema.columns["label"].categories.values == ("dog", "cat")


@pytest.mark.parametrize("body", [b"PK\3\4 no workbook", b"", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"])
def test_damaged__workbooks_are_data_errors(make: Any, body: bytes) -> None:
    with pytest.raises(DataError, match="no workbook, or a damaged one"):
        sm.read(make("a.xlsx", body), format="spreadsheet")


@pytest.mark.parametrize(
    ("name", "member", "change"),
    [
        ("a.xlsx", "xl/worksheets/sheet1.xml", ('r="A2"', 'r="XFD1048576"')),
        ("a.xlsx", "xl/worksheets/sheet1.xml", ('r="A2"', 'r="A99999999"')),
        ("a.xlsx", "xl/worksheets/sheet1.xml", ('r="A2"', 'r="A999999"><v>1</v></c><c r="ZZ2"')),
        (
            "a.ods",
            "content.xml",
            ("<table:table-cell ", '<table:table-cell table:number-columns-repeated="999999999" '),
        ),
        (
            "a.ods",
            "content.xml",
            ("<table:table-row", '<table:table-row table:number-rows-repeated="99999999"'),
        ),
    ],
)
def test_damaged__cells_far_out_are_refused(
    make: Any, name: str, member: str, change: tuple[str, str]
) -> None:
    path = make(name, {"Sheet1": [["image", "label"], ["a.jpg", "cat"]]})
    with zipfile.ZipFile(path) as file:
        parts = {one: file.read(one) for one in file.namelist()}
    assert change[0].encode() in parts[member]
    parts[member] = parts[member].replace(change[0].encode(), change[1].encode())
    with zipfile.ZipFile(path, "w") as file:
        for one, body in parts.items():
            file.writestr(one, body)
    with pytest.raises(DataError, match=r"has cells far out, at .*; delete what lies beyond the table"):
        sm.read(path, format="spreadsheet")


def test_damaged__bytes_are_no_text(make: Any) -> None:
    with pytest.raises(DataError, match="no file of separated values: it holds NUL bytes"):
        sm.read(make("a.csv", b"a\0b,c\n1,2\n"), format="spreadsheet")


def test_empty__files_are_empty_sources(make: Any, tmp_path: Path) -> None:
    with pytest.raises(EmptySourceError, match="the sheets hold nothing"):
        sm.read(make("a.csv", ""), format="spreadsheet")
    with pytest.raises(EmptySourceError, match=r"found no \.xlsx"):
        sm.read(make("b/none.txt", "").parent, format="spreadsheet")
    with pytest.raises(DataError, match="no sheet 'x'"):
        sm.read(make("c.xlsx", {"y": [["image"], ["a.jpg"]]}), sheets=("x",))
    assert tmp_path.exists()


def test_sniff__knows_its_files(make: Any, tmp_path: Path) -> None:
    make("a/labels.csv", "image,label\na.jpg,cat\n")
    make("b/_classes.csv", "filename,cat\na.jpg,1\n")
    make("c/results.csv", "epoch,loss\n1,0.5\n")
    found = {name: registry.get("spreadsheet").sniff(_probe(tmp_path / name)) for name in "abc"}
    assert {name: match and match.grade for name, match in found.items()} == {
        "a": Grade.POSSIBLE, "b": Grade.LIKELY, "c": None
    }  # fmt: skip


def _probe(path: Path) -> Any:
    from smalti.formats.probe import Probe

    return Probe(Location.parse(path))


def test_workbooks__of_a_thousand_classes_side_by_side(make: Any) -> None:
    classes = [f"c{number}" for number in range(1000)]
    rows = [["image", *classes], *([f"{n}.jpg", *(int(n == c) for c in range(1000))] for n in range(3))]
    dataset = sm.read(make("a.xlsx", {"Sheet1": rows}))
    assert [[one["category"] for one in sample["label"]] for sample in dataset] == [["c0"], ["c1"], ["c2"]]


def test_mapping__as_toml(make: Any, tmp_path: Path) -> None:
    path = make("a.csv", 'Aufnahme;Was;nase x;nase y;"Be""merkung"\nA1;Hund;1;2;x\n')
    given = {
        "columns": {"image": "Aufnahme", "category": "Was"},
        "ignore": ['Be"merkung'],
        "categories": ["Hund", "Kätzchen\x7f"],
    }
    guessed = guess_mapping(path, mapping=given)
    for name in ("m.toml", "m.yaml"):
        guessed.save(tmp_path / name)
        assert Mapping.load(tmp_path / name) == guessed
        dataset = sm.read(path, format="spreadsheet", mapping=str(tmp_path / name))
        assert dataset[0]["objects"].to_list()[0]["keypoints"] == [{"x": 1.0, "y": 2.0, "visibility": None}]
    assert '[columns]\n"image" = "Aufnahme"' in (tmp_path / "m.toml").read_text("utf-8")
    (tmp_path / "m.toml").write_text("columns = [")
    with pytest.raises(OptionError, match=r"m\.toml' cannot be read"):
        sm.read(path, mapping=str(tmp_path / "m.toml"))


def test_types__of_texts_in_files_of_separated_values(make: Any) -> None:
    dataset = sm.read(
        make(
            "a.csv",
            "image,label,taken,fertig,day\na.jpg,cat,2024-04-03 12:00:00,WAHR,2024-02-30\nb.jpg,cat,2024-04-04,,\n",
        )
    )
    first = dataset[0]
    assert (first["taken"].isoformat(), first["fertig"], first["day"]) == (
        "2024-04-03T12:00:00",
        True,
        "2024-02-30",
    )
    assert dataset[1]["fertig"] is None


def test_labels__how_sure_they_are(make: Any) -> None:
    text = (
        "ImageID,Source,LabelName,Confidence\na,verification,cat,1\na,verification,dog,0\nb,machine,cat,0.7\n"
    )
    dataset = sm.read(make("a.csv", text))
    assert dataset[0]["label"] == [{"category": "cat", "score": 1.0}, {"category": "dog", "score": 0.0}]
    assert list(dataset.schema.columns) == ["id", "image", "label", "Source"]


def test_open_images__groups_and_confidence(make: Any) -> None:
    head = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
    make.images("000a.png")
    dataset = sm.read(make("a.csv", f"{head}\n000a,xclick,/m/01g317,1,0.25,0.75,0.25,0.75,0,1,1,0,0\n"))
    (one,) = dataset[0]["objects"].to_list()
    assert (one["category"], one["iscrowd"], one["score"], one["IsTruncated"]) == ("/m/01g317", True, 1.0, 1)
    assert one["bbox"] == {"x": 50.0, "y": 25.0, "w": 100.0, "h": 50.0}


def test_retinanet__with_its_table_of_classes(make: Any, tmp_path: Path) -> None:
    make("set/annotations.csv", "a.jpg,10,20,40,60,dog\nb.jpg,,,,,\n")
    make("set/classes.csv", "cat,0\ndog,1\n")
    dataset = sm.read(tmp_path / "set", format="spreadsheet")
    assert [(one.name, one.id) for one in dataset.categories] == [("cat", 0), ("dog", 1)]
    assert [len(sample["objects"]) for sample in dataset] == [1, 0]


def test_classes__of_a_sheet_with_numbers_and_groups(make: Any) -> None:
    classes = [["id", "name", "supercategory"], [7, "cat", "animal"], [3, "bus", "vehicle"]]
    dataset = sm.read(make("a.xlsx", {"Klassen": classes, "Sheet1": [["image", "label"], ["a.jpg", "bus"]]}))
    table = dataset.schema.columns["label"].categories
    assert [(one.name, one.id, one.supercategory) for one in table] == [
        ("cat", 7, "animal"),
        ("bus", 3, "vehicle"),
    ]


def test_via__everything_that_regions_say(make: Any) -> None:
    shapes = [
        '{"name":"rect","x":10,"y":20,"width":30,"height":40}',
        '{"name":"ellipse","cx":50,"cy":50,"rx":20,"ry":10,"theta":90}',
        '{"name":"polygon","all_points_x":[1,5,5],"all_points_y":[1,1,9]}',
    ]
    said = [
        '{"type":"cat","age":"3","quality":{"good":true,"frontal":false}}',
        '{"type":"dog","age":""}',
        "{}",
    ]
    lines = [
        "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes",
        *(
            f'a.jpg,9,"{{}}",3,{n},"{_doubled(shape)}","{_doubled(words)}"'
            for n, (shape, words) in enumerate(zip(shapes, said, strict=True))
        ),
    ]
    rect, ellipse, polygon = sm.read(make("a.csv", "\n".join(lines)))[0]["objects"].to_list()
    assert (rect["category"], rect["age"], rect["quality"]) == ("cat", 3, '{"good": true, "frontal": false}')
    assert {side: round(value, 9) for side, value in ellipse["bbox"].items()} == {
        "x": 40,
        "y": 30,
        "w": 20,
        "h": 40,
    }
    assert json.loads(ellipse["region_shape_attributes"])["name"] == "ellipse"
    assert polygon["polygons"] == [[1, 1, 5, 1, 5, 9]]


def _doubled(text: str) -> str:
    return text.replace('"', '""')


def test_images__addresses_of_pictures_that_are_here(make: Any) -> None:
    make.images("s/a.png")
    dataset = sm.read(
        make("a.csv", "url,label\nhttps://cdn.example.org/s/a.png,cat\nhttps://cdn.example.org/t/b.png,dog\n")
    )
    assert [sample.image.path for sample in dataset] == ["s/a.png", "https://cdn.example.org/t/b.png"]
    assert (dataset[0].image.width, dataset[1].image.width) == (200, None)


LANGUAGES = {
    "German": "Bilddatei;Objektklasse;links oben x;links oben y;Breite;Höhe",
    "French": "Nom du fichier;Étiquette;X min;Y min;X max;Y max",
    "Spanish": "Nombre de archivo;Categoría;x mínimo;y mínimo;x máximo;y máximo",
    "Italian": "Nome file;Classe;sinistra;alto;destra;basso",
    "Portuguese": "Arquivo;Classe;esquerda;topo;largura;altura",
    "Dutch": "Bestandsnaam;Klasse;links;boven;breedte;hoogte",
    "Polish": "Plik;Klasa;lewy;góra;prawy;dół",
    "Russian": "Файл;Класс;слева;сверху;справа;снизу",
    "Chinese": "文件名;类别;左;上;宽度;高度",
    "Japanese": "ファイル名;ラベル;左;上;右;下",
    "Korean": "파일명;라벨;왼쪽;위;오른쪽;아래",
}


@pytest.mark.parametrize("head", LANGUAGES.values(), ids=LANGUAGES)
def test_header__in_many_languages(make: Any, head: str) -> None:
    (one,) = sm.read(make("a.csv", f"{head}\na.jpg;cat;10;20;30;40\n"))[0]["objects"].to_list()
    corners = not {"Breite", "largura", "breedte", "宽度"} & set(head.split(";"))
    assert one == {
        "category": "cat",
        "bbox": {"x": 10.0, "y": 20.0, "w": 20.0 if corners else 30.0, "h": 20.0 if corners else 40.0},
    }


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        ("photo name,species,upper left x,upper left y,lower right x,lower right y", "xyxy"),
        ("ImageName,ClassName,TopLeftX,TopLeftY,BottomRightX,BottomRightY", "xyxy"),
        ("image,bbox_left,bbox_top,bbox_width,bbox_height", "xywh"),
        ("filename,width,height,class,xmin,ymin,xmax,ymax", "xyxy"),
        ("image,x,y,width,height", "xywh"),
        ("image,left,top,width,height", "xywh"),
        ("image,bbox_x,bbox_y,bbox_width,bbox_height,image_width,image_height", "xywh"),
        ("image,xc,yc,w,h", "cxcywh"),
        ("Fichier,gauche,haut,droite,bas,Étiquette", "xyxy"),
        ("Archivo,izquierda,arriba,derecha,abajo,Clase", "xyxy"),
    ],
)
def test_header__boxes_by_their_names(names: str, layout: str) -> None:
    found = box_sides(roles(names.split(",")))
    assert found is not None
    assert found[0] == layout


def test_header__plainer_words_win() -> None:
    assert roles(["type", "label", "file", "filename"]) == {"category": 1, "image": 3}


def test_header__corners_are_no_keypoints() -> None:
    assert keypoints(["image", "x1", "y1", "x2", "y2", "label"]) == {}
    assert list(keypoints(["image", "left_eye_x", "left_eye_y"])) == ["left_eye"]


@pytest.mark.parametrize(
    ("cell", "numbers"),
    [
        ("[10.5, 20, 30, 40]", [10.5, 20, 30, 40]),
        ("10,5; 20; 30,25; 40", [10.5, 20, 30.25, 40]),
        ("10,5 20 30,25 40", [10.5, 20, 30.25, 40]),
        ("10,5, 20,5, 3, 4", [10.5, 20.5, 3, 4]),
        ("(1 2 3 4)", [1, 2, 3, 4]),
        ("-1e2,2,3,4", [-100, 2, 3, 4]),
        ("one, two", None),
    ],
)
def test_values__lists_of_numbers(cell: str, numbers: list[float] | None) -> None:
    assert values.number_list(cell) == numbers


def test_values__numbers_as_people_write_them() -> None:
    cells = pa.array(["1", " 2,5 px", "1.234,5", "1,234.5", "50%", "nan", None, "-", "inf", "abc"])
    found, wrong = values.numbers(cells)
    assert found[:5].tolist() == [1.0, 2.5, 1234.5, 1234.5, 0.5]
    assert wrong.tolist() == [8, 9]


def test_alike__finds_slips_and_leaves_names_that_differ() -> None:
    counts = {"horse": 40, "Horse": 3, "hrose": 2, "house": 30, "class1": 9, "class2": 1, "cat": 50, "car": 1}
    assert alike(counts) == {"Horse": "horse", "hrose": "horse"}
    assert alike({"cat": 4, "cta": 2}) == {"cta": "cat"}
    assert one_letter("person", "persn") == "missing"
    assert one_letter("cat", "cta") == "swapped"
    assert one_letter("house", "horse") == "other"
    assert one_letter("cat", "car") is None


def test_check__counts_what_it_does_not_name(make: Any) -> None:
    rows = "a.jpg,cat,1,2,3,4\n" * 1102
    found = check(make("a.csv", f"{BOXES}\n{rows}")).faults
    assert len(found) == 1001
    assert "101 more like these" in {one.reason for one in found}


def test_check__command(make: Any, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    path = make("a.csv", f"{BOXES}\na.jpg,cat,1,zwei,3,4\n")
    mapping, out = tmp_path / "m.yaml", tmp_path / "out.xlsx"
    assert _run(monkeypatch, "check", path, "--out", out, "--save-mapping", mapping) == 1
    printed = capsys.readouterr().out
    assert f'error: {path}, cell D2: "zwei" is no number' in printed
    assert "1 errors, 0 warnings" in printed
    assert Mapping.load(mapping).boxes == "xywh"
    assert out.exists()
    assert _run(monkeypatch, "check", path, "--json", "--mapping", mapping) == 1
    assert json.loads(capsys.readouterr().out)[str(path)][0]["cell"] == "D2"
    fine = make("b.csv", f"{BOXES}\na.jpg,cat,1,2,3,4\n")
    assert _run(monkeypatch, "check", fine) == 0
    assert "nothing is wrong" in capsys.readouterr().out


def _run(monkeypatch: Any, *words: object) -> int:
    monkeypatch.setattr("sys.argv", ["smalti", *map(str, words)])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    return int(exit_.value.code or 0)
