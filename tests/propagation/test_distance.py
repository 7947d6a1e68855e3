import numpy as np
import pytest
from scipy import ndimage

from napari_intseg.propagation.ending import depth_in, distance_to
from napari_intseg.propagation.restraint import filled


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
    np.testing.assert_array_equal(filled(noise), ndimage.binary_fill_holes(noise))
    assert not filled(np.zeros((4, 4), bool)).any()
