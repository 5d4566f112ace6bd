"""A contact sheet of a dataset: some of its pictures with their labels drawn on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smalti.errors import OptionError
from smalti.storage.location import Location
from smalti.storage.staging import staged_file
from smalti.view.paper import contact_sheet
from smalti.view.scene import draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow.compute as pc
    from PIL.Image import Image

    from smalti.dataset.dataset import Dataset
    from smalti.schema.sample import Sample

PICTURES = 12
CELL = (320, 240)


def draw_sample(sample: Sample, root: Location | None, field: str | None = "objects") -> Image:
    """The sample's picture, upright, with everything of a label field drawn on it.

    Args:
        sample: A sample of a dataset.
        root: Where its image lies.
        field: The label field; null: all.

    Raises:
        OSError: The picture cannot be read.
    """
    return draw(sample, field, media=root)


def sheet(
    dataset: Dataset,
    n: int = 16,
    where: pc.Expression | None = None,
    field: str | Sequence[str] | None = None,
    **options: Any,
) -> Image:
    """Pictures of a dataset, evenly over it, with their labels.

    Args:
        dataset: A dataset whose images are at hand.
        n: How many at the most.
        where: Only samples for which this holds.
        field: The label fields that are drawn; null: all.
        **options: ``labels``, ``boxes``, ``colours``, ``media``, as of `smalti.view.scene.draw`.

    Raises:
        OptionError: It is not known where the images are, or `n` is not positive.
        OSError: An image is not there.
    """
    if n < 1:
        raise OptionError(f"n={n}: expected at least one picture")
    chosen = (dataset if where is None else dataset.filter(where)).glance(n)
    drawn, captions = [], []
    for sample in chosen:
        drawn.append(draw(sample, field, size=CELL, least=max(CELL) // 2, **options))
        captions.append(f"{sample.split}/{sample.id}" if sample.split else sample.id)
    return contact_sheet(drawn, captions, cell=CELL)


def save_sheet(dataset: Dataset, target: str, pictures: int = PICTURES) -> None:
    """Draw pictures of a dataset, evenly over it, to one image file.

    Args:
        dataset: A dataset whose images are at hand.
        target: The file; its suffix tells the image format.
        pictures: How many at the most.

    Raises:
        OptionError: It is not known where the images are.
    """
    save(sheet(dataset, pictures), target)


def save(picture: Image, target: str) -> None:
    """Write a picture to a file that its suffix tells the format of; it is there as a whole, or not.

    Raises:
        OptionError: No picture has that suffix.
    """
    from PIL import Image as PilImage

    place = Location.parse(target)
    suffix = place.suffix.lower() or ".png"
    if suffix not in PilImage.registered_extensions():
        raise OptionError(f"{target}: *{suffix} is no picture; *.png and *.jpg are")
    with staged_file(place, overwrite=True) as stage, stage.open("wb") as file:
        picture.save(file, format=PilImage.registered_extensions()[suffix])
