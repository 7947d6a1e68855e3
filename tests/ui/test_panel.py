"""The panel in a real window: what is in sight, what the wheel and the keys do."""

import logging
import time
from itertools import product
from unittest.mock import patch

import imageio.v3 as imageio
import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QHelpEvent, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFileDialog,
    QInputDialog,
    QLabel,
    QLineEdit,
    QListWidget,
    QScrollArea,
    QSlider,
    QTabBar,
    QTableView,
    QToolTip,
    QWidget,
)

from controls import is_in_sight, told, visible_controls
from napari_intseg.core.segmenter import Answer, Prepared, Traits
from napari_intseg.ui.controllers import automatic_start
from napari_intseg.ui.controllers.model_loader import Choice
from napari_intseg.ui.dock import SegmentWidget
from napari_intseg.ui.layers.image_axes import camera_of
from napari_intseg.ui.panels import object_panel
from napari_intseg.ui.panels.controls import Section, name_of
from napari_intseg.ui.panels.object_panel import CLASS, NAME, SIZE, STATE
from napari_intseg.ui.panels.protect_panel import ProtectPanel
from napari_intseg.ui.panels.status_panel import StatusPanel
from napari_intseg.ui.qt.keybindings import canvas_of
from real_window import LEFT, Window, activate, breathe, turn

pytestmark = pytest.mark.gui

RIGHT = Qt.MouseButton.RightButton


@pytest.fixture
def picture():
    """Two bright discs on a dark ground, uint8 (100, 120)."""
    rows, cols = np.indices((100, 120))
    first, second = (np.hypot(rows - 50, cols - c) < 18 for c in (30, 90))
    return np.where(first, 200, np.where(second, 140, 30)).astype(np.uint8)


@pytest.fixture
def scan(picture):
    """The discs on eight of twelve planes, uint8 (12, 100, 120)."""
    volume = np.full((12, 100, 120), 30, np.uint8)
    volume[2:10] = picture
    return volume


def opening(make_viewer):
    """Open windows of a size with an image in them, as a person does, and close them."""
    made = []

    def open_window(image, size=(1366, 768), **options):
        viewer = make_viewer()
        viewer.window._qt_window.resize(*size)
        viewer.add_image(image, **options)
        window = Window(viewer)
        window.settle()
        breathe(0.3)
        made.append(window)
        return window

    yield open_window
    for window in made:
        window.close()


@pytest.fixture
def opened(make_napari_viewer):
    """Open a window of its own, where a dock is as wide as in any that a person opens."""
    yield from opening(lambda: make_napari_viewer(show=True))


@pytest.fixture
def reopened(shared_viewer):
    """Open the module's window again, where a dock may be as narrow as the one before."""
    yield from opening(lambda: shared_viewer)


@pytest.fixture(scope="class")
def window_of_class(viewer_of_module):
    """A window of the usual size for all tests of a class."""
    viewer_of_module.close()  # in a new one the dock is as wide as in any that a person opens
    viewer = viewer_of_module.open()
    viewer.window._qt_window.resize(1366, 768)
    window = Window(viewer)
    window.settle()
    yield window
    window.close()
    viewer_of_module.empty()


@pytest.fixture
def again(window_of_class):
    """Open an image in the window of the class, as `opened` does in one of its own."""
    window = window_of_class

    def open_image(image, **options):
        window.viewer.add_image(image, **options)
        window.settle()
        breathe(0.1)
        return window

    yield open_image
    window.settle()
    window.viewer.layers.clear()
    window.viewer.dims.ndisplay = 2
    window.widget.tabs.setCurrentIndex(0)
    window.settle()


def words(window):
    return "\n".join(told(one) for one in visible_controls(window.widget))


def needed(window):
    """What nobody can do without, whatever the size of the window."""
    panel = window.widget.action_panel
    found = [panel.new, panel.accept, panel.undo, panel.redo, panel.swap]
    return [*found, panel.propagate] if panel.propagate.isVisible() else found


def scrolled(window):
    """Bars of the page in view: there is one where something is out of sight."""
    page = window.widget.tabs.currentWidget()
    assert isinstance(page, QScrollArea)
    return page.verticalScrollBar().isVisible()


class Everything:
    """Takes every prompt, and offers three masks for a click."""

    traits = Traits("everything", frozenset({"click", "box", "scribble", "mask"}), uses_prev=True)

    def prepare(self, image):
        return Prepared(image.shape[:2], None, image.nbytes)

    def predict(self, query):
        click = query.prompts.clicks[0]
        rows, cols = np.indices(query.prepared.shape)
        near = np.hypot(rows - click.row, cols - click.col)
        masks = tuple(np.where(near < r, np.float32(5), np.float32(-5)) for r in (5, 10, 15))
        return Answer(masks[1], None, masks, (0.5, 0.9, 0.7))


