"""Hypothesis strategies for datasets: small, valid, and as hostile as real data is.

Everything is drawn as plain values and then built column by column, so that a failing example
shrinks to the fewest samples, objects and digits (https://hypothesis.readthedocs.io).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from hypothesis import strategies as st

from smalti.schema import features
from smalti.schema.categories import Categories, Category
from smalti.schema.schema import Schema
from smalti.schema.types import BOX3D
from smalti.testing.tables import build

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import SearchStrategy

    from smalti.dataset.dataset import Dataset

Row = dict[str, Any]

# Folders and stems as they are found in the wild. "images" and "labels" are words that layouts use.
FOLDERS = ("", "a/", "b/", "a/b/", "images/", "labels/", "train/", "ünï/", "with blank/", "v1.2/", "猫/")
STEMS = ("1", "2", "000000000139", "same", "a.b.c", "x y", "Ñandú", "猫", "it's", "a,b;c=d&e", "#1", "100%", "(1)", "-x",
         "s" * 120)  # fmt: skip
SUFFIXES = (".png", ".PNG", ".jpg", ".jpeg")
# Class names that YAML, CSV and lists of words take for something else.
NAMES = ("cat", "dog", "traffic light", "no", "null", "1", "1e3", "~", "a: b", "# c", "- d", "{e}", '"f"', "o'g", "a,b",
         "Katze ü", "猫", "👩‍🚀", "\\n", "%s", "a#2", "=1+1")  # fmt: skip

ATTRIBUTES: Mapping[str, features.Value | features.Json] = {
    "occluded": features.Value(type=pa.bool_()),
    "note": features.Value(type=pa.string()),
    "weight": features.Value(type=pa.float64()),
    "level": features.Value(type=pa.int64()),
    "any of it": features.Json(),
}

_JSON = ('{"a":[1,2.5,null]}', '"text"', "true", "[]", '[{"k":"v"},3]')


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the datasets that are drawn look like.

    Attributes:
        members: Object members, names of `smalti.schema.features.OBJECT_MEMBERS`.
        attributes: Further object members, with their features.
        nullable: Members that some objects may be without.
        exclusive: Of these members every object has one at most.
        columns: Further columns, with their features: plain values and JSON.
        splits: The splits; none: no split column.
        max_samples: How many samples there are at most.
        max_objects: How many objects a sample has at most.
        max_parts: How many rings an object's polygons have at most.
        unlabelled: Whether samples may have null for objects.
        shared_paths: Whether one path may be in several splits, so that ids carry their split.
        keypoints: How many keypoints a class has, where ``keypoints`` is a member.
        category_ids: Whether classes have ids of the source.
        suffixes: Suffixes of image paths.
    """

    members: tuple[str, ...] = ("category", "bbox")
    attributes: Mapping[str, features.Value | features.Json] = field(default_factory=dict)
    nullable: frozenset[str] = frozenset()
    exclusive: tuple[str, ...] = ("polygons", "mask")
    columns: Mapping[str, features.Value | features.Json] = field(default_factory=dict)
    splits: tuple[str, ...] = ("train", "val")
    max_samples: int = 4
    max_objects: int = 3
    max_parts: int = 3
    unlabelled: bool = True
    shared_paths: bool = True
    keypoints: int = 3
    category_ids: bool = True
    suffixes: tuple[str, ...] = SUFFIXES


def shapes() -> SearchStrategy[Shape]:
    """Shapes with some members, attributes and columns, where every object may be without any of them."""
    some = st.lists(st.sampled_from(tuple(features.OBJECT_MEMBERS)), min_size=1, unique=True)
    more = st.sampled_from([{}, ATTRIBUTES])
    members = frozenset(features.OBJECT_MEMBERS)
    return st.builds(Shape, members=some.map(tuple), nullable=st.just(members), attributes=more, columns=more)


def numbers(low: float, high: float) -> SearchStrategy[float]:
    """Numbers of a range: short decimals as annotation tools print them, and full doubles."""
    short = st.integers(math.ceil(low * 100), math.floor(high * 100)).map(lambda cents: cents / 100)
    return short | st.floats(low, high, allow_nan=False, allow_subnormal=False)


def paths(suffixes: tuple[str, ...] = SUFFIXES) -> SearchStrategy[str]:
    """Relative POSIX paths of images: blanks, non-ASCII letters, dots, sub-folders, long names."""
    return st.builds(
        "{}{}{}".format, st.sampled_from(FOLDERS), st.sampled_from(STEMS), st.sampled_from(suffixes)
    )


