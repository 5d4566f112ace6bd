"""What notebooks show, in a real browser: light and dark, with hostile names, without scripts."""

from __future__ import annotations

import io
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import smalti as sm
from smalti.dataset import summary
from smalti.view import facts

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.xdist_group("browser")

STREET = Path(__file__).parents[2] / "examples" / "street"
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "</style><script>alert(1)</script>",
    "' style='position:fixed",
    "&lt;b&gt;",
    "\N{RIGHT-TO-LEFT OVERRIDE}evil",
    "a\nb\x00c",
    "猫" * 80,
    "w" * 300,
]

# What notebooks say of tables, pictures and code within an output, as far as it could reach ours.
NOTEBOOKS = {
    # packages/rendermime/style/base.css of JupyterLab
    "jupyter": """<style>
.nb table{border-collapse:collapse;border-spacing:0;border:none;color:#212121;font-size:12px;table-layout:fixed;
margin-left:auto;margin-bottom:1em;margin-right:auto}
.nb td,.nb th,.nb tr{vertical-align:middle;padding:0.5em;line-height:normal;white-space:normal;max-width:none;border:none}
.nb:not(.markdown) td,.nb:not(.markdown) th{text-align:right}
.nb tbody tr:nth-child(odd){background:#f5f5f5}
.nb img{max-width:100%;height:auto}
.nb code{background-color:#eee;padding:1px 5px}</style>""",
    # notebook/browser/view/renderers/backLayerWebView.ts of VS Code
    "vscode": """<style>
table,thead,tr,th,td,tbody{border:none !important;border-color:transparent;border-spacing:0;border-collapse:collapse}
table{width:100%} table,th,tr{text-align:left !important}
thead{font-weight:bold;background-color:rgba(130,130,130,0.16)} th,td{padding:4px 8px}
tr:nth-child(even){background-color:rgba(130,130,130,0.08)} tbody th{font-weight:normal}</style>""",
    # frontend/src/css of marimo, and the base of Tailwind that it builds on
    "marimo": """<style>
*,::before,::after{box-sizing:border-box;border:0 solid} html{line-height:1.5}
img,svg{display:block;vertical-align:middle} img{max-width:100%;height:auto}
table{text-indent:0;border-color:inherit;border-collapse:collapse} figure,pre,dl,p{margin:0} summary{display:list-item}
code{font-family:monospace;font-size:1em} b,strong{font-weight:bolder}</style>""",
}


# What makes tables, code and pictures look as they do.
STYLES = """() => [...document.querySelectorAll(".smalti tr, .smalti td, .smalti th, .smalti code, .smalti img")].map(
  (one) => {
    const style = getComputedStyle(one);
    const kind = ["TD", "TH"].includes(one.tagName) ? [style.textAlign, style.borderBottom, style.padding] : [];
    return [one.tagName, style.backgroundColor, style.color, style.fontSize, style.display, ...kind].join(" ");
  })"""


def street() -> sm.Dataset:
    return sm.read(STREET, progress=False)


def report() -> sm.Report:
    found = street().write("nowhere", format="yolo", task="pose", dry_run=True, on_loss="ignore")
    found.seconds, found.target = 0, "nowhere"
    return found


def stored(dataset: sm.Dataset) -> sm.Dataset:
    """Its media root is of this machine: golden pictures have none."""
    schema = dataset.schema.model_copy(update={"media_root": None})
    image = sm.features.Image(members=("path", "width", "height", "bytes"))
    schema = schema.with_columns({**schema.columns, "image": image})
    samples = [
        {
            **s.image.model_dump(include={"path", "width", "height"}),
            "bytes": (STREET / str(s.image.path)).read_bytes(),
        }
        for s in dataset
    ]
    import pyarrow as pa

    table = dataset.to_arrow()
    place = table.column_names.index("image")
    table = table.set_column(place, "image", pa.array(samples, image.arrow))
    return sm.Dataset.from_arrow(table.cast(schema.arrow), schema)


