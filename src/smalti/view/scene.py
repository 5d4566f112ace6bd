"""The picture of a sample with all of its labels: its fields as marks, its classes and texts below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smalti.errors import OptionError, SchemaError, listed
from smalti.schema import features
from smalti.schema.objects import Objects
from smalti.storage.location import Location
from smalti.view import labels as label_fields
from smalti.view.draw import draw_marks, text_size
from smalti.view.marks import Look, class_codes, marks, tails
from smalti.view.paper import below, heading, row
from smalti.view.picture import Picture, opened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from PIL.Image import Image

    from smalti.schema.features import AnyFeature
    from smalti.schema.sample import Sample
    from smalti.view.marks import By, Mark

    Place = str | PathLike[str] | Location

DRAWN = (features.Objects, features.Mask, features.Panoptic)
TOLD = (features.Classification, features.Captions, features.Conversation)


def draw(
    sample: Sample,
    fields: str | Sequence[str] | None = None,
    *,
    media: Place | None = None,
    size: int | tuple[int, int] | None = None,
    least: int = 1,
    labels: bool = True,
    beside: bool = False,
    boxes: bool | None = None,
    colours: By = "class",
    history: Sequence[Sample] = (),
    fetch: bool = True,
) -> Image:
    """The picture of a sample, upright, with its labels drawn on it.

    Args:
        sample: A row of a dataset, or a sample of its own.
        fields: Label fields; null: all. The first with objects is drawn in full, further ones dashed over it.
        media: Where paths are relative to; null: what its dataset says.
        size: The longer side, or width and height, become at most so many pixels; null: as it is.
        least: A picture whose longer side has fewer pixels is enlarged by a whole number.
        labels: Whether names stand beside objects, and classes and texts of the sample below the picture.
        beside: Draw each field on a picture of its own, side by side.
        boxes: Whether boxes are drawn; null: of objects that have nothing finer to show.
        colours: What colours tell apart: ``class`` or ``track``.
        history: The frames before, oldest first: tracks get tails through them.
        fetch: Whether pictures of other machines are fetched.

    Returns:
        In RGB. Without `beside`, and without labels of the whole sample, as large as the picture.

    Raises:
        SchemaError: There is no such field, or it cannot be drawn.
        OptionError: It is not known where the picture is, or `colours` is neither.
        DataError: It cannot be read as a picture, or its labels are broken.
        OSError: It is not there.
    """
    if colours not in {"class", "track"}:
        raise OptionError(f"colours={colours!r}: expected 'class' or 'track'")
    known = fields_of(sample)
    chosen = _chosen(known, fields)
    root = root_of(sample, media)
    picture = opened(sample, root, size=size, least=least, fetch=fetch)
    codes = class_codes(
        feature.categories.values for feature in known.values() if hasattr(feature, "categories")
    )
    drawn = [name for name in chosen if isinstance(known[name], DRAWN)]
    objects = [name for name in drawn if isinstance(known[name], features.Objects)]
    ways = tails(history, sample, objects) if history else {}
    layers: dict[str, list[Mark]] = {}
    for name in drawn:
        second = name in objects[1:] and not beside
        look = Look(codes=codes, labels=labels, boxes=boxes, by=colours, tails=ways, second=second)
        layers[name] = _layer(sample, name, known[name], picture, look, root)
    if beside and len(layers) > 1:
        made = row([heading(draw_marks(picture.image, found), name) for name, found in layers.items()])
    else:
        made = draw_marks(picture.image, [mark for found in layers.values() for mark in found])
    lines = _said(sample, {name: known[name] for name in chosen}, layers, beside=beside) if labels else []
    return below(made, lines, text_size(made.size)) if lines else made


def fields_of(sample: Sample) -> dict[str, AnyFeature]:
    """The label fields of a sample and what they mean; of one without a dataset those with objects."""
    if sample.dataset_schema is not None:
        columns: Mapping[str, AnyFeature] = sample.dataset_schema.columns
        return {name: feature for name, feature in columns.items() if isinstance(feature, DRAWN + TOLD)}
    given = {"objects": sample.objects, **sample.columns}
    return {name: value.feature for name, value in given.items() if isinstance(value, Objects)}


def root_of(sample: Sample, media: Place | None) -> Location | None:
    """Where the paths of a sample are relative to; null while unknown."""
    schema = sample.dataset_schema
    place = media if media is not None or schema is None else schema.media_root
    return None if place is None else Location.parse(place)


def _chosen(known: Mapping[str, AnyFeature], fields: str | Sequence[str] | None) -> list[str]:
    if fields is None:
        return list(known)
    names = [fields] if isinstance(fields, str) else list(fields)
    for name in names:
        if name not in known:
            raise SchemaError(f"{name!r} is no field that can be drawn; there are {listed(list(known))}")
    return names


def _layer(
    sample: Sample, name: str, feature: AnyFeature, picture: Picture, look: Look, root: Location | None
) -> list[Mark]:
    value: Any = sample[name]
    if value is None:
        return []
    if isinstance(feature, features.Objects):
        return marks(value, picture, look)
    return label_fields.marks(value, feature, picture, look, root, sample.id)


def _said(
    sample: Sample, fields: Mapping[str, AnyFeature], layers: Mapping[str, Sequence[Mark]], *, beside: bool
) -> list[str]:
    """What stands below a picture: classes and texts of the sample, what the lines mean, what has no place."""
    objects = [name for name, feature in fields.items() if isinstance(feature, features.Objects)]
    told = {name: feature for name, feature in fields.items() if isinstance(feature, TOLD)}
    lines = label_fields.lines(sample, told)
    if not beside and len(objects) > 1:
        lines.insert(0, _legend(objects))
    if hidden := sum(mark.bounds is None for name in objects for mark in layers[name]):
        lines.append(f"not drawn: {_placeless(sample, objects, hidden)}")
    return lines


def _placeless(sample: Sample, fields: Sequence[str], count: int) -> str:
    """What objects without a place on the picture are."""
    space = any("box3d" in getattr(sample[name], "feature", features.Objects()).members for name in fields)
    what = "with a box in space alone" if space else "without a place on the picture"
    return f"{count:,} object{'' if count == 1 else 's'} {what}"


def _legend(fields: Sequence[str]) -> str:
    first, *others = fields
    return f"in full: {first}; dashed: {', '.join(others)}"
