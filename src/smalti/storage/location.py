"""A place on any file system that fsspec knows, with the few things that readers and writers do there.

Source of truth for URLs and their chaining: https://filesystem-spec.readthedocs.io/en/latest/features.html#url-chaining

Two rules keep data inside its root. Reading: a path from the data goes through `safe_path` (the `/` operator does
it), so `..` and absolute paths are refused; symbolic links are followed, since whoever laid out the
folder made them (`media="symlink"` does). Writing: `inside` resolves links too, and refuses what ends
outside of the root. The root itself may be a link in both cases.
"""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any, cast

from smalti.errors import DataError, MissingExtraError, OptionError, UnsafePathError
from smalti.storage.local import list_files, read_file
from smalti.storage.paths import safe_path, safe_paths

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fsspec import AbstractFileSystem

BOM = b"\xef\xbb\xbf"
REMOTE_WORKERS = 16  # each waits for the network

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+)://")  # two letters at least: `c:` is a drive
_CACHES = frozenset({"simplecache", "filecache", "blockcache"})  # in a chain they have no path of their own
_EXTRAS = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "az": "azure",
    "abfs": "azure",
    "abfss": "azure",
}
# A cached listing would hide what others wrote since. Other file systems do not take the option, or pass
# it on to a client that does not.
_LISTINGS = frozenset({*_EXTRAS, "http", "https"})
_THREADS = _LISTINGS | {"file", "memory"}
_READ_ONLY = frozenset({"zip", "tar", "libarchive", "http", "https", "github", "data", "reference"})