@cache
def values() -> dict[str, Any]:
    ds = stored(street())
    return {
        "categories": ds.categories,
        "dataset": ds,
        "objects": ds[0].objects,
        "report": report(),
        "sample": ds[0],
        "schema": ds.schema,
    }


@cache
def hostile() -> dict[str, Any]:
    sink = io.BytesIO()
    Image.new("RGB", (60, 40), (90, 120, 60)).save(sink, "PNG")
    samples = [
        {
            "id": f"{n} {name}",
            "image": {"path": name, "width": 60, "height": 40, "bytes": sink.getvalue() if n % 2 else None},
            "split": name,
            "objects": [
                {"category": one, "bbox": [1, 2, 30, 20], "note": name, "score": 0.5} for one in HOSTILE
            ],
            name: name,
            f"more {n}": [{"text": name}],
        }
        for n, name in enumerate(HOSTILE)
    ]
    ds = sm.Dataset.from_samples(samples, categories=HOSTILE, media_root="/nowhere/<b>")
    losses = [sm.Loss(code=name, field=name, reason=name, example=name, count=1) for name in HOSTILE]
    found = sm.Report(
        source=HOSTILE[0], source_format=HOSTILE[1], target=HOSTILE[2], target_format="x", losses=losses
    )
    found.add_errors(HOSTILE)
    return {
        "categories": ds.categories,
        "dataset": ds,
        "objects": ds[1].objects,
        "report": found,
        "sample": ds[1],
        "sample without a picture": ds[0],
        "schema": ds.schema,
    }


@pytest.mark.parametrize(
    "bad",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<div style='width:2000px'>wide</div>",
        "<div style='width:100px;white-space:nowrap'>words that are far too long for their place</div>",
        "<img src='https://example.org/a.png'>",
        "<a href='javascript:alert(1)'>x</a>",
    ],
)
def test_look__sees_what_is_wrong(look: Callable[..., Any], bad: str) -> None:
    with pytest.raises(AssertionError):
        look(bad).check()
    look("<p>fine</p>").check()


@pytest.mark.usefixtures("plain_font")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", sorted(values()))
def test_golden__light_and_dark(
    look: Callable[..., Any], golden: Callable[..., None], name: str, dark: bool
) -> None:
    shown = look(values()[name]._repr_html_(), dark=dark)
    shown.check()
    golden(
        shown.picture(".smalti"),
        f"html_{name}_{'dark' if dark else 'light'}",
        tolerance=4,
        worst=120,
        slack=4,
    )


@pytest.mark.parametrize("width", [900, 360])
@pytest.mark.parametrize("name", sorted(hostile()))
def test_hostile__names_are_text(look: Callable[..., Any], name: str, width: int) -> None:
    shown = look(hostile()[name]._repr_html_(), width=width)
    shown.page.evaluate("document.querySelectorAll('details').forEach((one) => one.open = true)")
    shown.check()
    assert "<script>alert(1)</script>" in shown.text
    assert "&lt;b&gt;" in shown.text
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in shown.text


@pytest.mark.parametrize("name", sorted(values()))
def test_narrow__nothing_hangs_out(look: Callable[..., Any], name: str) -> None:
    look(values()[name]._repr_html_(), width=320).check()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("where", sorted(NOTEBOOKS))
@pytest.mark.parametrize("name", sorted(values()))
def test_notebooks__their_style_does_not_change_ours(
    look: Callable[..., Any], name: str, where: str, dark: bool
) -> None:
    plain = look(values()[name]._repr_html_(), dark=dark).page.evaluate(STYLES)
    shown = look(f'{NOTEBOOKS[where]}<div class="nb">{values()[name]._repr_html_()}</div>', dark=dark)
    shown.check()
    assert shown.page.evaluate(STYLES) == plain


