"""Boxes, polygons and lines of many images at once, as columns: what `smalti.formats.cvat.reading` gives one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats import xml_table
from smalti.formats.cvat.labels import OWN
from smalti.formats.cvat.scan import ROOT
from smalti.formats.cvat.shapes import CORNERS, DECIMALS, FLAGS
from smalti.formats.label_rows import finite, snap
from smalti.schema.build import boxes_column
from smalti.schema.types import list_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from smalti.formats.xml_table import Attributes, Table
    from smalti.schema.features import Objects

    Whole = NDArray[np.int64]

IMAGE = f"{ROOT}/image"
SHAPES = {"box": "bbox", "polygon": "polygons", "polyline": "polyline"}  # and the members that they are
LEAST = 2**63  # whole numbers are below


def objects(body: bytes, count: int, feature: Objects) -> tuple[pa.StructArray, Whole] | None:
    """The objects of some images, and how many each has; null where there is anything but plain shapes without attributes.

    Args:
        body: The image elements, below one root.
        count: How many images there are.
        feature: The objects' feature.
    """
    table = xml_table.parse([body])
    paths = {f"{IMAGE}/{shape}": member for shape, member in SHAPES.items()}
    if table is None or not set(table.paths) <= {ROOT, IMAGE, *paths}:
        return None
    images, where = table.of(IMAGE), table.of(*paths)
    if len(images) != count:
        return None
    said = table.attributes(where)
    columns = _plain(said, feature, len(where))
    if columns is None:
        return None
    for path, member in paths.items():
        own = table.of(path)
        if member in feature.members or len(own):
            geometry = _boxes(table, own) if member == "bbox" else _lines(table, own)
            if geometry is None:
                return None
            at = np.full(len(where), -1)
            at[np.searchsorted(where, own)] = np.arange(len(own))
            columns[member] = geometry.take(pa.array(at, mask=at < 0)) if len(own) < len(where) else geometry
    if "polygons" in columns:
        columns["polygons"] = _ringed(columns["polygons"])
    arrays = [
        columns[n] if n in columns else pa.nulls(len(where), feature.member_type(n)) for n in feature.names
    ]
    struct = pa.Array.from_buffers(feature.struct, len(where), [None], children=arrays)
    lengths = np.bincount(np.searchsorted(images, table.parent[where]), minlength=count)
    return struct, lengths


def _plain(said: Attributes, feature: Objects, count: int) -> dict[str, pa.Array] | None:
    """The class of each object and what CVAT's own attributes say of it."""
    labels = said.get("label", pa.nulls(count, pa.string())).dictionary_encode()
    codes = feature.categories.codes
    names = labels.dictionary.to_pylist()
    if any(name and name not in codes for name in names):
        return None
    places = pa.array([codes.get(name) for name in names], pa.int32())
    found = {"category": feature.categories.encode(places.take(labels.indices))}
    flags = said.get("occluded", pa.nulls(count, pa.string())).fill_null("0").dictionary_encode()
    known = [FLAGS.get(word.lower()) for word in flags.dictionary.to_pylist()]
    if None in known:
        return None
    found["occluded"] = pa.array(known, pa.bool_()).take(flags.indices)
    for name in set(OWN) & said.keys() - {"occluded"}:
        found[name] = said[name] if name == "source" else _whole(said[name])
        if found[name] is None:
            return None
    return found


def _whole(words: pa.Array) -> pa.Array | None:
    values = finite(words.fill_null("0"))
    if values is None or ((values != np.trunc(values)) | (np.abs(values) >= LEAST)).any():
        return None
    return pa.array(values.astype(np.int64), mask=words.is_null().to_numpy(zero_copy_only=False))


def _boxes(table: Table, which: Whole) -> pa.StructArray | None:
    said = table.attributes(which)
    sides = [finite(said[name]) if name in said else np.empty(0) for name in CORNERS]
    turned = said.get("rotation")
    if turned is not None and ((angles := finite(turned.fill_null("0"))) is None or angles.any()):
        return None
    if not all(side is not None and len(side) == len(which) for side in sides):
        return None
    corners = np.stack([np.asarray(side) for side in sides], axis=1)
    scale = np.abs(corners).max(axis=1, initial=0)[:, None]
    return boxes_column(
        np.concatenate([corners[:, :2], snap(corners[:, 2:] - corners[:, :2], DECIMALS, scale)], 1)
    )


def _lines(table: Table, which: Whole) -> pa.ListArray | None:
    """The coordinates of ``points``: ``x,y;x,y``."""
    words = table.attributes(which).get("points", pa.nulls(len(which), pa.string()))
    pairs = pc.split_pattern(words, ";")
    flat = pc.split_pattern(pairs.flatten(), ",")
    values = finite(flat.flatten())
    if words.null_count or values is None or pc.any(pc.not_equal(pc.list_value_length(flat), 2)).as_py():
        return None
    offsets = pc.multiply(pairs.offsets, pa.scalar(2, pa.int32()))
    return pa.ListArray.from_arrays(offsets, pa.array(values), type=list_of(pa.float64()))


def _ringed(lines: pa.ListArray) -> pa.ListArray:
    """Lines as polygons of one ring."""
    there = lines.is_valid().to_numpy(zero_copy_only=False)
    offsets = pa.array(np.concatenate([[0], np.cumsum(there)]), pa.int32())
    mask = None if there.all() else pa.array(~there)
    return pa.ListArray.from_arrays(offsets, lines.drop_null(), type=list_of(lines.type), mask=mask)
