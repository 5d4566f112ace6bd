"""Columns to rows of Open Images, as texts that are built for all samples of a part at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats import label_rows
from smalti.formats.open_images.columns import extent
from smalti.formats.open_images.options import FLAGS, POINT_VOTES, POINT_WORDS
from smalti.formats.shares import rounded, to_pixels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

_QUOTED = r'[",\r\n]'
SHORT = (12, 15)  # digits behind the point that are tried


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a CSV.

    Attributes:
        text: string ``(r,)``, without the ends of lines.
        sample: int64 ``(r,)`` rising, the position of each row's sample.
    """

    text: pa.Array
    sample: Ints


def rows(columns: Sequence[pa.Array], sample: Ints) -> Rows:
    """Rows from the texts of their columns; null is blank."""
    text = pc.binary_join_element_wise(*columns, ",", null_handling="replace", null_replacement="")
    return Rows(text, sample)


def quoted(words: pa.Array) -> pa.Array:
    """Texts as a CSV holds them."""
    words = words.cast(pa.string())
    odd = pc.match_substring_regex(words, _QUOTED)
    if not pc.any(odd).as_py():
        return words
    inner = pc.replace_substring(words, '"', '""')
    return pc.if_else(odd, pc.binary_join_element_wise('"', inner, '"', ""), words)


def numbers(values: pa.Array) -> pa.Array:
    """Numbers as the shortest decimals that read back the same; null stays null."""
    return pc.cast(values, pa.string())


def confidence(scores: pa.Array | None, count: int) -> pa.Array:
    """Confidences: of boxes without scores the dummy, ``1``, from which a score of 1 is told by its point."""
    if scores is None:
        return pa.array(["1"] * count, pa.string())
    words = pc.if_else(pc.equal(scores, 1), "1.0", numbers(scores))
    return pc.fill_null(words, "1")


def flags(values: pa.Array | None, count: int) -> pa.Array:
    """Flags as 1 and 0; -1 where nobody knows."""
    if values is None:
        return pa.array(["-1"] * count, pa.string())
    return pc.fill_null(pc.if_else(values, "1", "0"), "-1")


def shares(pixels: Floats, sides: Floats) -> Floats:
    """Fractions of sides that are read back as just these pixels, short ones where there are some."""

    def fits(share: Floats, rows: Any) -> Any:
        return to_pixels(share, sides[rows], 1) == pixels[rows]

    return _fitting(pixels / sides, fits)


def _far_shares(start: Floats, size: Floats, sides: Floats) -> Floats:
    """Fractions of the far sides of boxes, from their near sides and sizes in pixels as they are read."""

    def fits(share: Floats, rows: Any) -> Any:
        return extent(start[rows], to_pixels(share, sides[rows], 1)) == size[rows]

    return _fitting(rounded(start + size) / sides, fits)


def sides_of(box: Floats, sizes: Ints) -> list[pa.Array]:
    """XMin, XMax, YMin and YMax of boxes, as texts; blank where a box is NaN.

    Args:
        box: ``(n, 4)``, x, y, w, h in pixels.
        sizes: ``(n, 2)``, height and width of the image of each.
    """
    found = []
    for low, size, side in ((box[:, 0], box[:, 2], sizes[:, 1]), (box[:, 1], box[:, 3], sizes[:, 0])):
        whole = np.maximum(side, 1).astype(np.float64)
        near = shares(low, whole)
        found += [near, _far_shares(to_pixels(near, whole, 1), size, whole)]
    missing = np.isnan(box[:, 0])
    return [numbers(pa.array(side, mask=missing)) for side in found]


def _fitting(guess: Floats, fits: Callable[[Floats, Any], Any]) -> Floats:
    """The shortest number near a guess that fits; the guess where none does.

    Args:
        guess: Any numbers.
        fits: Whether numbers are right, for the rows that they are of.
    """
    found = np.round(guess, SHORT[0]) + 0.0
    rest = np.flatnonzero(~fits(found, slice(None)))
    odd = guess[rest]
    found[rest] = odd
    others = (np.round(odd, SHORT[1]) + 0.0, odd, np.nextafter(odd, np.inf), np.nextafter(odd, -np.inf))
    for other in others[::-1]:
        found[rest] = np.where(fits(other, rest), other, found[rest])  # the last that fits is taken
    return found