def test_untrusted__without_the_page_s_style(look: Callable[..., Any]) -> None:
    """JupyterLab takes it from notebooks that somebody else ran: colours and order stay."""
    html = re.sub("<style>.*?</style>", "", values()["dataset"]._repr_html_(), flags=re.DOTALL)
    shown = look(html)
    shown.check()
    tops = shown.page.evaluate(
        "[...document.querySelectorAll('figure')].map((f) => f.getBoundingClientRect().top)"
    )
    assert len(tops) == 8
    assert len(set(tops)) <= 3
    chips = "[...document.querySelectorAll('.smalti-chip, .smalti-bar')].map((one) => one.getBoundingClientRect().width)"
    assert min(shown.page.evaluate(chips)) >= 1
    assert "tree car person" in " ".join(shown.text.split())


def test_dataset__says_what_is_in_it(look: Callable[..., Any]) -> None:
    ds = street()
    text = look(ds._repr_html_()).text
    for part in ("12 samples, 8 train, 4 val", ds.digest()[:12], "26 objects", "8 of 12 samples are shown"):
        assert part in text
    assert re.search(r"person\s+6\s+1\s+7", text)
    assert "1 sample without any" in text
    assert len(re.findall(r"<img ", ds._repr_html_())) == 8


def test_dataset__its_schema_opens_without_a_script(look: Callable[..., Any]) -> None:
    shown = look(street()._repr_html_())
    assert "weather" not in shown.text
    shown.page.locator("summary").click()
    assert "weather" in shown.text


@pytest.mark.parametrize(
    "broken",
    [
        {"media_root": None},
        {"media_root": "/nowhere/at/all"},
        {"media_root": "s3://bucket/images"},
        {"media_root": "https://example.org/images"},
    ],
)
def test_dataset__without_pictures_says_why(look: Callable[..., Any], broken: dict[str, Any]) -> None:
    ds = street()
    ds = sm.Dataset.from_arrow(ds.to_arrow(), ds.schema.model_copy(update=broken))
    shown = look(ds._repr_html_())
    shown.check()
    assert "No thumbnails: " in shown.text
    assert "person" in shown.text
    one = look(ds[0]._repr_html_())
    one.check()
    assert "weather" in one.text


def test_dataset__one_picture_that_is_broken_leaves_the_others(tmp_path: Path) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    ds = sm.Dataset.from_samples([{"id": "good.png"}, {"id": "bad.png"}], media_root=str(tmp_path))
    html = ds._repr_html_()
    assert html.count("<img ") == 1
    assert "cannot be read as a picture" in html


@pytest.mark.parametrize(
    "samples",
    [
        [],
        [{"id": "a"}],
        [{"id": "a", "objects": []}, {"id": "b", "objects": None}],
        [{"id": "a", "objects": [{"bbox": [1, 2, 3, 4]}]}],
        [{"id": "a", "n": 1, "f": 0.5, "v": [1.0] * 50, "m": {"a": 1}, "b": b"xyz", "nothing": None}],
    ],
)
def test_any__dataset_and_sample(look: Callable[..., Any], samples: list[dict[str, Any]]) -> None:
    ds = sm.Dataset.from_samples(samples)
    for value in (ds, ds.schema, *ds, *(s.objects for s in ds if s.objects is not None)):
        look(value._repr_html_()).check()
        assert repr(value)


def test_samples__of_their_own_are_shown(look: Callable[..., Any]) -> None:
    own = sm.Sample(id="a", objects=[{"category": "cat", "bbox": [1, 2, 3, 4]}])
    shown = look(own._repr_html_())
    shown.check()
    assert "1 cat" in shown.text


def many(count: int, classes: int = 30) -> sm.Dataset:
    rng = np.random.default_rng(0)
    names = [f"class {n}" for n in range(classes)]
    samples = [
        {
            "id": f"{n:05}",
            "split": ("train", "val", "test")[n % 3],
            "objects": [
                {"category": names[c], "bbox": [1, 2, 3, 4]} for c in rng.integers(0, classes, n % 4)
            ],
        }
        for n in range(count)
    ]
    return sm.Dataset.from_samples(samples, categories=names)


