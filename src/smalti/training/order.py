"""The order of an epoch: a function of seed, epoch and consumer, never of what was read before.

Shards come in a random order. Their samples, one after the other, are cut into one stretch for each consumer
(a worker of a rank), whose lengths differ by one at most. A consumer shuffles its stretch window by window.
So each sample is seen once, and any place of an epoch can be gone to without reading what stands before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Window:
    """Samples that are in memory at once.

    Attributes:
        pieces: Of which shard, from which of its rows to which.
        order: int64 ``(n,)``: the order in which they are given, as positions in the pieces, one after the other.
        done: How many of them were given already.
    """

    pieces: list[tuple[int, int, int]]
    order: NDArray[np.int64]
    done: int


def shard_order(count: int, seed: int, epoch: int, *, shuffle: bool) -> NDArray[np.int64]:
    """The order of shards in an epoch, the same for all consumers."""
    return _chance(seed, epoch).permutation(count) if shuffle else np.arange(count)


def stretch(samples: int, consumer: int, consumers: int) -> tuple[int, int]:
    """Which samples of an epoch's sequence a consumer sees: from the first to before the second."""
    return samples * consumer // consumers, samples * (consumer + 1) // consumers


def windows(
    counts: NDArray[np.int64],
    shards: NDArray[np.int64],
    bounds: tuple[int, int],
    size: int,
    position: int,
    seed: tuple[int, ...] | None,
) -> Iterator[Window]:
    """What a consumer reads and gives, from some position of its stretch on.

    Args:
        counts: Samples of each shard.
        shards: The order of the shards.
        bounds: Its stretch.
        size: Samples of a window.
        position: How many samples of the stretch were given before.
        seed: What the order within windows depends on; null: samples stay in their order.
    """
    ends = np.cumsum(counts[shards])
    start, stop = bounds
    for first in range(start + position // size * size, stop, size):
        last = min(first + size, stop)
        pieces = []
        low, high = np.searchsorted(ends, [first, last - 1], side="right")
        for place in range(low, high + 1):
            begin = int(ends[place] - counts[shards[place]])
            rows = (max(first - begin, 0), min(last - begin, int(counts[shards[place]])))
            if rows[0] < rows[1]:
                pieces.append((int(shards[place]), *rows))
        number = (first - start) // size
        order = np.arange(last - first) if seed is None else _chance(*seed, number).permutation(last - first)
        yield Window(pieces, order, max(position - (first - start), 0))


def _chance(*seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(list(seed)))
