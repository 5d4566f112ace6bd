"""Cityscapes' 35 classes: https://github.com/mcordts/cityscapesScripts, ``cityscapesscripts/helpers/labels.py``.

A class has a number for the pixels of ``labelIds`` and another, where it is trained on, for those of ``labelTrainIds``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.schema.categories import Categories, Category

if TYPE_CHECKING:
    from collections.abc import Iterable

EACH = 1000  # instances of a class: their pixels are 1000 * class + number
MOST = 64  # the highest class whose instances 16 bits hold
UNLABELLED = "unlabeled"
_GROUPS = {
    "void": "unlabeled:000000 ego vehicle:000000 rectification border:000000 out of roi:000000 static:000000"
    " dynamic:6f4a00 ground:510051",
    "flat": "road:804080 sidewalk:f423e8 parking:faaaa0 rail track:e6968c",
    "construction": "building:464646 wall:66669c fence:be9999 guard rail:b4a5b4 bridge:966464 tunnel:96785a",
    "object": "pole:999999 polegroup:999999 traffic light:faaa1e traffic sign:dcdc00",
    "nature": "vegetation:6b8e23 terrain:98fb98",
    "sky": "sky:4682b4",
    "human": "person:dc143c rider:ff0000",
    "vehicle": "car:00008e truck:000046 bus:003c64 caravan:00005a trailer:00006e train:005064 motorcycle:0000e6"
    " bicycle:770b20 license plate:00008e",
}
_TRAINED = ("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
            "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")  # fmt: skip
_PLATE = "license plate"  # it has no number: pixels do not say it


def _table() -> Iterable[Category]:
    number = 0
    for place, (group, words) in enumerate(_GROUPS.items()):
        rest = words
        while rest:
            name, _, after = rest.partition(":")
            color, rest = after[:6], after[7:]
            trained = _TRAINED.index(name) if name in _TRAINED else 255
            yield Category(
                name=name,
                id=-1 if name == _PLATE else number,
                supercategory=group,
                color=f"#{color}",
                attributes={
                    "trainId": -1 if name == _PLATE else trained,
                    "categoryId": place,
                    "hasInstances": group in {"human", "vehicle"} and name != _PLATE,
                    "ignoreInEval": trained == 255,
                },
            )
            number += 1


OFFICIAL = Categories(tuple(_table()))
BY_NAME = {category.name: category for category in OFFICIAL}
DENSE = Categories(tuple(category for category in OFFICIAL if category.name != _PLATE))
TRAINED = Categories(tuple(BY_NAME[name].model_copy(update={"id": n}) for n, name in enumerate(_TRAINED)))


def has_instances(category: Category) -> bool:
    """Whether objects of a class are told apart, as those of classes are that do not say so."""
    return bool(category.attributes.get("hasInstances", True))


def official(category: Category) -> Category:
    """Cityscapes' own class, where that is what a class of some table is: by its name, number and colour."""
    own = BY_NAME.get(category.name)
    return own if own is not None and (own.id, own.color) == (category.id, category.color) else category


def numbers(categories: Categories) -> list[int]:
    """The number of each class in label images: Cityscapes', else its own id, else one that is free.

    Of Cityscapes' own table license plates have none, which is -1.
    """
    if categories == OFFICIAL:
        return [category.id for category in OFFICIAL if isinstance(category.id, int)]
    found: dict[int, int] = {}
    taken: set[int] = set()
    for own in (True, False):
        for place, category in enumerate(categories):
            known = BY_NAME.get(category.name)
            number = known.id if known is not None else category.id
            if (known is not None) is not own or not isinstance(number, int):
                continue
            if (own and number >= 0) or 0 < number <= MOST:
                if number in taken:
                    continue
                found[place] = number
                taken.add(number)
    free = (
        number for number in range(len(DENSE), len(DENSE) + 2 * len(categories) + MOST) if number not in taken
    )
    spare = [number for number in range(1, len(DENSE)) if number not in taken]
    wide = len(categories) > MOST - len(DENSE)
    for place in range(len(categories)):
        if place not in found:
            found[place] = spare.pop(0) if wide and spare else next(free)
    return [found[place] for place in range(len(categories))]
