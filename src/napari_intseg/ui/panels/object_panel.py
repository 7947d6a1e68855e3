"""The objects: colour, clicks, locked or not; and the buttons that begin and accept one."""

from typing import Any

import numpy as np
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QWidget,
)

from napari_intseg.ui.controllers.image_controller import ImageController
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.panels.buttons import Buttons

_LABEL = Qt.ItemDataRole.UserRole


class ObjectPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """A list whose ticks are locks."""

    def __init__(self, controller: ViewerController, buttons: Buttons) -> None:
        super().__init__()
        self._controller = controller
        self.new: QPushButton = buttons.make("new_object")
        self.accept: QPushButton = buttons.make("accept_object")
        self.list = QListWidget()
        self.list.setToolTip(
            "Choose the object that clicks belong to. A ticked object is accepted: it is locked."
        )
        self.list.setMaximumHeight(120)
        self.more: QPushButton = buttons.make("find_more")
        self.remove: QPushButton = buttons.make("remove_object")
        self.each = QCheckBox("each click begins an object")
        self.each.setToolTip(
            "For many objects: a left click where there is none begins the next one.\n"
            "A click inside an object belongs to that one; a right click elsewhere to the current."
        )
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.new, 0, 0)
        layout.addWidget(self.accept, 0, 1)
        layout.addWidget(self.each, 1, 0, 1, 2)
        layout.addWidget(self.list, 2, 0, 1, 2)
        layout.addWidget(self.more, 3, 0)
        layout.addWidget(self.remove, 3, 1)
        self._shown: list[Any] = []
        self.list.currentItemChanged.connect(self._chosen)
        self.list.itemChanged.connect(self._ticked)
        self.each.toggled.connect(self._each_toggled)
        controller.signals.changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        image_controller = self._controller.image_controller
        rows: list[Any] = []
        if image_controller is not None:
            session_store = image_controller.session_store
            rows = [
                (
                    label,
                    _given(image_controller, label),
                    session_store.is_finished(label),
                    label == session_store.object,
                )
                for label in session_store.labels
            ]
        for button in (self.accept, self.remove):
            button.setEnabled(image_controller is not None)
        self.more.setEnabled(
            image_controller is not None and not self._controller.searching.is_running
        )
        if rows == self._shown:
            return
        with QSignalBlocker(self.list):
            while self.list.count() > len(rows):
                self.list.takeItem(self.list.count() - 1)
            for at, row in enumerate(rows):  # there may be hundreds, of which one has changed
                if at >= len(self._shown) or self._shown[at] != row:
                    self._fill(at, *row)
        self._shown = rows

    def _fill(self, at: int, label: int, given: str, finished: bool, current: bool) -> None:
        """Have a row of the list show an object."""
        item = self.list.item(at)
        if item is None:
            item = QListWidgetItem()
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            self.list.addItem(item)
        if item.data(_LABEL) != label:
            item.setData(_LABEL, label)
            item.setIcon(self._icon(label))
        item.setText(_words(label, given, finished))
        item.setCheckState(Qt.CheckState.Checked if finished else Qt.CheckState.Unchecked)
        if current:
            self.list.setCurrentItem(item)

    def _icon(self, label: int) -> QIcon:
        pixmap = QPixmap(14, 14)
        image_controller = self._controller.image_controller
        colour = None if image_controller is None else image_controller.labels.get_color(label)
        rgb = [128, 128, 128] if colour is None else np.rint(np.asarray(colour)[:3] * 255)
        pixmap.fill(QColor(*(int(c) for c in rgb)))
        return QIcon(pixmap)

    def _chosen(self, item: QListWidgetItem | None, _before: object = None) -> None:
        if item is not None:
            self._controller.select_object(int(item.data(_LABEL)))

    def _each_toggled(self, on: bool) -> None:
        self._controller.each_click_begins = on

    def _ticked(self, item: QListWidgetItem) -> None:
        finished = item.checkState() == Qt.CheckState.Checked
        self._controller.set_finished(int(item.data(_LABEL)), finished)


def _given(image_controller: ImageController, label: int) -> str:
    """Return in words what was given for an object."""
    prompts = image_controller.given_for(label)
    if not prompts and image_controller.is_begun(label):
        return "mask"
    counts = {
        "click": sum(len(p.clicks) for p in prompts),
        "box": sum(p.box is not None for p in prompts),
        "scribble": sum(len(p.scribbles) for p in prompts),
    }
    plural = {"click": "clicks", "box": "boxes", "scribble": "scribbles"}
    shown = [kind for kind, count in counts.items() if count] or ["click"]
    return ", ".join(f"{counts[k]} {k if counts[k] == 1 else plural[k]}" for k in shown)


def _words(label: int, given: str, finished: bool) -> str:
    words = f"Object {label}: {given}"
    return f"{words}, accepted" if finished else words
