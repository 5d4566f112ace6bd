"""A local Arrow file of a version of a store: any row at hand at the cost of touching its memory.

Parquet has to decode a row group for one row; a file in Arrow's own layout is mapped into memory as it is
(https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format), and processes share its pages. It is made once a
version, in the user's cache folder: ``SMALTI_CACHE``, else ``smalti`` in ``XDG_CACHE_HOME`` or ``~/.cache``.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from smalti.dataset.source import Origin, Source
    from smalti.schema.schema import Schema

BATCH = 1000  # rows


def mapped(source: Source, schema: Schema) -> pa.Table:
    """All rows of a version, mapped from its local file, which is made where there is none.

    Raises:
        OSError: It cannot be made.
    """
    if source.origin is None:
        raise ValueError("only versions of stores have a name to keep their rows under")
    path = file_of(source.origin)
    with suppress(OSError, pa.ArrowInvalid):  # absent, or cut short when a disk was full
        table = _opened(path, schema)
        if table.num_rows == source.origin.rows:
            return table
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    stage = path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with (
            pa.OSFile(str(stage), "wb") as sink,
            pa.ipc.new_stream(sink, schema.arrow) as writer,
        ):  # words of batches may differ
            for batch in source.batches(BATCH):
                writer.write_batch(batch)
        stage.replace(path)
    finally:
        stage.unlink(missing_ok=True)
    return _opened(path, schema)


def file_of(origin: Origin) -> Path:
    """Where the local file of a version is, or would be."""
    name = hashlib.sha256(f"{origin.url}\n{origin.version}\n{origin.digest}".encode()).hexdigest()[:32]
    return folder() / "versions" / f"{name}.arrow"


def folder() -> Path:
    """The user's cache folder."""
    if own := os.environ.get("SMALTI_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "smalti"


def _opened(path: Path, schema: Schema) -> pa.Table:
    table = pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
    return table.replace_schema_metadata(schema.metadata)
