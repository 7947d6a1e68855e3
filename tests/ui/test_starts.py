"""Objects of other Labels layers as starts: what is taken, refused, corrected, undone."""

import numpy as np
import pytest

from napari_intseg.ui import starts


@pytest.fixture
def found(bench, squares):
    """A foreign layer with two objects on the squares' image, and the image chosen."""
    labels = np.zeros(squares.shape, np.int32)
    labels[12:32, 12:32] = 5
    labels[35:55, 45:70] = 9
    bench.choose_image(bench.viewer.add_image(squares))
    return bench.viewer.add_labels(labels, name="automatic")


def test_an_object_becomes_the_current_one(bench, settle, found, said):
    kept = found.data.copy()
    assert starts.take(bench, found, 5) == 1
    settle()
    np.testing.assert_array_equal(bench.binder.labels.data == 1, kept == 5)
    np.testing.assert_array_equal(found.data, kept)
    assert any("Object 1 is object 5 of automatic" in text for text in said.messages)
    assert bench.binder.is_begun(1)


def test_clicks_correct_it(bench, settle, found):
    starts.take(bench, found, 5)
    settle()
    points = bench.binder.points
    points.feature_defaults["sign"] = "negative"
    points.add([30, 30])
    settle()
    mask = bench.binder.labels.data == 1
    assert not mask[30, 30]
    assert mask[15, 15]


def test_the_next_one_is_an_object_of_its_own(bench, settle, found):
    assert [starts.take(bench, found, label) for label in (9, 5)] == [1, 2]
    settle()
    data = bench.binder.labels.data
    assert data[40, 50] == 1
    assert data[20, 20] == 2


def test_all_are_taken_at_once(bench, settle, found, said):
    assert starts.take_all(bench, found) == 2
    settle()
    np.testing.assert_array_equal(bench.binder.labels.data > 0, found.data > 0)
    assert said.messages[-1].startswith("2 objects taken from automatic")


def test_taking_is_one_step_of_undo(bench, settle, found):
    starts.take(bench, found, 5)
    settle()
    bench.undo()
    settle()
    assert not bench.binder.labels.data.any()
    bench.redo()
    settle()
    assert bench.binder.labels.data.any()


def test_a_volume_is_taken_as_a_whole_and_can_be_propagated(bench, settle, boxes, pump):
    bench.choose_image(bench.viewer.add_image(boxes))
    part = np.zeros(boxes.shape, np.uint8)
    part[4:6] = boxes[4:6] == 200
    layer = bench.viewer.add_labels(part)
    assert starts.take(bench, layer, 1) == 1
    settle()
    np.testing.assert_array_equal(bench.binder.labels.data == 1, part == 1)
    bench.propagate()
    pump.until(lambda: not bench.is_propagating)
    settle()
    assert (bench.binder.labels.data[7] == 1).any()


def test_the_layer_worked_on_is_no_candidate(bench, found):
    assert starts.candidates(bench) == [found]
    bench.new_object()
    assert starts.candidates(bench) == [found]
    assert bench.binder.labels in bench.viewer.layers


@pytest.mark.parametrize(
    ("make", "label", "told"),
    [
        (lambda v, _: v.add_labels(np.ones((5, 5), int)), 1, "layer is on another grid"),
        (lambda v, x: v.add_labels(x.data, scale=(2, 2)), 5, "layer is on another grid"),
        (lambda _, x: x, 7, "object is not there"),
    ],
)
def test_what_cannot_be_taken_is_told(bench, found, said, make, label, told):
    layer = make(bench.viewer, found)
    assert starts.take(bench, layer, label) is None
    assert told in said.failures[-1]


def test_an_empty_layer_holds_nothing_to_take(bench, found, said):
    empty = bench.viewer.add_labels(np.zeros(found.data.shape, int))
    assert starts.take_all(bench, empty) == 0
    assert "layer is empty" in said.failures[-1]


def test_without_an_image_nothing_is_taken(bench, said):
    layer = bench.viewer.add_labels(np.ones((5, 5), int))
    assert starts.take(bench, layer, 1) is None
    assert "no image is worked on" in said.failures[-1]


def test_without_a_model_it_says_wait(bench, found, said):
    bench.new_object()
    bench.binder.drawer.model = None
    assert starts.take(bench, found, 5) is None
    assert "model is not there yet" in said.failures[-1]


@pytest.mark.gui
def test_the_panel_appears_with_a_layer_to_take_from(qtbot, bench, settle, squares):
    from napari_intseg.ui.panels.start_panel import StartPanel

    panel = StartPanel(bench)
    qtbot.addWidget(panel)
    assert panel.isHidden()
    bench.choose_image(bench.viewer.add_image(squares))
    layer = bench.viewer.add_labels((squares > 150).astype(int) * 3, name="theirs")
    layer.selected_label = 3
    assert not panel.isHidden()
    assert panel.layer.currentText() == "theirs"
    panel.layer.currentIndexChanged.emit(0)
    assert panel.label.value() == 3
    panel.one.click()
    settle()
    np.testing.assert_array_equal(bench.binder.labels.data == 1, squares > 150)
    panel.all.click()
    settle()
    assert len(bench.binder.drawer.labels) == 2
    bench.viewer.layers.remove(layer)
    assert panel.isHidden()
    panel.close_panel()
    bench.viewer.add_labels((squares > 150).astype(int))
    assert panel.isHidden()
