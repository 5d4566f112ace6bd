"""Datumaro's items as records.

Source of truth: https://github.com/open-edge-platform/datumaro/blob/develop/src/datumaro/plugins/data_formats/datumaro/base.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from pydantic import ValidationError

from smalti.errors import DataError, EmptySourceError, UnsafePathError, at
from smalti.formats import json_files
from smalti.formats.datumaro import figures
from smalti.formats.datumaro.figures import REST
from smalti.formats.free_names import stem_of
from smalti.formats.protocol import Options
from smalti.formats.records import Found, Record, RecordFile, RecordReader
from smalti.schema import features
from smalti.schema.categories import Categories, Category
from smalti.schema.unify import united_categories
from smalti.storage.location import BOM
from smalti.storage.media import IMAGE_SUFFIXES
from smalti.storage.paths import safe_path

if TYPE_CHECKING:
    from smalti.storage.location import Location

NO_SUBSET = "default"
LABEL, CAPTIONS, OWN_ID = "label", "captions", "datumaro_id"
ITEM_KEYS = frozenset({"id", "annotations", "image", "media", "attr"})
RESERVED = frozenset({"id", "image", "split", "objects", LABEL, CAPTIONS, OWN_ID, REST})
OURS = "smalti"  # the key of ``infos`` for what of a class Datumaro has no place for


class DatumaroOptions(Options):
    """Datumaro has no options."""


class DatumaroReader(RecordReader[DatumaroOptions]):
    """Reads ``annotations/*.json``, or one of them."""

    attributes: ClassVar = {REST: features.Json(), **{name: features.Json() for name in figures.FIGURES}}
    columns: ClassVar = {REST: features.Json()}

    def find(self) -> Found:
        single = self.root.isfile()
        folder = self.root.parent if single else self.root
        inner = not single and any(
            path.startswith("annotations/") for path in self.root.find((".json",), maxdepth=2)
        )
        base = folder / "annotations" if inner else folder
        root = folder.parent if folder.name == "annotations" else folder
        names = [self.root.name] if single else base.find((".json",), maxdepth=1)
        whole = [(name, self.root if single else base / name) for name in names]
        read = [(name, place, _sections(place)) for name, place in whole]
        files = [_file(name, place, parts) for name, place, parts in read if parts is not None]
        if not files:
            raise EmptySourceError(
                f"{self.root.url}: looked for annotations/*.json with items, and found none"
            )
        media = self.media or (root / "images" if (root / "images").exists() else root)
        # Where pictures lie below it differs between versions: they are looked for.
        self._there = set(media.find(IMAGE_SUFFIXES)) if media.exists() else set()
        tables = [file.context.labels for file in files]
        return Found(
            files=files,
            media=media,
            categories={None: (table := united_categories(tables)), LABEL: table},
            splits=tuple(file.split for file in files if file.split is not None),
            extra={REST: files[0].context.extra} if files[0].context.extra else {},
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_there": set()}

    def start(self, item: Any, file: RecordFile) -> tuple[Record, Any]:
        found = json_files.parse(bytes(item), dict)
        key = json_files.of(found.get("id"), str, "id")
        image = found.get("image") or found.get("media")
        if not isinstance(image, dict):
            kinds = (
                ", ".join(name for name in found if name not in {"id", "annotations", "attr"}) or "nothing"
            )
            raise DataError(f"found {kinds}, expected an image")
        path = self._path(image.get("path") or f"{key}.jpg", file.split or NO_SUBSET)
        size = image.get("size") or [None, None]
        if len(json_files.of(size, list, "size")) != 2:
            raise DataError(f"size: found {len(size)} numbers, expected height and width")
        height, width = (json_files.pixels(side, "size") for side in size)
        record = Record(image=path, split=file.split, width=width, height=height)
        record.id = path.removeprefix(f"{file.split or NO_SUBSET}/")
        if key != stem_of(record.id):
            record.plain[OWN_ID] = key
        return record, found

    def _path(self, text: Any, subset: str) -> str:
        said = json_files.of(text, str, "path")
        try:
            path = safe_path(said)
        except UnsafePathError:  # where it was when it was exported without its pictures
            path = safe_path(said.replace("\\", "/").rpartition("/")[2])
        full = f"{subset}/{path}"
        return path if full not in self._there and path in self._there else full

    def label(self, record: Record, item: Any, file: RecordFile, where: str) -> None:
        labels = file.context.labels.values
        given = item.get("annotations")
        every = [] if given is None else json_files.of(given, list, "annotations")
        others: list[dict[str, Any]] = []

        def convert(one: Any) -> dict[str, Any]:
            kind = json_files.of(one, dict, "the annotation").get("type")
            if kind in figures.SHAPES:
                return figures.figure(one, labels)
            if not self._about_image(record, one, kind, labels):
                others.append(one)
            return {}

        found = [one for one in self.each(record, every, convert, f"{where}.annotations") if one]
        record.objects["objects"] = None if given is None else figures.grouped(found)
        rest = {name: value for name, value in item.items() if name not in ITEM_KEYS and value is not None}
        for name, value in json_files.of(item.get("attr") or {}, dict, "attr").items():
            if name in RESERVED:
                rest.setdefault("attr", {})[name] = value
            elif value is not None:
                record.plain[name] = value
        rest |= {"annotations": others} if others else {}
        if rest:
            record.plain[REST] = rest

    def _about_image(self, record: Record, one: dict[str, Any], kind: Any, labels: tuple[str, ...]) -> bool:
        """Enter a label or a caption of the whole picture; whether there was a place for all of it."""
        attributes = one.get("attributes") or {}
        plain = isinstance(attributes, dict) and not (set(attributes) - {"score"}) and not one.get("group")
        if kind == "caption" and plain and not attributes:
            text = json_files.of(one.get("caption"), str, "caption")
            record.captions.setdefault(CAPTIONS, []).append(
                (figures.whole(one.get("id"), "id") or None, text)
            )
            return True
        name = figures.label(one, labels) if kind == "label" else None
        if name is None or not plain:
            return False
        score = None if "score" not in attributes else json_files.number(attributes["score"], "score")
        record.classes.setdefault(LABEL, []).append((name, score))
        return True


class _Context(msgspec.Struct, frozen=True):
    """What a file says beside its items."""

    labels: Categories
    extra: dict[str, Any]


def _sections(place: Location) -> dict[str, msgspec.Raw] | None:
    """The outermost values of a file, still text; null for a file of something else."""
    with at(file=place.url):
        body = place.read_bytes().removeprefix(BOM)
        try:
            found = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DataError(f"no JSON object: {error}") from error
        return found if {"items", "categories"} & found.keys() else None


def _file(name: str, place: Location, parts: dict[str, msgspec.Raw]) -> RecordFile:
    with at(file=place.url):
        try:
            items = msgspec.json.decode(parts["items"], type=list[msgspec.Raw]) if "items" in parts else []
            rest = {key: msgspec.json.decode(value) for key, value in parts.items() if key != "items"}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DataError(f"items: {error}") from error
        categories = json_files.of(rest.pop("categories", None) or {}, dict, "categories")
        infos = json_files.of(rest.get("infos") or {}, dict, "infos")
        context = _Context(_labels(categories, infos.pop(OURS, None)), _extra(rest, categories))
    split = stem_of(name)
    known = None if split == NO_SUBSET else split
    return RecordFile(place=place, where="$.items", items=items, split=known, context=context)


def _extra(rest: dict[str, Any], categories: dict[str, Any]) -> dict[str, Any]:
    labels = categories.get("label") or {}
    groups = {key: labels[key] for key in ("label_groups", "attributes") if labels.get(key)}
    more = {key: value for key, value in categories.items() if key not in {"label", "mask", "points"}}
    kept = {
        key: value for key, value in rest.items() if key not in {"dm_format_version", "media_type"} and value
    }
    return {**kept, **groups, **({"categories": more} if more else {})}


def _labels(categories: dict[str, Any], ours: Any) -> Categories:
    """The class table, with the colours of masks and the names of points."""
    found = [_category(one) for one in _list(categories, "label", "labels")]
    for one in _list(categories, "mask", "colormap"):
        number, rgb = (
            one.get("label_id"),
            [v for v in map(one.get, "rgb") if isinstance(v, int) and 0 <= v < 256],
        )
        if len(rgb) != 3:
            raise DataError(f"categories.mask: found {one}, expected r, g and b from 0 to 255")
        if isinstance(number, int) and 0 <= number < len(found):
            found[number]["color"] = "#{:02x}{:02x}{:02x}".format(*rgb)
    for one in _list(categories, "points", "items"):
        number = one.get("label_id")
        if not isinstance(number, int) or not 0 <= number < len(found):
            raise DataError(
                f"categories.points: found label_id {number!r}, expected one of {len(found)} labels"
            )
        found[number] |= {
            "keypoints": one.get("labels") or (),
            "skeleton": _joints(one.get("joints")) or None,
        }
        if one.get("positions"):
            found[number].setdefault("attributes", {})["positions"] = one["positions"]
    more = ours.get("categories") if isinstance(ours, dict) else None
    for place, one in enumerate(more if isinstance(more, list) and len(more) == len(found) else ()):
        mine = one if isinstance(one, dict) else {}
        inner = {**found[place].get("attributes", {}), **mine.get("attributes", {})}
        found[place] |= {**mine, "attributes": inner}
    try:
        return Categories(tuple(Category.model_validate(one) for one in found))
    except ValidationError as error:
        raise DataError(f"categories: {error.errors()[0]['msg']}") from error


def _list(categories: dict[str, Any], kind: str, key: str) -> list[dict[str, Any]]:
    inner = json_files.of(categories.get(kind) or {}, dict, f"categories.{kind}")
    given = json_files.of(inner.get(key) or [], list, f"categories.{kind}.{key}")
    return [json_files.of(one, dict, f"categories.{kind}.{key}[{n}]") for n, one in enumerate(given)]


def _category(one: dict[str, Any]) -> dict[str, Any]:
    name = json_files.of(one.get("name"), str, "categories.label: name")
    listed = {"attributes": one["attributes"]} if one.get("attributes") else {}
    return {"name": name, "supercategory": one.get("parent") or None, "attributes": listed}


def _joints(given: Any) -> tuple[tuple[int, int], ...]:
    """Pairs of points, which are numbered from 1 there."""
    pairs = [json_files.of(pair, list, "joints") for pair in given or ()]
    if not all(len(pair) == 2 and all(isinstance(n, int) for n in pair) for pair in pairs):
        raise DataError("categories.points: expected pairs of whole numbers for joints")
    return tuple((a - 1, b - 1) for a, b in pairs)
