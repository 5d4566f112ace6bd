"""Write CVAT for video: parts leave the elements of their objects, and the end puts them together as tracks."""

from __future__ import annotations

import math
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from smalti.errors import DataError, OptionError
from smalti.formats import part_files
from smalti.formats.cvat import tracks, video
from smalti.formats.cvat.labels import PREFIX, member_name
from smalti.formats.cvat.scan import LAST_FRAME
from smalti.formats.cvat.shapes import Image
from smalti.formats.document_writer import one_loss
from smalti.formats.free_names import stem_of
from smalti.formats.report import Loss, merged
from smalti.schema import features

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from smalti.formats.cvat.write import CvatWriter
    from smalti.formats.protocol import Cursor, PartResult
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target

    Key = tuple[
        Any, str, str, int
    ]  # of a track: its id, its class, the kind of its shapes, which of such in a frame

PIECE = "tracks"
BODY = "body"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a part has for the end.

    Attributes:
        piece: The file of its elements.
        body: What would stand there, of a dry run.
        keys: The tracks that are in it.
        group: int32 ``(n,)``, the track of each object, a position in `keys`.
        sample: int32 ``(n,)``, the position of each object's sample in the part.
        key: ``(n,)``, which objects are keyframes.
        ends: int64 ``(n,)``, where the element of each object ends in the piece.
        frames: The frames of the samples.
        videos: The names of their videos.
        sizes: Their widths and heights.
    """

    piece: str
    body: bytes | None
    keys: list[Key]
    group: NDArray[np.int32]
    sample: NDArray[np.int32]
    key: NDArray[np.bool_]
    ends: NDArray[np.int64]
    frames: list[int]
    videos: set[str | None]
    sizes: set[tuple[int | None, int | None]]


def is_video(schema: Schema, kind: str | None) -> bool:
    """Whether a dataset is written as a video: where that is asked for, or it was one of CVAT's.

    Raises:
        OptionError: It is asked for, and the samples are no frames.
    """
    frames = isinstance(schema.columns.get("frame"), features.Frame)
    if kind == "video" and not frames:
        raise OptionError("kind='video' needs a column `frame`, the numbers of frames; write kind='images'")
    read = frames and isinstance(schema.columns.get("video"), features.Video) and "cvat" in schema.extra
    return kind == "video" or (kind is None and read)


def frame_faults(batch: pa.RecordBatch) -> list[DataError]:
    """Samples whose frame is not known, or is none of CVAT's."""
    frame = batch.column("frame")
    sound = pc.and_kleene(pc.greater_equal(frame, 0), pc.less_equal(frame, LAST_FRAME))
    odd = batch.column("id").filter(pc.invert(pc.fill_null(sound, fill_value=False)))
    return [
        DataError(f"the sample has no number of a frame from 0 to {LAST_FRAME:,}", sample=sample,
                  hint="write with kind='images'")
        for sample in odd.to_pylist()
    ]  # fmt: skip


class VideoPart:
    """The frames of one part."""

    def __init__(self, writer: CvatWriter, batch: pa.RecordBatch, cursor: Cursor) -> None:
        self.writer, self.batch, self.cursor = writer, batch, cursor
        self.encoder = writer.encoder()
        self.media: list[tuple[str, str]] = []
        self.written = 0
        self._keys: dict[Key, int] = {}
        self._texts: list[bytes] = []
        self._of: list[tuple[int, int, bool]] = []  # track, sample, keyframe

    def run(self, target: Target) -> Seen:
        """Write the elements of the part's objects."""
        rows = self.batch.to_pylist()
        for number, row in enumerate(rows):
            self._frame(number, row)
        piece, body = part_files.piece_name(PIECE, self.cursor.index), b"".join(self._texts)
        target.write(piece, body)
        columns = np.array(self._of, np.int64).reshape(-1, 3)
        return Seen(
            piece=piece,
            body=body if target.dry else None,
            keys=list(self._keys),
            group=columns[:, 0].astype(np.int32),
            sample=columns[:, 1].astype(np.int32),
            key=columns[:, 2].astype(bool),
            ends=np.cumsum([len(text) for text in self._texts], dtype=np.int64),
            frames=[row["frame"] for row in rows],
            videos={row.get("video") for row in rows},
            sizes={(row["image"]["width"], row["image"]["height"]) for row in rows},
        )

    def _frame(self, number: int, row: dict[str, Any]) -> None:
        sample, path = row["id"], row["image"]["path"]
        suffix = sample[len(stem_of(sample)) :] or video.SUFFIX
        name = f"{video.frame_stem(row['frame'])}{suffix}"
        if sample != name:
            why = "a frame is named after its number"
            self.encoder.losses.append(one_loss("image.renamed", "id", "change", why, f"{sample} -> {name}"))
        if path and "://" not in path:
            self.media.append((path, f"images/{name}"))
        there: Counter[Key] = Counter()
        for item in self.writer.objects_of(row, self.encoder):
            made = self.encoder.one(sample, row["image"], item, {})
            if made is None:
                continue
            seen = [point["visibility"] for point in item.get("keypoints") or ()]
            if made[0] == "skeleton" and not any(value != 0 for value in seen):
                why = "a skeleton whose points are all unseen is outside of the video"
                self.encoder.lose("skeleton.outside", "", "object", why, sample)
                continue
            key = (self._track(item, sample), item.get("category") or "", made[0], 0)
            there[key] += 1
            place = self._keys.setdefault((*key[:3], there[key]), len(self._keys))
            self._of.append((place, number, item.get("keyframe") is not False))
            self._texts.append("".join(made[1]).encode())
            self.written += 1

    def _track(self, item: dict[str, Any], sample: str) -> Any:
        """An object's track; one without is a track of its own."""
        track = item.get("track_id")
        if track is None:
            why = "every object has a track; one without gets one of its own"
            self.encoder.lose("track.invented", "track_id", "change", why, sample)
            return ("", self.cursor.index, len(self._of))
        if not isinstance(track, int) or track < 0:
            why = "tracks are numbered from 0; a text or a number below 0 gets one that is free"
            self.encoder.lose("track.renumbered", "track_id", "change", why, sample)
        return track


