"""Datasets from samples, and samples from rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from smalti.dataset.labels import objects_column
from smalti.errors import DataError
from smalti.schema import features
from smalti.schema.categories import Categories
from smalti.schema.objects import Objects
from smalti.schema.sample import ImageRef, Sample
from smalti.schema.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smalti.schema.features import AnyFeature


def from_samples(
    samples: Iterable[Sample | Mapping[str, Any]], categories: Any = None, media_root: str | None = None
) -> tuple[pa.Table, Schema]:
    """The table and the schema of samples.

    Args:
        samples: Samples, or mappings with their fields.
        categories: The class table of ``objects``, or its names; null: the names in order of appearance.
        media_root: Where the image paths are relative to.

    Raises:
        DataError: A value is not what its field holds, or an id occurs twice; the message names the
            sample and the field.
    """
    rows = [_sample(given) for given in samples]
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise DataError("this id occurs twice, expected unique ids", sample=row.id)
        seen.add(row.id)
    columns: dict[str, AnyFeature] = {"id": features.Value(type=pa.string())}
    ids = [row.id for row in rows]
    arrays = [pa.array(ids, pa.string())]
    columns["image"], image = _images(rows)
    arrays.append(image)
    if any(row.split is not None for row in rows):
        columns["split"] = features.Split()
        words = pa.array([row.split for row in rows], pa.string())
        arrays.append(words.dictionary_encode().cast(features.Split().arrow))
    if any(row.objects is not None for row in rows):
        table = (
            categories
            if categories is None or isinstance(categories, Categories)
            else Categories.of(categories)
        )
        columns["objects"], objects = objects_column(ids, [row.objects for row in rows], "objects", table)
        arrays.append(objects)
    for name in dict.fromkeys(name for row in rows for name in row.columns):
        columns[name], array = _column(rows, name)
        arrays.append(array)
    splits = tuple(dict.fromkeys(row.split for row in rows if row.split is not None))
    schema = Schema(columns=columns, splits=splits, media_root=media_root)
    return pa.Table.from_arrays(arrays, schema=schema.arrow), schema


def _sample(given: Sample | Mapping[str, Any]) -> Sample:
    if isinstance(given, Sample):
        return given
    if not isinstance(given, Mapping):
        raise DataError(f"found {given!r}, expected a sample or a mapping with its fields")
    return Sample(**given)


def _images(rows: list[Sample]) -> tuple[features.Image, pa.Array]:
    dicts = [{**row.image.model_dump(), "path": row.image.path or row.id} for row in rows]
    used = {name for item in dicts for name, value in item.items() if value is not None}
    feature = features.Image(members=tuple(used))
    return feature, pa.array([{n: item[n] for n in feature.members} for item in dicts], feature.arrow)


def _column(rows: list[Sample], name: str) -> tuple[AnyFeature, pa.Array]:
    values = [row.columns.get(name) for row in rows]
    if any(isinstance(value, Objects) for value in values):
        labels = [
            value if isinstance(value, Objects | None) else Objects.from_list(value) for value in values
        ]
        return objects_column([row.id for row in rows], labels, name)
    try:
        array = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise DataError(f"column {name!r} has values of different kinds: {error}") from error
    plain = features.Value(type=array.type)
    return plain, array.cast(plain.arrow)


def to_samples(batch: pa.RecordBatch, schema: Schema) -> list[Sample]:
    """The rows of a batch as samples; objects are views of the batch."""
    plain = [name for name, f in schema.columns.items() if not isinstance(f, features.Objects)]
    rows = batch.select(plain).to_pylist()
    lists = {
        name: (batch.column(name), feature)
        for name, feature in schema.columns.items()
        if isinstance(feature, features.Objects)
    }
    for index, row in enumerate(rows):
        for name, (column, feature) in lists.items():
            value = column[index].values
            row[name] = None if value is None else Objects(value, feature)
        image = row.get("image")
        row["image"] = ImageRef.model_construct(**image) if image else ImageRef()
    return [_trusted(row, schema) for row in rows]


def _trusted(row: dict[str, Any], schema: Schema) -> Sample:
    """A sample of values that the schema vouches for, without checking them again."""
    known = {name: row.pop(name, None) for name in ("id", "image", "split", "objects")}
    sample = Sample.model_construct(**known)
    object.__setattr__(sample, "__pydantic_extra__", row)
    object.__setattr__(sample, "__pydantic_private__", {"_schema": schema})
    return sample
