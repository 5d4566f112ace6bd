"""The images that a sheet names: their paths below the folder of images, and their sizes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from smalti.errors import UnsafePathError
from smalti.storage.media import IMAGE_SUFFIXES, ImageHeader, read_headers
from smalti.storage.paths import URL, safe_path, safe_paths, unsafe_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from smalti.storage.location import Location

DEPTH: Final = 3  # folders deep that images are looked for beside a sheet
_ROOTED: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://|[\\/]|[A-Za-z]:[\\/]")


class Images:
    """Images below one folder.

    Args:
        root: The folder.

    Attributes:
        moved: Names that were found elsewhere below the folder, or under another spelling.
        shortened: Names of other machines (absolute, with a drive), and URLs of images that are here, taken without what
            they share.
    """

    def __init__(self, root: Location) -> None:
        self.root = root
        self.moved: list[str] = []
        self.shortened: list[str] = []
        self._there: list[str] | None = None
        self._known: frozenset[str] | None = None
        self._listed: dict[str, str] | None = None

    def paths(self, names: Sequence[str], folder: str = "") -> list[str]:
        """The paths of names as they stand in cells; a URL stays one where its image does not lie below the folder.

        Args:
            names: Names, each once.
            folder: The folder of the sheet below the root, which names are relative to.

        Raises:
            UnsafePathError: A name leaves its folder.
        """
        joined = "\n".join(("", *names))
        suspect = any(mark in joined for mark in (":", "\\", "\n/"))
        rooted = [name for name in names if _ROOTED.match(name)] if suspect else []
        share = _shared(rooted) if rooted else ""
        short = (
            [_tail(name)[len(share) :] if _ROOTED.match(name) else name for name in names]
            if rooted
            else names
        )
        found = [f"{folder}/{path}" if folder else path for path in safe_paths(short)]
        if found and not (self.root / found[0]).isfile():
            found = self._looked_up(found)
        if rooted:
            found = [name if URL.match(name) and not self.has(path) else path
                     for name, path in zip(names, found, strict=True)]  # fmt: skip
            self.shortened += [
                n for n, path in zip(names, found, strict=True) if _ROOTED.match(n) and n != path
            ]
        return found

    def has(self, path: str) -> bool:
        """Whether an image lies there."""
        if self._known is None:
            self._known = frozenset(self.everything())
        return path in self._known or (path.count("/") >= DEPTH and (self.root / path).isfile())

    def _looked_up(self, paths: list[str]) -> list[str]:
        there = self._files()
        if not there:
            return paths
        known = set(there.values())
        result = []
        for path in paths:
            where = path if path in known else there.get(_key(path)) or there.get(_key(path, bare=True))
            if where is not None and where != path:
                self.moved.append(path)
            result.append(where or path)
        return result

    def _files(self) -> dict[str, str]:
        """Paths of images by their names, with and without the suffix; names that two share are out."""
        if self._listed is None:
            found: dict[str, str] = {}
            twice: set[str] = set()
            for path in self.everything():
                for key in {_key(path), _key(path, bare=True)}:
                    (twice.add(key) if key in found else found.__setitem__(key, path))
            self._listed = {key: path for key, path in found.items() if key not in twice}
        return self._listed

    def everything(self) -> list[str]:
        """The images that lie below the folder, listed once."""
        if self._there is None:
            self._there = self.root.find(IMAGE_SUFFIXES, maxdepth=DEPTH) if self.root.isdir() else []
        return self._there

    def sizes(self, paths: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Widths and heights from the headers of images, as people see them; NaN where there is no image."""
        wide, high = np.full(len(paths), np.nan), np.full(len(paths), np.nan)
        here = [index for index, path in enumerate(paths) if not URL.match(path)]
        if not any((self.root / paths[index]).isfile() for index in here[:8]):
            return wide, high
        for index, header in zip(here, read_headers(self.root, [paths[i] for i in here]), strict=True):
            if isinstance(header, ImageHeader):
                wide[index], high[index] = header.upright
        return wide, high


def unsafe(names: pa.Array) -> list[int]:
    """Positions of names that leave their folder; names of other machines are not meant."""
    texts = names.to_pylist()
    return [i for i in unsafe_paths([text or "x" for text in texts]) if not _is_tail_safe(texts[i])]


def _is_tail_safe(name: str) -> bool:
    try:
        safe_path(_tail(name))
    except UnsafePathError:
        return False
    return bool(_ROOTED.match(name))


def _tail(name: str) -> str:
    """A rooted name without its scheme, drive and first slashes."""
    return _ROOTED.sub("", name.replace("\\", "/"), count=1).lstrip("/")


def _shared(names: Sequence[str]) -> str:
    """The folders that all rooted names begin with, with their slash."""
    parts = [_tail(name).split("/")[:-1] for name in names]
    low, high = min(parts), max(parts)
    count = next(
        (i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high))
    )
    return "".join(f"{part}/" for part in low[:count])


def _key(path: str, *, bare: bool = False) -> str:
    name = path.rpartition("/")[2].casefold()
    stem, dot, suffix = name.rpartition(".")
    return stem if bare and stem and dot + suffix in IMAGE_SUFFIXES else name