class TestWhatIsInSight:
    @pytest.mark.parametrize("is_volume", [False, True])
    def test_a_model_that_takes_everything_needs_no_more_room(
        self, opened, picture, scan, is_volume
    ):
        window = opened(scan if is_volume else picture)
        window.controller.loader.put(Choice("random-walker"), Everything())
        breathe(0.1)
        most = 20 if is_volume else 16
        assert window.widget.prompt_panel.tools["box"].isVisible()
        assert len(visible_controls(window.widget)) <= most, words(window)
        window.click((50, 30))
        window.settle()
        breathe(0.1)
        assert window.widget.prompt_panel.next.isVisible()
        assert len(visible_controls(window.widget)) <= most, words(window)

    def test_an_image_shows_at_most_16_controls(self, opened, picture):
        window = opened(picture)
        assert len(visible_controls(window.widget)) <= 16, words(window)
        window.click((50, 30))
        window.settle()
        assert not window.widget.header.isExpanded(), "image and model are set"
        assert len(visible_controls(window.widget)) <= 16, words(window)

    def test_a_volume_shows_at_most_20_controls(self, opened, scan):
        window = opened(scan)
        for tab in range(4):
            window.widget.tabs.setCurrentIndex(tab)
            breathe()
            assert len(visible_controls(window.widget)) <= 20, words(window)
        window.click((50, 30))
        window.press(Qt.Key.Key_G)
        window.settle()
        for tab in range(4):
            window.widget.tabs.setCurrentIndex(tab)
            breathe()
            assert len(visible_controls(window.widget)) <= 20, words(window)

    def test_on_a_small_screen_nothing_needed_is_scrolled(self, opened, scan):
        window = opened(scan, (1366, 768))
        window.click((50, 30))
        window.press(Qt.Key.Key_G)
        window.settle()
        whole = window.viewer.window._qt_window.width()
        assert window.canvas.native.width() >= 0.55 * whole
        for one in (*needed(window), window.widget.object_panel.table):
            assert is_in_sight(one), told(one)
        for tab in (0, 1, 3):
            window.widget.tabs.setCurrentIndex(tab)
            breathe(0.1)
            assert not scrolled(window)
        assert is_in_sight(window.widget.export_panel.export)
        window.widget.tabs.setCurrentIndex(1)
        breathe(0.1)
        assert is_in_sight(window.widget.review_panel.next)
        assert is_in_sight(window.widget.review_panel.list)

    def test_in_the_usual_window_the_actions_are_in_sight(self, opened, scan):
        window = opened(scan, (1090, 650))
        table, tabs = window.widget.object_panel.table, window.widget.tabs.tabBar()
        for is_folded in (True, False):
            window.widget.header.fold(is_folded)
            breathe(0.1)
            assert len(needed(window)) == 6
            for one in (*needed(window), table, tabs):
                assert is_in_sight(one), told(one)
            assert window.widget.status_panel.line.visibleRegion().boundingRect().height() > 10

    def test_in_the_usual_window_no_tab_scrolls(self, opened, scan):
        window = opened(scan, (1090, 650))
        window.click((50, 30))
        window.settle()
        window.widget.tabs.setCurrentIndex(1)
        assert not window.widget.review_panel.list.isVisible(), "nothing is to be checked yet"
        window.press(Qt.Key.Key_G)
        window.settle()
        for tab in range(4):
            window.widget.tabs.setCurrentIndex(tab)
            breathe(0.1)
            assert not scrolled(window), tab
        window.widget.tabs.setCurrentIndex(1)
        assert is_in_sight(window.widget.review_panel.list)

    def test_nothing_moves_under_the_mouse(self, opened, scan):
        window = opened(scan)
        widget = window.widget
        window.click((50, 30))
        window.settle()
        breathe(0.1)
        kinds = QAbstractButton, QComboBox, QTabBar, QTableView
        pressed = [one for kind in kinds for one in widget.findChildren(kind) if one.isVisible()]
        assert len(pressed) > 10

        def places():
            return [
                (told(one), one.mapTo(widget, QPoint(0, 0)), one.size())
                for one in pressed
                if one.isVisible()
            ]

        before, counted = places(), []

        def seen(*_):
            widget.layout().activate()
            counted.append(widget.status_panel.bar.isVisible())
            assert [where for _, *where in places()] == [where for _, *where in before]

        window.controller.signals.progressed.connect(seen)
        window.press(Qt.Key.Key_G)
        window.settle()
        assert any(counted), "there was a bar"
        assert not widget.status_panel.bar.isVisible()
        seen()
        window.controller.signals.failed.emit("A long warning. " * 20)
        widget.recovery_panel.setVisible(True)
        widget.protect_panel.asking.setVisible(True)
        breathe(0.1)
        seen()

    def test_the_header_does_not_fold_under_the_mouse(self, opened, picture):
        window = opened(picture)
        widget = window.widget
        widget.header.fold(False)
        widget._is_header_free = True
        with patch.object(widget, "underMouse", return_value=True):
            widget._answered("", 0.0)
        assert widget.header.isExpanded()
        QApplication.sendEvent(widget, QEvent(QEvent.Type.Leave))
        assert not widget.header.isExpanded()

    def test_every_control_has_a_name_for_screen_readers(self, opened, scan):
        window = opened(scan)
        window.click((50, 30))
        window.settle()
        window.widget.more.fold(False)
        for tab in range(4):
            window.widget.tabs.setCurrentIndex(tab)
            breathe()
            nameless = [one for one in visible_controls(window.widget) if not name_of(one)]
            nameless = [one for one in nameless if not isinstance(one, QTabBar)]
            assert not nameless, [told(one) for one in nameless]
        # what comes into sight later, such as the numbers of a window
        for kind in (QComboBox, QAbstractSpinBox, QSlider, QTableView, QListWidget):
            nameless = [one for one in window.widget.findChildren(kind) if not name_of(one)]
            assert not nameless, [type(one.parent()).__name__ for one in nameless]

    def test_planes_have_no_tab_where_there_are_none(self, opened, picture):
        window = opened(picture)
        assert not window.widget.tabs.isTabVisible(1)
        assert not window.widget.action_panel.propagate.isVisible()
        window.viewer.add_image(np.stack([picture] * 3), axis_labels=("t", "y", "x"))
        panel = window.widget.image_panel.image
        panel.setCurrentIndex(panel.count() - 1)
        window.controller.new_object()
        assert window.widget.tabs.isTabVisible(1)
        assert window.widget.tabs.tabText(1) == "Time", "of a flat series, which is no volume"

    def test_the_canvas_is_fitted_again_when_the_dock_opens(self, shared_viewer, picture):
        viewer = shared_viewer
        viewer.window._qt_window.resize(1366, 768)
        viewer.add_image(np.tile(picture, (1, 4)))
        breathe(0.2)
        before = camera_of(viewer).zoom
        window = Window(viewer)
        turn(lambda: camera_of(viewer).zoom < before)
        right = window.at((0, 480)).x()
        assert right <= window.canvas.native.width()
        window.close()

    def test_the_title_is_whole_wherever_the_dock_is(self, opened, picture):
        window = opened(picture)
        dock = window.widget.parent()

        def title():
            (label,) = [x for x in dock.titleBarWidget().findChildren(QLabel) if x.text()]
            return label

        for floating in (False, True, False):
            dock.setFloating(floating)
            breathe(0.1)
            assert title().text() == "Interactive segmentation"
            room = title().width() if title().isVisible() else 0
            assert floating or room >= title().fontMetrics().horizontalAdvance(title().text())

    def test_the_heading_says_what_is_folded_away(self, opened, picture):
        window = opened(picture, name="cells")
        window.click((50, 30))
        window.settle()
        assert window.widget.header.text() == "cells · bundled · automatic"
        window.viewer.layers["cells"].name = "nuclei"
        breathe()
        assert window.widget.header.text() == "nuclei · bundled · automatic"
        button = window.widget.header.toggleButton()
        assert button.text() == "nuclei · bundled · automatic"
        window.viewer.layers["nuclei"].name = "a rather long name of a series"
        breathe()
        assert button.text().startswith("a rather long name")
        assert button.text().endswith("…")
        assert button.sizeHint().width() <= button.width()
        assert button.toolTip().startswith(window.widget.header.text())
        assert not window.widget.image_panel.image.isVisible()


