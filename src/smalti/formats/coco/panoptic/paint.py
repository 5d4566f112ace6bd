"""A label image out of objects with masks: which lies over which, which id each gets, what is left of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from smalti.formats import label_images
from smalti.formats.coco.panoptic.pixels import HIGHEST, VOID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

STEP = 0x070707  # between the ids of one class: near colours, and every id once before one comes again


@dataclass(frozen=True, slots=True)
class Painted:
    """What a label image shows: n objects that have a pixel left, in their order.

    Attributes:
        kept: int64 ``(n,)``, the objects' positions among those given.
        ids: int64 ``(n,)``.
        boxes: float64 ``(n, 4)``, of the pixels.
        areas: int64 ``(n,)``, pixels.
        left: float64 ``(n,)``, which part of its own pixels each kept: its overlap with what it was.
        renumbered: Objects that could not keep the id that they have.
    """

    kept: NDArray[np.int64]
    ids: NDArray[np.int64]
    boxes: NDArray[np.float64]
    areas: NDArray[np.int64]
    left: NDArray[np.float64]
    renumbered: int


def painted(
    objects: Sequence[dict[str, Any]],
    areas: Sequence[NDArray[np.int64]],
    ranks: Sequence[int],
    colours: Sequence[int],
    height: int,
    width: int,
) -> tuple[NDArray[np.uint32], Painted]:
    """The ids of a label image's pixels: objects of a higher rank over those of a lower one, later over earlier ones.

    Args:
        objects: With ``segment_id``, where they have one.
        areas: The pixels of each, as `smalti.formats.label_images.set_pixels` gives them; at least one.
        ranks: 0 stuff, 1 crowds, 2 things.
        colours: The id that the class of each begins with.
        height: Pixels.
        width: Pixels.
    """
    order = sorted(range(len(objects)), key=lambda n: ranks[n])
    flat = np.zeros(height * width, np.uint32)
    for place in order:
        flat[areas[place]] = place + 1
    numbers = flat.reshape(width, height).T
    parts = label_images.segments(numbers)
    there = parts.values > 0
    kept = parts.values[there] - 1
    ids, renumbered = _ids([objects[n] for n in kept.tolist()], [colours[n] for n in kept.tolist()])
    table = np.zeros(len(objects) + 1, np.uint32)
    table[kept + 1] = ids
    whole = np.array([len(areas[n]) for n in kept.tolist()], np.float64)
    return table[numbers], Painted(
        kept=kept,
        ids=ids,
        boxes=parts.boxes[there],
        areas=parts.areas[there],
        left=parts.areas[there] / np.maximum(whole, 1),
        renumbered=renumbered,
    )


def _ids(objects: list[dict[str, Any]], colours: list[int]) -> tuple[NDArray[np.int64], int]:
    """An id for each object: its own, else one near the colour of its class."""
    taken: set[int] = set()
    found = [0] * len(objects)
    renumbered = 0
    for place, item in enumerate(objects):
        own = item.get("segment_id")
        if own is not None and VOID < own <= HIGHEST and own not in taken:
            found[place] = own
            taken.add(own)
        else:
            renumbered += own is not None
    for place, colour in enumerate(colours):
        if found[place]:
            continue
        number = colour
        while number == VOID or number in taken:
            number = (number + STEP) & HIGHEST
        found[place] = number
        taken.add(number)
    return np.array(found, np.int64), renumbered
