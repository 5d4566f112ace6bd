"""Tables that smalti writes: what they look like, what they hold, and what people may do to them."""

from __future__ import annotations

import csv
import datetime as dt
import decimal
import hashlib
import io
import re
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import openpyxl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import smalti as sm
from smalti.errors import DataError, OptionError
from smalti.formats.spreadsheet.options import SpreadsheetOptions
from smalti.formats.spreadsheet.own.writer import SpreadsheetWriter
from smalti.schema import features
from smalti.schema.build import list_column

if TYPE_CHECKING:
    from collections.abc import Callable

STREET = Path(__file__).parents[3] / "examples" / "street"


@pytest.fixture
def book(tmp_path: Path) -> Callable[..., Any]:
    """Write a dataset as a workbook and open it with openpyxl."""

    def write(ds: sm.Dataset, **options: Any) -> Any:
        ds.write(tmp_path / "labels.xlsx", overwrite=True, on_loss="ignore", **options)
        return openpyxl.load_workbook(tmp_path / "labels.xlsx")

    return write


def plain(count: int = 3, **columns: Any) -> sm.Dataset:
    samples = [
        {
            "id": str(n),
            "image": {"path": f"{n}.jpg", "width": 4, "height": 3},
            "split": ("train", "val")[n % 2],
        }
        for n in range(count)
    ]
    ds = sm.Dataset.from_samples(samples)
    for name, values in columns.items():
        ds = ds.with_column(name, values)
    return ds


# What people see


def test_workbook__is_ready_to_work_in(book: Callable[..., Any]) -> None:
    opened = book(sm.read(STREET))
    assert opened.sheetnames == ["train", "val", "categories", "schema", "smalti"]
    assert opened["smalti"].sheet_state == "hidden"
    page = opened["train"]
    titles = [cell.value for cell in page[1]]
    assert titles[:5] == ["picture", "id", "image", "split", "category"]
    assert page.freeze_panes == "D2"
    last = openpyxl.utils.get_column_letter(len(titles))
    assert page.auto_filter.ref.startswith("A1:")
    assert titles[-1] == "smalti_key"
    assert page.column_dimensions[last].hidden
    rules = {str(rule.sqref).split(":")[0]: rule for rule in page.data_validations.dataValidation}
    assert rules["E2"].formula1 == "'categories'!$A$2:$A$8"
    assert rules["D2"].formula1 == "'smalti'!$B$1:$B$2"
    assert [cell.value for cell in opened["smalti"]["B"]][:2] == ["train", "val"]
    assert [row[0].value for row in opened["categories"].iter_rows(min_row=2)] == [
        one.name for one in sm.read(STREET).categories
    ]
    assert {row[0].value for row in opened["schema"].iter_rows(min_row=2)} == {*titles} - {
        "picture",
        "smalti_key",
    }


def test_pictures__of_the_first_samples_with_their_boxes(book: Callable[..., Any], tmp_path: Path) -> None:
    opened = book(sm.read(STREET), thumbnails=5, thumbnail_size=64)
    pictures = [image for page in opened for image in page._images]  # openpyxl has no other way
    assert len(pictures) == 5
    sizes = {max(image.width, image.height) for image in pictures}
    assert sizes == {64}
    with zipfile.ZipFile(tmp_path / "labels.xlsx") as file:
        names = [name for name in file.namelist() if name.startswith("xl/media/")]
        with file.open(min(names)) as stream, Image.open(stream) as image:
            red, green, blue = np.moveaxis(np.asarray(image.convert("RGB"), np.int64), 2, 0)
    assert np.count_nonzero((red > 190) & (green > 110) & (green < 210) & (blue < 110)) > 20
    assert not [image for page in book(sm.read(STREET), thumbnails=0) for image in page._images]


def test_images_that_are_missing__no_pictures_and_no_error(book: Callable[..., Any]) -> None:
    ds = sm.read(STREET)
    lost = sm.Dataset.from_arrow(ds.to_arrow(), ds.schema.model_copy(update={"media_root": "/nowhere"}))
    assert not [image for page in book(lost) for image in page._images]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "'=1", "=cmd|' /C calc'!A0"])
