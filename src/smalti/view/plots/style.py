"""The look of plots: colours that colour-blind eyes tell apart, few lines, text that is text.

matplotlib's object interface alone is used, never pyplot's global state
(https://matplotlib.org/stable/users/explain/figure/api_interfaces.html). Figures are drawn with settings of their
own, whatever the user's are, and the same data give the same bytes.
"""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from contextlib import contextmanager
from functools import cache, wraps
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal, ParamSpec

from smalti._extras import require
from smalti.errors import OptionError
from smalti.storage.location import Location
from smalti.storage.staging import staged_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

P = ParamSpec("P")
INK = "#1f2329"
MUTED = "#69707a"
GRID = "#e2e4e8"
PAPER = "#fefefe"
# Okabe and Ito (https://jfly.uni-koeln.de/color/), in the order of charts: blue and orange first.
SERIES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#b8a900", "#8c8c8c")
HEAT = "#1668ab"  # of maps: from nothing to this one blue, which is right on light and on dark paper
LETTERS = 12  # of the panels' text that an inch holds
LOG_FROM = 50  # times that the largest exceeds the smallest, from where a scale is logarithmic
# matplotlib brings DejaVu, which has no letters of East Asia; these do, where they are installed.
FONTS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "WenQuanYi Zen Hei", "PingFang SC",
         "Hiragino Sans", "Microsoft YaHei", "Malgun Gothic", "Arial Unicode MS")  # fmt: skip
SETTINGS: dict[str, Any] = {
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.grid": False,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": MUTED,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "figure.dpi": 100,
    "figure.facecolor": PAPER,
    "font.size": 9,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "legend.labelcolor": INK,
    "savefig.facecolor": PAPER,
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.color": MUTED,
    "ytick.labelsize": 8.5,
}


@contextmanager
def settings(**more: Any) -> Iterator[None]:
    """Matplotlib's defaults with ours on top, for as long as something is drawn."""
    matplotlib = require("matplotlib", "plot")
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**SETTINGS, "font.family": ["DejaVu Sans", *_fonts()], **more})
        yield


@cache
def _fonts() -> tuple[str, ...]:
    from matplotlib.font_manager import fontManager

    there = set(fontManager.get_font_names())
    return tuple(name for name in FONTS if name in there)


def drawing(function: Callable[P, Figure]) -> Callable[P, Figure]:
    """Let a function draw with our settings.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """

    @wraps(function)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with settings():
            return function(*args, **kwargs)

    return drawn


def heat() -> Colormap:
    """The colours of maps: what is not there lets the paper through."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    rgb = to_rgb(HEAT)
    return LinearSegmentedColormap.from_list("heat", [(*rgb, 0.06), (*rgb, 1.0)])


def figure(
    title: str, size: tuple[float, float] = (8.0, 4.5), panels: tuple[int, int] = (1, 1), **grid: Any
) -> tuple[Figure, list[Axes]]:
    """A figure with a title and its panels, row by row.

    Args:
        title: What it shows.
        size: Width and height in inches.
        panels: Rows and columns.
        **grid: Further arguments of ``Figure.subplots``.
    """
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    from smalti.view.plots.figure import Plot

    drawn = Plot(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1))
    drawn.suptitle(title, x=0.015, ha="left", fontsize=12, fontweight="bold", color=INK)
    axes = drawn.subplots(*panels, squeeze=False, **grid).ravel().tolist()
    for ax in axes:
        ax.set_axisbelow(True)
    return drawn, axes


def nothing(title: str, why: str) -> Figure:
    """The figure that says that there is nothing to show."""
    drawn, (ax,) = figure(title, (8.0, 2.0))
    ax.set_axis_off()
    ax.text(0.5, 0.5, why, ha="center", va="center", color=MUTED, fontsize=10)
    drawn.empty = True  # type: ignore[attr-defined]  # it is a Plot
    return drawn


def label(text: str | None, length: int = 28, none: str = "none") -> str:
    """A name from the data as text that matplotlib shows as it is: no formulas, no control characters.

    Long ones lose their middle: what comes last often tells them apart.
    """
    plain = none if text is None else "".join(c if _shows(c) else "�" for c in text)
    if wide(plain) > length:
        length = length * len(plain) // wide(plain)
        tail = length // 3
        plain = f"{plain[: length - tail - 1]}…{plain[-tail:]}"
    return plain.replace("$", r"\$")


def _shows(letter: str) -> bool:
    """Whether it is no control character, surrogate or mark of direction; the joiners of scripts are none."""
    return unicodedata.category(letter)[0] != "C" or letter in "\u200c\u200d"


def wide(text: str) -> int:
    """How many letters of Latin a text is as wide as."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def number(value: float) -> str:
    """A count as people write it: 860,001."""
    return f"{value:,.0f}"


