"""The base of tracking formats: folders of frames, and a text file of rows for each of them.

A sequence is a video taken apart. Its pictures are numbered by their names; a row of its labels begins with the number
of its frame. A sequence is a part: its rows are parsed as one text and become columns at once.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import DataError, EmptySourceError
from smalti.formats import label_rows
from smalti.formats.free_names import stem_of
from smalti.formats.losses import part_read
from smalti.formats.protocol import Options, Part, PartRead, Plan, Reader
from smalti.schema import features
from smalti.schema.build import list_column
from smalti.schema.categories import Categories
from smalti.schema.schema import Schema
from smalti.storage.media import IMAGE_SUFFIXES, ImageHeader, read_headers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

    from smalti.formats.label_rows import Rows
    from smalti.formats.report import Loss
    from smalti.storage.location import Location

OptionsT = TypeVar("OptionsT", bound=Options)
LAST = 1_000_000  # the highest number of a frame: nine hours of a video


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A sequence.

    Attributes:
        name: Its folder below that of its split; empty where the root itself is one.
        split: Null where there is none.
        files: The files of labels below the root, by the object field that they are read to.
        folders: Where its pictures may lie below the media root, each with its slash; the first is where they belong.
        length: How many frames it says that it has; 0 where it does not.
        suffix: Of pictures that are not there.
        width: Of its pictures, in pixels; null where it does not say.
        height: As `width`.
        frames: The numbers of its frames, rising.
        images: The pictures' paths below the media root, one a frame.
        numbered: Whether the pictures' names are the numbers.
    """

    name: str
    split: str | None
    files: Mapping[str, str]
    folders: tuple[str, ...]
    length: int = 0
    suffix: str = ".jpg"
    width: int | None = None
    height: int | None = None
    frames: tuple[int, ...] = ()
    images: tuple[str, ...] = ()
    numbered: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRows:
    """The rows of one file.

    Attributes:
        frame: int64 ``(r,)``, the number of each row's frame.
        line: int64 ``(r,)``, the row's line in the file, from 1.
        members: Arrays of ``r`` values by member or attribute; ``category`` is the name of the class as text.
        repairs: What was mended or passed over.
    """

    frame: NDArray[np.int64]
    line: NDArray[np.int64]
    members: Mapping[str, pa.Array]
    repairs: Sequence[Loss] = field(default_factory=list)


def number_of(path: str) -> int | None:
    """The number that a picture's name is; null where it is none."""
    digits = stem_of(path.rpartition("/")[2])
    if not (digits.isascii() and digits.isdecimal()) or len(digits.lstrip("0")) > len(str(LAST)):
        return None
    return number if (number := int(digits)) <= LAST else None


def numbers_of(paths: Sequence[str], first: int) -> tuple[list[int], bool]:
    """The frame numbers of a sequence's pictures, and whether their names are them.

    Where a name is no number, or two names are one, the pictures are counted in the order of their names.

    Args:
        paths: In the order of their names.
        first: The number of the first frame.
    """
    found = [number for path in paths if (number := number_of(path)) is not None and number >= first]
    if len(set(found)) == len(paths):
        return found, True
    return list(range(first, first + len(paths))), False


