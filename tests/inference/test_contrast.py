"""How objects stand out from what is next to them."""

import numpy as np
import pytest

from napari_intseg.inference.candidates import Contrast

EVERYWHERE = (slice(0, 60), slice(0, 80))


@pytest.fixture
def field():
    """Two bright squares on grey, a third less bright; red differs most."""
    labels = np.zeros((60, 80), np.int32)
    labels[10:20, 10:20], labels[10:20, 50:60], labels[40:50, 10:20] = 1, 2, 3
    image = np.full((60, 80, 3), 0.2, np.float32)
    image[(labels == 1) | (labels == 2)] = (0.8, 0.5, 0.2)
    image[labels == 3] = (0.4, 0.3, 0.2)
    return image, labels


def test_the_usual_contrast_is_the_median_of_the_objects(field):
    contrast = Contrast.of(*field, 10)
    np.testing.assert_allclose(contrast.typical, (0.6, 0.3, 0), atol=1e-6)
    assert contrast.typical.dtype == np.float32
    assert contrast.reach_px == 2
    assert Contrast.of(*field, 40).reach_px == 6


def test_a_mask_has_a_share_of_the_usual_contrast(field):
    image, labels = field
    contrast = Contrast.of(image, labels, 10)
    shares = [contrast.share(image, np.zeros_like(labels), EVERYWHERE, labels == n) for n in (1, 3)]
    assert shares == pytest.approx([1, 1 / 3], abs=1e-5)
    # a hole in what is bright is the other way round
    hole = np.zeros(labels.shape, bool)
    hole[13:17, 13:17] = True
    image[hole] = 0.2
    assert contrast.share(image, np.zeros_like(labels), EVERYWHERE, hole) == pytest.approx(-1, 0.01)


def test_a_mask_is_measured_where_its_window_lies(field):
    image, labels = field
    contrast = Contrast.of(image, labels, 10)
    window = (slice(8, 22), slice(48, 62))
    inside = labels[window] == 2
    assert contrast.share(image, labels * 0, window, inside) == pytest.approx(1, abs=1e-5)
    assert contrast.share(image, labels * 0, window, ~inside) < 0


def test_other_objects_are_no_surroundings(field):
    image, labels = field
    image[10:20, 20:30], labels[10:20, 20:30] = 0.9, 4
    contrast = Contrast(np.array([0.6, 0.3, 0], np.float32), 2)
    assert contrast.share(image, labels, EVERYWHERE, labels == 1) == pytest.approx(1, abs=1e-5)
    assert contrast.share(image, labels * 0, EVERYWHERE, labels == 1) < 0.95


def test_what_cannot_be_told_counts_as_usual(field):
    image, labels = field
    faint = Contrast(np.full(3, 0.01, np.float32), 2)
    assert faint.share(image, labels, EVERYWHERE, labels == 3) == 1
    contrast = Contrast.of(image, labels, 10)
    assert contrast.share(image, labels * 0, EVERYWHERE, np.ones(labels.shape, bool)) == 1
    # one object that fills the slice has no contrast at all
    assert (Contrast.of(image, np.ones_like(labels), 10).typical == 0).all()
