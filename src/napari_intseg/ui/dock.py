"""The dock widget: panels put together, and closed together."""

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from napari.components import ViewerModel
from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtWidgets import QApplication, QFrame, QScrollArea, QVBoxLayout, QWidget

from napari_intseg.session.journal.file import journals_folder
from napari_intseg.ui.compare.controller import Comparison
from napari_intseg.ui.controllers import alternative_masks, object_actions, prompt_tools
from napari_intseg.ui.controllers.review import Review
from napari_intseg.ui.controllers.view_settings import ViewSettings
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.panels.buttons import Buttons
from napari_intseg.ui.panels.click_panel import ClickPanel
from napari_intseg.ui.panels.compare_panel import ComparePanel
from napari_intseg.ui.panels.embeddings_panel import EmbeddingsPanel
from napari_intseg.ui.panels.export_panel import ExportPanel
from napari_intseg.ui.panels.image_panel import ImagePanel
from napari_intseg.ui.panels.keep_panel import KeepPanel
from napari_intseg.ui.panels.model_panel import ModelPanel
from napari_intseg.ui.panels.object_panel import ObjectPanel
from napari_intseg.ui.panels.prompt_panel import PromptPanel
from napari_intseg.ui.panels.protect_panel import ProtectPanel
from napari_intseg.ui.panels.recovery_panel import RecoveryPanel
from napari_intseg.ui.panels.review_panel import ReviewPanel
from napari_intseg.ui.panels.start_panel import StartPanel
from napari_intseg.ui.panels.status_panel import StatusPanel
from napari_intseg.ui.panels.volume_panel import VolumePanel
from napari_intseg.ui.qt.keybindings import Keys
from napari_intseg.ui.qt.worker_thread import GuiThread
from napari_intseg.ui.storage.recovery import Recovery
from napari_intseg.ui.storage.writer_order import put_writers_first

_Closing = tuple[ImagePanel, PromptPanel, RecoveryPanel, StartPanel, ProtectPanel]


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
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        put_writers_first()
        self._bridge = GuiThread()
        self.controller = controller = ViewerController(napari_viewer, self._bridge.post)
        self.comparison = Comparison(controller, self._bridge.post)
        self.review = Review(controller)
        calls = self._calls()
        self._keys = Keys(napari_viewer, calls)
        buttons = Buttons(calls, self._keys.taken)
        self.status_panel = StatusPanel(controller)
        self.image_panel = ImagePanel(controller, ViewSettings(controller, self._bridge.post))
        self.model_panel = ModelPanel(controller)
        self.object_panel = ObjectPanel(controller, buttons)
        self.start_panel = StartPanel(controller)
        self.prompt_panel = PromptPanel(controller, buttons)
        self.click_panel = ClickPanel(controller, buttons)
        self.volume_panel = VolumePanel(controller, buttons)
        self.review_panel = ReviewPanel(controller, self.review, buttons)
        self.embeddings_panel = EmbeddingsPanel(controller)
        self.compare_panel = ComparePanel(self.comparison, buttons)
        self.export_panel = ExportPanel(controller)
        self.keep_panel = KeepPanel(controller)
        self.protect_panel = ProtectPanel(controller)
        self.recovery = Recovery(controller, journals_folder())
        self.recovery_panel = RecoveryPanel(controller, self.recovery)
        self._arrange()
        self._shut: Callable[[], None] = _Shut(
            controller,
            self._keys,
            (
                self.image_panel,
                self.prompt_panel,
                self.recovery_panel,
                self.start_panel,
                self.protect_panel,
            ),
            self.comparison,
        )
        # a window that is destroyed sends its children no close event
        self.destroyed.connect(self._shut)
        app = QApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self._shut)

    def closeEvent(self, event: Any) -> None:
        """Stop everything; called by Qt."""
        self._shut()
        super().closeEvent(event)

    def event(self, event: Any) -> bool:
        """Stop everything when napari takes the widget out of its dock; called by Qt."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            shut = getattr(self, "_shut", None)
            if shut is not None:
                shut()
        return bool(super().event(event))

    def _calls(self) -> dict[str, Callable[[], object]]:
        controller, here = self.controller, weakref.ref(self)

        def propagate(every: bool = False) -> None:
            widget = here()
            planes = None if widget is None else widget.volume_panel.planes()
            controller.propagate(planes, every=every)

        def cancel() -> None:
            controller.cancel()
            widget = here()
            if widget is not None:
                widget.comparison.cancel()

        return {
            "new_object": controller.new_object,
            "accept_object": controller.accept_object,
            "find_more": controller.searching.start,
            "remove_object": partial(object_actions.remove, controller),
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
            "click_tool": partial(prompt_tools.use, controller, "click"),
            "box_tool": partial(prompt_tools.use, controller, "box"),
            "scribble_tool": partial(prompt_tools.use, controller, "scribble"),
            "next_answer": partial(alternative_masks.step, controller),
            "previous_answer": partial(alternative_masks.step, controller, -1),
            "edit_outline": controller.outliner.begin,
        }

    def _arrange(self) -> None:
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(14)
        panels = (
            self.image_panel,
            self.model_panel,
            self.object_panel,
            self.prompt_panel,
            self.click_panel,
            self.volume_panel,
            self.review_panel,
            self.start_panel,
            self.protect_panel,
            self.embeddings_panel,
            self.compare_panel,
            self.export_panel,
            self.keep_panel,
        )
        layout.addWidget(self.recovery_panel)
        for panel in panels:
            layout.addWidget(panel)
        layout.addStretch(1)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(_Column(inside), 1)
        # what is going on stays in sight, however far the column is scrolled
        self.status_panel.setContentsMargins(6, 0, 6, 6)
        outside.addWidget(self.status_panel)


class _Shut:
    """Closes the parts once; knows nothing of the widget, so that it can go."""

    def __init__(
        self,
        controller: ViewerController,
        keys: Keys,
        panels: _Closing,
        comparison: Comparison,
    ) -> None:
        self._parts: tuple[ViewerController, Keys, _Closing, Comparison] | None
        self._parts = controller, keys, panels, comparison

    def __call__(self, *_: object) -> None:
        parts, self._parts = self._parts, None
        if parts is not None:
            controller, keys, panels, comparison = parts
            keys.close()
            for panel in panels:
                panel.close_panel()
            comparison.close()
            controller.close()
            comparison.release()
            app = QApplication.instance()
            if app is not None:
                app.aboutToQuit.disconnect(self)


class _Column(QScrollArea):  # type: ignore[misc, unused-ignore]
    """Scrolls up and down only, and is never narrower than what it holds."""

    def __init__(self, inside: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
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
        return QSize(width + (0 if bar is None else bar.sizeHint().width()), 120)

    def sizeHint(self) -> QSize:
        """Return the least width, and the height of the content; called by Qt."""
        inside = self.widget()
        height = 0 if inside is None else inside.sizeHint().height()
        return QSize(self.minimumSizeHint().width(), height)
