"""What a column means. Each feature lowers to an Arrow type; its parameters go to the schema's JSON.

Coordinates everywhere are absolute pixels as float64, the origin at the outer top left corner of
the image, edges continuous.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from smalti.schema.categories import Categories
from smalti.schema.types import (
    BBOX,
    BOX3D,
    KEYPOINTS,
    MASK,
    POLYGONS,
    WORDS,
    ArrowType,
    canonical,
    list_of,
)

if TYPE_CHECKING:
    from collections.abc import Collection


class Feature(BaseModel):
    """The base of all features.

    Attributes:
        source: The source's own key for this column, where it differs from the column's name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    source: str | None = None

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type of a column of this feature."""
        raise NotImplementedError


class Value(Feature):
    """A plain Arrow column: what the source had and no other feature names."""

    kind: Literal["value"] = "value"
    type: ArrowType

    @field_validator("type")
    @classmethod
    def _element(cls, value: pa.DataType) -> pa.DataType:
        return canonical(value)

    @property
    def arrow(self) -> pa.DataType:
        return self.type


class Json(Feature):
    """JSON text as it stood in the source, for values that no one Arrow type holds without loss."""

    kind: Literal["json"] = "json"

    @property
    def arrow(self) -> pa.DataType:
        return pa.string()


class Text(Feature):
    """Free text about the sample."""

    kind: Literal["text"] = "text"

    @property
    def arrow(self) -> pa.DataType:
        return pa.string()


class Scalar(Feature):
    """One number, flag or time about the sample."""

    kind: Literal["scalar"] = "scalar"
    type: ArrowType = pa.float64()

    @property
    def arrow(self) -> pa.DataType:
        return self.type


class Embedding(Feature):
    """A vector of `dim` float32 numbers."""

    kind: Literal["embedding"] = "embedding"
    dim: int = Field(gt=0)

    @property
    def arrow(self) -> pa.DataType:
        # A plain list: several engines trip over fixed-size lists.
        return list_of(pa.float32())


class Split(Feature):
    """The split a sample belongs to; null where the source has none."""

    kind: Literal["split"] = "split"

    @property
    def arrow(self) -> pa.DataType:
        return WORDS


IMAGE_MEMBERS: dict[str, pa.DataType] = {
    "path": pa.string(),  # relative to the schema's media root, or a URL
    "width": pa.int32(),  # of the frame that the labels refer to; null while unknown
    "height": pa.int32(),
    "exif_orientation": pa.int8(),  # 1 to 8 as the file's header has it; null where it has none
    "offset": pa.int64(),  # bytes, of a member of a shard
    "size": pa.int64(),
    "bytes": pa.binary(),
    "sha256": pa.binary(32),
}


class Image(Feature):
    """The sample's picture: where it lies and how large it is.

    Attributes:
        members: Which members of `IMAGE_MEMBERS` the column has; path, width and height always.
    """

    kind: Literal["image"] = "image"
    members: tuple[str, ...] = ("path", "width", "height")

    @field_validator("members")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _in_order(value, IMAGE_MEMBERS, required=("path", "width", "height"))

    @property
    def arrow(self) -> pa.DataType:
        return pa.struct([(name, IMAGE_MEMBERS[name]) for name in self.members])


OBJECT_MEMBERS: dict[str, pa.DataType] = {
    "id": pa.int64(),  # the source's annotation id
    "category": WORDS,  # values are the schema's names in the schema's order
    "bbox": BBOX,
    "polygons": POLYGONS,  # rings x0, y0, x1, y1, …: the parts of one object
    "mask": MASK,  # COCO's RLE, compressed
    "quad": list_of(pa.float64()),  # x0, y0 … x3, y3: the corners of an oriented box
    "angle": pa.float64(),  # of the oriented box, as the source had it
    "keypoints": KEYPOINTS,  # visibility 0 not labelled, 1 hidden, 2 visible; null where unknown
    "polyline": list_of(pa.float64()),
    "box3d": BOX3D,
    "score": pa.float64(),
    "area": pa.float64(),  # square pixels, as the source had it
    "iscrowd": pa.bool_(),
    "track_id": pa.int64(),
}
GEOMETRY = ("bbox", "polygons", "mask", "quad", "keypoints", "polyline", "box3d")


class Objects(Feature):
    """The objects of a sample, one struct each. Null: nobody has annotated it. Empty: nothing there.

    Attributes:
        categories: The class table of the member ``category``.
        members: Which members of `OBJECT_MEMBERS` the source has.
        attributes: Every further member by name, each with its own type.
        id_type: The type of ``id`` and ``track_id``: ``json`` where the source mixes numbers and
            text, so that 1 and "1" stay apart.
    """

    kind: Literal["objects"] = "objects"
    categories: Categories = Categories()
    members: tuple[str, ...] = ("category", "bbox")
    attributes: dict[str, Annotated[Value | Json, Field(discriminator="kind")]] = Field(default_factory=dict)
    id_type: Literal["int64", "string", "json"] = "int64"

    @field_validator("members")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _in_order(value, OBJECT_MEMBERS)

    @model_validator(mode="after")
    def _apart(self) -> Objects:
        if both := set(self.attributes) & set(OBJECT_MEMBERS):
            raise ValueError(f"attribute {min(both)!r} has the name of a member")
        return self

    def member_type(self, name: str) -> pa.DataType:
        """The Arrow type of one member or attribute."""
        if name in self.attributes:
            return self.attributes[name].arrow
        if name in {"id", "track_id"} and self.id_type != "int64":
            return pa.string()
        return OBJECT_MEMBERS[name]

    @property
    def names(self) -> tuple[str, ...]:
        """All members and attributes, in the struct's order."""
        return (*self.members, *self.attributes)

    def only(self, names: Collection[str]) -> Objects:
        """The same field with only those members and attributes."""
        return self.model_copy(
            update={
                "members": tuple(name for name in self.members if name in names),
                "attributes": {name: f for name, f in self.attributes.items() if name in names},
            }
        )

    @property
    def struct(self) -> pa.StructType:
        """The Arrow type of one object."""
        return pa.struct([(name, self.member_type(name)) for name in self.names])

    @property
    def arrow(self) -> pa.DataType:
        return list_of(self.struct)


