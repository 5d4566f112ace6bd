"""data.yaml: the splits, the class table and the keypoints of a YOLO dataset.

Specification: https://docs.ultralytics.com/datasets/detect/#ultralytics-yolo-format, and as code
``check_det_dataset`` in https://github.com/ultralytics/ultralytics/blob/main/ultralytics/data/utils.py.
A ``download`` entry, which may hold a program, is never run. Anchors and aliases are refused: they are
how a small file becomes a large one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import yaml

from smalti.errors import DataError, listed
from smalti.schema.categories import Categories, Category

if TYPE_CHECKING:
    from smalti.storage.location import Location

SPLITS = ("train", "val", "test")
SKELETON = "kpt_skeleton"
_KNOWN = frozenset(
    {
        "path",
        "names",
        "nc",
        "kpt_shape",
        "flip_idx",
        "kpt_names",
        SKELETON,
        "train",
        "val",
        "validation",
        "test",
        "minival",
    }
)


@dataclass(frozen=True, slots=True)
class DataYaml:
    """What a data.yaml says.

    Attributes:
        categories: The class table; where the keys of ``names`` have gaps they are the ids.
        splits: Places by split, as they stand in the file.
        path: The dataset's root as it stands in the file; null where it does not say.
        kpt_shape: Number of keypoints, and 2 or 3 numbers each; null for other tasks.
        rest: Every other key.
        file: The name of the file that lists the classes, for messages.
    """

    categories: Categories
    splits: dict[str, list[str]]
    path: str | None = None
    kpt_shape: tuple[int, int] | None = None
    rest: dict[str, Any] = field(default_factory=dict)
    file: str = "data.yaml"


class _Loader(yaml.BaseLoader):
    """Leaves scalars as they stand: a class called ``no`` or ``1:30`` keeps its name."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise DataError("found an alias, expected plain values", hint="write the value out")
        return super().compose_node(parent, index)


def read_yaml(place: Location) -> DataYaml:
    """Read a data.yaml.

    Raises:
        DataError: It is no YAML, or a key does not hold what it should.
    """
    try:
        body = yaml.load(place.read_text(), _Loader)  # noqa: S506  # a loader that makes text alone
        return replace(_read(body), file=place.name)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}" if error.problem_mark else None
        raise DataError(f"no YAML: {error.problem}", file=place.url, position=line) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise DataError(f"no YAML: {error}", file=place.url) from error
    except DataError as error:
        error.file = error.file or place.url
        raise


def read_names(place: Location) -> Categories:
    """Read a list of class names, one a line; the line's number is the class.

    Raises:
        DataError: A line between others is empty.
    """
    lines = [line.strip() for line in place.read_text().rstrip().splitlines()]
    if "" in lines:
        position = f"line {lines.index('') + 1}"
        raise DataError("found an empty line, expected a class name", file=place.url, position=position)
    return Categories.of(lines)


def _read(body: Any) -> DataYaml:
    if not isinstance(body, dict):
        raise DataError(f"found {type(body).__name__}, expected keys like train, val and names")
    shape = _ints(body, "kpt_shape")
    if shape is not None and (len(shape) != 2 or shape[0] < 1 or shape[1] not in {2, 3}):
        raise DataError(f"found {shape}, expected [number, 2 or 3]", position="kpt_shape")
    splits = {
        "val" if key == "validation" else key: _places(key, body[key])
        for key in body
        if key in {*SPLITS, "validation", "minival"} or (key not in _KNOWN and _is_place(body[key]))
    }
    rest = {key: value for key, value in body.items() if key not in _KNOWN and key not in splits}
    return DataYaml(
        categories=_categories(body, shape),
        splits={key: places for key, places in splits.items() if places},
        path=body.get("path") or None,
        kpt_shape=(shape[0], shape[1]) if shape else None,
        rest=rest,
    )


def _is_place(value: Any) -> bool:
    """Whether an unknown key looks like one more split: its places lie in a folder of images."""
    values = value if isinstance(value, list) else [value]
    return bool(values) and all(isinstance(v, str) and "images" in v.split("/") for v in values)


def _places(key: str, value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in values):
        raise DataError(f"found {value!r}, expected a folder, a list file, or a list of them", position=key)
    return [item for item in values if item and item not in {"null", "~"}]


