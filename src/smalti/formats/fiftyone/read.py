"""Samples of a FiftyOneDataset as records: every field of labels stands as a field here.

Specification: https://docs.voxel51.com/user_guide/import_datasets.html#fiftyonedataset
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import numpy as np
from pydantic import ValidationError

from smalti.errors import DataError, EmptySourceError, UnsafePathError, at
from smalti.formats import json_files
from smalti.formats.fiftyone import labels
from smalti.formats.fiftyone.labels import REST
from smalti.formats.fiftyone.values import array, pixels_of, plain, png_of
from smalti.formats.protocol import Options
from smalti.formats.records import Found, Record, RecordFile, RecordReader, sized
from smalti.formats.report import Loss
from smalti.formats.splits import KNOWN
from smalti.schema import features
from smalti.schema.categories import Categories, Category
from smalti.storage.location import BOM
from smalti.storage.paths import safe_path

if TYPE_CHECKING:
    from smalti.schema.schema import Schema
    from smalti.storage.location import Location

MAIN = "ground_truth"  # what people, and FiftyOne's own tutorials, call the field of the labels
USUAL = (MAIN, "detections")
OURS = "smalti"  # the key of ``info`` for what FiftyOne has no place for
METADATA = "metadata.json"
SAMPLE_KEYS = frozenset({"filepath", "tags", "metadata"})
INTERNAL = frozenset({"_media_type", "_rand", "_dataset_id"})  # of the database
OWN = frozenset({"id", "image", "split", "objects", "tags", REST})
KEPT = (
    "info",
    "default_classes",
    "mask_targets",
    "default_mask_targets",
    "skeletons",
    "name",
    "description",
    "tags",
)
LABEL = {"_id", "_cls", "label", "confidence", "tags"}  # keys of a class that columns hold
LARGEST_MASK = 1 << 26  # numbers in the label image of a picture of unknown size


class FiftyOneOptions(Options):
    """FiftyOne has no options."""


class FiftyOneReader(RecordReader[FiftyOneOptions]):
    """Reads ``samples.json``, or the files of ``samples``."""

    attributes: ClassVar = {REST: features.Json(), "tags": features.Json()}
    columns: ClassVar = {REST: features.Json(), "tags": features.Json()}

    def find(self) -> Found:
        single = self.root.isfile()
        folder = self.root.parent if single else self.root
        place = self.root if single else folder / "samples.json"
        if place.isfile():
            files = [RecordFile(place=place, where="$.samples", items=_samples(place))]
        else:
            paths = (folder / "samples").find((".json",), maxdepth=1) if (folder / "samples").exists() else []
            files = [_one(folder / f"samples/{path}") for path in paths]
        if not files:
            raise EmptySourceError(f"{self.root.url}: looked for samples.json, and found none")
        head = _metadata(folder / METADATA)
        info = json_files.of(head.get("info") or {}, dict, "info")
        ours = info.pop(OURS, None)
        ours = ours if isinstance(ours, dict) else {}
        if self._planned is None:
            self._kinds: dict[str, str] = {}  # of each field, what FiftyOne calls it
        self._folder = folder
        with at(file=(folder / METADATA).url):
            main = _main(head)
        self._main = str(ours.get("main") or main)
        sections = ours.get("sections")
        self._sections = {str(k): str(v) for k, v in sections.items()} if isinstance(sections, dict) else {}
        known = ours.get("splits")
        self._splits = {*map(str, known)} if isinstance(known, list) else set(KNOWN)
        kept = {key: head[key] for key in KEPT if head.get(key)}
        return Found(
            files=files,
            media=self.media or folder,
            categories=self._tables(head, info, ours),
            splits=tuple(map(str, known)) if isinstance(known, list) else (),
            extra={REST: kept} if kept else {},
        )

    def _tables(
        self, head: dict[str, Any], info: dict[str, Any], ours: dict[str, Any]
    ) -> dict[str | None, Categories]:
        """The class tables that the metadata lists, by column."""
        named = json_files.of(head.get("classes") or {}, dict, "classes")
        details = json_files.of(ours.get("classes") or {}, dict, "info")
        given = info.get("categories")  # COCO's, which FiftyOne's importer leaves there
        coco = (
            {c["name"]: c for c in given if isinstance(c, dict) and isinstance(c.get("name"), str)}
            if isinstance(given, list)
            else {}
        )
        found: dict[str | None, Categories] = {
            self._column(name): _table(words, details.get(name), coco) for name, words in named.items()
        }
        if isinstance(words := head.get("default_classes"), list) and words:
            found[None] = _table(words, None, coco)
        skeletons = json_files.of(head.get("skeletons") or {}, dict, "skeletons")
        for name, points in () if ours else skeletons.items():
            if (column := self._column(self._sections.get(name, name))) in found:
                found[column] = _with_points(found[column], points)
        targets = json_files.of(head.get("mask_targets") or {}, dict, "mask_targets")
        found |= {name: _targets(one) for name, one in targets.items()}
        return found

    def _column(self, field: str) -> str:
        return "objects" if field == self._main else field

    def finish(self, schema: Schema) -> Schema:
        columns = {
            name: feature.model_copy(update={"source": self._main}) if name == "objects" else feature
            for name, feature in schema.columns.items()
        }
        extra = {**schema.extra.get(REST, {}), **({"fields": self._kinds} if self._kinds else {})}
        return schema.model_copy(update={"columns": columns, "extra": {REST: extra} if extra else {}})

    def start(self, item: Any, file: RecordFile) -> tuple[Record, Any]:
        del file
        sample = json_files.parse(bytes(item), dict)
        media = sample.get("_media_type") or "image"
        if media != "image":
            raise DataError(f"found a sample of media type {media!r}, expected an image")
        path = _path(json_files.of(sample.get("filepath"), str, "filepath"))
        tags = [str(tag) for tag in json_files.of(sample.get("tags") or [], list, "tags")]
        record = Record(image=path, split=next((tag for tag in tags if tag in self._splits), None))
        record.id = path.removeprefix(f"data/{record.split}/") if record.split else path
        record.id = record.id.removeprefix("data/") if record.id == path else record.id
        if more := [tag for tag in tags if tag != record.split]:
            record.plain["tags"] = more
        facts = json_files.of(plain(sample.get("metadata") or {}), dict, "metadata")
        record.width, record.height = (
            json_files.pixels(facts.get(side), side) for side in ("width", "height")
        )
        return record, sample

    def label(self, record: Record, item: Any, file: RecordFile, where: str) -> None:
        del file
        rest: dict[str, Any] = {}
        facts = item.get("metadata") or {}
        more = {key: value for key, value in facts.items() if key not in {"_cls", "width", "height"}}
        if more:
            rest["metadata"] = more
        sections: dict[str, list[list[dict[str, Any]]]] = {}
        for name, value in item.items():
            if name in SAMPLE_KEYS or name in INTERNAL or value is None:
                continue
            with at(position=f"{where}.{name}"):
                cls = value.get("_cls") if isinstance(value, dict) else None
                if labels.ONE.get(str(cls), cls) in labels.LISTS:
                    self._kinds[name] = str(cls)
                    inside = sections.setdefault(self._column(self._sections.get(name, name)), [])
                    objects = self._objects(record, value, str(cls), f"{where}.{name}")
                    inside.insert(len(inside) if name in self._sections else 0, objects)
                elif name.startswith("_") or name in OWN or name in {"created_at", "last_modified_at"}:
                    rest[name] = value
                else:
                    self._field(record, name, value, cls)
        for field, parts in sections.items():
            if field in OWN - {"objects"}:
                raise DataError(f"{field!r} is the name of something else here; rename the field")
            record.objects[field] = labels.joined(parts)
        record.objects.setdefault("objects", None)
        if rest:
            record.plain[REST] = rest

    def _objects(self, record: Record, value: dict[str, Any], cls: str, where: str) -> list[dict[str, Any]]:
        one = cls in labels.ONE
        key = "" if one else labels.LISTS[cls]
        given = [value] if one else json_files.of(value.get(key) or [], list, key)
        size = sized(record) if given else np.ones(2)
        kind = cls if one else next(single for single, many in labels.ONE.items() if many == cls)

        def convert(item: Any) -> dict[str, Any]:
            if isinstance(item, dict) and item.get("mask_path") is not None and item.get("mask") is None:
                item = self._with_mask(record, item)
            return labels.figure(item, kind, size)

        return self.each(record, given, convert, where if one else f"{where}.{key}")

    def _with_mask(self, record: Record, item: dict[str, Any]) -> dict[str, Any]:
        """A label with the mask that it has in a file of its own, where that is there."""
        path = _path(json_files.of(item["mask_path"], str, "mask_path"))
        place = self._folder / path
        pixels = pixels_of(place.read_bytes()) if place.isfile() else None
        if pixels is None:
            why = "the file of a mask is not there, or is no picture"
            loss = Loss(
                code="mask.missing", field="objects.mask", kind="change", count=1, reason=why, example=path
            )
            record.repairs.append(loss)
            return item
        return {**item, labels.CROP: (pixels if pixels.ndim == 2 else pixels[..., 0]) > 0}

    def _field(self, record: Record, name: str, value: Any, cls: Any) -> None:
        """Enter a field that is about the whole picture."""
        if cls in {"Classification", "Classifications"}:
            given = (
                [value]
                if cls == "Classification"
                else json_files.of(value.get("classifications") or [], list, name)
            )
            kept = [one for one in given if not _beyond(one)]
            if len(kept) == len(given):
                self._kinds[name] = cls
                record.classes[name] = [(str(one["label"]), _score(one)) for one in kept]
                return
        elif (
            cls == "Regression"
            and not set(value) - {"_id", "_cls", "value", "tags"}
            and not value.get("tags")
        ):
            self._kinds[name] = cls
            record.plain[name] = plain(value.get("value"))
            return
        elif cls == "Segmentation" and (mask := self._mask(record, value)) is not None:
            self._kinds[name] = cls
            record.masks[name] = mask
            return
        if isinstance(cls, str):
            self._kinds[name] = cls
        record.plain[name] = value if cls is not None else plain(value)

    def _mask(self, record: Record, value: dict[str, Any]) -> dict[str, Any] | None:
        if value.get("tags"):
            return None
        if value.get("mask") is not None:
            pixels = 4 * (record.width or 0) * (record.height or 0) or LARGEST_MASK
            body = png_of(array(value["mask"], "mask", pixels))
            return None if body is None else {"path": None, "bytes": body}
        path = value.get("mask_path")
        return None if path is None else {"path": _path(json_files.of(path, str, "mask_path")), "bytes": None}


def _beyond(one: Any) -> bool:
    """Whether a class says more than its name and how sure it is."""
    json_files.of(one, dict, "the class")
    return (
        bool(one.get("tags"))
        or any(one[k] is not None for k in set(one) - LABEL)
        or not isinstance(one.get("label"), str)
    )


def _score(one: dict[str, Any]) -> float | None:
    found = plain(one.get("confidence"))
    return None if found is None else json_files.number(found, "confidence")


def _path(text: str) -> str:
    """A path below the dataset; of one that is elsewhere, the file's name alone."""
    try:
        return safe_path(text)
    except UnsafePathError:
        return safe_path(f"data/{text.replace(chr(92), '/').rpartition('/')[2]}")


