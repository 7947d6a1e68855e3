"""A length, asked for in the unit of the image and given in millimetres."""

from qtpy.QtCore import QSignalBlocker, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QDoubleSpinBox

PER_MM = {"mm": 1.0, "µm": 1e3, "px": 1.0}
"""How much of each unit makes a millimetre; pixels of images without a unit count as such."""


class Length(QDoubleSpinBox):  # type: ignore[misc, unused-ignore]
    """A spin box whose suffix is the image's unit.

    Parameters
    ----------
    least : float, default 0.0
        In whatever unit is shown.
    """

    chosen = Signal(float)
    """Another length was entered, in millimetres."""

    def __init__(self, least: float = 0.0) -> None:
        super().__init__()
        self.setRange(least, 1e6)
        self.setKeyboardTracking(False)
        self._unit = "mm"
        self.setSuffix(" mm")
        self.valueChanged.connect(lambda _: self.chosen.emit(self.mm))

    @property
    def mm(self) -> float:
        """The length in millimetres."""
        return float(self.value()) / PER_MM[self._unit]

    def show_mm(self, mm: float, unit: str) -> None:
        """Show a length given in millimetres in a unit of `PER_MM`, telling nobody."""
        with QSignalBlocker(self):
            self._unit = unit
            self.setSuffix(f" {unit}")
            self.setValue(mm * PER_MM[unit])