class TestSections:
    def test_what_was_opened_is_open_the_next_time(self, qtbot):
        inside = QWidget()
        section = Section("Rare", inside, key="rare")
        qtbot.addWidget(section)
        assert inside.isHidden() or not section.isExpanded()
        section.toggleButton().click()
        again = Section("Rare", QWidget(), key="rare")
        qtbot.addWidget(again)
        assert again.isExpanded()
        other = Section("Other", QWidget(), key="other")
        qtbot.addWidget(other)
        assert not other.isExpanded()

    def test_what_is_folded_is_hidden_from_keys(self, qtbot):
        inside = QWidget()
        section = Section("Rare", inside)
        qtbot.addWidget(section)
        section.show()
        assert not inside.isVisible()
        section.toggleButton().click()
        assert inside.isVisible()
        section.fold(True)
        assert not inside.isVisible()

    def test_a_heading_with_nothing_below_it_is_not_shown(self, qtbot):
        outside, first, second = QWidget(), QWidget(), QWidget()
        qtbot.addWidget(outside)
        section = Section("Rare", first, second)
        section.setParent(outside)
        outside.show()
        section.show()
        first.setVisible(False)
        assert not section.isHidden()
        second.setVisible(False)
        assert section.isHidden()
        first.setVisible(True)
        assert not section.isHidden()


def turn_wheel(widget, steps=-1):
    at = QPointF(widget.rect().center())
    event = QWheelEvent(
        at,
        QPointF(widget.mapToGlobal(widget.rect().center())),
        QPoint(0, 0),
        QPoint(0, 120 * steps),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)
    breathe(0.02)


