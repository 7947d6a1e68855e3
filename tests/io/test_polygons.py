import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.draw import polygon

from napari_intseg.io.annotations import closed_contours


def filled(rings, shape):
    """Pixels whose centres lie inside, each ring filled for itself."""
    out = np.zeros(shape, int)
    for ring in rings:
        out[polygon(*ring.T, shape)] += 1
    return out


@pytest.mark.parametrize("roughness", [0.0, 0.7, 2.0])
def test_filling_the_contours_gives_the_mask_back(rng, roughness):
    for _ in range(40):
        noise = rng.random((23, 31))
        mask = gaussian_filter(noise, roughness) > rng.uniform(0.3, 0.6)
        np.testing.assert_array_equal(filled(closed_contours(mask), mask.shape), mask)


def test_a_part_with_holes_in_holes_is_one_contour_each():
    mask = np.zeros((30, 30), bool)
    mask[2:28, 2:28] = True
    mask[5:25, 5:12] = mask[5:12, 15:25] = False  # two holes side by side
    mask[8:11, 7:10] = True  # an island in one of them
    rings = closed_contours(mask)
    assert len(rings) == 2
    np.testing.assert_array_equal(filled(rings, mask.shape), mask)


def test_a_hole_takes_its_area_away_and_the_channel_none():
    mask = np.zeros((20, 20), bool)
    mask[4:16, 4:16] = True
    row, col = closed_contours(mask)[0].T
    whole = abs(np.sum(col * np.roll(row, -1) - np.roll(col, -1) * row)) / 2
    mask[8:11, 8:11] = False
    row, col = closed_contours(mask)[0].T
    ring = abs(np.sum(col * np.roll(row, -1) - np.roll(col, -1) * row)) / 2
    # a square of n pixels a side has n² - 1/2 inside (its corners are cut), a hole n² + 2n·0 - 1/2
    assert whole == pytest.approx(12 * 12 - 0.5)
    assert whole - ring == pytest.approx(3 * 3 - 0.5)


def test_straight_edges_have_no_points_in_between():
    mask = np.zeros((20, 20), bool)
    mask[4:16, 4:16] = True
    assert len(closed_contours(mask)[0]) == 8  # four edges, four cut corners


def test_an_empty_mask_has_none_and_the_border_is_closed():
    assert closed_contours(np.zeros((4, 5), bool)) == []
    (ring,) = closed_contours(np.ones((4, 5), bool))
    assert ring.min() == -0.5
    assert ring[:, 0].max() == 3.5
    assert ring[:, 1].max() == 4.5
