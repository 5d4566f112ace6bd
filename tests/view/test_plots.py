"""The plots as figures: what stands on them, in any state of a dataset."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from defusedxml import ElementTree
from PIL import Image

import smalti as sm
from smalti.schema import features
from smalti.view.plots import style
from smalti.view.plots.plots import NAMES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STREET = Path(__file__).parents[2] / "examples" / "street"
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "<script>alert(1)</script>",
    r"$\frac{1}{0}$",
    "a\nb\x00c",
    "\\$5$",
    "]]> -- <!--",
    "&amp;",
    "\N{RIGHT-TO-LEFT OVERRIDE}evil",
    'id="x" url(#y) #1f2329',
    "猫" * 60,
]
PLAIN = ("boxes", "centres", "classes", "cooccurrence", "images", "objects")


def street() -> sm.Dataset:
    return sm.read(STREET, progress=False)


def hostile() -> sm.Dataset:
    rng = np.random.default_rng(0)
    samples = [
        {
            "id": str(n),
            "image": {"width": 90, "height": 60},
            "split": HOSTILE[n % 3],
            "objects": [
                {"category": HOSTILE[c], "bbox": [1, 2, 30, 20]} for c in rng.permutation(9)[: n % 9 + 1]
            ],
        }
        for n in range(40)
    ]
    return sm.Dataset.from_samples(samples, categories=HOSTILE)


def tracked(videos: int = 2) -> sm.Dataset:
    lives = {1: range(10), 2: [0, 1, 2, 7, 8], 3: [5]}
    samples = [
        {
            "id": f"v{video}/{frame:03}",
            "video": f"v{video}",
            "frame": frame,
            "objects": [
                {"category": "car" if track < 3 else "bus", "bbox": [1, 2, 3, 4], "track_id": track}
                for track, frames in lives.items()
                if frame in frames and track > video
            ],
        }
        for video in range(videos)
        for frame in range(10)
    ]
    ds = sm.Dataset.from_samples(samples)
    known = {**ds.schema.columns, "video": features.Video(), "frame": features.Frame()}
    return sm.Dataset.from_arrow(ds.to_arrow(), ds.schema.with_columns(known))


def texts(figure: Figure) -> str:
    """All that is written on a figure."""
    markup = style.render(figure, "svg", text=True)
    tree = ElementTree.fromstring(markup)
    return "\n".join("".join(node.itertext()) for node in tree.iter(f"{SVG}text"))


def draw(dataset: sm.Dataset, name: str, **options: Any) -> Figure:
    return getattr(dataset.plot, name)(**options)


@pytest.mark.parametrize("name", [*PLAIN, "keypoints", "losses"])
def test_plots__are_matplotlib_figures_without_pyplot(name: str) -> None:
    from matplotlib.figure import Figure

    figure = draw(street(), name)
    assert isinstance(figure, Figure)
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_plots__leave_matplotlib_alone() -> None:
    """No pyplot, no change to anybody's settings; whatever these are, plots look the same."""
    script = (
        "import sys, matplotlib, smalti as sm\n"
        "ds = sm.read(sys.argv[1], progress=False)\n"
        "first = ds.plot.classes()._repr_png_()\n"
        "matplotlib.rcParams.update({'axes.facecolor': 'black', 'font.size': 30, 'axes.grid': True})\n"
        "now = lambda: {k: matplotlib.rcParams[k] for k in matplotlib.rcParams if k != 'backend'}\n"
        "before = now()\n"
        "second = ds.plot.classes()._repr_png_()\n"
        "assert first == second\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert now() == before\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, STREET], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", PLAIN)
def test_plots__same_data_same_bytes(name: str, tmp_path: Path) -> None:
    for suffix in ("svg", "png"):
        one, other = tmp_path / f"one.{suffix}", tmp_path / f"other.{suffix}"
        style.save(draw(street(), name), str(one))
        style.save(draw(street(), name), str(other))
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("name", PLAIN)
def test_plots__of_nothing_say_so(name: str) -> None:
    empty = street()[:0]
    assert re.search(r"\bno\b|fewer", texts(draw(empty, name)))
    assert style.render(draw(empty, name), "png")
    unlabelled = street().filter_objects(sm.col("area") < 0)
    assert style.render(draw(unlabelled, name), "png")


@pytest.mark.parametrize("name", PLAIN)
def test_plots__names_from_the_data_are_text(name: str) -> None:
    figure = draw(hostile(), name)
    said = texts(figure)  # the drawing is sound XML
    for kind in ("svg", "png"):
        assert style.render(figure, kind)
    if name == "classes":
        for word in (
            "<script>alert(1)</script>",
            r"$\frac{1}{0}$",
            "\\$5$",
            "a�b�c",
            "&amp;",
            "]]> -- <!--",
            "�evil",
        ):
            assert word in said
    if name in {"classes", "cooccurrence"}:
        assert max(map(len, said.splitlines())) < 70, "long names are cut"


