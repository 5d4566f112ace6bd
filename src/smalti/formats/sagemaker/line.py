"""One line of a manifest as plain values.

A label is an attribute of any name with metadata beside it, `<name>-metadata`, whose `type` says what it is
(https://docs.aws.amazon.com/sagemaker/latest/dg/sms-data-output.html). Any other key is the user's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from smalti.errors import DataError, at
from smalti.formats import json_files
from smalti.formats.sagemaker.options import (
    BOX_KEYS,
    BOXES,
    CLASS,
    CLASSES,
    MASK,
    METADATA,
    OBJECT_METADATA,
    OWN,
    REFERENCE,
    UNKNOWN,
)
from smalti.schema import features

if TYPE_CHECKING:
    from collections.abc import Callable

COLORS = "internal-color-map"


@dataclass(slots=True, kw_only=True)
class Label:
    """A label attribute of one line.

    Attributes:
        kind: Its type, one of BOXES, CLASS, CLASSES, MASK.
        value: Null: there is no label. Boxes: objects with the class id as category. CLASS: the class id and the
            confidence. CLASSES: pairs of both. MASK: the reference.
        classes: Names by id, as this line maps them.
        colors: Colours by id, of masks.
        rest: What else the metadata say.
        faults: Objects that are left out.
    """

    kind: str
    value: Any = None
    classes: dict[int | str, str] = field(default_factory=dict)
    colors: dict[int | str, str] = field(default_factory=dict)
    rest: dict[str, Any] = field(default_factory=dict)
    faults: list[DataError] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Line:
    """A line: the reference, the image's size where a label says it, labels and other keys by name."""

    ref: str
    size: tuple[int | None, int | None, int | None] = (None, None, None)  # width, height, depth
    labels: dict[str, Label] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)


def parse(body: bytes, *, skip: bool) -> Line:
    """Parse a line.

    Args:
        body: One JSON object.
        skip: Faulty objects are left out and listed, instead of raised.

    Raises:
        DataError: The line is faulty.
    """
    entry = json_files.parse(body, dict)
    found = Line(ref=json_files.of(entry.pop(REFERENCE, None), str, REFERENCE))
    for key in [key for key in entry if key.endswith(METADATA)]:
        name = key.removesuffix(METADATA)
        metadata, value = entry[key], entry.get(name)
        if not isinstance(metadata, dict) or (kind := _kind(value, metadata)) is None:
            continue
        del entry[key]
        entry.pop(name, None)
        try:
            label = found.labels[name] = _READERS[kind](value, dict(metadata))
            if label.faults and not skip:
                raise label.faults[0]
            if kind == BOXES and value is not None and found.size[0] is None:
                found.size = _size(value)
        except DataError as error:
            error.position = f"{name}.{error.position}" if error.position else name
            raise
    found.others = entry
    return found


def _kind(value: Any, metadata: dict[str, Any]) -> str | None:
    """What a label is: by the metadata's type, else by its form; null: one that is kept as it is."""
    kind = metadata.get("type")
    if kind in _READERS:
        return str(kind)
    if isinstance(value, dict) and "annotations" in value and "image_size" in value:
        return BOXES
    return None


def _size(value: dict[str, Any]) -> tuple[int | None, int | None, int | None]:
    sizes = json_files.of(value.get("image_size") or [], list, "image_size")
    if not sizes:
        return None, None, None
    sides = json_files.of(sizes[0], dict, "image_size[0]")
    width, height, depth = (json_files.pixels(sides.get(s), f"image_size[0].{s}") for s in _SIDES)
    return width, height, depth


def _boxes(value: Any, metadata: dict[str, Any]) -> Label:
    found = Label(kind=BOXES, classes=_class_map(metadata))
    of_objects = json_files.of(metadata.pop("objects", None) or [], list, "objects")
    if value is not None:
        items = json_files.of(json_files.of(value, dict, "the label").get("annotations"), list, "annotations")
        if of_objects and len(of_objects) != len(items):
            raise DataError(f"found {len(items)} annotations and metadata of {len(of_objects)} objects")
        found.value = []
        for number, item in enumerate(items):
            try:
                with at(position=f"annotations[{number}]"):
                    more = of_objects[number] if of_objects else {}
                    found.value.append(_box(item, more, found.classes))
            except DataError as error:
                found.faults.append(error)
    return _rest(found, metadata)