def names() -> SearchStrategy[str]:
    """Class names: words, words that formats trip over, and any text of one line."""
    letters = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"))
    return st.sampled_from(NAMES) | st.text(letters, min_size=1, max_size=8).map(str.strip).filter(bool)


@st.composite
def categories(draw: st.DrawFn, *, ids: bool = True, keypoints: int | None = None) -> Categories:
    """Class tables of one to four classes, in any order, some of them unused later.

    Args:
        draw: Hypothesis' own.
        ids: Whether the classes have ids: sparse and in any order.
        keypoints: How many keypoints every class has; null: none.
    """
    words = draw(st.lists(names(), min_size=1, max_size=4, unique=True))
    numbers_ = st.lists(st.integers(1, 2000), min_size=len(words), max_size=len(words), unique=True)
    found = draw(numbers_) if ids else [None] * len(words)
    points = None if keypoints is None else tuple(f"point {n}" for n in range(keypoints))
    skeleton = None if keypoints is None else tuple((n, n + 1) for n in range(keypoints - 1))
    return Categories(
        tuple(
            Category(name=name, id=number, keypoints=points, skeleton=skeleton)
            for name, number in zip(words, found, strict=True)
        )
    )


@st.composite
def objects(draw: st.DrawFn, shape: Shape, classes: int, width: int, height: int) -> Row:
    """One object inside an image, as `smalti.testing.tables.build` takes it, without its id.

    Args:
        draw: Hypothesis' own.
        shape: What it has.
        classes: How many classes there are.
        width: Of the image, in pixels.
        height: As `width`.
    """
    members = [name for name in shape.members if name != "id"]
    one = draw(st.sampled_from(shape.exclusive)) if shape.exclusive else ""
    row: Row = {}
    for name in members:
        if name in shape.exclusive and name != one and one in members:
            continue
        value = _member(name, shape, classes, width, height)
        row[name] = draw(st.none() | value if name in shape.nullable else value)
    for name, feature in shape.attributes.items():
        row[name] = draw(st.none() | values(feature))
    return row


def values(feature: features.Value | features.Json) -> SearchStrategy[Any]:
    """Values of a plain feature: text, whole numbers, numbers, flags, JSON."""
    if isinstance(feature, features.Json):
        return st.sampled_from(_JSON)
    if pa.types.is_boolean(feature.type):
        return st.booleans()
    if pa.types.is_integer(feature.type):
        return st.integers(-(2**53), 2**53)
    if pa.types.is_floating(feature.type):
        return numbers(-1e6, 1e6)
    return names()


@st.composite
def datasets(draw: st.DrawFn, shape: Shape | None = None) -> Dataset:
    """Datasets of a shape. Every sample has a size; boxes, polygons and points lie inside of it.

    No two paths of a split differ in their suffix or in their case alone: what becomes of those is
    for each format to say.
    """
    shape = shape or Shape()
    table = draw(categories(ids=shape.category_ids, keypoints=_points(shape)))
    keys = draw(
        st.lists(
            st.tuples(st.sampled_from(shape.splits or (None,)), paths(shape.suffixes)),
            min_size=1,
            max_size=shape.max_samples,
            unique_by=lambda key: key[1].rpartition(".")[0].casefold(),
        )
    )
    shared = shape.shared_paths and len(shape.splits) > 1 and draw(st.booleans())
    if shared:
        keys.append((next(split for split in shape.splits if split != keys[0][0]), keys[0][1]))
    rows = [draw(_samples(shape, len(table), split, path, shared=shared)) for split, path in keys]
    every = [obj for row in rows for obj in row["objects"] or ()]
    for number, obj in enumerate(draw(_object_ids(len(every)))):
        every[number]["id"] = obj
    if not any(row["objects"] is not None for row in rows):
        rows[0]["objects"] = []  # else nothing would show that there is such a column
    return build(schema_of(shape, table, id_has_split=shared), rows)


@st.composite
def _samples(
    draw: st.DrawFn, shape: Shape, classes: int, split: str | None, path: str, *, shared: bool
) -> Row:
    width, height = draw(st.tuples(st.integers(4, 40), st.integers(4, 40)))
    labels = st.lists(objects(shape, classes, width, height), max_size=shape.max_objects)
    full = f"{split}/{path}" if split else path
    return {
        "id": full if shared else path,
        "image": {"path": full, "width": width, "height": height},
        "split": split,
        "objects": draw(st.none() | labels if shape.unlabelled else labels),
        **{name: draw(st.none() | values(feature)) for name, feature in shape.columns.items()},
    }


