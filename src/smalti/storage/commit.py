"""put_if_absent: make one file unless its name is taken, whoever else tries at the same moment.

It is what a version of a store is committed with: among any number of writers exactly one makes the file,
readers see it whole or not at all, and it is on the disk when the call returns.

* Local: a temporary file is filled and synced, gets its name by a hard link, which fails where the name is
  taken (https://pubs.opengroup.org/onlinepubs/9799919799/functions/link.html), and the folder is synced.
  fsspec's own ``mode="create"`` looks first and writes then: several writers win.
* Memory: under a lock of the process.
* S3, Google Cloud Storage, Azure: one PUT with ``If-None-Match: *``
  (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html) or its like. A refusal does not
  tell who was faster: a client repeats a request of which the answer was lost, and is then refused by its own
  file. So after any error the file is read back, and its bytes, which no two writers share, say whose it is.
* Others (SFTP, SMB, FTP, WebHDFS …) have nothing of the kind: they are refused unless the caller vouches that
  there is one writer alone.
"""

from __future__ import annotations

import errno
import os
import random
import secrets
import threading
import time
from contextlib import suppress

from smalti.errors import OptionError
from smalti.storage.location import Location, refuse_read_only

OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"})
TRIES = 8
PAUSE = 0.05  # seconds before the second try; doubled with each, and shortened by chance
LONGEST_PAUSE = 2.0
PROBE = "probe-"  # what the names of probes begin with, which a kill may leave behind

# What a file system answers that has no hard links.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})
# What a file system answers where nothing more fits.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_memory = threading.Lock()
_honoured: dict[str, bool] = {}  # what the probe found, by folder's bucket


def put_if_absent(place: Location, body: bytes, *, single_writer: bool = False) -> bool:
    """Make a file with these bytes, unless there is one of that name.

    Args:
        place: The file. Its folder is there already.
        body: Bytes that no other writer puts: they hold a random number.
        single_writer: The caller vouches that nobody else writes; then any file system will do.

    Returns:
        Whether the file is this one. If not, somebody else's has the name.

    Raises:
        OptionError: This file system cannot do it.
        OSError: It failed; whether the file is there is not known.
    """
    refuse_unsafe(place, single_writer=single_writer)
    if place.is_local:
        return _linked(place.local, body)
    if place.protocol == "memory":
        with _memory:
            return _looked(place, body)
    return _looked(place, body) if single_writer else _conditional(place, body)


def refuse_unsafe(place: Location, *, single_writer: bool = False) -> None:
    """Refuse a place where nothing can be made by `put_if_absent`, before anything is written there.

    Raises:
        OptionError: It is read only, or cannot make a file only where there is none.
    """
    refuse_read_only(place)
    if place.is_local or single_writer or place.protocol in {"memory", *OBJECT_STORES}:
        return
    raise OptionError(
        f"{place.url}: {place.protocol} cannot make a file only where there is none, so writers would"
        " overwrite each other's versions; use a local disk, S3, Google Cloud Storage or Azure, or pass"
        " single_writer=True if nobody else ever writes there"
    )


def probe(folder: Location) -> None:
    """Find out, once a process and bucket, whether an object store honours preconditions at all.

    Raises:
        OptionError: It does not: of two writers both would be told that they had won.
    """
    if folder.protocol not in OBJECT_STORES:
        return
    bucket = f"{folder.head.split('/')[:3]} {folder.options}"
    if bucket not in _honoured:
        place = folder / f"{PROBE}{secrets.token_hex(16)}"
        try:
            first = _conditional(place, b"first " + secrets.token_hex(16).encode())
            second = _conditional(place, b"second " + secrets.token_hex(16).encode())
        finally:
            with suppress(OSError):
                place.fs.rm_file(place.path)
        _honoured[bucket] = first and not second
    if not _honoured[bucket]:
        raise OptionError(
            f"{folder.url}: this bucket ignores preconditions (If-None-Match), so writers would overwrite each"
            " other's versions; use another service, or pass single_writer=True if nobody else ever writes there"
        )


def _linked(path: str, body: bytes) -> bool:
    folder, name = os.path.split(path)
    stage = os.path.join(folder, f".{name}.{secrets.token_hex(8)}.tmp")
    try:
        try:
            with open(stage, "xb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise full(error, path) from error
        try:
            os.link(stage, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            raise OptionError(
                f"{folder}: this file system has no hard links ({error.strerror}), without which writers would"
                " overwrite each other's versions; use another disk"
            ) from error
        sync_folder(folder)
        return True
    finally:
        with suppress(OSError):
            os.unlink(stage)


def _looked(place: Location, body: bytes) -> bool:
    if place.fs.exists(place.path):
        return False
    place.fs.pipe_file(place.path, body)
    return True


def _conditional(place: Location, body: bytes) -> bool:
    trouble: Exception | None = None
    for turn in range(TRIES):
        if turn:
            time.sleep(min(LONGEST_PAUSE, PAUSE * 2**turn) * random.random())  # noqa: S311  # not a secret
        try:
            place.fs.pipe_file(place.path, body, mode="create")
        except PermissionError:
            raise
        except FileNotFoundError as error:  # of a file that is made: there is no bucket
            raise FileNotFoundError(
                errno.ENOENT, "there is no such bucket; make it first", place.url
            ) from error
        # Taken (412, FileExistsError, EINVAL), in conflict (409), or out of order; the clients of Google Cloud Storage
        # and Azure have errors of their own, which are no `OSError`.
        except Exception as error:  # noqa: BLE001
            trouble = error
        else:
            return True
        try:
            return bool(place.fs.cat_file(place.path) == body)
        except FileNotFoundError:
            continue  # nothing came through: once more
        except Exception as error:  # noqa: BLE001
            trouble = error
    raise OSError(f"{place.url}: the file could not be made: {trouble or 'no answer'}") from trouble


def full(error: OSError, path: str) -> OSError:
    """The error as it is, or where the disk is full one with the file and what became of the data."""
    if error.errno not in _FULL:
        return error
    text = f"{error.strerror}: the last version is as it was; free some space and write again"
    return OSError(error.errno, text, path)


def sync_folder(path: str) -> None:
    """Put a local folder's names on the disk; nothing where folders cannot be opened (Windows)."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
