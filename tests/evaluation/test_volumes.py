import numpy as np
import pytest

from bright_parts import BrightParts
from napari_intseg.core.segmenter import Answer, Prepared, Traits, sigmoid
from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError
from napari_intseg.evaluation.benchmark import ModelChoice, Score, evaluate
from napari_intseg.evaluation.datasets import Choices, open_datasets
from napari_intseg.evaluation.run import (
    Course,
    Protocol,
    planes_by_error,
    planes_by_region,
    segment_volume,
)
from napari_intseg.evaluation.summary import is_accepted, live_table


class Bright:
    """The bright pixels of the blob that a click or the previous mask points at."""

    traits = Traits("bright", uses_prev=True)

    def prepare(self, image):
        return Prepared(image.shape[:2], image, image.nbytes)

    def predict(self, query):
        from scipy.ndimage import label

        blobs, _ = label(query.prepared.payload[..., 0] > 0.5)
        chosen = {
            int(blobs[round(c.row), round(c.col)]) for c in query.prompts.clicks if c.positive
        }
        if query.prev_logits is not None:
            chosen |= set(np.unique(blobs[sigmoid(query.prev_logits) > 0.5]).tolist())
        mask = np.isin(blobs, sorted(chosen - {0}))
        for click in query.prompts.clicks:
            if not click.positive:
                mask[round(click.row), round(click.col)] = False
        return Answer(np.where(mask, np.float32(5), np.float32(-5)))


@pytest.fixture
def ball():
    """A ball of 11 mm radius on a grid of 3 x 1 x 1 mm."""
    planes, rows, cols = np.indices((9, 34, 36))
    inside = np.hypot(3.0 * (planes - 4), np.hypot(rows - 16, cols - 17)) <= 11
    return Volume((200 * inside).astype(np.uint8), spacing=(3, 1, 1)), inside.astype(np.int8)


def test_one_click_and_propagation_give_the_object(ball):
    volume, truth = ball
    course = segment_volume(Bright(), volume, truth, Protocol(3))
    (plane, click), *_ = course.clicks
    assert (plane, click.row, click.col) == (4, 16, 17)  # the plane with most of the object
    assert course.ious[0] > 0.8  # propagation may leave out the caps
    assert course.surfaces[0].mean_mm < 1
    assert course.kept_mask.shape == truth.shape


def test_later_clicks_go_to_the_plane_with_most_errors(ball):
    volume, truth = ball
    other = truth.copy()
    other[:3] = 0  # the person wants less than what is bright
    course = segment_volume(Bright(), volume, other, Protocol(2))
    assert [plane for plane, _ in course.clicks] == [4, 2]
    assert not course.clicks[1][1].positive


def test_planes_are_ordered_by_their_errors():
    truth = np.zeros((4, 5, 5), np.int8)
    truth[1, :2], truth[3, :4] = 1, 1
    mask = np.zeros(truth.shape, bool)
    mask[2, 0, 0] = True
    assert planes_by_error(mask, truth) == [3, 1, 2]
    truth[3] = -1
    assert planes_by_error(mask, truth) == [1, 2]


def test_a_truth_on_another_grid_is_refused(ball):
    volume, truth = ball
    with pytest.raises(DataError, match=r"another grid: expected \(9, 34, 36\), as the volume"):
        segment_volume(Bright(), volume, truth[1:])


def test_whole_volumes_of_a_folder_are_evaluated(ball, tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    volume, truth = ball
    for name, data in (("images", volume.data), ("masks", truth.astype(np.uint8))):
        (tmp_path / name).mkdir()
        image = sitk.GetImageFromArray(data)
        image.SetSpacing((1.0, 1.0, 3.0))
        sitk.WriteImage(image, str(tmp_path / name / "ball.nii.gz"))
    data = open_datasets(tmp_path, Choices(volumes="whole"))
    outcome = evaluate(data, [ModelChoice("random-walker")], Protocol(2))
    (score,) = outcome.scores
    assert score.size_px == truth.sum()
    assert score.course.ious[-1] > 0.6
    assert len(score.course.surfaces) == len(score.course.clicks)


def test_live_it_clicks_where_the_largest_connected_error_is():
    truth = np.zeros((3, 20, 20), np.int8)
    truth[0, ::2, ::2] = 1  # many wrong pixels, each alone
    truth[2, 4:9, 4:9] = 1
    assert planes_by_error(truth > 1, truth)[0] == 0
    assert planes_by_region(truth > 1, truth) == [2, 0]
    volume = Volume(np.uint8(200) * (truth == 1))
    course = segment_volume(Bright(), volume, truth, Protocol(1), live=True)
    assert course.clicks[0][0] == 2
    assert (course.clicks[0][1].row, course.clicks[0][1].col) == (6, 6)
    assert len(course.cpu_seconds) == len(course.clicks)
    assert all(seconds >= 0 for seconds in course.cpu_seconds)


def test_the_live_table_counts_what_people_would_do():
    def score(*dices):
        course = Course((), dices, dices, (), cpu_seconds=(0.5,) * len(dices))
        return Score("model", "data", "entry", None, 0, 9, course)

    header, row = live_table([score(0.2, 0.9, 0.8, 0.96), score(0.3, 0.4)])
    assert dict(zip(header, row, strict=True)) == {
        "model": "model", "data": "data", "objects": "2", "Dice@1": "0.250", "Dice@3": "0.600",
        "Dice@5": "0.680", "Dice@10": "0.680", "accepted": "0%",
        "worst": "0.100", "falls": "1", "lost": "1",
        "CPU s": "0.50",
    }  # fmt: skip


def test_an_object_is_accepted_for_its_first_mask_held_against_the_best():
    assert is_accepted((0.90, 0.94))
    assert not is_accepted((0.88, 0.94))
    assert not is_accepted((0.5, 0.5)), "nothing mends it, so it is not good"
    assert is_accepted((0.86,))


def test_a_model_that_answers_in_3d_needs_no_propagation(ball):
    volume, truth = ball
    model = BrightParts()
    course = segment_volume(model, volume, truth, Protocol(max_clicks=3), live=True)
    assert course.dices[0] == 1.0
    assert len(model.queries) == 1
