"""Objects from rows: boxes in columns or in a cell, keypoints, polygons, classes, and what is known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.formats.spreadsheet import header, shapes, values
from smalti.formats.spreadsheet.faults import fault, meant, shown
from smalti.formats.spreadsheet.guess import flags
from smalti.formats.spreadsheet.labels import label_list, typed
from smalti.schema import features
from smalti.schema.types import BBOX, POLYGONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from smalti.formats.spreadsheet.draft import Draft

ONE_CLASS: Final = "object"  # of keypoints in a table without classes: names of points belong to a class

Members = dict[str, pa.Array]


def objects(draft: Draft, size: NDArray[np.float64]) -> tuple[NDArray[np.int64], Members]:
    """The sheet's row of each object, and the members of all objects.

    Args:
        draft: The sheet.
        size: ``(n, 2)``, the width and height of each row's image; NaN where unknown.

    Returns:
        int64 ``(m,)``, rising; and arrays of m values. ``category`` is text.
    """
    if "via_shape" in draft.at:
        return _via(draft)
    owner = np.arange(len(draft.sheet))
    empty = np.zeros(len(owner), bool)
    words = draft.words("category")
    members: Members = {}
    if "bbox" in draft.at:
        column = draft.at["bbox"]
        cells = values.boxes(draft.sheet.columns[column])
        draft.cells("box.wrong", cells.wrong, column, "{} is no box: expected four numbers")
        empty[cells.empty] = True
        blank = np.setdiff1d(owner, cells.row)
        owner = np.concatenate([cells.row, blank])
        order = np.argsort(owner, kind="stable")
        sides = np.concatenate([cells.sides, np.full((len(blank), 4), np.nan)])[order]
        inner = [*cells.labels, *[None] * len(blank)]
        owner = owner[order]
        words = _classes(words, [inner[i] for i in order] if any(inner) else None, owner)
        members["bbox"] = _boxes(draft, sides, owner, size, [column] * 4, cells.layout)
    elif placed := header.box_sides(draft.at):
        sides = values.columns([draft.numbers(column) for column in placed[1]])
        _incomplete(draft, sides, placed[1])
        members["bbox"] = _boxes(draft, sides, owner, size, list(placed[1]), placed[0])
    if words is not None:
        members["category"] = words
        _unknown(draft, words, owner)
    members |= {name: _taken(value, owner) for name, value in _geometry(draft, size).items()}
    has = np.zeros(len(owner), bool)
    for value in members.values():
        has |= value.is_valid().to_numpy(zero_copy_only=False)
    has &= ~empty[owner]
    members |= {name: _taken(value, owner) for name, value in _facts(draft).items()}
    if "keypoints" in members and "category" not in members:
        members["category"] = pa.array([ONE_CLASS] * len(owner), pa.string())
    if has.all():
        return owner, members
    return owner[has], {name: value.filter(pa.array(has)) for name, value in members.items()}


def _taken(value: pa.Array, owner: NDArray[np.int64]) -> pa.Array:
    # Most tables have an object a row, and nothing has to be copied then.
    same = len(owner) == len(value) and bool((owner == np.arange(len(owner))).all())
    return value if same else value.take(pa.array(owner))


def _unknown(draft: Draft, words: pa.Array, owner: NDArray[np.int64]) -> None:
    """Note the classes that are none of the table's."""
    known = draft.mapping.categories
    if known is None:
        return
    wrong = pc.and_(words.is_valid(), pc.invert(pc.is_in(words, pa.array(known, pa.string()))))
    column = next(
        draft.at[role] for role in ("category", "bbox", "via_attributes", "image") if role in draft.at
    )
    for at in np.flatnonzero(wrong.to_numpy(zero_copy_only=False)).tolist():
        word = words[at].as_py()
        reason, row = f"{shown(word)} is not a category", int(owner[at])
        draft.faults.append(fault(draft.sheet, "category.unknown", row, column, reason, meant(word, known)))


