"""A small picture of what the model sees."""

from functools import partial
from typing import Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget

from napari_intseg.ui.controllers.view_settings import PREVIEW_PX, REST_MS, Picture, ViewSettings
from napari_intseg.ui.controllers.viewer_controller import ViewerController


class Preview(QWidget):  # type: ignore[misc, unused-ignore]
    """Follows the slice in view and the choice of window, unless it is switched off.

    Parameters
    ----------
    controller : ViewerController
        Whose work.
    view_settings : ViewSettings
        Makes the picture.
    """

    def __init__(self, controller: ViewerController, view_settings: ViewSettings) -> None:
        super().__init__()
        self._controller, self._view_settings = controller, view_settings
        self._rests = 0
        self._closed = False
        self.shown = QCheckBox("show what the model sees")
        self.shown.setToolTip(
            "A small picture of the slice as the model gets it, made when nothing else is to do."
        )
        self.shown.setChecked(True)
        self.picture = QLabel()
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.picture.setFixedHeight(PREVIEW_PX)  # so that nothing below it moves
        self.picture.setVisible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.shown)
        layout.addWidget(self.picture)
        self.shown.toggled.connect(self._changed)
        controller.signals.changed.connect(self._changed)
        controller.viewer.dims.events.point.connect(self._changed)

    def close_panel(self) -> None:
        """Let go of the viewer."""
        self._closed = True
        self._controller.signals.changed.disconnect(self._changed)
        self._controller.viewer.dims.events.point.disconnect(self._changed)

    def _changed(self, _event: Any = None) -> None:
        if not self.shown.isChecked():
            self.picture.setVisible(False)
            return
        self._rests += 1
        self._controller.post(partial(self._rested, self._rests), REST_MS)

    def _rested(self, number: int) -> None:
        if not self._closed and number == self._rests:
            self._view_settings.picture(self._show)

    def _show(self, picture: Picture | None) -> None:
        if self._closed:
            return
        self.picture.setVisible(picture is not None)
        if picture is not None:
            height, width = picture.shape[:2]
            pixels = np.ascontiguousarray(picture).tobytes()
            image = QImage(pixels, width, height, 3 * width, QImage.Format.Format_RGB888)
            self.picture.setPixmap(QPixmap.fromImage(image.copy()))
