"""Files of an export that grow part by part: every part leaves its piece, and the end joins the pieces in their order."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalti.storage.folder import Target

PARTS = ".parts"


def piece_name(name: str, index: int) -> str:
    """Where a part's piece of a file is put until the file is joined."""
    return f"{PARTS}/{name}/{index:08d}"


def append(target: Target, file: IO[bytes], names: Iterable[str], *, skip: int = 0) -> None:
    """Append pieces to a file, and remove them from where they were put by.

    Args:
        target: The export.
        file: The file, open for writing.
        names: The pieces, in their order.
        skip: Bytes at the beginning of the first piece that are left out.
    """
    if target.dry:
        return
    for number, name in enumerate(names):
        place = target.location / name
        with place.open() as part:
            if not number:
                part.seek(skip)
            shutil.copyfileobj(part, file, 1 << 20)
        Path(place.local).unlink()


def remove(target: Target) -> None:
    """Remove the folder that the pieces were in."""
    if not target.dry:
        shutil.rmtree((target.location / PARTS).local, ignore_errors=True)
