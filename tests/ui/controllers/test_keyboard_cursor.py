"""Everything without a mouse."""

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_intseg.ui.controllers.clicks import NAME, KeyboardCursor
from napari_intseg.ui.controllers.model_loader import Choice
from napari_intseg.ui.controllers.object_actions import accept
from real_window import Window, breathe, turn

SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def cursor(controller):
    made = KeyboardCursor(controller)
    yield made
    made.close()


def go(cursor, row, col):
    here = cursor.place
    cursor.move(row - here[0], col - here[1], by_pixel=True)


def test_it_clicks_where_it_is_with_both_signs(controller, cursor, squares, settle, said):
    controller.viewer.add_image(squares)
    controller.choose_image(controller.viewer.layers[0])
    cursor.toggle()
    assert cursor.place == (30, 40)
    go(cursor, 20, 20)
    assert said.messages[-1] == "Cursor at row 20, column 20, in no object."
    cursor.click()
    settle()
    labels = controller.image_controller.labels
    np.testing.assert_array_equal(labels.data == 1, squares == 200)
    go(cursor, 12, 12)
    assert said.messages[-1].endswith("in object 1.")
    cursor.click(False)
    settle()
    assert labels.data[12, 12] == 0
    accept(controller)
    go(cursor, 45, 55)
    cursor.click()
    settle()
    assert labels.data[45, 55] == 2
    go(cursor, 500, -500)
    assert cursor.place == (59, 0), "it stays in the image"


def test_arrows_are_napari_s_again_when_it_ends(controller, cursor, squares):
    viewer = controller.viewer
    viewer.add_image(squares)
    controller.choose_image(viewer.layers[0])

    @viewer.bind_key("Left")
    def mine(_viewer):
        return None

    cursor.toggle()
    assert NAME in viewer.layers
    assert len(viewer.keymap) == 12
    cursor.toggle()
    assert NAME not in viewer.layers
    assert list(viewer.keymap.values()) == [mine]


def test_planes_are_changed_on_any_axis(controller, cursor, boxes):
    viewer = controller.viewer
    viewer.add_image(boxes)
    controller.choose_image(viewer.layers[0])
    controller.choose_axes("zyx")
    cursor.toggle()
    before = viewer.dims.current_step[0]
    cursor.step_plane(1)
    assert viewer.dims.current_step[0] == before + 1
    viewer.dims.order = (2, 0, 1)
    before = viewer.dims.current_step[2]
    cursor.step_plane(-1)
    assert viewer.dims.current_step[2] == before - 1


@pytest.mark.gui
def test_an_object_is_carried_through_a_volume_by_keys_alone(make_napari_viewer):
    volume = np.full((9, 100, 120), 30, np.uint8)
    volume[2:7, 35:65, 45:75] = 200
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1366, 768)
    viewer.add_image(volume)
    window = Window(viewer)
    window.settle()
    loader = window.controller.loader
    loader.choose(Choice("region-growing"))
    turn(lambda: loader.model is not None and loader.model.traits.name == "region-growing")
    window.press(Qt.Key.Key_I, SHIFT)
    cursor = window.widget.keyboard_cursor
    assert cursor.is_on
    while viewer.dims.current_step[0] != 4:
        window.press(Qt.Key.Key_Period if viewer.dims.current_step[0] < 4 else Qt.Key.Key_Comma)
    start = cursor.place
    window.press(Qt.Key.Key_Right)
    window.press(Qt.Key.Key_Up, SHIFT)
    assert cursor.place[1] > start[1]
    assert cursor.place[0] == start[0] - 1
    window.press(Qt.Key.Key_Return)
    window.settle()
    assert window.labels[4, 50, 60] == 1
    window.press(Qt.Key.Key_G)
    window.settle()
    assert (window.labels[:, 50, 60] == 1).sum() >= 5
    for _ in range(6):
        window.press(Qt.Key.Key_Down)
    window.press(Qt.Key.Key_Return, SHIFT)
    window.settle()
    assert len(window.controller.image_controller.points.data) == 2
    window.press(Qt.Key.Key_K)
    breathe(0.1)
    assert window.controller.image_controller.session_store.is_finished(1)
    window.press(Qt.Key.Key_I, SHIFT)
    assert not cursor.is_on
    window.close()
