"""Tasks of Label Studio as records: annotations and predictions side by side.

Specification: https://labelstud.io/guide/task_format
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote

import msgspec
from pydantic import Field

from smalti.errors import DataError, EmptySourceError, at
from smalti.formats import json_files
from smalti.formats.label_studio import config, regions
from smalti.formats.label_studio.regions import REST
from smalti.formats.protocol import Options
from smalti.formats.records import Found, Record, RecordFile, RecordReader
from smalti.formats.report import Loss
from smalti.schema import features
from smalti.schema.categories import Categories, Category
from smalti.storage.location import BOM
from smalti.storage.media import IMAGE_SUFFIXES
from smalti.storage.paths import URL, safe_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smalti.schema.schema import Schema
    from smalti.storage.location import Location

LOCAL = "/data/local-files/?d="
UPLOADED = "/data/"
TASK_KEYS = frozenset({"id", "data", "annotations", "completions", "predictions"})
OWN = frozenset(
    {"id", "image", "split", "objects", "task_id", "width", "height", REST}
)  # columns that data has no say in
ANSWERS = (
    "choices",
    "textarea",
    "rating",
    "number",
    "taxonomy",
    "datetime",
    "pairwise",
    "ranker",
    "chatmessage",
)


class LabelStudioOptions(Options):
    """Options of Label Studio."""

    image_key: str | None = Field(
        None,
        description="The key of the tasks' data that holds the image; null: image, or the first that looks like one.",
    )
    image_prefix: str = Field(
        LOCAL,
        description="What stands before the images' paths: Label Studio's own local files, or a URL.",
        json_schema_extra={"side": "write"},
    )
    regions: str = Field(
        "one",
        pattern="^(one|all)$",
        description="one: an object of several geometries is its most exact one; all: every one, tied by parentID.",
        json_schema_extra={"side": "write"},
    )


class LabelStudioReader(RecordReader[LabelStudioOptions]):
    """Reads the JSON files of a folder, or one: lists of tasks."""

    attributes: ClassVar = {REST: features.Json()}
    columns: ClassVar = {REST: features.Json()}

    _key: str | None = None

    def find(self) -> Found:
        single = self.root.isfile()
        folder = self.root.parent if single else self.root
        files = []
        for path in [self.root.name] if single else self.root.find((".json",), maxdepth=2):
            place = self.root if single else self.root / path
            with at(file=place.url):
                items = _tasks(place.read_bytes(), known=single or path == "tasks.json")
            if items is not None:
                files.append(RecordFile(place=place, where="$", items=items))
        if not any(len(file.items) for file in files):
            raise EmptySourceError(f"{self.root.url}: looked for *.json with a list of tasks, and found none")
        tables = _tables(folder)
        if self._planned is None:
            # Of each class the names of its points, and of each question how it is asked: found as records are read.
            labels = tables.get(None, ())
            self._points = {c.name: dict.fromkeys(c.keypoints) for c in labels if c.keypoints}
            self._tags: dict[str, list[str]] = {}
            self._controls: dict[str, list[str]] = {}
        return Found(files=files, media=self.media or folder, categories=tables)

    def finish(self, schema: Schema) -> Schema:
        columns = dict(schema.columns)
        fields = {n: f for n, f in columns.items() if isinstance(f, features.Objects)}
        # One configuration asks for the labels of all: people, and models.
        tables = [feature.categories for feature in fields.values()]
        every = {value: c for table in tables for value, c in zip(table.values, table, strict=True)}
        shared = Categories(tuple(self._with_points(category) for category in every.values()))
        columns |= {n: f.model_copy(update={"categories": shared}) for n, f in fields.items()}
        known = {"image_key": self._key, "tags": self._tags, "controls": self._controls}
        extra = {key: what for key, what in known.items() if what and what != "image"}
        return schema.model_copy(update={"columns": columns, "extra": {REST: extra} if extra else {}})

    def _with_points(self, category: Category) -> Category:
        if category.keypoints or category.name not in self._points:
            return category
        return category.model_copy(update={"keypoints": tuple(self._points[category.name])})

    def start(self, item: Any, file: RecordFile) -> tuple[Record, Any]:
        del file
        task = json_files.parse(bytes(item), dict)
        data = json_files.of(task.get("data"), dict, "data")
        key = self._image_key(data)
        image = image_path(json_files.of(data[key], str, f"data.{key}"))
        split = data.get("split")
        record = Record(image=image, split=split if isinstance(split, str) and split else None)
        record.id = _own_id(image, record.split)
        stated = [data.get("width"), data.get("height")]
        sizes = [stated, *([one.get("original_width"), one.get("original_height")] for one in _items(task))]
        for width, height in sizes:
            if isinstance(width, int) and isinstance(height, int):
                record.width, record.height = (
                    json_files.pixels(width, "width"),
                    json_files.pixels(height, "height"),
                )
                break
        return record, (task, key)

    def _image_key(self, data: dict[str, Any]) -> str:
        key = self.options.image_key or self._key
        if key is None or (self.options.image_key is None and key not in data):
            key = "image" if "image" in data else next((k for k, v in data.items() if _looks(v)), None)
        if key is None or key not in data:
            found = ", ".join(data) or "nothing"
            raise DataError(
                f"data: found {found}, expected an image", hint="pass image_key, the key that holds it"
            )
        self._key = self._key or key
        return key

    def label(self, record: Record, item: Any, file: RecordFile, where: str) -> None:
        del file
        task, key = item
        rest = {
            name: value
            for name, value in task.items()
            if name not in TASK_KEYS and value not in (None, [], {})
        }
        self._data(record, task["data"], key, rest)
        if isinstance(task.get("id"), int) and -(2**63) <= task["id"] < 2**63:
            record.plain["task_id"] = task["id"]
        cancelled = self._annotations(record, task, rest, where)
        self._predictions(record, task, rest, where)
        record.objects.setdefault("objects", None)
        if rest:
            record.plain[REST] = rest
        if cancelled:
            why = "annotations that were cancelled are kept as they are, and are no objects"
            loss = Loss(
                code="annotation.cancelled", field="objects", kind="change", count=cancelled, reason=why
            )
            record.repairs.append(loss)

    def _annotations(self, record: Record, task: dict[str, Any], rest: dict[str, Any], where: str) -> int:
        """Read the annotations of a task, the agreed one first; gives how many were cancelled."""
        given = json_files.of(task.get("annotations") or task.get("completions") or [], list, "annotations")
        known = [one if isinstance(one, dict) else {"result": one} for one in given]
        done = [one for one in known if not (one.get("was_cancelled") or one.get("skipped"))]
        metas = []
        for number, one in enumerate(sorted(done, key=lambda a: a.get("ground_truth") is not True)):
            suffix = f"_{number + 1}" if number else ""
            with at(position=f"{where}.annotations[{number}]"):
                meta = self._result(
                    record, one, f"objects{suffix}", suffix, f"{where}.annotations[{number}].result"
                )
            who = meta.pop("completed_by", None)
            if (name := who.get("email") or who.get("id") if isinstance(who, dict) else who) is not None:
                record.plain[f"annotator{suffix}"] = name
            metas.append(meta)
        cancelled = [one for one in known if one.get("was_cancelled") or one.get("skipped")]
        rest |= {"annotations": metas} if any(metas) else {}
        rest |= {"cancelled": cancelled} if cancelled else {}
        return len(cancelled)

    def _data(self, record: Record, data: dict[str, Any], key: str, rest: dict[str, Any]) -> None:
        """What else a task's data says becomes columns."""
        for name, value in data.items():
            if name in {key, "split", "width", "height"} or value is None:
                continue
            if name in OWN or re.fullmatch(r"(objects|annotator)(_\d+)?|predictions.*", name):
                rest.setdefault("data", {})[name] = value
            else:
                record.plain[name] = value

    def _predictions(self, record: Record, task: dict[str, Any], rest: dict[str, Any], where: str) -> None:
        for number, one in enumerate(json_files.of(task.get("predictions") or [], list, "predictions")):
            if not isinstance(one, dict):  # exports name them by their ids alone
                rest.setdefault("prediction_ids", []).append(one)
                continue
            version = one.get("model_version")
            name = version if isinstance(version, str) and version and version not in OWN else "predictions"
            while name in record.objects or name in record.plain:
                name += "_2"
            with at(position=f"{where}.predictions[{number}]"):
                meta = self._result(record, one, name, f":{name}", f"{where}.predictions[{number}].result")
            meta = {k: v for k, v in meta.items() if k != "model_version" or v != name}
            if meta:
                rest.setdefault("predictions", {})[name] = meta

    def _result(self, record: Record, one: Any, field: str, suffix: str, where: str) -> dict[str, Any]:
        """Read the regions and answers of an annotation; gives what else it says."""
        whole = json_files.of(one, dict, "the annotation")
        items = json_files.of(whole.get("result") or [], list, "result")
        for number, item in enumerate(items):
            with at(position=f"{where}[{number}]"):
                json_files.of(item, dict, "the region")
        groups = regions.grouped(items)
        inside = {id(item) for group in groups for item in group}
        found = self.each(record, groups, lambda group: self._object(group, record), where)
        record.objects[field] = regions.merged(found, self._points)
        left = [item for item in items if id(item) not in inside and not self._answer(record, item, suffix)]
        return {key: v for key, v in whole.items() if key != "result" and v is not None} | (
            {"result": left} if left else {}
        )

    def _object(self, group: list[dict[str, Any]], record: Record) -> dict[str, Any]:
        found = regions.region(group, (record.width, record.height))
        shape = str(regions.shape_of(group[0]))
        names = [str(group[0].get("from_name")), str(group[0].get("to_name"))]
        rest = found.get(REST, {})
        if rest.pop("from_name", None) and self._tags.setdefault(shape, names) != names:
            rest["from_name"] = names[0]
        if rest.pop("to_name", None) and self._tags.setdefault(shape, names)[1] != names[1]:
            rest["to_name"] = names[1]
        for item in group[1:]:
            name, value = item.get("from_name"), _answered(item)
            if value is None or not isinstance(name, str) or name in found or name in features.OBJECT_MEMBERS:
                if value is not None or not str(item.get("type")).endswith("labels"):
                    rest.setdefault("items", []).append(item)
                continue
            self._controls[name] = [item["type"], str(item.get("to_name"))]
            found[name] = value[0] if isinstance(value, list) and len(value) == 1 else value
        found.pop(REST, None)
        return found | ({REST: rest} if rest else {})

    def _answer(self, record: Record, item: dict[str, Any], suffix: str) -> bool:
        """Enter an answer about the whole picture; whether there was a place for it."""
        name, value = item.get("from_name"), _answered(item)
        if not isinstance(name, str) or value is None:
            return False
        name = f"{name}{suffix}"
        kind = item["type"]
        if name in OWN or name in record.objects or name in record.plain:
            return False
        if kind == "choices" and isinstance(value, list) and all(isinstance(v, str) for v in value):
            score = item.get("score")
            given = record.classes.setdefault(name, [])
            given += [(v, None if score is None else json_files.number(score, "score")) for v in value]
        elif kind == "textarea" and isinstance(value, list) and all(isinstance(v, str) for v in value):
            record.captions.setdefault(name, []).extend((None, text) for text in value)
        elif name in record.classes or name in record.captions or kind in {"choices", "textarea"}:
            return False
        else:
            record.plain[name] = value
        self._controls[name] = [kind, str(item.get("to_name"))]
        return True


