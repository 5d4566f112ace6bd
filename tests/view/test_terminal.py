"""What terminals show: the same facts as notebooks, names as text, pictures where there are colours."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

import smalti as sm
from smalti.view.terminal import Strip, bar, blocks

STREET = Path(__file__).parents[2] / "examples" / "street"
HOSTILE = ["[bold]x[/bold]", "[/]", "\x1b[2Jgone", "a\nb\x00c", "\N{RIGHT-TO-LEFT OVERRIDE}evil", "猫" * 80]


def street() -> sm.Dataset:
    return sm.read(STREET, progress=False)


def printed(value: Any, *, colours: bool = False, width: int = 120) -> str:
    sink = io.StringIO()
    options: dict[str, Any] = {"force_terminal": True, "color_system": "truecolor"} if colours else {}
    Console(file=sink, width=width, **options).print(value)
    return sink.getvalue()


def test_dataset__says_what_html_says() -> None:
    ds = street()
    text = printed(ds)
    for part in (
        "12 samples, 8 train, 4 val",
        ds.digest()[:12],
        "26 objects; 1 sample without any",
        "weather",
    ):
        assert part in text
    (row,) = [line for line in text.splitlines() if "person" in line]
    assert row.split()[:5] == ["■", "person", "6", "1", "7"]
    (none,) = [line for line in text.splitlines() if "truck" in line]
    assert "▏" not in none
    assert "█" not in none
    assert "\x1b" not in text


def test_values__each_has_its_form() -> None:
    ds = street()
    sample = ds[0]
    assert "person" in printed(ds.categories)
    assert "left_hand" in printed(ds.categories)
    assert "7 columns" in printed(ds.schema)
    assert "149.7, 75.5" in printed(sample.objects)
    text = printed(sample, width=220)
    for part in ("north/0001.jpg · train · 400 x 300", "light day", "2 rings, 30 points"):
        assert part in " ".join(text.split()), part


def test_pictures__only_where_there_are_colours() -> None:
    ds = street()
    assert "▀" not in printed(ds[0])
    assert "▀" not in printed(Strip(ds.glance(2)))
    assert printed(ds[0], colours=True).count("▀") == 84 * round(300 * 84 / 400 / 2)
    assert printed(ds[0], colours=True, width=60).count("▀") == 60 * round(300 * 60 / 400 / 2)
    assert "▀" in printed(Strip(ds.glance(2)), colours=True)


def test_pictures__why_they_are_not_there() -> None:
    ds = street()
    ds = sm.Dataset.from_arrow(ds.to_arrow(), ds.schema.model_copy(update={"media_root": "/nowhere"}))
    assert "no picture: " in printed(ds[0], colours=True)


def test_blocks__are_the_pixels() -> None:
    image = Image.new("RGB", (4, 4), (255, 0, 0))
    image.paste((0, 0, 255), (0, 2, 4, 4))
    cells = [segment for segment in blocks(image, 2) if segment.text == "▀"]
    assert len(cells) == 2
    for cell in cells:
        assert cell.style is not None
        assert cell.style.color is not None
        assert cell.style.bgcolor is not None
        assert tuple(cell.style.color.triplet or ()) > (200, 0, 0)
        assert (cell.style.bgcolor.triplet or (0, 0, 0))[2] > 200


def test_bars__are_shares() -> None:
    assert bar(0, (0, 0, 0)).plain == ""
    assert bar(1e-9, (0, 0, 0)).plain == "▏"
    assert bar(1, (0, 0, 0)).plain == "█" * 24
    assert bar(0.5, (0, 0, 0)).plain == "█" * 12


@pytest.mark.parametrize("colours", [False, True])
def test_hostile__names_are_text(colours: bool) -> None:
    samples = [
        {
            "id": f"{n} {name}",
            "split": name,
            "objects": [{"category": c, "bbox": [1, 2, 3, 4]} for c in HOSTILE],
        }
        for n, name in enumerate(HOSTILE)
    ]
    ds = sm.Dataset.from_samples(samples, categories=HOSTILE)
    for value in (ds, ds[0], ds[0].objects, ds.categories, ds.schema, Strip(list(ds))):
        text = printed(value, colours=colours, width=400)
        assert "\x1b[2J" not in text
        assert "\x00" not in text
        assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in text
        if value is not ds.schema:
            assert "[bold]x[/bold]" in text
