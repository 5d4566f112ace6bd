"""Label Studio's run lengths of brushes: bits of an RGBA picture, packed by thi.ng's rle-pack.

Specification: https://github.com/thi-ng/umbrella/blob/develop/packages/rle-pack/README.md, and
https://github.com/HumanSignal/label-studio-sdk/blob/master/src/label_studio_sdk/converter/brush.py

    32 bits   how many values follow: height * width * 4, row by row, red, green, blue, alpha
     5 bits   bits of a value - 1
    4 x 4     bits of the four sizes of counts - 1
    blocks    1 bit: repeated or not; 2 bits: which size; a count - 1; the value that is repeated, or that many values

A pixel is set where its alpha is not 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smalti.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

HEAD = 32 + 5 + 4 * 4
SIZES = (3, 4, 8, 16)
LONGEST = 1 << SIZES[-1]
CHANNELS = 4
WORD = 8


def decode(rle: Sequence[int], height: int, width: int) -> NDArray[np.uint8]:
    """The pixels, uint8 ``(height, width)``, 0 and 1.

    Raises:
        DataError: It is no such code, or one of another number of pixels.
    """
    try:
        packed = np.array(rle, np.int64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError("rle: expected a list of bytes") from error
    if packed.ndim != 1 or ((packed < 0) | (packed > 255)).any():
        raise DataError("rle: expected a list of bytes")
    bits = np.unpackbits(packed.astype(np.uint8))
    total = height * width * CHANNELS
    if len(bits) < HEAD or (count := _number(bits, 0, 32)) != total:
        found = count if len(bits) >= HEAD else len(bits)
        raise DataError(
            f"rle: found {found} values, expected {total}: 4 for each of {width} x {height} pixels"
        )
    values = _blocks(bits, total)
    return (values.reshape(height, width, CHANNELS)[:, :, 3] > 0).astype(np.uint8)


def _blocks(bits: NDArray[np.uint8], total: int) -> NDArray[np.int64]:
    word = _number(bits, 32, 5) + 1
    sizes = [_number(bits, 37 + 4 * n, 4) + 1 for n in range(4)]
    out = np.zeros(total, np.int64)
    at, done = HEAD, 0
    while done < total:
        size = sizes[_number(bits, at + 1, 2)] if at + 3 <= len(bits) else 0
        count = _number(bits, at + 3, size) + 1 if at + 3 + size <= len(bits) else 0
        repeated = bits[at] if at < len(bits) else 0
        start = at + 3 + size
        at = start + word * (1 if repeated else count)
        if not count or at > len(bits) or done + count > total:
            raise DataError(f"rle: it ends, or runs over, after {done} of {total} values")
        if repeated:
            out[done : done + count] = _number(bits, start, word)
        else:
            powers = 1 << np.arange(word - 1, -1, -1, dtype=np.int64)
            out[done : done + count] = bits[start:at].reshape(count, word) @ powers
        done += count
    return out


def _number(bits: NDArray[np.uint8], start: int, size: int) -> int:
    found = 0
    for bit in bits[start : start + size].tolist():
        found = found << 1 | bit
    return found


def encode(pixels: ArrayLike) -> list[int]:
    """The code of a mask ``(height, width)``: 255 in all channels where it is set."""
    flat = np.asarray(pixels).ravel() > 0
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]), len(flat) - 1)
    lengths = np.diff(np.append(-1, ends)) * CHANNELS
    blocks = -(-lengths // LONGEST)
    counts = np.full(blocks.sum(), LONGEST, np.int64)
    counts[np.cumsum(blocks) - 1] = lengths - (blocks - 1) * LONGEST
    values = np.repeat(flat[ends], blocks) * 255
    # A block as one number: repeated, the size, the count, the value; then all of them bit by bit.
    index = np.searchsorted([1 << size for size in SIZES], counts)
    size = np.array(SIZES)[index]
    codes = (((1 << 2 | index) << size | (counts - 1)) << WORD) | values
    widths = 3 + size + WORD
    first = np.cumsum(widths) - widths
    place = np.arange(widths.sum()) - np.repeat(first, widths)
    bits = np.repeat(codes, widths) >> (np.repeat(widths, widths) - 1 - place) & 1
    head = _bits(len(flat) * CHANNELS, 32) + _bits(WORD - 1, 5) + [b for s in SIZES for b in _bits(s - 1, 4)]
    return np.packbits(np.concatenate([np.array(head, np.uint8), bits.astype(np.uint8)])).tolist()


def _bits(value: int, size: int) -> list[int]:
    return [value >> n & 1 for n in range(size - 1, -1, -1)]
