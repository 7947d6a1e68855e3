import numpy as np
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
