"""Holes, stray parts, and planes that do not fit each other."""

import numpy as np

from napari_intseg.session.mask_edits import fill_holes, largest_part, smooth


def box(shape=(9, 24, 26)):
    mask = np.zeros(shape, bool)
    mask[2:7, 6:18, 5:20] = True
    return mask


def test_holes_are_filled_plane_by_plane():
    mask = box()
    mask[4, 9:12, 9:12] = False
    mask[3, 6, 10] = False  # open to the outside: no hole
    filled = fill_holes(mask)
    assert filled[4].sum() == 12 * 15
    assert not filled[3, 6, 10]
    assert not fill_holes(np.zeros((2, 5, 5), bool)).any()


def test_the_largest_part_is_that_of_the_volume():
    mask = box()
    mask[4, 0:4, 21:25] = True  # on its plane alone it is far from the box
    mask[7, 18, 20] = True  # touches the box by a corner
    kept = largest_part(mask)
    assert kept.sum() == box().sum() + 1
    assert not largest_part(mask & False).any()
    np.testing.assert_array_equal(largest_part(box()), box())


def test_smoothing_is_in_millimetres_and_leaves_ends_and_fixed_planes():
    mask = box()
    mask[4, 6:18, 5:12] = False  # half of one plane is missing
    spacing = (1.0, 0.7, 0.7)
    out = smooth(mask, 1.0, spacing)
    assert mask[4].sum() < out[4].sum() <= box()[4].sum()
    assert not out[[0, 1, 7, 8]].any()
    np.testing.assert_array_equal(smooth(mask, 1.0, spacing, fixed=[4])[4], mask[4])
    # the neighbours are far away: nothing to average with
    np.testing.assert_array_equal(smooth(mask, 1.0, (10.0, 0.7, 0.7)), mask)


def test_smoothing_a_straight_object_changes_nothing():
    np.testing.assert_array_equal(smooth(box(), 2.0, (1.0, 1.0, 1.0)), box())