class TestWheelAndKeys:
    def test_the_wheel_changes_nothing_without_the_focus(self, reopened, scan):
        window = reopened(scan)
        window.press(Qt.Key.Key_N)
        window.settle()
        model, reach = window.widget.model_panel.model, window.widget.review_panel.reach
        window.widget.rest.toggleButton().click()
        window.widget.tabs.setCurrentIndex(1)
        breathe()
        canvas_of(window.widget.window()).setFocus()
        before = model.currentIndex(), reach.value(), window.widget.tabs.currentIndex()
        for one in (model, reach, window.widget.tabs.tabBar()):
            turn_wheel(one)
        assert (model.currentIndex(), reach.value(), window.widget.tabs.currentIndex()) == before
        activate(window.widget)
        reach.setFocus()
        turn(reach.hasFocus)
        turn_wheel(reach, 1)
        assert reach.value() > before[1], "with the focus it does"

    def test_controls_made_later_are_quiet_too(self, reopened):
        window = reopened(np.zeros((3, 40, 50), np.uint8), axis_labels=("c", "y", "x"))
        window.press(Qt.Key.Key_N)
        window.settle()
        colours = window.widget.image_panel.look.colours
        window.widget.more.toggleButton().click()
        breathe()
        boxes = [b for b in colours.findChildren(QWidget) if hasattr(b, "currentIndex")]
        assert boxes
        canvas_of(window.widget.window()).setFocus()
        before = [box.currentIndex() for box in boxes]
        for box in boxes:
            turn_wheel(box)
        assert [box.currentIndex() for box in boxes] == before

    def test_a_new_control_is_found_though_its_event_comes_as_one_of_another_class(
        self, reopened, picture
    ):
        window = reopened(picture)
        activate(window.widget)
        box = QComboBox(window.widget)
        box.addItems(["one", "two"])
        # PyQt may give an event the class of an earlier one at the same address, without `child`
        QApplication.sendEvent(window.widget, QEvent(QEvent.Type.ChildPolished))
        box.show()
        turn_wheel(box)
        assert box.currentIndex() == 0
        box.deleteLater()

    def test_after_a_choice_the_keys_are_those_of_the_canvas(self, reopened, picture):
        window = reopened(picture)
        activate(window.widget)
        contrast = window.widget.image_panel.contrast
        contrast.setFocus()
        contrast.setCurrentIndex(2)
        contrast.activated.emit(2)
        canvas = canvas_of(window.widget.window())
        turn(lambda: QApplication.focusWidget() is canvas)
        window.widget.object_panel.each.setFocus()
        QTest.mouseClick(window.widget.object_panel.each, LEFT)
        turn(lambda: QApplication.focusWidget() is canvas)
        QTest.keyClick(canvas, Qt.Key.Key_N)
        turn(lambda: window.controller.image_controller is not None)

    def test_the_keyboard_alone_leaves_tables(self, reopened, picture):
        window = reopened(picture)
        activate(window.widget)
        for row, col in ((50, 30), (50, 90)):
            window.press(Qt.Key.Key_N)
            window.click((row, col))
        window.settle()
        models = window.widget.model_panel
        for key in (Qt.Key.Key_Tab, Qt.Key.Key_Backtab):
            models.open_catalogue()
            breathe(0.1)
            for table in (models.catalogue.table, window.widget.object_panel.table):
                assert table.model().rowCount() > 1
                activate(table)
                table.setFocus()
                turn(table.hasFocus)
                QTest.keyClick(table, Qt.Key.Key_Down)
                assert table.hasFocus(), "arrows go through the rows"
                QTest.keyClick(table, key)
                breathe()
                assert not table.hasFocus()
                models.catalogue.close()

    def test_a_row_gives_the_keys_back_and_a_name_is_typed_into_it(self, reopened, picture):
        window = reopened(picture)
        activate(window.widget)
        window.press(Qt.Key.Key_N)
        window.settle()
        table, canvas = window.widget.object_panel.table, canvas_of(window.widget.window())
        cell = table.visualRect(table.model().index(0, NAME)).center()
        table.setFocus()
        QTest.mouseClick(table.viewport(), LEFT, pos=cell)
        turn(lambda: QApplication.focusWidget() is canvas)
        QTest.mouseDClick(table.viewport(), LEFT, pos=cell)
        turn(lambda: isinstance(QApplication.focusWidget(), QLineEdit))
        editor = QApplication.focusWidget()
        QTest.keyClicks(editor, "nucleus")
        QTest.keyClick(editor, Qt.Key.Key_Return)
        turn(lambda: table.words(0).startswith("Object 1: nucleus"))
        turn(lambda: QApplication.focusWidget() is canvas)


class TestFirstClick:
    def test_it_begins_an_object(self, again, picture):
        window = again(picture)
        assert "Click on an object" in window.widget.status_panel.message
        window.click((50, 30))
        window.settle()
        assert window.labels[50, 30] == 1
        assert list(window.controller.image_controller.points.features["sign"]) == ["positive"]

    def test_it_lies_on_the_plane_in_view(self, again, scan):
        window = again(scan, scale=(5, 1, 1))
        window.viewer.dims.set_point(0, 20)
        window.click((50, 90))
        window.settle()
        np.testing.assert_allclose(
            window.controller.image_controller.points.data[0], (4, 50, 90), atol=1
        )
        assert np.flatnonzero(window.labels.any(axis=(1, 2))).tolist() == [4]

    def test_a_drag_moves_the_view_and_begins_nothing(self, again, picture):
        window = again(picture)
        native, start = window.canvas.native, window.at((50, 30))
        QTest.mousePress(native, LEFT, pos=start)
        for i in range(1, 8):
            QTest.mouseMove(native, start + QPoint(6 * i, 0))
            breathe(0.02)
        QTest.mouseRelease(native, LEFT, pos=start + QPoint(48, 0))
        breathe()
        assert window.controller.image_controller is None

    def test_beside_the_image_it_begins_nothing(self, again, picture):
        window = again(picture)
        window.click((50, -12))
        assert window.controller.image_controller is None

    @pytest.mark.parametrize("selected", ["image", "labels", "none"])
    def test_later_ones_are_not_lost_whatever_is_selected(self, again, toy, picture, selected):
        window = again(picture)
        window.press(Qt.Key.Key_N)
        window.controller.image_controller.set_model(toy)
        window.click((50, 30))
        window.settle()
        work, layers = window.controller.image_controller, window.viewer.layers
        chosen = {"image": window.controller.image, "labels": work.labels, "none": None}[selected]
        layers.selection.active = chosen
        window.click((50, 35), LEFT, Qt.KeyboardModifier.ShiftModifier)
        window.settle()
        assert list(work.points.features["sign"]) == ["positive", "negative"]
        assert layers.selection.active is work.points
        layers.selection.active = chosen
        window.click((50, 90))
        window.settle()
        assert window.labels[50, 90] == 1
        # what moves the layer, or paints, is meant otherwise
        layers.selection.active = work.labels
        work.labels.mode = "pick"
        window.click((50, 32))
        assert len(work.points.data) == 3

    def test_each_click_begins_an_object_from_the_first(self, again, picture):
        window = again(picture)
        window.widget.object_panel.each.click()
        for place in ((50, 30), (50, 90)):
            window.click(place)
            window.settle()
        assert window.labels[50, 30] == 1
        assert window.labels[50, 90] == 2
        window.widget.object_panel.each.click()


