"""The commands, and the arguments that they share."""

from __future__ import annotations

from typing import Annotated

import typer

from smalti.cli import check, convert, edits, formats, info, plot, report, show, store

app = typer.Typer(
    name="smalti",
    help="One dataset representation that training, tracking and analysis tools share.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
# A format's options are flags that only the formats know: what typer does not know goes to them.
EXTRA = {"allow_extra_args": True, "ignore_unknown_options": True}
app.command("check", context_settings=EXTRA)(check.check)
app.command("convert", context_settings=EXTRA)(convert.convert)
app.command("info", context_settings=EXTRA)(info.info)
app.command("formats")(formats.formats)
app.command("merge-edits")(edits.merge_edits)
app.command("plot", context_settings=EXTRA)(plot.plot)
app.command("report", context_settings=EXTRA)(report.report)
app.command("show", context_settings=EXTRA)(show.show)
for verb in (store.log, store.diff, store.tag, store.restore, store.compact, store.prune, store.delta):
    app.command(verb.__name__)(verb)


def _version(wanted: bool) -> None:
    if wanted:
        from smalti import __version__

        typer.echo(f"smalti {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[  # its callback answers before any command runs
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """One dataset representation that training, tracking and analysis tools share."""
