"""Rows of Open Images to columns: boxes and masks as objects, image labels, relationships, points.

Coordinates in rows are fractions of the image's sides; here they are pixels with 15 digits, so that what was a short
number of pixels is one again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats.open_images.options import (
    ATTRIBUTES,
    BOX_SIDES,
    CLICKS,
    FLAGS,
    OF_MASKS,
    POINT_VOTES,
    POINT_WORDS,
    POINTS,
    RELATIONSHIPS,
    SIDES,
)
from smalti.formats.shares import to_pixels
from smalti.schema.build import list_column
from smalti.schema.types import BBOX, WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from smalti.schema import features
    from smalti.schema.categories import Categories

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

CLOSE = 1e-6  # a mask's row has the sides of its box with 6 digits
PLACES = 12  # of a size in pixels: what its two sides have with 15 digits


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of one or more CSVs of one kind.

    Attributes:
        table: Their columns; all that the kind may have, null where a file has not.
        image: int64 ``(r,)``, the position of each row's image in the part.
    """

    table: pa.Table
    image: Ints

    def floats(self, names: Sequence[str]) -> Floats:
        """Columns of numbers ``(r, k)``, NaN where blank."""
        return np.stack([self.table.column(n).to_numpy().astype(np.float64) for n in names], axis=1)

    def only(self, keep: NDArray[np.bool_]) -> Found:
        """Some of the rows."""
        return Found(self.table.filter(pa.array(keep)), self.image[keep])


def edges(shares: Floats, sizes: Ints) -> tuple[Floats, Floats, Floats, Floats]:
    """Boxes in pixels: x, y, w, h.

    Args:
        shares: ``(n, 4)``, XMin, XMax, YMin, YMax.
        sizes: ``(n, 2)``, height and width of the image of each.
    """
    x, right = (to_pixels(shares[:, n], sizes[:, 1], 1) for n in (0, 1))
    y, bottom = (to_pixels(shares[:, n], sizes[:, 0], 1) for n in (2, 3))
    return x, y, extent(x, right), extent(y, bottom)


def extent(low: Floats, high: Floats) -> Floats:
    """The length between two sides in pixels, with as many digits as they have."""
    return np.round(high - low, PLACES) + 0.0


def boxes(sides: tuple[Floats, Floats, Floats, Floats]) -> pa.StructArray:
    """Boxes as a column; a box of NaN is null."""
    missing = np.isnan(sides[0])
    columns = [pa.array(np.where(missing, 0, side), mask=missing) for side in sides]
    return pa.StructArray.from_arrays(columns, fields=list(BBOX), mask=pa.array(missing))


def matched(box: Found, mask: Found, box_class: Ints, mask_class: Ints) -> Ints:
    """The box that each mask is of, -1 where there is none: of the same image, class and sides.

    Of boxes that are all the same the first is that of the first mask.
    """
    found = np.full(len(mask.image), -1, np.int64)
    if not len(found) or not len(box.image):
        return found
    classes = max(box_class.max(), mask_class.max()) + 1
    keys, wanted = box.image * classes + box_class, mask.image * classes + mask_class
    order = np.argsort(keys, kind="stable")
    low, high = (np.searchsorted(keys[order], wanted, side=side) for side in ("left", "right"))
    which = np.repeat(np.arange(len(found)), high - low)
    rank = np.arange(len(which)) - np.repeat(np.cumsum(high - low) - (high - low), high - low)
    other = order[low[which] + rank]
    gap = np.abs(mask.floats(BOX_SIDES)[which] - box.floats(SIDES)[other])
    close = (gap <= CLOSE).all(axis=1)
    # The closest first: a box that is all the same goes before one that differs in the last digit.
    which, other, gap = which[close], other[close], gap[close].max(axis=1, initial=0)
    single = (np.bincount(which, minlength=len(found))[which] == 1) & (
        np.bincount(other, minlength=len(box.image))[other] == 1
    )
    found[which[single]] = other[single]
    taken: set[int] = set()
    rest = np.flatnonzero(~single)
    for pair in rest[np.lexsort((other[rest], which[rest], gap[rest]))].tolist():
        if found[which[pair]] < 0 and int(other[pair]) not in taken:
            found[which[pair]] = other[pair]
            taken.add(int(other[pair]))
    return found


