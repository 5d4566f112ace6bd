"""Files that are on the disk when they are said to be: written whole, hashed on the way, synced.

A file gets its own new name and is never changed again, so there is nothing to move into place; one that no
version names is as good as absent.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any

from smalti.storage.commit import OBJECT_STORES, full, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smalti.storage.location import Location


class Hashed:
    """A binary file to write to, front to back, that knows what went through it.

    Attributes:
        size: Bytes so far.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0
        self.closed = False

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was written, as 64 hexadecimal digits."""
        return self._hash.hexdigest()

    def write(self, body: Any) -> int:
        """Write bytes."""
        view = memoryview(body).cast("B")
        self._hash.update(view)
        self._file.write(view)
        self.size += len(view)
        return len(view)

    def tell(self) -> int:
        """Where the next byte goes."""
        return self.size

    def flush(self) -> None:
        """Hand to the system what is buffered."""
        self._file.flush()

    def close(self) -> None:
        """Nothing: whoever opened the file closes it."""
        self.closed = True

    def writable(self) -> bool:
        """It is."""
        return True

    def readable(self) -> bool:
        """It is not."""
        return False

    def seekable(self) -> bool:
        """It is not."""
        return False


@contextmanager
def new_file(place: Location) -> Iterator[Hashed]:
    """Write a new file. At a clean end it is whole and synced, otherwise it is gone.

    Args:
        place: The file; nobody else uses its name. Its folder is there already.

    Raises:
        OSError: It cannot be written.
    """
    if not place.is_local:
        with tempfile.TemporaryDirectory(prefix="smalti-") as folder:
            path = os.path.join(folder, "file")
            with open(path, "xb") as file:
                yield Hashed(file)
            place.fs.put_file(path, place.path)
        return
    try:
        with open(place.local, "xb") as file:
            yield Hashed(file)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(os.path.dirname(place.local))
    except BaseException as error:
        with suppress(OSError):
            os.unlink(place.local)
        if isinstance(error, OSError):
            raise full(error, place.local) from error
        raise


def write_new(place: Location, body: bytes) -> None:
    """Write a new file of these bytes; see `new_file`."""
    with new_file(place) as file:
        file.write(body)


def make_folder(place: Location) -> None:
    """Make a folder with those above it, and sync their names."""
    if not place.is_local:
        if place.protocol not in OBJECT_STORES:  # these have no folders
            place.fs.makedirs(place.path, exist_ok=True)
        return
    missing = []
    path = place.local
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        with suppress(FileExistsError):
            os.mkdir(folder)
        sync_folder(os.path.dirname(folder))


def remove(place: Location) -> None:
    """Remove a file, or do nothing where there is none."""
    with suppress(FileNotFoundError):
        if place.is_local:
            os.unlink(place.local)
        else:
            place.fs.rm_file(place.path)


def remove_folder(place: Location) -> None:
    """Remove a folder and what is in it, or do nothing where there is none."""
    with suppress(FileNotFoundError):
        if place.is_local:
            shutil.rmtree(place.local)
        else:
            place.fs.rm(place.path, recursive=True)


@contextmanager
def new_content(folder: Location, suffix: str) -> Iterator[Hashed]:
    """Write a new file that gets the SHA-256 of its bytes for a name; see `new_file`.

    Args:
        folder: Where; it is there already.
        suffix: What follows the hash in the name.
    """
    if not folder.is_local:
        with tempfile.TemporaryDirectory(prefix="smalti-") as temporary:
            path = os.path.join(temporary, "file")
            with open(path, "xb") as file:
                content = Hashed(file)
                yield content
            folder.fs.put_file(path, (folder / f"{content.sha256}{suffix}").path)
        return
    stage = folder / f".{secrets.token_hex(8)}.tmp"
    with new_file(stage) as content:
        yield content
    os.replace(stage.local, (folder / f"{content.sha256}{suffix}").local)
    sync_folder(folder.local)


def put_content(place: Location, body: bytes) -> None:
    """Write a file whose name is the hash of its bytes, unless it is there: whoever writes it writes the same."""
    if not place.is_local:
        if not place.fs.exists(place.path):
            place.fs.pipe_file(place.path, body)
        return
    if os.path.exists(place.local):
        return
    stage = place.parent / f".{secrets.token_hex(8)}.tmp"
    write_new(stage, body)
    os.replace(stage.local, place.local)
    sync_folder(place.parent.local)
