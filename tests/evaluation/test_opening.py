"""Models that need a box or extreme points are evaluated too: these come first, and are counted."""

import numpy as np
import pytest

from napari_intseg.core.prompts import Box
from napari_intseg.core.segmenter import Answer, Prepared, Query, Traits
from napari_intseg.core.volume import Volume
from napari_intseg.evaluation.robot import opening
from napari_intseg.evaluation.run import Protocol, segment_slice, segment_volume


class Fake:
    """Fills the box, or the box of its positive clicks; notes what it was asked."""

    def __init__(self, kinds, needs=()):
        self.traits = Traits("fake", frozenset(kinds), needs=frozenset(needs))
        self.asked = []

    def prepare(self, image):
        return Prepared(image.shape[:2], None, 0)

    def predict(self, query: Query) -> Answer:
        prompts = query.prompts
        self.asked.append(prompts)
        points = [(c.row, c.col) for c in prompts.clicks if c.positive]
        if prompts.box is not None:
            points = [(prompts.box.row0, prompts.box.col0), (prompts.box.row1, prompts.box.col1)]
        mask = np.zeros(query.prepared.shape, bool)
        (r0, c0), (r1, c1) = np.min(points, axis=0), np.max(points, axis=0)
        mask[round(r0) : round(r1) + 1, round(c0) : round(c1) + 1] = True
        for click in prompts.clicks:
            mask[round(click.row), round(click.col)] = click.positive
        return Answer(np.where(mask, 9, -9).astype(np.float32))


@pytest.fixture
def truth():
    wanted = np.zeros((30, 40), np.int8)
    wanted[8:20, 10:30] = 1
    return wanted


IMAGE = Volume(np.zeros((30, 40), np.uint8))


def test_a_model_of_clicks_is_given_nothing_first(truth):
    begin = opening(truth == 1, Traits("x", frozenset({"click", "box"})))
    assert (begin.clicks, begin.box, begin.marks) == ((), None, ())
    assert begin.goes_on


def test_an_empty_object_has_no_opening(truth):
    begin = opening(np.zeros_like(truth, bool), Traits("x", frozenset({"box"})))
    assert begin.marks == ()


def test_a_box_costs_two_clicks_and_is_answered_once(truth):
    model = Fake({"box"})
    course = segment_slice(model, IMAGE, truth, Protocol(max_clicks=5))
    assert [p.box for p in model.asked] == [Box(8, 10, 19, 29)]
    assert course.ious == (0.0, 1.0)
    assert [click.positive for _, click in course.clicks] == [False, False]


def test_extreme_points_cost_four_and_touch_the_object(truth):
    model = Fake({"extreme_points"}, {"extreme_points"})
    course = segment_slice(model, IMAGE, truth)
    assert course.ious == (0.0, 0.0, 0.0, 1.0)
    rows, cols = zip(*((c.row, c.col) for _, c in course.clicks), strict=True)
    assert (min(rows), max(rows), min(cols), max(cols)) == (8, 19, 10, 29)
    assert all(truth[round(c.row), round(c.col)] for _, c in course.clicks)


def test_a_box_and_a_click_go_on_with_corrections(truth):
    truth[12:15, 18:22] = 0  # a hole that the box does not tell of
    model = Fake({"box", "click"}, {"box", "click"})
    course = segment_slice(model, IMAGE, truth, Protocol(max_clicks=5))
    assert all(asked.box == Box(8, 10, 19, 29) for asked in model.asked)
    assert [len(asked.clicks) for asked in model.asked] == [1, 2, 3]
    assert course.ious[:2] == (0.0, 0.0)
    assert course.ious[2] > 0.9
    assert course.ious[-1] > course.ious[2]


@pytest.mark.parametrize(
    ("kinds", "needs", "cost"),
    [({"box"}, {"box"}, 2), ({"extreme_points"}, {"extreme_points"}, 4)],
)
def test_volumes_are_opened_plane_by_plane(kinds, needs, cost):
    truth = np.zeros((5, 30, 40), np.int8)
    truth[1:4, 8:20, 10:30] = 1
    truth[3, 8:20, 10:35] = 1
    model = Fake(kinds, needs)
    course = segment_volume(model, Volume(np.zeros(truth.shape, np.uint8)), truth, Protocol(12))
    planes = [plane for plane, _ in course.clicks]
    assert planes[:cost] == [3] * cost
    assert len(planes) % cost == 0
    assert course.ious[cost - 1] > 0


def test_an_answer_that_is_empty_ends_in_no_error():
    class Blind(Fake):
        def predict(self, query: Query) -> Answer:
            return Answer(np.full(query.prepared.shape, -9, np.float32))

    truth = np.zeros((3, 20, 20), np.int8)
    truth[1, 5:12, 5:12] = 1
    volume = Volume(np.zeros(truth.shape, np.uint8))
    course = segment_volume(Blind({"box"}), volume, truth, Protocol(6))
    assert course.ious == (0.0, 0.0)
