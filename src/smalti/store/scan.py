"""A version as a lazy dataset: opening it costs its manifest, and rows are read when they are asked for.

The manifest's statistics go to Arrow as what is known of each file, so that a filter leaves out files without
opening them, and row groups by the statistics in the files
(https://arrow.apache.org/docs/python/dataset.html#reading-partitioned-data).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from smalti.dataset.scan import conformed
from smalti.dataset.source import Origin, Source

if TYPE_CHECKING:
    import pyarrow.compute as pc

    from smalti.store.history import Snapshot
    from smalti.store.manifest import DataFile


def source(snapshot: Snapshot) -> Source:
    """Where a version's rows come from."""
    schema = snapshot.schema
    plain = schema.arrow.remove_metadata()
    manifest = snapshot.manifest
    return Source(
        files=_files(snapshot, plain),
        fix=partial(conformed, schema=schema),
        origin=Origin(snapshot.root.url, snapshot.number, manifest.digest, manifest.rows, manifest.nonce),
    )


def holding(snapshot: Snapshot, condition: pc.Expression) -> set[str]:
    """The paths of the files that may hold rows for which a condition holds, by what the manifest says."""
    files = _files(snapshot, snapshot.schema.arrow.remove_metadata())
    try:
        found = files.get_fragments(filter=condition)
        ends = [fragment.path for fragment in found]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):  # as in `Source.filter`
        return {file.path for file in snapshot.files}
    names = {end.rpartition("/")[2] for end in ends}
    return {file.path for file in snapshot.files if file.path.rpartition("/")[2] in names}


def _files(snapshot: Snapshot, schema: pa.Schema) -> Any:
    from pyarrow import dataset as arrow_dataset
    from pyarrow import fs as arrow_fs

    root = snapshot.root
    if root.is_local:
        system: Any = arrow_fs.LocalFileSystem()
        base = root.local
    else:
        system = arrow_fs.PyFileSystem(arrow_fs.FSSpecHandler(root.fs))
        base = root.path
    kind = arrow_dataset.ParquetFileFormat(
        default_fragment_scan_options=arrow_dataset.ParquetFragmentScanOptions(
            page_checksum_verification=True, pre_buffer=not root.is_local
        )
    )
    fragments = [
        kind.make_fragment(f"{base}/{file.path}", system, partition_expression=_known(file))
        for file in snapshot.files
    ]
    return arrow_dataset.FileSystemDataset(fragments, schema, kind, system)


def _known(file: DataFile) -> pc.Expression | None:
    """What the manifest says of all values of a file."""
    import pyarrow.compute as pc

    known = None
    for path, (low, high, nulls) in file.statistics.items():
        field = pc.field(*path.split(".")) if "." in path else pc.field(path)
        if low is None:
            bound = field.is_null()
        else:
            bound = (field >= low) & (field <= high)
            if nulls:
                bound |= field.is_null()
        known = bound if known is None else known & bound
    return known