class SequenceReader(Reader[OptionsT]):
    """Reads sequences; a format says which there are (`find`), and what the rows of a file say (`parse`).

    Attributes:
        first: The number of the first frame.
        looked_for: The files that tell a sequence, for messages.
        object_fields: The features of the object fields, with the class table yet to come.
    """

    first: int
    looked_for: ClassVar[str]
    object_fields: ClassVar[dict[str, features.Objects]]

    _schema: Schema

    @abstractmethod
    def find(self, folders: AbstractSet[str]) -> list[Clip]:
        """Find the sequences, without their frames.

        Args:
            folders: Those with pictures, below the media root, each with its slash.
        """

    @abstractmethod
    def parse(self, body: bytes, clip: Clip, name: str) -> FrameRows:
        """Parse the rows of a file.

        Args:
            body: The content of the file.
            clip: Its sequence.
            name: The object field that it is read to.

        Raises:
            DataError: A row is faulty; the position is ``line 3``.
        """

    @abstractmethod
    def classes(self, clips: Sequence[Clip]) -> Categories:
        """The class table, where files list it; empty: it is what rows name."""

    def plan(self) -> Plan:
        by_folder: dict[str, list[str]] = {}
        for path in self._media.find(IMAGE_SUFFIXES) if self._media.exists() else ():
            by_folder.setdefault(path[: path.rfind("/") + 1], []).append(path)
        clips = self.find(by_folder.keys())
        if not clips:
            raise EmptySourceError(f"{self.root.url}: looked for {self.looked_for}, and found none")
        self._once(clips)
        table = self.classes(clips)
        words: dict[str, None] = {}
        whole = [self._whole(clip, by_folder, words) for clip in clips]
        self._schema = self._described(whole, table or Categories.of(words))
        parts = [Part(key=clip, samples=len(clip.frames)) for clip in whole if clip.frames]
        if not parts:
            raise EmptySourceError(f"{self.root.url}: found {len(clips)} sequences, and no frame in them")
        return Plan(schema=self._schema, parts=parts)

    @property
    def _media(self) -> Location:
        return self.media or self.root

    def _once(self, clips: Sequence[Clip]) -> None:
        """Refuse two sequences of one name: their samples would have the same ids."""
        seen: dict[tuple[str | None, str], str] = {}
        for clip in clips:
            place = clip.folders[0]
            other = seen.setdefault((clip.split, clip.name), place)
            if other != place:
                raise DataError(
                    f"the sequence {clip.name!r} is there twice, in {other!r} and in {place!r}",
                    file=self.root.url,
                    hint="read one of the folders above them",
                )

    def _whole(self, clip: Clip, by_folder: Mapping[str, list[str]], words: dict[str, None]) -> Clip:
        """The sequence with its frames: its pictures, or without any what rows and the sequence itself speak of."""
        folder = next((folder for folder in clip.folders if folder in by_folder), clip.folders[0])
        pictures = by_folder.get(folder, [])
        numbers, numbered = numbers_of(pictures, self.first)
        there = dict(sorted(zip(numbers, pictures, strict=True)))
        known = replace(clip, frames=tuple(there), images=tuple(there.values()), numbered=numbered)
        end = self.first + clip.length
        for name in clip.files:
            rows, _ = self._rows(known, name)
            words.update(dict.fromkeys(_words(rows)))
            end = max(end, int(rows.frame.max(initial=-1)) + 1)
        if there:
            return known
        frames = range(self.first, end)
        images = tuple(f"{folder}{number:06}{clip.suffix}" for number in frames)
        return replace(clip, frames=tuple(frames), images=images)

    def _described(self, clips: Sequence[Clip], table: Categories) -> Schema:
        splits = tuple(dict.fromkeys(clip.split for clip in clips if clip.split))
        ids = [f"{clip.name}/{path.rpartition('/')[2]}" for clip in clips for path in clip.images]
        columns: dict[str, Any] = {"id": features.Value(type=pa.string()), "image": features.Image()}
        if splits:
            columns["split"] = features.Split()
        columns |= {"video": features.Video(), "frame": features.Frame()}
        used = {name for clip in clips for name in clip.files}
        for name, feature in self.object_fields.items():
            if name == "objects" or name in used:
                known = {"categories": table} if "category" in feature.members else {}
                columns[name] = feature.model_copy(update=known)
        return Schema(
            columns=columns,
            splits=splits,
            media_root=self._media.url,
            id_has_split=len(set(ids)) < len(ids),
            extra=self.beside(clips),
        )

    def beside(self, clips: Sequence[Clip]) -> dict[str, dict[str, Any]]:
        """What the schema keeps of the sequences beside."""
        del clips
        return {}

    def read(self, part: Part, schema: Schema) -> PartRead:
        clip: Clip = part.key
        whole = self._schema
        errors: list[DataError] = []
        repairs: list[Loss] = []
        arrays = self._columns(clip, whole)
        for name in whole.of_kind(features.Objects):
            feature = whole.objects(name)
            if name not in clip.files:
                arrays[name] = pa.nulls(len(clip.frames), feature.arrow)
                continue
            rows, faults = self._rows(clip, name)
            arrays[name] = _objects(rows, np.array(clip.frames), feature)
            errors += faults
            repairs += rows.repairs
        batch = pa.RecordBatch.from_arrays([arrays[name] for name in whole.columns], schema=whole.arrow)
        return part_read(
            batch,
            whole,
            schema,
            repairs=repairs,
            errors=errors,
            objects_skipped=len(errors),
        )

    def _columns(self, clip: Clip, schema: Schema) -> dict[str, pa.Array]:
        """The columns that are no labels."""
        start = f"{clip.name}/" if clip.name else ""
        if schema.id_has_split:
            start = f"{clip.split or ''}/{start}"
        size = len(clip.frames)
        if clip.width is None or clip.height is None:
            headers = read_headers(self._media, clip.images)
            sizes = [
                header.upright if isinstance(header, ImageHeader) else (None, None) for header in headers
            ]
        else:
            sizes = [(clip.width, clip.height)] * size
        image = [
            pa.array(clip.images, pa.string()),
            *(pa.array([sides[n] for sides in sizes], pa.int32()) for n in (0, 1)),
        ]
        frames = np.array(clip.frames, np.int64) - self.first
        return {
            "id": pa.array([start + path.rpartition("/")[2] for path in clip.images], pa.string()),
            "image": pa.StructArray.from_arrays(image, fields=list(features.Image().arrow)),
            "split": pa.array([clip.split] * size, pa.string())
            .dictionary_encode()
            .cast(features.Split().arrow),
            "video": pa.array([clip.name or None] * size, pa.string()),
            "frame": pa.array(frames) if clip.numbered else pa.nulls(size, pa.int64()),
        }

    def _rows(self, clip: Clip, name: str) -> tuple[FrameRows, list[DataError]]:
        """The rows of a file, and what is wrong with those that are left out."""
        place = self.root / clip.files[name]
        body = place.read_bytes()
        try:
            return self._checked(body, clip, name), []
        except DataError as error:
            error.file = error.file or place.url
            if self.on_error == "raise":
                raise
        lines = body.split(b"\n")
        errors = []
        for number, line in enumerate(lines, 1):
            try:
                self._checked(line, clip, name)
            except DataError as error:
                error.file, error.position = place.url, f"line {number}"
                errors.append(error)
                lines[number - 1] = b""
        return self._checked(b"\n".join(lines), clip, name), errors

    def _checked(self, body: bytes, clip: Clip, name: str) -> FrameRows:
        """The rows of a text, each of a frame that there is."""
        rows = self.parse(body, clip, name)
        odd = ~np.isin(rows.frame, clip.frames) if clip.frames else np.zeros(len(rows.frame), bool)
        if odd.any():
            row = int(odd.argmax())
            raise DataError(
                f"found the frame {rows.frame[row]}, expected one of the {len(clip.frames)} pictures, {clip.frames[0]}"
                f" to {clip.frames[-1]}",
                position=f"line {rows.line[row]}",
            )
        return rows


