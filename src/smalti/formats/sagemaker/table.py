"""Columns of manifests: what the lines together say of the schema, and a part's lines as arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from smalti.errors import DataError
from smalti.formats import free_columns, json_files
from smalti.formats.free_columns import Kinds
from smalti.formats.sagemaker import references
from smalti.formats.sagemaker.options import (
    BOXES,
    CLASS,
    CLASSES,
    CONFIDENCE,
    MASK,
    METADATA,
    REF,
)
from smalti.schema import features
from smalti.schema.build import list_column, objects_array
from smalti.schema.categories import Categories, Category
from smalti.schema.types import WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smalti.formats.sagemaker.line import Label, Line
    from smalti.schema.features import AnyFeature

OURS = ("id", "image", "split")


@dataclass(slots=True)
class Attribute:
    """A label attribute, of all lines.

    Attributes:
        kind: Its type.
        names: Class names by id, in the order of appearance.
        places: Where each class was first named, for errors.
        colors: Colours by id.
        members: Kinds of the further keys of its boxes.
        scored: Whether boxes, or single classes, have confidences.
        rest: Whether there are further metadata.
    """

    kind: str
    names: dict[int | str, str] = field(default_factory=dict)
    places: dict[int | str, str] = field(default_factory=dict)
    colors: dict[int | str, str] = field(default_factory=dict)
    members: Kinds = field(default_factory=Kinds)
    scored: bool = False
    rest: bool = False

    @property
    def categories(self) -> Categories:
        """The class table: every class that a line names."""
        return Categories(
            tuple(Category(name=n, id=k, color=self.colors.get(k)) for k, n in self.names.items())
        )

    def add(self, label: Label, place: str) -> None:
        """Take in one line's label.

        Raises:
            DataError: It gives a class another name than an earlier line.
        """
        for number, name in label.classes.items():
            known = self.names.setdefault(number, name)
            if known != name:
                raise DataError(
                    f"the class {number} is {name!r} here and {known!r} in {self.places[number]}",
                    hint="read the manifests one by one",
                )
            self.places.setdefault(number, place)
        for number, color in label.colors.items():
            self.colors.setdefault(number, color)
        self.rest |= bool(label.rest)
        if self.kind == BOXES:
            for item in label.value or ():
                self.scored |= "score" in item
                self.members.add(_more(item))
        elif self.kind == CLASS and label.value is not None:
            self.scored |= label.value[1] is not None


class Survey:
    """What the lines together say.

    Attributes:
        attributes: The label attributes by name.
        others: Kinds of the other keys.
        prefix: What stands in front of the paths of images.
        mask_prefix: As `prefix`, of masks.
    """

    def __init__(self) -> None:
        self.attributes: dict[str, Attribute] = {}
        self.others = Kinds()
        self.prefix = ""
        self.mask_prefix = ""

    def add(self, line: Line, place: str) -> None:
        """Take in one line.

        Raises:
            DataError: It contradicts an earlier one.
        """
        for name, label in line.labels.items():
            known = self.attributes.setdefault(name, Attribute(label.kind))
            if known.kind != label.kind:
                raise DataError(f"{name}: found {label.kind}, and {known.kind} in an earlier line")
            known.add(label, place)
        self.others.add(line.others)

    def named(self) -> dict[str, str]:
        """The column of every label attribute: ``objects`` for the boxes, or the first of several."""
        boxes = [name for name, attribute in self.attributes.items() if attribute.kind == BOXES]
        first = "objects" if "objects" in boxes or not boxes else boxes[0]
        found: dict[str, str] = {}
        for name, attribute in self.attributes.items():
            short = name.removesuffix(REF) if attribute.kind == MASK else name
            free = short not in {*OURS, *self.attributes, *self.others.seen} or short == name
            found[name] = (
                "objects" if name == first else short if free and short not in OURS else f"label.{name}"
            )
        return found

    def own(self) -> dict[str, features.Value | features.Json]:
        """The features of the user's own keys; metadata of a label that failed are none."""
        failed = {f"{name}{METADATA}" for name in self.attributes}
        return {key: feature for key, feature in self.others.features().items() if key not in failed}

    def _has_rest(self, name: str) -> bool:
        return self.attributes[name].rest or f"{name}{METADATA}" in self.others.seen

    def columns(self) -> dict[str, AnyFeature]:
        """The features of all columns but those that every dataset has."""
        found: dict[str, AnyFeature] = {}
        for name, column in self.named().items():
            attribute = self.attributes[name]
            source = None if name in {column, f"{column}{REF}"} else name
            found[column] = _feature(attribute, source)
            if attribute.kind == CLASS and attribute.scored:
                found[f"{column}{CONFIDENCE}"] = features.Value(type=pa.float64())
            if self._has_rest(name):
                found[f"{column}{METADATA}"] = features.Json()
        for key, feature in self.own().items():
            column = column_of(key, {*found, *OURS})
            found[column] = feature.model_copy(update={"source": None if column == key else key})
        return found