def objects(
    box: Found,
    mask: Found,
    classes: tuple[Ints, Ints],
    sizes: Ints,
    masks: pa.Array,
    feature: features.Objects,
) -> tuple[pa.StructArray, Ints]:
    """Boxes and masks as objects, and the image of each, rising.

    Args:
        box: Rows of boxes.
        mask: Rows of masks.
        classes: The class of each row of both, as positions in the table.
        sizes: ``(n, 2)``, height and width of the part's images.
        masks: The pixels of each row of masks.
        feature: What objects have.
    """
    of = matched(box, mask, *classes)
    alone = np.flatnonzero(of < 0)
    image = np.concatenate([box.image, mask.image[alone]])
    order = np.argsort(image, kind="stable")
    first = len(box.image)
    own = np.full(len(image), -1, np.int64)  # the row of masks that each object has
    own[of[of >= 0]] = np.flatnonzero(of >= 0)
    own[first:] = alone
    its = own[order]
    rows = _Rows(
        pa.array(np.where(order < first, order, 0), mask=order >= first),
        pa.array(np.maximum(its, 0), mask=its < 0),
    )
    shares = np.concatenate([box.floats(SIDES), mask.floats(BOX_SIDES)[alone]])[order]
    code = np.concatenate([classes[0], classes[1][alone]])[order]
    members = []
    for name in feature.names:
        if name == "category":
            member = feature.categories.encode(code.astype(np.int32))
        elif name == "bbox":
            member = boxes(edges(shares, sizes[image[order]]))
        elif name == "mask":
            member = masks.take(rows.mask)
        elif name in OF_MASKS:
            member = _column(mask, OF_MASKS[name]).take(rows.mask)
        else:
            member = _of_box(box, name, sizes).take(rows.box)
        members.append(member.cast(feature.member_type(name)))
    struct = pa.Array.from_buffers(feature.struct, len(order), [None], children=members)
    return struct, image[order]


@dataclass(frozen=True, slots=True)
class _Rows:
    """The row of boxes and the row of masks of each object; null where it has none."""

    box: pa.Array
    mask: pa.Array


def _of_box(box: Found, name: str, sizes: Ints) -> pa.Array:
    """A member that rows of boxes have."""
    if name == "extreme_points":
        return _points(box, sizes)
    if name in {"score", "source"}:
        return _column(box, "Confidence" if name == "score" else "Source")
    column = _column(box, next(column for column, member in FLAGS.items() if member == name))
    return pc.if_else(pc.equal(column, -1), None, pc.equal(column, 1))


def _column(rows: Found, name: str) -> pa.Array:
    return rows.table.column(name).combine_chunks()


def _points(box: Found, sizes: Ints) -> pa.Array:
    """The four clicks that a box was made of, x0, y0 … in pixels; null where it was made otherwise."""
    shares = box.floats(CLICKS)
    missing = np.isnan(shares).any(axis=1) | (shares == -1).all(axis=1)
    sides = sizes[box.image]
    pixels = np.empty((len(shares), 8))
    pixels[:, 0::2] = to_pixels(shares[:, :4], sides[:, 1:2], 1)
    pixels[:, 1::2] = to_pixels(shares[:, 4:], sides[:, 0:1], 1)
    lengths = np.where(missing, 0, 8)
    return list_column(pa.array(pixels[~missing].ravel()), lengths, missing).cast(
        ATTRIBUTES["extreme_points"].type
    )


def labels(rows: Found, code: Ints, size: int, categories: Categories) -> pa.ListArray:
    """Image labels, each with its confidence; null for images without any."""
    scores = rows.table.column("Confidence").combine_chunks()
    struct = pa.StructArray.from_arrays(
        [categories.encode(code.astype(np.int32)), scores],
        fields=[pa.field("category", WORDS), pa.field("score", pa.float64())],
    )
    return _lists(struct, rows.image, size)


def relationships(rows: Found, sizes: Ints, size: int) -> pa.ListArray:
    """Pairs of things and how they relate."""
    both = [boxes(edges(rows.floats([f"{side}{n}" for side in SIDES]), sizes[rows.image])) for n in (1, 2)]
    words = [rows.table.column(n).combine_chunks() for n in ("LabelName1", "LabelName2", "RelationshipLabel")]
    struct = pa.StructArray.from_arrays([*words, *both], fields=list(RELATIONSHIPS.type.value_type))
    return _lists(struct, rows.image, size)


def points(rows: Found, sizes: Ints, size: int) -> pa.ListArray:
    """Single points, and what people have said of them."""
    shares, sides = rows.floats(("X", "Y")), sizes[rows.image]
    both: list[Any] = [pa.array(to_pixels(shares[:, n], sides[:, 1 - n], 1)) for n in (0, 1)]
    rest = [rows.table.column(name).combine_chunks() for name in (*POINT_WORDS, *POINT_VOTES)]
    struct = pa.StructArray.from_arrays([*both, *rest], fields=list(POINTS.type.value_type))
    return _lists(struct, rows.image, size)


def _lists(struct: pa.StructArray, image: Ints, size: int) -> pa.ListArray:
    """One list an image, null where there is nothing; rows are in the order of the images or not."""
    order = np.argsort(image, kind="stable")
    lengths = np.bincount(image, minlength=size)
    return list_column(struct.take(pa.array(order)), lengths, lengths == 0)
