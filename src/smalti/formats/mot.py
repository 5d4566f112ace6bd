"""MOTChallenge: a folder a sequence, with its pictures and text files of boxes with tracks.

Specification: https://arxiv.org/abs/1603.00831 (MOT16, section 4), https://motchallenge.net/instructions/ and, for the
classes, https://github.com/JonathonLuiten/TrackEval (the benchmark's own evaluation)

    train/MOT17-02/seqinfo.ini       [Sequence] name, imDir, frameRate, seqLength, imWidth, imHeight, imExt
    train/MOT17-02/img1/000001.jpg   frames count from 1
    train/MOT17-02/gt/gt.txt         frame,track,left,top,width,height,considered,class,visibility
    train/MOT17-02/det/det.txt       frame,-1,left,top,width,height,confidence,-1,-1,-1
    train/MOT17-02/gt/labels.txt     the classes in their order, where they are not those of MOT17 (CVAT, Datumaro)

Coordinates are pixels that count from 1: the left edge of the picture is 1 in the file and 0 here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from smalti.errors import DataError
from smalti.formats import label_rows, seqinfo
from smalti.formats.document_writer import CLASSES, class_list, one_loss
from smalti.formats.object_text import has, number_text, sides, true
from smalti.formats.protocol import Format, FormatInfo, Grade, Match, Options
from smalti.formats.report import Loss
from smalti.formats.seqinfo import INFO, PICTURES
from smalti.formats.sequence_writer import ClipEnd, Key, SequenceWriter
from smalti.formats.sequences import LAST, Clip, FrameRows, SequenceReader, parse_rows, whole_numbers
from smalti.formats.splits import split_folders
from smalti.schema import features
from smalti.schema.categories import Categories, Category

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

    from smalti.formats.label_rows import Rows
    from smalti.formats.probe import Probe
    from smalti.storage.folder import Target
    from smalti.storage.location import Location

FILES = {"gt/gt.txt": "objects", "det/det.txt": "detections"}
PLACES = {field: path for path, field in FILES.items()}
LIST = f"gt/{CLASSES}"
OFFICIAL = ("pedestrian", "person_on_vehicle", "car", "bicycle", "motorbike", "non_mot_vehicle", "static_person",
            "distractor", "occluder", "occluder_on_ground", "occluder_full", "reflection", "crowd")  # fmt: skip
ATTRIBUTES: dict[str, Any] = {
    "ignored": features.Value(type=pa.bool_()),
    "visibility": features.Value(type=pa.float64()),
}
COLUMNS = {"objects": (7, 9, 10), "detections": (7, 10)}  # how many values a row may have


class MotOptions(Options):
    """Options of MOTChallenge."""

    pixel_offset: bool = Field(
        True,  # pydantic's own way
        description="Coordinates are numbers of pixels from 1, as in the benchmark; CVAT and Datumaro write edges from 0.",
    )


class MotReader(SequenceReader[MotOptions]):
    """Reads the sequences below a root, or the one that it is."""

    first = 1
    looked_for: ClassVar = f"{INFO}, gt/gt.txt, det/det.txt and {PICTURES}/"
    object_fields: ClassVar = {
        "objects": features.Objects(members=("category", "bbox", "track_id"), attributes=ATTRIBUTES),
        "detections": features.Objects(members=("bbox", "score", "track_id")),
    }

    _names: dict[str, tuple[str, ...]]  # the classes 1, 2 … of each sequence, by its folder of pictures
    _rates: dict[str, float]

    def find(self, folders: AbstractSet[str]) -> list[Clip]:
        files: dict[str, set[str]] = {}
        for path in self.root.find((".txt", ".ini")):
            for file in (INFO, LIST, *FILES):
                if f"/{path}".endswith(f"/{file}"):
                    files.setdefault(path.removesuffix(file), set()).add(file)
        if self.media is None:
            for folder in folders:
                if f"/{folder}".endswith(f"/{PICTURES}/"):
                    files.setdefault(folder.removesuffix(f"{PICTURES}/"), set())
        self._names, self._rates = {}, {}
        return [self._clip(base, found) for base, found in sorted(files.items())]

    def _clip(self, base: str, files: set[str]) -> Clip:
        split, start = split_folders(base)
        name = base[len(start) : -1]
        info = seqinfo.read(self.root / f"{base}{INFO}") if INFO in files else seqinfo.SeqInfo()
        bare = base[len(start) :]
        clip = Clip(
            name=name,
            split=split,
            files={field: f"{base}{file}" for file, field in FILES.items() if file in files},
            folders=(f"{base}{info.folder}/", base, f"{bare}{info.folder}/", bare),
            length=info.length,
            suffix=info.suffix,
            width=info.width,
            height=info.height,
        )
        if LIST in files:
            self._names[clip.folders[0]] = _listed(self.root / f"{base}{LIST}")
        if info.rate is not None:
            self._rates[base[:-1]] = info.rate
        return clip

    def classes(self, clips: Sequence[Clip]) -> Categories:
        for clip in clips:
            if "objects" in clip.files:
                self._names.setdefault(clip.folders[0], OFFICIAL)
        tables = list(dict.fromkeys(self._names.values())) or [OFFICIAL]
        if len(tables) == 1:
            return Categories(tuple(Category(name=name, id=n) for n, name in enumerate(tables[0], 1)))
        # One number means several classes: their names tell them apart.
        return Categories.of(dict.fromkeys(name for table in tables for name in table))

    def beside(self, clips: Sequence[Clip]) -> dict[str, dict[str, Any]]:
        del clips
        return {"mot": {"frameRate": self._rates}} if self._rates else {}

    def parse(self, body: bytes, clip: Clip, name: str) -> FrameRows:
        rows = parse_rows(body.replace(b",", b" "))
        fits = np.isin(rows.lengths, COLUMNS[name])
        if not fits.all():
            row = int(fits.argmin())
            counts = ", ".join(map(str, COLUMNS[name]))
            raise DataError(
                f"found {rows.lengths[row]} values, expected one of {counts}",
                position=f"line {rows.line[row]}",
            )
        frame = whole_numbers(rows.column(0), self.first, LAST, "the frame", rows.line)
        track = whole_numbers(rows.column(1), -(2**53), 2**53, "the track", rows.line)
        shift = int(self.options.pixel_offset)
        left, top = (
            label_rows.snap(side - shift, 6, np.abs(side) + 1) for side in (rows.column(2), rows.column(3))
        )
        box = [pa.array(side) for side in (left, top, rows.column(4), rows.column(5))]
        members = {
            "bbox": pa.StructArray.from_arrays(box, fields=list(features.OBJECT_MEMBERS["bbox"])),
            "track_id": pa.array(track, mask=track < 0),
        }
        if name == "detections":
            return FrameRows(
                frame=frame, line=rows.line, members={**members, "score": pa.array(rows.column(6))}
            )
        more, repairs = _truth(rows, self._names[clip.folders[0]], clip)
        return FrameRows(frame=frame, line=rows.line, members={**members, **more}, repairs=repairs)


def _truth(rows: Rows, table: Sequence[str], clip: Clip) -> tuple[dict[str, pa.Array], list[Loss]]:
    """What rows of the ground truth say beyond the box: whether it counts, its class, how much of it is seen."""
    considered = whole_numbers(rows.column(6), 0, 1, "whether it is considered", rows.line)
    class_, visibility = (_optional(rows, column) for column in (7, 8))
    # MOT15 has the place in the world instead, mostly unknown.
    plain = (class_ == np.floor(class_)) & (class_ >= 1) & (class_ <= len(table))
    world = (rows.lengths == 10) & ~plain
    known = ~world & (class_ != -1)
    if (wrong := known & ~plain).any():
        row = int(wrong.argmax())
        lists = "MOT17" if tuple(table) == OFFICIAL else CLASSES
        raise DataError(
            f"found the class {class_[row]:g}, expected one of the {len(table)} of {lists}",
            position=f"line {rows.line[row]}",
            hint=f"classes of one's own are listed in {LIST}",
        )
    code = np.where(known, class_, 1).astype(np.int64) - 1
    members = {
        "category": pa.array(table, pa.string()).take(pa.array(code, mask=~known)),
        "ignored": pa.array(considered == 0),
        "visibility": pa.array(visibility, mask=world | (visibility == -1)),
    }
    there = world & (class_ != -1)
    if not there.any():
        return members, []
    why = "MOT15 has the place in the world in the last three columns, which is passed over"
    place = f"{clip.files['objects']}, line {rows.line[int(there.argmax())]}"
    return members, [
        Loss(
            code="world.ignored",
            field="objects",
            kind="change",
            count=int(there.sum()),
            reason=why,
            example=place,
        )
    ]


def _optional(rows: Rows, column: int) -> NDArray[np.float64]:
    """A column that not every row has; -1 where it has none."""
    found = np.full(len(rows), -1.0)
    has = rows.lengths > column
    found[has] = rows.values[rows.offsets[:-1][has] + column]
    return found


def _listed(place: Location) -> tuple[str, ...]:
    """The classes of a labels.txt; a number is a line."""
    text = place.read_text().rstrip("\n")
    lines = text.split("\n") if text else []
    names = [line.rstrip("\r") or str(number) for number, line in enumerate(lines, 1)]
    return Categories.of(names).values


class MotWriter(SequenceWriter[MotOptions]):
    """Writes a folder a sequence, those of a split below one of its name."""

    title: ClassVar = "MOTChallenge"
    first = 1
    comma: ClassVar = ","
    roles: ClassVar = {
        "objects": frozenset({"category", "bbox", "track_id", *ATTRIBUTES}),
        "detections": frozenset({"bbox", "score", "track_id"}),
    }
    held_attributes: ClassVar = ATTRIBUTES
    reasons: ClassVar = {
        "id": "rows have no ids but those of tracks",
        "score": "the ground truth has no scores; rename the field to detections",
        "track_id": "the track ids are text, and rows hold numbers",
    }

    @property
    def _official(self) -> bool:
        """Whether classes have the benchmark's numbers: all are its own, and no list has numbered them otherwise."""
        table = self.feature.categories
        listed = all(category.id == n for n, category in enumerate(table, 1))
        return table.values == OFFICIAL or (not listed and set(table.values) <= set(OFFICIAL))

    @property
    def _numbers(self) -> list[int]:
        names = self.feature.categories.values
        return [OFFICIAL.index(name) + 1 if self._official else n for n, name in enumerate(names, 1)]

    def image_place(self, key: Key, name: str) -> str:
        return f"{_base(key)}{PICTURES}/{name}"

    def label_place(self, key: Key, role: str) -> str:
        return f"{_base(key)}{PLACES[role]}"

    def losses(self) -> list[Loss]:
        found = super().losses()
        table = self.feature.categories
        plain = all(category.id in {None, n} for n, category in zip(self._numbers, table, strict=True))
        found = [loss for loss in found if not (plain and loss.code == "category.id")]
        if self._official and table.values != OFFICIAL and len(table):
            why = "classes have the benchmark's numbers, and are read back as its thirteen"
            found.append(one_loss("category.order", "categories", "change", why, table.values[0]))
        return found

    def lacking(self, objects: pa.StructArray, role: str) -> list[tuple[str, str, NDArray[np.bool_]]]:
        found = [("geometry.missing", "an object needs bbox", np.isnan(sides(objects, "bbox", ("x",))[:, 0]))]
        if role == "detections":
            found.append(("score.missing", "a detection needs a score", ~has(objects, "score")))
        return found

    def lines(self, objects: pa.StructArray, role: str) -> pa.Array:
        box = sides(objects, "bbox", ("x", "y", "w", "h"))
        if self.options.pixel_offset:
            box[:, :2] = label_rows.snap(box[:, :2] + 1, 6, np.abs(box[:, :2]) + 1)
        track = number_text(objects, "track_id", "-1")
        head = [track, *(label_rows.texts(side + 0.0) for side in box.T)]
        if role == "detections":
            return pc.binary_join_element_wise(
                *head, number_text(objects, "score", ""), "-1", "-1", "-1", ","
            )
        class_ = pa.array([-1] * len(objects), pa.int32())
        if objects.type.get_field_index("category") >= 0:
            numbers = pa.array(self._numbers, pa.int32())
            class_ = pc.fill_null(numbers.take(objects.field("category").indices), -1)
        flag = pc.if_else(pa.array(true(objects, "ignored")), "0", "1")
        seen = number_text(objects, "visibility", "-1")
        return pc.binary_join_element_wise(*head, flag, class_.cast(pa.string()), seen, ",")

    def finish_clip(self, target: Target, clip: ClipEnd) -> int:
        base = _base(clip.key)
        rates = self.schema.extra.get("mot", {}).get("frameRate", {})
        target.write(f"{base}{INFO}", seqinfo.body(clip, rates.get(base[:-1])))
        if self._official:
            return 1
        target.write(f"{base}{LIST}", class_list(self.feature.categories))
        return 2

    def finish_all(self, target: Target) -> int:
        for split in self.schema.splits:
            target.mkdir(split)
        return 0