class TestClickInside:
    @pytest.mark.parametrize("is_volume", [False, True])
    def test_the_object_becomes_the_current_one(self, again, toy, picture, scan, is_volume):
        window = again(scan if is_volume else picture)
        if is_volume:
            window.viewer.dims.set_point(0, 5)
        window.press(Qt.Key.Key_N)
        window.controller.image_controller.set_model(toy)
        window.click((50, 30))
        window.settle()
        window.press(Qt.Key.Key_N)
        window.click((50, 90))
        window.settle()
        assert window.controller.image_controller.session_store.object == 2
        window.click((50, 25), RIGHT)  # takes a piece away from the first
        window.settle()
        assert window.controller.image_controller.session_store.object == 1
        assert list(window.controller.image_controller.points.features["object"]) == [1, 2, 1]
        plane = window.labels[5] if is_volume else window.labels
        assert (plane[50, 25], plane[50, 40], plane[50, 90]) == (0, 1, 2)

    def test_who_asks_for_a_new_object_clicks_for_that(self, again, toy, picture):
        window = again(picture)
        window.press(Qt.Key.Key_N)
        window.controller.image_controller.set_model(toy)
        window.click((50, 30))
        window.settle()
        window.press(Qt.Key.Key_N)
        window.click((50, 31))
        window.settle()
        assert list(window.controller.image_controller.points.features["object"]) == [1, 2]

    def test_a_list_of_objects_that_is_open_is_not_filled_anew_by_an_answer(
        self, again, toy, picture
    ):
        window = again(picture)
        window.press(Qt.Key.Key_N)
        window.controller.image_controller.set_model(toy)
        window.click((50, 30))
        window.settle()
        filled = []
        model = window.widget.findChild(ProtectPanel).inside.model()
        model.rowsInserted.connect(lambda *_: filled.append(1))
        window.click((50, 25))
        window.settle()
        assert not filled
        window.press(Qt.Key.Key_N)
        window.settle()
        assert filled, "another object is to choose from"

    def test_an_accepted_object_stays_as_it_is_and_the_next_click_begins_another(
        self, again, toy, picture
    ):
        window = again(picture)
        window.press(Qt.Key.Key_N)
        window.controller.image_controller.set_model(toy)
        window.click((50, 30))
        window.settle()
        window.press(Qt.Key.Key_K)
        window.click((50, 28))
        window.settle()
        assert window.controller.image_controller.session_store.object == 1
        assert len(window.controller.image_controller.points.data) == 1, "the click is taken back"
        assert window.widget.status_panel.error
        window.click((50, 90))
        window.settle()
        assert window.labels[50, 90] > 1
        assert window.labels[50, 30] == 1