def _samples(place: Location) -> list[Any]:
    with at(file=place.url):
        try:
            whole = msgspec.json.decode(place.read_bytes().removeprefix(BOM), type=dict[str, msgspec.Raw])
            if "samples" not in whole:
                raise DataError(f"found {', '.join(whole) or 'nothing'}, expected samples")
            return msgspec.json.decode(whole["samples"], type=list[msgspec.Raw])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DataError(f"no JSON with a list of samples: {error}") from error


def _one(place: Location) -> RecordFile:
    return RecordFile(place=place, where="$", items=[place.read_bytes().removeprefix(BOM)])


def _metadata(place: Location) -> dict[str, Any]:
    if not place.isfile():
        return {}
    with at(file=place.url):
        return dict(json_files.parse(place.read_bytes(), dict))


def _main(head: dict[str, Any]) -> str:
    """The field that is ``objects`` here: the usual one, else the first with objects."""
    listed = head.get("sample_fields") or []
    if isinstance(listed, dict):  # of old versions: names and types
        return MAIN
    given = [
        json_files.of(one, dict, "sample_fields") for one in json_files.of(listed, list, "sample_fields")
    ]
    kinds = {str(one.get("name")): str(one.get("embedded_doc_type")).rpartition(".")[2] for one in given}
    found = [name for name, kind in kinds.items() if labels.ONE.get(kind, kind) in labels.LISTS]
    usual = [name for name in USUAL if name in found]
    return usual[0] if usual else found[0] if found else MAIN


