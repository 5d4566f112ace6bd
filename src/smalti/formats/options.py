"""A format's options: checked keyword arguments in Python, flags on the command line.

Both are made from the pydantic model that the format declares; a field that only one side knows
says so with ``json_schema_extra={"side": "read"}`` (or ``"write"``).
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from smalti.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smalti.formats.protocol import Format, Options

Side = Literal["read", "write"]


def known(format_: Format, side: Side) -> list[str]:
    """The names of a format's options for reading or for writing."""
    return [name for name in format_.options.model_fields if _side(format_, name) in {None, side}]


def parse(format_: Format, given: Mapping[str, Any], side: Side) -> Options:
    """Check options and give them their types.

    Raises:
        OptionError: The format has no such option for that side, or cannot take the value.
    """
    names = known(format_, side)
    for name in given:
        if name not in names:
            raise OptionError(_unknown(name, {format_.info.name: names}, side))
    try:
        return format_.options.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise OptionError(
            f"option {place!r} of {format_.info.name}: {first['msg']}, found {first['input']!r}"
        ) from error


def divide(source: Format, target: Format, given: Mapping[str, Any]) -> tuple[Options, Options]:
    """Give each option to the sides that have it: the source's for reading, the target's for writing.

    Raises:
        OptionError: Neither side has an option, or cannot take the value.
    """
    read, write = known(source, "read"), known(target, "write")
    for name in given:
        if name not in read and name not in write:
            sides = {f"{source.info.name} (reading)": read, f"{target.info.name} (writing)": write}
            raise OptionError(_unknown(name, sides, "convert"))
    return (
        parse(source, {name: value for name, value in given.items() if name in read}, "read"),
        parse(target, {name: value for name, value in given.items() if name in write}, "write"),
    )


def _side(format_: Format, name: str) -> str | None:
    extra = format_.options.model_fields[name].json_schema_extra
    side = extra.get("side") if isinstance(extra, dict) else None
    return side if isinstance(side, str) else None


def _unknown(name: str, sides: Mapping[str, list[str]], verb: str) -> str:
    every = [option for names in sides.values() for option in names]
    near = difflib.get_close_matches(name, every, n=1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    there = "; ".join(f"{title} has {', '.join(names) or 'none'}" for title, names in sides.items())
    return f"no option {name!r} to {verb}{meant} ({there})"
