"""Boxes, polygons, masks and keypoints of a part: from raw texts to Arrow arrays.

`segmentation` has three shapes (https://cocodataset.org/#format-data): a list of polygons, the parts of
one object; run lengths as numbers; run lengths as text. ``iscrowd`` does not decide which.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw

from smalti.errors import DataError
from smalti.formats.coco.members import LIST, NOTHING, OBJECT
from smalti.formats.coco.numeric import Numbers, complaint, misfits, numbers, shown
from smalti.formats.report import Loss
from smalti.geometry import rle
from smalti.schema.types import BBOX, KEYPOINTS, MASK, POLYGONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from smalti.formats.coco.labels import Labels

_VISIBILITY = 127  # the largest value of an int8


class _Rle(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    size: tuple[int, int]
    counts: str | list[int]


class _Form(msgspec.Struct, gc=False):
    counts: Raw


@dataclass(slots=True)
class Shapes:
    """What a part's raw texts hold; faulty objects are named, and null in the arrays.

    Attributes:
        arrays: Arrow arrays by member.
        faults: By object: the place in its value, and the complaint.
        flat: Objects whose polygon was no list of lists.
    """

    arrays: dict[str, pa.Array] = field(default_factory=dict)
    faults: dict[int, tuple[str, str]] = field(default_factory=dict)
    flat: list[int] = field(default_factory=list)

    def repairs(self) -> list[Loss]:
        """What reading mended."""
        if not self.flat:
            return []
        return [
            Loss(
                code="segmentation.flat",
                field="objects.polygons",
                kind="change",
                reason="a polygon stood as a plain list of numbers; it is taken for one ring",
                count=len(self.flat),
            )
        ]


def shapes(
    texts: dict[str, list[Raw]], firsts: dict[str, NDArray[np.uint8]], wanted: Sequence[str]
) -> Shapes:
    """Read the raw texts of one part.

    Args:
        texts: Raw texts by source key: ``bbox``, ``segmentation``, ``keypoints``; those that are wanted.
        firsts: The first byte of each text.
        wanted: The members to read.
    """
    found = Shapes()
    if "bbox" in wanted:
        _boxes(found, texts["bbox"], firsts["bbox"])
    if "polygons" in wanted:
        _polygons(found, texts["segmentation"], firsts["segmentation"])
    if "mask" in wanted:
        _masks(found, texts["segmentation"], firsts["segmentation"])
    if {"polygons", "mask"} & set(wanted):
        for row in np.flatnonzero(~np.isin(firsts["segmentation"], [LIST, OBJECT, NOTHING])).tolist():
            text = texts["segmentation"][row]
            found.faults[row] = (".segmentation", f"found {shown(text)}; expected polygons or run lengths")
    if "keypoints" in wanted:
        _keypoints(found, texts["keypoints"], firsts["keypoints"])
    return found


def _lists(
    found: Shapes,
    key: str,
    texts: list[Raw],
    at: NDArray[np.int64],
    check: Callable[[Numbers], NDArray[np.bool_]],
    expected: str,
) -> tuple[Numbers, NDArray[np.int64]]:
    """The numbers of the texts at some rows; rows that do not fit are noted and left out."""
    some = [texts[row] for row in at.tolist()]
    read = numbers(some)
    if read is None:
        bad = set(misfits(some))
        for place in sorted(bad):
            where, reason = complaint(some[place])
            found.faults[int(at[place])] = (f".{key}{where}", reason)
        some = [text for place, text in enumerate(some) if place not in bad]
        at = np.delete(at, sorted(bad))
        read = numbers(some)
    if read is None:
        raise DataError(f"{key} cannot be read; expected lists of numbers")
    fits = check(read)
    if fits.all():
        return read, at
    for place in np.flatnonzero(~fits).tolist():
        found.faults[int(at[place])] = _unfit(key, some[place], expected)
    some = [text for text, fit in zip(some, fits.tolist(), strict=True) if fit]
    again = numbers(some)
    return (again or read), at[fits]


def _unfit(key: str, text: Raw, expected: str) -> tuple[str, str]:
    if key == "segmentation":
        value: Any = msgspec.json.decode(text)
        rings = value if value and isinstance(value[0], list) else [value]
        for place, ring in enumerate(rings):
            if len(ring) % 2:
                where = f"[{place}]" if rings is value else ""
                return f".{key}{where}", f"found {len(ring)} coordinates; expected {expected}"
    return f".{key}", f"found {shown(text)}; expected {expected}"


def _boxes(found: Shapes, texts: list[Raw], firsts: NDArray[np.uint8]) -> None:
    at = np.flatnonzero(firsts != NOTHING)
    read, at = _lists(
        found, "bbox", texts, at, lambda n: n.flat & (_lengths(n) == 4), "four numbers: x, y, w, h"
    )
    values = np.zeros((len(texts), 4))
    values[at] = read.values.reshape(-1, 4)
    missing = np.ones(len(texts), np.bool_)
    missing[at] = False
    found.arrays["bbox"] = pa.StructArray.from_arrays(
        [pa.array(np.ascontiguousarray(values[:, axis])) for axis in range(4)],
        fields=list(BBOX),
        mask=pa.array(missing) if missing.any() else None,
    )


def _lengths(read: Numbers) -> NDArray[np.int64]:
    """How many numbers each text has."""
    total = np.concatenate([[0], np.cumsum(read.rings)])
    ends = np.concatenate([[0], np.cumsum(read.counts)])
    return total[ends[1:]] - total[ends[:-1]]


def _spread(at: NDArray[np.int64], sizes: NDArray[np.int64], count: int) -> tuple[pa.Array, pa.Array | None]:
    """List offsets over all rows, and the mask of null rows, from the sizes of some."""
    every = np.zeros(count, np.int64)
    every[at] = sizes
    offsets = np.concatenate([[0], np.cumsum(every)]).astype(np.int32)
    missing = np.ones(count, np.bool_)
    missing[at] = False
    return pa.array(offsets), pa.array(missing) if missing.any() else None


def _polygons(found: Shapes, texts: list[Raw], firsts: NDArray[np.uint8]) -> None:
    at = np.flatnonzero(firsts == LIST)
    read, at = _lists(found, "segmentation", texts, at, _even, "pairs of x and y")
    found.flat = at[read.flat].tolist()
    ring_offsets = pa.array(np.concatenate([[0], np.cumsum(read.rings)]).astype(np.int32))
    rings = pa.ListArray.from_arrays(ring_offsets, pa.array(read.values), type=POLYGONS.value_type)
    offsets, mask = _spread(at, read.counts, len(texts))
    found.arrays["polygons"] = pa.ListArray.from_arrays(offsets, rings, type=POLYGONS, mask=mask)


def _even(read: Numbers) -> NDArray[np.bool_]:
    odd = np.concatenate([[0], np.cumsum(read.rings % 2)])
    ends = np.concatenate([[0], np.cumsum(read.counts)])
    return odd[ends[1:]] == odd[ends[:-1]]


def _keypoints(found: Shapes, texts: list[Raw], firsts: NDArray[np.uint8]) -> None:
    at = np.flatnonzero(firsts != NOTHING)
    read, at = _lists(
        found, "keypoints", texts, at, _triples, "x, y and a visibility of 0, 1 or 2 for each point"
    )
    points = read.values.reshape(-1, 3)
    struct = pa.StructArray.from_arrays(
        [
            pa.array(np.ascontiguousarray(points[:, 0])),
            pa.array(np.ascontiguousarray(points[:, 1])),
            pa.array(points[:, 2].astype(np.int8)),
        ],
        fields=list(KEYPOINTS.value_type),
    )
    offsets, mask = _spread(at, _lengths(read) // 3, len(texts))
    found.arrays["keypoints"] = pa.ListArray.from_arrays(offsets, struct, type=KEYPOINTS, mask=mask)


def _triples(read: Numbers) -> NDArray[np.bool_]:
    lengths = _lengths(read)
    fits = (read.flat | (read.counts == 0)) & (lengths % 3 == 0)
    ends = np.cumsum(lengths)
    place = np.arange(len(read.values)) - np.repeat(ends - lengths, lengths)
    seen = read.values
    odd = (place % 3 == 2) & ((seen != np.floor(seen)) | (np.abs(seen) > _VISIBILITY))
    fits[np.repeat(np.arange(len(lengths)), lengths)[odd]] = False
    return fits


def _masks(found: Shapes, texts: list[Raw], firsts: NDArray[np.uint8]) -> None:
    at = np.flatnonzero(firsts == OBJECT)
    masks, at = _decoded_masks(found, texts, at)
    counts = _compressed(found, masks, at)
    size = np.zeros((len(texts), 2), np.int32)
    missing = np.ones(len(texts), np.bool_)
    every: list[bytes | None] = [None] * len(texts)
    for row, mask, text in zip(at.tolist(), masks, counts, strict=True):
        if text is not None:
            size[row], every[row], missing[row] = mask.size, text, False
    found.arrays["mask"] = pa.StructArray.from_arrays(
        [
            pa.array(np.ascontiguousarray(size[:, 0])),
            pa.array(np.ascontiguousarray(size[:, 1])),
            pa.array(every, pa.binary()),
        ],
        fields=list(MASK),
        mask=pa.array(missing),
    )


def _decoded_masks(
    found: Shapes, texts: list[Raw], at: NDArray[np.int64]
) -> tuple[list[_Rle], NDArray[np.int64]]:
    try:
        body = b"[" + b",".join([texts[row] for row in at.tolist()]) + b"]"
        return msgspec.json.decode(body, type=list[_Rle]), at
    except msgspec.ValidationError:
        pass  # one of them is at fault; find it
    masks, good = [], []
    for row in at.tolist():
        mask = _one_mask(texts[row])
        if isinstance(mask, str):
            reason, _, place = mask.partition(" - at `$")
            found.faults[row] = (f".segmentation{place.rstrip('`')}", reason[:1].lower() + reason[1:])
        else:
            masks.append(mask)
            good.append(row)
    return masks, np.array(good, np.int64)


def _one_mask(text: Raw) -> _Rle | str:
    """A mask, or the complaint about it."""
    try:
        return msgspec.json.decode(text, type=_Rle)
    except msgspec.ValidationError as error:
        return str(error)


def _compressed(found: Shapes, masks: list[_Rle], at: NDArray[np.int64]) -> list[bytes | None]:
    """The run lengths as text; null for a mask whose runs do not fill its size."""
    texts: list[bytes | None] = [None] * len(masks)
    given = [place for place, mask in enumerate(masks) if isinstance(mask.counts, str)]
    for place in given:
        texts[place] = str(masks[place].counts).encode()
    plain = [place for place, mask in enumerate(masks) if isinstance(mask.counts, list)]
    sizes = np.fromiter((len(masks[place].counts) for place in plain), np.int64, len(plain))
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    bad = set()
    try:
        runs = np.fromiter(
            (run for place in plain for run in masks[place].counts), np.int64, int(offsets[-1])
        )
    except OverflowError:
        runs, offsets, bad = np.zeros(0, np.int64), np.zeros(1, np.int64), set(plain)
    if not bad:
        negative = set(np.searchsorted(offsets, np.flatnonzero(runs < 0), side="right").tolist())
        bad = {plain[place - 1] for place in negative}
        for place, text in zip(plain, rle.encode_counts(np.maximum(runs, 0), offsets), strict=True):
            texts[place] = text
    words = [texts[place] or b"" for place in given]
    bad |= {given[place] for place in rle.bad_counts(words).tolist()}
    sound = [place for place, text in enumerate(texts) if text is not None and place not in bad]
    _check_sizes(masks, texts, sound, bad)
    for place in sorted(bad):
        height, width = masks[place].size
        found.faults[int(at[place])] = (
            ".segmentation.counts",
            f"found run lengths that do not fill {height} x {width} pixels; expected runs of that sum",
        )
        texts[place] = None
    return texts


def _check_sizes(masks: list[_Rle], texts: list[bytes | None], sound: list[int], bad: set[int]) -> None:
    """Note the masks whose runs do not add up to their size."""
    runs, offsets = rle.decode_counts([texts[place] or b"" for place in sound])
    total = np.concatenate([[0], np.cumsum(runs)])
    filled = (total[offsets[1:]] - total[offsets[:-1]]).tolist()
    for place, pixels in zip(sound, filled, strict=True):
        height, width = masks[place].size
        if pixels != height * width or not 0 <= height < 2**31 or not 0 <= width < 2**31:
            bad.add(place)


def uncompressed(field_: Labels) -> str | list[int] | None:
    """Which masks had their runs as numbers: all, those of crowds, or a list of ids; null for none."""
    texts = field_.raws.get("segmentation")
    if texts is None:
        return None
    rows = np.flatnonzero(field_.firsts["segmentation"] == OBJECT)
    if not len(rows):
        return None
    body = b"[" + b",".join([texts[row] for row in field_.order[rows].tolist()]) + b"]"
    try:
        forms = msgspec.json.decode(body, type=list[_Form])
    except msgspec.ValidationError:
        return None  # a mask is at fault, which reading its part will say
    plain = np.fromiter((bytes(form.counts).startswith(b"[") for form in forms), np.bool_, len(forms))
    if not plain.any():
        return None
    if plain.all():
        return "all"
    crowd = field_.columns.get("iscrowd")
    if crowd is not None:
        crowds = crowd.take(pa.array(rows)).fill_null(False).to_numpy(zero_copy_only=False)
        if (crowds == plain).all():
            return "crowd"
    numbers_ = field_.columns.get("id")
    if numbers_ is None or not pa.types.is_integer(numbers_.type):
        return None
    return pc.drop_null(numbers_.take(pa.array(rows[plain]))).to_pylist()
