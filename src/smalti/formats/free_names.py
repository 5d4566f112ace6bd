"""Names that no file of an export has yet, for formats whose documents are named after their images."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from smalti.formats.report import Loss

if TYPE_CHECKING:
    import pyarrow as pa


class FreeNames:
    """Paths of images whose stems differ: two that share one would share a document.

    File systems that know neither case nor a character's two forms are thought of. The later image gets another
    name, made from its own, which is reported.
    """

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def many(self, images: pa.Array, losses: list[Loss]) -> list[str]:
        """The names of many images."""
        keys = _keys(pc.replace_substring_regex(images, r"\.[^./]*$", ""))
        if len(set(keys)) == len(keys) and self.taken.isdisjoint(keys):
            self.taken.update(keys)
            return list(images.to_pylist())
        return [self.one(image, losses) for image in images.to_pylist()]

    def one(self, image: str, losses: list[Loss]) -> str:
        """The name of one image; a change goes to the losses."""
        stem, dot, suffix = image.rpartition(".")
        name = image
        number = 1
        while (key := _key(name)) in self.taken:
            name = f"{stem}_{suffix.lower()}{'' if number == 1 else number}{dot}{suffix}"
            number += 1
        self.taken.add(key)
        if name != image:
            losses.append(
                Loss(
                    code="image.renamed",
                    field="id",
                    kind="change",
                    count=1,
                    reason="two images would share one label file",
                    example=f"{image} -> {name}",
                )
            )
        return name


def _keys(stems: pa.Array) -> list[str]:
    """Names as file systems compare them that know neither case nor a character's two forms."""
    if pc.all(pc.string_is_ascii(stems)).as_py():
        return list(pc.ascii_lower(stems).to_pylist())
    return list(pc.utf8_lower(pc.utf8_normalize(stems, "NFC")).to_pylist())


def _key(image: str) -> str:
    return unicodedata.normalize("NFC", stem_of(image)).lower()


def stem_of(path: str) -> str:
    """A path without the suffix of its last part."""
    stem, _, suffix = path.rpartition(".")
    return stem if stem and stem[-1] != "/" and "/" not in suffix else path
