"""The images of an Open Images source: their numbers, their files and their sizes.

The benchmark names an image without a suffix. Where its file is there, that tells the suffix and the size; CVAT and
Datumaro list the sizes in ``images.meta`` (name, height and width a line, quoted as a shell does), where a fourth word
is ours: the suffix of an image that is no ``.jpg``.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import DataError
from smalti.formats.free_names import stem_of
from smalti.formats.open_images.layout import image_home, is_image, placed, split_word
from smalti.storage.media import IMAGE_SUFFIXES, ImageHeader, read_headers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from smalti.formats.open_images.layout import Layout
    from smalti.storage.location import Location

SUFFIX = ".jpg"  # of all images of the benchmark
MOST = 2**31 - 1  # pixels along a side
HEAD = "# <image name> <height> <width>\n"
OF_SPLITS = "# <split>/<image name> <height> <width>\n"  # ours, where two splits have an image of one name
_PLAIN_LINE = (
    r"^(?P<name>[^\s'\"\\#]+) (?P<height>[1-9]\d{0,9}) (?P<width>[1-9]\d{0,9})(?P<suffix>| \.\w{1,8})\r?$"
)


class Numbers:
    """Numbers of images, in the order in which they are first named.

    Attributes:
        names: What each is called, without a suffix.
        splits: The split of each; null where none is told.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.splits: list[str | None] = []
        self._by_split: dict[str | None, dict[str, int]] = {}
        self._anywhere: dict[str, int] | None = None  # made when it is first needed

    def __len__(self) -> int:
        return len(self.names)

    def of(self, names: pa.Array, split: str | None) -> NDArray[np.int64]:
        """The numbers of images ``(n,)``; without a split an image of any split is meant."""
        encoded = names.dictionary_encode()
        words = encoded.dictionary.to_pylist()
        known = self._everywhere() if split is None else self._by_split.setdefault(split, {})
        codes = [number if (number := known.get(w)) is not None else self._new(w, split) for w in words]
        return np.array(codes, np.int64)[encoded.indices.to_numpy()]

    def _new(self, name: str, split: str | None) -> int:
        number = len(self.names)
        self.names.append(name)
        self.splits.append(split)
        self._by_split.setdefault(split, {})[name] = number
        if self._anywhere is not None:
            self._anywhere.setdefault(name, number)
        return number

    def _everywhere(self) -> dict[str, int]:
        """The number of the first image of each name, whatever its split."""
        if self._anywhere is None:
            self._anywhere = dict(zip(reversed(self.names), range(len(self.names) - 1, -1, -1), strict=True))
        return self._anywhere

    def files(
        self, paths: Iterable[str], folders: dict[str, str | None], *, more: bool
    ) -> dict[int, tuple[str, str]]:
        """The file of each image: its path, and that below the folder of its split.

        Args:
            paths: Of all pictures that there are.
            folders: The splits by what their folders are called.
            more: Whether a picture that no file names is an image, too; it gets a number.
        """
        found: dict[int, tuple[str, str]] = {}
        others = []
        for path in paths:
            split, told, rest = placed(path, folders)
            name = stem_of(rest)
            number = self._by_split.get(split, {}).get(name) if told else None
            if number is None:
                known = self._by_split.get(None, {}) if told and split is not None else self._everywhere()
                number = known.get(name)
            if number is None or number in found:
                others.append((split, path, rest))
            else:
                found[number] = (path, rest)
        for split, path, rest in others if more else ():
            number = len(self.names)  # another may have its name, but for the suffix
            self.names.append(stem_of(rest))
            self.splits.append(split)
            found[number] = (path, rest)
        return found


def pictures(media: Location, layout: Layout) -> list[str]:
    """The paths of pictures that may be images."""
    paths = [path for path in media.find(IMAGE_SUFFIXES) if is_image(path, layout)] if media.exists() else []
    inside = [path for path in paths if path.startswith("images/")] if layout == "annotations" else []
    return inside or paths


