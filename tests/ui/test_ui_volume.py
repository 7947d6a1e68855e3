"""Propagation from the window, on a ViewerModel without Qt."""

import numpy as np
import pytest


@pytest.fixture
def image_controller(controller, boxes):
    layer = controller.viewer.add_image(boxes)
    controller.choose_image(layer)
    controller.new_object()
    return controller.image_controller


@pytest.fixture
def finish(controller, pump, settle):
    def wait():
        pump.until(lambda: not controller.is_propagating)
        settle()

    return wait


def test_a_click_spreads_to_where_the_object_ends(
    controller, image_controller, said, finish, boxes
):
    image_controller.points.add((5, 12, 15))
    controller.propagate()
    finish()
    np.testing.assert_array_equal(image_controller.labels.data > 0, boxes == 200)
    assert "Object 1 propagated to 5 planes" in said.messages[-1]


def test_the_labels_are_those_of_the_session(controller, image_controller, finish):
    image_controller.points.add((5, 12, 15))
    controller.propagate()
    finish()
    np.testing.assert_array_equal(
        image_controller.session_store.sessions[0].labels, image_controller.labels.data
    )


def test_only_chosen_planes_are_changed(controller, image_controller, finish):
    image_controller.points.add((5, 12, 15))
    controller.propagate(range(5, 8))
    finish()
    planes = np.flatnonzero(image_controller.labels.data.any(axis=(1, 2)))
    np.testing.assert_array_equal(planes, [5, 6, 7])


def test_one_undo_takes_back_the_whole_propagation(controller, image_controller, finish, settle):
    image_controller.points.add((5, 12, 15))
    controller.propagate()
    finish()
    controller.undo()
    settle()
    planes = np.flatnonzero(image_controller.labels.data.any(axis=(1, 2)))
    np.testing.assert_array_equal(planes, [5])
    controller.redo()
    settle()
    assert np.count_nonzero(image_controller.labels.data.any(axis=(1, 2))) == 6


def test_cancel_keeps_what_is_done(controller, image_controller, toy, said, pump, finish, settle):
    image_controller.points.add((5, 12, 15))
    settle()
    toy.gate.clear()
    toy.entered.clear()
    controller.propagate()
    pump.until(toy.entered.is_set)
    assert controller.is_propagating
    controller.cancel()
    toy.gate.set()
    finish()
    assert "cancelled; 1 plane done and kept" in said.messages[-1]
    assert np.count_nonzero(image_controller.labels.data.any(axis=(1, 2))) == 2


def test_progress_is_in_napari_s_activity_and_can_be_cancelled_there(
    controller, image_controller, toy, said, pump, finish, settle
):
    from napari.utils.progress import progress

    image_controller.points.add((5, 12, 15))
    settle()
    toy.gate.clear()
    toy.entered.clear()
    controller.propagate()
    pump.until(toy.entered.is_set)
    (bar,) = list(progress._all_instances)
    assert bar.desc.startswith("Propagating object 1")
    bar.cancel()
    toy.gate.set()
    finish()
    assert "cancelled" in said.messages[-1]
    assert not list(progress._all_instances)


def test_a_click_on_the_way_is_answered_first_and_never_crossed(
    controller, image_controller, toy, pump, finish, settle
):
    image_controller.points.add((5, 12, 15))
    settle()
    toy.gate.clear()
    toy.entered.clear()
    controller.propagate()
    pump.until(toy.entered.is_set)
    image_controller.points.add((7, 12, 15))
    image_controller.points.feature_defaults = {
        "sign": "negative",
        "object": 1,
        "order": 0,
        "axis": 0,
    }
    image_controller.points.add((7, 14, 20))
    toy.gate.set()
    finish()
    assert image_controller.labels.data[7, 14, 20] == 0
    assert image_controller.labels.data[7, 8, 10] == 1
    assert image_controller.labels.data[4].any()
    np.testing.assert_array_equal(
        image_controller.session_store.sessions[0].labels, image_controller.labels.data
    )


def test_propagation_waits_for_the_click_s_answer(controller, image_controller, toy, finish):
    toy.gate.clear()
    image_controller.points.add((5, 12, 15))
    controller.propagate()
    toy.gate.set()
    finish()
    assert np.count_nonzero(image_controller.labels.data.any(axis=(1, 2))) == 6


def test_another_axis_propagates_along_it(controller, image_controller, finish, boxes):
    controller.viewer.dims.order = (2, 0, 1)
    controller.viewer.dims.set_point(2, 15)
    image_controller.points.add((5, 12, 15))
    controller.propagate()
    finish()
    np.testing.assert_array_equal(image_controller.labels.data > 0, boxes == 200)


@pytest.mark.usefixtures("image_controller")
def test_nothing_to_propagate_says_what_to_do(controller, said):
    controller.propagate()
    assert "Click on the object first" in said.failures[-1]


def test_an_image_has_nothing_to_propagate_through(controller, said, squares, settle):
    layer = controller.viewer.add_image(squares)
    controller.choose_image(layer)
    controller.new_object()
    controller.image_controller.points.add((20, 20))
    settle()
    controller.propagate()
    assert "Propagation needs clicks in a volume" in said.failures[-1]


def test_an_error_on_the_way_is_told(controller, image_controller, toy, said, finish, settle):
    image_controller.points.add((5, 12, 15))
    settle()
    toy.error = RuntimeError("out of memory")
    controller.propagate()
    finish()
    assert "out of memory" in said.failures[-1]
    assert not controller.is_propagating


def test_removing_the_labels_on_the_way_ends_it(
    controller, image_controller, toy, said, pump, settle
):
    image_controller.points.add((5, 12, 15))
    settle()
    toy.gate.clear()
    toy.entered.clear()
    controller.propagate()
    pump.until(toy.entered.is_set)
    controller.viewer.layers.remove(image_controller.labels)
    toy.gate.set()
    pump.until(lambda: controller.worker.is_idle)
    assert not controller.is_propagating
    assert "was removed" in said.failures[-1]


@pytest.mark.parametrize("when", ["made", "moved on"])
def test_the_window_may_close_while_napari_draws_a_bar(
    controller, image_controller, pump, settle, closing_bar, when
):
    bars = closing_bar("controllers.propagation", when)
    told = []
    controller.signals.progressed.connect(lambda *_: told.append(controller.worker.is_closed))
    image_controller.points.add((5, 12, 15))
    settle()
    controller.propagate()
    pump.until(lambda: controller.worker.is_closed)
    pump.drain()
    assert not any(told), "what shows progress is gone by then"
    assert [bar.is_open for bar in bars] == [False]


def test_an_object_that_an_undo_takes_away_spreads_no_further(
    controller, image_controller, pump, settle, said
):
    image_controller.points.add((5, 12, 15))
    settle()
    controller.new_object()
    image_controller.points.add((5, 25, 30))
    settle()
    controller.propagate()
    session = image_controller.session_store.sessions[0]
    while 2 in session.objects:
        controller.undo()
    pump.until(lambda: not controller.is_propagating)
    settle()
    assert "object 2 was removed" in said.messages[-1]
    np.testing.assert_array_equal(session.labels, image_controller.labels.data)
    assert np.unique(np.nonzero(image_controller.labels.data)[0]).tolist() == [5]
