"""The slider that smooths outlines: live, one undo, and in what is written."""

import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from skimage.draw import polygon2mask

from napari_intseg.io.read import read_mask
from napari_intseg.ui.controllers.label_export import export_labels
from napari_intseg.ui.controllers.review import OutlineDetailController
from napari_intseg.ui.panels.disk_panel import FORMATS
from real_window import LEFT, Window, breathe, turn


@pytest.fixture
def spiky(squares):
    """The first square with a spike."""
    squares[19:21, 30:44] = 200
    return squares


@pytest.fixture
def begun(controller, settle, spiky):
    controller.viewer.add_image(spiky)
    controller.choose_image(controller.viewer.layers[0])
    controller.new_object()
    controller.image_controller.points.add((20, 20))
    settle()
    return controller.image_controller


def test_the_layer_follows_and_each_move_is_one_undo(controller, begun, settle, said):
    detail = OutlineDetailController(controller)
    before = begun.labels.data.copy()
    assert before[20, 40] == 1
    for mm in (2.0, 4.0, 6.0):
        detail.preview(mm)
    detail.choose(6.0)
    settle()
    assert begun.labels.data[20, 40] == 0
    assert begun.labels.data.sum() == before.sum()
    assert detail.mm == 6.0
    controller.undo()
    settle()
    np.testing.assert_array_equal(begun.labels.data, before)
    assert detail.mm == 0.0
    assert said.messages[-1] == "Undo: Change detail."


def test_what_is_written_is_what_is_seen(controller, begun, settle, pump, tmp_path):
    rough = begun.labels.data.copy()
    OutlineDetailController(controller).choose(6.0)
    settle()
    shown = begun.labels.data
    assert not np.array_equal(shown, rough)
    volume = begun.image_axes.volume(0)
    # the window writes nothing else of one plane: what it offers, less what the image must have
    for _, suffix in FORMATS:
        path = tmp_path / f"labels{suffix}"
        export_labels(controller, path)
        pump.until(lambda: controller.worker.is_idle)
        if suffix == ".json":
            coco = COCO(str(path))
            (one,) = coco.loadAnns(coco.getAnnIds())
            written = coco.annToMask(one)
        elif suffix == ".geojson":
            (feature,) = json.loads(path.read_text())["features"]
            (ring,) = feature["geometry"]["coordinates"]
            written = polygon2mask(shown.shape, np.array(ring)[:, ::-1] - 0.5)
        else:
            written = read_mask(path, volume)
        np.testing.assert_array_equal(written, shown, err_msg=suffix)


def test_time_points_begun_later_have_it_too(controller, settle, squares):
    image = controller.viewer.add_image(np.stack([squares] * 2))
    controller.choose_image(image)
    controller.choose_axes("tyx")
    controller.new_object()
    begun = controller.image_controller
    begun.points.add((0, 20, 20))
    settle()
    OutlineDetailController(controller).choose(3.0)
    controller.viewer.dims.set_point(0, 1)
    begun.points.add((1, 20, 20))
    settle()
    assert [s.detail_mm for s in begun.session_store.sessions.values()] == [3.0, 3.0]
    np.testing.assert_array_equal(begun.labels.data[1], begun.labels.data[0])


def test_before_any_click_it_says_so(controller, squares, said):
    controller.viewer.add_image(squares)
    controller.choose_image(controller.viewer.layers[0])
    OutlineDetailController(controller).choose(3.0)
    assert not said.failures, "there is no image worked on"


@pytest.mark.gui
def test_it_is_moved_by_mouse_and_keys(make_napari_viewer, spiky):
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1366, 768)
    viewer.add_image(spiky, scale=(0.5, 0.5), units=("mm", "mm"))
    window = Window(viewer)
    window.settle()
    breathe(0.3)
    window.click((10, 10))
    window.settle()
    panel, before = window.widget.detail_panel, window.labels.copy()
    window.widget.more.fold(False)
    assert panel.told.text() == "off"
    panel.slider.setFocus()
    for _ in range(4):
        QTest.keyClick(panel.slider, Qt.Key.Key_Right)
    assert panel.told.text() == "1 mm"
    turn(lambda: panel.is_settled)
    assert panel.detail.mm == 1.0
    window.settle()
    middle = QPoint(panel.slider.width() // 4, panel.slider.height() // 2)
    QTest.mouseClick(panel.slider, LEFT, pos=middle)
    turn(lambda: panel.is_settled)
    assert panel.detail.mm > 1.0
    window.settle()
    assert not np.array_equal(window.labels, before)
    window.press(Qt.Key.Key_U)
    assert panel.told.text() == "1 mm"
    window.press(Qt.Key.Key_U)
    window.settle()
    assert panel.told.text() == "off"
    np.testing.assert_array_equal(window.labels, before)
    window.close()
