"""Which columns a dataset has as a table: one row an object, with what is known of its sample beside it.

A column stands for a leaf: ``bbox_x``, one keypoint, an attribute. All cells are texts here, exact ones; whether a
cell is a number in the file is the file's matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import pyarrow as pa

from smalti.errors import OptionError, listed
from smalti.schema import features
from smalti.schema.types import BBOX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from smalti.schema.schema import Schema

KEY: Final = "smalti_key"  # the header of the hidden column that says which row is which
# How a leaf's value stands in its cell: as it is, by Arrow's cast, as JSON, as "x y visibility".
Kind = Literal["text", "integer", "number", "flag", "cast", "json", "labels", "polygons", "mask", "point"]

SIDES: Final = tuple(field.name for field in BBOX)
SHAPES: Final = ("polygons", "mask")
IMAGE: Final = (("path", "text"), ("width", "integer"), ("height", "integer"))
_NESTED: Final[dict[str, Kind]] = {
    "polygons": "polygons",
    "mask": "mask",
    "quad": "json",
    "polyline": "json",
    "box3d": "json",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table.

    Attributes:
        header: Its name in the file, unique.
        field: The leaf's place in the schema: ``split``, ``objects.bbox``.
        kind: How its values stand in cells.
        part: Which side of a box, which member of an image; empty: the whole.
        number: Which keypoint; 0 for others.
        count: Of how many keypoint columns; 0 for others.
        words: The words of its class table; null: any text.
    """

    header: str
    field: str
    kind: Kind
    part: str = ""
    number: int = 0
    count: int = 0
    words: tuple[str, ...] | None = None


def object_field(schema: Schema, wanted: str | None) -> str | None:
    """The object field whose objects are the rows; null: rows are samples.

    Raises:
        OptionError: There is no such field.
    """
    fields = schema.of_kind(features.Objects)
    if wanted is None:
        return "objects" if "objects" in fields else next(iter(fields), None)
    if wanted not in fields:
        raise OptionError(f"field={wanted!r}: there is no such object field; there are {listed(fields)}")
    return wanted


def kept(schema: Schema, field: str | None, *, shapes: bool) -> Schema:
    """The part of a schema that the table holds.

    Args:
        schema: The dataset's.
        field: The object field whose objects are the rows.
        shapes: Whether polygons and masks are kept, as text.
    """
    names: list[str] = []
    for name, feature in schema.columns.items():
        if not isinstance(feature, features.Objects):
            names += [name] if _sample_kinds(feature) else []
        elif name == field:
            members = [m for m in feature.names if _member_kind(feature, m) and (shapes or m not in SHAPES)]
            names += [name, *(f"{name}.{member}" for member in members)]
    found = schema.project(names)
    images = {
        name: features.Image(source=feature.source)
        for name, feature in found.columns.items()
        if isinstance(feature, features.Image)
    }
    return found.with_columns({**found.columns, **images})


def columns_of(schema: Schema, field: str | None) -> list[Column]:
    """The columns of a table that holds all of a schema, as `kept` gives it."""
    found: list[Column] = []
    taken = {KEY}
    of_samples = [*_sample_columns(schema)]
    head = [column for column in of_samples if _is_head(schema, column)]
    rest = [column for column in of_samples if column not in head]
    for column in (*head, *_object_columns(schema, field), *rest):
        found.append(_unique(column, taken))
        taken.add(found[-1].header.casefold())
    return found


def _is_head(schema: Schema, column: Column) -> bool:
    """Whether a column stands before those of the objects: what people look for first."""
    named = column.field in {"id", "split"} or (column.field, column.part) == ("image", "path")
    return named or isinstance(schema.columns[column.field], features.Classification)


def _unique(column: Column, taken: set[str]) -> Column:
    """The column with a header that no other has, whatever the case: Excel's tables ask for it."""
    header = _shown(column.header) or _shown(column.field) or "column"
    if header.casefold() in taken and _shown(column.field).casefold() not in taken:
        header = _shown(column.field) or header
    number = 2
    plain = header
    while header.casefold() in taken:
        header, number = f"{plain} ({number})", number + 1
    return replace(column, header=header)


def _shown(name: str) -> str:
    """A name as a header: without control characters, and nothing that XlsxWriter takes for rich text."""
    plain = re.sub(r"[\x00-\x1f\ufffe\uffff]", " ", name).strip()
    return f"_{plain}" if plain.startswith("<r>") else plain


def _sample_columns(schema: Schema) -> Iterator[Column]:
    first: list[str] = [name for name in ("id", "image", "split") if name in schema.columns]
    first += schema.of_kind(features.Classification)
    for name in dict.fromkeys((*first, *schema.columns)):
        feature = schema.columns[name]
        for part, kind in _sample_kinds(feature):
            header = name if part in {"", "path"} else part if name == "image" else f"{name}_{part}"
            yield Column(header, name, kind, part, words=_words(feature))


def _object_columns(schema: Schema, field: str | None) -> Iterator[Column]:
    if field is None or field not in schema.columns:
        return
    feature = schema.objects(field)
    for name in dict.fromkeys((*(m for m in ("category",) if m in feature.names), *feature.names)):
        kind = _member_kind(feature, name)
        path = f"{field}.{name}"
        if name == "bbox":
            yield from (Column(f"bbox_{side}", path, "number", side) for side in SIDES)
        elif name == "keypoints":
            points = _points(feature)
            for number, point in enumerate(points):
                yield Column(point, path, "point", number=number, count=len(points))
        elif kind is not None:
            header = "object_id" if name == "id" else name
            yield Column(header, path, kind, words=_words(feature) if name == "category" else None)


def _points(feature: features.Objects) -> Sequence[str]:
    """The keypoints' names: those of the class that has most."""
    names = max((category.keypoints or () for category in feature.categories), key=len, default=())
    return names or ("keypoints",)


def _words(feature: Any) -> tuple[str, ...] | None:
    table = getattr(feature, "categories", None)
    return None if table is None else table.values


def _sample_kinds(feature: features.AnyFeature) -> Sequence[tuple[str, Kind]]:
    """The parts of a sample's column, with their kinds; none: no cell can hold it."""
    if isinstance(feature, features.Image):
        return IMAGE
    if isinstance(feature, features.Mask | features.Panoptic | features.Objects):
        return ()
    if isinstance(feature, features.Classification):
        return [("", "labels" if feature.multi else "text")]
    kind = _kind(feature.arrow)
    return [("", kind)] if kind else []


def _member_kind(feature: features.Objects, name: str) -> Kind | None:
    if name in feature.attributes:
        return _kind(feature.attributes[name].arrow)
    if name in {"bbox", "keypoints"}:
        return "number" if name == "bbox" else "point"
    return _NESTED.get(name) or _kind(feature.member_type(name))


def _kind(kind: pa.DataType) -> Kind | None:
    """How values of a type stand in cells; null: they cannot."""
    if isinstance(kind, pa.DictionaryType):
        return "text" if pa.types.is_string(kind.value_type) else None
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_floating(kind):
        return "number"
    if pa.types.is_boolean(kind):
        return "flag"
    if (
        pa.types.is_date(kind)
        or pa.types.is_time(kind)
        or pa.types.is_timestamp(kind)
        or pa.types.is_decimal(kind)
    ):
        return "cast"
    return "json" if pa.types.is_nested(kind) and _is_json(kind) else None


def _is_json(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.StructType):
        return all(_is_json(one.type) for one in kind)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _is_json(kind.value_type)
    return _kind(kind) in {"text", "integer", "number", "flag"}
