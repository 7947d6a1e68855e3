"""Objects that were in the Labels layer before the work began, and are painted over."""

import numpy as np
import pytest


@pytest.fixture
def begun(controller, squares, settle):
    """Work on an image whose Labels layer held object 9 before; nothing is clicked yet."""
    controller.choose_image(controller.viewer.add_image(squares))
    controller.new_object()
    labels = controller.image_controller.labels
    held = np.zeros_like(labels.data)
    held[40:44, 40:44] = 9
    labels.data = held
    controller.new_object()
    settle()
    return controller.image_controller


def stroke(work, rows, cols, label):
    """Paint a rectangle as the brush does."""
    indices = np.mgrid[rows, cols].reshape(2, -1)
    work.labels.data_setitem(tuple(indices), label)


@pytest.mark.parametrize("label", [0, 10])
def test_undo_of_everything_leaves_them_as_they_were(begun, controller, settle, label):
    before = begun.labels.data.copy()
    stroke(begun, slice(38, 42), slice(38, 42), label)
    settle()
    while controller.can("undo"):
        controller.undo()
        settle()
    np.testing.assert_array_equal(begun.labels.data, before)
    while controller.can("redo"):
        controller.redo()
        settle()
    assert (begun.labels.data[40:42, 40:42] == label).all()
    assert (begun.labels.data[42:44, 42:44] == 9).all()


def test_undo_leaves_them_where_the_object_was_known_by_another_stroke(begun, controller, settle):
    before = begun.labels.data.copy()
    stroke(begun, slice(50, 52), slice(50, 52), 9)
    stroke(begun, slice(38, 42), slice(38, 42), 0)
    settle()
    while controller.can("undo"):
        controller.undo()
        settle()
    np.testing.assert_array_equal(begun.labels.data, before)


def test_undo_leaves_them_also_where_work_was_resumed(begun, controller, settle):
    before, image = begun.labels.data.copy(), controller.image
    stroke(begun, slice(38, 42), slice(38, 42), 10)
    settle()
    controller.viewer.layers.remove(image)
    controller.choose_image(None)
    controller.choose_image(controller.viewer.add_layer(image))
    controller.new_object()
    settle()
    assert controller.image_controller.goes_on
    while controller.can("undo"):
        controller.undo()
        settle()
    np.testing.assert_array_equal(begun.labels.data, before)


def test_removing_one_takes_what_strokes_met_and_undo_of_that_brings_it_back(
    begun, controller, settle
):
    stroke(begun, slice(42, 46), slice(42, 46), 9)  # known now, by its own stroke
    stroke(begun, slice(38, 41), slice(38, 41), 0)
    settle()
    before = begun.labels.data.copy()
    begun.remove_object(9)
    settle()
    assert not begun.labels.data[44:46, 44:46].any()
    controller.undo()
    settle()
    np.testing.assert_array_equal(begun.labels.data, before)