def _classes(
    words: pa.Array | None, inner: list[str | None] | None, owner: NDArray[np.int64]
) -> pa.Array | None:
    """The class of each box: its own, or its row's, or one of as many as the row has boxes."""
    if words is None:
        return None if inner is None else pa.array(inner, pa.string())
    whole = words.take(pa.array(owner))
    if inner is not None:
        return pc.coalesce(pa.array(inner, pa.string()), whole)
    rows, starts, counts = np.unique(owner, return_index=True, return_counts=True)
    several = counts > 1
    if not several.any():
        return whole
    texts = whole.to_pylist()
    for row, start, count in zip(rows[several], starts[several], counts[several], strict=True):
        parts = label_list(words[int(row)].as_py() or "")
        if len(parts) == count:
            texts[start : start + count] = parts
    return pa.array(texts, pa.string())


def _incomplete(draft: Draft, sides: NDArray[np.float64], columns: tuple[int, ...]) -> None:
    missing = np.isnan(sides)
    some = missing.any(1) & ~missing.all(1)
    wrong = {one.row for one in draft.faults if one.column in columns}
    for row in np.flatnonzero(some).tolist():
        if row not in wrong:
            column = columns[int(np.argmax(missing[row]))]
            draft.cells("box.incomplete", [row], column, "the box lacks this number")


def _boxes(
    draft: Draft,
    sides: NDArray[np.float64],
    owner: NDArray[np.int64],
    size: NDArray[np.float64],
    columns: list[int],
    named: str | None,
) -> pa.Array:
    """Boxes in pixels, null where there is none; what their numbers mean is decided and said."""
    units = draft.mapping.units or values.units_of(sides)
    full = {"normalised": 1.0, "percent": 100.0}.get(units)
    frame = size[owner]
    limit = frame if full is None else np.full_like(frame, full)
    layout = draft.mapping.boxes or values.layout_of(sides, limit[:, 0], limit[:, 1], named)
    draft.say(boxes=layout, units=units)
    has = np.isfinite(sides).all(1)
    if full is not None:
        sides = _in_pixels(draft, sides / full, frame, has & ~np.isfinite(frame).all(1), owner, columns)
        has &= np.isfinite(sides).all(1)
    if layout == "xyxy":
        swapped = has & ((sides[:, 2] < sides[:, 0]) | (sides[:, 3] < sides[:, 1]))
        draft.mend("box.swapped", np.unique(owner[swapped]), columns[0])
    else:
        negative = has & ((sides[:, 2] < 0) | (sides[:, 3] < 0))
        draft.cells("box.negative", np.unique(owner[negative]), columns[2], "{} is no size of a box")
    found = values.to_xywh(sides, layout)
    if has.all():
        return pa.StructArray.from_arrays([pa.array(side) for side in found.T], fields=list(BBOX))
    flat = [pa.array(np.where(has, side, 0.0)) for side in found.T]
    return pa.StructArray.from_arrays(flat, fields=list(BBOX), mask=pa.array(~has))


def _in_pixels(
    draft: Draft,
    sides: NDArray[np.float64],
    frame: NDArray[np.float64],
    unknown: NDArray[np.bool_] | np.bool_,
    owner: NDArray[np.int64],
    columns: list[int],
) -> NDArray[np.float64]:
    hint = "add columns width and height, or say where the images lie: media=FOLDER"
    reason = "{} is a part of the image, whose size is not known"
    draft.cells("size.unknown", np.unique(owner[np.asarray(unknown)]), columns[0], reason, lambda _: hint)
    return sides * np.concatenate([frame, frame], axis=1)


