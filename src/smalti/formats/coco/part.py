"""One part of a COCO export on its way to text: its images, and the annotations of its label fields."""

from __future__ import annotations

from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import DataError
from smalti.formats.coco import encode
from smalti.formats.coco.files import FileKey, Piece, part_name
from smalti.formats.coco.layout import IMAGE_INFO
from smalti.formats.coco.losses import unannotated
from smalti.formats.coco.objects import Tallies, annotation_texts
from smalti.schema import features

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from numpy.typing import NDArray

    from smalti.formats.coco.write import CocoWriter
    from smalti.formats.protocol import Cursor
    from smalti.formats.report import Loss
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target

CHUNK = 32_768  # objects turned to text at once
_LABELS = (features.Objects, features.Captions, features.Panoptic)
CAPTIONS_MOST = 1000  # captions of one image that can be numbered


class WrittenPart:
    """One part on its way to text: its samples, its files, and what was written."""

    def __init__(
        self,
        writer: CocoWriter,
        batch: pa.RecordBatch,
        names: list[str],
        splits: list[str | None],
        cursor: Cursor,
        target: Target,
    ) -> None:
        self.writer, self.batch, self.cursor, self.target = writer, batch, cursor, target
        self.names = names
        self.given_splits = splits
        self.splits = np.array([split or "" for split in splits], dtype=object)
        self.every = list(dict.fromkeys(splits))
        self.pieces: dict[FileKey, Piece] = {}
        self.tallies = Tallies()
        self.files = ExitStack()
        self._open: dict[str, IO[bytes]] = {}
        self.image_ids = self._image_ids()
        self.annotated = {
            name: np.asarray(batch.column(name).is_valid().to_numpy(zero_copy_only=False), np.bool_)
            for name in writer.fields
        }

    def _image_ids(self) -> pa.Array:
        """The image ids as they are, or new ones."""
        if "image_id" in self.batch.schema.names and self.writer.options.ids == "keep":
            return self.batch.column("image_id")
        first = self.cursor.samples + 1
        return pa.array(np.arange(first, first + len(self.batch)))

    def _image_id_texts(self) -> pa.Array:
        feature = self.writer.wanted.columns.get("image_id")
        if isinstance(feature, features.Json) and self.writer.options.ids == "keep":
            return encode.raw_json(self.image_ids, "image_id")
        return encode.text(self.image_ids)

    def _rows(self, split: str | None) -> NDArray[np.bool_]:
        return np.asarray(self.splits == (split or ""), np.bool_)

    def _members(self) -> Iterator[tuple[FileKey, NDArray[np.bool_]]]:
        """Every file that lists images, with the samples that it lists."""
        for split in self.every:
            rows = self._rows(split)
            if self.writer.one_field:
                field = self.writer.fields[0] if self.writer.fields else IMAGE_INFO
                yield FileKey(field, split), rows
                continue
            left = rows.copy()
            for name, annotated in self.annotated.items():
                some = rows & annotated
                left &= ~annotated
                if some.any():
                    yield FileKey(name, split), some
            if left.any():
                yield FileKey(IMAGE_INFO, split), left

    def images(self) -> None:
        """Write the images of every file."""
        own = self.writer.image_texts(self.batch, self.names, self.given_splits)
        nulls = self.writer.extra.get("nulls", {}).get("images", [])
        texts = image_texts(self.batch, self.writer.wanted, own, self._image_id_texts(), nulls)
        for key, rows in self._members():
            piece = self.pieces.setdefault(key, Piece())
            some = pa.array(rows)
            piece.images += int(np.count_nonzero(rows))
            ids = self.image_ids.filter(some)
            piece.nameless += ids.null_count
            piece.image_ids = _added(piece.image_ids, ids)
            if key.field != IMAGE_INFO and self.annotated[key.field][rows].any():
                piece.annotations = piece.annotations or 0
            self._put(key, "images", texts.filter(some))

    def labels(self) -> int:
        """Write the annotations of every field; gives the number of objects."""
        done = 0
        image_ids = self._image_id_texts()
        for name, feature in self.writer.wanted.columns.items():
            if isinstance(feature, features.Captions):
                self._captions(name, image_ids)
            elif isinstance(feature, features.Objects):
                done += self._objects(name, feature, image_ids, self.cursor.objects + done)
        return done

    def _objects(self, name: str, feature: features.Objects, image_ids: pa.Array, before: int) -> int:
        lengths, objects = encode.unnest(self.batch.column(name))
        owner = np.repeat(np.arange(len(self.batch)), lengths)
        style = self.writer.styles[name]
        ids, texts = self._object_ids(feature, objects, before)
        self.tallies.column = name
        for start in range(0, len(objects), CHUNK):
            rows = owner[start : start + CHUNK]
            self.tallies.owners = self.batch.column("id").take(pa.array(rows))
            some = annotation_texts(
                objects.slice(start, CHUNK),
                image_ids.take(pa.array(rows)),
                None if style.results and "id" not in feature.members else texts.slice(start, CHUNK),
                style,
                self.tallies,
            )
            self._share(name, rows, some, ids.slice(start, CHUNK))
        for split in self.every:
            key = FileKey(name, split)
            if (
                name in self.writer.results
                and (
                    self._rows(split) & self.batch.column(name).is_valid().to_numpy(zero_copy_only=False)
                ).any()
            ):
                self.pieces.setdefault(key, Piece())
        return len(objects)

    def _object_ids(
        self, feature: features.Objects, objects: pa.StructArray, before: int
    ) -> tuple[pa.Array, pa.Array]:
        if "id" in feature.members and self.writer.options.ids == "keep":
            ids = objects.flatten()[feature.names.index("id")]
            texts = encode.raw_json(ids, "id") if feature.id_type == "json" else encode.text(ids)
            return ids, texts.fill_null("null")
        ids = pa.array(np.arange(before + 1, before + 1 + len(objects)))
        return ids, ids.cast(pa.string())

    def _share(self, name: str, rows: NDArray[np.int64], texts: pa.Array, ids: pa.Array) -> None:
        """Give each split's file its annotations."""
        for split in self.every:
            some = pa.array(self._rows(split)[rows])
            key = FileKey(name, split)
            mine = texts if pc.all(some).as_py() else texts.filter(some)
            if not len(mine):
                continue
            piece = self.pieces.setdefault(key, Piece())
            piece.annotations = (piece.annotations or 0) + len(mine)
            if name not in self.writer.results:
                own = ids if mine is texts else ids.filter(some)
                piece.nameless += own.null_count
                piece.ids = _added(piece.ids, own)
            self._put(key, "annotations", mine)

    def _captions(self, name: str, image_ids: pa.Array) -> None:
        feature = self.writer.wanted.columns[name]
        lengths, captions = encode.unnest(self.batch.column(name))
        owner = np.repeat(np.arange(len(self.batch)), lengths)
        columns = dict(zip([field.name for field in captions.type], captions.flatten(), strict=True))
        ids = columns.pop("id")
        if self.writer.options.ids == "renumber" or ids.null_count == len(ids):
            place = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            if len(place) and place.max() >= CAPTIONS_MOST:
                raise DataError(f"an image has more than {CAPTIONS_MOST} captions; expected fewer")
            ids = pa.array((self.cursor.samples + owner) * CAPTIONS_MOST + place + 1)
        nulls = self.writer.extra.get("nulls", {}).get(name, [])
        parts: list[object] = [",\n{", *encode.keyed("image_id", image_ids.take(pa.array(owner)), null=False)]
        attributes = feature.attributes if isinstance(feature, features.Captions) else {}
        for member, column in columns.items():
            described = attributes.get(member)
            key = (described.source if described else None) or member
            is_json = isinstance(described, features.Json)
            texts = encode.raw_json(column, member) if is_json else encode.text(column)
            parts += encode.keyed(key, texts, null=key in nulls)
        some = encode.join(*parts, '"id":', encode.text(ids).fill_null("null"), "}")
        self._share(name, owner, some, ids)

    def _put(self, key: FileKey, section: str, texts: pa.Array) -> None:
        if not len(texts):
            return
        name = part_name(key, self.cursor.index, section)
        if name not in self._open:
            self._open[name] = self.files.enter_context(self.target.open(name))
        self._open[name].write(encode.body(texts))

    def merged(self) -> list[Loss]:
        """Samples whose being unannotated has no place in a single file."""
        if not self.writer.one_field or not self.annotated:
            return []
        name = self.writer.fields[0]
        missing = np.flatnonzero(~self.annotated[name])
        alone = self.writer.extra.get("unannotated", False)
        return [] if alone or not len(missing) else [unannotated(name, len(missing), self.names[missing[0]])]


