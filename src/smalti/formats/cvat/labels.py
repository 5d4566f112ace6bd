"""CVAT's label table: classes, the points of skeletons, and what attributes they have.

https://docs.cvat.ai/docs/other/xml_format: ``meta/*/labels``. A skeleton's points are
labels of their own that name their ``parent``; its bones stand in a drawing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

import pyarrow as pa

from smalti.errors import DataError
from smalti.formats import xml_files
from smalti.formats.cvat.scan import ANY, BOOL, FLOAT, INT
from smalti.schema import features
from smalti.schema.categories import Categories, Category

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from xml.etree.ElementTree import Element

ANY_TYPE, TAG, SKELETON = "any", "tag", "skeleton"
KEPT = ("type", "attributes", "svg", "sublabels")  # keys of a category that are CVAT's own
OWN = ("occluded", "z_order", "group_id", "source")  # XML attributes of every shape
FIGURES = {
    "ellipse": ("cx", "cy", "rx", "ry"),
    "cuboid": tuple(f"{axis}{corner}{face}" for face in (1, 2) for corner in ("tl", "bl", "tr", "br") for axis in "xy"),
}  # fmt: skip
PREFIX = "attribute:"  # in front of an attribute that has the name of something else
RESERVED = frozenset({*features.OBJECT_MEMBERS, *OWN, *FIGURES})
INPUTS = (
    (pa.types.is_boolean, "checkbox"),
    (pa.types.is_integer, "number"),
    (pa.types.is_floating, "number"),
)


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of a file.

    Attributes:
        categories: All but the points of skeletons.
        inputs: The kinds of input of each attribute (``checkbox``, ``number``, ``text``, …), by its name.
    """

    categories: tuple[Category, ...]
    inputs: dict[str, set[str]]


def parse_labels(meta: Element | None) -> Labels | None:
    """The labels that a file declares; null where it declares none.

    Raises:
        DataError: A label has no name.
    """
    table = None if meta is None else next(meta.iter("labels"), None)
    if table is None:
        return None
    points: dict[str, list[dict[str, Any]]] = {}
    found: dict[str, dict[str, Any]] = {}
    inputs: dict[str, set[str]] = {}
    for element in table.findall("label"):
        label = _label(element)
        for spec in label["attributes"]:
            inputs.setdefault(spec["name"], set()).add(spec.get("input_type", "text"))
        if parent := label.pop("parent", None):
            points.setdefault(parent, []).append(label)
        else:
            found.setdefault(label["name"], label)
    return Labels(tuple(_category(label, points.get(name)) for name, label in found.items()), inputs)


def _label(element: Element) -> dict[str, Any]:
    name = xml_files.text(element.find("name"))
    if name is None:
        raise DataError("found a label without a name", position="meta")
    found: dict[str, Any] = {"name": name}
    for key in ("color", "type", "svg", "parent"):
        if (value := xml_files.text(element.find(key))) is not None:
            found[key] = value
    specs = (xml_files.plain(spec) for spec in element.findall("attributes/attribute"))
    found["attributes"] = [spec for spec in specs if isinstance(spec, dict) and "name" in spec]
    return found


def _category(label: dict[str, Any], points: list[dict[str, Any]] | None) -> Category:
    own: dict[str, Any] = {key: label[key] for key in ("type", "attributes", "svg") if label.get(key)}
    if own.get("type") == ANY_TYPE:
        del own["type"]
    if not points:
        return Category(name=label["name"], color=label.get("color"), attributes=own)
    order, bones = _drawing(label.get("svg"), [point["name"] for point in points])
    by_name = {point["name"]: point for point in points}
    own["sublabels"] = [
        {key: value for key, value in by_name[name].items() if value and key != "svg"} for name in order
    ]
    return Category(
        name=label["name"], color=label.get("color"), keypoints=order, skeleton=bones, attributes=own
    )


def _drawing(svg: str | None, names: list[str]) -> tuple[tuple[str, ...], tuple[tuple[int, int], ...] | None]:
    """The points in the drawing's order, and the bones between them; without a usable drawing as they are listed."""
    try:
        drawing = xml_files.parse(f"<svg>{svg or ''}</svg>".encode(), "svg")
    except DataError:
        return tuple(names), None
    nodes = {circle.get("data-node-id"): circle.get("data-label-name") for circle in drawing.iter("circle")}
    order = tuple(str(name) for name in nodes.values())
    if sorted(order) != sorted(names):
        return tuple(names), None
    ends = [(line.get("data-node-from"), line.get("data-node-to")) for line in drawing.iter("line")]
    if any(end not in nodes for pair in ends for end in pair):
        return order, None
    at = {node: place for place, node in enumerate(nodes)}
    return order, tuple((at[one], at[other]) for one, other in ends)


