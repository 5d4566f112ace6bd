"""Run lengths and rasterised polygons, bit for bit against pycocotools."""

from __future__ import annotations

import os
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from smalti.errors import DataError
from smalti.geometry import outline, raster, rle

MANY = settings(max_examples=int(os.environ.get("SMALTI_EXAMPLES", "300")), deadline=None)
SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40))
THIN = st.one_of(SHAPES, st.tuples(st.just(1), st.integers(1, 60)), st.tuples(st.integers(1, 60), st.just(1)))
MASKS = THIN.flatmap(
    lambda shape: st.one_of(
        hnp.arrays(np.uint8, shape, elements=st.integers(0, 1)),
        st.integers(0, 1).map(lambda value: np.full(shape, value, np.uint8)),  # empty and full ones
    )
)
PAIRS = SHAPES.flatmap(
    lambda shape: st.tuples(*[hnp.arrays(np.uint8, shape, elements=st.integers(0, 1))] * 2)
)
COORDINATES = st.one_of(
    st.integers(-20, 60).map(float),
    st.floats(-20, 60).map(lambda value: round(value, 2)),
    st.floats(-200, 400),
)
RINGS = st.lists(
    st.lists(COORDINATES, min_size=6, max_size=24).map(lambda r: r[: len(r) // 2 * 2]), min_size=1, max_size=4
)


def one(runs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return runs, np.array([0, len(runs)])


def reference(mask: np.ndarray) -> dict[str, object]:
    encoded: dict[str, object] = coco.encode(np.asfortranarray(mask))
    return encoded


@MANY
@given(MASKS)
def test_text__is_that_of_pycocotools(mask: np.ndarray) -> None:
    theirs = reference(mask)
    runs = rle.encode_mask(mask)
    assert rle.encode_counts(*one(runs)) == [theirs["counts"]]
    assert np.array_equal(rle.decode_counts([theirs["counts"]])[0], runs)
    assert np.array_equal(rle.decode_mask(runs, *mask.shape), mask)


@MANY
@given(MASKS)
def test_area_and_box__are_those_of_pycocotools(mask: np.ndarray) -> None:
    theirs = reference(mask)
    runs = one(rle.encode_mask(mask))
    assert rle.areas(*runs).tolist() == [coco.area(theirs)]
    assert rle.boxes(*runs, mask.shape[0])[0].tolist() == coco.toBbox(theirs).tolist()


@MANY
@given(st.lists(MASKS, min_size=1, max_size=6))
def test_many__are_the_same_as_each(masks: list[np.ndarray]) -> None:
    each = [rle.encode_mask(mask) for mask in masks]
    offsets = np.concatenate([[0], np.cumsum([len(runs) for runs in each])])
    runs = np.concatenate(each)
    heights, widths = np.array([m.shape for m in masks]).T
    theirs = [reference(mask) for mask in masks]
    assert rle.encode_counts(runs, offsets) == [t["counts"] for t in theirs]
    back, bounds = rle.decode_counts([t["counts"] for t in theirs])
    assert np.array_equal(back, runs)
    assert np.array_equal(bounds, offsets)
    assert np.array_equal(rle.boxes(runs, offsets, heights), np.array([coco.toBbox(t) for t in theirs]))
    assert rle.check_runs(runs, offsets, heights, widths).tolist() == []


@MANY
@given(PAIRS)
def test_merge_and_iou__are_those_of_pycocotools(pair: tuple[np.ndarray, np.ndarray]) -> None:
    theirs = [reference(mask) for mask in pair]
    runs = [rle.encode_mask(mask) for mask in pair]
    for intersect in (False, True):
        merged = rle.merge(runs, intersect)
        assert rle.encode_counts(*one(merged)) == [coco.merge(theirs, intersect)["counts"]]
    if any(mask.any() for mask in pair):
        assert rle.iou(*runs) == pytest.approx(coco.iou(theirs[:1], theirs[1:], [0])[0][0], abs=1e-12)
    else:
        assert rle.iou(*runs) == 0


@st.composite
def loose_runs(draw: st.DrawFn) -> tuple[int, int, list[int]]:
    """A size and runs that add up to it, with runs of length 0 in between."""
    height, width = draw(SHAPES)
    cuts = sorted(draw(st.lists(st.integers(0, height * width), max_size=12)))
    return height, width, np.diff([0, *cuts, height * width]).tolist()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools 2.0.11's own
@MANY
@given(loose_runs())
def test_uncompressed__with_empty_runs_is_that_of_pycocotools(given: tuple[int, int, list[int]]) -> None:
    height, width, numbers = given
    theirs = coco.frPyObjects({"size": [height, width], "counts": numbers}, height, width)
    runs = one(np.array(numbers))
    assert rle.encode_counts(*runs) == [theirs["counts"]]
    assert np.array_equal(rle.decode_mask(numbers, height, width), coco.decode(theirs))
    assert rle.areas(*runs).tolist() == [coco.area(theirs)]
    # pycocotools' box of an empty mask is noise here, and its merge writes past its buffer.
    box = coco.toBbox(theirs).tolist() if coco.area(theirs) else [0, 0, 0, 0]
    assert rle.boxes(*runs, height)[0].tolist() == box
    pixels = coco.decode(theirs)
    other = np.roll(pixels, 1)
    for intersect, both in ((False, pixels | other), (True, pixels & other)):
        merged = rle.merge([numbers, rle.encode_mask(other)], intersect)
        assert merged.tolist() == rle.encode_mask(both).tolist()


def test_merge__refuses_none_and_different_sizes() -> None:
    with pytest.raises(DataError, match="there is no mask to merge"):
        rle.merge([])
    with pytest.raises(DataError, match="mask 1 has 13 pixels"):
        rle.merge([[12], [13]])


@MANY
@given(st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=30))
def test_text__keeps_any_runs(runs: list[int]) -> None:
    text = rle.encode_counts(*one(np.array(runs)))
    assert rle.decode_counts(text)[0].tolist() == runs


@MANY
@given(RINGS, SHAPES)
def test_polygons__are_rasterised_as_by_pycocotools(rings: list[list[float]], shape: tuple[int, int]) -> None:
    height, width = shape
    theirs = coco.merge(coco.frPyObjects(rings, height, width))
    offsets = np.concatenate([[0], np.cumsum([len(ring) for ring in rings])])
    runs = raster.polygons_to_runs(np.concatenate(rings), offsets, [0, len(rings)], height, width)
    assert rle.encode_counts(*runs) == [theirs["counts"]]


@MANY
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 2, 7, 333, 1500]),
    st.sampled_from([1, 3, 40, 640]),
    st.integers(0, 5),
)
def test_polygons__of_all_kinds_are_those_of_pycocotools(
    seed: int, height: int, width: int, kind: int
) -> None:
    noise = np.random.default_rng(seed)
    points, size = int(noise.integers(3, 20)), max(height, width)
    ring = (
        lambda: noise.normal(size=2 * points) * size,
        lambda: np.round(noise.normal(size=2 * points) * 20_000) / 10,  # far larger than the image
        lambda: noise.integers(-5, size + 5, 2 * points).astype(float),
        lambda: np.repeat(noise.integers(0, size + 1, (points, 2)), 2, axis=0).ravel().astype(float),
        lambda: noise.choice([-0.1, 0, 0.1, 0.3, 0.5, width - 0.5, width, height - 0.5, height], 2 * points),
        lambda: np.tile(noise.random(2) * size, points),  # one point, many times
    )[kind]()
    theirs = coco.frPyObjects([ring.tolist()], height, width)[0]
    runs = raster.polygons_to_runs(ring, [0, len(ring)], [0, 1], height, width)
    assert rle.encode_counts(*runs) == [theirs["counts"]]


