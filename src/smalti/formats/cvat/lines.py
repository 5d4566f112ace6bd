"""Images whose objects are all plain boxes as lines of XML, whole columns at once: what `smalti.formats.cvat.encode` makes one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats import label_rows, xml_files
from smalti.formats.cvat.encode import GEOMETRY, quoted
from smalti.formats.cvat.labels import PREFIX
from smalti.formats.cvat.shapes import CORNERS, DECIMALS
from smalti.formats.cvat.survey import NUMBERS
from smalti.formats.document_writer import UNLABELLED
from smalti.formats.object_text import has, member, sides, true

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from smalti.formats.cvat.encode import Encoder
    from smalti.formats.cvat.write import CvatWriter

WRITTEN = (
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_string,
)  # as text these are what they are in XML


def image_lines(
    writer: CvatWriter, batch: pa.RecordBatch, names: list[str], start: int, encoder: Encoder
) -> tuple[list[bytes], int] | None:
    """The lines of images, and how many objects they have; null where that cannot be.

    Args:
        writer: The writer.
        batch: The samples.
        names: The images' names.
        start: The number of the first image.
        encoder: Gets what does not come through.
    """
    if writer.tags is not None or writer.field is None:
        return None
    column = batch.column(writer.field)
    made = boxes(column.flatten(), writer.attributes)
    if made is None:
        return None
    if missing := column.null_count:
        first = batch.column("id").filter(column.is_null())[0].as_py()
        encoder.lose("unannotated.merged", "", "change", UNLABELLED, first, count=missing)
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0))
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    inner = pc.binary_join(pa.ListArray.from_arrays(offsets, made), "")
    return images(_attributes(batch, names, start), inner), len(made)


def _attributes(batch: pa.RecordBatch, names: list[str], start: int) -> dict[str, pa.Array]:
    """The attributes of images as text, in their order."""
    numbers = {key: batch.column(column) for column, key in NUMBERS.items() if column in batch.schema.names}
    places = pa.array(range(start, start + len(batch)), pa.int64())
    found = {
        "id": pc.coalesce(numbers["id"], places) if "id" in numbers else places,
        "name": pa.array(names, pa.string()),
    }
    if "split" in batch.schema.names:
        found["subset"] = batch.column("split").dictionary_decode()
    if "task_id" in numbers:
        found["task_id"] = numbers["task_id"]
    image = batch.column("image")
    found |= {side: image.field(side) for side in ("width", "height")}
    return {key: values.cast(pa.string()) for key, values in found.items()}


def boxes(objects: pa.StructArray, attributes: Collection[str]) -> pa.Array | None:
    """The lines of each object; null where one is no box of a class.

    Args:
        objects: The objects.
        attributes: Those that become elements.
    """
    other = any(has(objects, name).any() for name in (*GEOMETRY, "angle") if name != "bbox")
    if other or not (has(objects, "bbox") & has(objects, "category")).all():
        return None
    if not len(objects):
        return pa.array([], pa.string())
    inner = [_attribute(objects, name) for name in attributes if has(objects, name).any()]
    if any(piece is None for piece in inner):
        return None
    box = sides(objects, "bbox", ("x", "y", "w", "h"))
    low, size = box[:, :2], box[:, 2:]
    high = label_rows.snap(low + size, DECIMALS, np.maximum(np.abs(low), np.abs(size)))
    corners = zip(CORNERS, np.concatenate([low, high], axis=1).T, strict=True)
    pieces = [
        "    <box label=",
        _quoted(objects.field("category")),
        *_said(objects, "source"),
        pc.if_else(pa.array(true(objects, "occluded")), ' occluded="1"', ' occluded="0"'),
        *(p for n, side in corners for p in (f' {n}="', label_rows.texts(np.ascontiguousarray(side)), '"')),
        *_said(objects, "z_order"),
        *_said(objects, "group_id"),
        ">\n",
        *inner,
        "    </box>\n",
    ]
    return pc.binary_join_element_wise(*pieces, "")


def images(said: Mapping[str, pa.Array], inner: pa.Array) -> list[bytes]:
    """The lines of each image.

    Args:
        said: Its attributes as text, in their order; null where it has not got one.
        inner: The lines of its objects.
    """
    pieces = [
        _null_to_nothing(f" {name}=", _quoted(words.dictionary_encode())) for name, words in said.items()
    ]
    found = pc.binary_join_element_wise("  <image", *pieces, ">\n", inner, "  </image>\n", "")
    return list(found.cast(pa.binary()).to_pylist())


def _said(objects: pa.StructArray, name: str) -> list[pa.Array]:
    """An attribute of the element; nothing where an object has not got it."""
    values = member(objects, name)
    if values is None or values.null_count == len(values):
        return []
    return [_null_to_nothing(f" {name}=", _quoted(values.cast(pa.string()).dictionary_encode()))]


def _null_to_nothing(before: str, words: pa.Array, after: str = "") -> pa.Array:
    return pc.fill_null(pc.binary_join_element_wise(before, words, after, ""), "")


def _quoted(words: pa.DictionaryArray) -> pa.Array:
    used = set(words.indices.unique().to_pylist())
    known = [quoted(word) if n in used else None for n, word in enumerate(words.dictionary.to_pylist())]
    return pa.array(known, pa.string()).take(words.indices)


def _attribute(objects: pa.StructArray, name: str) -> pa.Array | None:
    """An attribute of objects as an element each; null where its text is not the same in XML."""
    values = objects.field(name)
    if not any(is_(values.type) for is_ in WRITTEN):
        return None
    words = xml_files.escaped_words(values.cast(pa.string()).dictionary_encode())
    head = f"      <attribute name={quoted(name.removeprefix(PREFIX))}>"
    return _null_to_nothing(head, pc.replace_substring(words, "\r", "&#13;"), "</attribute>\n")
