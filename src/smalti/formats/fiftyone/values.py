"""MongoDB's extended JSON, and numpy arrays in it.

Specification: https://www.mongodb.com/docs/manual/reference/mongodb-extended-json/; arrays are zlib over NumPy's own
format, https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import base64
import io
import math
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from smalti.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEAD = 4096  # bytes that the header of an array may take
NUMBERS = frozenset({"$numberDouble", "$numberLong", "$numberInt", "$numberDecimal"})
NAN = {"$numberDouble": "NaN"}
NO_ID = "ffffffff"  # what ids begin with that stand for none: FiftyOne wants one of every label
NUMBERED = "00000000"  # what ids begin with that are numbers of ours: real ones begin with the time


def plain(value: Any) -> Any:
    """A value with its numbers as numbers; NaN and infinity are null."""
    if isinstance(value, dict):
        if len(value) == 1 and (key := next(iter(value))) in NUMBERS:
            return _number(key, value[key])
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def _number(key: str, text: Any) -> int | float | None:
    try:
        found = float(text) if key in {"$numberDouble", "$numberDecimal"} else int(text)
        return found if math.isfinite(found) else None
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{key}: found {text!r}, expected a number") from error


def oid(value: Any) -> str | None:
    """An object id as text."""
    found = value.get("$oid") if isinstance(value, dict) else value
    return found if isinstance(found, str) else None


def number_of(key: str | None) -> int | str | None:
    """The id of an object: a number where it was one, else the text; null where it stands for none."""
    if key is None or key.startswith(NO_ID):
        return None
    if key.startswith(NUMBERED) and len(key) == 24:
        try:
            return int.from_bytes(bytes.fromhex(key[8:]), "big", signed=True)
        except ValueError:
            return key
    return key


def id_of(number: int | str | None, nameless: int) -> dict[str, str]:
    """The object id of a number, or of text that is one; else one that stands for none."""
    if isinstance(number, str) and len(number) == 24 and not set(number) - set("0123456789abcdef"):
        return {"$oid": number}
    if isinstance(number, int):
        return {"$oid": NUMBERED + number.to_bytes(8, "big", signed=True).hex()}
    return {"$oid": f"{NO_ID}{nameless:016x}"}


def array(value: Any, name: str, pixels: int) -> NDArray[Any]:
    """A numpy array of numbers.

    Args:
        value: ``{"$binary": {"base64", "subType"}}``.
        name: What it is called, for errors.
        pixels: How many numbers it may have.

    Raises:
        DataError: It is none, or a larger one.
    """
    inner = value.get("$binary") if isinstance(value, dict) else None
    text = inner.get("base64") if isinstance(inner, dict) else inner
    if not isinstance(text, str):
        raise DataError(f"{name}: found {str(value)[:60]}, expected an array in $binary")
    most = HEAD + 8 * max(pixels, 1)
    try:
        unpacked = zlib.decompressobj()
        body = unpacked.decompress(base64.b64decode(text, validate=True), most)
        stream = io.BytesIO(body)
        version = np.lib.format.read_magic(stream)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = read(stream)
    except (ValueError, zlib.error, SyntaxError, TypeError) as error:
        raise DataError(f"{name}: no array: {error}") from error
    rest = len(body) - stream.tell()
    if dtype.kind not in "biuf" or math.prod(shape) * dtype.itemsize != rest or unpacked.unconsumed_tail:
        raise DataError(
            f"{name}: found an array of {shape} {dtype}, expected one of {pixels} numbers at most"
        )
    flat = np.frombuffer(body, dtype, offset=stream.tell())
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def binary(values: NDArray[Any]) -> dict[str, Any]:
    """An array as extended JSON."""
    sink = io.BytesIO()
    np.save(sink, values, allow_pickle=False)
    text = base64.b64encode(zlib.compress(sink.getvalue())).decode()
    return {"$binary": {"base64": text, "subType": "00"}}


def png_of(pixels: NDArray[Any]) -> bytes | None:
    """A label image as a PNG; null where its numbers do not fit one."""
    from PIL import Image

    whole = pixels.astype(np.int64)
    if pixels.ndim not in {2, 3} or (pixels.ndim == 3 and pixels.shape[2] != 3) or not pixels.size:
        return None
    if (
        not np.array_equal(whole, pixels)
        or whole.min() < 0
        or whole.max() > (65535 if pixels.ndim == 2 else 255)
    ):
        return None
    sink = io.BytesIO()
    Image.fromarray(whole.astype(np.uint8 if whole.max() < 256 else np.uint16)).save(sink, "PNG")
    return sink.getvalue()


def pixels_of(body: bytes) -> NDArray[Any] | None:
    """The numbers of a label image; null where it is no picture."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(body)) as picture:
            found = np.array(picture)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return found.astype(np.uint16) if found.dtype.kind == "i" else found
