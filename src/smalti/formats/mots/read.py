"""Read MOTS: rows of run lengths, or label images of instances."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
from pyarrow import csv

from smalti.errors import DataError, at
from smalti.formats import label_images, seqinfo
from smalti.formats.document_writer import CLASSES
from smalti.formats.free_names import stem_of
from smalti.formats.mots.options import ATTRIBUTES, EACH, IGNORED, OFFICIAL, PIXELS, ROWS, TRUTH, MotsOptions
from smalti.formats.seqinfo import INFO, PICTURES
from smalti.formats.sequences import LAST, Clip, FrameRows, SequenceReader, numbers_of, whole_numbers
from smalti.formats.splits import split_folders
from smalti.geometry import rle
from smalti.schema import features
from smalti.schema.categories import Categories, Category

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

    from smalti.storage.location import Location

WORDS = ("frame", "id", "class", "height", "width")
IMAGES = ("images/", "image_02/", "image_2/", "")  # where the pictures of label images lie beside them


class MotsReader(SequenceReader[MotsOptions]):
    """Reads the sequences below a root."""

    first = 1
    looked_for: ClassVar = f"{TRUTH} with rows of masks, {PIXELS} and {ROWS}"
    object_fields: ClassVar = {
        "objects": features.Objects(members=("category", "bbox", "mask", "track_id"), attributes=ATTRIBUTES)
    }

    _names: dict[str, tuple[str, ...]]  # the classes 1, 2 … of each sequence, by its folder of pictures
    _rates: dict[str, float]
    _pixels: dict[str, list[str]]  # the label images of each folder that has some

    def find(self, folders: AbstractSet[str]) -> list[Clip]:
        self._names, self._rates, self._pixels = {}, {}, {}
        texts = self.root.find((".txt", ".ini"))
        for path in self.root.find((".png",)):
            if f"/{PIXELS}" in f"/{path}":
                self._pixels.setdefault(path[: path.rfind("/") + 1], []).append(path)
        rows = [path for path in texts if f"/{ROWS}" in f"/{path}"]
        if self._pixels or rows:
            self.first = 0  # KITTI counts from 0
            found = [self._of_pixels(folder, texts) for folder in self._pixels]
            named = {(clip.split, clip.name) for clip in found}
            found += [clip for clip in map(self._of_rows, rows) if (clip.split, clip.name) not in named]
            return found + self._bare(found, folders if self.media is None else ())
        bases: dict[str, set[str]] = {}
        for path in texts:
            for file in (INFO, TRUTH, f"gt/{CLASSES}"):
                if f"/{path}".endswith(f"/{file}"):
                    bases.setdefault(path.removesuffix(file), set()).add(file)
        for folder in folders if self.media is None else ():
            if f"/{folder}".endswith(f"/{PICTURES}/"):
                bases.setdefault(folder.removesuffix(f"{PICTURES}/"), set())
        return [self._of_challenge(base, files) for base, files in sorted(bases.items())]

    def _bare(self, found: Sequence[Clip], folders: Iterable[str]) -> list[Clip]:
        """Sequences of pictures that nobody has labelled, beside others that are."""
        known = {folder for clip in found for folder in clip.folders}
        clips = []
        for folder in folders:
            base, _, name = (
                folder.partition(IMAGES[0]) if folder.startswith(IMAGES[0]) else _cut(folder, IMAGES[0])
            )
            split, start = split_folders(base)
            if folder not in known and base == start and f"/{IMAGES[0]}" in f"/{folder}":
                clips.append(Clip(name=name[:-1], split=split, files={}, folders=(folder,)))
        return clips

    def _of_challenge(self, base: str, files: set[str]) -> Clip:
        split, start = split_folders(base)
        bare = base[len(start) :]
        info = seqinfo.read(self.root / f"{base}{INFO}") if INFO in files else seqinfo.SeqInfo()
        folder = f"{base}{info.folder}/"
        if f"gt/{CLASSES}" in files:
            self._names[folder] = _listed(self.root / f"{base}gt/{CLASSES}")
        if info.rate is not None:
            self._rates[base[:-1]] = info.rate
        return Clip(
            name=bare[:-1],
            split=split,
            files={"objects": f"{base}{TRUTH}"} if TRUTH in files else {},
            folders=(folder, base, f"{bare}{info.folder}/", bare),
            length=info.length,
            suffix=info.suffix,
            width=info.width,
            height=info.height,
        )

    def _of_pixels(self, folder: str, texts: Sequence[str]) -> Clip:
        base, _, name = folder.partition(PIXELS) if folder.startswith(PIXELS) else _cut(folder, PIXELS)
        split, start = split_folders(base)
        folders = tuple(f"{b}{images}{name}" for b in (base, base[len(start) :]) for images in IMAGES)
        if (listed := f"{base}{PIXELS}{CLASSES}") in texts:
            self._names[folders[0]] = _listed(self.root / listed)
        return Clip(name=name[:-1], split=split, files={"objects": folder}, folders=folders)

    def _of_rows(self, path: str) -> Clip:
        base, _, name = path.partition(ROWS) if path.startswith(ROWS) else _cut(path, ROWS)
        split, start = split_folders(base)
        clip = stem_of(name)
        folders = tuple(f"{b}{images}{clip}/" for b in (base, base[len(start) :]) for images in IMAGES)
        return Clip(name=clip, split=split, files={"objects": path}, folders=folders, suffix=".png")

    def classes(self, clips: Sequence[Clip]) -> Categories:
        for clip in clips:
            if clip.files:
                self._names.setdefault(clip.folders[0], OFFICIAL)
        tables = list(dict.fromkeys(self._names.values())) or [OFFICIAL]
        if len(tables) == 1:
            return Categories(tuple(Category(name=name, id=n) for n, name in enumerate(tables[0], 1)))
        # One number means several classes: their names tell them apart.
        return Categories.of(dict.fromkeys(name for table in tables for name in table))

    def beside(self, clips: Sequence[Clip]) -> dict[str, dict[str, Any]]:
        del clips
        return {"mot": {"frameRate": self._rates}} if self._rates else {}

    def _whole(self, clip: Clip, by_folder: Mapping[str, list[str]], words: dict[str, None]) -> Clip:
        labels = self._pixels.get(clip.files.get("objects", ""))
        if labels is None:
            return super()._whole(clip, by_folder, words)
        folder = next((folder for folder in clip.folders if by_folder.get(folder)), clip.folders[0])
        own = [path for path in by_folder.get(folder, []) if folder != clip.files["objects"]]
        pictures = {stem_of(path)[len(folder) :]: path for path in own}
        base = clip.files["objects"]
        for path in labels:
            stem = stem_of(path)[len(base) :]
            pictures.setdefault(stem, f"{folder}{stem}{clip.suffix}")
        paths = [pictures[stem] for stem in sorted(pictures)]
        numbers, numbered = numbers_of(paths, self.first)
        there = dict(sorted(zip(numbers, paths, strict=True)))
        return replace(clip, frames=tuple(there), images=tuple(there.values()), numbered=numbered)

    def _rows(self, clip: Clip, name: str) -> tuple[FrameRows, list[DataError]]:
        labels = self._pixels.get(clip.files[name])
        if labels is None:
            return super()._rows(clip, name)
        frames = {
            stem_of(path.rpartition("/")[2]): n for n, path in zip(clip.frames, clip.images, strict=True)
        }
        table = self._names[clip.folders[0]]
        parts: list[tuple[int, NDArray[np.int64], label_images.Segments, tuple[int, int]]] = []
        errors = []
        for path in labels:
            place = self.root / path
            try:
                with at(file=place.url):
                    pixels = label_images.numbers(place.read_bytes())
                    found = label_images.segments(pixels)
                    keep = np.flatnonzero(found.values != 0)
                    _check_classes(found.values[keep] // EACH, found.values[keep], table, None)
            except DataError as error:
                if self.on_error == "raise":
                    raise
                errors.append(error)
                continue
            parts.append((frames[stem_of(path.rpartition("/")[2])], keep, found, pixels.shape))
        return _of_segments(parts, table), errors

    def parse(self, body: bytes, clip: Clip, name: str) -> FrameRows:
        del name  # there is one
        columns, counts, line = _fields(body)
        table = self._names[clip.folders[0]]
        numbers = [
            whole_numbers(column, low, high, f"the {word}", line)
            for column, word, (low, high) in zip(
                columns,
                WORDS,
                ((self.first, LAST), (-(2**53), 2**53), (1, EACH), (1, 2**31 - 1), (1, 2**31 - 1)),
                strict=True,
            )
        ]
        frame, track, class_, height, width = numbers
        _check_classes(class_, track, table, line)
        boxes = _boxes(counts, height, width, line)
        return FrameRows(
            frame=frame, line=line, members=_members(class_, track, (height, width), counts, boxes, table)
        )


def _cut(path: str, folder: str) -> tuple[str, str, str]:
    """What is before a folder of a path, the folder, and what is behind it."""
    before, _, after = path.partition(f"/{folder}")
    return f"{before}/", folder, after


def _listed(place: Location) -> tuple[str, ...]:
    """The classes of a labels.txt; a number is a line."""
    lines = [line.strip() for line in place.read_text().splitlines()]
    return Categories.of(line or str(number) for number, line in enumerate(lines, 1)).values


def _fields(body: bytes) -> tuple[list[NDArray[np.float64]], list[bytes], NDArray[np.int64]]:
    """The five numbers of each row, its run lengths, and its line.

    Raises:
        DataError: A row has not six words, or no numbers; the position is ``line 3``.
    """
    if not body.strip():
        return [np.empty(0)] * len(WORDS), [], np.empty(0, np.int64)
    names = [*WORDS, "rle"]
    kinds = {**dict.fromkeys(WORDS, pa.float64()), "rle": pa.binary()}
    try:
        table = csv.read_csv(
            pa.BufferReader(body),
            read_options=csv.ReadOptions(column_names=names, block_size=max(1 << 20, len(body) + 1)),
            parse_options=csv.ParseOptions(
                delimiter=" ", quote_char=False, double_quote=False, ignore_empty_lines=False
            ),
            convert_options=csv.ConvertOptions(column_types=kinds, null_values=[], strings_can_be_null=False),
        )
    except pa.ArrowInvalid:
        return _one_by_one(body)
    columns = [table.column(word).to_numpy() for word in WORDS]
    if not all(np.isfinite(column).all() for column in columns):
        return _one_by_one(body)
    return columns, table.column("rle").to_pylist(), np.arange(1, len(table) + 1)


def _one_by_one(body: bytes) -> tuple[list[NDArray[np.float64]], list[bytes], NDArray[np.int64]]:
    """The same, line by line: blanks may be any, and what is wrong is named."""
    rows, counts, lines = [], [], []
    for number, line in enumerate(body.split(b"\n"), 1):
        words = line.split()
        if not words:
            continue
        if len(words) != len(WORDS) + 1:
            raise DataError(f"found {len(words)} words, expected 6", position=f"line {number}")
        try:
            values = [float(word) for word in words[:-1]]
        except ValueError:
            values = [np.nan]
        if not np.isfinite(values).all():
            shown = b" ".join(words[:-1])[:60].decode(errors="replace")
            raise DataError(f"found {shown!r}, expected five numbers", position=f"line {number}")
        rows.append(values)
        counts.append(words[-1])
        lines.append(number)
    columns = np.array(rows, np.float64).reshape(-1, len(WORDS)).T
    return list(columns), counts, np.array(lines, np.int64)


def _check_classes(
    class_: NDArray[np.int64], value: NDArray[np.int64], table: Sequence[str], line: NDArray[np.int64] | None
) -> None:
    """Refuse a class that is neither listed nor what is ignored."""
    wrong = ((class_ < 1) | (class_ > len(table))) & (class_ != IGNORED)
    if not wrong.any():
        return
    row = int(wrong.argmax())
    raise DataError(
        f"found the class {class_[row]} of {value[row]}, expected one of the {len(table)} of {table[0] if table else ''} …"
        f" or {IGNORED}",
        position=None if line is None else f"line {line[row]}",
        hint=f"classes of one's own are listed in {CLASSES}",
    )


def _boxes(
    counts: list[bytes], height: NDArray[np.int64], width: NDArray[np.int64], line: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The boxes of masks.

    Raises:
        DataError: A text is none of run lengths, or not of the picture's size.
    """
    bad = rle.bad_counts(counts)
    if not len(bad):
        runs, offsets = rle.decode_counts(counts)
        bad = rle.check_runs(runs, offsets, height, width)
        if not len(bad):
            return rle.boxes(runs, offsets, height)
    row = int(bad[0])
    raise DataError(
        f"found {counts[row][:40].decode(errors='replace')!r}, expected run lengths of {height[row]} x {width[row]} pixels",
        position=f"line {line[row]}",
    )


