"""One mask becomes two."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_intseg.errors import PromptError
from napari_intseg.session import merge_split as module
from napari_intseg.session.merge_split import divide


def discs(*centres, radius=20, shape=(60, 120)):
    rows, cols = np.indices(shape)
    mask = np.zeros(shape, bool)
    for row, col in centres:
        mask |= (rows - row) ** 2 + (cols - col) ** 2 <= radius**2
    return mask


def test_touching_discs_are_cut_at_the_neck_wherever_in_them_the_clicks_are():
    mask = discs((30, 40), (30, 76))
    for first, second in (((30, 25), (30, 90)), ((30, 52), (35, 70)), ((18, 38), (45, 80))):
        part = divide(mask, first, second, (1, 1))
        assert abs(int(np.nonzero(part)[1].min()) - 58) <= 2
        assert part.sum() == pytest.approx(mask.sum() / 2, rel=0.05)


def test_a_mask_without_a_neck_is_cut_half_way():
    rows, cols = np.indices((60, 120))
    mask = ((rows - 30) / 20) ** 2 + ((cols - 60) / 50) ** 2 <= 1
    part = divide(mask, (30, 30), (30, 70), (1, 1))
    assert np.nonzero(part)[1].min() in (50, 51)


def test_half_way_is_measured_in_millimetres_and_inside_the_mask():
    mask = np.ones((9, 1, 30), bool)
    mask[4, :, 1:] = False  # a wall, open at one side
    part = divide(mask, (0, 0, 29), (8, 0, 29), (5.0, 1.0, 1.0))
    np.testing.assert_array_equal(np.unique(np.nonzero(part)[0]), [5, 6, 7, 8])


def test_parts_that_touch_neither_click_go_with_the_nearest():
    mask = discs((30, 30), (30, 66), radius=18) | discs((8, 110), radius=5)
    part = divide(mask, (30, 30), (30, 66), (1, 1))
    assert part[8, 110]
    assert not part[30, 20]


def test_a_large_mask_is_divided_on_a_coarser_grid_and_ends_up_much_the_same(monkeypatch):
    mask = discs((30, 40), (30, 76))
    exact = divide(mask, (30, 25), (30, 90), (1, 1))
    monkeypatch.setattr(module, "_MOST_VOXELS", mask.size // 16)
    coarse = divide(mask, (30, 25), (30, 90), (1, 1))
    assert not (coarse & ~mask).any()
    assert 0 < np.count_nonzero(coarse ^ exact) < 0.1 * exact.sum()


def test_clicks_outside_or_twice_in_one_place_are_refused():
    mask = discs((30, 40))
    with pytest.raises(PromptError, match=r"click is not in the object: .* got \(0, 0\)"):
        divide(mask, (30, 40), (0, 0), (1, 1))
    with pytest.raises(PromptError, match="both clicks are in one place"):
        divide(mask, (30, 40), (30, 40), (1, 1))


@given(seed=st.integers(0, 10_000), ndim=st.sampled_from([2, 3]))
@settings(max_examples=60, deadline=None)
def test_any_mask_becomes_two_parts_with_one_click_each(seed, ndim):
    rng = np.random.default_rng(seed)
    mask = ndimage.gaussian_filter(rng.random((7, 14, 16)[3 - ndim :]), 1.0) > 0.5
    held = np.argwhere(mask)
    if len(held) < 2:
        return
    first, second = (tuple(held[i]) for i in rng.choice(len(held), 2, replace=False))
    spacing = tuple(rng.uniform(0.5, 5.0, ndim))
    part = divide(mask, first, second, spacing)
    assert part[second]
    assert not part[first]
    assert not (part & ~mask).any()
    np.testing.assert_array_equal(part, divide(mask, first, second, spacing))
