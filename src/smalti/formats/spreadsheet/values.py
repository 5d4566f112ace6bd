"""Numbers and boxes from cells: decimal commas, units, lists in one cell; and what the numbers mean.

Coordinates may be pixels, parts of one or per cent, and four numbers corners, corner and size, or centre
and size. Where names do not say which, the values do; what was found is stated in the report.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats.spreadsheet import header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NONE_WORDS: Final = ("", "-", "–", "nan", "none", "null", "n/a", "na", "nil", "?", "[]", "{}")
LOOKED_AT: Final = 2000  # rows that settle most questions
UNIT_SLACK: Final = 1.05  # how far over 1 a normalised side may be
MOST: Final = 0.9  # of the numbers settle what all are: the rest are slips
SOME: Final = 0.1  # of the boxes that would leave their images are more than slips
NUMBER: Final = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"

# Months as spreadsheets shorten them, in the languages of `header.WORDS`; 3-4 becomes "3-Apr", "04. Mrz".
_MONTHS: Final = (
    "jan|ene|gen|feb|fev|fév|mar|mär|mrz|mrt|apr|abr|avr|mai|may|mag|mei|maj|jun|jui|giu|jul|lug|aug|ago|aoû|aou|sep|set|oct"
    "|okt|ott|out|nov|dec|dez|dic|déc"
)
_DATE: Final = (
    rf"(?i)^(\d{{1,2}}[-./ ]+({_MONTHS})\w{{0,6}}\.?([-./ ]+\d{{2,4}})?|({_MONTHS})\w{{0,6}}\.?[-./ ]+\d{{2,4}}"
    r"|\d{1,2}[-./]\d{1,2}[-./]\d{2,4}|\d{4}-\d\d-\d\d.*)$"
)
_PLAIN = f"^{NUMBER}$"
PLAIN_OR_COMMA: Final = rf"^(?:{NUMBER}|[-+]?\d*,\d+)$"
_OPEN, _BETWEEN, _CLOSE = r"^[\[({\s]*", r"(?:\s*[,;]\s*|\s+)", r"[\])}\s]*$"
_FOUR = _OPEN + _BETWEEN.join(f"(?P<{side}>{NUMBER})" for side in "abcd") + _CLOSE
_COMMA = re.compile(r"[-+]?\d+(?:,\d+)?$")


def words(array: pa.Array) -> pa.Array:
    """A column as text, trimmed; null where there is nothing. Whole numbers have no point."""
    if pa.types.is_floating(array.type):
        values = array.drop_null()
        if (
            pc.all(pc.equal(pc.floor(values), values)).as_py()
            and not pc.any(pc.greater(pc.abs(values), 1e15)).as_py()
        ):
            array = array.cast(pa.int64())
        array = array.cast(pa.string())
    elif pa.types.is_timestamp(array.type):
        days = array.cast(pa.date32(), safe=False)
        array = (days if days.cast(array.type).equals(array) else array).cast(pa.string())
    elif not pa.types.is_string(array.type):
        array = array.cast(pa.string())
    trimmed = pc.utf8_trim_whitespace(array)
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)


def numbers(array: pa.Array) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A column as numbers.

    Returns:
        float64 ``(n,)``, NaN where blank; and the rows whose cell is something else.
    """
    if pa.types.is_floating(array.type):
        values = array.to_numpy(zero_copy_only=False)
        return values, np.flatnonzero(np.isinf(values))
    if not pa.types.is_string(array.type):
        return np.full(len(array), np.nan), np.flatnonzero(array.is_valid().to_numpy(zero_copy_only=False))
    try:
        values = array.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return _mended(array)
    return values, np.flatnonzero(np.isinf(values))


