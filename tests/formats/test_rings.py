"""One ring for an object of several parts, and how well it stands for it."""

from __future__ import annotations

import numpy as np
import pytest

from smalti.formats import rings
from smalti.geometry import raster, rle


def squares(random: np.random.Generator, count: int) -> list[list[float]]:
    """Parts that may overlap."""
    corner, side = random.integers(0, 30, (count, 2)), random.integers(2, 12, count)
    return [
        [x, y, x + s, y, x + s, y + s, x, y + s]
        for (x, y), s in zip(corner.tolist(), side.tolist(), strict=True)
    ]


def pixels(parts: list[list[float]], height: int, width: int) -> np.ndarray:
    masks = [
        rle.decode_mask(
            raster.polygons_to_runs(np.array(part, float), [0, len(part)], [0, 1], height, width)[0],
            height,
            width,
        )
        for part in parts
    ]
    return np.any(masks, axis=0)


def test_many__are_each_as_one_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rings, "AT_ONCE", 7)
    random = np.random.default_rng(0)
    objects = [squares(random, int(random.integers(0, 4))) for _ in range(40)]
    heights, widths = random.integers(5, 40, (2, 40)).tolist()
    many = rings.many_from_polygons(objects, heights, widths)
    for parts, height, width, found in zip(objects, heights, widths, many, strict=True):
        alone = rings.from_polygons(parts, height, width)
        if found is None or alone is None:
            assert not parts
            assert found is alone
            continue
        assert np.array_equal(found.ring, alone.ring)
        assert found.iou == alone.iou


def test_overlap__is_that_of_the_pixels() -> None:
    random = np.random.default_rng(1)
    seen = set()
    for _ in range(40):
        parts = squares(random, 3)
        found = rings.from_polygons(parts, 40, 45)
        assert found is not None
        before, after = pixels(parts, 40, 45), pixels([found.ring.ravel().tolist()], 40, 45)
        assert found.iou == pytest.approx((before & after).sum() / (before | after).sum(), abs=1e-12)
        seen.add(found.iou == 1)
    assert seen == {True, False}


def test_overlap__of_nothing_with_nothing_is_whole() -> None:
    found = rings.from_polygons([[50, 50, 60, 50, 60, 60], [70, 50, 80, 50, 80, 60]], 10, 10)
    assert found is not None
    assert found.iou == 1
