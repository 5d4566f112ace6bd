"""Write Pascal VOC in the layout of the development kit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import DataError, OptionError, at
from smalti.formats import json_files, label_images, label_rows, xml_files
from smalti.formats.class_table import class_losses
from smalti.formats.document_writer import DocumentWriter, one_loss, painted
from smalti.formats.free_names import stem_of
from smalti.formats.object_text import corners, has, member, short
from smalti.formats.pascal_voc import masks
from smalti.formats.pascal_voc.masks import NAMES, VOID
from smalti.formats.pascal_voc.options import (
    ATTRIBUTES,
    CLASSES,
    CORNERS,
    FLAGS,
    IMAGES,
    MAIN,
    OBJECTS,
    SEGMENTED,
    VocOptions,
)
from smalti.geometry import rle
from smalti.schema import features
from smalti.schema.categories import Categories, Category

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from smalti.formats.protocol import Cursor, PartResult
    from smalti.formats.report import Loss
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target


END = "</annotation>\n"


class VocWriter(DocumentWriter[VocOptions]):
    """Writes the layout of the development kit."""

    title: ClassVar = "Pascal VOC"
    members: ClassVar = frozenset({"category", "bbox", "mask", "polygons"})
    needed: ClassVar = (frozenset({"category"}), frozenset({"bbox", "mask", "polygons"}))
    held_attributes: ClassVar = ATTRIBUTES
    held_columns: ClassVar = {"voc": features.Json()}
    reasons: ClassVar = {
        "id": "VOC objects have no ids",
        "iscrowd": "VOC has no crowds; difficult objects are something else",
        "score": "VOC's annotations have no scores",
    }

    def __init__(self, schema: Schema, options: VocOptions, single_file: str | None = None) -> None:
        super().__init__(schema, options, single_file)
        self.dense = _label_images(schema) if options.segmentation is not False else None
        has = "mask" in self.feature.members and self.field is not None
        self.segmented = has if options.segmentation is None else options.segmentation
        self.numbers = masks.numbers(self.feature.categories)
        self.images: dict[str, bytes] = {}  # of the part at hand

    def wants(self) -> Schema:
        names = set(super().wants().fields()) | {name for name in (self.field, self.dense) if name}
        if not self.options.segmentation:
            names.discard(f"{self.field}.polygons")
        if not self.segmented:
            names.discard(f"{self.field}.mask")
        return self.schema.project(names)

    def losses(self) -> list[Loss]:
        found = super().losses()
        if self.dense is None:
            return found
        own = [
            category.model_copy(
                update={"id": None, "color": None if self._usual(category) else category.color}
            )
            for category in self._dense_table
        ]
        return [*class_losses(Categories(tuple(own)), "segment", NAMES), *found]

    def _usual(self, category: Category) -> bool:
        """Whether a class has the colour that VOC gives its number."""
        own = label_images.as_hex(label_images.voc_colours()[int(category.id or 0) % 256])
        return category.color is None or category.color == own

    @property
    def _dense_table(self) -> Categories:
        feature = self.schema.columns[str(self.dense)]
        classes = feature.categories if isinstance(feature, features.Mask) else Categories()
        values = label_images.values_of(classes)
        return Categories(
            tuple(c.model_copy(update={"id": value}) for c, value in zip(classes, values, strict=True))
        )

    def places(self, image: str) -> tuple[str, str]:
        return f"{IMAGES}{image}", f"Annotations/{stem_of(image)}.xml"

    def write(self, batch: pa.RecordBatch, target: Target, cursor: Cursor) -> PartResult:
        self.images = {}
        result = super().write(batch, target, cursor)
        target.write_many(list(self.images), list(self.images.values()))
        stems = {stem_of(path).partition("/")[2] for path in self.images}
        entries = [(split, stem, b"1" if stem in stems else b"") for split, stem, _ in result.payload]
        return replace(result, files=result.files + len(self.images), payload=entries)

    def fragments(self, objects: pa.StructArray) -> pa.Array | None:
        odd = any(has(objects, name).any() for name in ("parts", "actions", "voc"))
        if odd or self.segmented or self.dense or not has(objects, "bbox").all():
            return None
        if not len(objects):
            return pa.array([], pa.string())
        shift = (1, 1, 0, 0) if self.options.pixel_offset else (0, 0, 0, 0)
        sides = zip(CORNERS, short(corners(objects) + shift).T, strict=True)
        words = [(name, label_rows.texts(np.ascontiguousarray(side))) for name, side in sides]
        pieces = [
            "\t<object>\n\t\t<name>", xml_files.escaped_words(objects.field("category")), "</name>\n",
            *self._said(objects),
            "\t\t<bndbox>\n",
            *(piece for name, text in words for piece in (f"\t\t\t<{name}>", text, f"</{name}>\n")),
            "\t\t</bndbox>\n\t</object>\n",
        ]  # fmt: skip
        return pc.binary_join_element_wise(*pieces, "")

    def _said(self, objects: pa.StructArray) -> Iterator[pa.Array]:
        """What objects say between their class and their box, as XML; nothing where one does not say it."""
        for name in ("pose", *FLAGS):
            values = member(objects, name)
            if values is not None and values.null_count < len(values):
                words = (
                    values.dictionary_encode() if name == "pose" else values.cast(pa.int8()).cast(pa.string())
                )
                text = xml_files.escaped_words(words) if name == "pose" else words
                found = pc.binary_join_element_wise(f"\t\t<{name}>", text, f"</{name}>\n", "")
                yield pc.fill_null(found, "")

    def framed(self, batch: pa.RecordBatch, names: list[str], inner: pa.Array) -> pa.Array:
        image = batch.column("image")
        said = batch.column("voc").to_pylist() if "voc" in batch.schema.names else [None] * len(batch)
        sides = (image.field(side).to_pylist() for side in ("width", "height"))
        frames: dict[tuple[str | None, int | None, int | None], tuple[str, str]] = {}
        heads = []
        for name, *key in zip(names, said, *sides, strict=True):
            one = (key[0], key[1], key[2])
            before, after = frames.get(one) or frames.setdefault(one, _frame(*one))
            heads.append(f"{before}{_filename(name)}{after}")
        return pc.binary_join_element_wise(pa.array(heads, pa.string()), inner, END, "")

    def document(
        self, row: dict[str, Any], objects: list[dict[str, Any]], image: str, losses: list[Loss]
    ) -> bytes | None:
        if self.segmented or self.dense:
            with at(sample=row["id"]):
                self._paint(row, objects, stem_of(image), losses)
        if self._unseen(row):
            return None
        objects = [self._boxed(item, row["id"], losses) for item in objects]
        before, after = _frame(row.get("voc"), row["image"]["width"], row["image"]["height"])
        inner = xml_files.element("object", [self._object(item) for item in objects], "\t")
        return f"{before}{_filename(image)}{after}{inner}{END}".encode()

    def _object(self, item: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"name": item["category"]}
        if item.get("pose") is not None:
            found["pose"] = item["pose"]
        found |= {flag: int(item[flag]) for flag in FLAGS if item.get(flag) is not None}
        found["bndbox"] = self._box([item["bbox"][side] for side in "xywh"])
        if item.get("parts"):
            parts = msgspec.json.decode(item["parts"])
            found["part"] = [{"name": part["name"], "bndbox": self._box(part["bbox"])} for part in parts]
        if item.get("actions"):
            found["actions"] = {
                name: int(bool(on)) for name, on in msgspec.json.decode(item["actions"]).items()
            }
        if item.get("voc"):
            found |= msgspec.json.decode(item["voc"])
        return found

    def _box(self, box: Sequence[float]) -> dict[str, str]:
        x, y, w, h = box
        shift = 1 if self.options.pixel_offset else 0
        corners = (x + shift, y + shift, x + w, y + h)
        return {name: xml_files.number(value) for name, value in zip(CORNERS, corners, strict=True)}

    def _boxed(self, item: dict[str, Any], sample: str, losses: list[Loss]) -> dict[str, Any]:
        """The object with a box: its own, else the one around its pixels or points."""
        if item.get("bbox") is not None:
            return item
        if (mask := item.get("mask")) is not None:
            runs, offsets = rle.decode_counts([mask["counts"]])
            sides = rle.boxes(runs, offsets, mask["height"])[0].tolist()
        else:
            points = np.array([side for ring in item["polygons"] for side in ring] or [0, 0]).reshape(-1, 2)
            low, high = points.min(axis=0), points.max(axis=0)
            sides = [*low.tolist(), *(high - low).tolist()]
        why = "an object has no box; the one around its other geometry is written"
        losses.append(one_loss("bbox.computed", f"{self.field}.bbox", "change", why, sample))
        return {**item, "bbox": dict(zip("xywh", sides, strict=True))}

    def _paint(
        self, row: dict[str, Any], objects: list[dict[str, Any]], stem: str, losses: list[Loss]
    ) -> None:
        """The label images of a sample: of its column, of its objects' masks."""
        label = row[self.dense] if self.dense else None
        body = None if label is None else label_images.stored(label, self.schema.media_root)
        if body is not None:
            self.images[f"{CLASSES}{stem}.png"] = body
        height, width = self._size(row, objects)
        areas, codes = [], self.feature.categories.codes
        for place, item in enumerate(objects if self.segmented and height and width else []):
            where = label_images.set_pixels(item, height, width)
            if where is not None:
                painted(item, (height, width), self.field, row["id"], losses)
                areas.append((masks.number(place), self.numbers[codes[item["category"]]], where))
        if not areas:
            return
        pixels, over = label_images.paint([(n, where) for n, _, where in areas], height, width)
        left = set(np.unique(pixels).tolist())
        why = "a pixel is of one object; a later one covers an earlier one"
        field = f"{self.field}.mask"
        losses += [one_loss("mask.covered", field, "change", why, row["id"]) for _ in over]
        why = "no pixel of the mask is left"
        gone = [number for number, _, where in areas if number not in left]
        losses += [one_loss("mask.dropped", field, "value", why, row["id"]) for _ in gone]
        if body is None:
            classes, _ = label_images.paint([(c, where) for _, c, where in areas], height, width)
            self.images[f"{CLASSES}{stem}.png"] = label_images.png(classes, label_images.voc_colours())
        else:
            void = label_images.pixels(body)
            if void.shape == pixels.shape:
                pixels[(void == VOID) & (pixels == 0)] = VOID
        self.images[f"{OBJECTS}{stem}.png"] = label_images.png(pixels, label_images.voc_colours())

    def _unseen(self, row: dict[str, Any]) -> bool:
        """Whether a sample has a label image, and nobody has looked for objects: it has no annotation then."""
        return (
            self.dense is not None
            and row[self.dense] is not None
            and (not self.field or row[self.field] is None)
        )

    def _objects(self, row: dict[str, Any], losses: list[Loss]) -> list[dict[str, Any]]:
        return [] if self._unseen(row) else super()._objects(row, losses)

    def _size(self, row: dict[str, Any], objects: list[dict[str, Any]]) -> tuple[int, int]:
        """Height and width of a sample, those of a mask where it does not say; 0 where nothing does."""
        size = row["image"]
        for item in (size, *(item.get("mask") for item in objects)):
            if item and item["height"] and item["width"]:
                return item["height"], item["width"]
        return 0, 0

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        if (table := masks.label_map(self.feature.categories)) and not self.dense:
            target.write(masks.LABEL_MAP, table)
            files = 1
        else:
            files = super().finish(target, results)
        files += self.write_lists(target, MAIN, results)
        target.mkdir(IMAGES[:-1])
        if not (self.segmented or self.dense):
            return files
        some = [replace(r, payload=[entry for entry in r.payload if entry[2]]) for r in results]
        files += self.write_lists(target, SEGMENTED, some)
        if self.dense:
            names = {str(c.id): c.name for c in self._dense_table}
        else:
            pairs = zip(self.numbers, self.feature.categories.values, strict=True)
            names = {"0": "background", **{str(number): name for number, name in pairs}}
        names.setdefault(str(VOID), "void")
        target.write(NAMES, json_files.text(names).encode())
        return files + 1