def _categories(body: dict[str, Any], shape: list[int] | None) -> Categories:
    names = body.get("names")
    count = _ints(body, "nc")
    if isinstance(names, list):
        table = dict(enumerate(names))
    elif isinstance(names, dict):
        table = _numbered(names)
    elif names in {None, ""} and count:
        table = {index: f"class_{index}" for index in range(count[0])}
    else:
        raise DataError(f"found {names!r}, expected a list or a map of class names", position="names")
    if wrong := [name for name in table.values() if not isinstance(name, str)]:
        raise DataError(f"found {wrong[0]!r}, expected a class name", position="names")
    if count and count[0] != len(table) and names:
        raise DataError(f"found nc {count[0]} and {len(table)} names", position="nc", hint="make them agree")
    dense = list(table) == list(range(len(table)))  # then a class's number is its position, and no id
    flip = _flip(body, shape)
    return Categories(
        tuple(
            Category(
                name=name,
                id=None if dense else number,
                keypoints=_keypoints(body, shape, number),
                skeleton=_skeleton(body, shape, number),
                flip_idx=flip,
            )
            for number, name in table.items()
        )
    )


def _numbered(names: dict[Any, Any]) -> dict[int, Any]:
    try:
        return {int(key): name for key, name in names.items()}
    except ValueError as error:
        raise DataError(
            f"found the keys {listed(names)}, expected class numbers", position="names"
        ) from error


def _keypoints(body: dict[str, Any], shape: list[int] | None, number: int) -> tuple[str, ...] | None:
    """The names of a class's keypoints: a list for all classes, or one for each."""
    if shape is None:
        return None
    names = body.get("kpt_names")
    if isinstance(names, dict):
        names = names.get(str(number))
    if not names:
        return _counted(shape[0])
    if not isinstance(names, list) or len(names) != shape[0] or not all(isinstance(n, str) for n in names):
        raise DataError(f"found {names!r}, expected {shape[0]} names", position="kpt_names")
    return tuple(names)


def _skeleton(body: dict[str, Any], shape: list[int] | None, number: int) -> Any:
    """The bones of a class: a key of this library's own, which trainers pass over."""
    table = body.get(SKELETON)
    pairs = table.get(str(number)) if isinstance(table, dict) and shape else None
    if not pairs:
        return None
    try:
        bones = tuple((int(one), int(other)) for one, other in pairs)
    except (TypeError, ValueError) as error:
        raise DataError(f"found {pairs!r}, expected pairs of keypoints", position=SKELETON) from error
    if shape and not all(0 <= point < shape[0] for bone in bones for point in bone):
        raise DataError(f"found {pairs!r}, expected numbers below {shape[0]}", position=SKELETON)
    return bones


def _flip(body: dict[str, Any], shape: list[int] | None) -> tuple[int, ...] | None:
    flip = _ints(body, "flip_idx") if shape else None
    if flip is not None and shape and sorted(flip) != list(range(shape[0])):
        raise DataError(f"found {flip}, expected each keypoint's number once", position="flip_idx")
    return None if flip is None else tuple(flip)


def _ints(body: dict[str, Any], key: str) -> list[int] | None:
    value = body.get(key)
    if value in {None, ""} if not isinstance(value, (list, dict)) else not value:
        return None
    try:
        items: list[Any] = value if isinstance(value, list) else [value]
        return [int(item) for item in items]
    except (TypeError, ValueError) as error:
        raise DataError(f"found {value!r}, expected whole numbers", position=key) from error


def write_yaml(
    categories: Categories, splits: dict[str, str], kpt_shape: tuple[int, int] | None, rest: dict[str, Any]
) -> bytes:
    """The text of a data.yaml; without ``path``, so that its own folder is the root."""
    body: dict[str, Any] = {**splits, "nc": len(categories)}
    if kpt_shape:
        body["kpt_shape"] = list(kpt_shape)
        posed = next((c for c in categories if c.keypoints), None)
        if posed is not None and posed.keypoints and posed.keypoints != _counted(kpt_shape[0]):
            body["kpt_names"] = {
                index: list(category.keypoints or posed.keypoints)
                for index, category in enumerate(categories)
            }
        if posed is not None and posed.flip_idx:
            body["flip_idx"] = list(posed.flip_idx)
        bones = {i: [list(bone) for bone in c.skeleton] for i, c in enumerate(categories) if c.skeleton}
        if bones:
            body[SKELETON] = bones
    body |= rest
    body["names"] = dict(enumerate(categories.values))
    return yaml.safe_dump(body, allow_unicode=True, sort_keys=False, width=1000).encode()


def _counted(number: int) -> tuple[str, ...]:
    return tuple(str(index) for index in range(number))
