"""A folder that keeps copies of remote files, up to a number of bytes; the ones unused for longest go first.

Many processes may use one folder: a file gets its name when it is whole, and one that another process
has just removed is fetched again.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING

from smalti.errors import OptionError

if TYPE_CHECKING:
    from smalti.storage.location import Location

KEPT = 0.9  # of the bytes that are allowed, after old files went: not every new file makes others go


class FileCache:
    """Copies of files in a folder of this machine.

    Args:
        folder: It is made when the first file comes.
        max_bytes: How much it may hold; a file larger than that is not kept.

    Raises:
        OptionError: `max_bytes` is not positive.
    """

    def __init__(self, folder: str, max_bytes: int) -> None:
        if max_bytes <= 0:
            raise OptionError(f"a cache of {max_bytes} bytes holds nothing; give a positive number")
        self.folder = os.path.abspath(folder)
        self.max_bytes = max_bytes
        self._bytes: int | None = None  # what the folder held when it was last looked at, and came since

    def read(self, place: Location) -> bytes:
        """The file's bytes, from the folder where it has them.

        Raises:
            OSError: The file cannot be read.
        """
        path = os.path.join(self.folder, sha256(place.url.encode()).hexdigest())
        with suppress(FileNotFoundError), open(path, "rb") as file:
            body = file.read()
            os.utime(path)  # used now; reading alone does not say so on every file system
            return body
        body = place.read_bytes()
        if len(body) <= self.max_bytes:
            self._keep(path, body)
        return body

    def _keep(self, path: str, body: bytes) -> None:
        os.makedirs(self.folder, exist_ok=True)
        partial = f"{path}.{os.getpid()}.tmp"
        with open(partial, "wb") as file:
            file.write(body)
        os.replace(partial, path)
        if self._bytes is None:
            self._bytes = sum(size for _, size, _ in self._files())
        else:
            self._bytes += len(body)
        if self._bytes > self.max_bytes:
            self._bytes = self._trim()

    def _files(self) -> list[tuple[float, int, str]]:
        """When each file was last used, its bytes, its path."""
        found = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # another process was faster
                    seen = entry.stat()
                    found.append((seen.st_mtime, seen.st_size, entry.path))
        return found

    def _trim(self) -> int:
        """Remove the files unused for longest; how many bytes are left."""
        files = sorted(self._files())
        total = sum(size for _, size, _ in files)
        for _, size, path in files:
            if total <= self.max_bytes * KEPT:
                break
            with suppress(FileNotFoundError):
                os.unlink(path)
            total -= size
        return total