class TestTable:
    @pytest.fixture
    def window(self, again, toy, picture):
        made = again(picture, scale=(0.5, 0.5), units=("mm", "mm"))
        made.press(Qt.Key.Key_N)
        made.controller.image_controller.set_model(toy)
        for place in ((25, 15), (25, 45)):
            made.controller.image_controller.points.add(np.array(place) * 2)
            made.settle()
            made.controller.new_object()
        made.settle()
        breathe(0.1)
        return made

    def cells(self, window, column):
        table = window.widget.object_panel.table
        model = table.model()
        return [model.index(row, column).data() for row in range(model.rowCount())]

    def test_it_says_how_large_an_object_is_and_how_it_stands(self, window):
        count = int((window.labels == 1).sum())
        table = window.widget.object_panel.table
        assert self.cells(window, SIZE)[0] == f"{count * 0.25:,.0f} mm²"
        assert f"{count:,} px" in table.words(0)
        assert self.cells(window, STATE) == ["open", "open", "open"]
        window.controller.set_finished(1, True)
        assert self.cells(window, STATE)[0] == "accepted"
        window.controller.image_controller.queue.failures[2] = "The model failed."
        window.controller.signals.changed.emit()
        assert self.cells(window, STATE)[1] == "failed"
        tip = table.model().index(1, STATE).data(Qt.ItemDataRole.ToolTipRole)
        assert tip == "failed: The model failed."

    def test_volumes_are_in_millilitres(self, again, toy, scan):
        window = again(scan, scale=(5, 1, 1), units=("mm",) * 3)
        window.press(Qt.Key.Key_N)
        window.controller.image_controller.set_model(toy)
        window.controller.image_controller.points.add((5, 50, 30))
        window.settle()
        breathe(0.1)
        count = int((window.labels == 1).sum())
        assert self.cells(window, SIZE) == [f"{count * 5 / 1000:.3g} ml"]

    def test_names_and_classes_are_given_in_it(self, window):
        table = window.widget.object_panel.table
        model = table.model()
        for column, text in ((NAME, "left"), (CLASS, "nucleus")):
            assert model.setData(model.index(0, column), text, Qt.ItemDataRole.EditRole)
        assert table.words(0).startswith("Object 1: left, nucleus, 1 click")
        assert self.cells(window, NAME)[0] == "left · nucleus"
        assert self.cells(window, CLASS)[0] == "nucleus"

    def test_a_row_chooses_ticks_accept_and_titles_sort(self, window):
        table = window.widget.object_panel.table
        model = table.model()
        table.selectRow(1)
        assert window.controller.image_controller.session_store.object == 2
        tick = Qt.ItemDataRole.CheckStateRole
        assert model.setData(model.index(1, 0), Qt.CheckState.Checked, tick)
        assert window.controller.image_controller.session_store.is_finished(2)
        assert model.setData(model.index(1, 0), Qt.CheckState.Unchecked, tick)
        table.sortByColumn(SIZE, Qt.SortOrder.DescendingOrder)
        sizes = [int((window.labels == table.label_at(model.index(r, 0))).sum()) for r in range(3)]
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[0] > 0

    def test_an_object_is_deleted_locked_and_jumped_to_from_it(self, window, monkeypatch, tmp_path):
        table = window.widget.object_panel.table

        def act(label, text):
            actions = {action.text(): action for action in table.menu(label).actions()}
            actions[text].trigger()
            window.settle()

        asked = []

        def choose(_panel, _title, _words, classes, *_, **__):
            asked.append(classes)
            return "nucleus", True

        monkeypatch.setattr(QInputDialog, "getItem", choose)
        monkeypatch.setattr(object_panel, "offered_classes", lambda: ("road", "nucleus"))
        act(1, "Class…")
        assert asked == [["road", "nucleus"]]
        assert table.words(0).startswith("Object 1: nucleus, ")
        act(1, "Lock pixels")
        assert self.cells(window, STATE)[0] == "locked"
        act(1, "Unlock pixels")
        file = tmp_path / "one"
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(file), ""))
        monkeypatch.setattr(QInputDialog, "getDouble", lambda *_, **__: (0.0, True))
        act(1, "Cut out…")
        cut = imageio.imread(tmp_path / "one.png")
        assert cut.shape[2] == 4
        assert (cut[..., 3] == 255).sum() == (window.labels == 1).sum()
        act(2, "Jump to")
        assert window.controller.image_controller.session_store.object == 2
        np.testing.assert_allclose(camera_of(window.viewer).center[-2:], (25, 45), atol=1)
        act(1, "Delete")
        assert not (window.labels == 1).any()
        assert 1 not in table.objects.labels
        act(2, "Accept")
        assert window.controller.image_controller.session_store.is_finished(2)
        status = window.widget.status_panel
        assert status.message == "Object 2 is accepted."
        window.controller.set_finished(2, False)
        assert status.message == "Object 2 is open again."

    def test_only_rows_in_sight_are_computed(self, window, monkeypatch):
        from napari_intseg.ui.panels import object_panel

        image_controller = window.controller.image_controller
        image_controller.session_store.know(range(10, 510))
        asked = []
        real = object_panel.size_words

        def counted(image_controller, label):
            asked.append(label)
            return real(image_controller, label)

        monkeypatch.setattr(object_panel, "size_words", counted)
        window.controller.signals.changed.emit()
        breathe(0.1)
        assert window.widget.object_panel.table.model().rowCount() == 503
        assert 0 < len(set(asked)) < 60


