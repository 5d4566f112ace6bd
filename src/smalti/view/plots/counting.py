"""What all counts share: one pass over a dataset, and the columns of a batch as numpy arrays.

A count is an object with the fields that it reads and a method that adds a batch. Its memory does not grow with the
samples, and there is no Python loop over objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import SchemaError, listed
from smalti.geometry import polygons, quads
from smalti.schema import features

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from smalti.dataset.dataset import Dataset
    from smalti.schema.schema import Schema

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

SHAPES = ("bbox", "quad", "polygons")  # members that give an object an extent, the best first


class Count(Protocol):
    """What is counted in one pass.

    Attributes:
        fields: The columns, and the members of objects by their dotted names, that it reads.
    """

    @property
    def fields(self) -> tuple[str, ...]: ...

    def add(self, batch: pa.RecordBatch) -> None:
        """Count one batch more."""


def count(dataset: Dataset, counts: Iterable[Count]) -> None:
    """Let counts see all batches of a dataset, which is read once."""
    every = list(counts)
    wanted = {field for one in every for field in one.fields}
    for batch in dataset.to_batches(fields=wanted):
        for one in every:
            one.add(batch)


def object_field(schema: Schema, field: str | None) -> tuple[str, features.Objects]:
    """The object field of that name; null: ``objects``, or the first.

    Raises:
        SchemaError: There is none.
    """
    found = schema.of_kind(features.Objects)
    if field is None and not found:
        raise SchemaError(
            f"this plot is about objects, and no column has them; there are {listed(schema.columns)}"
        )
    name = field or ("objects" if "objects" in found else found[0])
    return name, schema.objects(name)


def need(feature: features.Objects, field: str, members: Sequence[str], what: str) -> str:
    """The first of some members that the objects have.

    Raises:
        SchemaError: They have none of them.
    """
    for member in members:
        if member in feature.members:
            return member
    raise SchemaError(f"{field!r} has no {what}; its objects have {listed(feature.names)}")


def split_fields(schema: Schema) -> tuple[str, ...]:
    """The field that tells the split, where there is one."""
    return ("split",) if isinstance(schema.columns.get("split"), features.Split) else ()


class Words:
    """Words numbered in the order of their appearance.

    Attributes:
        all: The words so far; null is one too.
    """

    def __init__(self, known: Iterable[str | None] = ()) -> None:
        self._codes: dict[str | None, int] = {word: code for code, word in enumerate(known)}

    @property
    def all(self) -> list[str | None]:
        return list(self._codes)

    def codes(self, column: pa.Array) -> Ints:
        """The number of each word of a column of text, or of a dictionary of text."""
        words = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        found = np.array([self._code(word) for word in words.dictionary.to_pylist()], np.int64)
        if words.null_count:
            found = np.append(found, self._code(None))
        return found[pc.fill_null(words.indices, len(words.dictionary)).to_numpy(zero_copy_only=False)]

    def _code(self, word: str | None) -> int:
        return self._codes.setdefault(word, len(self._codes))


def split_codes(batch: pa.RecordBatch, words: Words) -> Ints:
    """The split of each sample of a batch."""
    if "split" in batch.schema.names:
        return words.codes(batch.column("split"))
    return words.codes(pa.nulls(len(batch), pa.string()))


def lengths(column: pa.Array) -> Ints:
    """How many elements each list has; 0 for null."""
    return pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)


def owners(column: pa.Array) -> Ints:
    """The row of each element of a list column."""
    return np.repeat(np.arange(len(column)), lengths(column))


def class_codes(words: pa.Array) -> Ints:
    """Positions in the class table; -1 where there is no class."""
    return pc.fill_null(words.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)


def class_members(feature: features.Objects, field: str) -> tuple[str, ...]:
    """The dotted name of the class, where objects have one."""
    return (f"{field}.category",) if "category" in feature.members else ()


def extents(objects: pa.Array, member: str) -> Floats:
    """Where objects are: centre x, centre y, width, height in pixels ``(n, 4)``; NaN for one without.

    Args:
        objects: The structs of objects.
        member: One of `SHAPES`. An oriented box has the width and height of its own sides.
    """
    column = objects.field(member)
    if member == "bbox":
        x, y, w, h = (np.asarray(column.field(name).to_numpy(zero_copy_only=False)) for name in "xywh")
        found = np.stack([x + w / 2, y + h / 2, w, h], axis=1)
    elif member == "quad":
        found = np.full((len(column), 4), np.nan)
        whole = lengths(column) == 8
        corners = column.filter(pa.array(whole)).flatten().to_numpy(zero_copy_only=False)
        found[whole] = quads.quads_to_rotated(corners.reshape(-1, 8))[:, :4]
    else:
        rings = column.flatten()
        box = polygons.boxes(rings.flatten().to_numpy(zero_copy_only=False), *map(_offsets, (rings, column)))
        found = np.concatenate([box[:, :2] + box[:, 2:] / 2, box[:, 2:]], axis=1)
        found[lengths(column) == 0] = np.nan
    found[column.is_null().to_numpy(zero_copy_only=False)] = np.nan
    return found


def _offsets(column: Any) -> Ints:
    return np.concatenate([[0], np.cumsum(lengths(column))])


def image_sizes(batch: pa.RecordBatch) -> tuple[Floats, Floats]:
    """Width and height of each sample's image in pixels; NaN while unknown."""
    image = batch.column("image")
    width, height = (
        pc.cast(image.field(name), pa.float64()).to_numpy(zero_copy_only=False)
        for name in ("width", "height")
    )
    unknown = ~((width > 0) & (height > 0))
    return np.where(unknown, np.nan, width), np.where(unknown, np.nan, height)


def need_images(schema: Schema) -> None:
    """Refuse a dataset without images.

    Raises:
        SchemaError: It has no column of images.
    """
    if not isinstance(schema.columns.get("image"), features.Image):
        raise SchemaError(
            f"this plot is about images, and there is no column 'image'; there are {listed(schema.columns)}"
        )
