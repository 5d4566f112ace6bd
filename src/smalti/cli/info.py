"""``smalti info``: what is in a dataset."""

from __future__ import annotations

import json as json_module
import sys
from typing import Annotated

import typer

from smalti.cli import flags


def info(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="A file or a folder, as a path or any fsspec URL.")],
    format_: Annotated[str | None, typer.Option("--format", "--from", help="The format; recognised.")] = None,
    media_root: Annotated[str | None, typer.Option(help="Where the images lie.")] = None,
    on_error: Annotated[str, typer.Option(help="raise, or skip faulty places.")] = "raise",
    json: Annotated[bool, typer.Option("--json", help="Print the facts as JSON.")] = False,
) -> None:
    """Say what is in a dataset: samples, objects by class, columns, digest, and what reading mended."""
    from smalti.io import read

    dataset = read(source, format_, media_root, on_error=on_error, **flags.parse(context.args))  # type: ignore[arg-type]  # checked there
    report = dataset.report
    summary = dataset.summary(complete=True)
    if not json:
        console = flags.console()
        console.print(dataset)
        console.print(f"format {report.source_format}, digest {summary.digest}", style="dim", highlight=False)
        if report.repairs or report.errors:
            console.print(report)
        return
    facts = {
        "source": report.source,
        "format": report.source_format,
        "digest": summary.digest,
        "samples": summary.samples,
        "splits": {name or "": count for name, count in summary.splits.items()},
        "objects": {
            name: labels.by_class() for name, labels in summary.labels.items() if labels.classes is not None
        },
        "columns": {name: feature.kind for name, feature in dataset.schema.columns.items()},
        "repairs": [loss.code for loss in report.repairs],
        "errors": report.error_count,
    }
    sys.stdout.write(json_module.dumps(facts, indent=2, ensure_ascii=False) + "\n")
