"""The last answer's time, what is going on, and what went wrong."""

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.panels.notices import show_notice


class StatusPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Three lines; the error stays until something works again."""

    def __init__(self, controller: ViewerController) -> None:
        super().__init__()
        self.time, self.message, self.error = QLabel(), QLabel(), QLabel()
        self.error.setStyleSheet("color: #ff6b6b")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for label in (self.time, self.message, self.error):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            label.setVisible(False)
            layout.addWidget(label)
        controller.signals.message.connect(self._told)
        controller.signals.failed.connect(self._failed)
        controller.signals.lost.connect(self._lost)
        controller.signals.answered.connect(self._answered)

    def _told(self, text: str) -> None:
        _put(self.message, text)
        _put(self.error, "")

    def _failed(self, text: str) -> None:
        _put(self.error, text)
        show_notice(text)

    def _lost(self, text: str) -> None:
        _put(self.error, text)

    def _answered(self, where: str, seconds: float) -> None:
        _put(self.time, f"Last answer: {1000 * seconds:.0f} ms ({where})")
        _put(self.error, "")


def _put(label: QLabel, text: str) -> None:
    label.setText(text)
    label.setVisible(bool(text))