def image_path(text: str) -> str:
    """The path of an image below the media root, or its URL.

    Raises:
        DataError: It leaves the root, or is none of these.
    """
    if URL.match(text):
        return text
    if text.startswith(LOCAL):
        return safe_path(unquote(text.removeprefix(LOCAL)))
    if text.startswith("data:"):
        raise DataError("the image is embedded in the task; expected a path or a URL")
    # A path of the server's: it is looked for below the media root, whatever it was below there.
    return safe_path(unquote(text.removeprefix(UPLOADED)) if text.startswith(UPLOADED) else text.lstrip("/"))


def _own_id(image: str, split: str | None) -> str:
    """The path without the folders that Label Studio's export of ours puts before it."""
    return image.removeprefix(f"images/{split}/") if split else image.removeprefix("images/")


def _looks(value: Any) -> bool:
    path = value.partition("?")[0] if isinstance(value, str) and not value.startswith(LOCAL) else value
    return isinstance(path, str) and path.lower().endswith(IMAGE_SUFFIXES)


def _answered(item: dict[str, Any]) -> Any:
    """What an item answers; null where it is no answer."""
    kind, value = item.get("type"), item.get("value")
    if kind not in ANSWERS or not isinstance(value, dict):
        return None
    found = value.get("text" if kind == "textarea" else kind)
    return [found] if kind in {"textarea", "choices"} and isinstance(found, str) else found


