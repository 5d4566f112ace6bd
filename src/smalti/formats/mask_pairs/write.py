"""Write folders of images and masks: label images as they are, objects painted one over the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from smalti.errors import DataError, OptionError, at
from smalti.formats import json_files, label_images, mask_tables
from smalti.formats.class_table import class_losses
from smalti.formats.document_writer import object_field, one_loss, painted
from smalti.formats.free_names import FreeNames, stem_of
from smalti.formats.label_images import HIGHEST, PALETTE
from smalti.formats.losses import dropped
from smalti.formats.mask_pairs.layout import UNSPLIT
from smalti.formats.mask_pairs.options import MaskPairsOptions
from smalti.formats.mask_tables import BACKGROUND, META
from smalti.formats.protocol import PartResult, Writer
from smalti.formats.report import Loss, merged
from smalti.formats.splits import KNOWN
from smalti.schema import features
from smalti.schema.categories import Categories, Category
from smalti.storage.location import Location

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from smalti.formats.protocol import Cursor
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target

COVERED = "a pixel is of one class; a later object covers an earlier one"
MEMBERS = ("category", "mask", "polygons")


class MaskPairsWriter(Writer[MaskPairsOptions]):
    """Writes pairs of folders, and dataset_meta.json."""

    def __init__(self, schema: Schema, options: MaskPairsOptions, single_file: str | None = None) -> None:
        super().__init__(schema, options, single_file)
        self.field = _field(schema, options.field)
        self.dense = isinstance(schema.columns[self.field], features.Mask)
        self.table = self._classes()
        self.kind = options.pixels or ("color" if options.layout == "camvid" else "index")
        self.names = FreeNames()
        try:
            self.values = label_images.values_of(self.table)
            self.colours = (
                label_images.colours_of(self.table, apart=self.kind == "color") if self._coloured else []
            )
        except DataError as error:
            raise OptionError(error.reason) from error
        if self.kind == "palette" and max(self.values, default=0) > 255:
            raise OptionError("pixels='palette' has room for the values 0 to 255; write pixels='index'")

    @property
    def _coloured(self) -> bool:
        return self.kind != "index" or any(category.color for category in self.table)

    def _classes(self) -> Categories:
        """The classes by value; objects leave pixels that are nothing, which need one of their own."""
        feature = self.schema.columns[self.field]
        if isinstance(feature, features.Mask):
            return feature.categories
        known = feature.categories if isinstance(feature, features.Objects) else Categories()
        ids = [category.id for category in known]
        sound = all(isinstance(n, int) and 0 < n <= HIGHEST for n in ids) and len(set(ids)) == len(ids)
        classes = [
            category.model_copy(update={"id": ids[n] if sound else n + 1, "name": value})
            for n, (category, value) in enumerate(zip(known, known.values, strict=True))
        ]
        name = BACKGROUND
        while name in known.codes:
            name = f"_{name}_"
        nothing = Category(name=name, id=0, attributes={BACKGROUND: True})
        return Categories((nothing, *classes))

    def wants(self) -> Schema:
        fields = {"id", "image", "split", self.field}
        if not self.dense:
            names = self.schema.objects(self.field).members
            fields |= {f"{self.field}.{name}" for name in MEMBERS if name in names}
        return self.schema.project(fields)

    def losses(self) -> list[Loss]:
        feature = self.schema.columns[self.field]
        classes = getattr(feature, "categories", Categories())
        plain = Categories(
            tuple(
                category.model_copy(
                    update={"attributes": {k: v for k, v in category.attributes.items() if k != BACKGROUND}}
                )
                for category in classes
            )
        )
        kept = self.dense or [c.id for c in self.table][1:] == [c.id for c in plain]
        held = {"category.color", *(["category.id"] if kept else [])}
        named = all(label_images.from_hex(c.color) is not None for c in plain if c.color is not None)
        found = [
            loss
            for loss in class_losses(plain, "segment", META)
            if loss.code not in (held if named else held - {"category.color"})
        ]
        derived = {
            f"{self.field}.{name}": "masks say it by their pixels" for name in ("area", "bbox", "iscrowd")
        }
        return [*found, *dropped(self.schema, self.wants(), "a mask", derived)]

    def faults(self, batch: pa.RecordBatch) -> list[DataError]:
        found = []
        for row in batch.to_pylist():
            label, size = row[self.field], row["image"]
            if label is None:
                continue
            if self.dense and label.get("bytes") is None and not self._there(label.get("path")):
                found.append(DataError("the mask is not there", file=label.get("path"), sample=row["id"]))
            elif not self.dense and not (size["width"] and size["height"]):
                why = "the size of the image is not known, and a mask is as large as it"
                found.append(DataError(why, sample=row["id"]))
        return found

    def _there(self, path: str | None) -> bool:
        return path is not None and self.schema.media_root is not None and self._place(path).isfile()

    def _place(self, path: str) -> Location:
        return Location.parse(str(self.schema.media_root)) / path

    def write(self, batch: pa.RecordBatch, target: Target, cursor: Cursor) -> PartResult:
        del cursor
        losses: list[Loss] = []
        media, masks, bodies = [], [], []
        entries: list[tuple[str | None, str, str | None]] = []
        objects = 0
        for row in batch.to_pylist():
            split, name = self._named(row, losses)
            image, mask = self._paths(split, name)
            media.append((row["image"]["path"], image))
            label = row[self.field]
            if label is None:
                entries.append((split, image, None))
                continue
            with at(sample=row["id"]):
                if self.dense:
                    body = self._kept(label)
                else:
                    body, count = self._painted(row, label, losses)
                    objects += count
            masks.append(mask)
            bodies.append(body)
            entries.append((split, image, mask))
        target.write_many(masks, bodies)
        return PartResult(
            samples=len(batch),
            objects=objects,
            losses=merged(losses),
            media=media,
            files=len(bodies),
            payload=entries,
        )

    def _named(self, row: dict[str, Any], losses: list[Loss]) -> tuple[str | None, str]:
        """The split of a sample, and its path below the folder of that."""
        split = row.get("split")
        own = row["id"].partition("/")[2] if self.schema.id_has_split and split else row["id"]
        own = own or row["id"]
        first = own.partition("/")[0]
        if split is None and self.options.layout == "folders" and first in {*KNOWN, *self.schema.splits}:
            why = "an image in a folder that is called like a split would be read as one of it"
            losses.append(one_loss("image.renamed", "id", "change", why, f"{own} -> _{own}"))
            own = f"_{own}"
        start = f"{split or ''}/"
        return split, self.names.one(f"{start}{own}", losses)[len(start) :]

    def _paths(self, split: str | None, name: str) -> tuple[str, str]:
        mask = f"{stem_of(name)}.png"
        if self.options.layout == "camvid":
            return f"{split or UNSPLIT}/{name}", f"{split or UNSPLIT}annot/{mask}"
        folder = f"{split}/" if split else ""
        return f"images/{folder}{name}", f"masks/{folder}{mask}"

    def _kept(self, label: dict[str, Any]) -> bytes:
        """A label image as it is, or in the kind that is wished."""
        path = label.get("path")
        body: bytes = label["bytes"] if label["bytes"] is not None else self._place(str(path)).read_bytes()
        with at(file=path):
            if (
                self.kind == "index"
                and body.startswith(label_images.PNG)
                and label_images.png_type(body) != PALETTE
            ):
                if label_images.pixels(body).ndim == 2:
                    return body
                raise DataError("found colours, expected the numbers of classes")
            values = label_images.pixels(body)
            if values.ndim == 3:
                raise DataError("found colours, expected the numbers of classes")
            return self._encoded(values)

    def _painted(
        self, row: dict[str, Any], objects: list[dict[str, Any]], losses: list[Loss]
    ) -> tuple[bytes, int]:
        """The label image of a sample's objects, and how many of them it shows."""
        width, height = row["image"]["width"], row["image"]["height"]
        codes = self.schema.objects(self.field).categories.codes
        areas, seen = [], set()
        for item in objects:
            if item.get("category") is None:
                losses.append(self._left("category.missing", "an object needs a category", row["id"]))
                continue
            where = label_images.set_pixels(item, height, width)
            if where is None or not len(where):
                why = "an object needs a mask or polygons with pixels in the image"
                losses.append(self._left("geometry.missing", why, row["id"]))
                continue
            painted(item, (height, width), self.field, row["id"], losses)
            value = self.values[codes[item["category"]] + 1]
            if value in seen:
                why = "a mask has one area for all objects of a class"
                losses.append(self._left("object.merged", why, row["id"]))
                losses.append(one_loss("mask.merged", f"{self.field}.mask", "change", why, row["id"]))
            seen.add(value)
            areas.append((value, where))
        pixels, over = label_images.paint(areas, height, width)
        losses += [one_loss("mask.covered", f"{self.field}.mask", "change", COVERED, row["id"]) for _ in over]
        left = set(np.unique(pixels).tolist()) - {0}
        for _ in seen - left:
            why = "later objects cover all of it"
            losses.append(self._left("object.covered", why, row["id"]))
        return self._encoded(pixels), len(left)

    def _left(self, code: str, why: str, sample: str) -> Loss:
        return one_loss(code, self.field, "object", why, sample)

    def _encoded(self, values: np.ndarray) -> bytes:
        if self.kind == "index":
            return label_images.png(values)
        if self.kind == "palette":
            if values.size and int(values.max()) > 255:
                raise DataError(
                    f"found the value {int(values.max())}; a palette has 256 colours",
                    hint="write pixels='index'",
                )
            colours = label_images.voc_colours()
            colours[self.values] = np.array(self.colours, np.uint8).reshape(-1, 3)
            return label_images.png(values, colours)
        known = np.full(HIGHEST + 1, -1, np.int64)
        known[self.values] = np.arange(len(self.values))
        places = known[values]
        if (places < 0).any():
            wrong = int(values[places < 0][0])
            raise DataError(
                f"the value {wrong} is of no class, and has no colour",
                hint="give it a class, or write pixels='index'",
            )
        return label_images.png(np.array(self.colours, np.uint8)[places])

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        target.last = META
        meta: dict[str, Any] = {
            "label_map": {str(v): c.name for v, c in zip(self.values, self.table, strict=True)}
        }
        if self._coloured:
            meta["segmentation_colors"] = mask_tables.by_number(self.values, self.colours)
        nothing = [
            v for v, c in zip(self.values, self.table, strict=True) if c.attributes.get(BACKGROUND) is True
        ]
        if nothing:
            meta["background_label"] = str(nothing[0])
        if self.schema.splits:
            meta["splits"] = list(self.schema.splits)
        target.write(META, json_files.text(meta).encode())
        if self.options.layout == "camvid":
            return 1 + self._camvid(target, results)
        for split in self.schema.splits or ("",):
            target.mkdir(f"images/{split}")
            target.mkdir(f"masks/{split}")
        return 1

    def _camvid(self, target: Target, results: Sequence[PartResult]) -> int:
        """CamVid's lists of pairs, and its table of colours."""
        lists: dict[str, list[str]] = {split: [] for split in self.schema.splits}
        for result in results:
            for split, image, mask in result.payload:
                if mask is not None:
                    lists.setdefault(split or UNSPLIT, []).append(_pair(image, mask))
        for split, lines in lists.items():
            target.write(f"{split}.txt", "".join(lines).encode())
            target.mkdir(split)
            target.mkdir(f"{split}annot")
        if not self.colours:
            return len(lists)
        rows = [f"{r} {g} {b} {c.name}\n" for (r, g, b), c in zip(self.colours, self.table, strict=True)]
        target.write("label_colors.txt", "".join(rows).encode())
        return len(lists) + 1

    def details(self) -> dict[str, Any]:
        ids = [c.id for c in getattr(self.schema.columns[self.field], "categories", ())]
        own = ids if self.dense else [None, *ids]
        classes = {
            str(value): {"name": category.name, "source_id": number}
            for value, category, number in zip(self.values, self.table, own, strict=True)
        }
        return {"field": self.field, "classes": classes}


def _pair(image: str, mask: str) -> str:
    """A line of CamVid's lists; names with blanks have quotes, as Datumaro reads them."""
    quote = '"' if " " in image + mask else ""
    return f"{quote}/{image}{quote} {quote}/{mask}{quote}\n"


def _field(schema: Schema, wanted: str | None) -> str:
    """The column that is written.

    Raises:
        OptionError: There is none, or several and none is named.
    """
    masks, objects = schema.of_kind(features.Mask), schema.of_kind(features.Objects)
    if wanted is not None:
        if wanted not in {*masks, *objects}:
            there = ", ".join([*masks, *objects]) or "none"
            raise OptionError(f"field={wanted!r} is no column of label images or objects; there are {there}")
        return wanted
    if len(masks) > 1:
        raise OptionError(f"which label images to write? There are {', '.join(masks)}; name one with field=")
    found = masks[0] if masks else object_field(schema)
    if found is None:
        raise OptionError("masks are written from label images or from objects; there are none")
    return found
