"""Pictures from their bytes, upright where the labels are, with the fastest decoder that is there.

A camera stores a turned picture lying and says so in EXIF (tag 0x0112, EXIF 2.32). Labels refer to the
upright picture or to the stored one: the size that the dataset states tells which.

JPEGs can be decoded at 1/2, 1/4 or 1/8 of their size for a fraction of the cost
(https://pillow.readthedocs.io/en/stable/reference/Image.html#PIL.Image.Image.draft).
"""

from __future__ import annotations

import io
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from smalti.errors import OptionError
from smalti.storage import headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Decode = Literal["array", "pil"]
Decoder = Literal["auto", "pillow", "simplejpeg", "torchvision"]
Size = tuple[int, int]  # width, height

SIDEWAYS = frozenset({5, 6, 7, 8})  # orientations that swap width and height

_TURNS: dict[int, Callable[[Any], Any]] = {
    2: np.fliplr,
    3: lambda picture: np.rot90(picture, 2),
    4: np.flipud,
    5: lambda picture: picture.swapaxes(0, 1),
    6: lambda picture: np.rot90(picture, -1),
    7: lambda picture: np.rot90(picture, 2).swapaxes(0, 1),
    8: np.rot90,
}


def chosen(decoder: Decoder) -> str:
    """The decoder of JPEGs by its name; ``auto`` takes simplejpeg where it is installed, else Pillow.

    Raises:
        OptionError: It is not installed.
    """
    if decoder == "auto":
        return "simplejpeg" if find_spec("simplejpeg") else "pillow"
    if decoder != "pillow" and not find_spec(decoder):
        raise OptionError(f"decoder={decoder!r}: {decoder} is not installed; pip install {decoder}")
    return decoder


def array(
    body: bytes,
    size: Size | None,
    decoder: str,
    least: Size | None,
    room: NDArray[np.uint8] | None = None,
) -> tuple[NDArray[np.uint8], Size]:
    """A picture as uint8 ``(height, width, 3)`` in the frame of its labels, and the frame's whole size.

    Args:
        body: The encoded picture.
        size: Width and height of the frame that labels refer to; null: the upright picture.
        decoder: One of `chosen`.
        least: Width and height that a smaller picture has to keep; null: the whole picture.
        room: Where the pixels are put if they fit; they come back as another array if they do not.
    """
    found = headers.jpeg_size(body) if decoder != "pillow" and body.startswith(headers.JPEG) else None
    if found is None:
        return _by_pillow(body, size, least, room)
    width, height, orientation = found
    turn = orientation if orientation and upright((width, height), orientation, size) else 1
    swapped = turn in SIDEWAYS
    fits = room if room is not None and room.shape[:2] == (height, width) and turn == 1 else None
    pixels = _JPEG[decoder](body, (least[1], least[0]) if least and swapped else least, fits)
    if pixels is None:  # CMYK, or a JPEG that this decoder does not know
        return _by_pillow(body, size, least, room)
    if turn != 1:
        pixels = np.ascontiguousarray(_TURNS[turn](pixels))
    return pixels, (height, width) if swapped else (width, height)


def _by_pillow(
    body: bytes, size: Size | None, least: Size | None, room: NDArray[np.uint8] | None
) -> tuple[NDArray[np.uint8], Size]:
    picture, whole = pillow(body, size, least)
    if room is None or room.shape[:2] != picture.size[::-1]:
        return np.array(picture), whole
    room[:] = np.asarray(picture)
    return room, whole


def _simplejpeg(body: bytes, least: Size | None, room: NDArray[np.uint8] | None) -> NDArray[np.uint8] | None:
    library = import_module("simplejpeg")
    if library.decode_jpeg_header(body)[2] in {"CMYK", "YCCK"}:
        return None
    if least is not None:
        return library.decode_jpeg(body, "RGB", min_width=least[0], min_height=least[1], min_factor=1)
    if room is None:
        return library.decode_jpeg(body, "RGB")
    library.decode_jpeg(body, "RGB", buffer=room)
    return room


def _torchvision(body: bytes, least: Size | None, room: NDArray[np.uint8] | None) -> NDArray[np.uint8] | None:
    del least, room  # it can neither shrink nor fill
    library, torch = import_module("torchvision.io"), import_module("torch")
    encoded = torch.frombuffer(bytearray(body), dtype=torch.uint8)
    pixels = library.decode_jpeg(encoded, mode=library.ImageReadMode.RGB)
    return pixels.permute(1, 2, 0).numpy()


_JPEG: dict[str, Callable[[bytes, Size | None, NDArray[np.uint8] | None], NDArray[np.uint8] | None]] = {
    "simplejpeg": _simplejpeg,
    "torchvision": _torchvision,
}


def pillow(body: bytes, size: Size | None, least: Size | None) -> tuple[Any, Size]:
    """A Pillow picture in RGB, in the frame that the labels refer to, and that frame's whole size.

    Args:
        body: The encoded picture.
        size: Width and height of that frame; null: the upright picture.
        least: Width and height that a smaller picture has to keep; null: the whole picture.
    """
    from PIL import Image, ImageOps

    picture: Image.Image = Image.open(io.BytesIO(body))
    orientation = picture.getexif().get(headers.ORIENTATION, 1)
    turned = orientation != 1 and upright(picture.size, orientation, size)
    swapped = turned and orientation in SIDEWAYS
    width, height = picture.size
    if least:
        picture.draft("RGB", (least[1], least[0]) if swapped else least)
    if turned:
        picture = ImageOps.exif_transpose(picture)
    whole = (height, width) if swapped else (width, height)
    return (picture if picture.mode == "RGB" else picture.convert("RGB")), whole


def upright(stored: Size, orientation: int, size: Size | None) -> bool:
    """Whether labels that refer to a frame of that size refer to the upright picture."""
    # Of a picture whose two frames have one size nothing tells: trainers and viewers turn it upright.
    return size is None or orientation not in SIDEWAYS or stored[0] == stored[1] or size != stored
