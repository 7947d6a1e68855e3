import numpy as np
import pytest

from napari_intseg.core.prompts import Click
from napari_intseg.core.segmenter import Answer, Prepared, Traits
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.errors import DataError
from napari_intseg.evaluation.run import PreparedImages, Protocol, carried, seed_of, segment_slice


class Disks:
    """Each positive click draws a disk of six pixels, each negative one takes one away."""

    def __init__(self):
        self.traits = Traits("disks", longer_side_px=None)
        self.prepared = 0

    def prepare(self, image):
        self.prepared += 1
        return Prepared(image.shape[:2], image, image.nbytes)

    def predict(self, query):
        rows, cols = np.indices(query.prepared.shape)
        logits = np.full(query.prepared.shape, -5, np.float32)
        for click in query.prompts.clicks:
            near = np.hypot(rows - click.row, cols - click.col) <= 6
            logits[near] = 5 if click.positive else -5
        return Answer(logits)


@pytest.fixture
def truth():
    truth = np.zeros((40, 60), np.int8)
    truth[10:24, 10:44] = 1
    return truth


def image(truth):
    return Volume(np.where(truth == 1, 200, 30).astype(np.uint8))


def test_clicks_go_on_until_there_are_enough(truth):
    course = segment_slice(Disks(), image(truth), truth, Protocol(max_clicks=5))
    assert len(course.clicks) == len(course.ious) == len(course.dices) == len(course.seconds) == 5
    assert course.ious[0] == pytest.approx(113 / (14 * 34))
    assert course.dices[0] == pytest.approx(2 * 113 / (113 + 14 * 34))
    assert course.ious[2] > course.ious[1] > course.ious[0]
    assert course.clicks[0] == (None, Click(16, 16, True))


def test_stopping_early_changes_nothing_but_what_comes_after(truth):
    target = (0.6,)
    whole = segment_slice(Disks(), image(truth), truth, Protocol(12, target))
    early = segment_slice(Disks(), image(truth), truth, Protocol(12, target, stop_early=True))
    assert early.ious == whole.ious[: len(early.ious)]
    assert early.ious[-1] >= 0.6 > max(early.ious[:-1])
    assert len(whole.ious) == 12
    np.testing.assert_array_equal(early.kept_mask, whole.kept_mask)


def test_the_kept_mask_is_that_at_the_target(truth):
    course = segment_slice(Disks(), image(truth), truth, Protocol(12, (0.6,)))
    at = next(i for i, value in enumerate(course.ious) if value >= 0.6)
    mask = course.kept_mask
    assert course.kept_after == at + 1
    assert np.sum(mask & (truth == 1)) / np.sum(mask | (truth == 1)) == course.ious[at]


def test_ignored_pixels_do_not_count(truth):
    truth[truth == 0] = -1
    course = segment_slice(Disks(), image(truth), truth, Protocol(1))
    assert course.ious[0] == pytest.approx(113 / (14 * 34))
    assert all(click.positive for _, click in course.clicks)


def test_a_perfect_answer_ends_the_work():
    rows, cols = np.indices((40, 40))
    truth = (np.hypot(rows - 20, cols - 20) <= 6).astype(np.int8)
    course = segment_slice(Disks(), image(truth), truth)
    assert course.ious == (1.0,)


def test_one_plane_of_a_volume_is_segmented_in_millimetres(truth):
    data = np.zeros((3, *truth.shape), np.uint8)
    data[1] = np.where(truth == 1, 255, 0)
    course = segment_slice(
        Disks(), Volume(data, spacing=(5, 2, 2)), truth, Protocol(3), plane=Plane(0, 1)
    )
    assert [plane for plane, _ in course.clicks] == [1, 1, 1]
    assert len(course.surfaces) == 3
    assert course.surfaces[0].hd95_mm > 20  # one disk leaves most of 68 mm uncovered
    assert course.surfaces[2].mean_mm < course.surfaces[0].mean_mm


def test_objects_of_one_image_share_what_was_prepared(truth):
    model, shelf = Disks(), PreparedImages()
    for _ in range(2):
        segment_slice(model, image(truth), truth, Protocol(3), shelf=shelf)
    assert model.prepared == 1


def test_random_clicks_differ_by_seed_and_repeat(truth):
    def run(seed):
        protocol = Protocol(3, rule="random")
        return segment_slice(Disks(), image(truth), truth, protocol, seed=seed).clicks

    assert run((0, 5)) == run((0, 5))
    assert run((0, 5)) != run((1, 5))


def test_wrong_clicks_of_people_are_noted(truth):
    protocol = Protocol(12, rule="human", seeds=3)
    assert list(protocol.seed_range) == [0, 1, 2]
    courses = [
        segment_slice(Disks(), image(truth), truth, protocol, seed=(seed,)) for seed in range(10)
    ]
    for course in courses:
        told = [truth[int(c.row), int(c.col)] == (0 if c.positive else 1) for _, c in course.clicks]
        assert list(course.wrong) == told
    assert any(any(course.wrong) for course in courses)
    robot = segment_slice(Disks(), image(truth), truth, Protocol(12))
    assert not any(robot.wrong)


def test_seeds_depend_on_names_not_on_order():
    assert seed_of(0, "set", "a", "1") == seed_of(0, "set", "a", "1")
    assert seed_of(0, "set", "a", "1") != seed_of(0, "set", "a", "2")


def test_later_clicks_carry_the_last_value():
    assert carried([0.5, 0.9], 4) == [0.5, 0.9, 0.9, 0.9]
    assert carried([0.5, 0.9, 0.95], 2) == [0.5, 0.9]
    assert carried([], 2) == [0.0, 0.0]


def test_a_truth_on_another_grid_is_refused(truth):
    with pytest.raises(DataError, match=r"another grid: expected \(40, 60\), as the slice"):
        segment_slice(Disks(), image(truth), truth.T)


@pytest.mark.parametrize("numbers", [{"max_clicks": 0}, {"seeds": 0}])
def test_a_protocol_needs_clicks_and_seeds(numbers):
    with pytest.raises(DataError, match="robot user cannot work: expected at least one click"):
        Protocol(**numbers)


@pytest.mark.parametrize("targets", [(), (0.0,), (90,)])
def test_a_target_is_an_iou(targets):
    with pytest.raises(DataError, match="target is not an IoU: expected numbers above 0"):
        Protocol(targets=targets)
