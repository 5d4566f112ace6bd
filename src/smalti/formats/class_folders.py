"""Folders that are classes, below folders that are splits: for ImageFolder, and for YOLO's task classify.

    train/<class>/<image>   val/<class>/<image>   test/<class>/<image>

The class table is the sorted names of the class folders, empty ones among them
(https://docs.ultralytics.com/datasets/classify/, and torchvision's ``ImageFolder`` that it is read with).
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from smalti.errors import DataError, EmptySourceError, OptionError
from smalti.formats.class_table import class_losses
from smalti.formats.losses import dropped
from smalti.formats.protocol import Part, PartRead, PartResult, Plan
from smalti.formats.report import Loss
from smalti.formats.splits import splits_of
from smalti.schema import features
from smalti.schema.categories import Categories
from smalti.schema.schema import Schema
from smalti.storage.media import IMAGE_SUFFIXES, ImageHeader, read_headers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalti.formats.protocol import OnError
    from smalti.storage.folder import Target
    from smalti.storage.location import Location

PART = 5_000  # images
SPLITS = ("train", "val", "valid", "validation", "test")


def plan(base: Location, on_error: OnError, *, loose: bool = False) -> Plan:
    """The parts and the schema of such a dataset.

    Args:
        base: The folder of the splits, or of the classes.
        on_error: What becomes of images that lie in no class folder.
        loose: They are samples without a class instead; folders of splits alone will do.

    Raises:
        EmptySourceError: There is no image in a class folder, nor, when loose, folders of splits.
        DataError: An image lies in no class folder.
    """
    images = base.find(IMAGE_SUFFIXES)
    tops = {path.partition("/")[0] for path in images if "/" in path}
    depth = 2 if tops & set(SPLITS) else 1
    classed = [path for path in images if _fits(path, depth)]
    bare = loose and depth == 2 and not classed and all(_fits(path, 1) for path in images)
    items = images if loose and (classed or bare) else classed
    if not items:
        raise EmptySourceError(f"{base.url}: found no image in <split>/<class>/ or <class>/ folders")
    stray = [DataError("this image lies in no class folder", file=f"{base.url}/{p}") for p in images
             if not loose and not _fits(p, depth)]  # fmt: skip
    if stray and on_error == "raise":
        raise stray[0]
    split = [path.partition("/")[0] for path in (items if bare else classed)] if depth == 2 else []
    splits = tuple(dict.fromkeys(split))
    ids = {_id(path, depth) for path in items}
    columns: dict[str, Any] = {
        "id": features.Value(type=pa.string()),
        "image": features.Image(members=("path", "width", "height", "exif_orientation")),
        **({"split": features.Split()} if splits else {}),
    }
    if not bare:
        columns["label"] = features.Classification(categories=_classes(base, classed, splits))
    schema = Schema(columns=columns, splits=splits, media_root=base.url, id_has_split=len(ids) < len(items))
    parts = [
        Part(key=(tuple(items[at : at + PART]), depth), samples=len(items[at : at + PART]))
        for at in range(0, len(items), PART)
    ]
    return Plan(schema=schema, parts=parts, errors=stray, samples_skipped=len(stray))


def _fits(path: str, depth: int) -> bool:
    return path.count("/") >= depth and (depth == 1 or path.partition("/")[0] in SPLITS)


def _id(path: str, depth: int) -> str:
    """An image's path without its split."""
    first, slash, rest = path.partition("/")
    return rest if depth == 2 and slash and first in SPLITS else path


def _classes(base: Location, items: Sequence[str], splits: Sequence[str]) -> Categories:
    """The folders' names in their order; an empty folder is a class without images."""
    depth = 2 if splits else 1
    names = {path.split("/")[depth - 1] for path in items}
    for place in [base / split for split in splits] or [base]:
        names |= {name for name, is_folder in place.iterdir() if is_folder}
    return Categories.of(sorted(names))


def read(part: Part, schema: Schema, base: Location, on_error: OnError) -> PartRead:
    """Read a part of a classify dataset: headers alone."""
    paths, depth = part.key
    headers = read_headers(base, paths)
    errors = [header for header in headers if isinstance(header, DataError)]
    if errors and on_error == "raise":
        raise errors[0]
    found = [(p, header) for p, header in zip(paths, headers, strict=True) if isinstance(header, ImageHeader)]
    ids = [path if schema.id_has_split else _id(path, depth) for path, _ in found]
    splits = [
        path.partition("/")[0] if _fits(path, 1) and path.partition("/")[0] in SPLITS else None
        for path, _ in found
    ]
    arrays: dict[str, pa.Array] = {
        "id": pa.array(ids, pa.string()),
        "image": _images(found, schema),
        "split": pa.array(splits, pa.string()).dictionary_encode().cast(features.Split().arrow),
    }
    if isinstance(label := schema.columns.get("label"), features.Classification):
        table = label.categories.codes
        codes = [table[path.split("/")[depth - 1]] if _fits(path, depth) else None for path, _ in found]
        arrays["label"] = label.categories.encode(pa.array(codes, pa.int32()))
    classed = [key for key, (path, _) in zip(ids, found, strict=True) if _fits(path, depth)]
    counted = {
        "label": classed,
        "split": [k for k, s in zip(ids, splits, strict=True) if s] if depth == 2 else [],
    }
    return PartRead(
        batch=pa.RecordBatch.from_arrays([arrays[name] for name in schema.columns], schema=schema.arrow),
        counts={name: len(keys) for name, keys in counted.items()},
        examples={name: keys[0] for name, keys in counted.items() if keys},
        errors=errors,
        samples_skipped=len(errors),
    )


