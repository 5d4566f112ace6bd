from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import smalti as sm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CLASSES = ["car", "bus", "never seen"]


def make(ids: list[str], score: float = 0.5) -> sm.Dataset:
    """Samples whose labels follow from their ids."""
    samples = []
    for name in ids:
        number = sum(name.encode())
        boxes = [
            {"category": CLASSES[number % 2], "bbox": [n, n + 0.25, 10.5, 20], "score": score, "id": n}
            for n in range(number % 4)
        ]
        objects = None if number % 7 == 0 else boxes
        split = ("train", "val", None)[number % 3]
        image = {"path": f"{name}.jpg", "width": 64 + number, "height": 48}
        samples.append({"id": name, "image": image, "split": split, "objects": objects})
    return sm.Dataset.from_samples(samples, categories=CLASSES)


@pytest.fixture(name="make")
def _make() -> Callable[..., sm.Dataset]:
    return make


@pytest.fixture
def store(tmp_path: Path) -> sm.Store:
    return sm.Store(tmp_path / "birds")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMALTI_CACHE", str(tmp_path / "cache"))
