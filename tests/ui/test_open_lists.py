"""Lists of the panel that a person has open stay open in a real window, whatever changes."""

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtWidgets import QComboBox, QTabWidget

from napari_intseg.ui.controllers.model_loader import Choice
from napari_intseg.ui.panels.controls import Section, fill
from real_window import Window, breathe, turn

pytestmark = pytest.mark.gui

LABELS = ("by hand", "small")
THERE = "tcp://there:8786"


@pytest.fixture
def window(shared_viewer):
    """A stack of two channels, a second image, two layers of labels, an object under way."""
    viewer = shared_viewer
    viewer.window._qt_window.resize(1366, 768)
    stack = np.zeros((6, 3, 40, 50), np.uint8)
    stack[:, :, 10:30, 10:30] = 200
    viewer.add_image(np.zeros((40, 50), np.uint8), name="other")
    viewer.add_labels(np.ones(stack.shape, np.uint8), name="by hand")
    viewer.add_labels(np.ones((9, 9), np.uint8), name="small")
    viewer.add_image(stack, name="stack")
    made = Window(viewer)
    made.controller.loader.choose(Choice("region-growing"))
    turn(lambda: made.controller.loader.model.traits.name == "region-growing")
    made.settle()
    yield made
    made.close()


def show(box):
    """Open a list as a click on it does, with all that it is behind."""
    parent = box.parentWidget()
    while parent is not None:
        if isinstance(parent, Section):
            parent.fold(False)
        within = parent.parentWidget()
        while within is not None and not isinstance(within, QTabWidget):
            within = within.parentWidget()
        if isinstance(within, QTabWidget) and within.indexOf(parent) >= 0:
            within.setCurrentIndex(within.indexOf(parent))
        parent = parent.parentWidget()
    breathe()
    assert box.isVisible()

    def stays():
        # what the display tells late of the focus that was before closes any list: then once more,
        # as a person would
        if not box.view().isVisible():
            box.showPopup()
        breathe(0.1)
        return box.view().isVisible()

    turn(stays)


def texts(box):
    return [box.itemText(row) for row in range(box.count())]


def changes(box):
    """Keep what is told of a list's rows, and of its choice."""
    told = []
    rows = box.model()
    for signal in (rows.rowsInserted, rows.rowsRemoved, rows.modelReset):
        signal.connect(lambda *what: told.append(what))
    box.currentIndexChanged.connect(told.append)
    return told


def check(box, change, expected):
    """Change something while a list is open: it stays so, and has what is new below its choice."""
    assert expected not in texts(box)
    chosen = box.currentData()
    show(box)
    change()
    breathe(0.1)
    assert box.view().isVisible(), "the list was closed"
    assert expected in texts(box)
    assert box.currentData() is chosen or box.currentData() == chosen
    box.hidePopup()
    breathe()


def test_images(window):
    box = window.widget.image_panel.image
    check(box, lambda: window.viewer.add_image(np.zeros((9, 9)), name="more"), "more")
    show(box)
    window.viewer.layers.move(0, 3)
    breathe(0.1)
    assert box.view().isVisible()
    assert texts(box) == [x.name for x in window.viewer.layers if x.name not in LABELS]
    assert window.controller.image.name == "stack"


def test_axes(window):
    box = window.widget.image_panel.axes
    before = texts(box)
    assert len(before) > 1
    show(box)
    # nothing of it says that its second axis is one of channels
    window.viewer.layers["stack"].data = np.zeros((3, 6, 40, 50), np.uint8)
    window.viewer.add_image(np.zeros((9, 9)), name="more")
    breathe(0.1)
    assert box.view().isVisible()
    assert sorted(texts(box)) == sorted(before)
    assert box.currentData() == window.controller.axes


def test_contrast(window):
    box = window.widget.image_panel.contrast
    told = changes(box)
    show(box)
    window.viewer.add_image(np.zeros((9, 9)), name="more")
    breathe(0.1)
    assert box.view().isVisible()
    assert not told


def test_layers_to_start_from(window):
    box = window.widget.start_panel.layer
    check(box, lambda: window.viewer.add_labels(np.ones((9, 9), int), name="more"), "more")
    told = changes(box)
    show(box)
    window.click((20, 20))
    window.settle()
    assert box.view().isVisible() or not told
    box.hidePopup()

    def rename():
        window.viewer.layers["by hand"].name = "by eye"
        window.controller.signals.changed.emit()

    check(box, rename, "by eye")


