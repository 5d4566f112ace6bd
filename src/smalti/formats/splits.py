"""Splits that are folders: what tools call them."""

from __future__ import annotations

KNOWN = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "trainval": "trainval",
}


def split_folders(path: str) -> tuple[str | None, str]:
    """The split that a path's first folder names, and that folder with its slash; null and nothing where it is none."""
    first, slash, _ = path.partition("/")
    if not slash or first not in KNOWN:
        return None, ""
    return KNOWN[first], f"{first}/"
