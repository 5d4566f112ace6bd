"""The command line: one module a command, and exit codes 0 done, 1 refused or failed, 2 usage."""

from __future__ import annotations

import sys


def main() -> None:
    """Run ``smalti``."""
    from smalti.cli.app import app
    from smalti.errors import OptionError, SmaltiError

    try:
        app()
    except OptionError as error:
        sys.stderr.write(f"smalti: {error}\n")
        sys.exit(2)
    except (SmaltiError, OSError) as error:
        sys.stderr.write(f"smalti: {error}\n")
        sys.exit(1)
