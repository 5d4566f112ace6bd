"""What judges are asked, and what smalti holds in the words that their answers have."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pycocotools import mask as official

import smalti as sm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HERE = Path(__file__).parent
STREET = HERE.parents[1] / "examples" / "street"


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Ask a judge about several exports at once: its import is what takes the time."""

    def found(judge: str, jobs: Mapping[str, Any], python: str = "SMALTI_JUDGE_PYTHON") -> Any:
        place = tmp_path_factory.mktemp(judge)
        (place / "jobs.json").write_text(json.dumps(jobs, default=str), "utf-8")
        done = subprocess.run(
            [os.environ[python], "-W", "ignore", HERE / f"{judge}_judge.py", place / "jobs.json"],
            capture_output=True,
            text=True,
            check=False,
            cwd=place,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return found


@pytest.fixture(scope="session")
def street() -> sm.Dataset:
    """Boxes, polygons in parts, masks with holes, keypoints; two images of one name, one without objects."""
    return sm.read(STREET)


@pytest.fixture(scope="session")
def flat(street: sm.Dataset) -> sm.Dataset:
    """Of the street the images in no folder, for judges that look into none."""
    return street.filter(sm.col("id").isin([sample.id for sample in street if "/" not in sample.id]))


@pytest.fixture(scope="session")
def tracks(flat: sm.Dataset) -> sm.Dataset:
    """Two tracks, one with a gap, over three frames."""

    def person(track: int, x: float) -> dict[str, Any]:
        mask = np.zeros((300, 400), np.uint8)
        mask[10:50, int(x) : int(x) + 20] = 1
        mask[20:30, int(x) + 5 : int(x) + 9] = 0  # a hole
        return {"category": "pedestrian", "bbox": [x, 10, 20, 40.5], "track_id": track, "mask": mask}

    frames = [
        [person(2001, 1.5), person(2007, 40)],
        [person(2001, 3.5)],
        [person(2001, 5.5), person(2007, 44)],
    ]
    rows = [
        {"id": f"walk/{n:06}.jpg", "image": flat[0].image, "split": "train", "objects": some}
        for n, some in enumerate(frames, 1)
    ]
    return sm.Dataset.from_samples(rows, categories=["car", "pedestrian"], media_root=flat.schema.media_root)


@pytest.fixture(scope="session")
def write(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a dataset in a format; what the format cannot hold is the business of its own tests."""

    def written(dataset: sm.Dataset, name: str, media: str = "copy", **options: Any) -> Path:
        folder = tmp_path_factory.mktemp(name) / "out"
        dataset.write(folder, format=name, media=media, on_loss="ignore", **options)
        return folder

    return written


@pytest.fixture(scope="session")
def told() -> Callable[..., dict[str, Any]]:
    """The objects of each image as judges tell them: class and box, or another member."""

    def found(dataset: sm.Dataset, member: str = "bbox", split: str | None = None) -> dict[str, Any]:
        return {
            sample.id: [(one["category"], said(one[member])) for one in sample.objects or ()]
            for sample in dataset
            if split in {None, sample.split}
        }

    return found


def said(value: Any) -> Any:
    """The numbers of a member, to within what seven digits of a picture's size leave."""
    return pytest.approx(list(value.values()) if isinstance(value, dict) else list(value), abs=2e-4)


@pytest.fixture(scope="session")
def overlap() -> Callable[..., float]:
    """The intersection over union of a judge's mask and of an object's: its mask, else its polygons."""

    def found(judged: dict[str, Any], one: Any, width: int, height: int) -> float:
        if one["mask"]:
            ours = {"size": [height, width], "counts": one["mask"]["counts"]}
        else:
            ours = official.merge(
                official.frPyObjects([list(ring) for ring in one["polygons"]], height, width)
            )
        return float(official.iou([judged], [ours], [0])[0, 0])

    return found
