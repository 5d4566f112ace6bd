"""Bring a dataset's images to this machine: copied, or cut out of the archives of a store, and kept.

A file gets its name when it is whole, so what was fetched before an interruption is not fetched again. Where the
SHA-256 of an image is known, what is there and what comes is held against it.
"""

from __future__ import annotations

import hashlib
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from smalti._progress import track
from smalti.dataset.dataset import Dataset
from smalti.errors import DataError, OptionError
from smalti.schema import features
from smalti.storage.location import Location
from smalti.storage.paths import safe_path
from smalti.storage.remote import remote

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

WORKERS = 16


def localize(dataset: Dataset, folder: str | os.PathLike[str], *, progress: bool | None = None) -> Dataset:
    """The same dataset with its images in a folder of this machine.

    Args:
        dataset: Its images lie below its media root.
        folder: Where they come to, below the paths of their samples' ids. Files that are there stay, unless they are
            known to be of another image.
        progress: Whether a bar is shown; null: on a terminal and in a notebook.

    Raises:
        OptionError: Where the images are is not known.
        DataError: An image cannot be read, or is not the one that was stored; the message names its sample.
    """
    image = dataset.schema.columns.get("image")
    root = dataset.schema.media_root
    if not isinstance(image, features.Image) or root is None:
        raise OptionError("where the images are is not known; read the dataset with media=")
    goal = Path(folder).absolute()
    source = Location.parse(root)
    table = dataset.to_arrow()
    column = table.column("image").combine_chunks()
    ids = table.column("id").to_pylist()
    members = {name: pc.struct_field(column, name).to_pylist() for name in image.members if name in _PLACE}
    rows = [dict(zip(members, values, strict=True)) for values in zip(*members.values(), strict=True)]
    names = [safe_path(_named(row, sample)) for row, sample in zip(rows, ids, strict=True)]
    with (
        track(len(names), "fetching images", progress) as advance,
        ThreadPoolExecutor(source.workers(WORKERS)) as pool,
    ):
        for _ in pool.map(lambda *job: _fetched(source, goal, *job), rows, names, ids):
            advance(1)
    kept = features.Image(
        members=tuple(name for name in image.members if name not in {"offset", "size", "bytes"})
    )
    arrays = dict(zip((field.name for field in column.type), column.flatten(), strict=True))
    arrays["path"] = pa.array(names, pa.string())
    new = pa.StructArray.from_arrays([arrays[field.name] for field in kept.arrow], fields=list(kept.arrow))
    schema = dataset.schema.with_columns({**dataset.schema.columns, "image": kept})
    schema = schema.model_copy(update={"media_root": str(goal)})
    columns = [new if name == "image" else table.column(name) for name in schema.columns]
    return Dataset.from_arrow(pa.Table.from_arrays(columns, schema=schema.arrow), schema)


_PLACE = ("path", "offset", "size", "bytes", "sha256")


def _named(row: dict[str, Any], sample: str) -> str:
    """The file's name: that of the sample, with the suffix of what is stored."""
    stored = Path(row["path"] or sample).suffix
    name = sample if Path(sample).suffix else f"{sample}{stored}"
    return (
        name
        if row.get("offset") is not None or row["path"] is None or "://" in row["path"]
        else _kept(row, name)
    )


def _kept(row: dict[str, Any], name: str) -> str:
    """A path as it is, unless it is one of a store's, which is a hash."""
    path: str = row["path"]
    return name if path.startswith("media/") and len(Path(path).stem) == 64 else path


def _fetched(source: Location, goal: Path, row: dict[str, Any], name: str, sample: str) -> None:
    target = goal / name
    if target.exists() and _same(target.read_bytes, row):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        fetch(source, target, row, sample)
    except FileNotFoundError as error:
        raise DataError(
            f"the image is not below {source.url}", file=row["path"] or sample, sample=sample
        ) from error


def fetch(source: Location, target: Path, row: dict[str, Any], sample: str) -> None:
    """Read one image, whole or as a part of an archive, and give the file its name."""
    if row.get("bytes"):
        body = bytes(row["bytes"])
    else:
        path = row["path"] or sample
        place = remote(path, sample) if "://" in path else source / path
        if row.get("offset") is None:
            body = place.read_bytes()
        else:
            body = place.read_range(row["offset"], row["size"])
    if not _same(lambda: body, row):
        raise DataError(
            "found other bytes than were stored: the SHA-256 differs",
            file=row["path"] or sample,
            sample=sample,
            hint="look at the whole store with smalti check",
        )
    stage = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
    try:
        stage.write_bytes(body)
        stage.replace(target)
    finally:
        stage.unlink(missing_ok=True)


def _same(body: Callable[[], bytes], row: dict[str, Any]) -> bool:
    """Whether bytes are those of an image, as far as its hash is known."""
    known: bytes | None = row.get("sha256")
    return known is None or hashlib.sha256(body()).digest() == known
