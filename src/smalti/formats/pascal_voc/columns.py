"""The annotations of many images at once, as columns: what `smalti.formats.pascal_voc.read` gives one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats import xml_table
from smalti.formats.label_rows import finite
from smalti.formats.pascal_voc.options import CORNERS, FLAGS, TRUE
from smalti.schema.build import boxes_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from smalti.formats.xml_table import Table

OBJECT = "annotation/object"
SIZE = "annotation/size"
PLAIN = ("name", "bndbox", "pose", *FLAGS)  # of an object, all that becomes columns here


@dataclass(frozen=True, slots=True)
class Annotations:
    """Annotations as columns.

    Attributes:
        names: What each says of the image's file; null where it says nothing.
        sizes: int64 ``(n, 2)``, width and height in pixels; 0 where it does not say.
        lengths: ``(n,)``, the objects of each.
        members: ``category`` and ``bbox`` of all objects, with ``pose`` and the flags where they are there.
        more: Objects that have something else as well: their position, and the element as XML.
        rest: What else each says, as XML; null where it says nothing else.
    """

    names: list[str | None]
    sizes: NDArray[np.int64]
    lengths: NDArray[np.int64]
    members: dict[str, pa.Array]
    more: list[tuple[int, bytes]]
    rest: list[bytes | None]


def parse_many(bodies: Sequence[bytes], shift: int) -> Annotations | None:
    """Many annotations; null where one of them is not plain, or anything is wrong with it.

    Args:
        bodies: The files.
        shift: The first pixel's number.
    """
    table = xml_table.parse(bodies)
    if table is None or any(path.partition("/")[0] != "annotation" for path in table.paths):
        return None
    where = table.of(OBJECT)
    members = _members(table, where, shift)
    names = table.single("annotation/filename", table.of("annotation"))
    sizes = _sizes(table)
    if members is None or names is None or sizes is None:
        return None
    simple = {f"{OBJECT}/{name}" for name in PLAIN}
    inner = table.of(*(p for p in table.paths if p.rpartition("/")[0] == OBJECT and p not in simple))
    odd = np.union1d(table.parent[inner], where[table.attributed(where)])
    more = [(place, table.raw(int(where[place]))) for place in np.searchsorted(where, odd).tolist()]
    return Annotations(
        [name or None for name in names.to_pylist()],
        sizes,
        np.bincount(table.document[where], minlength=len(bodies)),
        members,
        more,
        _rest(table, len(bodies)),
    )


def _members(table: Table, where: NDArray[np.int64], shift: int) -> dict[str, pa.Array] | None:
    boxes = table.of(f"{OBJECT}/bndbox")
    if not np.array_equal(table.parent[boxes], where):
        return None  # an object without a box, or with two of them
    corners = [table.single(f"{OBJECT}/bndbox/{corner}", boxes) for corner in CORNERS]
    values = [None if corner is None else finite(corner) for corner in corners]
    category = table.single(f"{OBJECT}/name", where)
    if category is None or not all(value is not None and len(value) == len(where) for value in values):
        return None
    if category.null_count or pc.any(pc.equal(category, "")).as_py():
        return None
    left, top, right, bottom = (np.asarray(value) for value in values)
    left, top = left - shift, top - shift
    found = {"category": category, "bbox": boxes_column(np.stack([left, top, right - left, bottom - top], 1))}
    pose = table.single(f"{OBJECT}/pose", where)
    flags = [table.single(f"{OBJECT}/{flag}", where) for flag in FLAGS]
    there = [flag for flag in flags if flag is not None]
    if pose is None or len(there) < len(flags):
        return None
    found["pose"] = pc.if_else(pc.equal(pose, ""), None, pose)
    for name, words in zip(FLAGS, there, strict=True):
        encoded = words.dictionary_encode()
        known = [TRUE.get(word.lower(), word or None) for word in encoded.dictionary.to_pylist()]
        if any(isinstance(value, str) for value in known):
            return None
        found[name] = pa.array(known, pa.bool_()).take(encoded.indices)
    return {
        name: values
        for name, values in found.items()
        if name in {"category", "bbox"} or values.null_count < len(values)
    }


def _sizes(table: Table) -> NDArray[np.int64] | None:
    """The sizes of the images; null where one is no number of pixels."""
    roots, which = table.of("annotation"), table.of(SIZE)
    place = np.searchsorted(roots, table.parent[which])
    sides = np.zeros((len(roots), 2))
    if (np.diff(place) == 0).any():
        return None
    for column, side in enumerate(("width", "height")):
        words = table.single(f"{SIZE}/{side}", which)
        values = (
            None if words is None else finite(pc.fill_null(pc.if_else(pc.equal(words, ""), "0", words), "0"))
        )
        if values is None or not ((values >= 0) & (values < 2**31) & (values == np.floor(values))).all():
            return None
        sides[place, column] = values
    return sides.astype(np.int64)


def _rest(table: Table, count: int) -> list[bytes | None]:
    """Each document without its objects, its file's name and a size that says nothing else."""
    roots, sizes = table.of("annotation"), table.of(SIZE)
    inner = table.of(*(path for path in table.paths if path.startswith(f"{SIZE}/") and path.count("/") == 2
                       and path not in {f"{SIZE}/width", f"{SIZE}/height"}))  # fmt: skip
    odd = np.union1d(table.parent[inner], sizes[table.attributed(sizes) | table.leaf[sizes]])
    some = {OBJECT, SIZE, "annotation/filename"}
    which = table.of(*(path for path in table.paths if path.count("/") == 1 and path not in some))
    which = np.union1d(which, odd)
    pieces: dict[int, list[bytes]] = {}
    for n in np.flatnonzero(table.attributed(roots)).tolist():
        pieces[n] = []  # attributes alone are something else, too
    for document, position in zip(table.document[which].tolist(), which.tolist(), strict=True):
        pieces.setdefault(document, []).append(table.raw(position))
    found: list[bytes | None] = [None] * count
    for n, inside in pieces.items():
        root = int(roots[n])
        whole = b"".join([table.tag(root), *inside, b"</annotation>"])
        found[n] = table.raw(root) if table.leaf[root] else whole
    return found
