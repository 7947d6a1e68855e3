"""Planes to check, and tidying, on a ViewerModel without Qt."""

import numpy as np
import pytest

from napari_intseg.core.volume import Plane
from napari_intseg.ui.controllers.review import Review, bring


@pytest.fixture
def image_controller(controller, boxes):
    boxes[7, 8:20, 10:14] = 0  # a part of the bright box is missing on one plane
    layer = controller.viewer.add_image(boxes, scale=(3, 1, 1))
    controller.choose_image(layer)
    controller.new_object()
    return controller.image_controller


@pytest.fixture
def propagate(controller, image_controller, pump, settle):
    def run():
        controller.propagate()
        pump.until(lambda: not controller.is_propagating)
        settle()

    image_controller.points.add((4, 12, 20))
    settle()
    return run


def test_planes_are_listed_worst_first_and_shown_in_turn(controller, propagate, said):
    review = Review(controller)
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
        shown.append(controller.image_controller.displayed_slice.plane)
    assert shown == planes
    assert "0 more to check" in said.messages[-1]
    assert review.next() == planes[0]  # all have been seen: from the beginning


def test_a_corrected_plane_is_no_longer_listed_and_only_its_stretch_runs_again(
    controller, image_controller, propagate, toy, settle
):
    propagate()
    review = Review(controller)
    image_controller.points.add((7, 12, 20))
    settle()
    assert 7 not in {plane.index for plane, _ in review.planes}
    before = len(toy.queries)
    propagate()
    # 6 and 8: what was added changes nothing there, so it goes no further
    assert len(toy.queries) - before == 2


def test_tidying_is_drawn_and_undone(controller, image_controller, propagate, settle, said):
    propagate()
    review = Review(controller)
    before = image_controller.labels.data.copy()
    review.clean_up(smooth_mm=6.0)
    settle()
    assert (image_controller.labels.data != before).any()
    assert "tidied" in said.messages[-1]
    controller.undo()
    settle()
    np.testing.assert_array_equal(image_controller.labels.data, before)
    review.clean_up(holes=True)
    assert "was tidy already" in said.messages[-1]
    review.clean_up()
    assert "nothing to clean up by" in said.failures[-1]


def test_with_nothing_clicked_there_is_nothing_to_tidy(controller, said):
    Review(controller).clean_up(holes=True)
    assert "nothing to tidy" in said.failures[-1]


def test_reach_and_interpolation_are_settings_of_the_next_propagation(
    controller, propagate, image_controller
):
    review = Review(controller)
    review.reach_mm = 3.5
    assert review.reach_mm == 3.5
    propagate()
    assert np.flatnonzero(image_controller.labels.data.any(axis=(1, 2))).tolist() == [3, 4, 5]
    review.reach_mm, review.is_interpolating = None, True
    assert review.is_interpolating
    propagate()
    assert np.flatnonzero(image_controller.labels.data.any(axis=(1, 2))).tolist() == [4]


def test_a_plane_of_a_displayed_axis_is_turned_into_view(image_controller):
    bring(image_controller, Plane(1, 21))
    assert image_controller.displayed_slice.plane == Plane(1, 21)
    bring(image_controller, Plane(0, 2))
    assert image_controller.displayed_slice.plane == Plane(0, 2)
