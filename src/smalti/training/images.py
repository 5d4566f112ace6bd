"""The pictures of a dataset for training: from files, archives, buckets, or bytes in the table."""

from __future__ import annotations

import io
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import DataError, SmaltiError
from smalti.storage.cache import FileCache
from smalti.storage.location import Location
from smalti.storage.remote import remote
from smalti.training import decode
from smalti.training.columns import Texts
from smalti.training.shared import Shared

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from smalti.training.decode import Size
    from smalti.training.options import ItemOptions


class Images(Shared):
    """Where each picture is, and how it is decoded. It can be pickled, and used by many workers.

    Args:
        image: The image column, or one of label images; null: the ids are the paths.
        ids: The samples' ids.
        root: Where paths are relative to; null: only bytes in the table can be decoded.
        options: ``decode``, ``decoder``, ``min_size`` and the cache are used.

    Attributes:
        sizes: int32 ``(samples, 2)``: width and height of the frame of the labels; 0 where unknown.
    """

    def __init__(
        self, image: pa.StructArray | None, ids: pa.Array, root: str | None, options: ItemOptions
    ) -> None:
        count = len(ids)
        members = () if image is None else {field.name for field in image.type}
        paths = ids if image is None else pc.coalesce(pc.struct_field(image, "path"), ids)
        self.paths = Texts(paths)
        self.ids = Texts(ids)
        self.sizes = np.zeros((count, 2), np.int32)
        if "width" in members:
            sides = [np.asarray(pc.struct_field(image, side).fill_null(0)) for side in ("width", "height")]
            self.sizes = np.stack(sides, axis=1)
        self.bytes = Texts(pc.struct_field(image, "bytes")) if "bytes" in members else None
        self.ranges = np.zeros((count, 0), np.int64)
        if {"offset", "size"} <= set(members):
            bounds = [np.asarray(pc.struct_field(image, part).fill_null(-1)) for part in ("offset", "size")]
            self.ranges = np.stack(bounds, axis=1)
        self.root = root
        self.decode = options.decode
        self.decoder = decode.chosen(options.decoder)
        least = options.min_size
        self.least: Size | None = (least, least) if isinstance(least, int) else least
        self.cache = None if options.cache is None else FileCache(options.cache, options.cache_bytes)
        self._place: tuple[int, Location] | None = None

    def decoded(self, row: int, room: NDArray[np.uint8] | None = None) -> tuple[Any, Size | None]:
        """A picture, and the whole size of its frame: null where a function of the bytes decodes it.

        Args:
            row: The sample's position.
            room: uint8 ``(height, width, 3)``: where the pixels are put if they fit.

        Raises:
            DataError: It is missing or broken; the error names the sample.
        """
        with self.named(row):
            body = self.read(row)
            if callable(self.decode):
                return self.decode(body), None
            if self.decode == "pil":
                return decode.pillow(body, self.size(row), self.least)
            return decode.array(body, self.size(row), self.decoder, self.least, room)

    def pixels(self, row: int) -> NDArray[Any]:
        """The values of a label image's pixels ``(height, width)``: numbers, or positions in its palette.

        Raises:
            DataError: It is missing or broken, or has colours; the error names the sample.
        """
        from PIL import Image

        with self.named(row):
            picture: Image.Image = Image.open(io.BytesIO(self.read(row)))
            if picture.mode not in {"1", "L", "P", "I", "I;16"}:
                raise ValueError(f"found a picture in {picture.mode}, expected one number a pixel")
            return np.array(picture).astype(np.int64)

    def one_size(self, rows: Sequence[int]) -> Size | None:
        """Width and height that pictures have in common; null where they differ, or may, once decoded."""
        sizes = self.sizes[list(rows)]
        if self.decode != "array" or self.least or not len(sizes) or (sizes != sizes[0]).any():
            return None
        return self.size(rows[0])

    def size(self, row: int) -> Size | None:
        """Width and height of the frame of a sample's labels; null where unknown."""
        width, height = self.sizes[row].tolist()
        return (width, height) if width and height else None

    def sample(self, row: int) -> str:
        """A sample's id."""
        return self.ids[row].decode()

    @contextmanager
    def named(self, row: int) -> Iterator[None]:
        """Let whatever goes wrong with a picture name its sample."""
        try:
            yield
        except (OSError, ValueError, SyntaxError, RuntimeError) as error:  # decoders raise all of these
            if isinstance(error, SmaltiError):
                raise
            raise DataError(
                f"cannot be read as a picture: {error}",
                file=self.paths[row].decode(),
                sample=self.sample(row),
            ) from error

    def read(self, row: int) -> bytes:
        """A picture's encoded bytes, as they are."""
        path, sample = self.paths[row].decode(), self.sample(row)
        if self.bytes is not None and (body := self.bytes[row]):
            return body
        if self.root is None and "://" not in path:
            raise DataError(
                "where the images are is not known", sample=sample, hint="read the dataset with media="
            )
        place = remote(path, sample) if "://" in path else self._root() / path
        if self.ranges.shape[1] and self.ranges[row, 0] >= 0:
            offset, size = self.ranges[row].tolist()
            with place.open() as file:
                file.seek(offset)
                return file.read(size)
        if self.cache is not None and not place.is_local:
            return self.cache.read(place)
        return place.read_bytes()

    def _root(self) -> Location:
        # Connections do not outlive a fork: each process makes its own.
        if self._place is None or self._place[0] != os.getpid():
            self._place = (os.getpid(), Location.parse(str(self.root)))
        return self._place[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_place": None}