def _items(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All items of a task's annotations and predictions, as far as they are sound."""
    for key in ("annotations", "completions", "predictions"):
        given = task.get(key)
        for one in given if isinstance(given, list) else ():
            result = one.get("result") if isinstance(one, dict) else None
            yield from (
                item for item in (result if isinstance(result, list) else ()) if isinstance(item, dict)
            )


def _tasks(body: bytes, *, known: bool) -> list[Any] | None:
    """The tasks of a file, still text; null for a file of something else."""
    text = body.removeprefix(BOM)
    if not known and not looks_like_tasks(text[:65536]):
        return None
    try:
        if text.lstrip()[:1] == b"{":
            return [msgspec.json.decode(text, type=msgspec.Raw)]
        return msgspec.json.decode(text, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"no JSON list of tasks: {error}") from error


def looks_like_tasks(head: bytes) -> bool:
    """Whether the head of a JSON file has what tasks have."""
    results = b'"annotations"' in head or b'"completions"' in head or b'"predictions"' in head
    return re.search(rb'"data"\s*:\s*\{', head) is not None and results and b'"items"' not in head


def _tables(folder: Location) -> dict[Any, Any]:
    for name in config.NAMES:
        if (place := folder / name).isfile():
            with at(file=place.url):
                return dict(config.parse(place.read_text().encode()))
    return {}
