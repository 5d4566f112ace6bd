"""Write Cityscapes: polygons with the label images that are painted from them, or label images alone."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import numpy as np

from smalti.errors import DataError, OptionError
from smalti.formats import json_files, label_images, mask_tables, rings
from smalti.formats.cityscapes.labels import BY_NAME, EACH, MOST, OFFICIAL, UNLABELLED, has_instances, numbers
from smalti.formats.cityscapes.options import CityscapesOptions
from smalti.formats.cityscapes.read import ENDINGS, IMAGES, PICTURE, UNSPLIT
from smalti.formats.class_table import class_losses
from smalti.formats.document_writer import DocumentWriter, one_loss, painted
from smalti.formats.free_names import stem_of
from smalti.formats.protocol import PartResult
from smalti.formats.report import merged
from smalti.schema import features
from smalti.schema.categories import Categories

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from smalti.formats.protocol import Cursor
    from smalti.formats.report import Loss
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target

TRUTH, TAG = "gtFine/", "_gtFine_"


class CityscapesWriter(DocumentWriter[CityscapesOptions]):
    """Writes leftImg8bit and gtFine."""

    title: ClassVar = "Cityscapes"
    split_folders: ClassVar = True
    members: ClassVar = frozenset({"category", "polygons", "mask", "iscrowd", "id"})
    held_attributes: ClassVar = {"cityscapes": features.Json()}
    needed: ClassVar = (frozenset({"category"}), frozenset({"polygons", "mask"}))
    reasons: ClassVar = {
        "id": "the pixels of instances are numbered anew",
        "bbox": "the box is that of the outline",
        "area": "the area is that of the pixels",
        "score": "Cityscapes' ground truth has no scores",
    }

    def __init__(self, schema: Schema, options: CityscapesOptions, single_file: str | None = None) -> None:
        super().__init__(schema, options, single_file)
        self.values = numbers(self.feature.categories)
        dense = self.field is not None and "polygons" not in self.feature.members
        self.kind = options.objects or ("instances" if dense else "polygons")
        if self.kind == "instances" and max(self.values, default=0) > MOST:
            raise OptionError(
                f"instanceIds.png has room for {MOST} classes, and there are {len(self.values)};"
                " write objects='polygons'"
            )

    @property
    def _own(self) -> bool:
        """Whether the class table is Cityscapes' own."""
        return self.feature.categories == OFFICIAL

    def _masks(self) -> list[str]:
        kinds = self.schema.of_kind(features.Mask)
        return [name for name in ("mask", "train_mask") if name in kinds]

    def wants(self) -> Schema:
        names = set(super().wants().fields())
        if self.kind == "instances":
            names -= {f"{self.field}.cityscapes", f"{self.field}.id"}
        elif self.schema.columns.get("cityscapes") == features.Json():
            names.add("cityscapes")
        if self.field is not None:
            names.add(self.field)
        return self.schema.project({*names, *self._masks()})

    def losses(self) -> list[Loss]:
        pairs = list(zip(self.feature.categories, self.values, strict=True))
        other = [(c, value) for c, value in pairs if c != BY_NAME.get(c.name) or c.id != value]
        plain = Categories(tuple(category for category, _ in other))
        kept = [category.id in {None, value} for category, value in other]
        colours = all(c.color is None or label_images.from_hex(c.color) is not None for c in plain)
        held = ({"category.id"} if all(kept) else set()) | ({"category.color"} if colours else set())
        found = super().losses()
        fields = [loss for loss in found if not loss.code.startswith("category.")]
        return [
            loss for loss in class_losses(plain, "segment", mask_tables.META) if loss.code not in held
        ] + fields

    def places(self, image: str) -> tuple[str, str]:
        stem, suffix = stem_of(image), image[len(stem_of(image)) :]
        return f"{IMAGES}{stem}{PICTURE}{suffix}", f"{TRUTH}{stem}{TAG}"

    def _placed(self, row: dict[str, Any], losses: list[Loss]) -> str:
        """The image's name below leftImg8bit: its split, its city, and its own."""
        own = row["id"].partition("/")[2] if self.schema.id_has_split and row.get("split") else row["id"]
        own = own or row["id"]
        city = own if "/" in own and not own.startswith(f"{UNSPLIT}/") else f"{UNSPLIT}/{own}"
        split = row.get("split") or UNSPLIT
        name = self.names.one(f"{split}/{city}", losses)
        stem = stem_of(name)
        return stem.removesuffix(PICTURE) + name[len(stem) :]

    def faults(self, batch: pa.RecordBatch) -> list[DataError]:
        found = []
        for row in batch.to_pylist():
            known = row["image"]["width"] and row["image"]["height"]
            if self.kind == "instances" and self.field and row[self.field] is not None and not known:
                why = "the size of the image is not known, and label images are as large as it"
                found.append(DataError(why, sample=row["id"]))
        return found

    def write(self, batch: pa.RecordBatch, target: Target, cursor: Cursor) -> PartResult:
        del cursor
        losses: list[Loss] = []
        media, files = [], {}
        count = 0
        for row in batch.to_pylist():
            name = self._placed(row, losses)
            image, base = self.places(name)
            media.append((row["image"]["path"], image))
            for column in self._masks():
                if row[column] is not None:
                    files[f"{base}{ENDINGS[column]}"] = label_images.stored(
                        row[column], self.schema.media_root
                    )
            if self.field is None or row[self.field] is None:
                continue  # nobody has labelled it: it has no files
            objects = self._objects(row, losses)
            made = self._made(row, objects, losses)
            count += made.pop("count")
            files |= {
                f"{base}{ENDINGS[kind]}": body
                for kind, body in made.items()
                if f"{base}{ENDINGS[kind]}" not in files
            }
        target.write_many(list(files), list(files.values()))
        return PartResult(
            samples=len(batch), objects=count, losses=merged(losses), media=media, files=len(files)
        )

    def _made(self, row: dict[str, Any], objects: list[dict[str, Any]], losses: list[Loss]) -> dict[str, Any]:
        """The files of a sample's objects by their kind, and how many objects they show."""
        width, height = row["image"]["width"], row["image"]["height"]
        found: dict[str, Any] = {}
        if self.kind == "polygons":
            # What is painted follows from the polygons, so that it loses nothing more.
            drawn = [
                (item, ring)
                for item in objects
                if (ring := self._ring(item, width, height, row["id"], losses))
            ]
            found = {"polygons": self.document(row, objects, "", losses, drawn), "count": len(drawn)}
            objects, losses = [{**item, "mask": None, "polygons": [ring]} for item, ring in drawn], []
        if not width or not height:
            return found
        areas = self._areas(row["id"], objects, height, width, losses)
        pixels, over = label_images.paint(areas, height, width)
        why = "a pixel is of one object; a later one covers an earlier one"
        losses += [one_loss("mask.covered", f"{self.field}.mask", "change", why, row["id"]) for _ in over]
        left = len(set(np.unique(pixels).tolist()) - {0})
        gone = len({value for value, _ in areas}) - left
        losses += [self._left("object.covered", "later objects cover all of it", row["id"])] * gone
        classes = np.where(pixels >= EACH, pixels // EACH, pixels)
        if max(self.values, default=0) > MOST:
            classes, _ = label_images.paint(
                [(v // EACH if v >= EACH else v, w) for v, w in areas], height, width
            )
        else:
            found["instances"] = label_images.png(pixels)
        return {"count": left, **found, "mask": label_images.png(classes)}

    def _areas(
        self, sample: str, objects: list[dict[str, Any]], height: int, width: int, losses: list[Loss]
    ) -> list[tuple[int, np.ndarray]]:
        """The value and the pixels of each object."""
        table = self.feature.categories
        seen: Counter[int] = Counter()
        plain: set[int] = set()
        areas = []
        for item in objects:
            where = label_images.set_pixels(item, height, width)
            if where is None or not len(where):
                losses.append(self._left("geometry.missing", "an object needs pixels in the image", sample))
                continue
            self._changed(item, height, width, sample, losses)
            code = table.codes[item["category"]]
            value = number = self.values[code]
            if number < 0:
                losses.append(
                    self._left("class.unnumbered", f"pixels have no number for a {item['category']}", sample)
                )
                continue
            told = has_instances(table[code]) and not item.get("iscrowd") and number <= MOST
            if told and seen[number] < EACH and number * EACH + seen[number] <= label_images.HIGHEST:
                value = number * EACH + seen[number]
                seen[number] += 1
            elif number in plain:
                why = "the pixels of what has no instances, and of crowds, are one area a class"
                losses.append(self._left("object.merged", why, sample))
                losses.append(one_loss("mask.merged", f"{self.field}.mask", "change", why, sample))
            plain |= {value}
            areas.append((value, where))
        return areas

    def _left(self, code: str, why: str, sample: str) -> Loss:
        return one_loss(code, str(self.field), "object", why, sample)

    def _changed(
        self, item: dict[str, Any], height: int, width: int, sample: str, losses: list[Loss]
    ) -> None:
        painted(item, (height, width), self.field, sample, losses)
        if item.get("iscrowd") and not has_instances(
            self.feature.categories[self.feature.categories.codes[item["category"]]]
        ):
            why = "a class without instances has no crowds"
            losses.append(one_loss("crowd.dropped", f"{self.field}.iscrowd", "change", why, sample))

    def _ring(
        self, item: dict[str, Any], width: int | None, height: int | None, sample: str, losses: list[Loss]
    ) -> list[float] | None:
        """The one ring of an object; null, and reported, where it has none."""
        parts, mask = item.get("polygons") or [], item.get("mask")
        if len(parts) == 1 and len(parts[0]) >= 6:
            if mask is not None:
                why = "an object is its outline; the polygon is written"
                losses.append(one_loss("mask.dropped", f"{self.field}.mask", "value", why, sample))
            return list(parts[0])
        if parts:
            sides = [side for part in parts for side in part]
            size = (height or int(max(sides[1::2])) + 1, width or int(max(sides[::2])) + 1)
            joined = rings.from_polygons(parts, *size)
            member, code = "polygons", "polygon.joined"
        else:
            joined = None if mask is None else rings.from_mask(mask)
            member, code = "mask", "mask.outlined"
        if joined is None:
            losses.append(
                self._left("geometry.missing", "an object needs an outline of three points", sample)
            )
            return None
        why = "an object is one ring; parts and holes are joined by bridges of no width"
        losses.append(one_loss(code, f"{self.field}.{member}", "change", why, sample))
        flat: list[float] = joined.ring.ravel().tolist()
        return flat

    def document(
        self,
        row: dict[str, Any],
        objects: list[dict[str, Any]],
        image: str,
        losses: list[Loss],
        drawn: Sequence[tuple[dict[str, Any], list[float]]] = (),
    ) -> bytes:
        del image, losses, objects
        rest = msgspec.json.decode(row["cityscapes"]) if row.get("cityscapes") else {}
        gone = rest.pop("deleted", [])
        sizes = {"imgHeight": row["image"]["height"], "imgWidth": row["image"]["width"]}
        known = {key: value for key, value in sizes.items() if value is not None}
        made = [self._object(item, ring) for item, ring in drawn]
        return json_files.text({**rest, **known, "objects": [*made, *gone]}).encode()

    def _object(self, item: dict[str, Any], ring: list[float]) -> dict[str, Any]:
        group = "group" if item.get("iscrowd") else ""
        sides = [int(side) if side == int(side) else side for side in ring]
        found: dict[str, Any] = {"label": f"{item['category']}{group}"}
        if item.get("id") is not None:
            found["id"] = item["id"]
        found |= msgspec.json.decode(item["cityscapes"]) if item.get("cityscapes") else {}
        return {**found, "polygon": [list(pair) for pair in zip(sides[::2], sides[1::2], strict=True)]}

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        del results
        for split in self.schema.splits or (UNSPLIT,):
            target.mkdir(f"{IMAGES}{split}")
            target.mkdir(f"{TRUTH}{split}")
        if self._own:
            return 0
        names = dict(zip(map(str, self.values), self.feature.categories.values, strict=True))
        colours = label_images.colours_of(self.feature.categories, apart=False)
        nothing = {}
        if "0" not in names:
            nothing["0"] = UNLABELLED
            while nothing["0"] in self.feature.categories.codes:
                nothing["0"] += "_"
        meta: dict[str, Any] = {
            "label_map": {**nothing, **names},
            "segmentation_colors": mask_tables.by_number(
                [*map(int, nothing), *self.values], [*([0, 0, 0] for _ in nothing), *colours]
            ),
        }
        if nothing:
            meta["background_label"] = "0"
        if self.schema.splits:
            meta["splits"] = list(self.schema.splits)
        target.write(mask_tables.META, json_files.text(meta).encode())
        return 1
