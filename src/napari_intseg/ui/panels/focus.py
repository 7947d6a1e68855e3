"""Where keys and the wheel go: to the canvas, unless a person works in a control of the panel."""

from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QListWidget,
    QMainWindow,
    QTabBar,
    QTableView,
    QWidget,
)

_TURNED = (QComboBox, QAbstractSpinBox, QAbstractSlider, QTabBar)
"""What a turn of the wheel would change."""

_WATCHED = "napari-intseg watched"
"""The Qt property that marks a widget as watched."""


class Focus(QObject):  # type: ignore[misc, unused-ignore]
    """Keeps the wheel from controls without the focus, and gives the focus back to the canvas.

    A choice is made: a box has chosen, a button was pressed, a number was entered. From then on the
    keys are those of the canvas again.

    Parameters
    ----------
    panel : QWidget
        All controls in it are watched, those that are made later as well.
    """

    def __init__(self, panel: QWidget) -> None:
        super().__init__(panel)
        self._panel = panel
        self._watch(panel)

    def give_back(self, *_: object) -> None:
        """Give the focus to the canvas of the window, once what happens now is done."""
        QTimer.singleShot(0, self._give_back)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Pass the wheel on, and watch what is new; called by Qt."""
        kind = event.type()
        if kind == QEvent.Type.Wheel and isinstance(watched, _TURNED) and not watched.hasFocus():
            event.ignore()  # so that what is around it scrolls
            return True
        if kind == QEvent.Type.ChildPolished:
            self._watch_children(watched)
        return False

    def _watch_children(self, parent: QObject) -> None:
        # The event would name the child, but its Python object may be of another class: PyQt gives
        # what is still kept of an earlier event at the same address.
        for child in parent.children():
            if isinstance(child, QWidget) and not child.property(_WATCHED):
                self._watch(child)

    def _watch(self, widget: QWidget) -> None:
        for one in (widget, *widget.findChildren(QWidget)):
            if one.property(_WATCHED):
                continue
            one.setProperty(_WATCHED, True)
            one.installEventFilter(self)
            self._hear(one)

    def _hear(self, one: QWidget) -> None:
        """Give the focus back after what a person does with a control."""
        if isinstance(one, _TURNED):
            one.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # the wheel gives no focus
        if isinstance(one, QComboBox):
            one.activated.connect(self.give_back)
        elif isinstance(one, QAbstractButton):
            one.clicked.connect(self.give_back)
        elif isinstance(one, QTabBar):
            one.tabBarClicked.connect(self.give_back)
        elif isinstance(one, QTableView | QListWidget):
            one.clicked.connect(self.give_back)
            delegate = one.itemDelegate()
            if delegate is not None:
                delegate.closeEditor.connect(self.give_back)
        elif isinstance(one, QAbstractSpinBox):
            editor = one.lineEdit()
            if editor is not None:
                editor.returnPressed.connect(self.give_back)

    def _give_back(self) -> None:
        try:
            window = self._panel.window()
            canvas = canvas_of(window)
            is_typing = _is_cell(QApplication.focusWidget())
        except RuntimeError:  # the panel is gone meanwhile
            return
        if is_typing:
            return
        if canvas is not None and window is not None and window.isVisible():
            canvas.setFocus(Qt.FocusReason.OtherFocusReason)


def _is_cell(focused: QWidget | None) -> bool:
    """Whether a person types into a cell of a table."""
    if not isinstance(focused, QLineEdit):
        return False
    above = focused.parentWidget()
    return above is not None and isinstance(above.parentWidget(), QTableView)


def canvas_of(window: QWidget | None) -> QWidget | None:
    """Return the canvas in a window of napari; None if there is none.

    napari has no public way to it; its central widget passes keys on to the canvas it holds.
    """
    if not isinstance(window, QMainWindow):
        return None
    centre = window.centralWidget()
    if centre is None:
        return None
    inside = [
        one
        for one in centre.findChildren(QWidget)
        if one.inherits("QOpenGLWidget") and one.isVisible()
    ]
    return inside[0] if inside else centre