def _mended(array: pa.Array) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Numbers with blanks around them, units, decimal commas, dots between thousands."""
    text = pc.replace_substring_regex(pc.utf8_trim_whitespace(array), r"(?i)\s*(px|pixels?)$", "")
    percent = pc.fill_null(pc.ends_with(text, "%"), fill_value=False)
    text = pc.utf8_rtrim(text, "% ")
    german = pc.match_substring_regex(text, r"^[-+]?(\d{1,3}(\.\d{3})+|\d*),\d+$")
    comma = pc.replace_substring(pc.replace_substring(text, ".", ""), ",", ".")
    text = pc.if_else(german, comma, text)
    english = pc.match_substring_regex(text, r"^[-+]?\d{1,3}(,\d{3})+\.\d+$")
    text = pc.if_else(english, pc.replace_substring(text, ",", ""), text)
    good = pc.match_substring_regex(text, _PLAIN)
    values = pc.if_else(good, text, None).cast(pa.float64()).to_numpy(zero_copy_only=False)
    values = np.where(percent.to_numpy(zero_copy_only=False), values / 100, values)
    nothing = pc.is_in(pc.utf8_lower(text), pa.array(NONE_WORDS))
    wrong = pc.and_not(pc.invert(pc.fill_null(good, fill_value=True)), nothing)
    return values, np.flatnonzero(wrong.to_numpy(zero_copy_only=False))


def dated(array: pa.Array) -> NDArray[np.bool_]:
    """Which texts are dates, as spreadsheets write them to files of separated values: bool ``(n,)``."""
    if not pa.types.is_string(array.type):
        return np.zeros(len(array), bool)
    found = pc.match_substring_regex(pc.utf8_trim_whitespace(array), _DATE).fill_null(False)
    return np.asarray(found.to_numpy(zero_copy_only=False))


@dataclass(frozen=True, slots=True)
class BoxCells:
    """Boxes that stand in one text cell each, or several in one.

    Attributes:
        row: int64 ``(m,)``, the row of each box.
        sides: float64 ``(m, 4)``.
        labels: The class that a box names itself, or null.
        layout: How the keys of the cells say that the sides are; null where they have none.
        wrong: Rows whose cell holds no box.
        empty: Rows whose cell says that there is nothing: ``[]``.
    """

    row: NDArray[np.int64]
    sides: NDArray[np.float64]
    labels: list[str | None]
    layout: str | None
    wrong: list[int]
    empty: list[int]


def boxes(array: pa.Array) -> BoxCells:
    """Read a column of boxes: ``[x, y, w, h]``, ``x;y;w;h`` with decimal commas, two corners, JSON, several of them."""
    text = words(array)
    groups = pc.extract_regex(text, _FOUR)
    plain = groups.is_valid().to_numpy(zero_copy_only=False)
    flat = groups.filter(groups.is_valid())
    sides = [np.stack([flat.field(i).cast(pa.float64()).to_numpy() for i in range(4)], axis=1)]
    rows = [np.flatnonzero(plain)]
    labels: list[str | None] = [None] * len(rows[0])
    layouts: list[str | None] = [None] * len(rows[0])
    wrong: list[int] = []
    empty: list[int] = []
    for place in np.flatnonzero(~plain & text.is_valid().to_numpy(zero_copy_only=False)).tolist():
        cell = text[place].as_py()
        found = box_list(cell)
        if found is None:
            (empty if cell.lower() in NONE_WORDS else wrong).append(place)
            continue
        sides.append(np.array([four for four, _, _ in found], np.float64).reshape(-1, 4))
        rows.append(np.full(len(found), place))
        labels += [label for _, label, _ in found]
        layouts += [layout for _, _, layout in found]
    owner, values = np.concatenate(rows), np.concatenate(sides)
    order = np.argsort(owner, kind="stable")
    values, layout = _agreed(values, layouts)
    return BoxCells(owner[order], values[order], [labels[i] for i in order], layout, wrong, empty)


def _agreed(sides: NDArray[np.float64], layouts: list[str | None]) -> tuple[NDArray[np.float64], str | None]:
    """Boxes in one layout, where the cells say several; null: none of them says any."""
    said = set(layouts)
    if len(said) < 2:
        return sides, next(iter(said), None)
    unsaid = np.array([layout is None for layout in layouts])
    nowhere = np.full(int(unsaid.sum()), np.nan)
    common = layout_of(sides[unsaid], nowhere, nowhere, None)
    for layout in said - {None, common}:
        some = np.array([one == layout for one in layouts])
        x, y, w, h = to_xywh(sides[some], str(layout)).T
        sides[some] = columns([x, y, x + w, y + h] if common == "xyxy" else [x, y, w, h])
    return sides, common


Found = tuple["Sequence[float]", "str | None", "str | None"]  # sides, class, layout


def box_list(cell: str) -> list[Found] | None:
    """The boxes of one cell; null where it holds something else."""
    value = json_of(cell)
    if value is not None:
        found = _boxes_of(value)
        return found or None
    pieces = [number_list(piece) for piece in re.split(r"[;|\n]", cell) if piece.strip()]
    if len(pieces) > 1 and all(piece and len(piece) == 4 for piece in pieces):
        return [(piece, None, None) for piece in pieces if piece]
    flat = number_list(cell)
    if not flat or len(flat) % 4:
        return None
    return [(flat[i : i + 4], None, None) for i in range(0, len(flat), 4)]


def json_of(cell: str) -> Any:
    """A list or an object from JSON, or from what Python prints; null where it is none."""
    if cell[:1] not in {"[", "{"}:
        return None
    for text in (cell, cell.replace("'", '"').replace("(", "[").replace(")", "]")):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            continue
    return None


def _boxes_of(value: Any) -> list[Found]:
    if isinstance(value, dict):
        roles = header.roles(list(value))
        items = list(value.values())
        label = _label(items[roles["category"]]) if "category" in roles else None
        sides = header.box_sides(roles)
        if sides is None:
            inner = items[roles["bbox"]] if "bbox" in roles else None
            return [(four, label, way) for four, _, way in _boxes_of(inner)]
        four = [items[i] for i in sides[1]]
        if not all(map(_is_number, four)):
            return []
        return [(_of_label_studio(four, value), label, sides[0])]
    if not isinstance(value, list):
        return []
    if len(value) == 2 and all(isinstance(one, list) and len(one) == 2 for one in value):  # two corners
        corners = [*value[0], *value[1]]
        return [(corners, None, "xyxy")] if all(map(_is_number, corners)) else []
    if len(value) % 4 == 0 and all(map(_is_number, value)):
        return [(value[i : i + 4], None, None) for i in range(0, len(value), 4)]
    each = [_boxes_of(item) for item in value]
    return [box for boxes_ in each for box in boxes_] if all(each) else []


def _label(value: Any) -> str | None:
    first = value[0] if isinstance(value, list) and value else value
    return None if first is None or first == [] else str(first)


def _of_label_studio(sides: list[float], region: dict[str, Any]) -> list[float]:
    """Label Studio's boxes are per cent of the image, whose size stands beside them."""
    width, height = (region.get(f"original_{side}") for side in ("width", "height"))
    if width is None or height is None or not (_is_number(width) and _is_number(height)):
        return sides
    return [side * whole / 100 for side, whole in zip(sides, (width, height) * 2, strict=True)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12


def number_list(cell: str) -> list[float] | None:
    """The numbers of a cell, whatever divides them; a comma is decimal where something else divides.

    ``10,5; 20; 30,25; 40`` and ``10,5 20 30,25 40`` have decimal commas, ``10, 20, 30, 40`` has none.
    """
    bare = re.sub(r"[\[\](){}\"']", " ", cell).strip()
    for divider in (r"\s*[;|]\s*", r",\s+", r"(?<!,)\s+", r"\s*,\s*"):
        parts = [part for part in re.split(divider, bare) if part]
        if len(parts) < 2:
            continue
        parts = [part.replace(",", ".") if _COMMA.match(part) else part for part in parts]
        if all(re.match(_PLAIN, part) for part in parts):
            return [float(part) for part in parts]
    return None


def units_of(sides: NDArray[np.float64]) -> str:
    """Whether coordinates are ``pixels`` or ``normalised``: nearly all lie between 0 and 1, and not all are whole.

    One that is mistyped does not make the others pixels.
    """
    # Pixels show at once, and a million of them need no second look.
    for known in (sides[:LOOKED_AT], sides):
        found = known[np.isfinite(known)]
        inside = np.abs(found) <= UNIT_SLACK
        if len(found) and inside.mean() < MOST:
            return "pixels"
    return "normalised" if (found[inside] != np.round(found[inside])).any() else "pixels"


def layout_of(
    sides: NDArray[np.float64], wide: NDArray[np.float64], high: NDArray[np.float64], named: str | None
) -> str:
    """What four numbers are, nearly all of them: ``xyxy``, ``xywh`` or ``cxcywh``.

    Args:
        sides: ``(n, 4)``.
        wide: ``(n,)``, the image's width in the units of the sides; NaN where unknown.
        high: ``(n,)``, its height.
        named: What the names of the columns say.
    """
    a, b, c, d = sides[np.isfinite(sides).all(1)].T
    whole = np.isfinite(sides).all(1)
    if named in {"xyxy", "cxcywh"} or not len(a):
        return named or "xywh"
    if named is None and ((c > a) & (d > b)).mean() >= MOST:
        return "xyxy"
    right, low = wide[whole] * UNIT_SLACK, high[whole] * UNIT_SLACK
    outside = (a + c > right) | (b + d > low)
    centred = (a >= c / 2.1) & (b >= d / 2.1) & ~(a + c / 2 > right) & ~(b + d / 2 > low)
    return "cxcywh" if outside.mean() >= SOME and centred.mean() >= MOST else "xywh"


def columns(found: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Columns side by side: ``(n, k)``, each in one piece of memory."""
    return np.stack(found).T


def to_xywh(sides: NDArray[np.float64], layout: str) -> NDArray[np.float64]:
    """Boxes as x, y, w, h; corners that are swapped are put in order."""
    a, b, c, d = sides.T
    if layout == "xyxy":
        left, top = np.minimum(a, c), np.minimum(b, d)
        return columns([left, top, np.abs(c - a), np.abs(d - b)])
    if layout == "cxcywh":
        return columns([a - c / 2, b - d / 2, c, d])
    return sides
