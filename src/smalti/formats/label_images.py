"""Label images: pictures whose pixels are classes or instances. To runs and back, and the colours of classes.

Colours of classes that have none are Pascal VOC's: https://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html
(``VOClabelcolormap``), which most tools share.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from smalti.errors import DataError
from smalti.geometry import raster, rle
from smalti.storage.location import Location

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from smalti.schema.categories import Categories

PNG = b"\x89PNG\r\n\x1a\n"
PALETTE, COLOURED = 3, {2, 6}  # colour types of a PNG: https://www.w3.org/TR/png-3/#11IHDR
NUMBERS, COLOURS = {"1", "L", "P", "I", "I;16", "I;16B", "LA"}, {"RGB", "RGBA"}
HIGHEST = 65_535  # the highest value of a pixel


@dataclass(frozen=True, slots=True)
class Segments:
    """The areas of a label image, in the order of their values.

    Attributes:
        values: ``(n,)``, the value of each.
        counts: COCO's run lengths of each, compressed.
        boxes: float64 ``(n, 4)``, x, y, w, h in pixels.
        areas: int64 ``(n,)``, pixels.
    """

    values: NDArray[np.int64]
    counts: list[bytes]
    boxes: NDArray[np.float64]
    areas: NDArray[np.int64]


def pixels(body: bytes) -> NDArray[Any]:
    """The values of a label image: ``(height, width)``, or uint8 ``(height, width, 3)`` where they are colours.

    A pixel of a palette counts by its position in it, not by its colour.

    Raises:
        DataError: It is no picture.
    """
    return _opened(body)[0]


def numbers(body: bytes) -> NDArray[Any]:
    """The values of a label image ``(height, width)``.

    Raises:
        DataError: It is no picture, or has colours.
    """
    found = pixels(body)
    if found.ndim != 2:
        raise DataError("found colours, expected numbers")
    return found


def palette(body: bytes) -> NDArray[np.uint8] | None:
    """The colours of a picture's palette, uint8 ``(n, 3)``; null where it has none."""
    flat = _opened(body)[1]
    return None if flat is None else np.array(flat, np.uint8).reshape(-1, 3)


def _opened(body: bytes) -> tuple[NDArray[Any], list[int] | None]:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(body)) as picture:
            mode, values, colours = picture.mode, np.array(picture), picture.getpalette()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"found no label image: {error}") from error
    if mode in COLOURS:
        return values[..., :3], None
    if mode not in NUMBERS:
        raise DataError(f"found a picture in {mode}, expected numbers, a palette or RGB")
    if mode == "LA":
        values = values[..., 0]
    return values.astype(np.uint8) if mode == "1" else values, colours


def png_type(head: bytes) -> int | None:
    """The colour type in the first bytes of a PNG; null where it is none."""
    return head[25] if head.startswith(PNG) and len(head) > 25 else None


def png_size(head: bytes) -> tuple[int, int] | None:
    """Width and height in the first bytes of a PNG; null where it is none."""
    if png_type(head) is None:
        return None
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def png(values: NDArray[Any], colours: NDArray[np.uint8] | None = None) -> bytes:
    """A label image as a PNG of 8 bits where they suffice, else of 16.

    Args:
        values: ``(height, width)``, 0 to 65,535; or uint8 ``(height, width, 3)``.
        colours: uint8 ``(n, 3)``, a palette; values must be below 256 then.
    """
    from PIL import Image

    wide = values.ndim == 2 and values.size and int(values.max()) > 255
    picture = Image.fromarray(np.ascontiguousarray(values.astype(np.uint16 if wide else np.uint8)))
    if colours is not None and not wide:
        picture.putpalette(colours[:256].tobytes())
    sink = io.BytesIO()
    picture.save(sink, "PNG")
    return sink.getvalue()


