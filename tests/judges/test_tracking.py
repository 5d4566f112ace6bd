"""TrackEval and py-motmetrics read what is written: MOTChallenge, MOTS, KITTI tracking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pycocotools import mask as official

if TYPE_CHECKING:
    from collections.abc import Callable

    import smalti as sm

pytestmark = pytest.mark.xdist_group("tracking")


@pytest.fixture(scope="module")
def verdict(tracks: sm.Dataset, write: Any, asked: Callable[..., Any]) -> Any:
    frames = {"mot": 3, "mots": 3, "kitti": 4}  # KITTI counts from 0, and there is no picture of that number
    jobs = {
        "mot": write(tracks, "mot") / "train",
        "mots": write(tracks, "mots") / "train",
        "kitti": write(tracks, "kitti_tracking") / "training",
    }
    asked_for = {
        case: {"benchmark": case, "path": str(path), "frames": {"walk": frames[case]}}
        for case, path in jobs.items()
    }
    return asked("tracking", asked_for)


@pytest.mark.parametrize("case", ["mot", "mots", "kitti"])
def test_tracks__are_found_in_their_frames(verdict: Any, case: str) -> None:
    found = verdict[case]["walk"]
    assert found["ids"] == [[]] * (case == "kitti") + [[2001, 2007], [2001], [2001, 2007]]
    assert (found["hota"], found["idf1"]) == (1, 1)
    classes = {name for frame in found["classes"] for name in frame}
    assert classes == {"mot": {1}, "mots": {2}, "kitti": {4}}[case]


def test_mot__boxes_count_from_1(verdict: Any, tracks: sm.Dataset) -> None:
    ours = [[list(one["bbox"].values()) for one in sample.objects] for sample in tracks]
    written = [[[x + 1, y + 1, w, h] for x, y, w, h in frame] for frame in ours]
    assert verdict["mot"]["walk"]["boxes"] == written
    rows = [
        [number, one["track_id"], *one["bbox"].values()]
        for number, sample in enumerate(tracks, 1)
        for one in sample.objects
    ]
    assert [row[:6] for row in verdict["mot"]["walk"]["motmetrics"]] == rows  # takes the 1 away


def test_mots__masks(verdict: Any, tracks: sm.Dataset) -> None:
    for frame, sample in zip(verdict["mots"]["walk"]["boxes"], tracks, strict=True):
        for theirs, one in zip(frame, sample.objects, strict=True):
            assert theirs["size"] == [sample.image.height, sample.image.width]
            assert (
                official.decode(theirs) == official.decode({**theirs, "counts": one["mask"]["counts"]})
            ).all()


def test_kitti_tracking__corners(verdict: Any, tracks: sm.Dataset) -> None:
    for frame, sample in zip(verdict["kitti"]["walk"]["boxes"][1:], tracks, strict=True):
        corners = [[x, y, x + w, y + h] for x, y, w, h in (one["bbox"].values() for one in sample.objects)]
        assert frame == corners
