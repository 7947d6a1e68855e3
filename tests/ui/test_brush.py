"""Strokes in the Labels layer: kept, protected, and one history with clicks; without Qt."""

import numpy as np
import pytest

from napari_intseg.core.volume import Plane


@pytest.fixture
def binder(bench, settle, squares):
    bench.choose_image(bench.viewer.add_image(squares))
    bench.new_object()
    bench.binder.points.add((20, 20))
    settle()
    return bench.binder


def brush(binder, rows, cols, label, mode="paint"):
    labels = binder.labels
    labels.mode = mode
    labels.brush_size = 1
    labels.selected_label = label or 1
    with labels.block_history():
        for row in rows:
            for col in cols:
                labels.paint((row, col), label)


def session_of(binder):
    return binder.drawer.sessions[0]


def test_erased_pixels_stay_erased_when_a_click_comes(binder, settle):
    brush(binder, range(10, 14), range(10, 14), 0)
    binder.points.add((25, 25))
    settle()
    assert not binder.labels.data[10:14, 10:14].any()
    assert binder.labels.data[20, 20] == 1
    np.testing.assert_array_equal(session_of(binder).labels, binder.labels.data)


def test_painted_pixels_stay_when_a_click_comes(binder, settle):
    brush(binder, range(2, 5), range(2, 5), 1)
    binder.points.feature_defaults = {"sign": "negative", "object": 1, "order": 0, "axis": 0}
    binder.points.add((3, 3))
    settle()
    assert (binder.labels.data[2:5, 2:5] == 1).all()
    session_of(binder).clear_painted()
    binder.draw(0, session_of(binder).undo())
    assert session_of(binder).mask[2:5, 2:5].all()


def test_a_stroke_is_one_step_of_one_history(bench, binder, settle, toy):
    before = binder.labels.data.copy()
    brush(binder, range(2, 5), range(2, 5), 1)
    painted = binder.labels.data.copy()
    asked = len(toy.queries)
    binder.labels.undo()
    settle()
    np.testing.assert_array_equal(binder.labels.data, before)
    bench.undo()
    settle()
    assert not binder.labels.data.any()
    assert len(binder.points.data) == 0
    bench.redo()
    binder.labels.redo()
    settle()
    np.testing.assert_array_equal(binder.labels.data, painted)
    assert len(toy.queries) == asked


def test_a_stroke_over_another_object_goes_back_with_undo(bench, binder, settle):
    bench.new_object()
    brush(binder, range(10, 20), range(10, 20), 2)
    assert (binder.labels.data[10:20, 10:20] == 2).all()
    binder.labels.undo()
    settle()
    assert (binder.labels.data[10:30, 10:30] == 1).all()
    binder.labels.redo()
    settle()
    assert (binder.labels.data[10:20, 10:20] == 2).all()
    assert binder.labels.data[25, 25] == 1


def test_locked_objects_are_put_back_at_once(bench, binder, said, settle):
    bench.accept_object()
    brush(binder, range(8, 20), range(8, 20), 2)
    brush(binder, range(20, 25), range(20, 25), 0)
    settle()
    assert (binder.labels.data[10:30, 10:30] == 1).all()
    assert binder.labels.data[8, 8] == 2
    assert "protected and put back" in said.failures[-1]
    np.testing.assert_array_equal(session_of(binder).labels, binder.labels.data)


def test_a_locked_object_cannot_be_painted(bench, binder, said, settle):
    bench.accept_object()
    brush(binder, range(2, 5), range(2, 5), 1)
    settle()
    assert not binder.labels.data[2:5, 2:5].any()
    assert any("cannot be painted" in text for text in said.failures)


def test_what_is_put_back_is_what_is_there_by_now(bench, binder, settle):
    bench.accept_object()
    brush(binder, range(2, 5), range(2, 5), 1)  # refused, and put back a moment later
    taken = np.zeros(binder.labels.data.shape, bool)
    taken[2:5, 2:4] = True
    session_of(binder).paint({Plane(0, 0): taken}, 2)
    settle()
    assert (binder.labels.data[2:5, 2:4] == 2).all()
    assert not binder.labels.data[2:5, 4].any()
    np.testing.assert_array_equal(session_of(binder).labels, binder.labels.data)


def test_what_is_refused_is_put_back_though_the_widget_closes(bench, binder):
    bench.accept_object()
    before = binder.labels.data.copy()
    brush(binder, range(8, 20), range(8, 20), 0)
    binder.close()
    np.testing.assert_array_equal(binder.labels.data, before)


def test_strokes_before_the_model_is_there_count_too(bench, settle, squares):
    toy_model, bench.loader.model = bench.loader.model, None
    bench.choose_image(bench.viewer.add_image(squares))
    bench.new_object()
    brush(bench.binder, range(2, 5), range(2, 5), 1)
    bench.loader.model = toy_model
    bench.binder.set_model(toy_model)
    settle()
    assert session_of(bench.binder).mask[2:5, 2:5].all()


def test_filling_and_painting_in_a_volume_count_on_their_planes(bench, settle, boxes):
    bench.choose_image(bench.viewer.add_image(boxes))
    bench.new_object()
    labels = bench.binder.labels
    labels.n_edit_dimensions = 3
    labels.brush_size = 3
    labels.paint((5, 10, 12), 1)
    settle()
    np.testing.assert_array_equal(session_of(bench.binder).labels, labels.data)
    assert np.unique(np.nonzero(labels.data)[0]).size > 1
    bench.viewer.dims.order = (1, 0, 2)
    labels.n_edit_dimensions = 2
    bench.viewer.dims.set_point(1, 20)
    labels.paint((5, 20, 30), 1)
    settle()
    assert labels.data[5, 20, 30] == 1
    np.testing.assert_array_equal(session_of(bench.binder).labels, labels.data)
    bench.undo()
    bench.undo()
    settle()
    assert not labels.data.any()


def test_a_foreign_label_painted_over_comes_back(bench, settle, squares):
    bench.choose_image(bench.viewer.add_image(squares))
    bench.new_object()
    labels = bench.binder.labels
    labels.data[40:45, 5:10] = 9  # as a script would, unknown to the sessions
    brush(bench.binder, range(40, 43), range(5, 8), 1)
    bench.undo()
    settle()
    assert (labels.data[40:45, 5:10] == 9).all()


def test_after_closing_the_layer_has_its_own_undo_again(binder):
    labels = binder.labels
    assert "undo" in vars(labels)
    binder.close()
    assert not {"undo", "redo"} & set(vars(labels))
