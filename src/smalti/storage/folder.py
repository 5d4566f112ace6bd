"""Handles that a format writes its files through: `Folder` writes them, `NullFolder` only checks.

Names come from data, so they are checked by `smalti.storage.paths`; a name that is written twice is an error.
Names that differ only in case or in Unicode form are the caller's matter: whether they collide is up to the
file system.
"""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Protocol, cast

from smalti.errors import DataError
from smalti.native import files
from smalti.storage.paths import safe_path, safe_paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from smalti.storage.location import Location

# O_EXCL: a name is written once, and never through a symbolic link. O_BINARY exists on Windows alone.
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
MANY = 64  # files that are worth a thread's time


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
    """Writes files below a local folder. It can be pickled: several workers write to copies of it at once.

    Attributes:
        location: The folder.
        dry: False.
        last: The name of the file to upload last.
    """

    __slots__ = ("_made", "_pool", "_running", "dry", "last", "location")

    def __init__(self, location: Location) -> None:
        self.location = location
        self.dry = False
        self.last: str | None = None
        self._made: set[str] = set()
        self._pool: ThreadPoolExecutor | None = None
        self._running: Future[None] | None = None

    def write_many(self, names: Sequence[str], bodies: Sequence[bytes]) -> None:
        """Write many small files; see `Target.write_many`."""
        clean = safe_paths(names)
        if len(clean) != len(bodies):
            raise ValueError(f"there are {len(clean)} names and {len(bodies)} bodies: one list is shorter")
        self._make({name.rpartition("/")[0] for name in clean})
        self.settle()
        if self._pool is not None and len(clean) >= MANY:
            self._running = self._pool.submit(self._create, clean, list(bodies))
        else:
            self._create(clean, list(bodies))

    def settle(self) -> None:
        """Wait until everything is written that was to be; errors as in `write_many`."""
        if self._running is not None:
            running, self._running = self._running, None
            running.result()

    @contextmanager
    def behind(self) -> Iterator[Folder]:
        """Let `write_many` return while its files are still being written; at the end all are."""
        if files is None:  # Python's own way would wait for the interpreter more than it gains
            yield self
            return
        with ThreadPoolExecutor(1, "smalti-files") as pool:
            self._pool = pool
            try:
                yield self
                self.settle()
            finally:
                self._pool = None

    def _create(self, names: list[str], bodies: list[bytes]) -> None:
        # One thread: two fight for the folder's lock in the kernel, and take twice as long in all.
        root = self.location.local
        failed = _created_in_c(root, names, bodies) if files is not None else _created(root, names, bodies)
        if failed is not None:
            at, number = failed
            path = os.path.join(root, names[at])
            if number == errno.EEXIST:
                raise self._twice(path)
            raise OSError(number, os.strerror(number), path)

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

    def __getstate__(self) -> tuple[Location, str | None]:
        """A copy elsewhere writes at once: nobody there waits for it."""
        return self.location, self.last

    def __setstate__(self, state: tuple[Location, str | None]) -> None:
        self.__init__(state[0])  # type: ignore[misc]  # as new
        self.last = state[1]


def _created_in_c(root: str, names: list[str], bodies: list[bytes]) -> tuple[int, int] | None:
    """Create files below a folder; gives the first that failed and its error number."""
    place = os.open(root, os.O_RDONLY)
    try:
        return cast(
            "tuple[int, int] | None", files.create(place, [os.fsencode(name) for name in names], bodies)
        )
    finally:
        os.close(place)


def _created(root: str, names: list[str], bodies: list[bytes]) -> tuple[int, int] | None:
    """The same in Python."""
    for at, (name, body) in enumerate(zip(names, bodies, strict=True)):
        try:
            handle = os.open(os.path.join(root, name), _CREATE, 0o666)
            try:
                written = os.write(handle, body)
                while written < len(body):  # a full disk answers at the next call
                    written += os.write(handle, body[written:])
            finally:
                os.close(handle)
        except OSError as error:
            return at, error.errno or errno.EIO
    return None


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
