from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from smalti.errors import DataError
from smalti.geometry import boxes, keypoints, polygons, quads

if TYPE_CHECKING:
    from collections.abc import Callable

BOXES = hnp.arrays(
    np.float64, st.tuples(st.integers(0, 20), st.just(4)), elements=st.integers(0, 2000).map(lambda v: v / 8)
)


@given(BOXES)
def test_layouts__round_trip(xywh: np.ndarray) -> None:
    for layout in ("xyxy", "cxcywh", "xywh"):
        assert np.array_equal(boxes.convert(boxes.convert(xywh, "xywh", layout), layout, "xywh"), xywh)


def test_layouts__mean_what_they_say() -> None:
    box = [[10, 20, 30, 40]]
    assert boxes.convert(box, "xywh", "xyxy").tolist() == [[10, 20, 40, 60]]
    assert boxes.convert(box, "xywh", "cxcywh").tolist() == [[25, 40, 30, 40]]
    assert boxes.convert(boxes.convert(box, "xywh", "xyxy"), "xyxy", "cxcywh").tolist() == [[25, 40, 30, 40]]


@given(BOXES, st.booleans())
def test_voc__round_trips(xywh: np.ndarray, pixel_offset: bool) -> None:
    assert np.array_equal(boxes.voc_to_xywh(boxes.xywh_to_voc(xywh, pixel_offset), pixel_offset), xywh)


@given(
    hnp.arrays(np.int64, st.tuples(st.integers(0, 20), st.just(4)), elements=st.integers(1, 10**7)),
    st.integers(0, 4),
    st.booleans(),
)
def test_voc__decimals_come_back_in_15_digits(numbers: np.ndarray, digits: int, pixel_offset: bool) -> None:
    corners = np.sort(numbers.reshape(-1, 2, 2), axis=1).reshape(-1, 4) / 10**digits
    back = boxes.xywh_to_voc(boxes.voc_to_xywh(corners, pixel_offset), pixel_offset)
    edges = corners >= 0.5  # nearer to zero the shift by a pixel takes bits
    if not pixel_offset:
        edges[:] = True
    assert [f"{v:.15g}" for v in back[edges]] == [f"{v:.15g}" for v in corners[edges]]
    if digits == 0:
        assert np.array_equal(back, corners)


def test_voc__first_pixel() -> None:
    assert boxes.voc_to_xywh([[1, 1, 1, 1]], pixel_offset=True).tolist() == [[0, 0, 1, 1]]
    assert boxes.voc_to_xywh([[1, 1, 1, 1]], pixel_offset=False).tolist() == [[1, 1, 0, 0]]


def test_normalize__divides_by_width_and_height() -> None:
    assert boxes.normalize([[10, 20, 30, 40]], 100, [200]).tolist() == [[0.1, 0.1, 0.3, 0.2]]
    assert boxes.denormalize([[0.5, 0.5, 1, 1]], 100, 200).tolist() == [[50, 100, 100, 200]]


def test_clip__keeps_what_is_inside_bit_for_bit() -> None:
    given = np.array([[0.1, 0.2, 0.3, 0.7], [-5, 5, 10, 10], [90, 90, 20, 20], [200, 5, 5, 5]])
    cut = boxes.clip(given, 100, 100)
    assert np.array_equal(cut[0], given[0])
    assert cut[1:].tolist() == [[0, 5, 5, 10], [90, 90, 10, 10], [100, 5, 0, 5]]


def test_iou() -> None:
    found = boxes.iou(
        [[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 0, 0]], [[0, 0, 10, 10], [5, 0, 10, 10], [0, 0, 0, 0]]
    )
    assert found.tolist() == pytest.approx([1, 1 / 3, 0])


def test_quads__of_a_box_and_back() -> None:
    corners = quads.xywh_to_quads([[10, 20, 30, 40]])
    assert corners.tolist() == [[10, 20, 40, 20, 40, 60, 10, 60]]
    assert quads.quads_to_xywh(corners).tolist() == [[10, 20, 30, 40]]
    assert quads.quads_to_rotated(corners).tolist() == [[25, 40, 30, 40, 0]]
    assert quads.quad_areas(corners).tolist() == [1200]


