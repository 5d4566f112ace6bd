"""HTML that is safe by construction: whatever is not made by `tag` is text, and is escaped.

There is no script and no address. Colours of text and ground are those of the notebook, so that light and dark are
right wherever it is shown.
"""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING

from smalti.view.palette import colour
from smalti.view.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from PIL.Image import Image

    from smalti.view.palette import Colour

LONGEST = 120  # characters of one value
SHORT = 24  # characters of a name that is not broken
VOID = {"img", "br"}

# JupyterLab takes the styles of a page from notebooks that it does not trust yet, but not those of single elements:
# what would be lost with them stands there.
CHIP = "display:inline-block;width:10px;height:10px;margin-right:6px"
BAR = "display:inline-block;height:9px"
FIGURE = "display:inline-block;width:164px;margin:0 10px 10px 0;vertical-align:top"
PAIR = "display:flex"

STYLE = """
.smalti{font-size:13px;line-height:1.45;overflow-wrap:anywhere;text-align:left;font-variant-numeric:tabular-nums}
.smalti *{box-sizing:border-box}
.smalti-title{font-size:15px}
.smalti-dim{opacity:.72}
.smalti-part{margin-top:10px}
.smalti-wide{overflow-x:auto;max-width:100%}
.smalti table.smalti-t{color:inherit;border-collapse:collapse;border:0;margin:4px 0;width:auto;font-size:12px;display:table}
.smalti table.smalti-t tr,.smalti table.smalti-t thead{background:transparent!important;border:0}
.smalti table.smalti-t th,.smalti table.smalti-t td{padding:2px 14px 2px 0!important;text-align:left!important;
vertical-align:top;border:0;overflow-wrap:break-word;border-bottom:1px solid rgba(128,128,128,.28)!important;background:transparent!important;
color:inherit;white-space:normal;max-width:460px}
.smalti table.smalti-t th{font-weight:600;opacity:.72;white-space:nowrap}
.smalti table.smalti-t code{white-space:nowrap}
.smalti table.smalti-t .smalti-n{text-align:right!important;white-space:nowrap}
.smalti-bar{display:inline-block;height:9px;border-radius:2px;vertical-align:middle;min-width:1px}
.smalti-rail{width:130px;min-width:60px}
.smalti-chip{display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:6px;
border:1px solid rgba(128,128,128,.6);vertical-align:-1px}
.smalti-pieces span.smalti-piece{display:inline-block;margin-right:8px}
.smalti-class{white-space:nowrap}
.smalti-strip{display:flex;flex-wrap:wrap;gap:10px;margin-top:8px}
.smalti-strip figure{margin:0!important;width:164px}
.smalti-strip+.smalti-dim{margin-top:6px}
.smalti-strip figcaption{font-size:11px;line-height:1.35;margin-top:2px;max-height:4.1em;overflow:hidden;
text-align:left;font-style:normal}
.smalti-strip img,.smalti-one img{display:block;max-width:100%;height:auto;margin:0;border-radius:2px}
.smalti-gone{display:flex;align-items:center;justify-content:center;width:164px;height:110px;padding:6px;font-size:11px;
text-align:center;overflow:hidden;border:1px dashed rgba(128,128,128,.6);border-radius:2px;opacity:.8}
.smalti-pair{display:flex;flex-wrap:wrap;gap:16px;margin-top:8px;align-items:flex-start}
.smalti-one{flex:0 1 auto;max-width:100%}
.smalti-side{flex:1 1 280px;min-width:0}
.smalti summary{cursor:pointer}
.smalti code{font-size:12px;background:transparent;color:inherit;padding:0}
""".replace("\n", "")


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, *children: object, **attributes: str) -> Html:
    """An element. Children that are not `Html` are text; ``class_`` is the attribute ``class``."""
    head = "".join(
        f' {key.strip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items()
    )
    if name in VOID:
        return Html(f"<{name}{head}>")
    return Html(f"<{name}{head}>{joined(children)}</{name}>")


def joined(children: Iterable[object]) -> Html:
    """Pieces one after the other."""
    return Html("".join(child if isinstance(child, Html) else escape(str(child)) for child in children))


def whole(*children: object) -> Html:
    """What a notebook gets."""
    return tag("div", tag("style", Html(STYLE)), *children, class_="smalti")


def title(kind: str, words: str) -> Html:
    """The first line: what it is, and how much of it."""
    return tag("div", tag("strong", kind), f" {words}", class_="smalti-title")


def dim(*children: object) -> Html:
    """A line of lesser weight."""
    return tag("div", *children, class_="smalti-dim")


def word(value: object, longest: int = LONGEST) -> str:
    """A value on one line, cut where it is too long."""
    return one_line(str(value), longest)


def table(head: Sequence[str], rows: Iterable[Sequence[object]], numbers: Iterable[int] = ()) -> Html:
    """A table; the columns at those positions hold numbers."""
    right = set(numbers)

    def line(cells: Sequence[object], name: str) -> Html:
        made = (
            tag(name, cell, class_="smalti-n") if place in right else tag(name, cell)
            for place, cell in enumerate(cells)
        )
        return tag("tr", *made)

    body = tag("tbody", *(line(row, "td") for row in rows))
    top = [tag("thead", line(head, "th"))] if any(head) else []
    return tag("div", tag("table", *top, body, class_="smalti-t"), class_="smalti-wide", data_scrolls="")


def details(words: str, *children: object) -> Html:
    """What opens on a click, without a script."""
    return tag("details", tag("summary", words), *children, class_="smalti-part")


def chip(rgb: Colour) -> Html:
    """A spot of a class's colour."""
    return tag("span", class_="smalti-chip", style=f"{CHIP};background:{css(rgb)}")


def class_name(name: str, code: int) -> Html:
    """A class with its colour."""
    kept = {"class_": "smalti-class"} if len(name) <= SHORT else {}
    return tag("span", chip(colour(code)), word(name, 60), **kept)


def bar(share: float, rgb: Colour) -> Html:
    """A bar of a share of its rail; none for nothing."""
    if share <= 0:
        return tag("div", class_="smalti-rail")
    looks = f"{BAR};width:{min(share, 1.0) * 100:.1f}%;background:{css(rgb)}"
    return tag(
        "div", tag("span", class_="smalti-bar", style=looks), class_="smalti-rail", style="width:130px"
    )


def css(rgb: Colour) -> str:
    """A colour as CSS."""
    return f"rgb({rgb[0]},{rgb[1]},{rgb[2]})"


def picture(image: Image, width: int, alt: str) -> Html:
    """A picture within the page, shown so many pixels wide."""
    sink = io.BytesIO()
    image.save(sink, "JPEG", quality=85)
    body = base64.b64encode(sink.getvalue()).decode()
    return tag("img", src=f"data:image/jpeg;base64,{body}", width=str(width), alt=alt)