@dataclass(frozen=True, slots=True)
class Location:
    """A file or folder on a file system; equal when the address and the options are.

    Make one with `Location.parse`. Nothing is looked up before it is asked for, and a pickled location
    connects again where it is unpickled.

    Attributes:
        head: The part of the address that `/` extends: an absolute path, or `s3://bucket/a`.
        before: What stands before it in a chain: `simplecache::`.
        after: What stands behind it in a chain: `::/data/archive.zip`.
        options: The storage options that fsspec is given, sorted by name.
        is_local: Whether it is a plain path of this machine.
    """

    head: str
    before: str = ""
    after: str = ""
    options: tuple[tuple[str, Any], ...] = ()
    is_local: bool = False
    _found: list[Any] = field(default_factory=list, repr=False, compare=False)  # [fs, path] once connected

    @staticmethod
    def parse(source: str | os.PathLike[str] | Location, **storage_options: Any) -> Location:
        """Make a location of a path, a URL or a location.

        Args:
            source: A path of this machine (made absolute), or a URL that fsspec knows, chained or not
                (`s3://bucket/a`, `zip://member::/path.zip`). A location comes back as it is.
            **storage_options: Passed to fsspec's file system.

        Raises:
            OptionError: It is empty, or options are given for a path of this machine.
        """
        if isinstance(source, Location):
            return source
        text = os.fspath(source)
        if not text or "\0" in text:
            raise OptionError(f"{text!r} is no path; expected a path or a URL")
        pieces = text.split("::") if isinstance(source, str) else [text]
        chained = len(pieces) > 1 and (bool(_SCHEME.match(text)) or _is_protocol(pieces[0]))
        scheme = _SCHEME.match(text) if isinstance(source, str) else None
        if not chained and (scheme is None or scheme[1] in {"file", "local"}):
            if storage_options:
                raise OptionError(f"{text!r} is a local path, which takes no storage options")
            return Location(os.path.abspath(text[scheme.end() :] if scheme else text), is_local=True)
        options = tuple(sorted(storage_options.items()))
        if not chained:
            return Location(text, options=options)
        main = next((i for i, piece in enumerate(pieces) if _protocol(piece) not in _CACHES), 0)
        head = pieces[main] if "://" in pieces[main] or main + 1 == len(pieces) else f"{pieces[main]}://"
        before, after = pieces[:main], pieces[main + 1 :]
        return Location(head, "".join(f"{p}::" for p in before), "".join(f"::{p}" for p in after), options)

    def __reduce__(self) -> tuple[object, ...]:
        # The connection stays behind: sockets and locks do not travel.
        return Location, (self.head, self.before, self.after, self.options, self.is_local)

    def __hash__(self) -> int:
        return hash(self.url)

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, relative: str) -> Location:
        """Return the place below it that `relative` names.

        Raises:
            UnsafePathError: The path would leave this place (`safe_path`).
        """
        return self._at(safe_path(relative))

    def _at(self, relative: str) -> Location:
        found = [self._found[0], _join(self._found[1], relative)] if self._found else []
        head = os.path.join(self.head, relative) if self.is_local else _join(self.head, relative)
        return Location(head, self.before, self.after, self.options, self.is_local, found)

    @property
    def url(self) -> str:
        """The address for messages and reports: a plain path, or the URL."""
        return f"{self.before}{self.head}{self.after}"

    @property
    def protocol(self) -> str:
        """The name of the file system: `file`, `memory`, `s3`, `zip`."""
        return "file" if self.is_local else _protocol(self.head)

    @property
    def fs(self) -> AbstractFileSystem:
        """The fsspec file system, connected on first use.

        Raises:
            MissingExtraError: The library for this kind of URL is not installed.
            OptionError: No file system has this name.
        """
        return self._connect()[0]

    @property
    def path(self) -> str:
        """The path as the file system wants it."""
        return self.head if self.is_local else cast("str", self._connect()[1])

    def _connect(self) -> list[Any]:
        if not self._found:
            options = dict(self.options)
            if self.protocol in _LISTINGS and not self.before and not self.after:
                options.setdefault("use_listings_cache", False)
            try:
                self._found[:] = _file_system(
                    self.url if not self.is_local else f"file://{self.head}", options
                )
            except ImportError as error:
                extra = _EXTRAS.get(self.protocol)
                remedy = f"pip install 'smalti[{extra}]'" if extra else str(error)
                raise MissingExtraError(
                    f"{self.url} needs a library that is not installed: {remedy}"
                ) from error
            except ValueError as error:
                raise OptionError(f"{self.url} is no address that can be used: {error}") from error
        return self._found

    @property
    def name(self) -> str:
        """The last part of the path; empty for a root."""
        path = self.head if self.is_local else self.head.partition("://")[2]
        return PurePosixPath(path.replace(os.sep, "/")).name

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """The name's suffix with its dot, as it is written: `.JPG`; empty where there is none."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> Location:
        """The folder that it lies in; a root is its own parent."""
        if self.is_local:
            return Location(os.path.dirname(self.head), is_local=True)
        scheme, mark, path = self.head.partition("://")
        above = path.rstrip("/").rpartition("/")[0]
        return Location(f"{scheme}{mark}{above}", self.before, self.after, self.options)

    @property
    def local(self) -> str:
        """The path for the functions of `os`.

        Raises:
            OptionError: It is not on this machine.
        """
        if not self.is_local:
            raise OptionError(f"{self.url} is no local path; copy it to this machine first")
        return self.head

    def exists(self) -> bool:
        """Tell whether there is a file or a folder."""
        return os.path.exists(self.head) if self.is_local else bool(self.fs.exists(self.path))

    def isfile(self) -> bool:
        """Tell whether there is a file."""
        return os.path.isfile(self.head) if self.is_local else bool(self.fs.isfile(self.path))

    def isdir(self) -> bool:
        """Tell whether there is a folder."""
        return os.path.isdir(self.head) if self.is_local else bool(self.fs.isdir(self.path))

    def size(self) -> int:
        """Return the file's size in bytes."""
        return os.path.getsize(self.head) if self.is_local else int(self.fs.size(self.path))

    def open(self, mode: str = "rb") -> IO[bytes]:
        """Open it as a binary file (`rb`, `wb`, `xb`)."""
        return cast("IO[bytes]", open(self.head, mode) if self.is_local else self.fs.open(self.path, mode))

    def read_bytes(self) -> bytes:
        """Read the whole file, by one request where it is remote."""
        return read_file(self.head) if self.is_local else bytes(self.fs.cat_file(self.path))

    def read_range(self, start: int, size: int) -> bytes:
        """Read `size` bytes from `start` on, by one request where the file is remote."""
        if not self.is_local:
            return bytes(self.fs.cat_file(self.path, start=start, end=start + size))
        with self.open() as file:
            file.seek(start)
            return file.read(size)

    def read_many(self, names: Sequence[str]) -> list[bytes]:
        """Read small files below it, whole and in the order of their names.

        Raises:
            UnsafePathError: A name leaves this place.
        """
        clean = safe_paths(names)
        if self.is_local:
            root = os.path.join(self.head, "")
            return [read_file(root + name) for name in clean]
        _ = self.path  # connects once, before the threads do
        with ThreadPoolExecutor(self.workers(REMOTE_WORKERS)) as pool:
            return list(pool.map(lambda name: self._at(name).read_bytes(), clean))

    def workers(self, most: int) -> int:
        """How many threads may use it at once: so many, or one where all share a connection (SFTP, FTP)."""
        return most if self.protocol in _THREADS and not self.after else 1

    def read_text(self) -> str:
        """Read the whole file as UTF-8, without its byte order mark.

        Raises:
            DataError: A byte is not UTF-8; its offset in the file is given.
        """
        body = self.read_bytes()
        skipped = len(BOM) if body.startswith(BOM) else 0
        try:
            return body[skipped:].decode()
        except UnicodeDecodeError as error:
            raise DataError(
                f"found the byte 0x{body[skipped + error.start]:02x}; expected text in UTF-8",
                file=self.url,
                position=f"byte {skipped + error.start}",
                hint="save the file as UTF-8",
            ) from error

    @contextmanager
    def mmap(self) -> Iterator[memoryview]:
        """Give the file's bytes: mapped and read on demand for a local file, in memory for others.

        A buffer made of it (numpy, pyarrow) may live on: the file stays mapped until the last is gone.
        """
        if not self.is_local or not self.size():
            yield memoryview(self.read_bytes())
            return
        with open(self.head, "rb") as file:
            mapped = mmap(file.fileno(), 0, access=ACCESS_READ)
        view = memoryview(mapped)
        try:
            yield view
        finally:
            with suppress(BufferError):  # someone holds a part of it, and closes it by letting go
                view.release()
                mapped.close()

    def write_bytes(self, body: bytes) -> None:
        """Write the whole file, with the folders above it. Not atomic: see `smalti.storage.staging`."""
        refuse_read_only(self)
        if self.is_local:
            os.makedirs(os.path.dirname(self.head), exist_ok=True)
            with open(self.head, "wb") as file:
                file.write(body)
        else:
            self.fs.makedirs(self.parent.path, exist_ok=True)
            self.fs.pipe_file(self.path, body)

    def find(self, suffixes: Sequence[str] | None = None, maxdepth: int | None = None) -> list[str]:
        """List the files below it in one pass.

        Args:
            suffixes: Endings that a name must have one of, whatever its case (`.jpg`); None for all files.
            maxdepth: How many levels down to look: 1 is this folder alone; None is all.

        Returns:
            Relative POSIX paths, sorted. Nothing for a folder that is not there. Links to folders are followed.

        Raises:
            DataError: Links to folders go in circles or nest too deep.
        """
        endings = None if suffixes is None else tuple(suffix.lower() for suffix in suffixes)
        if self.is_local:
            return list_files(self.head, endings, maxdepth)
        root = self.path.rstrip("/")
        start = f"{root}/" if root else ""
        every = (path for path in self.fs.find(self.path, maxdepth=maxdepth) if path.startswith(start))
        names = (path[len(start) :] for path in every)
        return sorted(name for name in names if name and (endings is None or name.lower().endswith(endings)))

    def iterdir(self) -> list[tuple[str, bool]]:
        """List what lies directly in it: (name, whether it is a folder), sorted by name."""
        if self.is_local:
            with os.scandir(self.head) as entries:
                return sorted((entry.name, entry.is_dir()) for entry in entries)
        root = self.path.strip("/")
        entries = self.fs.ls(self.path, detail=True)
        found = ((entry["name"].strip("/"), entry["type"] == "directory") for entry in entries)
        return sorted((name.rpartition("/")[2], folder) for name, folder in found if name != root)