class Classification(Feature):
    """The sample's class; with `multi`, any number of classes with their scores."""

    kind: Literal["classification"] = "classification"
    categories: Categories = Categories()
    multi: bool = False

    @property
    def arrow(self) -> pa.DataType:
        if self.multi:
            return list_of(pa.struct([("category", WORDS), ("score", pa.float64())]))
        return WORDS


class Mask(Feature):
    """A label image whose pixel values are class ids of `categories`."""

    kind: Literal["mask"] = "mask"
    categories: Categories = Categories()

    @property
    def arrow(self) -> pa.DataType:
        return pa.struct([("path", pa.string()), ("bytes", pa.binary())])


SEGMENT_MEMBERS: dict[str, pa.DataType] = {
    "id": pa.int64(),  # the value of its pixels, from 1
    "category": WORDS,
    "bbox": BBOX,
    "area": pa.float64(),  # pixels, as the source had it
    "iscrowd": pa.bool_(),
}


class Panoptic(Feature):
    """A label image whose pixels are ids of segments (in colours: red + 256 green + 65,536 blue), and the segments.

    A pixel of 0 belongs to no segment. Whether a class is a thing or stuff, its `Category.attributes` say: ``isthing``.

    Attributes:
        categories: The class table of the segments.
        attributes: Every further key of a segment by name, each with its own type.
    """

    kind: Literal["panoptic"] = "panoptic"
    categories: Categories = Categories()
    attributes: dict[str, Annotated[Value | Json, Field(discriminator="kind")]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _apart(self) -> Panoptic:
        if both := set(self.attributes) & set(SEGMENT_MEMBERS):
            raise ValueError(f"attribute {min(both)!r} has the name of a member")
        return self

    @property
    def struct(self) -> pa.StructType:
        """The Arrow type of one segment."""
        more = {name: feature.arrow for name, feature in self.attributes.items()}
        return pa.struct(list((SEGMENT_MEMBERS | more).items()))

    @property
    def arrow(self) -> pa.DataType:
        return pa.struct([("path", pa.string()), ("bytes", pa.binary()), ("segments", list_of(self.struct))])


class Captions(Feature):
    """Sentences about the sample, each with the source's annotation id where it has one.

    Attributes:
        attributes: Every further key of a caption by name, each with its own type.
    """

    kind: Literal["captions"] = "captions"
    attributes: dict[str, Annotated[Value | Json, Field(discriminator="kind")]] = Field(default_factory=dict)

    @property
    def arrow(self) -> pa.DataType:
        members = [("id", pa.int64()), ("caption", pa.string())]
        return list_of(pa.struct(members + [(name, f.arrow) for name, f in self.attributes.items()]))


class Conversation(Feature):
    """Turns of a dialogue about the sample (visual questions and answers, chat)."""

    kind: Literal["conversation"] = "conversation"

    @property
    def arrow(self) -> pa.DataType:
        return list_of(pa.struct([("role", pa.string()), ("text", pa.string())]))


class Video(Feature):
    """The video that the sample is a frame of."""

    kind: Literal["video"] = "video"

    @property
    def arrow(self) -> pa.DataType:
        return pa.string()


class Frame(Feature):
    """The sample's frame number in its video, from 0."""

    kind: Literal["frame"] = "frame"

    @property
    def arrow(self) -> pa.DataType:
        return pa.int64()


AnyFeature = Annotated[
    Value
    | Json
    | Text
    | Scalar
    | Embedding
    | Split
    | Image
    | Objects
    | Classification
    | Mask
    | Panoptic
    | Captions
    | Conversation
    | Video
    | Frame,
    Field(discriminator="kind"),
]


def _in_order(
    names: tuple[str, ...], known: dict[str, Any], required: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Members in the one order that equal schemas share, whatever order they were named in."""
    if unknown := set(names) - set(known):
        raise ValueError(f"unknown member {min(unknown)!r}; known are {', '.join(known)}")
    return tuple(name for name in known if name in names or name in required)
