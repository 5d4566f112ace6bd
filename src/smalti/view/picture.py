"""The picture of a sample, upright, and where its labels lie on it.

A camera stores a turned picture lying and says so in EXIF (tag 0x0112, EXIF 2.32). Labels refer to the upright
picture or to the stored one: the size that the dataset states tells which. Here it is upright in both cases, and
the labels are turned with it.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from smalti.errors import DataError, OptionError, SmaltiError
from smalti.storage import headers
from smalti.storage.remote import remote

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from smalti.schema.sample import Sample
    from smalti.storage.location import Location

SIDEWAYS = frozenset({5, 6, 7, 8})  # orientations that swap width and height
PIXELS_MOST = 178_956_970  # of one picture or label image: Pillow's own limit


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that labels can be drawn on.

    Attributes:
        image: In RGB, upright, perhaps smaller than the file's.
        frame: Width and height of what the labels refer to.
        turn: The EXIF orientation that takes the labels' frame to the picture; 1 where they are the same.
    """

    image: Image
    frame: tuple[int, int]
    turn: int = 1

    @property
    def scale(self) -> tuple[float, float]:
        """How many pixels of the picture one of the frame is, across and down, once it is turned."""
        width, height = self.frame[::-1] if self.turn in SIDEWAYS else self.frame
        return self.image.width / width, self.image.height / height

    def points(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points ``(k, 2)`` of the frame on the picture."""
        width, height = self.frame
        x, y = points[:, 0], points[:, 1]
        ways = {5: (y, x), 6: (height - y, x), 7: (height - y, width - x), 8: (y, width - x)}
        return np.stack(ways.get(self.turn, (x, y)), axis=1) * self.scale

    def boxes(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Boxes xywh ``(n, 4)`` of the frame as left, top, right, bottom on the picture."""
        one = self.points(boxes[:, :2])
        other = self.points(boxes[:, :2] + boxes[:, 2:])
        return np.concatenate([np.minimum(one, other), np.maximum(one, other)], axis=1)

    def pixels(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """A label image ``(height, width)`` of the frame on the picture: each pixel takes the nearest one's value."""
        upright = turned(pixels, self.turn)
        shape = self.image.height, self.image.width
        if upright.shape == shape or not upright.size:
            return upright
        rows, columns = (
            ((np.arange(size) + 0.5) / scale).astype(np.int64)
            for size, scale in zip(shape, self.scale[::-1], strict=True)
        )
        rows, columns = rows[rows < len(upright)], columns[columns < upright.shape[1]]
        out = np.zeros(shape, upright.dtype)
        out[: len(rows), : len(columns)] = upright[rows[:, None], columns]
        return out


def turned(pixels: NDArray[Any], turn: int) -> NDArray[Any]:
    """A label image ``(height, width)`` of the stored picture as the upright one has it, for a sideways turn."""
    if turn == 5:
        return pixels.T
    if turn == 7:
        return np.rot90(pixels, 2).T
    return np.rot90(pixels, {6: -1, 8: 1}.get(turn, 0))


def opened(
    sample: Sample,
    root: Location | None,
    *,
    size: int | tuple[int, int] | None = None,
    least: int = 1,
    fetch: bool = True,
) -> Picture:
    """The picture of a sample.

    Args:
        sample: Its image's own bytes come first, then the file below the root.
        root: Where paths are relative to; null while unknown.
        size: Its longer side, or its width and height, become at most so many pixels; null: as it is. Large JPEGs
            are decoded no larger than that needs.
        least: A picture whose longer side has fewer pixels is enlarged by a whole number.
        fetch: Whether a picture of another machine is fetched.

    Raises:
        OptionError: It is not known where the pictures are.
        DataError: It is no picture, a broken one, or too large a one; or it is elsewhere and is not to be fetched.
        OSError: It is not there.
    """
    body = read(sample, root, fetch=fetch)
    named = {"file": sample.image.path or sample.id, "sample": sample.id}
    picture = decoded(body, _stated(sample), size, named)
    times = least // max(picture.image.size)
    if times < 2:
        return picture
    from PIL import Image as PilImage

    large = (picture.image.width * times, picture.image.height * times)
    return replace(picture, image=picture.image.resize(large, PilImage.Resampling.NEAREST))


def _stated(sample: Sample) -> tuple[int, int] | None:
    width, height = sample.image.width, sample.image.height
    return (width, height) if width and height else None


def read(sample: Sample, root: Location | None, *, fetch: bool = True) -> bytes:
    """The encoded picture of a sample; see `opened`."""
    image = sample.image
    if image.bytes:
        return bytes(image.bytes)
    place = located(image.path or sample.id, root, sample.id, fetch=fetch)
    if image.offset is not None and image.size is not None:
        with place.open() as file:
            file.seek(image.offset)
            return file.read(image.size)
    return place.read_bytes()


def located(path: str, root: Location | None, sample: str, *, fetch: bool = True) -> Location:
    """Where a file of a sample is.

    Raises:
        OptionError: A path is relative to a root that is not known.
        DataError: It is on another machine and is not to be fetched, or its path leaves the root.
    """
    if "://" in path:
        place = remote(path, sample)
    elif root is None:
        raise OptionError("a picture needs the images: read the dataset with media=")
    else:
        place = root / path
    if not (fetch or place.is_local):
        raise DataError("is on another machine, not fetched for a glance", file=path, sample=sample)
    return place


def decoded(
    body: bytes,
    stated: tuple[int, int] | None,
    size: int | tuple[int, int] | None,
    named: dict[str, str],
) -> Picture:
    """A picture from its bytes, in the frame of that size; see `opened`."""
    from PIL import Image as PilImage
    from PIL import ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PilImage.DecompressionBombWarning)
            stored: Image = PilImage.open(io.BytesIO(body))
            orientation = stored.getexif().get(headers.ORIENTATION, 1)
            sideways = orientation in SIDEWAYS
            whole = stored.size
            shrunk = _shrunk(whole, size, sideways=sideways)
            if shrunk != whole:
                stored.draft("RGB", shrunk)
            image = ImageOps.exif_transpose(stored)
            upright = _rgb(image)
    except (OSError, ValueError, SyntaxError, RuntimeError, PilImage.DecompressionBombError) as error:
        if isinstance(error, SmaltiError):
            raise
        raise DataError(f"cannot be read as a picture: {error}", **named) from error
    if shrunk != whole:
        target = shrunk[::-1] if sideways else shrunk
        upright = upright.resize(target, PilImage.Resampling.LANCZOS, reducing_gap=2)
    own = whole[::-1] if sideways else whole
    lying = sideways and stated == whole and whole[0] != whole[1]
    return Picture(upright, stated or own, orientation if lying else 1)


def _shrunk(whole: tuple[int, int], size: int | tuple[int, int] | None, *, sideways: bool) -> tuple[int, int]:
    if size is None:
        return whole
    room = (size, size) if isinstance(size, int) else size[::-1] if sideways else size
    share = min(room[0] / whole[0], room[1] / whole[1])
    return whole if share >= 1 else (max(1, round(whole[0] * share)), max(1, round(whole[1] * share)))


def _rgb(image: Image) -> Image:
    """The picture in RGB; 16 bits a pixel are spread over what is seen, transparency lies on white."""
    from PIL import Image as PilImage

    if image.mode in {"I", "F", "I;16", "I;16B", "I;16L"}:
        values = np.asarray(image, np.float64)
        low, high = float(values.min()), float(values.max())
        grey = (values - low) * (255 / (high - low)) if high > low else values * 0
        return PilImage.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        layer = image.convert("RGBA")
        ground = PilImage.new("RGBA", layer.size, (255, 255, 255, 255))
        return PilImage.alpha_composite(ground, layer).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")