def column_of(key: str, taken: set[str]) -> str:
    """The column of a user's own key: its name, or one beside it."""
    while key in taken:
        key = f"{key}_"
    return key


def _more(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in features.OBJECT_MEMBERS}


def _feature(attribute: Attribute, source: str | None) -> AnyFeature:
    table = attribute.categories
    if attribute.kind == BOXES:
        return _objects(attribute, source)
    if attribute.kind == MASK:
        return features.Mask(categories=table, source=source)
    return features.Classification(categories=table, multi=attribute.kind == CLASSES, source=source)


def _objects(attribute: Attribute, source: str | None) -> features.Objects:
    members = ("category", "bbox", "score") if attribute.scored else ("category", "bbox")
    more: dict[str, Any] = dict(attribute.members.features())
    return features.Objects(categories=attribute.categories, members=members, attributes=more, source=source)


def arrays(survey: Survey, lines: Sequence[Line]) -> dict[str, pa.Array]:
    """The columns of some lines."""
    found: dict[str, pa.Array] = {}
    known = survey.columns()
    for name, column in survey.named().items():
        attribute = survey.attributes[name]
        labels = [line.labels.get(name) for line in lines]
        values = [None if label is None else label.value for label in labels]
        found[column] = _BUILDERS[attribute.kind](values, attribute, survey)
        if attribute.kind == CLASS and attribute.scored:
            scores = [None if value is None else value[1] for value in values]
            found[f"{column}{CONFIDENCE}"] = pa.array(scores, pa.float64())
        if f"{column}{METADATA}" in known:
            found[f"{column}{METADATA}"] = _rests(lines, name)
    for key, feature in survey.own().items():
        column = column_of(key, {*found, *OURS})
        found[column] = free_columns.array([line.others.get(key) for line in lines], feature)
    return found


def _rests(lines: Sequence[Line], name: str) -> pa.Array:
    """What the metadata of a label say beside it, or why there is none."""
    key = f"{name}{METADATA}"
    rests = [line.labels[name].rest if name in line.labels else line.others.get(key) for line in lines]
    return pa.array([json_files.text(rest) if rest else None for rest in rests], pa.string())


def _boxes(values: list[Any], attribute: Attribute, survey: Survey) -> pa.Array:
    del survey
    words = dict(zip(attribute.names, attribute.categories.values, strict=True))
    feature = _objects(attribute, None)
    flat = []
    for item in (item for value in values for item in value or ()):
        more = {
            key: json_files.text(given) if isinstance(feature.attributes[key], features.Json) else given
            for key, given in _more(item).items()
            if given is not None and key in feature.attributes
        }
        own = {key: item[key] for key in ("bbox", "score") if key in item}
        flat.append({"category": words[item["category"]], **own, **more})
    array, _ = objects_array(flat, feature)
    lengths = np.array([len(value or ()) for value in values], np.int64)
    return list_column(array, lengths, np.array([value is None for value in values], bool))


def _class(values: list[Any], attribute: Attribute, survey: Survey) -> pa.Array:
    del survey
    codes = {number: code for code, number in enumerate(attribute.names)}
    return attribute.categories.encode(
        pa.array([None if value is None else codes[value[0]] for value in values], pa.int32())
    )


def _classes(values: list[Any], attribute: Attribute, survey: Survey) -> pa.Array:
    del survey
    codes = {number: code for code, number in enumerate(attribute.names)}
    pairs = [pair for value in values for pair in value or ()]
    words = attribute.categories.encode(pa.array([codes[number] for number, _ in pairs], pa.int32()))
    scores = pa.array([score for _, score in pairs], pa.float64())
    struct = pa.StructArray.from_arrays(
        [words, scores], fields=[pa.field("category", WORDS), pa.field("score", pa.float64())]
    )
    lengths = np.array([len(value or ()) for value in values], np.int64)
    return list_column(struct, lengths, np.array([value is None for value in values], bool))


def _masks(values: list[Any], attribute: Attribute, survey: Survey) -> pa.Array:
    front = survey.mask_prefix
    paths = [None if value is None else references.path(value, front) for value in values]
    rows = [None if path is None else {"path": path, "bytes": None} for path in paths]
    return pa.array(rows, _feature(attribute, None).arrow)


_BUILDERS = {BOXES: _boxes, CLASS: _class, CLASSES: _classes, MASK: _masks}