def parse_rows(body: bytes) -> Rows:
    """Parse the rows of numbers of one file.

    Raises:
        DataError: A word is no finite number; the position is ``line 3``.
    """
    try:
        return label_rows.parse([body])
    except DataError as error:
        error.position = (error.position or "").removeprefix("file 0, ")
        raise


def whole_numbers(
    values: NDArray[np.float64], low: float, high: float, what: str, line: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Numbers of a column that have to be whole.

    Raises:
        DataError: One is not, or is out of range.
    """
    wrong = (values != np.floor(values)) | (values < low) | (values > high)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"found {values[row]:g} for {what}, expected a whole number from {low:g} to {high:g}",
            position=f"line {line[row]}",
        )
    return values.astype(np.int64)


def _words(rows: FrameRows) -> list[str]:
    column = rows.members.get("category")
    return [] if column is None else pc.unique(column.drop_null()).to_pylist()


def _objects(rows: FrameRows, frames: NDArray[np.int64], feature: features.Objects) -> pa.ListArray:
    """One list a frame, its rows in the order of the file."""
    at = np.searchsorted(frames, rows.frame)
    order = pa.array(np.argsort(at, kind="stable"))
    members = []
    for name in feature.names:
        column = rows.members[name].take(order)
        if name == "category":
            column = feature.categories.encode(pc.index_in(column, feature.categories.dictionary))
        members.append(column)
    struct = pa.Array.from_buffers(feature.struct, len(rows.frame), [None], children=members)
    return list_column(struct, np.bincount(at, minlength=len(frames)))
