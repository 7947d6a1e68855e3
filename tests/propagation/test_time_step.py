"""What an object of one time point is taken for at the next."""

import numpy as np
import pytest

from napari_intseg.propagation.time_step import shifted, touching


@pytest.mark.parametrize("by", [(0, 0), (2, 3), (-2, 3), (2, -3), (-2, -3), (1.4, -0.6), (7, 0)])
def test_a_mask_is_moved_by_whole_pixels_and_what_leaves_the_slice_is_lost(rng, by):
    mask = rng.random((7, 9)) < 0.5
    down, right = round(by[0]), round(by[1])
    moved = np.zeros_like(mask)
    for row, col in np.argwhere(mask):
        if 0 <= row + down < 7 and 0 <= col + right < 9:
            moved[row + down, col + right] = True
    np.testing.assert_array_equal(shifted(mask, np.array(by)), moved)
    # a mask whose pixels all stay comes back
    inner = np.zeros_like(mask)
    inner[3:4, 4:5] = mask[3:4, 4:5] = True
    if abs(down) < 4:
        np.testing.assert_array_equal(shifted(shifted(inner, np.array(by)), -np.array(by)), inner)


def test_parts_that_share_a_pixel_are_kept_and_corners_join():
    mask = np.zeros((12, 20), bool)
    mask[1:4, 1:4] = True
    mask[4:6, 4:6] = True  # joined to it by a corner
    mask[1:5, 9:13] = True
    mask[8:11, 16:19] = True  # shares nothing
    neighbour = np.zeros_like(mask)
    neighbour[3, 3] = True
    first = np.zeros_like(mask)
    first[:6, :6] = mask[:6, :6]
    np.testing.assert_array_equal(touching(mask, neighbour), first)
    neighbour[2:4, 10:12] = True
    np.testing.assert_array_equal(
        touching(mask, neighbour), mask & (np.indices(mask.shape)[1] < 14)
    )
    second = np.zeros_like(mask)
    second[1:5, 9:13] = True
    # of several, those that share most
    np.testing.assert_array_equal(touching(mask, neighbour, most=1), second)
    assert not touching(mask, ~mask).any()
    assert not touching(np.zeros_like(mask), neighbour).any()
