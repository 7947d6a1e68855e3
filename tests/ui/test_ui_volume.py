"""Propagation from the window, on a ViewerModel without Qt."""

import numpy as np
import pytest


@pytest.fixture
def binder(bench, boxes):
    layer = bench.viewer.add_image(boxes)
    bench.choose_image(layer)
    bench.new_object()
    return bench.binder


@pytest.fixture
def finish(bench, pump, settle):
    def wait():
        pump.until(lambda: not bench.is_propagating)
        settle()

    return wait


def test_a_click_spreads_to_where_the_object_ends(bench, binder, said, finish, boxes):
    binder.points.add((5, 12, 15))
    bench.propagate()
    finish()
    np.testing.assert_array_equal(binder.labels.data > 0, boxes == 200)
    assert "Object 1 propagated to 5 planes" in said.messages[-1]


def test_the_labels_are_those_of_the_session(bench, binder, finish):
    binder.points.add((5, 12, 15))
    bench.propagate()
    finish()
    np.testing.assert_array_equal(binder.drawer.sessions[0].labels, binder.labels.data)


def test_only_chosen_planes_are_changed(bench, binder, finish):
    binder.points.add((5, 12, 15))
    bench.propagate(range(5, 8))
    finish()
    planes = np.flatnonzero(binder.labels.data.any(axis=(1, 2)))
    np.testing.assert_array_equal(planes, [5, 6, 7])


def test_one_undo_takes_back_the_whole_propagation(bench, binder, finish, settle):
    binder.points.add((5, 12, 15))
    bench.propagate()
    finish()
    bench.undo()
    settle()
    planes = np.flatnonzero(binder.labels.data.any(axis=(1, 2)))
    np.testing.assert_array_equal(planes, [5])
    bench.redo()
    settle()
    assert np.count_nonzero(binder.labels.data.any(axis=(1, 2))) == 6


def test_cancel_keeps_what_is_done(bench, binder, toy, said, pump, finish, settle):
    binder.points.add((5, 12, 15))
    settle()
    toy.gate.clear()
    toy.entered.clear()
    bench.propagate()
    pump.until(toy.entered.is_set)
    assert bench.is_propagating
    bench.cancel()
    toy.gate.set()
    finish()
    assert "cancelled; 1 plane done and kept" in said.messages[-1]
    assert np.count_nonzero(binder.labels.data.any(axis=(1, 2))) == 2


def test_progress_is_in_napari_s_activity_and_can_be_cancelled_there(
    bench, binder, toy, said, pump, finish, settle
):
    from napari.utils.progress import progress

    binder.points.add((5, 12, 15))
    settle()
    toy.gate.clear()
    toy.entered.clear()
    bench.propagate()
    pump.until(toy.entered.is_set)
    (bar,) = list(progress._all_instances)
    assert bar.desc.startswith("Propagating object 1")
    bar.cancel()
    toy.gate.set()
    finish()
    assert "cancelled" in said.messages[-1]
    assert not list(progress._all_instances)


def test_a_click_on_the_way_is_answered_first_and_never_crossed(
    bench, binder, toy, pump, finish, settle
):
    binder.points.add((5, 12, 15))
    settle()
    toy.gate.clear()
    toy.entered.clear()
    bench.propagate()
    pump.until(toy.entered.is_set)
    binder.points.add((7, 12, 15))
    binder.points.feature_defaults = {"sign": "negative", "object": 1, "order": 0, "axis": 0}
    binder.points.add((7, 14, 20))
    toy.gate.set()
    finish()
    assert binder.labels.data[7, 14, 20] == 0
    assert binder.labels.data[7, 8, 10] == 1
    assert binder.labels.data[4].any()
    np.testing.assert_array_equal(binder.drawer.sessions[0].labels, binder.labels.data)


def test_propagation_waits_for_the_click_s_answer(bench, binder, toy, finish):
    toy.gate.clear()
    binder.points.add((5, 12, 15))
    bench.propagate()
    toy.gate.set()
    finish()
    assert np.count_nonzero(binder.labels.data.any(axis=(1, 2))) == 6


def test_another_axis_propagates_along_it(bench, binder, finish, boxes):
    bench.viewer.dims.order = (2, 0, 1)
    bench.viewer.dims.set_point(2, 15)
    binder.points.add((5, 12, 15))
    bench.propagate()
    finish()
    np.testing.assert_array_equal(binder.labels.data > 0, boxes == 200)


@pytest.mark.usefixtures("binder")
def test_nothing_to_propagate_says_what_to_do(bench, said):
    bench.propagate()
    assert "Click on the object first" in said.failures[-1]


def test_an_image_has_nothing_to_propagate_through(bench, said, squares, settle):
    layer = bench.viewer.add_image(squares)
    bench.choose_image(layer)
    bench.new_object()
    bench.binder.points.add((20, 20))
    settle()
    bench.propagate()
    assert "Propagation needs clicks in a volume" in said.failures[-1]


def test_an_error_on_the_way_is_told(bench, binder, toy, said, finish, settle):
    binder.points.add((5, 12, 15))
    settle()
    toy.error = RuntimeError("out of memory")
    bench.propagate()
    finish()
    assert "out of memory" in said.failures[-1]
    assert not bench.is_propagating


def test_removing_the_labels_on_the_way_ends_it(bench, binder, toy, said, pump, settle):
    binder.points.add((5, 12, 15))
    settle()
    toy.gate.clear()
    toy.entered.clear()
    bench.propagate()
    pump.until(toy.entered.is_set)
    bench.viewer.layers.remove(binder.labels)
    toy.gate.set()
    pump.until(lambda: bench.worker.is_idle)
    assert not bench.is_propagating
    assert "was removed" in said.failures[-1]


@pytest.mark.parametrize("when", ["made", "moved on"])
def test_the_window_may_close_while_napari_draws_a_bar(
    bench, binder, pump, settle, closing_bar, when
):
    bars = closing_bar("spread", when)
    told = []
    bench.voice.progressed.connect(lambda *_: told.append(bench.worker.is_closed))
    binder.points.add((5, 12, 15))
    settle()
    bench.propagate()
    pump.until(lambda: bench.worker.is_closed)
    pump.drain()
    assert not any(told), "what shows progress is gone by then"
    assert [bar.is_open for bar in bars] == [False]


def test_an_object_that_an_undo_takes_away_spreads_no_further(bench, binder, pump, settle, said):
    binder.points.add((5, 12, 15))
    settle()
    bench.new_object()
    binder.points.add((5, 25, 30))
    settle()
    bench.propagate()
    session = binder.drawer.sessions[0]
    while 2 in session.objects:
        bench.undo()
    pump.until(lambda: not bench.is_propagating)
    settle()
    assert "object 2 was removed" in said.messages[-1]
    np.testing.assert_array_equal(session.labels, binder.labels.data)
    assert np.unique(np.nonzero(binder.labels.data)[0]).tolist() == [5]