class TestStatus:
    def test_a_bar_and_cancel_are_there_while_something_runs(self, again, scan):
        window = again(scan)
        status = window.widget.status_panel
        window.click((50, 30))
        window.settle()
        assert status.bar.isHidden()
        assert status.cancel.isHidden()
        # the answer's time, or what is told of the answer
        assert "answered in" in status.message or "has no click" in status.message
        window.controller.propagate()
        assert status.doing == "Propagating"
        assert not status.bar.isHidden()
        assert not status.cancel.isHidden()
        status.cancel.click()
        window.settle()
        assert status.bar.isHidden()

    def test_a_search_without_clicks_has_them_too(self, again, picture, monkeypatch):
        def find(_search, should_stop):
            while not should_stop():
                time.sleep(0.01)
            return automatic_start._Found("none", np.zeros(picture.shape, int), {}, stopped=True)

        monkeypatch.setattr(automatic_start, "_find", find)
        window = again(picture)
        status, starts = window.widget.status_panel, window.widget.automatic_panel.starts
        starts.start("everything")
        assert status.doing == "Looking for objects"
        assert not status.bar.isHidden()
        status.cancel.click()
        turn(lambda: not starts.is_running)
        assert status.bar.isHidden()

    def test_a_search_is_called_so(self, again, picture, monkeypatch):
        window = again(picture)
        searching = type(window.controller.searching)
        with monkeypatch.context() as patch:
            patch.setattr(searching, "is_running", property(lambda _: True))
            assert window.widget.status_panel.doing == "Looking for more"

    def test_an_error_gives_way_to_what_works_and_a_hint_to_another_view(self, again, scan):
        window = again(scan)
        status = window.widget.status_panel
        window.press(Qt.Key.Key_G)
        assert status.error
        assert not status.message
        window.click((50, 30))
        window.settle()
        assert not status.error
        window.viewer.dims.ndisplay = 3
        breathe()
        assert "2-D view" in status.message
        window.viewer.dims.ndisplay = 2
        breathe()
        assert "2-D view" not in status.message

    def test_nothing_of_an_earlier_image_is_told_of_the_next(self, again, picture):
        window = again(picture)
        status = window.widget.status_panel
        window.controller.signals.message.emit("Image 8 of 60: a.tif. 4 done, 53 open.")
        window.controller.signals.changed.emit()
        assert status.message.startswith("Image 8 of 60"), "it is of this image"
        window.viewer.layers.clear()
        window.viewer.add_image(picture, name="another")
        breathe(0.1)
        assert status.message == "Click on an object in the image to begin."
        window.controller.signals.failed.emit("The disk is full.")
        window.viewer.add_image(picture, name="third")
        breathe(0.1)
        assert status.error == "The disk is full.", "what went wrong is not taken away"

    def test_warnings_of_the_log_are_shown(self, again, picture):
        window = again(picture)
        logging.getLogger("napari_intseg.io").warning("the disk is slow: %s", "wait")
        breathe()
        assert window.widget.status_panel.message == "The disk is slow: wait."

    def test_no_answer_of_before_is_told_while_something_runs(self, again, toy, scan):
        window = again(scan)
        status = window.widget.status_panel
        window.press(Qt.Key.Key_N)
        window.controller.image_controller.set_model(toy)
        window.click((50, 30))
        window.settle()
        assert "answered in" in status.message
        assert "Right-click on what does not belong" in status.message, "of a first click"
        toy.gate.clear()
        window.click((50, 34))
        assert status.message == "Asking the model …"
        toy.gate.set()
        window.settle()
        assert "answered in" in status.message
        assert "Right-click" not in status.message
        window.controller.signals.message.emit("The arrow keys are napari's again.")
        window.controller.propagate()
        assert status.message == "Propagating …"
        window.settle()
        assert "propagated to" in status.message

    def test_what_napari_saves_is_told(self, again, picture, tmp_path):
        window = again(picture, scale=(0.5, 0.5), units=("mm", "mm"))
        window.click((25, 15))
        window.settle()
        layer = window.controller.image_controller.labels
        layer.save(str(tmp_path / "cells.nii.gz"), plugin="napari-intseg")
        breathe()
        told = window.widget.status_panel.message
        assert told == "Wrote cells.nii.gz: 100 × 120 pixels, 0.5 × 0.5 mm apart."

    def test_a_flat_image_has_no_planes_to_check(self, again, picture):
        window = again(picture)
        window.click((50, 30))
        window.settle()
        window.press(Qt.Key.Key_Q)
        status = window.widget.status_panel
        assert not status.error
        assert "no planes to check" in status.message

    def test_undo_says_what_it_takes_back(self, again, picture):
        window = again(picture)
        panel = window.widget.action_panel
        assert panel.undo.toolTip().startswith("Take back")
        window.click((50, 30))
        window.settle()
        assert panel.undo.toolTip().startswith("Undo: Positive click.")
        window.press(Qt.Key.Key_U)
        assert panel.redo.toolTip().startswith("Redo: Positive click.")

    def test_columns_are_not_cut_in_the_usual_panel(self, again, picture):
        window = again(picture)
        window.click((50, 30))
        window.settle()
        window.press(Qt.Key.Key_K)
        table = window.widget.object_panel.table
        for column, text in ((STATE, "accepted"), (SIZE, "15,209 px")):
            wanted = table.fontMetrics().horizontalAdvance(text)
            assert table.columnWidth(column) >= wanted + 6
        assert table.columnWidth(NAME) >= table.fontMetrics().horizontalAdvance("Name")
        marks = 34  # the tick, the colour, and what lies between them
        assert table.columnWidth(0) >= marks + table.fontMetrics().horizontalAdvance("999")

    def test_it_follows_what_runs_to_its_end(self, again, scan):
        window = again(scan)
        status = window.widget.status_panel
        window.click((50, 30))
        window.settle()
        window.controller.propagate()
        window.settle()
        assert "propagated to" in status.message
        assert status.doing == ""


