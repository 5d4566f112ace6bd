"""Category and Categories: the class table of a label field, as its source had it.

Source ids, source order, unused categories and unknown keys are kept. Dense class indices exist
only where an exporter needs them: they are positions in this table.
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, RootModel

from smalti.schema.doors import Shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np


class Category(BaseModel):
    """One class of a label field.

    Attributes:
        name: The name as the source had it; two categories may share one.
        id: The source's id; null where the source has none.
        supercategory: The group the source puts it in.
        color: The source's colour, as it wrote it.
        keypoints: Names of the keypoints, in order; null where the class has none.
        skeleton: Pairs of 0-based positions in `keypoints` that are joined by a bone.
        flip_idx: For each keypoint the 0-based position it takes when the image is mirrored.
        attributes: Every other key of the source, as JSON values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    id: int | str | None = None
    supercategory: str | None = None
    color: str | None = None
    keypoints: tuple[str, ...] | None = None
    skeleton: tuple[tuple[int, int], ...] | None = None
    flip_idx: tuple[int, ...] | None = None
    attributes: dict[str, Any] = Field(default_factory=dict)


class Categories(Shown, RootModel[tuple[Category, ...]]):
    """An ordered class table.

    The table's Arrow columns hold `values`: the names, made unique. Where two categories share a
    name, identity is the id, and the later value is ``name#id``.
    """

    model_config = ConfigDict(frozen=True)

    root: tuple[Category, ...] = ()

    @classmethod
    def of(cls, names: Iterable[str]) -> Categories:
        """A table of plain names without ids."""
        return cls(tuple(Category(name=name) for name in names))

    def __iter__(self) -> Iterator[Category]:  # type: ignore[override]  # a table iterates its rows
        return iter(self.root)

    def __len__(self) -> int:
        return len(self.root)

    def __getitem__(self, index: int) -> Category:
        return self.root[index]

    def __repr__(self) -> str:
        shown = ", ".join(self.values[:6])
        return f"Categories({len(self)}: {shown}{', …' if len(self) > 6 else ''})"

    __str__ = __repr__

    @cached_property
    def values(self) -> tuple[str, ...]:
        """The unique names that stand in the table, in order."""
        taken = Counter(category.name for category in self.root)
        seen: set[str] = set()
        values = []
        for position, category in enumerate(self.root):
            value = category.name
            if taken[value] > 1 and value in seen:
                value = f"{value}#{position if category.id is None else category.id}"
            while value in seen:  # a source may hold "cat", "cat" and "cat#2" all at once
                value += "#"
            seen.add(value)
            values.append(value)
        return tuple(values)

    @cached_property
    def codes(self) -> dict[str, int]:
        """Position by unique name."""
        return {value: code for code, value in enumerate(self.values)}

    @cached_property
    def duplicates(self) -> tuple[str, ...]:
        """Source names that more than one category has."""
        return tuple(n for n, count in Counter(c.name for c in self.root).items() if count > 1)

    @property
    def dictionary(self) -> pa.Array:
        """The values as the Arrow array that dictionary columns refer to."""
        return pa.array(self.values, pa.string())

    def encode(self, codes: np.ndarray | pa.Array) -> pa.DictionaryArray:
        """A dictionary column from positions in this table.

        Args:
            codes: int32 ``(n,)``; as an Arrow array it may hold nulls (an object without a class).
        """
        return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), self.dictionary)
