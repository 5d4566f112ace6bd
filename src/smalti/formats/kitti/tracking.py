"""KITTI's tracking benchmark: a text file a sequence, a row an object with its frame and its track.

Specification: https://www.cvlibs.net/datasets/kitti/eval_tracking.php (the development kit's readme)

    training/label_02/0000.txt    frame track type truncated occluded alpha left top right bottom height width length x y z rotation_y
    training/image_02/0000/000000.png
    testing/image_02/0000/000000.png    pictures that nobody has annotated
    labels.txt                          the classes in their order; read where it is there

Frames count from 0. An 18th column is a score.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti.errors import DataError
from smalti.formats import label_rows
from smalti.formats.document_writer import CLASSES, class_list, listed_classes
from smalti.formats.kitti.columns import row_text
from smalti.formats.kitti.options import ATTRIBUTES, IGNORED, NUMBERS, SPACE, UNKNOWN
from smalti.formats.object_text import has, number_text, true
from smalti.formats.protocol import Format, FormatInfo, Grade, Match, Options
from smalti.formats.sequence_writer import Key, SequenceWriter
from smalti.formats.sequences import LAST, Clip, FrameRows, SequenceReader, parse_rows, whole_numbers
from smalti.formats.splits import KNOWN
from smalti.schema import features
from smalti.storage.location import BOM

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

    from smalti.formats.label_rows import Rows
    from smalti.formats.probe import Probe
    from smalti.schema.categories import Categories
    from smalti.storage.folder import Target

LABELS, IMAGES = "label_02", "image_02"
ROOT = "0000"  # the file of labels of pictures that lie in no folder
SPLIT_NAMES = {"train": "training", "test": "testing"}
SPLITS = {**KNOWN, **{folder: split for split, folder in SPLIT_NAMES.items()}}
NOWHERE = (-1000, -1000, -1000, -10, -1, -1, -1)  # what this kit writes of objects without a place in space
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_ROW = r"^\s*(?P<head>-?\d+\s+-?\d+)\s+(?P<type>{type})(?P<numbers>(?:\s+" + _NUMBER + r"){14,15})\s*$"
_BLANK = r"^\s*$"
_SAID = ("truncated", "occluded", "alpha")


class KittiTrackingOptions(Options):
    """KITTI's tracking benchmark has no options."""


class KittiTrackingReader(SequenceReader[KittiTrackingOptions]):
    """Reads the folders of labels and images below a root."""

    first = 0
    looked_for: ClassVar = f"{LABELS}/*.txt"
    object_fields: ClassVar = {
        "objects": features.Objects(
            members=("category", "bbox", "box3d", "score", "track_id"), attributes=ATTRIBUTES
        )
    }

    _row: str

    def find(self, folders: AbstractSet[str]) -> list[Clip]:
        texts = {path for path in self.root.find((".txt",)) if LABELS in path.split("/")[:-1]}
        clips = [
            _found(path.removesuffix(".txt"), LABELS, {"objects": path}, folders) for path in sorted(texts)
        ]
        taken = {next((folder for folder in clip.folders if folder in folders), None) for clip in clips}
        bare = [folder for folder in sorted(folders - taken) if f"/{IMAGES}/" in f"/{folder}"]
        return clips + [_found(folder.removesuffix("/"), IMAGES, {}, folders) for folder in bare]

    def classes(self, clips: Sequence[Clip]) -> Categories:
        del clips
        place = self.root / CLASSES
        table = listed_classes(place.read_text() if place.isfile() else "")
        # A type may have blanks, and end with a number: the class table tells, longer names first.
        names = sorted((*table.values, IGNORED), key=len, reverse=True)
        self._row = _ROW.replace("{type}", "|".join(map(_literal, names)) if len(table) else r"\S.*?")
        return table

    def parse(self, body: bytes, clip: Clip, name: str) -> FrameRows:
        del clip, name
        lines = pc.split_pattern(pa.array([_decoded(body)], pa.string()), "\n").flatten()
        blank = pc.match_substring_regex(lines, _BLANK)
        parts = pc.extract_regex(lines, self._row)
        bad = pc.and_(pc.invert(blank), parts.is_null()).to_numpy(zero_copy_only=False)
        if bad.any():
            number = int(bad.argmax())
            raise DataError(_wrong(lines[number].as_py()), position=f"line {number + 1}")
        numbers = pc.binary_join_element_wise(
            pc.struct_field(parts, "head"), pc.struct_field(parts, "numbers"), " "
        )
        text = pc.binary_join(
            pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), pc.fill_null(numbers, "")), "\n"
        )
        rows = parse_rows(text[0].as_py().encode())
        types = pc.struct_field(parts, "type").drop_null()
        frames = whole_numbers(rows.column(0), 0, LAST, "the frame", rows.line)
        return FrameRows(frame=frames, line=rows.line, members=_members(rows, types))


