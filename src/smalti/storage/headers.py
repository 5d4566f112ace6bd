"""Width, height and orientation from the first bytes of an image, without a decoder.

Each function returns None for whatever is not plain and whole, and the caller then asks Pillow: these are a
short cut for the common case (some three times faster over a folder of JPEGs), not a second opinion.

Sources: JPEG, ITU T.81 annex B (https://www.w3.org/Graphics/JPEG/itu-t81.pdf); EXIF 2.32, section 4.6.2
(https://www.cipa.jp/std/documents/e/DC-X008-Translation-2019-E.pdf); PNG, https://www.w3.org/TR/png-3/;
GIF89a, https://www.w3.org/Graphics/GIF/spec-gif89a.txt;
WebP, https://developers.google.com/speed/webp/docs/riff_container.
"""

from __future__ import annotations

import struct
from zlib import crc32

JPEG = b"\xff\xd8\xff"
PNG = b"\x89PNG\r\n\x1a\n"

_SOF = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended, progressive; the rare ones are Pillow's
_SKIPPED = frozenset({0xC4, 0xCC, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)})  # DHT, DAC, DQT, DRI, COM, APPn
_PNG_MODES = frozenset({
    (1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (8, 2), (16, 2), (1, 3), (2, 3), (4, 3), (8, 3),
    (8, 4), (16, 4), (8, 6), (16, 6),
})  # fmt: skip
_PNG_PLAIN = frozenset({b"sRGB", b"gAMA", b"cHRM", b"pHYs", b"sBIT", b"bKGD", b"tIME", b"PLTE", b"tRNS"})
_EXIF_INTEGERS = {1: "B", 3: "H", 4: "I"}  # BYTE, SHORT, LONG
ORIENTATION = 0x0112  # the EXIF tag

Size = tuple[int, int, "int | None"]  # width, height in pixels as stored, EXIF orientation


def jpeg_size(head: bytes) -> Size | None:
    """Read a JPEG's frame header and EXIF orientation; None unless every segment up to the scan is there."""
    at, size, exif = 2, None, None
    while at + 4 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        stop = at + 2 + (head[at + 2] << 8 | head[at + 3])
        if stop < at + 4 or stop > len(head):
            return None
        if marker == 0xDA:
            return (*size, exif_orientation(exif)) if size and all(size) else None
        if marker in _SOF:
            if size or stop < at + 10 or head[at + 4] != 8 or head[at + 9] not in {1, 3, 4}:
                return None
            if stop != at + 10 + 3 * head[at + 9]:
                return None
            size = (head[at + 7] << 8 | head[at + 8], head[at + 5] << 8 | head[at + 6])
        elif marker == 0xE1 and head.startswith(b"Exif\0\0", at + 4):
            if exif is not None:
                return None
            exif = head[at + 10 : stop]
        elif marker not in _SKIPPED:
            return None
        at = stop
    return None


def png_size(head: bytes) -> Size | None:
    """Read a PNG's IHDR; None unless only plain chunks with right checksums stand before the pixels."""
    if head[8:16] != b"\0\0\0\x0dIHDR" or len(head) < 33:
        return None
    width, height, depth, colour, *methods = struct.unpack_from(">IIBBBBB", head, 16)
    if not (width and height) or (depth, colour) not in _PNG_MODES or methods[:2] != [0, 0] or methods[2] > 1:
        return None
    at = 8
    while at + 12 <= len(head):
        (length,) = struct.unpack_from(">I", head, at)
        kind, stop = head[at + 4 : at + 8], at + 12 + length
        if kind == b"IDAT":
            return width, height, None
        if (kind not in _PNG_PLAIN and at > 8) or stop > len(head):
            return None
        if crc32(head[at + 4 : stop - 4]) != int.from_bytes(head[stop - 4 : stop], "big"):
            return None
        at = stop
    return None


def gif_size(head: bytes) -> Size | None:
    """Read a GIF's logical screen, which every frame has to fit into."""
    if len(head) < 13:
        return None
    width, height = struct.unpack_from("<HH", head, 6)
    return (width, height, None) if width and height else None


def webp_size(head: bytes) -> Size | None:
    """Read a WebP's first chunk; None when EXIF follows, which stands behind the pixels."""
    if len(head) < 30:
        return None
    kind, bits = head[12:16], int.from_bytes(head[21:25], "little")
    if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF, None
    if kind == b"VP8L" and head[20] == 0x2F:
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, None
    if kind == b"VP8X" and not head[20] & 0x08:
        width, height = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (24, 27))
        return width, height, None
    return None


def exif_orientation(exif: bytes | None) -> int | None:
    """Read the orientation, 1 to 8, from an EXIF block (a TIFF header and its first directory).

    Returns:
        None where there is no block, no such tag, a value outside of 1 to 8, or a broken block.
    """
    if not exif:
        return None
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, number = struct.unpack_from(f"{order}HHI", exif, entry)
            if tag == ORIENTATION and number == 1 and kind in _EXIF_INTEGERS:
                (value,) = struct.unpack_from(order + _EXIF_INTEGERS[kind], exif, entry + 8)
                return value if 1 <= value <= 8 else None
    except struct.error:
        return None
    return None