@given(st.floats(-3, 3), st.floats(1, 50), st.floats(1, 50))
def test_quads__rotated_round_trip(angle: float, width: float, height: float) -> None:
    rotated = np.array([[100, 120, width, height, angle]])
    corners = quads.rotated_to_quads(rotated)
    assert quads.quads_to_rotated(corners) == pytest.approx(rotated)
    assert quads.quad_areas(corners) == pytest.approx(width * height)


def test_quads__a_quarter_turn_is_clockwise_on_the_screen() -> None:
    corners = quads.rotated_to_quads([[0, 0, 4, 2, np.pi / 2]])
    assert corners.round(9).tolist() == [[1, -2, 1, 2, -1, 2, -1, -2]]


def test_polygons__areas_and_boxes_of_parts() -> None:
    rings = [[0, 0, 4, 0, 4, 3], [10, 10, 12, 10, 12, 12, 10, 12], []]
    coords = np.array([value for ring in rings for value in ring], np.float64)
    ring_offsets, object_offsets = np.array([0, 6, 14, 14]), np.array([0, 0, 2, 3])
    assert polygons.ring_areas(coords, ring_offsets).tolist() == [6, 4, 0]
    assert polygons.areas(coords, ring_offsets, object_offsets).tolist() == [0, 10, 0]
    assert polygons.boxes(coords, ring_offsets, object_offsets).tolist() == [[0] * 4, [0, 0, 12, 12], [0] * 4]


def test_polygons__area_far_from_the_origin_loses_nothing() -> None:
    square = np.array([0, 0, 1, 0, 1, 1, 0, 1.0]) + 1e9
    assert polygons.ring_areas(square, np.array([0, 8])).tolist() == [1]


def test_polygons__faults() -> None:
    coords = np.array([0, 0, 1, 1, 2, 0, 1, 2, np.nan, 4, 5, 6, 7])
    offsets = np.array([0, 6, 9, 13])
    assert polygons.odd_rings(offsets).tolist() == [1]
    assert polygons.short_rings(offsets).tolist() == [1, 2]
    assert polygons.not_finite_rings(coords, offsets).tolist() == [1]


def test_keypoints__flat_and_back() -> None:
    flat = np.array([[1, 2, 2, 0, 0, 0], [3, 4, 1, 5.5, 6, 2]])
    x, y, visibility = keypoints.split_flat(flat)
    assert keypoints.join_flat(x, y, visibility).tolist() == flat.tolist()
    assert keypoints.labelled(visibility).tolist() == [1, 2]
    assert keypoints.keypoint_boxes(x, y, visibility).tolist() == [[1, 2, 0, 0], [3, 4, 2.5, 2]]


def test_keypoints__of_no_object() -> None:
    x, y, visibility = keypoints.split_flat(np.empty((0, 51)))
    assert x.shape == y.shape == visibility.shape == (0, 17)
    assert keypoints.join_flat(x, y, visibility).shape == (0, 51)
    assert keypoints.keypoint_boxes(x, y, visibility).shape == (0, 4)


def test_keypoints__refuses_what_are_no_triples() -> None:
    with pytest.raises(DataError, match=r"shape \(1, 4\); expected rows of x, y, v"):
        keypoints.split_flat([[1, 2, 2, 0]])


def test_keypoints__normalize_and_back() -> None:
    x, y = [[10, 20], [30, 50]], [[20, 40], [60, 100]]
    fractions = keypoints.normalize(x, y, [100, 200], 200)
    assert [values.tolist() for values in fractions] == [[[0.1, 0.2], [0.15, 0.25]], [[0.1, 0.2], [0.3, 0.5]]]
    back = keypoints.denormalize(*fractions, [100, 200], 200)
    assert [values.tolist() for values in back] == [x, y]


@pytest.mark.parametrize("kernel", [polygons.areas, polygons.boxes])
def test_polygons__refuse_an_odd_ring(kernel: Callable[..., np.ndarray]) -> None:
    # Two of them have an even number together, so a plain reshape would mix x with y.
    with pytest.raises(DataError, match="ring 0 has 5 numbers"):
        kernel(np.arange(10.0), np.array([0, 5, 10]), np.array([0, 1, 2]))
