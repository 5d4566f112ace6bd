from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from struct import pack
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from smalti.errors import DataError, OptionError, UnsafePathError
from smalti.storage import headers, media
from smalti.storage.folder import Folder, NullFolder
from smalti.storage.location import Location
from smalti.storage.media import ImageHeader, place_media, read_header, read_headers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Picture = Callable[..., bytes]

FORMATS = {
    "JPEG": "JPEG", "PNG": "PNG", "BMP": "BMP", "GIF": "GIF", "TIFF": "TIFF", "WEBP": "WEBP", "PPM": "PPM",
    "JPEG2000": "JPEG2000", "MPO": "JPEG",
}  # fmt: skip


def exif(orientation: int, order: str = "<", kind: int = 3, extra: bytes = b"") -> bytes:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    value = pack(f"{order}H2x" if kind == 3 else f"{order}I", orientation)
    entries = pack(f"{order}HHI", 0x010F, 2, 4) + b"cam\0" + pack(f"{order}HHI", 0x0112, kind, 1) + value
    return b"Exif\0\0" + mark + pack(f"{order}IH", 8, 2) + entries + pack(f"{order}I", 0) + extra


def by_pillow(body: bytes) -> tuple[int, int, int | None] | None:
    try:
        with Image.open(io.BytesIO(body)) as image:
            # Pillow would decode a PNG to look for EXIF behind its pixels.
            tags = {} if image.format == "PNG" else image.getexif()
            return (*image.size, tags.get(headers.ORIENTATION))
    except OSError:
        return None


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    every = [
        (b"IHDR", pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        *chunks,
        (b"IDAT", zlib.compress(b"")),
    ]
    parts = (pack(">I", len(d)) + k + d + pack(">I", zlib.crc32(k + d)) for k, d in every)
    return headers.PNG + b"".join(parts)


@pytest.mark.parametrize("form", FORMATS)
def test_read_header__every_format(form: str, picture: Picture) -> None:
    found = read_header(io.BytesIO(picture(form, (31, 17))))
    assert found == ImageHeader(31, 17, None, FORMATS[form])
    assert found.upright == (31, 17)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP", "MPO"])
def test_read_header__orientation(form: str, orientation: int, picture: Picture) -> None:
    tags = Image.Exif()
    tags[headers.ORIENTATION] = orientation
    found = read_header(io.BytesIO(picture(form, (31, 17), exif=tags)))
    assert found.orientation == orientation
    assert found.upright == ((17, 31) if orientation > 4 else (31, 17))


def jpegs(picture: Picture) -> dict[str, bytes]:
    plain = picture("JPEG", (33, 21))
    big = picture("JPEG", (16, 16))
    made = {
        "plain": plain,
        "progressive": picture("JPEG", (33, 21), progressive=True),
        "grey": picture("JPEG", (33, 21), mode="L"),
        "cmyk": picture("JPEG", (33, 21), mode="CMYK"),
        "restarts": picture("JPEG", (33, 21), restart_marker_blocks=1),
        "comment": picture("JPEG", (33, 21), comment=b"\xff\xd8\xff" * 99),
        "profile": picture("JPEG", (33, 21), icc_profile=b"p" * 200_000),
        "long profile": picture("JPEG", (33, 21), icc_profile=b"p" * 400_000),
        "two exif": plain[:2] + _app1(exif(6)) + _app1(exif(3)) + plain[2:],
        "app before": plain[:2] + b"\xff\xe5\0\x10" + b"\xff\xc0" * 7 + _app1(exif(5)) + plain[2:],
        "fill bytes": plain[:2] + b"\xff\xff" + plain[2:],
        "thumbnail": plain[:2] + _app1(exif(8, extra=big)) + plain[2:],
        "broken exif": plain[:2] + _app1(exif(6)[:20]) + plain[2:],
        "no tiff": plain[:2] + _app1(b"Exif\0\0rubbish") + plain[2:],
        "extended": plain.replace(b"\xff\xc0", b"\xff\xc1", 1),
    }
    for value in range(10):
        for order in "<>":
            for kind in (3, 4):
                made[f"exif {value} {order} {kind}"] = plain[:2] + _app1(exif(value, order, kind)) + plain[2:]
    return made


def _app1(body: bytes) -> bytes:
    return b"\xff\xe1" + pack(">H", len(body) + 2) + body


def test_short_cut__jpeg_agrees_with_pillow(picture: Picture) -> None:
    taken = 0
    for name, body in jpegs(picture).items():
        found = read_header(io.BytesIO(body))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = by_pillow(body)
        assert expected is not None
        if expected[2] not in range(1, 9):
            expected = (*expected[:2], None)
        if name == "two exif":
            expected = (33, 21, 6)  # Pillow joins the blocks, and the first directory counts
        assert (found.width, found.height, found.orientation) == expected, name
        taken += headers.jpeg_size(body[: 256 << 10]) is not None
    assert taken > 45


def test_short_cut__every_truncation_as_pillow(picture: Picture) -> None:
    bodies = [jpegs(picture)[name] for name in ("plain", "exif 6 > 3", "progressive")]
    bodies += [picture("PNG", (9, 7)), picture("PNG", (9, 7), mode="P", dpi=(72, 72))]
    for body in bodies:
        for end in range(min(len(body), 900)):
            head = body[:end]
            cut = headers.png_size(head) if head.startswith(headers.PNG) else headers.jpeg_size(head)
            if cut:
                assert cut == by_pillow(head), end


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_short_cut__png_modes(mode: str) -> None:
    buffer = io.BytesIO()
    Image.new(mode, (9, 7)).save(buffer, "PNG")
    assert headers.png_size(buffer.getvalue()) == (9, 7, None)


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 50}, {"exact": True, "mode": "RGBA"}])
def test_short_cut__webp(options: dict[str, Any], picture: Picture) -> None:
    assert headers.webp_size(picture("WEBP", (300, 17), **options)) == (300, 17, None)


