"""What planning makes of a look at the files: items, and the schema.

Where images lie and how subsets are named: https://docs.cvat.ai/docs/other/xml_format
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from smalti.errors import DataError
from smalti.formats import xml_files
from smalti.formats.cvat.labels import FIGURES, TAG, attribute_features, declared_kinds
from smalti.formats.report import Loss, merged
from smalti.schema import features
from smalti.schema.categories import Categories, Category
from smalti.schema.schema import Schema
from smalti.storage.paths import is_plain, safe_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from xml.etree.ElementTree import Element

    from smalti.formats.cvat.labels import Labels
    from smalti.formats.cvat.scan import ImageSpan, Scan
    from smalti.formats.cvat.video import Tracks
    from smalti.formats.protocol import OnError
    from smalti.storage.location import Location

NUMBERS = {
    "image_id": "id",
    "task_id": "task_id",
}  # columns, and the attributes of images they are, as in `_item`
GEOMETRY = {
    "box": ("bbox",),
    "rotated box": ("quad", "angle"),
    "polygon": ("polygons",),
    "polyline": ("polyline",),
    "points": ("keypoints",),
    "skeleton": ("keypoints",),
    "mask": ("mask",),
}


@dataclass(slots=True)
class Item:
    """An image as planning found it; not frozen, since there is one for every image, and those take thrice as long."""

    id: str
    path: str
    split: str | None
    size: tuple[int | None, int | None]
    numbers: tuple[int | None, ...]
    number: int
    span: tuple[int, int]


@dataclass(slots=True)
class Source:
    """One file and what was seen in it.

    Attributes:
        file: The file.
        scan: The first look at it.
        labels: The labels that it declares; null where it declares none.
        split: The split of images that name none.
        tracks: What it holds where it is of a video.
        items: Its images.
    """

    file: Location
    scan: Scan
    labels: Labels | None
    split: str | None
    tracks: Tracks | None = None
    items: list[Item] = field(default_factory=list)


def shared_names(sources: Sequence[Source]) -> bool:
    """Whether two splits have an image of one name."""
    keys = {
        (image.attributes.get("subset", source.split), image.attributes.get("name"))
        for source in sources
        for image in source.scan.images
    }
    return len({name for _, name in keys}) < len(keys)


def find_items(
    sources: Sequence[Source], there: set[str], on_error: OnError, *, shared: bool
) -> list[DataError]:
    """Enter the images into their sources.

    Args:
        sources: The files.
        there: The paths of images below the media root.
        on_error: Whether a faulty image raises.
        shared: Whether ids carry their split.

    Returns:
        The errors of images that are left out.

    Raises:
        DataError: An image has no name, one that leaves its root, or one that was there before.
    """
    errors: list[DataError] = []
    seen: set[str] = set()
    for source in sources:
        plain = is_plain([image.attributes.get("name", "") for image in source.scan.images])
        for span in source.scan.images:
            try:
                source.items.append(_item(span, source.split, there, seen, shared=shared, plain=plain))
            except DataError as error:
                error.file, error.position = source.file.url, f"image[{span.number}]"
                if on_error == "raise":
                    raise
                errors.append(error)
    return errors


def _item(
    span: ImageSpan, split: str | None, there: set[str], seen: set[str], *, shared: bool, plain: bool
) -> Item:
    attributes = span.attributes
    if "name" not in attributes:
        raise DataError("found an image without a name")
    name = attributes["name"] if plain else safe_path(attributes["name"])
    subset = attributes.get("subset", split) or None
    in_folder = f"{subset}/{name}" if subset else name
    key = f"{subset or ''}/{name}" if shared else name
    if key in seen:
        raise DataError(f"found the image {key!r} a second time; expected each once")
    seen.add(key)
    return Item(
        id=key,
        path=in_folder if in_folder in there or name not in there else name,
        split=subset,
        size=(_whole(attributes, "width", 2**31) or None, _whole(attributes, "height", 2**31) or None),
        numbers=(_whole(attributes, "id", 2**63), _whole(attributes, "task_id", 2**63)),
        number=span.number,
        span=(span.start, span.stop),
    )


def _whole(attributes: dict[str, str], name: str, limit: int) -> int | None:
    text = attributes.get(name)
    if text is None:
        return None
    if len(text) < 10 and text.isdecimal() and text.isascii():
        return int(text)
    if not text.isascii() or not text.isdecimal() or len(text) > 19 or int(text) >= limit:
        raise DataError(f"{name}: found {text[:40]!r}, expected a whole number")
    return int(text)


def make_schema(sources: Sequence[Source], media: Location, *, shared: bool) -> Schema:
    """The schema of all files together."""
    columns: dict[str, Any] = {"id": features.Value(type=pa.string()), "image": features.Image()}
    splits = _splits(sources)
    if splits:
        columns["split"] = features.Split()
    columns |= {name: features.Value(type=pa.int64()) for name in _numbers(sources)}
    if any(source.tracks for source in sources):
        columns |= {"video": features.Video(), "frame": features.Frame()}
    labels = [source.labels for source in sources]
    table: dict[str, Category] = {}
    for category in (c for found in labels if found for c in found.categories):
        table.setdefault(category.name, category)
    used = dict.fromkeys(name for source in sources for name in source.scan.labels if name)
    tagged = dict.fromkeys(name for source in sources for name in source.scan.tag_labels if name)
    if not any(labels):
        table |= {name: Category(name=name) for name in [*used, *tagged]}
    of_objects = [c for c in table.values() if c.attributes.get("type") != TAG or c.name in used]
    inputs: dict[str, set[str]] = {}
    for found in labels:
        for name, kinds in (found.inputs if found else {}).items():
            inputs.setdefault(name, set()).update(kinds)
    columns["objects"] = _objects(sources, Categories(tuple(of_objects)), inputs)
    if tagged:
        of_tags = [c for c in table.values() if c.attributes.get("type") == TAG or c.name in tagged]
        columns["tags"] = features.Classification(categories=Categories(tuple(of_tags)), multi=True)
    if any(source.scan.details for source in sources):
        columns["tag_details"] = features.Json()
    meta = _meta(sources[0].scan.meta)
    return Schema(
        columns=columns,
        splits=splits,
        media_root=media.url,
        id_has_split=shared,
        extra={"cvat": {"meta": meta}} if meta else {},
    )


def _objects(
    sources: Sequence[Source], categories: Categories, inputs: dict[str, set[str]]
) -> features.Objects:
    have = set().union(*(source.scan.own for source in sources))
    shapes = set().union(*(source.scan.shapes for source in sources))
    members = [name for shape, names in GEOMETRY.items() if shape in shapes for name in names]
    own: dict[str, features.Value | features.Json] = {"occluded": features.Value(type=pa.bool_())}
    own |= {name: features.Value(type=pa.int64()) for name in ("z_order", "group_id") if name in have}
    own |= {"source": features.Value(type=pa.string())} if "source" in have else {}
    own |= {name: features.Json() for name in FIGURES if name in shapes}
    if tracks := [source.tracks for source in sources if source.tracks]:
        members.append("track_id")
        own |= {"keyframe": features.Value(type=pa.bool_())} if tracks[0].keyframes else {}
    more = attribute_features(declared_kinds(source.scan.kinds for source in sources), inputs)
    return features.Objects(
        categories=categories, members=("category", *dict.fromkeys(members)), attributes={**own, **more}
    )


def _splits(sources: Sequence[Source]) -> tuple[str, ...]:
    """The splits that are declared, then others by appearance."""
    declared = []
    for source in sources:
        element = None if source.scan.meta is None else source.scan.meta.find("*/subsets")
        declared += (xml_files.text(element) or "").splitlines()
    found = [image.attributes.get("subset", s.split) for s in sources for image in s.scan.images]
    return tuple(dict.fromkeys(name for name in [*declared, *found] if name))


def _numbers(sources: Sequence[Source]) -> list[str]:
    """The columns of numbers that say more than the order of the images."""
    images = [image for source in sources for image in source.scan.images]
    plain = all(image.attributes.get("id") in {None, str(at)} for at, image in enumerate(images))
    there = {name for name, key in NUMBERS.items() if any(key in image.attributes for image in images)}
    return [name for name in NUMBERS if name in there and not (name == "image_id" and plain)]


def _meta(meta: Element | None) -> dict[str, Any]:
    """What a file says of its task or project, without its labels."""
    found = {} if meta is None else xml_files.plain(meta)
    if not isinstance(found, dict):
        return {}
    for value in found.values():
        if isinstance(value, dict):
            value.pop("labels", None)
    return found


def repairs_of(sources: Sequence[Source]) -> list[Loss]:
    """What reading mends, or cannot keep."""
    found = []
    for source in sources:
        if source.labels is None:
            why = "the file declares no labels; those that are used make the table"
            found.append(_repair("categories.missing", why, 1))
        if unknown := source.scan.unknown:
            why = f"elements that are no shapes of CVAT's 1.1 are left out: {', '.join(sorted(unknown))}"
            found.append(_repair("shape.unknown", why, sum(unknown.values())))
        if source.scan.inner:
            why = "attributes of single points of a skeleton are left out"
            found.append(_repair("point.attributes", why, source.scan.inner))
    return merged(found)


def _repair(code: str, reason: str, count: int) -> Loss:
    return Loss(code=code, field="objects", kind="change", reason=reason, count=count)
