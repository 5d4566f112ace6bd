"""Progress of long work: a bar on a terminal and in a notebook, silence in a pipe."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console


@contextmanager
def track(total: int, label: str, show: bool | None = None) -> Iterator[Callable[[int], None]]:
    """Show a bar while the block runs; gives the function that is told of every step.

    Args:
        total: Number of samples; 0 where it is not known.
        label: What is going on.
        show: Null: on a terminal and in a notebook only.
    """
    console = _console()
    if not (console.is_terminal or console.is_jupyter if show is None else show):
        yield lambda _count: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(label, total=total or None)
        yield lambda count: progress.advance(task, count)


def _console() -> Console:
    from rich.console import Console

    return Console(file=sys.stderr)
