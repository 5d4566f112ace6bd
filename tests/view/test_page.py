"""The page about a dataset, in a real browser: light and dark, wide and narrow, with hostile names."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import smalti as sm
from smalti.view.picks import KEPT, Picks, fetch
from smalti.view.plots import counting

if TYPE_CHECKING:
    from collections.abc import Callable

STREET = Path(__file__).parents[2] / "examples" / "street"
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "</style><script>alert(1)</script>",
    "&lt;b&gt;",
    "\N{RIGHT-TO-LEFT OVERRIDE}evil",
    "猫" * 80,
    "w" * 300,
]


def street() -> sm.Dataset:
    return sm.read(STREET, progress=False)


@pytest.mark.xdist_group("browser")
@pytest.mark.usefixtures("plain_font")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_golden__light_and_dark(
    look: Callable[..., Any], golden: Callable[..., None], monkeypatch: pytest.MonkeyPatch, dark: bool
) -> None:
    ds = street()
    ds.report.source = "street"  # golden pictures have no folders of this machine
    monkeypatch.chdir(STREET.parent)
    ds = sm.Dataset.from_arrow(
        ds.to_arrow(), ds.schema.model_copy(update={"media_root": "street"}), ds.report
    )
    shown = look(ds.to_html(), dark=dark, width=1240, whole=True)
    shown.check()
    image = shown.picture()
    name = f"page_{'dark' if dark else 'light'}"
    golden(image.reduce(2), name, tolerance=5, worst=150, slack=6)


@pytest.mark.xdist_group("browser")
@pytest.mark.parametrize("width", [1500, 820, 380])
def test_page__any_width(look: Callable[..., Any], width: int) -> None:
    shown = look(street().to_html(title="A street"), width=width, whole=True)
    shown.check()
    text = " ".join(shown.text.split())
    for part in (
        "A street",
        "26 objects",
        "1 sample without objects",
        "Objects by class",
        "Visibility of keypoints",
        "Sizes and shapes of boxes",
        "Samples by class",
        "Rarest",
        "Densest",
        "tyre swing: in 2 samples",
    ):
        assert part in text, part


@pytest.mark.xdist_group("browser")
@pytest.mark.parametrize("width", [1240, 380])
def test_hostile__names_are_text(look: Callable[..., Any], width: int) -> None:
    sink = io.BytesIO()
    Image.new("RGB", (60, 40), (90, 120, 60)).save(sink, "PNG")
    samples = [
        {
            "id": f"{n} {name}",
            "image": {"path": name, "width": 60, "height": 40, "bytes": sink.getvalue() if n % 2 else None},
            "split": name,
            "objects": [{"category": one, "bbox": [1, 2, 30, 20], "note": name} for one in HOSTILE[: n + 1]],
            name: name,
        }
        for n, name in enumerate(HOSTILE)
    ]
    ds = sm.Dataset.from_samples(samples, categories=HOSTILE, media_root="/nowhere/<b>")
    shown = look(ds.to_html(title=HOSTILE[0]), width=width, whole=True)
    shown.check()
    assert "<script>alert(1)</script>" in shown.text
    assert "&lt;b&gt;" in shown.text
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in shown.text


def test_page__is_whole_and_the_same_every_time(tmp_path: Path) -> None:
    target = tmp_path / "street.html"
    assert street().to_html(target) is None
    html = target.read_text("utf-8")
    assert html == street().to_html()
    assert "<script" not in html
    # What stands in quotes as an address: pictures of its own, places within the page, names of XML.
    addresses = set(re.findall(r'(?:src|href)="([^"]{0,22})', html))
    assert all(a.startswith(("data:image/", "#")) for a in addresses), addresses
    assert "default-src 'none'" in html
    assert len(re.findall(r'\bid="([^"]*)"', html)) == len(set(re.findall(r'\bid="([^"]*)"', html)))


def test_page__of_a_store_is_that_of_its_samples(tmp_path: Path) -> None:
    ds = street()
    ds.write(tmp_path / "street", progress=False, media="none")
    stored = sm.read(tmp_path / "street").to_html(title="a")
    plain = sm.Dataset.from_arrow(ds.to_arrow(), ds.schema).to_html(title="a")
    pick = re.compile(r'<div class="file">(.*?)</div>')
    assert sorted(pick.findall(stored)) == sorted(pick.findall(plain))
    assert "version 1 of" in stored


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ([], "0"),
        ([{"id": "a"}], "1"),
        ([{"id": "a", "objects": []}, {"id": "b", "objects": None}], "1 sample not annotated"),
        ([{"id": "a", "objects": [{"bbox": [1, 2, 3, 4]}]}], "1"),
        ([{"id": "a", "objects": [{"category": "cat"}]}], "No pictures"),
    ],
)
def test_page__of_little(samples: list[dict[str, Any]], said: str) -> None:
    html = sm.Dataset.from_samples(samples).to_html()
    assert said in re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def test_page__options_that_are_none() -> None:
    with pytest.raises(sm.errors.OptionError, match="each=9: expected 1 to 8"):
        street().to_html(each=9)
    with pytest.raises(sm.errors.SchemaError, match="'nothing' is no object field"):
        street().to_html(field="nothing")


def many(count: int = 500, classes: int = 12) -> sm.Dataset:
    rng = np.random.default_rng(3)
    names = [f"class {n}" for n in range(classes)]
    weights = 1 / np.arange(1, classes + 1) ** 2
    samples = [
        {
            "id": f"{n:04}",
            "objects": [
                {"category": names[c], "bbox": [1, 2, 3, 4]}
                for c in rng.choice(classes, rng.integers(0, 9), p=weights / weights.sum())
            ],
        }
        for n in range(count)
    ]
    return sm.Dataset.from_samples(samples, categories=names)


def picked(ds: sm.Dataset, rows: int) -> Picks:
    picks = Picks(ds.schema)
    for batch in ds.to_batches(max_rows=rows, fields=set(picks.fields)):
        picks.add(batch)
    return picks


def test_picks__are_what_a_loop_finds() -> None:
    ds = many()
    picks = picked(ds, 64)
    held = {code: {s.id for s in ds if code in s.objects.category} for code in range(12)}
    for code, ids in held.items():
        assert picks.samples[code] == len(ids)
        found = picks.of_class(code, KEPT)
        assert len(found) == len(set(found)) == min(KEPT, len(ids))
        assert set(found) <= ids
    counts = {s.id: len(s.objects) for s in ds}
    dense = picks.densest(KEPT)
    assert [counts[one] for one in dense] == sorted(counts.values(), reverse=True)[:KEPT]
    rare = picks.rarest(KEPT)
    sizes = sorted((len(ids), code) for code, ids in held.items() if ids)
    assert rare[0][1] == sizes[0][1]
    assert rare[0][0] in held[sizes[0][1]]
    assert [len(held[code]) for _, code in rare] == sorted(len(held[code]) for _, code in rare)


def test_picks__do_not_depend_on_batches() -> None:
    ds = many()
    one, other = picked(ds, 7), picked(ds, 1000)
    for code in range(12):
        assert one.of_class(code, KEPT) == other.of_class(code, KEPT)
    assert one.densest(KEPT) == other.densest(KEPT)
    assert one.rarest(KEPT) == other.rarest(KEPT)


def test_picks__are_spread() -> None:
    """Not the first samples: they are often of one place and day."""
    ds = many(2000)
    found = picked(ds, 100).of_class(0, KEPT)
    assert max(map(int, found)) > 1000
    assert min(map(int, found)) < 1000


def test_fetch__finds_samples_anywhere(tmp_path: Path) -> None:
    ds = many(60)
    ds.write(tmp_path / "store", progress=False)
    for one in (ds, sm.read(tmp_path / "store")):
        assert {k: v.id for k, v in fetch(one, ["0003", "0059"]).items()} == {"0003": "0003", "0059": "0059"}
        assert fetch(one, []) == {}


def test_pairs__of_any_spread_are_what_a_loop_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    from smalti.view.plots import classes

    monkeypatch.setattr(classes, "PAIRS", 7)
    ds = many(80)
    pairs = classes.Pairs(ds.schema)
    counting.count(ds, [pairs])
    expected = np.zeros((12, 12), int)
    for s in ds:
        codes = np.unique(s.objects.category)
        expected[np.ix_(codes, codes)] += 1
    assert (pairs.matrix == expected).all()
