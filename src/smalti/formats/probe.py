"""A bounded look at a source, shared by all formats that try to recognise it."""

from __future__ import annotations

from collections import deque
from fnmatch import fnmatch
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smalti.storage.location import Location

ENTRIES = 4096  # entries looked at before the listing stops
DEPTH = 4  # folders deep
HEAD = 65_536  # bytes of a file that a format may look at


class Probe:
    """What lies at a location, as far as recognising needs it: names, and the heads of files.

    Attributes:
        root: The source, a file or a folder.
    """

    def __init__(self, root: Location) -> None:
        self.root = root
        self._heads: dict[str, bytes] = {}

    @cached_property
    def is_file(self) -> bool:
        """Whether the source is one file."""
        return self.root.isfile()

    @cached_property
    def files(self) -> tuple[str, ...]:
        """Relative POSIX paths of files, breadth first, the first few thousand; a file's own name."""
        if self.is_file:
            return (self.root.name,)
        found: list[str] = []
        seen = 0
        queue = deque([("", 0)])
        while queue and seen < ENTRIES:
            folder, depth = queue.popleft()
            place = self.root / folder if folder else self.root
            for name, is_folder in place.iterdir():
                seen += 1
                path = f"{folder}/{name}" if folder else name
                if not is_folder:
                    found.append(path)
                elif depth < DEPTH:
                    queue.append((path, depth + 1))
                if seen >= ENTRIES:
                    break
        return tuple(found)

    def matching(self, *patterns: str) -> list[str]:
        """The files whose path fits one of the patterns (``*`` crosses folders)."""
        return [path for path in self.files if any(fnmatch(path, pattern) for pattern in patterns)]

    def head(self, path: str) -> bytes:
        """The first bytes of a file, without a byte order mark."""
        if path not in self._heads:
            place = self.root if self.is_file else self.root / path
            with place.open("rb") as file:
                self._heads[path] = file.read(HEAD).removeprefix(b"\xef\xbb\xbf")
        return self._heads[path]
