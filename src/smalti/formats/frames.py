"""Whether labels fit the picture: the size that a sample states beside the size that its file has.

A camera stores a turned picture lying and says so in EXIF (tag 0x0112, EXIF 2.32). Labels refer to the
upright picture or to the stored one; the stated size tells which. Trainers turn the picture upright.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.formats.report import Loss
from smalti.storage.media import ImageHeader, read_headers

if TYPE_CHECKING:
    import pyarrow as pa

    from smalti.storage.location import Location


def frame_losses(batch: pa.RecordBatch, root: Location) -> list[Loss]:
    """Compare the stated sizes of a batch's images with their headers.

    Args:
        batch: Samples with an ``image`` column.
        root: Where the images lie. Files that are missing or broken are not this function's matter.
    """
    images = batch.column("image")
    paths = images.field("path").to_pylist()
    stated = zip(images.field("width").to_pylist(), images.field("height").to_pylist(), strict=True)
    stored: list[str] = []
    other: list[str] = []
    for path, size, header in zip(paths, stated, read_headers(root, paths), strict=True):
        if not isinstance(header, ImageHeader) or None in size or size == header.upright:
            continue
        if size == (header.width, header.height):
            stored.append(path)
        else:
            other.append(f"{path}: {size[0]} x {size[1]}, the file {header.width} x {header.height}")
    reasons = (
        (
            "frame.stored",
            stored,
            "labels refer to the stored picture, and readers turn it upright by its EXIF",
        ),
        ("size.differs", other, "the stated size is not that of the image file"),
    )
    return [
        Loss(code=code, field="image", kind="change", count=len(found), reason=why, example=found[0])
        for code, found, why in reasons
        if found
    ]
