"""A slider for the detail of outlines."""

from qtpy.QtCore import QSignalBlocker, Qt, QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSlider, QWidget

from napari_intseg.ui.controllers.outline_detail import OutlineDetailController
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.panels.buttons import PER_MM
from napari_intseg.ui.qt.translation import tr

_STEPS_PER_PX = 2
_MOST_PX = 20
"""Nuclei and organs are rarely drawn more coarsely; a script may choose more."""

_REST_MS = 250
"""After which a slider moved by keys counts as left alone, and all planes follow."""


class DetailPanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Smooths outlines while it is moved: what is in view at once, the rest when it is let go.

    Attributes
    ----------
    slider : QSlider
        In half pixels.
    told : QLabel
        The same in the unit of the image.
    """

    def __init__(self, controller: ViewerController) -> None:
        super().__init__()
        self._controller = controller
        self.detail = OutlineDetailController(controller)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _MOST_PX * _STEPS_PER_PX)
        self.slider.setAccessibleName(tr("Smooth outlines"))
        self.slider.setToolTip(
            tr(
                "Smooth and simplify all outlines that are not accepted or locked, now and "
                "from now on.\nAll the way left they are as the model gave them. Every export "
                "has them as seen."
            )
        )
        self.told = QLabel()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(QLabel(tr("Smooth")))
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.told)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._settle)
        self.slider.valueChanged.connect(self._moved)
        self.slider.sliderReleased.connect(self._settle)
        controller.signals.changed.connect(self._show)
        self._show()

    @property
    def mm(self) -> float:
        """What the slider says, in millimetres."""
        return float(self.slider.value()) / _STEPS_PER_PX * self.detail.pixel_mm

    @property
    def is_settled(self) -> bool:
        """Whether the last move has ended, and all planes follow it."""
        return not (self.slider.isSliderDown() or self._rest.isActive())

    def _moved(self, _value: int) -> None:
        self.detail.preview(self.mm)
        self._tell()
        if not self.slider.isSliderDown():
            self._rest.start()

    def _settle(self) -> None:
        self._rest.stop()
        self.detail.choose(self.mm)

    def _show(self) -> None:
        self.setEnabled(self._controller.image_controller is not None)
        if not self.is_settled:
            return
        with QSignalBlocker(self.slider):
            self.slider.setValue(round(self.detail.mm / self.detail.pixel_mm * _STEPS_PER_PX))
        self._tell()

    def _tell(self) -> None:
        image_controller = self._controller.image_controller
        unit = "px" if image_controller is None else image_controller.image_axes.unit
        words = f"{self.mm * PER_MM[unit]:.3g} {unit}"
        self.told.setText(words if self.slider.value() else tr("off"))
        self.told.setMinimumWidth(self.told.fontMetrics().horizontalAdvance("00.0 mm"))