class TestRoomForText:
    def test_the_line_shows_three_rows_in_the_font_of_the_window(self, opened, picture):
        line = opened(picture).widget.status_panel.line
        assert line.height() >= 3 * line.fontMetrics().lineSpacing()
        # with what the label leaves free round them
        line.setText("one\ntwo\nthree")
        assert line.height() >= line.heightForWidth(line.width())

    def test_a_longer_text_ends_where_the_room_does(self, opened, picture):
        window = opened(picture)
        line = window.widget.status_panel.line
        told = ("a longer tale " * 30, "很长的一句话" * 40)
        for text, width in product(told, (0, 300)):
            window.controller.signals.message.emit(text)
            window.widget.setMinimumWidth(width)
            breathe(0.1)
            shown = line.text()
            assert line.height() >= line.heightForWidth(line.width())
            assert shown.endswith(" …")
            assert text.startswith(shown.removesuffix(" …"))
            assert len(shown) > 30
            assert line.toolTip() == text
            assert window.widget.status_panel.message == text

    def test_the_bar_says_what_it_has_room_for(self, opened, scan, monkeypatch):
        window = opened(scan)
        status = window.widget.status_panel
        monkeypatch.setattr(StatusPanel, "doing", "Propagating")
        progressed = window.controller.signals.progressed
        kinds = ("objects", "planes", "places")
        for of in kinds:
            progressed.emit(3, 11, of)
            breathe()
            progressed.emit(3, 11, of)  # now that the bar has its place and width
            assert status.bar.isVisible()
            in_window = status.bar.text()
            assert "3 of 11" in in_window
            assert status.bar.fontMetrics().horizontalAdvance(in_window) < status.bar.width()
        status.bar.setFixedWidth(600)
        breathe()
        for of in kinds:
            progressed.emit(3, 11, of)
            assert status.bar.text() == f"Propagating: 3 of 11 {of}"
            assert status.bar.toolTip() == "Propagating"


class TestModels:
    @pytest.fixture
    def widget(self, shared_viewer, monkeypatch, tmp_path):
        from napari_intseg.models.weights import locate

        monkeypatch.setenv(locate.FOLDERS_VARIABLE, str(tmp_path))
        monkeypatch.setattr(locate, "cache_folder", lambda: tmp_path / "cache")
        made = SegmentWidget(shared_viewer)
        yield made
        made.close()

    def test_those_that_are_ready_come_first(self, widget):
        box = widget.model_panel.model
        names = [box.itemText(i) for i in range(box.count()) if box.itemData(i)]
        lacking = [" – " in name for name in names[:-1]]
        assert any(lacking)
        assert not all(lacking)
        assert lacking == sorted(lacking)
        assert names[-1] == "All models …"

    def test_a_long_name_is_cut_in_its_middle_and_whole_in_tip_and_list(self, widget, monkeypatch):
        box, tips = widget.model_panel.model, []
        monkeypatch.setattr(QToolTip, "showText", lambda _at, text, *_: tips.append(text))
        widget.show()
        box.setFixedWidth(115)
        box.grab()
        shown = box.shown_text
        assert box.currentText() != shown
        assert shown.startswith(box.currentText()[:4])
        assert shown.endswith(box.currentText()[-4:])
        asked = QHelpEvent(QEvent.Type.ToolTip, QPoint(5, 5), box.mapToGlobal(QPoint(5, 5)))
        QApplication.sendEvent(box, asked)
        assert tips == [f"{box.currentText()}\n{box.toolTip()}"]
        box.showPopup()
        assert box.view().width() >= box.view().sizeHintForColumn(0)
        box.hidePopup()
        box.setFixedWidth(900)
        assert box.shown_text == box.currentText()

    def test_the_last_entry_opens_the_catalogue_and_chooses_nothing(self, widget):
        panel = widget.model_panel
        before = panel.model.currentData()
        panel.model.setCurrentIndex(panel.model.count() - 1)
        assert panel.catalogue.isVisible()
        assert panel.model.currentData() == before
        assert panel.catalogue.name == before
        panel.catalogue.close()

    def test_the_catalogue_finds_tells_fetches_and_adds(self, widget, monkeypatch, tmp_path):
        from napari_intseg.models.weights import locate

        panel = widget.model_panel
        panel.open_catalogue()
        dialog = panel.catalogue
        dialog.search.setText("simpleclick")
        rows = range(dialog.table.rowCount())
        shown = [dialog.table.item(r, 0).text() for r in rows if not dialog.table.isRowHidden(r)]
        assert shown
        assert all("simpleclick" in name.lower() for name in shown)
        dialog.search.setText("")
        dialog.select("fcanet")
        row = dialog.table.currentRow()
        assert "[research only]" in dialog.table.item(row, 2).text()
        # each says what it is good for
        last = dialog.table.columnCount() - 1
        told = {dialog.table.item(r, 0).text(): dialog.table.item(r, last).text() for r in rows}
        assert [title for title, words in told.items() if not words] == []
        assert not dialog.use.isEnabled()
        assert "the first click" in dialog.about.text()
        dialog.select("ritm-hrnet18s")
        asked = []

        def fetch(key, *, on_progress, should_stop):
            asked.append((key, should_stop()))
            on_progress(1, 2)

        monkeypatch.setattr(locate, "fetch", fetch)
        dialog.fetch.click()
        turn(lambda: bool(asked) and widget.controller.worker.is_idle)
        breathe()
        assert asked == [("ritm-hrnet18s", False)]
        wrong = tmp_path / "wrong.pth"
        wrong.write_bytes(b"nothing")
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(wrong), ""))
        dialog.add.click()
        assert dialog.about.text() == widget.status_panel.error
        assert dialog.about.text()
        dialog.select("random-walker")
        dialog.use.click()
        assert panel.model.currentData() == "random-walker"
        dialog.close()