class Sizes:
    """The sizes of images that ``images.meta`` lists, and their suffixes."""

    def __init__(self) -> None:
        self.by_split = False  # names have their split in front
        self._names: list[pa.Array] = []
        self._sides: list[NDArray[np.int32]] = []  # heights and widths
        self._suffixes: list[pa.Array] = []

    def read(self, place: Location) -> None:
        """Take in a file.

        Raises:
            DataError: A line is no name with a height and a width.
        """
        text = place.read_text()
        self.by_split |= text.startswith(OF_SPLITS)
        lines = pa.array(text.split("\n"), pa.string())
        parts = pc.extract_regex(lines, _PLAIN_LINE)
        plain = parts.is_valid().to_numpy(zero_copy_only=False)
        odd = [_odd_line(lines[n].as_py(), n + 1, place.url) for n in np.flatnonzero(~plain).tolist()]
        found = parts.filter(pa.array(plain))
        self._add(
            found.field(0), [found.field(n).cast(pa.int64()) for n in (1, 2)], found.field(3), place.url
        )
        some = [words for words in odd if words]
        columns = [pa.array([words[n] for words in some], pa.string()) for n in range(4)]
        self._add(columns[0], [column.cast(pa.int64()) for column in columns[1:3]], columns[3], place.url)

    def _add(self, names: pa.Array, sides: list[pa.Array], suffixes: pa.Array, file: str) -> None:
        pair = np.stack([side.to_numpy() for side in sides], axis=1)
        if len(wrong := np.flatnonzero((pair > MOST).any(axis=1))):
            raise DataError(
                f"found {int(pair[wrong[0]].max())} pixels along a side of {names[wrong[0]]}", file=file
            )
        self._names.append(names)
        self._sides.append(pair.astype(np.int32))
        self._suffixes.append(pc.utf8_trim_whitespace(suffixes))

    def of(self, names: list[str], splits: list[str | None]) -> tuple[NDArray[np.int32], list[str]]:
        """Height and width ``(n, 2)`` of images, 0 where they are not listed, and the suffix that each would have."""
        if not self._names:
            return np.zeros((len(names), 2), np.int32), [SUFFIX] * len(names)
        keys = names
        if self.by_split:
            keys = [f"{split_word(split)}/{name}" for split, name in zip(splits, names, strict=True)]
        at = pc.index_in(pa.array(keys, pa.string()), value_set=pa.concat_arrays(self._names))
        known = at.is_valid().to_numpy(zero_copy_only=False)
        if not known.any():
            return np.zeros((len(names), 2), np.int32), [SUFFIX] * len(names)
        sides = np.concatenate(self._sides)[pc.fill_null(at, 0).to_numpy()]
        suffixes = pa.concat_arrays(self._suffixes).take(at)
        listed = pc.is_in(pc.utf8_lower(suffixes), pa.array(IMAGE_SUFFIXES))
        return np.where(known[:, None], sides, 0), pc.if_else(listed, suffixes, SUFFIX).to_pylist()


def _odd_line(line: str, number: int, file: str) -> tuple[str, str, str, str] | None:
    """A line that is quoted, or a comment: name, height, width and suffix; null where nothing is said."""
    wrong = "expected a name, a height and a width"
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        words, wrong = [""], str(error)
    if not words:
        return None
    sides = [word if word.isascii() and word.isdecimal() and len(word) < 11 else "0" for word in words[1:3]]
    if len(sides) < 2 or not all(int(side) for side in sides):
        raise DataError(f"found {line[:60]!r}: {wrong}", file=file, position=f"line {number}")
    return words[0], sides[0], sides[1], words[3] if len(words) > 3 else ""


def size_line(name: str, height: int, width: int, suffix: str) -> str:
    """A line of ``images.meta``."""
    more = "" if suffix == SUFFIX else f" {suffix}"
    return f"{shlex.quote(name)} {height} {width}{more}"


class Images:
    """The images that are samples, in their order.

    Attributes:
        names: string ``(n,)``, what files call each.
        splits: The split of each, as words; null where none is told.
        paths: string ``(n,)``, below the media root.
        ids: string ``(n,)``, below the folder of their split, with the split in front where two share a path.
        there: ``(n,)``, whose file is there.
        sizes: int32 ``(n, 2)``, height and width that are listed; 0 where they are not.
        shared: Whether ids have their split in front.
    """

    def __init__(
        self,
        numbers: Numbers,
        order: NDArray[np.int64],
        files: dict[int, tuple[str, str]],
        sizes: Sizes,
        layout: Layout,
    ) -> None:
        every = order.tolist()
        names = [numbers.names[n] for n in every]
        splits = [numbers.splits[n] for n in every]
        self.there = np.array([n in files for n in every], bool)
        self.sizes, suffixes = sizes.of(names, splits)
        paths, ids = [], []
        for n, name, split, suffix in zip(every, names, splits, suffixes, strict=True):
            path, rest = files.get(n) or (f"{image_home(split, layout)}{name}{suffix}", f"{name}{suffix}")
            paths.append(path)
            ids.append(rest)
        self.shared = len(set(ids)) < len(ids)
        if self.shared:
            ids = [f"{split}/{key}" if split else key for split, key in zip(splits, ids, strict=True)]
        # Arrow's texts take a third of the memory of Python's.
        self.names, self.paths, self.ids = (pa.array(texts, pa.string()) for texts in (names, paths, ids))
        self.splits = pa.array(splits, pa.string()).dictionary_encode()

    def __len__(self) -> int:
        return len(self.names)

    def measured(
        self, low: int, high: int, media: Location, size: tuple[int, int] | None
    ) -> tuple[NDArray[np.int64], dict[int, DataError]]:
        """Heights and widths ``(high - low, 2)``, 0 where unknown, and what is wrong with files that do not tell it.

        Args:
            low: The first image.
            high: The image after the last.
            media: Where they lie.
            size: Width and height of those that are not there; null: unknown.
        """
        found = self.sizes[low:high].astype(np.int64)
        unknown = found[:, 0] == 0
        asked = np.flatnonzero(unknown & self.there[low:high])
        faults: dict[int, DataError] = {}
        headers = read_headers(media, self.paths.take(pa.array(asked + low)).to_pylist())
        for n, header in zip(asked.tolist(), headers, strict=True):
            if isinstance(header, ImageHeader):
                found[n] = header.upright[::-1]
            else:
                faults[n] = header
        if size is not None:
            found[unknown & ~self.there[low:high]] = size[::-1]
        return found, faults
