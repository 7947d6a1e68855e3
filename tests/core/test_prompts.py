import numpy as np
import pytest

from napari_intseg.core.prompts import (
    Box,
    Click,
    Prompts,
    Scribble,
    along_scribbles,
    discs,
    seed_points,
)
from napari_intseg.core.segmenter import LOGIT_LIMIT, logit, mask_to_logits, sigmoid

ALL = Prompts(
    (Click(1, 2), Click(3, 4, positive=False)),
    Box(1, 2, 5, 9),
    (Scribble(((1, 1), (2, 5)), positive=False),),
)


def test_what_counts_as_given():
    assert Prompts().is_empty
    for one in (Prompts((Click(1, 1, False),)), Prompts(box=Box(0, 0, 1, 1)), ALL):
        assert not one.is_empty
    assert not Prompts((Click(1, 1, False),)).has_positive
    assert not Prompts(scribbles=ALL.scribbles).has_positive
    assert Prompts(scribbles=(Scribble(((1, 1),)),)).has_positive
    assert Prompts(box=Box(0, 0, 1, 1)).has_positive


def test_moving_there_and_back():
    there = ALL.moved(lambda row, col: (2 * row + 1, 10 - col))
    assert there.box == Box(3, 1, 11, 8)
    assert there.clicks[1] == Click(7, 6, positive=False)
    assert there.moved(lambda row, col: ((row - 1) / 2, 10 - col)) == ALL


def test_prompts_can_be_compared_and_used_as_keys():
    assert hash(ALL) == hash(ALL.moved(lambda row, col: (row, col)))


def test_logits_and_probabilities_are_inverse_and_finite(rng):
    logits = rng.uniform(-8, 8, 100).astype(np.float32)
    np.testing.assert_allclose(logit(sigmoid(logits)), logits, rtol=1e-3, atol=1e-3)
    extreme = logit(np.array([0.0, 1.0], np.float32))
    assert extreme.tolist() == [-LOGIT_LIMIT, LOGIT_LIMIT]
    assert sigmoid(np.array([-1000.0, 1000.0], np.float32)) == pytest.approx([0, 1])
    assert mask_to_logits(np.array([True, False])).tolist() == [LOGIT_LIMIT, -LOGIT_LIMIT]


def test_seeds_are_lines_without_gaps_and_then_clicks_in_order():
    line = Scribble(((0, 0), (0, 3), (4, 3)), positive=False)
    seeds = seed_points(Prompts((Click(9, 8), Click(7, 6, False)), scribbles=(line,)))
    along = [(0, 0), (0, 1), (0, 2), (0, 3), (1, 3), (2, 3), (3, 3), (4, 3)]
    assert seeds == [*((p, False) for p in along), ((9, 8), True), ((7, 6), False)]


def test_a_slanting_line_passes_every_pixel_between_its_ends():
    at = [p for p, _ in seed_points(Prompts(scribbles=(Scribble(((1, 2), (6, 14))),)))]
    assert at[0] == (1, 2)
    assert at[-1] == pytest.approx((6, 14))
    # 13 pixels long: a step for each, of equal length
    steps = np.hypot(*np.diff(at, axis=0).T)
    np.testing.assert_allclose(steps, 1)
    assert len(at) == 14
    # even a line shorter than a pixel keeps both ends
    short = seed_points(Prompts(scribbles=(Scribble(((1, 1), (1, 1.5))),)))
    assert [p for p, _ in short] == [(1, 1), (1, 1.5)]


def test_seeds_beyond_the_pixels_of_the_image_are_left_out():
    given = [(-0.5, 3), (-0.6, 3), (4.4, 3), (4.5, 3), (2, -0.5), (2, -0.6), (2, 6.4), (2, 6.5)]
    kept = seed_points(Prompts(tuple(Click(*at) for at in given)), (5, 7))
    assert [at for at, _ in kept] == [(-0.5, 3), (4.4, 3), (2, -0.5), (2, 6.4)]


@pytest.mark.parametrize(
    ("step_px", "cols"), [(4, [0, 4, 8]), (8, [0, 8]), (3, [0, 3, 5, 8]), (0.1, list(range(9)))]
)
def test_clicks_along_a_scribble_keep_both_ends(step_px, cols):
    line = Scribble(((2, 0), (2, 8)), positive=False)
    given = Prompts((Click(0, 0),), Box(0, 0, 3, 3), (line,))
    clicks = along_scribbles(given, (5, 20), step_px)
    assert clicks == tuple(Click(2, col, positive=False) for col in cols)


def test_clicks_along_several_scribbles_come_in_drawing_order_and_inside_the_image():
    lines = (Scribble(((1, 1),)), Scribble(((9, 9),)), Scribble(((3, 2), (3, 9)), positive=False))
    clicks = along_scribbles(Prompts(scribbles=lines), (5, 5), 100)
    assert clicks == (Click(1, 1), Click(3, 2, positive=False), Click(3, 4, positive=False))
    # a line of two pixels has two ends, however far apart clicks should be
    two = along_scribbles(Prompts(scribbles=(Scribble(((3, 2), (3, 3))),)), (5, 5), 100)
    assert two == (Click(3, 2), Click(3, 3))


def test_discs_reach_to_their_radius_and_no_further():
    got = discs([(2, 3), (6.5, 0)], (8, 9), 1.5)
    rows, cols = np.indices((8, 9))
    near = np.minimum(np.hypot(rows - 2, cols - 3), np.hypot(rows - 6.5, cols - 0))
    np.testing.assert_array_equal(got, near <= 1.5)
    # on the radius counts as inside
    assert discs([(2, 3)], (8, 9), 1)[2, 4]
    assert discs([(2, 3)], (8, 9), 1).sum() == 5
    assert not discs([], (8, 9), 3).any()
