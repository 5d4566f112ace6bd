"""HTML of a sample: its picture with everything drawn on it, its fields beside; and thumbnails."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from smalti.errors import SmaltiError
from smalti.schema.objects import Objects
from smalti.view.html_parts import (
    FIGURE,
    PAIR,
    Html,
    chip,
    details,
    joined,
    picture,
    table,
    tag,
    title,
    whole,
    word,
)
from smalti.view.html_tables import object_line, objects_table, pairs
from smalti.view.marks import NO_CLASS, class_codes
from smalti.view.palette import colour
from smalti.view.scene import draw, fields_of

if TYPE_CHECKING:
    from smalti.schema.sample import Sample
    from smalti.view.palette import Colour

LARGE = (560, 480)  # a sample's picture
SMALL = (240, 180)  # a thumbnail, in pixels; it is shown at two thirds of that
SHOWN = 164
NAMED = 4  # classes named below a thumbnail
LONGEST = 240  # characters of a field


def sample(value: Sample) -> Html:
    """A sample."""
    words = [word(value.id), *([word(value.split, 40)] if value.split else []), *size_of(value)]
    try:
        made = draw(value, size=LARGE, least=160, fetch=False)
        shown = picture(made, made.width, f"{word(value.id)} with its labels")
    except (SmaltiError, OSError) as error:
        shown = gone(error)
    rows = [[tag("code", word(name, 60)), field(item)] for name, item in fields(value).items()]
    side = tag("div", table([], rows), *_objects(value), class_="smalti-side")
    return whole(
        title("Sample", " · ".join(words)),
        tag("div", tag("div", shown, class_="smalti-one"), side, class_="smalti-pair", style=PAIR),
    )


def size_of(value: Sample) -> list[str]:
    """Width and height, where they are known."""
    image = value.image
    return [f"{image.width:,} x {image.height:,}"] if image.width and image.height else []


def fields(value: Sample) -> dict[str, Any]:
    """What a sample holds, by column."""
    kept = value.image.model_dump(exclude_none=True, exclude={"width", "height", "bytes", "sha256"})
    image = ", ".join(f"{v}" if name == "path" else f"{name} {v}" for name, v in kept.items())
    given = {"image": image or None, "objects": value.objects, **value.columns}
    if value.dataset_schema is not None and "objects" not in value.dataset_schema.columns:
        del given["objects"]
    return given


def field(value: Any) -> str:
    """The value of a column on one line."""
    if isinstance(value, Objects):
        return object_line(value)
    if value is None:
        return "none"
    if isinstance(value, dict):
        return word(pairs(value), LONGEST)
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return word(
            " / ".join(", ".join(str(v) for v in item.values() if v is not None) for item in value), LONGEST
        )
    if isinstance(value, list) and len(value) > 8:
        return f"{len(value):,} values: {word(', '.join(str(item) for item in value[:8]))} …"
    return word(value, LONGEST)


def _objects(value: Sample) -> list[Html]:
    found = object_fields(value).items()
    return [details(f"{word(name, 60)}: {len(item):,}", objects_table(item)) for name, item in found]


def object_fields(value: Sample) -> dict[str, Objects]:
    """The fields of a sample that have objects."""
    given = {"objects": value.objects, **value.columns}
    return {name: item for name, item in given.items() if isinstance(item, Objects) and len(item)}


def gone(error: Exception) -> Html:
    """In the place of a picture that cannot be shown: why."""
    return tag("div", reason(error), class_="smalti-gone")


def reason(error: Exception) -> str:
    """Why a picture is not shown."""
    if isinstance(error, SmaltiError):
        return word(getattr(error, "reason", error), 120)
    return "the picture is not there"


def thumbnail(value: Sample) -> tuple[Html, Exception | None]:
    """A sample as a small figure, its classes below; and why its picture is not there."""
    name = f"{value.split}/{value.id}" if value.split else value.id
    problem: Exception | None = None
    try:
        made = draw(value, size=SMALL, least=SMALL[0] // 2, labels=False, fetch=False)
        times = min(SHOWN / made.width, 110 / made.height)
        shown = picture(made, round(made.width * times), word(name))
    except (SmaltiError, OSError) as error:
        shown, problem = gone(error), error
    below = tag("figcaption", tag("div", word(name, 40)), classes(value))
    return tag("figure", shown, below, style=FIGURE), problem


def classes(value: Sample) -> Html:
    """The classes of a sample with their colours, the frequent ones first."""
    found, more = named_classes(value)
    if not found:
        return joined([])
    parts: list[object] = []
    for said, rgb in found:
        parts += [tag("span", chip(rgb), said, class_="smalti-piece"), " "]
    if more:
        parts.append(f"and {more:,} more")
    return tag("div", *parts, class_="smalti-pieces")


def named_classes(value: Sample) -> tuple[list[tuple[str, Colour]], int]:
    """The most frequent classes of a sample, each with how many there are and its colour; and how many more."""
    known = fields_of(value)
    codes = class_codes(f.categories.values for f in known.values() if hasattr(f, "categories"))
    counts: Counter[str | None] = Counter()
    for name, feature in known.items():
        item = value[name]
        if isinstance(item, Objects):
            counts.update(item.names)
        elif feature.kind == "classification" and item:
            counts.update([item] if isinstance(item, str) else [one["category"] for one in item])
    found = []
    for one, count in counts.most_common(NAMED):
        rgb = NO_CLASS if one is None else colour(codes.get(one, len(codes)))
        said = word(one or "no class", 24)
        found.append((f"{said} {count:,}" if count > 1 else said, rgb))
    return found, max(0, len(counts) - NAMED)
