"""Write MOTS: rows of run lengths a sequence, or a label image a frame; no two masks have a pixel in common."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import OptionError
from smalti.formats import label_images, seqinfo
from smalti.formats.document_writer import CLASSES, class_list, one_loss, painted
from smalti.formats.free_names import stem_of
from smalti.formats.mots.options import ATTRIBUTES, EACH, IGNORED, OFFICIAL, PIXELS, TRUTH, MotsOptions
from smalti.formats.report import Loss, merged
from smalti.formats.seqinfo import INFO, PICTURES
from smalti.formats.sequence_writer import ClipEnd, Key, Lines, SequenceWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from smalti.formats.protocol import Cursor, PartResult
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target

UNSPLIT = "default"
INVENTED = 1_000_000_000  # ids of objects without a track begin here
HIGHEST_CLASS = 64  # whose objects 16 bits hold


class MotsWriter(SequenceWriter[MotsOptions]):
    """Writes MOTSChallenge's layout, or that of CVAT and Datumaro."""

    title: ClassVar = "MOTS"
    first = 1
    comma: ClassVar = " "
    roles: ClassVar = {"objects": frozenset({"category", "mask", "polygons", "track_id", *ATTRIBUTES})}
    held_attributes: ClassVar = ATTRIBUTES
    reasons: ClassVar = {
        "id": "rows have no ids but those of tracks",
        "bbox": "the box is that of the mask",
        "area": "the area is that of the mask",
        "score": "MOTS has no scores",
        "track_id": "the track ids are text, and rows hold numbers",
    }

    def __init__(self, schema: Schema, options: MotsOptions, single_file: str | None = None) -> None:
        super().__init__(schema, options, single_file)
        self.first = 0 if options.masks == "png" else 1
        names = self.feature.categories.values
        self.official = all(name in OFFICIAL for name in names)
        self.names = OFFICIAL if self.official else names
        self.numbers = {name: 1 + self.names.index(name) for name in names}
        if options.masks == "png" and len(names) > HIGHEST_CLASS:
            raise OptionError(
                f"label images have room for {HIGHEST_CLASS} classes, and there are {len(names)}"
            )
        self.owners: dict[tuple[Key, int], object] = {}  # the track that has an id in a sequence
        self.ids: dict[tuple[Key, int, object], int] = {}
        self.invented = INVENTED
        self.keys: list[Key] = []
        self.pixels: list[bytes | None] = []  # of the part at hand

    def image_place(self, key: Key, name: str) -> str:
        if self.options.masks == "png":
            return f"{_split(key)}images/{_clip(key)}{name}"
        return f"{_base(key)}{PICTURES}/{name}"

    def label_place(self, key: Key, role: str) -> str:
        del role  # there is one
        return f"{_base(key)}{TRUTH}"

    def losses(self) -> list[Loss]:
        found = super().losses()
        plain = all(
            category.id in {None, self.numbers[name]}
            for name, category in zip(self.feature.categories.values, self.feature.categories, strict=True)
        )
        found = [loss for loss in found if not (plain and loss.code == "category.id")]
        if self.official and self.feature.categories.values != OFFICIAL and len(self.feature.categories):
            why = "classes are numbered as the benchmark does it: car, pedestrian"
            found.append(one_loss("category.order", "categories", "change", why, self.names[0]))
        return found

    def lacking(self, objects: pa.StructArray, role: str) -> list[tuple[str, str, NDArray[np.bool_]]]:
        del role  # there is one
        none = np.ones(len(objects), bool)
        members = {field.name for field in objects.type}
        for name in {"mask", "polygons"} & members:
            none &= np.asarray(pc.is_null(objects.field(name)))
        bare = np.ones(len(objects), bool)
        if "category" in members:
            bare = np.asarray(pc.is_null(objects.field("category")))
        if "ignored" in members:
            bare &= ~np.asarray(pc.fill_null(objects.field("ignored"), fill_value=False))
        return [
            ("category.missing", "an object needs a category, or is ignored", bare),
            ("geometry.missing", "an object needs a mask or polygons", none),
        ]

    def lines(self, objects: pa.StructArray, role: str) -> pa.Array:
        del role  # rows are made sample by sample, as masks may not overlap
        return pa.array([""] * len(objects), pa.string())

    def write(self, batch: pa.RecordBatch, target: Target, cursor: Cursor) -> PartResult:
        self.pixels = []
        result = super().write(batch, target, cursor)
        if self.options.masks == "txt":
            return result
        piece = result.payload
        files = {
            f"{_split(key)}{PIXELS}{_clip(key)}{stem_of(name)}.png": body
            for key, name, body in zip(piece.keys, piece.names, self.pixels, strict=True)
            if body is not None
        } if self.pixels else {}  # fmt: skip
        target.write_many(list(files), list(files.values()))
        return replace(result, files=len(files))

    def _named(self, batch: pa.RecordBatch, losses: list[Loss]) -> tuple[list[Key], list[str]]:
        self.keys, names = super()._named(batch, losses)
        return self.keys, names

    def _lines(self, batch: pa.RecordBatch, role: str, losses: list[Loss]) -> Lines:
        whole = super()._lines(batch, role, losses)  # which reports what cannot be written at all
        found: list[Loss] = []
        text: list[str] = []
        lengths = np.zeros(len(batch), np.int64)
        for row, sample in enumerate(batch.to_pylist()):
            given = sample[self.columns[role]]
            rows = [] if given is None else self._sample(self.keys[row], sample, given, found)
            lengths[row] = len(rows)
            text += rows
            if given is None:
                self.pixels.append(None)
        losses += merged(found)
        return Lines(pa.array(text, pa.string()), lengths, whole.missing)

    def _sample(
        self, key: Key, sample: dict[str, Any], given: list[dict[str, Any]], losses: list[Loss]
    ) -> list[str]:
        """The rows of a sample, or of its label image what they count."""
        field = self.columns["objects"]
        height, width = _size(sample, given)
        areas: list[tuple[int, NDArray[np.int64]]] = []
        classes: dict[int, int] = {}
        for item in given:
            ignored = bool(item.get("ignored"))
            if item.get("category") is None and not ignored:
                continue  # reported as a whole
            where = label_images.set_pixels(item, height, width) if height and width else None
            if where is None or not len(where):
                if item.get("mask") is not None or item.get("polygons") is not None:
                    why = "an object needs pixels in the image"
                    losses.append(one_loss("geometry.missing", field, "object", why, sample["id"]))
                continue
            self._changed(item, (height, width), sample["id"], losses)
            class_ = IGNORED if ignored else self.numbers[item["category"]]
            value = (
                IGNORED * EACH if ignored else self._id(key, class_, item, set(classes), sample["id"], losses)
            )
            if value in classes:
                why = "what is ignored is one area of a frame"
                losses.append(one_loss("object.merged", field, "object", why, sample["id"]))
                losses.append(one_loss("mask.merged", f"{field}.mask", "change", why, sample["id"]))
            classes[value] = class_
            areas.append((value, where))
        return self._rows_of(areas, classes, (height, width), sample["id"], losses)

    def _rows_of(
        self,
        areas: list[tuple[int, NDArray[np.int64]]],
        classes: dict[int, int],
        size: tuple[int, int],
        sample: str,
        losses: list[Loss],
    ) -> list[str]:
        """The rows of areas that are cut so that later ones cover earlier ones."""
        field = self.columns["objects"]
        places = {value: n for n, value in enumerate(classes, 1)}
        pixels, over = label_images.paint([(places[value], where) for value, where in areas], *size)
        why = "a pixel is of one object; a later one covers an earlier one"
        losses += [one_loss("mask.covered", f"{field}.mask", "change", why, sample) for _ in over]
        parts = label_images.segments(pixels)
        counts = dict(zip(parts.values.tolist(), parts.counts, strict=True))
        gone = [place for place in places.values() if place not in counts]
        why = "later objects cover all of it"
        losses += [one_loss("object.covered", field, "object", why, sample) for _ in gone]
        kept = [(value, place) for value, place in places.items() if place in counts]
        if self.options.masks == "png":
            table = np.zeros(len(places) + 1, np.int64)
            table[list(places.values())] = list(places)
            self.pixels.append(label_images.png(table[pixels]) if all(size) else None)
        return [
            f"{value} {classes[value]} {size[0]} {size[1]} {counts[place].decode()}" for value, place in kept
        ]

    def _id(
        self, key: Key, class_: int, item: dict[str, Any], used: set[int], sample: str, losses: list[Loss]
    ) -> int:
        """The id of an object: that of its track where that can be, else one that is free in the sequence."""
        track = item.get("track_id")
        own = None if track is None or track < 0 else track
        field = f"{self.columns['objects']}.track_id"
        if own is None:
            value = self._free(key, class_)
            why = "every object has a track; one without gets one of its own"
            losses.append(one_loss("track.invented", field, "change", why, sample))
            return value
        known = self.ids.get((key, class_, own))
        if known is not None and known not in used:
            value = known
        elif (
            known is None
            and self._fits(own, class_)
            and self.owners.get((key, own)) is None
            and own not in used
        ):
            value = own
        else:
            value = self._free(key, class_)
        if known is None:
            self.ids[key, class_, own] = value
            self.owners[key, value] = own
        if value != own:
            why = "an id is 1000 * class + number in a label image, and is there once in a frame"
            losses.append(one_loss("track.renumbered", field, "change", why, sample))
        return value

    def _fits(self, value: int, class_: int) -> bool:
        if self.options.masks == "txt":
            return value != IGNORED * EACH
        return value // EACH == class_ and value != IGNORED * EACH

    def _free(self, key: Key, class_: int) -> int:
        """An id that no track of the sequence has."""
        if self.options.masks == "txt":
            self.invented += 1
            return self.invented
        numbers = range(class_ * EACH + EACH - 1, class_ * EACH, -1)
        value = next((n for n in numbers if (key, n) not in self.owners), class_ * EACH + 1)
        self.owners[key, value] = object()
        return value

    def _changed(self, item: dict[str, Any], size: tuple[int, int], sample: str, losses: list[Loss]) -> None:
        field = self.columns["objects"]
        painted(item, size, field, sample, losses)
        if item.get("ignored"):
            why = "what is ignored has neither class nor track"
            names = [name for name in ("category", "track_id") if item.get(name) is not None]
            losses += [one_loss("ignored.bare", f"{field}.{name}", "value", why, sample) for name in names]

    def _write(
        self,
        target: Target,
        role: str,
        keys: list[Key],
        order: dict[Key, list[int]],
        lines: Lines,
        numbers: NDArray[np.int64],
    ) -> int:
        if self.options.masks == "png":
            return 0  # the label images are there
        return super()._write(target, role, keys, order, lines, numbers)

    def finish_clip(self, target: Target, clip: ClipEnd) -> int:
        if self.options.masks == "png":
            return 0
        base = _base(clip.key)
        rates = self.schema.extra.get("mot", {}).get("frameRate", {})
        target.write(f"{base}{INFO}", seqinfo.body(clip, rates.get(base[:-1])))
        if self.official:
            return 1
        target.write(f"{base}gt/{CLASSES}", class_list(self.feature.categories))
        return 2

    def finish_all(self, target: Target) -> int:
        if self.options.masks == "txt":
            for split in self.schema.splits:
                target.mkdir(split)
            return 0
        folders = {_split((split, "")) for split in self.schema.splits} | {
            _split(key) for key in {key for key, _ in self.taken}
        }
        for folder in folders:
            target.mkdir(f"{folder}images")
            target.mkdir(f"{folder}{PIXELS[:-1]}")
            # Datumaro counts MOTS' own classes from another number, so that it needs the list of these, too.
            target.write(f"{folder}{PIXELS}{CLASSES}", "".join(f"{name}\n" for name in self.names).encode())
        return len(folders)


def _base(key: Key) -> str:
    return "".join(f"{part}/" for part in key if part)


def _split(key: Key) -> str:
    return f"{key[0]}/" if key[0] else ""


def _clip(key: Key) -> str:
    return f"{key[1]}/" if key[1] else ""


def _size(sample: dict[str, Any], objects: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """Height and width of a sample, those of a mask where it does not say; 0 where nothing does."""
    for item in (sample["image"], *(item.get("mask") for item in objects)):
        if item and item["height"] and item["width"]:
            return item["height"], item["width"]
    return 0, 0