class VideoEnd:
    """The tracks of all parts.

    Attributes:
        numbers: The frames of the video.
        name: Its name.
        size: Width and height of all frames; null where they differ or are not known.
        varied: Attributes that change in a track.
        losses: What is not as it was.
    """

    def __init__(self, writer: CvatWriter, results: Sequence[PartResult]) -> None:
        self.writer = writer
        self.parts: list[Seen] = [result.payload for result in results]
        self.losses: list[Loss] = []
        self.varied: set[str] = set()
        frames = np.array([frame for part in self.parts for frame in part.frames], np.int64)
        self.numbers = self._numbers(frames)
        videos = {name for part in self.parts for name in part.videos}
        if len(videos) > 1:
            named = " and ".join(map(repr, sorted(map(str, videos))[:2]))
            raise DataError(
                f"found the videos {named}; a file of CVAT holds one", hint="write them one by one"
            )
        self.name = next(iter(videos), None)
        if self.name is None and "video" in writer.schema.columns and len(frames):
            why = "a video has a name; that of the file is read where it has none"
            self.losses.append(_loss("video.named", "video", len(frames), why, f"frame {frames[0]}"))
        sizes = {size for part in self.parts for size in part.sizes}
        known = [(width, height) for width, height in sizes if width and height]
        self.size = known[0] if len(known) == 1 else None
        if len(known) > 1 and "mask" in writer.feature.members:
            raise DataError(
                f"found frames of {len(known)} sizes; masks of a video need frames of one",
                hint="write kind='images'",
            )
        if len(known) > 1:
            why = "all frames of a video have one size; none is written, and that of the pictures counts"
            self.losses.append(
                _loss("size.mixed", "image", len(frames), why, f"{min(known)[0]} x {min(known)[1]}")
            )

    def meta(self, found: dict[str, Any]) -> dict[str, Any]:
        """What the file says of its task, with the frames that there are.

        Args:
            found: What it says of the dataset.
        """
        root = next(name for name in ("task", "job", "project") if isinstance(found.get(name), dict))
        own = dict(found[root])
        numbers, step = self.numbers, self.numbers.step if len(self.numbers) > 1 else 1
        kept = video.STEP.search(str(own.get("frame_filter") or ""))
        if step != (max(int(kept[1]), 1) if kept else 1):
            own["frame_filter"] = f"step={step}"
        own |= {"size": len(numbers), "start_frame": numbers.start, "stop_frame": numbers[-1]}
        width, height = self.size or (None, None)
        if self.size is not None:
            own["original_size"] = {"width": width, "height": height}
        else:
            own.pop("original_size", None)
        if (
            self.name is not None
            and (own.get("source") or found.get("source") or own.get("name")) != self.name
        ):
            own["source"] = self.name
        rest = {name: value for name, value in found.items() if name not in {"original_size", "project"}}
        return {**rest, "task" if root == "project" else root: own}

    def _numbers(self, frames: NDArray[np.int64]) -> range:
        """The frames of the video: from the first to the last in steps of one size."""
        if len(frames) == 0:
            return range(1)
        every, counts = np.unique(frames, return_counts=True)
        if (counts > 1).any():
            raise DataError(f"found the frame {every[counts > 1][0]} twice; expected each once in a video")
        step = math.gcd(*np.diff(every).tolist()) or 1
        found = range(int(every[0]), int(every[-1]) + 1, step)
        if more := len(found) - len(every):
            first = next(n for n in found if n not in set(every.tolist()))
            why = "a video has all frames between its first and its last; those that are no samples are empty"
            self.losses.append(_loss("frame.added", "frame", more, why, f"frame {first}"))
        return found

    def write_tracks(self, target: Target) -> str:
        """Write the elements of all tracks to a file of their own; gives its name."""
        groups: dict[Key, int] = {}
        of = [
            np.array([groups.setdefault(key, len(groups)) for key in part.keys], np.int64)
            for part in self.parts
        ]
        group = _joined([own[part.group] for own, part in zip(of, self.parts, strict=True)])
        start = np.cumsum([0, *(len(part.frames) for part in self.parts)])
        sample = _joined([part.sample + begin for part, begin in zip(self.parts, start, strict=False)])
        owner = np.repeat(np.arange(len(self.parts)), [len(part.group) for part in self.parts])
        row = _joined([np.arange(len(part.group)) for part in self.parts])
        frames = np.array([frame for part in self.parts for frame in part.frames], np.int64)[sample]
        order, sound = tracks.ordered(group, sample)
        if not sound:
            why = "objects stand in the order of their tracks, the same in all frames"
            self.losses.append(_loss("track.order", self._field, 1, why, "tracks that change places"))
        numbers = _track_numbers([key[0] for key in groups])
        rows = np.argsort(group * np.int64(1), kind="stable")
        bounds = np.searchsorted(group[rows], np.arange(len(groups) + 1))
        keys = list(groups)
        name = part_files.piece_name(BODY, 0)
        with ExitStack() as stack, target.open(name) as file:
            files = {} if target.dry else {
                n: stack.enter_context((target.location / part.piece).open()) for n, part in enumerate(self.parts)
            }  # fmt: skip
            for number in order:
                mine = rows[bounds[number] : bounds[number + 1]]
                mine = mine[np.argsort(frames[mine], kind="stable")]
                text = b"".join(self._text(files, int(owner[n]), int(row[n])) for n in mine)
                key = np.array([self.parts[owner[n]].key[row[n]] for n in mine], bool)
                track = tracks.Track(numbers[number], keys[number][1], frames[mine], key, text)
                file.write("".join(self._draw(track)).encode())
        return name

    @property
    def _field(self) -> str:
        return self.writer.field or "objects"

    def _text(self, files: dict[int, IO[bytes]], owner: int, row: int) -> bytes:
        part = self.parts[owner]
        begin, end = int(part.ends[row - 1]) if row else 0, int(part.ends[row])
        if part.body is not None:
            return part.body[begin:end]
        files[owner].seek(begin)
        return files[owner].read(end - begin)

    def _draw(self, track: tracks.Track) -> list[str]:
        feature = self.writer.feature
        points = {
            value: {name: n for n, name in enumerate(category.keypoints or ())}
            for value, category in zip(feature.categories.values, feature.categories, strict=True)
        }
        as_read = {
            member_name(name.removeprefix(PREFIX)): kind for name, kind in self.writer.attributes.items()
        }
        as_read |= {name: feature.attributes[name] for name in self.writer.own}
        image = Image(self.size, feature.categories.codes, points, as_read)
        shown = feature.model_copy(update={"attributes": dict(image.attributes)})
        drawn = tracks.draw(track, self.numbers, image, shown)
        self.varied |= drawn.varied
        why = "an attribute of a track stays as it was where a shape does not say"
        self.losses += [
            _loss("attribute.carried", f"{self._field}.{name}", len(frames), why, f"frame {frames[0]}")
            for name, frames in drawn.carried.items()
        ]
        if len(self.losses) > 1000:
            self.losses = merged(self.losses)
        return drawn.lines


def _joined(parts: list[NDArray[Any]]) -> NDArray[np.int64]:
    return np.concatenate([np.empty(0, np.int64), *parts]).astype(np.int64)


def _track_numbers(given: list[Any]) -> list[int]:
    """The ids of tracks: their own where they are numbers from 0, others that are free."""
    own = {value for value in given if isinstance(value, int) and value >= 0}
    free = max(own, default=-1) + 1
    made: dict[Any, int] = {}
    for value in given:
        if value not in own and value not in made:
            made[value] = free
            free += 1
    return [value if value in own else made[value] for value in given]


def _loss(code: str, field: str, count: int, reason: str, example: str) -> Loss:
    return Loss(code=code, field=field, kind="change", count=count, reason=reason, example=example)