def test_text__is_never_a_formula(tmp_path: Path, text: str) -> None:
    ds = plain(1, note=pa.array([text]))
    ds.write(tmp_path / "a.xlsx", on_loss="error")
    page = openpyxl.load_workbook(tmp_path / "a.xlsx")["train"]
    assert all(cell.data_type != "f" for row in page for cell in row)
    ds.write(tmp_path / "a.csv", on_loss="error")
    lines = (tmp_path / "a.csv").read_text("utf-8-sig").split("\n", 1)[1]
    assert not [
        cell
        for cell in lines.replace('"', "").split(",")
        if cell[:1] in {"=", "+", "@", "\t"} or cell == "-1"
    ]
    for name in ("a.xlsx", "a.csv"):
        assert sm.read(tmp_path / name).digest() == ds.digest()


SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20\t\r"
HIDDEN = ["a;=1+1", "a|+1", "a\t@x", "a\n=1", "a\r\n-x", "\n=1", "\r=1", "\uff1d1", 'a";=1;"', "cat; -dog", "x, =1", '"a;=1"', "'"]  # fmt: skip


def test_text__is_no_formula_however_the_file_is_divided(tmp_path: Path) -> None:
    rows = [
        {
            "id": f"{n}{text}",
            "note": text,
            "objects": [{"category": text, "tag": text, "quad": [0, 0, -1, -2, -3, 4, 5, 6]}],
        }
        for n, text in enumerate(HIDDEN)
    ]
    ds = sm.Dataset.from_samples(rows)
    kind = pa.struct([("k", pa.string()), ("n", pa.list_(pa.field("element", pa.int64())))])
    ds = ds.with_column("rest", pa.array([{"k": text, "n": [1, -2]} for text in HIDDEN], kind))
    ds = ds.with_column("of;=1", pa.array(HIDDEN))
    for suffix, delimiters in (("csv", ",;|\t"), ("tsv", "\t;|,")):
        path = tmp_path / f"a.{suffix}"
        ds.write(path, on_loss="error")
        text = path.read_text("utf-8-sig")
        for delimiter in delimiters:
            for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
                begin = [cell.lstrip() or cell for cell in row]
                assert not [
                    cell for cell in begin if cell[:1] in SIGNS and cell[:1] and not re.match(r"-\d", cell)
                ]
        assert sm.read(path).digest() == ds.digest()


def test_columns__more_than_a_sheet_has_are_refused() -> None:
    number = features.Value(type=pa.int64())
    columns = {"id": features.Value(type=pa.string()), **{f"c{n}": number for n in range(16_400)}}
    schema = sm.Schema(columns=columns)
    with pytest.raises(OptionError, match=r"Excel has 16,384, so write a \.csv"):
        SpreadsheetWriter(schema, SpreadsheetOptions(), "a.xlsx")
    assert len(SpreadsheetWriter(schema, SpreadsheetOptions(), "a.csv").columns) == 16_401


def test_lists__of_splits_that_look_like_formulas(book: Callable[..., Any]) -> None:
    splits = pa.array(['a"&B1&"', "x,y", None]).dictionary_encode()
    opened = book(plain(3).drop(["split"]).with_column("split", splits, features.Split()), layout="one")
    (rule,) = [one for one in opened["labels"].data_validations.dataValidation if one.type == "list"]
    assert rule.formula1 == "'smalti'!$B$1:$B$2"
    assert [cell.value for cell in opened["smalti"]["B"]][:2] == ['a"&B1&"', "x,y"]


def test_sheets__one_for_all(book: Callable[..., Any]) -> None:
    assert book(plain(4), layout="one").sheetnames[:1] == ["labels"]
    assert book(plain(4)).sheetnames[:2] == ["train", "val"]


def test_sheets__names_that_excel_refuses(book: Callable[..., Any], tmp_path: Path) -> None:
    splits = ["a/b", "a?b", "A_B", "x" * 40, "x" * 50, None, "smalti", "'"]
    ds = plain(8).drop(["split"]).with_column("split", pa.array(splits).dictionary_encode(), features.Split())
    names = book(ds).sheetnames[:8]
    assert len({name.casefold() for name in names}) == 8
    assert all(len(name) <= 31 for name in names)
    assert sm.read(tmp_path / "labels.xlsx").digest() == ds.digest()


def test_sheets__split_where_they_are_full_and_it_is_said(tmp_path: Path) -> None:
    ds = plain(7)
    report = ds.write(tmp_path / "full.xlsx", rows_a_sheet=2, on_loss="ignore")
    assert report.details["sheets"] == {"train": 2, "train (2)": 2, "val": 2, "val (2)": 1}
    assert "train (2)" in str(report)
    assert sm.read(tmp_path / "full.xlsx").digest() == ds.digest()


