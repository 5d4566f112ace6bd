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
    bits = np.asarray(text[starts[0] : starts[-1]]).astype(np.int64) - 48
    starts = starts - starts[0]
    owner = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    faults = [owner[(bits < 0) | (bits > 63)]]
    ends = (bits & 32) == 0
    full = starts[1:][np.diff(starts) > 0] - 1
    faults.append(owner[full[~ends[full]]])  # the last number of a text lacks its end
    ends[full] = True
    stop = np.flatnonzero(ends)
    if not len(stop):
        return np.empty(0, np.int64), np.zeros(len(starts), np.int64), np.empty(0, np.int64)
    start = np.concatenate([[0], stop[:-1] + 1])
    size = stop - start + 1
    faults.append(owner[start[size > GROUPS_MOST]])
    place = np.minimum(np.arange(len(bits)) - np.repeat(start, size), GROUPS_MOST)
    values = np.add.reduceat((bits & 31) << (5 * place), start)
    values -= np.where(bits[stop] & 16, np.int64(1) << (5 * np.minimum(size, GROUPS_MOST)), 0)
    offsets = np.searchsorted(owner[start], np.arange(len(starts)))
    runs = _undo_differences(values, offsets)
    faults.append(owner[start[runs < 0]])
    return runs, offsets, np.unique(np.concatenate(faults))


def _places(offsets: Ints) -> tuple[Ints, Ints]:
    """The mask of each run, and the run's place in its mask."""
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return owner, np.arange(offsets[-1]) - offsets[owner]


def _undo_differences(values: Ints, offsets: Ints) -> Ints:
    # Runs 1, 3, 5, … of a mask form one chain of differences, runs 2, 4, 6, … another; run 0 stands alone.
    owner, place = _places(offsets)
    chain = owner * 3 + np.where(place == 0, 0, 1 + place % 2)
    order = np.argsort(chain, kind="stable")
    total = np.cumsum(values[order])
    first = np.concatenate([[True], np.diff(chain[order]) != 0])
    begin = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    runs = np.empty_like(values)
    runs[order] = total - (total - values[order])[begin]
    return runs


def encode_text(runs: Ints, offsets: Ints) -> tuple[Bytes, Ints]:
    """The text form of many masks: uint8 ``(t,)`` and offsets ``(n + 1,)``, byte for byte pycocotools'."""
    _, place = _places(offsets)
    rest = np.asarray(runs, np.int64).copy()
    later = np.flatnonzero(place > 2)
    rest[later] -= np.asarray(runs, np.int64)[later - 2]
    groups = np.empty((len(rest), GROUPS_MOST), np.uint8)
    used = np.zeros((len(rest), GROUPS_MOST), bool)
    more = np.ones(len(rest), bool)
    for column in range(GROUPS_MOST):
        used[:, column] = more
        bits = rest & 31
        rest >>= 5
        more = more & np.where(bits & 16, rest != -1, rest != 0)
        groups[:, column] = bits + 48 + 32 * more
    lengths = np.concatenate([[0], np.cumsum(used.sum(axis=1))])
    return groups[used], lengths[np.asarray(offsets, np.int64)]


def decode_counts(counts: Sequence[bytes]) -> tuple[Ints, Ints]:
    """Runs and offsets from one byte string a mask.

    Raises:
        DataError: A text is no run-length text; the message gives its position.
    """
    runs, offsets, bad = decode_text(*_joined(counts))
    if len(bad):
        raise DataError(
            f"mask {bad[0]} is no COCO run-length text: {bytes(counts[bad[0]])[:40]!r}; expected characters"
            " '0' to 'o' in complete groups, and no negative run"
        )
    return runs, offsets


def bad_counts(counts: Sequence[bytes]) -> Ints:
    """Positions of the texts that `decode_counts` refuses."""
    return decode_text(*_joined(counts))[2]


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


def boxes(runs: Ints, offsets: Ints, heights: ArrayLike) -> NDArray[np.float64]:
    """The box around the pixels of each mask, xywh ``(n, 4)``; zeros for a mask without a pixel run.

    Args:
        runs: As everywhere here.
        offsets: As everywhere here.
        heights: ``(n,)``, or one number.
    """
    count = len(offsets) - 1
    height = np.maximum(np.broadcast_to(np.asarray(heights, np.int64), count), 1)
    owner, place = _places(offsets)
    end = np.cumsum(runs)
    end -= np.repeat(np.concatenate([[0], end])[offsets[:-1]], np.diff(offsets))
    # A run of ones starts where the run before ends, and its last pixel is one before its own end.
    ones = place % 2 == 1
    last, first, who = end[ones] - 1, end[np.flatnonzero(ones) - 1], owner[ones]
    x0, y0 = np.divmod(first, height[who])
    x1, y1 = np.divmod(last, height[who])
    spans = x0 < x1
    y0, y1 = np.minimum(y0, np.where(spans, 0, y1)), np.maximum(y1, np.where(spans, height[who] - 1, y0))
    out = np.zeros((count, 4))
    some = np.unique(who)
    if len(some):
        at = np.searchsorted(who, some)
        low = np.minimum.reduceat(np.stack([np.minimum(x0, x1), y0], 1), at, axis=0)
        high = np.maximum.reduceat(np.stack([np.maximum(x0, x1), y1], 1), at, axis=0)
        out[some] = np.concatenate([low, high - low + 1], axis=1)
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
    """The union, or the intersection, of masks of one size, as runs.

    Args:
        masks: The runs of each mask.
        intersect: Pixels that all masks have, instead of those that any has.
    """
    if len(masks) == 1:
        return np.asarray(masks[0], np.int64)
    parts = [np.asarray(mask, np.int64) for mask in masks]
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
    """
    bounds = np.asarray(groups, np.int64)
    owner, place = _places(offsets)
    end = np.cumsum(runs)
    end -= np.repeat(np.concatenate([[0], end])[offsets[:-1]], np.diff(offsets))
    group = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))[owner]
    total = end[offsets[bounds[1:]] - 1]
    # Where a run ends the mask changes; an even run's end begins ones.
    order = np.lexsort((end, group))
    where, who = end[order], group[order]
    cover = np.cumsum(np.where(place % 2, -1, 1)[order])
    cover -= np.concatenate([[0], cover])[np.searchsorted(who, np.arange(len(bounds) - 1))][who]
    settled = np.concatenate([(np.diff(where) != 0) | (np.diff(who) != 0), [True]])
    where, who, cover = where[settled], who[settled], cover[settled]
    on = cover >= np.diff(bounds)[who] if intersect else cover > 0
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


def iou(a: ArrayLike, b: ArrayLike) -> float:
    """Intersection over union of two masks of one size, given as runs; 0 where both are empty."""
    one, two = np.asarray(a, np.int64), np.asarray(b, np.int64)
    both = int(merge([one, two], intersect=True)[1::2].sum())
    union = int(one[1::2].sum() + two[1::2].sum()) - both
    return both / union if union else 0.0
