"""The usual shapes of many LabelMe documents at once, to columns and back: what `smalti.formats.labelme` does one by one."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import DataError
from smalti.formats import json_files
from smalti.formats.label_rows import texts
from smalti.formats.object_text import corners, has, member
from smalti.schema.build import boxes_column
from smalti.schema.types import list_of
from smalti.storage.location import BOM

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

RECTANGLE, POLYGON = "rectangle", "polygon"
PLAIN = 1e15  # numbers below are written without an exponent


class Shape(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A shape of the usual kinds; any other is not decoded."""

    label: str
    points: list[tuple[float, float]]
    shape_type: Literal["rectangle", "polygon"]
    group_id: int | None = None
    description: str | None = None
    flags: dict[str, Any] | None = None
    mask: None = None


class File(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename="camel"):
    """A document with nothing unusual."""

    shapes: list[Shape]
    image_path: Any = None
    image_data: msgspec.Raw | None = None
    image_height: Any = None
    image_width: Any = None
    version: str | None = None
    flags: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Shapes:
    """Documents as columns.

    Attributes:
        said: The ``imagePath`` of each.
        sizes: int64 ``(n, 2)``, width and height in pixels; 0 where it does not say.
        lengths: ``(n,)``, the shapes of each.
        members: Those of all shapes.
        rest: What else each says, as JSON; null where it says nothing else.
    """

    said: list[Any]
    sizes: NDArray[np.int64]
    lengths: NDArray[np.int64]
    members: dict[str, pa.Array]
    rest: list[str | None]


@dataclass(slots=True)
class _Flat:
    """The shapes of all documents, one after the other: a struct each would keep the garbage collector busy."""

    labels: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    sides: array[float] = field(default_factory=lambda: array("d"))
    groups: list[int | None] = field(default_factory=list)
    descriptions: list[str | None] = field(default_factory=list)
    flags: list[str | None] = field(default_factory=list)

    def add(self, some: list[Shape]) -> None:
        self.labels += [shape.label for shape in some]
        self.kinds += [shape.shape_type for shape in some]
        self.counts += [len(shape.points) for shape in some]
        self.sides.extend([side for shape in some for point in shape.points for side in point])
        self.groups += [shape.group_id for shape in some]
        self.descriptions += [shape.description or None for shape in some]
        self.flags += [json_files.text(shape.flags) if shape.flags else None for shape in some]


_DECODER = msgspec.json.Decoder(File)


def shapes(bodies: Sequence[bytes]) -> Shapes | None:
    """Many documents; null where one of them is not regular, or anything is wrong with it."""
    said: list[Any] = []
    sides: list[int] = []
    lengths: list[int] = []
    versions: list[str | None] = []
    flat = _Flat()
    try:
        for body in bodies:
            file = _DECODER.decode(body.removeprefix(BOM))
            if file.flags:
                return None
            said.append(file.image_path)
            sides += (
                json_files.pixels(file.image_width, "") or 0,
                json_files.pixels(file.image_height, "") or 0,
            )
            lengths.append(len(file.shapes))
            versions.append(file.version)
            flat.add(file.shapes)
        members = _members(flat)
    except (msgspec.DecodeError, pa.ArrowInvalid, ValueError, RecursionError, DataError, OverflowError):
        return None
    known = {v: json_files.text({"version": v}) for v in set(versions) if v is not None}
    rest = [None if version is None else known[version] for version in versions]
    sizes = np.array(sides, np.int64).reshape(-1, 2)
    return None if members is None else Shapes(said, sizes, np.array(lengths, np.int64), members, rest)


def _members(flat: _Flat) -> dict[str, pa.Array] | None:
    boxes = np.array([kind == RECTANGLE for kind in flat.kinds], bool)
    counts = np.array(flat.counts, np.int64)
    if (counts[boxes] != 2).any() or (counts[~boxes] < 3).any() or not all(flat.labels):
        return None
    groups = pa.array(flat.groups, pa.int64())
    if groups.filter(pa.array(~boxes)).null_count < (~boxes).sum():
        return None  # the parts of one object
    sides = np.frombuffer(flat.sides, np.float64)
    corners = sides[np.repeat(boxes, 2 * counts)].reshape(-1, 2, 2)
    low, high = corners.min(axis=1), corners.max(axis=1)
    bbox = np.zeros((len(boxes), 4))
    bbox[boxes] = np.concatenate([low, high - low], axis=1)
    found = {"category": pa.array(flat.labels, pa.string()), "bbox": boxes_column(bbox, ~boxes)}
    if not boxes.all():
        found["polygons"] = _polygons(sides[np.repeat(~boxes, 2 * counts)], counts, ~boxes)
    more = {
        "group_id": groups,
        "description": pa.array(flat.descriptions, pa.string()),
        "flags": pa.array(flat.flags, pa.string()),
    }
    return found | {name: values for name, values in more.items() if values.null_count < len(boxes)}


def _polygons(
    sides: NDArray[np.float64], counts: NDArray[np.int64], which: NDArray[np.bool_]
) -> pa.ListArray:
    """One ring an object, null for those that are none."""
    ends = np.cumsum(2 * counts[which])
    rings = pa.ListArray.from_arrays(
        pa.array(np.concatenate([[0], ends]), pa.int32()), pa.array(sides), type=list_of(pa.float64())
    )
    offsets = pa.array(np.concatenate([[0], np.cumsum(which)]), pa.int32())
    mask = pa.array(~which) if not which.all() else None
    return pa.ListArray.from_arrays(offsets, rings, type=list_of(list_of(pa.float64())), mask=mask)


def rectangles(objects: pa.StructArray, others: Collection[str]) -> pa.Array | None:
    """Boxes as rectangles in JSON; null where an object has something else.

    Args:
        objects: Objects that have a class and some geometry.
        others: Members that an object may not have.
    """
    if any(has(objects, name).any() for name in others):
        return None
    if not len(objects):
        return pa.array([], pa.string())
    label = _as_json(objects.field("category"))
    group = member(objects, "group_id")
    said = {name: member(objects, name) for name in ("description", "flags")}
    description, flags = (None if t is None else t.dictionary_encode() for t in said.values())
    left, top, right, bottom = (_decimal(np.ascontiguousarray(side)) for side in corners(objects).T)
    return pc.binary_join_element_wise(
        '{"label":', label,
        ',"group_id":', "null" if group is None else pc.fill_null(group.cast(pa.string()), "null"),
        ',"description":', '""' if description is None else pc.fill_null(_as_json(description), '""'),
        ',"flags":', "{}" if flags is None else pc.fill_null(_normal(flags), "{}"),
        ',"shape_type":"rectangle","points":[[', left, ",", top, "],[", right, ",", bottom, "]]}",
        "",
    )  # fmt: skip


def _as_json(words: pa.DictionaryArray) -> pa.Array:
    return pa.array([json_files.text(word) for word in words.dictionary.to_pylist()], pa.string()).take(
        words.indices
    )


def _normal(words: pa.DictionaryArray) -> pa.Array:
    """JSON as this library writes it."""
    known = [json_files.text(json_files.parse(word.encode(), dict)) for word in words.dictionary.to_pylist()]
    return pa.array(known, pa.string()).take(words.indices)


def _decimal(values: NDArray[np.float64]) -> pa.Array:
    """Numbers as JSON has those of floating point."""
    words = texts(values)
    whole = (values == np.trunc(values)) & (np.abs(values) < PLAIN)
    return pc.if_else(pa.array(whole), pc.binary_join_element_wise(words, ".0", ""), words)