def inside(root: Location, relative: str) -> Location:
    """Return the place below a root that may be written to.

    Args:
        root: The folder; it may be a symbolic link itself.
        relative: A path from the data.

    Raises:
        UnsafePathError: The path leaves the root, by itself or through a symbolic link.
    """
    place = root / relative
    if root.is_local:
        top, target = os.path.realpath(root.head), os.path.realpath(place.head)
        if target != top and not target.startswith(os.path.join(top, "")):
            raise UnsafePathError(
                f"the path {relative!r} leads to {target} through a symbolic link; expected a place below {top}",
                file=root.url,
                hint="remove the link, or write to another folder",
            )
    return place


def refuse_read_only(target: Location) -> None:
    """Refuse a target that cannot be written to, such as a member of an archive.

    Raises:
        OptionError: It says what to do instead.
    """
    if target.protocol in _READ_ONLY:
        raise OptionError(
            f"cannot write to {target.url}: {target.protocol} is read only here; "
            "write to a folder, and pack or upload that afterwards"
        )


def _protocol(piece: str) -> str:
    return piece.partition("://")[0]


# fsspec takes a tenth of a second to import, which paths of this machine do without.


def _is_protocol(name: str) -> bool:
    from fsspec.registry import available_protocols

    return name in available_protocols()


def _file_system(url: str, options: dict[str, Any]) -> tuple[AbstractFileSystem, str]:
    from fsspec.core import url_to_fs

    return url_to_fs(url, **options)


def _join(head: str, relative: str) -> str:
    return f"{head}{relative}" if not head or head.endswith("/") else f"{head}/{relative}"
