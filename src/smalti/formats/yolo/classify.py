"""YOLO classify: one folder a class below one folder a split.

    train/<class>/<image>   val/<class>/<image>   test/<class>/<image>

The class table is the sorted names of the class folders
(https://docs.ultralytics.com/datasets/classify/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from smalti.errors import DataError, EmptySourceError, OptionError
from smalti.formats.losses import dropped
from smalti.formats.protocol import Part, PartRead, PartResult, Plan
from smalti.schema import features
from smalti.schema.categories import Categories
from smalti.schema.schema import Schema
from smalti.storage.media import IMAGE_SUFFIXES, ImageHeader, read_headers

if TYPE_CHECKING:
    from smalti.formats.report import Loss
    from smalti.storage.location import Location

PART = 5_000  # images
SPLITS = ("train", "val", "valid", "test")


def plan(root: Location, media: Location | None) -> Plan:
    """The parts and the schema of a classify dataset."""
    base = media or root
    images = base.find(IMAGE_SUFFIXES)
    split_folders = {path.partition("/")[0] for path in images} <= set(SPLITS)
    depth = 2 if split_folders else 1
    items = [path for path in images if path.count("/") >= depth]
    if not items:
        raise EmptySourceError(f"{base.url}: found no image in <split>/<class>/ or <class>/ folders")
    names = sorted({path.split("/")[depth - 1] for path in items})
    categories = Categories.of(names)
    splits = tuple(dict.fromkeys(path.partition("/")[0] for path in items)) if split_folders else ()
    ids = {path.split("/", 1)[1] if split_folders else path for path in items}
    columns: dict[str, Any] = {
        "id": features.Value(type=pa.string()),
        "image": features.Image(members=("path", "width", "height", "exif_orientation")),
        **({"split": features.Split()} if splits else {}),
        "label": features.Classification(categories=categories),
    }
    schema = Schema(columns=columns, splits=splits, media_root=base.url, id_has_split=len(ids) < len(items))
    parts = [
        Part(key=(tuple(items[at : at + PART]), split_folders), samples=len(items[at : at + PART]))
        for at in range(0, len(items), PART)
    ]
    return Plan(schema=schema, parts=parts)


def read(part: Part, schema: Schema, base: Location) -> PartRead:
    """Read a part of a classify dataset: headers alone."""
    paths, split_folders = part.key
    headers = read_headers(base, paths)
    for header in headers:
        if isinstance(header, DataError):
            raise header
    found = [header for header in headers if isinstance(header, ImageHeader)]
    whole = schema.id_has_split or not split_folders
    words = [path.partition("/")[0] for path in paths]
    arrays: dict[str, pa.Array] = {
        "id": pa.array([path if whole else path.split("/", 1)[1] for path in paths], pa.string()),
        "image": pa.array(
            [
                {
                    "path": path,
                    "width": header.upright[0],
                    "height": header.upright[1],
                    "exif_orientation": header.orientation,
                }
                for path, header in zip(paths, found, strict=True)
            ],
            features.Image(members=("exif_orientation",)).arrow,
        ),
        "split": pa.array(words, pa.string()).dictionary_encode().cast(features.Split().arrow),
    }
    if isinstance(label := schema.columns.get("label"), features.Classification):
        codes = [label.categories.codes[path.split("/")[1 if split_folders else 0]] for path in paths]
        arrays["label"] = label.categories.encode(np.array(codes, np.int32))
    batch = pa.RecordBatch.from_arrays([arrays[name] for name in schema.columns], schema=schema.arrow)
    return PartRead(batch=batch, counts={} if "label" in schema.columns else {"label": len(paths)})


def label_field(schema: Schema, wanted: str | None) -> str:
    """The column that holds one class a sample.

    Raises:
        OptionError: There is none, or several and none is named.
    """
    names = [
        name for name, f in schema.columns.items() if isinstance(f, features.Classification) and not f.multi
    ]
    if wanted in names:
        return wanted
    if wanted is None and len(names) == 1:
        return names[0]
    raise OptionError(
        f"task='classify' writes a column of one class a sample; there are {', '.join(names) or 'none'};"
        " name it with field="
    )


def wants(schema: Schema, field: str) -> Schema:
    """What a classify dataset holds."""
    return schema.project([name for name in ("image", "split", field) if name in schema.columns])


def losses(schema: Schema, field: str) -> list[Loss]:
    """What the folders have no place for."""
    return dropped(schema, wants(schema, field), "a class folder")


def write(batch: pa.RecordBatch, field: str) -> PartResult:
    """Where the images of a batch go; they are the labels."""
    splits = batch.column("split").to_pylist() if "split" in batch.schema.names else [None] * len(batch)
    classes = batch.column(field).to_pylist()
    paths = batch.column("image").field("path").to_pylist()
    media = [
        (
            path,
            f"{split or 'train'}/{name}/{id_.removeprefix(f'{split}/').removeprefix(f'{name}/').replace('/', '__')}",
        )
        for path, split, name, id_ in zip(paths, splits, classes, batch.column("id").to_pylist(), strict=True)
        if name is not None
    ]
    return PartResult(samples=len(media), objects=0, media=media)
