"""Image files: their size and orientation without decoding them, and their way into an export.

Sources: EXIF 2.32 for the orientation (as in `smalti.storage.headers`); the formats as Pillow reads them,
https://pillow.readthedocs.io/en/stable/handbook/image-file-formats.html, from an allow-list, since its other
parsers (EPS, PSD, FITS, ...) have no place in hostile data.
"""

from __future__ import annotations

import errno
import os
import shutil
import struct
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any, Literal

from smalti.errors import DataError, OptionError
from smalti.storage import headers
from smalti.storage.folder import written_twice
from smalti.storage.local import read_file
from smalti.storage.location import REMOTE_WORKERS, Location
from smalti.storage.paths import is_plain, safe_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from smalti.storage.folder import Target

Media = Literal["copy", "link", "symlink", "reference", "none"]

# What counts as an image when a folder is listed. The last ones have no header reader here, and are images all
# the same: their size is an error that names the file, never a row that is missing.
IMAGE_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".webp",
    ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx", ".avif", ".heic", ".heif", ".dng", ".pfm",
)  # fmt: skip

_HEADS = (
    4 << 10,
    64 << 10,
    256 << 10,
)  # bytes to try the short cuts on: later ones hold a thumbnail or a profile
_LOCAL_WORKERS = 1  # the parsing holds the interpreter's lock: threads only add to the wait
_COPY_WORKERS = 4

# Magic bytes, the name, and the Pillow plugin with its class. Plugins are called directly: `Image.open` refuses
# or warns of large images, which matters to those who decode, and here nobody does.
_PLUGINS = (
    (headers.JPEG, "JPEG", "JpegImagePlugin", "JpegImageFile"),
    (headers.PNG, "PNG", "PngImagePlugin", "PngImageFile"),
    (b"BM", "BMP", "BmpImagePlugin", "BmpImageFile"),
    (b"GIF87a", "GIF", "GifImagePlugin", "GifImageFile"),
    (b"GIF89a", "GIF", "GifImagePlugin", "GifImageFile"),
    (b"II*\0", "TIFF", "TiffImagePlugin", "TiffImageFile"),
    (b"MM\0*", "TIFF", "TiffImagePlugin", "TiffImageFile"),
    (b"II+\0", "TIFF", "TiffImagePlugin", "TiffImageFile"),
    (b"MM\0+", "TIFF", "TiffImagePlugin", "TiffImageFile"),
    (b"RIFF", "WEBP", "WebPImagePlugin", "WebPImageFile"),
    *((b"P%d" % n, "PPM", "PpmImagePlugin", "PpmImageFile") for n in range(1, 7)),
    (b"\xff\x4f\xff\x51", "JPEG2000", "Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000", "Jpeg2KImagePlugin", "Jpeg2KImageFile"),
)
_SHORT_CUTS: dict[str, Callable[[bytes], headers.Size | None]] = {
    "JPEG": headers.jpeg_size,
    "PNG": headers.png_size,
    "GIF": headers.gif_size,
    "WEBP": headers.webp_size,
}
_EXPECTED = "expected one of " + ", ".join(dict.fromkeys(name for _, name, _, _ in _PLUGINS))

# What Pillow's parsers let out on broken files, as fuzzing them shows.
_BROKEN = (OSError, SyntaxError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError,
           EOFError, RuntimeError, MemoryError, AssertionError, struct.error)  # fmt: skip

# What a file system answers that cannot link these two places: other device, no links, too many, not allowed.
_NO_LINKS = frozenset({errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP,
                       errno.ENOSYS})  # fmt: skip


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What an image file says of itself before its pixels.

    Attributes:
        width: In pixels, as stored (before any rotation).
        height: In pixels, as stored.
        orientation: The EXIF orientation, 1 to 8; None where there is none, or it is broken. EXIF alone
            counts, not XMP; in a PNG it counts when it stands before the pixels.
        format: `JPEG` (an MPO too), `PNG`, `BMP`, `GIF`, `TIFF`, `WEBP`, `PPM` or `JPEG2000`.
    """

    width: int
    height: int
    orientation: int | None
    format: str

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height in pixels once the image is turned as EXIF asks: 5 to 8 swap them."""
        turned = self.orientation is not None and self.orientation >= 5
        return (self.height, self.width) if turned else (self.width, self.height)