def _box(item: Any, more: Any, classes: dict[int | str, str]) -> dict[str, Any]:
    item = dict(json_files.of(item, dict, "the annotation"))
    more = dict(json_files.of(more, dict, "the object's metadata"))
    found: dict[str, Any] = {"category": _class_id(item.pop("class_id", None), classes)}
    left, top, width, height = (json_files.number(item.pop(key, None), key) for key in BOX_KEYS[1:])
    found["bbox"] = [left, top, width, height]
    confidence = more.pop("confidence", None)
    if confidence is not None:
        found["score"] = json_files.number(confidence, "confidence")
    for key, value in item.items():
        found[f"{OWN}{key}" if key in _TAKEN or key.startswith(OWN) else key] = value
    return {**found, OBJECT_METADATA: more} if more else found


def _class_id(value: Any, classes: dict[int | str, str]) -> int | str:
    number = _number(value)
    if number is None:
        raise DataError(f"found the class {str(value)[:60]!r}, expected a number of the class-map")
    if number not in classes:
        raise DataError(
            f"found the class {number}, which the line's class-map does not name;"
            f" there are {', '.join(map(str, classes)) or 'none'}"
        )
    return number


def _number(value: Any) -> int | None:
    """A class id: a whole number, which may stand as text."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 19:
        return int(value)
    return value if type(value) is int and abs(value) < 2**53 else None


def _class_map(metadata: dict[str, Any]) -> dict[int | str, str]:
    found: dict[int | str, str] = {}
    for key, name in json_files.of(metadata.pop("class-map", None) or {}, dict, "class-map").items():
        number = _number(key)
        found[key if number is None else number] = json_files.of(name, str, f"class-map.{key}")
    return found


def _class(value: Any, metadata: dict[str, Any]) -> Label:
    found = Label(kind=CLASS, classes=_class_map(metadata))
    name, confidence = metadata.pop("class-name", None), metadata.pop("confidence", None)
    if value is not None:
        number = _number(value)
        if number is None:
            raise DataError(f"found the class {str(value)[:60]!r}, expected a number")
        if name is not None:
            found.classes[number] = json_files.of(name, str, "class-name")
        score = None if confidence is None else json_files.number(confidence, "confidence")
        found.value = (_class_id(number, found.classes), score)
    return _rest(found, metadata)


def _classes(value: Any, metadata: dict[str, Any]) -> Label:
    found = Label(kind=CLASSES, classes=_class_map(metadata))
    scores = json_files.of(metadata.pop("confidence-map", None) or {}, dict, "confidence-map")
    if value is not None:
        found.value = []
        for item in json_files.of(value, list, "the label"):
            number = _class_id(item, found.classes)
            score = scores.get(str(number))
            found.value.append(
                (number, None if score is None else json_files.number(score, "confidence-map"))
            )
    return _rest(found, metadata)


def _mask(value: Any, metadata: dict[str, Any]) -> Label:
    found = Label(kind=MASK)
    found.value = None if value is None else json_files.of(value, str, "the label")
    more: dict[str, Any] = {}
    for key, given in json_files.of(metadata.pop(COLORS, None) or {}, dict, COLORS).items():
        entry = dict(json_files.of(given, dict, f"{COLORS}.{key}"))
        number = _number(key)
        place = key if number is None else number
        found.classes[place] = json_files.of(entry.pop("class-name", None), str, f"{COLORS}.{key}.class-name")
        color = entry.pop("hex-color", None)
        if color is not None:
            found.colors[place] = json_files.of(color, str, f"{COLORS}.{key}.hex-color")
        if entry:
            more[key] = entry
    return _rest(found, {COLORS: more, **metadata} if more else metadata)


def _rest(found: Label, metadata: dict[str, Any]) -> Label:
    """The label, with what is left of its metadata unless that says nothing."""
    if metadata.get("type") == found.kind:
        del metadata["type"]
    found.rest = {} if metadata == UNKNOWN else metadata
    return found


_READERS: dict[str, Callable[[Any, dict[str, Any]], Label]] = {
    BOXES: _boxes,
    CLASS: _class,
    CLASSES: _classes,
    MASK: _mask,
}
_SIDES = ("width", "height", "depth")
_TAKEN = frozenset({*features.OBJECT_MEMBERS, *BOX_KEYS, OBJECT_METADATA})
