"""``python -m smalti``: the command line."""

from __future__ import annotations

from smalti.cli import main

if __name__ == "__main__":
    main()
