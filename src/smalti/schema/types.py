"""Arrow types as JSON, and the compound types that every part of the house shares.

A list's child is always named ``element``, so that a schema survives a Parquet round trip
(https://github.com/apache/parquet-format/blob/master/LogicalTypes.md#lists).
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import pyarrow as pa
from pydantic import GetPydanticSchema
from pydantic_core import core_schema

from smalti.errors import SchemaError

TypeJson = str | dict[str, Any]

_TIMESTAMP = re.compile(r"timestamp\[(s|ms|us|ns), tz=(.+)\]")


def list_of(child: pa.DataType) -> pa.DataType:
    """A list type whose child is named ``element``."""
    return pa.list_(pa.field("element", child))


WORDS = pa.dictionary(pa.int32(), pa.string())
BBOX = pa.struct([(name, pa.float64()) for name in ("x", "y", "w", "h")])
POLYGONS = list_of(list_of(pa.float64()))
MASK = pa.struct([("height", pa.int32()), ("width", pa.int32()), ("counts", pa.binary())])
KEYPOINTS = list_of(pa.struct([("x", pa.float64()), ("y", pa.float64()), ("visibility", pa.int8())]))
BOX3D = pa.struct(
    [(name, pa.float64()) for name in ("x", "y", "z", "height", "width", "length", "rotation_y")]
)


def type_to_json(kind: pa.DataType) -> TypeJson:
    """Write an Arrow type as JSON: a name, or an object with one key for a compound type.

    Raises:
        SchemaError: The type has no form here (unions, maps, extension types).
    """
    if pa.types.is_dictionary(kind):
        return {"dictionary": [type_to_json(kind.index_type), type_to_json(kind.value_type)]}
    if pa.types.is_fixed_size_list(kind):
        return {"list": type_to_json(kind.value_type), "size": kind.list_size}
    if pa.types.is_list(kind):
        return {"list": type_to_json(kind.value_type)}
    if pa.types.is_large_list(kind):
        return {"large_list": type_to_json(kind.value_type)}
    if pa.types.is_struct(kind):
        return {"struct": {field.name: type_to_json(field.type) for field in kind}}
    name = str(kind)
    if _named(name) != kind:
        raise SchemaError(f"Arrow type {name} has no place in a smalti schema")
    return name


def type_from_json(form: TypeJson) -> pa.DataType:
    """Read an Arrow type from the JSON that `type_to_json` writes.

    Raises:
        SchemaError: The form is not one that `type_to_json` writes.
    """
    if isinstance(form, str):
        kind = _named(form)
        if kind is None:
            raise SchemaError(f"unknown Arrow type {form!r} in a schema")
        return kind
    match form:
        case {"dictionary": [index, value]}:
            return pa.dictionary(type_from_json(index), type_from_json(value))
        case {"list": child, "size": int(size)}:
            return pa.list_(pa.field("element", type_from_json(child)), size)
        case {"list": child}:
            return list_of(type_from_json(child))
        case {"large_list": child}:
            return pa.large_list(pa.field("element", type_from_json(child)))
        case {"struct": dict(children)}:
            return pa.struct([(name, type_from_json(child)) for name, child in children.items()])
    raise SchemaError(f"unknown Arrow type {form!r} in a schema")


def _named(name: str) -> pa.DataType | None:
    if name == "null":
        return pa.null()
    if found := _TIMESTAMP.fullmatch(name):
        return pa.timestamp(found[1], tz=found[2])
    if found := re.fullmatch(r"decimal128\((\d+), (-?\d+)\)", name):
        return pa.decimal128(int(found[1]), int(found[2]))
    if found := re.fullmatch(r"fixed_size_binary\[(\d+)\]", name):
        return pa.binary(int(found[1]))
    try:
        return pa.type_for_alias(name)
    except ValueError:
        return None


def canonical(kind: pa.DataType) -> pa.DataType:
    """The same type with every list's child named ``element``."""
    if pa.types.is_dictionary(kind) or not pa.types.is_nested(kind):
        return kind
    return type_from_json(type_to_json(kind))


def _validate(value: Any) -> pa.DataType:
    return value if isinstance(value, pa.DataType) else type_from_json(value)


# An Arrow type as a pydantic field: JSON outside, pa.DataType inside.
ArrowType = Annotated[
    pa.DataType,
    GetPydanticSchema(
        lambda _source, _handler: core_schema.no_info_plain_validator_function(
            _validate,
            serialization=core_schema.plain_serializer_function_ser_schema(type_to_json),
        )
    ),
]
