"""The class tables that lie beside masks: which value of a pixel, or which colour, is which class.

dataset_meta.json        {"label_map": {"0": "Void"}, "segmentation_colors": [[0, 0, 0]], "background_label": "0"}
https://github.com/openvinotoolkit/open_model_zoo (accuracy checker), and Datumaro
label_colors.txt         64 128 64  Animal: CamVid
labelmap.txt             cat:128,0,0:: : CVAT and Datumaro
class_dict.csv           name,r,g,b: CamVid on Kaggle
_classes.csv             Pixel Value, Class: Roboflow
classes.txt, labels.txt  a name a line; lines count from 0
id2label.json            {"0": "wall"}: Hugging Face; class_id_to_name.json is the same
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any

from smalti.errors import DataError, at
from smalti.formats import json_files
from smalti.formats.label_images import HIGHEST, as_hex, values_of
from smalti.schema.categories import Categories, Category

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smalti.storage.location import Location

META = "dataset_meta.json"
BACKGROUND = "background"  # the attribute of the class whose pixels are nothing
COLOUR_LINE = re.compile(r"\s*(\d+)[\s,]+(\d+)[\s,]+(\d+)\s+(\S.*?)\s*")
# http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/data/label_colors.txt
CAMVID = {
    "Void": 0x000000, "Animal": 0x408040, "Archway": 0xC00080, "Bicyclist": 0x0080C0, "Bridge": 0x008040,
    "Building": 0x800000, "Car": 0x400080, "CartLuggagePram": 0x4000C0, "Child": 0xC08040,
    "Column_Pole": 0xC0C080, "Fence": 0x404080, "LaneMkgsDriv": 0x8000C0, "LaneMkgsNonDriv": 0xC00040,
    "Misc_Text": 0x808040, "MotorcycleScooter": 0xC000C0, "OtherMoving": 0x804040, "ParkingBlock": 0x40C080,
    "Pedestrian": 0x404000, "Road": 0x804080, "RoadShoulder": 0x8080C0, "Sidewalk": 0x0000C0,
    "SignSymbol": 0xC08080, "Sky": 0x808080, "SUVPickupTruck": 0x4080C0, "TrafficCone": 0x000040,
    "TrafficLight": 0x004040, "Train": 0xC04080, "Tree": 0x808000, "Truck_Bus": 0xC080C0, "Tunnel": 0x400040,
    "VegetationMisc": 0xC0C000, "Wall": 0x40C000,
}  # fmt: skip


def camvid() -> Categories:
    """CamVid's 32 classes with their colours."""
    more = {"Void": {BACKGROUND: True}}
    return Categories(
        tuple(
            Category(name=name, color=f"#{value:06x}", attributes=more.get(name, {}))
            for name, value in CAMVID.items()
        )
    )


def table(root: Location, files: Sequence[str]) -> Categories | None:
    """The class table of a folder; null where no file lists it.

    Args:
        root: The folder.
        files: The files in it and below, as paths.

    Raises:
        DataError: A file is none of its kind.
    """
    for name, read in READERS.items():
        found = next(
            (path for path in files if path.rpartition("/")[2] == name and path.count("/") <= 1), None
        )
        if found is None:
            continue
        with at(file=(root / found).url):
            classes = read((root / found).read_text())
            values_of(classes)
        if len(classes):
            return classes
    return None


def splits(root: Location) -> tuple[str, ...]:
    """The splits that a dataset_meta.json names, which is smalti's own key."""
    if not (root / META).isfile():
        return ()
    with at(file=(root / META).url):
        found = json_files.parse((root / META).read_bytes(), dict).get("splits") or []
        return tuple(
            json_files.of(name, str, f"splits[{n}]")
            for n, name in enumerate(json_files.of(found, list, "splits"))
        )


def by_number(values: Sequence[int], colours: Sequence[Sequence[int]]) -> list[list[int] | None]:
    """segmentation_colors, in which readers look a colour up by the number of its class; null between them."""
    found: list[list[int] | None] = [None] * (max(values, default=-1) + 1)
    for value, colour in zip(values, colours, strict=True):
        found[value] = list(colour)
    return found