@dataclass(frozen=True, slots=True)
class MediaResult:
    """What `place_media` did.

    Attributes:
        placed: How many files stand in the target now.
        missing: The source names of which there is no file, in the order given.
        bytes: How many bytes were copied; links cost none.
        fallbacks: How many were copied because they could not be linked.
    """

    placed: int = 0
    missing: tuple[str, ...] = ()
    bytes: int = 0
    fallbacks: int = 0


def read_header(source: Location | IO[bytes]) -> ImageHeader:
    """Read an image's size and orientation from its header; no pixel is decoded.

    Args:
        source: The file, or a seekable binary file, read from its start.

    Raises:
        DataError: It is no image of a known format, or its header is broken.
        OSError: The file cannot be read.
    """
    with _pillow_muted():
        return _read_location(source) if isinstance(source, Location) else _read_file(source, None)


def read_headers(
    root: Location, names: Sequence[str], workers: int | None = None
) -> list[ImageHeader | DataError]:
    """Read the headers of many files.

    Args:
        root: The folder that the names are relative to.
        names: Paths from the data; they are checked.
        workers: Threads; by default one for local files, and more where the network is waited for.

    Returns:
        In the order of the names, a header or the error that says why there is none.
    """
    workers = workers or (_LOCAL_WORKERS if root.is_local else REMOTE_WORKERS)
    # One check of all names; where it fails, each is told by itself.
    start = None if not root.is_local or not is_plain(names) else os.path.join(root.local, "")

    def read(name: str) -> ImageHeader | DataError:
        try:
            return _read_location(root / name) if start is None else _read_local(start + name)
        except DataError as error:
            return error
        except OSError as error:
            return DataError(f"cannot be read: {error.strerror or error}", file=f"{root.url}/{name}")

    with _pillow_muted():
        if workers == 1:
            return [read(name) for name in names]
        _ = root.path  # connects once, before the threads do
        with ThreadPoolExecutor(root.workers(workers)) as pool:
            return list(pool.map(read, names))


def _read_location(place: Location) -> ImageHeader:
    if place.is_local:
        return _read_local(place.local)
    head = place.fs.cat_file(place.path, 0, _HEADS[1])
    found = _short_cut(head)
    if found:
        return found
    with place.open() as file:
        return _read_file(file, place.url)


def _read_local(path: str) -> ImageHeader:
    found = _short_cut(read_file(path, _HEADS[0]))
    if found:
        return found
    with open(path, "rb", buffering=0) as file:
        return _read_file(file, path)


def _read_file(file: IO[bytes], url: str | None) -> ImageHeader:
    for size in _HEADS:
        file.seek(0)
        head = file.read(size)
        found = _short_cut(head)
        if found:
            return found
        if len(head) < size:
            break
    return _by_pillow(file, head, url)


def _kind(head: bytes) -> tuple[str, str, str] | None:
    for magic, *plugin in _PLUGINS:
        if head.startswith(magic) and (magic != b"RIFF" or head[8:12] == b"WEBP"):
            return plugin[0], plugin[1], plugin[2]
    return None


def _short_cut(head: bytes) -> ImageHeader | None:
    if head.startswith(headers.JPEG):  # most of them
        size = headers.jpeg_size(head)
        return ImageHeader(*size, "JPEG") if size else None
    kind = _kind(head)
    reader = _SHORT_CUTS.get(kind[0]) if kind else None
    found = reader(head) if reader else None
    return ImageHeader(*found, kind[0]) if found and kind else None


def _by_pillow(file: IO[bytes], head: bytes, url: str | None) -> ImageHeader:
    kind = _kind(head)
    if kind is None:
        what = f"a file that begins with {head[:12]!r}" if head else "an empty file"
        raise DataError(f"found {what}; {_EXPECTED}", file=url)
    name, module, plugin = kind
    bomb = import_module("PIL.Image").DecompressionBombError
    file.seek(0)
    try:
        # Closing an image that was given a file leaves that file open.
        with getattr(import_module(f"PIL.{module}"), plugin)(file) as image:
            width, height, orientation = _stored(image)
    except (*_BROKEN, bomb) as error:
        raise DataError(f"found a broken {name} header ({error}); {_EXPECTED}", file=url) from error
    return ImageHeader(width, height, orientation, name)


