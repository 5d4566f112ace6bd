"""Tiny real images: PNG by https://www.w3.org/TR/png-3/, JPEG with EXIF by Pillow.

They are a few dozen bytes, of one colour, and equal for equal arguments.
"""

from __future__ import annotations

import struct
import zlib
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

    from smalti.dataset.dataset import Dataset

_ORIENTATION = 0x0112  # the EXIF tag


@cache
def png(width: int, height: int, grey: int = 128) -> bytes:
    """A grey PNG of that size."""
    rows = (b"\0" + bytes([grey]) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(rows)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@cache
def jpeg(width: int, height: int, orientation: int | None = None) -> bytes:
    """A grey JPEG of that size as stored; null `orientation`: without EXIF."""
    from PIL import Image

    exif = Image.Exif()
    if orientation is not None:
        exif[_ORIENTATION] = orientation
    file = BytesIO()
    Image.new("L", (width, height), 128).save(file, "JPEG", exif=exif, quality=50)
    return file.getvalue()


def image(path: str, width: int, height: int, orientation: int | None = None) -> bytes:
    """The image for a path: a JPEG where its suffix says so, else a PNG.

    Args:
        path: Only its suffix counts.
        width: Of the frame that labels refer to, in pixels.
        height: As `width`.
        orientation: EXIF orientation, of a JPEG; 5 to 8 store the picture lying on its side, so
            that it has `width` and `height` once it is turned.
    """
    if not path.lower().endswith((".jpg", ".jpeg")):
        return png(width, height)
    stored = (height, width) if orientation in {5, 6, 7, 8} else (width, height)
    return jpeg(*stored, orientation)


def write_images(dataset: Dataset, root: str | os.PathLike[str]) -> None:
    """Write every image that a dataset names below a folder, of the size that it gives.

    Args:
        dataset: With widths and heights; ``exif_orientation`` counts where it is there.
        root: The folder that the images' paths are relative to.
    """
    for row in dataset.to_arrow().column("image").to_pylist():
        place = Path(root) / row["path"]
        place.parent.mkdir(parents=True, exist_ok=True)
        body = image(row["path"], row["width"], row["height"], row.get("exif_orientation"))
        place.write_bytes(body)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
