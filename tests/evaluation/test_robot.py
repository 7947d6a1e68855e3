import numpy as np
import pytest

from napari_intseg.core.prompts import Click
from napari_intseg.errors import DataError
from napari_intseg.evaluation.robot import JITTER, RobotUser, depth


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


def human_clicks(truth, mask, count, clicks=()):
    found = [RobotUser(truth, "human", seed).next_click(mask, clicks) for seed in range(count)]
    return found, np.array([(click.row, click.col) for click in found])


def test_people_click_where_an_error_is_deep_rather_than_where_it_is_shallow():
    truth = square(101, 20, 81)
    clicks, at = human_clicks(truth, np.zeros(truth.shape, bool), 400)
    assert all(click.positive for click in clicks)
    depth_px = depth(truth == 1)[tuple(at.astype(int).T)]
    # of a square of side s with density as the depth, the mean depth is s / 4; uniform: s / 6
    assert np.mean(depth_px) == pytest.approx(61 / 4, rel=0.1)
    assert len({tuple(one) for one in at.tolist()}) > 300


def test_a_hand_misses_one_click_in_twenty_by_a_little():
    truth = square(201, 60, 141)
    robot = RobotUser(truth)
    clicks, at = human_clicks(truth, np.zeros(truth.shape, bool), 600)
    wrong = np.array([robot.is_wrong(click) for click in clicks])
    # 30 of 600 are expected, with a standard deviation of 5.3
    assert 14 <= wrong.sum() <= 46
    outside = np.abs(at[wrong] - 100).max(axis=1) - 40
    assert outside.max() <= 3 * JITTER * np.hypot(201, 201) + 1


def test_a_missed_negative_click_lies_on_the_object():
    truth = square(61, 20, 41)
    mask = np.zeros(truth.shape, bool)
    mask[20:41, 20:60] = True
    clicks, _ = human_clicks(truth, mask, 300)
    robot = RobotUser(truth)
    assert not any(click.positive for click in clicks)
    wrong = [click for click in clicks if robot.is_wrong(click)]
    assert wrong
    assert all(truth[int(click.row), int(click.col)] == 1 for click in wrong)


def test_people_click_the_error_that_is_deepest_and_never_twice_on_a_pixel():
    truth = np.zeros((9, 40), np.int8)
    truth[2:7, 2:12] = 1
    truth[4, 30] = 1
    clicks, at = human_clicks(truth, np.zeros(truth.shape, bool), 50)
    assert at[:, 1].max() < 20
    first = clicks[0]
    again = RobotUser(truth, "human", 0).next_click(np.zeros(truth.shape, bool), clicks)
    assert (again.row, again.col) not in {(c.row, c.col) for c in clicks}
    assert first == RobotUser(truth, "human", 0).next_click(np.zeros(truth.shape, bool))


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
