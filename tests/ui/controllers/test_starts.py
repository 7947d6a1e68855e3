"""Objects of other Labels layers as starts: what is taken, refused, corrected, undone."""

import numpy as np
import pytest

from napari_intseg.ui.controllers import object_actions


@pytest.fixture
def found(controller, squares):
    """A foreign layer with two objects on the squares' image, and the image chosen."""
    labels = np.zeros(squares.shape, np.int32)
    labels[12:32, 12:32] = 5
    labels[35:55, 45:70] = 9
    controller.choose_image(controller.viewer.add_image(squares))
    return controller.viewer.add_labels(labels, name="automatic")


def test_an_object_becomes_the_current_one(controller, settle, found, said):
    kept = found.data.copy()
    assert object_actions.take(controller, found, 5) == 1
    settle()
    np.testing.assert_array_equal(controller.image_controller.labels.data == 1, kept == 5)
    np.testing.assert_array_equal(found.data, kept)
    assert any("Object 1 is object 5 of automatic" in text for text in said.messages)
    assert controller.image_controller.is_begun(1)


def test_clicks_correct_it(controller, settle, found):
    object_actions.take(controller, found, 5)
    settle()
    points = controller.image_controller.points
    points.feature_defaults["sign"] = "negative"
    points.add([30, 30])
    settle()
    mask = controller.image_controller.labels.data == 1
    assert not mask[30, 30]
    assert mask[15, 15]


def test_the_next_one_is_an_object_of_its_own(controller, settle, found):
    assert [object_actions.take(controller, found, label) for label in (9, 5)] == [1, 2]
    settle()
    data = controller.image_controller.labels.data
    assert data[40, 50] == 1
    assert data[20, 20] == 2


def test_all_are_taken_at_once(controller, settle, found, said):
    assert object_actions.take_all(controller, found) == 2
    settle()
    np.testing.assert_array_equal(controller.image_controller.labels.data > 0, found.data > 0)
    assert said.messages[-1].startswith("2 objects taken from automatic")


def test_all_that_was_taken_is_one_step_of_undo(controller, settle, found):
    object_actions.take_all(controller, found)
    settle()
    assert len(controller.image_controller.session_store.labels) == 2
    controller.undo()
    settle()
    assert not controller.image_controller.labels.data.any()
    controller.redo()
    settle()
    np.testing.assert_array_equal(controller.image_controller.labels.data > 0, found.data > 0)


def test_after_taking_all_a_click_corrects_the_object_it_is_made_for(controller, settle, found):
    object_actions.take_all(controller, found)
    settle()
    controller.select_object(2)
    points = controller.image_controller.points
    points.feature_defaults["sign"] = "negative"
    points.add([45, 60])
    settle()
    data = controller.image_controller.labels.data
    assert data[45, 60] == 0
    assert data[20, 20] == 1


def test_taking_is_one_step_of_undo(controller, settle, found):
    object_actions.take(controller, found, 5)
    settle()
    controller.undo()
    settle()
    assert not controller.image_controller.labels.data.any()
    controller.redo()
    settle()
    assert controller.image_controller.labels.data.any()


def test_a_volume_is_taken_as_a_whole_and_can_be_propagated(controller, settle, boxes, pump):
    controller.choose_image(controller.viewer.add_image(boxes))
    part = np.zeros(boxes.shape, np.uint8)
    part[4:6] = boxes[4:6] == 200
    layer = controller.viewer.add_labels(part)
    assert object_actions.take(controller, layer, 1) == 1
    settle()
    np.testing.assert_array_equal(controller.image_controller.labels.data == 1, part == 1)
    controller.propagate()
    pump.until(lambda: not controller.is_propagating)
    settle()
    assert (controller.image_controller.labels.data[7] == 1).any()


def test_the_layer_worked_on_is_no_candidate(controller, found):
    assert object_actions.candidates(controller) == [found]
    controller.new_object()
    assert object_actions.candidates(controller) == [found]
    assert controller.image_controller.labels in controller.viewer.layers


@pytest.mark.parametrize(
    ("make", "label", "told"),
    [
        (lambda v, _: v.add_labels(np.ones((5, 5), int)), 1, "layer is on another grid"),
        (lambda v, x: v.add_labels(x.data, scale=(2, 2)), 5, "layer is on another grid"),
        (lambda _, x: x, 7, "object is not there"),
    ],
)
def test_what_cannot_be_taken_is_told(controller, found, said, make, label, told):
    layer = make(controller.viewer, found)
    assert object_actions.take(controller, layer, label) is None
    assert told in said.failures[-1]


def test_an_empty_layer_holds_nothing_to_take(controller, found, said):
    empty = controller.viewer.add_labels(np.zeros(found.data.shape, int))
    assert object_actions.take_all(controller, empty) == 0
    assert "layer is empty" in said.failures[-1]


def test_without_an_image_nothing_is_taken(controller, said):
    layer = controller.viewer.add_labels(np.ones((5, 5), int))
    assert object_actions.take(controller, layer, 1) is None
    assert "no image is worked on" in said.failures[-1]


def test_without_a_model_it_says_wait(controller, found, said):
    controller.new_object()
    controller.image_controller.session_store.model = None
    assert object_actions.take(controller, found, 5) is None
    assert "model is not there yet" in said.failures[-1]


@pytest.mark.gui
def test_the_panel_appears_with_a_layer_to_take_from(qtbot, controller, settle, squares):
    from napari_intseg.ui.panels.start_panel import StartPanel

    panel = StartPanel(controller)
    qtbot.addWidget(panel)
    assert panel.isHidden()
    controller.choose_image(controller.viewer.add_image(squares))
    layer = controller.viewer.add_labels((squares > 150).astype(int) * 3, name="theirs")
    layer.selected_label = 3
    assert not panel.isHidden()
    assert panel.layer.currentText() == "theirs"
    panel.layer.currentIndexChanged.emit(0)
    assert panel.label.value() == 3
    panel.one.click()
    settle()
    np.testing.assert_array_equal(controller.image_controller.labels.data == 1, squares > 150)
    panel.all.click()
    settle()
    assert len(controller.image_controller.session_store.labels) == 2
    controller.viewer.layers.remove(layer)
    assert panel.isHidden()
    panel.close_panel()
    controller.viewer.add_labels((squares > 150).astype(int))
    assert panel.isHidden()