def test_truth_of_a_comparison(window):
    window.click((20, 20))
    window.settle()
    panel = window.widget.compare_panel
    panel.model.setCurrentIndex(panel.model.findData("random-walker"))
    turn(lambda: not window.widget.comparison.loader.is_loading)
    breathe(0.1)
    by_hand = window.viewer.layers["by hand"].data
    check(panel.truth, lambda: window.viewer.add_labels(by_hand.copy(), name="more"), "more")


def test_policy_object_and_region(window):
    window.click((20, 20))
    window.settle()
    panel = window.widget.protect_panel
    add = window.viewer.add_shapes
    for box in (panel.policy, panel.inside):
        told = changes(box)
        show(box)
        add(name=f"beside {id(box)}")
        window.controller.signals.changed.emit()
        breathe(0.1)
        assert box.view().isVisible()
        assert not told
        box.hidePopup()
    check(panel.region, lambda: add(name="more"), "more")


def test_device_and_model(window):
    panel, loader = window.widget.model_panel, window.controller.loader

    def move(device):
        loader.choice = replace(loader.choice, device=device)
        panel._follow_remote(loader.choice)

    told = changes(panel.model)
    show(panel.model)
    panel._added()
    breathe(0.1)
    assert panel.model.view().isVisible()
    assert not told, "nothing has come, so nothing is listed anew"
    before = texts(panel.model)
    move(THERE)
    breathe(0.1)
    assert panel.model.view().isVisible()
    assert panel.model.currentData() == "region-growing"
    assert texts(panel.model) != before, "a machine may have other models"
    panel.model.hidePopup()
    move("auto")
    assert texts(panel.model) == before
    show(panel.device)
    move(THERE)
    breathe(0.1)
    assert panel.device.view().isVisible()
    assert panel.device.currentData() == THERE
    move("auto")
    assert panel.device.view().isVisible()


def test_colours_of_channels(window):
    look = window.widget.image_panel.look
    window.controller.choose_axes("zcyx")
    window.controller.choose_channels((0, 1))
    window.click((20, 20))
    window.settle()
    boxes = look.colours.findChildren(QComboBox)
    assert boxes
    for box in boxes:
        told = changes(box)
        show(box)
        window.viewer.add_image(np.zeros((9, 9)))
        window.controller.signals.changed.emit()
        breathe(0.1)
        assert box.view().isVisible()
        assert not told
        box.hidePopup()


def test_channels_are_shown_in_colour_before_the_first_click_and_a_tooltip_says_so_after(window):
    panel = window.widget.image_panel
    window.controller.choose_axes("zcyx")
    assert not panel.colour.isHidden()
    assert panel.colour.isEnabled()
    assert "Only before the first click" not in panel.colour.toolTip()
    window.click((20, 20))
    window.settle()
    assert not panel.colour.isHidden()
    assert not panel.colour.isEnabled()
    assert "Only before the first click" in panel.colour.toolTip()
    work = window.controller.image_controller
    for layer in (work.labels, work.points):
        window.viewer.layers.remove(layer)
    breathe()
    assert panel.colour.isEnabled(), "as the tooltip says"
    assert "Only before the first click" not in panel.colour.toolTip()


def test_rows_that_stay_are_left_in_place(qtbot):
    box = QComboBox()
    qtbot.addWidget(box)
    layers = [object() for _ in range(4)]
    entries = [(f"layer {i}", layer) for i, layer in enumerate(layers)]
    fill(box, entries, layers[2])
    assert box.currentText() == "layer 2"
    told = changes(box)
    fill(box, entries, layers[2])
    assert not told
    fill(box, entries, layers[0])
    assert not told, "no row, and nobody is told of a choice of the program's"
    assert box.currentText() == "layer 0"


@pytest.mark.parametrize("seed", range(5))
def test_a_list_is_what_it_was_filled_with(qtbot, seed):
    rng = np.random.default_rng(seed)
    box = QComboBox()
    qtbot.addWidget(box)
    values = [object(), object(), "a", "b", 3, None, None]
    for _ in range(20):
        some = rng.permutation(len(values))[: rng.integers(0, len(values) + 1)]
        entries = [(f"{i} {rng.integers(2)}", values[i]) for i in some]
        chosen = values[rng.integers(5)]
        fill(box, entries, chosen)
        assert texts(box) == [text for text, _ in entries]
        assert [box.itemData(row) for row in range(box.count())] == [value for _, value in entries]
        if entries:
            expected = next((v for _, v in entries if v is chosen), entries[0][1])
            assert box.currentData() is expected or box.currentData() == expected
