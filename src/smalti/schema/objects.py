"""Objects: the objects of one sample, column by column, as numpy arrays without a copy.

Coordinates are absolute pixels as float64, the origin at the outer top left corner of the image.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import SchemaError, listed
from smalti.geometry import boxes
from smalti.schema.build import objects_array
from smalti.schema.doors import Shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from smalti.schema import features


class Objects(Shown):
    """The objects of one sample.

    Args:
        array: One struct an object.
        feature: What the struct's members mean.
    """

    __slots__ = ("array", "feature")

    def __init__(self, array: pa.StructArray, feature: features.Objects) -> None:
        self.array = array
        self.feature = feature

    @classmethod
    def from_arrays(
        cls, *, bbox: ArrayLike | None = None, layout: boxes.Layout = "xywh", **members: Any
    ) -> Objects:
        """Build objects from columns.

        Args:
            bbox: ``(n, 4)`` in pixels.
            layout: What the four numbers are.
            **members: A value an object, by member (``category``, ``polygons``, ``keypoints`` …) or
                by attribute of your own.

        Raises:
            DataError: A column has another length, or a value is not what the member holds.
        """
        if bbox is not None:
            members["bbox"] = list(boxes.convert(bbox, layout, "xywh"))
        length = max((len(values) for values in members.values()), default=0)
        rows: list[dict[str, Any]] = [{} for _ in range(length)]
        for name, values in members.items():
            if len(values) != length:
                raise SchemaError(f"{name} has {len(values)} values, the others have {length}")
            for row, value in zip(rows, values, strict=True):
                row[name] = value
        return cls.from_list(rows)

    @classmethod
    def from_list(
        cls, objects: Sequence[Mapping[str, Any]], feature: features.Objects | None = None
    ) -> Objects:
        """Build objects from one mapping each: ``{"bbox": [x, y, w, h], "category": "cat", …}``.

        Raises:
            DataError: A value is not what its member holds; the message names object and member.
        """
        array, built = objects_array(objects, feature)
        return cls(array, built)

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.to_list())

    def __getitem__(self, key: int | slice | str) -> Any:
        """One object as a mapping, some by a slice, or a member of all objects by its name."""
        if isinstance(key, str):
            return self.column(key)
        if isinstance(key, slice):
            return Objects(self.array[key], self.feature)
        return self.array[int(key)].as_py()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Objects) and self.to_list() == other.to_list()

    __hash__ = None  # type: ignore[assignment]  # it compares by content

    def __repr__(self) -> str:
        counts = Counter(name or "without a class" for name in self.names)
        shown = ", ".join(f"{count} {name}" for name, count in counts.most_common(6))
        return f"Objects({len(self)}: {shown}; {', '.join(self.feature.names)})"

    def to_list(self) -> list[dict[str, Any]]:
        """Every object as a mapping."""
        return self.array.to_pylist()

    def arrow(self, name: str) -> pa.Array:
        """A member of all objects as an Arrow array.

        Raises:
            SchemaError: These objects have no such member.
        """
        index = self.array.type.get_field_index(name)
        if index < 0:
            raise SchemaError(f"objects have no member {name!r}; they have {listed(self.feature.names)}")
        return self.array.field(index)

    def column(self, name: str) -> Any:
        """A member of all objects: numpy ``(n,)`` where it is a number, a list of values otherwise."""
        values = self.arrow(name)
        if pa.types.is_primitive(values.type) and not pa.types.is_boolean(values.type):
            return values.to_numpy(zero_copy_only=values.null_count == 0)
        return values.to_pylist()

    @property
    def x(self) -> NDArray[np.float64]:
        """Left edges ``(n,)``, a view."""
        return self._side("x")

    @property
    def y(self) -> NDArray[np.float64]:
        """Top edges ``(n,)``, a view."""
        return self._side("y")

    @property
    def w(self) -> NDArray[np.float64]:
        """Widths ``(n,)``, a view."""
        return self._side("w")

    @property
    def h(self) -> NDArray[np.float64]:
        """Heights ``(n,)``, a view."""
        return self._side("h")

    def _side(self, name: str) -> NDArray[np.float64]:
        column = self.arrow("bbox")
        side = pc.struct_field(column, name) if column.null_count else column.field(name)
        return side.to_numpy(zero_copy_only=False)

    @property
    def bbox(self) -> NDArray[np.float64]:
        """Boxes ``(n, 4)``: x, y, w, h; a row of NaN for an object without a box."""
        return np.stack([self.x, self.y, self.w, self.h], axis=1)

    def to(self, layout: boxes.Layout) -> NDArray[np.float64]:
        """Boxes ``(n, 4)`` in another layout."""
        return boxes.convert(self.bbox, "xywh", layout)

    @property
    def category(self) -> NDArray[np.int32]:
        """Positions in the class table ``(n,)``; -1 for an object without a class."""
        codes = self.arrow("category").indices
        return codes.fill_null(-1).to_numpy(zero_copy_only=False)

    @property
    def names(self) -> list[str | None]:
        """The class of each object as a word; null where it has none."""
        if "category" not in self.feature.members:
            return [None] * len(self)
        return self.arrow("category").to_pylist()

    @property
    def polygons(self) -> list[list[NDArray[np.float64]] | None]:
        """For each object its rings as ``(k, 2)``; null for an object without polygons."""
        return [
            None if rings is None else [np.asarray(ring, np.float64).reshape(-1, 2) for ring in rings]
            for rings in self.arrow("polygons").to_pylist()
        ]

    @property
    def keypoints(self) -> list[NDArray[np.float64] | None]:
        """For each object x, y and visibility ``(k, 3)``, NaN where unknown; null where it has none."""
        return [
            None
            if points is None
            else np.array([[p["x"], p["y"], p["visibility"]] for p in points], np.float64).reshape(-1, 3)
            for points in self.arrow("keypoints").to_pylist()
        ]
