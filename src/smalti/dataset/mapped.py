"""A local Arrow file of a version of a store: any row at hand at the cost of touching its memory.

Parquet has to decode a row group for one row; a file in Arrow's own layout is mapped into memory as it is
(https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format), and processes share its pages. It is made once a
version, in the user's cache folder: ``SMALTI_CACHE``, else ``smalti`` in ``XDG_CACHE_HOME`` or ``~/.cache``. Of
processes that want one at the same moment the first makes it, and the others wait for it. Those that nobody opened
for a month go when another one is made.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smalti.dataset.source import Origin, Source
    from smalti.schema.schema import Schema

BATCH = 1000  # rows
KEPT = 30 * 24 * 3600  # seconds since a file was last opened, after which it may go


def mapped(source: Source, schema: Schema) -> pa.Table:
    """All rows of a version, mapped from its local file, which is made where there is none.

    Raises:
        OSError: It cannot be made.
    """
    if source.origin is None:
        raise ValueError("only versions of stores have a name to keep their rows under")
    path = file_of(source.origin)
    if (there := _found(path, schema, source.origin.rows)) is not None:
        return there
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(path):
        if (there := _found(path, schema, source.origin.rows)) is not None:
            return there  # another process has made it meanwhile
        _forget(path.parent)
        _make(path, source, schema)
    return _opened(path, schema)


def _found(path: Path, schema: Schema, rows: int) -> pa.Table | None:
    """The rows of a file that is there and whole."""
    with suppress(OSError, pa.ArrowInvalid):  # absent, or cut short when a disk was full
        table = _opened(path, schema)
        if table.num_rows == rows:
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
            return table
    return None


def _make(path: Path, source: Source, schema: Schema) -> None:
    stage = path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with stage.open("xb") as sink:
            with pa.ipc.new_stream(sink, schema.arrow) as writer:  # words of batches may differ
                for batch in source.batches(BATCH):
                    writer.write_batch(batch)
            sink.flush()
            os.fsync(sink.fileno())  # a file that a power cut left with holes would be taken for whole
        stage.replace(path)
    finally:
        stage.unlink(missing_ok=True)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Processes and threads take turns; where files cannot be locked (Windows, some network disks) each goes its way."""
    place = path.with_name(f"{path.name}.lock")
    with place.open("wb") as lock:
        with suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
        place.unlink(missing_ok=True)  # the file is there: whoever still waits for this lock finds it


def _forget(folder: Path) -> None:
    """Remove files that nobody opened for long; processes that have one mapped keep what they have."""
    limit = time.time() - KEPT
    for path in folder.iterdir():
        with suppress(OSError):  # another process was faster, or still holds it (Windows)
            if path.stat().st_atime < limit and path.stat().st_mtime < limit:
                path.unlink()


def file_of(origin: Origin) -> Path:
    """Where the local file of a version is, or would be."""
    name = hashlib.sha256(f"{origin.url}\n{origin.version}\n{origin.nonce}".encode()).hexdigest()[:32]
    return folder() / "versions" / f"{name}.arrow"


def folder() -> Path:
    """The user's cache folder."""
    if own := os.environ.get("SMALTI_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "smalti"


def _opened(path: Path, schema: Schema) -> pa.Table:
    table = pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
    return table.replace_schema_metadata(schema.metadata)