# What it holds


COLUMNS: dict[str, pa.Array] = {
    "uint64": pa.array([2**64 - 1, 2**53 + 1, None], pa.uint64()),
    "int64": pa.array([-(2**63), 2**53, 0], pa.int64()),
    "int8": pa.array([-128, None, 127], pa.int8()),
    "float64": pa.array([0.1, 1 / 3, -0.0]),
    "wild": pa.array([float("inf"), float("-inf"), 5e-324]),
    "nan": pa.array([float("nan"), 1e300, None]),
    "float32": pa.array([0.1, 16777216.0, None], pa.float32()),
    "float16": pa.array([0.5, None, 65504], pa.float16()),
    "flag": pa.array([True, None, False]),
    "text": pa.array(["", " a ", None]),
    "large": pa.array(["_x0041_", "<r>a</r>", '"'], pa.large_string()),
    "odd": pa.array(["\x00\x01", "\ufffe", "a\r\nb\n"]),
    "day": pa.array([dt.date(1, 1, 1), None, dt.date(2026, 2, 28)]),
    "time": pa.array([dt.time(1, 2, 3, 4), None, dt.time()]),
    "moment": pa.array([1_767_323_045_000_006, None, -(10**15)], pa.timestamp("us")),
    "nanos": pa.array([1, None, 10**18], pa.timestamp("ns")),
    "decimal": pa.array([decimal.Decimal("1.10"), None, decimal.Decimal("-3.14")], pa.decimal128(10, 2)),
    "words": pa.array(["a", None, "b"]).dictionary_encode(),
    "list": pa.array([[1, None], [], None], pa.list_(pa.field("element", pa.int32()))),
    "struct": pa.array([{"a": 1.5, "b": "x"}, {"a": None, "b": None}, None]),
    "nested": pa.array([[{"a": [0.1]}], [], None]),
}


@pytest.mark.parametrize("name", sorted(COLUMNS))
@pytest.mark.parametrize("suffix", ["xlsx", "csv", "tsv"])
def test_columns__of_every_type_come_back(tmp_path: Path, name: str, suffix: str) -> None:
    ds = plain(3, **{name: COLUMNS[name]})
    ds.write(tmp_path / f"a.{suffix}", on_loss="error")
    back = sm.read(tmp_path / f"a.{suffix}")
    assert back.digest() == ds.digest()
    assert back.schema.columns[name] == ds.schema.columns[name]


def test_classes_and_captions__come_back(tmp_path: Path) -> None:
    table = sm.Categories.of(["cat", "a; b", "[x", "dog"])
    one = features.Classification(categories=table)
    many = features.Classification(categories=table, multi=True)
    ds = plain(4)
    ds = ds.with_column(
        "label", pa.DictionaryArray.from_arrays(pa.array([0, None, 1, 3], pa.int32()), table.dictionary), one
    )
    kind = pa.struct([("category", pa.string()), ("score", pa.float64())])
    rows = [
        [{"category": "cat", "score": None}, {"category": "dog", "score": None}],
        [{"category": "a; b", "score": None}],
        [{"category": "cat", "score": 0.25}],
        None,
    ]
    tags = pa.array(rows, pa.list_(kind)).cast(many.arrow)
    ds = ds.with_column("tags", tags, many)
    captions = features.Captions()
    ds = ds.with_column(
        "captions", pa.array([[{"id": 1, "caption": "a, b"}], [], None, None], captions.arrow), captions
    )
    ds.write(tmp_path / "a.xlsx", on_loss="error")
    page = openpyxl.load_workbook(tmp_path / "a.xlsx")["train"]
    assert page["E2"].value == "cat; dog"
    assert sm.read(tmp_path / "a.xlsx").digest() == ds.digest()
    ds.write(tmp_path / "a.csv", on_loss="error")
    assert sm.read(tmp_path / "a.csv").digest() == ds.digest()


def test_hostile_names__of_columns_and_classes(tmp_path: Path) -> None:
    odd = ["<r>x</r>", "=1", "ID", "id ", "bbox_x", "smalti_key", "a\nb", " ", "Image"]
    objects = [
        {"category": name, "bbox": [0, 1, 2, 3], **dict.fromkeys(odd, n)} for n, name in enumerate(odd)
    ]
    ds = sm.Dataset.from_samples([{"id": "a", "objects": objects}])
    for name in ("a.xlsx", "a.csv"):
        ds.write(tmp_path / name, on_loss="error")
        assert sm.read(tmp_path / name).digest() == ds.digest()