def _stored(image: Any) -> headers.Size:
    if not hasattr(image, "tag_v2"):
        exif = image.info.get("exif")
        return *image.size, headers.exif_orientation(exif) if isinstance(exif, bytes) else None
    # Pillow turns a TIFF by itself, its size too: the tags say what is stored.
    width, height = image.tag_v2[256], image.tag_v2[257]
    value = image.tag_v2.get(headers.ORIENTATION)
    return width, height, value if isinstance(value, int) and 1 <= value <= 8 else None


_muting = threading.Lock()
_muted: list[Any] = []  # one entry a reader inside, the first with the filters to restore


@contextmanager
def _pillow_muted() -> Iterator[None]:
    # Filters belong to the process: the first reader in sets them, the last one out restores them, so that
    # readers in several threads do not restore each other's.
    with _muting:
        catcher = warnings.catch_warnings() if not _muted else _muted[0]
        if not _muted:
            catcher.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\.")
        _muted.append(catcher)
    try:
        yield
    finally:
        with _muting:
            _muted.pop()
            if not _muted:
                catcher.__exit__(None, None, None)


def place_media(
    source: Location, target: Target, pairs: Sequence[tuple[str, str]], mode: Media
) -> MediaResult:
    """Bring image files into an export.

    Args:
        source: The media folder.
        target: The export's handle; a dry one gets nothing, and the missing files are counted all the same.
        pairs: (path below the source, path below the target), from the data: both are checked.
        mode: `copy`; `link`, a hard link, or a copy where the file systems cannot; `symlink`, to the
            absolute path; `reference` and `none` place nothing and look at nothing.

    Returns:
        What was placed, and which sources are missing (a folder is no file).

    Raises:
        OptionError: The mode is unknown, or a link to files that are not on this machine is asked for.
        UnsafePathError: A path leaves its root.
        DataError: A target is written twice.
    """
    if mode not in {"copy", "link", "symlink", "reference", "none"}:
        raise OptionError(f"found media={mode!r}; expected copy, link, symlink, reference or none")
    if mode in {"reference", "none"} or not pairs:
        return MediaResult()
    if mode != "copy" and not source.is_local:
        raise OptionError(
            f"media={mode!r} cannot link to {source.url}, which is not on this machine; use media='copy'"
        )
    names = safe_paths([name for name, _ in pairs])
    targets = safe_paths([name for _, name in pairs])
    if target.dry:
        return _counted(names, [-1 if (source / name).isfile() else None for name in names])
    place = _Placer(source, target, {"copy": _copy, "link": _link, "symlink": _symlink}[mode])
    paths = target.reserve(targets)
    if mode != "copy":
        return _counted(names, list(map(place, names, paths)), linking=mode == "link")
    _ = source.path  # connects once, before the threads do
    count = _COPY_WORKERS if source.is_local else source.workers(REMOTE_WORKERS)
    with ThreadPoolExecutor(count) as pool:
        return _counted(names, list(pool.map(place, names, paths)))


@dataclass(frozen=True, slots=True)
class _Placer:
    source: Location
    target: Target
    how: Callable[[Location, str], int | None]

    def __call__(self, name: str, path: str) -> int | None:
        try:
            return self.how(self.source / name, path)
        except FileExistsError as error:
            raise written_twice(os.path.relpath(path, self.target.location.local)) from error


def _counted(names: list[str], done: list[int | None], *, linking: bool = False) -> MediaResult:
    # A number is the bytes that were copied, -1 says that none were needed, None that there is no source.
    copied = [size for size in done if size is not None and size >= 0]
    missing = tuple(name for name, size in zip(names, done, strict=True) if size is None)
    return MediaResult(len(names) - len(missing), missing, sum(copied), len(copied) if linking else 0)


def _copy(source: Location, path: str) -> int | None:
    if not source.isfile():
        return None
    with open(path, "xb"):
        pass  # claims the name
    if source.is_local:
        shutil.copyfile(source.local, path)
    else:
        source.fs.get_file(source.path, path)
    return os.path.getsize(path)


def _link(source: Location, path: str) -> int | None:
    real = os.path.realpath(source.local)
    if not os.path.isfile(real):
        return None
    try:
        os.link(real, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _copy(source, path)
    return -1


def _symlink(source: Location, path: str) -> int | None:
    if not os.path.isfile(source.local):
        return None
    os.symlink(source.local, path)
    return -1
