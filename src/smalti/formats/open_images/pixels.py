"""The pixels of masks on their way to PNGs: which objects have some, what they cover, what their files are called."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from smalti.formats import label_images
from smalti.formats.document_writer import painted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from smalti.formats.report import Loss

LONGEST = 200  # bytes of a file's name
_ODD = re.compile(r'[/\\:*?"<>|\x00-\x1f]')


@dataclass(frozen=True, slots=True)
class Drawn:
    """The masks of some objects.

    Attributes:
        rows: The positions of the objects that have one.
        files: The PNG of each.
        boxes: float64 ``(k, 4)``, the box around the pixels of each.
    """

    rows: list[int]
    files: list[bytes]
    boxes: NDArray[np.float64]


def draw(
    objects: pa.StructArray, sizes: NDArray[np.int64], samples: Sequence[str], field: str, losses: list[Loss]
) -> Drawn:
    """The masks of objects; polygons are filled.

    Args:
        objects: The objects; those with neither mask nor polygons are passed over.
        sizes: ``(n, 2)``, height and width of the image of each.
        samples: The sample of each.
        field: The field of objects, for losses.
        losses: Where changes go.
    """
    names = [name for name in ("mask", "polygons") if objects.type.get_field_index(name) >= 0]
    some = np.zeros(len(objects), bool)
    for name in names:
        some |= objects.field(name).is_valid().to_numpy(zero_copy_only=False)
    rows, files, boxes = [], [], []
    for row in np.flatnonzero(some & (sizes > 0).all(axis=1)).tolist():
        item: dict[str, Any] = {name: objects.field(name)[row].as_py() for name in names}
        height, width = sizes[row].tolist()
        where = label_images.set_pixels(item, height, width)
        if where is None:
            continue
        painted(item, (height, width), field, samples[row], losses)
        flat = np.zeros(height * width, bool)
        flat[where] = True
        rows.append(row)
        files.append(_png(flat.reshape(width, height).T))
        boxes.append(_around(where, height))
    return Drawn(rows, files, np.array(boxes, np.float64).reshape(-1, 4))


def _png(pixels: NDArray[np.bool_]) -> bytes:
    """A PNG of one bit a pixel, as the benchmark's are."""
    import io

    from PIL import Image

    sink = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(sink, "PNG")
    return sink.getvalue()


def _around(where: NDArray[np.int64], height: int) -> list[float]:
    """The box around pixels that are given by their positions column by column."""
    if not len(where):
        return [0.0, 0.0, 0.0, 0.0]
    x, y = np.divmod(where, height)
    return [float(v) for v in (x.min(), y.min(), x.max() - x.min() + 1, y.max() - y.min() + 1)]


def file_name(image: str, label: str, box: str, taken: set[str]) -> str:
    """The name of a mask's file: ``0001eeaf4aed83f9_m0cmf2_8fd7abd4.png``, another where that is taken."""
    parts = [_ODD.sub("", word.replace("/", "_" if word is image else "")) for word in (image, label, box)]
    name = "_".join(parts)
    if len(name.encode()) > LONGEST:
        name = hashlib.sha256(name.encode()).hexdigest()[:32]
    found, number = name, 1
    while found.lower() in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(found.lower())
    return f"{found}.png"
