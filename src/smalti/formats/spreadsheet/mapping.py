"""Mapping: which columns are what. It is guessed, shown, saved as YAML or TOML, mended by hand, and passed again.

columns: {image: Dateiname, category: Klasse, xmin: links, ymin: oben, xmax: rechts, ymax: unten}
boxes: xyxy
units: pixels
rows: objects
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from smalti.errors import OptionError, listed
from smalti.formats.spreadsheet import header

if TYPE_CHECKING:
    import os

BoxLayout = Literal["xyxy", "xywh", "cxcywh"]
Units = Literal["pixels", "normalised", "percent"]
RowKind = Literal["objects", "images"]
TOML = ".toml"
LIST = "list"  # the separator of cells that are lists themselves: ["cat", "dog"]
_UNITS = {
    None: "",
    "pixels": "in pixels",
    "normalised": "normalised by the size of the image",
    "percent": "in per cent of the image",
}
ROLES = (*(role for role in header.WORDS if not role.startswith("any_")), "via_shape", "via_attributes")


class Mapping(BaseModel):
    """Which columns are what. What is null or missing is guessed from names and values.

    Attributes:
        preset: The known dialect that it comes from.
        columns: The name of the column, as the header has it, by role: ``image``, ``category``, ``split``,
            ``xmin`` …; a column's letters (``F``) where there is no header.
        boxes: What the four columns of a box are.
        units: What coordinates are counted in.
        rows: Whether a row is an object, or an image.
        keypoints: The columns of each keypoint: x, y, and visibility where there is one.
        one_hot: Columns that are a class each, 1 where the image has it.
        separator: What divides several labels in one cell; ``list``: the cells are lists, ``["cat", "dog"]``.
        categories: The class table; other words are errors.
        ignore: Columns that are left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    boxes: BoxLayout | None = None
    units: Units | None = None
    rows: RowKind | None = None
    keypoints: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    one_hot: tuple[str, ...] = ()
    separator: str | None = None
    categories: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()

    @field_validator("columns")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        if unknown := set(value) - set(ROLES):
            raise ValueError(f"unknown role {min(unknown)!r}; known are {', '.join(ROLES)}")
        return value

    @field_validator("keypoints")
    @classmethod
    def _axes(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name, axes in value.items():
            if len(axes) not in {2, 3}:
                raise ValueError(f"keypoint {name!r} needs the columns of x, y and perhaps visibility")
        return value

    def to_yaml(self) -> str:
        """The mapping as YAML; what it does not say is left out."""
        body = self.model_dump(mode="json", exclude_defaults=True)
        return yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=100)

    def to_toml(self) -> str:
        """The mapping as TOML; what it does not say is left out."""
        body = self.model_dump(mode="json", exclude_defaults=True)
        tables = {name: value for name, value in body.items() if isinstance(value, dict)}
        lines = [f"{name} = {_toml(value)}" for name, value in body.items() if name not in tables]
        for name, table in tables.items():
            lines += ["", f"[{name}]", *(f"{_toml(key)} = {_toml(value)}" for key, value in table.items())]
        return "\n".join(lines).lstrip("\n") + "\n"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as TOML where the path ends in ``.toml``, else as YAML."""
        is_toml = Path(path).suffix.lower() == TOML
        Path(path).write_text(self.to_toml() if is_toml else self.to_yaml(), "utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Mapping:
        """Read it from TOML where the path ends in ``.toml``, else from YAML.

        Raises:
            OptionError: There is no such file, or it is no mapping.
        """
        is_toml = Path(path).suffix.lower() == TOML
        try:
            text = Path(path).read_bytes().decode("utf-8-sig")
            body = msgspec.toml.decode(text) if is_toml else yaml.safe_load(text)
        except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.DecodeError) as error:
            raise OptionError(f"mapping={str(path)!r} cannot be read: {error}") from error
        return cls.parse({} if body is None else body, str(path))

    @classmethod
    def parse(cls, value: Any, name: str = "mapping") -> Mapping:
        """A mapping from a mapping, a dictionary or the path of a YAML or TOML file.

        Raises:
            OptionError: It is none.
        """
        if value is None:
            return cls()
        if isinstance(value, Mapping):
            return value
        if isinstance(value, str):
            return cls.load(value)
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise OptionError(f"{name}: {place}: {first['msg']}") from error

    def sentence(self) -> str:
        """What it says, in one line for a report."""
        said = [f"{role} = {name}" for role, name in self.columns.items()]
        if self.keypoints:
            said.append(f"keypoints = {', '.join(self.keypoints)}")
        if self.one_hot:
            said.append(f"a class each = {', '.join(self.one_hot)}")
        if self.boxes:
            said.append(f"boxes are {self.boxes} {_UNITS[self.units]}")
        elif self.units:
            said.append(f"coordinates are {_UNITS[self.units]}")
        if self.separator:
            said.append(f"labels divided by {self.separator!r}")
        start = f"{self.preset}: " if self.preset else ""
        return f"{start}a row is an {(self.rows or 'objects')[:-1]}; {'; '.join(said)}"


def _toml(value: str | list[str]) -> str:
    """A text, or a list of them: JSON's texts are TOML's, but for one control character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def column_of(name: str, names: list[str], role: str) -> int:
    """The position of a column by its name, by a name that differs in spelling alone, or by its letters.

    Raises:
        OptionError: There is none.
    """
    if name in names:
        return names.index(name)
    keys = [header.key(known) for known in names]
    if header.key(name) in keys:
        return keys.index(header.key(name))
    if name.isascii() and name.isalpha() and name.isupper() and len(name) <= 3:
        position = 0
        for letter in name:
            position = position * 26 + ord(letter) - 64
        if position <= len(names):
            return position - 1
    raise OptionError(f"mapping: {role} is to be the column {name!r}; there are {listed(names, 20)}")
