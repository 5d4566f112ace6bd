from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any
from xml.sax import handler

import pytest
from defusedxml import sax
from PIL import Image

from smalti import cli
from smalti.cli.plot import PLOTS
from smalti.view.plots import plots

STREET = Path(__file__).parents[2] / "examples" / "street"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command in this process: its exit code, what it printed, and what it complained."""

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["smalti", *map(str, words)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        out, err = capsys.readouterr()
        return int(exit_.value.code or 0), out, err

    return call


def words(path: Path) -> set[str]:
    """The comments of an SVG file, which say what its outlines spell."""
    body = path.read_text("utf-8")
    sax.parseString(body.encode(), handler.ContentHandler())  # it is sound
    return {found.strip() for found in re.findall(r"<!-- (.*?) -->", body)}


def test_plot__names_are_those_of_python() -> None:
    assert tuple(sorted(PLOTS)) == plots.NAMES


def test_plot__writes_svg(run: Any, tmp_path: Path) -> None:
    target = tmp_path / "classes.svg"
    assert run("plot", "classes", STREET, target, "--by", "samples", "--top", 2) == (
        0,
        f"wrote {target}\n",
        "",
    )
    assert {"Samples by class", "person", "5 more classes"} <= words(target)


def test_plot__writes_png(run: Any, tmp_path: Path) -> None:
    code, _, err = run("plot", "objects", STREET, tmp_path / "o.png", "--format", "coco")
    assert (code, err) == (0, "")
    with Image.open(tmp_path / "o.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 800


def test_plot__losses_of_a_conversion(run: Any, tmp_path: Path) -> None:
    target = tmp_path / "losses.svg"
    code, _, err = run("plot", "losses", STREET, target, "--to", "yolo", "--task", "detect")
    assert (code, err) == (0, "")
    assert {"What does not come through: coco to yolo", "1  crowd.skipped"} <= words(target)
    assert list(tmp_path.iterdir()) == [target]


def test_plot__refusals(run: Any, tmp_path: Path) -> None:
    assert run("plot", "roses", STREET, tmp_path / "a.svg")[0] == 2
    for arguments, complaint in (
        (("classes", STREET, tmp_path / "a.pdf"), "written as .png or .svg"),
        (("boxes", STREET, tmp_path / "a.svg", "--top", 3), "--top does not go with boxes"),
        (("boxes", STREET, tmp_path / "a.svg", "--to", "yolo"), "--to goes with losses"),
    ):
        code, _, err = run("plot", *arguments)
        assert (code, complaint in err) == (2, True), err
    code, _, err = run("plot", "tracks", STREET, tmp_path / "a.svg")
    assert code == 1
    assert "'objects' has no tracks" in err
    assert list(tmp_path.iterdir()) == []


def test_report__writes_one_page(run: Any, tmp_path: Path) -> None:
    target = tmp_path / "street.html"
    assert run("report", STREET, target, "--title", "A street", "--classes", 2) == (
        0,
        f"wrote {target}\n",
        "",
    )
    html = target.read_text("utf-8")
    assert "<title>A street</title>" in html
    assert html.count('class="row"') == 2
    code, _, err = run("report", STREET, tmp_path / "street.pdf")
    assert (code, "written as *.html" in err) == (2, True)
    assert list(tmp_path.iterdir()) == [target]


def test_show__some_or_one(run: Any, tmp_path: Path) -> None:
    code, out, err = run("show", STREET, "-n", 3)
    assert (code, err) == (0, "")
    assert "train/north/0001.jpg" in out
    assert out.count("weather") == 3
    _, out, _ = run("show", STREET, "--split", "val")
    assert "val/" in out
    assert "train/" not in out
    _, out, _ = run("show", STREET, "north/0001.jpg")
    assert "Sample north/0001.jpg" in out
    assert "149.7" in out
    sheet, one = tmp_path / "sheet.png", tmp_path / "one.jpg"
    assert run("show", STREET, "--split", "val", "--picture", sheet) == (0, f"drew {sheet}\n", "")
    assert run("show", STREET, "north/0001.jpg", "--picture", one)[0] == 0
    with Image.open(sheet) as picture, Image.open(one) as drawn:
        assert picture.width > 1000
        assert drawn.size == (400, 300)


def test_show__refusals(run: Any) -> None:
    for words_, code, complaint in (
        (("nothing.jpg",), 1, "has no sample 'nothing.jpg'"),
        (("--split", "test"), 1, "has no sample of split 'test'"),
        (("-n", "0"), 2, "at least one"),
        (("--field", "labels", "--picture", "a.png"), 1, "'labels' is no field"),
    ):
        found, _, err = run("show", STREET, *words_)
        assert (found, complaint in err) == (code, True), err