def test_large__neither_error_nor_warning(tmp_path: Path) -> None:
    size = 60000
    bodies = {
        "a.png": png(size, size),
        "text.png": png(size, size, (b"tEXt", b"k\0v")),
        "a.gif": b"GIF89a" + pack("<HHBBB", size, size, 0, 0, 0) + b"\x3b",
        "a.bmp": b"BM"
        + pack("<IHHI", 54, 0, 0, 54)
        + pack("<IiiHHIIiiII", 40, size, size, 1, 24, 0, 0, 0, 0, 0, 0),
        "a.ppm": b"P6 60000 60000 255\n",
    }
    for name, body in bodies.items():
        (tmp_path / name).write_bytes(body)
        found = read_header(Location.parse(tmp_path / name))
        assert (found.width, found.height) == (size, size), name


def test_warnings__stay_inside(tmp_path: Path, picture: Picture) -> None:
    body = bytearray(picture("TIFF", (9, 7), exif=_software()))
    where = body.index(pack("<HHI", 0x0131, 2, 40))
    body[where + 8 : where + 12] = pack("<I", 1 << 30)  # the text lies behind the end: Pillow warns
    (tmp_path / "a.tif").write_bytes(body)
    with pytest.warns(UserWarning, match="Corrupt EXIF|Truncated|corrupt"), Image.open(tmp_path / "a.tif"):
        pass
    before = list(warnings.filters)
    place = Location.parse(tmp_path / "a.tif")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(read_header, [place] * 50))
    assert {header.upright for header in found} == {(9, 7)}
    assert list(warnings.filters) == before


def _software() -> Image.Exif:
    tags = Image.Exif()
    tags[0x0131] = "s" * 39
    return tags


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", "an empty file"),
        (b"<html>404</html>", "begins with b'<html>404</h"),
        (b"%!PS-Adobe-3.0 EPSF", "begins with"),
        (b"RIFF\0\0\0\0WAVEfmt ", "begins with"),
        (b"\xff\xd8\xff\xe0\0\x10JF", "a broken JPEG header"),
        (b"\x89PNG\r\n\x1a\n\0\0", "a broken PNG header"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "a broken WEBP header"),
    ],
)
def test_read_header__no_image(tmp_path: Path, body: bytes, found: str) -> None:
    (tmp_path / "x.jpg").write_bytes(body)
    with pytest.raises(DataError, match=r"expected one of JPEG, PNG") as caught:
        read_header(Location.parse(tmp_path / "x.jpg"))
    assert caught.value.file == str(tmp_path / "x.jpg")
    assert found in caught.value.reason


def test_read_header__mutants_raise_data_errors_only(picture: Picture) -> None:
    rng = np.random.default_rng(0)
    tags = _software()
    for form in FORMATS:
        good = np.frombuffer(
            picture(form, (9, 7), **({"exif": tags} if form in {"JPEG", "TIFF"} else {})), np.uint8
        )
        for _ in range(300):
            bad = good[: rng.integers(4, len(good) + 1)].copy()
            bad[rng.integers(4, max(5, min(len(bad), 300)), 3).clip(max=len(bad) - 1)] = rng.integers(
                0, 256, 3
            )
            try:
                found = read_header(io.BytesIO(bad.tobytes()))
            except DataError:
                continue
            assert found.orientation in {None, *range(1, 9)}


