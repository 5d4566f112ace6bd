"""One ring an object: polygons as they are, and what becomes of parts, masks and boxes.

Trainers read one ring a row (https://docs.ultralytics.com/datasets/segment/).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from smalti.formats import rings
from smalti.formats.yolo.encode import flat_polygons
from smalti.formats.yolo.encoder import NOISE
from smalti.geometry import quads

if TYPE_CHECKING:
    from smalti.formats.yolo.encoder import Encoder

Ways = dict[str, list[tuple[int, np.ndarray, float]]]  # by member: object, ring, overlap

# A member that a ring is made of: the code of the loss and its reason.
WAYS = {
    "polygons": ("polygon.joined", "parts are joined to one ring by bridges of no width"),
    "mask": ("mask.outlined", "the mask is written as its outline, holes joined by bridges of no width"),
    "quad": ("quad.as_polygon", "the oriented box is written as a polygon of its corners"),
    "bbox": ("box.as_polygon", "the object has a box alone, written as a polygon of its corners"),
}
MEASURED = ("polygons", "mask")  # the ways that may change pixels


def segment_values(encoder: Encoder) -> tuple[np.ndarray, np.ndarray]:
    """Normalised points of one ring an object, flat, and how many numbers each has ``(n,)``."""
    coords, ring_offsets, offsets = _polygons_of(encoder)
    first, last = offsets[:-1], offsets[1:]
    simple = (np.diff(offsets) == 1) & encoder.keep
    simple[simple] = (ring_offsets[first[simple] + 1] - ring_offsets[first[simple]]) >= 6
    ways = _hard_rings(encoder, simple, coords, ring_offsets, offsets)
    _tell(encoder, simple, ways)
    hard = [(index, ring) for found in ways.values() for index, ring, _ in found]
    lengths = np.where(simple, ring_offsets[last] - ring_offsets[first], 0)
    for index, ring in hard:
        lengths[index] = ring.size
    begin = np.cumsum(lengths) - lengths
    flat = np.empty(int(lengths.sum()))
    plain = np.flatnonzero(simple)
    reach = np.repeat(ring_offsets[first[plain]] - begin[plain], lengths[plain])
    place = _ranges(begin[plain], lengths[plain])
    flat[place] = coords[place + reach]
    for index, ring in hard:
        flat[begin[index] : begin[index] + ring.size] = ring.ravel()
    return _inside(encoder, flat, lengths), lengths


def _ranges(begin: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The positions of several runs, one after the other."""
    step = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(begin, lengths) + step


def _polygons_of(encoder: Encoder) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if encoder.has("polygons"):
        return flat_polygons(encoder.member("polygons"))
    return np.empty(0), np.zeros(1, np.int64), np.zeros(len(encoder.keep) + 1, np.int64)


def _hard_rings(
    encoder: Encoder, simple: np.ndarray, coords: np.ndarray, ring_offsets: np.ndarray, offsets: np.ndarray
) -> Ways:
    """The ring of every object that is not one ring already, by what it is made of."""
    masked, quad, boxed = encoder.valid("mask"), encoder.valid("quad"), encoder.valid("bbox")
    ways: Ways = {member: [] for member in WAYS}
    hard = np.flatnonzero(encoder.keep & ~simple).tolist()
    bounds = [ring_offsets[offsets[index] : offsets[index + 1] + 1].tolist() for index in hard]
    parts = [[coords[a:b] for a, b in pairwise(some)] for some in bounds]
    width, height = encoder.size[hard].astype(int).T.tolist()
    for index, made in zip(hard, rings.many_from_polygons(parts, height, width), strict=True):
        joined, way = made, "polygons"
        if joined is None and masked[index]:
            joined, way = rings.from_mask(encoder.member("mask")[index].as_py()), "mask"
        if joined is not None:
            ways[way].append((index, joined.ring, joined.iou))
        elif quad[index]:
            ways["quad"].append((index, np.asarray(encoder.member("quad")[index].as_py()).reshape(4, 2), 1.0))
        elif boxed[index]:
            box = list(encoder.member("bbox")[index].as_py().values())
            ways["bbox"].append((index, quads.xywh_to_quads([box]).reshape(4, 2), 1.0))
    return ways


def _tell(encoder: Encoder, simple: np.ndarray, ways: Ways) -> None:
    """The account of what every object's ring is made of."""
    have = simple.copy()
    encoder.use("polygons", simple)
    for member, (code, reason) in WAYS.items():
        which = np.zeros(len(encoder.keep), bool)
        which[[index for index, _, _ in ways[member]]] = True
        worst = min((iou for _, _, iou in ways[member]), default=1.0)
        encoder.use(member, which)
        encoder.change(which, code, member, reason, worst if member in MEASURED else None)
        have |= which
    encoder.drop(~have, "geometry.missing", "", "the object has no outline, mask or box")


def _inside(encoder: Encoder, flat: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Points moved into the image, normalised."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    begin = np.cumsum(lengths) - lengths
    odd = (np.arange(len(flat)) - begin[owner]) % 2 == 1
    limit = np.where(odd, encoder.size[owner, 1], encoder.size[owner, 0])
    if encoder.options.outside != "keep":
        cut = np.clip(flat, 0, limit)
        out = np.zeros(len(lengths), bool)
        out[owner[np.abs(cut - flat) > NOISE]] = True
        encoder.outside(out, "polygons", "polygon")
        flat = cut
    return encoder.finish(flat / limit, "polygons", owner)
