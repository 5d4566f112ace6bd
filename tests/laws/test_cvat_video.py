"""The laws, for tracks: samples are frames of one video, and objects are of tracks that come and go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import strategies as st

from smalti.geometry import quads, rle
from smalti.schema import features
from smalti.schema.categories import Categories, Category
from smalti.schema.schema import Schema
from smalti.testing import FormatSuite, laws_format, laws_losses, laws_reader, laws_roundtrip
from smalti.testing.strategies import numbers
from smalti.testing.tables import build

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

    from smalti.dataset.dataset import Dataset

GOLDEN = Path(__file__).parent.parent / "golden" / "cvat"
WIDTH, HEIGHT = 40, 30
POINTS = ("nose", "tail", "ear")
CLASSES = Categories(
    (
        Category(name="cat", keypoints=POINTS, skeleton=((0, 1), (1, 2))),
        Category(name="car"),
        Category(name="lane"),
    )
)
KINDS = ("bbox", "polygons", "polyline", "mask", "quad", "points", "skeleton")
ATTRIBUTES: dict[str, features.Value | features.Json] = {
    "occluded": features.Value(type=pa.bool_()),
    "z_order": features.Value(type=pa.int64()),
    "source": features.Value(type=pa.string()),
    "keyframe": features.Value(type=pa.bool_()),
    "note": features.Value(type=pa.string()),
    "weight": features.Value(type=pa.float64()),
}
SCHEMA = Schema(
    columns={
        "id": features.Value(type=pa.string()),
        "image": features.Image(),
        "video": features.Video(),
        "frame": features.Frame(),
        "objects": features.Objects(
            categories=CLASSES,
            members=(
                "category",
                "bbox",
                "polygons",
                "mask",
                "quad",
                "angle",
                "keypoints",
                "polyline",
                "track_id",
            ),
            attributes=ATTRIBUTES,
        ),
    }
)
X, Y = numbers(0, WIDTH), numbers(0, HEIGHT)
PAIRS = st.lists(st.tuples(X, Y), min_size=3, max_size=4).map(
    lambda pairs: [v for pair in pairs for v in pair]
)


def shape(kind: str) -> SearchStrategy[dict[str, Any]]:
    """The geometry of an object."""
    if kind == "bbox":
        sides = st.tuples(numbers(0, 20), numbers(0, 15), numbers(0.5, 20), numbers(0.5, 15))
        return sides.map(lambda box: {"bbox": dict(zip("xywh", box, strict=True))})
    if kind == "polygons":
        return PAIRS.map(lambda ring: {"polygons": [ring]})
    if kind == "polyline":
        return PAIRS.map(lambda line: {"polyline": line})
    if kind == "mask":
        return st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 20), st.integers(1, 10)).map(
            _mask
        )
    if kind == "quad":
        return st.tuples(X, Y, numbers(1, 20), numbers(1, 15), st.integers(1, 359)).map(_quad)
    seen = st.integers(0, 2) if kind == "skeleton" else st.none()
    point = st.fixed_dictionaries({"x": X, "y": Y, "visibility": seen})
    size = len(POINTS) if kind == "skeleton" else 2
    points = st.lists(point, min_size=size, max_size=size)
    return points.filter(lambda some: any(p["visibility"] != 0 for p in some)).map(
        lambda some: {"keypoints": some}
    )


def _mask(box: tuple[int, int, int, int]) -> dict[str, Any]:
    x, y, w, h = box
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    pixels[y : y + h, x : x + w] = 1
    runs = rle.encode_mask(pixels)
    counts = rle.encode_counts(runs, np.array([0, len(runs)]))[0]
    return {"mask": {"height": HEIGHT, "width": WIDTH, "counts": counts}}


def _quad(box: tuple[float, float, float, float, int]) -> dict[str, Any]:
    *sides, degrees = box
    corners = quads.rotated_to_quads([*sides, np.radians(degrees)])[0]
    return {"quad": corners.tolist(), "angle": float(degrees)}


@st.composite
def tracks(draw: st.DrawFn, count: int) -> list[dict[str, Any] | None]:
    """An object a frame of one track; null where it is not there."""
    kind = draw(st.sampled_from(KINDS))
    category = 0 if kind == "skeleton" else draw(st.integers(1, 2))
    objects = st.fixed_dictionaries(
        {
            "occluded": st.booleans(),
            "z_order": st.integers(-2, 2),
            "source": st.sampled_from(["manual", "auto"]),
            "keyframe": st.booleans(),
            "note": st.sampled_from(["", "bei Nacht", "<&>"]),
            "weight": numbers(-10, 10),
        }
    )
    steady = draw(st.booleans())  # it moves in a straight line, or does not move at all
    given = draw(shape(kind))
    found: list[dict[str, Any] | None] = []
    for _ in range(count):
        if not draw(st.booleans()):
            found.append(None)
            continue
        geometry = given if steady else draw(shape(kind))
        found.append({"category": category, **draw(objects), **geometry})
    return found


@st.composite
def videos(draw: st.DrawFn) -> Dataset:
    """Frames of a video, one to six of them."""
    count, step, start = draw(st.integers(1, 6)), draw(st.integers(1, 3)), draw(st.integers(0, 9))
    every = draw(st.lists(tracks(count), max_size=3))
    ids = draw(st.lists(st.integers(0, 2**31), min_size=len(every), max_size=len(every), unique=True))
    return video(range(start, start + count * step, step), dict(zip(ids, every, strict=True)))


def video(numbers_: range, every: dict[int, list[dict[str, Any] | None]]) -> Dataset:
    rows = []
    for place, number in enumerate(numbers_):
        there = [(track, objects[place]) for track, objects in every.items()]
        path = f"frame_{number:06d}.png"
        rows.append(
            {
                "id": path,
                "image": {"path": path, "width": WIDTH, "height": HEIGHT},
                "video": "clip.mp4",
                "frame": number,
                "objects": [{**row, "track_id": track} for track, row in there if row is not None],
            }
        )
    return build(SCHEMA, rows)


def plain_video() -> Dataset:
    """Five frames with two tracks, one of which goes away and comes back."""
    first = [
        {"category": 1, "bbox": {"x": 1.0 + n, "y": 2.0, "w": 5.5, "h": 4.0}, "keyframe": n in {0, 4}, "note": "a",
         "weight": 0.5, "occluded": n == 4, "z_order": 1, "source": "manual"}
        for n in range(5)
    ]  # fmt: skip
    points = [{"x": 1.5, "y": 2.5, "visibility": v} for v in (2, 1, 0)]
    second = [
        None if n == 2 else {"category": 0, "keypoints": points, "keyframe": True, "note": "", "weight": -1.0,
                             "occluded": False, "z_order": 0, "source": "auto"}
        for n in range(5)
    ]  # fmt: skip
    return video(range(0, 10, 2), {7: first, 9: second})


class TestCvatVideo(FormatSuite):
    format = "cvat"
    options: ClassVar = {"kind": "video"}
    golden = GOLDEN / "video"
    media = "link"
    tolerance = 1e-9  # a box is its corners

    @pytest.fixture(autouse=True)
    def _frames(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The dataset that has everything has no frames: here it is a video."""
        for laws in (laws_format, laws_losses, laws_reader, laws_roundtrip):
            monkeypatch.setattr(laws, "everything", plain_video)

    def datasets(self) -> SearchStrategy[Dataset]:
        return videos()

    def plain(self) -> Dataset:
        return plain_video()

    def for_all(self, law: Callable[[Dataset], None], drawn: Any = None) -> None:
        del drawn  # what is drawn of any dataset has no frames
        super().for_all(law)