def many(count: int, one: str, more: str = "") -> str:
    """A count and what is counted: 1 box, 2 boxes."""
    return f"{number(count)} {one if count == 1 else more or one + 's'}"


def brief(value: float, _: object = None) -> str:
    """A count as an axis has it: 20k, 1.5M."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{value:.3g}"


def counts_axis(
    ax: Axes, which: Literal["x", "y"], values: Sequence[float], *, log: bool | None = None
) -> bool:
    """Make an axis one of counts; gives whether it is logarithmic.

    Args:
        ax: The panel.
        which: Its axis.
        values: What is drawn along it.
        log: Null: where the largest exceeds the smallest many times.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    axis = ax.xaxis if which == "x" else ax.yaxis
    some = [value for value in values if value > 0]
    wide = bool(some) and (max(some) > LOG_FROM * min(some) if log is None else log)
    if wide:
        ax.set(**{f"{which}scale": "log"})
        steps = (1, 2, 5) if max(some) < 200 * min(some) else (1,)
        axis.set_major_locator(LogLocator(subs=steps, numticks=12))
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(MaxNLocator(6, integer=True))
    axis.set_major_formatter(FuncFormatter(brief))
    ax.grid(visible=True, axis=which)
    ax.tick_params(axis=which, length=0, which="both")
    return wide


def names_axis(ax: Axes, names: Sequence[str]) -> None:
    """Names down the left side, the first at the top."""
    size = 8.5 if len(names) <= 50 else 7.0
    ax.set_yticks(range(len(names)), names, fontsize=size, color=INK)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def facts(ax: Axes, *parts: str, inches: float = 8.0) -> None:
    """What a panel says in numbers, above it and as wide; empty parts are left out."""
    ax.set_title(
        "\n".join(wrap("; ".join(part for part in parts if part), int(inches * LETTERS))), loc="left"
    )


def legend(ax: Axes, columns: int = 4) -> None:
    """What the colours mean, above the panel at its right; below its facts where both are too long for one line."""
    handles, names = ax.get_legend_handles_labels()
    columns = min(columns, len(names))
    if handles:
        said = ax.get_title(loc="left")
        letters = max(map(wide, said.split("\n"))) + columns * (max(map(wide, names)) + 4)
        if letters > 6 * LETTERS or len(names) > columns:
            ax.set_title(said, loc="left", pad=10 + 15 * -(-len(names) // columns))
        ax.legend(
            handles, names, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=columns,
            borderaxespad=0.2, handlelength=0.9, handleheight=0.9, columnspacing=1.2, handletextpad=0.4,
        )  # fmt: skip


def render(drawn: Figure, kind: str, *, text: bool = False) -> bytes:
    """A figure as PNG or SVG; the same figure gives the same bytes.

    Args:
        drawn: The figure.
        kind: ``png`` or ``svg``.
        text: Whether an SVG has its words as text, not as outlines: they can be searched, and the reader's fonts
            draw them.
    """
    out = io.BytesIO()
    extra: dict[str, Any] = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    fonts = {"svg.fonttype": "none" if text else "path", "svg.hashsalt": "smalti"}
    with settings(**fonts), warnings.catch_warnings():
        # A class name may have letters that no font here has; they are drawn as boxes.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        drawn.savefig(out, format=kind, dpi=150, metadata=extra)
    # A DTD somewhere in the internet is nothing that a drawing needs.
    return re.sub(rb"<!DOCTYPE[^>]*>\s*", b"", out.getvalue(), count=1) if kind == "svg" else out.getvalue()


def save(drawn: Figure, target: str) -> None:
    """Write a figure to a PNG or SVG file.

    Args:
        drawn: The figure.
        target: A path or fsspec URL; its suffix tells the format.

    Raises:
        OptionError: The suffix is neither ``.png`` nor ``.svg``.
    """
    place = Location.parse(target)
    kind = place.suffix[1:].lower()
    if kind not in {"png", "svg"}:
        raise OptionError(f"a plot is written as .png or .svg, not {target!r}")
    data = render(drawn, kind)
    with staged_file(place, overwrite=True) as stage, stage.open("wb") as file:
        file.write(data)


def inline_svg(drawn: Figure, prefix: str) -> str:
    """A figure as an ``<svg>`` element of a page, whose colours follow the page's light or dark.

    Args:
        drawn: The figure.
        prefix: What its ids begin with: they are unique in a page then.
    """
    markup = render(drawn, "svg", text=True).decode()
    body = markup[markup.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)

    def adapted(tag: re.Match[str]) -> str:
        """A tag with its own ids and the page's colours; what stands between tags is left alone."""
        found = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", tag[0])
        for colour, name in ((INK, "ink"), (MUTED, "muted"), (GRID, "grid"), (PAPER, "paper")):
            found = found.replace(colour, f"var(--{name})")
        return found

    return re.sub(r"<[^<>]*>", adapted, body)