def _found(path: str, folder: str, files: dict[str, str], folders: AbstractSet[str]) -> Clip:
    """The sequence of a file of labels or a folder of pictures, by its path without suffix."""
    before, _, name = f"/{path}/".partition(f"/{folder}/")
    before, name = f"{before}/".removeprefix("/"), name.removesuffix("/")
    places = (f"{before}{IMAGES}/", f"{IMAGES}/", "")
    own = tuple(f"{place}{name}/" for place in places)
    if not name or (name == ROOT and folders.isdisjoint(own) and not folders.isdisjoint(places)):
        name, own = "", places
    split = SPLITS.get(before.split("/")[-2]) if before else None
    return Clip(name=name, split=split, files=files, folders=own, suffix=".png")


def _decoded(body: bytes) -> str:
    text = body.removeprefix(BOM)
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        raise DataError(
            f"found the byte 0x{text[error.start]:02x}; expected text in UTF-8", position=f"line {line}"
        ) from error


def _literal(name: str) -> str:
    """A name as a pattern of RE2, whose words are divided by any blanks."""
    return r"\s+".join(re.escape(word) for word in name.split())


def _wrong(line: str) -> str:
    words = line.split()
    return (
        f"found {len(words)} values, {' '.join(words)[:80]!r}; expected a frame, a track, a type that {CLASSES} lists"
        f" where it is there, and {NUMBERS} numbers, or one more for a score"
    )


def _members(rows: Rows, types: pa.Array) -> dict[str, pa.Array]:
    """The members of the rows; a column of numbers stands two further right than in the object benchmark."""
    types = pc.replace_substring_regex(types, r"\s+", " ")
    ignored = pc.equal(types, IGNORED)
    track = whole_numbers(rows.column(1), -(2**53), 2**53, "the track", rows.line)
    said = {name: rows.column(2 + n) for n, name in enumerate(_SAID)}
    occluded = whole_numbers(said["occluded"], -9, 9, "occluded", rows.line)
    left, top, right, bottom = (rows.column(n) for n in range(5, 9))
    scale = np.abs([left, top, right, bottom]).max(axis=0) if len(rows) else np.empty(0)
    box = [left, top, label_rows.snap(right - left, 6, scale), label_rows.snap(bottom - top, 6, scale)]
    boxless = (left == -1) & (top == -1) & (right == -1) & (bottom == -1)
    space = np.stack([rows.column(n) for n in range(9, 16)]) if len(rows) else np.empty((7, 0))
    nowhere = (space[:3] == -1).all(axis=0) | (space[:3] == -1000).all(axis=0)
    scored = rows.lengths == NUMBERS + 3
    kind = features.OBJECT_MEMBERS["box3d"]
    by_name = dict(zip(SPACE, space, strict=True))
    return {
        "category": pc.if_else(ignored, None, types),
        "bbox": _struct(features.OBJECT_MEMBERS["bbox"], box, boxless),
        "box3d": _struct(kind, [by_name[child.name] for child in kind], nowhere),
        "score": pa.array(rows.column(-1), mask=~scored) if len(rows) else pa.array([], pa.float64()),
        "track_id": pa.array(track, mask=track < 0),
        "truncated": pa.array(said["truncated"], mask=said["truncated"] == UNKNOWN["truncated"]),
        "occluded": pa.array(occluded, mask=occluded == UNKNOWN["occluded"]),
        "alpha": pa.array(said["alpha"], mask=said["alpha"] == UNKNOWN["alpha"]),
        "dontcare": pc.if_else(ignored, True, pa.scalar(None, pa.bool_())),
    }


