"""What differs between two datasets, and between two trees of files, in words."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smalti.schema import features

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Iterator

    from smalti.dataset.dataset import Dataset
    from smalti.formats.report import Loss
    from smalti.schema.features import AnyFeature

SIZE = ("width", "height")  # of an image, its path is what a layout may change
UNSAID = {"iscrowd": False}  # members whose absence says the same


def tree(place: str | os.PathLike[str]) -> dict[str, bytes]:
    """Every file below a place by its relative POSIX path; a single file by its name."""
    root = Path(place)
    if root.is_file():
        return {root.name: root.read_bytes()}
    found = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(found)}


def differences(
    expected: Dataset,
    actual: Dataset,
    *,
    losses: Collection[Loss] = (),
    tolerance: float = 0.0,
    ordered: bool = True,
    filled: bool = False,
) -> list[str]:
    """What of one dataset is not in another, or not as it was, a sentence each.

    What the other has beyond it is no difference: formats number objects and compute areas. A field
    that is missing counts as one that is null throughout.

    Args:
        expected: What should be there.
        actual: What is there.
        losses: What a report says is lost. Their fields may differ: a member, a column; objects and
            samples may be missing where a loss is of that kind, the others stay in their order; the
            bare name of an object field says that null and empty are confused.
        tolerance: How far apart numbers may be, in pixels.
        ordered: Whether the order of samples counts.
        filled: Whether an object's member that was null may have got a value.
    """
    ids, others = (dataset.to_arrow().column("id").to_pylist() for dataset in (expected, actual))
    if any(loss.kind == "sample" for loss in losses):
        ids = [key for key in ids if key in set(others)]
    if sorted(ids) != sorted(others):
        return [f"samples: expected {sorted(ids)}, found {sorted(others)}"]
    found = [f"order: expected {ids}, found {others}"] if ordered and ids != others else []
    rows, them = _rows(expected), _rows(actual)
    for name, feature in expected.schema.columns.items():
        pairs = [(key, rows[key][name], them[key].get(name)) for key in ids]
        if isinstance(feature, features.Objects):
            found += _object_field(name, feature, actual, pairs, losses, tolerance, filled=filled)
        elif name != "id" and all(name != loss.field for loss in losses):
            found += (
                f"{key!r}: {name}: expected {one!r}, found {other!r}"
                for key, one, other in pairs
                if not same(_plain(feature, one), _plain(actual.schema.columns.get(name), other), tolerance)
            )
    return found


def same(one: Any, other: Any, tolerance: float = 0.0) -> bool:
    """Whether two plain values are equal, numbers as close as asked for; NaN equals NaN."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = one.keys() | other.keys()
        return all(same(one.get(key), other.get(key), tolerance) for key in keys)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(lambda a, b: same(a, b, tolerance), one, other))
    if isinstance(one, float) and isinstance(other, float) and tolerance:
        return math.isclose(one, other, rel_tol=0, abs_tol=tolerance)
    return bool(one == other or (one != one and other != other))  # noqa: PLR0124  # NaN is not itself


def _rows(dataset: Dataset) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in dataset.to_arrow().to_pylist()}


def _object_field(
    name: str,
    feature: features.Objects,
    actual: Dataset,
    pairs: list[tuple[str, Any, Any]],
    losses: Collection[Loss],
    tolerance: float,
    *,
    filled: bool,
) -> Iterator[str]:
    """Differences of one object field, sample by sample."""
    named = {loss.field for loss in losses}
    fewer = any(loss.kind == "object" and loss.field.partition(".")[0] == name for loss in losses)
    now = actual.schema.columns.get(name)
    known = now.attributes if isinstance(now, features.Objects) else {}
    members = [member for member in feature.names if f"{name}.{member}" not in named]
    yield from _class_table(feature, now, named)

    def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
        return all(
            same(
                _said(member, _plain(feature.attributes.get(member), one[member])),
                _said(member, _plain(known.get(member), other.get(member))),
                tolerance,
            )
            for member in members
            if not (filled and one[member] is None)
        )

    for key, one, other in pairs:
        if name not in named and (one is None) != (other is None):
            yield f"{key!r}: {name}: expected {_count(one)}, found {_count(other)}"
        else:
            yield from (f"{key!r}: {name}{text}" for text in _aligned(one or (), other or (), equal, fewer))


def _aligned(one: Any, other: Any, equal: Callable[[Any, Any], bool], fewer: bool) -> Iterator[str]:
    """Differences of two lists of objects; where some may be missing, the others stay in their order."""
    left = iter(one)
    for index, obj in enumerate(other):
        was = next((o for o in left if equal(o, obj)), None) if fewer else next(left, None)
        if was is None:
            yield f"[{index}] was not there: {obj}"
        elif not equal(was, obj):
            yield f"[{index}]: expected {was}, found {obj}"
    if (missing := list(left)) and not fewer:
        yield f": missing {missing}"


def _said(member: str, value: Any) -> Any:
    return None if member in UNSAID and value == UNSAID[member] else value


def _count(objects: list[Any] | None) -> str:
    return "no labels" if objects is None else f"{len(objects)} objects"


def _plain(feature: AnyFeature | None, value: Any) -> Any:
    """A value as what it says: JSON text parsed, an image by its size."""
    if isinstance(feature, features.Image):
        return {key: (value or {}).get(key) for key in SIZE}
    return json.loads(value) if isinstance(feature, features.Json) and value is not None else value


def _class_table(feature: features.Objects, other: AnyFeature | None, named: Collection[str]) -> list[str]:
    """Names and order of the classes, and what else is known of them."""
    if not isinstance(other, features.Objects) or "category" not in feature.names:
        return []
    if feature.categories.values != other.categories.values:
        return [f"classes: expected {feature.categories.values}, found {other.categories.values}"]
    found = []
    for one, another in zip(feature.categories, other.categories, strict=True):
        known = one.model_dump(exclude_defaults=True)  # a format may number classes that had no ids
        now = another.model_dump()
        found += [
            f"class {one.name!r}: expected {key} {value!r}, found {now[key]!r}"
            for key, value in known.items()
            if not same(value, now[key]) and not {"categories", f"categories.{key}"} & set(named)
        ]
    return found
