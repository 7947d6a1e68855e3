"""The dock widget: panels put together, and closed together."""

import weakref
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any

from napari.components import ViewerModel
from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtWidgets import (
    QApplication,
    QDockWidget,
    QFrame,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QScrollArea,
    QSizePolicy,
    QTabWidget,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

from napari_intseg._moved import renamed
from napari_intseg.models.registry import available_models
from napari_intseg.session.journal.file import journals_folder
from napari_intseg.ui.compare.controller import Comparison
from napari_intseg.ui.controllers import clicks, object_actions
from napari_intseg.ui.controllers.clicks import FirstClickListener, KeyboardCursor
from napari_intseg.ui.controllers.fine_tuning import FineTuning
from napari_intseg.ui.controllers.image_queue import QueueWork
from napari_intseg.ui.controllers.model_loader import Choice, has_weights
from napari_intseg.ui.controllers.object_actions import show_object
from napari_intseg.ui.controllers.review import Review, TimeTracking
from napari_intseg.ui.controllers.view_settings import ViewSettings
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.messages import Message
from napari_intseg.ui.panels.compare_panel import ComparePanel
from napari_intseg.ui.panels.controls import Buttons, Section, name_controls
from napari_intseg.ui.panels.disk_panel import (
    EmbeddingsPanel,
    ExportPanel,
    KeepPanel,
    LearnPanel,
)
from napari_intseg.ui.panels.image_panel import ImagePanel, QueuePanel
from napari_intseg.ui.panels.model_panel import ModelPanel
from napari_intseg.ui.panels.object_panel import ObjectPanel
from napari_intseg.ui.panels.prompt_panel import ActionPanel, PromptPanel, is_volume
from napari_intseg.ui.panels.protect_panel import ProtectPanel
from napari_intseg.ui.panels.review_panel import DetailPanel, ReviewPanel, VolumePanel
from napari_intseg.ui.panels.start_panel import AutomaticPanel, RecoveryPanel, StartPanel
from napari_intseg.ui.panels.status_panel import StatusPanel
from napari_intseg.ui.preferences import preferences, preferred_keys
from napari_intseg.ui.qt.keybindings import Focus, Keys
from napari_intseg.ui.qt.translation import preferred_language, tr, use_language
from napari_intseg.ui.qt.worker_thread import GuiThread, LogMessages, listen
from napari_intseg.ui.storage.disk_folders import prefer_own_reader, put_writers_first
from napari_intseg.ui.storage.recovery import Recovery, remember, remembered

_Closing = tuple[Callable[[], None], ...]

_OPEN: "weakref.WeakSet[SegmentWidget]" = weakref.WeakSet()


def find_widget(viewer: Any) -> "SegmentWidget | None":
    """Return the widget that is open in a viewer; None if there is none."""
    # napari hands plugins a stand-in for the viewer, which is not the viewer itself
    wanted = getattr(viewer, "__wrapped__", viewer)
    for widget in _OPEN:
        own = widget.controller.viewer
        if getattr(own, "__wrapped__", own) is wanted:
            return widget
    return None


_WIDTH_PX = 260
"""Width of the panel: of 1366 pixels napari's own docks take 333, and the canvas shall have at
least 752, 55 %."""

_READER = "reader preferred"
"""Under which it is remembered that napari has been told of our reader."""

_SETTLED_MS = 100
"""Milliseconds after which a dock that was added has its size."""


def _prefer(controller: ViewerController) -> None:
    """Begin with what the person's preferences in napari say."""
    preferred = preferences()
    controller.each_click_begins = preferred.each_click_begins
    # a preferred model that cannot be loaded must not leave the window without one
    if preferred.model in available_models() and has_weights(preferred.model):
        controller.loader.choice = Choice(preferred.model)


def _open_and_save_with_place() -> None:
    """Have napari open and save files by what keeps their geometry."""
    put_writers_first()
    if not remembered().get(_READER):
        # once: a person may take it back
        prefer_own_reader()
        remember(**{_READER: True})


class SegmentWidget(QWidget):  # type: ignore[misc, unused-ignore]
    """Interactive segmentation in a napari viewer.

    Parameters
    ----------
    napari_viewer : Viewer
        Given by napari. The parameter's name is how napari knows.

    Attributes
    ----------
    controller : ViewerController
        All that it does, for scripts: `controller.new_object()`, `controller.propagate()`, …
    comparison : Comparison
        A second model beside the first.
    sections : dict of str to Section
        What is folded away below *More*.
    """

    bench = renamed("controller")

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        use_language(preferred_language(preferences().language))
        _open_and_save_with_place()
        self._bridge = GuiThread()
        self.controller = controller = ViewerController(napari_viewer, self._bridge.post)
        _prefer(controller)
        self.comparison = Comparison(controller, self._bridge.post)
        self.review = Review(controller)
        self.queue_work = QueueWork(controller)
        self.fine_tuning = FineTuning(controller, self.queue_work)
        self.keyboard_cursor = KeyboardCursor(controller)
        # calls hold the widget weakly, or buttons and keys would keep a closed one alive
        calls = self._calls()
        self._known = {**calls, **self._further_calls()}
        self._keys = Keys(napari_viewer, calls, preferred_keys())
        buttons = Buttons(calls, self._keys)
        through = TimeTracking(controller)
        self.automatic_panel, self.start_panel = AutomaticPanel(controller), StartPanel(controller)
        self.status_panel = StatusPanel(
            controller, buttons, self.comparison, through, self.automatic_panel.starts
        )
        self.image_panel = ImagePanel(controller, ViewSettings(controller, self._bridge.post))
        self.model_panel = ModelPanel(controller)
        self.action_panel = ActionPanel(controller, buttons)
        self.object_panel = ObjectPanel(controller, buttons)
        self.prompt_panel = PromptPanel(controller, buttons)
        self.detail_panel = DetailPanel(controller)
        self.volume_panel = VolumePanel(controller, buttons)
        self.review_panel = ReviewPanel(controller, self.review, buttons, through)
        self.embeddings_panel = EmbeddingsPanel(controller)
        self.compare_panel = ComparePanel(self.comparison, buttons)
        self.export_panel = ExportPanel(controller)
        self.keep_panel = KeepPanel(controller)
        self.protect_panel = ProtectPanel(controller)
        self.recovery = Recovery(controller, journals_folder())
        self.recovery_panel = RecoveryPanel(controller, self.recovery)
        self.learn_panel = LearnPanel(controller, self.fine_tuning)
        self.queue_panel = QueuePanel(controller, self.queue_work, buttons, self.learn_panel.open)
        self._first_click = FirstClickListener(controller)
        self._log_messages = LogMessages(controller.signals, self._bridge.post)
        self._was_fitted = self._folds_later = False
        self._arrange()
        # after all controls are there: it goes through them
        self._focus = Focus(self)
        name_controls(self)
        controller.signals.changed.connect(self._show)
        controller.signals.answered.connect(self._answered)
        self._show()
        self._close_all: Callable[[], None] = _CloseAll(
            controller,
            self._keys,
            (
                self._first_click.close,
                self.keyboard_cursor.close,
                self._log_messages.stop,
                self.image_panel.close_panel,
                self.prompt_panel.close_panel,
                self.recovery_panel.close_panel,
                self.start_panel.close_panel,
                self.protect_panel.close_panel,
                self.fine_tuning.close,
            ),
            self.comparison,
            self._bridge,
        )
        # weak: a widget that is gone is not found
        _OPEN.add(self)
        # a window that is destroyed sends its children no close event
        self.destroyed.connect(self._close_all)
        app = QApplication.instance()
        if app is not None:
            # quitting destroys widgets without closing them, and
            # threads must end before Python does
            app.aboutToQuit.connect(self._close_all)

    def closeEvent(self, event: Any) -> None:
        """Stop everything; called by Qt."""
        self._close_all()
        super().closeEvent(event)

    def changeEvent(self, event: Any) -> None:
        """Stop everything when napari takes the widget out of its dock; called by Qt."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            # none while it is being made
            close_all = getattr(self, "_close_all", None)
            if close_all is not None:
                close_all()
        super().changeEvent(event)

    def do(self, name: str) -> None:
        """Do one of `ACTIONS`, or another of the commands in `commands`, by its name."""
        self._known[name]()

    def _further_calls(self) -> dict[str, Callable[[], object]]:
        """Return what has a command and no key."""
        controller, here = self.controller, weakref.ref(self)

        def later(path: str) -> Callable[[], None]:
            def act() -> None:
                widget = here()
                if widget is not None:
                    attrgetter(path)(widget)()

            return act

        def show_current() -> None:
            if controller.image_controller is None:
                controller.signals.failed.emit(
                    Message("There is no object yet. Press New object, then click.")
                )
                return
            label = controller.image_controller.session_store.object
            controller.signals.message.emit(
                Message("Object {label}: clicks go on with it.", label=label)
            )
            show_object(controller, label)

        return {
            "open_queue": later("queue_panel.ask_open"),
            "export_queue": later("queue_panel.ask_export"),
            "learn_objects": later("learn_panel.open"),
            "export_labels": later("export_panel.ask_labels"),
            "export_measurements": later("export_panel.ask_measurements"),
            "all_models": later("model_panel.open_catalogue"),
            "show_object": show_current,
            "link_through_time": later("review_panel.through.linking.start"),
        }

    def _calls(self) -> dict[str, Callable[[], object]]:
        """Return what each of `ACTIONS` does, by its name."""
        controller, here = self.controller, weakref.ref(self)

        def propagate(every: bool = False) -> None:
            widget = here()
            planes = None if widget is None else widget.volume_panel.planes()
            controller.propagate(planes, every=every)

        def merge() -> None:
            widget = here()
            if widget is not None:
                object_actions.merge(controller, widget.object_panel.table.selected)

        def renumber() -> None:
            widget = here()
            if widget is not None:
                widget.object_panel.table.ask_number()

        def cancel() -> None:
            widget, now = here(), controller.image_controller
            runs = (now is not None and now.is_waiting) or controller.suggested.is_running
            if widget is not None and not (
                runs or widget.status_panel.doing or widget.queue_work.is_sorting
            ):
                controller.signals.message.emit(Message("Nothing runs that can be cancelled."))
            controller.cancel()
            if widget is not None:
                widget.comparison.cancel()
                widget.queue_work.sort(False)
                widget.review_panel.through.cancel()
                widget.automatic_panel.starts.cancel()

        return {
            "new_object": controller.new_object,
            "accept_object": partial(object_actions.accept, controller),
            "find_more": controller.searching.start,
            "remove_object": partial(object_actions.remove, controller),
            "keyboard_cursor": self.keyboard_cursor.toggle,
            "go_to_panel": partial(_go_to_panel, here),
            "queue_done": self.queue_work.done,
            "queue_skip": self.queue_work.skip,
            "queue_next": self.queue_work.next,
            "queue_previous": self.queue_work.previous,
            "merge_objects": merge,
            "split_object": controller.splitter.begin,
            "relabel_object": renumber,
            "toggle_sign": controller.toggle_sign,
            "undo": controller.undo,
            "redo": controller.redo,
            "undo_object": partial(object_actions.step, controller, "undo"),
            "redo_object": partial(object_actions.step, controller, "redo"),
            "propagate": propagate,
            "propagate_all": partial(propagate, every=True),
            "next_plane": self.review.next,
            "cancel": cancel,
            "suggest_click": self.comparison.suggest,
            "suggested_clicks": controller.suggested.start,
            "click_tool": partial(controller.prompt_tools.choose, "click"),
            "box_tool": partial(controller.prompt_tools.choose, "box"),
            "scribble_tool": partial(controller.prompt_tools.choose, "scribble"),
            "lasso_tool": partial(controller.prompt_tools.choose, "lasso"),
            "next_answer": partial(clicks.step, controller),
            "previous_answer": partial(clicks.step, controller, -1),
            "edit_outline": controller.outliner.begin,
            "outlines": partial(object_actions.toggle_outlines, controller),
        }

    def _arrange(self) -> None:
        self.header = Section("", self.image_panel, self.model_panel, is_open=True)
        self._is_header_free = True
        self.header.toggled.connect(self._header_toggled)
        many, rest = self.object_panel.many, self.review_panel.rest
        one = _stack(
            self.prompt_panel.edit,
            self.action_panel.undo_object,
            self.action_panel.redo_object,
            self.object_panel.remove,
        )
        sees = (self.image_panel.look, self.image_panel.preview)
        device = (self.model_panel.options, self.embeddings_panel)
        self.sections = {
            "object": Section(tr("This object"), one, key="object"),
            "view": Section(tr("What the model sees"), *sees, key="view"),
            "protection": Section(
                tr("Other objects' pixels"), self.protect_panel, key="protection"
            ),
            "start": Section(
                tr("Start from masks"), self.automatic_panel, self.start_panel, key="start"
            ),
            "device": Section(tr("Device and memory"), *device, key="device"),
        }
        self.more = Section(tr("More"), self.detail_panel, *self.sections.values(), key="more")
        self.rest = Section(tr("More"), rest, key="volume")
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        bar = self.tabs.tabBar()
        assert bar is not None
        bar.setExpanding(True)
        # napari's 6 pixels on either side are more than four German titles have room for
        bar.setStyleSheet("QTabBar::tab { padding: 3px 1px; }")
        # where a language has longer titles they are shortened: Qt would put tabs out of sight
        bar.setUsesScrollButtons(False)
        self.tabs.setElideMode(Qt.TextElideMode.ElideRight)
        segment = _stack(self.prompt_panel, many, self.more, self.prompt_panel.advice)
        self.tabs.addTab(_Column(segment), tr("Segment"))
        planes = _stack(self.volume_panel, self.review_panel, self.rest)
        self.tabs.addTab(_Column(planes), tr("Volume"))
        self.tabs.addTab(_Column(_stack(self.compare_panel)), tr("Compare"))
        self.tabs.addTab(
            _Column(_stack(self.export_panel, self.keep_panel, self.learn_panel)), tr("Export")
        )
        outside = QVBoxLayout(self)
        outside.setContentsMargins(2, 2, 2, 4)
        outside.setSpacing(6)
        for widget, stretch in (
            (self.queue_panel, 0),
            (self.header, 0),
            (self.action_panel, 0),
            (self.object_panel, 0),
            (self.tabs, 1),
            # what comes unasked comes below what is pressed, and takes its room from the tab alone
            (self.recovery_panel, 0),
            (self.protect_panel.asking, 0),
            # what is going on stays in sight, whatever is scrolled
            (self.status_panel, 0),
        ):
            outside.addWidget(widget, stretch)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    def showEvent(self, event: Any) -> None:
        """Fit the canvas into what is left of the window, once; called by Qt."""
        super().showEvent(event)
        self._show_title()
        if not self._was_fitted:
            self._was_fitted = True
            # by key the panel is opened from a menu or the palette, which leave the keys anywhere
            if not isinstance(QApplication.focusWidget(), QLineEdit | QPlainTextEdit | QTextEdit):
                self._focus.give_back()
            dock = self.parent()
            if isinstance(dock, QDockWidget):
                # napari makes another title there
                dock.dockLocationChanged.connect(self._show_title)
            # the canvas is narrower by this panel only when Qt has laid the docks out
            self._bridge.post(_fit(weakref.ref(self)), _SETTLED_MS)

    def _show_title(self, *_: object) -> None:
        """Title the dock by the panel's name alone: with the plugin's behind it, it is cut off."""
        dock = self.parent()
        bar = dock.titleBarWidget() if isinstance(dock, QDockWidget) else None
        for label in [] if bar is None else bar.findChildren(QLabel):
            if label.text():
                label.setText(tr("Interactive segmentation"))

    def resizeEvent(self, event: Any) -> None:
        """Share the new height; called by Qt."""
        super().resizeEvent(event)
        self._share_height()

    def _share_height(self) -> None:
        """Give the objects a third of what is left of the height, whatever comes and goes below."""
        above = (self.queue_panel, self.header, self.action_panel)
        room = self.height() - self.status_panel.minimumHeight()
        room -= sum(one.sizeHint().height() for one in above if not one.isHidden())
        least = self.object_panel.minimumSizeHint().height()
        self.object_panel.setFixedHeight(max(least, room // 3))

    def sizeHint(self) -> QSize:
        """Return a width that leaves the canvas most of a small screen; called by Qt."""
        return QSize(_WIDTH_PX, super().sizeHint().height())

    def _header_toggled(self, _is_open: bool) -> None:
        # a person decides from now on
        self._is_header_free = False
        self._show()

    def _answered(self, _where: str, _seconds: float) -> None:
        """Fold the header once image and model have proved to be set."""
        listen(self.controller.signals.answered, self._answered, False)
        # not under the mouse: what is below moves up, and somebody may be about to press it
        if self.underMouse():
            self._folds_later = True
        else:
            self._fold_header()

    def leaveEvent(self, event: Any) -> None:
        """Fold the header if that waited for the mouse to go; called by Qt."""
        super().leaveEvent(event)
        if self._folds_later:
            self._folds_later = False
            self._fold_header()

    def _fold_header(self) -> None:
        if self._is_header_free:
            self._is_header_free = False
            self.header.fold(True)
            self._show()

    def _show(self) -> None:
        controller, panel = self.controller, self.image_panel
        has_planes = is_volume(controller)
        self.tabs.setTabVisible(1, has_planes or panel_has_times(controller))
        # flat images over time have no volume
        title = tr("Volume") if has_planes else tr("Time")
        if title != self.tabs.tabText(1):
            self.tabs.setTabText(1, title)
        told = tr("Image and model")
        if not self.header.isExpanded() and controller.image is not None:
            contrast = panel.contrast.currentText()
            choice = controller.loader.choice
            model = choice.name if choice.weights is None else choice.weights.stem
            told = f"{controller.image.name} · {model} · {contrast}"
        self.header.setText(told)
        self.header.toggleButton().setToolTip(f"{told}\n{tr('Press to show or fold the choices.')}")
        self._share_height()


def panel_has_times(controller: ViewerController) -> bool:
    """Whether what is worked on has several time points."""
    image_controller = controller.image_controller
    return image_controller is not None and (image_controller.image_axes.n_times or 1) > 1


def _stack(*widgets: QWidget) -> QWidget:
    """Return widgets one below the other, in one of their own."""
    inside = QWidget()
    layout = QVBoxLayout(inside)
    layout.setContentsMargins(0, 4, 0, 0)
    layout.setSpacing(6)
    for widget in widgets:
        layout.addWidget(widget)
    layout.addStretch(1)
    return inside


def _go_to_panel(widget: "weakref.ref[SegmentWidget]") -> None:
    here = widget()
    if here is not None:
        here._focus.move()


def _fit(widget: "weakref.ref[SegmentWidget]") -> Callable[[], None]:
    def fit() -> None:
        here = widget()
        if here is not None and here.controller.image is not None:
            here.controller.viewer.reset_view()

    return fit


class _CloseAll:
    """Closes the parts once; knows nothing of the widget, so that it can go."""

    def __init__(
        self,
        controller: ViewerController,
        keys: Keys,
        panels: _Closing,
        comparison: Comparison,
        bridge: GuiThread,
    ) -> None:
        self._parts: tuple[ViewerController, Keys, _Closing, Comparison, GuiThread] | None
        self._parts = controller, keys, panels, comparison, bridge

    def __call__(self, *_: object) -> None:
        parts, self._parts = self._parts, None
        if parts is not None:
            controller, keys, panels, comparison, bridge = parts
            keys.close()
            for close in panels:
                close()
            comparison.close()
            controller.close()
            # after the thread has ended, which may still be using the model
            comparison.loader.release()
            # last: what closing has posted is about a window that has gone as well
            bridge.close()
            app = QApplication.instance()
            if app is not None:
                app.aboutToQuit.disconnect(self)


class _Column(QScrollArea):  # type: ignore[misc, unused-ignore]
    """Scrolls up and down only, and is never narrower than what it holds."""

    def __init__(self, inside: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        # Tab goes to what it holds, and scrolls there
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(inside)
        inside.installEventFilter(self)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Pass on that the content needs another width; called by Qt."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))

    def minimumSizeHint(self) -> QSize:
        """Return the width of the content and a scroll bar; called by Qt."""
        inside, bar = self.widget(), self.verticalScrollBar()
        width = 0 if inside is None else inside.minimumSizeHint().width()
        # 120 pixels in height: some rows are seen in the lowest window; the rest is scrolled to
        return QSize(width + (0 if bar is None else bar.sizeHint().width()), 120)

    def sizeHint(self) -> QSize:
        """Return the least width, and the height of the content; called by Qt."""
        inside = self.widget()
        height = 0 if inside is None else inside.sizeHint().height()
        return QSize(self.minimumSizeHint().width(), height)
