"""What reached the disk: the calls that sync files and folders, and what was in them at that moment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest


class Disk:
    """Files and folders below a root as they were when they were last synced.

    Attributes:
        late: What was not on the disk when a manifest or a tag got its name.
        names: The names that were given by links.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.files: dict[int, int] = {}  # inode: bytes
        self.folders: dict[str, set[str]] = {}
        self.late: list[str] = []
        self.names: list[str] = []
        self.before = set(root.rglob("*"))
        self._fsync, self._link = os.fsync, os.link
        monkeypatch.setattr(os, "fsync", self.fsync)
        monkeypatch.setattr(os, "link", self.link)

    def fsync(self, handle: int) -> None:
        self._fsync(handle)
        place = Path(f"/proc/self/fd/{handle}").readlink()
        if place.is_dir():
            self.folders[str(place)] = {path.name for path in place.iterdir()}
        else:
            told = os.fstat(handle)
            self.files[told.st_ino] = told.st_size

    def link(self, source: str, target: str, **named: Any) -> None:
        """The act that makes a version: all that it names has to be on the disk before."""
        stage = Path(source)
        if self.files.get(stage.stat().st_ino) != stage.stat().st_size:
            self.late.append(f"{target}: its own content")
        self.late += self.missing(but=stage.parent)
        self._link(source, target, **named)
        self.names.append(target)

    def missing(self, but: Path | None = None) -> list[str]:
        """New files and folders of which the bytes or the names are not on the disk."""
        found = []
        for path in set(self.root.rglob("*")) - self.before:
            if path.name == "README.md":  # a store is whole without it
                continue
            told = path.stat()
            if path.is_file() and path.parent != but and self.files.get(told.st_ino) != told.st_size:
                found.append(f"{path}: bytes")
            if path.parent != but and path.name not in self.folders.get(str(path.parent), set()):
                found.append(f"{path}: name")
        return found
