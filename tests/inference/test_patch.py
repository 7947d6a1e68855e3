import numpy as np
import pytest

from napari_intseg.core.segmenter import LOGIT_LIMIT, bounding_box
from napari_intseg.errors import DataError
from napari_intseg.inference.patch import Patch, joint_window


def test_a_mask_comes_back_as_it_was(rng: np.random.Generator) -> None:
    mask = np.zeros((20, 30), bool)
    mask[4:9, 11:25] = rng.random((5, 14)) > 0.5
    patch = Patch.from_mask(mask)
    np.testing.assert_array_equal(patch.mask(), mask)
    np.testing.assert_array_equal(patch.full() > 0, mask)
    assert patch.logits.size <= 5 * 14
    assert patch.box() == bounding_box(mask)


def test_an_empty_mask_holds_nothing() -> None:
    patch = Patch.from_mask(np.zeros((4, 5), bool))
    assert patch.box() is None
    assert not patch.mask().any()
    np.testing.assert_array_equal(patch.full(), np.full((4, 5), -LOGIT_LIMIT, np.float32))
    assert bounding_box(np.zeros((0, 0), bool)) is None


def test_labels_count_as_a_mask() -> None:
    assert Patch.from_mask(np.array([[0, 7], [0, 0]])).mask().tolist() == [[0, 1], [0, 0]]


def test_a_volume_is_not_a_mask_of_a_slice() -> None:
    with pytest.raises(DataError, match="mask is not on a slice"):
        Patch.from_mask(np.zeros((2, 3, 4), bool))


def test_the_threshold_is_a_probability() -> None:
    patch = Patch(0, 0, np.array([[-0.02, 0.0, 3.0]], np.float32), (1, 3))
    assert patch.mask(0.49).tolist() == [[True, True, True]]
    assert patch.mask(0.5).tolist() == [[False, False, True]]
    assert patch.box(0.99) is None


@pytest.mark.parametrize(
    ("rows", "cols"), [((0, 10), (0, 12)), ((3, 5), (4, 6)), ((0, 4), (7, 12)), ((8, 10), (0, 3))]
)
def test_what_is_picked_equals_that_of_the_whole(
    rng: np.random.Generator, rows: tuple[int, int], cols: tuple[int, int]
) -> None:
    patch = Patch(2, 3, rng.normal(size=(4, 6)).astype(np.float32), (10, 12))
    for step in (1, 2):
        crossing = np.arange(*rows, step), np.arange(*cols)
        found = patch.at(*crossing)
        np.testing.assert_array_equal(found, patch.full()[np.ix_(*crossing)])
        assert not np.may_share_memory(found, patch.logits)
    window = slice(*rows), slice(*cols)
    np.testing.assert_array_equal(patch.on(window), patch.full()[window])
    pixels = [[patch.value(row, col) for col in range(*cols)] for row in range(*rows)]
    np.testing.assert_array_equal(pixels, patch.full()[window])
    mixed = np.array([7, 3, 4]), np.array([5, 5, 2])
    np.testing.assert_array_equal(patch.at(*mixed), patch.full()[np.ix_(*mixed)])


def test_an_answer_laid_over_another_leaves_the_rest_of_it() -> None:
    below = Patch(2, 3, np.arange(12, dtype=np.float32).reshape(3, 4), (20, 30))
    above = Patch(4, 5, np.full((5, 2), 7, np.float32), (20, 30))
    both = above.over(below)
    expected = below.full()
    expected[4:9, 5:7] = 7
    np.testing.assert_array_equal(both.full(), expected)
    assert both.logits.shape == (7, 4)
    nothing = Patch.empty((20, 30))
    assert nothing.over(below) is below
    assert below.over(nothing) is below


def test_the_joint_window_holds_all_but_empty_ones() -> None:
    one, other = (slice(2, 5), slice(10, 12)), (slice(4, 9), slice(3, 4))
    nowhere = slice(0, 0), slice(50, 60)
    assert joint_window(one, nowhere, other) == (slice(2, 9), slice(3, 12))
    assert joint_window(one) == one
    assert joint_window(nowhere) == joint_window() == (slice(0, 0), slice(0, 0))
