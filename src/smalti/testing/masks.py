"""Datasets as label images hold them: objects whose pixels are apart, in the order of their values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.dataset.dataset import Dataset
from smalti.formats import label_images
from smalti.schema.build import list_column
from smalti.testing.tables import build

if TYPE_CHECKING:
    from collections.abc import Callable


def apart(dataset: Dataset, value: Callable[[str], int], *, one: str | None = None) -> Dataset:
    """The dataset with its objects' masks cut so that no two have a pixel in common.

    Args:
        dataset: With the members ``category`` and ``mask`` at least.
        value: The number of a class, by which objects are ordered.
        one: A member whose values no two objects of a sample share.
    """
    table = dataset.categories
    rows = dataset.to_arrow().to_pylist()
    for row in rows:
        height, width = row["image"]["height"], row["image"]["width"]
        free = np.ones((height, width), bool)
        kept: list[dict[str, object]] = []
        for item in row["objects"] or ():
            where = label_images.set_pixels(item, height, width)
            flat = np.zeros(height * width, bool)
            if where is not None:
                flat[where] = True
            pixels = flat.reshape(width, height).T & free
            known = {other[one] for other in kept} if one else set()
            if pixels.any() and not (one and item[one] in known):
                free &= ~pixels
                parts = label_images.segments(pixels)
                kept.append({**item, "mask": label_images.mask_of(parts.counts[-1], pixels.shape)})
        kept.sort(key=lambda item: value(str(item["category"])))
        if row["objects"] is not None:
            row["objects"] = [{**item, "category": table.codes[str(item["category"])]} for item in kept]
    return build(dataset.schema, rows)


def in_order(dataset: Dataset, value: Callable[[str], int]) -> Dataset:
    """The dataset with its objects in the order of their classes' numbers, as label images give them back."""
    schema = dataset.schema
    if "category" not in schema.objects().members:
        return dataset
    table = dataset.to_arrow()
    column = table.column("objects").combine_chunks()
    objects = column.flatten()
    words = objects.field("category").to_pylist()
    numbers = np.array([-1 if word is None else value(word) for word in words], np.int64)
    order = np.lexsort((numbers, pc.list_parent_indices(column).to_numpy()))
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0))
    sorted_ = list_column(objects.take(pa.array(order)), lengths, np.asarray(column.is_null()))
    place = table.schema.get_field_index("objects")
    return Dataset.from_arrow(table.set_column(place, table.schema.field(place), sorted_), schema=schema)


def numbered(dataset: Dataset) -> Dataset:
    """The dataset with the track ids that the pixels of MOTS have: 1000 * class + number."""
    codes = dataset.categories.codes
    rows = dataset.to_arrow().to_pylist()
    for row in rows:
        for number, item in enumerate(row["objects"] or (), 1):
            item["category"] = codes[item["category"]]
            item["track_id"] = 1000 * (item["category"] + 1) + number
    return build(dataset.schema, rows)