def attribute_features(
    kinds: Mapping[str, int], inputs: Mapping[str, set[str]]
) -> dict[str, features.Value | features.Json]:
    """The features of the attributes that objects have: as declared, where all values fit.

    Args:
        kinds: What all values can be read as, by the attribute's name.
        inputs: The kinds of input that labels declare.
    """
    found: dict[str, features.Value | features.Json] = {}
    for name, can in kinds.items():
        declared = inputs.get(name, {"text"})
        if declared == {"checkbox"} and can & BOOL:
            type_ = pa.bool_()
        elif declared == {"number"} and can & (INT | FLOAT):
            type_ = pa.int64() if can & INT else pa.float64()
        else:
            type_ = pa.string()
        found[member_name(name)] = features.Value(type=type_)
    return found


def member_name(attribute: str) -> str:
    """The name that an attribute has among an object's members."""
    return f"{PREFIX}{attribute}" if attribute in RESERVED or not attribute else attribute


def declared_kinds(kinds: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """What all values can be read as, over several files."""
    found: dict[str, int] = {}
    for some in kinds:
        for name, can in some.items():
            found[name] = found.get(name, ANY) & can
    return found


def label_values(
    categories: Categories,
    tags: Categories,
    attributes: Mapping[str, features.Value | features.Json],
    mutable: Collection[str] = (),
) -> list[dict[str, Any]]:
    """The label table as plain values: those of objects, then those that only tags have.

    Args:
        categories: The classes of objects.
        tags: The classes of images.
        attributes: What objects have, by the names in the file.
        mutable: Those that change in a track.
    """
    declared = {spec["name"] for category in categories for spec in _specs(category)}
    more = [
        _spec(name, feature, mutable=name in mutable)
        for name, feature in attributes.items()
        if name not in declared
    ]
    found: list[dict[str, Any]] = []
    for value, category in zip(categories.values, categories, strict=True):
        found += _label_value(value, category, ANY_TYPE, more)
    known = set(categories.values)
    for value, category in zip(tags.values, tags, strict=True):
        found += [] if value in known else _label_value(value, category, TAG, [])
    return found


def _specs(category: Category) -> list[dict[str, Any]]:
    found = category.attributes.get("attributes")
    specs = found if isinstance(found, list) else []
    return [spec for spec in specs if isinstance(spec, dict) and isinstance(spec.get("name"), str)]


def _spec(name: str, feature: features.Value | features.Json, *, mutable: bool) -> dict[str, Any]:
    input_type = next((word for is_, word in INPUTS if is_(feature.arrow)), "text")
    default = {"checkbox": "false", "number": "0"}.get(input_type, "")
    return {
        "name": name,
        "mutable": str(mutable),
        "input_type": input_type,
        "default_value": default,
        "values": "",
    }


def _label_value(
    value: str, category: Category, kind: str, more: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """A label, and those of its points."""
    own = category.attributes
    points = category.keypoints
    head: dict[str, Any] = {"name": value}
    if category.color is not None:
        head["color"] = category.color
    head["type"] = SKELETON if points else own.get("type", kind)
    specs = [*_specs(category), *more]
    head["attributes"] = {"attribute": specs} if specs else ""
    if not points:
        return [head]
    kept = own.get("sublabels")
    same = isinstance(kept, list) and tuple(point.get("name") for point in kept) == points
    head["svg"] = own["svg"] if same and own.get("svg") else _svg(points, category.skeleton or ())
    below = kept if same and isinstance(kept, list) else [{"name": name} for name in points]
    return [head, *(_point_value(point, value) for point in below)]


def _point_value(point: dict[str, Any], parent: str) -> dict[str, Any]:
    specs = point.get("attributes") or []
    color = {"color": point["color"]} if point.get("color") else {}
    inner = {"attribute": specs} if specs else ""
    return {"name": point["name"], **color, "type": "points", "attributes": inner, "parent": parent}


def _svg(points: tuple[str, ...], bones: Iterable[tuple[int, int]]) -> str:
    """The drawing of a skeleton that came without one: its points on a circle."""
    turn = 2 * math.pi / len(points)
    at = [
        (round(50 + 40 * math.sin(n * turn), 2), round(50 - 40 * math.cos(n * turn), 2))
        for n in range(len(points))
    ]
    lines = [
        f'<line x1="{at[a][0]}" y1="{at[a][1]}" x2="{at[b][0]}" y2="{at[b][1]}" stroke="black" data-type="edge"'
        f' data-node-from="{a + 1}" stroke-width="0.5" data-node-to="{b + 1}"></line>'
        for a, b in bones
    ]
    circles = [
        f'<circle r="1.5" stroke="black" fill="#b3b3b3" cx="{x}" cy="{y}" stroke-width="0.1"'
        f' data-type="element node" data-element-id="{n}" data-node-id="{n}" data-label-name={quoteattr(name)}></circle>'
        for n, (name, (x, y)) in enumerate(zip(points, at, strict=True), 1)
    ]
    return "".join(lines + circles)
