"""FiftyOne's declarations of fields, which its database goes by.

Source of truth: https://github.com/voxel51/fiftyone/blob/develop/fiftyone/core/odm/dataset.py (SampleFieldDocument)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from smalti.schema import features

if TYPE_CHECKING:
    from collections.abc import Mapping

    from smalti.schema.features import AnyFeature

VERSION = "1.0.0"  # the first whose fields are these; newer ones bring it up to date
ROOM = "fiftyone"
EMBEDDED = "EmbeddedDocumentField"
PLAIN = {"string": "StringField", "int64": "IntField", "double": "FloatField", "bool": "BooleanField"}
ANY = "Field"
_ID = ("ObjectIdField", "_id")
_WORDS = ("ListField", "StringField")
_COMMON: dict[str, Any] = {"id": _ID, "tags": _WORDS}
_SHAPE: dict[str, Any] = {**_COMMON, "attributes": "DictField", "label": "StringField", "index": "IntField"}
_MASK: dict[str, Any] = {"mask": "ArrayField", "mask_path": "StringField"}
# Fields of each label: the type, or the type and what is in it.
LABELS: dict[str, dict[str, Any]] = {
    "Detection": {**_SHAPE, **_MASK, "bounding_box": ("ListField", "FloatField"), "confidence": "FloatField"},
    "Polyline": {**_SHAPE, "points": "PolylinePointsField", "confidence": "FloatField", "closed": "BooleanField",
                 "filled": "BooleanField"},
    "Keypoint": {**_SHAPE, "points": "KeypointsField", "confidence": ("ListField", "FloatField")},
    "Classification": {**_COMMON, "label": "StringField", "confidence": "FloatField", "logits": "VectorField"},
    "Segmentation": {**_COMMON, **_MASK},
    "Regression": {**_COMMON, "value": "FloatField", "confidence": "FloatField"},
}  # fmt: skip
LISTS = {
    "Detections": "Detection",
    "Polylines": "Polyline",
    "Keypoints": "Keypoint",
    "Classifications": "Classification",
}


def field(name: str, kind: str, **more: Any) -> dict[str, Any]:
    """A declaration."""
    found: dict[str, Any] = {"name": name, "ftype": f"{ROOM}.core.fields.{kind}", "embedded_doc_type": None, "subfield": None,
                             "fields": [], "db_field": name, "description": None, "info": None, "read_only": False,
                             "created_at": None}  # fmt: skip
    return {**found, **more}


def label(name: str, cls: str) -> dict[str, Any]:
    """The declaration of a field of labels."""
    if (inner := LISTS.get(cls)) is not None:
        items = field(cls.lower(), "ListField", subfield=f"{ROOM}.core.fields.{EMBEDDED}", **_embedded(inner))
        return field(name, EMBEDDED, embedded_doc_type=f"{ROOM}.core.labels.{cls}", fields=[items])
    return field(name, EMBEDDED, **_embedded(cls))


def _embedded(cls: str) -> dict[str, Any]:
    inner = []
    for name, kind in LABELS.get(cls, {}).items():
        if isinstance(kind, str):
            inner.append(field(name, kind))
        elif kind is _ID:
            inner.append(field(name, kind[0], db_field=kind[1]))
        else:
            inner.append(field(name, kind[0], subfield=f"{ROOM}.core.fields.{kind[1]}"))
    return {"embedded_doc_type": f"{ROOM}.core.labels.{cls}", "fields": inner}


def declared(
    labels: Mapping[str, str], columns: Mapping[str, AnyFeature], kinds: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The declarations of all fields of samples.

    Args:
        labels: The fields of objects, with what FiftyOne calls their labels.
        columns: The other fields.
        kinds: What FiftyOne called fields where they come from it.
    """
    sizes = [field("width", "IntField"), field("height", "IntField"), field("size_bytes", "IntField")]
    facts = [*sizes, field("mime_type", "StringField"), field("num_channels", "IntField")]
    found = [
        field("id", _ID[0], db_field=_ID[1]),
        field("filepath", "StringField"),
        field("tags", _WORDS[0], subfield=f"{ROOM}.core.fields.{_WORDS[1]}"),
        field("metadata", EMBEDDED, embedded_doc_type=f"{ROOM}.core.metadata.ImageMetadata", fields=facts),
        field("created_at", "DateTimeField", read_only=True),
        field("last_modified_at", "DateTimeField", read_only=True),
    ]
    found += [label(name, cls) for name, cls in labels.items()]
    return found + [_column(name, feature, kinds.get(name)) for name, feature in columns.items()]


def _column(name: str, feature: AnyFeature, kind: str | None) -> dict[str, Any]:
    if isinstance(feature, features.Classification):
        return label(name, kind or ("Classifications" if feature.multi else "Classification"))
    if isinstance(feature, features.Mask):
        return label(name, "Segmentation")
    if kind is not None:
        return label(name, kind)
    if isinstance(feature, features.Json) or not pa.types.is_primitive(feature.arrow):
        return field(name, PLAIN.get("" if isinstance(feature, features.Json) else str(feature.arrow), ANY))
    return field(name, PLAIN.get(str(feature.arrow), ANY))
