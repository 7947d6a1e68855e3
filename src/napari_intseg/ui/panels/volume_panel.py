"""Propagation through a volume: which planes, start, progress, cancel."""

from dataclasses import replace

from qtpy.QtWidgets import QCheckBox, QGridLayout, QProgressBar, QSpinBox, QWidget

from napari_intseg.core.segmenter import MemorySegmenter
from napari_intseg.core.volume import Plane
from napari_intseg.ui.controllers.viewer_controller import ViewerController
from napari_intseg.ui.panels.buttons import Buttons
from napari_intseg.ui.panels.form import combo, fill

_METHODS = (
    ("from each plane to its neighbour", "neighbour"),
    ("by the model's memory of all planes", "memory"),
)


class VolumePanel(QWidget):  # type: ignore[misc, unused-ignore]
    """Shown for volumes; the progress bar also serves downloads."""

    def __init__(self, controller: ViewerController, buttons: Buttons) -> None:
        super().__init__()
        self._controller = controller
        self.propagate = buttons.make("propagate")
        self.propagate_all = buttons.make("propagate_all")
        self.cancel = buttons.make("cancel")
        self.limit = QCheckBox("only planes")
        self.limit.setToolTip(
            "Propagate within these planes only, both included; numbers are the slider's."
        )
        self.first, self.last = QSpinBox(), QSpinBox()
        for box in (self.first, self.last):
            box.setMaximum(0)
            box.setEnabled(False)
            box.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        self.last.setPrefix("to ")
        self.method = combo("How the object is carried from plane to plane.")
        fill(self.method, _METHODS, controller.settings.method)
        self.bar = QProgressBar()
        self.bar.setVisible(False)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for column in range(4):
            layout.setColumnStretch(column, 1)
        layout.addWidget(self.limit, 0, 0, 1, 2)
        layout.addWidget(self.first, 0, 2)
        layout.addWidget(self.last, 0, 3)
        layout.addWidget(self.method, 1, 0, 1, 4)
        layout.addWidget(self.propagate, 2, 0, 1, 2)
        layout.addWidget(self.propagate_all, 2, 2, 1, 2)
        layout.addWidget(self.cancel, 3, 0, 1, 2)
        layout.addWidget(self.bar, 4, 0, 1, 4)
        self._axis, self._numbers = 0, (0, 0)
        self.limit.toggled.connect(self.first.setEnabled)
        self.limit.toggled.connect(self.last.setEnabled)
        self.method.currentIndexChanged.connect(self._method_chosen)
        controller.signals.changed.connect(self._show)
        controller.signals.progressed.connect(self._progress)
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
        for widget in (self.limit, self.first, self.last, self.propagate, self.propagate_all):
            widget.setVisible(count > 0)
        self._show_method(count > 0)
        for button in (self.propagate, self.propagate_all):
            button.setEnabled(not self._controller.is_propagating)
        controller = self._controller
        busy = (
            controller.is_propagating
            or controller.loader.is_fetching
            or controller.searching.is_running
        )
        self.cancel.setEnabled(busy)
        self.cancel.setVisible(count > 0 or busy)
        self.setVisible(count > 0 or busy)

    def _show_method(self, is_volume: bool) -> None:
        """Offer the model's memory only while there is one."""
        can_follow = isinstance(self._controller.loader.model, MemorySegmenter)
        self.method.setVisible(is_volume and can_follow)
        if not can_follow and self.method.currentIndex() != 0:
            self.method.setCurrentIndex(0)

    def _method_chosen(self, _index: int) -> None:
        method = self.method.currentData()
        self._controller.settings = replace(self._controller.settings, method=method)

    def _progress(self, done: int, total: int, of: str) -> None:
        self.bar.setVisible(bool(of))
        self.bar.setMaximum(max(0, total))
        self.bar.setValue(min(done, total) if total else done)
        self.bar.setFormat(f"%v of %m {of}" if of in ("planes", "places", "objects") else "%p %")
