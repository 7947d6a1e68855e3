import numpy as np

from napari_intseg.core.prompts import Click
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.refinement import keep_elsewhere

SHAPE = (40, 60)


def patch(*boxes: tuple[int, int, int, int]) -> Patch:
    mask = np.zeros(SHAPE, bool)
    for row0, row1, col0, col1 in boxes:
        mask[row0:row1, col0:col1] = True
    return Patch.from_mask(mask)


def test_only_the_region_under_the_click_is_added_or_removed() -> None:
    before = patch((5, 15, 5, 15), (25, 35, 5, 15))
    new = patch((5, 15, 5, 25), (30, 38, 40, 50))
    added = keep_elsewhere(new, before, Click(10, 20))
    np.testing.assert_array_equal(added.mask(), patch((5, 15, 5, 25), (25, 35, 5, 15)).mask())
    removed = keep_elsewhere(new, before, Click(30.4, 9.6, False))
    np.testing.assert_array_equal(removed.mask(), patch((5, 15, 5, 15)).mask())


def test_regions_that_touch_at_a_corner_are_one() -> None:
    new = patch((5, 10, 5, 10), (10, 15, 10, 15))
    merged = keep_elsewhere(new, patch((30, 31, 30, 31)), Click(7, 7))
    assert merged.mask()[12, 12]


def test_a_click_on_no_difference_changes_nothing() -> None:
    before, new = patch((5, 15, 5, 15)), patch((5, 15, 5, 25))
    for click in (Click(10, 10), Click(39, 59), Click(-50, 900), Click(0, 0, False)):
        assert (keep_elsewhere(new, before, click).full() == before.full()).all()


def test_empty_answers_are_merged() -> None:
    empty, some = Patch.empty(SHAPE), patch((5, 15, 5, 15))
    assert keep_elsewhere(some, empty, Click(9, 9)).mask().sum() == 100
    assert keep_elsewhere(empty, some, Click(9, 9, False)).mask().sum() == 0
    assert keep_elsewhere(empty, empty, Click(0, 0)).mask().sum() == 0


def test_the_threshold_decides_what_differs() -> None:
    before = Patch(0, 0, np.full((3, 3), 0.5, np.float32), (3, 3))
    new = Patch(0, 0, np.full((3, 3), -0.02, np.float32), (3, 3))
    assert keep_elsewhere(new, before, Click(1, 1), 0.5).logits[1, 1] == np.float32(-0.02)
    assert keep_elsewhere(new, before, Click(1, 1), 0.49).logits[1, 1] == 0.5
