"""Two numbers for each channel that the model sees: what is dark, and what is bright."""

from collections.abc import Sequence

from qtpy.QtCore import QSignalBlocker, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QDoubleSpinBox, QGridLayout, QLabel, QWidget

from napari_intseg.inference.intensity import PerChannel
from napari_intseg.ui.qt.translation import tr

Limits = tuple[float, float]


class ChannelRanges(QWidget):  # type: ignore[misc, unused-ignore]
    """A row for each channel."""

    changed = Signal()
    """A number was entered."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(2)
        self._widgets: list[QWidget] = []
        self.rows: list[tuple[QDoubleSpinBox, QDoubleSpinBox]] = []

    def show_limits(self, limits: Sequence[Limits]) -> None:
        """Show a row for each pair of numbers, telling nobody."""
        if len(limits) != len(self.rows):
            self._make(len(limits))
        for row, pair in zip(self.rows, limits, strict=True):
            for box, value in zip(row, pair, strict=True):
                with QSignalBlocker(box):
                    box.setValue(value)

    def chosen(self) -> PerChannel | None:
        """Return the window that the numbers make; None while one of them makes none."""
        pairs = [(float(low.value()), float(high.value())) for low, high in self.rows]
        if not pairs or any(low >= high for low, high in pairs):
            return None
        return PerChannel(tuple(pairs))

    def _make(self, count: int) -> None:
        for widget in self._widgets:
            self._grid.removeWidget(widget)
            widget.deleteLater()
        self._widgets, self.rows = [], []
        for row in range(count):
            label = QLabel(f"{row + 1}")
            label.setToolTip(tr("Channel {number} of those chosen above.", number=row + 1))
            low, high = (
                self._box(
                    tr("from "), tr("The value of this channel that the model sees as dark.")
                ),
                self._box(
                    tr("to "), tr("The value of this channel that the model sees as bright.")
                ),
            )
            for column, widget in enumerate((label, low, high)):
                self._grid.addWidget(widget, row, column)
                self._widgets.append(widget)
            self._grid.setColumnStretch(1, 1)
            self._grid.setColumnStretch(2, 1)
            self.rows.append((low, high))

    def _box(self, prefix: str, tip: str) -> QDoubleSpinBox:
        box = QDoubleSpinBox()
        box.setRange(-1e9, 1e9)
        box.setDecimals(2)
        box.setPrefix(prefix)
        box.setKeyboardTracking(False)
        box.setToolTip(tip)
        box.valueChanged.connect(lambda _: self.changed.emit())
        return box