def _object_ids(count: int) -> SearchStrategy[list[int]]:
    return st.lists(st.integers(1, 2**53), min_size=count, max_size=count, unique=True)


def _points(shape: Shape) -> int | None:
    return shape.keypoints if "keypoints" in shape.members else None


def schema_of(shape: Shape, table: Categories, *, id_has_split: bool = False) -> Schema:
    """The schema of a shape's datasets with that class table."""
    split = {"split": features.Split()} if shape.splits else {}
    labels = features.Objects(
        categories=table, members=tuple(shape.members), attributes=dict(shape.attributes)
    )
    columns = {"id": features.Value(type=pa.string()), "image": features.Image(), **split, "objects": labels}
    return Schema(columns={**columns, **shape.columns}, splits=shape.splits, id_has_split=id_has_split)


def _member(name: str, shape: Shape, classes: int, width: int, height: int) -> SearchStrategy[Any]:
    """Values of one member of `smalti.schema.features.OBJECT_MEMBERS`."""
    x, y = numbers(0, width), numbers(0, height)
    pair = st.tuples(x, y)
    if name == "category":
        return st.integers(0, classes - 1)
    if name == "bbox":
        return _boxes(width, height)
    if name == "polygons":
        return st.lists(_rings(pair, 3, 6), min_size=1, max_size=shape.max_parts)
    if name == "mask":
        return _masks(width, height)
    if name == "quad":
        return _quads(width, height)
    if name == "polyline":
        return _rings(pair, 2, 5)
    if name == "keypoints":
        point = st.fixed_dictionaries({"x": x, "y": y, "visibility": st.integers(0, 2)})
        return st.lists(point, min_size=shape.keypoints, max_size=shape.keypoints)
    if name == "box3d":
        return st.fixed_dictionaries({child.name: numbers(-50, 50) for child in BOX3D})
    ranges = {"score": (0, 1), "area": (0, width * height), "angle": (-3, 3)}
    if name in ranges:
        return numbers(*ranges[name])
    return st.booleans() if name == "iscrowd" else st.integers(1, 2**31 - 1)


def _rings(pair: SearchStrategy[tuple[float, float]], low: int, high: int) -> SearchStrategy[list[float]]:
    points = st.lists(pair, min_size=low, max_size=high, unique=True)
    return points.map(lambda ring: [number for point in ring for number in point])


@st.composite
def _boxes(draw: st.DrawFn, width: int, height: int) -> Row:
    x, y = draw(numbers(0, width - 1)), draw(numbers(0, height - 1))
    # The far edge may not pass the image's by a rounding error, hence the little room.
    w, h = draw(numbers(0.5, (width - x) * 0.999)), draw(numbers(0.5, (height - y) * 0.999))
    return {"x": x, "y": y, "w": w, "h": h}


@st.composite
def _quads(draw: st.DrawFn, width: int, height: int) -> list[float]:
    box = draw(_boxes(width, height))
    left, top, right, bottom = box["x"], box["y"], box["x"] + box["w"], box["y"] + box["h"]
    at = draw(st.integers(1, 9)) / 10  # where the corners sit on the edges of the box
    x, y = left + at * box["w"], top + at * box["h"]
    return [x, top, right, y, right + left - x, bottom, left, bottom + top - y]


def _masks(width: int, height: int) -> SearchStrategy[Row]:
    runs = st.lists(st.integers(1, 40), min_size=1, max_size=8)
    return runs.map(
        lambda lengths: {"height": height, "width": width, "counts": _compressed(lengths, width * height)}
    )


def _compressed(lengths: list[int], area: int) -> bytes:
    """COCO's compressed run lengths (https://github.com/cocodataset/cocoapi, ``rleToString``), cut to an area."""
    ends = [min(sum(lengths[: n + 1]), area) for n in range(len(lengths))] + [area]
    runs = [end - start for start, end in pairwise([0, *ends]) if end > start]
    letters = bytearray()
    for n, run in enumerate(runs):
        left = run - runs[n - 2] if n > 2 else run
        more = True
        while more:
            bits, left = left & 0x1F, left >> 5
            more = left != (-1 if bits & 0x10 else 0)
            letters.append(bits + 48 + (0x20 if more else 0))
    return bytes(letters)
