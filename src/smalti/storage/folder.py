"""Handles that a format writes its files through: `Folder` writes them, `NullFolder` only checks.

Names come from data, so they are checked by `smalti.storage.paths`; a name that is written twice is an error.
Names that differ only in case or in Unicode form are the caller's matter: whether they collide is up to the
file system.
"""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Protocol, cast

from smalti.errors import DataError
from smalti.storage.paths import safe_path, safe_paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from smalti.storage.location import Location

# O_EXCL: a name is written once, and never through a symbolic link. O_BINARY exists on Windows alone.
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_BY_HANDLE = os.open in os.supports_dir_fd


class Target(Protocol):
    """What a format writes its files through.

    Attributes:
        location: Where the files are put.
        dry: Whether nothing is written at all.
        last: The name of the file that makes the folder recognisable; it is uploaded last.
    """

    location: Location
    dry: bool
    last: str | None

    def write_many(self, names: Sequence[str], bodies: Sequence[bytes]) -> None:
        """Write many small files, with the folders above them.

        Args:
            names: Relative paths.
            bodies: Their contents, as many as there are names.

        Raises:
            UnsafePathError: A name leaves the folder.
            DataError: A name was written before.
        """

    def write(self, name: str, body: bytes) -> None:
        """Write one file, as `write_many` does."""

    def open(self, name: str) -> IO[bytes]:
        """Open a new file for a stream of bytes; errors as in `write_many`."""

    def mkdir(self, name: str) -> None:
        """Make a folder, with those above it; it may be there."""

    def reserve(self, names: Sequence[str]) -> list[str]:
        """Return local paths to create files at, their folders made; errors as in `write_many`."""


class Folder:
    """Writes files below a local folder. It can be pickled, and used by several workers at once.

    Attributes:
        location: The folder.
        dry: False.
        last: The name of the file to upload last.
    """

    __slots__ = ("_made", "dry", "last", "location")

    def __init__(self, location: Location) -> None:
        self.location = location
        self.dry = False
        self.last: str | None = None
        self._made: set[str] = set()

    def write_many(self, names: Sequence[str], bodies: Sequence[bytes]) -> None:
        """Write many small files; see `Target.write_many`."""
        clean = safe_paths(names)
        self._make({name.rpartition("/")[0] for name in clean})
        # One thread: two fight for the folder's lock in the kernel, and take twice as long in all.
        create, write, close = os.open, os.write, os.close
        # By the folder's handle: otherwise the system goes its whole path for each of them.
        root = self.location.local
        place = create(root, os.O_RDONLY) if _BY_HANDLE else None
        above = "" if _BY_HANDLE else os.path.join(root, "")
        try:
            for name, body in zip(clean, bodies, strict=True):
                try:
                    handle = create(above + name, _CREATE, 0o666, dir_fd=place)
                except FileExistsError as error:
                    raise self._twice(os.path.join(root, name)) from error
                try:
                    written = write(handle, body)
                    while written < len(body):  # a full disk answers at the next call
                        written += write(handle, body[written:])
                finally:
                    close(handle)
        finally:
            if place is not None:
                close(place)

    def write(self, name: str, body: bytes) -> None:
        """Write one file; see `Target.write_many`."""
        self.write_many([name], [body])

    def open(self, name: str) -> IO[bytes]:
        """Open a new file for a stream of bytes; see `Target.open`."""
        (path,) = self.reserve([name])
        try:
            return open(path, "xb")
        except FileExistsError as error:
            raise self._twice(path) from error

    def mkdir(self, name: str) -> None:
        """Make a folder; see `Target.mkdir`."""
        self._make([safe_path(name)])

    def reserve(self, names: Sequence[str]) -> list[str]:
        """Return local paths to create files at; see `Target.reserve`."""
        clean = safe_paths(names)
        self._make({name.rpartition("/")[0] for name in clean})
        root = os.path.join(self.location.local, "")
        return [root + name for name in clean]

    def _make(self, folders: Iterable[str]) -> None:
        for folder in sorted(set(folders) - self._made):
            try:
                os.makedirs(os.path.join(self.location.local, folder), exist_ok=True)
            except (FileExistsError, NotADirectoryError) as error:
                raise DataError(
                    f"the name {folder!r} is needed for a folder and for a file; expected one of them",
                    hint="rename the file or the folder",
                ) from error
            self._made.add(folder)

    def _twice(self, path: str) -> DataError:
        return written_twice(os.path.relpath(path, self.location.local))


class NullFolder:
    """Checks what `Folder` checks and writes nothing: the target of a dry run.

    Attributes:
        location: The place that would be written to.
        dry: True.
        last: The name of the file that would be uploaded last.
    """

    __slots__ = ("_names", "dry", "last", "location")

    def __init__(self, location: Location) -> None:
        self.location = location
        self.dry = True
        self.last: str | None = None
        self._names: set[str] = set()

    def write_many(self, names: Sequence[str], bodies: Sequence[bytes]) -> None:
        """Check the names; see `Target.write_many`."""
        for name, _ in zip(safe_paths(names), bodies, strict=True):
            if name in self._names:
                raise written_twice(name)
            self._names.add(name)

    def write(self, name: str, body: bytes) -> None:
        """Check the name; see `Target.write_many`."""
        self.write_many([name], [body])

    def open(self, name: str) -> IO[bytes]:
        """Check the name, and give a file that swallows everything."""
        self.write_many([name], [b""])
        return cast("IO[bytes]", open(os.devnull, "wb"))

    def mkdir(self, name: str) -> None:
        """Check the name."""
        safe_path(name)

    def reserve(self, names: Sequence[str]) -> list[str]:
        """Check the names; there are no paths to create files at."""
        safe_paths(names)
        return []


def written_twice(name: str) -> DataError:
    """Return the error for a name that a target already has."""
    return DataError(
        f"the file {name!r} is written twice; expected each name once",
        hint="keep the sub-folders of the images, or rename one of the two",
    )
