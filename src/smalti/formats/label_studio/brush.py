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
AHEAD = 2**64 - 1  # the bits that are looked at together


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
    body = packed.astype(np.uint8).tobytes()
    total = height * width * CHANNELS
    size = 8 * len(body)
    if size < HEAD or (count := _number(body, 0, 32)) != total:
        found = count if size >= HEAD else size
        raise DataError(
            f"rle: found {found} values, expected {total}: 4 for each of {width} x {height} pixels"
        )
    values = _blocks(body, total)
    return (values.reshape(height, width, CHANNELS)[:, :, 3] > 0).astype(np.uint8)


def _blocks(body: bytes, total: int) -> NDArray[np.int64]:
    bits = np.unpackbits(np.frombuffer(body, np.uint8))
    word = _number(body, 32, 5) + 1
    sizes = [_number(body, 37 + 4 * n, 4) + 1 for n in range(4)]
    values: list[int] = []
    counts: list[int] = []
    at, done = HEAD, 0
    while done < total:
        # The 57 bits from here on, or more: what a block has in front, and a value, are 51 at most.
        ahead = (int.from_bytes(body[at >> 3 : (at >> 3) + 8].ljust(8, b"\0"), "big") << (at & 7)) & AHEAD
        size = sizes[ahead >> 61 & 3]
        count = (ahead >> 61 - size & (1 << size) - 1) + 1
        start, repeated = at + 3 + size, ahead >> 63
        at = start + word * (1 if repeated else count)
        if at > len(bits) or done + count > total:
            raise DataError(f"rle: it ends, or runs over, after {done} of {total} values")
        if repeated:
            values.append(ahead >> 61 - size - word & (1 << word) - 1)
            counts.append(count)
        else:
            powers = 1 << np.arange(word - 1, -1, -1, dtype=np.int64)
            values += (bits[start:at].reshape(count, word) @ powers).tolist()
            counts += [1] * count
        done += count
    return np.repeat(np.array(values, np.int64), np.array(counts, np.int64))


def _number(body: bytes, start: int, size: int) -> int:
    """The number that some bits are, all of them there."""
    stop = start + size
    last = -(-stop // 8)
    return int.from_bytes(body[start // 8 : last], "big") >> (8 * last - stop) & ((1 << size) - 1)


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
