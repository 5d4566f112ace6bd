"""A dataset of Hugging Face ``datasets`` over the same Arrow memory, its features set.

Classes are ``ClassLabel``, pictures ``Image``, boxes lists of x, y, width and height, as detection datasets on the Hub
have them (https://huggingface.co/docs/datasets/object_detection).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti._extras import require
from smalti.schema import features
from smalti.storage.location import Location

if TYPE_CHECKING:
    from smalti.dataset.dataset import Dataset


def to_huggingface(dataset: Dataset, *, splits: bool) -> Any:
    """See `smalti.Dataset.to_huggingface`."""
    hub = require("datasets", "huggingface")
    table = dataset.to_arrow().combine_chunks()
    columns: dict[str, pa.Array] = {}
    known: dict[str, Any] = {}
    for name, feature in dataset.schema.columns.items():
        column = table.column(name)
        array = column.chunk(0) if column.num_chunks == 1 else pa.array([], column.type)
        for key, (values, meaning) in _column(hub, name, feature, array, dataset.schema.media_root).items():
            columns[key], known[key] = values, meaning
    typed = hub.Features(known)
    kinds = [field.type for field in typed.arrow_schema]
    whole = pa.table(
        [v.cast(kind) for v, kind in zip(columns.values(), kinds, strict=True)], names=list(columns)
    )
    made = hub.Dataset(hub.table.InMemoryTable(whole), info=hub.DatasetInfo(features=typed))
    if not splits:
        return made
    words = np.array(made["split"] if "split" in columns else ["train"] * len(dataset), object)
    order = [word for word in dataset.schema.splits if word in set(words)] or sorted(set(words), key=str)
    return hub.DatasetDict({str(word): made.select(np.flatnonzero(words == word)) for word in order})


def _column(
    hub: Any, name: str, feature: Any, array: pa.Array, root: str | None
) -> dict[str, tuple[pa.Array, Any]]:
    """One column of ours as columns of theirs, each with its feature."""
    if isinstance(feature, features.Image):
        sides = {side: (pc.struct_field(array, side), hub.Value("int32")) for side in ("width", "height")}
        return {name: (_pictures(array, root), hub.Image()), **sides}
    if isinstance(feature, features.Mask):
        return {name: (_pictures(array, root), hub.Image())}
    if isinstance(feature, features.Objects):
        members = {member: _member(hub, member, feature, array.flatten()) for member in feature.names}
        values = pa.StructArray.from_arrays([v for v, _ in members.values()], names=list(members))
        return {
            name: (_lists(array, values), hub.List({member: kind for member, (_, kind) in members.items()}))
        }
    if isinstance(feature, features.Classification) and feature.multi:
        flat = array.flatten()
        label = hub.ClassLabel(names=list(feature.categories.values))
        codes = flat.field("category").indices.cast(pa.int64())
        values = pa.StructArray.from_arrays([codes, flat.field("score")], names=["category", "score"])
        return {name: (_lists(array, values), hub.List({"category": label, "score": hub.Value("float64")}))}
    if isinstance(feature, features.Classification):
        return {name: (array.indices.cast(pa.int64()), hub.ClassLabel(names=list(feature.categories.values)))}
    return {name: (_plain(array), _known(hub, array.type))}


def _member(hub: Any, name: str, feature: features.Objects, objects: pa.StructArray) -> tuple[pa.Array, Any]:
    values = objects.field(name)
    if name == "category":
        return values.indices.cast(pa.int64()), hub.ClassLabel(names=list(feature.categories.values))
    if name == "bbox":
        sides = [values.field(side).to_numpy(zero_copy_only=False) for side in "xywh"]
        flat = pa.array(np.stack(sides, axis=1).ravel())
        boxes = pa.FixedSizeListArray.from_arrays(
            flat, 4, mask=values.is_null() if values.null_count else None
        )
        return boxes, hub.List(hub.Value("float64"), length=4)
    return _plain(values), _known(hub, values.type)


def _lists(array: pa.ListArray, values: pa.Array) -> pa.ListArray:
    """The same lists of other values; null stays null."""
    lengths = np.asarray(pc.fill_null(pc.list_value_length(array), 0))
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    return pa.ListArray.from_arrays(offsets, values, mask=array.is_null() if array.null_count else None)


def _pictures(array: pa.StructArray, root: str | None) -> pa.StructArray:
    """Pictures as they read them: bytes, or a whole path."""
    count = len(array)
    members = {field.name for field in array.type}
    paths = pc.struct_field(array, "path")
    if root is not None and not root.endswith("::"):
        below = f"{Location.parse(root).url.rstrip('/')}/"
        whole = pc.binary_join_element_wise(below, paths, "")
        paths = pc.if_else(pc.match_substring(paths, "://"), paths, whole)
    body = pc.struct_field(array, "bytes") if "bytes" in members else pa.nulls(count, pa.binary())
    return pa.StructArray.from_arrays([body, paths], names=["bytes", "path"])


def _plain(array: pa.Array) -> pa.Array:
    """Words of a plain dictionary as text, which is all that they know of one."""
    return array.cast(array.type.value_type) if pa.types.is_dictionary(array.type) else array


def _known(hub: Any, kind: pa.DataType) -> Any:
    if pa.types.is_dictionary(kind):
        return hub.Value("string")
    if pa.types.is_struct(kind):
        return {field.name: _known(hub, field.type) for field in kind}
    if pa.types.is_fixed_size_list(kind):
        return hub.List(_known(hub, kind.value_type), length=kind.list_size)
    if pa.types.is_list(kind):
        return hub.List(_known(hub, kind.value_type))
    if pa.types.is_large_list(kind):
        return hub.LargeList(_known(hub, kind.value_type))
    return hub.Value(str(kind) if not pa.types.is_fixed_size_binary(kind) else "binary")
