"""``smalti convert``: one format to another, with progress, the loss report and an exit code."""

from __future__ import annotations

import sys
from enum import Enum
from typing import Annotated, Any

import typer

from smalti.cli import flags


class Media(str, Enum):
    """What is done with the images; the last three are ways of a store."""

    copy = "copy"
    link = "link"
    symlink = "symlink"
    reference = "reference"
    none = "none"
    files = "files"
    tar = "tar"
    parquet = "parquet"


class OnLoss(str, Enum):
    """What is done when the target cannot hold everything."""

    warn = "warn"
    error = "error"
    ignore = "ignore"


class OnError(str, Enum):
    """What is done with faulty places."""

    raise_ = "raise"
    skip = "skip"


def convert(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="A file or a folder, as a path or any fsspec URL.")],
    target: Annotated[str, typer.Argument(help="A folder, or a file where the format is one file.")],
    to: Annotated[str | None, typer.Option("--to", help="The target's format.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="The source's format; recognised.")] = None,
    task: Annotated[str | None, typer.Option(help="YOLO: detect, segment, pose, obb or classify.")] = None,
    media: Annotated[
        Media, typer.Option(help="What is done with the images; a store keeps them as files, tar or parquet.")
    ] = Media.reference,
    media_root: Annotated[str | None, typer.Option(help="Where the source's images lie.")] = None,
    on_loss: Annotated[
        OnLoss, typer.Option(help="warn prints the losses, error refuses them.")
    ] = OnLoss.warn,
    on_error: Annotated[
        OnError, typer.Option(help="skip leaves faulty places out, counted.")
    ] = OnError.raise_,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing target.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report, and write nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    picture: Annotated[str | None, typer.Option(help="Draw the target's labels to this PNG.")] = None,
) -> None:
    """Convert a dataset, and account for everything that the target cannot hold.

    Options of the two formats are flags as well: `smalti formats NAME` lists them.
    """
    from smalti import io

    options: dict[str, Any] = flags.parse(context.args)
    if task is not None:
        options["task"] = task
    report = io.convert(
        source,
        target,
        to,
        from_,
        media_root=media_root,
        media=media.value,
        # The table below says it better than a warning.
        on_loss="ignore" if on_loss is OnLoss.warn else on_loss.value,
        on_error=on_error.value,
        overwrite=overwrite,
        dry_run=dry_run,
        **options,
    )
    if json:
        sys.stdout.write(report.to_json() + "\n")
    elif on_loss is OnLoss.ignore:
        sys.stdout.writelines(f"{line}\n" for line in report.lines())
    else:
        flags.console().print(report)
    if picture is not None and not dry_run:
        _draw(target, to or report.target_format, media_root, options, picture, quiet=json)


def _draw(
    target: str,
    format_: str | None,
    media_root: str | None,
    options: dict[str, Any],
    picture: str,
    *,
    quiet: bool,
) -> None:
    """Read the target back, and draw what it says on its images."""
    from smalti.formats import options as format_options
    from smalti.formats import registry
    from smalti.io import read
    from smalti.view.sheet import save_sheet

    known = format_options.known(registry.get(format_ or ""), "read")
    mine = {name: value for name, value in options.items() if name in known}
    try:
        dataset = read(target, format_, progress=False, **mine)
    except ValueError:
        if media_root is None:
            raise
        dataset = read(target, format_, media_root, progress=False, **mine)
    save_sheet(dataset, picture)
    if not quiet:
        sys.stdout.write(f"drew {picture}\n")
