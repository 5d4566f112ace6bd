"""Complete a mapping: what it leaves open is guessed from the sheet's names and values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats.spreadsheet import header, values
from smalti.formats.spreadsheet.mapping import LIST, Mapping, column_of
from smalti.formats.spreadsheet.presets import OPTIONAL, mapping_of, preset_of

if TYPE_CHECKING:
    from smalti.formats.spreadsheet.cells import Sheet

LOOKED_AT: Final = 2000  # rows that tell what a column without a telling name holds
YES: Final = ("1", "x", "yes", "true", "ja", "oui", "si", "sí", "✓", "✔", "y", "1.0")
NO: Final = ("0", "no", "false", "nein", "non", "n", "0.0", "-")
SEPARATORS: Final = (";", "|", "\n", ",")
TELLING: Final = 20  # texts that tell what a column holds
_LIST: Final = r"^\[.*\]$"
GEOMETRY: Final = frozenset({"bbox", "polygon", "via_shape"})


@dataclass(frozen=True, slots=True)
class Columns:
    """Where everything is in one sheet.

    Attributes:
        mapping: The mapping, complete but for what numbers have to tell (boxes, units).
        at: The column's position by role.
        keypoints: Positions of x, y and visibility by the point's name.
        one_hot: Positions of columns that are a class each.
        rest: Positions of the columns that nobody knows: attributes.
        ignored: Positions of the columns that are left out.
        score: Which of the rest says how sure a row's labels are; null: none.
    """

    mapping: Mapping
    at: dict[str, int]
    keypoints: dict[str, tuple[int, int, int | None]] = field(default_factory=dict)
    one_hot: tuple[int, ...] = ()
    rest: tuple[int, ...] = ()
    ignored: frozenset[int] = frozenset()
    score: int | None = None


def guess(sheet: Sheet, wanted: Mapping, preset: str | None = None) -> Columns:
    """Find out what the columns of a sheet are.

    Args:
        sheet: The sheet.
        wanted: What is known; it is never overruled.
        preset: The dialect's name; null: it is recognised.

    Raises:
        OptionError: The mapping names a column that the sheet does not have.
    """
    known = preset or wanted.preset or (None if wanted.columns else preset_of(sheet))
    base = _over(mapping_of(known, sheet), wanted) if known else wanted
    at = {role: column_of(name, sheet.header, role) for role, name in base.columns.items()}
    at |= _optional(sheet, known, at)
    ignored = {column_of(name, sheet.header, "ignore") for name in base.ignore if _has(sheet, name, known)}
    points = {
        name: _axes([column_of(axis, sheet.header, f"keypoint {name}") for axis in axes])
        for name, axes in base.keypoints.items()
    }
    hot = [column_of(name, sheet.header, "one_hot") for name in base.one_hot]
    taken = {*at.values(), *ignored, *hot, *(c for axes in points.values() for c in axes if c is not None)}
    if known is None:
        _by_names(sheet, at, taken)
        if not base.keypoints:
            points = _points(sheet, taken)
        _by_values(sheet, at, taken)
    is_object = bool(points or GEOMETRY & set(at) or header.box_sides(at))
    rows = base.rows or ("objects" if is_object else "images")
    unused = set(at) - _used(at, rows)
    score = at.get("score") if "score" in unused else None
    taken -= {at.pop(role) for role in unused}
    rest = [c for c in range(len(sheet.header)) if c not in taken and _is_held(sheet, c)]
    if rows == "images" and not base.one_hot and "category" not in at:
        hot = [c for c in rest if is_flags(sheet.columns[c])]
        hot = hot if len(hot) > 1 else []
        rest = [c for c in rest if c not in hot]
    mapping = base.model_copy(
        update={
            "preset": known,
            "columns": {role: sheet.header[c] for role, c in at.items()},
            "rows": rows,
            "keypoints": {
                n: tuple(sheet.header[c] for c in axes if c is not None) for n, axes in points.items()
            },
            "one_hot": tuple(sheet.header[c] for c in hot),
            "separator": base.separator or _separator(sheet, at, rows),
        }
    )
    return Columns(mapping, at, points, tuple(hot), tuple(rest), frozenset(ignored), score)


def _optional(sheet: Sheet, preset: str | None, at: dict[str, int]) -> dict[str, int]:
    """Columns that a dialect may have."""
    names = OPTIONAL.get(preset or "", {})
    return {r: sheet.header.index(n) for r, n in names.items() if r not in at and n in sheet.header}


def _used(at: dict[str, int], rows: str) -> set[str]:
    """The roles that rows of that kind are read from; a box that is there twice is read once."""
    used = {"image", "split", "width", "height", "category"}
    if rows == "images":
        return used
    used |= {"polygon", "score", "area", "id", "track_id", "iscrowd", "via_shape", "via_attributes"}
    sides = header.box_sides(at)
    if "bbox" in at:
        return used | {"bbox"}
    return used if sides is None else used | set(header.SIDES[sides[0]])


def _over(base: Mapping, wanted: Mapping) -> Mapping:
    given = wanted.model_dump(exclude_defaults=True)
    if "columns" in given:
        given["columns"] = {**base.columns, **given["columns"]}
    return base.model_copy(update=given)


def _has(sheet: Sheet, name: str, preset: str | None) -> bool:
    """Whether a column is there; dialects leave some out, mappings of users have to be right."""
    return preset is None or name in sheet.header


def _axes(columns: list[int]) -> tuple[int, int, int | None]:
    return columns[0], columns[1], columns[2] if len(columns) > 2 else None


def _by_names(sheet: Sheet, at: dict[str, int], taken: set[int]) -> None:
    if not sheet.has_header:
        return
    for role, column in header.roles(sheet.header).items():
        named = role == "image" or not _names_images(sheet, column)
        named = named and (role == "bbox" or not _keyed_boxes(sheet, column))
        if role not in at and column not in taken and named:
            at[role] = column
            taken.add(column)


def _points(sheet: Sheet, taken: set[int]) -> dict[str, tuple[int, int, int | None]]:
    if not sheet.has_header:
        return {}
    found = {
        name: axes
        for name, axes in header.keypoints(sheet.header).items()
        if not taken & set(axes)
        and all(_is_numeric(sheet.columns[c]) or not _holds(sheet, c) for c in axes[:2])
    }
    taken.update(c for axes in found.values() for c in axes if c is not None)
    return found


def _by_values(sheet: Sheet, at: dict[str, int], taken: set[int]) -> None:
    """What no name tells: the column of image names; without a header also the box and the class."""
    free = [c for c in range(len(sheet.header)) if c not in taken and _is_held(sheet, c)]
    if "image" not in at:
        for column in free:
            # A column alone without a header may be notes: "ask Eva about a.jpg".
            if _names_images(sheet, column, blanks=len(free) > 1 or sheet.has_header):
                at["image"] = column
                break
        else:
            if "id" in at:
                at["image"] = at.pop("id")
    taken.update(at.values())
    if not GEOMETRY & set(at) and not header.box_sides(at):
        keyed = next((column for column in free if column not in taken and _keyed_boxes(sheet, column)), None)
        at.update({} if keyed is None else {"bbox": keyed})
        taken.update(at.values())
    if sheet.has_header or "image" not in at:
        return
    free = [c for c in free if c not in taken]
    numeric = [c for c in free if _is_numeric(sheet.columns[c])]
    text = [c for c in free if c not in numeric]
    boxes = next((c for c in text if "bbox" not in at and _lists_boxes(sheet, c)), None)
    if boxes is not None:
        at["bbox"] = boxes
        text.remove(boxes)
    elif len(numeric) >= 4 and "bbox" not in at:
        sides = np.stack([values.numbers(sheet.columns[c])[0] for c in numeric[:4]], axis=1)
        nowhere = np.full(len(sides), np.nan)
        layout = values.layout_of(sides, nowhere, nowhere, None)
        at.update(zip(header.SIDES[layout], numeric[:4], strict=True))
    if text:
        at["category"] = text[0]
    taken.update(at.values())


def _names_images(sheet: Sheet, column: int, *, blanks: bool = True) -> bool:
    """Whether most of what a column holds are names of images, whatever it is called."""
    if not pa.types.is_string(sheet.columns[column].type):
        return False
    head = values.words(sheet.columns[column].slice(0, LOOKED_AT)).drop_null().to_pylist()
    names = [name for name in head if header.is_image(name) and (blanks or " " not in name)]
    return len(names) > len(head) / 2


def _keyed_boxes(sheet: Sheet, column: int) -> bool:
    """Whether a column's cells are JSON of boxes whose sides have names: no other meaning is left."""
    cells = _head(sheet, column)
    keyed = [cell for cell in cells if "{" in cell[:3] and values.box_list(cell)]
    return len(keyed) > 0 and all(cell in {"[]", "{}"} or cell in keyed for cell in cells)


