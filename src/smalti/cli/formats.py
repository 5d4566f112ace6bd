"""``smalti formats``: the formats there are, and the options of one."""

from __future__ import annotations

import json as json_module
import sys
from typing import Annotated, Any

import typer

from smalti.cli import flags


def formats(
    name: Annotated[str | None, typer.Argument(help="One format, for its layout and options.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """List the formats, or describe one with its options."""
    from smalti.formats import registry

    facts = [_facts(registry.get(each)) for each in ([name] if name else registry.names())]
    if json:
        sys.stdout.write(json_module.dumps(facts, indent=2) + "\n")
        return
    from rich.table import Table

    console = flags.console()
    table = Table("name", "title", "reads", "writes", "files")
    for fact in facts:
        marks = ["yes" if fact[verb] else "no" for verb in ("reads", "writes")]
        table.add_row(fact["name"], fact["title"], *marks, "\n".join(fact["layout"]))
    console.print(table)
    if name is None:
        return
    console.print(f"specification: {facts[0]['spec']}", soft_wrap=True)
    options = Table("flag", "side", "default", "meaning")
    for option in facts[0]["options"]:
        flag = f"--{option['name'].replace('_', '-')}"
        options.add_row(flag, option["side"], str(option["default"]), option["description"])
    console.print(options)


def _facts(format_: Any) -> dict[str, Any]:
    info = format_.info
    return {
        "name": info.name,
        "title": info.title,
        "reads": format_.reader is not None,
        "writes": format_.writer is not None,
        "layout": list(info.layout),
        "keeps": sorted(info.keeps),
        "file_suffixes": list(info.file_suffixes),
        "spec": info.spec,
        "options": _options(format_),
    }


def _options(format_: Any) -> list[dict[str, Any]]:
    found = []
    for name, field in format_.options.model_fields.items():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        side = str(extra.get("side", "both"))
        default = field.get_default()
        found.append({"name": name, "side": side, "default": default, "description": field.description or ""})
    return found
