"""Progress of long work: a bar on a terminal and in a notebook, silence in a pipe."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

PATIENCE = 0.6  # seconds that work in a notebook takes before it has a bar
REFRESH = 0.2  # seconds from one picture of it to the next
# What makes rich take anything for a terminal: https://rich.readthedocs.io/en/stable/console.html
_FORCED = {"FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}


@contextmanager
def track(total: int, label: str, show: bool | None = None) -> Iterator[Callable[[int], None]]:
    """Show a bar while the block runs; gives the function that is told of every step.

    Args:
        total: Number of samples; 0 where it is not known.
        label: What is going on.
        show: Null: on a terminal and in a notebook only.
    """
    if show is False or (show is None and _is_pipe()):
        yield lambda _count: None
        return
    console = _console()
    if not (console.is_terminal or console.is_jupyter if show is None else show):
        yield lambda _count: None
        return
    if console.is_jupyter:
        bar = _NotebookBar(total, label)
        yield bar.advance
        bar.finish()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(label, total=total or None)
        yield lambda count: progress.advance(task, count)


def _is_pipe() -> bool:
    """Whether nobody looks, told without loading what draws the bar."""
    terminal = getattr(sys.stderr, "isatty", bool)()
    return not (terminal or "IPython" in sys.modules or _FORCED & os.environ.keys())


def _console() -> Console:
    from rich.console import Console

    return Console(file=sys.stderr)


class _NotebookBar:
    """A bar that a notebook shows without widgets or scripts; work that is done at once has none."""

    def __init__(self, total: int, label: str) -> None:
        self.total = total
        self.label = label
        self.done = 0
        self._begun = self._shown = time.monotonic()
        self._handle: Any = None

    def advance(self, count: int) -> None:
        self.done += count
        now = time.monotonic()
        if now - self._begun > PATIENCE and now - self._shown > REFRESH:
            self._shown = now
            self._show(f"{self.done:,} of {self.total:,}" if self.total else f"{self.done:,}")

    def finish(self) -> None:
        if self._handle is not None:
            self.total = self.done
            self._show(f"{self.done:,} in {time.monotonic() - self._begun:.1f} s")

    def _show(self, said: str) -> None:
        from IPython.display import display

        share = f' value="{self.done}" max="{max(self.total, 1)}"' if self.total else ""
        shown = {
            "text/plain": f"{self.label} {said}",
            "text/html": f"<div>{escape(self.label)} <progress{share}></progress> {said}</div>",
        }
        if self._handle is None:
            self._handle = display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)
