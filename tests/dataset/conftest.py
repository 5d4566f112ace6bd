from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import smalti as sm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CLASSES = sm.Categories(
    (
        sm.Category(name="cat", id=90, supercategory="animal"),
        sm.Category(name="unused", id=2),
        sm.Category(name="dog", id=7),
    )
)


def _made() -> sm.Dataset:
    box = [1.0, 2.0, 3.0, 4.0]
    samples = [
        sm.Sample(
            id="b/1.jpg",
            image={"path": "b/1.jpg", "width": 64, "height": 48},
            split="train",
            objects=[
                {"category": "dog", "bbox": box, "score": 0.5},
                {"category": "cat", "bbox": [0, 0, 10, 10.5], "score": None},
            ],
            weather="rain",
        ),
        sm.Sample(
            id="a/1.jpg",
            image={"path": "a/1.jpg", "width": 32, "height": 32},
            split="val",
            objects=[],
            weather=None,
        ),
        sm.Sample(id="ü.jpg", split="train", objects=None, weather="sun"),
        sm.Sample(id="c.jpg", objects=[{"category": "cat", "bbox": box, "score": 0.25}], weather="fog"),
    ]
    return sm.Dataset.from_samples(samples, categories=CLASSES, media_root="pictures")


@pytest.fixture(scope="session")
def dataset() -> sm.Dataset:
    return _made()


@pytest.fixture(scope="session")
def scanned(dataset: sm.Dataset, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], sm.Dataset]:
    folder: Path = tmp_path_factory.mktemp("scan")
    dataset[:3].write(folder / "set" / "a.parquet")
    dataset[3:].write(folder / "set" / "b.parquet")
    return lambda: sm.Dataset.scan(folder / "set")
