"""The structs that a COCO file's objects decode into: made for the file, by what msgspec complains about.

A struct begins with the standard keys and their usual types, refuses the first key it does not know,
and is made again with that key as raw text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from smalti.errors import DataError

KEYS_MOST = 256  # different keys of one kind of object; each costs memory in every object

BOX = tuple[float, float, float, float]  # x, y, w, h
_NUMBER = (float, float | None)
_NAME = (int, int | str, int | str | None)
# What a key holds, narrow types first: a wider one is taken when the file asks for it. Raw at the end
# makes the key one of the unknown ones.
IMAGE_KEYS: dict[str, tuple[Any, ...]] = {
    "id": (int, int | str),
    "file_name": (str,),
    "width": (int, int | float | None),
    "height": (int, int | float | None),
}
# Further keys of COCO's own files: decoded at once where they are what they are there.
IMAGE_EXTRAS: dict[str, tuple[Any, ...]] = {
    "license": (int, Raw),
    "coco_url": (str, Raw),
    "flickr_url": (str, Raw),
    "date_captured": (str, Raw),
}
ANNOTATION_KEYS: dict[str, tuple[Any, ...]] = {
    "id": _NAME,
    "image_id": (int, int | str),
    "category_id": _NAME,
    "bbox": (BOX, Raw),
    "area": _NUMBER,
    "iscrowd": (int, int | bool | None),
    "segmentation": (Raw,),
    "score": (*_NUMBER, Raw),
    "track_id": (*_NAME, Raw),
    "caption": (str, str | None),
}
STANDARD = ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation")
UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_UNNAMEABLE = re.compile(r'["\\\x00-\x1f]')  # no field of a struct may have it in its name
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_EXPECTED = re.compile(r"\$?(?:.*)\.([^.\[\]]+)(?:\[\d+\])*", re.DOTALL)


@dataclass(slots=True)
class Key:
    """A key of the objects: its attribute in the struct, and the types that its values may have."""

    attribute: str
    ladder: tuple[Any, ...]
    required: bool
    step: int = 0

    @property
    def type(self) -> Any:
        return self.ladder[self.step]


class Spec:
    """The keys that one kind of object has, and the struct that is made of them."""

    def __init__(self, known: dict[str, tuple[Any, ...]], start: tuple[str, ...]) -> None:
        self.known = known
        self.keys: dict[str, Key] = {}
        for name in start:
            self.add(name, required=True)

    def add(self, name: str, required: bool) -> None:
        """Take a key into the struct."""
        self.keys[name] = Key(f"k{len(self.keys)}", self.known.get(name, (Raw,)), required)
        if not required:
            self.optional(self.keys[name])

    @staticmethod
    def optional(key: Key) -> None:
        """Let objects lack a key. Boxes go as raw values then: columns of them know what is missing."""
        key.required = False
        if key.type is BOX:
            key.step += 1

    def fields(self) -> list[tuple[str, Key]]:
        """The keys in the order of the struct's fields, as they are known now."""
        keys = sorted(self.keys.items(), key=lambda item: not item[1].required)
        return [(name, replace(key)) for name, key in keys]

    def struct(self) -> type[msgspec.Struct]:
        """The struct for the keys as they are known now."""
        keys = self.fields()
        return msgspec.defstruct(
            "Object",
            [
                (key.attribute, key.type) if key.required else (key.attribute, key.type | UnsetType, UNSET)
                for _, key in keys
            ],
            rename={key.attribute: name for name, key in keys},
            forbid_unknown_fields=True,
            gc=False,
        )

    def adapt(self, reason: str, place: str) -> bool:
        """Change what a message of msgspec's complains about; false where nothing can be changed."""
        if found := UNKNOWN.fullmatch(reason):
            if _UNNAMEABLE.search(found[1]):
                return False
            if len(self.keys) >= KEYS_MOST:
                raise DataError(
                    f"found more than {KEYS_MOST} different keys, such as {found[1]!r}; expected objects"
                    " that share their keys",
                    position=place,
                )
            self.add(found[1], required=place.endswith("[0]"))
            return True
        if found := _MISSING.fullmatch(reason):
            self.optional(self.keys[found[1]])
            return True
        name = _EXPECTED.fullmatch(place)
        key = self.keys.get(name[1]) if name else None
        if key is None or key.step + 1 >= len(key.ladder):
            return False
        key.step += 1
        return True


def file_struct(specs: dict[str, Spec], top: Spec, *, item: Any = None) -> type[msgspec.Struct]:
    """The struct of a whole file.

    Args:
        specs: The keys of ``images`` and ``annotations``.
        top: The keys beside them.
        item: The type of an image or annotation; null: the struct of its keys.
    """
    return msgspec.defstruct(
        "File",
        [(name, list[item or spec.struct()] | None | UnsetType, UNSET) for name, spec in specs.items()]  # type: ignore[misc]  # made here
        + [(key.attribute, Raw | UnsetType, UNSET) for key in top.keys.values()],
        rename={key.attribute: name for name, key in top.keys.items()},
        forbid_unknown_fields=True,
        gc=False,
    )
