import numpy as np
import pytest
from scipy.ndimage import label

from napari_intseg.core.phantom import ORGANS, ct_phantom


def test_phantom_is_an_anisotropic_ct_in_hounsfield_units():
    volume, labels = ct_phantom()
    assert volume.shape == labels.shape == (40, 192, 192)
    assert volume.dtype == np.int16
    assert volume.spacing == (5.0, 1.75, 1.75)
    middle = volume.affine @ [*(np.array(volume.shape) - 1) / 2, 1]
    np.testing.assert_allclose(middle, (0, 0, 0, 1), atol=1e-9)
    assert 90 < np.median(volume.data[labels == 1]) < 125
    assert volume.data[:, 0, 0].max() < -900


def test_every_organ_of_the_phantom_is_there_in_one_piece():
    _, labels = ct_phantom()
    assert set(np.unique(labels)) == {0, *ORGANS}
    for number in ORGANS:
        assert label(labels == number)[1] == 1


def test_noise_of_the_phantom_follows_the_seed_and_the_truth_does_not():
    first, again, other = ct_phantom(1), ct_phantom(1), ct_phantom(2)
    np.testing.assert_array_equal(first[0].data, again[0].data)
    assert (first[0].data != other[0].data).any()
    np.testing.assert_array_equal(first[1], other[1])


def test_organs_stand_out_from_the_noise():
    volume, labels = ct_phantom()
    liver = volume.data[labels == 1]
    assert 5 < liver.std() < 40


def test_organs_lie_and_tilt_as_the_phantom_says():
    volume, labels = ct_phantom()
    spacing = np.array(volume.spacing)
    middle = (np.array(labels.shape) - 1) / 2
    # where nothing covers them: (z, y, x) in mm, and the tilt of the longer axis in the plane
    for number, centre, tilt in ((2, (-38, 40, -56), 25), (3, (-28, 42, 60), -25)):
        at = (np.argwhere(labels == number) - middle) * spacing
        np.testing.assert_allclose(at.mean(axis=0), centre, atol=1)
        spread = np.cov(at[:, 1:].T)
        row, col = np.linalg.eigh(spread)[1][:, 1]
        assert np.rad2deg(np.arctan(col / row)) == pytest.approx(tilt, abs=3)