def test_read_headers__in_order_with_errors(tree: Location, picture: Picture, tmp_path: Path) -> None:
    names = ["b/c.JPG", "none.jpg", "../x.jpg"]
    for workers in (None, 3):
        broken, absent, unsafe = read_headers(tree, names, workers)
        assert isinstance(broken, DataError)
        assert "begins with b'two'" in str(broken)
        assert isinstance(absent, DataError)
        assert "none.jpg" in str(absent)
        assert isinstance(unsafe, UnsafePathError)
    (tmp_path / "x.jpg").write_bytes(picture("JPEG", (5, 4)))
    assert read_headers(Location.parse(tmp_path), ["x.jpg"]) == [ImageHeader(5, 4, None, "JPEG")]


def test_read_header__remote(memory: Location, picture: Picture) -> None:
    for form, name in (("JPEG", "a"), ("TIFF", "b")):
        (memory / name).write_bytes(picture(form, (5, 4)))
        assert read_header(memory / name) == ImageHeader(5, 4, None, form)


@pytest.mark.parametrize("mode", ["copy", "link", "symlink"])
def test_place_media__local(tmp_path: Path, mode: media.Media) -> None:
    source = Location.parse(tmp_path / "in")
    (source / "a/x.jpg").write_bytes(b"123")
    (source / "b/x.jpg").write_bytes(b"45")
    folder = Folder(Location.parse(tmp_path / "out"))
    pairs = [("a/x.jpg", "i/a/x.jpg"), ("gone.jpg", "i/gone.jpg"), ("b/x.jpg", "i/b/x.jpg"), ("a", "i/c")]
    result = place_media(source, folder, pairs, mode)
    assert result.placed == 2
    assert result.missing == ("gone.jpg", "a")
    assert result.bytes == (5 if mode == "copy" else 0)
    assert result.fallbacks == 0
    assert folder.location.find() == ["i/a/x.jpg", "i/b/x.jpg"]
    placed = tmp_path / "out/i/a/x.jpg"
    assert placed.read_bytes() == b"123"
    assert placed.is_symlink() == (mode == "symlink")
    assert placed.samefile(tmp_path / "in/a/x.jpg") == (mode != "copy")
    with pytest.raises(DataError, match=r"'i/b/x\.jpg' is written twice"):
        place_media(source, folder, [("a/x.jpg", "i/b/x.jpg")], mode)
    assert (tmp_path / "out/i/b/x.jpg").read_bytes() == b"45"


@pytest.mark.parametrize("mode", ["reference", "none"])
def test_place_media__nothing_to_place(tmp_path: Path, mode: media.Media) -> None:
    folder = Folder(Location.parse(tmp_path / "out"))
    assert place_media(Location.parse("/nowhere"), folder, [("a", "a")], mode) == media.MediaResult()
    assert not list(tmp_path.iterdir())


def test_place_media__remote_is_copied(tree: Location, tmp_path: Path) -> None:
    folder = Folder(Location.parse(tmp_path / "out"))
    result = place_media(tree, folder, [("b/c.JPG", "c.jpg"), ("gone", "gone")], "copy")
    assert (result.placed, result.missing, result.bytes) == (1, ("gone",), 3)
    assert (tmp_path / "out/c.jpg").read_bytes() == b"two"
    assert folder.location.find() == ["c.jpg"]


def test_place_media__remote_cannot_be_linked(memory: Location, tmp_path: Path) -> None:
    folder = Folder(Location.parse(tmp_path))
    for mode in ("link", "symlink"):
        with pytest.raises(OptionError, match="use media='copy'"):
            place_media(memory, folder, [("a", "a")], mode)
    with pytest.raises(OptionError, match="expected copy, link"):
        place_media(memory, folder, [("a", "a")], "move")  # type: ignore[arg-type]  # the point


def test_place_media__link_falls_back_to_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def elsewhere(*_: str) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", elsewhere)
    source = Location.parse(tmp_path / "in")
    (source / "a").write_bytes(b"123")
    result = place_media(source, Folder(Location.parse(tmp_path / "out")), [("a", "a")], "link")
    assert (result.placed, result.bytes, result.fallbacks) == (1, 3, 1)


def test_place_media__unsafe_and_dry(tmp_path: Path) -> None:
    source = Location.parse(tmp_path)
    (source / "a").write_bytes(b"1")
    for pair in (("../a", "a"), ("a", "../a")):
        with pytest.raises(UnsafePathError, match="leaves its root"):
            place_media(source, Folder(source / "out"), [pair], "copy")
    result = place_media(source, NullFolder(source / "out"), [("a", "x"), ("b", "y")], "copy")
    assert (result.placed, result.missing, result.bytes) == (1, ("b",), 0)
    assert source.find() == ["a"]


def test_import__leaves_pillow_alone() -> None:
    code = "import sys, smalti.storage.media, smalti.storage.staging; sys.exit('PIL' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
