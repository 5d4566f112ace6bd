"""Pictures from their bytes, upright where the labels are.

A camera stores a turned picture lying and says so in EXIF (tag 0x0112, EXIF 2.32). Labels refer to the
upright picture or to the stored one: the size that the dataset states tells which.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from smalti.errors import DataError
from smalti.storage.location import Location

if TYPE_CHECKING:
    from collections.abc import Callable

Decode = Literal["array", "pil"]
Size = tuple[int, int]
SIDEWAYS = frozenset({5, 6, 7, 8})  # orientations that swap width and height
ORIENTATION = 0x0112


class Images:
    """Reads and decodes the pictures of a dataset. It can be pickled, and used by many workers.

    Args:
        root: Where paths are relative to; null: nothing can be read.
        decode: ``"array"``: uint8 ``(height, width, 3)``; ``"pil"``: a Pillow picture in RGB; or a
            function of a picture's bytes.
    """

    def __init__(self, root: str | None, decode: Decode | Callable[[bytes], Any]) -> None:
        self.root = root
        self.decode = decode

    def __call__(self, path: str, size: Size | None, sample: str) -> Any:
        """A picture.

        Args:
            path: Relative to the root, or a URL.
            size: Width and height of the frame that the labels refer to; null while unknown.
            sample: The sample's id, for errors.

        Raises:
            DataError: It is missing or broken; the error names the sample.
        """
        if self.root is None:
            raise DataError(
                "where the images are is not known", sample=sample, hint="read the dataset with media="
            )
        place = Location.parse(self.root) / path
        try:
            body = place.read_bytes()
            if callable(self.decode):
                return self.decode(body)
            picture = decoded(body, size)
        except (OSError, ValueError, SyntaxError) as error:  # Pillow's parsers raise all of these
            raise DataError(f"cannot be read as a picture: {error}", file=place.url, sample=sample) from error
        return picture if self.decode == "pil" else np.array(picture)


def decoded(body: bytes, size: Size | None) -> Any:
    """A Pillow picture in RGB, in the frame that the labels refer to.

    Args:
        body: The encoded picture.
        size: Width and height of that frame; null: the upright picture.
    """
    from PIL import Image, ImageOps

    picture: Image.Image = Image.open(io.BytesIO(body))
    orientation = picture.getexif().get(ORIENTATION, 1)
    if orientation != 1 and _upright(picture.size, orientation, size):
        picture = ImageOps.exif_transpose(picture)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _upright(stored: Size, orientation: int, size: Size | None) -> bool:
    """Whether labels that refer to a frame of that size refer to the upright picture."""
    # Of a picture whose two frames have one size nothing tells: trainers and viewers turn it upright.
    return size is None or orientation not in SIDEWAYS or stored[0] == stored[1] or size != stored
