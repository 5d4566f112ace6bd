"""What tests of views share: a browser that shows HTML, pictures that are compared, fonts that are the same anywhere."""

from __future__ import annotations

import base64
import io
import os
import shutil
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from smalti.view import text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GOLDEN = Path(__file__).parent / "golden"
FONTS = Path(mpl.get_data_path()) / "fonts" / "ttf"
FONT = FONTS / "DejaVuSans.ttf"
REWRITE = (
    "SMALTI_REWRITE_GOLDEN"  # set: pictures are written, not compared; look at them before they are committed
)

# Letters that are the same on every machine, whatever fonts it has.
FACE = "@font-face {{ font-family: {name}; font-weight: {weight}; src: url(data:font/ttf;base64,{body}) }}"
FIXED = "* { font-family: fixed !important } code { font-family: fixed-code !important }"
# Notebooks give their own ground and colour of text; these are JupyterLab's.
SHELL = """<!doctype html><html><head><meta charset="utf-8"><style>
{faces} body {{ margin: 12px; font: 13px/1.4 fixed; background: {ground}; color: {ink} }} code {{ font-family: fixed-code }}
</style></head><body>{body}</body></html>"""

# Elements that hang out of the window, and texts that are wider than what they stand in and neither scroll nor clip.
OVERFLOW = """() => {
  const wide = document.documentElement.scrollWidth > window.innerWidth ? ["the page"] : [];
  for (const one of document.body.querySelectorAll("*")) {
    const style = getComputedStyle(one);
    if (one.closest("svg") || style.display === "inline" || style.display === "none") continue;
    const room = one.getBoundingClientRect();
    const held = one.closest("[data-scrolls]");
    if ((room.right > window.innerWidth + 1 || room.left < -1) && !held) wide.push(one.outerHTML.slice(0, 120));
    else if (one.scrollWidth > one.clientWidth + 1 && style.overflowX === "visible" && one.clientWidth && !held)
      wide.push(one.outerHTML.slice(0, 120));
  }
  return wide;
}"""
ACTIVE = """() => [...document.querySelectorAll("*")].filter((one) =>
  ["SCRIPT", "IFRAME", "OBJECT", "EMBED", "FORM", "LINK", "BASE", "META"].includes(one.tagName)
    && !(one.tagName === "META" && ["charset", "name"].some((name) => one.hasAttribute(name)))
    && !(one.tagName === "META" && one.httpEquiv === "Content-Security-Policy")
  || [...one.attributes].some((a) => a.name.startsWith("on") || /^\\s*javascript:/i.test(a.value))
).map((one) => one.outerHTML.slice(0, 120))"""


@cache
def faces() -> str:
    """The fonts of pages, as CSS: `fixed`, and `fixed-code`."""
    files = (("fixed", 400, "Sans"), ("fixed", 700, "Sans-Bold"), ("fixed-code", 400, "SansMono"))
    return "".join(
        FACE.format(
            name=name,
            weight=weight,
            body=base64.b64encode((FONTS / f"DejaVu{file}.ttf").read_bytes()).decode(),
        )
        for name, weight, file in files
    )


@dataclass
class Shown:
    """HTML as a browser shows it.

    Attributes:
        page: Playwright's page.
        asked: Addresses that it wanted to load.
        events: Dialogs, messages to the console, errors of scripts.
    """

    page: Any
    asked: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What a reader sees."""
        return self.page.locator("body").inner_text()

    def picture(self, selector: str | None = None) -> Image.Image:
        """The whole page, or the first element of a selector."""
        if selector:
            body = self.page.locator(selector).first.screenshot()
        else:
            body = self.page.screenshot(full_page=True)
        return Image.open(io.BytesIO(body)).convert("RGB")

    def check(self) -> None:
        """Nothing overflows, no script is there or runs, nothing is loaded."""
        assert self.page.evaluate(OVERFLOW) == []
        assert self.page.evaluate(ACTIVE) == []
        assert self.asked == []
        assert self.events == []


@pytest.fixture(scope="module")  # a running browser would leave its event loop to other modules
def browser() -> Iterator[Any]:
    """Debian's Chromium without a window."""
    with sync_playwright() as play:
        program = play.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--font-render-hinting=none", "--disable-lcd-text"],
        )
        yield program
        program.close()


@pytest.fixture
def look(browser: Any) -> Iterator[Callable[..., Shown]]:
    """Show HTML: ``look(html, dark=False, width=900, whole=False)``; `whole` where it is a page of its own."""
    contexts = []

    def show(html: str, *, dark: bool = False, width: int = 900, whole: bool = False) -> Shown:
        context = browser.new_context(
            color_scheme="dark" if dark else "light", viewport={"width": width, "height": 700}
        )
        contexts.append(context)
        shown = Shown(context.new_page())
        context.route("**/*", lambda route: (shown.asked.append(route.request.url), route.abort()))
        shown.page.on("dialog", lambda dialog: (shown.events.append(dialog.message), dialog.dismiss()))
        shown.page.on("console", lambda message: shown.events.append(message.text))
        shown.page.on("pageerror", lambda error: shown.events.append(str(error)))
        ground, ink = ("#111111", "#e0e0e0") if dark else ("#ffffff", "#212121")
        page = (
            html.replace("</head>", f"<style>{faces()}{FIXED}</style></head>", 1)
            if whole
            else SHELL.format(faces=faces(), ground=ground, ink=ink, body=html)
        )
        shown.page.set_content(page, wait_until="load")
        shown.page.evaluate("document.fonts.ready")
        return shown

    yield show
    for context in contexts:
        context.close()


@pytest.fixture
def golden(tmp_path: Path) -> Callable[..., None]:
    """Compare a picture with that of the name below tests/view/golden."""

    def compare(
        picture: Image.Image,
        name: str,
        *,
        tolerance: float,
        worst: float,
        slack: int = 0,
        folder: Path = GOLDEN,
    ) -> None:
        """Means of 4 x 4 pixels differ by `worst` of 255 at most, by `tolerance` on average; sides by `slack`."""
        place = folder / (name if "." in name else f"{name}.png")
        if os.environ.get(REWRITE):
            place.parent.mkdir(exist_ok=True)
            picture.save(place, optimize=True, quality=88)
            return
        picture.save(tmp_path / place.name)
        hint = f"see {tmp_path / place.name}; {REWRITE}=1 writes it"
        assert place.exists(), hint
        with Image.open(place) as kept:
            before = kept.convert("RGB")
        sides = np.array([before.size, picture.size])
        assert np.abs(sides[0] - sides[1]).max() <= slack, hint
        common = (0, 0, *sides.min(axis=0).tolist())
        differ = np.abs(_coarse(before.crop(common)) - _coarse(picture.crop(common)))
        assert differ.mean() <= tolerance, hint
        assert differ.max() <= worst, hint

    return compare


def _coarse(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB").reduce(4), np.float64)


@pytest.fixture
def plain_font(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pictures are lettered in the one font that is the same on every machine."""
    monkeypatch.setattr(text, "FONTS", (str(FONT),))
    text.font.cache_clear()
    text.plate.cache_clear()
    yield
    text.font.cache_clear()
    text.plate.cache_clear()
