"""VOC's label images: SegmentationClass, whose pixels are classes, and SegmentationObject, whose pixels are objects.

https://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html, "Segmentation": a pixel of an object is its place,
from 1, among the objects of the annotation; 0 is background, 255 the void around objects. Files have a palette; CVAT and
Datumaro write the same in colours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from smalti.errors import DataError
from smalti.formats import label_images, mask_tables
from smalti.schema.categories import Categories, Category

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from smalti.storage.location import Location

VOID = 255
VOID_COLOUR = (224, 224, 192)
NAMES = "class_id_to_name.json"
LABEL_MAP = "labelmap.txt"
OFFICIAL = ("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
            "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
            "tvmonitor")  # fmt: skip


def table(root: Location, listed: Categories) -> Categories:
    """The classes of the pixels of SegmentationClass.

    Args:
        root: The folder of the dataset.
        listed: The classes of a labels.txt, which are numbered from 1; without any they are VOC's own.
    """
    colours = label_images.voc_colours()
    for name in (NAMES, LABEL_MAP):
        found = mask_tables.table(root, [name]) if (root / name).isfile() else None
        if found is not None:
            return Categories(tuple(_numbered(found, colours)))
    names = ("background", *listed.values) if len(listed) else OFFICIAL
    plain = Categories.of(names)
    return Categories(tuple(_numbered(plain, colours)))


def _numbered(classes: Categories, colours: NDArray[np.uint8]) -> list[Category]:
    values = label_images.values_of(classes)
    return [
        category.model_copy(
            update={"id": value, "color": category.color or label_images.as_hex(colours[value % 256])}
        )
        for category, value in zip(classes, values, strict=True)
        if value != VOID
    ]


def class_numbers(body: bytes, classes: Categories) -> NDArray[Any]:
    """The classes of a label image's pixels."""
    pixels = label_images.pixels(body)
    if pixels.ndim == 2:
        return pixels
    known = [label_images.from_hex(category.color) or (0, 0, 0) for category in classes]
    return label_images.by_colour(pixels, [*known, VOID_COLOUR], [*label_images.values_of(classes), VOID])


def object_numbers(body: bytes) -> NDArray[Any]:
    """The objects of a label image's pixels."""
    pixels = label_images.pixels(body)
    if pixels.ndim == 2:
        return pixels
    colours = label_images.voc_colours()[:VOID].tolist()
    return label_images.by_colour(pixels, [*colours, VOID_COLOUR], range(VOID + 1))


def add_masks(
    objects: list[dict[str, Any]], pixels: NDArray[Any], classes: NDArray[Any] | None, table_: Categories
) -> None:
    """Give objects the areas of their numbers; what the annotation does not have becomes an object of its own.

    Args:
        objects: Those of the annotation, in its order; changed in place.
        pixels: ``(height, width)``, numbers of objects.
        classes: The same of classes; null: there is no such file.
        table_: The classes of those.

    Raises:
        DataError: The two label images differ in their size.
    """
    if classes is not None and classes.shape != pixels.shape:
        raise DataError(
            f"found {pixels.shape[1]} x {pixels.shape[0]} pixels, and {classes.shape[1]} x {classes.shape[0]} of classes"
        )
    names = {category.id: value for category, value in zip(table_, table_.values, strict=True)}
    parts = label_images.segments(pixels)
    listed = len(objects)
    for n, value in enumerate(parts.values.tolist()):
        if value in {0, VOID}:
            continue
        mask = label_images.mask_of(parts.counts[n], pixels.shape)
        place = value - 1 if value < VOID else value - 2
        if place < listed:
            objects[place]["mask"] = mask
            continue
        made: dict[str, Any] = {"bbox": parts.boxes[n].tolist(), "mask": mask}
        if classes is not None:
            found, counts = np.unique(classes[pixels == value], return_counts=True)
            name = names.get(int(found[counts.argmax()]))
            made |= {} if name is None else {"category": name}
        objects.append(made)


def number(place: int) -> int:
    """The pixels' number of what is at a place of a list: from 1, without that of the void."""
    return place + 1 if place + 1 < VOID else place + 2


def numbers(classes: Categories) -> list[int]:
    """The pixels' numbers of the classes of objects: VOC's own where all of them are, else their places."""
    own = {name: n for n, name in enumerate(OFFICIAL)}
    if all(own.get(name) for name in classes.values):
        return [own[name] for name in classes.values]
    return [number(place) for place in range(len(classes))]


def label_map(classes: Categories) -> bytes | None:
    """labelmap.txt, in which CVAT and Datumaro look for classes that are not VOC's; null where it can or need not be.

    https://docs.cvat.ai/docs/manual/advanced/formats/format-voc/: ``name:red,green,blue:parts:actions`` a line; without
    colours they are VOC's by the number of the line from 0, the background's.
    """
    names = ["background", *classes.values]
    plain = all(name == name.strip() and name[:1] not in {"", "#"} and ":" not in name for name in names)
    if set(names) <= set(OFFICIAL) or not plain or len(set(names)) < len(names):
        return None
    if any(len(name.splitlines()) > 1 for name in names):
        return None
    return "".join(f"{name}:::\n" for name in names).encode()