def _base(key: Key) -> str:
    return "".join(f"{part}/" for part in key if part)


def sniff(probe: Probe) -> Match | None:
    """A seqinfo.ini, or rows of numbers in gt/gt.txt or det/det.txt."""
    truths = [path for path in probe.files if f"/{path}".endswith("/gt/gt.txt")]
    if any(
        b"," not in line and len(line.split()) == 6
        for path in truths
        for line in [probe.head(path).split(b"\n")[0]]
    ):
        return None  # rows with masks are MOTS
    for path in probe.files:
        if f"/{path}".endswith(f"/{INFO}") and b"[Sequence]" in probe.head(path):
            return Match(Grade.CERTAIN, f"{path} describes a sequence")
    for path in probe.files:
        if any(f"/{path}".endswith(f"/{file}") for file in FILES):
            words = probe.head(path).split(b"\n")[0].split(b",")
            if len(words) in {7, 9, 10}:
                return Match(Grade.CERTAIN, f"{path} has rows of a frame, a track and a box")
            return Match(Grade.LIKELY, f"there is a {path}, which is empty") if words == [b""] else None
    return None


FORMAT = Format(
    info=FormatInfo(
        name="mot",
        title="MOTChallenge",
        spec="https://arxiv.org/abs/1603.00831",
        layout=(
            "<split>/<sequence>/seqinfo.ini",
            "<split>/<sequence>/img1/*.jpg",
            "<split>/<sequence>/gt/gt.txt",
            "<split>/<sequence>/det/det.txt",
            "<split>/<sequence>/gt/labels.txt",
        ),
        keeps=frozenset(
            {"split", "video", "frame", "objects.category", "objects.bbox", "objects.track_id", "detections"}
        ),
    ),
    sniff=sniff,
    reader=MotReader,
    writer=MotWriter,
    options=MotOptions,
)
