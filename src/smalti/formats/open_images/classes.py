"""Class descriptions and the hierarchy of classes: to a class table and back.

https://storage.googleapis.com/openimages/web/download_v7.html (Class Names, Hierarchy): a class is a machine id such
as ``/m/0cmf2`` and a display name; the hierarchy is a tree in which a class may stand several times.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from smalti.errors import DataError, at
from smalti.formats import json_files
from smalti.formats.open_images.layout import BOXABLE_CLASSES, CLASSES, HIERARCHIES
from smalti.schema.categories import Categories, Category

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from smalti.storage.location import Location

HEADERS = {("LabelName", "DisplayName"), ("id", "name")}
ROOT = "/m/0bl9f"  # the benchmark's: Entity
PLAIN = re.compile(r"-?\d+")


@dataclass(slots=True)
class Described:
    """The classes that files describe.

    Attributes:
        names: Display names by the name in rows, of all classes.
        boxable: The names in rows of the classes that boxes have; empty where no file lists them apart.
        tree: The hierarchy as it stands in its file; null where there is none.
        parents: The class above each, by their names in rows.
    """

    names: dict[str, str] = field(default_factory=dict)
    boxable: dict[str, str] = field(default_factory=dict)
    tree: dict[str, Any] | None = None
    parents: dict[str, str] = field(default_factory=dict)

    def table(self, used: Iterable[str], *, boxable: bool) -> tuple[Categories, dict[str, int], list[str]]:
        """A class table, the position of each class by its name in rows, and the classes that no file describes.

        Args:
            used: The names in rows that there are.
            boxable: Whether the table is that of boxes.
        """
        names = self.boxable if boxable and self.boxable else self.names or self.boxable
        every = {**self.boxable, **self.names}
        more = [name for name in used if name not in names]
        labels = [*names, *more]
        found = tuple(self._category(label, every.get(label, label)) for label in labels)
        codes = {label: code for code, label in enumerate(labels)}
        return Categories(found), codes, [name for name in more if name not in every]

    def _category(self, label: str, name: str) -> Category:
        parent = self.parents.get(label, self.parents.get(name))
        above = None if parent is None else {**self.boxable, **self.names}.get(parent, parent)
        return Category(name=name, id=None if label == name else label, supercategory=above)


def read(root: Location, files: Sequence[str]) -> Described:
    """Read what the files of a folder describe.

    Args:
        root: The folder.
        files: Its CSVs and JSON files, as paths.

    Raises:
        DataError: A file is none of its kind.
    """
    found = Described()
    for path in files:
        name = path.rpartition("/")[2]
        with at(file=(root / path).url):
            if BOXABLE_CLASSES.fullmatch(name):
                found.boxable = {**dict(_pairs(root / path)), **found.boxable}
            elif CLASSES.fullmatch(name) or CLASSES.fullmatch(path):
                found.names = {**dict(_pairs(root / path)), **found.names}
            elif HIERARCHIES.fullmatch(name) and found.tree is None:
                found.tree = json_files.parse((root / path).read_bytes(), dict)
                found.parents = parents(found.tree)
    return found


def _pairs(place: Location) -> Iterator[tuple[str, str]]:
    """The classes that a file describes, each by its name in rows and its display name; later ones first."""
    rows = list(csv.reader(io.StringIO(place.read_text(), newline="")))
    pairs = []
    for number, row in enumerate(rows, 1):
        if not any(row) or (number == 1 and tuple(row[:2]) in HEADERS):
            continue
        if len(row) < 2 or not row[0] or not row[1]:
            raise DataError(
                f"found {','.join(row)[:60]!r}, expected a class and its name", position=f"line {number}"
            )
        pairs.append((row[0], row[1]))
    yield from pairs


def parents(tree: dict[str, Any]) -> dict[str, str]:
    """The class above each class of a hierarchy, the first where there are several; the root is none.

    Raises:
        DataError: It is no tree of classes.
    """
    found: dict[str, str] = {}
    queue: deque[tuple[Any, str | None, str, bool]] = deque([(tree, None, "the root", True)])
    while queue:
        node, above, where, is_root = queue.popleft()
        json_files.of(node, dict, where)
        label = json_files.of(node.get("LabelName"), str, f"{where}.LabelName")
        if above is not None:
            found.setdefault(label, above)
        for key in ("Subcategory", "Part"):
            below = json_files.of(node.get(key, []), list, f"{where}.{key}")
            over = label if key == "Subcategory" and not is_root else None
            queue += [(child, over, f"{where}.{key}[{n}]", False) for n, child in enumerate(below)]
    return found


def labels_of(categories: Categories) -> list[str]:
    """What each class is called in rows: its id where that is text, else its name.

    A text that two classes would have is made unique, as names are.
    """
    taken: set[str] = set()
    found = []
    for category, value in zip(categories, categories.values, strict=True):
        label = category.id if isinstance(category.id, str) and category.id else value
        while label in taken:
            label += "#"
        taken.add(label)
        found.append(label)
    return found


def united(tables: Iterable[Categories]) -> dict[str, Category]:
    """The classes of several tables by what they are called in rows."""
    found: dict[str, Category] = {}
    for table in tables:
        for label, category in zip(labels_of(table), table, strict=True):
            found.setdefault(label, category)
    return found


def descriptions(classes: dict[str, Category]) -> bytes:
    """A file of class descriptions, with a header as from version 6 on."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["LabelName", "DisplayName"])
    writer.writerows([label, category.name or label] for label, category in classes.items())
    return text.getvalue().encode()


def hierarchy(classes: dict[str, Category], known: dict[str, Any] | None) -> bytes | None:
    """The hierarchy's file: the one that was read where it still says the same, else one of the classes' groups.

    Args:
        classes: The classes by what they are called in rows.
        known: The hierarchy that was read; null: none.

    Returns:
        Null where no class has a group and no hierarchy was read.
    """
    above = {label: c.supercategory for label, c in classes.items() if c.supercategory is not None}
    by_name = {category.name: label for label, category in classes.items()}
    if known is not None:
        told = parents(known)
        names = {label: category.name for label, category in classes.items()}
        said = {
            label: names.get(parent, parent)
            for label, name in names.items()
            if (parent := told.get(label, told.get(name))) is not None
        }
        if said == above:
            return _json(known)
    if not above:
        return None
    groups: dict[str, list[dict[str, str]]] = {}
    for label, parent in above.items():
        groups.setdefault(by_name.get(parent, parent), []).append({"LabelName": label})
    root = ROOT if ROOT not in classes else f"{ROOT}#"
    below = [{"LabelName": group, "Subcategory": children} for group, children in groups.items()]
    return _json({"LabelName": root, "Subcategory": below})


def _json(tree: dict[str, Any]) -> bytes:
    return (json.dumps(tree, indent=1, ensure_ascii=False) + "\n").encode()
