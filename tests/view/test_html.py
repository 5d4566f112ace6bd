"""What notebooks show, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.xdist_group("browser")


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
