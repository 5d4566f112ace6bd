"""Images that are stored with the dataset, under the hash of their bytes: the same picture lies there once.

    media/3f/3f9a….jpg     ``files``: a file each
    media/<random>.tar     ``tar``: members of archives, read at an offset; few large objects suit buckets
    media/<random>.parquet ``parquet``: the column ``bytes``, uncompressed, which SQL engines read, and which is read
                           at an offset all the same

A sample's image says where: path below the store, offset and size in an archive, SHA-256.
"""

from __future__ import annotations

import hashlib
import io
import secrets
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from smalti.errors import DataError, OptionError
from smalti.schema import features
from smalti.storage.durable import Hashed, make_folder, new_file, put_content
from smalti.storage.location import Location

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from smalti.schema.schema import Schema
    from smalti.store.history import Snapshot

MEDIA = "media"
SHARD_BYTES = 1 << 30
GROUP = 100  # images of a row group
BATCH = 1000  # samples whose images are stored at once
WORKERS = 8
HERE = ""  # the media root of a schema whose images are in the store
MODES = ("reference", "files", "tar", "parquet", "none")

Mode = Literal["reference", "files", "tar", "parquet", "none"]
Found = tuple[str, int | None, int]  # path below the store, offset, size


class Keeper:
    """Stores the images of batches as they pass.

    Args:
        root: The store.
        schema: Of the batches.
        mode: How images are stored; ``reference`` leaves them where they are, ``none`` forgets where that is.
        base: The version whose images are there already.

    Attributes:
        schema: Of the batches that come out.

    Raises:
        OptionError: The mode is unknown, or where the images are is not known.
    """

    def __init__(self, root: Location, schema: Schema, mode: Mode, base: Snapshot | None) -> None:
        if mode not in MODES:
            raise OptionError(f"media={mode!r}: use {', '.join(MODES)}")
        image = schema.columns.get("image")
        self.mode = mode if isinstance(image, features.Image) else "reference"
        self.root = root
        self.schema = schema
        if self.mode == "none":
            self.schema = schema.model_copy(update={"media_root": None})
        if self.mode in {"reference", "none"}:
            return
        if schema.media_root is None:
            raise OptionError(
                f"media={mode!r} needs the images, and where they are is not known; read the dataset with media="
            )
        self.source = root if schema.media_root == HERE else Location.parse(schema.media_root)
        members = ("path", "width", "height", "offset", "size", "sha256")
        kept = features.Image(members=(*getattr(image, "members", ()), *members))
        columns = {**schema.columns, "image": kept}
        self.schema = schema.model_copy(update={"columns": columns, "media_root": HERE})
        self._known = _known(base)

    def batches(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches with the places of the stored images."""
        if self.mode in {"reference", "none"}:
            arrow = self.schema.arrow
            yield from (pa.RecordBatch.from_arrays(batch.columns, schema=arrow) for batch in batches)
            return
        make_folder(self.root / MEDIA)
        for whole in batches:
            for start in range(0, len(whole), BATCH):
                yield self._stored(whole.slice(start, BATCH))

    def _stored(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        image = batch.column("image")
        rows = image.to_pylist()
        ids = batch.column("id").to_pylist()
        with ThreadPoolExecutor(WORKERS) as pool:
            bodies = list(pool.map(self._read, rows, ids))
        hashes = [hashlib.sha256(body).digest() for body in bodies]
        new = {key: body for key, body in zip(hashes, bodies, strict=True) if key not in self._known}
        names = [row["path"] or sample for row, sample in zip(rows, ids, strict=True)]
        suffixes = {key: PurePosixPath(name).suffix.lower() for key, name in zip(hashes, names, strict=True)}
        if new:
            put = {"files": self._files, "tar": self._tar, "parquet": self._parquet}[self.mode]
            self._known |= put(new, suffixes)
        places = [self._known[key] for key in hashes]
        members = dict(zip((field.name for field in image.type), image.flatten(), strict=True))
        members |= {
            "path": pa.array([path for path, _, _ in places], pa.string()),
            "offset": pa.array([offset for _, offset, _ in places], pa.int64()),
            "size": pa.array([size for _, _, size in places], pa.int64()),
            "sha256": pa.array(hashes, pa.binary(32)),
        }
        kind = self.schema.columns["image"].arrow
        members["bytes"] = pa.nulls(len(batch), pa.binary())
        stored = pa.StructArray.from_arrays([members[field.name] for field in kind], fields=list(kind))
        columns = [stored if name == "image" else batch.column(name) for name in self.schema.columns]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema.arrow)

    def _read(self, image: dict[str, Any] | None, sample: str) -> bytes:
        image = image or {}
        if image.get("bytes"):
            return bytes(image["bytes"])
        path = image.get("path") or sample
        if "://" in path:
            raise DataError(
                f"the image is at {path}, and URLs are not fetched",
                sample=sample,
                hint="use media='reference'",
            )
        place = self.source / path
        try:
            if image.get("offset") is None:
                return place.read_bytes()
            with place.open() as file:
                file.seek(image["offset"])
                return file.read(image["size"])
        except OSError as error:
            raise DataError(
                f"the image cannot be read: {error.strerror or error}", file=place.url, sample=sample
            ) from error

    def _files(self, new: dict[bytes, bytes], suffixes: dict[bytes, str]) -> dict[bytes, Found]:
        paths = {key: f"{MEDIA}/{key.hex()[:2]}/{key.hex()}{suffixes[key]}" for key in new}
        for folder in sorted({path.rpartition("/")[0] for path in paths.values()}):
            make_folder(self.root / folder)
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(put_content, [self.root / path for path in paths.values()], new.values()))
        return {key: (path, None, len(new[key])) for key, path in paths.items()}

    def _tar(self, new: dict[bytes, bytes], suffixes: dict[bytes, str]) -> dict[bytes, Found]:
        found: dict[bytes, Found] = {}
        for part in _shards(new):
            path = f"{MEDIA}/{secrets.token_hex(16)}.tar"
            with new_file(self.root / path) as sink, tarfile.open(fileobj=sink, mode="w|") as tar:  # type: ignore[call-overload]  # all that it needs is write
                for key in part:
                    member = tarfile.TarInfo(f"{key.hex()}{suffixes[key]}")
                    member.size = len(new[key])
                    tar.addfile(member, io.BytesIO(new[key]))
                    padded = -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
                    found[key] = (path, tar.offset - padded, member.size)
        return found

    def _parquet(self, new: dict[bytes, bytes], suffixes: dict[bytes, str]) -> dict[bytes, Found]:
        found: dict[bytes, Found] = {}
        schema = pa.schema([("sha256", pa.binary(32)), ("suffix", pa.string()), ("bytes", pa.large_binary())])
        for part in _shards(new):
            path = f"{MEDIA}/{secrets.token_hex(16)}.parquet"
            with new_file(self.root / path) as hashed:
                sink = _Watched(hashed)
                with pq.ParquetWriter(
                    pa.PythonFile(sink, mode="w"),
                    schema,
                    compression="none",
                    use_dictionary=False,
                    write_statistics=["sha256"],
                    write_page_checksum=True,
                ) as writer:
                    for start in range(0, len(part), GROUP):
                        keys = part[start : start + GROUP]
                        sink.expected += [new[key] for key in keys]
                        rows = [keys, [suffixes[key] for key in keys], [new[key] for key in keys]]
                        arrays = [
                            pa.array(values, field.type) for values, field in zip(rows, schema, strict=True)
                        ]
                        writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            sizes = (len(new[key]) for key in part)
            found |= {key: (path, at, size) for key, at, size in zip(part, sink.places, sizes, strict=True)}
        return found


class _Watched:
    """A file that notes where values go: plain, uncompressed pages hold them as they are."""

    def __init__(self, sink: Hashed) -> None:
        self._sink = sink
        self.expected: list[bytes] = []
        self.places: list[int] = []

    def write(self, body: Any) -> int:
        view = bytes(body)
        at = 0
        while self.expected and (place := view.find(self.expected[0], at)) >= 0:
            self.places.append(self._sink.size + place)
            at = place + len(self.expected.pop(0))
        return self._sink.write(view)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)


def _shards(new: dict[bytes, bytes]) -> Iterator[Sequence[bytes]]:
    """The keys, cut where an archive is full."""
    part: list[bytes] = []
    held = 0
    for key, body in new.items():
        if part and held + len(body) > SHARD_BYTES:
            yield part
            part, held = [], 0
        part.append(key)
        held += len(body)
    yield part


def _known(base: Snapshot | None) -> dict[bytes, Found]:
    """The images that a version has in the store, by hash."""
    from smalti.store.scan import source

    known: dict[bytes, Found] = {}
    if base is None or base.manifest.schema.media_root != HERE:
        return known
    schema = base.schema
    image = schema.columns.get("image")
    if not isinstance(image, features.Image) or "sha256" not in image.members:
        return known
    for batch in source(base).only(["image"]).batches():
        column = batch.column("image")
        held = column.filter(pc.is_valid(pc.struct_field(column, "sha256")))
        values = [pc.struct_field(held, name).to_pylist() for name in ("sha256", "path", "offset", "size")]
        known |= {key: (path, offset, size) for key, path, offset, size in zip(*values, strict=True)}
    return known


def paths(snapshot: Snapshot) -> set[str]:
    """The files below the store that a version's images lie in."""
    return {path for path, _, _ in _known(snapshot).values()}
