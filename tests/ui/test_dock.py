"""The real window: mouse, keys, closing."""

import gc
import logging
import re
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_intseg.ui import commands
from napari_intseg.ui.dock import SegmentWidget
from napari_intseg.ui.qt.keybindings import ACTIONS
from real_window import THREAD, Window, breathe, turn

pytestmark = pytest.mark.gui


@pytest.fixture
def window(shared_viewer):
    made = Window(shared_viewer)
    yield made
    made.close()


@pytest.fixture
def picture():
    """A bright disc on a dark ground, uint8 (100, 120)."""
    rows, cols = np.indices((100, 120))
    return np.where(np.hypot(rows - 50, cols - 60) < 20, 200, 30).astype(np.uint8)


def test_hidden_points_may_be_replaced_by_fewer(window, picture):
    window.viewer.add_image(picture)
    window.press(Qt.Key.Key_N)
    points = window.controller.image_controller.points
    for place in ((50, 60), (52, 60), (54, 60), (56, 60)):
        points.add(place)
    window.settle()
    points.features["sign"] = ["positive", "negative", "positive", "positive"]
    points.visible = False
    points.data = np.array(points.data[2:])  # their looks change, and what was in view is gone
    window.settle()
    assert len(window.controller.image_controller.session_store.sessions[0].clicks) == 2
    points.visible = True
    breathe()


def test_hidden_labels_take_a_number_beyond_their_type(window, picture):
    window.viewer.add_image(picture)
    window.press(Qt.Key.Key_N)
    labels = window.controller.image_controller.labels
    labels.visible = False
    window.controller.select_object(70_000)
    labels.data = np.array(labels.data)  # napari draws its colours anew, as after a change of axes
    assert labels.selected_label == 70_000
    labels.visible = True
    window.click((50, 60))
    window.settle()
    assert labels.data[50, 60] == 70_000


def test_each_command_says_why_it_can_do_nothing_yet(window):
    # the first three open a dialog in any case, the last moves the keyboard's focus
    always = ("open_queue", "all_models", "learn_objects", "go_to_panel")
    told = []
    for signal in (window.controller.signals.message, window.controller.signals.failed):
        signal.connect(told.append)
    silent = []
    for name in set(vars(commands)) & set(window.widget._known) - set(always):
        told.clear()
        window.widget.do(name)
        window.settle()
        silent += [name] * (not told)
    assert not silent


def test_mouse_clicks_become_a_mask(window, picture):
    window.viewer.add_image(picture)
    window.widget.action_panel.new.click()
    breathe()
    window.click((50, 60))
    window.click((10, 10), Qt.MouseButton.RightButton)
    window.click((90, 110), keys=Qt.KeyboardModifier.ShiftModifier)
    window.settle()
    signs = list(window.controller.image_controller.points.features["sign"])
    assert signs == ["positive", "negative", "negative"]
    truth = picture == 200
    mask = window.labels > 0
    assert (mask & truth).sum() / (mask | truth).sum() > 0.9
    assert "answered in" in window.widget.status_panel.message
    assert "Object 1: 3 clicks" in window.widget.object_panel.table.words(0)


def test_a_right_drag_zooms_and_adds_nothing(window, picture):
    window.viewer.add_image(picture)
    window.controller.new_object()
    breathe()
    zoom = window.viewer.camera.zoom
    native, start = window.canvas.native, window.at((50, 60))
    QTest.mousePress(native, Qt.MouseButton.RightButton, pos=start)
    for i in range(1, 12):
        QTest.mouseMove(native, start + QPoint(0, 6 * i))
        breathe(0.02)
    QTest.mouseRelease(native, Qt.MouseButton.RightButton, pos=start + QPoint(0, 66))
    breathe()
    assert len(window.controller.image_controller.points.data) == 0
    # offscreen Qt moves the pointer without its buttons, so only the absence of a point is certain
    assert window.viewer.camera.zoom > 0 < zoom


def test_the_sign_of_a_left_click_can_be_swapped_by_key(window, picture):
    window.viewer.add_image(picture)
    window.controller.new_object()
    breathe()
    window.click((50, 60))
    window.press(Qt.Key.Key_W)
    assert "− left click" in window.widget.action_panel.swap.toolTip()
    window.click((10, 10))
    window.settle()
    assert list(window.controller.image_controller.points.features["sign"]) == [
        "positive",
        "negative",
    ]


