"""The members of a label field as columns over all annotations of its files, in the files' order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from msgspec import UNSET, Raw

from smalti.formats.coco.columns import (
    Ids,
    IdType,
    box_values,
    column,
    floats,
    id_column,
    pull,
    strings,
    whole,
)
from smalti.formats.coco.sections import NOTHING, OBJECT
from smalti.formats.coco.shapes import Shapes, boxes
from smalti.formats.coco.texts import Texts, texts_of
from smalti.formats.report import Loss
from smalti.schema import features
from smalti.schema.types import BBOX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from smalti.formats.coco.sections import Section
    from smalti.schema.categories import Categories
    from smalti.schema.features import Json, Value

RAW_MEMBERS = ("segmentation", "keypoints")
# Members of a field without any object, so that it has columns at all.
CHUNK = 65_536  # raw values read before the file's pages are given back
_USUAL = ("id", "category", "bbox", "area", "iscrowd")


@dataclass(slots=True)
class Members:
    """Columns over the annotations of several files.

    Attributes:
        columns: Arrow arrays by member or attribute; ``category`` holds positions in the table.
        attributes: The features of the attributes.
        texts: Raw values by source key: ``segmentation``, ``keypoints``.
        faults: Objects whose box or flag is at fault: the place in the object, and the complaint.
        names: The member of each source key.
        nulls: Source keys whose null stands for an explicit null.
        id_type: The type of ids, and of track ids.
        repairs: What was mended.
    """

    columns: dict[str, pa.Array] = field(default_factory=dict)
    attributes: dict[str, Value | Json] = field(default_factory=dict)
    texts: dict[str, Texts] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    nulls: list[str] = field(default_factory=list)
    id_type: IdType = "int64"
    repairs: list[Loss] = field(default_factory=list)
    faults: dict[int, tuple[str, str]] = field(default_factory=dict)

    def feature(self, categories: Categories, *, captions: bool) -> features.Objects | features.Captions:
        """What the field means."""
        if captions:
            return features.Captions(attributes=self.attributes)
        found = set(self.columns) - set(self.attributes)
        if "keypoints" in self.texts:
            found.add("keypoints")
        if "segmentation" in self.texts:
            firsts = self.texts["segmentation"].first
            found |= {"polygons"} if (firsts != OBJECT).any() or not len(firsts) else set()
            found |= {"mask"} if (firsts == OBJECT).any() else set()
        return features.Objects(
            categories=categories,
            members=tuple(found or _USUAL),
            attributes=self.attributes,
            id_type=self.id_type,
        )


def members(sections: Sequence[Section], *, captions: bool) -> Members:
    """Turn the sections' objects into columns.

    Args:
        sections: Annotations of several files.
        captions: They are sentences: everything but ``id`` and ``caption`` is an attribute.
    """
    found = Members()
    for key in dict.fromkeys(key for section in sections for key in section.values):
        if key == "image_id" or (key == "category_id" and not captions):
            continue
        if key == "bbox" and not captions:
            _take_boxes(found, sections)
        elif key in RAW_MEMBERS and not captions:
            _take_texts(found, key, sections)
        elif key == "id":
            _take_ids(found, sections)
        elif key == "caption" and captions:
            found.columns[key], found.names[key] = strings(sections, key), key
        elif captions or any(section.types.get(key) is Raw for section in sections) or key == "caption":
            _take_extra(found, key, sections, captions=captions)
        else:
            _take_number(found, key, sections)
    return found


def _take_boxes(found: Members, sections: Sequence[Section]) -> None:
    made, done, missing, null = [], 0, 0, 0
    for section in sections:
        if (values := box_values(section, "bbox")) is not None:
            sides = [pa.array(np.ascontiguousarray(values[:, axis])) for axis in range(4)]
            made.append(pa.StructArray.from_arrays(sides, fields=list(BBOX)))
            done += len(values)
            continue
        texts = texts_of([section], "bbox")
        for start in range(0, len(texts), CHUNK):
            read = Shapes()
            made.append(boxes(read, texts.take(np.arange(start, min(start + CHUNK, len(texts))))))
            found.faults |= {done + start + row: fault for row, fault in read.faults.items()}
            section.forget()
        missing += int(np.count_nonzero(texts.start < 0))
        null += _nulls(texts)
        done += len(texts)
    if null:
        _note_nulls(found, "bbox", null, mixed=missing > 0)
    found.names["bbox"] = "bbox"
    found.columns["bbox"] = made[0] if len(made) == 1 else pa.concat_arrays([pa.nulls(0, BBOX), *made])


def _take_texts(found: Members, key: str, sections: Sequence[Section]) -> None:
    texts = texts_of(sections, key)
    if null := _nulls(texts):
        _note_nulls(found, key, null, mixed=bool((texts.start < 0).any()))
    found.names[key], found.texts[key] = key, texts


def _nulls(texts: Texts) -> int:
    """How many values are an explicit null."""
    return int(np.count_nonzero((texts.first == NOTHING) & (texts.start >= 0)))


def _note_nulls(found: Members, key: str, count: int, *, mixed: bool) -> None:
    if not mixed:
        found.nulls.append(key)
        return
    found.repairs.append(
        Loss(
            code="null.dropped",
            field=f"objects.{key}",
            kind="change",
            reason="some annotations have null here and some lack the key; both are null, and written as missing",
            count=count,
        )
    )


def _take_ids(found: Members, sections: Sequence[Section]) -> None:
    given = id_column(sections, "id")
    found.names["id"] = "id"
    if given.type != "int64":
        found.columns["id"], found.id_type = given.array, given.type
        return
    if not given.array.null_count and _are_plain(given.array.to_numpy()):
        found.columns["id"] = given.array
        return
    values = given.array.fill_null(0).to_numpy(zero_copy_only=False).copy()
    valid = given.array.is_valid().to_numpy(zero_copy_only=False)
    stops = np.cumsum([section.size for section in sections])
    renewed = sum(
        _renew(values[stop - section.size : stop], valid[stop - section.size : stop])
        for section, stop in zip(sections, stops.tolist(), strict=True)
    )
    found.columns["id"] = pa.array(values, mask=~valid)
    if renewed:
        found.repairs.append(
            Loss(
                code="id.duplicate",
                field="objects.id",
                kind="change",
                reason="an annotation id is used twice in a file; the later objects got new ids",
                count=renewed,
            )
        )
    zeros = int(np.count_nonzero((values == 0) & valid))
    if zeros:
        found.repairs.append(
            Loss(
                code="id.zero",
                field="objects.id",
                kind="change",
                reason="COCO's evaluators take annotation id 0 for unmatched; it is kept as it is: write with"
                " ids='renumber' to be rid of it",
                count=zeros,
            )
        )


def _are_plain(values: NDArray[np.int64]) -> bool:
    """Whether ids are all different, and none is 0."""
    if (np.diff(values) > 0).all():
        return 0 not in values
    ordered = np.sort(values)
    return bool((np.diff(ordered) > 0).all()) and 0 not in ordered


def _renew(values: NDArray[np.int64], valid: NDArray[np.bool_]) -> int:
    """Give fresh ids, in place, to those that stood before; gives their number."""
    if len(values) < 2 or (np.diff(values) > 0).all():
        return 0
    at = np.flatnonzero(valid)
    _, first = np.unique(values[at], return_index=True)
    again = np.setdiff1d(at, at[first])
    if len(again):
        values[again] = max(int(values[at].max()), 0) + 1 + np.arange(len(again))
    return len(again)


def _take_extra(found: Members, key: str, sections: Sequence[Section], *, captions: bool) -> None:
    taken = {"id", "caption"} if captions else set(features.OBJECT_MEMBERS)
    name = f"coco_{key}" if key in taken else key
    made = column(sections, key, source=None if name == key else key)
    found.columns[name], found.attributes[name], found.names[key] = made.array, made.feature, name
    if made.nulls:
        found.nulls.append(key)


def _take_number(found: Members, key: str, sections: Sequence[Section]) -> None:
    found.names[key] = key
    if key == "track_id":
        found.columns[key] = _track_ids(found, id_column(sections, key))
    elif key == "iscrowd":
        flags, bad = whole(sections, key, 0, 1)
        found.columns[key] = flags.cast(pa.bool_())
        given = pull(sections, key) if bad else []
        found.faults |= {row: (".iscrowd", f"found {given[row]}; expected 0 or 1") for row in bad}
    else:
        found.columns[key] = floats(sections, key)
    if not found.columns[key].null_count:
        return
    values = pull(sections, key)
    explicit = sum(value is None for value in values)
    if explicit:
        _note_nulls(found, key, explicit, mixed=any(value is UNSET for value in values))


def _track_ids(found: Members, tracks: Ids) -> pa.Array:
    """Track ids in the one type that they share with the objects' ids."""
    if tracks.type == found.id_type or (found.id_type == "int64" and "id" not in found.columns):
        found.id_type = tracks.type
        return tracks.array
    if "id" in found.columns:
        found.columns["id"] = Ids(found.columns["id"], found.id_type).as_json()
    found.id_type = "json"
    return tracks.as_json()
