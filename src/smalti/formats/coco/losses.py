"""What COCO does not take, and what it takes in another form: the losses of a writing, by stable codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.formats.coco.encode import holdable
from smalti.formats.coco.objects import HELD
from smalti.formats.losses import dropped
from smalti.formats.report import Loss
from smalti.schema import features

if TYPE_CHECKING:
    from collections.abc import Collection

    from smalti.formats.coco.objects import Tallies
    from smalti.schema.features import AnyFeature
    from smalti.schema.schema import Schema

_PLAIN = (
    features.Value,
    features.Json,
    features.Text,
    features.Scalar,
    features.Embedding,
    features.Video,
    features.Frame,
)
_CHANGES = {
    "area.computed": "COCO needs an area; it is computed from the polygons, the mask or the box",
    "bbox.computed": "the box is computed around the polygons, the mask, the corners or the keypoints",
    "quad.as_polygon": "an oriented box is written as a polygon of its four corners",
    "crowd.ignored": "LVIS has no crowds: its tools take each for an object",
    "visibility.assumed": "an unknown visibility is written as 2, or as 0 where the point is the origin",
}
_DROPS = {
    "mask.dropped": "an object has polygons and a mask, and COCO holds one; the polygons are written",
    "quad.dropped": "an object has corners beside polygons or a mask; COCO holds one shape",
}
_REASONS = {
    "angle": "the corners hold the angle",
    "polyline": "there are no open lines",
    "box3d": "there are no boxes in space",
    "file_name": "file_name is the path of the image",
}


def taken(schema: Schema, told: Collection[str], *, one_field: bool) -> Schema:
    """The part of a schema that COCO holds.

    Args:
        schema: The schema of the dataset.
        told: Keys of images that are written without a column.
        one_field: There is one file alone, of one label field.
    """
    columns: dict[str, AnyFeature] = {}
    plain = plain_columns(schema, told)
    labels = [n for n, f in schema.columns.items() if isinstance(f, features.Objects | features.Captions)]
    first = "objects" if "objects" in labels else next(iter(labels), None)
    for name, feature in schema.columns.items():
        if isinstance(feature, features.Objects | features.Captions):
            if one_field and name != first:
                continue
            columns[name] = _held(feature) if isinstance(feature, features.Objects) else feature
        elif name in {"id", "image", "split"} | plain:
            columns[name] = feature
    return schema.with_columns(columns)


def plain_columns(schema: Schema, told: Collection[str]) -> set[str]:
    """The columns that become keys of images; not those whose keys are told otherwise."""
    return {
        name
        for name, feature in schema.columns.items()
        if isinstance(feature, _PLAIN) and holdable(feature.arrow) and (feature.source or name) not in told
    }


def _held(feature: features.Objects) -> features.Objects:
    attributes = {name for name, value in feature.attributes.items() if holdable(value.arrow)}
    return feature.only({*(name for name in feature.members if name in HELD), *attributes})


def declared(schema: Schema, wanted: Schema, title: str, *, single: bool) -> list[Loss]:
    """What is known to be lost from the schema alone."""
    losses = [loss for loss in dropped(schema, wanted, title, _REASONS) if loss.field != "split"]
    if single and len(schema.splits) > 1:
        losses.append(
            Loss(
                code="split.dropped",
                field="split",
                reason="one file has no place for splits; write to a folder",
                count=None,
            )
        )
    return losses


def changes(tallies: Tallies) -> list[Loss]:
    """What was computed or left out while writing a part."""
    return [
        Loss(
            code=code,
            field=field,
            kind="change" if code in _CHANGES else "value",
            reason=_CHANGES.get(code) or _DROPS[code],
            count=count,
            example=example,
        )
        for (code, field), (count, example) in tallies.found.items()
    ]


def unannotated(field: str, count: int, example: str) -> Loss:
    """Samples that nobody has annotated, in a file in which they cannot be told from empty ones."""
    return Loss(
        code="unannotated.merged",
        field=field,
        kind="change",
        reason="nobody has annotated the sample; in one file it looks annotated and empty",
        count=count,
        example=example,
    )