def test_each_click_can_begin_an_object(window, toy):
    cells = np.full((100, 130), 30, np.uint8)
    for (row, col), level in (((25, 30), 110), ((70, 30), 180), ((45, 95), 255)):
        cells[row - 14 : row + 14, col - 14 : col + 14] = level
    window.viewer.add_image(cells)
    window.press(Qt.Key.Key_N)
    breathe()
    window.controller.image_controller.set_model(toy)
    window.widget.object_panel.each.click()
    for row, col in ((25, 30), (70, 30), (45, 95)):
        window.click((row, col))
        window.settle()
    right = Qt.MouseButton.RightButton
    window.click((72, 33))  # inside the second
    window.settle()
    window.click((5, 5), right)  # in no object: of the current one
    window.settle()
    objects = list(window.controller.image_controller.points.features["object"])
    assert objects == [1, 2, 3, 2, 2]
    found = window.labels
    assert [int(found[at]) for at in ((25, 30), (70, 30), (45, 95))] == [1, 2, 3]
    window.widget.object_panel.each.click()
    window.click((8, 120))
    assert list(window.controller.image_controller.points.features["object"])[-1] == 2


def test_keys_do_what_the_buttons_do(window):
    volume = np.zeros((9, 60, 60), np.uint8)
    volume[2:7, 20:40, 20:40] = 200
    window.viewer.add_image(volume)
    window.press(Qt.Key.Key_N)
    breathe()
    window.viewer.dims.set_point(0, 4)
    window.click((30, 30))
    window.settle()
    window.press(Qt.Key.Key_G)
    window.settle()
    assert np.count_nonzero(window.labels.any(axis=(1, 2))) == 5
    window.press(Qt.Key.Key_U)
    window.settle()
    assert np.count_nonzero(window.labels.any(axis=(1, 2))) == 1
    window.press(Qt.Key.Key_U, Qt.KeyboardModifier.ShiftModifier)
    window.settle()
    assert np.count_nonzero(window.labels.any(axis=(1, 2))) == 5
    window.press(Qt.Key.Key_K)
    assert window.controller.image_controller.session_store.object == 2
    assert "accepted" in window.widget.object_panel.table.words(0)


def test_a_click_where_no_plane_is_shown_is_refused(window):
    series = np.full((8, 9, 60, 60), 50, np.uint8)
    window.viewer.add_image(series, axis_labels=("t", "z", "y", "x"))
    window.controller.new_object()
    window.viewer.dims.order = (2, 1, 0, 3)
    breathe(0.2)
    assert "roll the axes" in window.widget.status_panel.message
    window.controller.image_controller.points.mode = "add"
    window.click((4, 30))
    assert len(window.controller.image_controller.points.data) == 0
    assert "roll the axes" in window.widget.status_panel.error


def test_3_d_display_says_that_clicks_need_a_2_d_view(window, picture):
    window.viewer.add_image(np.stack([picture] * 7))
    window.controller.new_object()
    window.viewer.dims.ndisplay = 3
    breathe(0.2)
    assert "2-D view" in window.widget.status_panel.message
    assert window.controller.image_controller.points.mode == "pan_zoom"


def test_the_image_list_follows_the_layers(window, picture):
    panel = window.widget.image_panel.image
    assert panel.count() == 0
    first = window.viewer.add_image(picture, name="first")
    second = window.viewer.add_image(picture, name="second")
    assert [panel.itemText(i) for i in range(panel.count())] == ["first", "second"]
    assert window.controller.image is first
    second.name = "renamed"
    assert panel.itemText(1) == "renamed"
    panel.setCurrentIndex(1)
    assert window.controller.image is second
    window.viewer.layers.remove(second)
    assert window.controller.image is first
    assert panel.count() == 1


def test_a_removed_layer_is_told_and_work_can_begin_again(window, picture):
    image = window.viewer.add_image(picture, name="disc")
    for which in ("points", "labels", "image"):
        window.controller.new_object()
        window.controller.image_controller.points.add((50, 60))
        image_controller = window.controller.image_controller
        window.viewer.layers.remove({"image": image}.get(which) or getattr(image_controller, which))
        window.settle()
        assert f"The {which} layer" in window.widget.status_panel.error
        if which == "image":
            window.viewer.add_image(picture, name="disc")
        window.controller.new_object()
        window.controller.image_controller.points.add((50, 60))
        window.settle()
        assert (window.labels > 0).any()


def test_a_taken_key_is_left_alone_and_told(shared_viewer):
    viewer = shared_viewer
    pressed = []
    viewer.bind_key("n", lambda _: pressed.append(1))
    mine = viewer.keymap.copy()
    widget = SegmentWidget(viewer)
    assert [a.name for a in widget._keys.taken] == ["new_object"]
    assert widget.action_panel.new.text() == "New object"
    assert "means something else" in widget.action_panel.new.toolTip()
    assert all(viewer.keymap[key] is call for key, call in mine.items())
    assert len(viewer.keymap) == len(ACTIONS)
    widget.close()
    assert viewer.keymap == mine
    viewer.bind_key("n", None)


