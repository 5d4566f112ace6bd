"""Optional libraries, looked up when they are used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from smalti.errors import MissingExtraError


def require(module: str, extra: str) -> Any:
    """Import an optional module, or say which extra brings it.

    Args:
        module: The module's dotted name.
        extra: The extra of smalti that installs it.

    Raises:
        MissingExtraError: The library is not installed. A fault inside an installed library is
            raised as it is, never disguised as a missing one.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        raise MissingExtraError(
            f"this needs the library {error.name!r}; install it with: pip install 'smalti[{extra}]'"
        ) from error
