"""Tar shards as WebDataset reads them (https://github.com/webdataset/webdataset): members of a sample side by side.

A sample is ``00000012.jpg``, its picture as it is, and ``00000012.json``, its columns. Keys have no dots: WebDataset cuts
names at the first. The sample's own id and path are in the JSON.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from smalti.errors import OptionError
from smalti.schema import features
from smalti.storage.location import Location
from smalti.storage.staging import staged_folder
from smalti.training.columns import one_array
from smalti.training.images import Images
from smalti.training.options import ItemOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smalti.dataset.dataset import Dataset


def to_webdataset(dataset: Dataset, target: Any, *, samples: int, overwrite: bool) -> list[str]:
    """See `smalti.Dataset.to_webdataset`."""
    if samples < 1:
        raise OptionError(f"samples={samples}: a shard has at least one sample")
    place = Location.parse(target)
    names = []
    with staged_folder(place, overwrite) as folder:
        for number, batch in enumerate(_shards(dataset, samples)):
            names.append(f"{number:06d}.tar")
            with folder.open(names[-1]) as file, tarfile.open(fileobj=file, mode="w") as archive:
                _fill(archive, dataset, batch, number * samples)
    return [(place / name).url for name in names]


def _shards(dataset: Dataset, samples: int) -> Iterator[pa.Table]:
    """Tables of so many samples each; the last may have fewer."""
    held: list[pa.RecordBatch] = []
    for batch in dataset.to_batches(samples):
        held.append(batch)
        while sum(map(len, held)) >= samples:
            table = pa.Table.from_batches(held)
            yield table[:samples]
            held = table[samples:].to_batches()
    if sum(map(len, held)):
        yield pa.Table.from_batches(held)


def _fill(archive: tarfile.TarFile, dataset: Dataset, table: pa.Table, first: int) -> None:
    table = table.combine_chunks()
    pictures = _pictures(dataset, table)
    for row, values in enumerate(table.to_pylist()):
        key = f"{first + row:08d}"
        for name, images in pictures.items():
            path = (values[name] or {}).get("path") or (values["id"] if name == "image" else f"{name}.png")
            suffix = PurePosixPath(path).suffix.lower() or ".jpg"
            with images.named(row):
                _add(archive, f"{key}{suffix if name == 'image' else f'.{name}{suffix}'}", images.read(row))
            (values[name] or {}).pop("bytes", None)
        for name, feature in dataset.schema.columns.items():
            if isinstance(feature, features.Objects) and "mask" in feature.members:
                values[name] = [_readable(item) for item in values[name]] if values[name] else values[name]
        _add(archive, f"{key}.json", msgspec.json.encode(values))


def _pictures(dataset: Dataset, table: pa.Table) -> dict[str, Images]:
    """The picture column, and those of label images."""
    kinds = (features.Image, features.Mask)
    names = [name for name, feature in dataset.schema.columns.items() if isinstance(feature, kinds)]
    ids = one_array(table, "id")
    root, options = dataset.schema.media_root, ItemOptions()
    return {name: Images(one_array(table, name), ids, root, options) for name in names}


def _readable(item: dict[str, Any]) -> dict[str, Any]:
    """An object whose run lengths are text, as COCO writes them."""
    mask = item["mask"]
    return item if mask is None else {**item, "mask": {**mask, "counts": mask["counts"].decode()}}


def _add(archive: tarfile.TarFile, name: str, body: bytes) -> None:
    # No time, no owner: the same dataset gives the same bytes.
    member = tarfile.TarInfo(name)
    member.size = len(body)
    archive.addfile(member, io.BytesIO(body))