def box_values(column: pa.Array) -> Floats:
    """Boxes ``(n, 4)``, x, y, w, h; NaN where null."""
    sides = [column.field(name).to_numpy(zero_copy_only=False) for name in "xywh"]
    found = np.stack([np.asarray(side, np.float64) for side in sides], axis=1)
    found[~column.is_valid().to_numpy(zero_copy_only=False)] = np.nan
    return found


def clicks(column: pa.ListArray, sizes: Ints) -> tuple[list[pa.Array], Ints]:
    """The four points that a box was made of, as texts: their x, then their y; and rows that have others than four."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    odd = np.flatnonzero((lengths != 8) & (lengths != 0))
    has = lengths == 8
    pixels = np.full((len(lengths), 8), np.nan)
    pixels[has] = column.filter(pa.array(has)).flatten().to_numpy().reshape(-1, 8)
    found = np.full((len(lengths), 8), -1.0)
    for axis in (0, 1):
        side = np.repeat(np.maximum(sizes[:, 1 - axis], 1)[:, None], 4, axis=1).astype(np.float64)
        found[has, 4 * axis : 4 * axis + 4] = shares(pixels[has, axis::2], side[has])
    return [label_rows.texts(column_) for column_ in found.T], odd


def box_rows(
    members: dict[str, pa.Array],
    head: Sequence[pa.Array],
    sides: Sequence[pa.Array],
    more: Sequence[pa.Array],
    sample: Ints,
) -> Rows:
    """Rows of boxes.

    Args:
        members: Members and attributes of the objects that are written.
        head: The names of images, and those of classes.
        sides: As `sides_of` gives them.
        more: The clicks, where there is a column of them.
        sample: ``(n,)``, the sample of each.
    """
    names, words = head
    count = len(sample)
    source = quoted(members["source"]) if "source" in members else pa.nulls(count, pa.string())
    known = [flags(members.get(name), count) for name in FLAGS.values()]
    return rows(
        [names, source, words, confidence(members.get("score"), count), *sides, *known, *more], sample
    )


def label_rows_of(column: pa.ListArray, names: pa.Array, words: pa.Array, source: str | None) -> Rows:
    """Rows of image labels of one source.

    Args:
        column: The labels; those without a class are left out.
        names: The names of images in rows, one a sample.
        words: The names of classes in rows, in the order of the class table.
        source: Null: it is left blank.
    """
    sample = pc.list_parent_indices(column).to_numpy().astype(np.int64)
    flat = column.flatten()
    known = flat.field("category").is_valid()
    flat, sample = flat.filter(known), sample[known.to_numpy(zero_copy_only=False)]
    its = names.take(pa.array(sample))
    said = pc.fill_null(numbers(flat.field("score")), "1")
    own = quoted(pa.array([source], pa.string())).take(pa.array(np.zeros(len(flat), np.int64)))
    return rows([its, own, words.take(flat.field("category").indices), said], sample)


def relationship_rows(column: pa.ListArray, names: pa.Array, sizes: Ints) -> Rows:
    """Rows of pairs of things and how they relate."""
    sample = pc.list_parent_indices(column).to_numpy().astype(np.int64)
    flat = column.flatten()
    sides = [side for n in (1, 2) for side in sides_of(box_values(flat.field(f"bbox{n}")), sizes[sample])]
    words = [quoted(flat.field(name)) for name in ("label1", "label2", "relationship")]
    return rows([names.take(pa.array(sample)), *words[:2], *sides, words[2]], sample)


def point_rows(column: pa.ListArray, names: pa.Array, sizes: Ints) -> Rows:
    """Rows of points."""
    sample = pc.list_parent_indices(column).to_numpy().astype(np.int64)
    flat = column.flatten()
    both = [
        label_rows.texts(
            shares(
                np.asarray(flat.field(axis).to_numpy(zero_copy_only=False), np.float64),
                np.maximum(sizes[sample, side], 1).astype(np.float64),
            )
        )
        for axis, side in (("x", 1), ("y", 0))
    ]
    words = {name: quoted(flat.field(member)) for name, member in POINT_WORDS.items()}
    votes = [numbers(flat.field(member)) for member in POINT_VOTES.values()]
    order = [words["Label"], words["EstimatedYesNo"], words["Source"], *votes, words["TextLabel"]]
    return rows([names.take(pa.array(sample)), *both, *order], sample)
