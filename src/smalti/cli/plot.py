"""``smalti plot``: one plot of a dataset, as PNG or SVG."""

from __future__ import annotations

import sys
from enum import Enum
from inspect import signature
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smalti.cli import flags

if TYPE_CHECKING:
    from smalti.dataset.dataset import Dataset

PLOTS = ("boxes", "centres", "classes", "cooccurrence", "images", "keypoints", "losses", "objects", "tracks")
Name = Enum("Name", {name: name for name in PLOTS}, type=str)  # type: ignore[misc]  # its names are a list
By = Enum("By", {"objects": "objects", "samples": "samples"}, type=str)


def plot(
    context: typer.Context,
    name: Annotated[Name, typer.Argument(help="Which one.")],
    source: Annotated[str, typer.Argument(help="A file or a folder, as a path or any fsspec URL.")],
    target: Annotated[str, typer.Argument(help="The picture, *.png or *.svg.")],
    field: Annotated[str | None, typer.Option(help="The label field; objects, or the first.")] = None,
    by: Annotated[By | None, typer.Option(help="classes: count objects, or samples.")] = None,
    top: Annotated[int | None, typer.Option(help="classes, cooccurrence: how many are shown.")] = None,
    video: Annotated[str | None, typer.Option(help="tracks: which video.")] = None,
    to: Annotated[str | None, typer.Option(help="losses: of a conversion to this format.")] = None,
    format_: Annotated[str | None, typer.Option("--format", "--from", help="The format; recognised.")] = None,
    media_root: Annotated[str | None, typer.Option(help="Where the images lie.")] = None,
    on_error: Annotated[str, typer.Option(help="raise, or skip faulty places.")] = "raise",
) -> None:
    """Draw a plot of a dataset: classes, boxes, tracks, or what a conversion would lose.

    Options of the format are flags as well: `smalti formats NAME` lists them.
    """
    from smalti.errors import OptionError
    from smalti.io import convert, read
    from smalti.view.plots.style import save

    options = flags.parse(context.args)
    reading: dict[str, Any] = {"on_error": on_error, **options}
    wanted = {"field": field, "by": by and by.value, "top": top, "video": video}
    given: dict[str, Any] = {key: value for key, value in wanted.items() if value is not None}
    if to is not None:
        if name.value != "losses":
            raise OptionError(f"--to goes with losses, not with {name.value}")
        given["report"] = convert(source, target, to, format_, media_root=media_root, dry_run=True, on_loss="ignore", **reading)  # fmt: skip
        dataset = _nothing()
    else:
        dataset = read(source, format_, media_root, **reading)
    method = getattr(dataset.plot, name.value)
    if unknown := set(given) - set(signature(method).parameters):
        raise OptionError(f"--{min(unknown)} does not go with {name.value}")
    save(method(**given), target)
    sys.stdout.write(f"wrote {target}\n")


def _nothing() -> Dataset:
    from smalti.dataset.dataset import Dataset

    return Dataset.from_samples([])
