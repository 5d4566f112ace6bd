"""``smalti merge-edits``: take the edits of a table that was handed out."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def merge_edits(
    store: Annotated[str, typer.Argument(help="The store that the table was written from.")],
    table: Annotated[str, typer.Argument(help="The workbook, or the CSV, that came back.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")
    ] = False,
    message: Annotated[str, typer.Option("--message", "-m", help="What for.")] = "",
    author: Annotated[str | None, typer.Option("--author", help="Who edited it.")] = None,
) -> None:
    """Apply the edits of a table to its store as one new version.

    What both sides changed is listed, and then nothing is done: exit code 1, for a dry run as well.
    """
    from smalti.edits.update import update_from
    from smalti.store.store import Store

    found = update_from(Store(store).read(), table, dry_run=dry_run, message=message, author=author)
    sys.stdout.write(f"{found}\n")
    raise typer.Exit(1 if found.conflicts else 0)