def test_losses__are_declared(tmp_path: Path) -> None:
    ds = sm.read(STREET).with_column("blob", pa.array([b"x"] * 12))
    report = ds.write(tmp_path / "a.xlsx", shapes="drop", on_loss="ignore")
    found = {loss.field: loss.count for loss in report.losses}
    assert found["blob"] == 12
    assert found["objects.polygons"] > 0
    back = sm.read(tmp_path / "a.xlsx")
    assert "polygons" not in back.schema.objects().members
    assert back.select(["objects"]).digest() != ds.select(["objects"]).digest()


def test_cells_that_are_too_long__are_a_loss(tmp_path: Path) -> None:
    ds = plain(3, note=pa.array(["x" * 32_768, "😀" * 16_384, "y" * 32_767]))
    report = ds.write(tmp_path / "a.xlsx", on_loss="ignore")
    (loss,) = report.losses
    assert (loss.code, loss.field, loss.count) == ("cell.too_long", "note", 2)
    assert sm.read(tmp_path / "a.xlsx").to_arrow()["note"].to_pylist() in (
        [None, "y" * 32_767, None],
        [None, None, "y" * 32_767],
    )
    ds.write(tmp_path / "a.csv", on_loss="error")
    assert sm.read(tmp_path / "a.csv").digest() == ds.digest()


def test_csv__a_schema_too_large_for_a_header(tmp_path: Path) -> None:
    names = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(2000)]
    ds = sm.Dataset.from_samples(
        [
            {
                "id": "a.jpg",
                "image": {"path": "a.jpg"},
                "objects": [{"category": names[0], "bbox": [1, 2, 3, 4]}],
            }
        ],
        categories=names,
    )
    report = ds.write(tmp_path / "a.csv", on_loss="ignore")
    assert [loss.code for loss in report.losses] == ["schema.left_out"]
    (sample,) = sm.read(tmp_path / "a.csv")
    assert sample.objects.to_list()[0]["bbox"] == {"x": 1.0, "y": 2.0, "w": 3.0, "h": 4.0}
    text = (tmp_path / "a.csv").read_text("utf-8-sig").replace(names[0], names[1])
    (tmp_path / "a.csv").write_text(text, "utf-8")
    merged = ds.update_from(tmp_path / "a.csv")
    assert [one["category"] for one in merged.dataset[0].objects.to_list()] == [names[1]]


def test_field__of_several(tmp_path: Path) -> None:
    ds = sm.read(STREET).rename({"objects": "found"})
    report = ds.write(tmp_path / "a.xlsx", field="found", on_loss="ignore")
    assert report.objects_written == 26
    assert sm.read(tmp_path / "a.xlsx").digest() == ds.digest()
    with pytest.raises(
        OptionError, match=r"field='objects': there is no such object field; there are 'found'"
    ):
        ds.write(tmp_path / "b.xlsx", field="objects")


def test_ods__is_read_and_not_written(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"found \.ods; tables are written as \.xlsx, \.csv and \.tsv"):
        plain().write(tmp_path / "a.ods")


def test_folder__gets_one_file(tmp_path: Path) -> None:
    ds = plain()
    ds.write(tmp_path / "out", format="spreadsheet")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["labels.xlsx"]
    assert sm.read(tmp_path / "out", "spreadsheet").digest() == ds.digest()


# What people do to it


def changed(tmp_path: Path, ds: sm.Dataset, change: Callable[[Any], None]) -> Path:
    path = tmp_path / "labels.xlsx"
    ds.write(path, on_loss="ignore")
    opened = openpyxl.load_workbook(path)
    change(opened)
    opened.save(path)
    return path


def test_read__a_word_that_is_no_class(tmp_path: Path) -> None:
    def change(opened: Any) -> None:
        opened["train"]["E2"] = "treee"

    path = changed(tmp_path, sm.read(STREET), change)
    with pytest.raises(
        DataError, match=r'sheet "train", cell E2: "treee" is not a category; did you mean "tree"\?'
    ):
        sm.read(path)
    ds = sm.read(path, on_error="skip")
    assert len(ds.report.errors) == 1


