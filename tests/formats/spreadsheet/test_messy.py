"""A collection of files as people make them, each with what is read, or with the message at its cell."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import smalti as sm
from smalti.errors import DataError
from smalti.formats.spreadsheet.check import check

SCRIPT = Path(__file__).with_name("messy.py")
MESSY = runpy.run_path(str(SCRIPT))
CASES = MESSY["CASES"]


def read_back(dataset: sm.Dataset) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for sample in dataset:
        if "objects" in dataset.schema.columns:
            found[sample.id] = [_told(one) for one in sample["objects"].to_list()]
        else:
            label = sample["label"]
            found[sample.id] = [one["category"] for one in label] if isinstance(label, list) else label
    return found


def _told(one: dict[str, Any]) -> tuple[Any, ...]:
    """The class with the box, or with the keypoints."""
    if "bbox" in one:
        return one.get("category"), *one["bbox"].values()
    return one["category"], *(tuple(point.values()) for point in one["keypoints"])


@pytest.fixture
def laid(tmp_path: Path) -> Any:
    """Lay a case's files out, and give the path of its table."""

    def lay(title: str) -> Path:
        shutil.copytree(MESSY["FOLDER"] / MESSY["slug"](title), tmp_path / "case")
        return tmp_path / "case" / CASES[title].name

    return lay


@pytest.mark.parametrize("title", CASES)
def test_messy__is_read_or_refused_at_its_cell(title: str, laid: Any) -> None:
    case, path = CASES[title], laid(title)
    if case.error is not None:
        with pytest.raises(DataError, match=case.error.replace("?", r"\?").replace(r"\\?", r"\?")):
            sm.read(path, format="spreadsheet", **case.options)
        return
    dataset = sm.read(path, **case.options)
    assert read_back(dataset) == case.reads
    codes = [loss.code for loss in dataset.report.repairs if loss.code != "columns.guessed"]
    assert codes == list(case.repairs)


@pytest.mark.parametrize("title", CASES)
def test_messy__check_names_the_cells(title: str, laid: Any) -> None:
    case, path = CASES[title], laid(title)
    if case.error is not None and case.error.startswith("no column"):
        with pytest.raises(DataError, match=case.error):
            check(path, **case.options)
        return
    found = check(path, **case.options)
    assert bool(found.errors) == (case.error is not None)
    assert [(one.code, one.cell) for one in found.faults if not one.grave] == list(case.warns)


def test_collection__is_what_its_script_makes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], check=True)
    folder = MESSY["FOLDER"]
    made, checked_in = (
        {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path, folder)
    )
    assert made.keys() == checked_in.keys()
    differing = [
        name
        for name, body in made.items()
        if body != checked_in[name] and not name.endswith((".jpg", ".png"))
    ]
    assert not differing  # pictures are another matter of each Pillow
    assert sum(map(len, checked_in.values())) < 200_000


def test_collection__is_large() -> None:
    assert len(CASES) >= 30