def test_polygons__many_objects_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0)
    rings = [np.round(noise.random(2 * noise.integers(3, 9)) * 50, 1) for _ in range(60)]
    offsets = np.concatenate([[0], np.cumsum([len(ring) for ring in rings])])
    objects = np.array([0, 0, 1, 3, 3, 10, 40, 60])  # two of them have no ring
    whole = raster.polygons_to_runs(np.concatenate(rings), offsets, objects, 40, 30)
    monkeypatch.setattr(raster, "CROSSINGS_AT_ONCE", 500)
    parts = raster.polygons_to_runs(np.concatenate(rings), offsets, objects, 40, 30)
    assert np.array_equal(whole[0], parts[0])
    assert np.array_equal(whole[1], parts[1])
    for index, (a, b) in enumerate(pairwise(objects)):
        runs = whole[0][whole[1][index] : whole[1][index + 1]]
        if a == b:
            assert runs.tolist() == [1200]
        else:
            theirs = coco.merge(coco.frPyObjects([ring.tolist() for ring in rings[a:b]], 40, 30))
            assert rle.encode_counts(*one(runs)) == [theirs["counts"]]


def test_polygons__a_coordinate_that_cannot_be_walked_to() -> None:
    ring = np.array([0, 0, 1e9, 0, 5, 5.0])
    with pytest.raises(DataError, match=r"ring 0 has the coordinate 1000000000\.0; expected pixels"):
        raster.polygons_to_runs(ring, [0, 6], [0, 1], 10, 10)
    rings = np.array([0, 0, 5, 0, 5, 5, 0, 0, 5, 0, np.nan, 5])
    with pytest.raises(DataError, match="ring 1 has the coordinate nan"):
        raster.polygons_to_runs(rings, [0, 6, 12], [0, 2], 10, 10)


