"""The labeling configuration: which labels and choices there are, in their order and colours.

Specification: https://labelstud.io/guide/setup and https://labelstud.io/tags/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

import msgspec
from pydantic import ValidationError

from smalti.errors import DataError
from smalti.formats import xml_files
from smalti.schema.categories import Categories, Category

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from xml.etree.ElementTree import Element

NAME = "label_config.xml"
NAMES = (NAME, "config.xml", "labeling_config.xml")
ROOT = "View"
POINTS = "KeyPointLabels"
CHOICES = "Choices"
INDEX = "model_index"
REST = "smalti"  # what of a class Label Studio has no attribute for; it passes over this one


def parse(body: bytes) -> dict[str | None, Categories]:
    """The class tables of a configuration, by the name of the choices; null: that of labels.

    Labels of points with a ``model_index`` are points of other labels' objects, and no classes.

    Raises:
        DataError: It is no XML, or one with a document type.
    """
    labels: dict[str, Category] = {}
    tables: dict[str | None, Categories] = {}
    for tag in xml_files.parse(body, ROOT).iter():
        if tag.tag == CHOICES and tag.get("name"):
            names = dict.fromkeys(name for one in tag.iter("Choice") if (name := _value(one)))
            tables[tag.get("name")] = Categories.of(names)
        elif tag.tag.endswith("Labels"):
            for one in tag.iter("Label"):
                if (name := _value(one)) and name not in labels and one.get(INDEX) is None:
                    labels[name] = _category(name, one)
    if labels:
        tables[None] = Categories(tuple(labels.values()))
    return tables


def _value(tag: Element) -> str | None:
    return tag.get("value") or tag.get("alias")


def _category(name: str, tag: Element) -> Category:
    number = tag.get("category")
    try:
        rest = msgspec.json.decode(tag.get(REST) or "{}", type=dict[str, Any])
        return Category.model_validate(
            {"name": name, "id": _known(number), "color": tag.get("background"), **rest}
        )
    except (msgspec.DecodeError, ValidationError) as error:
        raise DataError(f"the label {name!r}: {REST}: {error}") from error


def _known(number: str | None) -> int | str | None:
    return int(number) if number and number.isdecimal() and len(number) < 16 else number


def written(
    key: str, labels: Mapping[str, str], table: Categories, controls: Sequence[tuple[str, str, Sequence[str]]]
) -> bytes:
    """A configuration.

    Args:
        key: The key of the task's data that holds the image.
        labels: The names of the tags of labels that regions use, by the tag: ``RectangleLabels``.
        table: Their labels.
        controls: What else is asked: the tag, its name and its choices.
    """
    lines = ["<View>", f"  <Image name={_quoted('image')} value={_quoted('$' + key)}/>"]
    points = dict.fromkeys(name for category in table for name in category.keypoints or ())
    for tag, name in labels.items():
        lines.append(f"  <{tag} name={_quoted(name)} toName={_quoted('image')}>")
        if (
            tag == POINTS and points
        ):  # the names of points alone: labels that are here are no classes to Label Studio
            lines += [f'    <Label value={_quoted(p)} {INDEX}="{place}"/>' for place, p in enumerate(points)]
        else:
            lines += [_label(value, category) for value, category in zip(table.values, table, strict=True)]
        lines.append(f"  </{tag}>")
    for tag, name, choices in controls:
        head = f"  <{tag} name={_quoted(name)} toName={_quoted('image')}"
        if choices:
            inner = [f"    <Choice value={_quoted(choice)}/>" for choice in choices]
            lines += [f'{head} choice="multiple">', *inner, f"  </{tag}>"]
        else:
            lines.append(f"{head}/>")
    return "\n".join([*lines, "</View>\n"]).encode()


def _label(value: str, category: Category) -> str:
    more: dict[str, Any] = {"category": category.id, "background": category.color}
    rest = category.model_dump(mode="json", exclude_defaults=True, exclude={"id", "color"})
    if rest.pop("name") != value:
        rest["name"] = category.name
    if isinstance(category.id, str):  # so that it is not taken for a number
        rest["id"] = category.id
    more[REST] = msgspec.json.encode(rest).decode() if rest else None
    words = "".join(f" {key}={_quoted(str(what))}" for key, what in more.items() if what is not None)
    return f"    <Label value={_quoted(value)}{words}/>"


def _quoted(text: str) -> str:
    xml_files.escaped(text)  # refuses what XML cannot hold
    return quoteattr(text)