def test_models_that_are_not_installed_are_grey_and_say_why(shared_viewer, monkeypatch):
    from dataclasses import replace

    from napari_intseg.models import registry

    spec = registry.MODELS["random-walker"]
    absent = replace(spec, title="Absent", needs=("no_such_package",), extra="sam")
    monkeypatch.setitem(registry.MODELS, "absent", absent)
    widget = SegmentWidget(shared_viewer)
    box = widget.model_panel.model
    row = box.findData("absent")
    assert not box.model().item(row).isEnabled()
    tip = box.itemData(row, Qt.ItemDataRole.ToolTipRole)
    assert "pip install 'napari-intseg[sam]'" in tip
    assert box.currentData() == registry.DEFAULT_MODEL
    widget.close()


def test_missing_weights_can_be_fetched_or_picked(shared_viewer, monkeypatch, tmp_path):
    from napari_intseg.models.weights import locate

    monkeypatch.setenv(locate.FOLDERS_VARIABLE, str(tmp_path))
    monkeypatch.setattr(locate, "cache_folder", lambda: tmp_path / "cache")
    asked = []

    def fetch(key, *, on_progress, should_stop):
        asked.append((key, should_stop()))
        on_progress(1, 2)

    monkeypatch.setattr(locate, "fetch", fetch)
    widget = SegmentWidget(shared_viewer)
    panel = widget.model_panel
    panel.model.setCurrentIndex(panel.model.findData("ritm-hrnet18s"))
    assert not panel.missing.isHidden()
    assert "coco_lvis_h18s_itermask.pth" in panel.text.text()
    panel.fetch.click()
    turn(lambda: bool(asked) and widget.controller.worker.is_idle)
    breathe()
    assert asked == [("ritm-hrnet18s", False)]
    assert "cancelled" in widget.status_panel.message
    widget.close()


def test_without_an_image_it_is_said_where_one_comes_from(window):
    status = window.widget.status_panel
    turn(lambda: "is ready. Open an image" in status.message)
    window.viewer.add_image(np.zeros((32, 32), np.uint8))
    turn(lambda: status.message == "Click on an object in the image to begin.")
    window.viewer.layers.clear()
    turn(lambda: status.message.startswith("Open an image to begin"))
    window.viewer.add_image(np.zeros((32, 32), np.uint8))
    window.controller.new_object()
    window.viewer.layers.clear()
    turn(lambda: status.error.endswith("so work on it has ended. Open an image to begin."))


@pytest.mark.parametrize("how", ["widget", "dock", "viewer"])
def test_closing_in_the_middle_leaves_nothing(make_napari_viewer, how):
    viewer = make_napari_viewer()
    window = Window(viewer)
    rng = np.random.default_rng(0)
    volume = rng.integers(0, 255, (20, 200, 200)).astype(np.uint8)
    image = viewer.add_image(volume)
    before = len(image.events.data.callbacks), len(viewer.layers.events.removed.callbacks)
    window.controller.new_object()
    image_controller = window.controller.image_controller
    points = image_controller.points
    points.add((10, 100, 100))
    window.controller.propagate()
    breathe(0.05)
    assert THREAD in {t.name for t in threading.enumerate()}
    told = []
    window.controller.signals.message.connect(told.append)
    # what is posted just before the end would write on widgets that are gone
    logging.getLogger("napari_intseg.io.hooks").info("wrote something")
    if how == "widget":
        window.widget.close()
    elif how == "dock":
        viewer.window.remove_dock_widget(window.dock)
    else:
        viewer.close()
    breathe(0.2)
    assert THREAD not in {t.name for t in threading.enumerate()}
    assert "Wrote something." not in told
    if how != "viewer":
        assert not viewer.keymap
        assert len(image.events.data.callbacks) == before[0]
        assert len(viewer.layers.events.removed.callbacks) < before[1]
        assert not [c for c in points.mouse_drag_callbacks if "Clicking" in repr(c)]
    gone = weakref.ref(image_controller)
    points.mode = "pan_zoom"
    if how != "viewer":
        window.widget.deleteLater()
    window.widget = window.controller = image_controller = None
    del window
    for _ in range(3):
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        breathe()
        gc.collect()
    assert gone() is None  # napari itself keeps the widget of a dock that was closed


def test_the_python_of_the_guide_runs_and_old_names_warn(window, monkeypatch):
    import napari

    page = Path(__file__).resolve().parents[2] / "docs" / "guides" / "widget.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), flags=re.DOTALL)
    monkeypatch.setattr(napari, "Viewer", lambda: window.viewer)
    monkeypatch.setattr(
        window.viewer.window, "add_plugin_dock_widget", lambda _name: (None, window.widget)
    )
    given = {}
    for block in blocks:
        exec(compile(block, "widget.md", "exec"), given)
    image_controller = window.widget.controller.image_controller
    signs = list(image_controller.points.features["sign"])
    assert signs[-2:] == ["positive", "negative"]
    assert given["boxes"].name.endswith("boxes")
    with pytest.warns(DeprecationWarning, match="called controller"):
        bench = window.widget.bench
    with pytest.warns(DeprecationWarning, match="called image_controller"):
        assert bench.binder is image_controller