def test_summary__is_what_a_loop_counts(tmp_path: Path) -> None:
    ds = many(120)
    ds.write(tmp_path / "store", progress=False)
    for one in (ds, ds[7:90], sm.read(tmp_path / "store")):
        found = one.summary()
        assert found.complete
        assert found.splits == {s: sum(1 for x in one if x.split == s) for s in found.splits}
        assert sum(found.splits.values()) == len(one)
        labels = found.labels["objects"]
        assert labels.total == sum(len(s.objects) for s in one)
        assert labels.empty == sum(1 for s in one if not len(s.objects))
        for name, splits in (labels.classes or {}).items():
            for split, count in splits.items():
                assert count == sum(s.objects.names.count(name) for s in one if s.split == split)
        assert found.digest == one.digest()


def test_summary__unknown_classes_splits_and_labels() -> None:
    samples = [
        {"id": "a", "split": None, "objects": [{"category": None, "bbox": [1, 2, 3, 4]}, {"category": "x"}]},
        {"id": "b", "split": "val", "objects": None},
    ]
    found = sm.Dataset.from_samples(samples).summary()
    assert found.splits == {None: 1, "val": 1}
    labels = found.labels["objects"]
    assert (labels.total, labels.unnamed, labels.missing, labels.empty) == (2, 1, 1, 0)
    assert labels.classes == {"x": {None: 1, "val": 0}}


def test_summary__of_a_large_store_is_of_some_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: Callable[..., Any]
) -> None:
    for part in range(5):
        piece = many(500)[part * 100 : part * 100 + 100]
        if part:
            sm.Store(tmp_path / "store").append(piece)
        else:
            piece.write(tmp_path / "store", progress=False)
    monkeypatch.setattr(summary, "COUNTED", 200)
    ds = sm.read(tmp_path / "store")
    found = ds.summary()
    assert (found.samples, found.counted, found.complete) == (500, 200, False)
    for text in (repr(ds), look(ds._repr_html_()).text):
        assert "500 samples of version 5" in text
        assert re.search("(?i)counted in 200 of 500 samples", text)
    assert ds.load().summary().complete


def test_summary__of_a_condition_reads_nothing(tmp_path: Path, look: Callable[..., Any]) -> None:
    many(60).write(tmp_path / "store", progress=False)
    some = sm.read(tmp_path / "store").filter(sm.col("split") == "val")
    assert some.summary().counted == 0
    for text in (repr(some), look(some._repr_html_()).text):
        assert "some of 60 samples" in text
        assert "not counted: summary(complete=True) reads it" in text


def test_dataset__many_classes_are_summed_up(look: Callable[..., Any]) -> None:
    ds = many(400)
    text = look(ds._repr_html_()).text
    assert f"{30 - facts.CLASSES} more classes" in text
    assert text.count("class ") < 30


def test_dataset__decodes_no_more_than_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    samples = [{"id": f"{n}", "image": {"path": "a.png", "width": 30, "height": 20}} for n in range(100)]
    ds = sm.Dataset.from_samples(samples, media_root=str(tmp_path))
    opened = []
    original = Image.open
    monkeypatch.setattr(Image, "open", lambda *given: (opened.append(1), original(*given))[1])
    ds._repr_html_()
    assert len(opened) == 8


def test_repr__schema_says_what_its_html_says() -> None:
    ds = street()
    text = repr(ds.schema)
    for part in (
        "Schema(7 columns)",
        "objects: objects, 7 classes: id, category",
        "splits: train, val",
        "weather",
    ):
        assert part in text


def test_store__whose_files_are_gone_is_still_shown(tmp_path: Path, look: Callable[..., Any]) -> None:
    many(20).write(tmp_path / "store", progress=False)
    ds = sm.read(tmp_path / "store")
    for file in (tmp_path / "store" / "data").iterdir():
        file.unlink()
    assert "20 samples of version 1" in repr(ds)
    shown = look(ds._repr_html_())
    shown.check()
    assert "20 samples of version 1" in shown.text
    assert "No samples: " in shown.text
