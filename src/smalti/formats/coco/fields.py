"""The label fields of a COCO source: which file's annotations belong to which, with their categories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from smalti.errors import DataError, EmptySourceError
from smalti.formats.coco import classes
from smalti.formats.coco.columns import Ids, id_column, ids, pull
from smalti.formats.coco.labels import LabelFile, Labels, is_captions, labels, same_objects
from smalti.formats.report import Loss
from smalti.schema.categories import Categories, Category

if TYPE_CHECKING:
    from smalti.formats.coco.decode import Decoded
    from smalti.formats.coco.images import ImageFile
    from smalti.formats.coco.layout import Source

OBJECT_KINDS = frozenset({"instances", "person_keypoints", "keypoints"})


@dataclass(slots=True)
class File:
    """A file on its way: decoded, with its images and its annotations once they are resolved."""

    source: Source
    decoded: Decoded
    categories: tuple[Category, ...]
    images: ImageFile | None = None
    labels: LabelFile | None = None


def fields_of(ground: list[File], results: list[File], count: int, *, skip: bool) -> dict[str, Labels]:
    """Resolve every annotation, and sort the files into fields."""
    grouped: dict[str, list[File]] = {}
    for file in ground:
        if file.images is None:
            continue
        file.labels = _label_file(file, file.images, file.categories, skip=skip)
        name = field_name(file, ground)
        taken = [other.labels for other in grouped.get(name, ()) if other.source.split == file.source.split]
        if any(other and not same_objects(other, file.labels) for other in taken):
            name = file.source.kind or file.source.path.rpartition("/")[2].removesuffix(".json")
        grouped.setdefault(name, []).append(file)
    fields = {
        name: _field(files, count) for name, files in grouped.items() if _has_labels(name, files, grouped)
    }
    by_name: dict[str, list[File]] = {}
    for file in results:
        same = [other for other in ground if other.source.split == file.source.split]
        _match_results(file, same if file.source.path else ground, skip=skip)
        by_name.setdefault(file.source.results or "predictions", []).append(file)
    for name, files in by_name.items():
        if name in fields:
            raise DataError(
                f"two label fields would be called {name!r}",
                file=files[0].decoded.url,
                hint="pass results={name: path}",
            )
        fields[name] = _field(files, count)
    return fields


def field_name(file: File, ground: list[File]) -> str:
    """The field of a file's annotations; one beside those of a known kind is named after its file."""
    section, source = file.decoded.annotations, file.source
    if section is not None and is_captions(section):
        return "captions"
    beside = (other.source for other in ground if other is not file)
    if source.prefix and any(other.kind in OBJECT_KINDS and other.split == source.split for other in beside):
        return source.prefix
    return "stuff" if source.kind == "stuff" else "objects"


def _has_labels(name: str, files: list[File], grouped: dict[str, list[File]]) -> bool:
    """Whether a field holds anything, or is the only one there is."""
    return any(file.decoded.annotations is not None for file in files) or (
        name == "objects" and (len(grouped) == 1 or any(file.categories for file in files))
    )


def _label_file(file: File, images: ImageFile, categories: tuple[Category, ...], *, skip: bool) -> LabelFile:
    found = LabelFile(
        url=file.decoded.url,
        images=images,
        section=file.decoded.annotations,
        place="$" if file.decoded.is_results else "$.annotations",
    )
    if not found.is_captions:
        if not categories and found.section is not None:
            categories = file.categories = _invented(found)
        found.category_ids = ids([category.id for category in categories])
    found.resolve()
    if found.faults and not skip:
        raise found.faults[0]
    return found


def _invented(file: LabelFile) -> tuple[Category, ...]:
    """Categories named after the ids that a file without categories uses."""
    values = set(pull([file.section], "category_id")) if file.section else set()
    return tuple(
        Category(name=str(value), id=value)
        for value in sorted(
            (v for v in values if isinstance(v, int | str)), key=lambda v: (isinstance(v, str), v)
        )
    )


def _field(files: list[File], count: int) -> Labels:
    table, losses = classes.united((file.decoded.url, file.categories) for file in files)
    base = classes.skeleton_base(table)
    categories = classes.rebased(table, -base) if base else Categories(table)
    places: dict[object, int] = {
        category.id: place for place, category in enumerate(table) if category.id is not None
    }
    codes = [
        np.array([*(places.get(category.id, -1) for category in file.categories), -1], np.int64)
        for file in files
    ]
    found = labels([file.labels for file in files if file.labels], count, categories, codes)
    found.zero_based = not base
    found.repairs = [*losses, *_class_notes(files, categories), *found.repairs]
    return found


def _class_notes(files: list[File], categories: Categories) -> list[Loss]:
    notes = []
    if categories.duplicates:
        notes.append(
            Loss(
                code="category.duplicate",
                field="categories",
                kind="change",
                reason="categories share a name; the later ones are told apart by their id in the table",
                count=len(categories.duplicates),
                example=categories.duplicates[0],
            )
        )
    invented = [f for f in files if f.categories and _is_empty(f.decoded.top.get("categories"))]
    if invented:
        notes.append(
            Loss(
                code="categories.missing",
                field="categories",
                kind="change",
                reason="the file declares no categories; their ids are their names",
                count=sum(len(file.categories) for file in invented),
                example=invented[0].decoded.url,
            )
        )
    return notes


def _is_empty(raw: msgspec.Raw | None) -> bool:
    return raw is None or not msgspec.json.decode(raw)


def _match_results(file: File, truth: list[File], *, skip: bool) -> None:
    """Give detections the images and categories of the ground-truth file that knows their images."""
    objects = [
        other
        for other in truth
        if other.images is not None and not (other.labels and other.labels.is_captions)
    ] or truth
    wanted = id_column([file.decoded.annotations], "image_id") if file.decoded.annotations else None
    best = max(objects, key=lambda other: _known(other, wanted))
    if best.images is None:
        raise EmptySourceError(f"{best.decoded.url}: there are no images")
    file.categories = best.categories
    file.labels = _label_file(file, best.images, best.categories, skip=skip)


def _known(file: File, wanted: Ids | None) -> int:
    if wanted is None or file.images is None:
        return 0
    known = set(file.images.ids.array.to_pylist())
    return len(known.intersection(wanted.array.to_pylist()))