def _frame(said: str | None, width: int | None, height: int | None) -> tuple[str, str]:
    """What stands before and behind the file's name in an annotation, up to its objects."""
    rest = msgspec.json.decode(said) if said else {}
    sides = {"width": width, "height": height}
    size = {**{side: value for side, value in sides.items() if value is not None}, **rest.pop("size", {})}
    own = {key: value for key, value in rest.items() if key[:1] in {"@", "#"}}
    others = {
        key: value for key, value in {**rest, **({"size": size} if size else {})}.items() if key not in own
    }
    head = xml_files.element("annotation", {**own, "filename": ""})
    before = head.removesuffix(f"{_filename('')}{END}")
    return before, "".join(xml_files.element(key, value, "\t") for key, value in others.items())


def _filename(image: str) -> str:
    return xml_files.element("filename", image.rpartition("/")[2], "\t")


def _label_images(schema: Schema) -> str | None:
    """The column of label images; null where there is none.

    Raises:
        OptionError: There are several, and none is called ``mask``; or a class has the number of the void.
    """
    names = schema.of_kind(features.Mask)
    if len(names) > 1 and "mask" not in names:
        raise OptionError(f"which label images to write? There are {', '.join(names)}; select one of them")
    name = "mask" if "mask" in names else names[0] if names else None
    feature = schema.columns[name] if name else None
    if isinstance(feature, features.Mask):
        try:
            values = label_images.values_of(feature.categories)
        except DataError as error:
            raise OptionError(error.reason) from error
        if VOID in values:
            raise OptionError(f"a class of {name!r} has the number {VOID}, which VOC has for the void")
    return name
