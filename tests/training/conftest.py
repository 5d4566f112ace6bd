from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import smalti as sm

STREET = Path(__file__).parents[2] / "examples" / "street"


@pytest.fixture(scope="session")
def street() -> sm.Dataset:
    return sm.read(STREET)


@pytest.fixture
def small(tmp_path: Path) -> sm.Dataset:
    """Three pictures of one size; the colour of each is ten times its number."""
    objects: list[list[dict[str, Any]]] = [
        [{"category": "dog", "bbox": [1, 2, 3, 4], "keypoints": [[1, 2, 2]]}, {"category": "cat", "bbox": [0, 0, 8, 6], "area": 7.5}],
        [],
        [{"category": "cat", "bbox": [2, 2, 2, 2], "iscrowd": True, "polygons": [[2, 2, 4, 2, 4, 4, 2, 4]], "keypoints": [[3, 3, 1], [0, 0, 0]]}],
    ]  # fmt: skip
    samples = []
    for number, items in enumerate(objects):
        Image.new("RGB", (8, 6), (10 * number,) * 3).save(tmp_path / f"{number}.png")
        image = {"path": f"{number}.png", "width": 8, "height": 6}
        samples.append({"id": f"{number}.png", "image": image, "objects": items, "weather": f"w{number}"})
    return sm.Dataset.from_samples(samples, categories=["cat", "dog", "unused"], media_root=str(tmp_path))
