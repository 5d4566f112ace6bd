"""``smalti show``: samples of a dataset, in the terminal or as a picture."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from smalti.cli import flags


def show(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="A file or a folder, as a path or any fsspec URL.")],
    sample: Annotated[str | None, typer.Argument(help="The id of one sample; else some of all.")] = None,
    n: Annotated[int, typer.Option("-n", help="How many.")] = 8,
    split: Annotated[str | None, typer.Option(help="Only samples of this split.")] = None,
    field: Annotated[str | None, typer.Option(help="The label field that is drawn; all.")] = None,
    picture: Annotated[str | None, typer.Option(help="Draw them to this PNG or JPEG.")] = None,
    format_: Annotated[str | None, typer.Option("--format", "--from", help="The format; recognised.")] = None,
    media_root: Annotated[str | None, typer.Option(help="Where the images lie.")] = None,
    on_error: Annotated[str, typer.Option(help="raise, or skip faulty places.")] = "raise",
) -> None:
    """Show samples with their labels: some, evenly over the dataset, or one by its id.

    A terminal with colours shows the pictures too. Options of the format are flags as well: `smalti formats NAME`
    lists them.
    """
    import smalti as sm
    from smalti.errors import OptionError, SchemaError
    from smalti.io import read
    from smalti.view import terminal
    from smalti.view.sheet import save

    if n < 1:
        raise OptionError(f"-n {n}: expected at least one sample")
    dataset = read(source, format_, media_root, on_error=on_error, **flags.parse(context.args))  # type: ignore[arg-type]  # checked there
    if split is not None:
        dataset = dataset.filter(sm.col("split") == split)
    chosen = dataset.glance(n) if sample is None else list(dataset.filter(sm.col("id") == sample))
    if not chosen:
        what = (
            f"no sample {sample!r}"
            if sample is not None
            else f"no sample of split {split!r}"
            if split
            else "no sample"
        )
        raise SchemaError(f"{source} has {what}")
    if picture is not None:
        where = sm.col("id").isin([one.id for one in chosen])
        save(chosen[0].draw(field) if sample is not None else dataset.show(n, where, field), picture)
        sys.stdout.write(f"drew {picture}\n")
        return
    console = flags.console()
    console.print(terminal.Strip(chosen) if sample is None else chosen[0])