def _members(
    class_: NDArray[np.int64],
    track: NDArray[np.int64],
    size: tuple[NDArray[np.int64], NDArray[np.int64]],
    counts: list[bytes],
    boxes: NDArray[np.float64],
    table: Sequence[str],
) -> dict[str, pa.Array]:
    """The members of rows; what is ignored has neither class nor track."""
    ignored = (class_ == IGNORED) & ((len(table) < IGNORED) | (track == IGNORED * EACH))
    code = np.where(ignored, 0, class_ - 1)
    sides = [pa.array(side) for side in boxes.T]
    masks = [pa.array(side, pa.int32()) for side in size] + [pa.array(counts, pa.binary())]
    words = (
        pa.array(table, pa.string()).take(pa.array(code, mask=ignored))
        if len(table)
        else pa.nulls(0, pa.string())
    )
    return {
        "category": words,
        "bbox": pa.StructArray.from_arrays(sides, fields=list(features.OBJECT_MEMBERS["bbox"])),
        "mask": pa.StructArray.from_arrays(masks, fields=list(features.OBJECT_MEMBERS["mask"])),
        "track_id": pa.array(track, mask=ignored | (track < 0)),
        "ignored": pa.array(ignored),
    }


def _of_segments(
    parts: Sequence[tuple[int, NDArray[np.int64], label_images.Segments, tuple[int, int]]],
    table: Sequence[str],
) -> FrameRows:
    """The rows that label images are: the frame, which areas, all areas, and the size of each."""
    lengths = [len(keep) for _, keep, _, _ in parts]
    values = np.concatenate([np.empty(0, np.int64), *(found.values[keep] for _, keep, found, _ in parts)])
    boxes = np.concatenate([np.empty((0, 4)), *(found.boxes[keep] for _, keep, found, _ in parts)])
    counts = [found.counts[n] for _, keep, found, _ in parts for n in keep.tolist()]
    frame = np.repeat(np.array([part[0] for part in parts], np.int64), lengths)
    sizes = np.repeat(np.array([part[3] for part in parts], np.int64).reshape(-1, 2), lengths, axis=0)
    return FrameRows(
        frame=frame,
        line=np.arange(1, len(frame) + 1),
        members=_members(values // EACH, values, (sizes[:, 0], sizes[:, 1]), counts, boxes, table),
    )
