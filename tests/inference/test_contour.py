"""Masks become polygons and masks again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_intseg.errors import DataError
from napari_intseg.evaluation.metrics import iou
from napari_intseg.inference.contour import Polygon, filled, outline


def blob(seed: int, sigma: float = 3.0, share: float = 0.4, shape=(50, 60)) -> np.ndarray:
    """Random parts with holes and islands."""
    noise = np.random.default_rng(seed).normal(size=shape)
    smooth = ndimage.gaussian_filter(noise, sigma)
    return smooth > np.quantile(smooth, 1 - share)


def disc(radius, centre=(25, 30), shape=(50, 60)):
    rows, cols = np.indices(shape)
    return np.hypot(rows - centre[0], cols - centre[1]) <= radius


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([0.0, 0.7, 1.5, 3.0]),
    st.floats(0.02, 0.98),
)
def test_without_tolerance_any_mask_comes_back_exactly(seed, sigma, share):
    mask = blob(seed, sigma, share)
    np.testing.assert_array_equal(filled(outline(mask, 0), mask.shape), mask)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(2.5, 5), st.floats(0.2, 0.7), st.floats(0.25, 1.5))
def test_only_pixels_near_the_outline_change_within_the_tolerance(seed, sigma, share, tolerance):
    mask = blob(seed, sigma, share)
    again = filled(outline(mask, tolerance), mask.shape)
    padded = np.pad(mask, 1)
    inside, outside = (ndimage.distance_transform_edt(m)[1:-1, 1:-1] for m in (padded, ~padded))
    depth = np.where(mask, inside, outside)
    assert (depth[mask != again] <= tolerance + 1).all()  # half a pixel to the line, both ways
    assert iou(mask, again) > 0.8


def test_a_disc_needs_few_vertices():
    mask = disc(20)
    (polygon,) = outline(mask)
    assert len(polygon.points) <= 20
    assert not polygon.is_hole
    assert iou(filled([polygon], mask.shape), mask) > 0.95
    assert len(outline(mask, 0.5)[0].points) > len(outline(mask, 3)[0].points)


def test_a_rectangle_is_told_by_its_corners():
    mask = np.zeros((30, 40), bool)
    mask[5:20, 8:30] = True
    (polygon,) = outline(mask)
    assert len(polygon.points) <= 8  # its corners are cut by half a pixel
    np.testing.assert_array_equal(filled([polygon], mask.shape), mask)


def test_holes_and_islands_in_them_come_back():
    mask = disc(22) & ~disc(14) | disc(6)
    polygons = outline(mask)
    assert [p.is_hole for p in polygons] == [False, True, False]
    assert iou(filled(polygons, mask.shape), mask) > 0.9
    np.testing.assert_array_equal(filled(polygons[::-1], mask.shape), filled(polygons, mask.shape))


@pytest.mark.parametrize("size", [1, 2, 3])
def test_small_parts_are_not_swallowed(size):
    mask = np.zeros((12, 12), bool)
    mask[5 : 5 + size, 5 : 5 + size] = True
    np.testing.assert_array_equal(filled(outline(mask, 3.0), mask.shape), mask)


def test_the_rim_of_the_slice_is_an_outline():
    mask = np.ones((9, 13), bool)
    (polygon,) = outline(mask)
    np.testing.assert_array_equal(filled([polygon], mask.shape), mask)


def test_an_empty_mask_has_no_polygons_and_none_fill_nothing():
    assert outline(np.zeros((5, 6), bool)) == ()
    assert not filled([], (5, 6)).any()
    assert not filled([np.array([[1.0, 1.0], [4.0, 4.0]])], (5, 6)).any()


def test_polygons_may_leave_the_slice():
    square = np.array([[-5.0, -5.0], [-5.0, 3.0], [3.0, 3.0], [3.0, -5.0]])
    mask = filled([Polygon(square)], (8, 8))
    assert mask[:3, :3].all()
    assert mask.sum() <= 16


def test_a_stack_and_a_negative_tolerance_are_refused():
    with pytest.raises(DataError, match=r"expected shape \(H, W\), got \(2, 5, 6\)"):
        outline(np.zeros((2, 5, 6), bool))
    with pytest.raises(DataError, match=r"expected pixels, 0 or more, got -1"):
        outline(np.zeros((5, 6), bool), -1)