def test_polygons__far_corners_take_no_memory() -> None:
    ring = np.array([-1e8, -1e8, 1e8, -1e8, 1e8, 1e8, -1e8, 1e8])
    assert raster.polygons_to_runs(ring, [0, 8], [0, 1], 10, 20)[0].tolist() == [0, 200]


def test_polygons__an_image_larger_than_a_mask_holds() -> None:
    with pytest.raises(DataError, match="object 1 lies in an image of 65536 x 65536 pixels"):
        raster.polygons_to_runs(np.zeros(12), [0, 6, 12], [0, 1, 2], [9, 65536], [9, 65536])


def test_polygons__a_ring_of_odd_length() -> None:
    with pytest.raises(DataError, match="ring 1 has 7 numbers; expected pairs"):
        raster.polygons_to_runs(np.zeros(13), [0, 6, 13], [0, 2], 9, 9)


@MANY
@given(MASKS)
def test_outline__gives_back_the_mask(mask: np.ndarray) -> None:
    coords, offsets, holes = outline.runs_to_polygons(rle.encode_mask(mask), *mask.shape)
    rings = [coords[a:b].reshape(-1, 2) for a, b in pairwise(offsets)]
    covered = np.zeros(mask.shape, int)
    for ring, hole in zip(rings, holes, strict=True):
        covered += np.where(hole, -1, 1) * inside_of(ring, mask.shape)
        # Neighbouring edges stand at right angles: no point lies between collinear ones.
        steps = np.roll(ring, -1, axis=0) - ring
        assert ((steps * np.roll(steps, 1, axis=0)).sum(axis=1) == 0).all()
    assert np.array_equal(covered, mask)


def inside_of(ring: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Pixel centres with an odd number of the ring's edges to their right."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    crossings = np.zeros(shape, int)
    for (x0, y0), (_, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        crossings += (min(y0, y1) < y) & (y < max(y0, y1)) & (x < x0)
    return crossings % 2


def test_outline__tells_a_hole() -> None:
    mask = np.ones((5, 6), np.uint8)
    mask[2, 2:4] = 0
    coords, offsets, holes = outline.runs_to_polygons(rle.encode_mask(mask), 5, 6)
    assert coords[:8].tolist() == [0, 0, 6, 0, 6, 5, 0, 5]
    assert sorted(map(tuple, coords[8:].reshape(-1, 2).tolist())) == [(2, 2), (2, 3), (4, 2), (4, 3)]
    assert offsets.tolist() == [0, 8, 16]
    assert holes.tolist() == [False, True]


def test_outline__keeps_pixels_apart_that_touch_at_a_corner() -> None:
    coords, offsets, holes = outline.runs_to_polygons(rle.encode_mask([[1, 0], [0, 1]]), 2, 2)
    assert coords.tolist() == [0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 2, 1, 2, 2, 1, 2]
    assert offsets.tolist() == [0, 8, 16]
    assert not holes.any()


def test_outline__of_an_empty_mask_has_no_ring() -> None:
    coords, offsets, holes = outline.runs_to_polygons([12], 3, 4)
    assert (coords.tolist(), offsets.tolist(), holes.tolist()) == ([], [0], [])


@pytest.mark.parametrize("text", [b"!", b"5z", b"5P", b"\xff", b"PPPPPPPPP1", b"O"])
def test_decode_counts__refuses_what_is_no_text(text: bytes) -> None:
    with pytest.raises(DataError, match="mask 1 is no COCO run-length text"):
        rle.decode_counts([b"52203", text])
    assert rle.bad_counts([b"52203", text]).tolist() == [1]


def test_decode_counts__of_nothing() -> None:
    runs, offsets = rle.decode_counts([b"", b""])
    assert runs.tolist() == []
    assert offsets.tolist() == [0, 0, 0]


def test_check_runs__finds_a_wrong_sum_and_a_negative_run() -> None:
    runs, offsets = np.array([4, 2, 6, 3, 3, -1, 7]), np.array([0, 3, 5, 7])
    assert rle.check_runs(runs, offsets, 3, [4, 4, 2]).tolist() == [1, 2]