def segments(values: NDArray[Any]) -> Segments:
    """The area of each value of a label image ``(height, width)``."""
    height = len(values)
    flat = values.ravel(order="F")
    size = len(flat)
    starts = np.flatnonzero(np.concatenate([[size > 0], flat[1:] != flat[:-1]])).astype(np.int64)
    found, owner = np.unique(flat[starts], return_inverse=True)
    order = np.argsort(owner, kind="stable")
    ends = np.append(starts[1:], size)
    edges = np.stack([starts[order], ends[order]], axis=1).ravel()
    bounds = np.concatenate([[0], np.cumsum(2 * np.bincount(owner, minlength=len(found)))])
    before = np.concatenate([[0], edges[:-1]])[: len(edges)]
    before[bounds[:-1]] = 0
    rest = size - edges[bounds[1:] - 1]
    more = np.flatnonzero(rest > 0)
    runs = np.insert(edges - before, bounds[1:][more], rest[more])
    offsets = bounds + np.concatenate([[0], np.cumsum(rest > 0)])
    return Segments(
        found.astype(np.int64),
        rle.encode_counts(runs, offsets),
        rle.boxes(runs, offsets, height),
        rle.areas(runs, offsets),
    )


def stored(label: Mapping[str, Any], root: str | None) -> bytes:
    """The file of a label image of a column.

    Args:
        label: The column's value: ``path`` and ``bytes``.
        root: Where paths are relative to; null: that is not known.

    Raises:
        DataError: It is not there.
    """
    if label["bytes"] is not None:
        return bytes(label["bytes"])
    if root is None or label["path"] is None:
        raise DataError("where the label image lies is not known", file=label["path"])
    place = Location.parse(root) / label["path"]
    if not place.isfile():
        raise DataError("the label image is not there", file=place.url)
    return place.read_bytes()


def mask_of(counts: bytes, shape: tuple[int, int]) -> dict[str, Any]:
    """The value of the member ``mask`` for an area of an image of that height and width."""
    return {"height": int(shape[0]), "width": int(shape[1]), "counts": counts}


