"""Sample: a row of a dataset as Python sees it, and as a user builds it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

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


class Sample(BaseModel):
    """One sample.

    Attributes:
        id: Unique in its dataset: the picture's path below the media folder of its split.
        image: The picture; a plain text is its path.
        split: Null where the source has none.
        objects: Null: nobody has annotated it. Empty: annotated, and there is nothing.

    Every other keyword is a column of that name.
    """

    model_config = ConfigDict(frozen=True, extra="allow", arbitrary_types_allowed=True)

    id: str = Field(min_length=1)
    image: ImageRef = ImageRef()
    split: str | None = None
    objects: Objects | None = None

    @field_validator("image", mode="before")
    @classmethod
    def _path(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else {} if value is None else value

    @field_validator("objects", mode="before")
    @classmethod
    def _objects(cls, value: Any) -> Any:
        return Objects.from_list(value) if isinstance(value, list) else value

    @property
    def columns(self) -> dict[str, Any]:
        """The columns beyond the four that every sample has."""
        return dict(self.model_extra or {})

    def __getitem__(self, name: str) -> Any:
        if name in type(self).model_fields:
            return getattr(self, name)
        return self.columns[name]

    def __repr__(self) -> str:
        size = f", {self.image.width} x {self.image.height}" if self.image.width else ""
        labels = "not annotated" if self.objects is None else f"{len(self.objects)} objects"
        split = f", {self.split}" if self.split else ""
        return f"Sample({self.id!r}{split}{size}, {labels})"

    __str__ = __repr__
