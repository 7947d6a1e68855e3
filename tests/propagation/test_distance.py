import numpy as np
import pytest
from scipy import ndimage

from napari_intseg.propagation.correction import inner
from napari_intseg.propagation.ending import depth_in, distance_to
from napari_intseg.propagation.restraint import (
    DistanceTo,
    Restraint,
    filled,
    has_gaps,
    reached,
)


@pytest.fixture
def noise():
    return np.random.default_rng(3).random((31, 40)) > 0.6


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.7, 2.5)])
def test_distances_are_those_of_scipy(noise, spacing):
    wanted = ndimage.distance_transform_edt(~noise, sampling=spacing)
    np.testing.assert_allclose(distance_to(noise, spacing), wanted, rtol=1e-5)
    wanted = ndimage.distance_transform_edt(np.pad(noise, 1), sampling=spacing)[1:-1, 1:-1]
    np.testing.assert_allclose(depth_in(noise, spacing), wanted, rtol=1e-5)


def test_holes_are_filled_as_scipy_fills_them(noise):
    hollow = np.zeros((20, 20), bool)
    hollow[3:17, 4:15] = True
    hollow[8, 9] = False
    open_ = hollow.copy()
    open_[8, 9:] = False
    for mask in (noise, hollow, open_):
        np.testing.assert_array_equal(filled(mask), ndimage.binary_fill_holes(mask))
    assert has_gaps(hollow)
    assert not has_gaps(open_)
    assert not filled(np.zeros((4, 4), bool)).any()


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.7, 2.5), (0.5, 0.5)])
@pytest.mark.parametrize("reach", [0.0, 1.5, 2.5, 6.1, 40.0])
def test_a_mask_grown_by_a_disc_is_a_limit_on_the_distance(noise, spacing, reach):
    mask = noise & (np.random.default_rng(1).random(noise.shape) > 0.9)
    for one in (mask, np.zeros_like(mask)):
        np.testing.assert_array_equal(
            reached(one, reach, spacing), distance_to(one, spacing) <= reach
        )


def test_distances_on_windows_are_those_of_the_whole_slice():
    mask = np.zeros((90, 80), bool)
    mask[40:48, 30:37] = True
    far, whole = DistanceTo(mask, (0.7, 2.5)), distance_to(mask, (0.7, 2.5))
    for window in (np.s_[42:60, 20:33], np.s_[10:20, 60:80], np.s_[0:90, 0:80]):
        np.testing.assert_array_equal(far.on(window), whole[window])
    empty = DistanceTo(np.zeros_like(mask), (1.0, 1.0))
    assert np.isinf(empty.on(np.s_[3:5, 2:9])).all()
    assert empty.on(np.s_[3:5, 2:9]).shape == (2, 7)


SPACING = (0.5, 2.0)


def test_an_outline_moves_inwards_by_millimetres_in_either_direction():
    mask = np.zeros((40, 20), bool)
    mask[4:36, 4:16] = True  # 16 by 24 mm
    left = inner(mask, 3.1, SPACING)
    rows, cols = np.nonzero(left)
    # 3.1 mm are six rows, and one column whose neighbour is 4 mm deep
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (10, 29, 5, 14)
    assert left.sum() == 20 * 10


def test_towards_an_emptied_plane_the_deepest_stays():
    mask = np.zeros((40, 20), bool)
    mask[4:36, 4:16] = True
    mask[20, 17] = True
    depth = depth_in(mask, SPACING)
    restraint = Restraint(closing=2.0)
    for distance_mm in (0.5, 2.0, 3.0):
        # the slack is one and a half pixels of the mean width, 1.25 mm
        reach = 2 * distance_mm + 1.5 * 1.25
        left = restraint.closed(mask, distance_mm, SPACING)
        np.testing.assert_array_equal(left, mask & (depth > depth.max() - reach))
        assert left.any()
    assert restraint.closed(mask, 0.5, SPACING).sum() < restraint.closed(mask, 3, SPACING).sum()
    assert restraint.closed(mask, 99, SPACING).sum() == mask.sum()
    # not asked, and nothing there
    assert Restraint(closing=0).closed(mask, 0.1, SPACING).sum() == mask.sum()
    assert not restraint.closed(mask & False, 1, SPACING).any()