def _lists_boxes(sheet: Sheet, column: int) -> bool:
    cells = _head(sheet, column)
    return len(cells) > 0 and all(values.box_list(cell) for cell in cells)


def _head(sheet: Sheet, column: int) -> list[str]:
    """The first texts of a column; a few tell what the others are."""
    if not pa.types.is_string(sheet.columns[column].type):
        return []
    return list(values.words(sheet.columns[column].slice(0, LOOKED_AT)).drop_null().to_pylist()[:TELLING])


def _holds(sheet: Sheet, column: int) -> bool:
    return sheet.columns[column].null_count < len(sheet)


def _is_held(sheet: Sheet, column: int) -> bool:
    return _holds(sheet, column) or bool(sheet.header[column] and sheet.has_header)


def _is_numeric(column: pa.Array) -> bool:
    """Whether most of what is held are numbers."""
    head = column.slice(0, LOOKED_AT)
    found, wrong = values.numbers(head)
    return bool(np.isfinite(found).sum() > len(wrong))


def is_flags(column: pa.Array) -> bool:
    """Whether a column has marks of yes and no alone, and one at least."""
    if pa.types.is_boolean(column.type):
        return True
    if not (pa.types.is_string(column.type) or pa.types.is_floating(column.type)):
        return False
    text = pc.utf8_lower(values.words(column)).drop_null()
    return len(text) > 0 and bool(pc.all(pc.is_in(text, pa.array([*YES, *NO]))).as_py())


def flags(column: pa.Array) -> pa.Array:
    """Marks of yes and no as booleans; null where blank."""
    if pa.types.is_boolean(column.type):
        return column
    return pc.is_in(pc.utf8_lower(values.words(column)), pa.array(YES))


def _separator(sheet: Sheet, at: dict[str, int], rows: str) -> str | None:
    """What divides several labels in a cell: it stands in some, and what it divides is met elsewhere too."""
    if rows != "images" or "category" not in at:
        return None
    cells = values.words(sheet.columns[at["category"]]).drop_null()
    if len(cells) and pc.all(pc.match_substring_regex(cells, _LIST)).as_py():
        return LIST
    for separator in SEPARATORS:
        held = pc.match_substring(cells, separator)
        if not pc.any(held, min_count=0).as_py():
            continue
        parts = pc.utf8_trim_whitespace(pc.split_pattern(cells, separator).flatten())
        counts = pc.value_counts(parts).field("counts")
        if pc.mean(pc.greater(counts, 1)).as_py() >= 0.5:
            return separator
    return None
