"""Read folders of images with tables of metadata."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from smalti.errors import DataError, EmptySourceError, at
from smalti.formats import free_columns, json_files
from smalti.formats.document_writer import CLASSES, listed_classes
from smalti.formats.documents import Document, DocumentReader, Found, Parsed, used_splits
from smalti.formats.hf_imagefolder import rows
from smalti.formats.hf_imagefolder.options import (
    CLASS_KEYS,
    FILE,
    LISTS,
    MEMBERS,
    NAMES,
    OBJECTS,
    SIZES,
    HfImageFolderOptions,
    are_numbers,
)
from smalti.formats.splits import split_folders
from smalti.schema import features
from smalti.schema.categories import Categories, Category
from smalti.storage.media import IMAGE_SUFFIXES
from smalti.storage.paths import safe_path

if TYPE_CHECKING:
    from smalti.schema.features import AnyFeature
    from smalti.storage.location import Location

    Row = dict[str, Any]

OURS = frozenset({"id", "image", "split", FILE, OBJECTS, *SIZES})
TEXTS = ("text", "caption")


@dataclass(slots=True)
class Survey:
    """What all tables together say of columns and of attributes of objects."""

    columns: dict[str, AnyFeature] = field(default_factory=dict)
    attributes: dict[str, features.Value | features.Json] = field(default_factory=dict)
    classes: Categories = field(default_factory=Categories)
    numbered: bool = False


class HfImageFolderReader(DocumentReader[HfImageFolderOptions]):
    """Reads the tables below a folder, or one table."""

    def find(self) -> Found:
        single = self.root.isfile()
        media = self.media or (self.root.parent if single else self.root)
        tables = [self.root.name] if single else self._tables()
        found = [self._rows(path) for path in tables]
        self._survey = self._look([row for part, _ in found for _, row in part], [t for _, t in found])
        documents = [
            self._document(path, number, row)
            for path, (part, _) in zip(tables, found, strict=True)
            for number, row in part
        ]
        if not documents:
            raise EmptySourceError(f"{self.root.url}: the tables of metadata have no row")
        documents += self._others(tables, documents, media)
        return Found(
            documents=documents,
            media=media,
            categories=self._survey.classes,
            splits=used_splits(documents),
            columns=self._survey.columns,
            attributes=self._survey.attributes,
        )

    def _tables(self) -> list[str]:
        suffixes = tuple({f".{name.rpartition('.')[2]}" for name in NAMES})
        found = [path for path in self.root.find(suffixes) if path.rpartition("/")[2] in NAMES]
        if not found:
            raise EmptySourceError(f"{self.root.url}: looked for {', '.join(NAMES)}, and found none")
        return found

    def _rows(self, path: str) -> tuple[list[tuple[int, Any]], Any]:
        place = self.root if self.root.isfile() else self.root / path
        try:
            return rows.rows_of(place)
        except DataError as error:
            if self.on_error == "raise":
                raise
            return [(0, error)], None

    def _document(self, path: str, number: int, row: Any) -> Document:
        folder = "" if self.root.isfile() else path.rpartition("/")[0]
        prefix = f"{folder}/" if folder else ""
        image = None
        try:
            with at(position=f"row {number}" if number else None):
                if isinstance(row, DataError):
                    raise row
                image = f"{prefix}{safe_path(json_files.of(row.get(FILE), str, FILE))}"
        except DataError as error:
            if self.on_error == "raise":
                error.file = error.file or (self.root if self.root.isfile() else self.root / path).url
                raise
            row = error  # it is said where samples are counted
        split, above = split_folders(f"{prefix}x" if prefix else image or "")
        return Document(path=path, image=image, split=split, folder=above, payload=(number, row))

    def _others(self, tables: list[str], documents: list[Document], media: Location) -> list[Document]:
        """Images beside the tables that no row names."""
        folders = {"" if self.root.isfile() else path[: path.rfind("/") + 1] for path in tables}
        known = {document.image for document in documents}
        found = []
        for image in media.find(IMAGE_SUFFIXES) if media.exists() else ():
            if image not in known and any(image.startswith(folder) for folder in folders):
                split, above = split_folders(image)
                found.append(Document(path=None, image=image, split=split, folder=above))
        return found

    def _look(self, every: list[Any], typed: list[Any]) -> Survey:
        """The types of columns: as the values are, or as Parquet says where all tables are typed."""
        sound = [row for row in every if isinstance(row, dict)]
        survey = Survey()
        kinds: dict[str, features.Value | features.Json] = rows.typed(sound)
        same = typed[0] if typed and all(one == typed[0] for one in typed) else None
        for name, feature in {**kinds, **(same or {})}.items():
            if name not in OURS and name in kinds:
                survey.columns[name] = feature
        for name in [name for name in ("id", "image", "split") if name in kinds]:
            survey.columns[f"{name}_"] = kinds[name].model_copy(update={"source": name})
        for name in [name for name in TEXTS if survey.columns.get(name) == _TEXT][:1]:
            survey.columns = {
                "captions" if n == name else n: f for n, f in survey.columns.items() if n != "captions"
            }
            survey.columns["captions"] = features.Captions(source=name)
        if _are_texts([row.get("captions") for row in sound]) and "captions" in kinds:
            survey.columns["captions"] = features.Captions()
        self._class_columns(survey, sound)
        self._object_types(survey, sound)
        return survey

    def _class_columns(self, survey: Survey, sound: list[Row]) -> None:
        base = self.root.parent if self.root.isfile() else self.root
        for name in [n for n, f in survey.columns.items() if f == _TEXT]:
            listed = base / f"{name}{LISTS}"
            words = {row[name] for row in sound if row.get(name) is not None}
            if listed.isfile():
                table = listed_classes(listed.read_text())
                new = sorted(words - set(table.codes))
                survey.columns[name] = features.Classification(
                    categories=Categories((*table, *Categories.of(new)))
                )
            elif name == "label":
                survey.columns[name] = features.Classification(categories=Categories.of(sorted(words)))

    def _object_types(self, survey: Survey, sound: list[Row]) -> None:
        kinds = free_columns.Kinds()
        numbers: set[int] = set()
        for row in sound:
            for item in _items(row.get(OBJECTS)) or ():
                key = next((key for key in CLASS_KEYS if key in item), None)
                if key is not None and type(item[key]) is int:
                    numbers.add(item[key])
                kinds.add({k: v for k, v in item.items() if k not in {"bbox", key, *MEMBERS}})
        survey.attributes = kinds.features()
        classes = (self.root.parent if self.root.isfile() else self.root) / CLASSES
        if classes.isfile():
            survey.classes = listed_classes(classes.read_text())
        elif numbers:
            survey.classes = Categories.of(str(n) for n in sorted(numbers))
        survey.numbered = are_numbers([category.name for category in survey.classes])
        if survey.numbered:
            survey.classes = Categories(tuple(Category(name=c.name, id=int(c.name)) for c in survey.classes))

    def parse(self, body: bytes, document: Document) -> Parsed | None:
        del body
        number, row = document.payload
        if isinstance(row, DataError):
            raise row
        with at(position=f"row {number}", sample=document.image):
            width, height = (json_files.pixels(row.get(side), side) for side in SIZES)
            items = self._listed(row.get(OBJECTS))
            objects, faults = self.each(items or (), self._object, f"row {number}, objects")
        return Parsed(
            image=str(document.image),
            width=width,
            height=height,
            objects=None if items is None else objects,
            columns=self._columns(row),
            faults=faults,
        )

    def _listed(self, value: Any) -> list[Row] | None:
        if value is None:
            return None
        items = _items(value)
        if items is None:
            raise DataError(f"objects: found {str(value)[:60]!r}, expected lists of equal lengths by key")
        return items

    def _object(self, item: Row) -> Row:
        found: Row = {}
        key = next((key for key in CLASS_KEYS if key in item), None)
        if key is not None and item[key] is not None:
            found["category"] = self._class(item[key])
        if item.get("bbox") is not None:
            x, y, w, h = self._box(item["bbox"])
            found["bbox"] = [x, y, w - x, h - y] if self.options.bbox == "xyxy" else [x, y, w, h]
        for name, value in item.items():
            if name in {"bbox", key} or value is None:
                continue
            if name in MEMBERS:
                found[name] = _member(name, value)
            else:
                json = isinstance(self._survey.attributes.get(name), features.Json)
                found[name] = json_files.text(value) if json else value
        return found

    def _box(self, value: Any) -> list[float]:
        sides = json_files.of(value, list, "bbox")
        if len(sides) != 4:
            raise DataError(f"bbox: found {len(sides)} numbers, expected four")
        return [json_files.number(side, "bbox") for side in sides]

    def _class(self, value: Any) -> str:
        values = self._survey.classes.values
        if type(value) is int and not self._survey.numbered:
            if not 0 <= value < len(values):
                raise DataError(f"found the class {value}, expected 0 to {len(values) - 1} of {CLASSES}")
            return values[value]
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise DataError(f"found the class {str(value)[:60]!r}, expected a name or a number")
        return str(value)

    def _columns(self, row: Row) -> Row:
        found: Row = {}
        for name, feature in self._survey.columns.items():
            value = row.get(feature.source or name)
            if value is None:
                continue
            if isinstance(feature, features.Captions):
                texts = [value] if isinstance(value, str) else value
                value = [{"id": None, "caption": text} for text in texts]
            found[name] = json_files.text(value) if isinstance(feature, features.Json) else value
        return found


_TEXT = rows.typed([{"a": ""}])["a"]


def _member(name: str, value: Any) -> Any:
    number = json_files.number(int(value) if isinstance(value, bool) else value, name)
    if name in {"area", "score"}:
        return number
    if number != int(number):
        raise DataError(f"{name}: found {value}, expected a whole number")
    return bool(number) if name == "iscrowd" else int(value)


def _items(value: Any) -> list[Row] | None:
    """The objects of a row: from lists by key, or a list of objects; null where it is neither."""
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    if not isinstance(value, dict):
        return None
    lists = {key: given for key, given in value.items() if given is not None}
    if (
        not all(isinstance(given, list) for given in lists.values())
        or len({len(v) for v in lists.values()}) > 1
    ):
        return None
    return [dict(zip(lists, given, strict=True)) for given in zip(*lists.values(), strict=True)]


def _are_texts(values: list[Any]) -> bool:
    return all(
        value is None or (isinstance(value, list) and all(isinstance(text, str) for text in value))
        for value in values
    )
