import numpy as np
import pytest

from napari_intseg.core.prompts import Click
from napari_intseg.errors import DataError
from napari_intseg.evaluation.robot import RobotUser, depth


def square(size=21, low=5, high=16):
    truth = np.zeros((size, size), np.int8)
    truth[low:high, low:high] = 1
    return truth


def test_first_click_is_the_middle_of_the_object():
    truth = square()
    assert RobotUser(truth).next_click(np.zeros(truth.shape, bool)) == Click(10, 10, True)


def test_of_equally_deep_errors_the_negative_one_is_clicked():
    truth = np.zeros((9, 20), np.int8)
    truth[2:5, 2:5] = 1
    mask = np.zeros(truth.shape, bool)
    mask[2:5, 12:15] = True
    assert RobotUser(truth).next_click(mask) == Click(3, 13, False)


def test_ties_go_to_the_first_pixel_in_row_major_order():
    truth = np.zeros((10, 10), np.int8)
    truth[2:4, 3:9] = 1
    assert RobotUser(truth).next_click(np.zeros(truth.shape, bool)) == Click(2, 3, True)


def test_a_pixel_is_never_clicked_twice():
    truth = square(9, 4, 5)
    robot, nothing = RobotUser(truth), np.zeros(truth.shape, bool)
    first = robot.next_click(nothing)
    assert first == Click(4, 4)
    assert robot.next_click(nothing, (first,)) is None


def test_no_click_is_left_on_a_perfect_mask():
    truth = square()
    assert RobotUser(truth).next_click(truth == 1) is None


def test_ignored_pixels_are_never_clicked():
    truth = square()
    truth[:, :14] = -1
    mask = np.zeros(truth.shape, bool)
    mask[:, :14] = True
    click = RobotUser(truth).next_click(mask)
    assert click is not None
    assert truth[int(click.row), int(click.col)] == 1


@pytest.mark.parametrize("seed", range(5))
def test_random_clicks_lie_on_the_error_near_its_deepest_point(seed):
    truth = square(61, 10, 51)
    click = RobotUser(truth, "random", seed).next_click(np.zeros(truth.shape, bool))
    assert np.hypot(click.row - 30, click.col - 30) <= 0.5 * 21
    assert click.positive


def test_random_clicks_depend_on_seed_and_number_only():
    truth, nothing = square(61, 10, 51), np.zeros((61, 61), bool)
    of = {s: RobotUser(truth, "random", s).next_click(nothing) for s in range(8)}
    assert of[3] == RobotUser(truth, "random", 3).next_click(nothing)
    assert len(set(of.values())) > 4
    assert RobotUser(truth, "random", 3).next_click(nothing, (of[3],)) != of[3]


def test_random_without_spread_is_the_deepest():
    truth, nothing = square(), np.zeros((21, 21), bool)
    assert RobotUser(truth, "random", 7, spread=0).next_click(nothing) == Click(10, 10)


def test_depths_and_their_ties_equal_those_of_opencv(rng):
    cv2 = pytest.importorskip("cv2")
    # below 2**14 pixels OpenCV may call another library, whose rounding differs
    for size in (150, 173, 400):
        noise = cv2.GaussianBlur(rng.standard_normal((size, size + 30)), (0, 0), 4)
        for error in (noise > 0, noise > -0.1, np.ones(noise.shape, bool)):
            theirs = cv2.distanceTransform(np.pad(error, 1).astype(np.uint8), cv2.DIST_L2, 0)
            np.testing.assert_array_equal(depth(error), theirs[1:-1, 1:-1])


def test_a_truth_with_labels_is_refused():
    with pytest.raises(DataError, match="truth cannot guide a robot user"):
        RobotUser(np.full((4, 4), 2, np.int8))


def test_an_unknown_rule_is_refused():
    with pytest.raises(DataError, match="click rule is unknown: expected one of deepest, random"):
        RobotUser(square(), "centre")
