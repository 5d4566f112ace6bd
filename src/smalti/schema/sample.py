"""Sample: a row of a dataset as Python sees it, and as a user builds it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator

from smalti.errors import DataError, SchemaError, listed
from smalti.schema.doors import Drawn
from smalti.schema.objects import Objects


class ImageRef(BaseModel):
    """Where a sample's picture lies, and how large it is.

    Attributes:
        path: Relative to the dataset's media root, or a URL; null: the sample's id.
        width: Pixels of the frame that the labels refer to; null while unknown.
        height: Pixels.
        exif_orientation: 1 to 8, as the file's header has it.
        offset: Bytes, where the picture is a member of a shard.
        size: Bytes.
        bytes: The encoded picture itself.
        sha256: Of the encoded picture.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str | None = None
    width: int | None = Field(default=None, gt=0)
    height: int | None = Field(default=None, gt=0)
    exif_orientation: int | None = Field(default=None, ge=1, le=8)
    offset: int | None = None
    size: int | None = None
    bytes: Any = None
    sha256: Any = None


class Sample(Drawn, BaseModel):
    """One sample.

    Attributes:
        id: Unique in its dataset: the picture's path below the media folder of its split.
        image: The picture; a plain text is its path.
        split: Null where the source has none.
        objects: Null: nobody has annotated it. Empty: annotated, and there is nothing.

    Every other keyword is a column of that name.

    Raises:
        DataError: A value is not what its field holds; the message names the sample and the field.
    """

    model_config = ConfigDict(frozen=True, extra="allow", arbitrary_types_allowed=True)

    id: str = Field(min_length=1)
    image: ImageRef = ImageRef()
    split: str | None = None
    objects: Objects | None = None
    _schema: Any = PrivateAttr(default=None)

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise _wrong(error, data.get("id")) from error

    @field_validator("image", mode="before")
    @classmethod
    def _path(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else {} if value is None else value

    @field_validator("objects", mode="before")
    @classmethod
    def _objects(cls, value: Any) -> Any:
        plain = isinstance(value, Iterable) and not isinstance(value, Objects | str | bytes | Mapping)
        return Objects.from_list(list(value)) if plain else value

    @property
    def columns(self) -> dict[str, Any]:
        """The columns beyond the four that every sample has."""
        return dict(self.model_extra or {})

    @property
    def dataset_schema(self) -> Any:
        """The `Schema` of the dataset that it is a row of; null for a sample of its own."""
        return self._schema

    def __eq__(self, other: object) -> bool:
        # By content alone: rows of two datasets are equal also where their class tables are not.
        if not isinstance(other, Sample):
            return NotImplemented
        return self.__dict__ == other.__dict__ and self.columns == other.columns

    __hash__ = None  # type: ignore[assignment]  # it compares by content

    def __getitem__(self, name: str) -> Any:
        if name in type(self).model_fields:
            return getattr(self, name)
        if name not in self.columns:
            raise SchemaError(
                f"sample {self.id!r} has no column {name!r}; there are {listed([*type(self).model_fields, *self.columns])}"
            )
        return self.columns[name]

    def __repr__(self) -> str:
        size = f", {self.image.width} x {self.image.height}" if self.image.width else ""
        labels = "not annotated" if self.objects is None else f"{len(self.objects)} objects"
        split = f", {self.split}" if self.split else ""
        return f"Sample({self.id!r}{split}{size}, {labels})"

    __str__ = __repr__


def _wrong(error: ValidationError, sample: Any) -> DataError:
    """The first thing that is wrong with a sample, and where."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    name = sample if isinstance(sample, str) else None
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, DataError):
        return DataError(cause.reason, position=cause.position or place, sample=name, hint=cause.hint)
    if first["type"] == "missing":
        return DataError(f"there is no {place}", hint="every sample needs a unique one")
    return DataError(f"found {first['input']!r}: {first['msg']}", position=place, sample=name)