def _table(words: Any, details: Any, coco: dict[str, Any]) -> Categories:
    names = [str(word) for word in json_files.of(words, list, "classes")]
    more = details if isinstance(details, list) and len(details) == len(names) else [{}] * len(names)
    try:
        return Categories(
            tuple(_category(name, one, coco.get(name, {})) for name, one in zip(names, more, strict=True))
        )
    except ValidationError as error:
        raise DataError(f"classes: {error.errors()[0]['msg']}") from error


def _category(name: str, more: Any, coco: dict[str, Any]) -> Category:
    group = coco.get("supercategory") if isinstance(coco.get("supercategory"), str) else None
    number = coco.get("id") if isinstance(coco.get("id"), int | str) else None
    return Category.model_validate(
        {"name": name, "id": number, "supercategory": group, **(more if isinstance(more, dict) else {})}
    )


def _with_points(table: Categories, skeleton: Any) -> Categories:
    """The classes with the names of their points, where they have none of their own."""
    known = skeleton if isinstance(skeleton, dict) else {}
    lines = [line for line in known.get("edges") or () if isinstance(line, list)]
    bones = [pair for line in lines for pair in pairwise(line)]
    made = {"keypoints": known.get("labels") or None, "skeleton": bones or None}
    try:
        return Categories(
            tuple(Category.model_validate({**made, **c.model_dump(exclude_none=True)}) for c in table)
        )
    except ValidationError as error:
        raise DataError(f"skeletons: {error.errors()[0]['msg']}") from error


def _targets(given: Any) -> Categories:
    """The classes of a label image: names by the numbers of pixels."""
    found = given.items() if isinstance(given, dict) else ()
    known = [(int(key) if str(key).isdecimal() else str(key), one) for key, one in found]
    names = [one.get("label") if isinstance(one, dict) else one for _, one in known]
    return Categories(
        tuple(Category(name=str(name), id=key) for (key, _), name in zip(known, names, strict=True))
    )
