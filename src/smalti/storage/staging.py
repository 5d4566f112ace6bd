"""Writes that are whole or absent: a hidden sibling is filled, and takes the target's name at a clean end.

On this machine the move is a rename (https://pubs.opengroup.org/onlinepubs/9799919799/functions/rename.html), so
a process killed at any point leaves at most a hidden `.{name}.{random}.tmp` beside the target. Replacing
a folder takes two renames: killed between them, the old folder stands beside it as `.{name}.{random}.old`.
Other file systems have no rename of folders: everything is made in a local temporary folder and uploaded,
the file that the format is recognised by at the very end.
Nothing is flushed to the disk (no fsync): a power cut is the store's business, not an export's.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from smalti.errors import OptionError, TargetExistsError
from smalti.storage.folder import Folder
from smalti.storage.location import Location, refuse_read_only

if TYPE_CHECKING:
    from collections.abc import Iterator

UPLOAD_BATCH = 1000  # files handed to the file system at once, which sends them side by side
_NAME_KEPT = 48  # characters of the target's name in the sibling's: names end at 255 bytes

# What a file system answers that has no hard links.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
# What a rename answers where a folder with something in it, or a file, has the name.
_TAKEN = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR})


@contextmanager
def staged_file(target: Location, overwrite: bool = False) -> Iterator[Location]:
    """Write one file, whole or not at all.

    Args:
        target: Where the file shall stand in the end. The folders above it are made.
        overwrite: Replace a file that stands there. A folder is never replaced by a file.

    Yields:
        The local place to write the file to.

    Raises:
        TargetExistsError: The target is there already, at the start or (written meanwhile) at the end.
        OptionError: The target cannot be written to.
    """
    check_target(target, overwrite, folder=False)
    if not target.is_local:
        with tempfile.TemporaryDirectory(prefix="smalti-") as folder:
            stage = Location.parse(folder) / (target.name or "file")
            yield stage
            _upload(stage.parent, target.parent, [target.name], [])
        return
    final = os.path.realpath(target.local)
    stage = _sibling(final)
    try:
        yield stage
        if overwrite:
            os.replace(stage.local, final)
        else:
            _move_exclusively(stage.local, final)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(stage.local)


@contextmanager
def staged_folder(target: Location, overwrite: bool = False) -> Iterator[Folder]:
    """Write a folder of files, whole or not at all.

    Args:
        target: Where the folder shall stand in the end. An empty folder there counts as absent; the
            folders above it are made.
        overwrite: Replace a folder that stands there, with everything in it. A file is never replaced.

    Yields:
        The handle to write with. Its `last` names the file to upload last, where uploading it is.

    Raises:
        TargetExistsError: The target is there already, at the start or (written meanwhile) at the end.
        OptionError: The target cannot be written to.
    """
    check_target(target, overwrite, folder=True)
    if not target.is_local:
        with tempfile.TemporaryDirectory(prefix="smalti-") as temporary:
            with Folder(Location.parse(temporary)).behind() as folder:
                yield folder
            names = folder.location.find()
            if folder.last in names:
                names.remove(folder.last)
                names.append(folder.last)
            _upload(folder.location, target, names, target.find() if overwrite else [])
        return
    final = os.path.realpath(target.local)
    stage = _sibling(final)
    os.mkdir(stage.local)
    try:
        with Folder(stage).behind() as folder:
            yield folder
        _move_folder(stage.local, final, overwrite)
    finally:
        shutil.rmtree(stage.local, ignore_errors=True)  # it is gone after a move


def check_target(target: Location, overwrite: bool, *, folder: bool) -> None:
    """Check that a target can be written to; `staged_file` and `staged_folder` begin with it.

    Args:
        target: The place.
        overwrite: Whether what stands there may be replaced.
        folder: Whether a folder is to be written, or a file.

    Raises:
        TargetExistsError: It is there already, or is of the other kind.
        OptionError: It cannot be written to.
    """
    refuse_read_only(target)
    if not target.name:
        raise OptionError(f"{target.url} is a root; expected the name of a {'folder' if folder else 'file'}")
    if target.isfile():
        if folder:
            raise TargetExistsError(
                f"{target.url} is a file, and a folder is to be written; give another name"
            )
        taken = True
    elif target.isdir():
        if not folder:
            raise TargetExistsError(
                f"{target.url} is a folder, and a file is to be written; give another name"
            )
        taken = overwrite or _filled(target)
    else:
        taken = False
    if taken and not overwrite:
        raise _exists(target.url)


def _filled(folder: Location) -> bool:
    try:
        return bool(folder.iterdir())
    except FileNotFoundError:  # another writer has just put it aside
        return False


def _exists(url: str) -> TargetExistsError:
    return TargetExistsError(f"{url} exists already; pass overwrite=True to replace it, or give another name")


def _sibling(final: str, ending: str = "tmp") -> Location:
    parent, name = os.path.split(final)
    os.makedirs(parent, exist_ok=True)
    return Location.parse(os.path.join(parent, f".{name[:_NAME_KEPT]}.{secrets.token_hex(8)}.{ending}"))


def _move_exclusively(stage: str, final: str) -> None:
    # A hard link fails where the name is taken, a rename would replace it.
    try:
        os.link(stage, final)
    except FileExistsError as error:
        raise _exists(final) from error
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(final):
            raise _exists(final) from error
        os.replace(stage, final)


def _move_folder(stage: str, final: str, overwrite: bool) -> None:
    if _takes_name(stage, final):
        return
    if not overwrite or os.path.isfile(final):
        raise _exists(final)
    aside = _sibling(final, "old").local
    with suppress(FileNotFoundError):  # another writer may have put it aside
        os.rename(final, aside)
    try:
        taken = not _takes_name(stage, final)
    except OSError:
        if os.path.lexists(aside):
            os.rename(aside, final)
        raise
    shutil.rmtree(aside, ignore_errors=True)  # replaced by this writer, or by one that came in between
    if taken:
        raise _exists(final)


def _takes_name(stage: str, final: str) -> bool:
    """Rename a folder; False where the name is taken. An empty folder gives way."""
    if os.name == "nt":  # there a rename refuses an empty folder too
        with suppress(OSError):
            os.rmdir(final)
    try:
        os.rename(stage, final)
    except OSError as error:
        # The error number, not another look: a rival may have moved the folder away meanwhile.
        if error.errno not in _TAKEN:
            raise
        return False
    return True


def _upload(stage: Location, target: Location, names: list[str], old: list[str]) -> None:
    """Send files in the order of their names, take them back when one fails, then remove other old files."""
    places = [(target / name).path for name in names]
    fs, started = target.fs, 0
    try:
        # The last file goes alone: it is what makes the folder a dataset.
        for start, stop in _batches(len(names)):
            started = stop
            fs.put([(stage / name).local for name in names[start:stop]], places[start:stop])
    except BaseException:
        for place in places[:started]:
            with suppress(OSError):  # the first failure is the one to report
                fs.rm_file(place)
        raise
    for name in sorted(set(old).difference(names)):
        fs.rm_file((target / name).path)


def _batches(count: int) -> Iterator[tuple[int, int]]:
    for start in range(0, count - 1, UPLOAD_BATCH):
        yield start, min(start + UPLOAD_BATCH, count - 1)
    if count:
        yield count - 1, count
