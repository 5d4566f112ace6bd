"""Small pictures of samples for the first column, with their boxes drawn."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import SmaltiError
from smalti.formats.spreadsheet.own.columns import SIDES
from smalti.formats.spreadsheet.own.decode import unescaped
from smalti.storage.headers import ORIENTATION
from smalti.storage.location import Location

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalti.formats.spreadsheet.options import SpreadsheetOptions
    from smalti.formats.spreadsheet.own.columns import Column
    from smalti.schema.schema import Schema

_LINE, _EDGE = (255, 176, 0), (0, 0, 0)  # seen on any picture, by any eye
BOXES_MOST: Final = 200

Frame = tuple[int, int] | None


@dataclass(frozen=True)
class Picture:
    """A picture for a cell.

    Attributes:
        name: Of its file.
        height: In pixels.
        placed: What XlsxWriter wants to know: the bytes, and that it moves with its cell.
    """

    name: str
    height: int
    placed: dict[str, Any]


class Thumbnails:
    """Makes the pictures of the first samples, as many as the options say.

    Attributes:
        wanted: Whether there can be any.
    """

    def __init__(self, schema: Schema, columns: Sequence[Column], options: SpreadsheetOptions) -> None:
        self._left = options.thumbnails
        self._side = options.thumbnail_size
        self._root = None if schema.media_root is None else Location.parse(schema.media_root)
        self._at = {(column.field, column.part): column.header for column in columns}
        self._field = next((c.field for c in columns if c.field.endswith(".bbox") and c.part), "")
        self._last: str | None = None
        self.wanted = self._left > 0 and self._root is not None and ("image", "path") in self._at

    def of(self, rows: pa.Table) -> dict[int, Picture]:
        """Pictures by row: of a sample's first row."""
        if not self.wanted or self._left <= 0:
            return {}
        ids = rows.column(self._at["id", ""]).to_pylist()
        paths = unescaped(rows.column(self._at["image", "path"]).combine_chunks()).to_pylist()
        starts = [row for row, one in enumerate(ids) if one != (ids[row - 1] if row else self._last)]
        self._last = ids[-1]
        found = {}
        for start, end in zip(starts, [*starts[1:], len(ids)], strict=True):
            if self._left <= 0:
                break
            own = rows.slice(start, end - start)
            picture = self._picture(paths[start], self._frame(own), self._boxes(own))
            if picture is not None:
                found[start] = picture
                self._left -= 1
        return found

    def _frame(self, rows: pa.Table) -> Frame:
        """The size of the picture that the labels refer to; null where it is not known."""
        width, height = (rows.column(self._at["image", side])[0].as_py() for side in ("width", "height"))
        return None if width is None or height is None else (int(width), int(height))

    def _boxes(self, rows: pa.Table) -> np.ndarray:
        """The boxes of one sample's rows: float64 ``(n, 4)``, x, y, w, h."""
        if not self._field:
            return np.empty((0, 4))
        sides = [pc.cast(rows.column(self._at[self._field, side]), pa.float64()) for side in SIDES]
        boxes = np.stack([side.to_numpy() for side in sides], axis=1)
        return boxes[np.isfinite(boxes).all(1)][:BOXES_MOST]

    def _picture(self, path: str | None, frame: Frame, boxes: np.ndarray) -> Picture | None:
        """The picture of an image file; null where it cannot be read: a table is whole without it."""
        from PIL import Image, ImageDraw, ImageOps

        if path is None or self._root is None:
            return None
        try:
            with (self._root / path).open("rb") as file, Image.open(file) as image:
                stored, turned = image.size, image.getexif().get(ORIENTATION, 1)
                image.draft("RGB", (self._side, self._side))
                small = image.convert("RGB")
                small.thumbnail((self._side, self._side))
        except (OSError, ValueError, SyntaxError, SmaltiError, Image.DecompressionBombError):
            return None
        if (
            turned != 1 and frame != stored
        ):  # labels refer to the upright picture, unless the size says otherwise
            small.getexif()[ORIENTATION] = turned
            small = ImageOps.exif_transpose(small)
            stored = stored[::-1] if turned >= 5 else stored  # 5 to 8 lie on their side
        scale = np.array(small.size * 2) / np.array(stored * 2)
        draw = ImageDraw.Draw(small)
        for x, y, w, h in boxes * scale:
            corners = [x, y, max(x + w - 1, x), max(y + h - 1, y)]
            draw.rectangle(corners, outline=_EDGE, width=3)
            inner = [corners[0] + 1, corners[1] + 1]
            draw.rectangle(
                [*inner, max(corners[2] - 1, inner[0]), max(corners[3] - 1, inner[1])], outline=_LINE
            )
        out = io.BytesIO()
        small.save(out, "JPEG", quality=80)
        return Picture(
            path, small.height, {"image_data": out, "object_position": 1, "x_offset": 2, "y_offset": 2}
        )
