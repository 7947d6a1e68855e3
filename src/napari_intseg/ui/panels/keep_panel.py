"""Where labels live, and a button that lets them live elsewhere."""

from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.storage.labels_on_disk import default_path, ending
from napari_intseg.ui.storage.move_labels import LabelsLocation


class KeepPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Shows the folder, if there is one.

    Parameters
    ----------
    controller : ViewerController
        Whose work.
    """

    def __init__(self, controller: ViewerController) -> None:
        super().__init__()
        self._controller, self.keeping = controller, LabelsLocation(controller)
        self.button = QPushButton("Keep labels on disk…")
        self.button.setToolTip(
            "Choose a folder in which the labels live from now on, written as they change.\n"
            "Labels of more than 4 GB do so anyway, beside the image's file; they are there again "
            "when the image is opened again."
        )
        self.place = QLabel()
        self.place.setWordWrap(True)
        self.place.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.button)
        layout.addWidget(self.place)
        self.button.clicked.connect(self._ask)
        controller.signals.changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        place = self.keeping.place
        self.button.setEnabled(
            self._controller.image_controller is not None and not self.keeping.is_moving
        )
        self.place.setVisible(place is not None)
        if place is not None:
            self.place.setText(f"Labels are kept in {place.name}")
            self.place.setToolTip(str(place))

    def _ask(self, _on: bool = False) -> None:
        image_controller = self._controller.image_controller
        if image_controller is None:
            return
        start = default_path(image_controller.image_axes, image_controller.labels.data.dtype)
        chosen, _ = QFileDialog.getSaveFileName(
            self, "Keep labels on disk: a new folder", str(start), f"Labels (*{ending()})"
        )
        if chosen:
            self.keeping.move(Path(chosen))
