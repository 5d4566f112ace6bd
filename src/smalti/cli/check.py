"""``smalti check``: the faults of a spreadsheet, each with its cell; the soundness of a store."""

from __future__ import annotations

import json as json_module
import sys
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from smalti.cli import flags

if TYPE_CHECKING:
    from smalti.formats.spreadsheet.check import Checked
    from smalti.store.store import Store

SHOWN = 50  # faults printed before it says "and n more"


def check(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="A workbook, a CSV, or a folder of them; or a store.")],
    out: Annotated[
        str | None,
        typer.Option(
            help="Write a copy, *.xlsx: faulty cells coloured and commented, a sheet that lists them."
        ),
    ] = None,
    media_root: Annotated[str | None, typer.Option(help="Where the images lie.")] = None,
    save_mapping: Annotated[
        str | None,
        typer.Option(
            help="Write what columns are taken for, as YAML or *.toml; pass it again with --mapping."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the faults as JSON.")] = False,
) -> None:
    """Find what is wrong in a spreadsheet of labels, or in a store. Exit code 1: there are errors, not warnings alone.

    Options of the format are flags as well (--mapping FILE, --preset NAME, --categories NAME): `smalti formats spreadsheet`
    lists them.
    """
    from smalti.errors import OptionError
    from smalti.formats.spreadsheet.check import check as find
    from smalti.formats.spreadsheet.marked import write_marked
    from smalti.storage.location import Location
    from smalti.store import exchange

    if store := exchange.opened(Location.parse(source), None):
        _check_store(store)
    found = find(source, media_root, **flags.parse(context.args))
    if save_mapping is not None:
        found.mapping.save(save_mapping)
    if out is not None:
        if len(found.files) > 1:
            raise OptionError(
                f"--out marks one file, and {source} has {len(found.files)}; check them one by one"
            )
        write_marked(next(iter(found.files)), out, found.faults)
    sys.stdout.write(_json(found) if json else "".join(f"{line}\n" for line in _lines(found)))
    raise typer.Exit(1 if found.errors else 0)


def _json(found: Checked) -> str:
    body = {file: [asdict(one) for one in faults] for file, faults in found.files.items()}
    return json_module.dumps(body, indent=2, ensure_ascii=False) + "\n"


def _check_store(store: Store) -> NoReturn:
    """Every manifest, file, checksum and digest."""
    found = store.check()
    sys.stdout.write(f"{found}\n")
    raise typer.Exit(0 if found else 1)


def _lines(found: Checked) -> list[str]:
    every = [(file, one) for file, faults in found.files.items() for one in faults]
    lines = [f"{found.rows:,} rows; {found.mapping.sentence()}"]
    for file, one in every[:SHOWN]:
        kind = "error" if one.grave else "warning"
        lines.append(f"{kind}: {one.error(file)}")
    if len(every) > SHOWN:
        lines.append(f"and {len(every) - SHOWN:,} more")
    counts = Counter(one.code for _, one in every)
    lines += [f"  {code} {count:,}" for code, count in counts.most_common()]
    warnings = len(every) - found.errors
    lines.append(f"{found.errors:,} errors, {warnings:,} warnings" if every else "nothing is wrong")
    return lines