def _geometry(draft: Draft, size: NDArray[np.float64]) -> Members:
    """Keypoints and polygons, a value a row of the sheet."""
    found: Members = {}
    scale = np.ones_like(size)
    if draft.columns.keypoints:
        axes = list(zip(*draft.columns.keypoints.values(), strict=True))
        x, y = (np.stack([draft.numbers(c) for c in axis], axis=1) for axis in axes[:2])
        nowhere = np.full(len(draft.sheet), np.nan)
        seen = np.stack([nowhere if c is None else _seen(draft, c) for c in axes[2]], axis=1)
        units = draft.mapping.units or values.units_of(np.concatenate([x, y], axis=1))
        draft.say(units=units)
        if units != "pixels":
            scale = size / (1.0 if units == "normalised" else 100.0)
            unknown = np.isfinite(x).any(1) & np.isnan(size).any(1)
            _in_pixels(draft, np.empty((len(size), 4)), size, unknown, np.arange(len(size)), [axes[0][0]])
        found["keypoints"] = shapes.keypoints(x * scale[:, :1], y * scale[:, 1:], seen)
    if "polygon" in draft.at:
        column = draft.at["polygon"]
        rings, wrong = shapes.polygons(draft.sheet.columns[column])
        draft.cells("polygon.wrong", wrong, column, "{} is no polygon: expected three points at least")
        found["polygons"] = _scaled(draft, rings, size)
    return found


def _seen(draft: Draft, column: int) -> NDArray[np.float64]:
    found = draft.numbers(column)
    wrong = np.flatnonzero(np.isfinite(found) & ~np.isin(found, (0, 1, 2)))
    draft.cells("visibility.wrong", wrong, column, "{} is no visibility: expected 0, 1 or 2")
    return np.where(np.isin(found, (0, 1, 2)), found, np.nan)


def _scaled(draft: Draft, rings: pa.Array, size: NDArray[np.float64]) -> pa.Array:
    """Polygons in pixels."""
    inner = rings.flatten()
    flat = inner.flatten().to_numpy(zero_copy_only=False)
    units = draft.mapping.units or values.units_of(flat)
    draft.say(units=units)
    if units == "pixels" or not len(flat):
        return rings
    ring = pc.list_parent_indices(inner).to_numpy()
    row = pc.list_parent_indices(rings).to_numpy()[ring]
    unknown = np.zeros(len(size), bool)
    unknown[row] = np.isnan(size[row]).any(1)
    every = np.arange(len(size))
    _in_pixels(draft, np.empty((len(size), 4)), size, unknown, every, [draft.at["polygon"]])
    # x and y take turns in a ring, and every ring has an even number of them.
    axis = np.arange(len(flat)) % 2
    scaled = flat * size[row, axis] / (1.0 if units == "normalised" else 100.0)
    points = pa.ListArray.from_arrays(inner.offsets, pa.array(scaled), type=POLYGONS.value_type)
    mask = rings.is_null() if rings.null_count else None
    return pa.ListArray.from_arrays(rings.offsets, points, type=POLYGONS, mask=mask)


def _facts(draft: Draft) -> Members:
    """Score, area, ids and crowds, a value a row of the sheet."""
    found: Members = {}
    for role in ("score", "area"):
        if role in draft.at:
            found[role] = pa.array(draft.numbers(draft.at[role]), from_pandas=True)
    for role in ("id", "track_id"):
        words = draft.words(role)
        if words is not None:
            found[role] = words
    if "iscrowd" in draft.at:
        found["iscrowd"] = flags(draft.sheet.columns[draft.at["iscrowd"]])
    return found


def _via(draft: Draft) -> tuple[NDArray[np.int64], Members]:
    column = draft.at["via_shape"]
    cells = draft.sheet.columns[column].to_pylist()
    words = draft.words("via_attributes")
    found = shapes.via(cells, [None] * len(cells) if words is None else words.to_pylist())
    draft.cells("shape.wrong", found.wrong, column, "{} is no region of VIA")
    text = {"category", shapes.VIA_SHAPE}
    members = {
        name: pa.array(
            [dict(zip("xywh", four, strict=True)) if name == "bbox" and four else four for four in values_],
            pa.string() if name in text else features.OBJECT_MEMBERS[name],
        )
        for name, values_ in found.members.items()
        if name == "category" or any(value is not None for value in values_)
    }
    _unknown(draft, members["category"], np.array(found.rows, np.int64))
    for name, noted in found.words.items():
        free = f"{name}_" if name in features.OBJECT_MEMBERS else name
        members[free or "attribute"] = typed(pa.array(noted, pa.string()))
    return np.array(found.rows, np.int64), members
