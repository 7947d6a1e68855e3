"""Propagation through a volume: which planes, by which way, of which objects."""

from dataclasses import replace

from qtpy.QtWidgets import QCheckBox, QGridLayout, QSpinBox, QWidget

from napari_intseg.core.segmenter import MemorySegmenter
from napari_intseg.core.volume import Plane
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.messages import to_translate
from napari_intseg.ui.panels.buttons import Buttons, combo, fill
from napari_intseg.ui.qt.translation import tr

_METHODS = (
    (to_translate("from each plane to its neighbour"), "neighbour"),
    (to_translate("by the model's memory of all planes"), "memory"),
)


class VolumePanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Shown for volumes."""

    def __init__(self, controller: ViewerController, buttons: Buttons) -> None:
        super().__init__()
        self._controller = controller
        self.propagate_all = buttons.make("propagate_all")
        self.limit = QCheckBox(tr("only planes"))
        self.limit.setToolTip(
            tr("Propagate within these planes only, both included; numbers are the slider's.")
        )
        self.first, self.last = QSpinBox(), QSpinBox()
        for box in (self.first, self.last):
            box.setMaximum(0)
            box.setVisible(False)
            box.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        self.last.setPrefix(tr("to "))
        self.in_3d = QCheckBox(tr("answer in 3-D"))
        self.in_3d.setToolTip(
            tr(
                "Carry each click to the neighbouring planes as soon as it is answered,\nthe "
                "nearest first; the next click overtakes it."
            )
        )
        self.in_3d.setChecked(controller.in_3d.is_on)
        self.method = combo(tr("How the object is carried from plane to plane."))
        fill(
            self.method,
            [(tr(words), value) for words, value in _METHODS],
            controller.settings.method,
        )
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for column in range(4):
            layout.setColumnStretch(column, 1)
        layout.addWidget(self.limit, 0, 0, 1, 2)
        layout.addWidget(self.first, 0, 2)
        layout.addWidget(self.last, 0, 3)
        layout.addWidget(self.method, 1, 0, 1, 4)
        layout.addWidget(self.in_3d, 2, 0, 1, 4)
        layout.addWidget(self.propagate_all, 3, 0, 1, 4)
        self._axis, self._numbers = 0, (0, 0)
        self.limit.toggled.connect(self.first.setVisible)
        self.limit.toggled.connect(self.last.setVisible)
        self.in_3d.toggled.connect(self._in_3d_chosen)
        self.method.currentIndexChanged.connect(self._method_chosen)
        controller.signals.changed.connect(self._show)
        self._show()

    def planes(self) -> range | None:
        """Return the planes that are chosen; None: as far as the object goes."""
        if not self.limit.isChecked():
            return None
        numbers = self.first.value(), self.last.value()
        image_controller = self._controller.image_controller
        if image_controller is None or image_controller.is_closed:
            return range(min(numbers), max(numbers) + 1)
        first, last = sorted(
            image_controller.plane_at(self._axis, number).index for number in numbers
        )
        return range(first, last + 1)

    def _show(self) -> None:
        image_controller = self._controller.image_controller
        count, numbers = 0, (0, 0)
        if image_controller is not None and len(image_controller.image_axes.spatial) == 3:
            now = image_controller.displayed_slice
            self._axis = 0 if isinstance(now, str) else now.plane.axis
            count = image_controller.image_axes.shape[
                image_controller.image_axes.spatial[self._axis]
            ]
            ends = [
                image_controller.plane_number(Plane(self._axis, index)) for index in (0, count - 1)
            ]
            numbers = min(ends), max(ends)
        if numbers != self._numbers:
            self._numbers = numbers
            for box, value in zip((self.first, self.last), numbers, strict=True):
                box.setRange(*numbers)
                box.setValue(value)
        self._show_method(count > 0)
        self.propagate_all.setEnabled(not self._controller.is_propagating)
        self.setVisible(count > 0)

    def _show_method(self, is_volume: bool) -> None:
        """Offer the model's memory only while there is one."""
        can_follow = isinstance(self._controller.loader.model, MemorySegmenter)
        self.method.setVisible(is_volume and can_follow)
        if not can_follow and self.method.currentIndex() != 0:
            self.method.setCurrentIndex(0)

    def _in_3d_chosen(self, on: bool) -> None:
        self._controller.in_3d.is_on = on

    def _method_chosen(self, _index: int) -> None:
        method = self.method.currentData()
        self._controller.settings = replace(self._controller.settings, method=method)
