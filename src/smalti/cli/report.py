"""``smalti report``: one page about a dataset, with everything in it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from smalti.cli import flags


def report(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="A file or a folder, as a path or any fsspec URL.")],
    target: Annotated[str, typer.Argument(help="The page, *.html.")],
    title: Annotated[str | None, typer.Option(help="What it says at the top; the source's name.")] = None,
    field: Annotated[str | None, typer.Option(help="The label field; objects, or the first.")] = None,
    classes: Annotated[int, typer.Option(help="Classes that have samples of their own.")] = 20,
    each: Annotated[int, typer.Option(help="Samples of a class.")] = 4,
    fetch: Annotated[bool, typer.Option("--fetch", help="Read images of other machines too.")] = False,
    format_: Annotated[str | None, typer.Option("--format", "--from", help="The format; recognised.")] = None,
    media_root: Annotated[str | None, typer.Option(help="Where the images lie.")] = None,
    on_error: Annotated[str, typer.Option(help="raise, or skip faulty places.")] = "raise",
) -> None:
    """Write one page about a dataset: summary, plots, samples by class, the rarest and the densest samples.

    The page needs no server, no internet and no script. Options of the format are flags as well: `smalti formats NAME`
    lists them.
    """
    from smalti.errors import OptionError
    from smalti.io import read
    from smalti.storage.location import Location

    if Location.parse(target).suffix.lower() not in {".html", ".htm"}:
        raise OptionError(f"{target}: a page is written as *.html")
    dataset = read(source, format_, media_root, on_error=on_error, **flags.parse(context.args))  # type: ignore[arg-type]  # checked there
    dataset.to_html(target, title=title, field=field, class_count=classes, each=each, fetch=fetch)
    sys.stdout.write(f"wrote {target}\n")
