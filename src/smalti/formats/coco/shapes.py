"""Boxes, polygons, masks and keypoints of a part: from raw texts to Arrow arrays.

`segmentation` has three shapes (https://cocodataset.org/#format-data): a list of polygons, the parts of
one object; run lengths as numbers; run lengths as text. ``iscrowd`` does not decide which.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw

from smalti.errors import DataError
from smalti.formats.coco.numeric import Numbers, complaint, misfits, numbers_of, shown
from smalti.formats.coco.sections import NOTHING, OBJECT
from smalti.formats.report import Loss
from smalti.geometry import rle
from smalti.schema.types import BBOX, KEYPOINTS, MASK, POLYGONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from smalti.formats.coco.labels import Labels
    from smalti.formats.coco.texts import Texts

LIST = ord("[")
_PIXELS_MOST = 2**31 - 1
_RUN_MOST = 2**63
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


def shapes(texts: dict[str, Texts], wanted: Sequence[str]) -> Shapes:
    """Read the raw texts of one part.

    Args:
        texts: Raw values by source key: ``segmentation``, ``keypoints``; those that are wanted.
        wanted: The members to read.
    """
    found = Shapes()
    if "polygons" in wanted:
        _polygons(found, texts["segmentation"])
    if "mask" in wanted:
        _masks(found, texts["segmentation"])
    if {"polygons", "mask"} & set(wanted):
        for row in np.flatnonzero(~np.isin(texts["segmentation"].first, [LIST, OBJECT, NOTHING])).tolist():
            text = texts["segmentation"].one(row)
            found.faults[row] = (".segmentation", f"found {shown(text)}; expected polygons or run lengths")
    if "keypoints" in wanted:
        _keypoints(found, texts["keypoints"])
    return found


def _lists(
    found: Shapes,
    key: str,
    texts: Texts,
    at: NDArray[np.int64],
    check: Callable[[Numbers], NDArray[np.bool_]],
    expected: str,
) -> tuple[Numbers, NDArray[np.int64]]:
    """The numbers of the texts at some rows; rows that do not fit are noted and left out."""
    some = texts.take(at)
    read = numbers_of(some)
    if read is None:
        bad = misfits(some)
        for place in bad:
            where, reason = complaint(some.one(place))
            found.faults[int(at[place])] = (f".{key}{where}", reason)
        at = np.delete(at, bad)
        some = texts.take(at)
        read = numbers_of(some)
    if read is None:
        raise DataError(f"{key} cannot be read; expected lists of numbers")
    fits = check(read)
    if fits.all():
        return read, at
    for place in np.flatnonzero(~fits).tolist():
        found.faults[int(at[place])] = _unfit(key, some.one(place), expected)
    some = some.take(np.flatnonzero(fits))
    return numbers_of(some) or read, at[fits]


def _unfit(key: str, text: bytes, expected: str) -> tuple[str, str]:
    if key == "segmentation":
        value: Any = msgspec.json.decode(text)
        rings = value if value and isinstance(value[0], list) else [value]
        for place, ring in enumerate(rings):
            if len(ring) % 2:
                where = f"[{place}]" if rings is value else ""
                return f".{key}{where}", f"found {len(ring)} coordinates; expected {expected}"
    return f".{key}", f"found {shown(text)}; expected {expected}"


def boxes(found: Shapes, texts: Texts) -> pa.StructArray:
    """Read boxes; null where there is none. Arguments as for `shapes`."""
    at = np.flatnonzero(texts.first != NOTHING)
    read, at = _lists(
        found, "bbox", texts, at, lambda n: n.flat & (_lengths(n) == 4), "four numbers: x, y, w, h"
    )
    values = np.zeros((len(texts), 4))
    values[at] = read.values.reshape(-1, 4)
    missing = np.ones(len(texts), np.bool_)
    missing[at] = False
    return pa.StructArray.from_arrays(
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


def _polygons(found: Shapes, texts: Texts) -> None:
    at = np.flatnonzero(texts.first == LIST)
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


def _keypoints(found: Shapes, texts: Texts) -> None:
    at = np.flatnonzero(texts.first != NOTHING)
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


def _masks(found: Shapes, texts: Texts) -> None:
    at = np.flatnonzero(texts.first == OBJECT)
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
    found: Shapes, texts: Texts, at: NDArray[np.int64]
) -> tuple[list[_Rle], NDArray[np.int64]]:
    some = texts.take(at)
    try:
        return msgspec.json.decode(_array(some), type=list[_Rle]), at
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass  # one of them is at fault; find it
    masks, good = [], []
    for row, text in zip(at.tolist(), some.every(), strict=True):
        mask = _one_mask(text)
        if isinstance(mask, str):
            reason, _, place = mask.partition(" - at `$")
            found.faults[row] = (f".segmentation{place.rstrip('`')}", reason[:1].lower() + reason[1:])
        else:
            masks.append(mask)
            good.append(row)
    return masks, np.array(good, np.int64)


def _array(texts: Texts) -> bytes:
    """All texts as one JSON array."""
    return b"[" + texts.joined()[:-1] + b"]"


def _one_mask(text: bytes) -> _Rle | str:
    """A mask, or the complaint about it."""
    try:
        return msgspec.json.decode(text, type=_Rle)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return str(error)


def _compressed(found: Shapes, masks: list[_Rle], at: NDArray[np.int64]) -> list[bytes | None]:
    """The run lengths as text; null for a mask whose runs do not fill its size."""
    fits = np.array([max(mask.size) <= _PIXELS_MOST and min(mask.size) >= 0 for mask in masks], np.bool_)
    sizes = np.array([mask.size if fit else (0, 0) for mask, fit in zip(masks, fits, strict=True)], np.int64)
    bad, texts = ~fits, np.full(len(masks), None, object)
    for form, read in ((str, _read_texts), (list, _read_numbers)):
        rows = np.flatnonzero([isinstance(mask.counts, form) for mask in masks])
        if not len(rows):
            continue
        runs, offsets, wrong, texts[rows] = read([masks[row].counts for row in rows.tolist()])
        bad[rows[wrong]] = True
        bad[rows[rle.check_runs(runs, offsets, *sizes[rows].T)]] = True
    for place in np.flatnonzero(bad).tolist():
        height, width = masks[place].size
        found.faults[int(at[place])] = (
            ".segmentation.counts",
            f"found run lengths that do not fill {height} x {width} pixels; expected runs of that sum",
        )
    texts[bad] = None
    return texts.tolist()


_Read = tuple["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.object_]"]


def _read_texts(counts: list[Any]) -> _Read:
    """Runs of masks that are texts, their offsets, the masks that are none, and the texts."""
    texts = np.empty(len(counts), object)
    texts[:] = [text.encode() for text in counts]
    return (*rle.read_counts(texts.tolist()), texts)


def _read_numbers(counts: list[Any]) -> _Read:
    """The same of runs that are numbers; runs of length 0 are kept."""
    try:
        runs = np.fromiter(itertools.chain.from_iterable(counts), np.int64)
    except OverflowError:  # a run beyond 64 bits fills no image
        wrong = [place for place, given in enumerate(counts) if any(abs(run) >= _RUN_MOST for run in given)]
        runs, offsets, _, texts = _read_numbers(
            [[] if n in wrong else given for n, given in enumerate(counts)]
        )
        return runs, offsets, np.array(wrong, np.int64), texts
    offsets = np.concatenate([[0], np.cumsum([len(given) for given in counts])]).astype(np.int64)
    texts = np.empty(len(counts), object)
    texts[:] = rle.encode_counts(runs, offsets)
    return runs, offsets, np.zeros(0, np.int64), texts


def uncompressed(field_: Labels) -> str | list[int] | None:
    """Which masks had their runs as numbers: all, those of crowds, or a list of ids; null for none."""
    texts = field_.texts.get("segmentation")
    if texts is None:
        return None
    rows = np.flatnonzero(texts.first == OBJECT)
    if not len(rows):
        return None
    forms = texts.form[rows]
    unsaid = np.flatnonzero(forms == 0)
    try:
        rest = msgspec.json.decode(_array(texts.take(rows[unsaid])), type=list[_Form])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None  # a mask is at fault, which reading its part will say
    plain = forms == LIST
    plain[unsaid] = [bytes(form.counts).startswith(b"[") for form in rest]
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
