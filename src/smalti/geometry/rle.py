"""COCO's run-length masks, many at once.

A mask is its runs: lengths of zeros, ones, zeros, … down the columns, starting with zeros. Many masks
are ``runs`` int64 ``(r,)`` and ``offsets`` int64 ``(n + 1,)``. In the text form each run is packed in
groups of five bits, low bits first, a group being the character 48 + bits (+ 32 where another follows);
from the fourth run on stands the difference to the run two before
(https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c, rleToString and rleFrString).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from smalti.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Ints = NDArray[np.int64]
    Bytes = NDArray[np.uint8]

GROUPS_MOST = 7  # groups of a number: 35 bits, for the 32 of pycocotools' runs and a sign


def decode_text(text: Bytes, text_offsets: ArrayLike) -> tuple[Ints, Ints, Ints]:
    """Runs from the text form, as it lies in an Arrow binary array.

    Args:
        text: uint8 ``(t,)``, the texts one after the other.
        text_offsets: ``(n + 1,)`` into the text.

    Returns:
        The runs, their offsets, and the positions of the masks whose text is no run-length text
        (their runs mean nothing).
    """
    starts = np.asarray(text_offsets, np.int64)
    bits = np.asarray(text[starts[0] : starts[-1]]) - np.uint8(48)  # what is below 48 wraps to above 63
    starts = starts - starts[0]
    ends = (bits & 32) == 0
    last = starts[1:][np.diff(starts) > 0] - 1
    cut = last[~ends[last]]  # the last number of a text lacks its end
    ends[last] = True
    stop = np.flatnonzero(ends)
    size = np.diff(stop, prepend=-1)
    start = stop + 1 - size
    offsets = np.searchsorted(stop, starts)
    runs = _undo_differences(_numbers(bits, start, size), offsets)
    wrong = np.concatenate([np.flatnonzero(bits > 63), cut, start[(size > GROUPS_MOST) | (runs < 0)]])
    return runs, offsets, np.unique(np.searchsorted(starts, wrong, side="right") - 1)


def _numbers(bits: Bytes, start: Ints, size: Ints) -> Ints:
    """The signed numbers whose groups begin at `start`; those with too many groups mean nothing."""
    values = (bits[start] & 31).astype(np.int64)
    more = np.flatnonzero(size > 1)
    for place in range(1, GROUPS_MOST):
        values[more] |= (bits[start[more] + place] & 31).astype(np.int64) << (5 * place)
        more = more[size[more] > place + 1]
    negative = np.flatnonzero(bits[start + size - 1] & 16)
    values[negative] -= np.int64(1) << (5 * np.minimum(size[negative], GROUPS_MOST))
    return values


def _places(offsets: Ints) -> tuple[Ints, Ints]:
    """The mask of each run, and the run's place in its mask."""
    lengths = np.diff(offsets)
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    return np.repeat(np.arange(len(lengths)), lengths), place