def set_pixels(item: Mapping[str, Any], height: int, width: int) -> NDArray[np.int64] | None:
    """Which pixels an object covers, as positions in the image column by column; null: it has no area at all.

    Its mask counts, else its polygons. What leaves the image is not there.
    """
    mask = item.get("mask")
    if mask is not None:
        runs, _ = rle.decode_counts([mask["counts"]])
        rows = mask["height"]
        if (rows, mask["width"]) != (height, width):
            there = np.zeros((height, width), bool)
            whole = rle.decode_mask(runs, rows, mask["width"])[:height, :width]
            there[: whole.shape[0], : whole.shape[1]] = whole
            runs = rle.encode_mask(there)
    elif item.get("polygons"):
        rings = item["polygons"]
        flat = np.array([side for ring in rings for side in ring], np.float64)
        bounds = np.cumsum([0, *map(len, rings)])
        runs, _ = raster.polygons_to_runs(
            flat, bounds, np.array([0, len(rings)]), np.array([height]), np.array([width])
        )
    else:
        return None
    ends = np.cumsum(runs)
    lengths, first = runs[1::2], ends[:-1][::2][: len(runs) // 2]
    return np.repeat(first - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())


def paint(
    areas: Sequence[tuple[int, NDArray[np.int64]]], height: int, width: int, background: int = 0
) -> tuple[NDArray[np.uint16], list[int]]:
    """A label image of areas, later ones over earlier ones, and the positions of those that cover others.

    Args:
        areas: The value and the pixels of each, as `set_pixels` gives them.
        height: Pixels.
        width: Pixels.
        background: The value of pixels that no area has.
    """
    flat = np.full(height * width, background, np.uint16)
    taken = np.zeros(height * width, bool)
    over = []
    for place, (value, where) in enumerate(areas):
        if (taken[where] & (flat[where] != value)).any():
            over.append(place)
        flat[where] = value
        taken[where] = True
    return flat.reshape(width, height).T, over


def voc_colours() -> NDArray[np.uint8]:
    """Pascal VOC's colours of the values 0 to 255, uint8 ``(256, 3)``."""
    value = np.arange(256)
    found = np.zeros((256, 3), np.uint8)
    for shift in range(8):
        for channel in range(3):
            found[:, channel] |= (((value >> (3 * shift + channel)) & 1) << (7 - shift)).astype(np.uint8)
    return found


def as_hex(colour: Sequence[int] | NDArray[Any]) -> str:
    """A colour as ``#rrggbb``."""
    return "#" + "".join(f"{int(part):02x}" for part in colour[:3])


def from_hex(text: str | None) -> tuple[int, int, int] | None:
    """A colour from ``#rrggbb``; null where it is none."""
    digits = (text or "").removeprefix("#")
    if len(digits) != 6 or not set(digits) <= set("0123456789abcdefABCDEF"):
        return None
    red, green, blue = (int(digits[at : at + 2], 16) for at in (0, 2, 4))
    return red, green, blue


def values_of(categories: Categories) -> list[int]:
    """The value of a pixel of each class: its id, or its position where it has none.

    Raises:
        DataError: An id is no number from 0 to 65,535, or two classes have one value.
    """
    found = []
    for position, category in enumerate(categories):
        value = position if category.id is None else category.id
        if not isinstance(value, int) or not 0 <= value <= HIGHEST:
            raise DataError(
                f"the class {category.name!r} has the id {value!r}; a pixel holds 0 to {HIGHEST:,}"
            )
        found.append(value)
    if len(set(found)) < len(found):
        raise DataError("two classes have one id; the values of pixels tell classes apart")
    return found


def colours_of(categories: Categories, *, apart: bool) -> list[tuple[int, int, int]]:
    """A colour for each class: its own, else that of its position in Pascal VOC's, or another that is free.

    Args:
        categories: The class table.
        apart: Whether colours tell classes apart.

    Raises:
        DataError: They have to, and two classes have one, or there are more than 256 without.
    """
    own = [from_hex(category.color) for category in categories]
    taken = {colour for colour in own if colour is not None}
    if apart and len(taken) < sum(colour is not None for colour in own):
        raise DataError("two classes have one colour; colours tell classes apart")
    spare = [(int(r), int(g), int(b)) for r, g, b in voc_colours()]
    found = []
    for position, colour in enumerate(own):
        mine = colour or spare[position % len(spare)]
        if colour is None and apart and mine in taken:
            free = [one for one in spare if one not in taken]
            if not free:
                raise DataError(f"{len(own)} classes need as many colours; give them some, or write numbers")
            mine = free[-1]
        taken.add(mine)
        found.append(mine)
    return found


def by_colour(
    values: NDArray[np.uint8], colours: Sequence[Sequence[int]], numbers: Sequence[int]
) -> NDArray[np.uint16]:
    """The classes of a picture of colours.

    Args:
        values: uint8 ``(height, width, 3)``.
        colours: The colour of each class.
        numbers: The value of each class.

    Raises:
        DataError: A pixel has the colour of no class.
    """
    packed = packed_colours(values)
    keys = packed_colours(np.array(colours, np.uint8).reshape(-1, 3))
    order = np.argsort(keys, kind="stable")
    at = np.minimum(np.searchsorted(keys, packed, sorter=order), max(len(keys) - 1, 0))
    if not len(keys) or (keys[order][at] != packed).any():
        wrong = packed if not len(keys) else packed[keys[order][at] != packed]
        first = int(wrong.ravel()[0])
        raise DataError(
            f"found the colour #{first:06x}, which is none of the {len(keys)} classes'",
            hint="list it in dataset_meta.json or label_colors.txt",
        )
    return np.array(numbers, np.uint16)[order][at]


def packed_colours(values: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Colours ``(…, 3)`` as one number each."""
    wide = values.astype(np.int64)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]