def test_inline__touches_tags_alone() -> None:
    markup = style.inline_svg(draw(hostile(), "classes"), "p1")
    tree = ElementTree.fromstring(markup.replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1)
                                  if "xmlns:xlink" not in markup else markup)  # fmt: skip
    said = ["".join(node.itertext()) for node in tree.iter(f"{SVG}text")]
    assert 'id="x" url(#y) #1f2329' in said
    assert "<script" not in markup
    assert "<!--" not in markup
    ids = re.findall(r'\bid="([^"]*)"', re.sub(r">[^<]*<", "><", markup))
    assert ids
    assert all(name.startswith("p1-") for name in ids)
    assert set(re.findall(r"url\(#([^)]*)\)", re.sub(r">[^<]*<", "><", markup))) <= set(ids)
    assert "var(--ink)" in markup
    assert style.INK not in re.sub(r">[^<]*<", "><", markup)


def test_classes__by_split() -> None:
    said = texts(street().plot.classes())
    assert "26 objects of 7 classes, 1 unused" in said
    assert {"train", "val", "person", "truck"} <= set(said.splitlines())
    said = texts(street().plot.classes(by="samples", top=2))
    assert "Samples by class" in said
    assert "5 more classes" in said


def test_classes__bars_and_dots() -> None:
    few, many = (
        sm.Dataset.from_samples(
            [
                {"id": str(n), "objects": [{"category": "a"}] * 40 + [{"category": "b"}] * (n == 0)}
                for n in range(count)
            ]
        )
        for count in (1, 30)
    )
    assert few.plot.classes().axes[0].get_xscale() == "linear"
    assert few.plot.classes(log=True).axes[0].get_xscale() == "log"
    assert many.plot.classes().axes[0].get_xscale() == "log"
    assert many.plot.classes(log=False).axes[0].get_xscale() == "linear"


def test_classes__eighty_are_all_named() -> None:
    names = [f"thing {n}" for n in range(80)]
    ds = sm.Dataset.from_samples([{"id": "a", "objects": [{"category": name} for name in names]}])
    assert set(names) <= set(texts(ds.plot.classes()).splitlines())


def test_classes__of_samples() -> None:
    labels = sm.Dataset.from_samples([{"id": str(n), "label": "cat" if n % 3 else "dog"} for n in range(9)])
    feature = features.Classification(categories=sm.Categories.of(["cat", "dog"]))
    table = labels.to_arrow()
    column = table["label"].combine_chunks().dictionary_encode()
    known = labels.schema.with_columns({**labels.schema.columns, "label": feature})
    ds = sm.Dataset.from_arrow(
        table.set_column(table.schema.names.index("label"), "label", column.cast(feature.arrow)), known
    )
    assert "9 samples of 2 classes" in texts(ds.plot.classes())


def test_tracks__lives_and_lengths() -> None:
    said = texts(tracked().plot.tracks())
    assert "3 tracks in v0; of 2 videos the one with most tracks" in said
    assert "5 tracks: median 9 frames, 10 at most; 2 not seen on every frame" in said
    assert "2 tracks in v1" in texts(tracked().plot.tracks(video="v1"))
    with pytest.raises(sm.errors.SchemaError, match="no video 'v9'"):
        tracked().plot.tracks(video="v9")
    with pytest.raises(sm.errors.SchemaError, match="has no tracks"):
        street().plot.tracks()


def test_losses__of_a_reading_and_a_conversion(tmp_path: Path) -> None:
    assert "nothing: all of it was sound" in texts(street().plot.losses())
    report = sm.convert(
        STREET, tmp_path / "y", to="yolo", task="detect", dry_run=True, on_loss="ignore", progress=False
    )
    said = texts(street().plot.losses(report))
    assert "1  crowd.skipped" in said
    assert "26 objects read, 25 would be written" in said
    with pytest.raises(sm.errors.OptionError, match="was not read from files"):
        sm.Dataset.from_samples([]).plot.losses()


def test_save__needs_a_suffix_that_it_knows(tmp_path: Path) -> None:
    with pytest.raises(sm.errors.OptionError, match=r"written as \.png or \.svg"):
        style.save(street().plot.images(), str(tmp_path / "a.pdf"))
    style.save(street().plot.images(), str(tmp_path / "a.PNG"))
    with Image.open(tmp_path / "a.PNG") as picture:
        assert picture.format == "PNG"


def test_fields__what_a_plot_needs_is_named() -> None:
    bare = sm.Dataset.from_samples([{"id": "a"}])
    with pytest.raises(sm.errors.SchemaError, match="no column has them"):
        bare.plot.boxes()
    with pytest.raises(
        sm.errors.SchemaError, match="'objects' has no keypoints; its objects have 'category'"
    ):
        sm.Dataset.from_samples([{"id": "a", "objects": [{"category": "b"}]}]).plot.keypoints()
    with pytest.raises(sm.errors.SchemaError, match="'nothing' is no object field"):
        street().plot.boxes("nothing")


def test_missing_extra__is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "smalti.view.plots.figure", raising=False)
    with pytest.raises(sm.errors.MissingExtraError, match=r"pip install 'smalti\[plot\]'"):
        street().plot.classes()


def test_plots__are_listed() -> None:
    assert repr(street().plot) == f"Plots({', '.join(NAMES)})"
    assert set(NAMES) <= set(dir(street().plot))
