"""``smalti log``, ``diff``, ``tag``, ``restore``, ``compact``, ``prune``, ``delta``: the versions of a store."""

from __future__ import annotations

import json as json_module
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from smalti.store.manifest import Manifest

Place = Annotated[str, typer.Argument(help="A store, as a path or any fsspec URL.")]
Which = Annotated[str, typer.Argument(help="A number, a tag, or a time as 2026-11-23 or 2026-11-23T12:30.")]
Message = Annotated[str, typer.Option("--message", "-m", help="What for.")]


def _say(text: object) -> None:
    sys.stdout.write(f"{text}\n")


def log(place: Place, json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """List the versions of a store, the newest first."""
    from smalti.store.store import Store

    store = Store(place)
    store.history.newest()  # an error where there is no store
    names: dict[int, list[str]] = {}
    for tag, number in store.tags().items():
        names.setdefault(number, []).append(tag)
    told = [_facts(one, names.get(one.version, [])) for one in reversed(store.versions())]
    if json:
        _say(json_module.dumps(told, indent=2, ensure_ascii=False))
        return
    from rich.table import Table
    from rich.text import Text

    from smalti.cli import flags

    table = Table(
        "version", "time", "author", "operation", "samples", "+", "~", "-", "digest", "message", "tags"
    )
    for one in told:
        change = [f"{one[name]:,}" for name in ("added", "changed", "removed")]
        row = [
            one["version"],
            one["time"][:19],
            one["author"],
            one["operation"],
            f"{one['samples']:,}",
            *change,
        ]
        table.add_row(
            *(Text(str(c)) for c in (*row, one["digest"][:10], one["message"], " ".join(one["tags"])))
        )
    flags.console().print(table)


def _facts(one: Manifest, tags: list[str]) -> dict[str, Any]:
    changes = one.changes
    return {
        "version": one.version,
        "time": one.time,
        "author": one.author,
        "operation": one.operation,
        "message": one.message,
        "samples": one.rows,
        "added": changes.added,
        "changed": changes.changed,
        "removed": changes.removed,
        "digest": one.digest,
        "tags": tags,
        "lineage": one.lineage,
    }


def diff(
    place: Place,
    before: Which,
    after: Annotated[str | None, typer.Argument(help="As before; the newest.")] = None,
) -> None:
    """Say what differs between two versions of a store: samples, fields, objects."""
    from smalti.store.store import Store

    _say(Store(place).diff(before, after))


def tag(
    place: Place,
    name: Annotated[str, typer.Argument(help="The tag.")],
    version: Annotated[str | None, typer.Argument(help="A number, a tag or a time; the newest.")] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Take the tag away.")] = False,
) -> None:
    """Give a version of a store a name, move it, or take it away."""
    from smalti.store.store import Store

    if delete:
        Store(place).untag(name)
        return
    number = Store(place).tag(name, version)
    _say(f"{name} is version {number}")


def restore(place: Place, version: Which, message: Message = "") -> None:
    """Make an earlier version of a store the newest one."""
    from smalti.store.store import Store

    made = Store(place).restore(version, message=message)
    _say(f"version {made.version}: {made.rows:,} samples, as in version {version}")


def compact(place: Place, message: Message = "") -> None:
    """Write a store's small files together, which many appends leave."""
    from smalti.store.store import Store

    made = Store(place).compact(message=message)
    _say("there is nothing to do" if made is None else f"version {made.version}: {len(made.files):,} files")


def prune(
    place: Place,
    keep: Annotated[int | None, typer.Option(help="How many of the newest versions stay.")] = None,
    older_than_days: Annotated[float | None, typer.Option(help="Only versions older than this go.")] = None,
    grace_days: Annotated[float, typer.Option(help="How old a file is that no version names.")] = 7,
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; else it only says what would go.")] = False,
) -> None:
    """Remove old versions of a store, and files that no version names. Tagged versions stay."""
    from smalti.store.store import Store

    age = None if older_than_days is None else timedelta(days=older_than_days)
    _say(Store(place).prune(keep=keep, older_than=age, grace=timedelta(days=grace_days), dry_run=not yes))


def delta(place: Place) -> None:
    """Let engines read the newest version of a store as a Delta table. No data is copied."""
    from smalti.store.store import Store

    _say(f"{place} is version {Store(place).publish_delta()} of a Delta table")
