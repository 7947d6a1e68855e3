"""Planes to check, and tidying, on a ViewerModel without Qt."""

import numpy as np
import pytest

from napari_intseg.core.volume import Plane
from napari_intseg.ui.review import Review, bring


@pytest.fixture
def binder(bench, boxes):
    boxes[7, 8:20, 10:14] = 0  # a part of the bright box is missing on one plane
    layer = bench.viewer.add_image(boxes, scale=(3, 1, 1))
    bench.choose_image(layer)
    bench.new_object()
    return bench.binder


@pytest.fixture
def propagate(bench, binder, pump, settle):
    def run():
        bench.propagate()
        pump.until(lambda: not bench.is_propagating)
        settle()

    binder.points.add((4, 12, 20))
    settle()
    return run


def test_planes_are_listed_worst_first_and_shown_in_turn(bench, propagate, said):
    review = Review(bench)
    assert review.planes == ()
    assert review.next() is None
    assert "Propagate first" in said.failures[-1]
    propagate()
    planes = [plane for plane, _ in review.planes]
    assert {p.index for p in planes} == {3, 5, 6, 7, 8}
    assert planes[0].index in (7, 8)
    sure = [s for _, s in review.planes]
    assert sure == sorted(sure)
    shown = []
    for _ in planes:
        review.next()
        shown.append(bench.binder.viewed.plane)
    assert shown == planes
    assert "0 more to check" in said.messages[-1]
    assert review.next() == planes[0]  # all have been seen: from the beginning


def test_a_corrected_plane_is_no_longer_listed_and_only_its_stretch_runs_again(
    bench, binder, propagate, toy, settle
):
    propagate()
    review = Review(bench)
    binder.points.add((7, 12, 20))
    settle()
    assert 7 not in {plane.index for plane, _ in review.planes}
    before = len(toy.queries)
    propagate()
    # 5 and 6 from both sides, 8 and 9 beyond; plane 3 and the end before it are not asked again
    assert len(toy.queries) - before == 2 * 2 + 2


def test_tidying_is_drawn_and_undone(bench, binder, propagate, settle, said):
    propagate()
    review = Review(bench)
    before = binder.labels.data.copy()
    review.clean_up(smooth_mm=6.0)
    settle()
    assert (binder.labels.data != before).any()
    assert "tidied" in said.messages[-1]
    bench.undo()
    settle()
    np.testing.assert_array_equal(binder.labels.data, before)
    review.clean_up(holes=True)
    assert "was tidy already" in said.messages[-1]
    review.clean_up()
    assert "nothing to clean up by" in said.failures[-1]


def test_with_nothing_clicked_there_is_nothing_to_tidy(bench, said):
    Review(bench).clean_up(holes=True)
    assert "nothing to tidy" in said.failures[-1]


def test_reach_and_interpolation_are_settings_of_the_next_propagation(bench, propagate, binder):
    review = Review(bench)
    review.reach_mm = 3.5
    assert review.reach_mm == 3.5
    propagate()
    assert np.flatnonzero(binder.labels.data.any(axis=(1, 2))).tolist() == [3, 4, 5]
    review.reach_mm, review.is_interpolating = None, True
    assert review.is_interpolating
    propagate()
    assert np.flatnonzero(binder.labels.data.any(axis=(1, 2))).tolist() == [4]


def test_a_plane_of_a_displayed_axis_is_turned_into_view(binder):
    bring(binder, Plane(1, 21))
    assert binder.viewed.plane == Plane(1, 21)
    bring(binder, Plane(0, 2))
    assert binder.viewed.plane == Plane(0, 2)
