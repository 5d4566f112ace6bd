"""Read folders of images and masks: the masks stay where they are, and only colours are decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from smalti.errors import DataError, EmptySourceError, at
from smalti.formats import label_images
from smalti.formats import mask_tables as tables
from smalti.formats.label_images import COLOURED
from smalti.formats.losses import part_read
from smalti.formats.mask_pairs.layout import Pair, pairs
from smalti.formats.mask_pairs.options import MaskPairsOptions
from smalti.formats.protocol import Part, PartRead, Plan, Reader
from smalti.schema import features
from smalti.schema.build import list_column
from smalti.schema.categories import Categories, Category
from smalti.schema.schema import Schema
from smalti.storage.media import IMAGE_SUFFIXES, ImageHeader, read_headers

if TYPE_CHECKING:
    from smalti.storage.location import Location

PART = 256  # images
HEAD = 32  # bytes of a PNG that tell its kind
OTHER_SUFFIXES = (".json", ".txt", ".csv")


class MaskPairsReader(Reader[MaskPairsOptions]):
    """Reads pairs of folders."""

    _schema: Schema
    _table: Categories  # by the values of pixels

    @property
    def _media(self) -> Location:
        return self.media or self.root

    def plan(self) -> Plan:
        files = self.root.find(OTHER_SUFFIXES, maxdepth=2)
        images = self._media.find(IMAGE_SUFFIXES) if self._media.exists() else []
        masks = images if self.media is None else self.root.find(IMAGE_SUFFIXES)
        known = tables.splits(self.root)
        names = (self.options.images, self.options.masks)
        kind, found = pairs(images, masks, known, names)
        if not any(pair.mask for pair in found):
            raise EmptySourceError(
                f"{self.root.url}: looked for images/ beside masks/, and for train/ beside trainannot/, and found none"
            )
        self._table = tables.table(self.root, files) or self._scanned(found, kind)
        order = tuple(dict.fromkeys([*known, *(pair.split for pair in found if pair.split)]))
        self._schema = self._described(found, order)
        parts = [
            Part(key=tuple(found[n : n + PART]), samples=len(found[n : n + PART]))
            for n in range(0, len(found), PART)
        ]
        return Plan(schema=self._schema, parts=parts)

    def _described(self, found: list[Pair], splits: tuple[str, ...]) -> Schema:
        columns: dict[str, Any] = {"id": features.Value(type=pa.string()), "image": features.Image()}
        if splits:
            columns["split"] = features.Split()
        if self.options.as_objects:
            values = label_images.values_of(self._table)
            classes = tuple(
                category.model_copy(update={"id": value})
                for category, value in zip(self._table, values, strict=True)
                if not category.attributes.get(tables.BACKGROUND)
            )
            columns["objects"] = features.Objects(
                categories=Categories(classes), members=("category", "bbox", "mask", "area")
            )
        else:
            columns["mask"] = features.Mask(categories=self._table)
        ids = {pair.key for pair in found}
        return Schema(
            columns=columns,
            splits=splits,
            media_root=self._media.url,
            id_has_split=len(ids) < len(found),
        )

    def _scanned(self, found: list[Pair], kind: str) -> Categories:
        """The classes of masks that no file lists: a class for each value, or for each colour."""
        values: set[int] = set()
        colours: set[int] = set()
        shown: np.ndarray | None = None
        for pair in found:
            if pair.mask is None:
                continue
            try:
                body = (self.root / pair.mask).read_bytes()
                with at(file=(self.root / pair.mask).url):
                    pixels = label_images.pixels(body)
                    shown = label_images.palette(body) if shown is None else shown
            except DataError:
                if self.on_error == "raise":
                    raise
                continue  # reading the part reports it
            if pixels.ndim == 3:
                colours.update(np.unique(label_images.packed_colours(pixels)).tolist())
            else:
                values.update(np.unique(pixels).tolist())
        camvid = set(tables.CAMVID.values())
        if colours and colours <= camvid and kind == "camvid":
            return tables.camvid()
        if colours:
            names = [f"#{colour:06x}" for colour in sorted(colours)]
            return Categories(tuple(Category(name=name, color=name) for name in names))
        return Categories(
            tuple(
                Category(
                    name=str(value),
                    id=value,
                    color=label_images.as_hex(shown[value])
                    if shown is not None and value < len(shown)
                    else None,
                )
                for value in sorted(values)
            )
        )

    def read(self, part: Part, schema: Schema) -> PartRead:
        found: list[Pair] = list(part.key)
        labels, errors = self._labels(found)
        kept = [pair for pair in found if not isinstance(labels[id(pair)], DataError)]
        values = [labels[id(pair)] for pair in kept]
        arrays = self._columns(kept)
        if self.options.as_objects:
            arrays["objects"] = self._objects(values)
        else:
            arrays["mask"] = pa.array(values, features.Mask().arrow)
        whole = self._schema
        batch = pa.RecordBatch.from_arrays([arrays[name] for name in whole.columns], schema=whole.arrow)
        return part_read(
            batch,
            whole,
            schema,
            errors=errors,
            samples_skipped=len(errors),
        )

    def _labels(self, found: list[Pair]) -> tuple[dict[int, Any], list[DataError]]:
        """What each pair's mask says, by the pair's identity: a value of the column, pixels, null, or an error."""
        labels: dict[int, Any] = {}
        errors = []
        for pair in found:
            try:
                labels[id(pair)] = None if pair.mask is None else self._label(pair.mask)
            except DataError as error:
                if self.on_error == "raise":
                    raise
                errors.append(error)
                labels[id(pair)] = error
        return labels, errors

    def _label(self, path: str) -> Any:
        place = self.root / path
        with at(file=place.url):
            if self.options.as_objects:
                return self._numbers(place.read_bytes())
            with place.open() as file:
                head = file.read(HEAD)
            kind = label_images.png_type(head)
            if self.media is None and kind is not None and kind not in COLOURED:
                return {"path": path, "bytes": None}
            body = place.read_bytes()
            if kind is None or kind in COLOURED:
                body = label_images.png(self._numbers(body))
            return {"path": path, "bytes": body}

    def _numbers(self, body: bytes) -> np.ndarray:
        """The classes of a mask's pixels: its numbers, or what its colours say."""
        pixels = label_images.pixels(body)
        if pixels.ndim == 2:
            return pixels
        values = label_images.values_of(self._table)
        known = [
            (colour, value)
            for category, value in zip(self._table, values, strict=True)
            if (colour := label_images.from_hex(category.color)) is not None
        ]
        grey = (pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all()
        if not known and grey:
            return pixels[..., 0]
        return label_images.by_colour(pixels, [c for c, _ in known], [v for _, v in known])

    def _objects(self, pixels: list[np.ndarray | None]) -> pa.ListArray:
        """One object for the area of each class in each mask."""
        feature = self._schema.objects()
        codes = {category.id: code for code, category in enumerate(feature.categories)}
        category: list[int] = []
        boxes, masks, areas, lengths = [], [], [], []
        for label in pixels:
            before = len(category)
            if label is not None:
                parts = label_images.segments(label)
                for n, value in enumerate(parts.values.tolist()):
                    if value in codes:
                        category.append(codes[value])
                        boxes.append(dict(zip("xywh", parts.boxes[n].tolist(), strict=True)))
                        masks.append(label_images.mask_of(parts.counts[n], label.shape))
                        areas.append(float(parts.areas[n]))
            lengths.append(len(category) - before)
        arrays = [
            feature.categories.encode(pa.array(category, pa.int32())),
            pa.array(boxes, feature.member_type("bbox")),
            pa.array(masks, feature.member_type("mask")),
            pa.array(areas, pa.float64()),
        ]
        struct = pa.StructArray.from_arrays(arrays, fields=list(feature.struct))
        return list_column(struct, np.array(lengths, np.int64), np.array([p is None for p in pixels], bool))

    def _columns(self, found: list[Pair]) -> dict[str, pa.Array]:
        """The columns that are no labels."""
        headers = read_headers(self._media, [pair.image for pair in found if pair.image is not None])
        there = iter(headers)
        known = [None if pair.image is None else next(there) for pair in found]
        # Where there is no image, its mask tells the size.
        lacking = [n for n, header in enumerate(known) if not isinstance(header, ImageHeader)]
        masks = [(n, str(found[n].mask)) for n in lacking if found[n].mask is not None]
        for (n, _), header in zip(masks, read_headers(self.root, [path for _, path in masks]), strict=True):
            known[n] = header
        sizes = [h.upright if isinstance(h, ImageHeader) else (None, None) for h in known]
        whole = self._schema
        ids = [
            f"{pair.split}/{pair.key}" if whole.id_has_split and pair.split else pair.key for pair in found
        ]
        image = [
            pa.array([pair.image or pair.key for pair in found], pa.string()),
            *(pa.array([size[side] for size in sizes], pa.int32()) for side in (0, 1)),
        ]
        words = pa.array([pair.split for pair in found], pa.string()).dictionary_encode()
        return {
            "id": pa.array(ids, pa.string()),
            "image": pa.StructArray.from_arrays(image, fields=list(features.Image().arrow)),
            "split": words.cast(features.Split().arrow),
        }
