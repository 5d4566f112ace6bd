"""COCO's ``categories``: parsed, joined over the files of a field, and written again.

COCO counts the ends of a skeleton's bones from 1 (https://cocodataset.org/#format-data, keypoint
detection); files in the wild count from 0 too, which a 0 gives away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from smalti.errors import DataError
from smalti.formats.report import Loss
from smalti.schema.categories import Categories, Category

if TYPE_CHECKING:
    from collections.abc import Iterable

    from msgspec import Raw


def parse(raw: Raw, url: str) -> tuple[Category, ...]:
    """The categories of one file, in its order. Skeletons stay as the file has them.

    Raises:
        DataError: A category is no object, has no name, or an id is used twice.
    """
    try:
        rows = msgspec.json.decode(raw, type=list[dict[str, Any]] | None) or []
    except msgspec.ValidationError as error:
        raise DataError(
            "the categories are no array of objects", file=url, position="$.categories"
        ) from error
    found = []
    seen: set[int | str] = set()
    for position, row in enumerate(rows):
        place = f"$.categories[{position}]"
        category = _category(dict(row), url, place)
        if category.id is not None and category.id in seen:
            raise DataError(
                f"the id {category.id!r} is used twice; expected each id once",
                file=url,
                position=f"{place}.id",
            )
        if category.id is not None:
            seen.add(category.id)
        found.append(category)
    return tuple(found)


def _category(row: dict[str, Any], url: str, place: str) -> Category:
    given = row.pop("id", None)
    if given is not None and (not isinstance(given, int | str) or isinstance(given, bool)):
        raise DataError(f"found {given!r}; expected a number or text", file=url, position=f"{place}.id")
    name = row.get("name")
    if isinstance(name, str):
        del row["name"]
    elif isinstance(name, int | float) and not isinstance(name, bool):
        name = str(name)  # the attribute keeps the number
    else:
        raise DataError(f"found {name!r}; expected a name", file=url, position=f"{place}.name")
    known: dict[str, Any] = {}
    if isinstance(row.get("supercategory"), str):
        known["supercategory"] = row.pop("supercategory")
    if isinstance(row.get("color"), str):
        known["color"] = row.pop("color")
    if _is_list(row.get("keypoints"), str):
        known["keypoints"] = tuple(row.pop("keypoints"))
    bones = row.get("skeleton")
    if (
        bones is not None
        and _is_list(bones, list)
        and all(len(bone) == 2 and _is_list(bone, int) for bone in bones)
    ):
        known["skeleton"] = tuple((a, b) for a, b in row.pop("skeleton"))
    return Category(name=name, id=given, attributes=row, **known)


def _is_list(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(type(item) is kind for item in value)


def skeleton_base(categories: Iterable[Category]) -> int:
    """What the bones of a table are counted from: 0 if one of them names a 0, else COCO's 1."""
    ends = [end for category in categories for bone in category.skeleton or () for end in bone]
    return 0 if 0 in ends else 1


def rebased(categories: Iterable[Category], shift: int) -> Categories:
    """The table with every bone's ends shifted."""
    return Categories(
        tuple(
            category
            if category.skeleton is None
            else category.model_copy(
                update={"skeleton": tuple((a + shift, b + shift) for a, b in category.skeleton)}
            )
            for category in categories
        )
    )


def united(tables: Iterable[tuple[str, tuple[Category, ...]]]) -> tuple[tuple[Category, ...], list[Loss]]:
    """One table of the categories of several files, by id, in order of appearance.

    Args:
        tables: The files' URLs and categories.

    Raises:
        DataError: Two files give one id to different names.
    """
    found: dict[object, Category] = {}
    differing: list[str] = []
    for url, table in tables:
        for category in table:
            key = (category.id,) if category.id is not None else (None, category.name)
            before = found.get(key)
            if before is not None and before.name != category.name:
                raise DataError(
                    f"the category id {category.id!r} is {category.name!r} here and {before.name!r} in another"
                    " file; expected one meaning of an id",
                    file=url,
                    position="$.categories",
                    hint="read the files one by one",
                )
            found[key] = category if before is None else _joined(before, category, differing)
    losses = []
    if differing:
        losses.append(
            Loss(
                code="category.differs",
                field="categories",
                kind="change",
                reason="files describe one category differently; the first description is kept",
                count=len(differing),
                example=differing[0],
            )
        )
    return tuple(found.values()), losses


def _joined(first: Category, second: Category, differing: list[str]) -> Category:
    """One category out of two descriptions: what the first lacks comes from the second."""
    update: dict[str, Any] = {}
    for name in ("supercategory", "color", "keypoints", "skeleton"):
        here, there = getattr(first, name), getattr(second, name)
        if here is None and there is not None:
            update[name] = there
        elif there not in {None, here}:
            differing.append(first.name)
    attributes = {**second.attributes, **first.attributes}
    if attributes != first.attributes:
        update["attributes"] = attributes
    if any(second.attributes.get(name, value) != value for name, value in first.attributes.items()):
        differing.append(first.name)
    return first.model_copy(update=update) if update else first


def to_json(categories: Categories, ids: list[int | str], base: int) -> list[dict[str, Any]]:
    """The categories as COCO writes them."""
    rows = []
    for category, number in zip(categories, ids, strict=True):
        row: dict[str, Any] = {"id": number, "name": category.name}
        if category.supercategory is not None:
            row = {"supercategory": category.supercategory, **row}
        if category.color is not None:
            row["color"] = category.color
        if category.keypoints is not None:
            row["keypoints"] = list(category.keypoints)
        if category.skeleton is not None:
            row["skeleton"] = [[a + base, b + base] for a, b in category.skeleton]
        rows.append(row | category.attributes)
    return rows


def export_ids(categories: Categories) -> list[int | str]:
    """The ids that are written: the table's own, and the next free ones where it has none."""
    taken = [category.id for category in categories if isinstance(category.id, int)]
    free = iter(range(max([0, *taken]) + 1, max([0, *taken]) + len(categories) + 1))
    return [next(free) if category.id is None else category.id for category in categories]
