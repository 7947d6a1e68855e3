"""A real window, used as a person does: with mouse and keys."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from app_model import Application
from napari import Viewer
from napari._app_model._app import NapariApplication, _napari_names
from napari._qt._qapp_model.qactions import init_qactions
from napari._qt.qt_viewer import QtViewer
from napari._qt.threads.status_checker import StatusChecker
from napari.plugins import _initialize_plugins
from napari.settings import get_settings
from qtpy.QtCore import QEvent, QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

PLUGIN = "napari-intseg"
THREAD = "napari-intseg inference"
PLAIN = Qt.KeyboardModifier.NoModifier
LEFT = Qt.MouseButton.LeftButton


def turn(condition: Callable[[], object], timeout_s: float = 240.0) -> None:
    """Let the event loop run until something is true."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        QApplication.processEvents()
        time.sleep(0.002)


def breathe(seconds: float = 0.05) -> None:
    """Let the event loop run for a while, and often enough for what events cause in turn.

    On a busy machine one turn may take longer than the time asked for.
    """
    end = time.monotonic() + seconds
    turns = 0

    def is_over() -> bool:
        nonlocal turns
        turns += 1
        return turns > 20 and time.monotonic() > end

    turn(is_over)


def activate(widget: Any) -> None:
    """Give a window the keyboard, and wait until it has it.

    Without a window manager a window that is not yet on the screen cannot get it: ask until it has.
    """

    def has_it() -> bool:
        window = widget.window()
        if not window.isActiveWindow():
            window.activateWindow()
        return bool(window.isActiveWindow())

    turn(has_it)


@contextmanager
def lasting_viewer() -> Iterator[Viewer]:
    """Open a viewer for several tests, as napari's `make_napari_viewer` does for one.

    Opening and closing take half of what a test in a window costs. No other viewer may be open
    meanwhile: napari's fixture takes it for one that a test forgot.
    """
    _initialize_plugins.cache_clear()
    init_qactions.cache_clear()
    app = NapariApplication("lasting")
    app.injection_store.namespace = _napari_names
    with (
        patch.object(NapariApplication, "get_app_model", return_value=app),
        patch.object(StatusChecker, "start"),
    ):
        viewer = Viewer(show=True, show_welcome_screen=False)
        turn(viewer.window._qt_window.windowHandle().isExposed)
        try:
            yield viewer
        finally:
            with patch.object(viewer.window._qt_window, "_save_current_window_settings"):
                viewer.close()
            Application.destroy("lasting")
            QtViewer._instances.clear()


class SharedViewer:
    """The viewer of a module's tests: opened when the first asks for it, empty for each."""

    def __init__(self) -> None:
        self._opened: ExitStack | None = None
        self._viewer: Viewer | None = None

    def open(self) -> Viewer:
        """Return the viewer, which is opened if it is not."""
        if self._viewer is None:
            self._opened = ExitStack()
            self._viewer = self._opened.enter_context(lasting_viewer())
        return self._viewer

    def empty(self) -> None:
        """Leave it as a new one is: without docks and layers, with napari's own settings."""
        viewer = self._viewer
        if viewer is None:
            return
        viewer.window.remove_dock_widget("all")
        # what was docked goes with its connections, as with a window that is closed
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        viewer.layers.clear()
        viewer.dims.ndisplay = 2
        viewer.dims.reset()
        viewer.dims.order = tuple(range(viewer.dims.ndim))
        get_settings().reset()
        breathe()

    def close(self) -> None:
        """Close it, if it is open, for another to be opened."""
        if self._opened is not None:
            self._opened.close()
        self._opened = self._viewer = None


class Window:
    """A viewer with the widget docked, its model loaded; `close` it at the end."""

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer
        self.dock, self.widget = viewer.window.add_plugin_dock_widget(PLUGIN)
        self.controller = self.widget.controller
        # PyTorch is imported along, which a busy machine takes long for
        turn(lambda: self.controller.loader.model is not None, 240.0)

    @property
    def canvas(self) -> Any:
        """What the layers are drawn on."""
        return self.viewer.window._qt_viewer.canvas

    @property
    def labels(self) -> Any:
        """The pixels of the Labels layer."""
        return self.controller.image_controller.labels.data

    @property
    def is_idle(self) -> bool:
        """Whether everything is answered and drawn."""
        controller = self.controller
        return (
            controller.worker.is_idle
            and not controller.is_propagating
            and not controller.searching.is_running
            and (controller.image_controller is None or controller.image_controller.is_idle)
        )

    def at(self, world: Any) -> QPoint:
        """Return where a position of the two displayed axes is on the canvas."""
        x, y = self.canvas.view.scene.transform.map([world[1], world[0], 0, 1])[:2]
        return QPoint(round(x), round(y))

    def click(self, world: Any, button: Any = LEFT, keys: Any = PLAIN) -> None:
        """Click with the mouse."""
        native = self.canvas.native
        QTest.mouseMove(native, self.at(world))
        breathe()
        QTest.mouseClick(native, button, keys, self.at(world))
        breathe()

    def press(self, key: Any, keys: Any = PLAIN) -> None:
        """Press a key on the canvas."""
        QTest.keyClick(self.canvas.native, key, keys)
        breathe()

    def settle(self, timeout_s: float = 240.0) -> None:
        """Wait until everything is answered and drawn."""
        turn(lambda: self.is_idle, timeout_s)

    def close(self) -> None:
        """Close the widget, and see that its thread is gone."""
        if self.widget is not None:
            self.widget.close()
        assert THREAD not in {t.name for t in threading.enumerate()}