def image_texts(
    batch: pa.RecordBatch, wanted: Schema, own: dict[str, pa.Array], ids: pa.Array, nulls: Collection[str]
) -> pa.Array:
    """The text of every image, with a comma and a line break in front.

    Args:
        batch: The samples.
        wanted: Their schema; label fields, and keys that `own` has, are passed over.
        own: The texts of keys that no column tells.
        ids: The JSON text of each image's id.
        nulls: Keys whose null is written as null.
    """
    parts: list[object] = [",\n{"]
    for key, texts in own.items():
        parts += encode.keyed(key, texts, null=False)
    if "image" in batch.schema.names:
        for side in ("height", "width"):
            parts += encode.keyed(side, encode.text(batch.column("image").field(side)), null=False)
    for name, feature in wanted.columns.items():
        key = feature.source or name
        if name in {"id", "image", "split", "image_id"} or isinstance(feature, _LABELS) or key in own:
            continue
        column = batch.column(name)
        texts = encode.raw_json(column, name) if isinstance(feature, features.Json) else encode.text(column)
        parts += encode.keyed(key, texts, null=key in nulls)
    return encode.join(*parts, '"id":', ids.fill_null("null"), "}")


def _added(before: Any, ids: pa.Array) -> Any:
    """The ids so far with more of them, as numpy: numbers, or texts."""
    values = ids.drop_null().to_numpy(zero_copy_only=False)
    return values if before is None else np.concatenate([before, values])
