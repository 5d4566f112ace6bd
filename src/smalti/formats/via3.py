"""Projects of VIA 3 as those of VIA 2: regions are numbers there, and attributes go by theirs.

The numbers of shapes: https://gitlab.com/vgg/via/-/blob/via-3.x.y/via-3.x.y/src/js/_via_file_annotator.js
"""

from __future__ import annotations

from typing import Any

from smalti.errors import DataError, at
from smalti.formats import json_files

SHAPES: dict[int, tuple[str, tuple[str, ...]]] = {
    1: ("point", ("cx", "cy")),
    2: ("rect", ("x", "y", "width", "height")),
    3: ("circle", ("cx", "cy", "r")),
    4: ("ellipse", ("cx", "cy", "rx", "ry")),
    5: ("polyline", ()),
    6: ("polyline", ()),
    7: ("polygon", ()),
    8: ("rect", ("x", "y", "width", "height")),
    9: ("circle", ("cx", "cy", "r")),
}


def as_via2(whole: dict[str, Any]) -> dict[str, Any]:
    """The same annotations as VIA 2 has them.

    Raises:
        DataError: A part is missing, or of another kind.
    """
    attributes = _section(whole, "attribute")
    files = _section(whole, "file")
    views = _section(whole, "view")
    entries: dict[str, dict[str, Any]] = {}
    for view, value in views.items():
        with at(position=f"$.view[{view!r}]"):
            numbers = json_files.of(json_files.of(value, dict, "view").get("fid_list"), list, "fid_list")
            if not numbers or str(numbers[0]) not in files:
                raise DataError(f"fid_list: found {numbers!r}, expected the number of a file")
            file = json_files.of(files[str(numbers[0])], dict, "file")
            entries[view] = {"filename": file.get("fname"), "regions": [], "file_attributes": {}}
    for key, value in _section(whole, "metadata").items():
        with at(position=f"$.metadata[{key!r}]"):
            _add(json_files.of(value, dict, "metadata"), entries, attributes)
    region = {_name(of, key): {"options": _options(of)} for key, of in attributes.items()}
    return {"_via_img_metadata": entries, "_via_attributes": {"region": region}}


def _section(whole: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = json_files.of(whole.get(name), dict, name)
    return found


def _add(item: dict[str, Any], entries: dict[str, dict[str, Any]], attributes: dict[str, Any]) -> None:
    view = str(item.get("vid"))
    if view not in entries:
        raise DataError(f"vid: found {item.get('vid')!r}, expected the number of a view")
    values = json_files.of(item.get("av") or {}, dict, "av")
    words = {
        _name(attributes.get(key), key): _word(attributes.get(key), value) for key, value in values.items()
    }
    xy = json_files.of(item.get("xy") or [], list, "xy")
    if not xy:  # of the whole file
        entries[view]["file_attributes"] |= words
        return
    kind = SHAPES.get(xy[0]) if isinstance(xy[0], int) else None
    if kind is None:
        raise DataError(f"xy: found the shape {xy[0]!r}, expected one of 1 to 9")
    name, keys = kind
    if keys:
        if len(xy) - 1 != len(keys):
            raise DataError(f"xy: found {len(xy) - 1} numbers, expected {', '.join(keys)}")
        shape = {"name": name, **dict(zip(keys, xy[1:], strict=True))}
    else:
        shape = {"name": name, "all_points_x": xy[1::2], "all_points_y": xy[2::2]}
    entries[view]["regions"].append({"shape_attributes": shape, "region_attributes": words})


def _name(attribute: Any, key: str) -> str:
    found = attribute.get("aname") if isinstance(attribute, dict) else None
    return found if isinstance(found, str) else key


def _options(attribute: Any) -> dict[str, str]:
    options = attribute.get("options") if isinstance(attribute, dict) else None
    return {str(word): "" for word in options.values()} if isinstance(options, dict) else {}


def _word(attribute: Any, value: Any) -> Any:
    """What a value says: choices go by the numbers of their options."""
    options = attribute.get("options") if isinstance(attribute, dict) else None
    return options.get(str(value), value) if isinstance(options, dict) else value