def _meta(text: str) -> Categories:
    whole = json_files.parse(text.encode(), dict)
    if "label_map" not in whole and isinstance(whole.get("labels"), list):
        whole["label_map"] = {str(n): name for n, name in enumerate(whole["labels"])}
    names = json_files.of(whole.get("label_map"), dict, "label_map")
    colours = json_files.of(whole.get("segmentation_colors") or [], list, "segmentation_colors")
    values = [_value(key, "label_map") for key in names]
    numbered = all(value < len(colours) for value in values)  # else they stand in the order of the classes
    if colours and not numbered and len(colours) != len(names):
        raise DataError(
            f"found {len(colours)} segmentation_colors for {len(names)} classes, expected as many"
        )
    background = str(whole.get("background_label", ""))
    found = []
    for order, (value, (key, name)) in enumerate(zip(values, names.items(), strict=True)):
        colour, place = None, value if numbered else order
        if colours and colours[place] is not None:
            parts = json_files.of(colours[place], list, f"segmentation_colors[{place}]")
            colour = _colour([json_files.number(part, f"segmentation_colors[{place}]") for part in parts])
        more = {BACKGROUND: True} if key == background else {}
        name_ = json_files.of(name, str, f"label_map.{key}")
        found.append(Category(name=name_, id=value, color=colour, attributes=more))
    return Categories(tuple(found))


def _numbered(text: str) -> Categories:
    names = json_files.parse(text.encode(), dict)
    pairs = [(_value(key, "the key"), json_files.of(name, str, key)) for key, name in names.items()]
    return Categories(tuple(Category(name=name, id=value) for value, name in pairs))


def _colour_lines(text: str) -> Categories:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = COLOUR_LINE.fullmatch(line)
        if match is None:
            raise DataError(
                f"found {line[:60]!r}, expected red, green, blue and a name", position=f"line {number}"
            )
        found.append(Category(name=match[4], color=_colour([int(match[n]) for n in (1, 2, 3)])))
    return Categories(tuple(found))


def _label_map(text: str) -> Categories:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        words = rest.partition(":")[0].split(",")
        with at(position=f"line {number}"):
            parts = [float(_value(word.strip(), "the colour")) for word in words] if words != [""] else []
            found.append(Category(name=name, color=_colour(parts) if parts else None))
    return Categories(tuple(found))


def _class_dict(text: str) -> Categories:
    found = []
    for number, row in enumerate(csv.reader(text.splitlines()), 1):
        cells = [cell.strip() for cell in row]
        if number == 1 or not any(cells):
            continue
        with at(position=f"line {number}"):
            if len(cells) < 4:
                raise DataError(f"found {len(cells)} cells, expected name, r, g and b")
            found.append(
                Category(name=cells[0], color=_colour([float(_value(c, "the colour")) for c in cells[1:4]]))
            )
    return Categories(tuple(found))


def _pixel_values(text: str) -> Categories:
    found = []
    for number, row in enumerate(csv.reader(text.splitlines()), 1):
        cells = [cell.strip() for cell in row]
        if number == 1 or not any(cells):
            continue
        with at(position=f"line {number}"):
            if len(cells) != 2:
                raise DataError(f"found {len(cells)} cells, expected a value and a class")
            found.append(Category(name=cells[1], id=_value(cells[0], "the value")))
    return Categories(tuple(found))


def _lines(text: str) -> Categories:
    names = [line.strip() for line in text.splitlines()]
    return Categories.of(name or str(number) for number, name in enumerate(names))


def _value(word: Any, name: str) -> int:
    if not (word.isascii() and word.isdecimal()) or len(word) > 9 or int(word) > HIGHEST:
        raise DataError(f"{name}: found {word[:40]!r}, expected a whole number up to {HIGHEST:,}")
    return int(word)


def _colour(parts: Sequence[float]) -> str:
    if len(parts) != 3 or not all(part == int(part) and 0 <= part <= 255 for part in parts):
        raise DataError(f"found the colour {list(parts)}, expected three numbers from 0 to 255")
    return as_hex([int(part) for part in parts])


READERS: dict[str, Callable[[str], Categories]] = {
    META: _meta,
    "label_colors.txt": _colour_lines,
    "labelmap.txt": _label_map,
    "class_dict.csv": _class_dict,
    "_classes.csv": _pixel_values,
    "id2label.json": _numbered,
    "class_id_to_name.json": _numbered,
    "classes.txt": _lines,
    "labels.txt": _lines,
}
