"""Schema: what every column of a dataset means, to and from Arrow metadata and JSON.

The JSON stands under the Arrow metadata key ``smalti``. Beside it stands ``huggingface``, so that
``datasets.load_dataset("parquet")`` finds its own features
(https://huggingface.co/docs/datasets/about_arrow).
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from smalti.errors import SchemaError, listed
from smalti.schema import features
from smalti.schema.doors import Shown
from smalti.schema.features import AnyFeature, Feature
from smalti.schema.text import fact, notes
from smalti.schema.types import canonical

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

SCHEMA_VERSION: Final = 1
METADATA_KEY = b"smalti"


class Schema(Shown, BaseModel):
    """The columns of a dataset and what is known of it as a whole.

    Attributes:
        columns: Feature by column name, in order. ``id`` (string, unique) is always there.
        splits: The source's splits in its order, empty ones too.
        media_root: Where image paths are relative to, as a path or URL; null while unknown.
        id_has_split: Two splits share a path, so every id carries its split in front.
        extra: What a format keeps for itself, by format name (COCO's ``info`` and ``licenses``).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = SCHEMA_VERSION
    columns: dict[str, AnyFeature]
    splits: tuple[str, ...] = ()
    media_root: str | None = None
    id_has_split: bool = False
    extra: dict[str, dict[str, Any]] = Field(default_factory=dict)

    def __repr__(self) -> str:
        lines = [f"  {name}: {feature.kind}, {fact(feature)}" for name, feature in self.columns.items()]
        return "\n".join([f"Schema({len(lines)} columns)", *lines, *(f"  {line}" for line in notes(self))])

    __str__ = __repr__

    @cached_property
    def arrow(self) -> pa.Schema:
        """The Arrow schema, with this one in its metadata."""
        fields = [(name, feature.arrow) for name, feature in self.columns.items()]
        return pa.schema(fields, metadata=self.metadata)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Schema:
        """A copy, which makes its own Arrow schema."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("arrow", None)
        return copied

    @property
    def metadata(self) -> dict[bytes, bytes]:
        """The Arrow metadata: this schema and the Hugging Face features."""
        hub = {"info": {"features": {n: _hub_feature(f.arrow) for n, f in self.columns.items()}}}
        return {METADATA_KEY: self.to_json().encode(), b"huggingface": json.dumps(hub).encode()}

    def to_json(self) -> str:
        """The schema as JSON; the same schema gives the same text."""
        return self.model_dump_json(exclude_defaults=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Schema:
        """Read a schema from its JSON.

        Raises:
            SchemaError: The JSON is not a schema, or of a version that this release does not know.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise SchemaError(
                f"not a smalti schema of version {SCHEMA_VERSION}: {place}: {first['msg']}"
            ) from error

    @classmethod
    def from_arrow(cls, schema: pa.Schema) -> Schema:
        """Read a schema from Arrow metadata; columns that it does not name become plain values.

        Raises:
            SchemaError: A column's Arrow type is not that of its feature.
        """
        text = (schema.metadata or {}).get(METADATA_KEY)
        known = cls.from_json(text) if text else cls(columns={})
        columns: dict[str, AnyFeature] = {}
        for field in schema:
            feature = known.columns.get(field.name)
            if feature is None:
                feature = _guessed(field)
            elif canonical(field.type) != feature.arrow:
                raise SchemaError(
                    f"column {field.name!r} is {field.type}, but its feature {feature.kind!r} wants"
                    f" {feature.arrow}"
                )
            columns[field.name] = feature
        return known.model_copy(update={"columns": columns})

    def with_columns(self, columns: dict[str, AnyFeature]) -> Schema:
        """The same schema with other columns."""
        return self.model_copy(update={"columns": columns})

    def fields(self) -> list[str]:
        """Every column and object member by its dotted name; an object field by its members alone."""
        names: list[str] = []
        for name, feature in self.columns.items():
            if isinstance(feature, features.Objects):
                names += [f"{name}.{member}" for member in feature.names]
            else:
                names.append(name)
        return names

    def project(self, fields: Collection[str]) -> Schema:
        """The schema with only those fields (dotted names, as `fields` gives them).

        An object field is kept, without members, where its bare name is asked for; ``id`` always is.
        """
        columns: dict[str, AnyFeature] = {}
        for name, feature in self.columns.items():
            if isinstance(feature, features.Objects):
                inner = {field.partition(".")[2] for field in fields if field.startswith(f"{name}.")}
                if inner or name in fields:
                    columns[name] = feature.only(inner)
            elif name in fields or name == "id":
                columns[name] = feature
        return self.with_columns(columns)

    @property
    def storable(self) -> Schema:
        """The schema as Parquet can hold it: objects without any member get ``category``, null everywhere."""
        bare = [name for name in self.of_kind(features.Objects) if not self.objects(name).names]
        if not bare:
            return self
        with_one = {name: self.objects(name).model_copy(update={"members": ("category",)}) for name in bare}
        return self.with_columns({**self.columns, **with_one})

    def of_kind(self, kind: type[Feature]) -> list[str]:
        """The names of the columns whose feature is of that class."""
        return [name for name, feature in self.columns.items() if isinstance(feature, kind)]

    def objects(self, name: str = "objects") -> features.Objects:
        """The feature of an object field.

        Raises:
            SchemaError: There is no such column, or it holds no objects.
        """
        feature = self.columns.get(name)
        if not isinstance(feature, features.Objects):
            raise SchemaError(
                f"{name!r} is no object field; there are {listed(self.of_kind(features.Objects))}"
            )
        return feature


def _guessed(field: pa.Field) -> AnyFeature:
    """The feature of a column without one: split and image by their names and types."""
    if field.name == "split" and pa.types.is_dictionary(field.type):
        return features.Split()
    if field.name == "image" and pa.types.is_struct(field.type):
        members = tuple(child.name for child in field.type)
        if {"path", "width", "height"} <= set(members) <= set(features.IMAGE_MEMBERS):
            image = features.Image(members=members)
            if image.arrow == field.type:
                return image
    return features.Value(type=field.type)


def _hub_feature(kind: pa.DataType) -> Any:
    """An Arrow type as Hugging Face features: words instead of dictionaries."""
    if pa.types.is_dictionary(kind):
        return _hub_feature(kind.value_type)
    if pa.types.is_struct(kind):
        return {field.name: _hub_feature(field.type) for field in kind}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        name = "LargeList" if pa.types.is_large_list(kind) else "List"
        length = kind.list_size if pa.types.is_fixed_size_list(kind) else None
        body = {"feature": _hub_feature(kind.value_type), "_type": name}
        return body if length is None else {**body, "length": length}
    names = {"double": "float64", "float": "float32", "halffloat": "float16"}
    return {"dtype": names.get(str(kind), str(kind)), "_type": "Value"}