def _struct(kind: pa.StructType, columns: Sequence[NDArray[np.float64]], null: NDArray[np.bool_]) -> pa.Array:
    return pa.StructArray.from_arrays([pa.array(c) for c in columns], fields=list(kind), mask=pa.array(null))


class KittiTrackingWriter(SequenceWriter[KittiTrackingOptions]):
    """Writes the folders of the development kit."""

    title: ClassVar = "KITTI tracking"
    first = 0
    comma: ClassVar = " "
    roles: ClassVar = {
        "objects": frozenset({"category", "bbox", "box3d", "score", "track_id", *ATTRIBUTES}),
    }
    held_attributes: ClassVar = ATTRIBUTES
    reasons: ClassVar = {
        "id": "rows have no ids",
        "track_id": "the track ids are text, and rows hold numbers",
    }
    split_names: ClassVar = SPLIT_NAMES

    def image_place(self, key: Key, name: str) -> str:
        return f"{_before(key)}{IMAGES}/{key[1]}/{name}" if key[1] else f"{_before(key)}{IMAGES}/{name}"

    def label_place(self, key: Key, role: str) -> str:
        del role
        return f"{_before(key)}{LABELS}/{key[1] or ROOT}.txt"

    def lacking(self, objects: pa.StructArray, role: str) -> list[tuple[str, str, NDArray[np.bool_]]]:
        del role
        none = {name: ~has(objects, name) for name in ("category", "bbox", "box3d")}
        return [
            (
                "category.missing",
                "an object needs category or dontcare",
                none["category"] & ~true(objects, "dontcare"),
            ),
            ("geometry.missing", "an object needs bbox or box3d", none["bbox"] & none["box3d"]),
        ]

    def lines(self, objects: pa.StructArray, role: str) -> pa.Array:
        del role
        return row_text(objects, [number_text(objects, "track_id", "-1")], NOWHERE)

    def finish_all(self, target: Target) -> int:
        for split in self.schema.splits:
            target.mkdir(f"{SPLIT_NAMES.get(split, split)}/{IMAGES}")
        target.write(CLASSES, class_list(self.feature.categories))
        return 1


def _before(key: Key) -> str:
    return f"{key[0]}/" if key[0] else ""


def sniff(probe: Probe) -> Match | None:
    """Rows of two numbers, a word and numbers below label_02."""
    texts = [path for path in probe.files if path.endswith(".txt") and LABELS in path.split("/")[:-1]]
    for path in texts[:8]:
        words = probe.head(path).split(b"\n")[0].decode(errors="replace").split()
        if words:
            head = all(re.fullmatch(r"-?\d+", word) for word in words[:2])
            fits = head and len(words) >= NUMBERS + 3 and re.fullmatch(_NUMBER, words[2]) is None
            return Match(Grade.CERTAIN, f"{path} has rows of a frame, a track and a type") if fits else None
    return Match(Grade.LIKELY, f"label files below {LABELS}/, all of them empty") if texts else None


FORMAT = Format(
    info=FormatInfo(
        name="kitti_tracking",
        title="KITTI tracking",
        spec="https://www.cvlibs.net/datasets/kitti/eval_tracking.php",
        layout=("training/label_02/<sequence>.txt", "training/image_02/<sequence>/*.png", "labels.txt"),
        keeps=frozenset(
            {
                "split",
                "video",
                "frame",
                "objects.category",
                "objects.bbox",
                "objects.box3d",
                "objects.score",
                "objects.track_id",
            }
        ),
    ),
    sniff=sniff,
    reader=KittiTrackingReader,
    writer=KittiTrackingWriter,
    options=KittiTrackingOptions,
)
