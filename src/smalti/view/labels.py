"""Labels of the whole sample: label images as marks, classes and texts as lines."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from smalti.errors import DataError
from smalti.schema import features
from smalti.view.marks import NO_CLASS, Mark
from smalti.view.palette import colour
from smalti.view.picture import PIXELS_MOST, located
from smalti.view.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from smalti.schema.features import AnyFeature
    from smalti.schema.sample import Sample
    from smalti.storage.location import Location
    from smalti.view.marks import Look
    from smalti.view.picture import Picture

LONGEST_LINE = 600  # characters of a caption below a picture


def lines(sample: Sample, fields: Mapping[str, AnyFeature]) -> list[str]:
    """What stands below a picture: classes, captions, turns of a dialogue."""
    found: list[str] = []
    for name, feature in fields.items():
        value = sample[name]
        if value is None:
            continue
        if isinstance(feature, features.Captions):
            found += [_line(item["caption"] or "") for item in value]
        elif isinstance(feature, features.Conversation):
            found += [_line(f"{item['role'] or ''}: {item['text'] or ''}") for item in value]
        else:
            found.append(_line(f"{name}: {', '.join(_classes(value)) or 'none'}"))
    return found


def _classes(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    scored = [(item["category"], item["score"]) for item in value]
    return [str(name) if score is None else f"{name} {score:.2f}" for name, score in scored]


def _line(text: str) -> str:
    return one_line(text, LONGEST_LINE)


def marks(
    value: Mapping[str, Any], feature: Any, picture: Picture, look: Look, root: Location | None, sample: str
) -> list[Mark]:
    """A mark for each class of a label image, or each segment of a panoptic one.

    Raises:
        DataError: It cannot be read, or it is far too large.
        OptionError: It is not known where it is.
        OSError: It is not there.
    """
    pixels = _pixels(value, root, sample)
    found = []
    for number, name, shown in _areas(value, feature):
        mask = pixels == number
        if mask.any():
            rgb = NO_CLASS if name is None else colour(look.codes.get(name, len(look.codes)))
            label = one_line(shown or "") if look.labels else ""
            found.append(Mark(rgb=rgb, label=label, mask=picture.pixels(mask)))
    return found


def _areas(value: Mapping[str, Any], feature: Any) -> list[tuple[int, str | None, str | None]]:
    """The number of each area in the label image, its class, its name."""
    if isinstance(feature, features.Panoptic):
        return [
            (item["id"], item["category"], f"{item['category'] or ''}{' (crowd)' if item['iscrowd'] else ''}")
            for item in value["segments"] or ()
            if item["id"] is not None
        ]
    table = feature.categories
    numbers = (position if category.id is None else category.id for position, category in enumerate(table))
    return [
        (number, name, name)
        for number, name in zip(numbers, table.values, strict=True)
        if isinstance(number, int)
    ]


def _pixels(value: Mapping[str, Any], root: Location | None, sample: str) -> NDArray[np.int64]:
    """The numbers of a label image ``(height, width)``; of one in colours red + 256 green + 65,536 blue (COCO)."""
    from PIL import Image as PilImage

    path = value["path"] or ""
    body = value["bytes"] or located(path, root, sample, fetch=True).read_bytes()
    named = {"file": path or sample, "sample": sample}
    try:
        with PilImage.open(io.BytesIO(body)) as image:
            if image.width * image.height > PIXELS_MOST:
                raise DataError("a label image is too large to be drawn", **named)
            values = np.array(image.convert("RGB") if image.mode == "RGBA" else image).astype(np.int64)
    except (OSError, ValueError, SyntaxError, PilImage.DecompressionBombError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"cannot be read as a label image: {error}", **named) from error
    return values if values.ndim == 2 else values[..., :3] @ np.array([1, 256, 65_536])
