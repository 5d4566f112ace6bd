"""Images that are stored with the dataset, under the hash of their bytes: the same picture lies there once.

    media/3f/3f9a….jpg     ``files``: a file each
    media/58e1….tar        ``tar``: members of archives, read at an offset; few large objects suit buckets
    media/c07b….parquet    ``parquet``: the column ``bytes``, uncompressed, which SQL engines read, and which is read
                           at an offset all the same

Every file has the SHA-256 of its bytes for a name. A sample's image says where it is: path below the store, offset and
size in an archive, SHA-256.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from smalti.errors import DataError, OptionError
from smalti.schema import features
from smalti.storage.durable import Hashed, make_folder, new_content, put_content
from smalti.storage.location import Location

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from smalti.schema.schema import Schema
    from smalti.store.history import History, Snapshot

MEDIA = "media"
SHARD_BYTES = 1 << 30
GROUP = 100  # images of a row group, and in memory at once
BATCH = 1000  # samples whose images go to the same archive
WORKERS = 8
HERE = ""  # the media root of a schema whose images are in the store
MODES = ("reference", "files", "tar", "parquet", "none")

Mode = Literal["reference", "files", "tar", "parquet", "none"]
Found = tuple[str, int | None, int]  # path below the store, offset, size
Job = tuple["dict[str, Any] | None", str]  # a sample's image and id


class Picture(NamedTuple):
    """An image that is not stored yet: its hash, the suffix of its file, its bytes."""

    key: bytes
    suffix: str
    body: bytes


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
        jobs = list(zip(image.to_pylist(), batch.column("id").to_pylist(), strict=True))
        hashes: list[bytes] = []
        put = {"files": self._files, "tar": self._tar, "parquet": self._parquet}[self.mode]
        put(self._new(jobs, hashes))
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

    def _new(self, jobs: list[Job], hashes: list[bytes]) -> Iterator[Picture]:
        """The pictures of samples that are not stored yet, few at a time in memory; notes the hash of every one."""
        met: set[bytes] = set()
        with ThreadPoolExecutor(self.source.workers(WORKERS)) as pool:
            for start in range(0, len(jobs), GROUP):
                part = jobs[start : start + GROUP]
                for (row, sample), body in zip(part, pool.map(self._read, part), strict=True):
                    key = hashlib.sha256(body).digest()
                    hashes.append(key)
                    if key in self._known or key in met:
                        continue
                    met.add(key)
                    suffix = PurePosixPath((row or {}).get("path") or sample).suffix.lower()
                    yield Picture(key, suffix, body)

    def _read(self, job: Job) -> bytes:
        image, sample = job[0] or {}, job[1]
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
            return place.read_range(image["offset"], image["size"])
        except OSError as error:
            raise DataError(
                f"the image cannot be read: {error.strerror or error}", file=place.url, sample=sample
            ) from error

    def _files(self, new: Iterator[Picture]) -> None:
        for group in _grouped(new):
            paths = [f"{MEDIA}/{one.key.hex()[:2]}/{one.key.hex()}{one.suffix}" for one in group]
            for folder in sorted({path.rpartition("/")[0] for path in paths}):
                make_folder(self.root / folder)
            with ThreadPoolExecutor(self.root.workers(WORKERS)) as pool:
                list(pool.map(lambda path, one: put_content(self.root / path, one.body), paths, group))
            self._known |= {
                one.key: (path, None, len(one.body)) for one, path in zip(group, paths, strict=True)
            }

    def _tar(self, new: Iterator[Picture]) -> None:
        for shard in _shards(new):
            found: dict[bytes, tuple[int, int]] = {}
            with new_content(self.root / MEDIA, ".tar") as sink, tarfile.open(fileobj=sink, mode="w|") as tar:  # type: ignore[call-overload]  # all that it needs is write
                for one in shard:
                    member = tarfile.TarInfo(f"{one.key.hex()}{one.suffix}")
                    member.size = len(one.body)
                    tar.addfile(member, io.BytesIO(one.body))
                    padded = -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
                    found[one.key] = (tar.offset - padded, member.size)
            self._lie_in(sink, ".tar", found)

    def _parquet(self, new: Iterator[Picture]) -> None:
        schema = pa.schema([("sha256", pa.binary(32)), ("suffix", pa.string()), ("bytes", pa.large_binary())])
        for shard in _shards(new):
            sizes: dict[bytes, int] = {}
            with new_content(self.root / MEDIA, ".parquet") as hashed:
                sink = _Watched(hashed)
                with pq.ParquetWriter(
                    pa.PythonFile(sink, mode="w"),
                    schema,
                    compression="none",
                    use_dictionary=False,
                    write_statistics=["sha256"],
                    write_page_checksum=True,
                ) as writer:
                    for group in _grouped(shard):
                        sink.expected += [one.body for one in group]
                        sizes |= {one.key: len(one.body) for one in group}
                        rows = [(one.key, one.suffix, one.body) for one in group]
                        columns = zip(*rows, strict=True)
                        arrays = [pa.array(c, field.type) for c, field in zip(columns, schema, strict=True)]
                        writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            places = zip(sink.places, sizes.values(), strict=True)
            self._lie_in(hashed, ".parquet", dict(zip(sizes, places, strict=True)))

    def _lie_in(self, sink: Hashed, suffix: str, found: dict[bytes, tuple[int, int]]) -> None:
        path = f"{MEDIA}/{sink.sha256}{suffix}"
        self._known |= {key: (path, offset, size) for key, (offset, size) in found.items()}


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


def _shards(new: Iterator[Picture]) -> Iterator[Iterator[Picture]]:
    """The pictures, cut where an archive is full; each part has to be used up before the next."""
    for first in new:
        yield _filling(first, new)


def _filling(first: Picture, more: Iterator[Picture]) -> Iterator[Picture]:
    yield first
    held = len(first.body)
    while held < SHARD_BYTES and (one := next(more, None)) is not None:
        held += len(one.body)
        yield one


def _grouped(pictures: Iterator[Picture]) -> Iterator[list[Picture]]:
    while group := list(islice(pictures, GROUP)):
        yield group


def _known(base: Snapshot | None) -> dict[bytes, Found]:
    """The images that a version has in the store, by hash."""
    from smalti.store.scan import source

    known: dict[bytes, Found] = {}
    if base is None or not keeps(base.manifest.schema):
        return known
    for batch in source(base).only(["image"]).batches():
        column = batch.column("image")
        held = column.filter(pc.is_valid(pc.struct_field(column, "sha256")))
        values = [pc.struct_field(held, name).to_pylist() for name in ("sha256", "path", "offset", "size")]
        known |= {key: (path, offset, size) for key, path, offset, size in zip(*values, strict=True)}
    return known


def keeps(schema: Schema) -> bool:
    """Whether a version of this schema has images in the store."""
    image = schema.columns.get("image")
    return schema.media_root == HERE and isinstance(image, features.Image) and "sha256" in image.members


def paths(history: History, snapshot: Snapshot) -> set[str]:
    """The files below the store that a version's images lie in."""
    if not keeps(snapshot.manifest.schema):
        return set()
    return set().union(*history.each(history.media, snapshot.files))
