"""What commands share: flags of formats (``--kpt-shape 17 --crowds=keep``), and where they print."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from smalti.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console


PLAIN_WIDTH = 120  # columns, where the output is no terminal


def console() -> Console:
    """Where a command prints; tables in a pipe or a file are as wide as they need to be."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)


def parse(words: Sequence[str]) -> dict[str, Any]:
    """Options from the words that the command itself does not know.

    ``--name value`` and ``--name=value`` give a text, a bare ``--name`` gives true, ``--no-name`` false,
    and a name that is repeated gives a list. Types are the format's matter.

    Raises:
        OptionError: A word is no flag and no flag's value.
    """
    found: dict[str, Any] = {}
    for name, value in _pairs(list(words)):
        if name in found:
            before = found[name]
            found[name] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            found[name] = value
    return found


def _pairs(words: list[str]) -> Iterator[tuple[str, Any]]:
    while words:
        word = words.pop(0)
        if not word.startswith("--") or word == "--":
            raise OptionError(f"unexpected argument {word!r}")
        name, mark, value = word[2:].partition("=")
        key = name.replace("-", "_")
        if mark:
            yield key, value
        elif words and not words[0].startswith("--"):
            yield key, words.pop(0)
        elif key.startswith("no_"):
            yield key[3:], False
        else:
            yield key, True
