"""The command line: one module a command, and exit codes 0 done, 1 refused or failed, 2 usage."""

from __future__ import annotations

import gc
import os
import sys


def main() -> None:
    """Run ``smalti``."""
    # Starting is a third of a small command. Importing makes many objects and no garbage, which a collector that
    # comes by often looks through in vain; and nothing here multiplies matrices, for which NumPy starts threads.
    gc.set_threshold(50_000, 20, 50)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
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
    finally:
        gc.freeze()  # what is left goes with the process: no need to look through it once more
