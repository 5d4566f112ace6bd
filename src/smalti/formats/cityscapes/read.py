"""Read Cityscapes: polygons, or the instances of label images; label images stay where they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from smalti.errors import DataError, EmptySourceError, at
from smalti.formats import json_files, label_images, mask_tables
from smalti.formats.cityscapes.labels import (
    DENSE,
    EACH,
    OFFICIAL,
    TRAINED,
    UNLABELLED,
    has_instances,
    official,
)
from smalti.formats.cityscapes.options import CityscapesOptions
from smalti.formats.documents import Document, DocumentReader, Found, Parsed, used_splits
from smalti.formats.free_names import stem_of
from smalti.schema import features
from smalti.schema.categories import Categories
from smalti.storage.media import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterable

IMAGES, PICTURE = "leftImg8bit/", "_leftImg8bit"
TRUTHS = {"gtFine/": "_gtFine_", "gtCoarse/": "_gtCoarse_"}  # the better first
ENDINGS = {
    "polygons": "polygons.json",
    "instances": "instanceIds.png",
    "mask": "labelIds.png",
    "train_mask": "labelTrainIds.png",
}
UNSPLIT = "default"  # the folder of images without a split, and of those without a city
OBJECT_KEYS = {"label", "polygon", "id"}


@dataclass(frozen=True, slots=True)
class Files:
    """What labels an image: paths below the root, by the keys of `ENDINGS`."""

    paths: dict[str, str]


class CityscapesReader(DocumentReader[CityscapesOptions]):
    """Reads gtFine, and gtCoarse for the images that gtFine does not have."""

    attributes: ClassVar = {"cityscapes": features.Json()}
    columns: ClassVar = {
        "cityscapes": features.Json(),
        "train_mask": features.Mask(categories=TRAINED),
    }

    _known: Categories = OFFICIAL

    def find(self) -> Found:
        media = self.media or self.root
        truths = _truths(self.root.find((".json", ".png")))
        images = (
            [path for path in media.find(IMAGE_SUFFIXES) if path.startswith(IMAGES)] if media.exists() else []
        )
        if not truths and not images:
            raise EmptySourceError(
                f"{self.root.url}: looked for gtFine/ and gtCoarse/ beside leftImg8bit/, and found none"
            )
        dense = self._classes()
        documents = []
        for path in images:
            stem = stem_of(path)[len(IMAGES) :].removesuffix(PICTURE)
            documents.append(self._document(stem, path, truths.pop(stem, {})))
        documents += [
            self._document(stem, f"{IMAGES}{stem}{PICTURE}.png", paths)
            for stem, paths in sorted(truths.items())
        ]
        splits = used_splits(documents)
        known = mask_tables.splits(self.root)
        return Found(
            documents=documents,
            media=media,
            categories=self._known,
            columns={"mask": features.Mask(categories=dense)},
            splits=tuple(dict.fromkeys([*known, *splits])),
        )

    def _classes(self) -> Categories:
        """The classes of label images: Cityscapes' own, or those of a dataset_meta.json."""
        if not (self.root / mask_tables.META).isfile():
            return DENSE
        own = mask_tables.table(self.root, [mask_tables.META]) or Categories()
        classes = [c for c in own if not c.attributes.get(mask_tables.BACKGROUND)]
        self._known = Categories(tuple(map(official, classes)))
        return Categories(tuple(map(official, own)))

    def _document(self, stem: str, image: str, paths: dict[str, str]) -> Document:
        split, _, rest = stem.partition("/")
        suffix = image[len(stem_of(image)) :]
        return Document(
            path=next(iter(paths.values()), None),
            image=image,
            split=None if split == UNSPLIT else split,
            name=f"{rest.removeprefix(f'{UNSPLIT}/')}{suffix}",
            payload=Files(paths) if paths else None,
        )

    def parse(self, body: bytes, document: Document) -> Parsed:
        del body  # a sample has several files
        paths: dict[str, str] = document.payload.paths
        image = str(document.image)
        kind = self.options.objects or ("polygons" if "polygons" in paths else "instances")
        found = Parsed(image=image)
        if kind in paths:
            place = self.root / paths[kind]
            with at(file=place.url):
                body = place.read_bytes()
                found = self._polygons(body, image) if kind == "polygons" else self._instances(body, image)
        for name in ("mask", "train_mask"):
            if name in paths:
                found.columns[name] = self._label(paths[name])
        return found

    def _label(self, path: str) -> dict[str, Any]:
        place = self.root / path
        with at(file=place.url):
            if self.media is not None:
                return {"path": path, "bytes": place.read_bytes()}
            with place.open() as file:
                if label_images.png_type(file.read(32)) is None:
                    raise DataError("found no PNG")
        return {"path": path, "bytes": None}

    def _polygons(self, body: bytes, image: str) -> Parsed:
        whole = json_files.parse(body, dict)
        items = json_files.of(whole.get("objects"), list, "objects")
        there = [item for item in items if not (isinstance(item, dict) and item.get("deleted"))]
        gone = [item for item in items if isinstance(item, dict) and item.get("deleted")]
        objects, faults = self.each(there, self._object, "$.objects")
        rest = {key: value for key, value in whole.items() if key not in {"imgWidth", "imgHeight", "objects"}}
        rest |= {"deleted": gone} if gone else {}
        return Parsed(
            image=image,
            width=json_files.pixels(whole.get("imgWidth"), "imgWidth"),
            height=json_files.pixels(whole.get("imgHeight"), "imgHeight"),
            objects=objects,
            columns={"cityscapes": json_files.text(rest)} if rest else {},
            faults=faults,
        )

    def _object(self, item: Any) -> dict[str, Any]:
        json_files.of(item, dict, "the object")
        name = json_files.of(item.get("label"), str, "label")
        crowd = name.endswith("group") and name not in self._known.codes
        base = name.removesuffix("group")
        crowd = crowd and base in self._known.codes
        found: dict[str, Any] = {
            "category": base if crowd else name,
            "polygons": [_ring(item.get("polygon"))],
            "iscrowd": crowd,
        }
        number = item.get("id")
        if isinstance(number, int) and not isinstance(number, bool) and abs(number) < 2**53:
            found["id"] = number
        if rest := {key: value for key, value in item.items() if key not in OBJECT_KEYS}:
            found["cityscapes"] = json_files.text(rest)
        return found

    def _instances(self, body: bytes, image: str) -> Parsed:
        pixels = label_images.numbers(body)
        codes = {category.id: category for category in self._known if category.id != -1}
        objects = []
        parts = label_images.segments(pixels)
        for n, value in enumerate(parts.values.tolist()):
            number = value // EACH if value >= EACH else value
            category = codes.get(number)
            if number == 0 and (category is None or category.name == UNLABELLED):
                continue
            if category is None:
                raise DataError(f"found the value {value}, whose class {number} is none of {len(codes)}")
            objects.append(
                {
                    "category": category.name,
                    "bbox": parts.boxes[n].tolist(),
                    "mask": label_images.mask_of(parts.counts[n], pixels.shape),
                    "area": float(parts.areas[n]),
                    "iscrowd": value < EACH and has_instances(category),
                }
            )
        return Parsed(image=image, width=pixels.shape[1], height=pixels.shape[0], objects=objects)


def _truths(paths: Iterable[str]) -> dict[str, dict[str, str]]:
    """The files of each image, by its path below leftImg8bit without suffix; of one truth alone."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for path in paths:
        for folder, tag in TRUTHS.items():
            if not path.startswith(folder):
                continue
            for kind, ending in ENDINGS.items():
                if path.endswith(f"{tag}{ending}"):
                    stem = path[len(folder) : -len(f"{tag}{ending}")]
                    found.setdefault(stem, {}).setdefault(folder, {})[kind] = path
    return {
        stem: next(truth[folder] for folder in TRUTHS if folder in truth) for stem, truth in found.items()
    }


def _ring(value: Any) -> list[float]:
    points = json_files.of(value, list, "polygon")
    flat = []
    for place, point in enumerate(points):
        if len(json_files.of(point, list, f"polygon[{place}]")) != 2:
            raise DataError(f"polygon[{place}]: found {len(point)} numbers, expected x and y")
        flat += [json_files.number(side, f"polygon[{place}]") for side in point]
    if len(points) < 3:
        raise DataError(f"polygon: found {len(points)} points, expected 3 at least")
    return np.array(flat, np.float64).tolist()
