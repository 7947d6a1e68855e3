"""Each click carried through the volume at once, on a ViewerModel without Qt."""

import numpy as np
import pytest


@pytest.fixture
def image():
    """A box on some of fourteen planes, uint8."""
    out = np.zeros((14, 32, 40), np.uint8)
    out[2:12, 8:18, 10:21] = 200
    return out


@pytest.fixture
def clicked(controller, image, settle, pump):
    """Return a function that clicks on a plane and waits until all is answered."""
    controller.choose_image(controller.viewer.add_image(image))
    controller.new_object()

    def click(place):
        controller.viewer.dims.set_point(0, place[0])
        controller.image_controller.points.add(place)
        settle()
        pump.until(lambda: not controller.is_propagating)
        settle()
        data = controller.image_controller.labels.data
        return np.flatnonzero(data.any(axis=(1, 2))).tolist()

    return click


def test_a_click_changes_one_plane_unless_it_is_asked_for(controller, clicked):
    assert clicked((5, 12, 15)) == [5]
    controller.in_3d.is_on = True
    assert clicked((6, 12, 15)) == [*range(2, 12)]


def test_a_click_becomes_the_whole_object(controller, clicked, image, said):
    controller.in_3d.is_on = True
    clicked((5, 12, 15))
    np.testing.assert_array_equal(controller.image_controller.labels.data > 0, image > 0)
    assert "answered in 3-D, 9 planes beside plane 5" in said.messages[-1]
    store = controller.image_controller.session_store
    session = store.session(0)
    order = [
        line["plane"][1]
        for line in session.journal.lines
        if line.get("do") == "step" and line["plane"]
    ]
    away = [abs(index - 5) for index in order]
    assert away == sorted(away), "the nearest plane comes first"


def test_undo_takes_it_back_and_it_stays_taken_back(controller, clicked, settle):
    controller.in_3d.is_on = True
    clicked((5, 12, 15))
    controller.undo()
    settle()
    data = controller.image_controller.labels.data
    assert np.flatnonzero(data.any(axis=(1, 2))).tolist() == [5]
    assert not controller.is_propagating


def test_the_next_click_overtakes(controller, image, settle, pump):
    controller.choose_image(controller.viewer.add_image(image))
    controller.new_object()
    controller.in_3d.is_on = True
    points = controller.image_controller.points
    points.add((3, 12, 15))
    pump.until(lambda: controller.is_propagating)
    controller.viewer.dims.set_point(0, 9)
    points.add((9, 12, 15))
    settle()
    pump.until(lambda: not controller.is_propagating)
    settle()
    np.testing.assert_array_equal(controller.image_controller.labels.data > 0, image > 0)