def _undo_differences(values: Ints, offsets: Ints) -> Ints:
    # Runs 1, 3, 5, … of a mask form one chain of differences, runs 2, 4, 6, … another; run 0 stands alone.
    _, place = _places(offsets)
    lengths = np.diff(offsets)
    runs = values.copy()
    for first, links in ((1, lengths // 2), (2, np.maximum(lengths - 1, 0) // 2)):
        at = np.flatnonzero((place >= first) & (place % 2 == first % 2))
        total = np.concatenate([[0], np.cumsum(values[at])])
        runs[at] = total[1:] - np.repeat(total[np.cumsum(links) - links], links)
    return runs


def encode_text(runs: Ints, offsets: Ints) -> tuple[Bytes, Ints]:
    """The text form of many masks: uint8 ``(t,)`` and offsets ``(n + 1,)``, byte for byte pycocotools'."""
    given, starts = np.asarray(runs, np.int64), np.asarray(offsets, np.int64)
    rest = given.copy()
    rest[3:] -= given[1:-2]
    for place in range(3):  # the first runs of each mask are no differences
        at = starts[:-1][np.diff(starts) > place] + place
        rest[at] = given[at]
    # The highest bit of the last group is the sign, so four bits of it are left for the number.
    high = (rest ^ (rest >> 63)) >> 4
    size, least = np.ones(len(rest), np.int8), 1
    while (more := high >= least).any():
        size += more
        least <<= 5
    lengths = np.concatenate([[0], np.cumsum(size, dtype=np.int64)])
    text = np.empty(lengths[-1], np.uint8)
    for group in range(size.max(initial=0)):
        at = np.flatnonzero(size > group)
        text[lengths[at] + group] = (rest[at] >> 5 * group & 31) + 48 + 32 * (size[at] > group + 1)
    return text, lengths[starts]


def decode_counts(counts: Sequence[bytes]) -> tuple[Ints, Ints]:
    """Runs and offsets from one byte string a mask.

    Raises:
        DataError: A text is no run-length text; the message gives its position.
    """
    runs, offsets, bad = read_counts(counts)
    if len(bad):
        raise DataError(
            f"mask {bad[0]} is no COCO run-length text: {bytes(counts[bad[0]])[:40]!r}; expected characters"
            " '0' to 'o' in complete groups, and no negative run"
        )
    return runs, offsets


def bad_counts(counts: Sequence[bytes]) -> Ints:
    """Positions of the texts that `decode_counts` refuses."""
    return read_counts(counts)[2]


def read_counts(counts: Sequence[bytes]) -> tuple[Ints, Ints, Ints]:
    """Runs and offsets from one byte string a mask, and the positions of those that are no run-length text."""
    return decode_text(*_joined(counts))


def _joined(counts: Sequence[bytes]) -> tuple[Bytes, Ints]:
    lengths = np.fromiter(map(len, counts), np.int64, len(counts))
    return np.frombuffer(b"".join(counts), np.uint8), np.concatenate([[0], np.cumsum(lengths)])


def encode_counts(runs: Ints, offsets: Ints) -> list[bytes]:
    """One byte string a mask, byte for byte what pycocotools writes; runs of length 0 are kept."""
    text, bounds = encode_text(runs, offsets)
    whole, edges = text.tobytes(), bounds.tolist()
    return [whole[a:b] for a, b in pairwise(edges)]


def areas(runs: Ints, offsets: Ints) -> Ints:
    """Pixels of each mask ``(n,)``."""
    _, place = _places(offsets)
    total = np.concatenate([[0], np.cumsum(np.where(place % 2, runs, 0))])
    return np.diff(total[offsets])


def _ends(runs: Ints, offsets: Ints) -> Ints:
    """Where each run ends, in pixels of its mask."""
    total = np.concatenate([[0], np.cumsum(runs)])
    return total[1:] - np.repeat(total[offsets[:-1]], np.diff(offsets))


def boxes(runs: Ints, offsets: Ints, heights: ArrayLike) -> NDArray[np.float64]:
    """The box around the pixels of each mask, xywh ``(n, 4)``; zeros for a mask without pixels.

    As pycocotools' toBbox, which however returns noise for an empty mask that is written with runs of
    length 0.

    Args:
        runs: As everywhere here.
        offsets: As everywhere here.
        heights: ``(n,)``, or one number.
    """
    count = len(offsets) - 1
    height = np.maximum(np.broadcast_to(np.asarray(heights, np.int64), count), 1)
    owner, place = _places(offsets)
    ones = np.flatnonzero((place % 2 == 1) & (np.asarray(runs) > 0))
    who, last = owner[ones], _ends(runs, offsets)[ones] - 1
    x0, y0 = np.divmod(last + 1 - np.asarray(runs)[ones], height[who])
    x1, y1 = np.divmod(last, height[who])
    spans = x0 < x1  # it touches the bottom of one column and the top of the next
    y0, y1 = np.where(spans, 0, y0), np.where(spans, height[who] - 1, y1)
    out = np.zeros((count, 4))
    some, at = np.unique(who, return_index=True)
    if len(some):
        left, top = np.minimum.reduceat(x0, at), np.minimum.reduceat(y0, at)
        right, bottom = np.maximum.reduceat(x1, at), np.maximum.reduceat(y1, at)
        out[some] = np.stack([left, top, right - left + 1, bottom - top + 1], axis=1)
    return out


def check_runs(runs: Ints, offsets: Ints, heights: ArrayLike, widths: ArrayLike) -> Ints:
    """Positions of masks with a negative run, or whose runs do not add up to height times width."""
    total = np.diff(np.concatenate([[0], np.cumsum(runs)])[offsets])
    size = np.asarray(heights, np.int64) * np.asarray(widths, np.int64)
    negative = np.zeros(len(offsets) - 1, bool)
    negative[_places(offsets)[0][np.asarray(runs) < 0]] = True
    return np.flatnonzero(negative | (total != size))


def decode_mask(runs: ArrayLike, height: int, width: int) -> Bytes:
    """The pixels of one mask, uint8 ``(height, width)``, 0 or 1.

    Raises:
        DataError: The runs do not add up to height times width.
    """
    lengths = np.asarray(runs, np.int64)
    if (lengths < 0).any() or lengths.sum() != height * width:
        raise DataError(f"the runs of a mask add up to {lengths.sum()}, expected {height} x {width}")
    flat = np.repeat((np.arange(len(lengths)) % 2).astype(np.uint8), lengths)
    return flat.reshape(width, height).T


def encode_mask(mask: ArrayLike) -> Ints:
    """The runs of one mask ``(height, width)``; whatever is not 0 counts as set."""
    flat = (np.asarray(mask) != 0).ravel(order="F")
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lead = [0] if len(flat) and flat[0] else []
    return np.diff(np.concatenate([[0], lead, edges, [len(flat)]])).astype(np.int64)


def merge(masks: Sequence[ArrayLike], intersect: bool = False) -> Ints:
    """The union, or the intersection, of masks of one size, as runs without any of length 0 but the first.

    Args:
        masks: The runs of each mask; at least one. A single one comes back as it is, like pycocotools'.
        intersect: Pixels that all masks have, instead of those that any has.

    Raises:
        DataError: There is no mask, or they have different numbers of pixels.
    """
    parts = [np.asarray(mask, np.int64) for mask in masks]
    if not parts:
        raise DataError("there is no mask to merge; expected at least one")
    if len(parts) == 1:
        return parts[0]
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    runs, _ = merge_many(np.concatenate(parts), offsets, np.array([0, len(parts)]), intersect=intersect)
    return runs


def merge_many(runs: Ints, offsets: Ints, groups: ArrayLike, *, intersect: bool = False) -> tuple[Ints, Ints]:
    """The union, or the intersection, of each group of masks of one size.

    Args:
        runs: As everywhere here.
        offsets: As everywhere here.
        groups: ``(g + 1,)`` into the masks; no group is empty.
        intersect: Pixels that all masks of a group have.

    Raises:
        DataError: Masks of one group have different numbers of pixels.
    """
    bounds = np.asarray(groups, np.int64)
    owner, place = _places(offsets)
    sizes = np.diff(np.concatenate([[0], np.cumsum(runs)])[offsets])
    members = np.diff(bounds)
    total = sizes[bounds[:-1]]
    odd_one = np.flatnonzero(sizes != np.repeat(total, members))
    if len(odd_one):
        raise DataError(f"mask {odd_one[0]} has {sizes[odd_one[0]]} pixels, unlike others it is merged with")
    # Where a run ends the mask changes; an even run's end begins ones. The groups stand one after the other
    # in one number line, and the lowest bit tells ends of ones, so that plain sorting does.
    base = np.cumsum(total + 1) - (total + 1)
    group = np.repeat(np.arange(len(members)), members)[owner]
    key = np.sort((_ends(runs, offsets) + base[group]) * 2 + place % 2)
    where = (key >> 1) - base[group]
    cover = np.cumsum(1 - 2 * (key & 1))
    cover -= np.concatenate([[0], cover])[np.searchsorted(group, np.arange(len(members)))][group]
    settled = np.diff(key >> 1, append=-1) != 0
    where, who, cover = where[settled], group[settled], cover[settled]
    on = cover >= members[who] if intersect else cover > 0
    before = np.concatenate([[False], on[:-1] & (np.diff(who) == 0)])
    change = (on != before) & (where < total[who])
    return toggles_to_runs(where[change], who[change], total)


def toggles_to_runs(positions: Ints, owner: Ints, totals: Ints) -> tuple[Ints, Ints]:
    """Runs from the positions where masks change.

    Args:
        positions: ``(p,)`` ascending and different within a mask, below its number of pixels.
        owner: ``(p,)`` ascending, the mask of each.
        totals: ``(n,)`` number of pixels of each mask.
    """
    count = np.bincount(owner, minlength=len(totals)).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(count + 1)])
    ends = np.empty(offsets[-1], np.int64)
    last = offsets[1:] - 1
    inner = np.ones(len(ends), bool)
    inner[last] = False
    ends[inner], ends[last] = positions, totals
    runs = np.diff(ends, prepend=0)
    runs[offsets[:-1]] = ends[offsets[:-1]]
    return runs, offsets


def overlaps(one: tuple[Ints, Ints], other: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """Pixels that each mask shares with its partner ``(n,)``, and those that one of the two has ``(n,)``.

    Args:
        one: Runs and offsets of n masks, one at least.
        other: Those of their partners, of the same sizes.

    Raises:
        DataError: Two partners have different numbers of pixels.
    """
    (runs, offsets), (others, at) = one, other
    count = len(offsets) - 1
    lengths = np.stack([np.diff(offsets), np.diff(at)], axis=1).ravel()
    first = np.repeat(np.tile([True, False], count), lengths)
    mixed = np.empty(len(first), np.int64)
    mixed[first], mixed[~first] = runs, others
    pairs = np.concatenate([[0], np.cumsum(lengths)])
    shared = areas(*merge_many(mixed, pairs, 2 * np.arange(count + 1), intersect=True))
    return shared, areas(runs, offsets) + areas(others, at) - shared


def iou(a: ArrayLike, b: ArrayLike) -> float:
    """Intersection over union of two masks of one size, given as runs; 0 where both are empty."""
    one, two = ((np.asarray(mask, np.int64), np.array([0, np.size(mask)])) for mask in (a, b))
    (both,), (union,) = overlaps(one, two)
    return float(both / union) if union else 0.0