def _images(found: Sequence[tuple[str, ImageHeader]], schema: Schema) -> pa.Array:
    feature = schema.columns.get("image", features.Image())
    rows = [
        {
            "path": path,
            "width": header.upright[0],
            "height": header.upright[1],
            "exif_orientation": header.orientation,
        }
        for path, header in found
    ]
    return pa.array(rows, feature.arrow)


def label_field(schema: Schema, wanted: str | None) -> str:
    """The column that holds one class a sample.

    Raises:
        OptionError: There is none, or several and none is named; or a class cannot be a folder.
    """
    names = [
        name for name, f in schema.columns.items() if isinstance(f, features.Classification) and not f.multi
    ]
    if wanted not in names and (wanted is not None or len(names) != 1):
        raise OptionError(
            f"task='classify' writes a column of one class a sample; there are {', '.join(names) or 'none'};"
            " name it with field="
        )
    name = wanted or names[0]
    for value in table(schema, name).values:
        if value in {"", ".", ".."} or set(value) & set("/\\\0"):
            raise OptionError(f"the class name {value!r} cannot be a folder's; rename the class first")
    return name


def table(schema: Schema, field: str) -> Categories:
    """The classes of a label column."""
    feature = schema.columns[field]
    return feature.categories if isinstance(feature, features.Classification) else Categories()


def wants(schema: Schema, field: str) -> Schema:
    """What a classify dataset holds."""
    return schema.project([name for name in ("image", "split", field) if name in schema.columns])


def losses(schema: Schema, field: str) -> list[Loss]:
    """What the folders have no place for."""
    classes = table(schema, field)
    found = class_losses(classes, "classify", "a class folder")
    moved = [a for a, b in zip(classes.values, sorted(classes.values), strict=True) if a != b]
    if moved:
        reason = "readers number the classes in the order of their names"
        found.append(
            Loss(
                code="category.order",
                field="categories",
                kind="change",
                count=len(moved),
                reason=reason,
                example=moved[0],
            )
        )
    return [*found, *dropped(schema, wants(schema, field), "a class folder")]


def write(
    batch: pa.RecordBatch, schema: Schema, field: str, taken: set[str], *, loose: bool = False
) -> PartResult:
    """Where the images of a batch go: into the folders of their classes, which are the labels.

    Args:
        batch: Samples.
        schema: Of the dataset.
        field: The column of classes.
        taken: Names that are there; those of the batch are added.
        loose: Without splits there are no folders for them, and images without a class go above those of classes.
    """
    splits = splits_of(batch)
    media: list[tuple[str, str]] = []
    unlabelled: list[str] = []
    found: list[Loss] = []
    paths = batch.column("image").field("path").to_pylist()
    keys, names = batch.column("id").to_pylist(), batch.column(field).to_pylist()
    for path, split, name, key in zip(paths, splits, names, keys, strict=True):
        if name is None and not loose:
            unlabelled.append(key)
            continue
        own = key.partition("/")[2] if schema.id_has_split else key
        folder = f"{split}/" if split else "" if loose else "train/"
        goal = f"{folder}{own}" if name is None else f"{folder}{name}/{own.removeprefix(f'{name}/')}"
        media.append((path, _free(goal, taken, found)))
    if unlabelled:
        found.append(
            Loss(
                code="label.missing",
                field=field,
                kind="sample",
                count=len(unlabelled),
                reason="the image has no class, and a folder is a class",
                example=unlabelled[0],
            )
        )
    used = {split or ("" if loose else "train") for split in splits}
    return PartResult(samples=len(media), objects=0, media=media, losses=found, payload=used)


def _free(goal: str, taken: set[str], losses: list[Loss]) -> str:
    """A path in the target, or one beside it where another image has it already."""
    stem, dot, suffix = goal.rpartition(".")
    name, number = goal, 1
    while (key := unicodedata.normalize("NFC", name).lower()) in taken:
        number += 1
        name = f"{stem}_{number}{dot}{suffix}"
    taken.add(key)
    if name != goal:
        reason = "two images would have one name"
        losses.append(
            Loss(
                code="image.renamed",
                field="id",
                kind="change",
                count=1,
                reason=reason,
                example=f"{goal} -> {name}",
            )
        )
    return name


def finish(target: Target, categories: Categories, results: Sequence[PartResult]) -> None:
    """Make the folder of every class in every split: numbers follow from the folders that are there."""
    for split in sorted(set().union(*(result.payload for result in results)) if results else ()):
        for name in categories.values:
            target.mkdir(f"{split}/{name}" if split else name)


def details(categories: Categories, field: str) -> dict[str, Any]:
    """The classes as readers will number them."""
    ids = dict(zip(categories.values, (c.id for c in categories), strict=True))
    classes = {str(n): {"name": name, "source_id": ids[name]} for n, name in enumerate(sorted(ids))}
    return {"field": field, "classes": classes}
