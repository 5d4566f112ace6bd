"""The base of writers of tracking formats; see `smalti.formats.sequences` for the readers.

A picture keeps its name where it can: its folder is its sequence. Rows need the numbers of frames, which all names of a
sequence together tell, so files of labels are written at the end.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import DataError
from smalti.formats import label_rows
from smalti.formats.class_table import class_losses
from smalti.formats.document_writer import CLASSES, UNLABELLED, object_field, one_loss
from smalti.formats.free_names import stem_of
from smalti.formats.losses import dropped
from smalti.formats.protocol import Options, PartResult, Writer
from smalti.formats.report import Loss, merged
from smalti.formats.sequences import number_of, numbers_of
from smalti.formats.splits import KNOWN
from smalti.schema import features
from smalti.storage.paths import safe_path, safe_paths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeVar

    from numpy.typing import NDArray

    from smalti.formats.protocol import Cursor
    from smalti.formats.report import LossKind
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target

    OptionsT = TypeVar("OptionsT", bound=Options)
else:
    from smalti.formats.sequences import OptionsT

Key = tuple[str, str]  # a sequence: its split's folder and its name


@dataclass(frozen=True, slots=True)
class Lines:
    """The rows of some samples, without the numbers of their frames: text, how many each has, who has none at all."""

    text: pa.Array
    lengths: NDArray[np.int64]
    missing: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Piece:
    """What a part has for the end: the sequence, name, frame and size of each sample, and its rows by role."""

    keys: list[Key]
    names: list[str]
    frames: list[int | None]
    sizes: list[tuple[int | None, int | None]]
    lines: dict[str, Lines]


@dataclass(frozen=True, slots=True)
class ClipEnd:
    """A sequence at the end: its names in the order of frames, their numbers, the one size that all have."""

    key: Key
    names: list[str]
    numbers: list[int]
    size: tuple[int | None, int | None]


class SequenceWriter(Writer[OptionsT]):
    """Writes sequences; a format says where files go and what is in a row.

    Attributes:
        title: The format's title, for reasons of losses.
        first: The number of the first frame.
        comma: What stands between the values of a row.
        roles: What each of its files of labels can hold, as members and attributes; ``objects`` is the ground truth.
        held_attributes: The features of those attributes.
        reasons: Why fields are lost, by member or dotted name.
        split_names: The folders of splits that are not called like them.
    """

    title: ClassVar[str]
    first: int
    comma: ClassVar[str]
    roles: ClassVar[Mapping[str, frozenset[str]]]
    held_attributes: ClassVar[Mapping[str, Any]]
    reasons: ClassVar[dict[str, str]]
    split_names: ClassVar[Mapping[str, str]] = {}

    def __init__(self, schema: Schema, options: OptionsT, single_file: str | None = None) -> None:
        super().__init__(schema, options, single_file)
        self.columns = _role_columns(schema, self.roles)
        self.feature = (
            schema.objects(self.columns["objects"]) if "objects" in self.columns else features.Objects()
        )
        self.taken: set[tuple[Key, str]] = set()
        self.annotated: dict[tuple[str, Key], bool] = {}
        self.waiting: dict[tuple[str, Key], list[Loss]] = {}

    @abstractmethod
    def image_place(self, key: Key, name: str) -> str:
        """The path of a picture in the target."""

    @abstractmethod
    def label_place(self, key: Key, role: str) -> str:
        """The path of a sequence's file of labels in the target."""

    @abstractmethod
    def lacking(self, objects: pa.StructArray, role: str) -> list[tuple[str, str, NDArray[np.bool_]]]:
        """Which objects cannot be written: the code of the loss, the reason, and which."""

    @abstractmethod
    def lines(self, objects: pa.StructArray, role: str) -> pa.Array:
        """The rows of objects as text, without the numbers of their frames."""

    def holds(self, name: str, role: str) -> bool:
        """Whether a member or an attribute can be written."""
        feature = self.schema.objects(self.columns[role])
        if name == "track_id" and feature.id_type != "int64":
            return False
        known = name not in feature.attributes or self.held_attributes.get(name) == feature.attributes[name]
        return name in self.roles[role] and known

    def wants(self) -> Schema:
        fields = {"id", "image", "split"}
        for name, kind in (("video", features.Video), ("frame", features.Frame)):
            fields |= {name} if isinstance(self.schema.columns.get(name), kind) else set()
        for role, column in self.columns.items():
            names = self.schema.objects(column).names
            fields |= {column, *(f"{column}.{name}" for name in names if self.holds(name, role))}
        return self.schema.project(fields)

    def losses(self) -> list[Loss]:
        found = dropped(self.schema, self.wants(), self.title, self.reasons)
        odd = [split for split in self.schema.splits if KNOWN.get(split) != split]
        if odd:
            why = (
                f"{self.title} has folders for train, val and test; {odd[0]!r} becomes a folder of sequences"
            )
            found.append(Loss(code="split.as_folder", field="split", kind="change", reason=why))
        return [*class_losses(self.feature.categories, "detect", CLASSES), *found]

    def write(self, batch: pa.RecordBatch, target: Target, cursor: Cursor) -> PartResult:
        del target, cursor  # rows wait for the numbers of their frames
        losses: list[Loss] = []
        keys, names = self._named(batch, losses)
        lines = {role: self._lines(batch, role, losses) for role in self.columns}
        for role, part in lines.items():
            self._mixed(batch, role, keys, part.missing, losses)
        image = batch.column("image")
        sides = (image.field("width").to_pylist(), image.field("height").to_pylist())
        places = [self.image_place(key, name) for key, name in zip(keys, names, strict=True)]
        return PartResult(
            samples=len(batch),
            objects=sum(int(part.lengths.sum()) for part in lines.values()),
            losses=merged(losses),
            media=list(zip(image.field("path").to_pylist(), places, strict=True)),
            payload=_Piece(keys, names, _column(batch, "frame"), list(zip(*sides, strict=True)), lines),
        )

    def _named(self, batch: pa.RecordBatch, losses: list[Loss]) -> tuple[list[Key], list[str]]:
        """The sequence and the name of each sample's picture."""
        given = batch.column("id").to_pylist()
        keys, names = [], []
        rest = zip(_column(batch, "split"), _column(batch, "video"), _column(batch, "frame"), strict=True)
        for own, path, (split, video, frame) in zip(given, safe_paths(given), rest, strict=True):
            plain = path.partition("/")[2] if self.schema.id_has_split and "/" in path else path
            clip, _, name = plain.rpartition("/")
            clip = safe_path(video) if video else clip
            if not split and clip.partition("/")[0] in {*KNOWN, *self.split_names.values()}:
                clip = f"_{clip}"  # else it would be read as a split
            if frame is not None and number_of(name) != frame + self.first:
                name = f"{frame + self.first:06}{name[len(stem_of(name)) :]}"
            key = (self.split_names.get(split, split) if split else "", clip)
            if (key, name) in self.taken:
                raise DataError(f"the picture {name} is in the sequence {clip!r} already", sample=own)
            self.taken.add((key, name))
            keys.append(key)
            names.append(name)
            if (new := f"{clip}/{name}" if clip else name) != plain:
                why = "a picture lies in its sequence's folder, and its name is the number of its frame"
                losses.append(one_loss("image.renamed", "id", "change", why, f"{own} -> {new}"))
        return keys, names

    def _lines(self, batch: pa.RecordBatch, role: str, losses: list[Loss]) -> Lines:
        name = self.columns[role]
        column = batch.column(name)
        objects = column.flatten()
        owner = pc.list_parent_indices(column).to_numpy()
        keep = np.ones(len(objects), bool)
        for code, why, which in self.lacking(objects, role):
            bad = keep & which
            if bad.any():
                kind: LossKind = "object"
                example = batch.column("id")[int(owner[bad.argmax()])].as_py()
                losses.append(
                    Loss(code=code, field=name, kind=kind, count=int(bad.sum()), reason=why, example=example)
                )
                keep &= ~which
        losses += self._negative(objects, name, keep)
        return Lines(
            self.lines(objects.filter(pa.array(keep)), role),
            np.bincount(owner[keep], minlength=len(batch)),
            column.is_null().to_numpy(zero_copy_only=False),
        )

    def _negative(self, objects: pa.StructArray, name: str, keep: NDArray[np.bool_]) -> list[Loss]:
        """Track ids below zero: in these formats they say that there is no track."""
        index = objects.type.get_field_index("track_id")
        if index < 0:
            return []
        tracks = pc.struct_field(objects, [index])
        below = np.asarray(pc.fill_null(pc.less(tracks, 0), fill_value=False)) & keep
        if not below.any():
            return []
        why = "a track id below 0 says that there is no track"
        example = str(tracks[int(below.argmax())])
        return [
            Loss(
                code="track.negative",
                field=f"{name}.track_id",
                count=int(below.sum()),
                reason=why,
                example=example,
            )
        ]

    def _mixed(
        self,
        batch: pa.RecordBatch,
        role: str,
        keys: list[Key],
        missing: NDArray[np.bool_],
        losses: list[Loss],
    ) -> None:
        """Report samples without labels in a sequence where others have some: one file says it of all."""
        ids = batch.column("id")
        for row, (key, none) in enumerate(zip(keys, missing.tolist(), strict=True)):
            waiting = self.waiting.setdefault((role, key), [])
            if none:
                waiting.append(
                    one_loss("unannotated.merged", self.columns[role], "change", UNLABELLED, ids[row].as_py())
                )
            else:
                self.annotated[role, key] = True
        for place, found in self.waiting.items():
            if place[0] == role and place in self.annotated and found:
                losses += found
                found.clear()

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        pieces: list[_Piece] = [result.payload for result in results]
        keys = [key for piece in pieces for key in piece.keys]
        order: dict[Key, list[int]] = {}
        for row, key in enumerate(keys):
            order.setdefault(key, []).append(row)
        numbers, ends = self._numbered(order, pieces)
        files = 0
        for role in self.columns:
            lines = _joined([piece.lines[role] for piece in pieces])
            annotated = {key for key, none in zip(keys, lines.missing, strict=True) if not none}
            files += self._write(
                target, role, [key for key in order if key in annotated], order, lines, numbers
            )
        return files + sum(self.finish_clip(target, end) for end in ends) + self.finish_all(target)

    def _numbered(
        self, order: dict[Key, list[int]], pieces: list[_Piece]
    ) -> tuple[NDArray[np.int64], list[ClipEnd]]:
        """The frame number of every sample, and the sequences."""
        names = [name for piece in pieces for name in piece.names]
        frames = [frame for piece in pieces for frame in piece.frames]
        sizes = [size for piece in pieces for size in piece.sizes]
        numbers = np.zeros(len(names), np.int64)
        ends = []
        for key, rows in order.items():
            rows.sort(key=names.__getitem__)
            found, _ = numbers_of([names[row] for row in rows], self.first)
            for row, number in zip(rows, found, strict=True):
                if frames[row] not in {None, number - self.first}:
                    raise DataError(
                        f"the sequence {key[1]!r} has pictures with the number of their frame and others without",
                        hint="give all of them one, or drop the column frame",
                    )
            numbers[rows] = found
            rows.sort(key=lambda row: numbers[row])
            (size, count), *_ = Counter(sizes[row] for row in rows).most_common(1)
            ends.append(
                ClipEnd(
                    key, [names[n] for n in rows], sorted(found), size if count == len(rows) else (None, None)
                )
            )
        return numbers, ends

    def _write(
        self,
        target: Target,
        role: str,
        keys: list[Key],
        order: dict[Key, list[int]],
        lines: Lines,
        numbers: NDArray[np.int64],
    ) -> int:
        rows = np.array([row for key in keys for row in order[key]], np.int64)
        lengths = lines.lengths[rows]
        starts = (np.cumsum(lines.lengths) - lines.lengths)[rows]
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        text = lines.text.take(pa.array(np.repeat(starts, lengths) + within))
        frames = pa.array(np.repeat(numbers[rows], lengths)).cast(pa.string())
        whole = pc.binary_join_element_wise(frames, text, self.comma)
        owner = np.repeat(np.arange(len(keys)), [len(order[key]) for key in keys])
        counts = np.bincount(owner, weights=lengths, minlength=len(keys)).astype(np.int64)
        places = [self.label_place(key, role) for key in keys]
        target.write_many(places, label_rows.bodies(whole, counts))
        return len(places)

    def finish_clip(self, target: Target, clip: ClipEnd) -> int:
        """Write what a sequence has beside its labels; gives the number of files."""
        del target, clip
        return 0

    def finish_all(self, target: Target) -> int:
        """Write what all sequences share; gives the number of files."""
        del target
        return 0


def _column(batch: pa.RecordBatch, name: str) -> list[Any]:
    if name not in batch.schema.names:
        return [None] * len(batch)
    return list(batch.column(name).to_pylist())


def _joined(parts: list[Lines]) -> Lines:
    return Lines(
        pa.concat_arrays([part.text for part in parts]) if parts else pa.array([], pa.string()),
        np.concatenate([part.lengths for part in parts]) if parts else np.empty(0, np.int64),
        np.concatenate([part.missing for part in parts]) if parts else np.empty(0, bool),
    )


def _role_columns(schema: Schema, roles: Mapping[str, frozenset[str]]) -> dict[str, str]:
    """The object field of each role: the one of its name, or for ``objects`` the only one there is.

    Raises:
        OptionError: There are several, and none is called ``objects``.
    """
    others = [name for name in roles if name != "objects" and name in schema.of_kind(features.Objects)]
    rest = schema.with_columns({name: f for name, f in schema.columns.items() if name not in others})
    own = object_field(rest)
    return {**({} if own is None else {"objects": own}), **{name: name for name in others}}