@pytest.mark.parametrize(
    ("header", "value", "reason"),
    [
        ("bbox_x", "wide", 'found "wide", expected a number'),
        ("bbox_x", None, "found a blank cell in a box; expected four numbers, or four blanks"),
        ("iscrowd", "maybe", 'found "maybe", expected TRUE or FALSE'),
        ("object_id", 1.5, 'found "1.5", expected a whole number'),
        ("polygons", "[[1, 2, 3]]", r'found "\[\[1, 2, 3\]\]", expected rings as JSON'),
        ("mask", "{}", 'found "{}", expected a run-length encoding as JSON'),
        ("head", "1", 'found "1", expected a keypoint as: x y visibility'),
        ("head", "1 2 3 4", "expected a keypoint as: x y visibility"),
        ("split", "test", 'found "test", and "train" at sheet "train", cell D3 for the same sample'),
    ],
)
def test_read__a_faulty_cell_is_named(tmp_path: Path, header: str, value: Any, reason: str) -> None:
    cell = ""

    def change(opened: Any) -> None:
        nonlocal cell
        page = opened["train"]
        column = next(one.column_letter for one in page[1] if one.value == header)
        cell = f"{column}4" if header == "split" else f"{column}2"
        page[cell] = value
        if header == "split":  # the first row speaks for its sample
            page["D3"] = "train"
            page["D4"] = value

    path = changed(tmp_path, sm.read(STREET), change)
    expected = reason.replace("cell D3", "cell D2")
    with pytest.raises(DataError, match=rf'sheet "train", cell {cell}: .*{expected}'):
        sm.read(path)


def test_read__an_added_column_is_left_out_and_said(tmp_path: Path) -> None:
    def change(opened: Any) -> None:
        for name in ("train", "val"):
            page = opened[name]
            page.cell(1, page.max_column + 1).value = "remark"
            page.cell(2, page.max_column).value = "look again"

    ds = sm.read(STREET)
    back = sm.read(changed(tmp_path, ds, change))
    assert back.digest() == ds.digest()
    assert [(one.code, one.example) for one in back.report.repairs] == [("column.ignored", "remark")]


def test_read__without_the_hidden_sheet_it_is_anyones_table(tmp_path: Path) -> None:
    def change(opened: Any) -> None:
        del opened["smalti"]

    back = sm.read(changed(tmp_path, sm.read(STREET), change))
    assert len(back) == 12
    assert [one.code for one in back.report.repairs if one.code == "columns.guessed"]


def test_read__a_newer_table_is_refused(tmp_path: Path) -> None:
    def change(opened: Any) -> None:
        page = opened["smalti"]
        page["A1"] = page["A1"].value.replace('"version":1', '"version":2', 1)

    with pytest.raises(DataError, match="found a table of version 2, expected 1; update smalti"):
        sm.read(changed(tmp_path, sm.read(STREET), change))


# Any dataset

_WORDS = ["cat", "a; b", "[x", "dog", " blank ", "=1", '"', "cat; dog"]
_LABEL = st.none() | st.integers(0, len(_WORDS) - 1)
_TAG = st.tuples(st.integers(0, len(_WORDS) - 1), st.none() | st.floats(0, 1))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(_LABEL, st.none() | st.lists(_TAG, max_size=3)), min_size=1, max_size=4),
    st.sampled_from(["xlsx", "csv"]),
)
def test_classes__of_any_dataset_come_back(rows: list[tuple[int | None, Any]], suffix: str) -> None:
    table = sm.Categories.of(_WORDS)
    one, many = (features.Classification(categories=table, multi=multi) for multi in (False, True))
    flat = [tag for _, tags in rows for tag in tags or ()]
    struct = pa.StructArray.from_arrays(
        [
            table.encode(np.array([tag[0] for tag in flat], np.int32)),
            pa.array([tag[1] for tag in flat], pa.float64()),
        ],
        fields=list(many.arrow.value_type),
    )
    lengths = np.array([len(tags or ()) for _, tags in rows])
    tags = list_column(struct, lengths, np.array([tags is None for _, tags in rows]))
    ds = plain(len(rows))
    ds = ds.with_column("label", table.encode(pa.array([label for label, _ in rows], pa.int32())), one)
    ds = ds.with_column("tags", tags, many)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / f"a.{suffix}"
        ds.write(place, on_loss="error")
        assert sm.read(place).digest() == ds.digest()
