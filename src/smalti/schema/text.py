"""Columns in words: what `Schema` prints and notebooks show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smalti.schema import features

if TYPE_CHECKING:
    import pyarrow as pa

    from smalti.schema.schema import Schema

LONGEST = 60  # characters of an Arrow type
NAMED = 12  # members that are named before the rest is counted


def fact(feature: Any) -> str:
    """What is to be said of a column: its classes and members, or its Arrow type."""
    if isinstance(feature, features.Objects):
        names = feature.names
        shown = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
        return f"{_classes(feature)}: {shown}" if "category" in feature.members else shown
    if isinstance(feature, features.Classification):
        return _classes(feature) + (", any number of them" if feature.multi else "")
    if isinstance(feature, features.Mask | features.Panoptic):
        return _classes(feature)
    if isinstance(feature, features.Image):
        return ", ".join(feature.members)
    if isinstance(feature, features.Split):
        return "words"
    if isinstance(feature, features.Embedding):
        return f"{feature.dim:,} numbers"
    return short(feature.arrow)


def _classes(feature: Any) -> str:
    count = len(feature.categories)
    return f"{count:,} class{'' if count == 1 else 'es'}"


def short(kind: pa.DataType) -> str:
    """An Arrow type on one line."""
    text = str(kind).replace("element: ", "")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def notes(schema: Schema) -> list[str]:
    """What a schema knows beside its columns."""
    found = []
    if schema.splits:
        found.append(f"splits: {', '.join(schema.splits)}")
    if schema.media_root is not None:
        found.append(f"images below {schema.media_root}")
    if schema.id_has_split:
        found.append("ids carry their split")
    if schema.extra:
        found.append(f"kept for {', '.join(schema.extra)}")
    return found
