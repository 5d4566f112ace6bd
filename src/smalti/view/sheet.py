"""A contact sheet of a dataset: its first pictures with their labels drawn on them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from smalti.errors import OptionError
from smalti.geometry import outline, rle
from smalti.schema import features
from smalti.storage.location import Location
from smalti.storage.staging import staged_file
from smalti.view.draw import contact_sheet, draw_objects, upright

if TYPE_CHECKING:
    from smalti.dataset.dataset import Dataset
    from smalti.schema.objects import Objects
    from smalti.schema.sample import Sample

PICTURES = 12


def draw_sample(sample: Sample, root: Location, field: str = "objects") -> Any:
    """The sample's picture, upright, with everything of a label field drawn on it.

    Args:
        sample: A sample of a dataset.
        root: Where its image lies.
        field: The label field.

    Raises:
        OSError: The picture cannot be read.
    """
    from PIL import Image

    place = root / (sample.image.path or sample.id)
    with Image.open(io.BytesIO(place.read_bytes())) as opened:
        picture = upright(opened)
    objects: Objects | None = sample[field]
    if objects is None or not len(objects):
        return picture
    members = objects.feature.members
    bones = [(objects.feature.categories[c].skeleton or ()) if c >= 0 else () for c in objects.category]
    outlines = _outlines(objects)
    return draw_objects(
        picture,
        codes=objects.category.tolist(),
        names=objects.names,
        boxes=_boxes(objects, outlines) if "bbox" in members else None,
        outlines=outlines,
        keypoints=objects.keypoints if "keypoints" in members else None,
        skeletons=bones,
    )


def _boxes(objects: Objects, outlines: list[Any]) -> np.ndarray:
    """The boxes of objects that have nothing finer to show."""
    boxes = objects.bbox.copy()
    boxes[[bool(rings) for rings in outlines]] = np.nan
    return boxes


def _outlines(objects: Objects) -> list[list[np.ndarray] | None]:
    """The rings of each object, from its polygons, its mask or its oriented box."""
    found: list[list[np.ndarray] | None] = [None] * len(objects)
    if "polygons" in objects.feature.members:
        found = list(objects.polygons)
    if "mask" in objects.feature.members:
        for index, mask in enumerate(objects.arrow("mask").to_pylist()):
            if mask is not None:
                runs, _ = rle.decode_counts([mask["counts"]])
                coords, bounds, _ = outline.runs_to_polygons(runs, mask["height"], mask["width"])
                found[index] = [ring.reshape(-1, 2) for ring in np.split(coords, bounds[1:-1])]
    if "quad" in objects.feature.members:
        for index, quad in enumerate(objects.arrow("quad").to_pylist()):
            if quad is not None:
                found[index] = [np.array(quad).reshape(4, 2)]
    return found


def save_sheet(dataset: Dataset, target: str, pictures: int = PICTURES) -> None:
    """Draw the first pictures of a dataset, evenly over it, to one image file.

    Args:
        dataset: A dataset whose images are at hand.
        target: The file; its suffix tells the image format.
        pictures: How many at the most.

    Raises:
        OptionError: It is not known where the images are.
    """
    if dataset.schema.media_root is None:
        raise OptionError("a picture needs the images: read the dataset with media=")
    root = Location.parse(dataset.schema.media_root)
    fields = dataset.schema.of_kind(features.Objects)
    count = min(pictures, len(dataset))
    chosen = dataset.take(np.linspace(0, len(dataset) - 1, count).round().astype(int))
    drawn, captions = [], []
    for sample in chosen:
        drawn.append(draw_sample(sample, root, fields[0]) if fields else draw_sample(sample, root))
        captions.append(f"{sample.split}/{sample.id}" if sample.split else sample.id)
    sheet = contact_sheet(drawn, captions)
    place = Location.parse(target)
    with staged_file(place, overwrite=True) as stage, stage.open("wb") as file:
        sheet.save(file, format=(place.suffix[1:] or "png").replace("jpg", "jpeg"))
