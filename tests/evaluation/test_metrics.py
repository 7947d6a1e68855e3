import numpy as np
import pytest

from napari_intseg.errors import DataError
from napari_intseg.evaluation.metrics import (
    dice,
    failure_share,
    iou,
    noc,
    recoveries,
    surface_distance,
    worst_tenth,
)


def masks(*values):
    return [np.array(v, bool) for v in values]


def test_iou_and_dice_count_pixels():
    one, other = masks([1, 1, 1, 0], [0, 1, 1, 1])
    assert iou(one, other) == 0.5
    assert dice(one, other) == pytest.approx(2 / 3)


def test_two_empty_masks_agree_unless_told_otherwise():
    empty = np.zeros((3, 3), bool)
    assert iou(empty, empty) == dice(empty, empty) == 1.0
    assert iou(empty, empty, empty=0.0) == dice(empty, empty, empty=0.0) == 0.0


@pytest.mark.parametrize("function", [iou, dice, lambda a, b: surface_distance(a, b, (1, 1))])
def test_masks_on_different_grids_are_refused(function):
    with pytest.raises(DataError, match=r"another grid: expected \(2, 3\), got \(3, 2\)"):
        function(np.zeros((3, 2), bool), np.zeros((2, 3), bool))


def test_noc_is_the_first_click_at_the_target():
    assert noc([0.5, 0.9, 0.8, 0.95]) == 2
    assert noc([0.5, 0.9, 0.8, 0.95], target=0.91) == 4
    assert noc([0.95]) == 1


def test_noc_of_an_object_never_reached_is_the_limit():
    assert noc([0.1, 0.2]) == 20
    assert noc([0.1] * 7 + [0.95], max_clicks=5) == 5


def test_failure_share_counts_objects_never_reached():
    assert failure_share([[0.1, 0.9], [0.1, 0.2], [0.95], [0.5] * 20]) == 0.5
    assert failure_share([[0.1] * 5 + [0.99]], max_clicks=5) == 1.0
    assert np.isnan(failure_share([]))


def test_surface_distance_of_shifted_planes_is_the_shift_in_millimetres():
    one, other = np.zeros((2, 6, 5, 5), bool)
    one[1], other[3] = True, True
    found = surface_distance(one, other, (2.5, 1.0, 1.0))
    assert found.mean_mm == pytest.approx(5.0)
    assert found.hd95_mm == pytest.approx(5.0)


def test_surface_distance_agrees_with_all_pairs(rng):
    one, other = rng.random((2, 5, 7, 6)) < 0.4
    spacing = (3.0, 0.7, 0.9)

    def edge(mask):
        padded = np.pad(mask, 1)
        inner = np.ones_like(mask)
        for axis in range(3):
            for shift in (-1, 1):
                inner &= np.roll(padded, shift, axis)[1:-1, 1:-1, 1:-1]
        return np.argwhere(mask & ~inner) * spacing

    a, b = edge(one), edge(other)
    pairs = np.linalg.norm(a[:, None] - b[None], axis=2)
    there, back = pairs.min(axis=1), pairs.min(axis=0)
    found = surface_distance(one, other, spacing)
    assert found.mean_mm == pytest.approx(np.concatenate([there, back]).mean())
    assert found.hd95_mm == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)))


def test_surface_distance_of_empty_masks_is_zero_or_infinite():
    empty, full = np.zeros((3, 3), bool), np.ones((3, 3), bool)
    assert surface_distance(empty, empty, (1, 1)).mean_mm == 0.0
    assert surface_distance(empty, full, (1, 1)).hd95_mm == np.inf
    assert surface_distance(full, empty, (1, 1)).mean_mm == np.inf


def test_a_spacing_of_another_length_is_refused():
    mask = np.ones((3, 3), bool)
    with pytest.raises(DataError, match=r"spacing does not fit: expected 2 numbers in mm"):
        surface_distance(mask, mask, (1.0, 1.0, 1.0))


def test_the_worst_tenth_is_of_one_at_least():
    assert worst_tenth([3, 1, 2]) == 3
    assert worst_tenth(range(1, 21)) == (19 + 20) / 2
    assert worst_tenth([4] * 7) == 4


def test_a_wrong_click_is_made_good_when_the_iou_is_what_it_was():
    assert recoveries([0.6, 0.2, 0.5, 0.6], [False, True, False, False]) == (2,)
    assert recoveries([0.6, 0.7], [False, True]) == (0,)  # it did no harm
    assert recoveries([0.0, 0.4], [True, False]) == (0,)
    assert recoveries([0.6, 0.2, 0.1], [False, True, True], max_clicks=10) == (8, 7)
    assert recoveries([0.6, 0.2], [False, False]) == ()
