"""Strokes in the Labels layer: kept, protected, and one history with clicks; without Qt."""

import numpy as np
import pytest

from napari_intseg.core.volume import Plane
from napari_intseg.ui.controllers.object_actions import accept


@pytest.fixture
def image_controller(controller, settle, squares):
    controller.choose_image(controller.viewer.add_image(squares))
    controller.new_object()
    controller.image_controller.points.add((20, 20))
    settle()
    return controller.image_controller


def brush(image_controller, rows, cols, label, mode="paint"):
    labels = image_controller.labels
    labels.mode = mode
    labels.brush_size = 1
    labels.selected_label = label or 1
    with labels.block_history():
        for row in rows:
            for col in cols:
                labels.paint((row, col), label)


def session_of(image_controller):
    return image_controller.session_store.sessions[0]


def test_erased_pixels_stay_erased_when_a_click_comes(image_controller, settle):
    brush(image_controller, range(10, 14), range(10, 14), 0)
    image_controller.points.add((25, 25))
    settle()
    assert not image_controller.labels.data[10:14, 10:14].any()
    assert image_controller.labels.data[20, 20] == 1
    np.testing.assert_array_equal(session_of(image_controller).labels, image_controller.labels.data)


def test_painted_pixels_stay_when_a_click_comes(image_controller, settle):
    brush(image_controller, range(2, 5), range(2, 5), 1)
    image_controller.points.feature_defaults = {
        "sign": "negative",
        "object": 1,
        "order": 0,
        "axis": 0,
    }
    image_controller.points.add((3, 3))
    settle()
    assert (image_controller.labels.data[2:5, 2:5] == 1).all()
    session_of(image_controller).clear_painted()
    image_controller.draw(0, session_of(image_controller).undo())
    assert session_of(image_controller).mask[2:5, 2:5].all()


def test_a_stroke_is_one_step_of_one_history(controller, image_controller, settle, toy):
    before = image_controller.labels.data.copy()
    brush(image_controller, range(2, 5), range(2, 5), 1)
    painted = image_controller.labels.data.copy()
    asked = len(toy.queries)
    image_controller.labels.undo()
    settle()
    np.testing.assert_array_equal(image_controller.labels.data, before)
    controller.undo()
    settle()
    assert not image_controller.labels.data.any()
    assert len(image_controller.points.data) == 0
    controller.redo()
    image_controller.labels.redo()
    settle()
    np.testing.assert_array_equal(image_controller.labels.data, painted)
    assert len(toy.queries) == asked


def test_a_stroke_over_another_object_goes_back_with_undo(controller, image_controller, settle):
    controller.new_object()
    brush(image_controller, range(10, 20), range(10, 20), 2)
    assert (image_controller.labels.data[10:20, 10:20] == 2).all()
    image_controller.labels.undo()
    settle()
    assert (image_controller.labels.data[10:30, 10:30] == 1).all()
    image_controller.labels.redo()
    settle()
    assert (image_controller.labels.data[10:20, 10:20] == 2).all()
    assert image_controller.labels.data[25, 25] == 1


def test_locked_objects_are_put_back_at_once(controller, image_controller, said, settle):
    accept(controller)
    brush(image_controller, range(8, 20), range(8, 20), 2)
    brush(image_controller, range(20, 25), range(20, 25), 0)
    settle()
    assert (image_controller.labels.data[10:30, 10:30] == 1).all()
    assert image_controller.labels.data[8, 8] == 2
    assert "protected and put back" in said.failures[-1]
    np.testing.assert_array_equal(session_of(image_controller).labels, image_controller.labels.data)


def test_a_locked_object_cannot_be_painted(controller, image_controller, said, settle):
    accept(controller)
    brush(image_controller, range(2, 5), range(2, 5), 1)
    settle()
    assert not image_controller.labels.data[2:5, 2:5].any()
    assert any("cannot be painted" in text for text in said.failures)


def test_what_is_put_back_is_what_is_there_by_now(controller, image_controller, settle):
    accept(controller)
    brush(image_controller, range(2, 5), range(2, 5), 1)  # refused, and put back a moment later
    taken = np.zeros(image_controller.labels.data.shape, bool)
    taken[2:5, 2:4] = True
    session_of(image_controller).paint({Plane(0, 0): taken}, 2)
    settle()
    assert (image_controller.labels.data[2:5, 2:4] == 2).all()
    assert not image_controller.labels.data[2:5, 4].any()
    np.testing.assert_array_equal(session_of(image_controller).labels, image_controller.labels.data)


def test_what_is_refused_is_put_back_though_the_widget_closes(controller, image_controller):
    accept(controller)
    before = image_controller.labels.data.copy()
    brush(image_controller, range(8, 20), range(8, 20), 0)
    image_controller.close()
    np.testing.assert_array_equal(image_controller.labels.data, before)


def test_strokes_before_the_model_is_there_count_too(controller, settle, squares):
    toy_model, controller.loader.model = controller.loader.model, None
    controller.choose_image(controller.viewer.add_image(squares))
    controller.new_object()
    brush(controller.image_controller, range(2, 5), range(2, 5), 1)
    controller.loader.model = toy_model
    controller.image_controller.set_model(toy_model)
    settle()
    assert session_of(controller.image_controller).mask[2:5, 2:5].all()


def test_filling_and_painting_in_a_volume_count_on_their_planes(controller, settle, boxes):
    controller.choose_image(controller.viewer.add_image(boxes))
    controller.new_object()
    labels = controller.image_controller.labels
    labels.n_edit_dimensions = 3
    labels.brush_size = 3
    labels.paint((5, 10, 12), 1)
    settle()
    np.testing.assert_array_equal(session_of(controller.image_controller).labels, labels.data)
    assert np.unique(np.nonzero(labels.data)[0]).size > 1
    controller.viewer.dims.order = (1, 0, 2)
    labels.n_edit_dimensions = 2
    controller.viewer.dims.set_point(1, 20)
    labels.paint((5, 20, 30), 1)
    settle()
    assert labels.data[5, 20, 30] == 1
    np.testing.assert_array_equal(session_of(controller.image_controller).labels, labels.data)
    controller.undo()
    controller.undo()
    settle()
    assert not labels.data.any()


def test_a_foreign_label_painted_over_comes_back(controller, settle, squares):
    controller.choose_image(controller.viewer.add_image(squares))
    controller.new_object()
    labels = controller.image_controller.labels
    labels.data[40:45, 5:10] = 9  # as a script would, unknown to the sessions
    brush(controller.image_controller, range(40, 43), range(5, 8), 1)
    controller.undo()
    settle()
    assert (labels.data[40:45, 5:10] == 9).all()


def test_after_closing_the_layer_has_its_own_undo_again(image_controller):
    labels = image_controller.labels
    assert "undo" in vars(labels)
    image_controller.close()
    assert not {"undo", "redo"} & set(vars(labels))
