"""Merging, splitting and renumbering in a viewer; in a real window by mouse and keys."""

import numpy as np
import pytest
from qtpy.QtCore import QItemSelectionModel, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QInputDialog

from napari_intseg.ui.controllers import object_actions
from napari_intseg.ui.controllers.model_loader import Choice
from napari_intseg.ui.controllers.object_actions import call, called
from real_window import Window, breathe, turn


@pytest.fixture
def begun(controller, settle, squares):
    """Two objects, one in each square."""
    controller.viewer.add_image(squares)
    controller.choose_image(controller.viewer.layers[0])
    controller.new_object()
    image_controller = controller.image_controller
    image_controller.points.add((20, 20))
    settle()
    controller.new_object()
    image_controller.points.add((45, 55))
    settle()
    return image_controller


@pytest.fixture
def series(controller, settle, squares):
    """A time series with two objects at time 0, the second of them at time 1 as well."""
    image = controller.viewer.add_image(np.stack([squares] * 3))
    controller.choose_image(image)
    controller.choose_axes("tyx")
    controller.new_object()
    image_controller = controller.image_controller
    for label, at in ((1, (0, 20, 20)), (2, (0, 45, 55)), (2, (1, 45, 55))):
        if label not in image_controller.session_store.labels:
            controller.new_object()
        controller.select_object(label)
        controller.viewer.dims.set_point(0, at[0])
        image_controller.points.add(at)
        settle()
    return image_controller


def test_merged_objects_are_one_in_the_layer_and_undo_divides_them(controller, begun, settle, said):
    before = begun.labels.data.copy()
    object_actions.merge(controller, [2, 1])
    settle()
    np.testing.assert_array_equal(begun.labels.data, (before > 0).astype(before.dtype))
    assert begun.session_store.labels == (1,)
    assert begun.session_store.object == 1
    assert said.messages[-1] == "Object 2 is part of object 1 now."
    assert len(begun.points.data) == 1, "clicks of the other go with it"
    controller.undo()
    settle()
    np.testing.assert_array_equal(begun.labels.data, before)
    assert begun.session_store.labels == (1, 2)
    assert begun.points.features["object"].tolist() == [1, 2]


def test_one_object_is_not_enough(controller, begun, said):
    object_actions.merge(controller, [1])
    assert "two or more objects" in said.failures[-1]
    assert begun.session_store.labels == (1, 2)


def test_a_locked_object_is_not_merged_at_any_time_point(controller, series, settle, said):
    series.session_store.sessions[1].lock_object(2)
    before = series.labels.data.copy()
    object_actions.merge(controller, [1, 2])
    settle()
    assert "object is locked" in said.failures[-1]
    np.testing.assert_array_equal(series.labels.data, before)


def test_merging_holds_at_all_time_points(controller, series, settle):
    before = series.labels.data.copy()
    assert (before[1] == 2).any()
    object_actions.merge(controller, [1, 2])
    settle()
    np.testing.assert_array_equal(series.labels.data, (before > 0).astype(before.dtype))
    assert series.session_store.labels == (1,)


def test_a_number_changes_with_its_name_at_all_time_points(controller, series, settle, said):
    before = series.labels.data.copy()
    call(series, 2, "name", "left")
    object_actions.relabel(controller, 2, 300)
    settle()
    np.testing.assert_array_equal(series.labels.data, np.where(before == 2, 300, before))
    assert called(series, 300) == "left"
    assert series.session_store.labels == (1, 300)
    object_actions.relabel(controller, 300, 1)
    assert "There is an object 1 already" in said.failures[-1]


def test_an_object_is_split_by_two_clicks_of_the_mouse(controller, begun, settle, said):
    controller.select_object(2)
    controller.splitter.begin()
    assert said.messages[-1] == "Split object 2: click in one part, then in the other."
    controller.splitter.click(np.array([2.0, 2.0]))
    assert "not in object 2" in said.failures[-1]
    controller.splitter.click(np.array([45.0, 48.0]))
    controller.splitter.click(np.array([45.0, 66.0]))
    settle()
    labels = begun.labels.data
    assert labels[45, 48] == 2
    assert labels[45, 66] == 3
    assert not controller.splitter.is_on
    assert begun.session_store.labels == (1, 2, 3)


def test_going_on_with_another_object_ends_splitting(controller, begun):
    controller.splitter.begin(2)
    assert controller.splitter.is_on
    controller.select_object(1)
    assert not controller.splitter.is_on
    assert begun.clicking.divert is None


def test_what_has_no_pixels_is_not_split(controller, begun, said):
    controller.new_object()
    controller.splitter.begin()
    assert "no pixels to split" in said.failures[-1]
    assert not controller.splitter.is_on
    assert begun.clicking.divert is None


@pytest.mark.gui
class TestWindow:
    @pytest.fixture
    def window(self, make_napari_viewer):
        rows, cols = np.indices((100, 120))
        discs = [np.hypot(rows - 50, cols - c) < 19 for c in (40, 76)]
        image = np.where(discs[0] | discs[1], 200, 30).astype(np.uint8)
        image[5:15, 100:115] = 120
        viewer = make_napari_viewer(show=True)
        viewer.window._qt_window.resize(1366, 768)
        viewer.add_image(image)
        window = Window(viewer)
        window.settle()
        breathe(0.3)
        window.press(Qt.Key.Key_N)
        loader = window.controller.loader
        loader.choose(Choice("region-growing"))
        turn(lambda: loader.model is not None and loader.model.traits.name == "region-growing")
        window.click((50, 40))
        window.settle()
        window.press(Qt.Key.Key_N)
        window.click((10, 107))
        window.settle()
        yield window
        window.close()

    def test_by_mouse_and_keys(self, window, monkeypatch):
        table = window.widget.object_panel.table
        table.selectRow(0)
        window.press(Qt.Key.Key_X, Qt.KeyboardModifier.ShiftModifier)
        window.click((50, 30))
        window.click((50, 90))
        window.settle()
        assert window.labels[50, 30] == 1
        assert window.labels[50, 90] == 3
        assert len(window.controller.image_controller.points.data) == 2, "they are no prompts"
        whole = window.labels > 0
        for row, how in ((0, "ClearAndSelect"), (2, "Select")):
            at = table.model().index(row, 0)
            flag = QItemSelectionModel.SelectionFlag
            rows = flag.Rows
            table.selectionModel().select(at, getattr(flag, how) | rows)
        assert table.selected == (1, 3)
        texts = [action.text() for action in table.menu(3).actions()]
        assert "Merge into object 1" in texts
        window.press(Qt.Key.Key_T, Qt.KeyboardModifier.ShiftModifier)
        window.settle()
        np.testing.assert_array_equal(window.labels > 0, whole)
        assert window.labels[50, 90] == 1
        monkeypatch.setattr(QInputDialog, "getInt", lambda *_: (9, True))
        table.selectRow(1)
        window.press(Qt.Key.Key_R, Qt.KeyboardModifier.ShiftModifier)
        window.settle()
        assert window.labels[10, 107] == 9
        for _ in range(3):
            window.press(Qt.Key.Key_U)
            window.settle()
        assert window.controller.image_controller.session_store.labels == (1, 2)
        assert set(np.unique(window.labels)) == {0, 1, 2}

    def test_delete_takes_all_selected_rows(self, window):
        table = window.widget.object_panel.table
        table.selectAll()
        QTest.keyClick(table, Qt.Key.Key_Delete)
        window.settle()
        assert not window.labels.any()
