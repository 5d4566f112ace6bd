"""What the files of Open Images consist of, and the options of reading and writing them.

https://storage.googleapis.com/openimages/web/download_v7.html (Data Formats)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
from pydantic import Field

from smalti.formats.protocol import Options
from smalti.schema import features
from smalti.schema.types import BBOX, list_of

if TYPE_CHECKING:
    from collections.abc import Iterable

CellKind = Literal["id", "text", "number", "flag", "whole"]


@dataclass(frozen=True, slots=True)
class Cell:
    """What a column of a CSV holds: of what kind its cells are, and whether none may be blank."""

    kind: CellKind = "text"
    needed: bool = False


TEXT, NUMBER, FLAG, WHOLE = Cell(), Cell("number"), Cell("flag"), Cell("whole")
IMAGE, WORD, SIDE = Cell("id", needed=True), Cell(needed=True), Cell("number", needed=True)

SIDES = ("XMin", "XMax", "YMin", "YMax")
BOX_SIDES = tuple(f"Box{side}" for side in SIDES)
CLICKS = tuple(f"XClick{n}{axis}" for axis in "XY" for n in range(1, 5))
FLAGS = {  # columns of flags, -1 where nobody knows, and the member or attribute of each
    "IsOccluded": "occluded",
    "IsTruncated": "truncated",
    "IsGroupOf": "iscrowd",
    "IsDepiction": "is_depiction",
    "IsInside": "is_inside",
}
IMAGE_COLUMNS = {
    "OriginalURL": TEXT,
    "OriginalLandingURL": TEXT,
    "License": TEXT,
    "AuthorProfileURL": TEXT,
    "Author": TEXT,
    "Title": TEXT,
    "OriginalSize": WHOLE,
    "OriginalMD5": TEXT,
    "Thumbnail300KURL": TEXT,
    "Rotation": NUMBER,
}
PAIR = tuple(f"{side}{n}" for n in (1, 2) for side in SIDES)
KINDS: dict[
    str, dict[str, Cell]
] = {  # the columns of each kind of CSV, in the order of the benchmark's files
    "images": {"ImageID": IMAGE, "Subset": TEXT, **IMAGE_COLUMNS},
    "boxes": {
        "ImageID": IMAGE,
        "Source": TEXT,
        "LabelName": WORD,
        "Confidence": NUMBER,
        **dict.fromkeys(SIDES, SIDE),
        **dict.fromkeys(FLAGS, FLAG),
        **dict.fromkeys(CLICKS, NUMBER),
    },
    "labels": {"ImageID": IMAGE, "Source": TEXT, "LabelName": WORD, "Confidence": NUMBER},
    "masks": {
        "MaskPath": WORD,
        "ImageID": IMAGE,
        "LabelName": WORD,
        "BoxID": TEXT,
        **dict.fromkeys(BOX_SIDES, NUMBER),
        "PredictedIoU": NUMBER,
        "Clicks": TEXT,
    },
    "relationships": {
        "ImageID": IMAGE,
        "LabelName1": WORD,
        "LabelName2": WORD,
        **dict.fromkeys(PAIR, SIDE),
        "RelationshipLabel": WORD,
    },
    "points": {
        "ImageId": IMAGE,
        "X": SIDE,
        "Y": SIDE,
        "Label": WORD,
        "EstimatedYesNo": TEXT,
        "Source": TEXT,
        "YesVotes": WHOLE,
        "NoVotes": WHOLE,
        "UnsureVotes": WHOLE,
        "TextLabel": TEXT,
    },
}
MARKS = {  # the columns that tell a kind, the more telling kinds first
    "masks": {"MaskPath", "ImageID", "LabelName"},
    "relationships": {"ImageID", "LabelName1", "LabelName2", "RelationshipLabel"},
    "points": {"ImageId", "X", "Y", "Label"},
    "boxes": {"ImageID", "LabelName", *SIDES},
    "labels": {"ImageID", "LabelName", "Confidence"},
    "images": {"ImageID"},
}

FLAG_ATTRIBUTES = tuple(name for name in FLAGS.values() if name != "iscrowd")
ATTRIBUTES: dict[str, Any] = {
    **{name: features.Value(type=pa.bool_()) for name in FLAG_ATTRIBUTES},
    "source": features.Value(type=pa.string()),
    "extreme_points": features.Value(type=list_of(pa.float64())),
    "box_id": features.Value(type=pa.string()),
    "predicted_iou": features.Value(type=pa.float64()),
    "clicks": features.Value(type=pa.string()),
}
OF_MASKS = {
    "box_id": "BoxID",
    "predicted_iou": "PredictedIoU",
    "clicks": "Clicks",
}  # a row of a mask alone has them
RELATIONSHIPS = features.Value(
    type=list_of(
        pa.struct(
            [
                ("label1", pa.string()),
                ("label2", pa.string()),
                ("relationship", pa.string()),
                ("bbox1", BBOX),
                ("bbox2", BBOX),
            ]
        )
    )
)
POINT_WORDS = {"Label": "label", "EstimatedYesNo": "estimated", "Source": "source", "TextLabel": "text"}
POINT_VOTES = {"YesVotes": "yes_votes", "NoVotes": "no_votes", "UnsureVotes": "unsure_votes"}
POINTS = features.Value(
    type=list_of(
        pa.struct(
            [
                *((axis, pa.float64()) for axis in "xy"),
                *((name, pa.string()) for name in POINT_WORDS.values()),
                *((name, pa.int64()) for name in POINT_VOTES.values()),
            ]
        )
    )
)
TYPES = {
    "id": pa.string(),
    "text": pa.string(),
    "number": pa.float64(),
    "flag": pa.int8(),
    "whole": pa.int64(),
}

SIZES = "images.meta"  # CVAT's and Datumaro's own: name, height and width of each image
HIERARCHY = "bbox_labels_600_hierarchy.json"
NO_SPLIT = "default"  # Datumaro's word
SPLIT_WORDS = {"val": "validation"}  # the benchmark's word for a split, where it is another
HUMAN, MACHINE = "verification", "machine"
NAMED_SOURCES = frozenset({MACHINE, "crowdsource_verification"})


OURS = frozenset({"id", "image", "split", "objects", "relationships", "points", *IMAGE_COLUMNS})


def label_columns(sources: Iterable[str | None]) -> dict[str | None, str]:
    """The column of the image labels of each source: ``labels`` for those that people have verified."""
    found: dict[str | None, str] = {}
    taken = set(OURS)
    for source in sorted(set(sources), key=lambda source: (source is not None, source != HUMAN, source)):
        plain = str(source).replace("-", "_")
        known = source is None or source == HUMAN
        name = "labels" if known else f"{plain}_labels" if plain in NAMED_SOURCES else str(source)
        while name in taken:
            name += "_"
        taken.add(name)
        found[source] = name
    return found


class OpenImagesOptions(Options):
    """Options of Open Images."""

    images: Literal["all", "present"] | None = Field(
        None,
        description="Which images are samples: all that the files name, or those alone that are there. Null: `present` in"
        " FiftyOne's folders, whose files name every image of the benchmark, else `all`.",
        json_schema_extra={"side": "read"},
    )
    size: tuple[int, int] | None = Field(
        None,
        description="Width and height of images that are not at hand: coordinates are fractions of them. `(1, 1)` leaves"
        " fractions; null: an object of such an image is an error.",
        json_schema_extra={"side": "read"},
    )
    masks: bool = Field(
        True,  # pydantic's own way
        description="Whether the pixels of masks are read, and masks and polygons are written.",
    )
