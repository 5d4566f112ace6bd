"""Workbooks opened, edited and saved by LibreOffice itself."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa

import smalti as sm
from smalti.schema import features

ROOT = Path(__file__).parents[2]
JUDGE = ROOT / "tests" / "judges" / "libreoffice_judge.py"
PYTHON = "/usr/bin/python3"  # Debian's, which has LibreOffice's python3-uno


def edited(source: Path, target: Path, *edits: dict[str, Any]) -> Path:
    """What LibreOffice makes of a file."""
    steps = target.with_suffix(".json")
    steps.write_text(json.dumps(edits))
    done = subprocess.run(
        [PYTHON, str(JUDGE), str(source), str(target), str(steps)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


def test_opened_and_saved__every_cell_comes_back(tmp_path: Path) -> None:
    ds = sm.read(ROOT / "examples" / "street")
    odd = [
        "",
        " blanks ",
        '"quoted"',
        "line\nbreak",
        "=1+1",
        "007",
        "3-4",
        "TRUE",
        "1e5",
        "\x01",
        "ü猫👩‍🚀",
        "1,5",
    ]
    ds = ds.with_column("text", pa.array(odd[: len(ds)]), features.Text())
    ds.write(tmp_path / "labels.xlsx", on_loss="error")
    saved = edited(tmp_path / "labels.xlsx", tmp_path / "saved.xlsx")
    assert sm.read(saved).digest() == ds.digest()


def test_opened_and_saved__fifteen_digits_are_no_edit(tmp_path: Path) -> None:
    ds = sm.read(ROOT / "examples" / "street")
    ds = ds.with_column("third", pa.array([n / 3 for n in range(len(ds))]))
    ds.write(tmp_path / "labels.xlsx", on_loss="error")
    assert sm.read(tmp_path / "labels.xlsx").digest() == ds.digest()
    assert not ds.update_from(edited(tmp_path / "labels.xlsx", tmp_path / "saved.xlsx"))


def test_edited_sorted_and_merged_back(tmp_path: Path) -> None:
    store = sm.Store(tmp_path / "store")
    store.write(sm.read(ROOT / "examples" / "street"))
    store.read().write(tmp_path / "labels.xlsx", on_loss="error")
    saved = edited(
        tmp_path / "labels.xlsx",
        tmp_path / "saved.xlsx",
        {"sheet": "train", "cell": "E2", "text": "dog"},
        {"sheet": "train", "cell": "G3", "text": "12.5"},
        {"sheet": "train", "delete_row": 4},
        {"sheet": "train", "sort": "G", "descending": True},
        {"sheet": "train", "insert_column": "C"},
        {"sheet": "train", "cell": "C1", "text": "remark"},
    )
    merged = store.read().update_from(saved)
    assert sorted(str(one) for one in merged.edits) == [
        'north/0001.jpg, object 0: category: "tree" to "dog"',
        'north/0001.jpg, object 1: bbox_x: "120" to "12.5"',
    ]
    assert (merged.objects_removed, merged.objects_added) == (1, 0)
    (sample,) = merged.dataset.filter(sm.col("id") == "north/0001.jpg").load()
    assert [one["category"] for one in sample.objects.to_list()] == ["dog", "car"]
    assert store.check()


def test_saved_as_csv__merges_back(tmp_path: Path) -> None:
    store = sm.Store(tmp_path / "store")
    store.write(sm.read(ROOT / "examples" / "street"))
    store.read().write(tmp_path / "labels.csv", on_loss="error")
    saved = edited(
        tmp_path / "labels.csv", tmp_path / "saved.csv", {"sheet": "labels", "cell": "D2", "text": "dog"}
    )
    merged = store.read().update_from(saved)
    assert [str(one) for one in merged.edits] == ['north/0001.jpg, object 0: category: "tree" to "dog"']


def test_saved_as_ods__merges_back(tmp_path: Path) -> None:
    store = sm.Store(tmp_path / "store")
    store.write(sm.read(ROOT / "examples" / "street"))
    store.read().write(tmp_path / "labels.xlsx", on_loss="error", thumbnails=0)
    saved = edited(
        tmp_path / "labels.xlsx", tmp_path / "saved.ods", {"sheet": "train", "cell": "D2", "text": "dog"}
    )
    merged = store.read().update_from(saved)
    assert [str(one) for one in merged.edits] == ['north/0001.jpg, object 0: category: "tree" to "dog"']


def test_messy_workbook_saved_as_ods__is_read_alike(tmp_path: Path) -> None:
    place = ROOT / "tests" / "golden" / "messy_spreadsheets"
    for case, name in (
        ("merged-names", "a.xlsx"),
        ("header-in-two-rows", "a.xlsx"),
        ("google-sheets-as-xlsx", "Labels - Sheet1.xlsx"),
    ):
        saved = edited(place / case / name, tmp_path / f"{case}.ods")
        assert sm.read(saved).digest() == sm.read(place / case / name).digest()
